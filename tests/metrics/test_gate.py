"""What a container means is not lost: masks, missing values, names, shapes, and objects that carry weights."""

import awkward as ak
import numpy as np
import pytest
import torch

from hadtutor import Hadrons, hadronize_strings, metrics
from hadtutor.weights import event_weights

pandas = pytest.importorskip("pandas")

N, M = 400, 300
EDGES = np.linspace(-2.0, 2.0, 6)


@pytest.fixture
def data(rng):
    """x with a hundred outliers, where they are, y, log weights of x."""
    x, y, log_w = rng.normal(size=N), rng.normal(size=M), rng.normal(size=N)
    bad = np.arange(N) % 4 == 0
    return np.where(bad, 1000.0, x), bad, y, log_w


def hadrons_of(n):
    return Hadrons(np.arange(n + 1), *np.ones((4, n)), np.full(n, 211, np.int32))


FUNCTIONS = {
    "pull": lambda x, y, w: metrics.pull(x, y, w),
    "ks_test": lambda x, y, w: metrics.ks_test(x, y, w, rng=1, n_resamples=20),
    "wasserstein": lambda x, y, w: metrics.wasserstein(x, y, w),
    "wasserstein_test": lambda x, y, w: metrics.wasserstein_test(x, y, w, rng=1, n_resamples=20),
    "energy_distance": lambda x, y, w: metrics.energy_distance(x, y, w),
    "energy_test": lambda x, y, w: metrics.energy_test(x, y, w, rng=1, n_resamples=20),
    "auc": lambda x, y, w: metrics.auc(x, y, w),
    "histogram": lambda x, y, w: metrics.histogram(x, EDGES, w).values(flow=True),
    "chi2_test": lambda x, y, w: metrics.chi2_test(
        metrics.histogram_per_event(x, EDGES), metrics.histogram_per_event(y, EDGES), w
    ),
    "density_per_event": lambda x, y, w: (
        metrics.density_per_event(metrics.histogram_per_event(x, EDGES), EDGES, w).covariance
    ),
    "pull_per_hadron": lambda x, y, w: metrics.pull_per_hadron(x, hadrons_of(N), y, hadrons_of(M), w),
    "classifier_test": lambda x, y, w: metrics.classifier_test({"x": x}, {"x": y}, w, rng=1, max_iter=5),
    "energy_test of features": lambda x, y, w: metrics.energy_test({"x": x}, {"x": y}, w, rng=1, n_resamples=20),
}
FORMS = {
    "masked": lambda x, bad: np.ma.array(x, mask=bad),
    "masked whole numbers": lambda x, bad: np.ma.array(np.round(x).astype(int), mask=bad),
    "None": lambda x, bad: [None if b else v for v, b in zip(x, bad, strict=True)],
    "objects": lambda x, bad: np.array([None if b else v for v, b in zip(x, bad, strict=True)], dtype=object),
    "awkward": lambda x, bad: ak.mask(ak.Array(x), ~bad),
    "pandas": lambda x, bad: pandas.Series(x).mask(bad),
    "pandas NA": lambda x, bad: pandas.Series(np.round(x).astype(int), dtype="Int64").mask(bad),
    "torch": lambda x, bad: torch.tensor(np.where(bad, np.nan, x)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_masked_or_missing_is_undefined(data, name, form):
    """As NaN is: left out, with its weight, and never the number under the mask."""
    x, bad, y, log_w = data
    if form in ("masked whole numbers", "pandas NA"):
        x = np.round(x)
    wanted = FUNCTIONS[name](np.where(bad, np.nan, x), y, log_w)
    np.testing.assert_array_equal(FUNCTIONS[name](FORMS[form](x, bad), y, log_w), wanted)
    np.testing.assert_array_equal(
        FUNCTIONS[name](list(np.where(bad, np.nan, x)), pandas.Series(y), log_w.tolist()), wanted
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_anything_with_log_weights_is_a_weight(data, name):
    x, bad, y, log_w = data

    class Weights:
        def __init__(self):
            self.log_w = log_w

    x = np.where(bad, 0.1, x)
    np.testing.assert_array_equal(FUNCTIONS[name](x, y, Weights()), FUNCTIONS[name](x, y, log_w))
    np.testing.assert_array_equal(FUNCTIONS[name](x, y, pandas.Series(log_w)), FUNCTIONS[name](x, y, log_w))
    masked = np.ma.array(log_w, mask=np.arange(N) == 17)
    with pytest.raises(ValueError, match="must be finite, or -inf for weight zero, got nan for event 17"):
        FUNCTIONS[name](x, y, masked)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wrong", ["text", [["a"]] * N, np.ones(N, complex), {"T": 1}, [[1.0], [1.0, 2.0]]])
def test_what_holds_no_numbers_is_refused_in_words(data, name, wrong):
    with pytest.raises((TypeError, ValueError), match="must hold|uneven|must have|have names"):
        FUNCTIONS[name](wrong, data[2], None)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"classifier_test", "energy_test of features"}))
