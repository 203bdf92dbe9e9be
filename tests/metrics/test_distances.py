import functools
import sys

import numpy as np
import pytest
from checks import ALPHA, assert_uniform
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hadtutor import metrics
from hadtutor.metrics import (
    auc,
    chi2_test,
    classifier_test,
    energy_distance,
    energy_test,
    histogram_per_event,
    ks_test,
    n_eff,
    permutation_test,
    pull,
    wasserstein,
    wasserstein_test,
)

EXPERIMENTS = 200
RESAMPLES = 199
EDGES = np.linspace(-1.6, 1.6, 7)


# --- p-values of every test of one quantity, and samples that agree --------------------------------


def p_of_pull(x, y, log_w_x, log_w_y, rng):
    return stats.norm.cdf(pull(x, y, log_w_x, log_w_y))


def p_of_chi2(x, y, log_w_x, log_w_y, rng):
    return chi2_test(histogram_per_event(x, EDGES), histogram_per_event(y, EDGES), log_w_x, log_w_y).p_value


def p_of_auc(x, y, log_w_x, log_w_y, rng):
    area, error = auc(x, y, log_w_x, log_w_y)
    return stats.norm.cdf((area - 0.5) / error)


def p_of(test):
    return lambda x, y, log_w_x, log_w_y, rng: test(x, y, log_w_x, log_w_y, rng, RESAMPLES).p_value


P_VALUES = {
    "pull": p_of_pull,
    "chi2": p_of_chi2,
    "auc": p_of_auc,
    "ks": p_of(ks_test),
    "wasserstein": p_of(wasserstein_test),
    "energy": p_of(energy_test),
}


def unweighted(rng, n, m):
    return rng.normal(size=n), rng.normal(size=m), None, None


def reweighted(rng, n, mean, sigma):
    """Normal events of another mean and width, reweighted to the standard ones."""
    x = rng.normal(mean, sigma, n)
    return x, stats.norm.logpdf(x) - stats.norm.logpdf(x, mean, sigma)


def reweighted_x(rng, n, m):
    """n_eff is two thirds of n."""
    x, log_w_x = reweighted(rng, n, -0.6, 1.2)
    return x, rng.normal(size=m), log_w_x, None


def reweighted_both(rng, n, m):
    x, log_w_x = reweighted(rng, n, -0.5, 1.2)
    y, log_w_y = reweighted(rng, m, 0.4, 1.3)
    return x, y, log_w_x, log_w_y


def rare_tail(rng, n, m):
    """The upper 30 % of x simulated ten times too rarely: large weights, all on one side."""
    rare = rng.random(n) < 0.043
    u = np.where(rare, 0.7 + 0.3 * rng.random(n), 0.7 * rng.random(n))
    return stats.norm.ppf(u), rng.normal(size=m), np.where(rare, np.log(0.3 / 0.043), np.log(0.7 / 0.957)), None


SAMPLES = {f.__name__: f for f in (unweighted, reweighted_x, reweighted_both, rare_tail)}


# --- The null distribution -------------------------------------------------------------------------


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("test", P_VALUES)
def test_p_values_of_equal_distributions_are_uniform(rng, test, samples):
    """Also for weights that depend on x, as after reweighting: Kolmogorov-Smirnov p > 1e-3."""
    assert_uniform([P_VALUES[test](*SAMPLES[samples](rng, 1000, 700), rng) for _ in range(EXPERIMENTS)])


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


def features(rng, n, shift=0.0):
    """Three correlated features, the first with mean `shift`."""
    x = rng.normal(size=(n, 3))
    x[:, 1] += 0.8 * x[:, 0]
    x[:, 0] += shift
    return x


def reweighted_features(rng, n):
    """Drawn with means 0.5, 0.4 and 0, reweighted to 0; the weights depend on both of the shifted features."""
    x = rng.normal(size=(n, 3)) + [0.5, 0.0, 0.0]
    x[:, 1] += 0.8 * x[:, 0]
    return x, 0.125 - 0.5 * x[:, 0]


def test_p_values_of_energy_distances_of_several_features_are_uniform(rng):
    results = [energy_test(features(rng, 200), features(rng, 120), None, None, rng, 99) for _ in range(EXPERIMENTS)]
    assert_uniform([r.p_value for r in results])


