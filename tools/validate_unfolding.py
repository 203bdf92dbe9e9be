"""Unfold what is known: Gaussians row by row, string events through a detector, and f through a detector.

    python tools/validate_unfolding.py gaussians
    python tools/validate_unfolding.py closure --events 20000 --repeats 20
    python tools/validate_unfolding.py homer --events 100000 --repeats 10

Ends with 1 if a bar is missed.

- ``gaussians``: four pairs of prior and truth, 3·10⁵ events; OmniFold within 0.005 of mean and width of the exact
  iterate, three times; the same numbers of iterative Bayes beside them.
- ``closure``: strings with a = 0.68 unfolded to data with a = 0.60; thirteen observables at truth, in bins, against new
  events: p > 10⁻³ in the first repeat, errors by bootstrap that hold the truth in 0.60 to 0.76 of the bins of all.
- ``homer``: strings with random a, b and σ, every third a mixture, seen with 90 % efficiency and 3 % resolution; f at
  nine z in four quarters of mT²: within 3 % in root mean square, its error holds the truth in 0.60 to 0.76.
"""

import argparse
import sys

import numpy as np
import torch
from scipy.special import fdtrc

from hadtutor import LundMixture, LundParams, hadronize_strings, homer, lund, observables
from hadtutor.detector import Detector
from hadtutor.metrics.shares import Bins, open_edges
from hadtutor.unfolding import bootstrap, iterative_bayes, omnifold

EXAMPLES = ((0.0, 1.0, 0.2, 0.8, 0.5), (0.5, 0.9, 0.0, 1.0, 0.5), (0.0, 1.0, 0.5, 0.9, 1.0), (0.0, 1.0, 0.0, 1.15, 0.5))
"""Mean and width of prior and truth, and the noise."""
Z, QUARTERS = np.linspace(0.1, 0.9, 9), np.array([0.125, 0.375, 0.625, 0.875])


def exact_rows(m, s, mu, big_s, noise, n):
    """Mean and width after 1, …, n iterations."""
    rows, v, e = [], s**2, noise**2
    for _ in range(n):
        a, b = 1 / (big_s**2 + e), 1 / (v + e)
        alpha, c = a - b, a * mu - b * m
        k = 1 + alpha * e
        m, v = (m / v + c / k) / (1 / v + alpha / k), 1 / (1 / v + alpha / k)
        rows.append((m, v**0.5))
    return np.array(rows)


def moments(x, log_w):
    w = np.exp(log_w - log_w.max())
    mean = np.average(x, weights=w)
    return mean, np.average((x - mean) ** 2, weights=w) ** 0.5


def gaussians(options):
    missed, n = False, options.events or 300_000
    for case in EXAMPLES:
        m, s, mu, big_s, noise = case
        rng = np.random.default_rng(options.seed)
        sim, data = rng.normal(m, s, n), rng.normal(mu, big_s, n)
        sides = [sim, *(x + rng.normal(0, noise, n) for x in (sim, data))]
        rows = exact_rows(*case, 3)
        found = omnifold(
            *(x[:, None] for x in sides), iterations=3, stop_early=False, hidden=(32, 32), rng=1, progress=False
        )
        binned = iterative_bayes(*sides, np.linspace(-5, 5, 81), iterations=3)
        off, off_binned = (np.array([moments(sim, w) for w in r.log_push]) - rows for r in (found, binned))
        missed |= np.max(np.abs(off)) > 0.005
        print(
            f"{case}: OmniFold off by {np.max(np.abs(off)):.4f} at most, bins by {np.max(np.abs(off_binned)):.4f}; "
            f"n_eff/N {found.n_eff / n:.3f}, mean weight {found.passages[-1].mean_weight:.4f}",
            flush=True,
        )
    return missed


def columns_of(hadrons):
    return {k: np.nan_to_num(v) for k, v in observables.compute(hadrons, 90.0).items()}


def _pooled(scatter):
    """Covariance from the replicas of all repeats, which are alike, and its degrees of freedom."""
    scatter = np.array(scatter)
    freedom = scatter.shape[0] * (scatter.shape[1] - 1)
    return np.einsum("rbi,rbj->ij", scatter, scatter) / freedom, freedom


