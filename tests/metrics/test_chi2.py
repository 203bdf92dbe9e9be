"""Chi-squares with full covariances."""

import tracemalloc

import numpy as np
import pytest
from checks import ALPHA, assert_uniform
from experiments import EDGES, EXPERIMENTS, experiment, hadron_counts, reweighted_experiment
from scipy import stats

from hadtutor.metrics import (
    chi2_of_counts,
    chi2_test,
    chi2_to_data,
    density_per_event,
    histogram_per_event,
    pull,
    pull_per_hadron,
)


def test_chi2_of_histograms_with_one_entry_per_event_has_uniform_p(rng):
    """Bins that hold every event: their counts add up, so one degree of freedom is lost. p > 1e-3."""
    results = []
    for _ in range(EXPERIMENTS):
        x, y = rng.normal(size=2000), rng.normal(size=1000)
        edges = np.concatenate([[-np.inf], EDGES[1:-1], [np.inf]])
        results.append(chi2_test(histogram_per_event(x, edges), histogram_per_event(y, edges)))
    assert {ndf for _, ndf, _ in results} == {7}
    assert_uniform([p for _, _, p in results])


def test_chi2_of_correlated_hadron_counts_has_uniform_p(rng):
    """Several hadrons of an event in one bin or in neighbours: p > 1e-3."""
    results = [
        chi2_test(hadron_counts(*experiment(rng, 1500)), hadron_counts(*experiment(rng, 1000)))
        for _ in range(EXPERIMENTS)
    ]
    assert {ndf for _, ndf, _ in results} == {8}
    assert_uniform([p for _, _, p in results])


@pytest.mark.parametrize("both", [False, True])
def test_chi2_of_hadron_counts_of_reweighted_events_has_uniform_p(rng, both):
    """Hadrons of one event share its weight, which depends on them: p > 1e-3."""

    def counts(n_events, weighted):
        values, hadrons, *log_w = (reweighted_experiment if weighted else experiment)(rng, n_events)
        return hadron_counts(values, hadrons), log_w[0] if weighted else None

    results = []
    for _ in range(EXPERIMENTS):
        (x, log_w_x), (y, log_w_y) = counts(3000, True), counts(1500, both)
        results.append(chi2_test(x, y, log_w_x, log_w_y))
    assert {r.ndf for r in results} == {8}
    assert_uniform([r.p_value for r in results])


def test_chi2_of_reweighted_events_and_data_has_uniform_p(rng):
    """Data scattered by independent errors around the truth, five times smaller to three times larger than ours."""
    truth, _ = density_per_event(hadron_counts(*experiment(rng, 1_000_000)), EDGES)
    errors = np.geomspace(0.004, 0.06, len(truth))
    results = []
    for _ in range(EXPERIMENTS):
        values, hadrons, log_w = reweighted_experiment(rng, 3000)
        density = density_per_event(hadron_counts(values, hadrons), EDGES, log_w)
        results.append(chi2_to_data(*density, rng.normal(truth, errors), errors))
    assert {r.ndf for r in results} == {8}
    assert_uniform([r.p_value for r in results])


def test_a_shift_is_seen(rng):
    """0.2 of a width with 2000 events each: a pull of 6.3 expected."""
    x, y = rng.normal(0.0, 1.0, 2000), rng.normal(0.2, 1.0, 2000)
    assert pull(x, y) < -4
    assert chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES))[2] < 1e-3


def test_a_difference_in_shape_with_equal_means_is_seen_by_chi2_alone(rng):
    x, y = rng.normal(0.0, 1.0, 2000), rng.normal(0.0, 1.3, 2000)
    assert abs(pull(x, y)) < 4
    assert chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES))[2] < 1e-6


def test_a_shift_of_correlated_hadrons_is_seen(rng):
    (x, hadrons_x), (y, hadrons_y) = experiment(rng, 2000), experiment(rng, 2000, shift=0.3)
    assert pull_per_hadron(x, hadrons_x, y, hadrons_y) < -4
    assert chi2_test(hadron_counts(x, hadrons_x), hadron_counts(y, hadrons_y))[2] < 1e-6


