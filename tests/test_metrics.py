import numpy as np
import pytest
from checks import ALPHA, assert_near, assert_uniform
from scipy import stats

from hadtutor import Hadrons
from hadtutor.metrics import chi2_test, histogram_per_event, pull, pull_per_hadron

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


def test_our_own_bar_is_calibrated(rng):
    """`checks.assert_near` refuses a mean that is 6 errors off and takes one that is right."""
    x = rng.normal(0.0, 1.0, 10_000)
    assert_near(x, 0.0)
    with pytest.raises(AssertionError, match="pull"):
        assert_near(x, 0.06)