def closure(options):
    n, rng = options.events or 20_000, np.random.default_rng(options.seed)
    detector = Detector(charged_only=False, turn_on=0.05, slope=0.005)
    judge = columns_of(hadronize_strings(400_000, LundParams(a=0.60), rng=rng, progress=False).hadrons)
    bins = Bins({name: open_edges(x, 8, whole_numbers=False) for name, x in judge.items()})
    wanted = bins.shares(bins.places(judge)) / len(judge["T"])
    off, scatter = [], []
    for _ in range(options.repeats or 20):
        sim, data = (hadronize_strings(n, LundParams(a=a), rng=rng, progress=False).hadrons for a in (0.68, 0.60))
        reco, seen = (detector(h, rng=rng) for h in (sim, data))
        sides = columns_of(sim), columns_of(reco), columns_of(seen[seen.multiplicity > 0])
        settings = {"iterations": options.iterations, "seen": reco.multiplicity > 0, "rng": rng, "progress": False}
        found = omnifold(*sides, stop_early=False, **settings)
        replicas = bootstrap(*sides, replicas=options.replicas, **settings)
        places = bins.places(sides[0])
        shares = np.array([bins.shares(places, np.exp(w - w.max())) for w in (found.log_w, *replicas)])
        shares /= shares[:, :8].sum(axis=1, keepdims=True)
        off.append(shares[0] - wanted)
        scatter.append(shares[1:] - shares[1:].mean(axis=0))
        covariance, freedom = _pooled(scatter)
        error = np.sqrt(np.diag(covariance) + wanted * (1 - wanted) / len(judge["T"]))
        pulls = np.array(off) / error
        inside = np.mean(np.abs(pulls) < 1)
        print(f"{found}; so far inside {inside:.3f}, mean pull {pulls.mean():.2f}, width {pulls.std():.2f}", flush=True)
    off, missed = np.array(off), not 0.60 <= inside <= 0.76
    for name in bins.edges:
        at = np.flatnonzero(bins.owners == name)[:-1]  # shares add up to 1
        v = covariance[np.ix_(at, at)]
        chi2 = np.array([d[at] @ np.linalg.solve(v, d[at]) for d in off])
        n = freedom - len(at) + 1
        p = fdtrc(len(at), n, chi2 * n / (freedom * len(at)))  # Hotelling: the covariance is an estimate, too
        missed |= p[0] < 1e-3
        of_all = f"mean p of all repeats {p.mean():.2f}, least {p.min():.5f}"
        print(f"{name:12s} χ² {chi2[0]:6.1f} / {len(at)}, p {p[0]:.4f}; {of_all}")
    return missed


def _rms(x):
    return np.sqrt(np.mean(np.square(x)))


def truths(n, rng):
    """Random Lund functions, every third of them a mixture of two."""
    for k in range(n):
        a, b, sigma = rng.uniform(0.4, 0.95), rng.uniform(0.8, 1.15), rng.uniform(0.29, 0.37)
        p = LundParams(a=a, b=b, sigma_pt=sigma)
        yield LundMixture((p, p.replace(a=a - 0.3)), (0.5, 0.5)) if k % 3 == 2 else p


def through_homer(options):
    n, rng = options.events or 100_000, np.random.default_rng(options.seed)
    detector = Detector(charged_only=options.charged)
    ratios, pulls, widths = [], [], []
    sim = hadronize_strings(n, rng=rng, progress=False)
    mt2 = np.quantile(sim.histories.mt2, QUARTERS)[:, None]
    for truth in truths(options.repeats or 10, rng):
        data = detector(hadronize_strings(n, truth, rng=rng, progress=False), rng=rng)
        data = data[data.multiplicity > 0]
        found = homer.fit(sim, data, detector=detector, iterations=1, rebase=True, rng=rng, progress=False)
        (f, sigma), exact = found.f(Z, mt2), np.exp(lund.log_density(Z, mt2, truth))
        ratios.append(f / exact - 1)
        widths.append(sigma / exact)
        pulls.append((f - exact) / sigma)
        parts = getattr(truth, "components", (truth,))
        said = " + ".join(f"a {p.a:.2f} b {p.b:.2f} σ {p.sigma_pt:.3f}" for p in parts)
        rms, most, error = (100 * x for x in (_rms(ratios[-1]), np.max(np.abs(ratios[-1])), _rms(widths[-1])))
        print(
            f"{said}: off by {rms:.1f} % in rms, {most:.1f} % at most; inside {np.mean(np.abs(pulls[-1]) < 1):.2f}; "
            f"error {error:.1f} %; p {found.p_value:.3f}, {len(found.bases)} bases",
            flush=True,
        )
    ratios, pulls = np.array(ratios), np.array(pulls)
    rms, inside = _rms(ratios), np.mean(np.abs(pulls) < 1)
    within = np.mean(np.abs(ratios) < 0.03)
    print(f"f off by {100 * rms:.2f} % in rms, within 3 % at {100 * within:.0f} % of the points; coverage {inside:.3f}")
    print(
        "by quarter of mT²:",
        np.round(np.mean(np.abs(pulls) < 1, axis=(0, 2)), 2),
        "by z:",
        np.round(np.mean(np.abs(pulls) < 1, axis=(0, 1)), 2),
    )
    return rms > 0.03 or not 0.60 <= inside <= 0.76


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["gaussians", "closure", "homer"])
    parser.add_argument("--events", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--charged", action="store_true", help="neutral hadrons are not seen")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.exit(int({"gaussians": gaussians, "closure": closure, "homer": through_homer}[options.what](options)))


if __name__ == "__main__":
    main()
