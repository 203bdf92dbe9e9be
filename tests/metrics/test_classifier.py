"""Areas under ROC curves, and the test with a classifier."""

import sys

import numpy as np
import pytest
from checks import assert_uniform
from experiments import EXPERIMENTS, features, reweighted, reweighted_features, weighted_samples
from scipy import stats

from hadtutor.metrics import auc, classifier_test


def test_p_values_of_classifiers_are_uniform(rng):
    def p_value():
        return classifier_test(features(rng, 200), features(rng, 300), rng=rng, max_iter=10).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS // 2)])


def test_p_values_of_classifiers_of_reweighted_events_are_uniform(rng):
    def p_value():
        x, log_w_x = reweighted_features(rng, 300)
        return classifier_test(x, features(rng, 200), log_w_x, rng=rng, max_iter=10).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS // 2)])


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_areas_have_the_right_size_for_separated_samples(rng, weighted):
    """Normal scores one width apart: area Φ(1/√2). Pulls of width 1 and mean 0 to four errors."""
    pulls = []
    for _ in range(1000):
        x, log_w_x = reweighted(rng, 400, 0.6, 1.2) if weighted else (rng.normal(size=400), None)
        area, error = auc(x + 1.0, rng.normal(size=300), log_w_x)
        pulls.append((area - stats.norm.cdf(1 / np.sqrt(2))) / error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(1000)
    assert abs(np.std(pulls) - 1) < 4 / np.sqrt(2000)


def test_a_classifier_sees_that_values_are_missing(rng):
    x, y = features(rng, 400), features(rng, 400)
    x[:150, 2] = np.nan
    assert classifier_test(x, y, rng=rng).p_value < 1e-6


def test_area_of_normal_scores(rng):
    """Two widths d apart: Φ(d/√2), to four errors."""
    for d in (0.0, 0.5, 2.0):
        area, error = auc(rng.normal(d, 1.0, 3000), rng.normal(0.0, 1.0, 2000))
        assert abs(area - stats.norm.cdf(d / np.sqrt(2))) < 4 * error


def test_area_and_error_are_those_of_all_pairs(rng):
    """DeLong's structural components, from the table of all pairs; ties count one half."""
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wins = np.where(x[:, None] > y, 1.0, np.where(x[:, None] == y, 0.5, 0.0))
    area, error = auc(x, y)
    assert area == pytest.approx(wins.mean(), rel=1e-12)
    variance = wins.mean(axis=1).var(ddof=1) / len(x) + wins.mean(axis=0).var(ddof=1) / len(y)
    assert error == pytest.approx(np.sqrt(variance), rel=1e-12)
    w_x, w_y = np.exp(log_w_x), np.exp(log_w_y)
    assert auc(x, y, log_w_x, log_w_y).auc == pytest.approx(w_x @ wins @ w_y / w_x.sum() / w_y.sum(), rel=1e-12)


def test_areas_of_exchanged_samples_add_up_to_one(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    one, other = auc(x, y, log_w_x, log_w_y), auc(y, x, log_w_y, log_w_x)
    assert one.auc + other.auc == pytest.approx(1.0, rel=1e-12)
    assert one.error == pytest.approx(other.error, rel=1e-12)


def test_perfect_separation_has_area_one_without_error():
    assert auc([3.0, 4.0], [1.0, 2.0]) == (1.0, 0.0)
    assert auc([1.0, 1.0], [1.0, 1.0, 1.0]) == (0.5, 0.0)


def test_a_classifier_takes_columns_by_name(rng):
    """In any order; the same as the array."""
    x, y = features(rng, 100), features(rng, 100, 0.5)
    columns_x = {name: x[:, k] for k, name in enumerate("abc")}
    columns_y = {name: y[:, k] for k, name in reversed(list(enumerate("abc")))}
    wanted = classifier_test(x, y, rng=np.random.default_rng(1), max_iter=5)
    assert classifier_test(columns_x, columns_y, rng=np.random.default_rng(1), max_iter=5) == wanted
    del columns_y["b"]
    with pytest.raises(ValueError, match=r"only one of the samples has \['b'\]"):
        classifier_test(columns_x, columns_y, rng=rng)


def test_a_classifier_reaches_the_area_of_the_best_one(rng):
    """Normal features 1 apart: no classifier does better than Φ(1/√2) = 0.760; trees come within 0.03 below."""
    area, error, p_value = classifier_test(features(rng, 4000, 1.0)[:, :1], features(rng, 4000)[:, :1], rng=rng)
    best = stats.norm.cdf(1 / np.sqrt(2))
    assert best - 0.03 < area < best + 4 * error
    assert p_value == pytest.approx(stats.norm.sf((area - 0.5) / error))


def test_a_classifier_that_learned_nothing_is_no_evidence(rng):
    """A feature that is the same for all events: area and error are 0.5 and 0 but for rounding."""
    for log_w in (None, rng.normal(size=30)):
        result = classifier_test(np.ones((30, 1)), np.ones((40, 1)), log_w, rng=rng)
        assert result == (pytest.approx(0.5, abs=1e-12), pytest.approx(0.0, abs=1e-12), 1.0)


def test_classifiers_need_the_extra(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ImportError, match=r"extra `ml`: pip install 'hadtutor\[ml\]'"):
        classifier_test(features(rng, 30), features(rng, 30), rng=rng)


def test_a_classifier_leaves_out_a_column_without_any_value(rng):
    x, y = rng.normal(size=(300, 2)), rng.normal(2.0, 1.0, size=(300, 2))
    nan = np.full((300, 1), np.nan)
    found = classifier_test(np.hstack([x, nan]), np.hstack([y, nan]), rng=rng)
    assert found.p_value < 1e-6
    with pytest.raises(ValueError, match=r"must have shapes \(N, F\) and \(M, F\), got \(300, 0\)"):
        classifier_test(x[:, :0], y[:, :0], rng=rng)
