r"""The regions of a string with gluons, between the kinks that these are.

Each pair of neighbouring partons spans a piece of string, a *low* region of space-time; where signals from two pieces
meet there is a *higher* one :cite:p:`sjostrand1984jet`. Region (i, k) has the light-cone vector p+ of piece i, counted
from the quark, and p- of piece k, counted from the antiquark; with n + 1 partons i + k goes up to n - 1, where it is
low. A closed loop of gluons is cut in one of its pieces, which then lies at both ends of the string.

Four-vectors are tuples (px, py, pz, E).
"""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from .._support.kernels import kernel

CUT_MT2_MAX = 25.0  # GeV²: of `cut_mass2`
JOIN = 0.3  # GeV: neighbours nearer than this become one parton
EMPTY = 0.01  # GeV²: a region with less has nothing to give
TINY = 1e-20
W2, KNOWN, X_AXIS, Y_AXIS = 0, 1, 2, 6  # columns of `Kinked.regions`
Vector = tuple[float, float, float, float]


class Kinked(NamedTuple):
    """Strings of partons in colour order, quark first, and room for the regions of one of them."""

    partons: np.ndarray  # (P, 4)
    offsets: np.ndarray  # (S + 1,)
    flavours: np.ndarray  # (S, 2) at the ends, without sign; 0 for a closed loop
    reset: bool  # whether a kick keeps its components where a string turns, see `hadtutor.strings.gluons`
    now: np.ndarray  # (4,) which string the room holds, how often it was joined again, piece that is cut, pieces
    p: np.ndarray  # (L, 4) its partons
    share: np.ndarray  # (L,) of each that goes into a piece: a half of a gluon
    # Each array of a tuple is counted when it is used, so that these hold several things.
    pieces: np.ndarray  # (L, 8) p+ of each low region, by i, and p-, by k
    regions: np.ndarray  # (L, L, 10) mass² of each region; 0: not looked at, 1: has its axes, 2: empty; both axes


def kinked(partons: np.ndarray, offsets: np.ndarray, flavours: np.ndarray, reset: bool = True) -> Kinked:
    """Strings between `partons`, (P, 4), with their offsets and flavours; see `Kinked`."""
    most = int(np.diff(offsets).max(initial=2)) + 2 * bool(np.any(flavours == 0))
    return Kinked(
        np.ascontiguousarray(partons), offsets, flavours, reset, now=np.full(4, -1), p=np.zeros((most, 4)),
        share=np.zeros(most), pieces=np.zeros((most, 8)), regions=np.zeros((most, most, 10)),
    )  # fmt: skip


@kernel(forceinline=True)
def dot(u, v):
    """Product of two four-vectors."""
    return u[3] * v[3] - u[0] * v[0] - u[1] * v[1] - u[2] * v[2]


@kernel(forceinline=True)
def plus(u, c, v):
    """u + c v."""
    return u[0] + c * v[0], u[1] + c * v[1], u[2] + c * v[2], u[3] + c * v[3]


@kernel(forceinline=True)
def row_of(a, k):
    """Row k of an array as a four-vector."""
    return a[k, 0], a[k, 1], a[k, 2], a[k, 3]


@kernel(forceinline=True)
def plus_of(pieces, i):
    """p+ of piece i."""
    return pieces[i, 0], pieces[i, 1], pieces[i, 2], pieces[i, 3]


@kernel(forceinline=True)
def minus_of(pieces, k):
    """p- of piece k, counted from the antiquark."""
    return pieces[k, 4], pieces[k, 5], pieces[k, 6], pieces[k, 7]


