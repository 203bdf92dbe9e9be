"""Weights and fits of the cluster model against direct runs, on showers of real Pythia (extra ``pythia``).

    python tools/validate_clusters.py weights [--events 20000]
    python tools/validate_clusters.py fits [--events 20000] [--experiments 20]
    python tools/validate_clusters.py decayed [--events 20000] [--experiments 20]
    python tools/validate_clusters.py lep [--events 20000]
    python tools/validate_clusters.py shapes [--events 20000]

- weights: five targets, each with at least four parameters changed. For each ⟨w⟩, n_eff/N, the cost of weights and of
  their gradient, and pulls and p-values of hadrons of each kind, masses, shapes and multiplicities between weighted
  base and a direct run on other showers.
- fits: `rsa.fit` of eight parameters to truths drawn at random, base and target on different showers: pulls, seconds.
- decayed: the same of seven parameters (not the power of the fission, which is hardly seen) to what is left after
  Pythia's decays, and the numbers of hadrons that had decayed, as far as LEP counted them.
- lep: `tuning.fit` to LEP. First three weights to the numbers of π±, K± and p on the packaged showers, from three
  bases: all should be `CLUSTER_LEP`. Then six parameters to these, ten more species and the n_ch distribution, with 5 %
  of theory error and a prior of width .5. χ² of fresh runs on other showers, before and after.
- shapes: six parameters, and eight, to thrust and x_p as well, on showers as the packaged ones and on those that end at
  pTmin .65 GeV, then fresh runs. No setting describes the former.

Ends with 1 if a pull is above 4, a p-value below 10⁻³ over their number, or the width of pulls outside .85 to 1.15; if
three weights differ by more than an error from `CLUSTER_LEP`, or the six parameters leave more than a third of the χ²
of the published ones in what they were fitted to, or more than `CLUSTER_LEP` does.
"""

import argparse
import sys
import time

import numpy as np
import torch

from hadtutor import ClusterParams, datasets, hadronize_clusters, observables, pythia, rsa, tuning
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff, pull
from hadtutor.params import CLUSTER_LEP
from hadtutor.weights import event_weights
from hadtutor.weights.tensor import ClusterWeights

BASE = ClusterParams(cl_soft=0.15, cl_smr_charm=0.5, cl_smr_bottom=0.5)
TARGETS = (
    {"pwt_s": 0.42, "pwt_diquark": 0.40, "vector_wt": 0.85, "dec_wt": 0.70},
    {"cl_max": 3.8, "cl_pow": 2.1, "p_split": 1.0, "cl_smr": 0.65, "cl_soft": 0.17},
    {"pwt_s": 0.33, "pwt_diquark": 0.28, "vector_wt": 1.15, "cl_max": 3.35, "p_split": 0.85},
    {"cl_max_charm": 3.1, "cl_max_bottom": 2.9, "p_split_charm": 1.3, "p_split_bottom": 0.65, "cl_smr_charm": 0.7},
    {"pwt_s": 0.40, "dec_wt": 0.5, "cl_smr": 0.9, "cl_pow": 1.6, "cl_max": 3.65, "vector_wt": 0.9},
)  # fmt: skip
SPECIES = {
    "pi0": (111,), "pi": (211,), "K": (321,), "K0": (311,), "eta": (221,), "eta'": (331,), "rho0": (113,),
    "rho": (213,), "omega": (223,), "K*": (323,), "K*0": (313,), "phi": (333,), "p": (2212,), "n": (2112,),
    "Delta++": (2224,), "Delta": (2214, 2114, 1114), "Lambda": (3122,), "Sigma": (3222, 3212, 3112),
    "Sigma*": (3224, 3214, 3114), "Xi": (3322, 3312), "Xi*": (3324, 3314), "Omega": (3334,), "D": (411, 421),
    "D*": (413, 423), "Ds": (431, 433), "Lambda_c": (4122,), "B": (511, 521), "B*": (513, 523), "Bs": (531, 533),
}  # fmt: skip
SHAPES = "T", "C", "B_W", "n_f", "n_ch", "lnx_mean", "lnx_var", "lnx_m3"
NAMES = "pwt_s", "pwt_diquark", "vector_wt", "dec_wt", "cl_smr", "p_split", "cl_max", "cl_pow"
SPREAD = dict(zip(NAMES, (0.15, 0.2, 0.2, 0.2, 0.3, 0.1, 0.08, 0.15), strict=True))  # of true values, in logarithms

