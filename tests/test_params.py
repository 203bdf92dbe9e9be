import copy
import inspect
import math
import pickle
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import hadtutor as ht
from hadtutor import ClusterParams, LundMixture, LundParams
from hadtutor.params import CLUSTER_LEP

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
    "u_fraction": -0.01,
    "a_extra_diquark": -0.01,
    "r_b": -0.01,
    "prob_s_to_ud": 0.0,
    "popcorn_rate": 0.0,
}
TOO_HIGH = {
    "a": 20.1,
    "b": 1000.1,
    "sigma_pt": 10.1,
    "stop_mass": 100.1,
    "stop_new_flavour": 100.1,
    "stop_smear": 0.51,
    "enhanced_fraction": 1.01,
    "enhanced_width": 10.1,
    "u_fraction": 1.01,
    "a_extra_diquark": 2.01,
    "r_b": 2.01,
    "prob_s_to_ud": 1.01,
    "popcorn_rate": 2.01,
}


def message(name, value):
    """What the error says when `name` has this value."""
    with pytest.raises((TypeError, ValueError)) as caught:
        LundParams(**{name: value})
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
        "u_fraction": 0.5,
        "a_extra_diquark": 0.97,
        "r_c": 1.32,
        "r_b": 0.855,
        "prob_s_to_ud": 0.217,
        "prob_qq_to_q": 0.081,
        "prob_sq_to_qq": 0.915,
        "prob_qq1_to_qq0": 0.0275,
        "meson_ud_vector": 0.50,
        "meson_s_vector": 0.55,
        "meson_c_vector": 0.88,
        "meson_b_vector": 2.20,
        "eta_sup": 0.60,
        "eta_prime_sup": 0.12,
        "popcorn_rate": 0.5,
        "popcorn_s_pair": 0.9,
        "popcorn_s_meson": 0.5,
    }


@pytest.mark.parametrize("name", LundParams._fields)
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_numbers_that_are_not_finite_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*got {value}$"):
        LundParams(**{name: value})


@pytest.mark.parametrize("name", LundParams._fields)
def test_infinity_is_refused_with_a_wish_it_does_not_fulfil(name):
    text = message(name, math.inf)
    assert text.startswith(f"{name} must be")
    assert text.endswith("got inf")
    assert "<=" in text


@pytest.mark.parametrize(("name", "value"), [*TOO_LOW.items(), *TOO_HIGH.items()])
def test_an_error_names_parameter_value_and_unit(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be >.*got {value!r}$"):
        LundParams(**{name: value})
    assert UNITS.get(name, "") in message(name, value)
    assert (name in UNITS) == ("GeV" in message(name, value))


def test_an_error_says_both_limits():
    for name, value, limits in (("stop_smear", 0.7, (">= 0 ", "<= 0.5")), ("b", 2e3, (">= 0.001", "<= 1000"))):
        assert all(limit in message(name, value) for limit in limits)


@pytest.mark.parametrize("name", LundParams._fields)
@pytest.mark.parametrize("value", ["0.5", True, None])
def test_every_parameter_must_be_a_number(name, value):
    with pytest.raises(TypeError, match=f"^{name} must be a number, got {value!r} of type {type(value).__name__}$"):
        LundParams(**{name: value})


@pytest.mark.parametrize("value", [b"1", np.str_("1"), np.True_, [0.5], 1j, np.array([0.3, 0.7])])
def test_what_looks_like_a_number_but_is_none_is_refused(value):
    with pytest.raises(TypeError, match=f"^a must be a number, got .*{type(value).__name__}"):
        LundParams(a=value)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.float64(0.5), np.int32(1), Fraction(1, 4), Decimal("0.25")])
def test_every_kind_of_real_number_becomes_a_float(value):
    params = LundParams(*[value] * 5)
    assert params[:5] == (float(value),) * 5
    assert all(type(p) is float for p in params)


@given(
    st.tuples(
        st.floats(0, 20),
        st.floats(1e-3, 1e3),
        st.floats(1e-6, 10),
        st.floats(0, 100),
        st.floats(0, 100),
        st.floats(0, 0.5),
        st.floats(0, 1),
        st.floats(1e-6, 10),
        st.floats(0, 1),
    )
)
def test_valid_parameters_come_back_unchanged(values):
    assert tuple(LundParams(*values))[: len(values)] == values


def test_parameters_are_immutable_and_replaceable():
    params = LundParams()
    with pytest.raises(AttributeError):
        params.a = 0.5
    assert params.replace(a=0.5) == params._replace(a=0.5) == LundParams(a=0.5)
    assert params == LundParams()


