import sys
import tracemalloc

import hist
import numpy as np
import pytest
from checks import ALPHA, assert_near, assert_uniform
from scipy import stats

from hadtutor import Hadrons, metrics
from hadtutor.metrics import (
    chi2_test,
    chi2_to_data,
    density_per_event,
    histogram,
    histogram_per_event,
    pull,
    pull_per_hadron,
)

EXPERIMENTS = 200
PULLS = 1000
EDGES = np.linspace(-2.5, 2.5, 9)


def experiment(rng, n_events, shift=0.0):
    """Events with 1 to 9 hadrons whose values share a shift of their event: correlated, as in a jet."""
    counts = rng.integers(1, 10, n_events)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values = np.repeat(rng.normal(shift, 1.0, n_events), counts) + rng.normal(0, 0.5, offsets[-1])
    hadrons = Hadrons(offsets, *np.zeros((4, offsets[-1])), np.full(offsets[-1], 111, np.int32))
    return values, hadrons


def reweighted_experiment(rng, n_events):
    """Like `experiment`, but drawn with a mean of 0.5 and an excess of large events, and reweighted.

    The weight of an event depends on what all its hadrons share and on how many there are.
    """
    counts = np.maximum(rng.integers(1, 10, n_events), rng.integers(1, 10, n_events))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    mean = rng.normal(0.5, 1.0, n_events)
    values = np.repeat(mean, counts) + rng.normal(0, 0.5, offsets[-1])
    hadrons = Hadrons(offsets, *np.zeros((4, offsets[-1])), np.full(offsets[-1], 111, np.int32))
    return values, hadrons, 0.125 - 0.5 * mean - np.log((2 * counts - 1) / 9)


def hadron_counts(values, hadrons):
    return histogram_per_event(values, EDGES, hadrons.event, len(hadrons))


# --- The null distribution -------------------------------------------------------------------------


def test_pulls_of_equal_means_are_standard_normal(rng):
    """Samples of unequal size and shape: Kolmogorov-Smirnov p > 1e-3, width 1 to four of its errors."""
    pulls = [pull(rng.exponential(1.0, 1500), rng.normal(1.0, 3.0, 700)) for _ in range(PULLS)]
    assert stats.kstest(pulls, "norm").pvalue > ALPHA
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * PULLS)


def test_pulls_per_hadron_have_width_one_in_spite_of_correlations(rng):
    """p > 1e-3, width to four errors; taking hadrons for independent would make it wider than 1.5."""
    pulls, naive = [], []
    for _ in range(PULLS):
        (x, hadrons_x), (y, hadrons_y) = experiment(rng, 900), experiment(rng, 400)
        pulls.append(pull_per_hadron(x, hadrons_x, y, hadrons_y))
        naive.append(pull(x, y))
    assert stats.kstest(pulls, "norm").pvalue > ALPHA
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * PULLS)
    assert np.std(naive) > 1.5


def test_chi2_of_histograms_with_one_entry_per_event_has_uniform_p(rng):
    """Bins that hold every event: their counts add up, so one degree of freedom is lost. p > 1e-3."""
    results = []
    for _ in range(EXPERIMENTS):
        x, y = rng.normal(size=2000), rng.normal(size=1000)
        edges = np.concatenate([[-np.inf], EDGES[1:-1], [np.inf]])
        results.append(chi2_test(histogram_per_event(x, edges), histogram_per_event(y, edges)))
    assert {ndf for _, ndf, _ in results} == {7}
    assert_uniform([p for _, _, p in results])


def test_chi2_of_correlated_hadron_counts_has_uniform_p(rng):
    """Several hadrons of an event in one bin or in neighbours: p > 1e-3."""
    results = [
        chi2_test(hadron_counts(*experiment(rng, 1500)), hadron_counts(*experiment(rng, 1000)))
        for _ in range(EXPERIMENTS)
    ]
    assert {ndf for _, ndf, _ in results} == {8}
    assert_uniform([p for _, _, p in results])


def test_pulls_per_hadron_of_reweighted_events_are_standard_normal(rng):
    """p > 1e-3 and width 1 to four errors."""
    pulls = []
    for _ in range(PULLS):
        x, hadrons_x, log_w = reweighted_experiment(rng, 900)
        pulls.append(pull_per_hadron(x, hadrons_x, *experiment(rng, 400), log_w))
    assert stats.kstest(pulls, "norm").pvalue > ALPHA
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * PULLS)


