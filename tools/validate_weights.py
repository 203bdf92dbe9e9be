"""Weights of pion strings at the points of the published table: n_eff, mean weight, closure against generated events.

    python tools/validate_weights.py --events 100000

For each point and both methods: n_eff/N, the pull of the mean weight from 1, and the smallest p-value of 13 observables
against a sample generated there, where n_eff is above 1000. Ends with 1 if a bar is missed; so it may with an
over-sampling of 1, where the weights of accept-reject have an infinite variance and n_eff means little.
"""

import argparse
import sys
import warnings

import numpy as np

from hadtutor import LundParams, hadronize_strings, observables
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff
from hadtutor.weights import chain_log_weights, event_weights, record_trials

BASES = {"": LundParams(), "sigma": LundParams(sigma_pt=0.350), "b": LundParams(b=0.58)}
POINTS = [
    *(("", {"a": a}) for a in (0.30, 0.55, 0.76)),
    *(("", {"b": b}) for b in (0.58, 0.80, 1.07)),
    *(("sigma", {"sigma_pt": sigma}) for sigma in (0.283, 0.360)),
    *(("b", {"a": a, "b": b}) for a, b in ((0.30, 0.80), (0.76, 0.98))),
]


def smallest_p(columns, columns_there, log_w):
    p_values = {}
    for name, y in columns_there.items():
        x = columns[name]
        whole = np.all(y == np.round(y))
        edges = np.arange(-0.5, y.max() + 1.5) if whole else np.nanquantile(y, np.linspace(0, 1, 31))
        counts = [histogram_per_event(v, edges) for v in (x, y)]
        w = np.exp(log_w - log_w.max())
        entries = (w @ counts[0]) ** 2 / np.maximum(w**2 @ counts[0], 1e-300)
        rich = (entries >= 25) & (counts[1].sum(axis=0) >= 25)
        p_values[name] = chi2_test(counts[0][:, rich], counts[1][:, rich], log_w).p_value
    name = min(p_values, key=p_values.get)
    return name, p_values[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--over-sampling", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # few effective events: the table says so
    rng = np.random.default_rng(args.seed)

    def generated(params):
        sample = hadronize_strings(args.events, params, rng=rng, threads=2, progress=False)
        return sample, observables.compute(sample.hadrons, sample.energy, threads=2)

    good, start = True, None
    for key, changes in POINTS:
        base, target = BASES[key], BASES[key]._replace(**changes)
        if key != start:
            start, (sample, columns) = key, generated(base)
            trials = record_trials(sample, rng=rng, over_sampling=args.over_sampling)
        _, columns_there = generated(target)
        n_effs = {}
        for method, with_trials in (("marginal", None), ("accept-reject", trials)):
            log_w = event_weights(sample, target, trials=with_trials).log_w
            n_effs[method] = n_eff(log_w)
            # The mean weight of chains is 1 by itself; that of events has been divided by the acceptance found.
            w = np.exp(chain_log_weights(sample, target, trials=with_trials))
            pull = (w.mean() - 1) / (w.std() / len(w) ** 0.5)
            text = f"{method:14s} n_eff/N {n_effs[method] / args.events:.4f}  <w> {w.mean():.3f}, pull {pull:+.1f}"
            if n_effs[method] > 1000:
                name, p = smallest_p(columns, columns_there, log_w)
                text += f"  smallest p {p:.4f} ({name})"
                good &= p > 1e-3 and abs(pull) < 4
            print(f"{changes!s:28s} {text}", flush=True)
        good &= n_effs["marginal"] >= n_effs["accept-reject"]
        print(f"{'':28s} gain {n_effs['marginal'] / n_effs['accept-reject']:.2f}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
