"""The energy distance."""

import functools

import numpy as np
import pytest
from checks import assert_uniform
from experiments import EXPERIMENTS, features, reweighted_features, reweighted_x, weighted_samples
from scipy import stats

from hadtutor import metrics
from hadtutor.metrics import classifier_test, energy_distance, energy_test, wasserstein


def test_p_values_of_energy_distances_of_several_features_are_uniform(rng):
    results = [energy_test(features(rng, 200), features(rng, 120), rng=rng, n_resamples=99) for _ in range(EXPERIMENTS)]
    assert_uniform([r.p_value for r in results])


def test_p_values_of_energy_distances_of_several_reweighted_features_are_uniform(rng):
    def p_value():
        x, log_w_x = reweighted_features(rng, 200)
        return energy_test(x, features(rng, 120), log_w_x, rng=rng, n_resamples=99).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS)])


def test_energy_distance_of_points():
    """All of x at 0, all of y at distance 5: √(2·5). Half of y moved to 0: √(2·2.5 - 2.5)."""
    zero, there = [[0.0, 0.0]] * 2, [[3.0, 4.0]] * 2
    assert energy_distance(zero, there) == pytest.approx(np.sqrt(10), rel=1e-12)
    assert energy_distance(zero, [*there, *zero]) == pytest.approx(np.sqrt(2.5), rel=1e-12)
    assert energy_distance([0.0, 0.0], [5.0, 5.0]) == pytest.approx(np.sqrt(10), rel=1e-12)


def test_energy_distance_of_one_feature_is_that_of_one_quantity(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    one = energy_distance(x, y, log_w_x, log_w_y)
    assert energy_distance(x[:, None], y[:, None], log_w_x, log_w_y) == pytest.approx(one, rel=1e-9)
    result = energy_test(x[:, None], y[:, None], log_w_x, log_w_y, rng=rng, n_resamples=9)
    assert result.distance == pytest.approx(one, rel=1e-9)


def test_both_bootstraps_of_the_energy_distance_agree(rng):
    """In steps of one quantity and over pairs of one feature: p to four binomial errors of 2000 resamples each."""
    x, y, log_w_x, _ = reweighted_x(rng, 150, 100)
    one = energy_test(x, y + 0.1, log_w_x, rng=rng, n_resamples=2000).p_value
    pairs = energy_test(x[:, None], y[:, None] + 0.1, log_w_x, rng=rng, n_resamples=2000).p_value
    assert abs(one - pairs) < 4 * np.sqrt(2 * one * (1 - one) / 2000)


def test_energy_distance_does_not_change_when_the_features_are_rotated(rng):
    x, y = features(rng, 50), features(rng, 40, 1.0)
    rotation = stats.special_ortho_group.rvs(3, random_state=rng)
    assert energy_distance(x @ rotation, y @ rotation) == pytest.approx(energy_distance(x, y), rel=1e-9)


def test_energy_distance_does_not_depend_on_how_much_is_held_at_a_time(rng, monkeypatch):
    x, y = features(rng, 50), features(rng, 40, 1.0)
    wanted = energy_distance(x, y)
    monkeypatch.setattr(metrics.energy, "CHUNK", 130)
    assert energy_distance(x, y) == pytest.approx(wanted, rel=1e-12)


def test_samples_must_have_the_same_features(rng):
    x, y = features(rng, 30), features(rng, 30)[:, :2]
    for function in (
        energy_distance,
        functools.partial(energy_test, rng=rng),
        functools.partial(classifier_test, rng=rng),
    ):
        with pytest.raises(ValueError, match=r"shapes \(N, F\) and \(M, F\), got \(30, 3\) and \(30, 2\)"):
            function(x, y)
        with pytest.raises(ValueError, match=r"shapes \(N, F\) and \(M, F\), got \(30, 3\) and \(30,\)"):
            function(x, y[:, 0])
    with pytest.raises(ValueError, match="must have 1 dimension, got"):
        wasserstein(x, y)


def test_too_many_pairs_are_an_error_that_says_what_to_do(rng):
    with pytest.raises(ValueError, match=r"at most 8000 events, got 8000 \+ 10: subsample"):
        energy_test(np.zeros((8000, 2)), np.ones((10, 2)), rng=rng)
