"""The fragmentation function f(z|mT²): its logarithm, its peak, its normalisation, and a readable sampler."""

import functools
import math

import numpy as np
from numba import njit

from ..params import LundMixture

LARGEST_Z = math.nextafter(1.0, 0.0)


def log_f(z, mt2, params):
    r"""Logarithm of the fragmentation function, without its normalisation.

    Parameters
    ----------
    z : array_like
        Light-cone fraction, between 0 and 1; the logarithm is ``-inf`` at the ends.
    mt2 : array_like
        Transverse mass squared :math:`m_T^2` [GeV²], > 0, broadcast against `z`.
    params : LundParams

    Returns
    -------
    ndarray
        :math:`a \ln(1-z) - \ln z - b\, m_T^2 / z`, the shape of `z` and `mt2` together.

    Raises
    ------
    ValueError
        If a `z` is outside [0, 1] or an `mt2` is not positive.

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(log_f(0.5, 0.1, LundParams())), 4)
    0.0258
    """
    z, mt2, params = _checked(z, mt2, params)
    with np.errstate(divide="ignore", over="ignore"):
        inside = params.a * np.log1p(-z) if params.a > 0 else 0.0  # 0 ln 0 = 0: a = 0 has no end point
        safe = np.maximum(z, np.finfo(float).tiny)
        return np.where(z > 0, inside - np.log(safe) - params.b * mt2 / safe, -np.inf)[()]


def z_peak(mt2, params):
    r"""Position of the maximum of f(z).

    With :math:`c = b\,m_T^2` the maximum solves :math:`(1-a) z^2 - (1+c) z + c = 0`. The usual root
    divides by (1 - a); this conjugate form is stable for every a >= 0.

    Parameters
    ----------
    mt2 : array_like
        Transverse mass squared [GeV²], > 0.
    params : LundParams

    Returns
    -------
    ndarray
        z at the maximum; 1 when a = 0 and b mT² >= 1.
    """
    _, mt2, params = _checked(0.5, mt2, params)
    c = params.b * mt2
    return np.minimum(2.0 * c / (1.0 + c + np.sqrt((1.0 - c) ** 2 + 4.0 * params.a * c)), 1.0)


def log_normalisation(mt2, params):
    r"""Logarithm of :math:`N(a, c) = \int_0^1 \mathrm{d}z\, (1-z)^a z^{-1} e^{-c/z}`, with :math:`c = b\,m_T^2`.

    With :math:`1/z = 1 + e^t` the integral becomes
    :math:`e^{-c} \int_{-\infty}^{\infty} \mathrm{d}t\, (1 + e^{-t})^{-(a+1)} \exp(-c\,e^t)`, whose integrand is
    smooth and dies fast on both sides: the trapezoidal rule then converges exponentially, to rounding
    here. (In closed form :math:`N = e^{-c}\,\Gamma(a+1)\,U(a+1, 1, c)`, with Tricomi's function U.)

    Parameters
    ----------
    mt2 : array_like
        Transverse mass squared [GeV²], > 0.
    params : LundParams

    Returns
    -------
    ndarray
        ln N, of the shape of `mt2`.

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(log_normalisation(0.1, LundParams(b=1.0))), 6)
    0.227405
    """
    _, mt2, params = _checked(0.5, mt2, params)
    c = params.b * mt2
    t, step, t_peak = _quadrature(params.a, c)
    peak = _log_integrand(t_peak, params.a, c)
    total = np.zeros_like(c)
    for point in t:
        total += np.exp(_log_integrand(point, params.a, c) - peak)
    return np.log(total * step) + peak - c


