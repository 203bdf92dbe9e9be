"""What holds for every flow: it is normalised, draws what it says, and learns a density that is known."""

import numpy as np
import pytest
import torch
from scipy import stats

from hadtutor import flows

SMALL = {flows.SplineFlow: {"hidden": (16,)}, flows.MatchingFlow: {"hidden": (32, 32), "steps": 6}}
kinds_of_flow = pytest.mark.parametrize("kind", SMALL, ids=lambda k: k.__name__)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def beta_data(n=20_000, seed=1):
    """z of a beta distribution whose first parameter depends on the condition."""
    rng = np.random.default_rng(seed)
    condition = rng.uniform(0.0, 1.0, (n, 1))
    return rng.beta(1.5 + condition, 2.5), condition


def small(kind, x, condition, rng=1, **options):
    return kind(x, condition, rng=rng, **SMALL[kind] | options)


def shaken(flow):
    """A flow that was never trained, but is no identity."""
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for w in flow.parameters():
            w += 0.3 * torch.randn(w.shape, generator=source).to(w)
    return flow


@kinds_of_flow
@dtypes
def test_a_density_integrates_to_one(kind, dtype):
    x, condition = (torch.as_tensor(c, dtype=dtype) for c in beta_data(1000))
    flow = shaken(small(kind, x, condition, kinds="share"))
    y = torch.linspace(-25, 25, 4001, dtype=dtype)
    law = flows.law.log_density_on(flow, y.numpy(), np.array([0.2, 0.7]))
    total = law.exp().sum(0) * (y[1] - y[0])
    assert law.dtype == dtype
    assert torch.allclose(total, torch.ones_like(total), atol=2e-3)