def test_p_values_of_energy_distances_of_several_reweighted_features_are_uniform(rng):
    def p_value():
        x, log_w_x = reweighted_features(rng, 200)
        return energy_test(x, features(rng, 120), log_w_x, None, rng, 99).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS)])


def test_p_values_of_classifiers_are_uniform(rng):
    def p_value():
        return classifier_test(features(rng, 200), features(rng, 300), None, None, rng, max_iter=10).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS // 2)])


def test_p_values_of_classifiers_of_reweighted_events_are_uniform(rng):
    def p_value():
        x, log_w_x = reweighted_features(rng, 300)
        return classifier_test(x, features(rng, 200), log_w_x, None, rng, max_iter=10).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS // 2)])


def test_p_values_of_permutations_are_uniform_for_few_events(rng):
    """20 and 12 events, where the bootstrap is no longer trusted."""

    def p_value():
        return permutation_test(wasserstein, rng.exponential(size=20), rng.exponential(size=12), rng, 99).p_value

    assert_uniform([p_value() for _ in range(EXPERIMENTS)])


def test_p_values_of_whole_numbers_are_uniform(rng):
    """Multiplicities: many ties. The bootstrap knows where the distributions have no steps."""

    def p_value(test):
        x, y = rng.poisson(4.0, 600) + rng.poisson(2.0, 600), rng.poisson(5.0, 500)
        log_w_x = stats.poisson.logpmf(x, 5.0) - stats.poisson.logpmf(x, 6.0)
        return test(x, y, log_w_x, None, rng, RESAMPLES).p_value

    for test in (ks_test, wasserstein_test, energy_test):
        assert_uniform([p_value(test) for _ in range(EXPERIMENTS)])


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


# --- Power -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", P_VALUES)
def test_a_shift_is_seen(rng, test):
    """0.3 of a width: 6 standard errors of the difference of the means."""
    p = P_VALUES[test](rng.normal(0.0, 1.0, 1000), rng.normal(0.3, 1.0, 1000), None, None, rng)
    assert min(p, 1 - p) <= 0.005


@pytest.mark.parametrize("test", P_VALUES)
def test_forgotten_weights_are_seen(rng, test):
    x, y, log_w_x, _ = reweighted_x(rng, 1000, 1000)
    p_with, p_without = (P_VALUES[test](x, y, log_w, None, rng) for log_w in (log_w_x, None))
    assert min(p_with, 1 - p_with) > ALPHA
    assert min(p_without, 1 - p_without) <= 0.005


def test_a_correlation_is_seen_by_the_tests_of_several_features_alone(rng):
    x = features(rng, 1000)
    y = features(rng, 1000)
    y[:, 1] = rng.permutation(y[:, 1])
    assert min(ks_test(x[:, k], y[:, k]).p_value for k in range(3)) > ALPHA
    assert energy_test(x, y, rng=rng).p_value == 1 / 1000
    assert classifier_test(x, y, rng=rng).p_value < 1e-6


def test_permutations_see_a_shift(rng):
    result = permutation_test(wasserstein, rng.normal(size=100), rng.normal(1.0, 1.0, 100), rng, 199)
    assert result.p_value == 1 / 200


def test_a_classifier_sees_that_values_are_missing(rng):
    x, y = features(rng, 400), features(rng, 400)
    x[:150, 2] = np.nan
    assert classifier_test(x, y, rng=rng).p_value < 1e-6


# --- Closed forms and judges -----------------------------------------------------------------------


def weighted_samples(rng):
    """With ties within and between the samples."""
    x, y = rng.normal(size=60).round(1), rng.normal(0.3, 1.2, 80).round(1)
    return x, y, rng.normal(size=60), rng.normal(size=80)


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
    assert ks_test(x, y, log_w_x, log_w_y, rng).distance == pytest.approx(largest, rel=1e-12)
    assert ks_test(x, y, np.zeros(60), None, rng).distance == pytest.approx(ks_test(x, y).distance, rel=1e-12)


