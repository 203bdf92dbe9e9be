"""Pulls of means, of events and of hadrons."""

import numpy as np
import pytest
from checks import ALPHA, assert_near
from experiments import EDGES, PULLS, experiment, reweighted_experiment
from scipy import stats

from hadtutor import Hadrons
from hadtutor.metrics import chi2_test, density_per_event, histogram, histogram_per_event, pull, pull_per_hadron


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


def test_pulls_per_hadron_of_reweighted_events_are_standard_normal(rng):
    """p > 1e-3 and width 1 to four errors."""
    pulls = []
    for _ in range(PULLS):
        x, hadrons_x, log_w = reweighted_experiment(rng, 900)
        pulls.append(pull_per_hadron(x, hadrons_x, *experiment(rng, 400), log_w))
    assert stats.kstest(pulls, "norm").pvalue > ALPHA
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2 * PULLS)


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


def test_equal_values_without_scatter_have_a_pull_of_zero_with_weights(rng):
    log_w = rng.normal(size=200)
    assert pull(np.full(200, 0.1), np.full(50, 0.1), log_w) == 0.0
    assert pull(np.full(200, 0.1), np.full(50, 0.2), log_w) == -np.inf


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
