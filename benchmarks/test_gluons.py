"""Speed of strings with gluons, as ratios to real Pythia 8 on the same partons, measured in the same run.

    python -m pytest benchmarks/test_gluons.py --benchmark-only

Pions only: one gluon, and the packaged showers with their quarks as u and d. The last test prints the table.
"""

import subprocess
import sys

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


def test_memory(benchmark):
    """Peak memory of 10⁵ showers with histories, in a fresh process; what importing needs is taken off."""
    code = (
        "import resource, numpy as np, hadtutor as ht\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "s = ht.datasets.load('pythia-showers-91')[np.arange(100_000) % 10_000]\n"
        "ht.hadronize_partons(s[:100], flavours='to u d', rng=1, progress=False); before = used()\n"
        "s = ht.hadronize_partons(s, flavours='to u d', rng=1, progress=False)\n"
        "print((used() - before) / 1e5)"
    )
    done = benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True), rounds=1
    )
    SPEED["memory [kB per shower]"] = benchmark.extra_info["kilobytes_per_event"] = float(done.stdout)


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for label, value in SPEED.items():
            peer = SPEED.get(f"{label.split(',')[0]}, real Pythia")
            print(f"{label:30s}{value:12,.1f}" + (f"{value / peer:8.2f} x real Pythia" if peer else ""))
