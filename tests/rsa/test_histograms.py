"""Edges of bins, and what falls into them."""

import numpy as np
import pytest

from hadtutor.rsa import default_edges


def test_edges_are_rich_in_both_samples_and_reach_to_infinity(rng):
    x, y = rng.normal(0, 1, 3000), rng.normal(1, 1, 3000)
    edges = default_edges(x, y)
    assert edges[0] == -np.inf
    assert edges[-1] == np.inf
    assert np.all(np.diff(edges) > 0)
    for values in (x, y):
        assert np.histogram(values, edges)[0].min() >= 25
    counts = default_edges(*(rng.poisson(4, 3000) for _ in range(2)))
    assert np.all(counts[1:-1] % 1 == 0.5), "numbers have bins of their own"
    assert np.all(np.diff(counts[1:-1]) == 1)


def test_samples_without_overlap_are_an_error():
    with pytest.raises(ValueError, match="has no two bins with 25 events of both samples"):
        default_edges(np.arange(1000.0), 5000 + np.arange(1000.0))
