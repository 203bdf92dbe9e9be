"""Real data: tunes and a learned fragmentation function from figures of LEP, by events of real Pythia."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import homer, lund, pythia, tuning
from ..events.sample import Sample
from ..params import LundMixture, LundParams

EIGHT = ("thrust", "C", "BT", "BW", "nch", "xp", "xi_charged", "pipm_p")
BY_EXPERIMENT = {
    "ALEPH": ("thrust", "C", "BT", "BW", "nch", "xp_aleph", "xi_charged"),
    "DELPHI": ("thrust_charged", "C_charged", "BT_charged", "BW_charged", "D_charged", "xp"),
    "OPAL": ("thrust_opal", "C_opal", "BT_opal", "BW_opal", "D_opal", "xp_opal", "xi_opal", "pipm_p"),
}
ALL = tuple(dict.fromkeys((*EIGHT, *(name for names in BY_EXPERIMENT.values() for name in names))))
MONASH = LundParams(stop_mass=0.8, enhanced_fraction=0.01)
THEORY_ERROR = 0.05
SHOWERS = {
    "Monash's shower": (), "larger α_S, 0.1415": ("TimeShower:alphaSvalue = 0.1415",),
    "smaller α_S, 0.1315": ("TimeShower:alphaSvalue = 0.1315",),
    "shower down to 0.4 GeV": ("TimeShower:pTmin = 0.4",), "shower down to 0.8 GeV": ("TimeShower:pTmin = 0.8",),
}  # fmt: skip
MIXED = LundMixture((MONASH.replace(a=0.2), MONASH.replace(a=1.5)), (0.5, 0.5))  # no Lund function is like it
Z = np.linspace(0.05, 0.95, 46)
QUARTERS = (0.125, 0.375, 0.625, 0.875)


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""
    run = Lep(n_events, **options)
    found: dict[str, Callable] = {"tunes": run.tunes, "fit": run.fit, "fit_theory": lambda: run.fit(THEORY_ERROR)}
    for name in BY_EXPERIMENT:
        found[f"learned_{name}"] = lambda name=name: run.learned(BY_EXPERIMENT[name], 0.0)
        found[f"learned_{name}_theory"] = lambda name=name: run.learned(BY_EXPERIMENT[name], THEORY_ERROR)
    found["learned"] = lambda: run.learned(EIGHT, 0.0)
    found["learned_theory"] = lambda: run.learned(EIGHT, THEORY_ERROR)
    return found | {"showers": run.showers}


class Lep:
    """Samples that several pieces need, made when the first one does."""

    def __init__(self, n_events: int, *, threads: int, rng: int, progress: bool) -> None:
        self.n_events, self.seed, self.progress = n_events, rng % 900_000_000 + 1, progress
        self.made: dict[str, Any] = {"processes": threads, "progress": progress}
        self.samples: dict[str, Any] = {}

    def _hadronize(self, name: str, params: LundParams, settings: tuple[str, ...] = (), n: int = 0) -> Sample:
        if name not in self.samples:
            showers = pythia.shower(n or self.n_events, seed=self.seed, settings=settings, progress=self.progress)
            self.samples[name] = pythia.hadronize(showers, params, seed=self.seed, histories=True, **self.made)
        return self.samples[name]

    def base(self) -> Sample:
        """Monash, with histories."""
        return self._hadronize("base", MONASH)

    def tunes(self) -> dict[str, Any]:
        """χ² per bin of the tunes that come with Pythia, without theory error and with it."""
        n = max(2000, self.n_events // 5)
        found: dict[str, Any] = {"n_events": n}
        hadrons = {name: tuning.shipped(name, n, seed=self.seed, **self.made) for name in tuning.SHIPPED}
        for error in (0.0, THEORY_ERROR):
            found[f"{error:g}"] = tuning.table(hadrons, ALL, error, energy=91.2)
        return found

    def fit(self, theory_error: float = 0.0) -> dict[str, Any]:
        """a, b and σ from eight figures, and what fresh events make of them."""
        base: Any = self.base()
        tune = tuning.fit(
            base, EIGHT, theory_error=theory_error, rebase=True, seed=self.seed + 1, **self.made
        )  # fmt: skip
        fresh: dict[str, Any] = {"seed": self.seed + 100, "theory_error": theory_error, **self.made}
        points = {"Monash": MONASH, "tune": tune.params}
        chi2 = {name: tuning.fresh(base.partons, params, ALL, **fresh) for name, params in points.items()}
        return {
            "names": list(tune.names), "values": tune.values.tolist(), "errors": tune.errors.tolist(),
            "covariance": tune.covariance.tolist(), "chi2": tune.chi2, "ndf": tune.ndf, "fresh": chi2,
            "bases": [[[b.params.a, b.params.b, b.params.sigma_pt], b.share] for b in tune.bases],
        }  # fmt: skip

    def learned(self, figures: tuple[str, ...], theory_error: float, sample: Sample | None = None) -> dict[str, Any]:
        """f from some figures with its band, over that of Monash; χ² of these and of all others.

        With a theory error f is learned where the data are, from new events; without one no f describes the data, so
        that there is nowhere to go.
        """
        sample = self.base() if sample is None else sample
        before = tuning.Figures(sample, ALL, theory_error).chi2(np.zeros(len(sample)))
        result = homer.fit(
            sample, homer.Published(figures, theory_error), rebase=theory_error > 0, rng=self.seed,
            threads=self.made["processes"], progress=self.progress,
        )  # fmt: skip
        histories: Any = sample.histories
        light = lund.all_flavours.kind_of_break(histories.old, histories.new) == 0
        mt2 = np.quantile(histories.mt2[light], QUARTERS)
        sample = sample if result.sim is None else result.sim
        f, sigma = result.f(Z, mt2[:, None])
        over = np.exp(lund.log_density(Z, mt2[:, None], MONASH))
        lund_fit = homer.fit_lund(result)
        return {
            "z": Z.tolist(), "mt2": mt2.tolist(), "ratio": (f / over).tolist(), "sigma": (sigma / f).tolist(),
            "chi2": result.chi2, "ndf": result.ndf, "n_eff": result.n_eff / len(sample), "fitted": list(figures),
            "before": before, "after": tuning.Figures(sample, ALL, theory_error).chi2(result.log_w),
            "bases": [[b.a, b.b, b.sigma_pt] for b, _ in result.bases],
            "factors": dict(zip(result.factors.names, result.factors.values.tolist(), strict=True)),
            "lund": [list(lund_fit.names), lund_fit.values.tolist(), lund_fit.errors.tolist(), lund_fit.chi2],
            "amplitude": result.amplitude, "departure": list(departure(result, MIXED)),
        }  # fmt: skip

    def showers(self) -> dict[str, Any]:
        """The same with other showers: what of f is theirs."""
        found, n = {}, max(2000, self.n_events // 4)
        for name, settings in SHOWERS.items():
            sample = self._hadronize(name, MONASH, settings, n)
            tune = tuning.fit(sample, EIGHT, theory_error=THEORY_ERROR, rebase=True, seed=self.seed + 1, **self.made)
            learned = self.learned(EIGHT, THEORY_ERROR, sample)
            found[name] = {"values": tune.values.tolist(), "errors": tune.errors.tolist(), "chi2": tune.chi2} | {
                key: learned[key] for key in ("z", "mt2", "ratio", "sigma", "chi2", "ndf")
            }
            del self.samples[name]
        return found


def departure(result: homer.HomerResult, law: LundMixture) -> tuple[float, float]:
    """χ² by which the measurement of `result` tells `law` from the simulation, and from the Lund function most like it.

    Without noise: so much `law` would add on average.
    """
    measurement: Any = result.measurement
    basis = result.breaks.basis
    theta = np.zeros(basis.size)
    theta[: basis.matrix.shape[1]] = basis.project(basis.lund_table(law))
    seen = measurement._replace(y=measurement.h @ theta)
    return float(seen.y @ seen.y), homer.fit_lund(replace(result, measurement=seen), progress=False).chi2


def table(numbers: dict[str, Any]) -> list[str]:
    """The main `numbers`, as lines of plain text."""
    lines = ["χ² per bin, data errors alone:", f"{'':22s}" + "".join(f"{name[:9]:>10s}" for name in EIGHT)]
    rows = dict(numbers["tunes"]["0"])
    for name, found in numbers["fit"]["fresh"].items():
        rows[f"fresh, {name}"] = {figure: chi2 / bins for figure, (chi2, bins) in found.items()}
    lines += [f"{name:22s}" + "".join(f"{row[figure]:10.2f}" for figure in EIGHT) for name, row in rows.items()]
    for key, what in (("fit", "data errors alone"), ("fit_theory", f"with {THEORY_ERROR:.0%} of theory error")):
        fit = numbers[key]
        values = zip(fit["names"], fit["values"], fit["errors"], strict=True)
        said = ", ".join(f"{name} = {value:.4f} ± {error:.4f}" for name, value, error in values)
        before, after = (sum(fit["fresh"][k][name][0] for name in EIGHT) for k in ("Monash", "tune"))
        lines += [
            "",
            f"{what}: {said}",
            f"χ² {fit['chi2']:.0f} / {fit['ndf']}; fresh events {before:.0f} → {after:.0f}",
        ]
    lines += [
        "",
        f"{'f learned from':24s}{'χ² / ndf':>14s}{'fitted':>16s}{'predicted':>16s}  |f/Monash - 1|, error [%]; mixture",
    ]
    for key in [key for key in numbers if key.startswith("learned")]:
        one = numbers[key]
        fitted, others = (
            [sum(one[when][n][0] for n in one[when] if (n in one["fitted"]) == of) for when in ("before", "after")]
            for of in (True, False)
        )
        middle = [k for k, z in enumerate(one["z"]) if 0.1 <= z <= 0.9]
        off, error = (np.array(values)[:, middle] for values in (one["ratio"], one["sigma"]))
        lines.append(
            f"{key.removeprefix('learned').strip('_') or 'eight figures':24s}{one['chi2']:8.0f} / {one['ndf']:3.0f}"
            f"{fitted[0]:8.0f}→{fitted[1]:<7.0f}{others[0]:8.0f}→{others[1]:<7.0f}   "
            f"{100 * np.mean(abs(off - 1)):4.1f}, {100 * np.mean(error):4.1f}; {one['departure'][1]:.1f}"
        )
    lines += ["", "other showers, 5 % of theory error:"]
    for name, found in numbers["showers"].items():
        a, b, sigma = found["values"]
        lines.append(f"{name:26s}a = {a:.3f}, b = {b:.3f}, σ = {sigma:.4f}, χ² {found['chi2']:.0f}")
    return lines


def draw(numbers: dict[str, Any], path: Any) -> None:
    """Learned f over Monash's in four bins of mT², from each experiment alone and from the eight figures."""
    import matplotlib.pyplot as plt

    from .. import plotting
    from ..files import replacing

    with plt.rc_context():
        plotting.use_style()
        figure, axes = plt.subplots(2, 4, figsize=(11, 6), sharex=True, sharey=True)
        for row, ending, what in zip(axes, ("", "_theory"), ("data errors", "with 5 % of theory error"), strict=True):
            for k, ax in enumerate(row):
                for name, style in zip((*BY_EXPERIMENT, ""), ("--", "-.", ":", "-"), strict=True):
                    one = numbers["learned" + f"_{name}" * bool(name) + ending]
                    ratio, sigma = np.array(one["ratio"][k]), np.array(one["sigma"][k])
                    (line,) = ax.plot(one["z"], ratio, style, label=name or "eight figures")
                    band = {"color": line.get_color(), "alpha": 0.2, "lw": 0}
                    ax.fill_between(one["z"], ratio * (1 - sigma), ratio * (1 + sigma), **band)
                ax.axhline(1.0, color="0.5", lw=0.8)
                ax.set(ylim=(0.8, 1.2), title=f"$m_T^2$ = {one['mt2'][k]:.2f} GeV²")
            row[0].set_ylabel(f"learned / Monash f(z)\n{what}")
        axes[0, 0].legend(loc="lower left", fontsize="small")
        for ax in axes[-1]:
            ax.set_xlabel("z")
        with replacing(path) as part:
            figure.savefig(part, dpi=80)
        plt.close(figure)


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces: all of it."""
    return done
