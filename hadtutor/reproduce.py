r"""Experiments of paper size: ``python -m hadtutor reproduce NAME`` runs one and keeps its numbers and figures.

- ``homer``: one passage of HOMER, then the iteration, for data that no single Lund function describes and for data at
  a = 0.30 :cite:p:`bierlich2025describing`.
- ``ihomer``: the same with errors and all that follows: parametric fits, a mixture in b, and the coverage of the errors
  in 20 pseudo-experiments :cite:p:`butter2025iterative`.

Data and simulation have 10⁶ events each. Whether they agree is judged with new events, both simulated and data, by
classifiers that were not part of the fit. A run that was interrupted goes on where it stopped.
"""

import datetime
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np
from scipy import stats
from tqdm import tqdm

from . import homer, lund, metrics, observables, weights
from .files import DataFileError
from .params import LundMixture, LundParams
from .strings import hadronize_strings

__all__ = ["EXPERIMENTS", "figure", "reproduce", "stored", "summary"]

ENERGY = 90.0  # GeV
BASE = LundParams()
TARGETS = {
    "mixture": LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5)),
    "a030": BASE._replace(a=0.30),
    "mixture_b": LundMixture((BASE, BASE._replace(b=0.80)), (0.5, 0.5)),
}
_TITLES = {"": "mixture of a = 0.68 and 0.30", "_a030": "a = 0.30", "_mixture_b": "mixture of b = 0.98 and 0.80 GeV⁻²"}
Z = np.linspace(0.05, 0.90, 86)
EXPERIMENTS = ("homer", "ihomer")
_FOLDERS = tuple(pathlib.Path(__file__).parent.joinpath(*place, "data", "results") for place in ((), ("..",)))


def stored(name):
    """Numbers of an experiment as they were stored by the last run of `reproduce`.

    Parameters
    ----------
    name : {"homer", "ihomer"}

    Returns
    -------
    dict
        ``"provenance"``: command, date, versions, machine, time and memory; ``"numbers"``: the results.

    Raises
    ------
    ValueError
        If the experiment is not known.
    FileNotFoundError
        If it has not been run.
    DataFileError
        If the file is damaged.
    """
    file = _find(name, "json")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataFileError(f"{file.name} is damaged: {error}; run the experiment again") from error


def figure(name):
    """Path of the figure that belongs to the stored numbers.

    Parameters
    ----------
    name : {"homer", "ihomer"}

    Returns
    -------
    str

    Raises
    ------
    ValueError, FileNotFoundError
        As `stored`.
    """
    return str(_find(name, "png"))


def summary(result):
    """The main numbers of an experiment as a table in plain text, with their provenance.

    Parameters
    ----------
    result : dict
        What `reproduce` or `stored` returns.

    Returns
    -------
    str
    """
    made, numbers = result["provenance"], result["numbers"]
    head = f"{'':24s}{'AUC of new events':>19s}{'worst χ²/ndf':>15s}{'p':>10s}{'n_eff/N':>9s}   |f/truth - 1| up to [%]"
    lines = [
        f"{made['command']}, {made['date']}, hadtutor {made['versions']['hadtutor']}",
        f"{made['n_events']} events of each; {made['machine']}; {made['seconds']:.0f} s, {made['peak_memory_gb']} GB",
    ]
    for table in [key for key in numbers if key.startswith("table")]:
        lines += ["", f"{_TITLES[table.removeprefix('table')]}:", head]
        for row in [*numbers[table], numbers["exact" + table.removeprefix("table")]]:
            area = f"{row['auc']:.4f} ± {row['auc_error']:.4f}" if "auc" in row else ""
            biases = " ".join(f"{100 * bias:5.1f}" for bias in row.get("f_bias", []))
            lines.append(
                f"{row['what']:24s}{area:>19s}{row['worst_chi2_per_ndf']:15.2f}{row['least_p_value']:10.1e}"
                f"{row['n_eff']:9.3f}   {biases}"
            )
    return "\n".join(lines)


def _find(name, ending):
    _check_name(name)
    for folder in _FOLDERS:
        file = folder / f"{name}.{ending}"
        if file.is_file():
            return file
    raise FileNotFoundError(f"no result of {name!r} is stored; run `python -m hadtutor reproduce {name}`")