@pytest.mark.parametrize("both", [False, True])
def test_chi2_of_hadron_counts_of_reweighted_events_has_uniform_p(rng, both):
    """Hadrons of one event share its weight, which depends on them: p > 1e-3."""

    def counts(n_events, weighted):
        values, hadrons, *log_w = (reweighted_experiment if weighted else experiment)(rng, n_events)
        return hadron_counts(values, hadrons), log_w[0] if weighted else None

    results = []
    for _ in range(EXPERIMENTS):
        (x, log_w_x), (y, log_w_y) = counts(3000, True), counts(1500, both)
        results.append(chi2_test(x, y, log_w_x, log_w_y))
    assert {r.ndf for r in results} == {8}
    assert_uniform([r.p_value for r in results])


def test_chi2_of_reweighted_events_and_data_has_uniform_p(rng):
    """Data scattered by independent errors around the truth, five times smaller to three times larger than ours."""
    truth, _ = density_per_event(hadron_counts(*experiment(rng, 1_000_000)), EDGES)
    errors = np.geomspace(0.004, 0.06, len(truth))
    results = []
    for _ in range(EXPERIMENTS):
        values, hadrons, log_w = reweighted_experiment(rng, 3000)
        density = density_per_event(hadron_counts(values, hadrons), EDGES, log_w)
        results.append(chi2_to_data(*density, rng.normal(truth, errors), errors))
    assert {r.ndf for r in results} == {8}
    assert_uniform([r.p_value for r in results])


# --- Power -----------------------------------------------------------------------------------------


def test_a_shift_is_seen(rng):
    """0.2 of a width with 2000 events each: a pull of 6.3 expected."""
    x, y = rng.normal(0.0, 1.0, 2000), rng.normal(0.2, 1.0, 2000)
    assert pull(x, y) < -4
    assert chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES))[2] < 1e-3


def test_a_difference_in_shape_with_equal_means_is_seen_by_chi2_alone(rng):
    x, y = rng.normal(0.0, 1.0, 2000), rng.normal(0.0, 1.3, 2000)
    assert abs(pull(x, y)) < 4
    assert chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES))[2] < 1e-6


def test_a_shift_of_correlated_hadrons_is_seen(rng):
    (x, hadrons_x), (y, hadrons_y) = experiment(rng, 2000), experiment(rng, 2000, shift=0.3)
    assert pull_per_hadron(x, hadrons_x, y, hadrons_y) < -4
    assert chi2_test(hadron_counts(x, hadrons_x), hadron_counts(y, hadrons_y))[2] < 1e-6


def test_forgotten_weights_are_seen(rng):
    x, hadrons_x, log_w = reweighted_experiment(rng, 2000)
    y, hadrons_y = experiment(rng, 2000)
    counts = hadron_counts(x, hadrons_x), hadron_counts(y, hadrons_y)
    assert abs(pull_per_hadron(x, hadrons_x, y, hadrons_y, log_w)) < 4
    assert abs(pull_per_hadron(x, hadrons_x, y, hadrons_y)) > 8
    assert chi2_test(*counts, log_w).p_value > ALPHA
    assert chi2_test(*counts).p_value < 1e-9


def test_a_wrong_density_is_seen_in_data(rng):
    density, covariance = density_per_event(histogram_per_event(rng.normal(size=20_000), EDGES), EDGES)
    truth = np.diff(stats.norm.cdf(EDGES)) / np.diff(EDGES)
    assert chi2_to_data(density, covariance, truth, np.full(8, 0.005)).p_value > ALPHA
    assert chi2_to_data(density, covariance, truth[::-1] + 0.03, np.full(8, 0.005)).p_value < 1e-6


# --- Definitions -----------------------------------------------------------------------------------


def test_a_pull_is_the_difference_over_its_standard_error(rng):
    x, y = rng.normal(size=50), rng.normal(size=80)
    error = np.sqrt(x.var(ddof=1) / 50 + y.var(ddof=1) / 80)
    assert pull(x, y) == pytest.approx((x.mean() - y.mean()) / error, rel=1e-12)


@pytest.mark.parametrize("y", [[2.0, 3.0, 4.0], [1.0, 2.0, 3.0], [7.0, 7.0, 7.0]])
@pytest.mark.parametrize("x", [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [7.0, 7.0, 7.0]])
def test_exchanging_the_samples_changes_the_sign_of_a_pull(x, y):
    assert pull(x, y) == -pull(y, x)