def test_columns_are_not_matrices(data, name):
    with pytest.raises(ValueError, match="dimension|one value per|one event for each|must have shapes"):
        FUNCTIONS[name](data[0][:, None], data[2], None)


def test_events_of_a_sample_are_no_column(rng):
    """They would be gone through one by one, for minutes."""
    sample = hadronize_strings(50, rng=rng)
    for thing in (sample, sample.hadrons):
        with pytest.raises(TypeError, match=f"sample x must hold numbers, got {type(thing).__name__}"):
            metrics.pull(thing, [1.0, 2.0])


def test_n_eff_takes_weights_of_events_in_any_form(rng):
    sample = hadronize_strings(200, rng=rng)
    weights = event_weights(sample, sample.params._replace(a=0.6))
    wanted = metrics.n_eff(weights.log_w)
    for form in (weights, list(weights.log_w), pandas.Series(weights.log_w), ak.Array(weights.log_w)):
        assert metrics.n_eff(form) == wanted
    with pytest.raises(ValueError, match="got nan for event 3"):
        metrics.n_eff(np.ma.array(weights.log_w, mask=np.arange(200) == 3))
    for wrong in (np.zeros((5, 1)), 0.0, "abc"):
        with pytest.raises((TypeError, ValueError), match="log_w must hold"):
            metrics.n_eff(wrong)


def test_a_histogram_of_hadrons_takes_weights_of_events(rng):
    class Weights:
        log_w = np.log([1.0, 2.0, 4.0])

    filled = metrics.histogram([0.5, 9.0, 0.5, 1.5], [0.0, 1.0, 2.0], Weights(), event=[0, 1, 2, 2])
    np.testing.assert_allclose(filled.values(flow=True), [0, 5, 4, 2])


def test_counts_edges_and_points_may_be_masked(rng):
    counts = rng.poisson(2.0, (50, 3))
    with pytest.raises(ValueError, match="counts must be finite"):
        metrics.density_per_event(np.ma.array(counts, mask=counts == 4), np.arange(4.0))
    with pytest.raises(ValueError, match="edges must increase"):
        metrics.histogram_per_event([0.5], np.ma.array([0.0, 1.0, 2.0], mask=[0, 1, 0]))
    density = metrics.density_per_event(counts, np.arange(4.0))
    data, errors = np.array([2.0, 1e6, 2.1]), np.full(3, 0.1)
    found = metrics.chi2_to_data(*density, np.ma.array(data, mask=[0, 1, 0]), errors)
    wanted = metrics.chi2_to_data(density[0][[0, 2]], density[1][np.ix_([0, 2], [0, 2])], data[[0, 2]], errors[:2])
    assert found == wanted
    assert found.ndf == 2


@pytest.mark.parametrize("n_events", [True, 3.0, "3", -1])
def test_a_number_of_events_is_a_whole_number(n_events):
    with pytest.raises((TypeError, ValueError), match="n_events must be"):
        metrics.histogram_per_event([0.5], [0.0, 1.0], [0], n_events)


@pytest.mark.parametrize("function", [metrics.classifier_test, metrics.energy_test])
def test_features_are_matched_by_name_not_by_place(rng, function):
    """Columns of data frames in another order; names on one side only are refused."""
    x, y = rng.normal(size=(100, 2)) * [1, 5], rng.normal(size=(100, 2)) * [1, 5]
    wanted = function(x, y, rng=1)
    frame_x, frame_y = pandas.DataFrame(x, columns=["a", "b"]), pandas.DataFrame(y, columns=["a", "b"])
    assert function(frame_x, frame_y[["b", "a"]], rng=1) == wanted
    assert function(dict(frame_x), frame_y[["b", "a"]], rng=1) == wanted
    with pytest.raises(ValueError, match="features of one sample have names"):
        function(frame_x, y, rng=1)
    with pytest.raises(ValueError, match=r"only one of the samples has \['b', 'c'\]"):
        function(frame_x, frame_y.rename(columns={"b": "c"}), rng=1)
    with pytest.raises(ValueError, match="features must have one length"):
        function({"a": x[:, 0], "b": x[:5, 1]}, dict(frame_y), rng=1)
    with pytest.raises(ValueError, match="features must have one length"):
        function({}, {}, rng=1)
