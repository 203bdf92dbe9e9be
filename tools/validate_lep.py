"""Weights of real showers' strings, of all flavours, against runs of real Pythia 8 at the targets (extra ``pythia``).

    python tools/validate_lep.py --events 100000

One base sample of e⁺e⁻ events at 91.2 GeV with histories, and for each target a direct run on the same showers. For
each: mean weights of each kind of break, of chains and of events; n_eff/N; for 13 observables after decays, spectra of
charged hadrons and numbers of some primary hadrons both means, and for weights by all chains and by accepted ones, with
one ratio of acceptances, the pull and the p-value of χ². Errors are those of independent samples, but the showers are
common: pulls come out a little small. Ends with 1 if a pull is above 4, or a p-value below 10⁻³ over their number.
"""

import argparse
import sys
import warnings

import numpy as np

from hadtutor import LundParams, observables, pythia
from hadtutor.lund.all_flavours import KINDS, kind_of_break
from hadtutor.lund.flavour_choice import NAMES as OF_FLAVOURS
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff, pull
from hadtutor.particles import charge_of
from hadtutor.weights import break_log_weights, chain_log_weights, event_weights

ENERGY = 91.2
POINTS = (
    {"a": 0.55}, {"b": 0.85}, {"sigma_pt": 0.31}, {"a": 0.8, "b": 1.1, "sigma_pt": 0.36},
    {"a_extra_diquark": 0.6, "r_c": 1.0, "r_b": 0.7},
    {"prob_s_to_ud": 0.25, "prob_qq_to_q": 0.1, "meson_ud_vector": 0.6},
)  # fmt: skip
SPECIES = {
    "π±": (211,), "K±": (321,), "p": (2212,), "Λ": (3122,), "D, D*": (411, 421, 431, 413, 423, 433),
    "B, B*": (511, 521, 531, 513, 523, 533),
}  # fmt: skip
SPECTRA = {"x_p": np.geomspace(2e-3, 0.8, 26), "p_T": np.geomspace(0.03, 8.0, 26)}  # p_T [GeV] across the thrust axis


def measured(primary, seed):
    """Columns of events, and counts of each event in the bins of the spectra."""
    hadrons = pythia.decay(primary, seed=seed, progress=False)
    columns = dict(observables.compute(hadrons, ENERGY))
    for name, codes in SPECIES.items():
        columns[name] = np.bincount(primary.event, np.isin(abs(primary.pid), codes), len(primary))
    along = observables.thrust_axes(hadrons)[hadrons.event]
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1)
    p_t = np.sqrt(np.maximum(0.0, np.sum(p**2, axis=1) - np.sum(p * along, axis=1) ** 2))
    charged = charge_of(hadrons.pid) != 0
    values = {"x_p": observables.momentum_fraction(hadrons, ENERGY), "p_T": p_t}
    event = hadrons.event[charged]
    counts = {n: histogram_per_event(values[n][charged], SPECTRA[n], event, len(hadrons)) for n in SPECTRA}
    return columns, counts


def p_value(x, y, log_w):
    """Of χ², between counts of events; bins of few entries are left out."""
    w = np.exp(log_w - log_w.max())
    entries = (w @ x) ** 2 / np.maximum(w**2 @ x, 1e-300)
    rich = (entries >= 25) & (y.sum(axis=0) >= 25)
    return chi2_test(x[:, rich], y[:, rich], log_w).p_value


def bins(y):
    whole = np.all(y == np.round(y))
    return np.arange(-0.5, y.max() + 1.5) if whole else np.nanquantile(y, np.linspace(0.0, 1.0, 31))


def compare(base, there, log_w):
    """Pull and p-value of each observable; a spectrum has no pull."""
    (x, spectra_x), (y, spectra_y) = base, there
    rows = {n: (pull(x[n], y[n], log_w), p_value(*(histogram_per_event(c[n], bins(y[n])) for c in (x, y)), log_w))
            for n in y}  # fmt: skip
    return rows | {n: (np.nan, p_value(spectra_x[n], spectra_y[n], log_w)) for n in spectra_y}


def mean_and_pull(log_w):
    w = np.exp(log_w)
    error = w.std() / np.sqrt(len(w))
    return f"{w.mean():.4f}" + (f" ({(w.mean() - 1.0) / error:+.1f})" if error > 0 else " (  - )")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # few effective events: the table says so
    seed, how = 100 * options.seed, {"decays": False, "processes": options.processes, "progress": False}
    showers = pythia.shower(options.events, ENERGY, seed=seed, progress=False)
    sample = pythia.hadronize(showers, LundParams(), seed=seed + 1, histories=True, **how)
    base, good = measured(sample.hadrons, seed + 2), True
    kind = kind_of_break(sample.histories.old, sample.histories.new)
    print(f"{options.events} events, {len(kind)} breaks, {sample.histories.n_chains} chains", flush=True)
    for k, changes in enumerate(POINTS):
        target = sample.params.replace(**changes)
        there = measured(pythia.hadronize(showers, target, seed=seed + 10 + k, **how), seed + 20 + k)
        print(f"\n{changes}\n<w> and its pull from 1\n  z and pT of breaks")
        of_breaks = break_log_weights(sample, target.replace(**{n: getattr(sample.params, n) for n in OF_FLAVOURS}))
        for number, name in enumerate(KINDS):
            print(f"    {name:24s}{mean_and_pull(of_breaks[kind == number])}")
        of_chains = chain_log_weights(sample, target)
        print(f"  {'chains':26s}{mean_and_pull(of_chains)}")
        good &= abs(np.exp(of_chains).mean() - 1.0) < 4 * np.exp(of_chains).std() / np.sqrt(len(of_chains))
        tables = {}
        for name, all_chains in (("all chains", True), ("accepted", False)):
            log_w = event_weights(sample, target, all_chains=all_chains).log_w
            print(f"  {'events, ' + name:26s}{mean_and_pull(log_w)}  n_eff/N {n_eff(log_w) / len(log_w):.3f}")
            tables[name] = compare(base, there, log_w)
        print(f"{'':12s}{'base':>9s}{'target':>9s}" + "".join(f"  {name:>10s}: pull, p" for name in tables))
        for name in tables["accepted"]:
            means = "".join(f"{np.nanmean(c[0][name]):9.4f}" if name in c[0] else f"{'':9s}" for c in (base, there))
            rows = [table[name] for table in tables.values()]
            print(f"{name:12s}{means}" + "".join(f"  {d:12.2f} {p:8.4f}" for d, p in rows))
            good &= all(not abs(d) > 4 and p > 1e-3 / len(tables["accepted"]) for d, p in rows)
        sys.stdout.flush()
    sys.exit(int(not good))


if __name__ == "__main__":
    main()
