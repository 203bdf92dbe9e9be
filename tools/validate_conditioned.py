"""Check strings conditioned on acceptance against strings without a condition, part by part, lines as they come.

    python tools/validate_conditioned.py chiral
    python tools/validate_conditioned.py strings --events 1000000
    python tools/validate_conditioned.py extraction --events 75000

- chiral: h of the chiral string, and chains without and with the condition, against the published numbers.
- strings: a network for h from 500 000 events; chains that are thrown away; observables, and z of accepted
  breaks, of weighted and of plain events; n_eff; the same network at 20 and 400 GeV.
- extraction: a and b from accepted chains, by likelihoods without h, with it, and with the acceptance of whole chains
  as in HOMER, in units of their errors and as f; by distance from the end; at other a, b, σ and energies, where h is
  learned at the default parameters first and then at the fit.

Ends with 1 if a bar is missed; they stand in the lines.
"""

import argparse
import sys
import time

import numpy as np
import torch
from scipy import optimize

from hadtutor import LundParams, conditioned, hadronize_strings, lund, observables, weights
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff

TRUTH = LundParams()
HELD_OUT = {
    "a .50 b .90 at 45.6 GeV": (LundParams(a=0.50, b=0.90), 45.6),
    "a .80 b 1.10 at 91.2 GeV": (LundParams(a=0.80, b=1.10), 91.2),
    "σ .28 at 20 GeV": (LundParams(sigma_pt=0.28), 20.0),
    "a .60 b .80 σ .38 at 200 GeV": (LundParams(a=0.60, b=0.80, sigma_pt=0.38), 200.0),
}
MASSES = [(0, 3), (3, 5), (5, 10), (10, 30), (30, 100)]
QUIET = {"progress": False}
missed = []


def bar(text, good):
    print(f"{'   ' if good else '!! '}{text}", flush=True)
    if not good:
        missed.append(text)


def chiral(options):
    for cut, wanted in ((0.9, 0.51), (1.2, 0.78), (1.7, 0.94), (3.0, 0.99)):
        h = float(conditioned.harmonic(conditioned.ChiralString(mass_cut=cut))(10.0))
        bar(f"M_cut {cut}: h = {h:.4f}, published {wanted}", abs(h - wanted) < 0.0055)
    string = conditioned.ChiralString(mass_cut=1.0)
    h = conditioned.harmonic(string)
    n = options.events
    bare = conditioned.chiral_chains(n, 5.0, string, rng=options.seed)
    made = conditioned.chiral_chains(n, 5.0, string, rng=options.seed + 1, h=h)
    per_1000 = 1000 * bare.accepted.mean()
    bar(f"bare: {per_1000:.1f} of 1000 accepted, h {1000 * float(h(5.0)):.1f}, published 623 to 649",
        abs(per_1000 / 1000 - h(5.0)) < 4 * np.sqrt(0.25 / n) and 621 < per_1000 < 651)  # fmt: skip
    bar(f"conditioned: {1000 * made.accepted.mean():.1f} of 1000", made.accepted.all())
    means = [x.n_breaks[x.accepted] for x in (bare, made)]
    error = np.hypot(*(x.std() / len(x) ** 0.5 for x in means))
    bar(f"<N> = {means[1].mean():.4f}, of accepted bare chains {means[0].mean():.4f} ± {error:.4f}, published 4.92",
        abs(means[0].mean() - means[1].mean()) < 4 * error and abs(means[1].mean() - 4.92) < 0.01)  # fmt: skip


def histograms_agree(x, y, w):
    """p of the histograms of x, weighted, and of y, each a value per row of events."""
    whole = np.all(y[np.isfinite(y)] == np.round(y[np.isfinite(y)]))
    known = y[np.isfinite(y)]
    edges = np.arange(known.min() - 0.5, known.max() + 1) if whole else np.quantile(known, np.linspace(0, 1, 41))
    ours, theirs = (histogram_per_event(np.nan_to_num(v, nan=np.inf), np.unique(edges)) for v in (x, y))
    rich = np.minimum(ours.sum(axis=0), theirs.sum(axis=0)) >= 25
    return chi2_test((ours * w[:, None])[:, rich], theirs[:, rich])[2]


