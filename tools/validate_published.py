"""Are the errors of HOMER right where data are published figures? Pseudo-experiments with real Pythia as nature.

    python tools/validate_published.py [--events 100000] [--truths 6] [--simulations 4] [--seed 1] [--theory-error 0.0]

Truths are Lund functions with a, b and σ drawn at random, in Pythia's own parameters, and every third one a mixture of
two, as a law for all flavours. Each experiment fluctuates the bins of eight figures of LEP about one of the truths with
the published errors, and `homer.fit` learns f from them with one of the simulations, which are at the Monash tune.
Printed is how often the band holds f, by quarters of mT² of light hadrons, and the width of pulls; and those of
`fit_lund`, which has no prior, where the truth is a Lund function.
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


def published_by(truth, showers, seed, processes):
    """Figures with the values of Pythia at the truth, and what LEP's errors are."""
    mixture = isinstance(truth, ht.LundMixture)
    law = lund.LundLaw(truth) if mixture else None
    params = truth.components[0] if mixture else truth
    hadrons = pythia.hadronize(showers, params, seed=seed, law=law, law_for="all", processes=processes, progress=False)
    figures = [ht.datasets.lep(name) for name in EIGHT]
    of_truth = [ht.metrics.like_lep(hadrons, figure) for figure in figures]
    # The truth has fluctuations of its own: they belong to the errors, though they stay the same.
    exact = [
        figure._replace(values=found.density, errors=np.hypot(figure.errors, found.errors))
        for figure, found in zip(figures, of_truth, strict=True)
    ]
    return exact, [figure.errors for figure in figures]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=100_000, help="of each simulation, and of each truth")
    parser.add_argument("--truths", type=int, default=6)
    parser.add_argument("--simulations", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--theory-error", type=float, default=0.0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    rng, seed = np.random.default_rng(options.seed), 100_000 * options.seed
    pulls, lund_pulls, p_values = [], [], []
    made = {"processes": options.processes, "progress": False}
    truths = [truth_of(number, rng) for number in range(options.truths)]
    figures = []
    for number, truth in enumerate(truths):
        showers = pythia.shower(options.events, seed=seed + 10 * number + 1, progress=False)
        figures.append(published_by(truth, showers, seed + 10 * number + 2, options.processes))
    for k in range(options.simulations):
        showers = pythia.shower(options.events, seed=seed + 50_001 + 10 * k, progress=False)
        sim = pythia.hadronize(showers, MONASH, seed=seed + 50_002 + 10 * k, histories=True, **made)
        light = lund.all_flavours.kind_of_break(sim.histories.old, sim.histories.new) == 0
        mt2 = np.quantile(sim.histories.mt2[light], [0.125, 0.375, 0.625, 0.875])
        for number, (truth, (exact, errors)) in enumerate(zip(truths, figures, strict=True)):
            noise = [error * rng.standard_normal(len(error)) for error in errors]
            noisy = [f._replace(values=f.values + x) for f, x in zip(exact, noise, strict=True)]
            found = homer.fit(sim, homer.Published(noisy, options.theory_error), progress=False)
            f, sigma = found.f(Z, mt2[:, None])
            pulls.append((f - np.exp(lund.log_density(Z, mt2[:, None], truth))) / sigma)
            of_lund = "-"
            if isinstance(truth, ht.LundParams):
                fit = homer.fit_lund(found, progress=False)
                lund_pulls.append((fit.values - [getattr(truth, name) for name in fit.names]) / fit.errors)
                of_lund = " ".join(f"{x:+.2f}" for x in lund_pulls[-1])
            p_values.append(found.p_value)
            print(
                f"{k} {number} {'mixture' if isinstance(truth, ht.LundMixture) else 'Lund':8s} inside "
                f"{np.mean(abs(pulls[-1]) < 1):.2f}, rms pull {np.sqrt(np.mean(pulls[-1] ** 2)):.2f}, "
                f"p {found.p_value:.2g}, n_eff/N {found.n_eff / len(sim):.2f}, band {np.mean(sigma / f):.3f}, "
                f"pulls of a, b, σ {of_lund}",
                flush=True,
            )
    print("widths of pulls of a, b, σ by fit_lund", np.sqrt(np.mean(np.square(lund_pulls), axis=0)).round(2))
    pulls = np.array(pulls)
    inside = np.mean(abs(pulls) < 1, axis=(1, 2))
    inside_of_sims = inside.reshape(options.simulations, -1).mean(axis=1)
    by_quarter = ", ".join(f"{x:.2f}" for x in np.mean(abs(pulls) < 1, axis=(0, 2)))
    print(
        f"inside {inside.mean():.3f} ({by_quarter}; of each simulation {inside_of_sims.round(2)}), mean "
        f"{pulls.mean():.2f}, width of pulls {np.sqrt(np.mean(pulls**2)):.2f}, least p {min(p_values):.2g}"
    )


if __name__ == "__main__":
    main()