def test_infinite_values_keep_their_place_in_an_order():
    """A quarter of x at either infinity, none of y."""
    x, y = [-np.inf, 1.0, 2.0, np.inf], [1.0, 1.0, 2.0, 2.0]
    assert ks_test(x, y).distance == 0.25
    assert auc(x, y).auc == 0.5
    assert ks_test(x, y, np.zeros(4), rng=np.random.default_rng(1), n_resamples=9).distance == 0.25


def test_energy_distance_of_points():
    """All of x at 0, all of y at distance 5: √(2·5). Half of y moved to 0: √(2·2.5 - 2.5)."""
    zero, there = [[0.0, 0.0]] * 2, [[3.0, 4.0]] * 2
    assert energy_distance(zero, there) == pytest.approx(np.sqrt(10), rel=1e-12)
    assert energy_distance(zero, [*there, *zero]) == pytest.approx(np.sqrt(2.5), rel=1e-12)
    assert energy_distance([0.0, 0.0], [5.0, 5.0]) == pytest.approx(np.sqrt(10), rel=1e-12)


def test_energy_distance_of_one_feature_is_that_of_one_quantity(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    one = energy_distance(x, y, log_w_x, log_w_y)
    assert energy_distance(x[:, None], y[:, None], log_w_x, log_w_y) == pytest.approx(one, rel=1e-9)
    result = energy_test(x[:, None], y[:, None], log_w_x, log_w_y, rng, 9)
    assert result.distance == pytest.approx(one, rel=1e-9)


def test_both_bootstraps_of_the_energy_distance_agree(rng):
    """In steps of one quantity and over pairs of one feature: p to four binomial errors of 2000 resamples each."""
    x, y, log_w_x, _ = reweighted_x(rng, 150, 100)
    one = energy_test(x, y + 0.1, log_w_x, None, rng, 2000).p_value
    pairs = energy_test(x[:, None], y[:, None] + 0.1, log_w_x, None, rng, 2000).p_value
    assert abs(one - pairs) < 4 * np.sqrt(2 * one * (1 - one) / 2000)


def test_energy_distance_does_not_change_when_the_features_are_rotated(rng):
    x, y = features(rng, 50), features(rng, 40, 1.0)
    rotation = stats.special_ortho_group.rvs(3, random_state=rng)
    assert energy_distance(x @ rotation, y @ rotation) == pytest.approx(energy_distance(x, y), rel=1e-9)


def test_energy_distance_does_not_depend_on_how_much_is_held_at_a_time(rng, monkeypatch):
    x, y = features(rng, 50), features(rng, 40, 1.0)
    wanted = energy_distance(x, y)
    monkeypatch.setattr(metrics.energy, "CHUNK", 130)
    assert energy_distance(x, y) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test])
def test_p_values_do_not_depend_on_the_number_of_steps(rng, monkeypatch, test):
    """1700 steps and 400: p to four binomial errors of 2000 resamples each, and 0.02 for the coarser maximum."""
    x, y, log_w_x, _ = reweighted_x(rng, 1000, 700)
    fine = test(x, y + 0.03, log_w_x, None, rng, 2000)
    monkeypatch.setattr(metrics.distances, "STEPS", 400)
    coarse = test(x, y + 0.03, log_w_x, None, rng, 2000)
    assert coarse.distance == fine.distance
    assert abs(coarse.p_value - fine.p_value) < 4 * np.sqrt(2 * fine.p_value * (1 - fine.p_value) / 2000) + 0.02


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


# --- Effective number of events --------------------------------------------------------------------


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


# --- What weights mean, in every function ----------------------------------------------------------


def of_numbers(function, **options):
    """Make `function` return plain numbers for samples (N,), with a generator of its own."""

    def numbers(x, y, log_w_x=None, log_w_y=None):
        return np.array(function(x, y, log_w_x, log_w_y, **options), dtype=float)

    return numbers


def with_rng(test, **options):
    def numbers(x, y, log_w_x=None, log_w_y=None):
        return np.array(test(x, y, log_w_x, log_w_y, np.random.default_rng(3), **options), dtype=float)

    return numbers


def as_features(function):
    @functools.wraps(function)
    def of_features(x, y, *arguments, **options):
        return function(np.asarray(x)[:, None], np.asarray(y)[:, None], *arguments, **options)

    return of_features