def z_per_event(sample, edges):
    """Histogram of the z of accepted breaks of each event."""
    h = sample.histories.only_accepted()
    place = np.digitize(h.z, edges) - 1
    flat = h.event_of_chain[h.chain_of_break] * (len(edges) - 1) + place
    return np.bincount(flat, minlength=len(sample) * (len(edges) - 1)).reshape(len(sample), -1).astype(float)


def learned(params, energy, options, events=300_000, **settings):
    sample = hadronize_strings(events, params, max(energy, 90.0), rng=options.seed + 10, **QUIET)
    return conditioned.learn_acceptance(sample, rng=options.seed + 11, **settings, **QUIET)


def strings(options):
    n, begun = options.events, time.perf_counter()
    h = learned(TRUTH, 90.0, options, events=500_000, epochs=10)
    print(f"   h learned in {time.perf_counter() - begun:.0f} s", flush=True)
    made = conditioned.hadronize(n, h, rng=options.seed + 12, **QUIET)
    thrown = (~made.histories.accepted).sum() / n
    plain = hadronize_strings(n, rng=options.seed + 13, **QUIET)
    of_plain = (~plain.histories.accepted).sum() / n
    bar(f"thrown away: {1000 * thrown:.3f} chains per 1000 events, without condition {1000 * of_plain:.1f}; bar 1",
        thrown <= 1e-3)  # fmt: skip
    log_w = conditioned.log_weights(made, h, rng=options.seed + 14, proposals=options.proposals)
    share = n_eff(log_w) / n
    bar(f"n_eff/N {share:.4f} with {options.proposals} proposals; bar .99", share >= 0.99)
    w = np.exp(log_w)
    start = h(np.array([[np.log(90.0), 0, 0, 0, 0, 0]]))[0]
    accepted = plain.histories.accepted
    error = np.hypot(start * w.std() / n**0.5, accepted.std() / len(accepted) ** 0.5)
    bar(f"acceptance from mean weight {start * w.mean():.5f}, direct {accepted.mean():.5f} ± {error:.5f}",
        abs(start * w.mean() - accepted.mean()) < 4 * error)  # fmt: skip
    w /= w.mean()
    x, y = (observables.compute(s) for s in (made, plain))
    for name in x:
        values = [v[name][np.isfinite(v[name])] for v in (x, y)]
        with_w = w[np.isfinite(x[name])]
        mean = np.sum(with_w * values[0]) / with_w.sum()
        errors = [np.sqrt(np.sum((with_w * (values[0] - mean)) ** 2)) / with_w.sum(), values[1].std() / n**0.5]
        off, bare = (m - values[1].mean() for m in (mean, values[0].mean()))
        p = histograms_agree(x[name], y[name], w)
        off, bare = off / np.hypot(*errors), bare / np.hypot(*errors)
        bar(f"{name}: pull of the mean {off:+.2f}, without weights {bare:+.2f}; "
            f"histogram p = {p:.3f}, without weights {histograms_agree(x[name], y[name], np.ones(n)):.1e}",
            p > 1e-3)  # fmt: skip
    edges = np.quantile(plain.histories.only_accepted().z[:1_000_000], np.linspace(0, 1, 31))
    edges[[0, -1]] = 0.0, 1.0
    p = chi2_test(z_per_event(made, edges) * w[:, None], z_per_event(plain, edges))[2]
    bar(f"z of accepted breaks: p = {p:.3f}", p > 1e-3)
    for energy in (20.0, 400.0):
        small = conditioned.hadronize(n // 20, h, energy, rng=options.seed + 15, **QUIET)
        log_w = conditioned.log_weights(small, h, rng=options.seed + 16, proposals=options.proposals)
        thrown = (~small.histories.accepted).sum() / len(small)
        share = n_eff(log_w) / len(small)
        bar(f"at {energy:g} GeV: thrown away {1000 * thrown:.2f} per 1000, n_eff/N {share:.4f}",
            thrown <= 1e-3 and share >= 0.99)  # fmt: skip


def by_acceptance(sample, simulation):
    """a and b that maximise the density of accepted chains over their acceptance, as HOMER has it."""
    accepted = sample.histories.only_accepted()
    base = simulation.params

    def nll(values):
        target = base.replace(a=values[0], b=values[1])
        chains = weights.chain_log_weights(accepted, target, base=base).sum()
        found = weights.event_weights(simulation, target)
        return -chains + len(sample) * np.log(found.acceptance_target / found.acceptance)

    return optimize.minimize(nll, [base.a, base.b], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-2}).x