@kinds_of_flow
def test_data_of_two_numbers_come_back_along_the_map(kind):
    """There and back, and ln |det| against the derivative by torch, for numbers that depend on each other."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    flow = shaken(small(kind, x, np.ones((200, 1)) * rng.uniform(size=(200, 1))))
    u = torch.as_tensor(rng.normal(size=(5, 2)))
    known = torch.as_tensor(rng.uniform(size=(5, 1)))
    moved = flow.transport(u, known)
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda a, k=k: flow.transport(a[None], k[None])[0], v)
            for v, k in zip(u, known, strict=True)
        ]
    )
    expected = stats.norm.logpdf(u.numpy()).sum(1) - torch.linalg.slogdet(jacobian)[1].detach().numpy()
    tolerance = 1e-8 if kind is flows.SplineFlow else 2e-2  # of the integral in six steps
    assert np.allclose(flow.log_density(moved.detach(), known).detach(), expected, atol=tolerance)


@kinds_of_flow
def test_a_known_density_is_learned(kind):
    x, condition = beta_data()
    flow = small(kind, x, condition, kinds="share")
    flow.fit(x, condition, epochs=25, batch_size=512, lr=1e-2)
    new, known = beta_data(20_000, 2)
    with torch.no_grad():
        excess = stats.beta.logpdf(new, 1.5 + known, 2.5)[:, 0] - flow.log_density(new, known).numpy()
    assert abs(excess.mean()) < 0.01, "the Kullback-Leibler divergence"
    made = flow.sample(known, rng=5).numpy()[:, 0]
    half = known[:, 0] > 0.5
    for part in (half, ~half):
        pull = (made[part].mean() - new[part].mean()) / np.sqrt(2 * new.var() / part.sum())
        assert abs(pull) < 5


@kinds_of_flow
def test_draws_are_repeated_by_their_rng_and_agree_with_the_density(kind):
    x, condition = beta_data(1000)
    flow = shaken(small(kind, x, condition, kinds="share"))
    known = np.full((20_000, 1), 0.5)
    made = flow.sample(known, rng=1)
    assert torch.equal(made, flow.sample(known, rng=1))
    z = np.linspace(1e-4, 1 - 1e-4, 4001)
    with torch.no_grad():
        density = flow.log_density(z[:, None], np.full((4001, 1), 0.5)).exp().numpy()
    cumulative = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(z))])
    assert stats.kstest(made.numpy()[:, 0], lambda q: np.interp(q, z, cumulative)).pvalue > 1e-3


def test_how_the_mean_moves_with_the_condition_is_known_before_training():
    """A straight line, its square, and nothing where the condition says nothing; a cosine has none."""
    rng = np.random.default_rng(1)
    condition = rng.normal(size=(4000, 1))
    x = np.concatenate([3.0 * condition, condition**2], 1) + 0.1 * rng.normal(size=(4000, 2))
    parabola = flows.MatchingFlow(x, condition, rng=1).parabola
    assert np.allclose(parabola[:, 0], [0, 1, 0], atol=0.02)
    assert abs(parabola[1, 1]) < 0.02 < 0.5 < parabola[2, 1]
    assert torch.all(abs(flows.SplineFlow(x[:, :1], np.ones((4000, 1)), rng=1).parabola) < 1e-6)
    assert torch.all(flows.SplineFlow(np.tanh(x), condition, kinds="cosine", rng=1).parabola == 0)


@kinds_of_flow
def test_an_untrained_cosine_is_uniform(kind):
    cosine = np.random.default_rng(1).uniform(-1, 1, (500, 1))
    flow = small(kind, cosine, np.ones((500, 1)), kinds="cosine")
    if kind is flows.SplineFlow:
        with torch.no_grad():
            assert np.allclose(flow.log_density(cosine, np.ones((500, 1))), np.log(0.5), atol=1e-4)


@kinds_of_flow
def test_a_bayesian_flow_scatters_and_a_plain_one_cannot(kind):
    x, condition = beta_data(2000)
    flow = small(kind, x, condition, kinds="share", bayesian=True)
    flow.fit(x, condition, epochs=2, batch_size=512)
    with torch.no_grad():
        one, other, again = (flow.draw(rng=r).log_density(x, condition) for r in (1, 2, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    with pytest.raises(ValueError, match="bayesian=True"):
        small(kind, x, condition, kinds="share").draw(rng=1)


def test_bootstrapped_flows_differ_and_leave_the_first_alone():
    x, condition = beta_data(2000)
    flow = small(flows.SplineFlow, x, condition, kinds="share")
    before = [w.clone() for w in flow.parameters()]
    found = flows.bootstrapped(flow, x, condition, 2, rng=1, epochs=2, batch_size=500)
    assert all(torch.equal(a, b) for a, b in zip(before, flow.parameters(), strict=True))
    with torch.no_grad():
        one, other = (f.log_density(x, condition) for f in found)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("x", "condition", "kinds", "match"),
    [
        ([[0.5]], [[1.0], [2.0]], "share", "one row for each other"),
        ([[1.5]], [[1.0]], "share", "between 0 and 1"),
        ([[np.nan]], [[1.0]], "real", "finite"),
        ([[0.5]], [[np.inf]], "share", "finite"),
        ([[0.5]], [[1.0]], "angle", "kinds want"),
        (np.zeros((0, 1)), np.zeros((0, 1)), "share", "one row"),
        (np.zeros((2, 1, 1)), np.zeros((2, 1)), "share", "shape"),
    ],
)
def test_bad_data_are_refused(x, condition, kinds, match):
    with pytest.raises(ValueError, match=match):
        flows.SplineFlow(x, condition, kinds=kinds)


def test_columns_that_are_missing_are_named():
    x, condition = beta_data(100)
    flow = small(flows.SplineFlow, x, condition, kinds="share")
    with pytest.raises(ValueError, match="condition must have 1 column"):
        flow.sample(np.ones((5, 2)), rng=1)
    with pytest.raises(ValueError, match="one row for each other"):
        flow.fit(x, condition[:50])
