r"""The laws of `hadtutor.lund` for torch: differentiable in the parameters, on any device."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from .._support.checks import as_seed, takes_rng
from ..params import LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION
from .flavour import neutral_probability
from .function import LARGEST_Z, LARGEST_Z32, STEEP, quadrature
from .staircase import ZTable
from .transverse import log_two_gaussians

Number = Tensor | float
LARGEST = {torch.float64: LARGEST_Z, torch.float32: float(LARGEST_Z32)}
"""The largest z below 1 in either precision."""


def log_f(z: Tensor, mt2: Tensor, a: Number, b: Number) -> Tensor:
    r"""Logarithm of the fragmentation function, :math:`a \ln(1-z) - \ln z - b\, m_T^2 / z`.

    Parameters
    ----------
    z, mt2 : Tensor
        Light-cone fraction, strictly between 0 and 1, and transverse mass squared [GeV²]; broadcast.
    a, b : Tensor or float
        Lund parameters; gradients flow to them.

    Examples
    --------
    >>> a = torch.tensor(0.68, dtype=torch.float64, requires_grad=True)
    >>> log_f(torch.tensor(0.5, dtype=torch.float64), 0.1, a, 0.98).backward()
    >>> round(float(a.grad), 6)  # ln(1 - z)
    -0.693147
    """
    return a * torch.log1p(-z) - torch.log(z) - b * mt2 / z


def z_peak(mt2: Tensor, a: Number, b: Number) -> Tensor:
    """Position of the maximum of f(z), the largest z below 1 at most, at `mt2` [GeV²] for Lund's `a` and `b`."""
    c = b * mt2
    return (2.0 * c / (1.0 + c + torch.sqrt((1.0 - c) ** 2 + 4.0 * a * c))).clamp(max=LARGEST[mt2.dtype])


def log_normalisation(mt2: Tensor, a: Number, b: Number) -> Tensor:
    r"""Logarithm of :math:`N = \int_0^1 \mathrm{d}z\, (1-z)^a z^{-1} e^{-b m_T^2/z}`, as in `hadtutor.lund`.

    It has the shape of `mt2` [GeV²], and takes memory for about 400 times as many numbers. Gradients flow to `a`, `b`.
    """
    c = b * mt2
    a = torch.as_tensor(a, dtype=mt2.dtype, device=mt2.device)
    t, step, _ = quadrature(float(a.detach()), c.detach().double().cpu().numpy())
    t = torch.as_tensor(t, dtype=mt2.dtype, device=mt2.device)
    log_integrand = -(a + 1.0) * softplus(-t) - c[..., None] * torch.exp(t)
    return torch.logsumexp(log_integrand, dim=-1) + math.log(step) - c


def pt_log_density(pt2: Tensor, sigma_pt: Number, params: LundParams) -> Tensor:
    """Logarithm of the density of the transverse momentum of one break [GeV⁻²]; see `hadtutor.lund.pt_log_density`.

    `pt2` is that of the new quark, squared [GeV²]; gradients flow to `sigma_pt` [GeV]. How many breaks are broader, and
    by how much, `params` tell.
    """
    log = lambda x: torch.log(torch.as_tensor(x, dtype=pt2.dtype, device=pt2.device))
    return log_two_gaussians(pt2, sigma_pt, params, log, torch.logaddexp)


def log_order_probability(signed_lambda: Tensor, b: Number) -> Tensor:
    """Logarithm of how often the last two hadrons come in their order; `signed_lambda`, `b` as in `hadtutor.lund`."""
    return -softplus(b * signed_lambda)


def reverse_probability(lam: Tensor, b: Number) -> Tensor:
    """How often the last two hadrons come out in reversed order; `lam` [GeV²] and `b` as in `hadtutor.lund`."""
    return 1.0 / (1.0 + torch.exp((b * lam).clamp(max=50.0)))


def share_between_two(
    own: Tensor, opposite: Tensor, mt2_1: Tensor, mt2_2: Tensor, reverse: Tensor, lam: Tensor
) -> tuple[Tensor, Tensor]:
    """Light-cone momenta of the first of the last two hadrons, along its end and against; see `hadtutor.lund`.

    What is left is `own` and `opposite` [GeV], `mt2_1` and `mt2_2` are transverse masses squared [GeV²], `reverse`
    holds bools, and `lam` is that of `pair_lambda`.
    """
    wt2 = own * opposite
    half = 0.5 * (1.0 + (mt2_1 - mt2_2) / wt2)
    shift = torch.where(reverse, -0.5, 0.5) * lam / wt2
    return (half + shift) * own, (half - shift) * opposite


