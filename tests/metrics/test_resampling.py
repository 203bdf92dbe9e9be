"""Resampling: randomness, steps, permutations."""

import numpy as np
import pytest
from checks import assert_uniform
from experiments import EXPERIMENTS, features, reweighted_x, weighted_samples

from hadtutor import metrics
from hadtutor.metrics import classifier_test, energy_test, ks_test, permutation_test, wasserstein, wasserstein_test


def test_p_values_of_permutations_are_uniform_for_few_events(rng):
    """20 and 12 events, where the bootstrap is no longer trusted."""

    def p_value():
        return permutation_test(
            wasserstein, rng.exponential(size=20), rng.exponential(size=12), rng=rng, n_permutations=99
        ).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS)])


def test_permutations_see_a_shift(rng):
    result = permutation_test(wasserstein, rng.normal(size=100), rng.normal(1.0, 1.0, 100), rng=rng, n_permutations=199)
    assert result.p_value == 1 / 200


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test])
def test_p_values_do_not_depend_on_the_number_of_steps(rng, monkeypatch, test):
    """1700 steps and 400: p to four binomial errors of 2000 resamples each, and 0.02 for the coarser maximum."""
    x, y, log_w_x, _ = reweighted_x(rng, 1000, 700)
    fine = test(x, y + 0.03, log_w_x, rng=rng, n_resamples=2000)
    monkeypatch.setattr(metrics.resampling, "STEPS", 400)
    coarse = test(x, y + 0.03, log_w_x, rng=rng, n_resamples=2000)
    assert coarse.distance == fine.distance
    assert abs(coarse.p_value - fine.p_value) < 4 * np.sqrt(2 * fine.p_value * (1 - fine.p_value) / 2000) + 0.02


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test, classifier_test])
@pytest.mark.parametrize("rng", [None, -7, True, 1.0, "1", np.random.RandomState(1)])
def test_a_random_test_needs_a_generator_or_a_number(test, rng):
    x = np.arange(40.0) if test is not classifier_test else np.arange(40.0)[:, None]
    with pytest.raises(TypeError, match="rng must be a whole number >= 0 or a NumPy Generator, got"):
        test(x, x, np.zeros(40), rng=rng)


@pytest.mark.parametrize("test", [wasserstein_test, energy_test, classifier_test, permutation_test])
def test_who_forgets_the_generator_or_writes_seed_is_told(test):
    x = np.arange(40.0)[:, None] if test is classifier_test else np.arange(40.0)
    samples = (wasserstein, x, x) if test is permutation_test else (x, x)
    with pytest.raises(TypeError, match="'rng'"):
        test(*samples)
    with pytest.raises(TypeError, match=f"{test.__name__} takes rng, .* in place of seed: write rng=3"):
        test(*samples, seed=3)


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test])
def test_equal_values_without_scatter_are_at_distance_zero(rng, test):
    """Weights that add up to one but for rounding are no difference."""
    for _ in range(20):
        assert test(np.ones(200), np.ones(300), rng.normal(size=200), rng=rng, n_resamples=20) == (0.0, 1.0)


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_a_p_value_needs_something_to_compare_with(rng, n):
    x = rng.normal(size=40)
    for test in (wasserstein_test, energy_test):
        with pytest.raises((ValueError, TypeError), match=f"n_resamples must be .*, got {n}"):
            test(x, x, rng=rng, n_resamples=n)
    with pytest.raises((ValueError, TypeError), match=f"n_permutations must be .*, got {n}"):
        permutation_test(wasserstein, x, x, rng=rng, n_permutations=n)


def test_a_generator_decides_everything_and_a_number_makes_one(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for test in (wasserstein_test, energy_test, ks_test):
        wanted = test(x, y, log_w_x, log_w_y, rng=np.random.default_rng(1))
        assert test(x, y, log_w_x, log_w_y, rng=1) == test(x, y, log_w_x, log_w_y, rng=np.int64(1)) == wanted
    wanted = permutation_test(wasserstein, x, y, rng=np.random.default_rng(1), n_permutations=20)
    assert permutation_test(wasserstein, x, y, rng=1, n_permutations=20) == wanted


def test_permutations_take_any_statistic_and_keep_the_sizes(rng):
    x, y = features(rng, 30), features(rng, 20)
    shapes = set()

    def statistic(a, b):
        shapes.add((a.shape, b.shape))
        return abs(a.mean() - b.mean())

    result = permutation_test(statistic, x, y, rng=rng, n_permutations=20)
    assert shapes == {((30, 3), (20, 3))}
    assert result.distance == abs(x.mean() - y.mean())
    assert result.p_value * 21 == pytest.approx(round(result.p_value * 21))


def test_a_statistic_that_never_changes_has_p_one(rng):
    """Also if it changes by roundings: sums of the same numbers in another order."""
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert permutation_test(lambda a, b: a.sum() + b.sum(), x, y, rng=rng, n_permutations=50).p_value == 1.0


def test_permutations_refuse_what_they_cannot_judge(rng):
    with pytest.raises(ValueError, match="events in both samples, got 0 and 3"):
        permutation_test(wasserstein, [], [1.0, 2.0, 3.0], rng=rng)
    with pytest.raises(ValueError, match="statistic gave NaN"):
        permutation_test(lambda x, y: x.mean(), [1.0, np.nan], [1.0, 2.0], rng=rng, n_permutations=9)
    with pytest.raises(ValueError, match=r"shapes \(N, ...\) and \(M, ...\), got \(2, 1\) and \(2,\)"):
        permutation_test(wasserstein, [[1.0], [2.0]], [1.0, 2.0], rng=rng)
