"""Shares of weighted events in bins: where events are, what they add up to, and how that scatters."""

import numpy as np
import pytest

from hadtutor.metrics.shares import Bins, checked_edges, covariance_of_means, open_edges, whiten


@pytest.fixture
def filled(rng):
    """Bins of two observables, places of 500 events, weights that add up to one."""
    x = rng.normal(size=500)
    columns = {"x": x, "n": np.round(2 * x + rng.normal(size=500))}
    bins = Bins({name: open_edges(c, 6) for name, c in columns.items()})
    w = rng.uniform(0.5, 2, 500)
    return bins, bins.places(columns), w / w.sum()


def test_bins_hold_equally_many_and_reach_to_infinity(rng):
    edges = open_edges(rng.normal(size=1200), 6)
    assert edges[[0, -1]].tolist() == [-np.inf, np.inf]
    assert np.histogram(rng.permutation(edges[1:-1]), edges)[0].tolist() == [0, 1, 1, 1, 1, 1]
    x = rng.normal(size=1200)
    assert np.histogram(x, open_edges(x, 6))[0] == pytest.approx(np.full(6, 200), abs=1)
    assert np.histogram(x, open_edges(np.append(x, [np.nan] * 300), 6))[0] == pytest.approx(np.full(6, 200), abs=1)


def test_whole_numbers_have_bins_of_their_own_as_far_as_either_sample_goes():
    assert open_edges([2, 3, 3], 2).tolist() == [-np.inf, 2.5, np.inf]
    assert open_edges([2, 3, 3], 2, [0, 1]).tolist() == [-np.inf, 0.5, 1.5, 2.5, np.inf]
    assert open_edges([2, 3, 3], 2, whole_numbers=False).tolist() == [-np.inf, 3.0, np.inf]
    assert open_edges([2, 3, 3.5], 1).tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("values", [[], [np.nan], [7.0], [0.5] * 9])
def test_few_or_equal_values_leave_few_bins(values):
    assert len(open_edges(values, 5)) <= 3


def test_edges_must_increase():
    for edges in ([1.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan, 1.0], [-np.inf, -np.inf, 0.0]):
        with pytest.raises(ValueError, match="of T must increase and hold at least one bin"):
            checked_edges(edges, "edges of T")
    assert checked_edges([-np.inf, 0, np.inf]).dtype == float


def test_an_event_without_a_value_is_in_no_bin_and_not_in_the_last():
    bins = Bins({"x": np.array([-np.inf, 0.0, np.inf]), "y": np.array([0.0, 1.0, 2.0])})
    masked = np.ma.array([0.5, 0.5, 9.0, -1.0, 2.0], mask=[0, 1, 0, 0, 0])
    columns = {"x": [-1.0, 0.0, np.nan, 1e300, 3.0], "y": masked}
    assert bins.places(columns).tolist() == [[0, 1, 4, 1, 1], [2, 4, 4, 4, 4]]
    assert bins.places(columns, overflow=True).tolist() == [[0, 1, 4, 1, 1], [2, 4, 3, 2, 3]]
    assert bins.shares(bins.places(columns)).tolist() == [1, 3, 1, 0]
    assert bins.owners.tolist() == ["x", "x", "y", "y"]


def test_shares_of_each_observable_add_up_to_one(filled):
    bins, places, w = filled
    shares = bins.shares(places, w)
    for name in bins.edges:
        assert shares[bins.owners == name].sum() == pytest.approx(1)


def test_the_covariance_is_the_sum_over_events(filled):
    bins, places, w = filled
    n = np.zeros((500, len(bins)))
    for place in places:
        n[np.arange(500), place] = 1
    off = w[:, None] * (n - w @ n)
    assert bins.covariance(places, w) == pytest.approx(off.T @ off)
    mean = w @ n
    again = covariance_of_means((n.T * w**2) @ n, w**2 @ n, np.sum(w**2), mean)
    assert again == pytest.approx(bins.covariance(places, w))


def test_the_covariance_is_the_scatter_of_the_shares(rng):
    bins = Bins({"x": np.array([-np.inf, -0.5, 1.0, np.inf]), "again": np.array([0.0, 1.0, 2.0])})
    shares, expected = [], 0.0
    for _ in range(400):
        x = rng.normal(size=300)
        w = np.exp(0.3 * x)
        places = bins.places({"x": x, "again": x + 0.1})
        shares.append(bins.shares(places, w / w.sum()))
        expected = expected + bins.covariance(places, w / w.sum()) / 400
    ratio = np.cov(np.array(shares).T).diagonal() / expected.diagonal()
    assert np.all(abs(ratio - 1) < 4 * np.sqrt(2 / 400))


def test_whitening_turns_the_covariance_into_one(filled):
    bins, places, w = filled
    v = bins.covariance(places, w)
    root = whiten(v)
    assert root.shape == (len(bins), len(bins) - 2), "the shares of each observable add up to one"
    assert root.T @ v @ root == pytest.approx(np.eye(root.shape[1]), abs=1e-6)
    units = np.geomspace(1e-6, 1e6, len(bins))
    assert whiten(v * np.outer(units, units)).shape == root.shape
    assert whiten(np.zeros((2, 2))).shape == (2, 0)
    assert whiten(v, 1.0).shape[1] == 0
