"""Weights of real Pythia's strings of all flavours: what is drawn follows its law, and its ratio is the weight."""

import dataclasses
import math

import numpy as np
import pytest
from checks import assert_near, assert_uniform
from scipy import integrate, interpolate

from hadtutor import LundMixture, LundParams, lund
from hadtutor.events.histories import NO_ROOM
from hadtutor.lund.all_flavours import KINDS, kind_of_break, log_area, log_density_of_kinds, powers
from hadtutor.lund.flavour_choice import NAMES, table_gradient
from hadtutor.metrics import n_eff
from hadtutor.weights import break_log_weights, chain_log_weights, event_weights, record_trials
from hadtutor.weights.all_flavours import choices, choices_of_pairs

POINTS = {
    "a": {"a": 0.55},
    "b": {"b": 0.85},
    "sigma": {"sigma_pt": 0.31},
    "enhanced": {"enhanced_fraction": 0.08},
    "a, b, sigma": {"a": 0.8, "b": 1.1, "sigma_pt": 0.36},
    "diquarks": {"a_extra_diquark": 0.6},
    "charm": {"r_c": 1.0},
    "bottom": {"r_b": 0.75},
    "flavours": {"prob_s_to_ud": 0.25, "prob_qq_to_q": 0.1, "meson_ud_vector": 0.6},
    "popcorn": {"popcorn_rate": 0.7, "popcorn_s_pair": 0.7, "prob_qq1_to_qq0": 0.04, "eta_sup": 0.5},
    "all": {"a": 0.63, "b": 0.92, "sigma_pt": 0.325, "a_extra_diquark": 0.8, "r_c": 1.2, "r_b": 0.82,
            "prob_s_to_ud": 0.23, "prob_qq_to_q": 0.09, "meson_ud_vector": 0.55, "eta_sup": 0.55},
}  # fmt: skip
FEW = 200  # breaks, below which nothing is said about a kind
points = pytest.mark.parametrize("changes", POINTS.values(), ids=POINTS)


@pytest.fixture(scope="module")
def sample(showers_with_histories):
    return showers_with_histories


@pytest.fixture(scope="module")
def kinds(sample):
    return kind_of_break(sample.histories.old, sample.histories.new)


def pull_from_one(log_w):
    w = np.exp(log_w)
    return (w.mean() - 1.0) / (w.std() / math.sqrt(len(w)))


# --- Densities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [LundParams(), LundParams(a=0.0, b=0.4, a_extra_diquark=0.3), LundParams(2.0, 2.0)])
@pytest.mark.parametrize("kind", range(8), ids=KINDS)
def test_area_is_that_of_an_adaptive_integration(params, kind):
    """To 1e-9, at masses from that of a pion to beyond those of bottom baryons, in the variable ln(1/z - 1)."""
    a, c = (powers_[kind] for powers_ in powers(params))
    bmt2 = params.b * np.array([0.018, 0.3, 2.0, 30.0, 80.0])
    for x, got in zip(bmt2, log_area(a, c, bmt2), strict=True):

        def log_integrand(t, x=x, got=got):
            return (a + 1.0) * t - (a + 2.0 - c) * np.logaddexp(0.0, t) - x * (1.0 + np.exp(t)) - got

        grid = np.linspace(-60.0, 15.0, 4001)
        peak = grid[np.argmax(log_integrand(grid))]
        parts = [(-60.0, peak - 2.0), (peak - 2.0, peak + 2.0), (peak + 2.0, 15.0)]
        total = sum(integrate.quad(lambda t: np.exp(log_integrand(t)), *p, epsabs=1e-12, limit=200)[0] for p in parts)
        assert total == pytest.approx(1.0, abs=1e-9)


def test_density_of_every_kind_is_normalised():
    """By the trapezoidal rule in ln(1/z - 1), where it is smooth and dies at both ends, to 1e-7."""
    t = np.linspace(-35.0, 12.0, 9401)
    z = 1.0 / (1.0 + np.exp(t))
    for kind in range(8):
        for mt2 in np.geomspace(0.018, 60.0, 5):
            log_f = log_density_of_kinds(z, np.full(len(z), mt2), np.full(len(z), kind), LundParams())
            area = integrate.trapezoid(np.exp(log_f) * z * (1.0 - z), t)
            assert area == pytest.approx(1.0, abs=1e-7), (KINDS[kind], mt2)


