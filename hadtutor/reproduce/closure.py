"""Learn a fragmentation function that is known, and judge each stage with events that were not part of the fit."""

import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from .. import homer, lund, metrics, observables, weights
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..homer.checks import check_simulation
from ..metrics.shares import Bins, open_edges
from ..params import LundMixture, LundParams
from ..strings import flavours_at_ends, hadronize_strings

ENERGY = 90.0  # GeV
BASE = LundParams()
TARGETS: dict[str, LundParams | LundMixture] = {
    "mixture": LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5)),
    "a030": BASE._replace(a=0.30),
    "mixture_b": LundMixture((BASE, BASE._replace(b=0.80)), (0.5, 0.5)),
}
TITLES = {  # by the ending of a table's name
    "": "mixture of a = 0.68 and 0.30", "_a030": "a = 0.30", "_mixture_b": "mixture of b = 0.98 and 0.80 GeV⁻²",
    "_published": "mixture of a = 0.68 and 0.30, with the networks as published",
    "_qgq": "one gluon", "_qvgq": "one gluon from a shower", "_qngq": "all gluons of a shower",
    "_showers": "several strings",
}  # fmt: skip
Z = np.linspace(0.05, 0.90, 86)
PULLS = np.linspace(-3.0, 3.0, 61)  # edges of the histograms of pulls; what lies beyond is put at the ends
BOOTSTRAPS = 40


class Fitted(NamedTuple):
    """What a method has found.

    Attributes
    ----------
    stages : dict of str to HomerResult or BreakWeights
        From the first to the last.
    seconds : dict of str to float
        Until each stage was reached.
    sim : Sample
        The simulation that the last stage has errors for.
    log_w, sigma : ndarray, shape (N,)
        Log weights of its events and their errors.
    sigma_of_f : callable
        Relative standard deviations of the last f at Z, averaged over some mT² of each quarter, (4, 86).
    fits : dict
        Fits of Lund parameters to the last f.
    aucs, auc_errors : list of float
        Before each iteration.
    """

    stages: dict[str, Any]
    seconds: dict[str, float]
    sim: Sample
    log_w: np.ndarray
    sigma: np.ndarray
    sigma_of_f: Callable[[list[np.ndarray]], np.ndarray]
    fits: dict[str, Any]
    aucs: list[float]
    auc_errors: list[float]


def matrix(hadrons: Hadrons, threads: int) -> np.ndarray:
    """Observables as features, (N, 13), what is not defined as 0."""
    return np.nan_to_num(np.stack(list(observables.compute(hadrons, ENERGY, threads=threads).values()), axis=1))


class Quarters(NamedTuple):
    """Where f is compared: in four bins of mT² with equally many breaks.

    Attributes
    ----------
    edges : ndarray, shape (5,)
    mt2 : list of ndarray
        Some values in each, over which f is averaged.
    lowest : list of float
        Below this z a bin has one break in a thousand.
    """

    edges: np.ndarray
    mt2: list[np.ndarray]
    lowest: list[float]

    @classmethod
    def of(cls, sim: Sample) -> "Quarters":
        """Those of the breaks of a simulation."""
        z, mt2 = sim.histories.z, sim.histories.mt2
        edges = np.quantile(mt2, [0.0, 0.25, 0.5, 0.75, 1.0])
        values = [np.quantile(mt2, (k + np.arange(0.5, 16) / 16) / 4).astype(float) for k in range(4)]
        bins = np.searchsorted(edges[1:-1], mt2)
        return cls(edges, values, [float(np.quantile(z[bins == k], 1e-3)) for k in range(4)])

    def over_truth(self, stage: Any, target: LundParams | LundMixture) -> list[np.ndarray]:
        """Learned over true f at Z, in each quarter."""
        true = [np.exp(lund.log_density(Z, m[:, None], target)).mean(axis=0) for m in self.mt2]
        return [stage.f(Z, m[:, None])[0].mean(axis=0) / f for m, f in zip(self.mt2, true, strict=True)]

    def biases(self, of_f: list[np.ndarray]) -> list[float]:
        """How far that is from one at most, where there are breaks."""
        return [float(np.max(np.abs(r - 1.0)[low <= Z])) for r, low in zip(of_f, self.lowest, strict=True)]


