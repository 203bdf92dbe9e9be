r"""What is measured on an event: multiplicities, event shapes and moments of the momentum fractions.

The thirteen observables of the HOMER papers :cite:p:`bierlich2025describing`. Sums run over all hadrons of
the event, and :math:`x = 2|p|/\sqrt{s}`.

- ``T``: thrust :math:`\max_n \sum |p \cdot n| / \sum |p|` :cite:p:`farhi1977quantum`
- ``C``, ``D``: :math:`3(\lambda_1\lambda_2 + \lambda_2\lambda_3 + \lambda_3\lambda_1)` and
  :math:`27\,\lambda_1\lambda_2\lambda_3`, with the eigenvalues of the linear momentum tensor
  :math:`\sum (p_i p_j/|p|) \,/ \sum |p|`
- ``B_W``, ``B_T``: wide and total jet broadening; each hemisphere of the thrust axis has
  :math:`\sum |p \times n| / (2 \sum |p|)` with the sum below over all, these are the larger one and the sum of both
- ``n_f``, ``n_ch``: number of hadrons, of charged hadrons
- ``lnx_mean``, ``lnx_var``, ``lnx_m3``: mean, variance and third central moment of :math:`|\ln x|` over the hadrons
- ``lnx_ch_mean``, ``lnx_ch_var``, ``lnx_ch_m3``: the same over the charged hadrons
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from .particles import charge_of

__all__ = ["NAMES", "compute", "thrust"]

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


def compute(hadrons, energy, threads=1):
    """All observables of every event.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    energy : float
        Centre-of-mass energy √s [GeV].
    threads : int
        Threads to work on; the result is the same for any number.

    Returns
    -------
    dict of str to ndarray, shape (N,)
        One column per name in `NAMES`. An event without momentum has NaN shapes, and one without
        (charged) hadrons NaN moments of its (charged) momentum fractions.

    Raises
    ------
    ValueError
        If the energy is not positive, or a momentum is not finite.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> columns = compute(sample.hadrons, sample.energy)
    >>> columns["T"].shape, bool(columns["T"].min() > 0.5)
    ((100,), True)
    """
    if not (np.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite (GeV), got {energy!r}")
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1).astype(float)
    bad = ~np.isfinite(p).all(axis=1)
    if bad.any():
        event = np.searchsorted(hadrons.offsets, np.flatnonzero(bad)[0], side="right") - 1
        raise ValueError(f"event {event} has a momentum that is not finite")
    charged = charge_of(hadrons.pid) != 0
    table = np.empty((len(NAMES), len(hadrons)))
    edges = np.linspace(0, len(hadrons), threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(
            pool.map(
                lambda k: _fill(p, charged, hadrons.offsets, energy, edges[k], edges[k + 1], table), range(threads)
            )
        )
    return dict(zip(NAMES, table, strict=True))


@njit(nogil=True)
def _fill(p, charged, offsets, energy, first, last, table):
    work = np.empty((max(1, np.max(np.diff(offsets))) if offsets.size > 1 else 1, 3))
    axis = np.empty(3)
    for event in range(first, last):
        start, stop = offsets[event], offsets[event + 1]
        q = p[start:stop]
        table[0, event] = _thrust(q, work, axis)
        table[1, event], table[2, event] = _c_and_d(q)
        table[3, event], table[4, event] = _broadening(q, axis)
        table[5, event] = stop - start
        n_ch = 0
        for k in range(start, stop):
            n_ch += charged[k]
        table[6, event] = n_ch
        _moments(q, charged[start:stop], False, energy, table[7:10, event])
        _moments(q, charged[start:stop], True, energy, table[10:13, event])


@njit(nogil=True)
def _linear_tensor(p):
    """Linear momentum tensor, divided by its trace: (xx, yy, zz, xy, xz, yz, the trace)."""
    xx = yy = zz = xy = xz = yz = total = 0.0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        norm = math.sqrt(x * x + y * y + z * z)
        if norm > 0.0:
            xx += x * x / norm
            yy += y * y / norm
            zz += z * z / norm
            xy += x * y / norm
            xz += x * z / norm
            yz += y * z / norm
            total += norm
    if total == 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, total
    return xx / total, yy / total, zz / total, xy / total, xz / total, yz / total, total


@njit(nogil=True)
def _c_and_d(p):
    xx, yy, zz, xy, xz, yz, _ = _linear_tensor(p)
    # The symmetric functions of the eigenvalues are the minors of the tensor: no diagonalisation.
    c = 3.0 * (xx * yy + yy * zz + zz * xx - xy * xy - yz * yz - xz * xz)
    d = 27.0 * (xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz))
    return c, max(d, 0.0) if d == d else d


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
def _moments(p, charged, only_charged, energy, out):
    """Mean, variance and third central moment of |ln x|, hadrons at rest left out."""
    n = 0
    s1 = s2 = s3 = 0.0
    for k in range(len(p)):
        p2 = p[k, 0] ** 2 + p[k, 1] ** 2 + p[k, 2] ** 2
        if p2 > 0.0 and (charged[k] or not only_charged):
            v = abs(0.5 * math.log(4.0 * p2 / (energy * energy)))
            n += 1
            s1 += v
            s2 += v * v
            s3 += v * v * v
    if n == 0:
        out[:] = math.nan
        return
    mean = s1 / n
    out[0] = mean
    out[1] = max(0.0, s2 / n - mean * mean)
    out[2] = s3 / n - 3.0 * mean * s2 / n + 2.0 * mean**3


# --- Thrust ----------------------------------------------------------------------------------------


def thrust(p):
    """Exact thrust of one event.

    Parameters
    ----------
    p : array_like, shape (n, 3)
        Momenta [GeV].

    Returns
    -------
    value : float
        Between 1/2 and 1; NaN without momentum.
    axis : ndarray, shape (3,)
        Unit vector; NaN without momentum.

    Examples
    --------
    >>> value, axis = thrust([[0, 0, 3.0], [0, 0, -3.0]])
    >>> round(value, 12)
    1.0
    """
    p = np.asarray(p, dtype=float).reshape(-1, 3)
    if not np.isfinite(p).all():
        raise ValueError("momenta must be finite")
    axis = np.empty(3)
    value = _thrust(p, np.empty((max(1, len(p)), 3)), axis)
    return value, axis


@njit(nogil=True)
def _thrust(p, work, axis):
    r"""Thrust by exact enumeration of the few hadrons whose hemisphere is in doubt.

    Thrust is the largest :math:`|\sum_k s_k p_k| / \sum |p|` over all signs. By Cauchy and Schwarz
    :math:`T(n)^2 \le n^T L n`, with L the linear tensor: an axis that beats a known value T0 lies within an
    angle δ of the leading eigenvector, sin²δ = (λ1 - T0²)/(λ1 - λ2). A hadron further than δ from the
    plane across keeps its sign for all of them; only the others are enumerated.
    """
    xx, yy, zz, xy, xz, yz, total = _linear_tensor(p)
    if total == 0.0:
        axis[:] = math.nan
        return math.nan
    # Leading eigenvalues and eigenvector of the tensor (trace 1).
    s = (xx - 1 / 3) ** 2 + (yy - 1 / 3) ** 2 + (zz - 1 / 3) ** 2 + 2.0 * (xy * xy + xz * xz + yz * yz)
    r = math.sqrt(s / 6.0)
    sin_delta = 1.0
    if r > 1e-9:
        a, b, c = xx - 1 / 3, yy - 1 / 3, zz - 1 / 3
        det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
        phi = math.acos(min(1.0, max(-1.0, det / (2.0 * r**3)))) / 3.0
        lam1 = 1 / 3 + 2.0 * r * math.cos(phi)
        lam2 = 1 / 3 + 2.0 * r * math.cos(phi - 2.0 * math.pi / 3.0)
        vx, vy, vz = _eigenvector(xx - lam1, yy - lam1, zz - lam1, xy, xz, yz)
        if vx == vx and lam1 - lam2 > 1e-6:
            # Let the axis climb: put every hadron in its hemisphere, take the sum as the new axis.
            nx, ny, nz = vx, vy, vz
            best = 0.0
            while True:
                tx = ty = tz = 0.0
                for k in range(len(p)):
                    sign = 1.0 if p[k, 0] * nx + p[k, 1] * ny + p[k, 2] * nz > 0.0 else -1.0
                    tx += sign * p[k, 0]
                    ty += sign * p[k, 1]
                    tz += sign * p[k, 2]
                value = math.sqrt(tx * tx + ty * ty + tz * tz)
                if value <= best * (1.0 + 1e-14):
                    break
                best = value
                nx, ny, nz = tx / value, ty / value, tz / value
            sin_delta = math.sqrt(max(0.0, (lam1 - (best / total) ** 2) / (lam1 - lam2))) + 1e-7

    # Split the hadrons: those with a sign that is settled are summed, the doubtful go to `work`.
    fx = fy = fz = 0.0
    n = 0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        along = x * vx + y * vy + z * vz if sin_delta < 1.0 else 0.0
        if along * along > sin_delta * sin_delta * (x * x + y * y + z * z):
            sign = 1.0 if along > 0.0 else -1.0
            fx += sign * x
            fy += sign * y
            fz += sign * z
        elif x != 0.0 or y != 0.0 or z != 0.0:
            work[n, 0], work[n, 1], work[n, 2] = x, y, z
            n += 1
    return _best_signs(fx, fy, fz, work[:n], axis) / total


@njit(nogil=True)
def _eigenvector(a, b, c, d, e, f):
    """Null vector of the symmetric matrix [[a, d, e], [d, b, f], [e, f, c]]: the longest cross product of rows."""
    x1, y1, z1 = d * f - e * b, e * d - a * f, a * b - d * d
    x2, y2, z2 = d * c - e * f, e * e - a * c, a * f - d * e
    x3, y3, z3 = b * c - f * f, f * e - d * c, d * f - b * e
    n1, n2, n3 = x1 * x1 + y1 * y1 + z1 * z1, x2 * x2 + y2 * y2 + z2 * z2, x3 * x3 + y3 * y3 + z3 * z3
    if n2 > n1:
        x1, y1, z1, n1 = x2, y2, z2, n2
    if n3 > n1:
        x1, y1, z1, n1 = x3, y3, z3, n3
    if n1 < 1e-24:
        return math.nan, math.nan, math.nan
    norm = math.sqrt(n1)
    return x1 / norm, y1 / norm, z1 / norm


@njit(nogil=True)
def _best_signs(fx, fy, fz, a, axis):
    """Largest length of F + Σ s_k a_k over the signs s; its direction goes to `axis`.

    At the maximum s_k is the side of the plane across the axis that a_k lies on. Turning the axis
    until that plane meets two of the vectors changes no other sign: so it is enough to try the
    normals of all pairs, each with both signs of the two, and for vectors that lie in the plane of
    the pair (planar events) the signs on either side along it.
    """
    n = len(a)
    best = -1.0
    if n < 2:
        for sign in (-1.0, 1.0):
            x, y, z = fx, fy, fz
            if n == 1:
                x, y, z = fx + sign * a[0, 0], fy + sign * a[0, 1], fz + sign * a[0, 2]
            length = math.sqrt(x * x + y * y + z * z)
            if length > best and length > 0.0:
                best = length
                axis[0], axis[1], axis[2] = x / length, y / length, z / length
        return best
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            # Normal of the pair; parallel vectors have none, any direction across a_i will do.
            mx = a[i, 1] * a[j, 2] - a[i, 2] * a[j, 1]
            my = a[i, 2] * a[j, 0] - a[i, 0] * a[j, 2]
            mz = a[i, 0] * a[j, 1] - a[i, 1] * a[j, 0]
            # Along the plane, across a_i.
            dx = my * a[i, 2] - mz * a[i, 1]
            dy = mz * a[i, 0] - mx * a[i, 2]
            dz = mx * a[i, 1] - my * a[i, 0]
            m_size = abs(mx) + abs(my) + abs(mz)
            for m_sign in (-1.0, 1.0):
                for d_sign in (-1.0, 1.0):
                    x, y, z = fx, fy, fz
                    ix, iy, iz = a[i, 0], a[i, 1], a[i, 2]
                    for k in range(n):
                        if k == i:
                            continue
                        ax, ay, az = a[k, 0], a[k, 1], a[k, 2]
                        across = m_sign * (ax * mx + ay * my + az * mz)
                        size = abs(ax) + abs(ay) + abs(az)
                        if abs(across) <= 1e-10 * m_size * size:
                            across = d_sign * (ax * dx + ay * dy + az * dz)
                            if abs(across) <= 1e-10 * (abs(dx) + abs(dy) + abs(dz)) * size:
                                # Parallel to a_i: it always goes with it.
                                with_i = 1.0 if ax * a[i, 0] + ay * a[i, 1] + az * a[i, 2] > 0.0 else -1.0
                                ix, iy, iz = ix + with_i * ax, iy + with_i * ay, iz + with_i * az
                                continue
                        sign = 1.0 if across > 0.0 else -1.0
                        x += sign * ax
                        y += sign * ay
                        z += sign * az
                    for i_sign in (-1.0, 1.0):
                        qx, qy, qz = x + i_sign * ix, y + i_sign * iy, z + i_sign * iz
                        length = math.sqrt(qx * qx + qy * qy + qz * qz)
                        if length > best and length > 0.0:
                            best = length
                            axis[0], axis[1], axis[2] = qx / length, qy / length, qz / length
    return best
