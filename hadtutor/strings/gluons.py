r"""A string with gluons, from a quark over kinks to an antiquark: what the loop of `hadtutor.strings.chain` asks of it.

Each pair of neighbouring partons spans a piece of string, a *low* region of space-time; where signals from two pieces
meet there is a *higher* one :cite:p:`sjostrand1984jet`. Region (i, k) has the light-cone vector p+ of piece i, counted
from the quark, and p- of piece k, counted from the antiquark; with n + 1 partons i + k goes up to n - 1, where it is
low. A hadron takes so much of both that its mass is right and that the new break has the proper time that z asks for,
and walks from region to region until that can be.

An end runs along its own direction, `dir`, towards the other, `inv`: p+ and p- for the quark (side 0), p- and p+ for
the antiquark. The rows of `ends` are named below. Four-vectors are tuples (px, py, pz, E).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .straight import Geometry

X_DIR, X_INV, PX, PY, DIR, INV, GAMMA, LEFT_A, LEFT_B = range(9)  # rows of `ends`
JOIN = 0.3  # GeV: neighbours nearer than this become one parton
EMPTY = 0.01  # GeV²: a region with less has nothing to give
NEARLY = 0.01  # GeV²: see the reset rule in `_take`
TINY = 1e-20
Vector = tuple[float, float, float, float]


class Kinked(NamedTuple):
    """Strings of partons in colour order, quark first, and room for the regions of one of them."""

    partons: np.ndarray  # (P, 4)
    offsets: np.ndarray  # (S + 1,)
    flavours: np.ndarray  # (S, 2) at the ends, without sign
    reset: bool  # whether a kick keeps its components where a string turns, see `_take`
    now: np.ndarray  # (3,) which string the room holds, how often it was joined again, number of its pieces
    p: np.ndarray  # (L, 4) its partons
    share: np.ndarray  # (L,) of each that goes into a piece: a half of a gluon
    plus: np.ndarray  # (L, 4) p+ of each low region, by i
    minus: np.ndarray  # (L, 4) p-, by k
    w2: np.ndarray  # (L, L) mass² of each region
    x_axis: np.ndarray  # (L, L, 4)
    y_axis: np.ndarray
    known: np.ndarray  # (L, L) 0: not looked at, 1: has its axes, 2: empty


def kinked(partons: np.ndarray, offsets: np.ndarray, flavours: np.ndarray, reset: bool = True) -> Kinked:
    """Strings between `partons`, (P, 4), with their offsets and flavours; see `Kinked`."""
    most = int(np.diff(offsets).max(initial=2))
    vectors, areas, axes = (most, 4), (most, most), (most, most, 4)
    return Kinked(
        np.ascontiguousarray(partons), offsets, flavours, reset, now=np.full(3, -1), p=np.zeros(vectors),
        share=np.zeros(most), plus=np.zeros(vectors), minus=np.zeros(vectors), w2=np.zeros(areas),
        x_axis=np.zeros(axes), y_axis=np.zeros(axes), known=np.zeros(areas, np.int64),
    )  # fmt: skip


@njit(nogil=True, forceinline=True)
def dot(u, v):
    """Product of two four-vectors."""
    return u[3] * v[3] - u[0] * v[0] - u[1] * v[1] - u[2] * v[2]


@njit(nogil=True, forceinline=True)
def plus(u, c, v):
    """u + c v."""
    return u[0] + c * v[0], u[1] + c * v[1], u[2] + c * v[2], u[3] + c * v[3]


@njit(nogil=True, forceinline=True)
def _row(a, k):
    return a[k, 0], a[k, 1], a[k, 2], a[k, 3]


@njit(nogil=True)
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


@njit(nogil=True)
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


@njit(nogil=True)
def _is_empty(string, i, k):
    """Whether region (i, k) has nothing to give; its axes are at hand after this."""
    known = string.known
    if known[i, k] == 0:
        known[i, k] = 2
        if string.w2[i, k] >= EMPTY:
            x, y, fine = transverse_axes(_row(string.plus, i), _row(string.minus, k))
            if fine:
                known[i, k] = 1
                for c in range(4):
                    string.x_axis[i, k, c], string.y_axis[i, k, c] = x[c], y[c]
    return known[i, k] == 2


@njit(nogil=True, forceinline=True)
def _axes(string, i, k):
    x, y = string.x_axis, string.y_axis
    return (x[i, k, 0], x[i, k, 1], x[i, k, 2], x[i, k, 3]), (y[i, k, 0], y[i, k, 1], y[i, k, 2], y[i, k, 3])


@njit(nogil=True)
def join(p, share, n, threshold):
    """Make one parton of the nearest neighbours, again and again while they are nearer than `threshold`; how many left.

    `p`, (n, 4), and `share`, a half for gluons, are changed in place. Nearness is the mass of the piece of string
    between two partons, less the masses of quarks.
    """
    while n > 2:
        least, at = math.inf, -1
        for k in range(n - 1):
            both = plus(plus((0.0, 0.0, 0.0, 0.0), share[k], _row(p, k)), share[k + 1], _row(p, k + 1))
            mass = math.sqrt(max(0.0, dot(both, both)))
            for j in (k, k + 1):
                if share[j] == 1.0:
                    mass -= math.sqrt(max(0.0, dot(_row(p, j), _row(p, j))))
            if mass < least:
                least, at = mass, k
        if least >= threshold:
            break
        for c in range(4):
            p[at, c] += p[at + 1, c]
        share[at] = max(share[at], share[at + 1])
        for k in range(at + 1, n - 1):
            share[k] = share[k + 1]
            for c in range(4):
                p[k, c] = p[k + 1, c]
        n -= 1
    return n


@njit(nogil=True)
def _set_up(string, event, level):
    """Join the partons of a string, and find its regions."""
    first, last = string.offsets[event], string.offsets[event + 1]
    n, p, share = last - first, string.p, string.share
    for k in range(n):
        share[k] = 1.0 if k in (0, n - 1) else 0.5
        for c in range(4):
            p[k, c] = string.partons[first + k, c]
    for again in range(level + 1):
        n = join(p, share, n, JOIN * 2.0**again)
    top = n - 2
    none = (0.0, 0.0, 0.0, 0.0)
    for i in range(n - 1):
        one, other, w2 = light_cone(plus(none, share[i], _row(p, i)), plus(none, share[i + 1], _row(p, i + 1)))
        kept = w2 >= EMPTY
        for c in range(4):
            string.plus[i, c] = one[c] if kept else 0.0
            string.minus[top - i, c] = other[c] if kept else 0.0
        string.w2[i, top - i] = w2
        string.known[i, top - i] = 0
    for i in range(n - 1):
        for k in range(top - i):
            string.w2[i, k] = 2.0 * dot(_row(string.plus, i), _row(string.minus, k))
            string.known[i, k] = 0
    string.now[0], string.now[1], string.now[2] = event, level, n - 1


@njit(nogil=True)
def _start(string, event, tries, ends, flavours):
    level = min(tries // 10, 2)  # after ten failures neighbours are joined more readily, and again after twenty
    if string.now[0] != event or string.now[1] != level:
        _set_up(string, event, level)
    n = string.now[2]
    total = (0.0, 0.0, 0.0, 0.0)
    for k in range(string.offsets[event], string.offsets[event + 1]):
        total = plus(total, 1.0, _row(string.partons, k))
    ends[LEFT_A, 0], ends[LEFT_A, 1], ends[LEFT_B, 0], ends[LEFT_B, 1] = total
    for side in range(2):
        ends[X_DIR, side] = 1.0
        ends[X_INV, side] = ends[PX, side] = ends[PY, side] = ends[DIR, side] = ends[GAMMA, side] = 0.0
        ends[INV, side] = n - 1
        flavours[side] = string.flavours[event, side]


@njit(nogil=True, forceinline=True)
def _momentum_left(ends):
    return ends[LEFT_A, 0], ends[LEFT_A, 1], ends[LEFT_B, 0], ends[LEFT_B, 1]


@njit(nogil=True, forceinline=True)
def _left(string, ends):
    left = _momentum_left(ends)
    return left[3], dot(left, left)


@njit(nogil=True, forceinline=True)
def _region(side, d, i):
    """Region of `plus` and `minus` for numbers along an end's own direction and the other."""
    return (d, i) if side == 0 else (i, d)