COUNTED = (
    "pi",
    "K",
    "K0",
    "eta",
    "rho0",
    "omega",
    "K*",
    "K*0",
    "phi",
    "p",
    "Delta++",
    "Lambda",
    "Sigma*",
    "Xi",
    "D",
    "D*",
)

WEIGHTS = "pwt_s", "pwt_diquark", "vector_wt"
BASES = {
    "published": ClusterParams(),
    "many baryons": ClusterParams(pwt_s=0.5, pwt_diquark=1.5, vector_wt=0.15),
    "few of all": ClusterParams(pwt_s=0.2, pwt_diquark=0.6, vector_wt=0.5),
}
GROUPS = {
    "π K p": ("mean_pipm_pdg", "mean_kpm", "mean_p"),
    "thrust": ("thrust",),
    "n_ch": ("nch",),
    "x_p": ("xp",),
    "ten species": (
        "mean_k0", "mean_eta", "mean_rho0", "mean_omega", "mean_kstar0", "mean_phi", "mean_lambda", "mean_xi",
        "mean_sigma1385", "mean_omega_minus",
    ),
}  # fmt: skip
SIX = (*WEIGHTS, "dec_wt", "cl_smr", "p_split")
LEP = {"theory_error": 0.05, "progress": False}


def say(*words):
    print(*words, flush=True)


def measured(sample):
    """Columns of events: 43 observables."""
    c = sample.histories
    columns = dict(observables.compute(sample, names=SHAPES))
    columns |= {name: observables.count(sample, *codes) for name, codes in SPECIES.items()}
    of_event = lambda x: np.bincount(c.event, x, len(c)).astype(float)
    final, kind = c.fate > 1, np.maximum(c.quark, -c.antiquark)
    columns |= {"fissions": of_event(c.fate == 1), "singles": of_event(c.fate == 3)}
    columns |= {"mass": of_event(c.mass * final), "mass^2": of_event(c.mass**2 * final)}
    columns |= {f"mass, {name}": of_event(c.mass * final * (kind == f)) for name, f in (("charm", 4), ("bottom", 5))}
    return columns


def bins(y):
    whole = np.all(y == np.round(y))
    return np.arange(-0.5, y.max() + 1.5) if whole else np.unique(np.nanquantile(y, np.linspace(0.0, 1.0, 21)))


def p_value(x, y, log_w):
    edges = bins(y)
    of_x, of_y = histogram_per_event(x, edges), histogram_per_event(y, edges)
    w = np.exp(log_w - log_w.max())
    rich = ((w @ of_x) ** 2 / np.maximum(w**2 @ of_x, 1e-300) >= 25) & (of_y.sum(axis=0) >= 25)
    return chi2_test(of_x[:, rich], of_y[:, rich], log_w).p_value if rich.sum() > 1 else np.nan


def check_weights(options):
    n, good = options.events, True
    showers = pythia.shower(2 * n, seed=options.seed, progress=False)
    base = hadronize_clusters(showers[:n], BASE, rng=options.seed, progress=False)
    x = measured(base)
    for k, changes in enumerate(TARGETS):
        target = BASE.replace(**changes)
        log_w = event_weights(base, target).log_w
        w, there = np.exp(log_w), measured(hadronize_clusters(showers[n:], target, rng=100 + k, progress=False))
        of_mean = (w.mean() - 1.0) / (w.std() / np.sqrt(n))
        rows = {name: (pull(x[name], y, log_w), p_value(x[name], y, log_w)) for name, y in there.items()}
        pulls, p_values = np.array(list(rows.values())).T
        say(f"{changes}\n   <w> {w.mean():.4f} ({of_mean:+.1f}), n_eff/N {n_eff(log_w) / n:.3f}; pulls of {len(rows)}: "
            f"rms {np.sqrt(np.mean(pulls**2)):.2f}, largest {max(rows, key=lambda r: abs(rows[r][0]))} "
            f"{pulls[np.argmax(abs(pulls))]:+.1f}; least p {np.nanmin(p_values):.3f}")  # fmt: skip
        good &= abs(of_mean) < 4 and max(abs(pulls)) < 4 and bool(np.nanmin(p_values) > 1e-3 / len(rows))
    weights = ClusterWeights(base)
    values = {
        name: torch.tensor(getattr(BASE, name), dtype=torch.float64, requires_grad=True) for name in weights.steps
    }
    for _ in range(3):  # the last is timed: nothing is compiled any more
        begun = time.perf_counter()
        loss = weights.at(**values).logsumexp(0)
        torch.autograd.grad(loss, list(values.values()))
        seconds = time.perf_counter() - begun
    say(f"weights and gradient by {len(values)} parameters of {n} events: {seconds:.3f} s")
    return good


