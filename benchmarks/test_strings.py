"""Speed of the string kernels, as ratios to real Pythia 8 measured in the same run.

    python -m pytest benchmarks/test_strings.py --benchmark-only

One round is 50 000 events (2 000 for the readable Python and for Pythia with the recorder). Each benchmark adds
`events_per_second` to its `extra_info`; the last test prints the table and the ratios.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import pythia
from hadtutor.strings import tensor as strings_torch

N_EVENTS = 50_000
PARAMS = ht.LundParams()
ENERGY = 90.0
SPEED = {}


def measure(benchmark, label, n_events, function, rounds=9):
    benchmark.pedantic(function, rounds=rounds, iterations=1, warmup_rounds=2)
    SPEED[label] = benchmark.extra_info["events_per_second"] = n_events / benchmark.stats.stats.min


def test_real_pythia_without_read_out(benchmark):
    """The peer: Pythia's own C++ loop driven from Python, nothing read out."""
    generator = pythia.pion_string(PARAMS, seed=1)
    event, half = generator.event, 0.5 * ENERGY

    def run():
        for _ in range(N_EVENTS // 5):
            event.reset()
            event.append(2, 23, 101, 0, 0.0, 0.0, half, half, 0.0)
            event.append(-2, 23, 0, 101, 0.0, 0.0, -half, half, 0.0)
            generator.next()

    measure(benchmark, "real Pythia from Python", N_EVENTS // 5, run)


def test_real_pythia_with_histories(benchmark):
    measure(
        benchmark,
        "real Pythia with histories",
        2000,
        lambda: pythia.hadronize_strings(2000, PARAMS, ENERGY, progress=False),
        rounds=3,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_numba_with_histories(benchmark, threads):
    rng = np.random.default_rng(1)
    n_events = N_EVENTS * threads

    def run():
        return ht.hadronize_strings(n_events, PARAMS, ENERGY, rng=rng, threads=threads, progress=False)

    measure(benchmark, f"numba, {threads} thread{'s' * (threads > 1)}", n_events, run, rounds=25)


def test_numba_kernel_alone(benchmark):
    """The compiled loop without collecting its columns: what is left of the gap is memory."""
    from hadtutor.particles import MASS_NEUTRAL_PION
    from hadtutor.strings import chain, generate, laws, straight

    n_events, rng = generate.CHUNK, np.random.default_rng(1)
    out = generate._make_buffers(40 * n_events)
    ends, flavours = np.empty((straight.ROWS_OF_ENDS, 2)), np.empty(2, np.int64)
    hadron_end = np.empty(n_events, np.int64)
    how = (straight.STRAIGHT, straight.Strings(ENERGY, 2), laws.LUND, laws.lund_table(PARAMS, MASS_NEUTRAL_PION**2))

    def run():
        done = np.zeros(4, np.int64)
        chain.fragment_events(rng, n_events, *how, PARAMS, ends, flavours, out, hadron_end, done, 10**9)

    measure(benchmark, "numba, kernel alone", n_events, run, rounds=60)


@pytest.mark.parametrize("batch", [1024, 4096, 16_384, 65_536])
def test_torch(benchmark, batch, monkeypatch):
    monkeypatch.setattr(strings_torch, "BATCH", batch)
    n_events = min(batch, N_EVENTS)

    def run():
        return strings_torch.hadronize_strings(n_events, PARAMS, ENERGY, rng=1, dtype=torch.float32, progress=False)

    measure(benchmark, f"torch float32, batch {batch}", n_events, run, rounds=5)


def test_million_events_memory_and_first_call(benchmark):
    """Peak memory of 10^6 events with histories, and the time of the first call, in a fresh process."""
    code = (
        "import time, resource, numpy as np, hadtutor as ht\n"
        "t = time.perf_counter(); ht.hadronize_strings(1, rng=np.random.default_rng(1)); t = time.perf_counter() - t\n"
        "s = ht.hadronize_strings(1_000_000, rng=np.random.default_rng(1), progress=False)\n"
        "print(t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)"
    )
    done = benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True), rounds=1
    )
    first_call, gigabytes = (float(x) for x in done.stdout.split())
    benchmark.extra_info |= {"first_call_seconds": first_call, "peak_gigabytes": gigabytes}
    SPEED["first call [s]"], SPEED["peak memory of 10^6 events [GB]"] = first_call, gigabytes


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    peer = SPEED.get("real Pythia from Python")
    with capsys.disabled():
        print()
        for label, value in SPEED.items():
            ratio = f"{value / peer:8.2f} x Pythia" if peer and "[" not in label else ""
            print(f"{label:36s}{value:14,.2f}{ratio}")
        if "numba, 2 threads" in SPEED:
            print(f"{'two threads / one':36s}{SPEED['numba, 2 threads'] / SPEED['numba, 1 thread']:14.2f}")
