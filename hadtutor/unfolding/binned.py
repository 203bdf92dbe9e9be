"""The same loop with bins: iterative Bayesian unfolding."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column, whole
from ..metrics.shares import checked_edges
from .inputs import UnfoldingError, checked
from .passages import unfold
from .result import Unfolded

OUTSIDE = 0.02  # of the data may lie in bins without simulation, where they change nothing


class Counts:
    """The ratio of two samples of bin numbers, from weighted counts; what it is asked about need not be new to it."""

    def __init__(self, x: np.ndarray, y: np.ndarray, log_w_x: np.ndarray, log_w_y: np.ndarray, *_: Any) -> None:
        n = 1 + int(max(x.max(), y.max()))
        of_x, of_y = (
            np.bincount(places.ravel(), np.exp(log_w - log_w.max()), minlength=n)
            for places, log_w in ((x, log_w_x), (y, log_w_y))
        )
        if (outside := of_y[of_x == 0].sum() / of_y.sum()) > OUTSIDE:
            raise UnfoldingError(
                f"no overlap of simulation and data: {100 * outside:.1f} % of the data are in bins without a simulated "
                "event; take wider bins, or a simulation nearer to the data"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(of_y / of_y.sum()) - np.log(of_x / of_x.sum())
        self.table = np.where(of_x > 0, ratio, 0.0)

    def log_ratio(self, x: np.ndarray, fold: Any = None) -> np.ndarray:
        """ln of y over x for each event; 0 in bins where there was nothing to learn from."""
        return np.append(self.table, 0.0)[np.minimum(x.ravel(), len(self.table))]


def iterative_bayes(
    sim_truth: ArrayLike, sim_reco: ArrayLike, data_reco: ArrayLike, edges: ArrayLike,
    edges_reco: ArrayLike | None = None, *, iterations: int = 4, log_w_sim: Any = None, log_w_data: Any = None,
    seen: ArrayLike | None = None, real: ArrayLike | None = None, stop_early: bool = False,
) -> Unfolded:  # fmt: skip
    r"""Unfold one observable in bins, by iterating Bayes' theorem :cite:p:`dagostini1995multidimensional`.

    With the share :math:`t_j` of the truth in bin j, the probability :math:`R_{ij}` that such an event is seen in bin
    i, and the shares :math:`d_i` of the data,

    .. math:: t_j \to t_j \sum_i \frac{R_{ij}}{\sum_k R_{kj}}\, \frac{d_i}{\sum_l R_{il}\, t_l} .

    It is done with weights of the simulated events, as `omnifold` does it: the response is that of the simulation.

    Parameters
    ----------
    sim_truth, sim_reco : array_like, shape (N,)
        The observable for each event of the simulation, as it is and as it is seen.
    data_reco : array_like, shape (M,)
        The observable as it is seen in the data.
    edges, edges_reco : array_like, shape (B + 1,), (C + 1,)
        Bins of the truth, and of what is seen; by default the same. What lies beyond counts in the outermost bin.
    iterations, log_w_sim, log_w_data, seen, real, stop_early
        As for `omnifold`.

    Raises
    ------
    UnfoldingError
        If a bin has data and no simulated event, and as `omnifold` does.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sim, data = rng.normal(0.0, 1.0, 20_000), rng.normal(0.2, 0.8, 20_000)
    >>> see = lambda x: x + rng.normal(0.0, 0.5, len(x))
    >>> found = iterative_bayes(sim, see(sim), see(data), np.linspace(-3, 3, 25), iterations=3)
    >>> float(np.average(sim, weights=np.exp(found.log_w)).round(1))
    0.2
    """
    iterations = whole(iterations, "iterations")
    edges = checked_edges(edges)
    edges_reco = edges if edges_reco is None else checked_edges(edges_reco, "edges_reco")
    named = {"sim_truth": sim_truth, "sim_reco": sim_reco, "data_reco": data_reco}
    truth, reco, data = (column(values, name)[:, None] for name, values in named.items())
    events = checked(truth, reco, data, log_w_sim, log_w_data, seen, real)
    place = lambda x, e: np.clip(np.searchsorted(e, x, side="right") - 1, 0, len(e) - 2)
    events.__dict__.update(truth=place(truth, edges), reco=place(reco, edges_reco), data=place(data, edges_reco))
    return unfold(events, Counts, Counts, iterations, stop_early, 0, False)