def test_forgotten_weights_are_seen(rng):
    x, hadrons_x, log_w = reweighted_experiment(rng, 2000)
    y, hadrons_y = experiment(rng, 2000)
    counts = hadron_counts(x, hadrons_x), hadron_counts(y, hadrons_y)
    assert abs(pull_per_hadron(x, hadrons_x, y, hadrons_y, log_w)) < 4
    assert abs(pull_per_hadron(x, hadrons_x, y, hadrons_y)) > 8
    assert chi2_test(*counts, log_w).p_value > ALPHA
    assert chi2_test(*counts).p_value < 1e-9


def test_a_wrong_density_is_seen_in_data(rng):
    density, covariance = density_per_event(histogram_per_event(rng.normal(size=20_000), EDGES), EDGES)
    truth = np.diff(stats.norm.cdf(EDGES)) / np.diff(EDGES)
    assert chi2_to_data(density, covariance, truth, np.full(8, 0.005)).p_value > ALPHA
    assert chi2_to_data(density, covariance, truth[::-1] + 0.03, np.full(8, 0.005)).p_value < 1e-6


def test_chi2_is_the_quadratic_form_of_the_covariance(rng):
    x, y = rng.poisson(2.0, (300, 5)).astype(float), rng.poisson(2.0, (200, 5)).astype(float)
    x[:, 1] += x[:, 0]
    y[:, 1] += y[:, 0]
    difference = x.mean(axis=0) - y.mean(axis=0)
    # Covariance with the number of events below the line where numpy has one less: the same to 1/300.
    covariance = np.cov(x.T, bias=True) / 299 + np.cov(y.T, bias=True) / 199
    chi2, ndf, p_value = chi2_test(x.astype(np.float32), y.astype(np.float32))
    assert chi2 == pytest.approx(difference @ np.linalg.solve(covariance, difference), rel=1e-6)
    assert ndf == 5
    assert p_value == pytest.approx(stats.chi2.sf(chi2, 5), rel=1e-12)


def test_empty_and_duplicate_bins_add_nothing(rng):
    x, y = rng.poisson(2.0, (300, 3)).astype(np.float32), rng.poisson(2.0, (200, 3)).astype(np.float32)
    wanted = chi2_test(x, y)
    wider = [np.concatenate([c, np.zeros((len(c), 2), np.float32), c[:, :1]], axis=1) for c in (x, y)]
    chi2, ndf, p_value = chi2_test(*wider)
    assert (chi2, ndf, p_value) == (pytest.approx(wanted[0], rel=1e-4), 3, pytest.approx(wanted[2], rel=1e-3))


def test_chi2_does_not_depend_on_the_order_of_bins_or_samples(rng):
    x, y = rng.poisson(2.0, (300, 4)).astype(np.float32), rng.poisson(2.2, (200, 4)).astype(np.float32)
    chi2 = chi2_test(x, y)[0]
    assert chi2_test(y, x)[0] == pytest.approx(chi2, rel=1e-6)
    assert chi2_test(x[:, ::-1], y[:, ::-1])[0] == pytest.approx(chi2, rel=1e-6)


def test_a_sample_agrees_with_itself(rng):
    x = rng.poisson(2.0, (300, 4)).astype(np.float32)
    assert chi2_test(x, x) == (0.0, 4, 1.0)


def test_different_numbers_of_bins_are_an_error(rng):
    with pytest.raises(ValueError):
        chi2_test(np.ones((10, 3), np.float32), np.ones((10, 4), np.float32))


def test_a_bin_with_one_entry_in_every_event_does_not_scatter(rng):
    """Neither with weights, whose sum is one up to rounding; so it adds no degree of freedom."""
    x, y = np.ones((300, 2), np.float32), np.ones((200, 2), np.float32)
    x[:, 1], y[:, 1] = rng.poisson(2.0, 300), rng.poisson(2.0, 200)
    log_w = rng.normal(size=300)
    assert chi2_test(x, y, log_w) == pytest.approx(chi2_test(x[:, 1:], y[:, 1:], log_w), rel=1e-9)
    assert chi2_test(x[:, :1], y[:, :1], log_w) == (0.0, 0, 1.0)


