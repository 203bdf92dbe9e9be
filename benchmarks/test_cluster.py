"""Speed of the cluster model, as ratio to real Pythia with strings on the same showers, measured in the same run.

    python -m pytest benchmarks/test_cluster.py --benchmark-only

The peer gets the partons and hadronizes their strings without decays; nothing is read out. One round of ours is
20 000 showers, of the peer 2 000.
"""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import cluster, pythia

SPEED = {}
PARAMS = ht.ClusterParams()


@pytest.fixture(scope="module", params=["91", "200"])
def showers(request):
    return ht.datasets.load(f"pythia-showers-{request.param}")


def measure(benchmark, label, n_events, function, rounds=9):
    benchmark.pedantic(function, rounds=rounds, iterations=1, warmup_rounds=2)
    SPEED[label] = benchmark.extra_info["events_per_second"] = n_events / benchmark.stats.stats.min


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("pions_only", [False, True])
def test_whole_model(benchmark, showers, threads, pions_only):
    rng = np.random.default_rng(1)
    label = f"{showers.energy:g} GeV, {'pions only, ' * pions_only}{threads} thread{'s' * (threads > 1)}"
    run = lambda: ht.hadronize_clusters(
        showers, PARAMS, rng=rng, threads=threads, pions_only=pions_only, progress=False
    )
    measure(benchmark, label, len(showers), run)


def test_one_step_after_the_other(benchmark, showers):
    """The four public functions, with all their checks."""
    rng = np.random.default_rng(1)

    def run():
        clusters = cluster.form_clusters(cluster.split_gluons(showers, PARAMS, rng=rng))
        cluster.decay_clusters(cluster.fission(clusters, PARAMS, rng=rng), PARAMS, rng=rng)

    measure(benchmark, f"{showers.energy:g} GeV, step by step", len(showers), run)


def test_real_pythia(benchmark, showers):
    generator = pythia.start(("ProcessLevel:all = off", "HadronLevel:Decay = off"), seed=1)
    event, n_events = generator.event, 2000
    mass = [ht.events.PARTON_MASSES[abs(int(pid))] for pid in showers.pid[: showers.offsets[n_events]]]
    columns = (showers.pid, showers.col, showers.acol, showers.px, showers.py, showers.pz, showers.e)
    rows = list(zip(*(column[: len(mass)].tolist() for column in columns), mass, strict=True))

    def run():
        for i in range(n_events):
            event.reset()
            for pid, col, acol, px, py, pz, e, m in rows[showers.offsets[i] : showers.offsets[i + 1]]:
                event.append(pid, 23, col, acol, px, py, pz, e, m)
            generator.next()

    measure(benchmark, f"{showers.energy:g} GeV, real Pythia", n_events, run, rounds=3)


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for label, value in SPEED.items():
            peer = SPEED.get(f"{label.split(',')[0]}, real Pythia", np.nan)
            print(f"{label:36s}{value:12,.0f} events/s {value / peer:6.1f} x real Pythia")
