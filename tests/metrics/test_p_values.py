"""What holds for every test and distance: uniform p-values, power, and what weights mean."""

import functools

import numpy as np
import pytest
from checks import ALPHA, assert_uniform
from experiments import EXPERIMENTS, P_VALUES, RESAMPLES, SAMPLES, features, reweighted_x, weighted_samples
from scipy import stats

from hadtutor.metrics import (
    auc,
    classifier_test,
    energy_distance,
    energy_test,
    ks_test,
    pull,
    wasserstein,
    wasserstein_test,
)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("test", P_VALUES)
def test_p_values_of_equal_distributions_are_uniform(rng, test, samples):
    """Also for weights that depend on x, as after reweighting: Kolmogorov-Smirnov p > 1e-3."""
    assert_uniform([P_VALUES[test](*SAMPLES[samples](rng, 1000, 700), rng) for _ in range(EXPERIMENTS)])


def test_p_values_of_whole_numbers_are_uniform(rng):
    """Multiplicities: many ties. The bootstrap knows where the distributions have no steps."""

    def p_value(test):
        x, y = rng.poisson(4.0, 600) + rng.poisson(2.0, 600), rng.poisson(5.0, 500)
        log_w_x = stats.poisson.logpmf(x, 5.0) - stats.poisson.logpmf(x, 6.0)
        return test(x, y, log_w_x, rng=rng, n_resamples=RESAMPLES).p_value

    for test in (ks_test, wasserstein_test, energy_test):
        assert_uniform([p_value(test) for _ in range(EXPERIMENTS)])


@pytest.mark.parametrize("test", P_VALUES)
def test_a_shift_is_seen(rng, test):
    """0.3 of a width: 6 standard errors of the difference of the means."""
    p = P_VALUES[test](rng.normal(0.0, 1.0, 1000), rng.normal(0.3, 1.0, 1000), None, None, rng)
    assert min(p, 1 - p) <= 0.005


@pytest.mark.parametrize("test", P_VALUES)
def test_forgotten_weights_are_seen(rng, test):
    x, y, log_w_x, _ = reweighted_x(rng, 1000, 1000)
    p_with, p_without = (P_VALUES[test](x, y, log_w, None, rng) for log_w in (log_w_x, None))
    assert min(p_with, 1 - p_with) > ALPHA
    assert min(p_without, 1 - p_without) <= 0.005


def test_a_correlation_is_seen_by_the_tests_of_several_features_alone(rng):
    x = features(rng, 1000)
    y = features(rng, 1000)
    y[:, 1] = rng.permutation(y[:, 1])
    assert min(ks_test(x[:, k], y[:, k]).p_value for k in range(3)) > ALPHA
    assert energy_test(x, y, rng=rng).p_value == 1 / 1000
    assert classifier_test(x, y, rng=rng).p_value < 1e-6


def of_numbers(function, **options):
    """Make `function` return plain numbers for samples (N,), with a generator of its own."""

    def numbers(x, y, log_w_x=None, log_w_y=None):
        return np.array(function(x, y, log_w_x, log_w_y, **options), dtype=float)

    return numbers


def with_rng(test, **options):
    def numbers(x, y, log_w_x=None, log_w_y=None):
        return np.array(test(x, y, log_w_x, log_w_y, rng=3, **options), dtype=float)

    return numbers


def as_features(function):
    @functools.wraps(function)
    def of_features(x, y, *arguments, **options):
        return function(np.asarray(x)[:, None], np.asarray(y)[:, None], *arguments, **options)

    return of_features


FUNCTIONS = {
    "pull": of_numbers(pull),
    "wasserstein": of_numbers(wasserstein),
    "energy_distance": of_numbers(energy_distance),
    "energy_distance of features": of_numbers(as_features(energy_distance)),
    "auc": of_numbers(auc),
    "ks_test": with_rng(ks_test, n_resamples=50),
    "wasserstein_test": with_rng(wasserstein_test, n_resamples=50),
    "energy_test": with_rng(energy_test, n_resamples=50),
    "energy_test of features": with_rng(as_features(energy_test), n_resamples=50),
    "classifier_test": with_rng(as_features(classifier_test), max_iter=5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_constant_added_to_log_weights_changes_nothing(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    np.testing.assert_allclose(FUNCTIONS[name](x, y, log_w_x + 2000, log_w_y - 3000), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equal_weights_are_no_weights(rng, name):
    x, y, _, _ = weighted_samples(rng)
    same, wanted = FUNCTIONS[name](x, y, np.full(60, 3.0), np.full(80, -2.0)), FUNCTIONS[name](x, y)
    if name == "ks_test":  # another p-value: scipy's is exact
        same, wanted = same[0], wanted[0]
    np.testing.assert_allclose(same, wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_event_of_weight_zero_is_as_good_as_not_there(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    longer = np.append(x, [50.0, -50.0]), y, np.append(log_w_x, [-np.inf, -np.inf]), log_w_y
    np.testing.assert_allclose(FUNCTIONS[name](*longer), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"classifier_test"}))
def test_an_undefined_value_is_left_out_with_its_weight(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    longer = x, np.append(np.nan, y), log_w_x, np.append(900.0, log_w_y)
    np.testing.assert_allclose(FUNCTIONS[name](*longer), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_weight_that_is_not_a_number_is_an_error_with_its_event(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for bad in (np.nan, np.inf):
        log_w = log_w_y.copy()
        log_w[[5, 9]] = bad
        with pytest.raises(ValueError, match=f"log_w_y must be finite, or -inf .* got {bad} for event 5"):
            FUNCTIONS[name](x, y, log_w_x, log_w)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_log_weight_per_event(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for wrong in (log_w_x[:-1], log_w_x[:, None], 0.0):
        with pytest.raises(ValueError, match=r"log_w_x must hold one log weight per event, shape \(60,\)"):
            FUNCTIONS[name](x, y, wrong, log_w_y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_too_few_events_are_an_error(rng, name):
    x, y, log_w_x, _ = weighted_samples(rng)
    for few in ([], [1.0]):
        with pytest.raises(ValueError, match=f"at least .* events.* got {len(few)}"):
            FUNCTIONS[name](few, y)
    with pytest.raises(ValueError, match="at least .* events.* got 1"):
        FUNCTIONS[name](x, y, np.where(np.arange(60) == 3, 0.0, -np.inf))
    with pytest.raises(ValueError, match="one event carries all the weight of sample x"):
        FUNCTIONS[name](x, y, np.where(np.arange(60) == 3, 0.0, -100.0))


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"ks_test", "auc"}))
def test_an_infinite_value_is_an_error_with_its_event(rng, name):
    x, y, _, _ = weighted_samples(rng)
    y[7] = np.inf
    with pytest.raises(ValueError, match="sample y has an infinite value in event 7"):
        FUNCTIONS[name](x, y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_plain_numbers(rng, name):
    assert FUNCTIONS[name](*weighted_samples(rng)).dtype == float
    assert type(energy_test(*weighted_samples(rng), rng=rng, n_resamples=9).p_value) is float
