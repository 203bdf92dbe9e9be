"""The loss as a function of the parameters: derivatives, counts of events, errors."""

import numpy as np
import pytest
import torch
from fits import ENERGY, NEAR, SMOOTH, TRUTH, fitted, generated

import hadtutor as ht
from hadtutor import rsa
from hadtutor.rsa import PseudoChi2, default_edges
from hadtutor.rsa.losses import LOSSES
from hadtutor.weights.tensor import LundWeights


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    objective = rsa.Objective(
        generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000), loss=loss, names=("a", "b", "sigma_pt")
    )
    values = np.array([0.66, 0.95, 0.331])
    _, gradient = objective.value_and_gradient(values)
    size = 1e-7 if loss == "wasserstein" else 1e-6  # short enough to meet no kink of |F - G|
    for k in range(3):
        step = size * np.eye(3)[k]
        up, down = (objective.value_and_gradient(values + s)[0] for s in (step, -step))
        # A difference of two losses keeps as many digits as are left of sixteen.
        assert gradient[k] == pytest.approx((up - down) / (2 * size), rel=1e-6, abs=1e-14 * abs(up) / size)


@pytest.mark.parametrize("loss", SMOOTH)
def test_hessian_is_the_derivative_of_the_gradient(loss):
    objective = rsa.Objective(generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000), loss=loss)
    values = np.array([0.66, 0.95])
    hessian = objective.hessian(values)
    for k in range(2):
        step = 1e-5 * np.eye(2)[k]
        up, down = (objective.value_and_gradient(values + s)[1] for s in (step, -step))
        assert hessian[k] == pytest.approx((up - down) / 2e-5, rel=1e-4)


def test_single_precision_weights_give_the_gradient_too():
    sample, target = generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000)
    columns = [ht.observables.compute(s.hadrons, ENERGY, names=("n_f", "T")) for s in (sample, target)]
    gradients = []
    for dtype in (torch.float64, torch.float32):
        module = LundWeights(sample, TRUTH, dtype=dtype)
        PseudoChi2(*columns)(module(), torch.zeros(4000, dtype=dtype)).backward()
        gradients.append([module.a.grad.item(), module.b.grad.item()])
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-2)


def test_counting_events_is_repeating_them(rng):
    """What the bootstrap and the sandwich rely on."""
    pair = generated(NEAR, 1, 3000), generated(TRUTH, 2, 3000)
    counts = [rng.poisson(1.0, 3000) for _ in range(2)]
    again = [s[np.repeat(np.arange(3000), c)] for s, c in zip(pair, counts, strict=True)]
    log_counts = [torch.tensor(c.astype(float)).log() for c in counts]
    one, two = (rsa.Objective(*samples, observables="T", loss="wasserstein") for samples in (pair, again))
    spreads = [o.columns_y["T"].std() for o in (one, two)]  # the unit of the distance
    assert float(one([0.7, 0.9], *log_counts)) * spreads[0] == pytest.approx(float(two([0.7, 0.9])) * spreads[1])
    one, two = (rsa.Objective(*samples, loss="nll") for samples in (pair, again))
    assert float(one([0.7, 0.9], *log_counts)) == pytest.approx(float(two([0.7, 0.9])))


@pytest.mark.parametrize("loss", SMOOTH)
def test_the_sandwich_is_the_scatter_of_resampled_gradients(loss, rng):
    result = fitted(loss)
    objective, hessian = result.objective, result.objective.hessian(result.values)
    steps = []
    for _ in range(150):
        # Counts of 0.9 and 1.1 in place of 0 and 2: the errors inside the loss depend on the counts too.
        counts = (torch.tensor(1 + 0.1 * (rng.poisson(1.0, n) - 1)).log() for n in objective.sizes)
        steps.append(10 * np.linalg.solve(hessian, objective.value_and_gradient(result.values, *counts)[1]))
    # The standard deviation of 150 values has a relative error of 6 %.
    assert np.std(steps, axis=0, ddof=1) == pytest.approx(result.errors, rel=0.2)


def test_minibatches_with_adam_reach_the_minimum():
    sample, target = generated(NEAR, 1), generated(TRUTH, 2)
    columns = [ht.observables.compute(s.hadrons, ENERGY, names=("n_f", "T", "lnx_mean")) for s in (sample, target)]
    edges = {name: default_edges(*(c[name] for c in columns)) for name in columns[0]}
    module = LundWeights(sample)
    module.sigma_pt.requires_grad_(False)
    adam = torch.optim.Adam([module.a, module.b], lr=0.01)
    generator = torch.Generator().manual_seed(1)
    zeros = torch.zeros(len(target), dtype=torch.float64)
    for _ in range(8):
        for batch in torch.randperm(20_000, generator=generator).split(5000):
            loss = PseudoChi2({n: c[batch.numpy()] for n, c in columns[0].items()}, columns[1], edges)
            adam.zero_grad()
            loss(module(batch), zeros).backward()
            adam.step()
    full = PseudoChi2(*columns, edges)
    assert float(full(module(), zeros).detach()) < 0.2 * float(full(LundWeights(sample)(), zeros).detach())
