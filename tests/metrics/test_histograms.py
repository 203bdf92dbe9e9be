"""Counts per event, densities with their covariance, histograms of the hist package."""

import sys

import hist
import numpy as np
import pytest
from experiments import EDGES, EXPERIMENTS, experiment, hadron_counts, reweighted_experiment

from hadtutor import metrics
from hadtutor.metrics import density_per_event, histogram, histogram_per_event


def test_counts_per_event_are_those_of_numpys_histogram(rng):
    values, hadrons = experiment(rng, 50)
    counts = hadron_counts(values, hadrons)
    assert counts.shape == (50, 8)
    assert counts.dtype == np.float32
    for i, (start, stop) in enumerate(zip(hadrons.offsets[:-1], hadrons.offsets[1:], strict=True)):
        assert np.array_equal(counts[i], np.histogram(values[start:stop], EDGES)[0])


def test_a_value_on_an_edge_counts_in_the_bin_above_and_outside_values_do_not_count():
    counts = histogram_per_event([0.0, 1.0, 2.0, -0.1, 2.1, np.nan, 1.5], [0.0, 1.0, 2.0])
    assert counts.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 1]]


def test_events_without_values_have_empty_bins():
    counts = histogram_per_event([0.5], [0.0, 1.0], event=[2], n_events=4)
    assert counts.tolist() == [[0], [0], [1], [0]]


@pytest.mark.parametrize("edges", [[0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0, 1.0], [0.0, np.nan], []])
def test_edges_must_increase(edges):
    with pytest.raises(ValueError, match="edges must increase and hold at least one bin"):
        histogram_per_event([0.5], edges)


def test_the_weighted_covariance_is_that_of_the_residuals(rng):
    """Σ w² r rᵀ / (Σw)², over 1 - 1/n_eff."""
    counts, log_w = rng.poisson(2.0, (200, 3)), rng.normal(size=200)
    w = np.exp(log_w)
    residuals = w[:, None] * (counts - np.average(counts, axis=0, weights=w)) / w.sum()
    density, covariance = density_per_event(counts, [0.0, 1.0, 3.0, 6.0], log_w)
    widths = np.array([1.0, 2.0, 3.0])
    assert density * widths == pytest.approx(np.average(counts, axis=0, weights=w), rel=1e-12)
    want = residuals.T @ residuals / (1 - 1 / metrics.n_eff(log_w))
    np.testing.assert_allclose(covariance * np.outer(widths, widths), want, rtol=1e-10)


def test_a_density_of_one_entry_per_event_integrates_to_one_and_has_a_multinomial_covariance(rng):
    edges = np.array([0.0, 0.2, 0.5, 1.0])
    density, covariance = density_per_event(histogram_per_event(rng.random(400), edges), edges)
    p = density * np.diff(edges)
    assert p.sum() == pytest.approx(1.0, rel=1e-12)
    want = (np.diag(p) - np.outer(p, p)) / 399 / np.outer(np.diff(edges), np.diff(edges))
    np.testing.assert_allclose(covariance, want, rtol=1e-9, atol=1e-12)


def test_chunks_change_nothing(rng, monkeypatch):
    counts, log_w = rng.poisson(2.0, (200, 3)).astype(np.float32), rng.normal(size=200)
    wanted = density_per_event(counts, np.arange(4.0), log_w)
    monkeypatch.setattr(metrics.histograms, "CHUNK", 7)
    for got, want in zip(density_per_event(counts, np.arange(4.0), log_w), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_histogram_holds_sums_of_weights_and_of_their_squares(rng):
    x, log_w = rng.normal(size=300), rng.normal(size=300)
    filled = histogram(x, EDGES, log_w)
    assert isinstance(filled, hist.Hist)
    w = np.exp(log_w)
    np.testing.assert_allclose(filled.values(), np.histogram(x, EDGES, weights=w)[0], rtol=1e-12)
    np.testing.assert_allclose(filled.variances(), np.histogram(x, EDGES, weights=w**2)[0], rtol=1e-12)
    np.testing.assert_array_equal(filled.axes[0].edges, EDGES)
    assert np.array_equal(histogram(x, EDGES).values(), np.histogram(x, EDGES)[0])


def test_hadrons_have_the_weights_of_their_events():
    """Events of weight 1, 2 and 4; the second has no hadron in reach, the third two."""
    filled = histogram([0.5, 9.0, 0.5, 1.5], [0.0, 1.0, 2.0], np.log([1.0, 2.0, 4.0]), event=[0, 1, 2, 2])
    np.testing.assert_allclose(filled.values(flow=True), [0, 5, 4, 2])
    np.testing.assert_allclose(filled.variances(flow=True), [0, 17, 16, 4])
    assert histogram([0.5, 9.0, 0.5], [0.0, 1.0], event=[0, 1, 2]).values() == 2


def test_values_on_edges_and_outside_have_their_places():
    """The bin above; underflow and overflow, infinities too; and none for NaN."""
    filled = histogram([0.0, 1.0, 2.0, -0.1, np.inf, -np.inf, np.nan], [0.0, 1.0, 2.0])
    assert filled.values(flow=True).tolist() == [2, 1, 1, 2]


def test_the_sum_of_squared_weights_underestimates_the_scatter_of_correlated_entries(rng):
    """What the docstring warns of: the true variance of a bin is larger than Σw², and `density_per_event` has it."""
    sums, squares, covariances = [], [], []
    for _ in range(EXPERIMENTS):
        values, hadrons, log_w = reweighted_experiment(rng, 300)
        filled = histogram(values, [-0.5, 0.5], log_w, hadrons.event)
        counts = histogram_per_event(values, [-0.5, 0.5], hadrons.event, len(hadrons))
        density, covariance = density_per_event(counts, [-0.5, 0.5], log_w)
        sums.append([filled.values()[0], density[0]])
        squares.append(filled.variances()[0])
        covariances.append(covariance[0, 0])
    variance = np.var(sums, axis=0, ddof=1)
    error = 4 * np.sqrt(2 / EXPERIMENTS)  # relative, of a variance
    assert variance[0] > (1 + error) * np.mean(squares)
    assert variance[1] == pytest.approx(np.mean(covariances), rel=error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [1.0, 0.0]), "edges must increase"),
        (([0.5, 0.5], [0.0, 1.0], [0.0]), r"shape \(2,\), got shape \(1,\)"),
        (([0.5, 0.5], [0.0, 1.0], [0.0, np.nan]), "got nan for event 1"),
        (([0.5, 0.5], [0.0, 1.0], [0.0, 301.0]), "log_w of event 1 is 301"),
        (([0.5, 0.5], [0.0, 1.0], [0.0, 0.0], [0, 2]), "numbered from 0 to 1, got 0 to 2"),
        (([0.5, 0.5], [0.0, 1.0], None, [0, -1]), "numbered from 0 to 0, got -1 to 0"),
        (([0.5, 0.5], [0.0, 1.0], None, [0]), "one event for each value"),
    ],
)
def test_histograms_refuse_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        histogram(*arguments)


