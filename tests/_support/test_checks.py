"""The gate lets pass what is meant, and says what is wrong with everything else."""

import awkward as ak
import numpy as np
import pandas
import pytest
import torch

import hadtutor as ht
from hadtutor._support.checks import (
    as_generator,
    as_seed,
    column,
    energy_gev,
    log_weights,
    number,
    plain,
    takes_rng,
    whole,
)

# --- Randomness ------------------------------------------------------------------------------------


def test_a_generator_is_itself_and_a_number_seeds_one():
    rng = np.random.default_rng(5)
    assert as_generator(rng) is rng
    for number_ in (5, np.int64(5), np.uint8(5)):
        assert as_generator(number_).random() == np.random.default_rng(5).random()
        assert as_seed(number_) == 5
        assert type(as_seed(number_)) is int
    assert as_seed(np.random.default_rng(5)) == np.random.default_rng(5).integers(2**63)


@pytest.mark.parametrize("function", [as_generator, as_seed])
@pytest.mark.parametrize("rng", [None, -1, 1.0, True, np.bool_(True), "1", [1], np.random, np.random.RandomState(1)])
def test_what_is_neither_is_no_randomness(function, rng):
    with pytest.raises(TypeError, match="rng must be a whole number >= 0 or a NumPy Generator, got .* write rng=1"):
        function(rng)


def test_who_writes_seed_is_told_to_write_rng():
    @takes_rng
    def draw(n, *, rng):
        """Draw."""
        return n, rng

    assert draw(2, rng=1) == (2, 1)
    assert (draw.__name__, draw.__doc__) == ("draw", "Draw.")
    with pytest.raises(TypeError, match="draw takes rng, .* in place of seed: write rng=7"):
        draw(2, seed=7)
    with pytest.raises(TypeError, match="'rng'"):
        draw(2)


# --- Numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_whole_numbers_of_any_width_are_whole(value):
    assert whole(value, "n") == 3
    assert type(whole(value, "n")) is int


@pytest.mark.parametrize("value", [3.0, True, np.bool_(True), "3", None, [3], np.array([3]), 3 + 0j])
def test_what_is_not_whole_is_refused(value):
    with pytest.raises(TypeError, match="n must be a whole number, got"):
        whole(value, "n")


def test_whole_numbers_have_bounds():
    assert whole(0, "n", 0) == 0
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        whole(0, "n")
    with pytest.raises(ValueError, match="n must be between 2 and 5, got 6"):
        whole(6, "n", 2, 5)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2.0)])
def test_numbers_of_any_type_are_floats(value):
    assert number(value, "x") == 2.0
    assert type(number(value, "x")) is float


@pytest.mark.parametrize("value", ["2", b"2", None, True, np.bool_(True), [2.0], np.array([2.0]), 2 + 0j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="x must be a number, got"):
        number(value, "x")


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (np.nan, {}, "x must be finite, got nan"),
        (-np.inf, {"high": 1.0}, "x must be <= 1 and finite, got -inf"),
        (0.0, {"low": 0.0, "above": True}, "x must be > 0, got 0.0"),
        (-0.1, {"low": 0.0, "high": 1.0, "unit": " GeV"}, "x must be >= 0 and <= 1 GeV, got -0.1"),
    ],
)
def test_numbers_have_bounds(value, options, message):
    assert number(1.0, "x", **options) == 1.0
    with pytest.raises(ValueError, match=message):
        number(value, "x", **options)


def test_an_energy_is_positive_and_says_what_it_must_exceed():
    assert energy_gev(np.float32(90)) == 90.0
    for bad in (0.0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="energy must be > 0.* GeV, got"):
            energy_gev(bad)
    with pytest.raises(ValueError, match="energy must be > 2 GeV, twice the mass, got 1.5"):
        energy_gev(1.5, 2.0, ", twice the mass")


# --- Arrays ----------------------------------------------------------------------------------------

MISSING = np.array([False, True, False])
WITH_GAP = {
    "masked": np.ma.array([1.0, 99.0, 3.0], mask=MISSING),
    "masked whole": np.ma.array([1, 99, 3], mask=MISSING),
    "None": [1.0, None, 3.0],
    "objects": np.array([1, None, 3], dtype=object),
    "awkward": ak.Array([1.0, None, 3.0]),
    "awkward whole": ak.Array([1, None, 3]),
    "pandas": pandas.Series([1.0, None, 3.0]),
    "pandas NA": pandas.Series([1, None, 3], dtype="Int64"),
    "tensor": torch.tensor([1.0, float("nan"), 3.0], requires_grad=True),
}


