import math

import numpy as np
import pytest
import torch
from gans import pions

import hadtutor as ht
from hadtutor import gan
from hadtutor.kinematics.tensor import (
    helicity_axes,
    rotate,
    two_body,
)


def test_decays_give_back_the_hadrons_of_the_sample():
    sample = pions()
    truth, (rows, first) = gan.decays(sample), gan.pair_rows(sample)
    c = sample.histories
    p, mass = gan.momenta(c)[rows], torch.as_tensor(c.mass[rows])
    of_quark = rotate(truth.direction.double(), helicity_axes(p[:, :3])) * gan.leading(c)[rows, None]
    hadrons = gan.momenta(sample.hadrons)
    m1, m2 = (
        (k[:, 3] ** 2 - k[:, :3].square().sum(1)).clamp(min=0).sqrt() for k in (hadrons[first], hadrons[first + 1])
    )
    one, two = two_body(p, mass, of_quark, m1, m2)
    torch.testing.assert_close(one, hadrons[first], atol=1e-4, rtol=0)
    torch.testing.assert_close(two, hadrons[first + 1], atol=1e-4, rtol=0)


def test_conditions_do_not_depend_on_how_the_event_is_turned():
    c = pions().histories
    turned = c.replace(px=-c.py, py=c.px)
    assert torch.equal(gan.conditions(turned), gan.conditions(c))


def test_leading_hadron_is_that_of_the_perturbative_quark():
    c = pions().histories
    sign = gan.leading(c).numpy()
    assert (sign[c.quark_perturbative] == 1).all()
    assert (sign[~c.quark_perturbative & c.antiquark_perturbative] == -1).all()
    truth = gan.decays(pions())
    cosine = truth.direction[truth.perturbative][:, 2]
    assert float(cosine.mean() / cosine.std() * len(cosine) ** 0.5) > 20, "it flies on with the cluster"


def test_decays_want_clusters():
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(ht.hadronize_strings(3, rng=np.random.default_rng(1)))
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(None)


def test_pseudorapidity_tells_directions_near_the_poles_apart_and_has_a_slope_there():
    theta = torch.tensor([1e-3, 1e-2, 0.1, math.pi / 2, math.pi - 1e-2], dtype=torch.float64, requires_grad=True)
    direction = torch.stack([theta.sin(), torch.zeros_like(theta), theta.cos()], 1)
    seen = gan.with_pseudorapidity(direction)
    torch.testing.assert_close(seen[:, :3], direction)
    torch.testing.assert_close(seen[:, 3], -torch.log(torch.tan(theta / 2)))
    (slope,) = torch.autograd.grad(seen[:, 3].sum(), theta)
    torch.testing.assert_close(slope, -1 / theta.sin())  # d eta / d theta


def test_pseudorapidity_of_the_poles_themselves_is_finite():
    for dtype in (torch.float32, torch.float64):
        poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=dtype)
        eta = gan.with_pseudorapidity(poles)[:, 3]
        assert bool(torch.isfinite(eta).all())
        assert eta[0] == -eta[1] > 10
