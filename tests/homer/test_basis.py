"""Functions of breaks: normalised, shared between nodes, and with the right derivatives."""

import numpy as np
import pytest
from homer_samples import BASE, MIXTURE, MT2, TARGET, Z, fitted, generated, prepared, true_f
from scipy import integrate

from hadtutor import homer, lund
from hadtutor.homer import BreakBasis, BreakWeights, break_features


@pytest.mark.parametrize("conditions", [(), ("end",), ("end", "string_pt")])
def test_f_integrates_to_one_whatever_the_coefficients(rng, conditions):
    basis = prepared(conditions).basis
    breaks = BreakWeights(basis, 0.3 * rng.standard_normal(basis.matrix.shape[1]))
    more = dict(zip(conditions, (1.0, 0.4), strict=False))
    z = 1 / (1 + np.exp(-np.linspace(-9, 14, 20_001)))
    # At a node: between nodes of mT² the norm is interpolated too.
    f, _ = breaks.f(
        z, np.exp(basis.axes[1].nodes[9]), **(more | {"string_pt": basis.axes[-1].nodes[2]} if len(more) > 1 else more)
    )
    assert abs(integrate.trapezoid(f, z) - 1) < 1e-3


def test_every_break_is_shared_between_its_nodes():
    chains = prepared()
    assert np.isclose(chains.basis.reference.sum(), len(generated().histories.z))
    w = np.random.default_rng(1).random(len(chains.accepted))
    assert np.isclose(chains.histogram(w).sum(), w @ np.diff(chains.offsets))


@pytest.mark.parametrize("conditions", [(), ("end", "string_pt")])
def test_chains_have_the_product_of_the_weights_of_their_breaks(rng, conditions):
    chains, histories = prepared(conditions), generated().histories
    breaks = BreakWeights(chains.basis, 0.1 * rng.standard_normal(chains.basis.matrix.shape[1]))
    features = break_features(histories, conditions)
    more = {name: features[2 + k] for k, name in enumerate(conditions)}
    log_w, _ = breaks(histories.z, histories.mt2, **more)
    expected = np.bincount(histories.chain_of_break, log_w, minlength=histories.n_chains)
    assert np.allclose(chains.log_weights(breaks.table), expected, atol=1e-3)


def test_derivatives_agree_with_differences(rng):
    basis = prepared().basis
    theta, step = 0.2 * rng.standard_normal((2, basis.matrix.shape[1]))
    analytic = basis.derivative(BreakWeights(basis, theta).table) @ step
    plus, minus = (BreakWeights(basis, theta + s * 1e-4 * step).table for s in (1, -1))
    assert np.allclose(analytic, (plus - minus) / 2e-4, atol=1e-5)


def test_rows_of_chains_are_derivatives_of_their_log_weights(rng):
    chains = prepared()
    basis = chains.basis
    theta, step = 0.1 * rng.standard_normal((2, basis.matrix.shape[1]))
    rows = chains.rows(basis.derivative(BreakWeights(basis, theta).table), slice(5, 25))
    plus, minus = (chains.log_weights(BreakWeights(basis, theta + s * 1e-4 * step).table) for s in (1, -1))
    assert np.allclose(rows @ step, ((plus - minus) / 2e-4)[chains.accepted][5:25], atol=1e-3)


@pytest.mark.parametrize("target", [TARGET, BASE._replace(b=0.85), MIXTURE], ids=["a", "b", "mixture"])
def test_splines_are_fine_enough_for_lund_functions(target):
    basis = prepared().basis
    z, mt2 = basis.z_and_mt2()
    wanted = np.clip(lund.log_density(z, mt2, target) - lund.log_density(z, mt2, BASE), -20, 20)
    breaks = BreakWeights(basis, basis.project(wanted))
    assert np.max(np.abs(breaks.f(Z, MT2)[0] / true_f(target) - 1)) < 0.005


def test_string_pt_is_that_of_the_quark_that_waits():
    histories = generated().histories[:200]
    waiting = break_features(histories, ("string_pt",))[2]
    for c in range(histories.n_chains):
        left = {True: (0.0, 0.0), False: (0.0, 0.0)}
        for j in range(histories.chain_offsets[c], histories.chain_offsets[c + 1]):
            side = bool(histories.from_positive[j])
            assert np.isclose(waiting[j], np.hypot(*left[side]), atol=1e-6)
            left[side] = histories.px[j], histories.py[j]


def test_weights_want_sensible_breaks():
    breaks = fitted().breaks
    with pytest.raises(ValueError, match="z must lie between"):
        breaks(1.0, 0.1)
    with pytest.raises(ValueError, match="mt2 be positive"):
        breaks(0.5, np.nan)
    with pytest.raises(ValueError, match="missing or too many: end"):
        breaks(0.5, 0.1, end=1)


@pytest.mark.parametrize("make", [break_features, lambda h, c: homer.prepare(generated(), c)])
def test_conditions_are_known_words(make):
    for unknown in ("colour", ("end", "colour"), ("e", "n", "d"), ("end", "end")):
        with pytest.raises(ValueError, match="conditions"):
            make(generated().histories, unknown)


def test_a_word_is_one_condition():
    histories = generated()[:100].histories
    assert np.array_equal(break_features(histories, "end"), break_features(histories, ("end",)))
    assert homer.prepare(generated(), "end").basis.conditions == ("end",)


def test_the_density_is_f_and_ends_at_the_ends():
    breaks = fitted().breaks
    assert np.array_equal(breaks.density(Z, MT2), breaks.f(Z, MT2)[0])
    assert breaks.density([0.0, 0.5, 1.0], 0.1)[[0, 2]].tolist() == [0.0, 0.0]


def test_a_basis_wants_lund_parameters():
    with pytest.raises(TypeError, match="made with LundParams"):
        BreakBasis.of(break_features(generated().histories), MIXTURE)
