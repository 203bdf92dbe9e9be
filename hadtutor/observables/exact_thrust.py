r"""Thrust :cite:p:`farhi1977quantum`, exactly: the largest :math:`\sum |p \cdot n| / \sum |p|` over all axes n.

The maximum is the longest of all the vectors :math:`\sum s_k p_k` with signs :math:`s_k = \pm 1`, and its
direction is the thrust axis. There are 2ⁿ choices of signs, but a good guess and two bounds leave few to try.

1. *A good guess.* Put every hadron in its hemisphere about the leading eigenvector of the linear momentum tensor L
   (trace 1), take the sum as the new axis, and repeat until nothing changes: T0.
2. *A cone.* By Cauchy and Schwarz :math:`T(n)^2 \le n^T L\, n`, so an axis that beats T0 lies within an angle δ of
   that eigenvector, :math:`\sin^2 δ = (λ_1 - T_0^2)/(λ_1 - λ_2)`. Hadrons further than δ from the plane across keep
   their sign in the whole cone and are added up to one; in a pencil-like event one or two others are left.
3. *Triangles.* If more are left, half of the sphere is cut in triangles. A hadron on the same side of all three corners
   is on that side of the whole triangle. Where its bound is below the best sum so far, drop it; where at most `FEW`
   signs are in doubt, try them all; otherwise cut it in four.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain
from .._support.kernels import kernel

FEW = 4  # with so many hadrons in doubt, trying all signs is quicker than cutting on
# A triangle whose bound exceeds the best sum by no more than rounding holds nothing better.
ROUNDING = 1e-14
# Hadrons in doubt that add less than this fraction do not matter any more. A triangle after k cuts is 2^-k wide,
# so this happens before 50 cuts; depth first, each cut leaves three triangles behind.
NEGLIGIBLE = 1e-13
STACK = 4 + 3 * 50


def thrust(p: ArrayLike) -> tuple[float, np.ndarray]:
    """Exact thrust of one event, between 1/2 and 1, and its axis, a unit vector; NaN without momentum.

    The momenta `p` [GeV] have the shape (n, 3); another one, or a momentum that is not finite or above 1e100, is a
    ValueError.

    Examples
    --------
    >>> value, axis = thrust([[0, 0, 3.0], [0, 0, -3.0]])
    >>> round(value, 12)
    1.0
    """
    p = np.array(plain(p, "p"), dtype=float)
    p = p.reshape(0, 3) if p.size == 0 else p
    if p.ndim != 2 or p.shape[1] != 3:
        raise ValueError(f"p must have shape (n, 3), got {p.shape}")
    if not np.all(abs(p) < 1e100):
        raise ValueError("momenta must be finite, and below 1e100 GeV")
    axis = np.empty(3)
    return thrust_and_axis(p, momentum_tensor(p, True), *workspace(len(p)), axis), axis


def workspace(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Room that `thrust_and_axis` works in, for events of up to n hadrons."""
    return np.empty((n + 1, 3)), np.empty((STACK, 3, 3))


@kernel
def momentum_tensor(p, linear):
    """Linear or quadratic momentum tensor, divided by its trace: (xx, yy, zz, xy, xz, yz, the trace)."""
    xx = yy = zz = xy = xz = yz = total = 0.0
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        size = math.sqrt(x * x + y * y + z * z)
        if size > 1e-150:  # squares of smaller ones have lost their digits
            norm = size if linear else 1.0
            xx, yy, zz = xx + x * x / norm, yy + y * y / norm, zz + z * z / norm
            xy, xz, yz = xy + x * y / norm, xz + x * z / norm, yz + y * z / norm
            total += size
    if total == 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, total
    total = total if linear else xx + yy + zz
    return xx / total, yy / total, zz / total, xy / total, xz / total, yz / total, total


