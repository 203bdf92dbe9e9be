"""Learn a fragmentation function that is known, and judge each stage with events that were not part of the fit."""

import pathlib
import time
from typing import Any

import numpy as np
from scipy import stats

from .. import homer, lund, metrics, observables, weights
from ..metrics.shares import Bins, open_edges
from ..params import LundMixture, LundParams
from ..strings import hadronize_strings

ENERGY = 90.0  # GeV
BASE = LundParams()
TARGETS: dict[str, LundParams | LundMixture] = {
    "mixture": LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5)),
    "a030": BASE._replace(a=0.30),
    "mixture_b": LundMixture((BASE, BASE._replace(b=0.80)), (0.5, 0.5)),
}
TITLES = {  # by the ending of a table's name
    "": "mixture of a = 0.68 and 0.30", "_a030": "a = 0.30", "_mixture_b": "mixture of b = 0.98 and 0.80 GeV⁻²",
}  # fmt: skip
Z = np.linspace(0.05, 0.90, 86)


def learn(
    target_name: str, n_events: int, *, threads: int, rng: int, progress: bool, checkpoint: pathlib.Path
) -> dict[str, Any]:
    """Fit, then judge each stage with new events: rows of a table, curves, and parametric fits."""
    target = TARGETS[target_name]
    own = np.random.default_rng([rng, list(TARGETS).index(target_name)])

    def generate():
        """A simulated sample and the hadrons of data."""
        options: dict[str, Any] = {"rng": own, "threads": threads, "progress": progress}
        sim, data = (hadronize_strings(n_events, p, ENERGY, **options) for p in (BASE, target))
        return sim, data.hadrons

    def judged(sim, data):
        """Observables of both; log weights of each stage, and the exact ones: what no method can do better than."""
        chains = homer.Chains(sim.histories, result.breaks.basis)
        log_w = {what: homer.step_three(chains, breaks)[0] for what, breaks in stages.items()}
        log_w["exact weights"] = weights.event_weights(sim, target).log_w
        return *(observables.compute(h, ENERGY, threads=threads) for h in (sim.hadrons, data)), log_w

    start = time.monotonic()
    sim, data = generate()
    result = homer.fit(sim, data, rng=rng, threads=threads, checkpoint=checkpoint, progress=progress)
    seconds = time.monotonic() - start
    stages = {
        "HOMER, 1 iteration": result.of_iteration(0), "iHOMER, last iteration": result.of_iteration(-1),
        "with posterior": result.breaks,
    }  # fmt: skip
    edges = np.quantile(sim.histories.mt2, [0.0, 0.25, 0.5, 0.75, 1.0])
    mt2 = [np.quantile(sim.histories.mt2, (k + np.arange(0.5, 16) / 16) / 4).astype(float) for k in range(4)]
    # Below this z a bin has one break in a thousand.
    bins = np.searchsorted(edges[1:-1], sim.histories.mt2)
    lowest = [float(np.quantile(sim.histories.z[bins == k], 1e-3)) for k in range(4)]
    x, y, of_stages = judged(sim, data)
    exact, rows = of_stages["exact weights"], {}
    for what, log_w in of_stages.items():
        rows[what] = {
            "what": what, "aucs": [], "auc_errors": [], "chi2_held_out": [],
            "n_eff": metrics.n_eff(log_w) / len(log_w), "chi2": {name: chi2(x[name], y[name], log_w) for name in x},
            "spread_of_log_w": float(np.std(log_w - exact)),
        }  # fmt: skip
    rows["with posterior"]["pull"] = homer.coverage(result.log_w, result.sigma, exact)._asdict()
    del sim, data, of_stages, exact
    # Two held-out sets of new simulated events and new data each.
    for _ in range(2):
        x, y, of_stages = judged(*generate())
        for what, log_w in of_stages.items():
            rows[what]["chi2_held_out"].append({name: chi2(x[name], y[name], log_w) for name in x})
            if what != "exact weights":
                fresh = metrics.classifier_test(x, y, log_w, rng=own)
                rows[what]["aucs"].append(fresh.auc)
                rows[what]["auc_errors"].append(fresh.error)
    true_f = [np.exp(lund.log_density(Z, m[:, None], target)).mean(axis=0) for m in mt2]
    curves: dict[str, Any] = {"z": Z.tolist(), "lowest_z": lowest, "mt2_edges": edges.tolist(), "ratio": {}}
    for what, breaks in stages.items():
        ratios = [breaks.f(Z, m[:, None])[0].mean(axis=0) / f for m, f in zip(mt2, true_f, strict=True)]
        rows[what]["f_bias"] = [float(np.max(np.abs(r - 1.0)[low <= Z])) for r, low in zip(ratios, lowest, strict=True)]
        rows[what]["f_bias_everywhere"] = [float(np.max(np.abs(r - 1.0))) for r in ratios]
        curves["ratio"][what] = [np.round(r, 5).tolist() for r in ratios]
    samples = result.f_samples(Z, np.concatenate(mt2)[:, None], 200, rng=rng)
    samples = samples.reshape(200, 4, -1, len(Z)).mean(axis=2)
    curves["sigma"] = np.round(samples.std(axis=0) / samples.mean(axis=0), 6).tolist()
    for row in rows.values():
        if row["aucs"]:
            row["auc"] = float(np.mean(row["aucs"]))
            row["auc_error"] = float(np.mean(row["auc_errors"]) / np.sqrt(2.0))
        row["worst_chi2_per_ndf"] = max(value / ndf for value, ndf, _ in row["chi2"].values())
        row["least_p_value"] = min(p for _, _, p in row["chi2"].values())
        row["seconds_of_fit"] = round(seconds, 1)
    curves["auc_of_iterations"] = [i.auc for i in result.iterations]
    found: dict[str, Any] = {"exact": rows.pop("exact weights"), "rows": list(rows.values()), "curves": curves}
    if target_name == "mixture":
        found |= {"naive": _values(homer.fit_lund(result)), "mixture": _values(homer.fit_mixture(result))}
        found["naive"]["a_alone"] = _values(homer.fit_lund(result, ("a",)))
        found["mixture"]["truth"] = [0.68, 0.30, 0.5]
    return found


def _values(fit):
    return {
        "names": list(fit.names), "values": fit.values.tolist(), "errors": fit.errors.tolist(), "chi2": fit.chi2,
        "ndf": fit.ndf, "p_value": fit.p_value, **dict(zip(fit.names, map(float, fit.values), strict=True)),
    }  # fmt: skip


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
