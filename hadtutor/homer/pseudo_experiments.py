"""Are the errors of a fit right? Ask pseudo-experiments whose truth is known."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._support.bars import track
from .._support.checks import Rng, as_generator, takes_rng, whole
from .._support.parallel import spawn
from ..events.sample import Sample
from ..metrics.pulls import Coverage, coverage, event_pulls
from ..strings import hadronize_like
from .break_weights import BreakWeights
from .chains import Chains
from .checks import HomerError, check_simulation, quark_of
from .detection import seen_of
from .iterate import fit
from .result import HomerResult

Z = np.linspace(0.1, 0.9, 9)
QUARTERS = np.array([0.125, 0.375, 0.625, 0.875])  # of the breaks have a smaller mT²


@dataclass
class Calibration:
    """Pulls of E pseudo-experiments.

    Attributes
    ----------
    pulls : ndarray, shape (E, 4, 9)
        Of f in the middle of each quarter of mT², at `z`.
    event_pulls : ndarray, shape (E, 2)
        Mean and root mean square of the pulls of the log weights of events.
    factor_pulls : ndarray, shape (E, F)
        Of the factors of the result, `names`.
    p_values : ndarray, shape (E,)
        Of the χ² of each fit: uniform between 0 and 1, because there every model is right.
    z, mt2 : ndarray, shape (9,), (4,)
        Where f was looked at.
    """

    pulls: np.ndarray = field(repr=False)
    event_pulls: np.ndarray = field(repr=False)
    factor_pulls: np.ndarray = field(repr=False)
    p_values: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    z: np.ndarray = field(repr=False)
    mt2: np.ndarray = field(repr=False)

    @property
    def f(self) -> Coverage:
        """Coverage of f over all points and experiments."""
        return coverage(self.pulls, 1.0, 0.0)

    @property
    def by_quarter(self) -> list[Coverage]:
        """Coverage of f in each quarter of mT²."""
        return [coverage(self.pulls[:, q], 1.0, 0.0) for q in range(len(self.mt2))]

    def __str__(self) -> str:
        inside = ", ".join(f"{c.fraction:.2f}" for c in self.by_quarter)
        width = lambda pulls: np.sqrt(np.mean(pulls**2))
        factors = "".join(f"; {n} {width(p):.2f}" for n, p in zip(self.names, self.factor_pulls.T, strict=True))
        return (
            f"{len(self.pulls)} pseudo-experiments: f inside its band {self.f.fraction:.2f} (by quarters {inside}); "
            f"widths of pulls: f {width(self.pulls):.2f}; events {width(self.event_pulls[:, 1]):.2f}{factors}; "
            f"smallest p of χ² {self.p_values.min():.2g}"
        )


@takes_rng
def calibrate(
    result: HomerResult, sim: Sample | None = None, *, experiments: int = 20, n_data: int | None = None, rng: Rng,
    threads: int = 1, progress: bool = True, **settings: Any,
) -> Calibration:  # fmt: skip
    """Repeat a fit on data whose truth is known, near what it has found, and count how often the band holds it.

    Each pseudo-experiment draws a truth from the posterior, data from that truth, a new simulation, and fits. Both are
    made by `hadtutor.hadronize_strings`, or from the partons of the simulation.

    Parameters
    ----------
    result : HomerResult
        With a posterior and without conditions, else ValueError.
    sim : Sample, optional
        The simulation it belongs to; a result of ``rebase`` knows it.
    experiments, n_data : int
        Number of pseudo-experiments, and of events in their data, by default as many as were simulated.
    rng : numpy.random.Generator or int
    threads, progress
    **settings
        Of `fit`, as they were; `rebase` is not needed, because the simulation is where the data are.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sim, data = (ht.hadronize_strings(2000, ht.LundParams(a=a), rng=1) for a in (0.68, 0.60))
    >>> result = fit(sim, data, iterations=1, progress=False)
    >>> found = calibrate(result, sim, experiments=2, iterations=1, rng=1, progress=False)
    >>> found.pulls.shape
    (2, 4, 9)
    """
    sim = result.sim if sim is None else sim
    if sim is None:
        raise ValueError("the result does not hold its simulation: give the one that its log weights belong to")
    histories, params = check_simulation(sim)
    basis, covariance = result.breaks.basis, result.breaks.covariance
    if params != basis.params or len(sim) != len(result.log_w):
        raise HomerError(f"the result belongs to {len(result.log_w)} events made with {basis.params}, not to {sim!r}")
    if covariance is None or basis.conditions:
        raise ValueError("calibrate wants a result with a posterior and without conditions")
    rng, n_data = as_generator(rng), len(sim) if n_data is None else n_data
    mt2 = np.quantile(histories.mt2, QUARTERS)
    detector: Any = settings.get("detector")
    settings = {"factors": basis.factors, "threads": threads, "progress": False} | settings
    pulls, events, of_factors, p_values = [], [], [], []
    for own in track(spawn(rng, whole(experiments, "experiments")), "pseudo-experiment", progress):
        theta = own.multivariate_normal(result.breaks.theta, covariance, method="svd")
        truth, of_truth = BreakWeights(basis, theta), basis.factor_values(theta)
        values = dict(zip(basis.factors, of_truth.tolist(), strict=True))
        values |= {"b": values.pop("order")} if "order" in values else {}  # where law gives z, b decides the order
        data = hadronize_like(sim, n_data, params._replace(**values), rng=own, law=truth, threads=threads)
        again = hadronize_like(sim, len(sim), params, rng=own, threads=threads)
        with warnings.catch_warnings():  # of many fits some have a small p: that is the result here, and no warning
            warnings.simplefilter("ignore", RuntimeWarning)
            found = fit(again, seen_of(data, detector, own)[1].hadrons, rng=own, **settings)
        again = again if found.sim is None else found.sim
        p_values.append(found.p_value)
        f, sigma = found.f(Z, mt2[:, None])
        pulls.append(event_pulls(f, truth.f(Z, mt2[:, None])[0], sigma))
        exact = Chains(check_simulation(again)[0], basis, quark=quark_of(again)).event_log_weights(theta)[0]
        pull = event_pulls(found.log_w, exact, found.sigma)
        events.append((pull.mean(), np.sqrt(np.mean(pull**2))))
        of_factors.append((found.factors.values - of_truth) / found.factors.errors)
    return Calibration(
        np.array(pulls), np.array(events), np.array(of_factors), np.array(p_values), basis.factors, Z, mt2
    )