def counted(name, *codes):
    count = lambda hadrons: observables.count(hadrons, *codes).astype(float)
    count.__name__ = name
    return count


class Decayed:
    """Hadrons after Pythia's decays, stable ones and all that ever were: made once for each sample."""

    def __init__(self, seed):
        self.seed, self.of, self.found = seed, None, None

    def __call__(self, hadrons):
        if self.of is not hadrons:
            self.of, self.found = hadrons, pythia.decay(hadrons, seed=self.seed, every=True, progress=False)
        return self.found

    def observables(self, energy):
        """Functions of hadrons before decays: shapes and numbers of charged particles after them, and rates."""

        def shape(name):
            measure = lambda hadrons: observables.compute(self(hadrons)[0], energy, names=[name])[name]
            measure.__name__ = name
            return measure

        def rate(name, *codes):
            count = lambda hadrons: observables.count(self(hadrons)[1], *codes).astype(float)
            count.__name__ = name
            return count

        return [shape(name) for name in ("T", "C", "n_ch", "lnx_mean", "lnx_var")] + [
            rate(name, *SPECIES[name]) for name in COUNTED
        ]


def check_fits(options, names=NAMES, decayed=False):
    n, pulls, seconds = options.events, [], []
    showers = pythia.shower(2 * n, seed=options.seed, progress=False)
    base = hadronize_clusters(showers[:n], BASE, rng=options.seed, progress=False)
    seen = ["T", "C", "n_f", "lnx_mean", "lnx_var"]
    seen += [counted(name, *codes) for name, codes in SPECIES.items() if name not in ("Xi*", "Omega", "Lambda_c", "Ds")]
    if decayed:
        seen = Decayed(options.seed).observables(base.energy)
    for k in range(options.experiments):
        rng = np.random.default_rng(1000 * options.seed + k)
        truth = BASE.replace(**{m: getattr(BASE, m) * np.exp(SPREAD[m] * rng.uniform(-1, 1)) for m in names})
        data = hadronize_clusters(showers[n:], truth, rng=rng, progress=False)
        begun = time.perf_counter()
        if decayed:  # those of the data happen by themselves
            there = Decayed(options.seed + 1 + k).observables(data.energy)
            data = {measure.__name__: measure(data.hadrons) for measure in there}
        found = rsa.fit(base, data, names=names, observables=seen, rng=rng, progress=False)
        seconds.append(time.perf_counter() - begun)
        pulls.append((found.values - [getattr(truth, m) for m in names]) / found.errors)
        say(f"{k:3d} {seconds[-1]:5.1f} s, {len(found.log)} descents, χ² {found.chi2:.0f}/{found.ndf}, n_eff/N "
            f"{found.n_eff / n:.2f}, pulls {pulls[-1].round(1)}, errors {found.errors.round(3)}")  # fmt: skip
    pulls = np.array(pulls)
    width = np.sqrt(np.mean(pulls**2))
    say(f"{names}\nmeans {pulls.mean(axis=0).round(2)}, widths {np.sqrt(np.mean(pulls**2, axis=0)).round(2)}")
    error = 1 / np.sqrt(2 * pulls.size)
    say(f"width of all {width:.2f} ± {error:.2f}; {np.mean(seconds):.1f} s a fit, {max(seconds):.1f} at most")
    return 0.85 < width < 1.15


def shown(tune):
    """Values, and the path there."""
    said = ", ".join(f"{n} {v:.3f} ± {e:.3f}" for n, v, e in zip(tune.names, tune.values, tune.errors, strict=True))
    error, least = tune.directions()[0]
    worst = " ".join(f"{c:+.2f} {name}" for name, c in least.items() if abs(c) > 0.2)
    return (
        f"{said}\n   χ² {tune.chi2:.1f}/{tune.ndf}, {len(tune.bases)} bases, n_eff/N "
        + " ".join(f"{base.share:.2f}" for base in tune.bases)
        + f"; least known: {error:.2f} in ln of {worst}"
        + f"; {tune.message}" * bool(tune.message)
    )