def test_kernels_read_parameters_by_name():
    @njit
    def width(params):
        return params.sigma_pt * math.sqrt(0.5) + 0.0 * params.enhanced_width

    assert width(LundParams(sigma_pt=0.5)) == 0.5 * math.sqrt(0.5)


# --- Clusters --------------------------------------------------------------------------------------

MASSES = ("gluon_mass", "mass_ud", "mass_s", "mass_c", "mass_b", "cl_max", "cl_max_charm", "cl_max_bottom")
SMEARINGS = ("cl_smr", "cl_smr_charm", "cl_smr_bottom", "cl_soft")
WEIGHTS = ("pwt_s", "pwt_diquark", "vector_wt", "dec_wt")
UPPER = dict.fromkeys(("cl_pow", "cl_pow_charm", "cl_pow_bottom"), 100) | dict.fromkeys(WEIGHTS, 1000)
UPPER |= dict.fromkeys(("p_split", "p_split_charm", "p_split_bottom"), 3) | dict.fromkeys(MASSES + SMEARINGS, 1000)
UPPER["cl_soft"] = 100


def refusal(name, value):
    """What the error says when `name` of the cluster model has this value."""
    with pytest.raises((TypeError, ValueError)) as caught:
        ClusterParams(**{name: value})
    return str(caught.value)


def test_defaults_of_the_cluster_model_are_the_published_ones():
    """Light quarks: Herwig 7.3 (arXiv:2312.05175); charm and bottom: Hadronization.in and HERWIG 6.5."""
    assert ClusterParams()._asdict() == {
        "gluon_mass": 0.95,
        "mass_ud": 0.325,
        "mass_s": 0.45,
        "mass_c": 1.55,
        "mass_b": 4.95,
        "cl_max": 3.53,
        "cl_pow": 1.85,
        "p_split": 0.914,
        "cl_smr": 0.78,
        "cl_max_charm": 3.41,
        "cl_pow_charm": 2.03,
        "p_split_charm": 1.15,
        "cl_smr_charm": 0.0,
        "cl_max_bottom": 2.61,
        "cl_pow_bottom": 0.69,
        "p_split_bottom": 0.56,
        "cl_smr_bottom": 0.0,
        "pwt_s": 0.374,
        "pwt_diquark": 0.331,
        "vector_wt": 1.0,
        "dec_wt": 0.62,
        "cl_soft": 0.0,
    }
    assert set(ClusterParams._fields) == set(UPPER)


def test_parameters_for_lep_differ_in_three_weights_from_the_published_ones():
    differ = {name for name in ClusterParams._fields if getattr(CLUSTER_LEP, name) != getattr(ClusterParams(), name)}
    assert differ == {"pwt_s", "pwt_diquark", "vector_wt"}


@pytest.mark.parametrize("name", ClusterParams._fields)
def test_numbers_of_the_cluster_model_that_are_not_finite_are_refused(name):
    for value in (math.nan, -math.inf, math.inf):
        text = refusal(name, value)
        assert text.startswith(f"{name} must be >")
        assert text.endswith(f"got {value}")
    assert f"<= {UPPER[name]}" in text


@pytest.mark.parametrize("name", ClusterParams._fields)
def test_an_error_of_the_cluster_model_names_parameter_value_and_unit(name):
    zero_is_allowed = name in WEIGHTS + SMEARINGS
    limit = ">= 0" if zero_is_allowed else "> 0"
    for value in (-0.01, -5, *([] if zero_is_allowed else [0.0])):
        text = refusal(name, value)
        assert text.startswith(f"{name} must be {limit}")
        assert text.endswith(f"got {value!r}")
        assert (name in MASSES) == (" GeV" in text)
    unit = " GeV" if name in MASSES else ""
    assert refusal(name, 1000.1) == f"{name} must be {limit} and <= {UPPER[name]}{unit}, got 1000.1"


@pytest.mark.parametrize("name", ClusterParams._fields)
@pytest.mark.parametrize("value", ["0.5", True, None, [0.5], 1j])
def test_every_parameter_of_the_cluster_model_must_be_a_number(name, value):
    assert refusal(name, value) == f"{name} must be a number, got {value!r} of type {type(value).__name__}"


@pytest.mark.parametrize("name", ["gluon_mass", "mass_ud"])
def test_a_gluon_must_be_heavy_enough_to_split(name):
    message = r"^gluon_mass must be > 0.8 GeV, twice mass_ud, for a gluon to split into quarks, got 0.8$"
    with pytest.raises(ValueError, match=message):
        ClusterParams(gluon_mass=0.8, mass_ud=0.4)
    change = {"gluon_mass": 0.8000001, "mass_ud": 0.3999999}[name]
    assert ClusterParams(**({"gluon_mass": 0.8, "mass_ud": 0.4} | {name: change})).gluon_mass > 0