def off_in_f(values, params, sample):
    """Largest |f/f_true - 1| for .1 < z < .95 in the lower three quarters of mT²."""
    middle = np.quantile(sample.histories.mt2[:200_000], [0.125, 0.375, 0.625])
    z = np.linspace(0.1, 0.95, 60)
    fitted = params.replace(a=values[0], b=values[1])
    ratio = [lund.log_density(z, m, fitted) - lund.log_density(z, m, params) for m in middle]
    return np.max(abs(np.expm1(ratio)))


def extraction(options):
    h = learned(TRUTH, 90.0, options, events=500_000, epochs=10)
    sample = hadronize_strings(options.events, rng=options.seed + 20, **QUIET)
    truth = np.array([TRUTH.a, TRUTH.b])
    simulation = hadronize_strings(200_000, rng=options.seed + 21, **QUIET)
    for name, fit in (("without h", conditioned.fit_lund(sample)), ("with h", conditioned.fit_lund(sample, h))):
        pulls, off = (fit.values - truth) / fit.errors, off_in_f(fit.values, TRUTH, sample)
        text = f"{name}: {fit}; pulls {pulls.round(2)}; f off by {100 * off:.2f} %"
        bar(
            text + ("; bars 3, 1 %" if name == "with h" else ""),
            name != "with h" or (max(abs(pulls)) < 3 and off < 0.01),
        )
    values = by_acceptance(sample, simulation)
    bar(f"by the acceptance of whole chains: a {values[0]:.4f}, b {values[1]:.4f}, f off by "
        f"{100 * off_in_f(values, TRUTH, sample):.2f} %", off_in_f(values, TRUTH, sample) < 0.01)  # fmt: skip
    accepted = sample.replace(histories=sample.histories.only_accepted())
    states = conditioned.states_of(accepted)
    last = np.append(states.chain[1:] != states.chain[:-1], True)  # the last pair comes next, not a break
    mass = states.mass[~last]
    for low, high in MASSES:
        inside = (mass >= low) & (mass < high)
        fits = [conditioned.fit_lund(sample, with_h, breaks=inside) for with_h in (None, h)]
        pulls = [((f.values - truth) / f.errors).round(1) for f in fits]
        bar(f"{low} to {high} GeV left, {inside.sum()} breaks: without h {fits[0].values.round(3)} pulls {pulls[0]}, "
            f"with h {fits[1].values.round(3)} ± {fits[1].errors.round(3)} pulls {pulls[1]}",
            max(abs(pulls[1])) < 4)  # fmt: skip
    for name, (params, energy) in HELD_OUT.items():
        sample = hadronize_strings(options.events // 3, params, energy, rng=options.seed + 30, **QUIET)
        first = conditioned.fit_lund(sample, h)
        again = params.replace(a=first.values[0], b=first.values[1])
        fit = conditioned.fit_lund(sample, learned(again, energy, options))
        truth = np.array([params.a, params.b])
        pulls, off = (fit.values - truth) / fit.errors, off_in_f(fit.values, params, sample)
        bar(f"{name}: with h of Monash {first.values.round(3)}, learned again {fit}; pulls {pulls.round(2)}, "
            f"f off by {100 * off:.2f} %", max(abs(pulls)) < 3.5 and off < 0.02)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("chiral", "strings", "extraction"))
    parser.add_argument("--events", type=int, help="default 1000000, of extraction 75000")
    parser.add_argument("--proposals", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.events = options.events or (75_000 if options.part == "extraction" else 1_000_000)
    {"chiral": chiral, "strings": strings, "extraction": extraction}[options.part](options)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
