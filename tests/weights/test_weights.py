import dataclasses
import functools
import itertools
import math
import warnings

import numpy as np
import pytest
from scipy import integrate, stats

import hadtutor as ht
from hadtutor import LundParams, lund, weights
from hadtutor.lund import pt_log_density
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff, pull
from hadtutor.weights import break_log_weights, chain_log_weights, event_weights, record_trials

ALPHA = 1e-3
PLAIN = LundParams()
BASE = PLAIN._replace(enhanced_fraction=0.01)
NEAR = {
    "a .55": BASE._replace(a=0.55),
    "b 1.07": BASE._replace(b=1.07),
    "sigma .35": BASE._replace(sigma_pt=0.35),
    "enhanced": BASE._replace(enhanced_fraction=0.02),
    "all": LundParams(a=0.6, b=0.9, sigma_pt=0.33, enhanced_fraction=0.015),
}
FAR = {"a .30": BASE._replace(a=0.30), "b .80": BASE._replace(b=0.80)}
targets = pytest.mark.parametrize("target", [*NEAR.values(), *FAR.values()], ids=[*NEAR, *FAR])


@functools.cache
def generated(params, seed, n=40_000):
    return ht.hadronize_strings(n, params, rng=np.random.default_rng(seed))


def observed(sample):
    return ht.observables.compute(sample.hadrons, sample.energy)


# --- Densities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [BASE, NEAR["enhanced"], BASE._replace(enhanced_fraction=1.0)])
def test_density_of_transverse_momentum_is_normalised(params):
    total, _ = integrate.quad(lambda pt2: math.pi * np.exp(pt_log_density(pt2, params)), 0, np.inf)
    assert total == pytest.approx(1.0, abs=1e-8)
    mean, _ = integrate.quad(lambda pt2: math.pi * pt2 * np.exp(pt_log_density(pt2, params)), 0, np.inf)
    share = params.enhanced_fraction
    expected = params.sigma_pt**2 * (1 - share + share * params.enhanced_width**2)
    assert mean == pytest.approx(expected, rel=1e-6), "<px²> = σ²/2 in each direction"


@targets
def test_series_for_the_normalisation_is_that_of_the_integral(target):
    mt2 = np.geomspace(0.0182, 40.0, 3001)
    direct = lund.log_normalisation(mt2, target) - lund.log_normalisation(mt2, BASE)
    series = weights.breaks.log_normalisation_ratio(mt2, BASE, target)
    assert abs(series - direct).max() < 1e-10


def test_weight_of_a_break_is_the_ratio_of_normalised_densities():
    histories, target = generated(BASE, 1, 500).histories, NEAR["all"]
    z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
    pt2 = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
    of_z = [lund.log_f(z, mt2, p) - lund.log_normalisation(mt2, p) for p in (BASE, target)]
    expected = of_z[1] - of_z[0] + pt_log_density(pt2, target) - pt_log_density(pt2, BASE)
    assert break_log_weights(histories, target, base=BASE) == pytest.approx(expected, abs=1e-10)


# --- Laws ------------------------------------------------------------------------------------------


def test_no_change_of_parameters_is_no_weight():
    result = event_weights(generated(BASE, 1), BASE)
    assert np.all(result.log_w == 0)
    assert result.acceptance_target == pytest.approx(result.acceptance)


@targets
def test_a_sample_knows_what_its_histories_must_be_told(target):
    sample = generated(BASE, 1, 500)
    for function in (break_log_weights, chain_log_weights):
        np.testing.assert_array_equal(function(sample, target), function(sample.histories, target, base=BASE))
    alone, known = event_weights(sample.histories, target, base=BASE), event_weights(sample, target)
    assert repr(alone) == repr(known)
    assert len(known) == 500
    np.testing.assert_array_equal(alone.log_w, known.log_w)


def test_whatever_takes_weights_takes_the_object():
    sample = generated(BASE, 1, 500)
    weights, n = event_weights(sample, NEAR["a .55"]), sample.hadrons.multiplicity
    assert pull(n, n, weights) == pull(n, n, weights.log_w)


@targets
def test_there_and_back_and_by_a_stop_in_between(target):
    histories, stop = generated(BASE, 1, 500).histories, NEAR["all"]
    there, back = chain_log_weights(histories, target, base=BASE), chain_log_weights(histories, BASE, base=target)
    assert abs(there + back).max() < 1e-9
    in_steps = chain_log_weights(histories, stop, base=BASE) + chain_log_weights(histories, target, base=stop)
    assert abs(there - in_steps).max() < 1e-9


