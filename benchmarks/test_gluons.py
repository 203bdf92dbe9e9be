"""Speed of strings with gluons, as ratios to real Pythia 8 on the same partons, measured in the same run.

    python -m pytest benchmarks/test_gluons.py --benchmark-only

Pions only: one gluon, and the packaged showers with their quarks as u and d. The last test prints the table.
"""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import pythia

PARAMS = ht.LundParams()
SPEED = {}


def measure(benchmark, label, n_events, function, rounds=9):
    benchmark.pedantic(function, rounds=rounds, iterations=1, warmup_rounds=1)
    SPEED[label] = benchmark.extra_info["events_per_second"] = n_events / benchmark.stats.stats.min


def partons_of(name):
    if name == "one gluon":
        return ht.Showers.one_gluon(10_000)
    showers = ht.datasets.load("pythia-showers-91")
    quarks = abs(showers.pid) < 6
    return showers.replace(
        pid=np.where(quarks, np.where(showers.pid % 2 == 0, 2, 1) * np.sign(showers.pid), showers.pid)
    )


@pytest.fixture(scope="module", params=["one gluon", "showers"])
def partons(request):
    return request.param, partons_of(request.param)


def test_real_pythia_without_read_out(benchmark, partons):
    """The peer: Pythia's own C++ driven from Python, the partons ready as tuples, nothing read out."""
    name, showers = partons
    generator, n_events = pythia.pion_string(PARAMS, seed=1), 2000
    mass = np.sqrt(np.maximum(0.0, showers.e**2 - showers.px**2 - showers.py**2 - showers.pz**2))
    columns = showers.pid, showers.col, showers.acol, showers.px, showers.py, showers.pz, showers.e, mass
    rows = list(zip(*(column[: showers.offsets[n_events]].tolist() for column in columns), strict=True))
    of_events = [rows[i:j] for i, j in zip(showers.offsets[:n_events], showers.offsets[1:], strict=False)]
    event = generator.event

    def run():
        for particles in of_events:
            event.reset()
            for pid, *others in particles:
                event.append(pid, 23, *others)
            generator.next()

    measure(benchmark, f"{name}, real Pythia", n_events, run, rounds=5)


@pytest.mark.parametrize("threads", [1, 2])
def test_strings_with_gluons(benchmark, partons, threads):
    name, showers = partons
    rng, many = np.random.default_rng(1), showers[np.arange(20_000 * threads) % len(showers)]

    def run():
        return ht.hadronize_partons(many, PARAMS, rng=rng, threads=threads, progress=False)

    measure(benchmark, f"{name}, {threads} thread{'s' * (threads > 1)}", len(many), run)


def test_memory(benchmark, partons):
    """What the arrays of a sample take, partons and histories included."""
    name, showers = partons
    sample = benchmark.pedantic(lambda: ht.hadronize_partons(showers, PARAMS, rng=1, progress=False), rounds=1)
    arrays = [v for part in (sample.hadrons, sample.histories, sample.partons) for v in vars(part).values()]
    size = sum(v.nbytes for v in arrays if isinstance(v, np.ndarray)) / 1000 / len(sample)
    SPEED[f"{name}, kB per event"] = benchmark.extra_info["kilobytes_per_event"] = size


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for label, value in SPEED.items():
            peer = SPEED.get(f"{label.split(',')[0]}, real Pythia")
            ratio = f"{value / peer:8.2f} x real Pythia" if peer and "kB" not in label else ""
            print(f"{label:30s}{value:12,.1f}{ratio}")
