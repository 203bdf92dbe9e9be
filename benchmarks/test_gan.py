"""Speed of decays by a network inside the event generator, as ratio to the cluster model's own, in the same run.

    OMP_NUM_THREADS=1 python -m pytest benchmarks/test_gan.py --benchmark-only

On one core. A decay is a cluster that decays in two hadrons; times are of the whole of `hadronize_clusters`.
"""

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import gan

SPEED = {}


@pytest.fixture(scope="module")
def showers():
    return ht.datasets.load("pythia-showers-91")


@pytest.fixture(scope="module")
def generator(showers):
    sample = ht.hadronize_clusters(showers[:1000], rng=np.random.default_rng(1), pions_only=True)
    return gan.DecayGenerator(gan.decays(sample).condition)


@pytest.mark.parametrize("law", ["cluster model", "onnx", "torch"])
def test_decays_in_the_event_chain(benchmark, showers, generator, law, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gan.export_onnx(generator, tmp_path / "decay.onnx")
    laws = {"cluster model": None, "onnx": gan.load_onnx(tmp_path / "decay.onnx"), "torch": gan.as_decay(generator)}
    n_decays = 0

    def run():
        nonlocal n_decays
        sample = ht.hadronize_clusters(
            showers, rng=np.random.default_rng(2), pions_only=True, decay=laws[law], progress=False
        )
        n_decays = int((sample.histories.fate == 2).sum())

    benchmark.pedantic(run, rounds=5, iterations=1, warmup_rounds=1)
    torch.set_num_threads(threads)
    SPEED[law] = benchmark.extra_info["decays_per_second"] = n_decays / benchmark.stats.stats.min


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for law, speed in SPEED.items():
            print(f"{law:15s}{speed:12,.0f} decays/s {speed / SPEED['cluster model']:6.2f} x the cluster model's own")
