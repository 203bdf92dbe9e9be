"""Data that are histograms, and step one for them: all that many experiments publish."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import logsumexp

from .._support.checks import column, log_weights, plain, whole
from ..metrics.shares import Bins, checked_edges, open_edges, whiten
from ..observables import NAMES
from .checks import HomerError, check_columns, several


class Means(NamedTuple):
    """Measured means of features of events, and their covariance."""

    shares: np.ndarray  # (B,)
    covariance: np.ndarray  # (B, B)


@dataclass(frozen=True, eq=False)
class Histograms:
    """Measured distributions of single observables.

    Attributes
    ----------
    edges : dict of str to ndarray, shape (B_k + 1,)
        Increasing bin edges of each observable; what lies outside counts in the first and the last bin, and an event
        for which the observable is not defined in none.
    shares, covariance : ndarray, shape (B,), (B, B)
        Fraction of the events in each bin, all histograms one after the other; no number may be missing (ValueError).
    """

    edges: Mapping[str, np.ndarray]
    shares: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        edges = {name: checked_edges(e, f"the edges of {name}") for name, e in self.edges.items()}
        shares, covariance = (plain(getattr(self, name), name).astype(float) for name in ("shares", "covariance"))
        self.__dict__.update(edges=edges, shares=shares, covariance=covariance)
        n = len(self.bins)
        if n == 0 or shares.shape != (n,) or covariance.shape != (n, n):
            raise ValueError(
                f"{n} bins want shares and covariance of shapes ({n},) and ({n}, {n}), at least one bin, "
                f"got {shares.shape} and {covariance.shape}"
            )
        if not (np.all(np.isfinite(shares)) and np.all(np.isfinite(covariance))):
            raise ValueError("shares and their covariance must be finite; leave bins without a measurement out")

    @property
    def bins(self) -> Bins:
        """The bins of all histograms, put end to end."""
        return Bins(self.edges)

    @classmethod
    def of(cls, columns: Mapping[str, ArrayLike], n_bins: int = 20, names: str | Iterable[str] = NAMES) -> "Histograms":
        """Histograms of events in bins that hold about equally many, with the covariance, also between observables.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (M,)
            Such as `hadtutor.observables.compute` returns. HomerError if one is NaN or infinite; moments of ln x may be
            NaN in one event of a hundred.
        n_bins : int
            At most so many bins for each.
        names : str or sequence of str
        """
        n_bins, wanted = whole(n_bins, "n_bins"), several(names, "names")
        if not wanted:
            raise ValueError("histograms of no observable say nothing; give at least one name")
        values = {name: column(columns[name], name) for name in wanted}
        check_columns(values, "data")
        bins = Bins({name: open_edges(v, n_bins, whole_numbers=False) for name, v in values.items()})
        places = bins.places(values)
        n = places.shape[1]
        shares = bins.shares(places, np.full(n, 1.0 / n))
        pairs = bins.pairs(places, np.ones(n)) / n
        return cls(bins.edges, shares, (pairs - np.outer(shares, shares)) / (n - 1))


def step_one_histograms(
    columns: Mapping[str, ArrayLike], histograms: Histograms, log_w: ArrayLike | None = None
) -> tuple[np.ndarray, float, int]:
    r"""Weights for which the simulation has the measured histograms, and which are otherwise as equal as can be.

    :math:`\ln w = \sum_k \theta_k(\mathrm{bin}_k(x))`, a function of each observable by itself: it maximises the
    likelihood of the histograms less the Kullback–Leibler divergence of the weighted to the unweighted simulation.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (N,)
        Observables of the simulation; HomerError if one is no number, or leaves a bin empty that has data.
    histograms : Histograms
    log_w : array_like, shape (N,), optional
        Log weights that the simulation has already.

    Returns
    -------
    log_ratio : ndarray, shape (N,)
    chi2, ndf : float, int
        Of the histograms and the simulation as it came, with the errors of both.
    """
    bins = histograms.bins
    values = {name: column(columns[name], name) for name in histograms.edges}
    check_columns(values, "simulation")
    places = bins.places(values, overflow=True)
    log_w = log_weights(log_w, places.shape[1])
    w = np.exp(log_w - logsumexp(log_w))
    now = bins.shares(places, w)
    empty = (now == 0) & (histograms.shares > 3.0 * np.sqrt(np.diag(histograms.covariance)))
    if empty.any():
        raise HomerError(
            f"data outside the support of the simulation: a bin of {bins.owners[np.argmax(empty)]} has data and no "
            "simulated event; simulate more events, or with parameters nearer to the data"
        )
    root = whiten(histograms.covariance + bins.covariance(places, w), 1e-8)
    difference = (histograms.shares - now) @ root
    scale = 1.0 / np.sqrt(np.maximum(histograms.shares, 1e-4))

    def log_ratio(theta):
        return np.append(theta, 0.0)[places].sum(axis=0)  # an event in no bin keeps its weight

    def objective(x):
        theta = x * scale
        log_r = log_ratio(theta)
        log_norm = logsumexp(log_r, b=w)
        new = bins.shares(places, w * np.exp(log_r - log_norm))
        slack = histograms.covariance @ theta
        value = log_norm - theta @ histograms.shares + 0.5 * theta @ slack
        return value, scale * (new - histograms.shares + slack)

    best = minimize(objective, np.zeros(len(scale)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    log_r = log_ratio(best.x * scale)
    return log_r - logsumexp(log_r, b=w), float(difference @ difference), root.shape[1]
