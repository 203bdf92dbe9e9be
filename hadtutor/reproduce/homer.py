"""HOMER and iHOMER at the size of the papers."""

import os
import sys
import time

import numpy as np
from scipy import stats
from tqdm import tqdm

from .. import homer, lund, metrics, observables, weights
from ..params import LundMixture, LundParams
from ..strings.generate import hadronize_strings

ENERGY = 90.0  # GeV
BASE = LundParams()
TARGETS = {
    "mixture": LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5)),
    "a030": BASE._replace(a=0.30),
    "mixture_b": LundMixture((BASE, BASE._replace(b=0.80)), (0.5, 0.5)),
}
_TITLES = {"": "mixture of a = 0.68 and 0.30", "_a030": "a = 0.30", "_mixture_b": "mixture of b = 0.98 and 0.80 GeV⁻²"}
Z = np.linspace(0.05, 0.90, 86)


def _learn(target_name, n_events, threads, seed, progress, checkpoint):
    """Fit, then judge each stage with new events."""
    target = TARGETS[target_name]
    rng = np.random.default_rng([seed, list(TARGETS).index(target_name)])

    def generate(params):
        return hadronize_strings(n_events, params, ENERGY, rng, threads=threads, progress=progress)

    start = time.monotonic()
    sim, data = generate(BASE), generate(target).hadrons
    result = homer.fit(sim, data, seed=seed, threads=threads, checkpoint=checkpoint, progress=progress)
    seconds = time.monotonic() - start
    x, y = (observables.compute(h, ENERGY, threads) for h in (sim.hadrons, data))
    del data
    stages = {
        "HOMER, 1 iteration": result.of_iteration(0),
        "iHOMER, last iteration": result.of_iteration(-1),
        "with posterior": result.breaks,
    }
    chains = homer.Chains(sim.histories, result.breaks.basis)
    edges = np.quantile(sim.histories.mt2, [0.0, 0.25, 0.5, 0.75, 1.0])
    mt2 = [np.quantile(sim.histories.mt2, (k + np.arange(0.5, 16) / 16) / 4).astype(float) for k in range(4)]
    # Below this z a bin has one break in a thousand.
    bins = np.searchsorted(edges[1:-1], sim.histories.mt2)
    lowest = [float(np.quantile(sim.histories.z[bins == k], 1e-3)) for k in range(4)]
    log_w_exact = weights.event_weights(sim, target).log_w

    def log_weights(sim, chains):
        """Those of each stage, and the exact ones: what no method can do better than."""
        of_stages = {what: homer.step_three(chains, breaks)[0] for what, breaks in stages.items()}
        return of_stages | {"exact weights": weights.event_weights(sim, target).log_w}

    rows = {
        what: {"what": what, "aucs": [], "auc_errors": [], "chi2_held_out": []} for what in (*stages, "exact weights")
    }
    for what, log_w in log_weights(sim, chains).items():
        rows[what]["n_eff"] = metrics.n_eff(log_w) / len(log_w)
        rows[what]["chi2"] = {name: _chi2(x[name], y[name], log_w) for name in x}
        rows[what]["spread_of_log_w"] = float(np.std(log_w - log_w_exact))
    rows["with posterior"]["pull"] = homer.coverage(result.log_w, result.sigma, log_w_exact)._asdict()
    del sim, chains, log_w_exact
    # Two held-out sets of new simulated events and new data each.
    for _ in range(2):
        sim, data = generate(BASE), generate(target).hadrons
        x, y = (observables.compute(h, ENERGY, threads) for h in (sim.hadrons, data))
        del data
        chains = homer.Chains(sim.histories, result.breaks.basis)
        for what, log_w in log_weights(sim, chains).items():
            rows[what]["chi2_held_out"].append({name: _chi2(x[name], y[name], log_w) for name in x})
            if what == "exact weights":
                continue
            fresh = metrics.classifier_test(x, y, log_w, rng=rng)
            rows[what]["aucs"].append(fresh.auc)
            rows[what]["auc_errors"].append(fresh.error)
        del sim, chains

    def true_f(mt2):
        return np.exp(lund.log_density(Z, mt2[:, None], target)).mean(axis=0)

    curves = {"z": Z.tolist(), "lowest_z": lowest, "mt2_edges": edges.tolist(), "ratio": {}, "sigma": []}
    for what, breaks in stages.items():
        ratios = [breaks.f(Z, m[:, None])[0].mean(axis=0) / true_f(m) for m in mt2]
        rows[what]["f_bias"] = [float(np.max(np.abs(r - 1.0)[low <= Z])) for r, low in zip(ratios, lowest, strict=True)]
        rows[what]["f_bias_everywhere"] = [float(np.max(np.abs(r - 1.0))) for r in ratios]
        curves["ratio"][what] = [np.round(r, 5).tolist() for r in ratios]
    samples = result.f_samples(Z, np.concatenate(mt2)[:, None], 200, np.random.default_rng(seed))
    samples = samples.reshape(200, 4, -1, len(Z)).mean(axis=2)
    curves["sigma"] = np.round(samples.std(axis=0) / samples.mean(axis=0), 6).tolist()
    for row in rows.values():
        if row["aucs"]:
            row["auc"] = float(np.mean(row["aucs"]))
            row["auc_error"] = float(np.mean(row["auc_errors"]) / np.sqrt(2.0))
        row["worst_chi2_per_ndf"] = max(chi2 / ndf for chi2, ndf, _ in row["chi2"].values())
        row["least_p_value"] = min(p for _, _, p in row["chi2"].values())
        row["seconds_of_fit"] = round(seconds, 1)
    found = {
        "exact": rows.pop("exact weights"),
        "rows": list(rows.values()),
        "curves": curves | {"auc_of_iterations": [i.auc for i in result.iterations]},
    }
    if target_name == "mixture":
        found |= {"naive": _summary(homer.fit_lund(result)), "mixture": _summary(homer.fit_mixture(result))}
        found["naive"]["a_alone"] = _summary(homer.fit_lund(result, ("a",)))
        found["mixture"]["truth"] = [0.68, 0.30, 0.5]
    return found


