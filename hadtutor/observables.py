r"""What is measured on an event: multiplicities, event shapes and moments of the momentum fractions.

The thirteen observables of the HOMER papers :cite:p:`bierlich2025describing`, in `NAMES`. Sums run over all hadrons
of the event, and :math:`x = 2|p|/\sqrt{s}`.

- ``T``: thrust :math:`\max_n \sum |p \cdot n| / \sum |p|` :cite:p:`farhi1977quantum`, exact (module `hadtutor.thrust`)
- ``C``, ``D``: :math:`3(\lambda_1\lambda_2 + \lambda_2\lambda_3 + \lambda_3\lambda_1)` and
  :math:`27\,\lambda_1\lambda_2\lambda_3`, with the eigenvalues of the linear momentum tensor
  :math:`\sum (p_i p_j/|p|) \,/ \sum |p|` :cite:p:`ellis1981perturbative`
- ``B_W``, ``B_T``: wide and total jet broadening :cite:p:`catani1992jet`; each hemisphere of the thrust axis has
  :math:`\sum |p \times n| / (2 \sum |p|)` with the sum below over all, these are the larger one and the sum of both
- ``n_f``, ``n_ch``: number of hadrons, of charged hadrons
- ``lnx_mean``, ``lnx_var``, ``lnx_m3``: mean, variance and third central moment of :math:`|\ln x|` over the hadrons
- ``lnx_ch_mean``, ``lnx_ch_var``, ``lnx_ch_m3``: the same over the charged hadrons

Four more, in `MORE`:

- ``S``, ``A``: sphericity :math:`\frac32 (\lambda_2 + \lambda_3)` and aplanarity :math:`\frac32 \lambda_3`, with the
  eigenvalues of the quadratic tensor :math:`\sum p_i p_j / \sum |p|^2` :cite:p:`bjorken1970statistical`
- ``T_major``, ``T_minor``: :math:`\sum |p \cdot n| / \sum |p|` for the axis n across the thrust axis that makes it
  largest, and for the axis across both; their difference is the oblateness

An event without momentum has no shape (NaN), one with a single hadron is a pencil (T = 1, the other shapes 0). A hadron
at rest (below 1e-150 GeV) is counted, and left out of the moments of :math:`\ln x`. An event without (charged) hadrons
that move has NaN moments of its (charged) momentum fractions; one with a single such hadron has variance and third
moment 0.
"""

import math
import numbers
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from .particles import charge_of
from .thrust import eigenvalues, linear_tensor, thrust, thrust_and_axis, workspace

__all__ = ["LABELS", "MORE", "NAMES", "compute", "count", "momentum_fraction", "rapidity", "thrust", "thrust_axes"]

NAMES = (
    "T",
    "C",
    "D",
    "B_W",
    "B_T",
    "n_f",
    "n_ch",
    "lnx_mean",
    "lnx_var",
    "lnx_m3",
    "lnx_ch_mean",
    "lnx_ch_var",
    "lnx_ch_m3",
)
"""The thirteen, in the order of the columns."""

MORE = ("S", "A", "T_major", "T_minor")
"""Names that `compute` knows besides."""

LABELS = {name: f"${name}$" for name in NAMES + MORE if len(name) <= 3} | {
    "n_ch": r"$n_\mathrm{ch}$",
    "lnx_mean": r"mean $|\ln x|$",
    "lnx_var": r"variance $|\ln x|$",
    "lnx_m3": r"third moment $|\ln x|$",
    "lnx_ch_mean": r"mean $|\ln x|$, charged",
    "lnx_ch_var": r"variance $|\ln x|$, charged",
    "lnx_ch_m3": r"third moment $|\ln x|$, charged",
    "T_major": r"$T_\mathrm{major}$",
    "T_minor": r"$T_\mathrm{minor}$",
}
"""Name to the label of an axis."""


