"""Numbers of one event: C and D, sphericity, thrust major and minor, broadenings, moments."""

import math

import numpy as np

from .._support.kernels import kernel
from .exact_thrust import eigenvalues, momentum_tensor, thrust_and_axis


@kernel
def c_and_d(tensor):
    """C and D of a linear momentum tensor."""
    xx, yy, zz, xy, xz, yz, _ = tensor
    # The symmetric functions of the eigenvalues are the minors of the tensor: no diagonalisation.
    c = 3.0 * (xx * yy + yy * zz + zz * xx - xy * xy - yz * yz - xz * xz)
    d = 27.0 * (xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz))
    return c, max(d, 0.0) if d == d else d


@kernel
def sphericity(p):
    """Sphericity and aplanarity."""
    xx, yy, zz, xy, xz, yz, total = momentum_tensor(p, False)
    if total == 0.0:
        return math.nan, math.nan
    lam1, _, lam3 = eigenvalues(xx, yy, zz, xy, xz, yz)
    return max(0.0, 1.5 * (1.0 - lam1)), max(0.0, 1.5 * lam3)


@kernel
def major_and_minor(p, axis, room, stack):
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
    major = thrust_and_axis(across, momentum_tensor(across, True), room, stack, n)
    minor = 0.0
    for k in range(len(p)):
        minor += abs(
            across[k, 0] * (axis[1] * n[2] - axis[2] * n[1])
            + across[k, 1] * (axis[2] * n[0] - axis[0] * n[2])
            + across[k, 2] * (axis[0] * n[1] - axis[1] * n[0])
        )
    return major * left / total, minor / total


@kernel
def broadening(p, axis):
    """Wide and total jet broadening about the thrust axis."""
    b_plus = b_minus = total = 0.0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        along = x * axis[0] + y * axis[1] + z * axis[2]
        cx, cy, cz = y * axis[2] - z * axis[1], z * axis[0] - x * axis[2], x * axis[1] - y * axis[0]
        across = math.sqrt(cx * cx + cy * cy + cz * cz)
        total += math.sqrt(x * x + y * y + z * z)
        if along > 0.0:
            b_plus += across
        else:
            b_minus += across
    if total == 0.0:
        return math.nan, math.nan
    return max(b_plus, b_minus) / (2.0 * total), (b_plus + b_minus) / (2.0 * total)


@kernel
def count_and_moments(p, charged, energy, out):
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


@kernel
def _moments(n, s1, s2, s3):
    """Mean, variance and third central moment from sums of powers; NaN of nothing, 0 spread of one."""
    if n == 0:
        return math.nan, math.nan, math.nan
    mean = s1 / n
    if n == 1:
        return mean, 0.0, 0.0
    return mean, max(0.0, s2 / n - mean * mean), s3 / n - 3.0 * mean * s2 / n + 2.0 * mean**3
