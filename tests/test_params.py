import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from hadtutor import LundParams

UNITS = {"b": "GeV^-2", "sigma_pt": "GeV", "stop_mass": "GeV"}
TOO_LOW = {
    "a": -0.01,
    "b": 0.0,
    "sigma_pt": 0.0,
    "stop_mass": -0.1,
    "stop_new_flavour": -0.1,
    "stop_smear": -0.01,
    "enhanced_fraction": -0.01,
    "enhanced_width": 0.0,
}
TOO_HIGH = {"a": 20.1, "b": 1000.1, "stop_smear": 0.51, "enhanced_fraction": 1.01}
UNBOUNDED = sorted(set(TOO_LOW) - set(TOO_HIGH))


def message(name, value):
    """What the error says when `name` has this value."""
    with pytest.raises((TypeError, ValueError)) as caught:
        LundParams(**{name: value}).validate()
    return str(caught.value)


def test_defaults_are_the_monash_tune():
    """Monash 2013 (arXiv:1404.5630) with the stopMass of Pythia before 8.316, without enhanced breaks."""
    assert LundParams()._asdict() == {
        "a": 0.68,
        "b": 0.98,
        "sigma_pt": 0.335,
        "stop_mass": 1.0,
        "stop_new_flavour": 2.0,
        "stop_smear": 0.2,
        "enhanced_fraction": 0.0,
        "enhanced_width": 2.0,
    }


@pytest.mark.parametrize("name", LundParams._fields)
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_numbers_that_are_not_finite_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*got {value}$"):
        LundParams(**{name: value}).validate()


@pytest.mark.parametrize("name", LundParams._fields)
def test_infinity_is_refused_with_a_wish_it_does_not_fulfil(name):
    """Infinity is "> 0": where there is no upper limit the message has to ask for a finite number."""
    text = message(name, math.inf)
    assert text.startswith(f"{name} must be")
    assert text.endswith("got inf")
    assert ("finite" if name in UNBOUNDED else "<=") in text


@pytest.mark.parametrize(("name", "value"), [*TOO_LOW.items(), *TOO_HIGH.items()])
def test_an_error_names_parameter_value_and_unit(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be >.*got {value!r}$"):
        LundParams(**{name: value}).validate()
    assert UNITS.get(name, "") in message(name, value)
    assert (name in UNITS) == ("GeV" in message(name, value))


def test_an_error_says_both_limits():
    for name, value, limits in (("stop_smear", 0.7, (">= 0 ", "<= 0.5")), ("b", 2e3, (">= 0.001", "<= 1000"))):
        assert all(limit in message(name, value) for limit in limits)


@pytest.mark.parametrize("name", LundParams._fields)
@pytest.mark.parametrize("value", ["0.5", True, None])
def test_every_parameter_must_be_a_number(name, value):
    with pytest.raises(TypeError, match=f"^{name} must be a number, got {value!r} of type {type(value).__name__}$"):
        LundParams(**{name: value}).validate()


@pytest.mark.parametrize("value", [b"1", np.str_("1"), np.True_, [0.5], 1j, np.array([0.3, 0.7])])
def test_what_looks_like_a_number_but_is_none_is_refused(value):
    with pytest.raises(TypeError, match=f"^a must be a number, got .*{type(value).__name__}"):
        LundParams(a=value).validate()


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.float64(0.5), np.int32(1), Fraction(1, 4), Decimal("0.25")])
def test_every_kind_of_real_number_becomes_a_float(value):
    params = LundParams(*[value] * 8)._replace(stop_smear=0.2).validate()
    assert params[:5] == (float(value),) * 5
    assert all(type(p) is float for p in params)


@given(
    st.tuples(
        st.floats(0, 20),
        st.floats(1e-3, 1e3),
        st.floats(1e-6, 1e3),
        st.floats(0, 1e3),
        st.floats(0, 1e3),
        st.floats(0, 0.5),
        st.floats(0, 1),
        st.floats(1e-6, 1e3),
    )
)
def test_valid_parameters_come_back_unchanged(values):
    assert LundParams(*values).validate() == LundParams(*values)


def test_parameters_are_immutable_and_replaceable():
    params = LundParams()
    with pytest.raises(AttributeError):
        params.a = 0.5
    assert params._replace(a=0.5) == LundParams(a=0.5)
    assert params == LundParams()


def test_kernels_read_parameters_by_name():
    @njit
    def width(params):
        return params.sigma_pt * math.sqrt(0.5) + 0.0 * params.enhanced_width

    assert width(LundParams(sigma_pt=0.5)) == 0.5 * math.sqrt(0.5)
