"""The laws of a string of pions, for everything that makes one: a new generator joins the list."""

import checks
import numpy as np
import pytest
import torch
from checks import ALPHA, HEAVY, SETTINGS, assert_near, assert_uniform
from scipy import stats

from hadtutor import LundParams, hadronize_strings, lund, observables, strings
from hadtutor.strings import tensor as strings_torch


def lunds_own(params):
    """Lund's function as if it were another law, with a factor that must not matter."""
    return lambda z, mt2: (1.0 + mt2) * np.exp(lund.log_density(z, mt2, params))


def numba(device, n, params, **settings):
    return hadronize_strings(n, params, **settings)


def tabulated(device, n, params, **settings):
    return hadronize_strings(n, params, law=lunds_own(params), **settings)


def float64(device, n, params, **settings):
    return strings_torch.hadronize_strings(n, params, device=device, **settings)


def float32(device, n, params, **settings):
    return strings_torch.hadronize_strings(n, params, device=device, dtype=torch.float32, **settings)


GENERATORS = {"numba": numba, "law": tabulated, "torch": float64, "torch float32": float32}
CONSERVATION = dict.fromkeys(GENERATORS, 1e-9) | {"torch float32": 1e-5}  # fraction of the energy of the string


@pytest.fixture(scope="module", params=GENERATORS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def events(device, name):
    """Function that makes events with the generator under test."""

    def make(n_events, params=None, seed=1, **settings):
        return GENERATORS[name](device, n_events, params or LundParams(), rng=seed, **settings)

    return make


@pytest.fixture(scope="module")
def made(events):
    """50 000 events at the Monash point."""
    return events(50_000)


@pytest.fixture(scope="module", params=[*GENERATORS, "Pythia"])
def any_sample(request, device, pythia_samples):
    """The same, and those of real Pythia."""
    if request.param == "Pythia":
        return pythia_samples["base"]
    return GENERATORS[request.param](device, 50_000, LundParams(), rng=1)


def assert_laws(sample, tolerance):
    checks.assert_four_momentum(sample, tolerance)
    checks.assert_neutral(sample)
    checks.assert_on_mass_shell(sample)
    checks.assert_charges_alternate(sample)
    checks.assert_hadrons_come_from_breaks(sample)
    checks.assert_histories_are_complete(sample)


# --- Conservation laws -----------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_string_keeps_the_laws(events, name, settings):
    sample = events(2000, **settings)
    if name == "torch float32" and settings["energy"] > 1e4:
        # The mass of a pion is lost in the rounding of its energy; what needs no mass must hold all the same.
        checks.assert_neutral(sample)
        checks.assert_charges_alternate(sample)
    else:
        assert_laws(sample, CONSERVATION[name])
    assert (sample.energy, sample.quark) == (settings["energy"], settings["quark"])


def test_laws_hold_for_every_event_of_a_large_sample(made, name):
    assert_laws(made, CONSERVATION[name])


def test_hadrons_of_any_sample_are_whole_events(any_sample):
    """Of real Pythia too, whose packaged breaks do not show all that the other laws ask for."""
    checks.assert_four_momentum(any_sample, 1e-5)
    checks.assert_neutral(any_sample)
    checks.assert_charges_alternate(any_sample)


# --- What is drawn ---------------------------------------------------------------------------------


def test_z_given_the_transverse_mass_follows_f(any_sample):
    """Kolmogorov-Smirnov p > 1e-3 over all breaks of all chains."""
    h = any_sample.histories
    assert_uniform(checks.z_cdf(h.z, h.mt2, any_sample.params))


@pytest.mark.parametrize(
    "params",
    [HEAVY, LundParams(a=0.0), LundParams(a=2.0, b=0.2), LundParams(a=0.1, b=20.0)],
    ids=["heavy", "a=0", "light", "b=20"],
)
def test_z_follows_f_far_from_the_tune(events, params):
    """Kolmogorov-Smirnov p > 1e-3, over masses inside and outside the table."""
    h = events(10_000, params).histories
    outside = lund.z_table(params, 0.0182).mt2_min * 2.0**lund.staircase.N_OCTAVES
    assert (h.mt2.max() > outside) == (params is HEAVY)
    assert_uniform(checks.z_cdf(h.z, h.mt2, params))


def test_z_follows_f_in_every_bin_of_the_transverse_mass(made):
    """Kolmogorov-Smirnov p > 1e-3 / 24 in bins of equal content."""
    h = made.histories
    bins = np.array_split(np.argsort(h.mt2), 24)
    p_values = [stats.kstest(checks.z_cdf(h.z[i], h.mt2[i], made.params), "uniform").pvalue for i in bins]
    assert min(p_values) > ALPHA / 24


@pytest.mark.parametrize("axis", ["px", "py"])
def test_break_pt_is_gaussian_with_half_of_sigma_squared(any_sample, axis):
    """p > 1e-3 over all draws that are known, those of rejected chains too, and of their last pairs.

    A chain stops, or not, before it looks at what was drawn last: so nothing selects among them.
    """
    h = any_sample.histories
    final = getattr(h, f"final_{axis}") if np.isfinite(h.final_px[h.status == 2]).all() else np.empty(0)
    x = np.concatenate([getattr(h, axis), final[np.isfinite(final)]]) / (0.335 * np.sqrt(0.5))
    assert_near(x**2, 1.0)
    # The packaged momenta of Pythia are rounded: to a uniform number within its unit for a test of the distribution.
    x = x + (np.random.default_rng(1).random(len(x)) - 0.5) * 2.0**-12 / (0.335 * np.sqrt(0.5))
    assert stats.kstest(x, "norm").pvalue > ALPHA


def test_enhanced_breaks_are_a_mixture_of_two_gaussians(events):
    """A fraction 0.3 is 2.5 times broader, in px and py of the same break: p > 1e-3, pull below 4."""
    params = LundParams(enhanced_fraction=0.3, enhanced_width=2.5)
    h = events(10_000, params).histories
    px, py = (getattr(h, axis).astype(float) / (params.sigma_pt * np.sqrt(0.5)) for axis in ("px", "py"))
    assert stats.kstest(px, lambda x: 0.7 * stats.norm.cdf(x) + 0.3 * stats.norm.cdf(x / 2.5)).pvalue > ALPHA
    assert_near(px**2 * py**2, 0.7 + 0.3 * 2.5**4)


def test_sides_and_flavours_come_with_their_odds(any_sample):
    assert_near(any_sample.histories.pid == 111, 1 / 3)
    assert_near(any_sample.histories.from_positive, 0.5)


def test_both_ends_take_the_last_pair_equally_often(made):
    assert_near(made.histories.final_from_positive, 0.5)


def test_the_last_pair_is_reversed_with_the_probability_of_its_lambda(any_sample):
    """Reversed or not against 1 / (1 + exp(b lambda)), pair by pair: pull below 4."""
    h = any_sample.histories.only_accepted()
    probability = lund.reverse_probability(h.final_lambda.astype(float), any_sample.params.b)
    assert_near(h.final_reversed - probability, 0.0)


def test_a_replayed_history_gives_its_hadrons(made):
    """To single precision, after a z close to 1 of the little that is left; the last pair doubles up errors."""
    again = strings.replay(made.histories, made.energy)
    assert np.array_equal(again.pid, made.hadrons.pid)
    last = np.zeros(len(again.px), bool)
    last[again.offsets[1:, None] - [1, 2]] = True
    for axis in checks.P_COLUMNS:
        x, y = getattr(again, axis), getattr(made.hadrons, axis)
        np.testing.assert_allclose(x[~last], y[~last], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(x[last], y[last], rtol=1e-2, atol=1e-2)


# --- Against the numba kernel and real Pythia ------------------------------------------------------


def test_distributions_are_those_of_the_numba_kernel_and_means_those_of_pythia(made, name, columns):
    """13 observables: pulls below 4, p > 1e-3 / 13."""
    found = observables.compute(made.hadrons, made.energy)
    checks.assert_same_distributions(found, columns["base"])
    checks.assert_means_of_pythia(found, "base")


def test_acceptance_is_that_of_real_pythia(made):
    checks.assert_acceptance_of_pythia(made, "base")