@targets
def test_mean_weight_of_all_draws_is_one(target):
    histories = generated(BASE, 2).histories
    of_chains = np.exp(chain_log_weights(histories, target, base=BASE))
    assert abs(of_chains.mean() - 1) < 4 * of_chains.std() / math.sqrt(len(of_chains))


@targets
def test_weighted_events_are_those_of_the_target(target):
    sample, there = generated(BASE, 3), generated(target, 4)
    result = event_weights(sample, target)
    w = np.exp(result.log_w)
    assert n_eff(result.log_w) > 1000
    assert abs(w.mean() - 1) < 4 * w.std() / math.sqrt(len(w))
    error = math.hypot(result.acceptance_error, math.sqrt(0.13 * 0.87 / there.histories.n_chains))
    assert abs(result.acceptance_target - there.histories.accepted.mean()) < 4 * error
    columns = [observed(s) for s in (sample, there)]
    assert all(abs(pull(columns[0][name], columns[1][name], result.log_w)) < 4 for name in columns[0])
    p_values = []
    for name in columns[0]:
        x, y = (column[name] for column in columns)
        edges = np.arange(-0.5, y.max() + 1.5) if name in ("n_f", "n_ch") else np.nanquantile(y, np.linspace(0, 1, 21))
        counts = [histogram_per_event(v, edges) for v in (x, y)]
        rich = np.all([c.sum(axis=0) >= 25 for c in counts], axis=0)
        p_values.append(chi2_test(counts[0][:, rich], counts[1][:, rich], result.log_w).p_value)
    assert min(p_values) > ALPHA / len(p_values), dict(zip(columns[0], p_values, strict=True))


@pytest.mark.parametrize("name", ["a030", "b058"])
def test_histories_of_real_pythia_become_those_generated_there(name):
    base, there = (ht.datasets.load(f"pythia-pions-{which}") for which in ("base", name))
    result = event_weights(base, there.params)
    columns = [observed(s) for s in (base, there)]
    pulls = {key: pull(columns[0][key], columns[1][key], result.log_w) for key in columns[0]}
    assert max(abs(p) for p in pulls.values()) < 4, pulls
    w = np.exp(result.log_w)
    assert w.mean() == pytest.approx(1.0), "without the last draws of rejected chains this holds by construction"
    # And without weights they do not agree.
    assert abs(pull(columns[0]["n_f"], columns[1]["n_f"])) > 10


def test_acceptance_error_is_that_of_repeated_samples():
    results = [event_weights(generated(BASE, seed, 2000), FAR["a .30"]) for seed in range(30, 60)]
    spread = np.std([r.acceptance_target for r in results], ddof=1)
    error = np.mean([r.acceptance_error for r in results])
    # The standard deviation of 30 values has a relative error of 13 %.
    assert stats.chi2.sf(29 * (spread / error) ** 2, 29) > ALPHA / 2
    assert stats.chi2.cdf(29 * (spread / error) ** 2, 29) > ALPHA / 2


# --- What cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (PLAIN._replace(b=0.48), r"b \(the sample allows b > 0\.49\)"),
        (PLAIN._replace(sigma_pt=0.48), r"sigma_pt \(the sample allows a width < 0\.474\)"),
        (PLAIN._replace(enhanced_fraction=0.01, enhanced_width=2.0), r"sigma_pt"),
    ],
)
def test_infinite_variance_is_announced(target, what):
    with pytest.warns(RuntimeWarning, match=what):
        event_weights(generated(PLAIN, 1, 500), target)


@pytest.mark.parametrize(("far", "what"), [({"a": 0.1}, r"a \(the sample allows a > 0\.5\)"), ({"b": 0.4}, r"b \(")])
def test_any_component_of_a_mixture_can_bring_an_infinite_variance(far, what):
    base = PLAIN._replace(a=2.0)
    sample = generated(base, 1, 500)
    for components in itertools.permutations((base, base._replace(**far))):
        with pytest.warns(RuntimeWarning, match=what):
            event_weights(sample, ht.LundMixture(components, (0.5, 0.5)))


def test_warnings_point_at_this_file():
    with pytest.warns(RuntimeWarning) as caught:
        event_weights(generated(PLAIN, 1, 500), PLAIN._replace(b=0.48))
    assert [w.filename for w in caught] == [__file__]


def test_few_effective_events_are_announced():
    with pytest.warns(RuntimeWarning, match="weighted events are worth"):
        event_weights(generated(PLAIN, 1, 500), PLAIN._replace(sigma_pt=0.15))


