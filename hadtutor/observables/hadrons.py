"""What is measured on single hadrons: rapidities, counts, momentum fractions and their moments."""

import math

import numpy as np
from numba import njit

from .exact_thrust import linear_tensor, thrust_and_axis
from .rows import _check_energy, _gather, _momenta, _over_events


def thrust_axes(hadrons, threads=1):
    """Thrust axis of every event; its sign has no meaning.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    threads : int

    Returns
    -------
    ndarray, shape (N, 3)
        Unit vectors; NaN for an event without momentum.

    Raises
    ------
    ValueError
        As in `compute`.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> bool(np.median(abs(thrust_axes(sample.hadrons)[:, 2])) > 0.999)  # the string lies along z
    True
    """
    axes, columns = np.empty((len(hadrons), 3)), (*_momenta(hadrons), hadrons.offsets)
    _over_events(lambda *share: _fill_axes(*columns, *share, axes), hadrons, threads)
    return axes


def rapidity(hadrons, axes=None):
    r"""Rapidity of every hadron along an axis of its event, :math:`\frac12 \ln((E + p\cdot n)/(E - p\cdot n))`.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    axes : array_like, shape (N, 3) or (3,), optional
        Directions of any length, one per event or one for all; by default the thrust axes.

    Returns
    -------
    ndarray, shape (rows,)
        Infinite for a massless hadron along the axis.

    Raises
    ------
    ValueError
        If `axes` has another shape.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> rapidity(sample.hadrons, axes=(0, 0, 1)).shape == sample.hadrons.pz.shape
    True
    """
    axes = thrust_axes(hadrons) if axes is None else np.asarray(axes, dtype=float)
    if axes.shape not in ((3,), (len(hadrons), 3)):
        raise ValueError(f"axes must have shape (3,) or ({len(hadrons)}, 3), got {axes.shape}")
    axes = axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    n = np.broadcast_to(axes, (len(hadrons), 3))[hadrons.event]
    along = sum(p * n[:, k] for k, p in enumerate(_momenta(hadrons)))
    with np.errstate(divide="ignore"):
        return np.arctanh(np.clip(along / hadrons.e, -1.0, 1.0))


def count(hadrons, *codes):
    """Number of particles of some kinds in every event, antiparticles counted too.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    *codes : int
        PDG codes; their signs do not matter.

    Returns
    -------
    ndarray of int, shape (N,)

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> hadrons = ht.Hadrons(np.array([0, 3]), *np.ones((4, 3)), np.array([211, -211, 111]))
    >>> count(hadrons, 211)
    array([2])
    """
    chosen = np.isin(abs(hadrons.pid), np.abs(codes))
    return np.diff(np.concatenate([[0], np.cumsum(chosen)])[hadrons.offsets])


def momentum_fraction(hadrons, energy):
    r"""Momentum fraction :math:`x_p = 2|p|/\sqrt{s}` of every hadron.

    Parameters
    ----------
    hadrons : Hadrons
    energy : float
        Centre-of-mass energy √s [GeV].

    Returns
    -------
    ndarray, shape (rows,)

    Raises
    ------
    ValueError
        If the energy is not positive.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> bool(momentum_fraction(sample.hadrons, sample.energy).max() < 1)
    True
    """
    _check_energy(energy)
    return 2.0 * np.sqrt(sum(p * p for p in _momenta(hadrons))) / energy


@njit(nogil=True)
def _fill_axes(px, py, pz, offsets, first, last, p, room, stack, axes):
    for event in range(first, last):
        q = _gather(px, py, pz, offsets[event], offsets[event + 1], p)
        thrust_and_axis(q, linear_tensor(q), room, stack, axes[event])


@njit(nogil=True)
def _count_and_moments(p, charged, energy, out):
    """Number of charged hadrons; into `out` the moments of |ln x| over all hadrons and over these."""
    log_unit = math.log(2.0 / energy)
    n_charged = n = m = 0
    s1 = s2 = s3 = t1 = t2 = t3 = 0.0
    for k in range(len(p)):
        p2 = p[k, 0] ** 2 + p[k, 1] ** 2 + p[k, 2] ** 2
        n_charged += charged[k]
        if p2 > 1e-300:
            v = abs(0.5 * math.log(p2) + log_unit)
            n += 1
            s1, s2, s3 = s1 + v, s2 + v * v, s3 + v * v * v
            if charged[k]:
                m += 1
                t1, t2, t3 = t1 + v, t2 + v * v, t3 + v * v * v
    out[0], out[1], out[2] = _moments(n, s1, s2, s3)
    out[3], out[4], out[5] = _moments(m, t1, t2, t3)
    return n_charged


@njit(nogil=True)
def _moments(n, s1, s2, s3):
    """Mean, variance and third central moment from sums of powers; NaN of nothing, 0 spread of one."""
    if n == 0:
        return math.nan, math.nan, math.nan
    mean = s1 / n
    if n == 1:
        return mean, 0.0, 0.0
    return mean, max(0.0, s2 / n - mean * mean), s3 / n - 3.0 * mean * s2 / n + 2.0 * mean**3
