"""MAGIC: weights of a change of f, and what they reach."""

import functools

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import flows
from hadtutor.flows.event_tuning import _Chains, _Compared
from hadtutor.lund import log_density
from hadtutor.metrics import wasserstein

P, Q = ht.LundParams(), ht.LundParams(a=1.0)


@functools.cache
def samples():
    return [ht.hadronize_strings(4000, p, energy=50.0, rng=k, progress=False) for k, p in enumerate((P, Q), 1)]


@functools.cache
def base():
    x, condition = flows.breaks(samples()[0])
    flow = flows.SplineFlow(x, condition, kinds="share", hidden=(16,))
    flow.fit(x, condition, epochs=8, batch_size=1024, lr=1e-2)
    return flow


def test_weights_of_a_known_change_are_those_of_the_generator():
    """On a grid and without the last pair: close to the exact ones, up to a constant."""
    sim = samples()[0]
    chains = _Chains(sim, base())
    change = chains.towards(Q, P)
    log_w = chains.matrix @ change.ravel()
    exact = ht.weights.event_weights(sim, Q).log_w
    assert np.corrcoef(log_w, exact)[0, 1] > 0.999
    assert np.std(log_w - exact) < 0.03 * np.std(exact) + 0.01


def test_a_change_keeps_f_normalised():
    chains = _Chains(samples()[0], base())
    change = chains.change(base(), torch.as_tensor(chains.towards(Q, P))).detach().numpy()
    law = flows.ChangedLaw(flows.FlowLaw(base()), chains.logit_z, chains.log_mt2, change)
    y = np.linspace(-12, 12, 4001)
    z = 1 / (1 + np.exp(-y))
    total = (law.density(z, np.exp(chains.log_mt2[[3, 12], None])) * z * (1 - z)).sum(axis=1) * (y[1] - y[0])
    assert np.allclose(total, 1.0, atol=0.01)


def test_the_distance_is_wasserstein_s():
    rng = np.random.default_rng(1)
    x, y = rng.poisson(10, 500).astype(float), rng.poisson(12, 700).astype(float)
    compared = _Compared(x, y)
    goal = compared.cumulative_of_data(torch.ones(700))
    w = torch.as_tensor(rng.uniform(size=500))
    expected = wasserstein(x, y, np.log(w.numpy())) / y.std()
    assert float(compared.distance(w / w.sum(), goal)) == pytest.approx(expected, rel=1e-5)


def test_events_of_the_target_are_reached_without_new_ones():
    sim, data = samples()
    result = flows.magic(base(), sim, data, steps=60, progress=False)
    n, goal = sim.hadrons.multiplicity, data.hadrons.multiplicity
    error = goal.std() * np.sqrt(1 / 4000 + 1 / result.n_eff)
    assert abs(np.average(n, weights=np.exp(result.log_w)) - goal.mean()) < 4 * error
    assert result.loss[0, -1] < 0.3 * result.loss[0, 0]
    z = np.array([0.2, 0.3, 0.4, 0.5])
    true, before = np.exp(log_density(z, 0.1, Q)), np.exp(log_density(z, 0.1, P))
    assert np.mean(abs(result.law.density(z, 0.1) - true)) < np.mean(abs(before - true))


def test_data_like_the_simulation_change_nothing():
    sim = samples()[0]
    result = flows.magic(base(), sim, sim, steps=10, lr=1e-5, progress=False)
    assert np.allclose(result.log_w, 0.0, atol=0.02)


def test_starts_widen_the_band_and_bootstraps_are_repeated_by_their_rng():
    sim, data = samples()
    starts = [P, P._replace(a=0.4, b=0.8), P._replace(a=1.2, b=1.2)]
    options = {"bootstrap": True, "steps": 10, "rng": 3, "progress": False}
    plain, again = (flows.magic(base(), sim, data, starts=[None] * 3, **options) for _ in range(2))
    wide = flows.magic(base(), sim, data, starts=starts, **options)
    assert np.array_equal(plain.log_w, again.log_w)
    z = np.array([0.2, 0.5, 0.8])
    assert np.all(wide.law.sigma(z, 0.1) > plain.law.sigma(z, 0.1))


def test_a_changed_law_is_a_law():
    sim, data = samples()
    law = flows.magic(base(), sim, data, steps=5, progress=False).law
    assert len(ht.hadronize_strings(100, P, law=law, rng=1)) == 100
    with pytest.raises(ValueError, match="several members"):
        law.sigma(0.5, 0.1)


@pytest.mark.parametrize(("name", "error"), [("speed", ValueError), ([], ValueError)])
def test_unknown_observables_are_refused(name, error):
    with pytest.raises(error, match="observables are"):
        flows.magic(base(), *samples(), observables=name, progress=False)