def test_histograms_need_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hist", None)
    with pytest.raises(ImportError, match=r"extra `hep`: pip install 'hadtutor\[hep\]'"):
        histogram([0.5], [0.0, 1.0])


def test_counts_per_event_need_the_number_of_events():
    with pytest.raises(ValueError, match="n_events is needed"):
        histogram_per_event([0.5], [0.0, 1.0], event=[0])
    with pytest.raises(ValueError, match="numbered from 0 to 1, got 2 to 2"):
        histogram_per_event([0.5], [0.0, 1.0], event=[2], n_events=2)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint64])
def test_event_numbers_of_any_width_find_their_event(kind):
    """Event times number of bins must not overflow."""
    event = np.array([0, 20, 120], kind)
    counts = histogram_per_event([0.5, 0.5, 0.9], np.linspace(0, 1, 41), event, 121)
    assert [tuple(int(i) for i in place) for place in np.argwhere(counts)] == [(0, 20), (20, 20), (120, 36)]


@pytest.mark.parametrize("event", [[0.0, 1.0], [True, False]])
def test_event_numbers_are_whole(event):
    with pytest.raises(ValueError, match="events must hold whole numbers, got"):
        histogram_per_event([0.5, 0.5], [0, 1], event, 2)


def test_no_values_are_no_entries():
    assert histogram_per_event([], [0, 1], [], 3).tolist() == [[0], [0], [0]]


def test_probabilities_are_densities_times_the_width_of_the_bin(rng):
    """And they add up to the share of events inside the edges."""
    edges = np.array([0.0, 0.5, 2.0, 3.0])
    counts = histogram_per_event(rng.exponential(1.0, 500), edges)
    density, covariance = density_per_event(counts, edges)
    probability, of_probability = density_per_event(counts, edges, kind="probability")
    width = np.diff(edges)
    np.testing.assert_allclose(probability, density * width, rtol=1e-12)
    np.testing.assert_allclose(of_probability, covariance * np.outer(width, width), rtol=1e-12)
    assert probability.sum() == pytest.approx(counts.sum() / 500)
    with pytest.raises(ValueError, match="kind must be 'density', 'probability' or 'normalised', got 'mean'"):
        density_per_event(counts, edges, kind="mean")


def test_a_normalised_density_integrates_to_one_and_its_errors_know(rng):
    """Its errors are those of independent samples, whatever the number of entries of an event."""
    edges = np.array([0.0, 0.5, 2.0, 3.0])

    def sample():
        n = rng.poisson(2.0, 400)
        values, event = rng.exponential(1.0, n.sum()), np.repeat(np.arange(400), n)
        return density_per_event(histogram_per_event(values, edges, event, 400), edges, kind="normalised")

    samples = [sample() for _ in range(300)]
    scatter = np.cov([found.density for found in samples], rowvar=False)
    mean = np.mean([found.covariance for found in samples], axis=0)
    np.testing.assert_allclose(np.diag(scatter), np.diag(mean), rtol=4 * np.sqrt(2 / 300))
    for found in samples[:3]:
        assert found.density @ np.diff(edges) == pytest.approx(1.0)
        np.testing.assert_allclose(found.covariance @ np.diff(edges), 0.0, atol=1e-12)
    with pytest.raises(ValueError, match="no event has an entry in any bin, so that there is nothing to normalise"):
        density_per_event(np.zeros((10, 3)), edges, kind="normalised")


@pytest.mark.parametrize("kind", ["density", "probability", "normalised"])
def test_sparse_counts_are_the_same_counts(rng, kind):
    edges, event = np.linspace(0, 1, 6), np.sort(rng.integers(0, 300, 900))
    values, log_w = rng.random(900) * 1.1, rng.normal(size=300)
    dense = histogram_per_event(values, edges, event, 300)
    sparse = histogram_per_event(values, edges, event, 300, sparse_rows=True)
    assert (sparse.shape, sparse.format, sparse.dtype) == (dense.shape, "csr", dense.dtype)
    np.testing.assert_array_equal(sparse.toarray(), dense)
    for ours, wanted in zip(
        density_per_event(sparse, edges, log_w, kind), density_per_event(dense, edges, log_w, kind), strict=True
    ):
        np.testing.assert_array_equal(ours, wanted)
