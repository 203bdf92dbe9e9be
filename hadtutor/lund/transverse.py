"""Transverse momentum at a break: its draw and its density."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain
from .._support.kernels import kernel
from ..params import LundParams


@kernel(inline="always")
def break_pt(rng: np.random.Generator, params: LundParams) -> tuple[float, float]:
    """Draw px and py of the new quark [GeV], by `rng` and `params`: tunnelling makes them Gaussian."""
    width = params.sigma_pt * math.sqrt(0.5)
    if params.enhanced_fraction > 0.0 and rng.random() < params.enhanced_fraction:
        width *= params.enhanced_width
    return width * rng.standard_normal(), width * rng.standard_normal()


def width_of(params: LundParams) -> tuple[float, float, float]:
    """What the density of transverse momenta depends on."""
    return params.sigma_pt, params.enhanced_fraction, params.enhanced_width


def pt_log_density(pt2: ArrayLike, params: LundParams) -> np.ndarray:
    r"""Logarithm of the density of the transverse momentum of one break, in two dimensions [GeV⁻²].

    It is :math:`e^{-p_T^2/\sigma^2} / \pi\sigma^2`, mixed with the same of a larger width by `enhanced_fraction`.

    Parameters
    ----------
    pt2 : array_like
        :math:`p_x^2 + p_y^2` of the new quark [GeV²].
    params : LundParams

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(pt_log_density(0.0, LundParams(sigma_pt=1.0))), 6)  # 1/pi
    -1.14473
    """
    pt2 = plain(pt2, "pt2").astype(float, copy=False)
    return log_two_gaussians(pt2, params.sigma_pt, params, math.log, np.logaddexp)


def log_two_gaussians(pt2: Any, sigma: Any, params: LundParams, log: Callable, logaddexp: Callable) -> Any:
    """`pt_log_density` by the functions of NumPy or of torch."""

    def log_gaussian(width):
        return -pt2 / width**2 - log(math.pi * width**2)

    share = params.enhanced_fraction
    if share == 0.0:
        return log_gaussian(sigma)
    broad = log_gaussian(sigma * params.enhanced_width)
    if share == 1.0:
        return broad
    return logaddexp(math.log1p(-share) + log_gaussian(sigma), math.log(share) + broad)
