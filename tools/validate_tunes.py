"""Check fits of tunes against real Pythia and LEP (extra ``pythia``), part by part, lines as they come.

    python tools/validate_tunes.py bases --events 100000 --processes 2
    python tools/validate_tunes.py pulls --events 40000 --experiments 20
    python tools/validate_tunes.py table --events 30000

- bases: fits of a, b and σ to eight figures that begin at three tunes, on the same showers. They should end at the same
  minimum: data are common, so that they differ by the statistics of the simulation alone. New events of Pythia there
  are compared with those of the Monash tune, figure by figure.
- pulls: pseudo-data of Pythia at random points near Monash, with the errors of LEP and of the events they are from,
  fitted with other events. The width of pulls is that in units of the errors which the fit states.
- table: χ² per bin of the tunes that come with Pythia, each with its own shower, without and with 5 % of theory error.

Ends with 1 if minima differ by more than three standard deviations, Monash is less than 100 above the minimum at 10⁵
events, or the width of pulls lies outside .85 to 1.15.
"""

import argparse
import sys
import time

import numpy as np

from hadtutor import LundParams, pythia, tuning

FIGURES = "thrust", "C", "BT", "BW", "nch", "xp", "xi_charged", "pipm_p"
NAMES = "a", "b", "sigma_pt"
MONASH = LundParams(stop_mass=0.8, enhanced_fraction=0.01)  # as Pythia has them
BASES = {
    "Monash": MONASH,
    "Hoeth": MONASH.replace(a=0.30, b=0.80, sigma_pt=0.304),
    "JETSET-like": MONASH.replace(a=0.30, b=0.58, sigma_pt=0.36),
}
AROUND = np.array([0.08, 0.08, 0.015])  # half the width of the box that true points are drawn from


def say(*words):
    print(*words, flush=True)


def of_simulation(tune):
    """Covariance of the values by the statistics of the simulation alone: all but that of the data through H⁻¹."""
    objective, inverse = tune.objective, tune.minimum.inverse
    _, slopes, *_ = objective.linearise(tune.values)
    pulled = objective.seen.T @ (objective.seen @ slopes)
    data = pulled.T @ (objective.figures.errors[:, None] ** 2 * pulled)
    return tune.covariance - inverse @ data @ inverse


def check_bases(options):
    seed, processes = options.seed, options.processes
    showers = pythia.shower(options.events, seed=seed, progress=False)
    tunes, good = {}, True
    for k, (name, base) in enumerate(BASES.items()):
        begun = time.perf_counter()
        sample = pythia.hadronize(
            showers, base, seed=seed + 100 * k + 10, histories=True, processes=processes, progress=False
        )
        made = time.perf_counter()
        tune = tuning.fit(
            sample, FIGURES, NAMES, rebase=True, seed=seed + 100 * k + 11, processes=processes, progress=False
        )
        tunes[name] = tune.values, of_simulation(tune), tune.params
        say(f"{name}: {tune}")
        say("   through " + ", ".join(f"{b.params.a:.3f} {b.params.b:.3f} {b.params.sigma_pt:.3f}" for b in tune.bases))
        say(f"   errors of simulation {np.sqrt(np.diag(tunes[name][1])).round(4)}; "
            f"{made - begun:.0f} s for the sample, {time.perf_counter() - made:.0f} s for the fit")  # fmt: skip
        del sample, tune
    first = tunes["Monash"]
    for name, other in list(tunes.items())[1:]:
        off, covariance = other[0] - first[0], other[1] + first[1]
        pull = off / np.sqrt(np.diag(covariance))
        good &= bool((abs(pull) < 3).all())
        say(f"{name} less Monash: {off.round(4)}, pulls by simulation {pull.round(2)}, "
            f"χ² {off @ np.linalg.solve(covariance, off):.1f} of 3")  # fmt: skip
    fresh = {
        name: tuning.fresh(showers, params, FIGURES, seed=seed + 1000, processes=processes, progress=False)
        for name, params in (("minimum", first[2]), ("Monash", MONASH))
    }
    say("\nχ² of fresh events      bins  minimum   Monash")
    for figure in FIGURES:
        say(
            f"{figure:22s}{fresh['Monash'][figure][1]:6d}{fresh['minimum'][figure][0]:9.1f}{fresh['Monash'][figure][0]:9.1f}"
        )
    totals = [sum(chi2 for chi2, _ in of.values()) for of in fresh.values()]
    say(f"{'all':28s}{totals[0]:9.1f}{totals[1]:9.1f}   gain {totals[1] - totals[0]:.1f}")
    return good and (options.events < 100_000 or totals[1] - totals[0] > 100)


