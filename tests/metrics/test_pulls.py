"""Pulls and coverage: counted right, and nothing counted that is no number."""

import numpy as np
import pytest
from scipy import stats

from hadtutor import homer
from hadtutor.metrics import pulls
from hadtutor.metrics.pulls import coverage, event_pulls


def test_coverage_counts():
    found = coverage([[0.0, 1.0], [2.0, 3.0]], 1.0 * np.ones((2, 2)), 0.5)
    assert found.fraction == 0.5
    assert found.mean == 1.0


def test_gaussian_errors_cover_as_they_should(rng):
    truth = rng.normal(size=20_000)
    found = coverage(truth + 0.3 * rng.normal(size=20_000), np.full(20_000, 0.3), truth)
    inside = 2 * stats.norm.cdf(1) - 1
    assert abs(found.fraction - inside) < 4 * np.sqrt(inside * (1 - inside) / 20_000)
    assert abs(found.mean) < 4 / np.sqrt(20_000)
    assert abs(found.width - 1) < 4 / np.sqrt(2 * 20_000)


@pytest.mark.parametrize("sigma", [[0.0], [np.nan], np.ma.array([1.0], mask=[True])])
def test_errors_are_above_zero(sigma):
    with pytest.raises(ValueError, match="errors above zero"):
        coverage([1.0], sigma, [1.0])


def test_what_is_masked_is_missing():
    with pytest.raises(ValueError, match="finite numbers"):
        event_pulls(np.ma.array([1.0, 2.0], mask=[0, 1]), 1.0, 1.0)
    with pytest.raises(ValueError, match="no estimate"):
        coverage([], [], [])


def test_homer_knows_them_too():
    assert homer.coverage is pulls.coverage
    assert homer.event_pulls is pulls.event_pulls
    assert homer.Coverage is pulls.Coverage
