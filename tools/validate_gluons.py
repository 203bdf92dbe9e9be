"""Compare strings with gluons with real Pythia 8 on the same partons, observable by observable (extra ``pythia``).

    python tools/validate_gluons.py --events 100000
    python tools/validate_gluons.py --events 20000 --kink soft

Nine kinks at three points in a, b, σ and at 20 to 200 GeV, then 10⁴ showers whose quarks count as u and d. For each:
the largest pull of a mean, the smallest p of the χ² of a histogram, and the difference of ln α. Ends with 1 if a pull
is above 4, a p below 10⁻³ or ln α off by more than three standard deviations.
"""

import argparse
import sys

import numpy as np
from validate_strings import compare

from hadtutor import LundParams, Showers, datasets, hadronize_partons, pythia

POINTS = (LundParams(), LundParams(a=0.30, b=0.80, sigma_pt=0.30), LundParams(a=1.10, b=1.30, sigma_pt=0.38))
ENERGIES = (90.0, 20.0, 200.0)
KINKS = {
    "symmetric": (0.86, 0.28, 0.86),  # energies of quark, gluon, antiquark over half of √s, or momenta [GeV]
    "uneven": (0.95, 0.35, 0.70),
    "two": [[0, 0, 35], [12, 4, 8], [-7, -12, -10], [0, 3, -33]],
    "soft": [[0, 0, 40], [1.0, 0.5, 6], [-1.2, 0.3, 1.5], [0.4, -1.0, -2], [0.3, 0.6, -7], [0, 0, -38]],
    "wide": [[0, 0, 30], [26, 0, -12], [-26, 2, -18]],
    "narrow": [[0, 0, 40], [1.3, 0.2, 4.0], [-1.3, 0, -44]],
    "very soft": [[0, 0, 40], [0.5, 0.8, 0.3], [-0.7, 0.2, -0.9], [0, -0.6, -39]],
    "collinear": [[0, 0, 25], [0.9, 0.3, 18], [0.2, -0.6, 3], [0, 0, -45]],
    "four": [[3, 3, 40], [18, -5, 12], [-10, 14, 5], [-9, -18, -12], [4, 10, -20], [-6, -2, -30]],
}


def partons_of(name, energy, n_events):
    """The partons of a kink, in their rest frame and scaled to `energy`."""
    shape = KINKS[name]
    if len(shape) == 3 and np.ndim(shape) == 1:
        return Showers.one_gluon(n_events, shape, energy)
    p = np.array(shape, float)
    p = np.column_stack([p, np.linalg.norm(p, axis=1)])
    v = -p[:, :3].sum(axis=0) / p[:, 3].sum()
    gamma, along = 1.0 / np.sqrt(1.0 - v @ v), p[:, :3] @ v
    space = p[:, :3] + np.outer(gamma**2 / (gamma + 1.0) * along + gamma * p[:, 3], v)
    p = np.column_stack([space, gamma * (p[:, 3] + along)])
    p *= energy / p[:, 3].sum()
    n, tags = len(p), 101 + np.arange(len(p))
    columns = *p.T, [2, *[21] * (n - 2), -2], [*tags[:-1], 0], [0, *tags[:-1]]
    return Showers(n * np.arange(n_events + 1), *(np.tile(c, n_events) for c in columns), energy)


def hadron_columns(sample):
    """Of each hadron: sums of momenta are the same in all events, so squares and sizes."""
    h = sample.hadrons
    return {
        "|p_x|": abs(h.px),
        "p_y²": h.py**2,
        "|p_z|": abs(h.pz),
        "x_E": 2.0 * h.e / sample.energy,
        "p_T": np.hypot(h.px, h.py),
    }


def acceptances(ours, partons, params, seed):
    """ln α of ours and of real Pythia, and the error of the difference."""
    found = []
    for histories in (ours.histories, pythia.hadronize_partons(partons, params, seed=seed, progress=False).histories):
        accepted = histories.accepted
        mean = accepted.mean()
        found.append((np.log(mean), np.sqrt((1.0 - mean) / mean / len(accepted))))
    (own, error), (other, other_error) = found
    return own, other, np.hypot(error, other_error)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kink", choices=[*KINKS, "showers"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    missed, all_p = False, []
    print(f"{'':12s}    E  a    b    σ          <n>   largest pull      smallest p   ln α, Pythia's, pull")
    cases = [(name, k, i) for k, name in enumerate(KINKS) if options.kink in (None, name) for i in range(len(POINTS))]
    cases += [("showers", 0, i) for i in range(len(POINTS))] if options.kink in (None, "showers") else []
    for name, k, i in cases:
        params, seed = POINTS[i], 100 * options.seed + 10 * k + i
        if name == "showers":
            showers = datasets.load("pythia-showers-91")
            rows = np.isin(abs(showers.pid), (1, 2, 3, 4, 5))
            partons = showers.replace(pid=np.where(rows, 2 * np.sign(showers.pid), showers.pid))
        else:
            partons = partons_of(name, ENERGIES[(k + i) % len(ENERGIES)], options.events)
        ours = hadronize_partons(partons, params, rng=seed, threads=options.threads, progress=False)
        theirs = pythia.hadronize_partons(partons, params, seed=seed, histories=False, progress=False)
        rows = list(compare(ours, theirs, hadron_columns))
        mean = {row[0]: row[1] for row in rows}
        worst = max(rows, key=lambda row: abs(row[3]))
        least = min(rows, key=lambda row: row[6])
        all_p += [row[6] for row in rows]
        few = partons[: min(len(partons), 20_000)]
        own, other, error = acceptances(ours[: len(few)], few, params, seed + 1)
        missed |= abs(worst[3]) > 4 or least[6] < 1e-3 or abs(own - other) > 3 * error
        print(
            f"{name:12s}{partons.energy:5.0f}  {params.a:.2f} {params.b:.2f} {params.sigma_pt:.3f} {mean['n_f']:9.3f}"
            f"{worst[0]:>9s}{worst[3]:6.2f}{least[0]:>9s}{least[6]:9.4f}   {own:.4f} {other:.4f} "
            f"{(own - other) / error:5.2f}",
            flush=True,
        )
    print(f"{len(all_p)} p-values, smallest {min(all_p):.4f}, mean {np.mean(all_p):.3f}")
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