def compute(hadrons, energy, threads=1, names=NAMES, charged_only=False):
    """Observables of every event.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    energy : float
        Centre-of-mass energy √s [GeV].
    threads : int
        Threads to work on; the result is the same for any number.
    names : sequence of str
        Which ones, of `NAMES` and `MORE`.
    charged_only : bool
        Whether to look at charged hadrons alone: then n_f = n_ch.

    Returns
    -------
    dict of str to ndarray, shape (N,)
        One column per name, in the order of `names`; the module's text says what they are, and where they are NaN.

    Raises
    ------
    ValueError
        If the energy is not positive, a name is unknown, `threads` is less than 1, or a momentum is not finite
        or above 1e100 GeV.
    TypeError
        If the energy is no number.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> columns = compute(sample.hadrons, sample.energy)
    >>> columns["T"].shape, bool(columns["T"].min() > 0.5)
    ((100,), True)
    """
    _check_energy(energy)
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in NAMES + MORE]
    if unknown:
        raise ValueError(f"unknown observable {unknown[0]!r}; known: {', '.join(NAMES + MORE)}")
    charged = charge_of(hadrons.pid) != 0
    if charged_only:
        hadrons = hadrons.where(charged)
        charged = np.ones(len(hadrons.pid), bool)
    more = any(name in MORE for name in names)
    table = np.empty((len(NAMES) + len(MORE), len(hadrons)))
    columns = *_momenta(hadrons), charged, hadrons.offsets, float(energy), more
    _over_events(lambda *share: _fill(*columns, *share, table), hadrons, threads)
    return {name: table[(NAMES + MORE).index(name)] for name in names}


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


def _check_energy(energy):
    if not isinstance(energy, numbers.Real):
        raise TypeError(f"energy must be a number of GeV, got {energy!r}")
    if not (np.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite (GeV), got {energy!r}")


def _momenta(hadrons):
    """Columns px, py, pz in float64, small enough to be squared."""
    columns = [np.ascontiguousarray(getattr(hadrons, name), dtype=float) for name in ("px", "py", "pz")]
    for p in columns:
        # NaN is neither, so this finds it too.
        if len(p) and not (p.min() > -1e100 and p.max() < 1e100):
            event = hadrons.event[np.argmin(abs(p) < 1e100)]
            raise ValueError(f"event {event} has a momentum that is not finite, or above 1e100 GeV")
    return columns


def _over_events(work, hadrons, threads):
    """Call ``work(first, last, p, room, stack)`` for equal shares of the events, on threads.

    The rest is room for one event: its momenta, and what `thrust.workspace` says.
    """
    if not isinstance(threads, numbers.Integral) or threads < 1:
        raise ValueError(f"threads must be a whole number and at least 1, got {threads!r}")
    threads = min(int(threads), max(1, len(hadrons)))
    edges = np.linspace(0, len(hadrons), threads + 1).astype(int)
    most = int(hadrons.multiplicity.max(initial=0))
    # Compiled here, in one thread: numba fails now and then when two make it compile the same.
    work(0, 0, np.empty((most, 3)), *workspace(most))
    with ThreadPoolExecutor(threads) as pool:
        shares = pool.map(
            lambda first, last: work(first, last, np.empty((most, 3)), *workspace(most)), edges[:-1], edges[1:]
        )
        list(shares)  # what went wrong in a thread is raised here


@njit(nogil=True)
def _fill(px, py, pz, charged, offsets, energy, more, first, last, p, room, stack, table):
    axis = np.empty(3)
    for event in range(first, last):
        start, stop = offsets[event], offsets[event + 1]
        q = _gather(px, py, pz, start, stop, p)
        tensor = linear_tensor(q)
        table[0, event] = thrust_and_axis(q, tensor, room, stack, axis)
        table[1, event], table[2, event] = _c_and_d(tensor)
        table[3, event], table[4, event] = _broadening(q, axis)
        table[5, event] = stop - start
        table[6, event] = _count_and_moments(q, charged[start:stop], energy, table[7:13, event])
        if more:
            table[13, event], table[14, event] = _sphericity(q)
            table[15, event], table[16, event] = _major_and_minor(q, axis, room, stack)


@njit(nogil=True)
def _fill_axes(px, py, pz, offsets, first, last, p, room, stack, axes):
    for event in range(first, last):
        q = _gather(px, py, pz, offsets[event], offsets[event + 1], p)
        thrust_and_axis(q, linear_tensor(q), room, stack, axes[event])


@njit(nogil=True)
def _gather(px, py, pz, start, stop, p):
    """The momenta of one event, side by side."""
    for k in range(start, stop):
        p[k - start, 0], p[k - start, 1], p[k - start, 2] = px[k], py[k], pz[k]
    return p[: stop - start]


@njit(nogil=True)
def _c_and_d(tensor):
    xx, yy, zz, xy, xz, yz, _ = tensor
    # The symmetric functions of the eigenvalues are the minors of the tensor: no diagonalisation.
    c = 3.0 * (xx * yy + yy * zz + zz * xx - xy * xy - yz * yz - xz * xz)
    d = 27.0 * (xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz))
    return c, max(d, 0.0) if d == d else d


