r"""A string with gluons, from a quark over kinks to an antiquark: what the loop of `hadtutor.strings.chain` asks of it.

A hadron takes so much of both light-cone vectors of a region (see `hadtutor.strings.regions`) that its mass is right
and that the new break has the proper time that z asks for, and walks from region to region until that can be.

An end runs along its own direction, `dir`, towards the other, `inv`: p+ and p- for the quark (side 0), p- and p+ for
the antiquark. The rows of `ends` are named below.
"""

import math

import numpy as np

from .._support.kernels import kernel
from ..events.histories import CUT_FLAVOUR, CUT_PIECE, CUT_PX, CUT_PY, CUT_W2, CUT_Z
from ..lund.function import LARGEST_Z32
from ..lund.transverse import break_pt
from .regions import (
    EMPTY,
    W2,
    axes,
    cut_mass2,
    dot,
    is_empty,
    light_cone,
    minus_of,
    piece_to_cut,
    plus,
    plus_of,
    row_of,
    set_up,
    transverse_axes,
)
from .straight import Geometry

X_DIR, X_INV, PX, PY, DIR, INV, GAMMA, LEFT_A, LEFT_B, TOP = range(10)  # rows of `ends`
NEARLY = 0.01  # GeV²: see the reset rule in `_take`
REPEATS = 10  # after so many failures neighbours are joined more readily, and again after twice as many


@kernel(forceinline=True)
def _total(string, event):
    total = (0.0, 0.0, 0.0, 0.0)
    for k in range(string.offsets[event], string.offsets[event + 1]):
        total = plus(total, 1.0, row_of(string.partons, k))
    return total