def test_events_without_a_value_are_left_out(rng):
    x, y = rng.normal(size=100), rng.normal(size=100)
    assert pull(np.append(x, [np.nan, np.nan]), y) == pull(x, y)


def test_equal_samples_without_scatter_have_a_pull_of_zero():
    assert pull([2.0, 2.0], [2.0, 2.0, 2.0]) == 0.0


def test_a_pull_per_hadron_with_one_hadron_each_is_a_pull(rng):
    x, y = rng.normal(size=60), rng.normal(size=90)
    one_each = [Hadrons(np.arange(n + 1), *np.zeros((4, n)), np.zeros(n, np.int32)) for n in (60, 90)]
    assert pull_per_hadron(x, one_each[0], y, one_each[1]) == pytest.approx(pull(x, y), rel=1e-12)


def test_the_mean_per_hadron_weighs_hadrons_not_events():
    """Events of 1 and 3 hadrons with values 0 and 1: the mean is 3/4 and the same in both samples."""
    hadrons = Hadrons(np.array([0, 1, 4]), *np.zeros((4, 4)), np.zeros(4, np.int32))
    other = Hadrons(np.array([0, 2, 4]), *np.zeros((4, 4)), np.zeros(4, np.int32))
    assert pull_per_hadron([0.0, 1, 1, 1], hadrons, [1.0, 1, 1, 0], other) == 0.0


@pytest.mark.parametrize(("x", "left"), [([], 0), ([1.0], 1), ([1.0, np.nan], 1), ([np.nan, np.nan], 0)])
def test_a_mean_needs_two_values(x, left):
    with pytest.raises(ValueError, match=f"at least two events, got {left}"):
        pull(x, [1.0, 2.0])
    with pytest.raises(ValueError, match=f"at least two events, got {left}"):
        pull([1.0, 2.0], x)


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


def test_chi2_is_the_quadratic_form_of_the_covariance(rng):
    x, y = rng.poisson(2.0, (300, 5)).astype(float), rng.poisson(2.0, (200, 5)).astype(float)
    x[:, 1] += x[:, 0]
    y[:, 1] += y[:, 0]
    difference = x.mean(axis=0) - y.mean(axis=0)
    # Covariance with the number of events below the line where numpy has one less: the same to 1/300.
    covariance = np.cov(x.T, bias=True) / 299 + np.cov(y.T, bias=True) / 199
    chi2, ndf, p_value = chi2_test(x.astype(np.float32), y.astype(np.float32))
    assert chi2 == pytest.approx(difference @ np.linalg.solve(covariance, difference), rel=1e-6)
    assert ndf == 5
    assert p_value == pytest.approx(stats.chi2.sf(chi2, 5), rel=1e-12)


def test_empty_and_duplicate_bins_add_nothing(rng):
    x, y = rng.poisson(2.0, (300, 3)).astype(np.float32), rng.poisson(2.0, (200, 3)).astype(np.float32)
    wanted = chi2_test(x, y)
    wider = [np.concatenate([c, np.zeros((len(c), 2), np.float32), c[:, :1]], axis=1) for c in (x, y)]
    chi2, ndf, p_value = chi2_test(*wider)
    assert (chi2, ndf, p_value) == (pytest.approx(wanted[0], rel=1e-4), 3, pytest.approx(wanted[2], rel=1e-3))


def test_chi2_does_not_depend_on_the_order_of_bins_or_samples(rng):
    x, y = rng.poisson(2.0, (300, 4)).astype(np.float32), rng.poisson(2.2, (200, 4)).astype(np.float32)
    chi2 = chi2_test(x, y)[0]
    assert chi2_test(y, x)[0] == pytest.approx(chi2, rel=1e-6)
    assert chi2_test(x[:, ::-1], y[:, ::-1])[0] == pytest.approx(chi2, rel=1e-6)


def test_a_sample_agrees_with_itself(rng):
    x = rng.poisson(2.0, (300, 4)).astype(np.float32)
    assert chi2_test(x, x) == (0.0, 4, 1.0)


def test_different_numbers_of_bins_are_an_error(rng):
    with pytest.raises(ValueError):
        chi2_test(np.ones((10, 3), np.float32), np.ones((10, 4), np.float32))


def test_a_bin_with_one_entry_in_every_event_does_not_scatter(rng):
    """Neither with weights, whose sum is one up to rounding; so it adds no degree of freedom."""
    x, y = np.ones((300, 2), np.float32), np.ones((200, 2), np.float32)
    x[:, 1], y[:, 1] = rng.poisson(2.0, 300), rng.poisson(2.0, 200)
    log_w = rng.normal(size=300)
    assert chi2_test(x, y, log_w) == pytest.approx(chi2_test(x[:, 1:], y[:, 1:], log_w), rel=1e-9)
    assert chi2_test(x[:, :1], y[:, :1], log_w) == (0.0, 0, 1.0)