def test_no_warning_near_by():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        event_weights(generated(BASE, 1, 500), NEAR["b 1.07"])


WEIGHTS = (event_weights, chain_log_weights, break_log_weights)


@pytest.mark.parametrize("function", WEIGHTS)
@pytest.mark.parametrize("name", ["stop_mass", "stop_new_flavour", "stop_smear"])
def test_what_no_weight_can_change_is_named(function, name):
    target = BASE._replace(**{name: 0.4})
    for other in (target, ht.LundMixture((target, target._replace(a=0.5)), (0.5, 0.5))):
        with pytest.raises(ValueError, match=f"differs in {name}, which decides when a string ends"):
            function(generated(BASE, 1, 500), other)


@pytest.mark.parametrize("function", WEIGHTS)
def test_a_sample_whose_z_follows_another_law_is_refused_by_name(function):
    sample = dataclasses.replace(generated(BASE, 1, 500), law="my_law")
    with pytest.raises(ValueError, match="z of this sample was drawn by my_law"):
        function(sample, NEAR["a .55"])
    with pytest.raises(ValueError, match="my_law"):
        record_trials(sample, rng=1)


def test_sizes_down_to_nothing():
    """One event, no event, no break, no accepted chain."""
    sample = generated(BASE, 1, 500)
    every = event_weights(sample, BASE).log_w
    one = event_weights(sample[3:4], BASE)
    assert (one.log_w == every[3]).all()
    np.testing.assert_allclose(event_weights(sample[3:4], NEAR["a .55"]).log_w.shape, (1,))
    assert len(chain_log_weights(sample[:0], NEAR["a .55"])) == len(break_log_weights(sample[:0], NEAR["a .55"])) == 0
    assert len(record_trials(sample[:0], rng=1).z) == 0
    with pytest.raises(ValueError, match="at least one event, got none"):
        event_weights(sample[:0], NEAR["a .55"])
    light = ht.hadronize_strings(300, energy=1.8, rng=1)
    assert len(light.histories.z) == 0
    moved = event_weights(light, light.params._replace(sigma_pt=0.32, u_fraction=0.55))
    assert abs(np.exp(moved.log_w).mean() - 1) < 4 * np.exp(moved.log_w).std() / math.sqrt(300)
    rejected = sample.histories._take_chains(np.flatnonzero(~sample.histories.accepted)[:5], np.arange(5))
    with pytest.raises(ValueError, match="5 events want .* got 0 accepted chains"):
        event_weights(rejected, NEAR["a .55"], base=BASE)


def test_a_sample_knows_its_quark_even_if_no_pion_tells():
    """One event whose chains begin with neutral pions."""
    sample = generated(PLAIN, 1, 500)
    h = sample.histories
    neutral = [
        k for k, (i, j) in enumerate(itertools.pairwise(h.event_offsets)) if (h.pid[h.chain_offsets[i:j]] == 111).all()
    ]
    one, target = sample[neutral[0] : neutral[0] + 1], PLAIN._replace(u_fraction=0.6)
    assert np.isfinite(event_weights(one, target).log_w).all()
    with pytest.raises(ValueError, match="give the sample, or add events"):
        event_weights(one.histories, target, base=PLAIN)


def test_wrong_arguments_are_named():
    sample = generated(BASE, 1, 500)
    with pytest.raises(ValueError, match="no histories"):
        event_weights(dataclasses.replace(sample, histories=None), BASE)
    with pytest.raises(TypeError, match="histories of string breaks are wanted, got NoneType"):
        event_weights(None, BASE)
    with pytest.raises(TypeError, match="target must be LundParams, got tuple"):
        event_weights(sample, (0.3, 0.98))
    with pytest.raises(TypeError, match="bare histories want base"):
        event_weights(sample.histories, BASE)
    with pytest.raises(TypeError, match="a sample knows its parameters"):
        event_weights(sample, BASE, base=BASE)
    with pytest.raises(TypeError, match="base must be LundParams, got LundMixture"):
        event_weights(sample.histories, BASE, base=ht.LundMixture((BASE,), (1.0,)))
    showers = ht.datasets.load("pythia-showers-91")[:5]
    with pytest.raises(TypeError, match="got Clusters"):
        event_weights(ht.hadronize_clusters(showers, rng=np.random.default_rng(1)), BASE)


# --- Accept-reject ---------------------------------------------------------------------------------


