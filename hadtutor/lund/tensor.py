r"""The Lund fragmentation function for torch: differentiable in a and b, on any device. See `hadtutor.lund`."""

import math

import torch

from .function import _quadrature


def log_f(z, mt2, a, b):
    r"""Logarithm of the fragmentation function, without its normalisation.

    Parameters
    ----------
    z, mt2 : Tensor
        Light-cone fraction, strictly between 0 and 1, and transverse mass squared [GeV²]; broadcast.
    a, b : Tensor or float
        Lund parameters; gradients flow to them.

    Returns
    -------
    Tensor
        :math:`a \ln(1-z) - \ln z - b\, m_T^2 / z`.

    Examples
    --------
    >>> a = torch.tensor(0.68, dtype=torch.float64, requires_grad=True)
    >>> log_f(torch.tensor(0.5, dtype=torch.float64), 0.1, a, 0.98).backward()
    >>> round(float(a.grad), 6)  # ln(1 - z)
    -0.693147
    """
    return a * torch.log1p(-z) - torch.log(z) - b * mt2 / z


def log_normalisation(mt2, a, b):
    r"""Logarithm of :math:`N = \int_0^1 \mathrm{d}z\, (1-z)^a z^{-1} e^{-b m_T^2/z}`, as in `hadtutor.lund`.

    Parameters
    ----------
    mt2 : Tensor
        Transverse mass squared [GeV²], > 0, of any shape.
    a, b : Tensor or float
        Lund parameters; gradients flow to them.

    Returns
    -------
    Tensor
        ln N, of the shape of `mt2`. It takes memory for about 400 times as many numbers.
    """
    c = b * mt2
    a = torch.as_tensor(a, dtype=mt2.dtype, device=mt2.device)
    t, step, _ = _quadrature(float(a.detach()), c.detach().double().cpu().numpy())
    t = torch.as_tensor(t, dtype=mt2.dtype, device=mt2.device)
    log_integrand = -(a + 1.0) * torch.nn.functional.softplus(-t) - c[..., None] * torch.exp(t)
    return torch.logsumexp(log_integrand, dim=-1) + math.log(step) - c