def test_a_difference_without_scatter_is_certain(rng):
    """One entry in every event of x, two in every event of y: in one bin, or dealt to two bins at random."""
    assert chi2_test(np.ones((300, 1)), np.full((200, 1), 2.0), rng.normal(size=300))[::2] == (np.inf, 0.0)
    x, y = rng.multinomial(1, [0.5, 0.5], 300), rng.multinomial(2, [0.5, 0.5], 300)
    assert chi2_test(x, y).p_value < 1e-12


def test_empty_bins_are_no_difference():
    assert chi2_test(np.zeros((10, 2)), np.zeros((20, 2))) == (0.0, 0, 1.0)


def test_equal_values_without_scatter_have_a_pull_of_zero_with_weights(rng):
    log_w = rng.normal(size=200)
    assert pull(np.full(200, 0.1), np.full(50, 0.1), log_w) == 0.0
    assert pull(np.full(200, 0.1), np.full(50, 0.2), log_w) == -np.inf


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


def test_counts_are_not_copied_to_double_precision(rng):
    """200 000 events in 50 bins would be 80 MB."""
    counts = histogram_per_event(rng.normal(size=200_000), np.linspace(-3, 3, 51))
    log_w = rng.normal(size=200_000)
    tracemalloc.start()
    chi2_test(counts, counts, log_w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


# --- Weights ---------------------------------------------------------------------------------------


def functions_of_one_sample(rng):
    """Name to a function of values and log weights of 50 events."""
    y, (values, hadrons) = rng.normal(size=80), experiment(rng, 80)
    one_each = Hadrons(np.arange(51), *np.zeros((4, 50)), np.zeros(50, np.int32))
    return {
        "pull": lambda x, log_w: pull(x, y, log_w),
        "pull of y": lambda x, log_w: pull(y, x, log_w_y=log_w),
        "pull_per_hadron": lambda x, log_w: pull_per_hadron(x, one_each, values, hadrons, log_w),
        "chi2": lambda x, log_w: chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES), log_w),
        "density": lambda x, log_w: density_per_event(histogram_per_event(x, EDGES), EDGES, log_w).covariance,
    }


NAMES = list(functions_of_one_sample(np.random.default_rng(1)))