@njit(nogil=True, forceinline=True)
def _vectors(string, side, d, i):
    """Light-cone vectors of a region along an end's own direction and the other."""
    if side == 0:
        return _row(string.plus, d), _row(string.minus, i)
    return _row(string.minus, d), _row(string.plus, i)


@njit(nogil=True)
def _take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, row):
    top = string.now[2] - 1
    none = (0.0, 0.0, 0.0, 0.0)
    old_d, old_i = int(ends[DIR, side]), int(ends[INV, side])
    x_dir, x_inv, old_x, old_y = ends[X_DIR, side], ends[X_INV, side], ends[PX, side], ends[PY, side]
    mass2 = mt2 - px * px - py * py
    gamma = (1.0 - z) * (ends[GAMMA, side] + mt2 / z)
    d, i = old_d, old_i
    k, m = _region(side, d, i)
    if _is_empty(string, k, m):
        return False
    x_axis, y_axis = _axes(string, k, m)
    p_dir, p_inv = _vectors(string, side, d, i)
    kick = none
    collected = plus(plus(none, old_x, x_axis), old_y, y_axis)
    done = False
    if d + i == top:
        own = z * x_dir
        if mt2 < own * (1.0 - x_inv) * string.w2[k, m]:
            opposite = mt2 / (own * string.w2[k, m])
            hadron = plus(plus(none, own, p_dir), opposite, p_inv)
            hadron = plus(plus(hadron, px, x_axis), py, y_axis)
            new_dir, new_inv = x_dir - own, x_inv + opposite
            done = True
        else:
            collected = plus(collected, 1.0 - x_inv, p_inv)
            i -= 1
            if i < 0:
                return False
    else:
        kick = plus(plus(none, qx, x_axis), qy, y_axis)
    while not done:
        k, m = _region(side, d, i)
        if _is_empty(string, k, m):
            d += 1
            if d + i > top:
                return False
            continue
        x_axis, y_axis = _axes(string, k, m)
        p_dir, p_inv = _vectors(string, side, d, i)
        w2 = string.w2[k, m]
        # The reset rule: a kick that is transverse here, too, is written in the new axes. One from a low region is
        # `none`, as in Pythia: its components are kept, but for small ones, which are lost.
        if string.reset:
            new_x, new_y = -dot(kick, x_axis), -dot(kick, y_axis)
            if abs(new_x * new_x + new_y * new_y - qx * qx - qy * qy) < NEARLY:
                qx, qy = new_x, new_y
        base = plus(plus(collected, qx, x_axis), qy, y_axis)
        # Mass: c2 X + c3 Y + c4 X Y = a, for the shares X of p_dir and Y of p_inv.
        c2, c3, c4, a = 2.0 * dot(base, p_dir), 2.0 * dot(base, p_inv), w2, mass2 - dot(base, base)
        # Γ: g2 X + g3 Y + g4 X Y = b, summed over all regions below the new break.
        start_dir = x_dir if d == old_d else 1.0
        start_inv = x_inv if i == old_i else 0.0
        g1 = g2 = g3 = 0.0
        for ii in range(i, top - d + 1):
            along = start_inv if ii == i else 1.0
            for dd in range(d, top - ii + 1):
                own = x_dir if dd == old_d else 1.0
                kk, mm = _region(side, dd, ii)
                area = string.w2[kk, mm]
                g1 += own * along * area
                if dd == d:
                    g2 -= along * area
                if ii == i:
                    g3 += own * area
        g4, b = -w2, gamma - g1
        r2, r1, r0 = c3 * g4 - c4 * g3, c4 * b - a * g4 + c3 * g2 - c2 * g3, c2 * b - a * g2
        root = math.sqrt(max(0.0, r1 * r1 - 4.0 * r2 * r0))
        if abs(r2) < 1e-6 or root < 1e-6:
            return False
        opposite = 0.5 * (root / abs(r2) - r1 / r2)
        if abs(c2 + c4 * opposite) < 1e-6:
            return False
        own = (a - c3 * opposite) / (c2 + c4 * opposite)
        new_dir, new_inv = start_dir - own, start_inv + opposite
        if new_inv > 1.0:
            collected = plus(collected, 1.0 - start_inv, p_inv)
            i -= 1
            if i < 0:
                return False
        elif new_dir < 0.0:
            collected = plus(collected, start_dir, p_dir)
            d += 1
            if d + i > top:
                return False
        else:
            hadron = plus(plus(base, own, p_dir), opposite, p_inv)
            done = True
    for c in range(4):
        hadron_p[c, row] = hadron[c]
    if hadron[3] < 0.0:
        return False
    left = plus(_momentum_left(ends), -1.0, hadron)
    ends[LEFT_A, 0], ends[LEFT_A, 1], ends[LEFT_B, 0], ends[LEFT_B, 1] = left
    ends[X_DIR, side], ends[X_INV, side] = new_dir, new_inv
    ends[PX, side], ends[PY, side] = -qx, -qy
    ends[DIR, side], ends[INV, side], ends[GAMMA, side] = d, i, gamma
    return True