@kernel
def _open(rng, string, event, tries, law, table, params, openings, c):
    openings[c] = 0.0
    if string.flavours[event, 0] != 0:
        return
    # As in Pythia a piece is chosen once for all chains of a loop; here anew where the loop has other pieces.
    if tries % REPEATS == 0:
        openings[c, CUT_PIECE], openings[c, CUT_W2] = piece_to_cut(rng, string, event, min(tries // REPEATS, 2))
    else:
        openings[c, CUT_PIECE], openings[c, CUT_W2] = openings[c - 1, CUT_PIECE], openings[c - 1, CUT_W2]
    flavour = 2 if rng.random() < params.u_fraction else 1
    openings[c, CUT_FLAVOUR] = flavour
    openings[c, CUT_PX], openings[c, CUT_PY] = break_pt(rng, params)
    total = _total(string, event)
    w2 = float(openings[c, CUT_W2])
    mt2 = cut_mass2(w2)
    rounded = np.float32(0.0)
    while rounded * w2 < mt2:
        picked = law.pick(rng, mt2, (0, flavour, total[3], dot(total, total)), table)
        z = 0.0
        while z == 0.0:
            z = law.attempt(rng, mt2, picked, table)
        rounded = min(np.float32(z), LARGEST_Z32)
    openings[c, CUT_Z] = rounded


@kernel
def _start(string, event, tries, openings, c, ends, flavours):
    closed = string.flavours[event, 0] == 0
    level, piece = min(tries // REPEATS, 2), int(openings[c, CUT_PIECE]) if closed else 0
    if string.now[0] != event or string.now[1] != level or string.now[2] != piece:
        set_up(string, event, level, piece)
    top = string.now[3] - 1
    ends[LEFT_A, 0], ends[LEFT_A, 1], ends[LEFT_B, 0], ends[LEFT_B, 1] = _total(string, event)
    for side in range(2):
        ends[X_DIR, side] = 1.0
        ends[X_INV, side] = ends[PX, side] = ends[PY, side] = ends[DIR, side] = ends[GAMMA, side] = 0.0
        ends[INV, side] = ends[TOP, side] = top
        flavours[side] = string.flavours[event, side]
    if closed:
        # Both ends begin at the break that cuts the loop, in the same place of the piece that is there twice.
        w2, z = float(openings[c, CUT_W2]), float(openings[c, CUT_Z])
        ends[X_DIR, 0] = ends[X_INV, 1] = 1.0 - z
        ends[X_INV, 0] = ends[X_DIR, 1] = cut_mass2(w2) / (z * w2)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            ends[PX, side], ends[PY, side] = sign * openings[c, CUT_PX], sign * openings[c, CUT_PY]
            ends[GAMMA, side] = ends[X_DIR, 0] * ends[X_INV, 0] * w2
            flavours[side] = int(openings[c, CUT_FLAVOUR])
            is_empty(
                string.pieces, string.regions, *_region(side, 0, top)
            )  # an end that never breaks again needs its axes, too


@kernel(forceinline=True)
def _momentum_left(ends):
    return ends[LEFT_A, 0], ends[LEFT_A, 1], ends[LEFT_B, 0], ends[LEFT_B, 1]


@kernel(forceinline=True)
def _left(string, ends):
    left = _momentum_left(ends)
    return left[3], dot(left, left)


@kernel(forceinline=True)
def _region(side, d, i):
    """Region of `plus` and `minus` for numbers along an end's own direction and the other."""
    return (d, i) if side == 0 else (i, d)


@kernel(forceinline=True)
def _vectors(pieces, side, d, i):
    """Light-cone vectors of a region along an end's own direction and the other."""
    if side == 0:
        return plus_of(pieces, d), minus_of(pieces, i)
    return minus_of(pieces, d), plus_of(pieces, i)


@kernel
def _take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, row):
    top, pieces, regions = int(ends[TOP, 0]), string.pieces, string.regions
    none = (0.0, 0.0, 0.0, 0.0)
    old_d, old_i = int(ends[DIR, side]), int(ends[INV, side])
    x_dir, x_inv, old_x, old_y = ends[X_DIR, side], ends[X_INV, side], ends[PX, side], ends[PY, side]
    mass2 = mt2 - px * px - py * py
    gamma = (1.0 - z) * (ends[GAMMA, side] + mt2 / z)
    d, i = old_d, old_i
    k, m = _region(side, d, i)
    if is_empty(pieces, regions, k, m):
        return False
    x_axis, y_axis = axes(regions, k, m)
    p_dir, p_inv = _vectors(pieces, side, d, i)
    kick = none
    collected = plus(plus(none, old_x, x_axis), old_y, y_axis)
    done = False
    if d + i == top:
        own = z * x_dir
        if mt2 < own * (1.0 - x_inv) * regions[k, m, W2]:
            opposite = mt2 / (own * regions[k, m, W2])
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
        if is_empty(pieces, regions, k, m):
            d += 1
            if d + i > top:
                return False
            continue
        x_axis, y_axis = axes(regions, k, m)
        p_dir, p_inv = _vectors(pieces, side, d, i)
        w2 = regions[k, m, W2]
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
                area = regions[kk, mm, W2]
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


@kernel
def _joint(pieces, at, d, x_dir, last, x_last):
    """What is left of p+, `at` 0, or p-, at 4: from `d`, with a share x_dir left, to `last`, where x_last is gone."""
    vectors = pieces[:, at : at + 4]
    total = (0.0, 0.0, 0.0, 0.0)
    if d == last:
        return plus(total, x_dir - x_last, row_of(vectors, d))
    total = plus(total, x_dir, row_of(vectors, d))
    for i in range(d + 1, last):
        total = plus(total, 1.0, row_of(vectors, i))
    return plus(total, 1.0 - x_last, row_of(vectors, last))


@kernel
def _last_two(string, ends, side, qx, qy, mass2_1, mass2_2, reverse, hadron_p, row):
    left, pieces, regions = _momentum_left(ends), string.pieces, string.regions
    none = (0.0, 0.0, 0.0, 0.0)
    d_plus, i_plus, d_minus, i_minus = int(ends[DIR, 0]), int(ends[INV, 0]), int(ends[DIR, 1]), int(ends[INV, 1])
    if left[3] < 0.0 or d_plus > i_minus or d_minus > i_plus:
        return -1.0
    if d_plus == i_minus and ends[X_DIR, 0] < ends[X_INV, 1] or d_minus == i_plus and ends[X_INV, 0] > ends[X_DIR, 1]:
        return -1.0
    x_0, y_0, x_1, y_1 = ends[PX, 0], ends[PY, 0], ends[PX, 1], ends[PY, 1]
    if d_plus == i_minus and i_plus == d_minus:
        if is_empty(pieces, regions, d_plus, i_plus):
            return -1.0
        one, other, w2 = plus_of(pieces, d_plus), minus_of(pieces, i_plus), regions[d_plus, i_plus, W2]
        x_axis, y_axis = axes(regions, d_plus, i_plus)
    else:
        one = _joint(pieces, 0, d_plus, ends[X_DIR, 0], i_minus, ends[X_INV, 1])
        other = _joint(pieces, 4, d_minus, ends[X_DIR, 1], i_plus, ends[X_INV, 0])
        apart = plus(one, -1.0, other)
        if abs(apart[0]) + abs(apart[1]) + abs(apart[2]) + abs(apart[3]) < 1e-4 * (one[3] + other[3]):
            delta = plus(plus_of(pieces, d_plus + 1), -1.0, minus_of(pieces, d_minus + 1))
            if abs(delta[0]) + abs(delta[1]) + abs(delta[2]) + abs(delta[3]) < 1e-4 * (one[3] + other[3]):
                delta = (0.0, 0.0, 0.5 * min(one[3], other[3]), 0.0)
            one, other = plus(one, -1.0, delta), plus(other, 1.0, delta)
        one, other, w2 = light_cone(one, other)
        if w2 < EMPTY:
            return -1.0
        x_axis, y_axis, fine = transverse_axes(one, other)
        if not fine:
            return -1.0
        old_x, old_y = axes(regions, d_plus, i_plus)
        waiting = plus(plus(none, x_0, old_x), y_0, old_y)
        x_0, y_0 = -dot(waiting, x_axis), -dot(waiting, y_axis)
        old_x, old_y = axes(regions, i_minus, d_minus)
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


KINKED = Geometry(_open, _start, _left, _take, _last_two)
