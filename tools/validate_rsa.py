"""Coverage of RSA: fits of many pairs of samples, their pulls, and the errors they claim.

    python tools/validate_rsa.py --events 100000 --repeats 50
    python tools/validate_rsa.py --base 1.2 0.5 --loss pseudo-chi2 --sigma

Every repetition has a base and a target of its own. Ends with 1 if the width of a pull is outside 0.8 to 1.2, or its
mean more than 0.3 from zero.
"""

import argparse
import sys

import numpy as np

from hadtutor import LundParams, hadronize_strings, rsa

TRUTH = LundParams(a=0.68, b=0.98)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--energy", type=float, default=100.0)
    parser.add_argument("--base", type=float, nargs=2, default=(0.72, 0.88), metavar=("A", "B"))
    parser.add_argument("--loss", choices=("chi2", "pseudo-chi2", "nll"), default="chi2")
    parser.add_argument("--sigma", action="store_true", help="fit sigma_pt too")
    parser.add_argument("--seed", type=int, default=1000)
    args = parser.parse_args()
    names = ("a", "b", "sigma_pt")[: 3 if args.sigma else 2]
    base = TRUTH._replace(a=args.base[0], b=args.base[1])
    truth = np.array([getattr(TRUTH, name) for name in names])
    values, errors = [], []
    for k in range(args.repeats):
        rng = np.random.default_rng(args.seed + k)
        settings = {"energy": args.energy, "rng": rng, "threads": 2, "progress": False}
        sample, target = (hadronize_strings(args.events, params, **settings) for params in (base, TRUTH))
        result = rsa.fit(sample, target, loss=args.loss, names=names, rng=rng, threads=2, progress=False)
        values.append(result.values)
        errors.append(result.errors)
        print(f"{k:3d} {result}", flush=True)
    pulls = (np.array(values) - truth) / errors
    good = True
    for name, pull, error in zip(names, pulls.T, np.mean(errors, axis=0), strict=True):
        mean, width = pull.mean(), pull.std(ddof=1)
        inside = 0.8 <= width <= 1.2 and abs(mean) <= 0.3
        good &= inside
        within = np.mean(abs(pull) < 2)
        flag = "" if inside else "  <-- outside the bars"
        print(f"{name}: error {error:.4f}; pulls of mean {mean:+.2f}, width {width:.2f}, {within:.0%} within 2{flag}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
