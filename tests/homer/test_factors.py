"""Weights of what is not z: against the exact ones, and found in data."""

import dataclasses

import numpy as np
import pytest
from homer_samples import BASE, generated

from hadtutor import homer
from hadtutor.homer import Factors
from hadtutor.weights import chain_log_weights, event_weights

ALL = ("order", "sigma_pt", "enhanced_fraction", "u_fraction")
BROAD = BASE._replace(enhanced_fraction=0.02)


def factors_of(sample, names=ALL):
    return Factors(sample.histories, sample.params, names, 2)


@pytest.mark.parametrize("change", [(0, 0.02, 0, 0), (0, 0, 0.01, 0), (0, 0, 0, 0.05), (0, -0.01, -0.005, 0.1)])
def test_they_are_the_exact_weights(change):
    sample = generated(BROAD, 3, 2000)
    values = {name: getattr(BROAD, name) + d for name, d in zip(ALL[1:], change[1:], strict=True)}
    exact = chain_log_weights(sample, BROAD._replace(**values))
    assert np.allclose(factors_of(sample).log_weights(np.array(change)), exact, atol=1e-12)


def test_the_order_is_that_of_its_own_b():
    """Together with f at this b, whose weights hold no order, they are the exact weights."""
    sample, target = generated(BASE, 3, 2000), BASE._replace(b=1.2)
    of_breaks = homer.prepare(sample, factors="order")
    table = of_breaks.factors.log_weights(np.array([target.b - BASE.b]))
    h = sample.histories
    p = 1.0 / (1.0 + np.exp(np.where(h.final_reversed, 1, -1) * target.b * h.final_lambda.astype(float)))
    q = 1.0 / (1.0 + np.exp(np.where(h.final_reversed, 1, -1) * BASE.b * h.final_lambda.astype(float)))
    accepted = h.accepted
    assert np.allclose(table[accepted], np.log(p / q)[accepted], atol=1e-9)
    assert np.all(table[~accepted] == 0.0)


def test_rows_are_derivatives():
    sample = generated(BROAD, 3, 2000)
    factors, at = factors_of(sample), np.array([0.1, 0.01, 0.005, 0.02])
    rows, step = factors.rows(at), np.array([0.01, 0.001, 0.001, 0.01])
    for k in range(4):
        ahead, behind = at.copy(), at.copy()
        ahead[k], behind[k] = ahead[k] + step[k], behind[k] - step[k]
        difference = (factors.log_weights(ahead) - factors.log_weights(behind)) / (2 * step[k])
        assert np.allclose(rows[:, k], difference, rtol=0.02, atol=0.02)


def test_they_end_where_the_model_ends():
    factors = factors_of(generated(BASE, 3, 2000))
    assert np.all(np.isfinite(factors.log_weights(np.full(4, -5.0))))
    assert np.all(factors.reference + factors.within(np.full(4, -5.0)) >= [1e-3, 1e-2, 0.0, 1e-3])


@pytest.mark.parametrize("factors", ["sigma", ("order", "a"), ("order", "order")])
def test_unknown_factors_are_named(factors):
    with pytest.raises(ValueError, match="factors"):
        homer.prepare(generated(), factors=factors)


def test_a_wrong_width_is_found_and_does_not_bend_f():
    """σ wrong by 3 %: more than five standard deviations, f as before, and event weights right."""
    truth = BASE._replace(sigma_pt=1.03 * BASE.sigma_pt, a=0.60)
    result = homer.fit(generated(), generated(truth, 8), iterations=1, progress=False)
    sigma = dict(zip(result.factors.names, result.factors.values, strict=True))["sigma_pt"]
    error = result.factors.errors[1]
    assert abs(sigma - truth.sigma_pt) < 4 * error
    assert sigma - BASE.sigma_pt > 5 * error
    assert abs(homer.fit_lund(result).values[2] - truth.sigma_pt) < 4 * error
    pulls = homer.event_pulls(result.log_w, event_weights(generated(), truth).log_w, result.sigma)
    assert np.sqrt(np.mean(pulls**2)) < 3.0
    assert result.p_value > 1e-4


def test_real_pythia_hides_draws_of_rejected_chains():
    """Then the mean weight is one by construction."""
    sample = generated(BASE, 3, 4000)
    h = sample.histories
    unknown = np.where(h.accepted, h.final_px, np.nan).astype(np.float32)
    hidden = dataclasses.replace(h, final_px=unknown)
    theta = np.append(np.zeros(homer.prepare(sample).basis.size), 0.02)
    bare = dataclasses.replace(sample, histories=hidden)
    log_w, _ = homer.prepare(bare, factors="sigma_pt").event_log_weights(theta)
    assert np.exp(log_w).mean() == pytest.approx(1.0, abs=1e-12)