def pair_lambda(wt2: Tensor, mt2_1: Tensor, mt2_2: Tensor) -> Tensor:
    """λ of the last two hadrons from the transverse masses squared of what is left, `wt2`, and of `mt2_1`, `mt2_2`."""
    return torch.sqrt(((wt2 - mt2_1 - mt2_2) ** 2 - 4.0 * mt2_1 * mt2_2).clamp(min=0))


class Draws:
    """Draws of the laws with `params`, many at a time, on a `device` and of a `dtype`, float64 or float32.

    `table` is the staircase of f(z), see `hadtutor.lund.z_table`, and `rng` seeds a generator of torch.
    """

    @takes_rng
    def __init__(self, params: LundParams, table: ZTable, *, rng: np.random.Generator | int,
                 device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64) -> None:  # fmt: skip
        self.params, self.generator = params, torch.Generator(device).manual_seed(as_seed(rng))
        self.like: dict[str, Any] = {"dtype": dtype, "device": self.generator.device}
        self.edges = torch.as_tensor(table.cells[:, :, 0], **self.like)
        self.log_top = torch.as_tensor(table.log_top, **self.like)
        self.mt2_min, self.rows_per_e = table.mt2_min, table.rows_per_e
        self.odds = torch.tensor([neutral_probability(old, params.u_fraction) for old in (1, 2)], **self.like)
        self.masses2 = torch.tensor([MASS_NEUTRAL_PION**2, MASS_CHARGED_PION**2], **self.like)

    def uniform(self, n: int) -> Tensor:
        """`n` numbers between 0 and 1."""
        return torch.rand(n, generator=self.generator, **self.like)

    def mass2(self, pid: Tensor) -> Tensor:
        """Masses squared [GeV²] of pions with the PDG codes `pid`."""
        return self.masses2[(pid != 111).long()]

    def flavour(self, old: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """New flavours at breaks and the codes of their pions; `old` and `side` as in `hadtutor.lund.break_flavour`."""
        neutral = self.uniform(len(old)) < self.odds[old - 1]
        pid = torch.where(neutral, 111, 211 * (2 * old - 3) * (1 - 2 * side))
        return torch.where(neutral, old, 3 - old), pid

    def pt(self, n: int) -> Tensor:
        """Transverse momenta of `n` new quarks [GeV], shape (n, 2)."""
        p = self.params
        q = torch.randn((n, 2), generator=self.generator, **self.like) * (p.sigma_pt * math.sqrt(0.5))
        if p.enhanced_fraction > 0.0:
            q = torch.where(self.uniform(n)[:, None] < p.enhanced_fraction, q * p.enhanced_width, q)
        return q

    def z(self, mt2: Tensor) -> Tensor:
        """z from the staircase, or under the maximum of f for transverse masses squared `mt2` [GeV²] outside it."""
        a, b = self.params.a, self.params.b
        z = torch.empty_like(mt2)
        row = torch.floor(self.rows_per_e * torch.log(mt2 / self.mt2_min)).long()
        c = b * mt2
        log_peak = log_f(z_peak(mt2, a, b), mt2, a, b)
        todo = torch.arange(len(mt2), device=mt2.device)
        while len(todo):
            r, inside = row[todo].clamp(max=len(self.log_top) - 1), row[todo] < len(self.log_top)
            place = self.uniform(len(todo)) * (self.edges.shape[1] - 1)
            k = place.long().clamp(max=self.edges.shape[1] - 2)  # a float32 product may round up to the end
            low = self.edges[r, k]
            width = self.edges[r, k + 1] - low
            u, steep = self.uniform(len(todo)), ~inside & (c[todo] > STEEP)
            x = -torch.log1p(-u).clamp(max=-torch.finfo(mt2.dtype).tiny)  # see `hadtutor.lund.function.draw_z`
            outside = torch.where(steep, c[todo] / (c[todo] + x * (a + 1.0)), u)
            tried = torch.where(inside, low + (place - k) * width, outside)
            tried = tried.clamp(torch.finfo(mt2.dtype).tiny, LARGEST[mt2.dtype])
            log_ratio = log_f(tried, mt2[todo], a, b) - torch.where(
                inside, self.log_top[r] - torch.log(width) - c[todo], log_peak[todo]
            )
            log_ratio = torch.where(steep, a * (torch.log(x) + 1.0 - x) + (a + 1.0) * torch.log(tried), log_ratio)
            accepted = self.uniform(len(todo)) < torch.exp(log_ratio)
            z[todo[accepted]] = tried[accepted]
            todo = todo[~accepted]
        return z
