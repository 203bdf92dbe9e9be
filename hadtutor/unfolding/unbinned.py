"""OmniFold, and the errors of an unfolding by bootstrap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.bars import track
from .._support.checks import Rng, as_generator, as_seed, log_weights, takes_rng, whole
from .._support.parallel import spawn
from ..events.hadrons import Hadrons
from ..metrics.weighted import has_names
from ..training.crossfit import CrossFit
from .binned import iterative_bayes
from .inputs import checked
from .passages import unfold
from .result import Unfolded

EPOCHS = 6  # of networks on columns


@takes_rng
def omnifold(
    sim_truth: Any, sim_reco: Any, data_reco: Any, *, iterations: int = 4, kind: str | None = None,
    log_w_sim: Any = None, log_w_data: Any = None, seen: ArrayLike | None = None, real: ArrayLike | None = None,
    energy: float | None = None, stop_early: bool = True, rng: Rng = 1, ensemble: int = 1, epochs: int | None = None,
    hidden: tuple[int, ...] | None = None, device: torch.device | str | None = None, progress: bool = True,
) -> Unfolded:  # fmt: skip
    r"""Unfold events without bins, in as many observables as wanted :cite:p:`andreassen2020omnifold`.

    With :math:`p` for densities at the level of the detector, x, and w for weights of simulated events of the truth t,

    .. math:: w(t) \to w(t)\, \biggl\langle \frac{p_\mathrm{data}(x)}{p_\mathrm{sim, w}(x)} \biggr\rangle_{x|t} .

    The ratio and the mean are learned by classifiers, new ones each time, that never judge events they have learned
    from. One column for each event is UniFold, several are MultiFold, all hadrons OmniFold.

    Parameters
    ----------
    sim_truth, sim_reco : array_like, shape (N, F), (N, G), mapping of str to array_like, or Hadrons
        N events of the simulation, as they are and as they are seen; the two need not have the same features.
    data_reco : array_like, shape (M, G), mapping of str to array_like, or Hadrons
        What is seen in the data, in the features of `sim_reco`.
    iterations : int
        At most so many.
    kind : {"mlp", "trees", "deepsets", "graph"}, optional
        Classifier, see `hadtutor.training.CrossFit`. By default a network where there are columns, and Deep Sets where
        there are hadrons.
    log_w_sim, log_w_data : array_like, shape (N,), (M,), optional
        Log weights that the events come with, such as those of a generator.
    seen : array_like of bool, shape (N,), optional
        Whether the detector has recorded the event. Whatever stands in `sim_reco` if not is never looked at; the event
        gets the mean weight of those of the same truth that were seen. Without hadrons an event was not seen.
    real : array_like of bool, shape (N,), optional
        Whether the event has a truth. If not it is background: it keeps its weight, and its share of what is seen.
    energy : float, optional
        Of the events [GeV], which networks on hadrons need.
    stop_early : bool
        Whether to stop as soon as an area of 0.5 lies within one standard deviation of the classifier's.
    rng : numpy.random.Generator or int
    epochs : int, optional
        Of networks on columns by default 6, however many events there are: iterations add up what each leaves.
    ensemble, hidden, device, progress
        Of the classifiers, see `hadtutor.training.CrossFit`.

    Raises
    ------
    UnfoldingError
        If simulation and data do not overlap, nearly all events are lost, a number that is looked at is NaN, or data
        hold events in which nothing was seen.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the features of simulation and data differ.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sim, data = rng.normal(0.0, 1.0, (20_000, 1)), rng.normal(0.2, 0.8, (20_000, 1))
    >>> see = lambda x: x + rng.normal(0.0, 0.5, x.shape)
    >>> found = omnifold(sim, see(sim), see(data), iterations=2, progress=False)
    >>> float(np.average(sim[:, 0], weights=np.exp(found.log_w)).round(1))
    0.2
    """
    iterations, seed = whole(iterations, "iterations"), as_seed(rng)
    events = checked(sim_truth, sim_reco, data_reco, log_w_sim, log_w_data, seen, real)
    options = {
        "energy": energy, "ensemble": ensemble, "hidden": hidden, "device": device, "progress": False
    }  # fmt: skip

    def judge(x, y, log_w_x, log_w_y, fold_x, fold_y, seed):
        own = kind or ("deepsets" if isinstance(x, Hadrons) else "mlp")
        passes = EPOCHS if epochs is None and own == "mlp" else epochs
        folds = {"fold_x": fold_x, "fold_y": fold_y}
        return CrossFit(x, y, log_w_x, log_w_y, kind=own, epochs=passes, rng=seed, **folds, **options)

    return unfold(events, judge, judge, iterations, stop_early, seed, progress)


@takes_rng
def bootstrap(
    sim_truth: Any, sim_reco: Any, data_reco: Any, *, replicas: int = 20, edges: ArrayLike | None = None,
    log_w_sim: Any = None, log_w_data: Any = None, rng: Rng = 1, progress: bool = True, **settings: Any,
) -> np.ndarray:  # fmt: skip
    """Repeat an unfolding with events drawn anew, data and simulation, to see how far its results scatter.

    An event counts as often as a Poisson number of mean 1 says. The error of whatever is computed with the weights is
    the standard deviation over the replicas; it does not know what stopping early leaves of the simulation.

    Parameters
    ----------
    sim_truth, sim_reco, data_reco
        As for `omnifold`, or for `iterative_bayes` if its `edges` are given.
    replicas : int
        How often, at least twice.
    edges : array_like, shape (B + 1,), optional
        Then `iterative_bayes` is repeated.
    log_w_sim, log_w_data : array_like, shape (N,), (M,), optional
    rng : numpy.random.Generator or int
    progress : bool
    **settings
        Of `omnifold` or `iterative_bayes`. They should be those of the unfolding, with as many iterations as it took:
        here ``stop_early`` is False.

    Returns
    -------
    log_w : ndarray, shape (replicas, N)
        As `Unfolded.log_w`, of each; -inf where an event was not drawn.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sim, data = rng.normal(0.0, 1.0, 20_000), rng.normal(0.2, 0.8, 20_000)
    >>> see = lambda x: x + rng.normal(0.0, 0.5, len(x))
    >>> both = bootstrap(sim, see(sim), see(data), edges=np.linspace(-3, 3, 25), iterations=3, replicas=10)
    >>> means = [np.average(sim, weights=np.exp(log_w)) for log_w in both]
    >>> 0.004 < float(np.std(means)) < 0.03
    True
    """
    replicas = whole(replicas, "replicas", 2)
    n, m = _events_of(sim_truth), _events_of(data_reco)
    log_w_sim, log_w_data = log_weights(log_w_sim, n, "log_w_sim"), log_weights(log_w_data, m, "log_w_data")
    found = []
    for own in track(spawn(as_generator(rng), replicas), "replica", progress):
        with np.errstate(divide="ignore"):
            drawn = {"log_w_sim": log_w_sim + np.log(own.poisson(1.0, n))}
            drawn["log_w_data"] = log_w_data + np.log(own.poisson(1.0, m))
        options: dict = settings | drawn | {"stop_early": False}
        again: Callable[..., Unfolded] = iterative_bayes
        if edges is None:
            again, options = omnifold, options | {"rng": own, "progress": False}
        else:
            options["edges"] = edges
        found.append(again(sim_truth, sim_reco, data_reco, **options).log_w)
    return np.array(found)


def _events_of(side):
    """How many events there are, in columns with names or without, or as hadrons."""
    return len(next(iter(side.values()))) if has_names(side) else len(getattr(side, "hadrons", side))
