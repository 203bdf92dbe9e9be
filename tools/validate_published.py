"""Are the errors of HOMER right where data are published figures? Pseudo-experiments with real Pythia as nature.

    python tools/validate_published.py [--events 100000] [--experiments 12] [--seed 1] [--theory-error 0.0]

Truths are Lund functions with a, b and σ drawn at random, in Pythia's own parameters, and every third one a mixture of
two, as a law for all flavours. Each experiment has a truth, showers and a simulation of its own, which starts at the
Monash tune: the bins of eight figures of LEP fluctuate about the truth with the published errors, and `homer.fit`
learns f from them, with new simulations where the data are. Printed is how often the band holds f, by quarters of mT²
of light hadrons, and the width of pulls; and those of `fit_lund`, which has no prior, where the truth is a Lund
function.
"""

import argparse
import warnings

import numpy as np

import hadtutor as ht
from hadtutor import homer, lund, pythia

EIGHT = "thrust", "C", "BT", "BW", "nch", "xp", "xi_charged", "pipm_p"
MONASH = ht.LundParams(stop_mass=0.8, enhanced_fraction=0.01)
Z = np.linspace(0.1, 0.9, 9)


def truth_of(number, rng):
    """A Lund function near Monash, or a mixture of two that differ in a."""
    a, b, sigma = rng.uniform(0.5, 0.9), rng.uniform(0.85, 1.15), rng.uniform(0.31, 0.36)
    params = MONASH.replace(a=a, b=b, sigma_pt=sigma)
    if number % 3 < 2:
        return params
    low = rng.uniform(0.3, 0.5)
    return ht.LundMixture((params, params.replace(a=low)), (0.5, 0.5))


def published_by(truth, seed, n_events, processes, times=4):
    """Figures with the values of Pythia at the truth, and what LEP's errors are."""
    mixture = isinstance(truth, ht.LundMixture)
    law = lund.LundLaw(truth) if mixture else None
    params = truth.components[0] if mixture else truth
    figures, found = [ht.datasets.lep(name) for name in EIGHT], []
    for k in range(times):
        showers = pythia.shower(n_events, seed=seed + 100 + k, progress=False)
        hadrons = pythia.hadronize(
            showers, params, seed=seed + 200 + k, law=law, law_for="all", processes=processes, progress=False
        )
        found.append([ht.metrics.like_lep(hadrons, figure) for figure in figures])
    # The truth has fluctuations of its own: they belong to the errors, though they stay the same.
    exact = []
    for figure, parts in zip(figures, zip(*found, strict=True), strict=True):
        own = np.sqrt(np.sum([part.errors**2 for part in parts], axis=0)) / times
        values = np.mean([part.density for part in parts], axis=0)
        exact.append(figure._replace(values=values, errors=np.hypot(figure.errors, own)))
    return exact, [figure.errors for figure in figures]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=100_000, help="of each simulation, and of each truth")
    parser.add_argument("--experiments", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--theory-error", type=float, default=0.0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    rng, made = np.random.default_rng(options.seed), {"processes": options.processes, "progress": False}
    pulls, lund_pulls, p_values = [], [], []
    for number in range(options.experiments):
        seed = 100_000 * options.seed + 1000 * number
        truth = truth_of(number, rng)
        exact, errors = published_by(truth, seed, options.events, options.processes)
        showers = pythia.shower(options.events, seed=seed + 1, progress=False)
        sim = pythia.hadronize(showers, MONASH, seed=seed + 4, histories=True, **made)
        noise = [error * rng.standard_normal(len(error)) for error in errors]
        noisy = [f._replace(values=f.values + x) for f, x in zip(exact, noise, strict=True)]
        data = homer.Published(noisy, options.theory_error)
        found = homer.fit(sim, data, rebase=True, rng=seed + 5, threads=options.processes, progress=False)
        light = lund.all_flavours.kind_of_break(sim.histories.old, sim.histories.new) == 0
        mt2 = np.quantile(sim.histories.mt2[light], [0.125, 0.375, 0.625, 0.875])
        f, sigma = found.f(Z, mt2[:, None])
        pulls.append((f - np.exp(lund.log_density(Z, mt2[:, None], truth))) / sigma)
        of_lund = "-"
        if isinstance(truth, ht.LundParams):
            fit = homer.fit_lund(found, progress=False)
            lund_pulls.append((fit.values - [getattr(truth, name) for name in fit.names]) / fit.errors)
            of_lund = " ".join(f"{x:+.2f}" for x in lund_pulls[-1])
        p_values.append(found.p_value)
        print(
            f"{number} {'mixture' if isinstance(truth, ht.LundMixture) else 'Lund':8s} inside "
            f"{np.mean(abs(pulls[-1]) < 1):.2f}, rms pull {np.sqrt(np.mean(pulls[-1] ** 2)):.2f}, "
            f"p {found.p_value:.2g}, {len(found.bases)} simulations, n_eff/N {found.n_eff / len(sim):.2f}, "
            f"band {np.mean(sigma / f):.3f}, pulls of a, b, σ {of_lund}",
            flush=True,
        )
    print("widths of pulls of a, b, σ by fit_lund", np.sqrt(np.mean(np.square(lund_pulls), axis=0)).round(2))
    pulls = np.array(pulls)
    inside = np.mean(abs(pulls) < 1, axis=(1, 2))
    by_quarter = ", ".join(f"{x:.2f}" for x in np.mean(abs(pulls) < 1, axis=(0, 2)))
    print(
        f"inside {inside.mean():.3f} ± {inside.std() / np.sqrt(len(inside)):.3f} ({by_quarter}), mean "
        f"{pulls.mean():.2f}, width of pulls {np.sqrt(np.mean(pulls**2)):.2f}, least p {min(p_values):.2g}"
    )


if __name__ == "__main__":
    main()
