"""Steps two and three, by splines and by a network: exact weights give the exact function."""

import numpy as np
import pytest
import torch
from homer_samples import BASE, MIXTURE, MT2, TARGET, Z, generated, prepared, true_f

from hadtutor import homer
from hadtutor.homer import BreakNetwork, BreakWeights, break_features, maximise, regress
from hadtutor.metrics import pull
from hadtutor.nets import Cloud, torch_seed
from hadtutor.weights import event_weights


@pytest.mark.parametrize("target", [TARGET, MIXTURE], ids=["a", "mixture"])
def test_exact_weights_give_the_exact_function(target):
    """Without the classifier nothing is lost: f comes out within the statistics of the breaks, and is not biased."""
    chains = prepared()
    log_w = event_weights(generated(), target).log_w
    breaks = None
    for _ in range(3):  # the share of rejected chains settles
        breaks = homer.step_two(chains, log_w, breaks)
    ratio = breaks.f(Z, MT2)[0] / true_f(target)
    assert np.max(np.abs(ratio - 1)) < 0.04
    assert abs(np.mean(ratio - 1)) < 0.004
    again, log_ratio = homer.step_three(chains, breaks)
    exact = event_weights(generated(), target)
    assert np.corrcoef(again, exact.log_w)[0, 1] > 0.995
    assert abs(log_ratio - np.log(exact.acceptance_target / exact.acceptance)) < 0.005
    assert abs(pull(np.exp(again), np.ones(2))) < 4, "the mean weight is not one"


def test_without_rejected_chains_f_is_that_of_accepted_ones():
    """Strings that may end at low masses fail often, three times in ten here. Those breaks belong to f."""
    base = BASE._replace(stop_mass=0.3)
    sim, target = generated(base, 4, 40_000, 10.0), base._replace(a=0.2)
    chains, log_w = homer.prepare(sim), event_weights(sim, target).log_w
    breaks = {True: None, False: None}
    for acceptance in breaks:
        for _ in range(4):
            breaks[acceptance] = homer.step_two(chains, log_w, breaks[acceptance], acceptance)
    error = {on: np.abs(np.mean(b.f(Z, MT2)[0] / true_f(target) - 1, axis=0)).max() for on, b in breaks.items()}
    assert error[True] < 0.5 * error[False], "the acceptance correction does not help"
    assert 0.65 < sim.histories.accepted.mean() < 0.75
    _, ratio = homer.step_three(chains, breaks[False], acceptance=False)
    assert ratio == 0.0


def test_the_maximum_is_one(rng):
    """Newton's method ends where a general minimiser ends."""
    basis = prepared().basis
    truth = BreakWeights(basis, basis.project(np.sin(2 * basis.z_and_mt2()[0])))
    histogram = rng.poisson(basis.reference * np.exp(truth.table)).astype(float)
    precision = np.linalg.inv(basis.prior())
    theta = maximise(basis, histogram, basis.reference, np.zeros(basis.matrix.shape[1]), precision)
    n_z, functions = basis.shape[0], basis.matrix
    filled = basis.reference.reshape(n_z, -1).sum(axis=0) > 0

    def loss(theta):
        g, r = (functions @ theta).reshape(n_z, -1), basis.reference.reshape(n_z, -1)
        norm = np.log((r * np.exp(g)).sum(axis=0)[filled])
        wanted = histogram.reshape(n_z, -1)
        return -(wanted * g).sum() + wanted.sum(axis=0)[filled] @ norm + 0.5 * theta @ precision @ theta

    directions = rng.standard_normal((10, len(theta)))
    for d in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        assert loss(theta) <= min(loss(theta + 1e-3 * d), loss(theta - 1e-3 * d))


def test_the_network_comes_to_the_same_function():
    chains, histories = prepared(), generated().histories
    log_w = event_weights(generated(), TARGET).log_w
    breaks, sigma = regress(chains, break_features(histories), log_w, rng=1, epochs=4, progress=False)
    assert np.max(np.abs(breaks.f(Z, MT2)[0] / true_f(TARGET) - 1)) < 0.06
    assert np.isfinite(breaks(Z, MT2)[1]).all()
    assert sigma.shape == log_w.shape
    assert np.median(sigma) < 0.2, "exact weights leave little to scatter"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_means_and_variances_of_breaks_add_up(dtype):
    x = torch.randn(7, 2, dtype=dtype)
    with torch_seed(1):
        net = BreakNetwork(x).to(dtype)
    mean, variance = net.of_events(Cloud(x, torch.tensor([0, 0, 1, 1, 1, 3, 3]), 4))
    each = net(x)
    assert torch.isclose(mean[1], each[2:5, 0].sum())
    assert torch.isclose(variance[3], each[5:, 1].exp().sum(), rtol=1e-3)
    assert mean[2] == 0
    assert mean.dtype == dtype


def test_step_two_wants_a_weight_for_each_event():
    for bad in (np.zeros(3), np.zeros((20_000, 1)), np.full(20_000, np.nan)):
        with pytest.raises(ValueError, match="log_w_class must"):
            homer.step_two(prepared(), bad)
    with pytest.raises(ValueError, match="rounds must be"):
        homer.step_two(prepared(), np.zeros(20_000), rounds=0)


def test_a_simulation_without_breaks_is_named():
    """Strings so light that the first two hadrons are the last."""
    sim = generated(BASE, 1, 1000, 1.8)
    with pytest.raises(homer.HomerError, match="breaks in 0 events"):
        homer.prepare(sim[:0])
    h = sim.histories
    if len(h.z) == 0:
        with pytest.raises(homer.HomerError, match="too few to weight"):
            homer.prepare(sim)