FUNCTIONS = {
    "pull": of_numbers(pull),
    "wasserstein": of_numbers(wasserstein),
    "energy_distance": of_numbers(energy_distance),
    "energy_distance of features": of_numbers(as_features(energy_distance)),
    "auc": of_numbers(auc),
    "ks_test": with_rng(ks_test, n_resamples=50),
    "wasserstein_test": with_rng(wasserstein_test, n_resamples=50),
    "energy_test": with_rng(energy_test, n_resamples=50),
    "energy_test of features": with_rng(as_features(energy_test), n_resamples=50),
    "classifier_test": with_rng(as_features(classifier_test), max_iter=5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_constant_added_to_log_weights_changes_nothing(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    np.testing.assert_allclose(FUNCTIONS[name](x, y, log_w_x + 2000, log_w_y - 3000), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equal_weights_are_no_weights(rng, name):
    x, y, _, _ = weighted_samples(rng)
    same, wanted = FUNCTIONS[name](x, y, np.full(60, 3.0), np.full(80, -2.0)), FUNCTIONS[name](x, y)
    if name == "ks_test":  # another p-value: scipy's is exact
        same, wanted = same[0], wanted[0]
    np.testing.assert_allclose(same, wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_event_of_weight_zero_is_as_good_as_not_there(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    longer = np.append(x, [50.0, -50.0]), y, np.append(log_w_x, [-np.inf, -np.inf]), log_w_y
    np.testing.assert_allclose(FUNCTIONS[name](*longer), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"classifier_test"}))
def test_an_undefined_value_is_left_out_with_its_weight(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    wanted = FUNCTIONS[name](x, y, log_w_x, log_w_y)
    longer = x, np.append(np.nan, y), log_w_x, np.append(900.0, log_w_y)
    np.testing.assert_allclose(FUNCTIONS[name](*longer), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_weight_that_is_not_a_number_is_an_error_with_its_event(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for bad in (np.nan, np.inf):
        log_w = log_w_y.copy()
        log_w[[5, 9]] = bad
        with pytest.raises(ValueError, match=f"log_w_y must be finite, or -inf .* got {bad} for event 5"):
            FUNCTIONS[name](x, y, log_w_x, log_w)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_log_weight_per_event(rng, name):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for wrong in (log_w_x[:-1], log_w_x[:, None], 0.0):
        with pytest.raises(ValueError, match=r"log_w_x must hold one log weight per event, shape \(60,\)"):
            FUNCTIONS[name](x, y, wrong, log_w_y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_too_few_events_are_an_error(rng, name):
    x, y, log_w_x, _ = weighted_samples(rng)
    for few in ([], [1.0]):
        with pytest.raises(ValueError, match=f"at least .* events.* got {len(few)}"):
            FUNCTIONS[name](few, y)
    with pytest.raises(ValueError, match="at least .* events.* got 1"):
        FUNCTIONS[name](x, y, np.where(np.arange(60) == 3, 0.0, -np.inf))
    with pytest.raises(ValueError, match="one event carries all the weight of sample x"):
        FUNCTIONS[name](x, y, np.where(np.arange(60) == 3, 0.0, -100.0))


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"ks_test", "auc"}))
def test_an_infinite_value_is_an_error_with_its_event(rng, name):
    x, y, _, _ = weighted_samples(rng)
    y[7] = np.inf
    with pytest.raises(ValueError, match="sample y has an infinite value in event 7"):
        FUNCTIONS[name](x, y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_plain_numbers(rng, name):
    assert FUNCTIONS[name](*weighted_samples(rng)).dtype == float
    assert type(energy_test(*weighted_samples(rng), rng, 9).p_value) is float


# --- Other arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test, classifier_test])
@pytest.mark.parametrize("rng", [None, 7, np.random.RandomState(1)])
def test_a_random_test_needs_a_generator(test, rng):
    x = np.arange(40.0) if test is not classifier_test else np.arange(40.0)[:, None]
    with pytest.raises(TypeError, match="rng must be a numpy Generator"):
        test(x, x, np.zeros(40), None, rng)


@pytest.mark.parametrize("test", [ks_test, wasserstein_test, energy_test])
def test_equal_values_without_scatter_are_at_distance_zero(rng, test):
    """Weights that add up to one but for rounding are no difference."""
    for _ in range(20):
        assert test(np.ones(200), np.ones(300), rng.normal(size=200), None, rng, 20) == (0.0, 1.0)


def test_a_p_value_needs_something_to_compare_with(rng):
    x = rng.normal(size=40)
    for test in (wasserstein_test, energy_test):
        with pytest.raises(ValueError, match="at least one other sample to compare with, got 0"):
            test(x, x, None, None, rng, 0)
    with pytest.raises(ValueError, match="got 0"):
        permutation_test(wasserstein, x, x, rng, 0)


def test_a_generator_decides_everything(rng):
    x, y, log_w_x, log_w_y = weighted_samples(rng)
    for test in (wasserstein_test, energy_test):
        assert test(x, y, log_w_x, log_w_y, np.random.default_rng(1)) == test(
            x, y, log_w_x, log_w_y, np.random.default_rng(1)
        )


def test_samples_must_have_the_same_features(rng):
    x, y = features(rng, 30), features(rng, 30)[:, :2]
    for function in (energy_distance, functools.partial(energy_test, rng=rng)):
        with pytest.raises(ValueError, match="same features, got 3 and 2"):
            function(x, y)
        with pytest.raises(ValueError, match="must have 2 dimensions"):
            function(x, y[:, 0])
    with pytest.raises(ValueError, match=r"shapes \(N, F\) and \(M, F\)"):
        classifier_test(x, y, rng=rng)
    with pytest.raises(ValueError, match="must have 1 dimension, got"):
        wasserstein(x, y)


def test_too_many_pairs_are_an_error_that_says_what_to_do(rng):
    with pytest.raises(ValueError, match=r"at most 8000 events, got 8000 \+ 10: subsample"):
        energy_test(np.zeros((8000, 2)), np.ones((10, 2)), rng=rng)


def test_permutations_take_any_statistic_and_keep_the_sizes(rng):
    x, y = features(rng, 30), features(rng, 20)
    shapes = set()

    def statistic(a, b):
        shapes.add((a.shape, b.shape))
        return abs(a.mean() - b.mean())

    result = permutation_test(statistic, x, y, rng, 20)
    assert shapes == {((30, 3), (20, 3))}
    assert result.distance == abs(x.mean() - y.mean())
    assert result.p_value * 21 == pytest.approx(round(result.p_value * 21))


def test_a_statistic_that_never_changes_has_p_one(rng):
    """Also if it changes by roundings: sums of the same numbers in another order."""
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert permutation_test(lambda a, b: a.sum() + b.sum(), x, y, rng, 50).p_value == 1.0


def test_permutations_refuse_what_they_cannot_judge(rng):
    with pytest.raises(ValueError, match="events in both samples, got 0 and 3"):
        permutation_test(wasserstein, [], [1.0, 2.0, 3.0], rng)
    with pytest.raises(ValueError, match="statistic gave NaN"):
        permutation_test(lambda x, y: x.mean(), [1.0, np.nan], [1.0, 2.0], rng, 9)
    with pytest.raises(TypeError, match="rng must be a numpy Generator"):
        permutation_test(wasserstein, [1.0, 2.0], [1.0, 2.0], 5)


# --- Classifiers -----------------------------------------------------------------------------------


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


def test_an_effective_number_needs_weights():
    with pytest.raises(ValueError, match="n_eff needs log weights, got None"):
        n_eff(None)


def test_a_classifier_leaves_out_a_column_without_any_value(rng):
    x, y = rng.normal(size=(300, 2)), rng.normal(2.0, 1.0, size=(300, 2))
    nan = np.full((300, 1), np.nan)
    found = classifier_test(np.hstack([x, nan]), np.hstack([y, nan]), rng=rng)
    assert found.p_value < 1e-6
    with pytest.raises(ValueError, match=r"must have shapes \(N, F\) and \(M, F\), got \(300, 0\)"):
        classifier_test(x[:, :0], y[:, :0], rng=rng)
