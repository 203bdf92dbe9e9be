"""Speed of the steps of HOMER.

    OMP_NUM_THREADS=1 python -m pytest benchmarks/test_homer.py --benchmark-only

The peer of step two is the regression with networks of the iHOMER paper (three layers of 64, mean and variance, five
epochs) in this package, which needs no padding; the peer of sums over chains is the same in numpy. Pion strings of 90
GeV, 10⁵ events of simulation and of data.
"""

import functools

import numpy as np
import pytest
from scipy import sparse

import hadtutor as ht
from hadtutor import homer, observables
from hadtutor.homer import Moments, break_features, infer, measure, regress

N = 100_000
TARGET = ht.LundMixture((ht.LundParams(), ht.LundParams(a=0.30)), (0.5, 0.5))


@functools.cache
def generated():
    rng = np.random.default_rng(1)
    return [ht.hadronize_strings(N, p, rng=rng, progress=False) for p in (ht.LundParams(), TARGET)]


@functools.cache
def features():
    columns = (observables.compute(s.hadrons, s.energy) for s in generated())
    return [np.nan_to_num(np.stack(list(c.values()), axis=1)) for c in columns]


@functools.cache
def chains():
    return homer.prepare(generated()[0])


@functools.cache
def exact():
    return ht.weights.event_weights(generated()[0], TARGET).log_w


def once(benchmark, work):
    benchmark.group = "homer"
    benchmark.pedantic(work, rounds=2, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize("method", ["mlp", "trees"])
def test_step_one(benchmark, method):
    once(benchmark, lambda: homer.step_one(*features(), method=method, rng=1, progress=False))


def test_step_two(benchmark):
    once(benchmark, lambda: homer.step_two(chains(), exact()))


def test_step_two_with_networks(benchmark):
    columns = break_features(generated()[0].histories)
    work = lambda: regress(chains(), columns, exact(), rng=1, progress=False)
    benchmark.group = "homer"
    benchmark.pedantic(work, rounds=1, iterations=1)


def test_step_three(benchmark):
    breaks = homer.step_two(chains(), exact())
    once(benchmark, lambda: homer.step_three(chains(), breaks))


def test_step_three_with_sparse_matrices(benchmark):
    """The peer: a row per chain, an entry per break and node, built once."""
    breaks, h = homer.step_two(chains(), exact()), generated()[0].histories
    place, shape = chains().place, chains().basis.shape
    k = place.astype(int)
    fraction = place - k
    rows = np.repeat(h.chain_of_break, 4)
    nodes = np.stack([(k[0] + a) * shape[1] + k[1] + b for a in (0, 1) for b in (0, 1)], axis=1)
    share = np.stack(
        [
            (fraction[0] if a else 1 - fraction[0]) * (fraction[1] if b else 1 - fraction[1])
            for a in (0, 1)
            for b in (0, 1)
        ],
        axis=1,
    )
    matrix = sparse.csr_matrix((share.ravel(), (rows, nodes.ravel())), shape=(h.n_chains, np.prod(shape)))
    once(benchmark, lambda: matrix @ breaks.table)


def test_posterior(benchmark):
    x, y = features()
    breaks = homer.step_two(chains(), exact())
    log_w = homer.step_three(chains(), breaks)[0]
    once(benchmark, lambda: infer(measure(chains(), breaks, log_w, Moments(x), x, y), chains().basis))


def test_the_whole(benchmark):
    benchmark.group = "homer"
    benchmark.pedantic(lambda: homer.fit(*generated(), progress=False), rounds=1, iterations=1)


def test_the_whole_with_a_new_simulation(benchmark):
    benchmark.group = "homer"
    benchmark.pedantic(lambda: homer.fit(*generated(), rebase=True, progress=False), rounds=1, iterations=1)