def of_groups(showers, params, seed):
    """χ² of fresh events, by group: figures of one are added as if their simulations were independent."""
    found = tuning.fresh(showers, params, [name for names in GROUPS.values() for name in names], seed=seed, **LEP)
    return {group: sum(found[name][0] for name in names) for group, names in GROUPS.items()}


def say_groups(rows):
    say(f"\n{'χ² of fresh events':28s}" + "".join(f"{group:>13s}" for group in GROUPS))
    for label, row in rows.items():
        say(f"{label:28s}" + "".join(f"{x:13.0f}" for x in row.values()))


def fitted(showers, base, figures, names, seed, **options):
    begun = time.perf_counter()
    sample = hadronize_clusters(showers, base, rng=seed, progress=False)
    tune = tuning.fit(sample, figures, names, rebase=True, seed=seed + 1, progress=False, **options)
    say(f"{time.perf_counter() - begun:.0f} s: {shown(tune)}")
    return tune


def check_lep(options):
    n, seed, good = options.events, options.seed, True
    showers = datasets.load("pythia-showers-91")[:n]
    wanted = np.array([getattr(CLUSTER_LEP, name) for name in WEIGHTS])
    for k, (name, base) in enumerate(BASES.items()):
        say(f"{name}, {', '.join(f'{getattr(base, name):g}' for name in WEIGHTS)}")
        tune = fitted(showers, base, GROUPS["π K p"], WEIGHTS, seed + 100 * k)
        off = (tune.values - wanted) / tune.errors
        say(f"   off CLUSTER_LEP by {off.round(2)} errors")
        good &= bool((abs(off) < 1).all())
    say("\nsix parameters to species and n_ch")
    seen = (*GROUPS["π K p"], *GROUPS["ten species"], *GROUPS["n_ch"])
    tune = fitted(showers, ClusterParams(), seen, SIX, seed + 1000, theory_error=0.05, prior=0.5)
    others = pythia.shower(n, seed=seed + 77, progress=False)
    points = {"published": ClusterParams(), "CLUSTER_LEP": CLUSTER_LEP, "six parameters": tune.params}
    rows = {label: of_groups(others, params, seed + 2000) for label, params in points.items()}
    say_groups(rows)
    total = {label: row["π K p"] + row["ten species"] + row["n_ch"] for label, row in rows.items()}
    return good and total["six parameters"] < min(total["published"] / 3.0, total["CLUSTER_LEP"])


def check_shapes(options):
    n, seed, rows = options.events, options.seed, {}
    seen = [name for names in GROUPS.values() for name in names]
    for end, settings in (("pTmin .5", ()), ("pTmin .65", "TimeShower:pTmin = 0.65")):
        showers, others = (pythia.shower(n, seed=seed + k, settings=settings, progress=False) for k in (7, 8))
        for label, params in (("published", ClusterParams()), ("CLUSTER_LEP", CLUSTER_LEP)):
            rows[f"{end}, {label}"] = of_groups(others, params, seed)
        for base, names in ((ClusterParams(), SIX), (ClusterParams(cl_soft=0.15), (*SIX, "cl_max", "cl_pow"))):
            label = f"{end}, {len(names)} parameters"
            say(f"\n{label} to everything")
            try:
                tune = fitted(showers, base, seen, names, seed + 1000, theory_error=0.05, prior=0.5)
            except tuning.TuneError as error:  # where nothing fits, values wander from sample to sample
                say(error)
                continue
            rows[label] = of_groups(others, tune.params, seed + 2000)
    say_groups(rows)
    return True


def check_decayed(options):
    return check_fits(options, NAMES[:-1], decayed=True)


CHECKS = {
    "weights": check_weights, "fits": check_fits, "decayed": check_decayed, "lep": check_lep, "shapes": check_shapes
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=CHECKS)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    good = [CHECKS[part](options) for part in options.parts]
    sys.exit(int(not all(good)))


if __name__ == "__main__":
    main()