def test_a_difference_without_scatter_is_certain(rng):
    """One entry in every event of x, two in every event of y: in one bin, or dealt to two bins at random."""
    assert chi2_test(np.ones((300, 1)), np.full((200, 1), 2.0), rng.normal(size=300))[::2] == (np.inf, 0.0)
    x, y = rng.multinomial(1, [0.5, 0.5], 300), rng.multinomial(2, [0.5, 0.5], 300)
    assert chi2_test(x, y).p_value < 1e-12


def test_empty_bins_are_no_difference():
    assert chi2_test(np.zeros((10, 2)), np.zeros((20, 2))) == (0.0, 0, 1.0)


def test_counts_are_not_copied_to_double_precision(rng):
    """200 000 events in 50 bins would be 80 MB."""
    counts = histogram_per_event(rng.normal(size=200_000), np.linspace(-3, 3, 51))
    log_w = rng.normal(size=200_000)
    tracemalloc.start()
    chi2_test(counts, counts, log_w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_shapes_of_counts_edges_and_data_are_checked():
    counts = np.random.default_rng(1).poisson(1.0, (20, 3))
    with pytest.raises(ValueError, match=r"counts_y must have one row per event .* shape \(20,\)"):
        chi2_test(counts, counts[:, 0])
    with pytest.raises(ValueError, match="same bins, got 3 and 2"):
        chi2_test(counts, counts[:, :2])
    with pytest.raises(ValueError, match="counts must be finite"):
        density_per_event(np.where(counts > 2, np.nan, counts), [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="3 bins need 4 edges, got 3"):
        density_per_event(counts, [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="a density needs finite edges"):
        density_per_event(counts, [0.0, 1.0, 2.0, np.inf])
    density, covariance = density_per_event(counts, [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"must have shapes \(B,\), \(B, B\)"):
        chi2_to_data(density, np.diag(covariance), density, density)
    for data, errors in (
        (density, [1.0, 1.0, 0.0]),
        (density, [1.0, np.nan, 1.0]),
        (density + [0, 0, np.inf], [1] * 3),
    ):
        with pytest.raises(ValueError, match="data must be finite and errors above zero"):
            chi2_to_data(density, covariance, data, errors)
    with pytest.raises(ValueError, match="data must have a bin that was measured: all are NaN"):
        chi2_to_data(density, covariance, density * np.nan, np.ones(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_simulation_that_is_not_finite_is_no_chi2(bad):
    for density, covariance in (([bad, 1.0], np.eye(2)), ([1.0, 1.0], np.diag([1.0, bad]))):
        with pytest.raises(ValueError, match="density and covariance must be finite"):
            chi2_to_data(density, covariance, [1.0, 1.0], [0.1, 0.1])


@pytest.mark.parametrize("times", [1, 20])
def test_chi2_of_independent_counts_has_uniform_p(rng, times):
    """Of one shape, n entries and 20 n: p > 1e-3; with as many entries of both it is that of `chi2_test`."""
    results, shape = [], rng.dirichlet(np.full(8, 5.0))
    for _ in range(EXPERIMENTS):
        results.append(chi2_of_counts(rng.multinomial(1000 * times, shape), rng.multinomial(1000, shape)))
    assert {r.ndf for r in results} == {7}
    assert_uniform([r.p_value for r in results])


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2, 3], "same bins"), ([[1, 2]], [[1, 2]], "same bins"), ([0, 0], [1, 2], "must have entries"),
        ([1, -1], [1, 2], "none below 0"), ([1, np.nan], [1, 2], "must have entries"), ([], [], "must have entries"),
    ],
)  # fmt: skip
def test_counts_that_are_none(x, y, said):
    with pytest.raises(ValueError, match=said):
        chi2_of_counts(x, y)