def test_series_for_many_breaks_is_that_of_the_integral_of_each():
    """At masses that hadrons of each kind have [GeV²]."""
    for kind, lightest in enumerate((0.018, 0.8, 0.8, 0.018, 3.4, 5.2, 27.0, 31.0)):
        mt2 = np.geomspace(lightest, lightest + 40.0, 190)
        few, many = (
            log_density_of_kinds(np.full(len(m), 0.7), m, np.full(len(m), kind), LundParams())
            for m in (mt2, np.append(mt2, mt2))
        )
        assert abs(many[:190] - few).max() < 1e-9


@pytest.mark.parametrize("params", [LundParams(), LundMixture((LundParams(), LundParams(a=0.3)), (0.3, 0.7))])
def test_light_flavours_have_the_function_of_pions(params):
    rng = np.random.default_rng(5)
    z, mt2 = rng.random(1000), rng.exponential(0.5, 1000) + 0.02
    light = log_density_of_kinds(z, mt2, np.zeros(1000, int), params)
    assert light == pytest.approx(lund.log_density(z, mt2, params), abs=1e-9)


def test_kinds_are_those_of_what_waits_and_of_what_is_made():
    old, new = [2, -3, 2, -1, 2101, -3103, 2203, 4, -4, -5, 5], [-1, 2, 2101, -3303, 3, -1, -2103, -3, -2103, 1, 3101]
    assert kind_of_break(old, new).tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7]


# --- What real Pythia draws ------------------------------------------------------------------------


def share_below(z, mt2, kind, params):
    """How often a break of this kind has a smaller z, from the density on a grid in ln(1/z - 1) and ln mT²."""
    t, at = np.linspace(-30.0, 10.0, 4001), np.geomspace(mt2.min(), mt2.max() * (1.0 + 1e-9), 200)
    grid_z, grid_mt2 = (x.ravel() for x in np.broadcast_arrays(1.0 / (1.0 + np.exp(t)), at[:, None]))
    log_f = log_density_of_kinds(grid_z, grid_mt2, np.full(grid_z.size, kind), params)
    density = (np.exp(log_f) * grid_z * (1.0 - grid_z)).reshape(len(at), len(t))
    above = integrate.cumulative_trapezoid(density, t, axis=1, initial=0.0)
    table = interpolate.RegularGridInterpolator((np.log(at), t), 1.0 - above, bounds_error=False, fill_value=None)
    return table((np.log(mt2), np.log1p(-z) - np.log(z)))


@pytest.mark.parametrize("kind", range(8), ids=KINDS)
def test_z_of_each_kind_follows_its_density(sample, kinds, kind):
    """Kolmogorov and Smirnov's p > 1e-3 over all breaks, those of rejected chains too."""
    of_kind = (kinds == kind) & (sample.histories.z < 1.0)
    z, mt2 = (getattr(sample.histories, name)[of_kind].astype(float) for name in ("z", "mt2"))
    assert len(z) > 0  # of a heavy quark and a diquark there are few, which is the same to this test
    assert_uniform(share_below(z, mt2, kind, sample.params))


def test_every_transverse_momentum_is_drawn_from_two_gaussians(sample):
    """p > 1e-3 for breaks, and for last pairs, of rejected chains too: what is accepted alone would be chosen by it."""
    h, params, drawn = sample.histories, sample.params, np.isfinite(sample.histories.final_px)
    share, width = params.enhanced_fraction, params.enhanced_width
    assert share > 0
    assert drawn[h.status != NO_ROOM].all()
    for columns in ((h.px, h.py), (h.final_px[drawn], h.final_py[drawn])):
        px, py = (column.astype(float) for column in columns)
        x = (px**2 + py**2) / params.sigma_pt**2
        assert_uniform(1.0 - (1.0 - share) * np.exp(-x) - share * np.exp(-x / width**2))
        assert_uniform(np.arctan2(py, px) / (2.0 * np.pi) % 1.0)


def test_scores_of_recorded_flavours_have_mean_zero(sample):
    """Derivatives of ln p by all parameters, over all draws: whether one ends a chain depends on its flavour."""
    gradient = table_gradient(sample.params)
    _, first, _, second = choices_of_pairs(sample.histories)
    for rows in (np.append(choices(sample.histories), first), second):
        for name, score in zip(NAMES, gradient, strict=True):
            if score[rows].any():
                assert abs(score[rows].mean()) < 4 * score[rows].std() / math.sqrt(len(rows)), name


def test_last_pairs_replay_and_are_reversed_as_often_as_lambda_says(sample):
    h = sample.histories
    lam = h.final_lambda[h.accepted].astype(float)
    known = np.isfinite(lam)
    assert known.mean() > 0.99
    assert not np.isfinite(h.final_lambda[~h.accepted]).any()
    probability = 1.0 / (1.0 + np.exp(np.minimum(50.0, sample.params.b * lam[known])))
    reversed_ = h.final_reversed[h.accepted][known]
    assert_near(reversed_ - probability, 0.0)
    near = probability > np.median(probability)  # and not on average alone
    assert_near((reversed_ - probability)[near], 0.0)


