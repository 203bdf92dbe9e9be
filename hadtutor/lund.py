r"""The Lund symmetric fragmentation function (Andersson, Gustafson, Ingelman, Sjostrand 1983).

.. math:: f(z \mid m_T^2) \propto \frac{(1-z)^a}{z} \exp\left(-\frac{b\, m_T^2}{z}\right), \qquad 0 < z < 1,

where z is the fraction of the light-cone momentum left in the string end that the hadron takes, and
:math:`m_T^2 = m^2 + p_T^2` is the hadron's transverse mass squared. :cite:p:`andersson1983parton`
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .params import LundMixture

__all__ = ["ZTable", "log_density", "log_f", "log_normalisation", "sample_z", "z_peak", "z_table", "z_tables"]

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


class ZTable(NamedTuple):
    """A staircase above f(z) for every transverse mass, made by `z_table`, read by `try_z`."""

    cells: np.ndarray  # (..., bins in mT², cells + 1, 2): left edge in z, acceptance without computing f
    log_top: np.ndarray  # (..., bins in mT²) ln of the area of the largest cell, over f exp(b mT²)
    mt2_min: float  # GeV²
    rows_per_e: float  # rows per unit of ln mT²


# Measured best: the rows in use, 2 kB each, stay in the first-level cache.
N_CELLS = 128
ROWS_PER_OCTAVE = 8
N_OCTAVES = 8


@functools.lru_cache(maxsize=64)
def z_table(params, mt2_min):
    """Build the staircase from which z is drawn fast, for transverse masses above `mt2_min`.

    For each bin of mT² the interval (0, 1) is cut in cells of about equal area under a step function
    that is nowhere below f(z) exp(b mT²), for no mT² of the bin. A cell is drawn uniformly, z uniformly inside
    it, and z is accepted with probability f(z) exp(b mT²) x (width of the cell) / (area of the largest cell): exact
    accept-reject, however coarse the cells. Where a random number is below the smallest such probability of the
    cell, f(z) need not be computed at all, which is so four times in five.

    Parameters
    ----------
    params : LundParams
    mt2_min : float
        Smallest transverse mass squared that will be asked for [GeV²].

    Returns
    -------
    ZTable
    """
    a, b = params.a, params.b
    ratio = 2.0 ** (1.0 / ROWS_PER_OCTAVE)
    mt2_low = mt2_min * ratio ** np.arange(N_OCTAVES * ROWS_PER_OCTAVE)[:, None]
    mt2_high = mt2_low * ratio * (1 + 1e-12)
    c, peak = b * mt2_low, z_peak(mt2_low, params)

    def density(z, mt2):  # relative to the peak at the lower edge of the bin, so that exp(-c) can't underflow
        z = np.clip(z, 1e-300, 1.0)
        with np.errstate(divide="ignore"):
            return np.exp(_log_shape_array(z, mt2, a, b) - _log_shape_array(np.minimum(peak, LARGEST_Z), mt2_low, a, b))

    # Start from edges at equal steps of t = ln(1/z - 1), in which f is smooth (see `log_normalisation`), between the
    # points where it has fallen by some e^6; then move them until the areas agree.
    t_low, t_high, _ = _support(a, c, 6.0)
    edges = 1.0 / (1.0 + np.exp(t_high + (t_low - t_high) * np.linspace(0.0, 1.0, N_CELLS + 1)))
    edges[:, 0], edges[:, -1] = 0.0, 1.0
    for _ in range(20):
        area = _top_of_cells(edges, density, mt2_low, peak) * np.diff(edges)
        share = np.cumsum(np.pad(area, ((0, 0), (1, 0))), axis=1)
        share /= share[:, -1:]
        wanted = np.linspace(0.0, 1.0, N_CELLS + 1)
        edges = np.stack([np.interp(wanted, s, e) for s, e in zip(share, edges, strict=True)])

    width = np.diff(edges)
    top = (_top_of_cells(edges, density, mt2_low, peak) * width).max(axis=1, keepdims=True) * (1 + 1e-12)
    # f has one maximum and falls with mT²: inside a cell it is smallest at an edge, for the heaviest mT².
    bottom = np.minimum(density(edges[:, :-1], mt2_high), density(edges[:, 1:], mt2_high))
    cells = np.zeros((*edges.shape, 2))
    cells[:, :, 0] = edges
    cells[:, :-1, 1] = bottom * width / top
    log_top = np.log(top) + _log_shape_array(np.minimum(peak, LARGEST_Z), mt2_low, a, b)
    return ZTable(cells, log_top[:, 0], mt2_min, ROWS_PER_OCTAVE / math.log(2.0))


def z_tables(components, mt2_min):
    """The staircases of several fragmentation functions, with one more axis in front.

    Parameters
    ----------
    components : sequence of LundParams
    mt2_min : float
        Smallest transverse mass squared that will be asked for [GeV²].

    Returns
    -------
    ZTable
    """
    tables = [z_table(params, mt2_min) for params in components]
    cells, log_top = (np.stack([getattr(table, name) for table in tables]) for name in ("cells", "log_top"))
    return tables[0]._replace(cells=cells, log_top=log_top)


def _log_shape_array(z, mt2, a, b):
    return (a * np.log1p(-z) if a > 0 else 0.0) - np.log(z) - b * mt2 * (1.0 / z - 1.0)


def _top_of_cells(edges, density, mt2, peak):
    """Largest value of the density in each cell: at an edge, or at the peak if that lies inside."""
    top = np.maximum(density(edges[:, :-1], mt2), density(edges[:, 1:], mt2))
    return np.where((edges[:, :-1] < peak) & (peak < edges[:, 1:]), 1.0, top)


@njit(nogil=True, inline="always")
def try_z(u, v, mt2, params, cells, log_top):
    """Propose z from two uniform numbers and one row of a `ZTable`: z if accepted, else 0.

    Without a loop of its own the compiler can merge it into the chain; a loop here would cost six
    atomic reference counts per hadron.
    """
    place = u * (cells.shape[0] - 1)  # its integer part picks the cell, the rest the point inside it
    k = int(place)
    width = cells[k + 1, 0] - cells[k, 0]
    z = cells[k, 0] + (place - k) * width
    if v < cells[k, 1]:
        return min(z, LARGEST_Z)
    if 0.0 < z < 1.0 and v < width * math.exp(_log_shape(z, mt2, params.a, params.b) - log_top):
        return z
    return 0.0


@njit(nogil=True, inline="always")
def table_row(mt2, table):
    """Row of the `ZTable` that holds `mt2`, or -1 if none does."""
    if mt2 < table.mt2_min:
        return -1
    row = int(table.rows_per_e * math.log(mt2 / table.mt2_min))
    return row if row < table.log_top.shape[-1] else -1
