"""The effective number of events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadtutor.metrics import n_eff


@pytest.mark.parametrize("constant", [0.0, -1e4, 1e4])
def test_n_eff_of_equal_weights_is_n_and_of_one_large_weight_is_one(constant):
    assert n_eff(np.full(7, constant)) == pytest.approx(7.0, rel=1e-12)
    assert n_eff(constant + np.array([0.0, -800.0, -900.0, -np.inf])) == 1.0
    assert n_eff(constant + np.log([1.0, 2.0, 3.0])) == pytest.approx(36 / 14, rel=1e-9)


@given(st.lists(st.floats(allow_nan=False, max_value=1e300), min_size=1, max_size=20))
def test_n_eff_lies_between_zero_and_n(log_w):
    if max(log_w) > -np.inf:
        assert 0 < n_eff(log_w) <= len(log_w)


def test_n_eff_of_events_without_any_weight_is_an_error():
    with pytest.raises(ValueError, match="got none among 2"):
        n_eff([-np.inf, -np.inf])
    with pytest.raises(ValueError, match="got none among 0"):
        n_eff([])


def test_an_effective_number_needs_weights():
    with pytest.raises(ValueError, match="n_eff needs log weights, got None"):
        n_eff(None)
