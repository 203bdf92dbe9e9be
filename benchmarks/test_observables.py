"""Speed of the observables, as ratios to real Pythia's own classes called from Python, measured in the same run.

    python -m pytest benchmarks/test_observables.py --benchmark-only

Pythia's classes give five of ours at most: thrust with its axis, and the two tensors, from which S, A, C and D follow.
The peer is given the events ready in its own format, and is timed for the calls alone.
"""

import numpy as np
import pytest
import pythia8mc

import hadtutor as ht
from hadtutor import observables, pythia

SPEED = {}
SIZES = (16, 24, 32, 48, 64, 80, 100)


@pytest.fixture(scope="module")
def pions():
    return ht.hadronize_strings(100_000, energy=90.0, rng=np.random.default_rng(1)).hadrons


@pytest.fixture(scope="module")
def showered():
    """20 000 real events of 91.2 GeV and 10 000 of 200 GeV, decayed: 10 to 150 particles."""
    return {
        energy: pythia.hadronize(ht.datasets.load(f"pythia-showers-{name}"), seed=5, progress=False)
        for energy, name in ((91.2, "91"), (200.0, "200"))
    }


def of_size(showered, n):
    """10 000 real events with n particles, give or take five per cent; rare ones are repeated."""
    rows = []
    for hadrons in showered.values():
        close = np.flatnonzero(abs(hadrons.multiplicity - n) <= 0.05 * n)
        rows.append(hadrons[np.resize(close, 5000 if len(close) else 0)])
    offsets = np.concatenate([rows[0].offsets, rows[0].offsets[-1] + rows[1].offsets[1:]])
    columns = (np.concatenate([getattr(h, name) for h in rows]) for name in ("px", "py", "pz", "e", "pid"))
    return ht.Hadrons(offsets, *columns)


def isotropic(n, n_events=4000):
    """The hardest events: no axis is much better than another."""
    rng = np.random.default_rng(n)
    p = rng.normal(size=(n * n_events, 3)) * rng.exponential(size=(n * n_events, 1))
    pid = np.where(rng.random(len(p)) < 0.6, 211, 111).astype(np.int32)
    return ht.Hadrons(np.arange(n_events + 1) * n, *p.T.copy(), np.linalg.norm(p, axis=1), pid)


def measure(benchmark, label, n_events, function, rounds):
    benchmark.pedantic(function, rounds=rounds, iterations=1, warmup_rounds=1)
    SPEED[label] = benchmark.extra_info["events_per_second"] = n_events / benchmark.stats.stats.min


def measure_ours(benchmark, label, hadrons, rounds=9, **options):
    measure(benchmark, label, len(hadrons), lambda: observables.compute(hadrons, 90.0, **options), rounds)


def measure_pythia(benchmark, label, hadrons, rounds=3):
    """Thrust and the linear tensor (T, C, D) of each event."""
    generator = pythia.start("ProcessLevel:all = off", seed=1)
    events = []
    for i in range(min(len(hadrons), 1000)):
        event = pythia8mc.Event()
        event.init("", generator.particleData)
        for k in range(hadrons.offsets[i], hadrons.offsets[i + 1]):
            event.append(int(hadrons.pid[k]), 1, 0, 0, hadrons.px[k], hadrons.py[k], hadrons.pz[k], hadrons.e[k], 0.0)
        events.append(event)
    thrust, tensor = pythia8mc.Thrust(1), pythia8mc.Sphericity(1.0, 1)

    def run():
        for event in events:
            thrust.analyze(event)
            tensor.analyze(event)
            thrust.thrust(), tensor.eigenValue(1), tensor.eigenValue(2), tensor.eigenValue(3)

    measure(benchmark, label, len(events), run, rounds)


@pytest.mark.parametrize("threads", [1, 2])
def test_thirteen_observables_of_pions(benchmark, pions, threads):
    measure_ours(benchmark, f"13, pions, {threads} thread{'s' * (threads > 1)}", pions, threads=threads)


def test_all_seventeen_of_pions(benchmark, pions):
    measure_ours(benchmark, "17, pions, 1 thread", pions, names=observables.NAMES + observables.MORE)


def test_pythias_classes_on_pions(benchmark, pions):
    measure_pythia(benchmark, "Pythia's T, C, D, pions", pions)


@pytest.mark.parametrize("n", SIZES)
def test_growth_with_n(benchmark, showered, n):
    measure_ours(benchmark, f"13, real events, n = {n}", of_size(showered, n))


@pytest.mark.parametrize("n", SIZES)
def test_growth_with_n_in_pythia(benchmark, showered, n):
    measure_pythia(benchmark, f"Pythia's T, C, D, real events, n = {n}", of_size(showered, n))


@pytest.mark.parametrize("n", SIZES)
def test_growth_with_n_isotropic(benchmark, n):
    measure_ours(benchmark, f"13, isotropic, n = {n}", isotropic(n), rounds=3)


@pytest.mark.parametrize("n", SIZES)
def test_growth_with_n_isotropic_in_pythia(benchmark, n):
    measure_pythia(benchmark, f"Pythia's T, C, D, isotropic, n = {n}", isotropic(n, 200), rounds=2)


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for label, value in SPEED.items():
            print(f"{label:44s}{value:12,.0f} events/s")
        kinds = [("pions", "pions, 1 thread", "pions")]
        kinds += [(f"{kind}, n = {n}",) * 3 for kind in ("real events", "isotropic") for n in SIZES]
        for label, ours, theirs in kinds:
            ours, theirs = SPEED.get(f"13, {ours}"), SPEED.get(f"Pythia's T, C, D, {theirs}")
            if ours and theirs:
                print(f"{label:44s}{ours / theirs:12.0f} x Pythia's classes")