def log_density(z, mt2, params):
    """Logarithm of the normalised fragmentation function, also of a mixture of them.

    Parameters
    ----------
    z : array_like
        Light-cone fraction, between 0 and 1; the logarithm is ``-inf`` at the ends.
    mt2 : array_like
        Transverse mass squared [GeV²], > 0, broadcast against `z`.
    params : LundParams or LundMixture

    Returns
    -------
    ndarray
        Its exponential integrates to 1 over z, at every `mt2`.

    Examples
    --------
    >>> from hadtutor import LundMixture, LundParams
    >>> one = log_density(0.5, 0.1, LundParams())
    >>> bool(np.isclose(one, log_density(0.5, 0.1, LundMixture((LundParams(), LundParams()), (0.5, 0.5)))))
    True
    """
    if isinstance(params, LundMixture):
        components, fractions = params.validate()
        of_each = [math.log(p) + log_density(z, mt2, c) for c, p in zip(components, fractions, strict=True)]
        return functools.reduce(np.logaddexp, of_each)
    return log_f(z, mt2, params) - log_normalisation(mt2, params)


def _log_integrand(t, a, c):
    return -(a + 1.0) * np.log1p(np.exp(-t)) - c * np.exp(t)


def _quadrature(a, c):
    """Points in t and their distance for the integrals at all `c`, and where each integrand is largest."""
    low, high, t_peak = _support(a, c, 40.0)
    low, high = np.min(low, initial=0.0), np.max(high, initial=0.0)
    step = min(0.2, 0.7 / math.sqrt(a + 1.0))  # the peak is never narrower than 1/sqrt(a + 1)
    return np.arange(low, high + step, step), step, t_peak


def _support(a, c, depth):
    """Where in t the integrand is above exp(-depth) of its largest value, at least, and where that is."""
    y = 2.0 * (a + 1.0) / (c + np.sqrt(c * c + 4.0 * (a + 1.0) * c))  # of exp(t): root of c y (1 + y) = a + 1
    t_peak = np.log(y)
    # Below its peak and below 0 the integrand falls like exp((a + 1) t), above the peak faster than exp(-c exp(t)).
    low = np.minimum(t_peak, 0.0) - depth / (a + 1.0)
    high = np.log(y + (depth + (a + 1.0) * np.log1p(1.0 / y)) / c)
    return low, high, t_peak


def _checked(z, mt2, params):
    z, mt2 = np.asarray(z, dtype=float), np.asarray(mt2, dtype=float)
    if not np.all((z >= 0) & (z <= 1)):
        raise ValueError(f"z must be between 0 and 1, got {z[~((z >= 0) & (z <= 1))].flat[0]}")
    if not np.all((mt2 > 0) & (mt2 < np.inf)):
        bad = mt2[~((mt2 > 0) & (mt2 < np.inf))].flat[0]
        raise ValueError(f"mt2 must be positive and finite (GeV^2), got {bad}")
    return z, mt2, params.validate()


@njit(nogil=True, inline="always")
def _log_shape(z, mt2, a, b):
    """ln f(z) + b mT²: the term changes nothing at fixed mT², and keeps numbers tame where f is tiny."""
    return a * math.log1p(-z) - math.log(z) - b * mt2 * (1.0 / z - 1.0)


@njit(nogil=True)
def sample_z(rng, mt2, params):
    """Draw z from f(z) by accept-reject under its maximum.

    Short, exact and slow where f is narrow: the judge of the fast sampler, and its stand-in for
    transverse masses outside the table.

    Parameters
    ----------
    rng : numpy.random.Generator
    mt2 : float
        Transverse mass squared [GeV²], > 0.
    params : LundParams

    Returns
    -------
    float
        z, strictly between 0 and 1.

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> 0 < sample_z(np.random.default_rng(1), 0.1, LundParams()) < 1
    True
    """
    c = params.b * mt2
    peak = 2.0 * c / (1.0 + c + math.sqrt((1.0 - c) ** 2 + 4.0 * params.a * c))
    log_max = _log_shape(min(peak, LARGEST_Z), mt2, params.a, params.b)
    while True:
        z = rng.random()
        if z > 0.0 and rng.random() < math.exp(_log_shape(z, mt2, params.a, params.b) - log_max):
            return z


def _log_shape_array(z, mt2, a, b):
    return (a * np.log1p(-z) if a > 0 else 0.0) - np.log(z) - b * mt2 * (1.0 / z - 1.0)
