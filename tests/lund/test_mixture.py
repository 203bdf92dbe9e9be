"""Mixtures of Lund fragmentation functions: densities, generator, weights."""

import numpy as np
import pytest
from checks import ALPHA
from scipy import integrate, stats

import hadtutor as ht
from hadtutor import LundMixture, LundParams, lund, observables
from hadtutor.metrics import pull
from hadtutor.particles import MASS_NEUTRAL_PION
from hadtutor.weights import break_log_weights, event_weights

BASE = LundParams()
TWO = LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5))
THREE = LundMixture((BASE, BASE._replace(a=1.5, b=1.2), BASE._replace(b=0.7)), (0.2, 0.3, 0.5))
N_TESTS = 4  # of the distribution of z, judged together


def generate(params, n, seed):
    return ht.hadronize_strings(n, params, rng=np.random.default_rng(seed), progress=False)


@pytest.mark.parametrize("params", [BASE, TWO, THREE], ids=["one", "two", "three"])
@pytest.mark.parametrize("mt2", [0.02, 0.1, 1.0])
def test_densities_integrate_to_one(params, mt2):
    total, error = integrate.quad(lambda z: np.exp(lund.log_density(z, mt2, params)), 0, 1, epsabs=1e-11)
    assert abs(total - 1.0) < 1e-9 + error


def test_one_component_is_no_mixture():
    """Not a single random number more is drawn."""
    plain, mixed = generate(BASE, 500, 1), generate(LundMixture((BASE,), (1.0,)), 500, 1)
    assert np.array_equal(plain.hadrons.px, mixed.hadrons.px)
    assert np.array_equal(plain.histories.z, mixed.histories.z)


@pytest.mark.parametrize("params", [TWO, THREE], ids=["two", "three"])
def test_z_follows_the_mixture(params):
    """The distribution function of each z at its own mT² is uniform: chains end without looking at their last z."""
    histories = generate(params, 1500, 2).histories
    grid = np.linspace(0.0, 1.0, 801)[1:-1]
    some = np.random.default_rng(3).choice(len(histories.z), 1500, replace=False)
    u = np.empty(len(some))
    for k, j in enumerate(some):
        density = np.exp(lund.log_density(grid, float(histories.mt2[j]), params))
        cumulative = integrate.cumulative_trapezoid(density, grid, initial=0.0)
        u[k] = np.interp(histories.z[j], grid, cumulative / cumulative[-1])
    assert stats.kstest(u, "uniform").pvalue > ALPHA / N_TESTS, "z does not follow the sum of the two functions"


@pytest.mark.parametrize("params", [TWO, THREE], ids=["two", "three"])
def test_a_weighted_sample_has_the_observables_of_the_mixture(params):
    base, mixed = generate(BASE, 20_000, 4), generate(params, 20_000, 5)
    found = event_weights(base, params)
    assert abs(pull(np.exp(found.log_w), np.ones(2))) < 4, "the mean weight is not one"
    x, y = (observables.compute(s.hadrons, s.energy) for s in (base, mixed))
    for name in observables.NAMES:
        assert abs(pull(x[name], y[name], found.log_w)) < 4, name
    acceptance = mixed.histories.accepted.mean()
    error = np.hypot(found.acceptance_error, np.sqrt(acceptance * (1 - acceptance) / mixed.histories.n_chains))
    assert abs(found.acceptance_target - acceptance) < 4 * error


def test_break_weights_are_means_of_those_of_the_components():
    histories = generate(BASE, 200, 6).histories
    each = [np.exp(break_log_weights(histories, c, base=BASE)) for c in THREE.components]
    expected = np.tensordot(THREE.fractions, each, axes=1)
    assert np.allclose(np.exp(break_log_weights(histories, THREE, base=BASE)), expected, rtol=1e-12)


def test_transverse_masses_outside_the_table_take_the_right_component():
    params = LundMixture((LundParams(sigma_pt=1.0), LundParams(sigma_pt=1.0, a=3.0)), (0.5, 0.5))
    sample = ht.hadronize_strings(300, params, energy=90.0, rng=np.random.default_rng(7), progress=False)
    assert sample.histories.mt2.max() > 256 * MASS_NEUTRAL_PION**2, "this test is about heavy transverse masses"
    assert len(sample) == 300


def test_samples_of_mixtures_are_saved_and_say_what_they_are(tmp_path):
    sample = generate(TWO, 50, 8)
    sample.save(tmp_path / "sample.npz")
    again = ht.Sample.load(tmp_path / "sample.npz")
    assert again.params == TWO
    assert "0.5 × (a=0.68, b=0.98) + 0.5 × (a=0.3, b=0.98)" in repr(again)


@pytest.mark.parametrize(
    ("components", "fractions", "error", "message"),
    [
        ((BASE,), (0.5,), ValueError, "add up to 1"),
        ((BASE, BASE), (1.0,), ValueError, "one fraction for each"),
        ((), (), ValueError, "one fraction for each"),
        ((BASE, BASE), (1.5, -0.5), ValueError, r"fractions\[0\]"),
        ((BASE, BASE), (0.5, np.nan), ValueError, r"fractions\[1\]"),
        ((BASE, BASE), ("x", 0.5), TypeError, "must be a number"),
        ((BASE, 0.3), (0.5, 0.5), TypeError, "must be LundParams"),
        ((BASE, BASE._replace(sigma_pt=0.4)), (0.5, 0.5), ValueError, "a and b alone"),
        (BASE, 0.5, TypeError, "must be tuples"),
    ],
)
def test_bad_mixtures_are_named(components, fractions, error, message):
    with pytest.raises(error, match=message):
        generate(LundMixture(components, fractions), 10, 1)


def test_what_knows_no_mixture_says_so():
    histories = generate(BASE, 20, 9).histories
    with pytest.raises(TypeError, match="base must be LundParams"):
        break_log_weights(histories, BASE, base=TWO)
    trials = ht.weights.record_trials(histories, base=BASE, rng=1)
    with pytest.raises(ValueError, match="overestimate of a mixture"):
        break_log_weights(histories, TWO, base=BASE, trials=trials)
