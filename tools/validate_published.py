"""Are the errors of HOMER right where data are published figures? Pseudo-experiments with real Pythia as nature.

    python tools/validate_published.py [--events 40000] [--experiments 10] [--seed 1] [--theory-error 0.0]

Truths are Lund functions and mixtures of two of them, in Pythia as laws for all flavours or as its own parameters. Each
experiment fluctuates the bins of eight figures of LEP about the truth with the published errors, and `homer.fit` learns
f from them, with a simulation at the Monash tune. Printed is how often the band holds f, by quarters of mT² of light
hadrons, and the width of pulls.
"""

import argparse
import warnings

import numpy as np

import hadtutor as ht
from hadtutor import homer, lund, pythia

EIGHT = "thrust", "C", "BT", "BW", "nch", "xp", "xi_charged", "pipm_p"
MONASH = ht.LundParams(stop_mass=0.8, enhanced_fraction=0.01)
Z = np.linspace(0.1, 0.9, 9)
TRUTHS = {
    "a = 0.50": MONASH.replace(a=0.50),
    "a = 0.85, b = 1.10": MONASH.replace(a=0.85, b=1.10),
    "half a = 0.68, half 0.30": ht.LundMixture((MONASH, MONASH.replace(a=0.30)), (0.5, 0.5)),
    "Monash": MONASH,
}


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
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--truth", type=int, default=200_000, help="events that the truth is known from")
    parser.add_argument("--experiments", type=int, default=10, help="for each truth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--theory-error", type=float, default=0.0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    n, rng = options.events, np.random.default_rng(options.seed)
    showers = pythia.shower(n + options.truth, seed=options.seed, progress=False)
    made = {"histories": True, "processes": options.processes, "progress": False}
    sim = pythia.hadronize(showers[:n], MONASH, seed=options.seed, **made)
    h = sim.histories
    light = lund.all_flavours.kind_of_break(h.old, h.new) == 0
    mt2 = np.quantile(h.mt2[light], [0.125, 0.375, 0.625, 0.875])
    everything = []
    for number, (name, truth) in enumerate(TRUTHS.items()):
        exact, errors = published_by(truth, showers[n:], options.seed + 10 + number, options.processes)
        f_true = np.exp(lund.log_density(Z, mt2[:, None], truth))
        pulls, p_values = [], []
        for _ in range(options.experiments):
            noise = [error * rng.standard_normal(len(error)) for error in errors]
            noisy = [f._replace(values=f.values + x) for f, x in zip(exact, noise, strict=True)]
            found = homer.fit(sim, homer.Published(noisy, options.theory_error), progress=False)
            f, sigma = found.f(Z, mt2[:, None])
            pulls.append((f - f_true) / sigma)
            p_values.append(found.p_value)
            inside = np.mean(abs(pulls[-1]) < 1)
            print(f"  {name}: inside {inside:.2f}, p {found.p_value:.2g}, n_eff/N {found.n_eff / n:.2f}", flush=True)
        pulls = np.array(pulls)
        everything.append(pulls)
        by_quarter = ", ".join(f"{x:.2f}" for x in np.mean(abs(pulls) < 1, axis=(0, 2)))
        width = np.sqrt(np.mean(pulls**2))
        print(
            f"{name}: inside {np.mean(abs(pulls) < 1):.2f} ({by_quarter}), width {width:.2f}, mean {pulls.mean():.2f}"
        )
    pulls = np.concatenate(everything)
    print(f"all: inside {np.mean(abs(pulls) < 1):.3f}, width of pulls {np.sqrt(np.mean(pulls**2)):.2f}")


if __name__ == "__main__":
    main()
