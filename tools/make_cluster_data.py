"""Make data/cluster-scan.csv and data/cluster-lep.csv: clusters with decays by real Pythia 8 (extra ``pythia``).

The chapter on two models and LEP makes smaller samples of the same kind itself, and reads these files where pythia8mc
is not installed.
"""

import hashlib
import itertools
import pathlib

import numpy as np

from hadtutor import ClusterParams, datasets, hadronize_clusters, metrics, observables, particles, pythia
from hadtutor.params import CLUSTER_LEP

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
SEED = 20240631
KINDS = {"pions": 211, "kaons": 321, "protons": 2212}
XI = np.linspace(0, 6, 21)  # ln(1/x)
FIGURES = ("thrust", "nch", "xp")
SCANNED = ("pwt_s", "pwt_diquark", "vector_wt")
CENTRE, FACTOR = (0.3, 0.9, 0.4), 1.6
EARLY_END = "TimeShower:pTmin = 0.65"  # Pythia's own is 0.5 GeV; Herwig 7.3 ends its shower at 0.65 GeV in another p_T


def scan_points():
    """The centre, one parameter at a time up and down by FACTOR, and all corners."""
    steps = [(0, 0, 0), *(sign * unit for unit in np.eye(3, dtype=int) for sign in (-1, 1))]
    steps += list(itertools.product((-1, 1), repeat=3))
    return [tuple(np.round(c * FACTOR ** int(k), 4) for c, k in zip(CENTRE, step, strict=True)) for step in steps]


def mean(values):
    return values.mean(), values.std() / np.sqrt(len(values))


def multiplicities(hadrons):
    """Mean number of charged particles and of each kind, with its error."""
    numbers = {"charged": hadrons.where(particles.charge_of(hadrons.pid) != 0).multiplicity}
    numbers |= {name: observables.count(hadrons, code) for name, code in KINDS.items()}
    return {name: mean(n) for name, n in numbers.items()}


def broadness(hadrons, energy):
    return mean(1 - observables.compute(hadrons, energy, threads=2, names="T")["T"])


def spectra(hadrons, energy):
    """Name, edges and density of the histograms that LEP measured, and of ln(1/x) of each kind."""
    for name in FIGURES:
        figure = datasets.lep(name)
        yield name, figure.edges, metrics.like_lep(hadrons, figure)
    for name, code in KINDS.items():
        kept = hadrons.where(abs(hadrons.pid) == code)
        xi = -np.log(observables.momentum_fraction(kept, energy))
        counts = metrics.histogram_per_event(xi, XI, kept.event, len(hadrons))
        yield f"xi_{name}", XI, metrics.density_per_event(counts, XI)


def clusters(showers, params, seed):
    """Hadrons of the cluster model before decays."""
    return hadronize_clusters(showers, params, rng=seed, threads=2).hadrons


def scan():
    showers = datasets.load("pythia-showers-91")
    columns = ("charged", "pions", "kaons", "protons")
    yield ",".join((*SCANNED, *(f"{c},{c}_error" for c in columns)))
    for k, point in enumerate(scan_points()):
        params = ClusterParams()._replace(**dict(zip(SCANNED, map(float, point), strict=True)))
        found = multiplicities(pythia.decay(clusters(showers, params, SEED + k), seed=SEED + k))
        yield ",".join([f"{x:g}" for x in point] + [f"{x:.5g}" for c in columns for x in found[c]])


def models(showers, seed):
    """Name of a model to its hadrons before decays."""
    yield "string", pythia.hadronize(showers, seed=seed, decays=False)
    yield "published", clusters(showers, ClusterParams(), seed + 1)
    yield "adjusted", clusters(showers, CLUSTER_LEP, seed + 2)
    if showers.energy == 91.2:
        early = pythia.shower(len(showers), showers.energy, seed=seed + 3, settings=EARLY_END)
        yield "early end", clusters(early, ClusterParams(), seed + 4)


def comparison():
    yield "model,energy,name,low,high,value,error"
    for energy, seed in ((91.2, SEED + 100), (200.0, SEED + 200)):
        for model, hadrons in models(datasets.load(f"pythia-showers-{energy:.0f}"), seed):
            decayed = pythia.decay(hadrons, seed=seed)
            means = multiplicities(decayed)
            means |= {"1-T before decays": broadness(hadrons, energy), "1-T": broadness(decayed, energy)}
            with_rhos = pythia.decay(hadrons, seed=seed, settings="213:mayDecay = off")
            means["rhos"] = mean(observables.count(with_rhos, 213))
            for name, (value, error) in means.items():
                yield f"{model},{energy:g},{name},nan,nan,{value:.5g},{error:.3g}"
            if energy == 91.2:
                for name, edges, (density, covariance) in spectra(decayed, energy):
                    for row in zip(edges[:-1], edges[1:], density, np.sqrt(np.diag(covariance)), strict=True):
                        yield f"{model},{energy:g},{name},{row[0]:g},{row[1]:g},{row[2]:.4g},{row[3]:.2g}"


def main():
    for name, lines in (("cluster-scan", scan()), ("cluster-lep", comparison())):
        comment = "# Cluster model, packaged showers, decays by Pythia 8.317; tools/make_cluster_data.py"
        path = DATA / f"{name}.csv"
        path.write_text("\n".join([comment, *lines]) + "\n", encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f'{name}: "{digest}", {path.stat().st_size} bytes')


if __name__ == "__main__":
    main()