@pytest.mark.parametrize("name", WITH_GAP)
def test_what_is_missing_is_nan_in_numbers_and_refused_in_whole_ones(name):
    np.testing.assert_array_equal(plain(WITH_GAP[name], "x"), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(column(WITH_GAP[name], "x"), [1.0, np.nan, 3.0])
    with pytest.raises(ValueError, match="x must hold whole numbers, got float"):
        column(WITH_GAP[name], "x", np.int64)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float32, np.float64, bool])
def test_plain_arrays_are_not_copied_and_keep_their_type(dtype):
    array = np.ones((3, 2), dtype)
    assert plain(array, "x") is array
    for form in (array.tolist(), tuple(array.tolist()), np.ma.array(array), pandas.DataFrame(array)):
        np.testing.assert_array_equal(plain(form, "x"), array)
    assert plain(np.array(array, dtype=object), "x").dtype.kind == array.dtype.kind.replace("u", "i")


def test_a_masked_bool_is_refused():
    with pytest.raises(ValueError, match="x has a masked or missing value at row 1, which must be known"):
        plain(np.ma.array([True, True, False], mask=MISSING), "x")


@pytest.mark.parametrize(
    "value",
    ["abc", ["a", "b"], np.array(["1"]), b"1", 1 + 0j, {"a": 1}, object(), [object()], np.datetime64("2024-01-01")],
)
def test_what_holds_no_numbers_is_refused(value):
    with pytest.raises(TypeError, match="x must hold numbers"):
        plain(value, "x")


def test_events_are_no_array_of_numbers():
    """NumPy would go through them one by one."""
    sample = ht.hadronize_strings(5, rng=np.random.default_rng(1))
    for events in (sample, sample.hadrons, ht.datasets.load("pythia-showers-91")[:3]):
        with pytest.raises(TypeError, match=f"x must hold numbers, got {type(events).__name__}"):
            plain(events, "x")


@pytest.mark.parametrize("value", [[[1.0], [1.0, 2.0]], ak.Array([[1.0], [1.0, 2.0]])])
def test_what_is_uneven_is_no_array(value):
    with pytest.raises(ValueError, match="x is uneven, no array of numbers"):
        plain(value, "x")


def test_a_column_has_one_dimension_and_one_kind():
    assert column([1, 2], "x").dtype == float
    assert column([], "x", np.int64).dtype == np.int64
    assert column([True, False], "x", bool).tolist() == [True, False]
    for wrong in (3.0, np.ones((3, 1)), np.ones((1, 3)), [[]]):
        with pytest.raises(ValueError, match="x must have one dimension, got shape"):
            column(wrong, "x")
    for wrong, dtype, message in (
        ([1.0], np.int64, "whole numbers, got float64"), ([True], np.int64, "whole numbers, got bool"),
        ([1], bool, "bools, got int64"), ([True], float, "real numbers, got bool"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"x must hold {message}"):
            column(wrong, "x", dtype)


# --- Weights ---------------------------------------------------------------------------------------


class Weights:
    log_w = np.array([0.0, -np.inf, 2.0])


@pytest.mark.parametrize(
    "form", [Weights.log_w, list(Weights.log_w), Weights(), pandas.Series(Weights.log_w), torch.tensor(Weights.log_w)]
)
def test_log_weights_come_in_any_form_and_none_is_zero(form):
    np.testing.assert_array_equal(log_weights(form, 3), Weights.log_w)
    np.testing.assert_array_equal(log_weights(None, 3), np.zeros(3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros(2), r"one log weight per event, shape \(3,\), got shape \(2,\)"),
        (np.zeros((3, 1)), r"got shape \(3, 1\)"),
        (0.0, r"got shape \(\)"),
        ([0.0, np.inf, np.nan], "must be finite, or -inf for weight zero, got inf for event 1"),
        ([0.0, 0.0, np.nan], "got nan for event 2; a negative weight has no logarithm"),
        (np.ma.array(np.zeros(3), mask=MISSING), "got nan for event 1"),
    ],
)
def test_log_weights_that_cannot_be_used_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        log_weights(wrong, 3, "log_w")