@kernel
def eigenvalues(xx, yy, zz, xy, xz, yz):
    """Eigenvalues of a symmetric 3 x 3 matrix of trace 1, in decreasing order."""
    # The trigonometric solution of the cubic loses half of the digits of two that are nearly equal, but none of the
    # third. So only that one is taken from it, and the others from the 2 x 2 matrix across its eigenvector.
    a, b, c = xx - 1 / 3, yy - 1 / 3, zz - 1 / 3
    r = math.sqrt((a * a + b * b + c * c + 2.0 * (xy * xy + xz * xz + yz * yz)) / 6.0)
    if r < 1e-15:
        return 1 / 3, 1 / 3, 1 / 3
    a, b, c, xy, xz, yz = a / r, b / r, c / r, xy / r, xz / r, yz / r
    det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    sign = 1.0 if det > 0.0 else -1.0
    lone = 2.0 * sign * math.cos(math.acos(min(1.0, 0.5 * abs(det))) / 3.0)
    vx, vy, vz = _null_vector(a - lone, b - lone, c - lone, xy, xz, yz)
    # Two unit vectors across v.
    if abs(vx) < 0.6:
        norm = math.sqrt(vy * vy + vz * vz)
        ux, uy, uz = 0.0, vz / norm, -vy / norm
    else:
        norm = math.sqrt(vx * vx + vz * vz)
        ux, uy, uz = -vz / norm, 0.0, vx / norm
    wx, wy, wz = vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux
    mx, my, mz = a * ux + xy * uy + xz * uz, xy * ux + b * uy + yz * uz, xz * ux + yz * uy + c * uz
    uu, uw = ux * mx + uy * my + uz * mz, wx * mx + wy * my + wz * mz
    ww = -lone - uu
    apart = math.sqrt((0.5 * (uu - ww)) ** 2 + uw * uw)
    pair = 1 / 3 + r * (apart - 0.5 * lone), 1 / 3 - r * (apart + 0.5 * lone)
    if sign > 0.0:
        return 1 / 3 + r * lone, pair[0], pair[1]
    return pair[0], pair[1], 1 / 3 + r * lone


@kernel
def thrust_and_axis(p, tensor, room, stack, axis):
    """Thrust of the momenta p with this linear tensor, its axis into `axis`; NaN if all momenta vanish."""
    xx, yy, zz, xy, xz, yz, total = tensor
    if total == 0.0:
        axis[:] = math.nan
        return math.nan
    lam1, lam2, _ = eigenvalues(xx, yy, zz, xy, xz, yz)
    vx, vy, vz = _null_vector(xx - lam1, yy - lam1, zz - lam1, xy, xz, yz)
    best = _climb(p, vx, vy, vz, axis)
    # Where the two largest are closer than this, the eigenvector may be lost.
    sin2 = (lam1 - (best / total) ** 2) / (lam1 - lam2) if lam1 - lam2 > 1e-5 else 1.0
    sin_delta = math.sqrt(max(0.0, sin2)) + 1e-7  # the eigenvector is that exact

    # Row 0 of `room` is the sum of the hadrons whose sign is settled, the doubtful follow.
    room[0] = 0.0
    n = 1
    for k in range(len(p)):
        x, y, z = p[k, 0], p[k, 1], p[k, 2]
        along = x * vx + y * vy + z * vz
        if along * along > sin_delta * sin_delta * (x * x + y * y + z * z):
            sign = 1.0 if along > 0.0 else -1.0
            room[0, 0], room[0, 1], room[0, 2] = room[0, 0] + sign * x, room[0, 1] + sign * y, room[0, 2] + sign * z
        elif x * x + y * y + z * z > 1e-300:
            room[n, 0], room[n, 1], room[n, 2] = x, y, z
            n += 1
    if n - 1 <= FEW:
        best = _try_signs(room[0, 0], room[0, 1], room[0, 2], room[1:n], best, axis)
    else:
        best = _cut_triangles(room[:n], best, stack, axis)
    return min(1.0, best / total)


@kernel
def _null_vector(a, b, c, d, e, f):
    """Null vector of [[a, d, e], [d, b, f], [e, f, c]]: the longest cross product of rows; z if all nearly vanish."""
    x1, y1, z1 = d * f - e * b, e * d - a * f, a * b - d * d
    x2, y2, z2 = d * c - e * f, e * e - a * c, a * f - d * e
    x3, y3, z3 = b * c - f * f, f * e - d * c, d * f - b * e
    n1, n2, n3 = x1 * x1 + y1 * y1 + z1 * z1, x2 * x2 + y2 * y2 + z2 * z2, x3 * x3 + y3 * y3 + z3 * z3
    if n2 > n1:
        x1, y1, z1, n1 = x2, y2, z2, n2
    if n3 > n1:
        x1, y1, z1, n1 = x3, y3, z3, n3
    if n1 < 1e-24:
        return 0.0, 0.0, 1.0
    norm = math.sqrt(n1)
    return x1 / norm, y1 / norm, z1 / norm


