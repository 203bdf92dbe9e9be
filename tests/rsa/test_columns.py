"""Observables by name and by function, of events and of data that have them already."""

import functools

import numpy as np
import pandas as pd
import pytest
from fits import ENERGY, NEAR, TRUTH, fitted, generated

import hadtutor as ht
from hadtutor import rsa
from hadtutor.rsa.columns import by_name, columns_of


def pions(hadrons):
    return ht.observables.count(hadrons, 211, -211)


def test_observables_of_equal_names_are_refused():
    one, other = lambda hadrons: hadrons.multiplicity, lambda hadrons: hadrons.multiplicity**2
    for twice in ((one, other), ("T", "T"), (functools.partial(pions), functools.partial(pions))):
        with pytest.raises(ValueError, match="two observables are called .* give one another __name__"):
            rsa.Objective(generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000), observables=twice)
    other.__name__ = "squared"
    assert list(by_name((one, other, "T"))) == ["T", "<lambda>", "squared"]


@pytest.mark.parametrize("alone", ["n_f", pions])
def test_one_observable_needs_no_sequence(alone):
    assert list(by_name(alone).values()) == [alone]
    objective = rsa.Objective(generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000), observables=alone)
    assert len(objective.columns_x) == 1


def test_what_is_no_observable_is_refused():
    for observables, error, message in (
        ((), ValueError, "at least one name or function"),
        ((3,), TypeError, "must be a name or a function of Hadrons, got 3"),
        (("thrust",), ValueError, "unknown observable 'thrust'"),
        (lambda hadrons: np.zeros(3), ValueError, "differ in length"),
        (lambda hadrons: np.zeros((len(hadrons), 1)), ValueError, "one dimension"),
    ):
        with pytest.raises(error, match=message):
            rsa.fit(generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000), observables=observables, progress=False)


def test_a_data_frame_is_data():
    columns = ht.observables.compute(generated(TRUTH, 2).hadrons, ENERGY)
    result = rsa.fit(generated(NEAR, 1), pd.DataFrame(columns), progress=False)
    assert np.array_equal(result.values, fitted().values)


def test_data_have_functions_under_their_names():
    columns = {"pions": pions(generated(TRUTH, 2).hadrons)}
    of_events = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), names="a", observables=pions, progress=False)
    of_columns = rsa.fit(generated(NEAR, 1), columns, names="a", observables=pions, progress=False)
    assert np.array_equal(of_events.values, of_columns.values)


def test_what_is_masked_counts_in_no_bin(rng):
    columns = dict(ht.observables.compute(generated(TRUTH, 2, 4000).hadrons, ENERGY, names=("n_f", "T")))
    mask = rng.random(4000) < 0.1
    fits = []
    for missing in (np.nan, np.ma.masked):
        data = {
            name: np.ma.array(c, dtype=float) if missing is np.ma.masked else c.copy() for name, c in columns.items()
        }
        data["T"][mask] = missing
        assert np.isnan(columns_of(data, by_name("T"))["T"]).sum() == mask.sum()
        fits.append(rsa.fit(generated(NEAR, 1, 4000), data, observables=("n_f", "T"), progress=False))
    assert np.array_equal(fits[0].values, fits[1].values)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="differ in length: {'n_f': 5, 'T': 4}"):
        columns_of({"n_f": np.ones(5), "T": np.ones(4)}, by_name(("n_f", "T")))