def check_pulls(options):
    rng, pulls = np.random.default_rng(options.seed), []
    settings = {"processes": options.processes, "progress": False}
    for k in range(options.experiments):
        seed = 1000 * options.seed + 10 * k
        true = MONASH
        wanted = np.array([getattr(true, name) for name in NAMES]) + AROUND * rng.uniform(-1.0, 1.0, 3)
        true = true.replace(**dict(zip(NAMES, wanted.tolist(), strict=True)))
        showers = pythia.shower(options.truth, seed=seed + 1, progress=False)
        direct = tuning.Figures(pythia.hadronize(showers, true, seed=seed + 2, **settings), FIGURES, energy=91.2)
        mean, data = direct.of(np.zeros(len(showers))).values, []
        total = np.sqrt(np.diag(direct.total_covariance(np.zeros(len(showers)))))  # with what the truth itself lacks
        for figure, kept, bins in zip(direct.figures, direct.kept, direct.bins, strict=True):
            values, errors = figure.values.copy(), figure.errors.copy()
            values[kept] = mean[bins] + figure.errors[kept] * rng.normal(size=kept.sum())
            errors[kept] = total[bins]
            data.append(figure._replace(values=values, errors=errors))
        showers = pythia.shower(options.events, seed=seed + 3, progress=False)
        sample = pythia.hadronize(showers, seed=seed + 4, histories=True, **settings)
        tune = tuning.fit(sample, data, NAMES, rebase=True, seed=seed + 5, **settings)
        pull = (tune.values - wanted) / tune.errors
        pulls.append(pull)
        say(f"{k:3d} at {wanted.round(4)}: {tune.values.round(4)} ± {tune.errors.round(4)}, pulls {pull.round(2)}, "
            f"χ² {tune.chi2:.0f}/{tune.ndf}, p {tune.p_value:.3f}, "
            + " ".join(f"{name} {x:.0f}/{n}" for name, (x, n) in tune.chi2_of.items()))  # fmt: skip
    pulls = np.array(pulls)
    width = np.sqrt(np.mean(pulls**2))
    say(f"means {pulls.mean(axis=0).round(2)}, widths {pulls.std(axis=0, ddof=1).round(2)}, of all {width:.2f} "
        f"± {1 / np.sqrt(2 * pulls.size):.2f} if they were independent")  # fmt: skip
    return 0.85 < width < 1.15


def check_table(options):
    rows = {}
    for name in tuning.SHIPPED:
        hadrons = tuning.shipped(name, options.events, seed=options.seed, processes=options.processes, progress=False)
        for error in (0.0, 0.05):
            of_tune = tuning.table({name: hadrons}, FIGURES, error)[name]
            rows[name, error] = of_tune
            say(f"{name:16s}{error:5.2f}  " + "  ".join(f"{figure} {x:.2f}" for figure, x in of_tune.items()))
    return True


PARTS = {"bases": check_bases, "pulls": check_pulls, "table": check_table}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--truth", type=int, default=60_000, help="events behind the pseudo-data")
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    good = [PARTS[part](options) for part in options.parts]
    sys.exit(int(not all(good)))


if __name__ == "__main__":
    main()
