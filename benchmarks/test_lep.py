"""Recording of all flavours, and fits to LEP: seconds, and ratios to real Pythia without a record in the same run.

    OMP_NUM_THREADS=1 python -m pytest benchmarks/test_lep.py --benchmark-only

The last test prints the table.
"""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import pythia, tuning
from hadtutor.weights.rows import EventRows

EIGHT = "thrust", "C", "BT", "BW", "nch", "xp", "xi_charged", "pipm_p"
SPEED = {}


@pytest.fixture(scope="module")
def showers():
    return ht.datasets.load("pythia-showers-91")


@pytest.fixture(scope="module")
def sample(showers):
    return pythia.hadronize(showers, histories=True, processes=2, progress=False)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("histories", [False, True])
def test_hadronize(benchmark, showers, histories, processes):
    some = showers[: 4000 * processes**2]
    run = lambda: pythia.hadronize(some, histories=histories, processes=processes, progress=False)
    benchmark.pedantic(run, rounds=3, iterations=1, warmup_rounds=1)
    what = "with histories" if histories else "hadrons alone"
    SPEED[f"{what}, {processes} processes"] = len(some) / benchmark.stats.stats.min


def test_rows(benchmark, sample):
    benchmark.pedantic(lambda: EventRows(sample, ("a", "b", "sigma_pt")), rounds=3, iterations=1, warmup_rounds=1)
    SPEED["rows of a, b, σ"] = len(sample) / benchmark.stats.stats.min


def test_weights_and_slopes(benchmark, sample):
    rows = EventRows(sample, ("a", "b", "sigma_pt"))
    target, change = sample.params.replace(a=0.6, b=0.9), np.ones((len(rows.at_base), 3))
    benchmark.pedantic(lambda: rows.log_w_and_slopes(target, change), rounds=10, iterations=1, warmup_rounds=1)
    SPEED["weights and their slopes"] = len(sample) / benchmark.stats.stats.min


def test_fit(benchmark, sample):
    """Two parameters, which 20 000 events fix without new ones."""
    run = lambda: tuning.fit(sample, EIGHT, ("mean_z", "sigma_pt"), theory_error=0.05, progress=False)
    benchmark.pedantic(run, rounds=2, iterations=1, warmup_rounds=1)
    SPEED["tuning.fit of eight figures"] = len(sample) / benchmark.stats.stats.min


def test_table():
    print("\n\n| what | events/s |\n| --- | ---: |")
    for what, speed in SPEED.items():
        print(f"| {what} | {speed:,.0f} |".replace(",", " "))
