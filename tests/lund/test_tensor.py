import numpy as np
import pytest
import torch

from hadtutor import LundParams, lund
from hadtutor.lund import tensor


def as_tensor(values, device):
    return torch.tensor(values, dtype=torch.float64, device=device)


@pytest.mark.parametrize("a", [0.0, 1e-6, 0.3, 0.68, 2.0])
@pytest.mark.parametrize("b", [0.02, 0.98, 30.0])
def test_the_torch_forms_are_those_of_lund(device, a, b):
    """To 1e-12 in double precision."""
    params = LundParams(a=a, b=b)
    z, mt2 = np.linspace(0.01, 0.99, 25)[:, None], np.geomspace(0.02, 5.0, 20)
    got = tensor.log_f(as_tensor(z, device), as_tensor(mt2, device), a, b).cpu().numpy()
    np.testing.assert_allclose(got, lund.log_f(z, mt2, params), rtol=1e-12, atol=1e-12)
    got = tensor.log_normalisation(as_tensor(mt2, device), a, b).cpu().numpy()
    np.testing.assert_allclose(got, lund.log_normalisation(mt2, params), rtol=1e-12, atol=1e-12)


def test_the_torch_normalisation_keeps_shapes_and_precision(device):
    mt2 = torch.full((2, 3), 0.5, dtype=torch.float32, device=device)
    got = tensor.log_normalisation(mt2, 0.68, 0.98)
    assert got.shape == (2, 3)
    assert got.dtype == torch.float32
    want = float(lund.log_normalisation(0.5, LundParams()))
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-5)


def test_gradients_in_a_and_b_are_those_of_finite_differences(device):
    a, b = (as_tensor(x, device).requires_grad_() for x in (0.68, 0.98))
    z, mt2 = as_tensor([0.1, 0.5, 0.9], device), as_tensor([0.03, 0.2, 2.0], device)
    assert torch.autograd.gradcheck(lambda a, b: tensor.log_f(z, mt2, a, b), (a, b))
    assert torch.autograd.gradcheck(lambda a, b: tensor.log_normalisation(mt2, a, b), (a, b))


def test_second_derivatives_of_the_normalisation_exist(device):
    """ln N is convex in b: its second derivative is the variance of mT²/z."""
    b = as_tensor(0.98, device).requires_grad_()
    mt2 = as_tensor([0.03, 0.2, 2.0], device)
    assert torch.autograd.gradgradcheck(lambda b: tensor.log_normalisation(mt2, 0.68, b), (b,))
    log_n = tensor.log_normalisation(mt2, 0.68, b).sum()
    (slope,) = torch.autograd.grad(log_n, b, create_graph=True)
    assert torch.autograd.grad(slope, b)[0] > 0


@pytest.mark.parametrize("which", ["a", "b"])
def test_the_mean_score_is_zero_and_its_variance_is_the_information(device, base, which):
    """The slope of the sum of ln(f/N) over breaks drawn at (a, b) is zero within its own error: pull below 4.

    That error follows from the curvature, Fisher's information.
    """
    h, here = base.histories, {"a": as_tensor(0.68, device), "b": as_tensor(0.98, device)}
    x = here[which].requires_grad_()
    z, mt2 = (as_tensor(column[:4000].astype(float), device) for column in (h.z, h.mt2))
    log_likelihood = (tensor.log_f(z, mt2, **here) - tensor.log_normalisation(mt2, **here)).sum()
    (score,) = torch.autograd.grad(log_likelihood, x, create_graph=True)
    (curvature,) = torch.autograd.grad(score, x)
    assert curvature < 0
    assert abs(float(score.detach())) < 4 * np.sqrt(-float(curvature))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_other_torch_laws_are_those_of_numpy(device, share):
    """The peak, the density of pT, and the order of the last pair, to 1e-12."""
    params = LundParams(a=0.3, b=2.0, sigma_pt=0.4, enhanced_fraction=share)
    x = np.geomspace(0.02, 5.0, 20)
    pairs = [
        (tensor.z_peak(as_tensor(x, device), params.a, params.b), lund.z_peak(x, params)),
        (tensor.pt_log_density(as_tensor(x, device), as_tensor(0.4, device), params), lund.pt_log_density(x, params)),
        (tensor.reverse_probability(as_tensor(x, device), params.b), lund.reverse_probability(x, params.b)),
        (tensor.log_order_probability(as_tensor(-x, device), params.b), lund.log_order_probability(-x, params.b)),
        (tensor.pair_lambda(as_tensor(3.0 + x, device), as_tensor(x, device), as_tensor(0.1, device)),
         [lund.share_between_two(1.0, 3.0 + m, m, 0.1, False)[2] for m in x]),
    ]  # fmt: skip
    for got, want in pairs:
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-12, atol=1e-12)
