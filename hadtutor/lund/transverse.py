"""Transverse momentum at a break: its draw and its density."""

import math

import numpy as np
from numba import njit


@njit(nogil=True, inline="always")
def break_pt(rng, params):
    """Transverse momentum (px, py) of the new quark [GeV]: tunnelling makes it Gaussian."""
    width = params.sigma_pt * math.sqrt(0.5)
    if params.enhanced_fraction > 0.0 and rng.random() < params.enhanced_fraction:
        width *= params.enhanced_width
    return width * rng.standard_normal(), width * rng.standard_normal()


def pt_log_density(pt2, params):
    r"""Logarithm of the density of the transverse momentum of one break, in two dimensions [GeV⁻²].

    Parameters
    ----------
    pt2 : array_like
        :math:`p_x^2 + p_y^2` of the new quark [GeV²].
    params : LundParams

    Returns
    -------
    ndarray
        Of :math:`e^{-p_T^2/\sigma^2} / \pi\sigma^2`, mixed with the same of a larger width if `enhanced_fraction` is
        above zero.

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(pt_log_density(0.0, LundParams(sigma_pt=1.0))), 6)  # 1/pi
    -1.14473
    """
    pt2 = np.asarray(pt2, dtype=float)

    def log_gaussian(width):
        return -pt2 / width**2 - math.log(math.pi * width**2)

    share = params.enhanced_fraction
    narrow, broad = log_gaussian(params.sigma_pt), log_gaussian(params.sigma_pt * params.enhanced_width)
    if share == 0.0:
        return narrow
    if share == 1.0:
        return broad
    return np.logaddexp(math.log1p(-share) + narrow, math.log(share) + broad)
