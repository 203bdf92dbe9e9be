"""Events of several strings, each with an accepted chain of its own."""

import functools

import numpy as np
import pytest
from homer_samples import BASE, MT2, TARGET, Z, true_f

from hadtutor import datasets, hadronize_partons, homer, metrics, weights
from hadtutor.homer.posterior import _rows_at


@functools.cache
def made(params=BASE, seed=1):
    showers = datasets.load("pythia-showers-91")
    return hadronize_partons(showers, params, flavours="to u d", rng=seed, progress=False)


def test_rows_of_events_are_derivatives_of_their_log_weights(rng):
    """Also that of the acceptance, which counts once for each string."""
    chains = homer.prepare(made()[:1000], factors=("order", "sigma_pt"))
    assert set(chains.n_strings) >= {1, 2, 3}
    theta = np.append(0.05 * rng.normal(size=chains.basis.size - 2), [0.02, 0.003])
    rows = _rows_at(chains, homer.BreakWeights(chains.basis, theta))(slice(100, 800))
    for k in range(0, len(theta), 5):
        step = np.zeros(len(theta))
        step[k] = 1e-4
        up, down = (chains.event_log_weights(t)[0][100:800] for t in (theta + step, theta - step))
        np.testing.assert_allclose(rows[:, k], (up - down) / 2e-4, rtol=0, atol=1e-6)


def test_exact_weights_give_the_exact_function():
    sim = made()
    exact = weights.event_weights(sim, TARGET).log_w
    breaks = homer.step_two(homer.prepare(sim), exact, rounds=5)
    assert abs(breaks.f(Z, MT2)[0] / true_f(TARGET) - 1.0).max() < 0.05, "breaks of all strings belong to f"
    log_w, _ = homer.step_three(homer.prepare(sim), breaks)
    assert np.corrcoef(log_w, exact)[0, 1] > 0.995


def test_the_network_counts_the_acceptance_once_for_each_string():
    sim = made()
    chains, exact = homer.prepare(sim), weights.event_weights(sim, TARGET).log_w
    features = homer.break_features(sim.histories)
    breaks, sigma = homer.regress(chains, features, exact, epochs=10, rng=1, progress=False)
    assert abs(breaks.f(Z[:, 2:], MT2)[0] / true_f(TARGET, Z[:, 2:]) - 1.0).max() < 0.1
    assert sigma.shape == (len(sim),)


def test_the_function_is_learned_and_weights_of_new_events_follow():
    sim, data = made(), made(TARGET, 2)
    result = homer.fit(sim, data.hadrons, rebase=True, rng=1, progress=False)
    f, sigma = result.f(Z, MT2)
    assert np.max(np.abs(f - true_f(TARGET)) / sigma) < 4, "f lies within its errors"
    exact = weights.event_weights(sim, TARGET).log_w
    fresh = made(BASE, 3)
    log_w = result.log_weights(fresh)
    assert abs(np.exp(log_w).mean() - 1) < 4 * np.exp(log_w).std() / len(fresh) ** 0.5
    distance = metrics.pull(fresh.hadrons.multiplicity, data.hadrons.multiplicity, log_w)
    assert abs(distance) < 4
    assert metrics.n_eff(exact) < metrics.n_eff(result.log_w), "it has simulated anew where the data are"


def test_events_without_a_chain_are_named():
    sim = made()[:1000]
    status = sim.histories.status.copy()
    status[np.flatnonzero(sim.histories.accepted)[5]] = 2
    histories = sim.histories.replace(status=status)
    with pytest.raises(homer.HomerError, match="one accepted chain for each string"):
        homer.fit(sim.replace(histories=histories), sim.hadrons)