@kernel
def _climb(p, nx, ny, nz, axis):
    """Length of the sum of p with the signs of a locally best axis; the axis goes to `axis`."""
    best = 0.0
    while True:
        x = y = z = 0.0
        for k in range(len(p)):
            sign = 1.0 if p[k, 0] * nx + p[k, 1] * ny + p[k, 2] * nz > 0.0 else -1.0
            x, y, z = x + sign * p[k, 0], y + sign * p[k, 1], z + sign * p[k, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if length <= best * (1.0 + ROUNDING):
            return best
        best = length
        nx, ny, nz = x / length, y / length, z / length
        axis[0], axis[1], axis[2] = nx, ny, nz


@kernel
def _try_signs(fx, fy, fz, a, best, axis):
    """Longest of F + Σ s_k a_k over all signs s, if longer than `best`."""
    for signs in range(1 << len(a)):
        x, y, z = fx, fy, fz
        for k in range(len(a)):
            sign = 1.0 if signs >> k & 1 else -1.0
            x, y, z = x + sign * a[k, 0], y + sign * a[k, 1], z + sign * a[k, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if length > best:
            best = length
            axis[0], axis[1], axis[2] = x / length, y / length, z / length
    return best


@kernel
def _cut_triangles(p, best, stack, axis):
    """Longest Σ s_k p_k over all signs, if longer than `best`: branch and bound over triangles of axes."""
    # With F the sum of the hadrons that are settled in a triangle and D(n) = Σ |p_k·n| over the others, the sum there
    # is F·n + D(n), convex in n. A unit vector in a triangle whose plane has the distance h from the centre is at most
    # 1/h times a mean of its corners, so the sum is at most its largest value at a corner, over h. As F·n <= |F|, it is
    # also at most |F| + max D / h. The closer of the two bounds counts.
    few, middle = np.empty((FEW, 3)), np.empty((3, 3))
    # The four octants above the xy plane: n and -n are the same axis.
    top = 4
    for k in range(4):
        stack[k] = 0.0
        stack[k, 0, 0], stack[k, 1, 1], stack[k, 2, 2] = 2.0 * (k // 2) - 1.0, 2.0 * (k % 2) - 1.0, 1.0
    while top > 0:
        top -= 1
        ax, ay, az = stack[top, 0, 0], stack[top, 0, 1], stack[top, 0, 2]
        bx, by, bz = stack[top, 1, 0], stack[top, 1, 1], stack[top, 1, 2]
        cx, cy, cz = stack[top, 2, 0], stack[top, 2, 1], stack[top, 2, 2]
        fx = fy = fz = d_a = d_b = d_c = 0.0
        n = 0
        for k in range(len(p)):
            x, y, z = p[k, 0], p[k, 1], p[k, 2]
            on_a, on_b, on_c = x * ax + y * ay + z * az, x * bx + y * by + z * bz, x * cx + y * cy + z * cz
            if on_a >= 0.0 and on_b >= 0.0 and on_c >= 0.0:
                fx, fy, fz = fx + x, fy + y, fz + z
            elif on_a <= 0.0 and on_b <= 0.0 and on_c <= 0.0:
                fx, fy, fz = fx - x, fy - y, fz - z
            else:
                if n < FEW:
                    few[n, 0], few[n, 1], few[n, 2] = x, y, z
                n += 1
                d_a, d_b, d_c = d_a + abs(on_a), d_b + abs(on_b), d_c + abs(on_c)
        # Distance of the triangle's plane from the centre.
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        mx, my, mz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        h = abs(mx * ax + my * ay + mz * az) / math.sqrt(mx * mx + my * my + mz * mz)
        at_a, at_b, at_c = fx * ax + fy * ay + fz * az, fx * bx + fy * by + fz * bz, fx * cx + fy * cy + fz * cz
        at_corner = max(at_a + d_a, at_b + d_b, at_c + d_c)
        bound = min(at_corner / h, math.sqrt(fx * fx + fy * fy + fz * fz) + max(d_a, d_b, d_c) / h)
        if bound <= best * (1.0 + ROUNDING):
            continue
        if n <= FEW or max(d_a, d_b, d_c) < NEGLIGIBLE * best:
            best = _try_signs(fx, fy, fz, few[: min(n, FEW)], best, axis)
            continue
        # Into its three corners, which keep one corner each, and its middle, which takes its place on the stack.
        for k in range(3):
            p1, p2 = stack[top, k], stack[top, (k + 1) % 3]
            x, y, z = p1[0] + p2[0], p1[1] + p2[1], p1[2] + p2[2]
            length = math.sqrt(x * x + y * y + z * z)
            middle[k, 0], middle[k, 1], middle[k, 2] = x / length, y / length, z / length
        for k in range(3):
            for i in range(3):
                stack[top + 1 + k, 0, i] = stack[top, k, i]
                stack[top + 1 + k, 1, i] = middle[k, i]
                stack[top + 1 + k, 2, i] = middle[(k + 2) % 3, i]
                stack[top, k, i] = middle[k, i]
        top += 4
    return best
