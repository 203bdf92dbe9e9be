"""The fragmentation function f(z|mT²): its logarithm, its peak, its normalisation, and a readable sampler."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import ArrayLike

from .._support.checks import as_generator, plain, takes_rng
from .._support.kernels import kernel
from ..params import LundMixture, LundParams

LARGEST_Z = math.nextafter(1.0, 0.0)
LARGEST_Z32 = np.nextafter(np.float32(1), np.float32(0))
"""The largest z below 1, in double and in single precision."""
STEEP = 300.0
"""b mT² from where f, a narrow peak near z = 1, is drawn in another variable."""


# What kernels need is written once: `register_jitable` lets them compile what arrays go through, too.
@register_jitable
def log_powers(z, a):
    """a ln(1-z) - ln z, where 0 ln 0 = 0: a = 0 has no end point."""
    return (a * np.log1p(-z) if a > 0.0 else 0.0) - np.log(z)


@register_jitable
def log_shape(z, mt2, a, b):
    """ln f(z) + b mT²: the term changes nothing at fixed mT², and keeps numbers tame where f is tiny."""
    return log_powers(z, a) - b * mt2 * (1.0 / z - 1.0)


@register_jitable
def peak_at(c, a):
    """Position of the maximum of f where b mT² is c; see `z_peak`."""
    return np.minimum(2.0 * c / (1.0 + c + np.sqrt((1.0 - c) ** 2 + 4.0 * a * c)), 1.0)


def log_f(z: ArrayLike, mt2: ArrayLike, params: LundParams) -> np.ndarray:
    r"""Logarithm of the fragmentation function, :math:`a \ln(1-z) - \ln z - b\, m_T^2 / z`; -inf at z = 0 and 1.

    Parameters
    ----------
    z, mt2 : array_like
        Light-cone fraction, between 0 and 1, and transverse mass squared [GeV²], > 0; broadcast.
    params : LundParams

    Raises
    ------
    TypeError, ValueError
        If `params` is a mixture (see `log_density`) or something else; if `z` or `mt2` is out of range.

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(log_f(0.5, 0.1, LundParams())), 4)
    0.0258
    """
    x, m2, p = _checked(z, mt2, params, "log_f")
    with np.errstate(divide="ignore", over="ignore"):
        safe = np.maximum(x, np.finfo(float).tiny)
        return np.where(x > 0, log_powers(safe, p.a) - p.b * m2 / safe, -np.inf)[()]


def z_peak(mt2: ArrayLike, params: LundParams) -> np.ndarray:
    r"""Position of the maximum of f(z) at the transverse masses squared `mt2` [GeV²]; 1 when a = 0 and b mT² >= 1.

    With :math:`c = b\,m_T^2` the maximum solves :math:`(1-a) z^2 - (1+c) z + c = 0`. The usual root divides by (1 - a);
    this conjugate form is stable for every a >= 0 of `params`.
    """
    _, m2, p = _checked(0.5, mt2, params, "z_peak")
    return peak_at(p.b * m2, p.a)


def log_normalisation(mt2: ArrayLike, params: LundParams) -> np.ndarray:
    r"""Logarithm of :math:`N(a, c) = \int_0^1 \mathrm{d}z\, (1-z)^a z^{-1} e^{-c/z}`, with :math:`c = b\,m_T^2`.

    With :math:`1/z = 1 + e^t` the integral becomes
    :math:`e^{-c} \int_{-\infty}^{\infty} \mathrm{d}t\, (1 + e^{-t})^{-(a+1)} \exp(-c\,e^t)`, whose integrand is smooth
    and dies fast on both sides: the trapezoidal rule converges exponentially, to rounding here.
    (In closed form :math:`N = e^{-c}\,\Gamma(a+1)\,U(a+1, 1, c)`, with Tricomi's function U.)

    Parameters
    ----------
    mt2 : array_like
        Transverse mass squared [GeV²], > 0.
    params : LundParams

    Examples
    --------
    >>> from hadtutor import LundParams
    >>> round(float(log_normalisation(0.1, LundParams(b=1.0))), 6)
    0.227405
    """
    _, m2, p = _checked(0.5, mt2, params, "log_normalisation")
    c = p.b * m2
    t, step, t_peak = quadrature(p.a, c)
    peak = _log_integrand(t_peak, p.a, c)
    total = np.zeros_like(c)
    for point in t:
        total += np.exp(_log_integrand(point, p.a, c) - peak)
    return np.log(total * step) + peak - c


def log_share_above(z_min: ArrayLike, mt2: ArrayLike, params: LundParams | LundMixture) -> np.ndarray:
    """Logarithm of how often z is above `z_min`; 1e-9 exact, by Gauss and Legendre's rule in t of `log_normalisation`.

    Parameters
    ----------
    z_min, mt2 : array_like
        Between 0 and 1, both excluded, and transverse mass squared [GeV²], > 0; broadcast.
    params : LundParams or LundMixture
    """
    if isinstance(params, LundMixture):
        components, fractions = params
        of_each = [math.log(p) + log_share_above(z_min, mt2, c) for c, p in zip(components, fractions, strict=True)]
        return functools.reduce(np.logaddexp, of_each)
    z, m2, p = _checked(z_min, mt2, params, "log_share_above")
    c = p.b * m2
    low, high, t_peak = support(p.a, c, 40.0)
    at_z_min = np.clip(np.log1p(-z) - np.log(z), low, high)  # t falls where z rises

    def area(top):
        middle, half = 0.5 * (top + low), 0.5 * (top - low)
        points = zip(*np.polynomial.legendre.leggauss(80), strict=True)
        peak = _log_integrand(t_peak, p.a, c)
        return half * sum(w * np.exp(_log_integrand(middle + half * x, p.a, c) - peak) for x, w in points)

    return np.log(area(at_z_min)) - np.log(area(high))


def log_density(z: ArrayLike, mt2: ArrayLike, params: LundParams | LundMixture) -> np.ndarray:
    """Logarithm of the normalised fragmentation function, also of a mixture of them.

    Parameters
    ----------
    z, mt2 : array_like
        Light-cone fraction, between 0 and 1, and transverse mass squared [GeV²], > 0; broadcast.
    params : LundParams or LundMixture
    """
    if isinstance(params, LundMixture):
        components, fractions = params
        of_each = [math.log(p) + log_density(z, mt2, c) for c, p in zip(components, fractions, strict=True)]
        return functools.reduce(np.logaddexp, of_each)
    return log_f(z, mt2, params) - log_normalisation(mt2, params)


class LundLaw(NamedTuple):
    """Lund's function, or a mixture of several, as a law for what takes any: ``hadtutor.pythia.start(..., law=)``.

    Attributes
    ----------
    params : LundParams or LundMixture
    """

    params: LundParams | LundMixture

    def density(self, z: ArrayLike, mt2: ArrayLike) -> np.ndarray:
        """f(z|mT²), normalised; `z` and `mt2` [GeV²] are as for `log_density`."""
        return np.exp(log_density(z, mt2, self.params))


def _log_integrand(t, a, c):
    return -(a + 1.0) * np.log1p(np.exp(-t)) - c * np.exp(t)


def quadrature(a, c):
    """Points in t and their distance for the integrals at all `c`, and where each integrand is largest."""
    low, high, t_peak = support(a, c, 40.0)
    low, high = np.min(low, initial=0.0), np.max(high, initial=0.0)
    step = min(0.2, 0.7 / math.sqrt(a + 1.0))  # the peak is never narrower than 1/sqrt(a + 1)
    return np.arange(low, high + step, step), step, t_peak


def support(a, c, depth):
    """Where in t the integrand is above exp(-depth) of its largest value, at least, and where that is."""
    y = 2.0 * (a + 1.0) / (c + np.sqrt(c * c + 4.0 * (a + 1.0) * c))  # of exp(t): root of c y (1 + y) = a + 1
    t_peak = np.log(y)
    # Below its peak and below 0 the integrand falls like exp((a + 1) t), above the peak faster than exp(-c exp(t)).
    low = np.minimum(t_peak, 0.0) - depth / (a + 1.0)
    high = np.log(y + (depth + (a + 1.0) * np.log1p(1.0 / y)) / c)
    return low, high, t_peak


def _checked(z, mt2, params, what):
    z, mt2 = plain(z, "z").astype(float), plain(mt2, "mt2").astype(float)
    if not np.all((z >= 0) & (z <= 1)):
        raise ValueError(f"z must be between 0 and 1, got {z[~((z >= 0) & (z <= 1))].flat[0]}")
    if not np.all((mt2 > 0) & (mt2 < np.inf)):
        bad = mt2[~((mt2 > 0) & (mt2 < np.inf))].flat[0]
        raise ValueError(f"mt2 must be positive and finite (GeV^2), got {bad}")
    if isinstance(params, LundMixture) and what != "sample_z":
        raise TypeError(f"{what} takes LundParams: of a mixture only log_density, with its normalisation, is defined")
    if not isinstance(params, (LundParams, LundMixture)):
        raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.68, b=0.98)")
    return z, mt2, params


@kernel
def draw_z(rng, mt2, params):
    """Draw z from f(z) by accept-reject under its maximum: short, exact, and slow where f is narrow."""
    a, c = params.a, params.b * mt2
    log_max = log_shape(min(peak_at(c, a), LARGEST_Z), mt2, a, params.b)
    while True:
        if c > STEEP:
            # The density of t = 1/z - 1, t^a exp(-c t) / (1 + t)^(a + 1), is below an exponential with the mean
            # (a + 1) / c that touches it.
            x = -math.log(1.0 - rng.random())
            z = min(1.0 / (1.0 + x * (a + 1.0) / c), LARGEST_Z)
            if rng.random() < (x * math.exp(1.0 - x)) ** a * z ** (a + 1.0):
                return z
        else:
            z = rng.random()
            if z > 0.0 and rng.random() < math.exp(log_shape(z, mt2, a, params.b) - log_max):
                return z


@kernel(inline="always")
def choose(rng, up_to):
    """Number of one of several things, from their cumulative probabilities; of a single thing without a draw."""
    m = 0
    if len(up_to) > 1:
        u = rng.random()
        while u > up_to[m] and m < len(up_to) - 1:
            m += 1
    return m


@kernel
def _fill_z(rng, mt2, components, up_to, z):
    for i in range(len(mt2)):
        z[i] = draw_z(rng, mt2[i], components[choose(rng, up_to)])


@takes_rng
def sample_z(mt2: ArrayLike, params: LundParams | LundMixture, *, rng: np.random.Generator | int) -> np.ndarray:
    """Draw z from f(z), strictly between 0 and 1, one for each transverse mass; see `draw_z`.

    Parameters
    ----------
    mt2 : array_like
        Transverse masses squared [GeV²], > 0.
    params : LundParams or LundMixture
    rng : numpy.random.Generator or int
    """
    _, m2, _ = _checked(0.5, mt2, params, "sample_z")
    z = np.empty(m2.shape)
    _fill_z(as_generator(rng), m2.ravel(), *components_of(params), z.reshape(-1))
    return z[()]


def components_of(params: LundParams | LundMixture) -> tuple[tuple[LundParams, ...], tuple[float, ...]]:
    """Components and cumulative fractions of a mixture, or of what is none."""
    mixture = params if isinstance(params, LundMixture) else LundMixture((params,), (1.0,))
    return mixture.components, tuple(np.cumsum(mixture.fractions).tolist())