@pytest.mark.parametrize("name", NAMES)
def test_only_ratios_of_weights_matter(rng, name):
    function, x, log_w = functions_of_one_sample(rng)[name], rng.normal(size=50), rng.normal(size=50)
    np.testing.assert_allclose(function(x, log_w + 2000), function(x, log_w), rtol=1e-9)
    np.testing.assert_allclose(function(x, np.full(50, -7.0)), function(x, None), rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pull_per_hadron"])
def test_an_event_of_weight_zero_is_as_good_as_not_there(rng, name):
    function, x, log_w = functions_of_one_sample(rng)[name], rng.normal(size=50), rng.normal(size=50)
    log_w[40:] = -np.inf
    np.testing.assert_allclose(function(x, log_w), function(x[:40], log_w[:40]), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_cannot_be_used_are_errors(rng, name):
    function, x, log_w = functions_of_one_sample(rng)[name], rng.normal(size=50), rng.normal(size=50)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"must be finite, or -inf .* got {bad} for event 7"):
            function(x, np.where(np.arange(50) == 7, bad, log_w))
    with pytest.raises(ValueError, match=r"one log weight per event, shape \(50,\)"):
        function(x, log_w[:-1])
    with pytest.raises(ValueError, match="at least two events, got 0"):
        function(x, np.full(50, -np.inf))
    with pytest.raises(ValueError, match="one event carries all the weight"):
        function(x, np.where(np.arange(50) == 7, 100.0, log_w))


def test_an_undefined_value_is_left_out_with_its_weight(rng):
    x, y, log_w = rng.normal(size=100), rng.normal(size=100), rng.normal(size=100)
    assert pull(np.append(np.nan, x), y, np.append(800.0, log_w)) == pull(x, y, log_w)


def test_an_infinite_value_is_an_error_with_its_event():
    with pytest.raises(ValueError, match="sample y has an infinite value in event 1"):
        pull([1.0, 2.0], [1.0, np.inf, 2.0])


# --- Histograms of the hist package ----------------------------------------------------------------


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


# --- Shapes ----------------------------------------------------------------------------------------


def test_counts_per_event_need_the_number_of_events():
    with pytest.raises(ValueError, match="n_events is needed"):
        histogram_per_event([0.5], [0.0, 1.0], event=[0])
    with pytest.raises(ValueError, match="numbered from 0 to 1, got 2 to 2"):
        histogram_per_event([0.5], [0.0, 1.0], event=[2], n_events=2)


def test_shapes_of_counts_edges_and_data_are_checked():
    counts = np.random.default_rng(1).poisson(1.0, (20, 3))
    with pytest.raises(ValueError, match=r"counts_y must have one row per event .* shape \(20,\)"):
        chi2_test(counts, counts[:, 0])
    with pytest.raises(ValueError, match="same bins, got 3 and 2"):
        chi2_test(counts, counts[:, :2])
    with pytest.raises(ValueError, match="counts must be finite"):
        density_per_event(np.where(counts > 2, np.nan, counts), [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="3 bins need 4 edges, got 3"):
        density_per_event(counts, [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="a density needs finite edges"):
        density_per_event(counts, [0.0, 1.0, 2.0, np.inf])
    density, covariance = density_per_event(counts, [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"must have shapes \(B,\), \(B, B\)"):
        chi2_to_data(density, np.diag(covariance), density, density)
    for data, errors in ((density, [1.0, 1.0, 0.0]), (density * np.nan, np.ones(3))):
        with pytest.raises(ValueError, match="data must be finite and errors above zero"):
            chi2_to_data(density, covariance, data, errors)


def test_a_sample_without_hadrons_has_no_mean():
    empty = Hadrons(np.zeros(4, int), *np.zeros((4, 0)), np.zeros(0, np.int32))
    with pytest.raises(ValueError, match="sample x has no hadrons"):
        pull_per_hadron([], empty, [], empty)


def test_our_own_bar_is_calibrated(rng):
    """`checks.assert_near` refuses a mean that is 6 errors off and takes one that is right."""
    x = rng.normal(0.0, 1.0, 10_000)
    assert_near(x, 0.0)
    with pytest.raises(AssertionError, match="pull"):
        assert_near(x, 0.06)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint64])
def test_event_numbers_of_any_width_find_their_event(kind):
    """Event times number of bins must not overflow."""
    event = np.array([0, 20, 120], kind)
    counts = histogram_per_event([0.5, 0.5, 0.9], np.linspace(0, 1, 41), event, 121)
    assert [tuple(int(i) for i in place) for place in np.argwhere(counts)] == [(0, 20), (20, 20), (120, 36)]


@pytest.mark.parametrize("event", [[0.0, 1.0], [True, False]])
def test_event_numbers_are_whole(event):
    with pytest.raises(ValueError, match="events must be whole numbers, got"):
        histogram_per_event([0.5, 0.5], [0, 1], event, 2)


def test_no_values_are_no_entries():
    assert histogram_per_event([], [0, 1], [], 3).tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_simulation_that_is_not_finite_is_no_chi2(bad):
    for density, covariance in (([bad, 1.0], np.eye(2)), ([1.0, 1.0], np.diag([1.0, bad]))):
        with pytest.raises(ValueError, match="density and covariance must be finite"):
            chi2_to_data(density, covariance, [1.0, 1.0], [0.1, 0.1])


def test_wrong_shapes_are_errors_that_say_which():
    hadrons = Hadrons(np.array([0, 2]), *np.ones((4, 2)), np.array([211, 111]))
    with pytest.raises(ValueError, match=r"sample x must have one value per event, got shape \(5, 1\)"):
        pull(np.zeros((5, 1)), np.zeros(5))
    with pytest.raises(ValueError, match=r"one value per hadron, shape \(2,\), got \(3,\)"):
        pull_per_hadron(np.zeros(3), hadrons, np.zeros(2), hadrons)
    with pytest.raises(ValueError, match=r"log_w must hold one log weight per event, shape \(5,\), got shape \(3,\)"):
        histogram(np.zeros(5), [0, 1], log_w=np.zeros(3))
    with pytest.raises(ValueError, match="a density needs finite edges"):
        density_per_event(np.eye(4), [0, 1, 2, 3, np.inf])


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
    with pytest.raises(ValueError, match="kind must be 'density' or 'probability', got 'mean'"):
        density_per_event(counts, edges, kind="mean")