def _summary(fit):
    return {
        "names": list(fit.names), "values": fit.values.tolist(), "errors": fit.errors.tolist(), "chi2": fit.chi2,
        "ndf": fit.ndf, "p_value": fit.p_value,
        **dict(zip(fit.names, map(float, fit.values), strict=True)),
    }  # fmt: skip


def _chi2(x, y, log_w):
    """χ², degrees of freedom and p-value for one observable, with the errors of both samples (Σw²).

    Of 50 bins that hold about equally many events; for whole numbers of all bins with 25 events or more.
    """
    if np.array_equal(y, np.round(y)):
        edges = np.arange(y.min() - 0.5, y.max() + 1.0)
    else:
        edges = np.nanquantile(y, np.linspace(0.0, 1.0, 51))
    inner = edges[1:-1]
    shares, variance = [], 0.0
    counts = [np.bincount(np.searchsorted(inner, v), minlength=len(inner) + 1) for v in (x, y)]
    filled = np.minimum(*counts) >= 25
    for v, w in ((x, np.exp(log_w - log_w.max())), (y, np.ones(len(y)))):
        w = w / w.sum()
        place = np.searchsorted(inner, v)
        share, square = (np.bincount(place, u, minlength=len(inner) + 1)[filled] for u in (w, w**2))
        # Σ w² (n - p)(n - p)ᵀ with one entry per event.
        cross = np.outer(square, share)
        variance = variance + np.diag(square) - cross - cross.T + (w @ w) * np.outer(share, share)
        shares.append(share)
    # Shares add up to one, nearly so if bins were left out: one bin says nothing new.
    difference = (shares[0] - shares[1])[1:]
    chi2 = float(difference @ np.linalg.solve(variance[1:, 1:], difference))
    return [chi2, len(difference), float(stats.chi2.sf(chi2, len(difference)))]


def _coverage(n_events, experiments, threads, seed, progress):
    """Repeat the experiment with fewer events, and see how often the truth lies within the errors."""
    z, mt2 = np.meshgrid([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.03, 0.1, 0.15, 0.3])
    target = TARGETS["mixture"]
    truth = np.exp(lund.log_density(z, mt2, target))
    bands, events = [], []
    for number in range(experiments):
        rng = np.random.default_rng([seed, 1000 + number])
        sim, data = (
            hadronize_strings(n_events, p, ENERGY, rng, threads=threads, progress=False) for p in (BASE, target)
        )
        result = homer.fit(sim, data.hadrons, seed=number, threads=threads, progress=False)
        bands.append(homer.coverage(*result.f(z, mt2), truth))
        events.append(homer.coverage(result.log_w, result.sigma, weights.event_weights(sim, target).log_w))
        if progress:
            tqdm.write(f"  pseudo-experiment {number + 1} of {experiments}", file=sys.stderr)
    bands, events = np.array(bands), np.array(events)
    return {
        "fraction": float(bands[:, 0].mean()), "fraction_error": float(bands[:, 0].std() / np.sqrt(experiments)),
        "mean": float(bands[:, 1].mean()), "width": float(np.sqrt(np.mean(bands[:, 2] ** 2 + bands[:, 1] ** 2))),
        "event_fraction": float(events[:, 0].mean()), "event_mean": float(events[:, 1].mean()),
        "event_width": float(events[:, 2].mean()), "event_widths": np.round(events[:, 2], 3).tolist(),
        "fractions": np.round(bands[:, 0], 3).tolist(), "experiments": experiments, "events": n_events,
    }  # fmt: skip


def _draw(name, numbers, path):
    import matplotlib.pyplot as plt

    from .. import plotting

    with plt.rc_context():
        plotting.use_style()
        keys = [key for key in numbers if key.startswith("curves")]
        figure, axes = plt.subplots(
            len(keys), 4, figsize=(11, 3.0 * len(keys)), sharex=True, sharey=True, squeeze=False, layout="constrained"
        )
        for row, key in zip(axes, keys, strict=True):
            curves = numbers[key]
            for k, ax in enumerate(row):
                low, high = curves["mt2_edges"][k : k + 2]
                for (what, ratios), style in zip(curves["ratio"].items(), (":", "--", "-"), strict=True):
                    ax.plot(curves["z"], ratios[k], style, label=what)
                best, sigma = np.array(curves["ratio"]["with posterior"][k]), np.array(curves["sigma"][k])
                ax.fill_between(curves["z"], best * (1 - sigma), best * (1 + sigma), color="C2", alpha=0.3, lw=0)
                ax.axhline(1.0, color="0.5", lw=0.8)
                ax.set(ylim=(0.88, 1.07), title=rf"$m_T^2$ = {low:.2f} to {high:.2f} GeV²")
            row[0].set_ylabel(f"learned / true f(z)\n{_TITLES[key.removeprefix('curves')]}")
        for ax in axes[-1]:
            ax.set_xlabel("z")
        axes[0, 0].legend(loc="lower left", fontsize="small")
        part = path.with_name(f".{path.name}.{os.getpid()}.part.png")
        figure.savefig(part, dpi=80)
        os.replace(part, path)
        plt.close(figure)