def test_limits_of_the_cluster_model_are_included_where_they_make_sense():
    zeros = dict.fromkeys(WEIGHTS + SMEARINGS, 0.0)
    assert ClusterParams(**zeros)._asdict() | zeros == ClusterParams(**zeros)._asdict()
    assert ClusterParams(**(UPPER | {"mass_ud": 1.0})).cl_pow == 100.0


@given(st.lists(st.floats(1e-6, 3.0), min_size=22, max_size=22), st.floats(1e-6, 1.0))
def test_valid_parameters_of_the_cluster_model_come_back_unchanged(values, part):
    values[1] = 0.499 * part * values[0]
    assert list(ClusterParams(*values)) == list(ClusterParams(*map(np.float64, values))) == values


def test_validated_parameters_of_the_cluster_model_are_floats():
    params = ClusterParams(gluon_mass=1, mass_b=np.float32(5), pwt_s=Fraction(1, 4), cl_max=np.int64(3))
    assert all(type(p) is float for p in params)
    assert (params.gluon_mass, params.mass_b, params.pwt_s, params.cl_max) == (1.0, 5.0, 0.25, 3.0)


# --- All kinds -------------------------------------------------------------------------------------

MADE = [
    (LundParams(a=0.3), {"a": -1.0}, "a must be >= 0 and <= 20, got -1.0"),
    (ClusterParams(cl_max=3.0), {"cl_pow": 0.0}, "cl_pow must be > 0 and <= 100, got 0.0"),
    (LundParams(eta_sup=0.7), {"popcorn_rate": 0.0}, "popcorn_rate must be > 0 and <= 2, got 0.0"),
    (LundMixture((LundParams(), LundParams(a=0.3)), (0.5, 0.5)), {"fractions": (0.5, 0.6)}, "add up to 1, got 1.1"),
]


@pytest.mark.parametrize(("params", "change", "message"), MADE, ids=lambda value: type(value).__name__)
def test_no_way_to_make_parameters_goes_past_the_checks(params, change, message):
    kind = type(params)
    wrong = params._asdict() | change
    ways = [
        lambda: kind(**wrong), lambda: kind(*wrong.values()), lambda: kind._make(wrong.values()),
        lambda: params.replace(**change), lambda: params._replace(**change),
    ]  # fmt: skip
    for way in ways:
        with pytest.raises(ValueError, match=message):
            way()
    with pytest.raises(TypeError, match="unexpected keyword argument 'sigma'"):
        params.replace(sigma=1.0)


@pytest.mark.parametrize("params", [params for params, _, _ in MADE], ids=lambda value: type(value).__name__)
def test_parameters_are_what_named_tuples_are(params):
    kind = type(params)
    for same in (pickle.loads(pickle.dumps(params)), copy.deepcopy(params), kind._make(params), params.replace()):
        assert same == params
        assert type(same) is kind
        assert hash(same) == hash(params)
    assert eval(repr(params), {**vars(ht), kind.__name__: kind, "LundParams": LundParams}) == params
    with pytest.raises(AttributeError):
        params.new = 1


def ranges_in_words(kind):
    """Names and limits (low, whether it is included, high) that the docstring gives."""
    found = {}
    section = re.search(r"Attributes\n-+\n(.*?)(?:\n\nExamples|$)", inspect.getdoc(kind), re.S)[1]
    for entry in re.split(r"\n(?=\w)", section):
        names = entry.strip().split(" : ")[0].split(", ")
        kind_of, low, high = re.search(r"([\[(])([\d.]+), ([\d.]+)\]", entry).groups()
        found |= dict.fromkeys(names, (float(low), kind_of == "[", float(high)))
    return found


@pytest.mark.parametrize("kind", [LundParams, ClusterParams])
def test_documented_ranges_are_those_that_are_checked(kind):
    ranges = ranges_in_words(kind)
    assert set(ranges) == set(kind._fields)
    others = {"gluon_mass": {"mass_ud": 1e-9}, "mass_ud": {"gluon_mass": 1000.0}}
    for name, (low, included, high) in ranges.items():
        rest = others.get(name, {})
        assert name == "mass_ud" or getattr(kind(**{name: high}, **rest), name) == high
        assert name == "gluon_mass" or getattr(kind(**{name: low if included else 1e-6}, **rest), name) >= low
        for beyond in (math.nextafter(high, math.inf), math.nextafter(low, -math.inf) if included else low):
            with pytest.raises(ValueError, match=f"^{name} must be"):
                kind(**{name: beyond}, **rest)