@njit(nogil=True)
def _sphericity(p):
    """Sphericity and aplanarity."""
    xx = yy = zz = xy = xz = yz = 0.0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        xx += x * x
        yy += y * y
        zz += z * z
        xy += x * y
        xz += x * z
        yz += y * z
    total = xx + yy + zz
    if total == 0.0:
        return math.nan, math.nan
    lam1, _, lam3 = eigenvalues(xx / total, yy / total, zz / total, xy / total, xz / total, yz / total)
    return max(0.0, 1.5 * (1.0 - lam1)), max(0.0, 1.5 * lam3)


@njit(nogil=True)
def _major_and_minor(p, axis, room, stack):
    """Thrust major and minor. Thrust major is the thrust of what is left of the momenta across the thrust axis."""
    if axis[0] != axis[0]:
        return math.nan, math.nan
    across = np.empty_like(p)
    total = left = 0.0
    for k in range(len(p)):
        along = p[k, 0] * axis[0] + p[k, 1] * axis[1] + p[k, 2] * axis[2]
        for i in range(3):
            across[k, i] = p[k, i] - along * axis[i]
        total += math.sqrt(p[k, 0] ** 2 + p[k, 1] ** 2 + p[k, 2] ** 2)
        left += math.sqrt(across[k, 0] ** 2 + across[k, 1] ** 2 + across[k, 2] ** 2)
    if left <= 1e-14 * total:  # a pencil, up to rounding: no direction across stands out
        return 0.0, 0.0
    n = np.empty(3)
    major = thrust_and_axis(across, linear_tensor(across), room, stack, n)
    minor = 0.0
    for k in range(len(p)):
        minor += abs(
            across[k, 0] * (axis[1] * n[2] - axis[2] * n[1])
            + across[k, 1] * (axis[2] * n[0] - axis[0] * n[2])
            + across[k, 2] * (axis[0] * n[1] - axis[1] * n[0])
        )
    return major * left / total, minor / total


@njit(nogil=True)
def _broadening(p, axis):
    b_plus = b_minus = total = 0.0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        along = x * axis[0] + y * axis[1] + z * axis[2]
        cx = y * axis[2] - z * axis[1]
        cy = z * axis[0] - x * axis[2]
        cz = x * axis[1] - y * axis[0]
        across = math.sqrt(cx * cx + cy * cy + cz * cz)
        total += math.sqrt(x * x + y * y + z * z)
        if along > 0.0:
            b_plus += across
        else:
            b_minus += across
    if total == 0.0:
        return math.nan, math.nan
    return max(b_plus, b_minus) / (2.0 * total), (b_plus + b_minus) / (2.0 * total)


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
