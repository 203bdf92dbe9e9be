"""Simulation and data side by side, for each kind of data: what step one compares, and what the posterior looks at.

Every kind has `classify(log_w, rng)`, how well the weighted simulation agrees with the data and which weights are
missing; `moments()`, the arguments of `measure` that say what is compared; and `parts()`, all numbers that decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..observables import NAMES, compute
from .checks import HomerError, check_columns, check_size, observed, several
from .classify import METHODS, ClassWeights, step_one
from .histograms import Histograms, step_one_histograms
from .moments import CloudMoments, HistogramMoments, Moments

OUTSIDE = 0.02  # of the data may lie outside the range of the simulation
HADRONS = ("offsets", "px", "py", "pz", "e", "pid")


class Features:
    """Events by their observables, one row each.

    Parameters
    ----------
    sim, data : dict of str to ndarray, shape (N,), (M,)
        Their observables.
    options : dict
        For `step_one`.
    """

    def __init__(
        self, sim: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], options: Mapping[str, Any]
    ) -> None:
        self.names, self.options = tuple(sim), options
        self.sim, self.data = _matrices(sim, data)

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        """Step one for a simulation with these weights."""
        return step_one(self.sim, self.data, log_w, rng=rng, **self.options)

    def moments(self) -> tuple[Callable, Any, Any]:
        """Features of events, and what they are taken of, for `hadtutor.homer.measure`."""
        return Moments(self.sim), self.sim, self.data

    def parts(self) -> Iterator[np.ndarray]:
        """Arrays that decide the result, for checkpoints."""
        yield from (self.sim, self.data)


class Clouds(Features):
    """Events by their hadrons; `Features` for the posterior, which looks at the cloud too."""

    def __init__(
        self, sim: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], hadrons: tuple[Hadrons, Hadrons],
        options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(sim, data, options)
        self.hadrons = hadrons

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        """Step one for a simulation with these weights."""
        return step_one(*self.hadrons, log_w, rng=rng, **self.options)

    def moments(self) -> tuple[Callable, Any, Any]:
        """As of `Features`."""
        sim, data = self.hadrons
        return CloudMoments(self.sim, sim), (self.sim, sim), (self.data, data)

    def parts(self) -> Iterator[np.ndarray]:
        """As of `Features`."""
        yield from super().parts()
        yield from (getattr(hadrons, name) for hadrons in self.hadrons for name in HADRONS)


class Distributions:
    """Data of which only histograms are known.

    Parameters
    ----------
    sim : dict of str to ndarray, shape (N,)
        Observables of the simulation.
    data : Histograms
    """

    def __init__(self, sim: Mapping[str, np.ndarray], data: Histograms) -> None:
        self.names, self.sim, self.data = tuple(sim), sim, data
        check_size(sim=len(next(iter(sim.values()))))

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        """Step one for a simulation with these weights; nothing is drawn."""
        log_ratio, chi2, ndf = step_one_histograms(self.sim, self.data, log_w)
        none = np.zeros(len(log_ratio))
        return ClassWeights(log_ratio, none, log_ratio[None], np.empty(0), np.nan, np.nan, [], chi2 / ndf)

    def moments(self) -> tuple[Callable, Any, Any]:
        """As of `Features`."""
        return HistogramMoments(self.data), self.sim, self.data

    def parts(self) -> Iterator[np.ndarray]:
        """As of `Features`."""
        yield from (*self.sim.values(), *self.data.edges.values(), self.data.shares, self.data.covariance)


def side_by_side(
    sim: Sample, data: Any, *, observables: Any, threads: int, method: str, bayesian: bool, ensemble: int,
    epochs: int | None, device: Any, progress: bool,
) -> Features | Clouds | Distributions:  # fmt: skip
    """The class for this kind of data, with the options of `fit`."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    check_size(sim=len(sim))
    if isinstance(data, Histograms):
        idle = {
            "method": method != "mlp", "bayesian": bayesian, "ensemble": ensemble != 1, "epochs": epochs is not None,
            "observables": observables is not None,
        }  # fmt: skip
        if any(idle.values()):
            raise ValueError(
                f"{', '.join(name for name, given in idle.items() if given)} does nothing for data that are "
                "histograms: there are no events to train with, and their observables are those of the edges"
            )
        return Distributions(compute(sim.hadrons, sim.energy, threads=threads, names=tuple(data.edges)), data)
    names = several(NAMES if observables is None else observables, "observables")
    if not names:
        raise ValueError("without observables there is nothing to compare; leave them out, or name at least one")
    if method == "trees" and epochs is not None:
        raise ValueError('epochs does nothing for method="trees", which stops by itself')
    columns = compute(sim.hadrons, sim.energy, threads=threads, names=names)
    of_data = observed(data, sim.energy, threads, names)
    options = {
        "method": method, "energy": sim.energy, "bayesian": bayesian, "ensemble": ensemble, "epochs": epochs,
        "device": device, "progress": progress,
    }  # fmt: skip
    if method != "deepsets":
        return Features(columns, of_data, options)
    hadrons = getattr(data, "hadrons", data)
    if not isinstance(hadrons, Hadrons):
        raise TypeError(f"deepsets looks at hadrons: give data as a Sample or Hadrons, got {type(data).__name__}")
    return Clouds(columns, of_data, (sim.hadrons, hadrons), options)


def _matrices(sim, data):
    """Features of both, with what is not defined put at the mean of the simulation."""
    check_size(data=len(next(iter(data.values()))))
    check_columns(sim, "simulation")
    check_columns(data, "data")
    x, y = [], []
    for name in sim:
        low, high = np.nanmin(sim[name]), np.nanmax(sim[name])
        margin = 1e-6 * (high - low)
        outside = (data[name] < low - margin) | (data[name] > high + margin)
        if outside.mean() > OUTSIDE:
            raise HomerError(
                f"data outside the support of the simulation: {name} is outside its range of {low:.4g} to {high:.4g} "
                f"in {100 * outside.mean():.1f} % of the data; no weight makes events that were never simulated, take "
                "parameters or an energy nearer to the data"
            )
        middle = np.nanmean(sim[name])
        x.append(np.where(np.isnan(sim[name]), middle, sim[name]))
        y.append(np.where(np.isnan(data[name]), middle, data[name]))
    return np.stack(x, axis=1), np.stack(y, axis=1)