@functools.cache
def recorded(over_sampling=1.0, seed=7):
    return record_trials(generated(BASE, 1), rng=seed, over_sampling=over_sampling)


def loop(mt2, target, n, over_sampling, rng):
    """The judge: one break at a time, trials and accepted z drawn together; z and log weight of each."""
    zs, log_ws = np.empty(n), np.empty(n)
    top = [lund.log_f(lund.z_peak(mt2, p), mt2, p) for p in (BASE, target)]

    def g(z, which):
        return math.exp(lund.log_f(z, mt2, (BASE, target)[which]) - top[which])

    for i in range(n):
        log_w = 0.0
        while True:
            z = rng.random()
            if rng.random() < g(z, 0) / over_sampling:
                break
            log_w += math.log(over_sampling - g(z, 1)) - math.log(over_sampling - g(z, 0))
        zs[i], log_ws[i] = z, log_w + math.log(g(z, 1) / g(z, 0))
    return zs, log_ws


@pytest.mark.parametrize("over_sampling", [1.0, 3.0])
def test_trials_recorded_for_given_breaks_have_the_law_of_those_drawn_with_them(over_sampling):
    mt2, target = 0.1, BASE._replace(a=0.4, b=0.9)
    rng = np.random.default_rng(17)
    z, log_w = loop(mt2, target, 2500, over_sampling, rng)
    some = generated(BASE, 1, 500).histories
    n = len(some.z)
    z_again = lund.sample_z(np.full(n, mt2), BASE, rng=rng).astype(np.float32)
    histories = dataclasses.replace(some, z=z_again, mt2=np.full(n, mt2, np.float32))
    trials = record_trials(histories, base=BASE, rng=rng, over_sampling=over_sampling)
    of_z = break_log_weights(histories, target, base=BASE, trials=trials)
    of_pt = pt_log_density(0.0, target) - pt_log_density(0.0, BASE)
    assert of_pt == 0, "only a and b change"
    assert stats.ks_2samp(log_w, of_z).pvalue > ALPHA
    # Jointly with z: the rejected ones know nothing of it.
    none = trials._replace(offsets=np.zeros(n + 1, int), z=z[:0])
    rejected = of_z - break_log_weights(histories, target, base=BASE, trials=none)
    assert stats.spearmanr(rejected, z_again).pvalue > ALPHA


def test_number_of_trials_is_geometric():
    """Acceptance is N / (h max f)."""
    histories, trials = generated(BASE, 1).histories, recorded(2.0)
    mt2 = histories.mt2.astype(float)
    log_top = lund.log_f(lund.z_peak(mt2, BASE), mt2, BASE)
    acceptance = np.exp(lund.log_normalisation(mt2, BASE) - log_top) / 2.0
    excess = np.diff(trials.offsets) - (1 / acceptance - 1)
    variance = (1 - acceptance) / acceptance**2
    assert abs(excess.sum()) < 4 * math.sqrt(variance.sum())


@targets
def test_accept_reject_and_marginal_weights_are_both_exact_and_the_second_are_narrower(target):
    sample = generated(BASE, 1)
    marginal, accept_reject = (event_weights(sample, target, trials=trials).log_w for trials in (None, recorded()))
    assert n_eff(marginal) >= n_eff(accept_reject)
    w, v = np.exp(accept_reject), np.exp(marginal)
    assert abs(w.mean() - 1) < 4 * w.std() / math.sqrt(len(w))
    n = sample.hadrons.multiplicity
    difference = n * (w - v) - n.mean() * (w - v)
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(len(n)), "the same reweighted mean"


def test_mean_of_accept_reject_weights_at_given_z_is_the_marginal_weight():
    """Rao–Blackwell, break by break: over bins of z and mT² both have one mean."""
    histories, target = generated(BASE, 1).histories, FAR["a .30"]
    narrow, broad = (np.exp(break_log_weights(histories, target, base=BASE, trials=t)) for t in (None, recorded()))
    bins = np.digitize(histories.z, [0.1, 0.3, 0.5, 0.7]) * 4 + np.digitize(histories.mt2, [0.04, 0.1, 0.2])
    for k in range(20):
        here = (broad - narrow)[bins == k]
        assert abs(here.mean()) < 4 * here.std() / math.sqrt(len(here))
    assert broad.var() > narrow.var()


def test_there_and_back_with_trials():
    histories, stop = generated(BASE, 1, 500).histories, NEAR["all"]
    trials = record_trials(histories, base=BASE, rng=3)
    there, back = (
        chain_log_weights(histories, to, base=base, trials=trials._replace(base=base))
        for base, to in ((BASE, stop), (stop, BASE))
    )
    assert abs(there + back).max() < 1e-9


