"""Make data/rsa-coverage.csv: 400 times the same experiment, a fit of a and b to 10 000 strings with two losses.

Every repetition has a base and a target of its own. Six bins for each shape, as in the chapter on the errors of a fit,
which repeats a few of these experiments itself and reads the others from this file. Ten minutes on one core.
"""

import hashlib
import pathlib
import time

import numpy as np

from hadtutor import LundParams, hadronize_strings, rsa

FILE = pathlib.Path(__file__).resolve().parents[1] / "data" / "rsa-coverage.csv"
SEED, REPEATS, N_EVENTS, N_BINS, SQRT_S = 20240641, 400, 10_000, 6, 100.0
TRUTH = LundParams(a=0.68, b=0.98, sigma_pt=0.335)
BASE = TRUTH._replace(a=0.72, b=0.88)
COLUMNS = ["a", "b"] + [f"{kind}_{pair}" for kind in ("sandwich", "hessian") for pair in ("aa", "ab", "bb")]
UPPER = np.triu_indices(2)


def experiment(number):
    """Values and covariances of both fits of one repetition."""
    rng = np.random.default_rng([SEED, number])
    base, target = (hadronize_strings(N_EVENTS, p, SQRT_S, rng=rng, progress=False) for p in (BASE, TRUTH))
    for loss in ("chi2", "pseudo-chi2"):
        fit = rsa.fit(base, target, loss=loss, n_bins=N_BINS, rng=rng, progress=False)
        yield loss, [*fit.values, *fit.covariance[UPPER], *fit.covariance_hessian[UPPER]]


def main():
    start = time.monotonic()
    lines = ["# 400 fits of a and b for each loss, 10 000 strings of base and target; covariances in units of 1e-6"]
    lines.append(",".join(["loss", *COLUMNS]))
    for number in range(REPEATS):
        for loss, row in experiment(number):
            covariances = [f"{1e6 * x:.0f}" for x in row[2:]]
            lines.append(",".join([loss, *(f"{x:.5f}" for x in row[:2]), *covariances]))
        if number % 20 == 19:
            print(f"{number + 1} of {REPEATS}, {time.monotonic() - start:.0f} s", flush=True)
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(FILE.name, FILE.stat().st_size, hashlib.sha256(FILE.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
