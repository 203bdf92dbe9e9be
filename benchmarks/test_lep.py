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
    """Near the minimum of LEP, so that a fit needs no new events."""
    near = ht.LundParams(a=0.75, b=1.1, sigma_pt=0.307, stop_mass=0.8, enhanced_fraction=0.01)
    return pythia.hadronize(showers, near, histories=True, processes=2, progress=False)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize("histories", [False, True])
def test_hadronize(benchmark, showers, histories, decays, processes):
    some = type(showers).concatenate([showers] * 4 * processes)  # so many that beginning costs little
    how = {"histories": histories, "decays": decays, "processes": processes, "progress": False}
    benchmark.pedantic(lambda: pythia.hadronize(some, **how), rounds=2, iterations=1, warmup_rounds=0)
    what = ("recording, " if histories else "") + ("with" if decays else "without") + " decays"
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
