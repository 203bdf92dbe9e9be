"""A body falls into two, one at a time, for numba; `hadtutor.kinematics.tensor` does many at once, with gradients."""

import math

from .._support.kernels import kernel


@kernel(inline="always")
def p_star(m, m1, m2):
    """Momentum of both parts of a body of mass `m` at rest that decays to masses `m1` and `m2` [GeV]."""
    return math.sqrt(max(0.0, (m * m - (m1 + m2) ** 2) * (m * m - (m1 - m2) ** 2))) / (2.0 * m)


@kernel(inline="always")
def from_rest_frame(px, py, pz, e, m, kx, ky, kz, ke):
    """Four-momentum k, seen in the rest frame of a body of momentum p, energy e and mass m, in the lab."""
    energy = (e * ke + px * kx + py * ky + pz * kz) / m
    along = (ke + energy) / (e + m)
    return kx + along * px, ky + along * py, kz + along * pz, energy


@kernel(inline="always")
def two_body(px, py, pz, e, m, x, y, z, m1, m2, out, i, j):
    """A body of mass m decays in two, the first part along (x, y, z) at rest; momenta go to columns i, j of `out`."""
    k = p_star(m, m1, m2)
    part = from_rest_frame(px, py, pz, e, m, k * x, k * y, k * z, math.sqrt(k * k + m1 * m1))
    out[0, i], out[1, i], out[2, i], out[3, i] = part
    # The second is what the first leaves, so that their sum is exact.
    out[0, j], out[1, j], out[2, j], out[3, j] = px - part[0], py - part[1], pz - part[2], e - part[3]


@kernel(inline="always")
def direction_at_rest(px, py, pz, e, m, kx, ky, kz, ke):
    """Unit vector along the lab momentum k in the rest frame of a body of momentum p, energy e and mass m."""
    energy = (e * ke - px * kx - py * ky - pz * kz) / m
    along = (ke + energy) / (e + m)
    x, y, z = kx - along * px, ky - along * py, kz - along * pz
    size = math.sqrt(x * x + y * y + z * z)
    if size == 0.0:  # k is at rest there too: any direction will do
        return 0.0, 0.0, 1.0
    return x / size, y / size, z / size


@kernel(inline="always")
def isotropic(rng):
    """Unit vector in a random direction."""
    cosine, phi = 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
    sine = math.sqrt(1.0 - cosine * cosine)
    return sine * math.cos(phi), sine * math.sin(phi), cosine


@kernel(inline="always")
def smeared(rng, x, y, z, smearing):
    """Unit vector about the axis (x, y, z), cosθ = 1 + smearing · ln R with R uniform and cosθ >= -1."""
    if smearing == 0.0:
        return x, y, z
    # R between exp(-2 / smearing) and 1 gives every cosine between -1 and 1 at once.
    cosine = max(-1.0, 1.0 + smearing * math.log1p(rng.random() * math.expm1(-2.0 / smearing)))
    phi = 2.0 * math.pi * rng.random()
    sine = math.sqrt(1.0 - cosine * cosine)
    # Two unit vectors across the axis, without a special case near the poles.
    sign = math.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    s, t = sine * math.cos(phi), sine * math.sin(phi)
    return (
        cosine * x + s * (1.0 + sign * x * x * a) + t * b,
        cosine * y + s * sign * b + t * (sign + y * y * a),
        cosine * z - s * sign * x - t * y,
    )
