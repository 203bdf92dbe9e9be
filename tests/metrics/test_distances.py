"""Distances of one number: closed forms, and judges."""

import numpy as np
import pytest
from experiments import EXPERIMENTS, rare_tail, weighted_samples
from scipy import stats

from hadtutor.metrics import auc, energy_distance, ks_test, n_eff, wasserstein


def test_effective_numbers_of_events_do_not_describe_weights_that_depend_on_x(rng):
    """With n_eff in the usual formula p < 0.05 comes twice too often where a tail is rare; ours has 5 % to 4 errors."""
    naive, ours = [], []
    for _ in range(2 * EXPERIMENTS):
        x, y, log_w_x, _ = rare_tail(rng, 1000, 3000)
        distance, p_value = ks_test(x, y, log_w_x, rng=rng, n_resamples=99)
        n = n_eff(log_w_x)
        naive.append(stats.kstwobign.sf(distance * np.sqrt(n * len(y) / (n + len(y)))))
        ours.append(p_value)
    error = np.sqrt(0.05 * 0.95 / len(ours))
    assert np.mean(np.array(naive) <= 0.05) > 0.05 + 4 * error
    assert abs(np.mean(np.array(ours) <= 0.05) - 0.05) < 4 * error


def test_wasserstein_of_a_shifted_sample_is_the_shift(rng):
    x = rng.normal(size=100)
    assert wasserstein(x, x + 2.5) == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "scipys"), [(wasserstein, stats.wasserstein_distance), (energy_distance, stats.energy_distance)]
)
def test_distances_are_scipys(rng, ours, scipys):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    assert ours(x, y) == pytest.approx(scipys(x, y), rel=1e-12)
    assert ours(x, y, log_w_x, log_w_y) == pytest.approx(scipys(x, y, np.exp(log_w_x), np.exp(log_w_y)), rel=1e-12)


def test_kolmogorov_and_smirnovs_distance_is_the_largest_one(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    assert ks_test(x, y) == tuple(stats.ks_2samp(x, y))
    w_x, w_y = np.exp(log_w_x) / np.exp(log_w_x).sum(), np.exp(log_w_y) / np.exp(log_w_y).sum()
    largest = max(abs(w_x[x <= t].sum() - w_y[y <= t].sum()) for t in np.concatenate([x, y]))
    assert ks_test(x, y, log_w_x, log_w_y, rng=rng).distance == pytest.approx(largest, rel=1e-12)
    assert ks_test(x, y, np.zeros(60), rng=rng).distance == pytest.approx(ks_test(x, y).distance, rel=1e-12)


def test_infinite_values_keep_their_place_in_an_order():
    """A quarter of x at either infinity, none of y."""
    x, y = [-np.inf, 1.0, 2.0, np.inf], [1.0, 1.0, 2.0, 2.0]
    assert ks_test(x, y).distance == 0.25
    assert auc(x, y).auc == 0.5
    assert ks_test(x, y, np.zeros(4), rng=np.random.default_rng(1), n_resamples=9).distance == 0.25