@kernel
def light_cone(p1, p2):
    """Lightlike p+ and p- near p1 and p2 and with their sum, and its mass² w²; the region is empty if that is small."""
    m1, m2, s = dot(p1, p1), dot(p2, p2), dot(p1, p2)
    if m1 + 2.0 * s + m2 <= 0.0 or s * s <= m1 * m2:
        m1, m2 = max(0.0, m1), max(0.0, m2)
        p1 = p1[0], p1[1], p1[2], math.sqrt(m1 + p1[0] ** 2 + p1[1] ** 2 + p1[2] ** 2)
        p2 = p2[0], p2[1], p2[2], math.sqrt(m2 + p2[0] ** 2 + p2[1] ** 2 + p2[2] ** 2)
        s = dot(p1, p2)
    w2 = m1 + 2.0 * s + m2
    r2 = s * s - m1 * m2
    if w2 < EMPTY or r2 <= 0.0:
        return p1, p2, w2
    r = math.sqrt(r2)
    k1, k2 = 0.5 * ((m2 + s) / r - 1.0), 0.5 * ((m1 + s) / r - 1.0)
    one, other = (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    one = plus(plus(one, 1.0 + k1, p1), -k2, p2)
    other = plus(plus(other, 1.0 + k2, p2), -k1, p1)
    return one, other, w2


@kernel
def transverse_axes(one, other):
    """Two unit vectors transverse to p+ and p- and to each other, and whether there are any.

    They start from the two axes of coordinates along which the string is shortest.
    """
    none = (0.0, 0.0, 0.0, 0.0)
    product = dot(one, other)
    if one[3] < TINY or other[3] < TINY or product < TINY:
        return none, none, False
    dx = (one[0] / one[3] - other[0] / other[3]) ** 2
    dy = (one[1] / one[3] - other[1] / other[3]) ** 2
    dz = (one[2] / one[3] - other[2] / other[3]) ** 2
    if dx < min(dy, dz):
        first, second = 0, 1 if dy < dz else 2
    elif dy < dz:
        first, second = 1, 0 if dx < dz else 2
    else:
        first, second = 2, 0 if dx < dy else 1
    x = 1.0 * (first == 0), 1.0 * (first == 1), 1.0 * (first == 2), 0.0
    y = 1.0 * (second == 0), 1.0 * (second == 1), 1.0 * (second == 2), 0.0
    x = plus(plus(x, -dot(x, other) / product, one), -dot(x, one) / product, other)
    norm = -dot(x, x)
    if norm < TINY:
        return none, none, False
    x = plus(none, 1.0 / math.sqrt(norm), x)
    y = plus(plus(plus(y, -dot(y, other) / product, one), -dot(y, one) / product, other), dot(y, x), x)
    norm = -dot(y, y)
    if norm < TINY:
        return none, none, False
    return x, plus(none, 1.0 / math.sqrt(norm), y), True


@kernel
def _look(pieces, regions, i, k):
    regions[i, k, KNOWN] = 2.0
    if regions[i, k, W2] >= EMPTY:
        x, y, fine = transverse_axes(plus_of(pieces, i), minus_of(pieces, k))
        if fine:
            regions[i, k, KNOWN] = 1.0
            for c in range(4):
                regions[i, k, X_AXIS + c], regions[i, k, Y_AXIS + c] = x[c], y[c]


@kernel(forceinline=True)
def is_empty(pieces, regions, i, k):
    """Whether region (i, k) has nothing to give; its axes are at hand after this."""
    if regions[i, k, KNOWN] == 0.0:
        _look(pieces, regions, i, k)
    return regions[i, k, KNOWN] == 2.0


@kernel(forceinline=True)
def axes(regions, i, k):
    """Both axes of region (i, k), see `is_empty`."""
    r, x, y = regions, X_AXIS, Y_AXIS
    return (
        (r[i, k, x], r[i, k, x + 1], r[i, k, x + 2], r[i, k, x + 3]),
        (r[i, k, y], r[i, k, y + 1], r[i, k, y + 2], r[i, k, y + 3]),
    )


@kernel
def join(p, share, n, threshold, closed=False):
    """Make one parton of the nearest neighbours, again and again while they are nearer than `threshold`; how many left.

    `p`, (n, 4), and `share`, a half for gluons, are changed in place. Nearness is the mass of the piece of string
    between two partons, less the masses of quarks. In a `closed` loop the last has the first as a neighbour.
    """
    while n > 2:
        least, at = math.inf, -1
        for k in range(n if closed else n - 1):
            after = k + 1 if k + 1 < n else 0
            both = plus(plus((0.0, 0.0, 0.0, 0.0), share[k], row_of(p, k)), share[after], row_of(p, after))
            mass = math.sqrt(max(0.0, dot(both, both)))
            for j in (k, after):
                if share[j] == 1.0:
                    mass -= math.sqrt(max(0.0, dot(row_of(p, j), row_of(p, j))))
            if mass < least:
                least, at = mass, k
        if least >= threshold:
            break
        after = at + 1 if at + 1 < n else 0
        for c in range(4):
            p[after, c] += p[at, c]
        share[after] = max(share[at], share[after])
        for k in range(at, n - 1):
            share[k] = share[k + 1]
            for c in range(4):
                p[k, c] = p[k + 1, c]
        n -= 1
    return n


@kernel
def _join_again(string, event, level):
    """Partons of a string, joined more readily at each `level`; how many are left."""
    first, n = string.offsets[event], string.offsets[event + 1] - string.offsets[event]
    p, share, closed = string.p, string.share, string.flavours[event, 0] == 0
    for k in range(n):
        share[k] = 1.0 if k in (0, n - 1) and not closed else 0.5
        for c in range(4):
            p[k, c] = string.partons[first + k, c]
    for again in range(level + 1):
        n = join(p, share, n, JOIN * 2.0**again, closed)
    return n


@kernel
def piece_to_cut(rng, string, event, level):
    """Draw the piece in which a closed loop of gluons is cut, large masses more often; its number and mass²."""
    n, p = _join_again(string, event, level), string.p
    total = 0.0
    for k in range(n):
        total += dot(row_of(p, k), row_of(p, k + 1 if k + 1 < n else 0))
    left, piece = total * rng.random(), 0
    while piece < n - 1:
        left -= dot(row_of(p, piece), row_of(p, piece + 1))
        if left <= 0.0:
            break
        piece += 1
    both = plus(row_of(p, piece), 1.0, row_of(p, piece + 1 if piece + 1 < n else 0))
    return piece, 0.25 * dot(both, both)


@register_jitable
def cut_mass2(w2: float | np.ndarray) -> float | np.ndarray:
    """Transverse mass squared from which z is drawn where a piece of mass squared `w2` is cut [GeV²]: Pythia's."""
    return np.minimum(CUT_MT2_MAX, 0.1 * w2)


@kernel
def set_up(string, event, level, piece):
    """Join the partons of a string, cut it in this `piece` if it is closed, and find its regions."""
    n = _join_again(string, event, level)
    p, share = string.p, string.share
    pieces = n + 1 if string.flavours[event, 0] == 0 else n - 1
    top = pieces - 1
    none, vectors, regions = (0.0, 0.0, 0.0, 0.0), string.pieces, string.regions
    b = piece
    for i in range(pieces):
        a, b = b, b + 1 if b + 1 < n else 0
        one, other, w2 = light_cone(plus(none, share[a], row_of(p, a)), plus(none, share[b], row_of(p, b)))
        kept = w2 >= EMPTY
        for c in range(4):
            vectors[i, c] = one[c] if kept else 0.0
            vectors[top - i, 4 + c] = other[c] if kept else 0.0
        regions[i, top - i, W2], regions[i, top - i, KNOWN] = w2, 0.0
    for i in range(pieces):
        for k in range(top - i):
            regions[i, k, W2], regions[i, k, KNOWN] = 2.0 * dot(plus_of(vectors, i), minus_of(vectors, k)), 0.0
    string.now[0], string.now[1], string.now[2], string.now[3] = event, level, piece, pieces