def _check_name(name):
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")


def reproduce(name, n_events=1_000_000, out=None, threads=2, seed=20251125, experiments=20, progress=True):
    """Run an experiment and write ``NAME.json`` and ``NAME.png``.

    Parameters
    ----------
    name : {"homer", "ihomer"}
    n_events : int
        Of simulation and of data, at least 2000.
    out : str or Path, optional
        Folder for the results; by default ``data/results`` of the checkout, without one of the current folder.
    threads : int
        Threads for generation, observables and networks.
    seed : int
    experiments : int
        Number of pseudo-experiments for the coverage, each with a tenth of the events.
    progress : bool
        Whether to say what is being done, and to show progress bars.

    Returns
    -------
    dict
        What `stored` returns.

    Raises
    ------
    ValueError
        If the experiment is not known, or the events are too few.
    """
    import torch

    _check_name(name)
    if n_events < 2000:
        raise ValueError(f"n_events must be at least 2000, got {n_events!r}")
    if out is None:
        out = _FOLDERS[1] if _FOLDERS[1].parent.is_dir() else "data/results"
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    run = _Run(name, out, {"n_events": n_events, "seed": seed, "experiments": experiments}, progress)
    settings = n_events, threads, seed, progress
    numbers = {"table": run.part("mixture", lambda: _learn("mixture", *settings, run.checkpoint))}
    if name == "homer":
        numbers["table_a030"] = run.part("a030", lambda: _learn("a030", *settings, run.checkpoint))
    else:
        numbers["table_mixture_b"] = run.part("mixture_b", lambda: _learn("mixture_b", *settings, run.checkpoint))
        numbers["coverage"] = run.part(
            "coverage", lambda: _coverage(max(2000, n_events // 10), experiments, threads, seed, progress)
        )
    for part in [key for key in numbers if key.startswith("table")]:
        found = numbers.pop(part)
        numbers[part] = found["rows"]
        numbers["exact" + part.removeprefix("table")] = found["exact"]
        numbers["curves" + part.removeprefix("table")] = found["curves"]
        if part == "table" and name == "ihomer":
            numbers |= {"naive": found["naive"], "mixture": found["mixture"]}
    result = {"provenance": run.provenance(threads), "numbers": numbers}
    _draw(name, numbers, out / f"{name}.png")
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    run.forget()
    return result


class _Run:
    """Parts of an experiment that are done, so that an interrupted run can go on."""

    def __init__(self, name, out, settings, progress):
        self.name, self.settings, self.progress = name, settings, progress
        self.file, self.checkpoint = out / f".{name}.partial.json", out / f".{name}.checkpoint.npz"
        self.done, self.seconds = {}, 0.0
        if self.file.exists():
            before = json.loads(self.file.read_text(encoding="utf-8"))
            if before["settings"] == settings:
                self.done, self.seconds = before["done"], before["seconds"]
        if not self.done:
            self.forget()

    def part(self, key, work):
        if key not in self.done:
            if self.progress:
                tqdm.write(f"{self.name}: {key} …", file=sys.stderr)
            start = time.monotonic()
            self.done[key] = work()
            self.seconds += time.monotonic() - start
            self.checkpoint.unlink(missing_ok=True)
            state = {"settings": self.settings, "done": self.done, "seconds": self.seconds}
            self.file.write_text(json.dumps(state), encoding="utf-8")
        return self.done[key]

    def forget(self):
        self.file.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def provenance(self, threads):
        import torch

        from . import __version__

        return {
            "command": f"python -m hadtutor reproduce {self.name}",
            "date": datetime.date.today().isoformat(),
            **self.settings,
            "versions": {"hadtutor": __version__, "numpy": np.__version__, "torch": torch.__version__.split("+")[0]},
            "machine": f"{platform.machine()}, {threads} threads",
            "seconds": round(self.seconds, 1),
            "peak_memory_gb": _peak_memory(),
        }


def _peak_memory():
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)


# --- The experiments -------------------------------------------------------------------------------


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

    from . import plotting

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