# --- Weights ---------------------------------------------------------------------------------------


def test_no_change_of_parameters_is_no_weight(sample):
    for all_chains in (True, False):
        assert np.all(event_weights(sample, sample.params, all_chains=all_chains).log_w == 0)


@pytest.mark.parametrize("changes", [c for name, c in POINTS.items() if name not in ("flavours", "popcorn", "all")],
                         ids=str)  # fmt: skip
def test_weights_of_breaks_of_each_kind_average_to_one(sample, kinds, changes):
    """z and transverse momentum, given the flavours."""
    log_w = break_log_weights(sample, sample.params.replace(**changes))
    for kind, name in enumerate(KINDS):
        of_kind = log_w[kinds == kind]
        if len(of_kind) > FEW and of_kind.any():
            assert abs(pull_from_one(of_kind)) < 4, name


@points
def test_weights_of_chains_and_of_events_by_all_chains_average_to_one(sample, changes):
    target = sample.params.replace(**changes)
    assert abs(pull_from_one(chain_log_weights(sample, target))) < 4
    weights = event_weights(sample, target, all_chains=True)
    assert n_eff(weights) > 300
    assert abs(pull_from_one(weights.log_w)) < 4
    assert abs(weights.acceptance_target / weights.acceptance - 1.0) < 0.1


@points
def test_there_and_back(sample, changes):
    target = sample.params.replace(**changes)
    there, back = (
        function(s, to)
        for function, s, to in (
            (chain_log_weights, sample, target),
            (chain_log_weights, dataclasses.replace(sample, params=target), sample.params),
        )
    )
    assert there.any()
    assert abs(there + back).max() < 1e-8


def test_a_mixture_closes(sample):
    """Half of the breaks with another a: mean weights of kinds, of chains and of events."""
    base = sample.params
    target = LundMixture((base, base.replace(a=0.3)), (0.5, 0.5))
    log_w = break_log_weights(sample, target)
    one = break_log_weights(sample, base.replace(a=0.3))
    np.testing.assert_allclose(np.exp(log_w), 0.5 + 0.5 * np.exp(one), rtol=1e-8)
    assert abs(pull_from_one(chain_log_weights(sample, target))) < 4
    assert abs(pull_from_one(event_weights(sample, target, all_chains=True).log_w)) < 4


def test_weights_of_flavours_count_what_happened(sample):
    """One factor for each break and last hadron: a change of rho alone knows s quarks from others at each end."""
    log_w = break_log_weights(sample, sample.params.replace(meson_b_vector=1.5))
    bottom = abs(sample.histories.old) == 5
    mesons = bottom & (abs(sample.histories.new) < 10)
    assert not log_w[~bottom].any()
    assert len(np.unique(log_w[mesons].round(12))) == 2, "a pseudoscalar or a vector meson"
    vectors = abs(sample.histories.pid[mesons]) % 10 == 3
    assert np.all((log_w[mesons] < 0) == vectors)


# --- What cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stop_mass", "stop_new_flavour", "stop_smear"])
def test_what_ends_a_string_cannot_be_weighted(sample, name):
    target = sample.params.replace(**{name: 0.4})
    for function in (event_weights, chain_log_weights, break_log_weights):
        with pytest.raises(ValueError, match=f"differs in {name}, which decides when a string ends"):
            function(sample, target)


def test_real_pythia_has_as_many_u_as_d_quarks(sample):
    for function in (event_weights, chain_log_weights, break_log_weights):
        with pytest.raises(ValueError, match="u_fraction must stay 0.5, got 0.6"):
            function(sample, sample.params.replace(u_fraction=0.6))


def test_what_is_not_recorded_has_no_weights(sample):
    bare = dataclasses.replace(sample, histories=None)
    with pytest.raises(ValueError, match="no histories; .*histories=True"):
        event_weights(bare, sample.params)
    with pytest.raises(TypeError, match="got Hadrons"):
        event_weights(sample.hadrons, sample.params)
    with pytest.raises(ValueError, match="at least one event"):
        event_weights(sample[:0], sample.params)


def test_trials_are_those_of_pions(sample):
    with pytest.raises(ValueError, match="trials are recorded of pion strings alone"):
        record_trials(sample[:10], rng=1)


def test_weights_for_torch_are_those_of_pions(sample):
    from hadtutor.weights.tensor import LundWeights

    with pytest.raises(ValueError, match="all flavours have weights by event_weights alone"):
        LundWeights(sample[:10], sample.params)