@njit(nogil=True)
def _joint(vectors, d, x_dir, last, x_last):
    """What is left in one direction: from `d`, where a share x_dir is left, to `last`, where x_last is gone already."""
    total = (0.0, 0.0, 0.0, 0.0)
    if d == last:
        return plus(total, x_dir - x_last, _row(vectors, d))
    total = plus(total, x_dir, _row(vectors, d))
    for i in range(d + 1, last):
        total = plus(total, 1.0, _row(vectors, i))
    return plus(total, 1.0 - x_last, _row(vectors, last))


@njit(nogil=True)
def _last_two(string, ends, side, qx, qy, mass2_1, mass2_2, reverse, hadron_p, row):
    left = _momentum_left(ends)
    none = (0.0, 0.0, 0.0, 0.0)
    d_plus, i_plus, d_minus, i_minus = int(ends[DIR, 0]), int(ends[INV, 0]), int(ends[DIR, 1]), int(ends[INV, 1])
    if left[3] < 0.0 or d_plus > i_minus or d_minus > i_plus:
        return -1.0
    if d_plus == i_minus and ends[X_DIR, 0] < ends[X_INV, 1] or d_minus == i_plus and ends[X_INV, 0] > ends[X_DIR, 1]:
        return -1.0
    x_0, y_0, x_1, y_1 = ends[PX, 0], ends[PY, 0], ends[PX, 1], ends[PY, 1]
    if d_plus == i_minus and i_plus == d_minus:
        if _is_empty(string, d_plus, i_plus):
            return -1.0
        one, other, w2 = _row(string.plus, d_plus), _row(string.minus, i_plus), string.w2[d_plus, i_plus]
        x_axis, y_axis = _axes(string, d_plus, i_plus)
    else:
        one = _joint(string.plus, d_plus, ends[X_DIR, 0], i_minus, ends[X_INV, 1])
        other = _joint(string.minus, d_minus, ends[X_DIR, 1], i_plus, ends[X_INV, 0])
        apart = plus(one, -1.0, other)
        if abs(apart[0]) + abs(apart[1]) + abs(apart[2]) + abs(apart[3]) < 1e-4 * (one[3] + other[3]):
            delta = plus(_row(string.plus, d_plus + 1), -1.0, _row(string.minus, d_minus + 1))
            if abs(delta[0]) + abs(delta[1]) + abs(delta[2]) + abs(delta[3]) < 1e-4 * (one[3] + other[3]):
                delta = (0.0, 0.0, 0.5 * min(one[3], other[3]), 0.0)
            one, other = plus(one, -1.0, delta), plus(other, 1.0, delta)
        one, other, w2 = light_cone(one, other)
        if w2 < EMPTY:
            return -1.0
        x_axis, y_axis, fine = transverse_axes(one, other)
        if not fine:
            return -1.0
        old_x, old_y = _axes(string, d_plus, i_plus)
        waiting = plus(plus(none, x_0, old_x), y_0, old_y)
        x_0, y_0 = -dot(waiting, x_axis), -dot(waiting, y_axis)
        old_x, old_y = _axes(string, i_minus, d_minus)
        waiting = plus(plus(none, x_1, old_x), y_1, old_y)
        x_1, y_1 = -dot(waiting, x_axis), -dot(waiting, y_axis)
    x_plus, x_minus = 2.0 * dot(left, other) / w2, 2.0 * dot(left, one) / w2
    more_x, more_y = -dot(left, x_axis) - x_0 - x_1, -dot(left, y_axis) - y_0 - y_1
    sign = 1.0 if side == 0 else -1.0
    x_0, y_0 = x_0 + 0.5 * more_x + sign * qx, y_0 + 0.5 * more_y + sign * qy
    x_1, y_1 = x_1 + 0.5 * more_x - sign * qx, y_1 + 0.5 * more_y - sign * qy
    first, second = (mass2_1, mass2_2) if side == 0 else (mass2_2, mass2_1)
    mt2_0, mt2_1 = first + x_0 * x_0 + y_0 * y_0, second + x_1 * x_1 + y_1 * y_1
    wt2 = dot(left, left) + (x_0 + x_1) ** 2 + (y_0 + y_1) ** 2
    if wt2 < (math.sqrt(mt2_0) + math.sqrt(mt2_1)) ** 2:
        return -1.0
    lam2 = (wt2 - mt2_0 - mt2_1) ** 2 - 4.0 * mt2_0 * mt2_1
    if lam2 <= 0.0:
        return -1.0
    lam = math.sqrt(lam2)
    shift = 0.5 * (-lam if reverse else lam) / wt2
    half = 0.5 * (1.0 + (mt2_0 - mt2_1) / wt2)
    hadron = plus(plus(plus(plus(none, (half + shift) * x_plus, one), (half - shift) * x_minus, other), x_0, x_axis),
                  y_0, y_axis)  # fmt: skip
    rest = plus(left, -1.0, hadron)
    for c in range(4):
        hadron_p[c, row + side] = hadron[c]
        hadron_p[c, row + 1 - side] = rest[c]
    return lam


KINKED = Geometry(_start, _left, _take, _last_two)