def ours(
    sim: Sample, data: Hadrons, *, threads: int, rng: int, progress: bool, checkpoint: pathlib.Path, fits: bool
) -> Fitted:
    """`homer.fit`: iterations with the simulation that is there, the posterior, and again with new simulations."""
    options: dict[str, Any] = {"rng": rng, "threads": threads, "progress": progress}
    start = time.monotonic()
    result = homer.fit(sim, data, checkpoint=checkpoint, **options)
    middle = time.monotonic()
    again = homer.fit(sim, data, rebase=True, **options)
    seconds = [middle - start] * 3 + [time.monotonic() - middle]
    stages = {
        "HOMER, 1 iteration": result.of_iteration(0), "iHOMER, last iteration": result.of_iteration(-1),
        "with posterior": result, "with new simulations": again,
    }  # fmt: skip

    def sigma_of_f(mt2):
        samples = again.f_samples(Z, np.concatenate(mt2)[:, None], 200, rng=rng)
        samples = samples.reshape(200, 4, -1, len(Z)).mean(axis=2)
        return samples.std(axis=0) / samples.mean(axis=0)

    found = {}
    if fits:
        found = {"naive": values(homer.fit_lund(result))} | {
            "mixture": values(homer.fit_mixture(result, bootstraps=BOOTSTRAPS, rng=rng, progress=progress))
        }
        found["naive"]["a_alone"] = values(homer.fit_lund(result, ("a",)))
    aucs, errors = ([getattr(i, name) for i in result.iterations] for name in ("auc", "auc_error"))
    return Fitted(
        stages, dict(zip(stages, seconds, strict=True)), again.sim, again.log_w, again.sigma, sigma_of_f, found, aucs,
        errors,
    )  # fmt: skip


def straight(n_events: int, params: LundParams | LundMixture, **options: Any) -> Sample:
    """Straight strings, of the energy of all experiments."""
    return hadronize_strings(n_events, params, ENERGY, **options)


def learn(
    target_name: str, n_events: int, *, threads: int, rng: int, progress: bool, checkpoint: pathlib.Path,
    method: Callable[..., Fitted] = ours, hadronize: Callable[..., Sample] = straight,
) -> dict[str, Any]:  # fmt: skip
    """Fit by a `method`, then judge each stage with new events: rows of a table, curves, and fits of parameters.

    Simulation and data are made by `hadronize`, a function like `straight`.
    """
    target, index = TARGETS[target_name], list(TARGETS).index(target_name)

    def generate(number):
        """A simulated sample and the hadrons of data: those of the fit, number 0, or held out."""
        own = np.random.default_rng([rng, index, number])
        options = {"rng": own, "threads": threads, "progress": progress}
        sim, data = (hadronize(n_events, p, **options) for p in (BASE, target))
        return sim, data.hadrons

    def judged(sim, data):
        """Observables of both; log weights of each stage, and the exact ones: what no method can do better than."""
        log_w = {what: log_weights(stage, sim) for what, stage in fitted.stages.items()}
        if "naive" in fitted.fits:
            naive = BASE._replace(**{name: fitted.fits["naive"][name] for name in fitted.fits["naive"]["names"]})
            log_w["one Lund function"] = weights.event_weights(sim, naive).log_w
        log_w["exact weights"] = weights.event_weights(sim, target).log_w
        return *(observables.compute(h, sim.energy, threads=threads) for h in (sim.hadrons, data)), log_w

    sim, data = generate(0)
    fits = target_name == "mixture"
    fitted = method(sim, data, threads=threads, rng=rng, progress=progress, checkpoint=checkpoint, fits=fits)
    quarters = Quarters.of(sim)
    x, y, of_stages = judged(sim, data)
    exact, rows = of_stages["exact weights"], {}
    for what, log_w in of_stages.items():
        rows[what] = {
            "what": what, "aucs": [], "auc_errors": [], "chi2_held_out": [],
            "n_eff": metrics.n_eff(log_w) / len(log_w), "chi2": {name: chi2(x[name], y[name], log_w) for name in x},
            "spread_of_log_w": float(np.std(log_w - exact)), "seconds_of_fit": round(fitted.seconds.get(what, 0.0), 1),
        }  # fmt: skip
    last = list(fitted.stages)[-1]
    rows[last] |= pulls(fitted, target)
    shown = ratios(x, y, of_stages)
    del sim, data, of_stages, exact
    for number in (1, 2):  # two held-out sets of new simulated events and new data each
        x, y, of_stages = judged(*generate(number))
        for what, log_w in of_stages.items():
            rows[what]["chi2_held_out"].append({name: chi2(x[name], y[name], log_w) for name in x})
            if what != "exact weights":
                fresh = metrics.classifier_test(x, y, log_w, rng=np.random.default_rng([rng, index, number, 1]))
                rows[what]["aucs"].append(fresh.auc)
                rows[what]["auc_errors"].append(fresh.error)
    curves: dict[str, Any] = {
        "z": Z.tolist(), "lowest_z": quarters.lowest, "mt2_edges": quarters.edges.tolist(), "ratio": {}
    }  # fmt: skip
    for what, stage in fitted.stages.items():
        of_f = quarters.over_truth(stage, target)
        rows[what]["f_bias"] = quarters.biases(of_f)
        rows[what]["f_bias_everywhere"] = [float(np.max(np.abs(r - 1.0))) for r in of_f]
        curves["ratio"][what] = [np.round(r, 5).tolist() for r in of_f]
    curves["sigma"] = np.round(fitted.sigma_of_f(quarters.mt2), 6).tolist()
    curves |= {"auc_of_iterations": fitted.aucs, "auc_error_of_iterations": fitted.auc_errors, "observables": shown}
    for row in rows.values():
        if row["aucs"]:
            row["auc"] = float(np.mean(row["aucs"]))
            row["auc_error"] = float(np.mean(row["auc_errors"]) / np.sqrt(2.0))
        row["worst_chi2_per_ndf"] = max(value / ndf for value, ndf, _ in row["chi2"].values())
        row["least_p_value"] = min(p for _, _, p in row["chi2"].values())
    return {"exact": rows.pop("exact weights"), "rows": list(rows.values()), "curves": curves, **fitted.fits}


