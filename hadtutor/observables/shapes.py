"""Event shapes of one event: C and D, sphericity, thrust major and minor, broadenings."""

import math

import numpy as np
from numba import njit

from .exact_thrust import eigenvalues, linear_tensor, thrust_and_axis


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