# --- Flavours --------------------------------------------------------------------------------------


@pytest.mark.parametrize("quark", ["u", "d"])
def test_weighted_flavours_are_those_of_the_target(quark):
    target = PLAIN._replace(u_fraction=0.6)
    sample, there = (
        ht.hadronize_strings(40_000, p, rng=np.random.default_rng(seed), quark=quark)
        for p, seed in ((PLAIN, 40), (target, 41))
    )
    result = event_weights(sample, target)
    assert result.log_w.std() > 0.1
    for codes in ((111,), (211,), (-211,)):
        x, y = (ht.observables.count(s.hadrons, *codes) for s in (sample, there))
        assert abs(pull(x, y, result.log_w)) < 4
        edges = np.quantile(y, [0, 0.2, 0.4, 0.6, 0.8]).tolist() + [y.max() + 1]
        counts = [histogram_per_event(v, np.unique(edges)) for v in (x, y)]
        assert chi2_test(*counts, result.log_w).p_value > ALPHA
    error = math.hypot(result.acceptance_error, math.sqrt(0.13 * 0.87 / there.histories.n_chains))
    assert abs(result.acceptance_target - there.histories.accepted.mean()) < 4 * error
    assert abs(pull(sample.hadrons.multiplicity, there.hadrons.multiplicity, result.log_w)) < 4


def test_weight_of_flavours_depends_on_their_numbers_only():
    histories, target = generated(PLAIN, 1, 500).histories, PLAIN._replace(u_fraction=0.7)
    log_w = break_log_weights(histories, target, base=PLAIN)
    assert len(np.unique(log_w.round(12))) == 4, "neutral or charged, at u or at d"


# --- What cannot be, of these ------------------------------------------------------------------------


def test_wrong_trials_are_named():
    sample = generated(BASE, 1)
    with pytest.raises(TypeError, match="trials must be those of record_trials, got list"):
        event_weights(sample, BASE, trials=[1.0])
    with pytest.raises(ValueError, match="the trials belong to .* breaks"):
        event_weights(sample[:10], BASE, trials=recorded())
    with pytest.raises(ValueError, match="the trials were recorded at LundParams.* record them there"):
        event_weights(sample.histories, BASE, base=NEAR["a .55"], trials=recorded())
    for over_sampling in (0.9, math.nan, math.inf):
        with pytest.raises(ValueError, match="over_sampling must be >= 1"):
            record_trials(sample, rng=1, over_sampling=over_sampling)
    with pytest.raises(TypeError, match="rng must be"):
        record_trials(sample, rng="7")
    with pytest.raises(TypeError, match="rng=1"):
        record_trials(sample, seed=1)


def test_target_outside_the_support_is_named():
    sample = generated(PLAIN._replace(u_fraction=1.0), 1, 500)
    with pytest.raises(ValueError, match="outside the support: it makes d quarks"):
        event_weights(sample, PLAIN)
    with pytest.raises(ValueError, match="the target has none of these 20 events: all weights are zero"):
        event_weights(generated(PLAIN, 1, 500)[:20], PLAIN._replace(u_fraction=0.0))


@pytest.mark.parametrize(("name", "value"), [("z", np.nan), ("mt2", np.inf), ("px", np.nan)])
def test_histories_that_are_not_finite_are_an_error_with_its_event(name, value):
    sample = generated(BASE, 1, 500)
    column = getattr(sample.histories, name).copy()
    of_event = sample.histories.event_of_chain[sample.histories.chain_of_break]
    column[np.argmax(of_event == 7)] = value
    broken = dataclasses.replace(sample.histories, **{name: column})
    with pytest.raises(ValueError, match="the history of event 7 holds numbers that are not finite"):
        chain_log_weights(broken, NEAR["a .55"], base=BASE)


def test_accept_reject_of_real_pythia_needs_what_is_not_recorded():
    sample = ht.datasets.load("pythia-pions-base")[:2000]
    trials = record_trials(sample, rng=1)
    near = sample.params._replace(a=0.6)
    log_w = event_weights(sample, near, trials=trials).log_w
    assert abs(np.exp(log_w).mean() - 1) < 4 * np.exp(log_w).std() / math.sqrt(2000)
    with pytest.raises(ValueError, match="last draws of rejected chains are not recorded"):
        event_weights(sample, sample.params._replace(sigma_pt=0.33), trials=trials)
