"""Simulation and data side by side, for each kind of data: what step one compares, and what the posterior looks at.

Every kind has `classify(log_w, rng)`, step one for the simulation with these weights; `moments()`, the arguments of
`measure` that say what is compared; `with_simulation(sim, threads)`, the same data beside another simulation;
`check_support()`, which refuses data far from it; and `parts()`, all arrays that decide the result, for checkpoints.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..observables import NAMES, compute
from ..training.crossfit import OF_CLOUDS
from .checks import HomerError, check_columns, check_size, observed, several
from .classify import METHODS, ClassWeights, step_one
from .histograms import Histograms, step_one_histograms
from .published import AgainstFigures, Published

OUTSIDE = 0.02  # of the data may lie outside the range of the simulation
OFTEN = 0.01  # hadrons of a species per event
HADRONS = ("offsets", "px", "py", "pz", "e", "pid")
Columns = Mapping[str, np.ndarray]


class Moments:
    """Features of events: all products of two observables, their cubes, and themselves.

    They are standardised with those of the simulation, `x` of shape (N, F); what is five standard deviations away is
    put there.
    """

    def __init__(self, x: np.ndarray) -> None:
        self.mean, self.spread = x.mean(axis=0), x.std(axis=0)
        self.spread = np.where(self.spread > 0, self.spread, 1.0)

    def __call__(self, x: np.ndarray, events: slice) -> np.ndarray:
        """Features of some events, shape (n, F + F(F + 1)/2 + F)."""
        x = np.clip((x[events] - self.mean) / self.spread, -5.0, 5.0)
        i, j = np.triu_indices(x.shape[1])
        return np.concatenate([x, x[:, i] * x[:, j], x**3], axis=1)


class CloudMoments:
    """Features of the particle cloud: numbers of charged and neutral hadrons in bins of ln p and ln pT, and `Moments`.

    Bins hold equally many `hadrons` of the simulation, whose observables are `x`, shape (N, F).
    """

    def __init__(self, x: np.ndarray, hadrons: Hadrons) -> None:
        self.moments = Moments(x)
        self.edges = [np.quantile(v, np.linspace(0, 1, n + 1)[1:-1]) for v, n in zip(_logs(hadrons), (8, 4))]

    def __call__(self, x_and_hadrons: tuple[np.ndarray, Hadrons], events: slice) -> np.ndarray:
        """Features of some events, shape (n, M)."""
        x, hadrons = x_and_hadrons
        some = hadrons[events]
        a, b = (np.searchsorted(e, v) for e, v in zip(self.edges, _logs(some), strict=True))
        cell = (a * 4 + b) * 2 + (some.pid != 111)
        counts = np.bincount(some.event * 64 + cell, minlength=64 * len(some)).reshape(len(some), 64)
        return np.concatenate([self.moments(x, events), counts], axis=1)


def _logs(hadrons):
    """ln p and ln pT of each hadron."""
    pt2 = hadrons.px.astype(float) ** 2 + hadrons.py.astype(float) ** 2
    return np.log(np.sqrt(pt2 + hadrons.pz.astype(float) ** 2)), np.log(np.sqrt(np.maximum(pt2, 1e-12)))


class SpeciesMoments(CloudMoments):
    """`CloudMoments`, and the number of hadrons of each species in the event, those that the simulation has often."""

    def __init__(self, x: np.ndarray, hadrons: Hadrons) -> None:
        super().__init__(x, hadrons)
        codes, counts = np.unique(abs(hadrons.pid), return_counts=True)
        self.codes = codes[counts > OFTEN * len(hadrons)]

    def __call__(self, x_and_hadrons: tuple[np.ndarray, Hadrons], events: slice) -> np.ndarray:
        """Features of some events, shape (n, M)."""
        some = x_and_hadrons[1][events]
        counts = [np.bincount(some.event[abs(some.pid) == code], minlength=len(some)) for code in self.codes]
        return np.column_stack([super().__call__(x_and_hadrons, events), *counts])


class HistogramMoments:
    """Features where the data are `histograms`: which bins an event is in."""

    def __init__(self, histograms: Histograms) -> None:
        self.bins = histograms.bins

    def __call__(self, columns: Mapping[str, np.ndarray], events: slice) -> np.ndarray:
        """Features of some events, shape (n, B)."""
        places = self.bins.places({name: columns[name][events] for name in self.bins.edges}, overflow=True)
        inside = np.zeros((places.shape[1], len(self.bins) + 1))
        np.put_along_axis(inside, places.T, 1.0, axis=1)
        return inside[:, :-1]  # the last is of events in no bin


class Features:
    """Events by their observables, one row each; what is not defined is put at the mean of the simulation."""

    def __init__(self, sim: Columns, data: Columns, options: Mapping[str, Any]) -> None:
        self.names, self.options, self.columns = tuple(sim), options, data
        check_size("data", next(iter(data.values())))
        check_columns(sim, "simulation")
        check_columns(data, "data")
        x, y = [], []
        for name in sim:
            middle = np.nanmean(sim[name])
            x.append(np.where(np.isnan(sim[name]), middle, sim[name]))
            y.append(np.where(np.isnan(data[name]), middle, data[name]))
        self.sim, self.data = np.stack(x, axis=1), np.stack(y, axis=1)

    def check_support(self) -> None:
        """Refuse data that lie where no event was simulated."""
        for name, sim, data in zip(self.names, self.sim.T, self.data.T, strict=True):
            low, high = sim.min(), sim.max()
            margin = 1e-6 * (high - low)
            outside = np.mean((data < low - margin) | (data > high + margin))
            if outside > OUTSIDE:
                raise HomerError(
                    f"data outside the support of the simulation: {name} is outside its range of {low:.4g} to "
                    f"{high:.4g} in {100 * outside:.1f} % of the data; no weight makes events that were never "
                    "simulated, take parameters or an energy nearer to the data"
                )

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        return step_one(self.sim, self.data, log_w, rng=rng, **self.options)

    def moments(self) -> tuple[Callable, Any, Any]:
        return Moments(self.sim), self.sim, self.data

    def with_simulation(self, sim: Sample, threads: int) -> "Features":
        columns = compute(sim.hadrons, sim.energy, threads=threads, names=self.names)
        return Features(columns, self.columns, self.options)

    def parts(self) -> Iterator[np.ndarray]:
        yield from (self.sim, self.data)


class Clouds(Features):
    """Events by their hadrons; `Features` for the posterior, which looks at the cloud too."""

    def __init__(self, sim: Columns, data: Columns, options: Mapping[str, Any], *hadrons: Hadrons) -> None:
        super().__init__(sim, data, options)
        self.hadrons = hadrons

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        return step_one(*self.hadrons, log_w, rng=rng, **self.options)

    def moments(self) -> tuple[Callable, Any, Any]:
        sim, data = self.hadrons
        return CloudMoments(self.sim, sim), (self.sim, sim), (self.data, data)

    def with_simulation(self, sim: Sample, threads: int) -> "Clouds":
        columns = compute(sim.hadrons, sim.energy, threads=threads, names=self.names)
        return type(self)(columns, self.columns, self.options, sim.hadrons, self.hadrons[1])

    def parts(self) -> Iterator[np.ndarray]:
        yield from super().parts()
        yield from (getattr(hadrons, name) for hadrons in self.hadrons for name in HADRONS)


class HadronsToo(Clouds):
    """Events by their hadrons for the posterior, and by their observables for the classifier."""

    classify = Features.classify

    def moments(self) -> tuple[Callable, Any, Any]:
        sim, data = self.hadrons
        return SpeciesMoments(self.sim, sim), (self.sim, sim), (self.data, data)


class Distributions:
    """Data of which only histograms are known, beside the observables of the simulation."""

    def __init__(self, sim: Columns, data: Histograms) -> None:
        self.names, self.sim, self.data = tuple(sim), sim, data

    def check_support(self) -> None:
        """Step one does that."""

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        log_ratio, chi2, ndf = step_one_histograms(self.sim, self.data, log_w)  # nothing is drawn
        none = np.zeros(len(log_ratio))
        return ClassWeights(log_ratio, none, log_ratio[None], np.empty(0), np.nan, np.nan, [], chi2 / ndf)

    def moments(self) -> tuple[Callable, Any, Any]:
        return HistogramMoments(self.data), self.sim, self.data

    def with_simulation(self, sim: Sample, threads: int) -> "Distributions":
        return Distributions(compute(sim.hadrons, sim.energy, threads=threads, names=self.names), self.data)

    def parts(self) -> Iterator[np.ndarray]:
        yield from (*self.sim.values(), *self.data.edges.values(), self.data.shares, self.data.covariance)


Inputs = Features | Clouds | Distributions | AgainstFigures


def side_by_side(sim: Sample, data: Any, observables: Any, threads: int, options: dict[str, Any]) -> Inputs:
    """The class for this kind of data; `options` are those of `fit` for step one."""
    method = options["method"]
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    check_size("sim", sim)
    if isinstance(data, (Histograms, Published)):
        defaults = {"method": "mlp", "bayesian": False, "ensemble": 1, "epochs": None, "observables": False}
        given = options | {"observables": observables is not None}
        if idle := ", ".join(name for name, value in defaults.items() if given[name] != value):
            raise ValueError(
                f"{idle} does nothing for data that are histograms: there are no events to train with, and their "
                "observables are what was measured"
            )
        if isinstance(data, Published):
            return AgainstFigures(sim, data)
        return Distributions(compute(sim.hadrons, sim.energy, threads=threads, names=tuple(data.edges)), data)
    names = several(NAMES if observables is None else observables, "observables")
    if not names:
        raise ValueError("without observables there is nothing to compare; leave them out, or name at least one")
    if method == "trees" and options["epochs"] is not None:
        raise ValueError('epochs does nothing for method="trees", which stops by itself')
    columns = compute(sim.hadrons, sim.energy, threads=threads, names=names)
    of_data = observed(data, sim.energy, threads, names)
    options = options | {"energy": sim.energy}
    if method not in OF_CLOUDS:
        return Features(columns, of_data, options)
    hadrons = getattr(data, "hadrons", data)
    if not isinstance(hadrons, Hadrons):
        raise TypeError(f"{method} looks at hadrons: give data as a Sample or Hadrons, got {type(data).__name__}")
    return Clouds(columns, of_data, options, sim.hadrons, hadrons)
