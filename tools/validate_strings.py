"""Compare hadtutor's string with real Pythia 8, observable by observable (extra ``pythia``).

    python tools/validate_strings.py --events 1000000
    python tools/validate_strings.py --events 200000 --point 0.5 1.2 0.25 --energy 40 --quark d --enhanced

For each observable: the pull of the mean, and chi-square, bins and p-value of the histogram. Bins that
expect fewer than 25 entries in either sample are left out. Ends with 1 if a bar is missed.
"""

import argparse
import sys

import numpy as np

from hadtutor import LundParams, Sample, hadronize_strings, kinematics, observables, pythia
from hadtutor.metrics import chi2_test, histogram_per_event, pull, pull_per_hadron

POINTS = ((0.68, 0.98, 0.335), (0.30, 0.98, 0.335), (0.68, 0.58, 0.335))


def hadron_columns(sample):
    h = sample.hadrons
    return {
        "p_x": h.px,
        "p_y": h.py,
        "p_T": np.hypot(h.px, h.py),
        "x_E": 2.0 * h.e / sample.energy,
        "y": kinematics.rapidity(h.e, h.pz),
    }


def edges_for(x, n_bins=40):
    """Bins of equal content for smooth observables, unit bins for counts."""
    x = x[np.isfinite(x)]
    if np.all(x == np.round(x)):
        return np.arange(x.min() - 0.5, x.max() + 1.5)
    return np.unique(np.quantile(x[:200_000], np.linspace(0, 1, n_bins + 1)))


def drop_poor_bins(*counts):
    rich = np.all([c.sum(axis=0) >= 25 for c in counts], axis=0)
    return [c[:, rich] for c in counts]


def compare(ours, theirs, hadron_columns=hadron_columns):
    """Rows (name, our mean, their mean, pull, chi2, ndf, p) for 13 + 1 observables and those of hadrons, here 5."""
    columns = [observables.compute(s.hadrons, s.energy, threads=2) for s in (ours, theirs)]
    for column, sample in zip(columns, (ours, theirs), strict=True):
        h = sample.hadrons
        column["n_pi+-"] = np.bincount(h.event, weights=abs(h.pid) == 211, minlength=len(h))
    per_hadron = [hadron_columns(s) for s in (ours, theirs)]
    for name in [*columns[0], *per_hadron[0]]:
        if name in per_hadron[0]:
            x, y = (p[name] for p in per_hadron)
            edges = edges_for(y)
            sizes = [(s.hadrons.event, len(s)) for s in (ours, theirs)]
            counts = [histogram_per_event(v, edges, *size) for v, size in zip((x, y), sizes, strict=True)]
            distance = pull_per_hadron(x, ours.hadrons, y, theirs.hadrons)
        else:
            x, y = (c[name] for c in columns)
            edges = edges_for(y)
            counts = [histogram_per_event(v, edges) for v in (x, y)]
            distance = pull(x, y)
        yield (name, np.nanmean(x), np.nanmean(y), distance, *chi2_test(*drop_poor_bins(*counts)))


def real_pythia(n_events, params, energy, seed, quark):
    """Real events in batches, which keeps the memory of the read-out down."""
    batches = [min(50_000, n_events - i) for i in range(0, n_events, 50_000)]
    settings = {"quark": quark, "histories": False}
    return Sample.concatenate(
        [pythia.hadronize_strings(n, params, energy, seed=seed + i, **settings) for i, n in enumerate(batches)]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--point", type=float, nargs=3, metavar=("A", "B", "SIGMA"))
    parser.add_argument("--energy", type=float, default=90.0)
    parser.add_argument("--quark", default="u")
    parser.add_argument("--enhanced", action="store_true", help="enhancedFraction = 0.01")
    parser.add_argument("--seed", type=int, default=7_000_000)
    parser.add_argument("--torch", choices=("float32", "float64"), help="judge the torch kernel instead")
    args = parser.parse_args()
    failures = 0
    for point in [tuple(args.point)] if args.point else POINTS:
        params = LundParams(*point, enhanced_fraction=0.01 if args.enhanced else 0.0)
        if args.torch:
            import torch

            from hadtutor.strings import tensor as strings_torch

            ours = strings_torch.hadronize_strings(
                args.events, params, args.energy, rng=args.seed, quark=args.quark, dtype=getattr(torch, args.torch)
            )
        else:
            rng = np.random.default_rng(args.seed)
            ours = hadronize_strings(args.events, params, args.energy, rng=rng, quark=args.quark, threads=2)
        theirs = real_pythia(args.events, params, args.energy, args.seed, args.quark)
        fraction = ours.histories.accepted.mean()
        error = np.sqrt((1 - fraction) / (fraction * ours.histories.n_chains))
        print(f"\n{params}, {args.energy:g} GeV, {args.quark} string, {args.events} events")
        print(f"ln(acceptance) = {np.log(fraction):.5f} +- {error:.5f}")
        print(f"{'':12s}{'ours':>12s}{'Pythia':>12s}{'pull':>8s}{'chi2':>9s}{'ndf':>5s}{'p':>10s}")
        pulls = []
        for name, x, y, distance, chi2, ndf, p in compare(ours, theirs):
            bad = abs(distance) >= 4 or p <= 1e-3
            failures += bad
            pulls.append(distance)
            print(f"{name:12s}{x:12.6f}{y:12.6f}{distance:8.2f}{chi2:9.1f}{ndf:5d}{p:10.4f}{' <-- !' * bad}")
        print(f"rms of the pulls {np.sqrt(np.mean(np.square(pulls))):.2f}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
