import math

import numpy as np
import pytest
import torch
from gans import ALPHA, PRECISION, bodies, dtypes, random_directions
from scipy import stats
from torch import nn

from hadtutor.kinematics import decays
from hadtutor.kinematics.tensor import (
    angles,
    directions,
    from_rest_frame,
    helicity_axes,
    p_star,
    to_rest_frame,
    two_body,
)


@dtypes
def test_axes_of_the_helicity_frame_are_right_handed_and_along_the_momentum(dtype):
    momentum = torch.cat([7 * random_directions(500, dtype), torch.zeros(1, 3, dtype=dtype)])
    momentum[:4] = torch.tensor([[0, 0, 3], [0, 0, -3], [1e-9, 0, -3], [2, 0, 0]], dtype=dtype)
    axes = helicity_axes(momentum)
    unit = torch.eye(3, dtype=dtype).expand(len(axes), 3, 3)
    torch.testing.assert_close(axes @ axes.transpose(1, 2), unit, atol=PRECISION[dtype], rtol=0)
    ones = torch.ones(len(axes), dtype=dtype)
    torch.testing.assert_close(torch.linalg.det(axes), ones, atol=PRECISION[dtype], rtol=0)
    torch.testing.assert_close(axes[:-1, 2], nn.functional.normalize(momentum[:-1]))
    assert axes[-1].tolist() == np.eye(3).tolist(), "a body at rest has the axes of the lab"


@dtypes
def test_angles_are_exact_in_all_quadrants_and_undone_by_directions(dtype):
    given = random_directions(2000, dtype)
    scaled = angles(given)
    assert float(scaled.abs().max()) <= 1.0
    torch.testing.assert_close(directions(scaled), given, atol=PRECISION[dtype], rtol=0)
    quadrants = torch.tensor([[1.0, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]], dtype=dtype)
    assert angles(quadrants)[:, 0].tolist() == pytest.approx([0.25, 0.75, -0.75, -0.25])
    # arccos would lose half of the digits here.
    near_pole = torch.tensor([[1e-4, 0.0, 1.0]], dtype=dtype)
    assert float(angles(near_pole)[0, 1] + 1) == pytest.approx(2e-4 / math.pi, rel=1e-3)


@dtypes
def test_isotropic_directions_have_uniform_azimuth_and_cosine(dtype):
    phi, theta = angles(random_directions(20_000, dtype, seed=5)).double().unbind(1)
    assert stats.kstest(phi, stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2
    assert stats.kstest(torch.cos(math.pi * (theta + 1) / 2), stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2


def test_p_star_is_the_momentum_of_the_cluster_model_and_has_finite_slopes():
    _, mass, m1, m2 = bodies(200)
    expected = [decays.p_star(float(m), float(a), float(b)) for m, a, b in zip(mass, m1, m2, strict=True)]
    assert p_star(mass, m1, m2).numpy() == pytest.approx(expected, rel=1e-12)
    below = torch.tensor([1.0, 1.0], requires_grad=True)
    at = p_star(below, torch.tensor([0.5, 0.7]), torch.tensor([0.5, 0.7]))
    assert at.tolist() == [0.0, 0.0], "no momentum at and below threshold"
    (slope,) = torch.autograd.grad(at.sum(), below)
    assert torch.isfinite(slope).all(), "the root has an infinite slope at threshold; it must not reach the network"


@dtypes
def test_boosts_keep_masses_and_undo_each_other(dtype):
    p, mass, m1, _ = bodies(300, dtype)
    k = torch.cat([random_directions(300, dtype), torch.hypot(torch.ones_like(m1), m1).unsqueeze(1)], 1)
    moved = from_rest_frame(p, mass, k)
    scale = float(p[:, 3].max())
    torch.testing.assert_close(to_rest_frame(p, mass, moved), k, atol=scale**2 * PRECISION[dtype], rtol=0)
    at_rest = torch.cat([torch.zeros(300, 3, dtype=dtype), mass.unsqueeze(1)], 1)
    torch.testing.assert_close(from_rest_frame(p, mass, at_rest), p, rtol=PRECISION[dtype] * 10, atol=1e-5)


@dtypes
def test_two_body_conserves_momentum_and_puts_both_parts_on_their_masses(dtype):
    p, mass, m1, m2 = bodies(500, dtype)
    one, two = two_body(p, mass, random_directions(500, dtype), m1, m2)
    torch.testing.assert_close(one + two, p)
    for part, m in ((one, m1), (two, m2)):
        square = (part[:, 3].double() ** 2 - part[:, :3].double().square().sum(1)) - m.double() ** 2
        # In units of what rounding leaves of the square of the energy.
        assert float((square.abs() / p[:, 3].double() ** 2).max()) < 20 * torch.finfo(dtype).eps


def test_two_body_is_differentiable_in_the_direction_and_the_masses():
    p, mass, m1, m2 = bodies(4)
    direction = random_directions(4).requires_grad_()
    inputs = (direction, m1.requires_grad_(), m2.requires_grad_())
    assert torch.autograd.gradcheck(lambda d, a, b: two_body(p, mass, d, a, b), inputs)