def log_weights(stage: Any, sim: Sample) -> np.ndarray:
    """Log weights of the events of a simulation for weights of breaks, or the result of a fit."""
    if isinstance(stage, homer.HomerResult):
        return stage.log_weights(sim)
    return homer.step_three(homer.Chains(check_simulation(sim)[0], stage.basis, quark=flavours_at_ends(sim)), stage)[0]


def values(fit: homer.ParametricFit) -> dict[str, Any]:
    """A parametric fit as numbers that can be stored; with the ensemble of its bootstraps, if there are any."""
    found = {
        "names": list(fit.names), "values": fit.values.tolist(), "errors": fit.errors.tolist(), "chi2": fit.chi2,
        "ndf": fit.ndf, "p_value": fit.p_value, **dict(zip(fit.names, map(float, fit.values), strict=True)),
    }  # fmt: skip
    if "fraction" in fit.names:
        found["truth"] = [0.68, 0.30, 0.5]
    return found | ({"bootstraps": np.round(fit.bootstraps, 4).tolist()} if len(fit.bootstraps) else {})


def pulls(fitted: Fitted, target: LundParams | LundMixture) -> dict[str, Any]:
    """Pulls of the last log weights, of events and of breaks: coverage, mean and width, and their histograms."""
    sim, last = fitted.sim, list(fitted.stages.values())[-1]
    breaks = last.breaks if isinstance(last, homer.HomerResult) else last
    z, mt2 = (v.astype(float) for v in (sim.histories.z, sim.histories.mt2))
    mean, sigma = breaks(z, mt2)
    true = lund.log_density(z, mt2, target) - lund.log_density(z, mt2, breaks.basis.params)
    found = {}
    for name, of in {
        "pull": (fitted.log_w, fitted.sigma, weights.event_weights(sim, target).log_w),
        "break_pull": (mean, sigma, true),
    }.items():
        found[name] = homer.coverage(*of)._asdict()
        each = np.clip(metrics.event_pulls(of[0], of[2], of[1]), PULLS[0], np.nextafter(PULLS[-1], 0))
        found[name + "_shares"] = np.round(np.histogram(each, PULLS)[0] / len(each), 6).tolist()
    return found


def ratios(x: dict[str, np.ndarray], y: dict[str, np.ndarray], of_stages: dict[str, np.ndarray]) -> dict[str, Any]:
    """Simulation over data for each observable: in bins of equally many data, for each stage, with errors."""
    found: dict[str, Any] = {}
    of_stages = {"simulation": np.zeros(len(next(iter(x.values()))))} | of_stages
    for name in x:
        bins = Bins({name: open_edges(y[name], 20)})
        here, there = (bins.places({name: v[name]}) for v in (x, y))
        counts = bins.shares(there)
        filled = np.minimum(counts, bins.shares(here)) >= 25
        ends = np.quantile(y[name][np.isfinite(y[name])], [0.001, 0.999])
        of_data = counts[filled] / len(y[name])
        found[name] = {
            "edges": np.clip(bins.edges[name], *ends).tolist(), "filled": filled.tolist(),
            "error": np.round(np.sqrt(2.0 / counts[filled]), 5).tolist(),
            "ratio": {
                what: np.round(bins.shares(here, np.exp(w) / np.exp(w).sum())[filled] / of_data, 5).tolist()
                for what, w in of_stages.items()
            },
        }  # fmt: skip
    return found


def chi2(x: np.ndarray, y: np.ndarray, log_w: np.ndarray) -> list[float]:
    """χ², degrees of freedom and p-value for one observable, with the errors of both samples (Σw²).

    Of 50 bins that hold about equally many events; for whole numbers of all bins with 25 events or more.
    """
    bins = Bins({"": open_edges(y, 50)})
    places = [bins.places({"": values}) for values in (x, y)]
    filled = np.minimum(*(bins.shares(place) for place in places)) >= 25
    of_both = [(place, w / w.sum()) for place, w in zip(places, (np.exp(log_w - log_w.max()), np.ones(len(y))))]
    shares = [bins.shares(place, w)[filled] for place, w in of_both]
    variance = np.sum([bins.covariance(place, w)[np.ix_(filled, filled)] for place, w in of_both], axis=0)
    # Shares add up to one, nearly so if bins were left out: one bin says nothing new.
    difference = (shares[0] - shares[1])[1:]
    found = float(difference @ np.linalg.solve(variance[1:, 1:], difference))
    return [found, len(difference), float(stats.chi2.sf(found, len(difference)))]
