"""The straight string, a quark and an antiquark at rest: what the loop of `hadtutor.strings.chain` asks a geometry.

Light-cone momenta are p± = E ± pz. Entry 0 is the end that moves along +z; a hadron's own direction is that of its end.
The rows of `ends` are [GeV]: W minus the own-direction momentum that the end's hadrons took, W minus the
opposite-direction momentum that they took, and px and py of the quark that waits at the end.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .._support.kernels import kernel
from ..lund.last_pair import share_between_two

ROWS_OF_ENDS = 10  # of which a straight string uses four


class Geometry(NamedTuple):
    """The questions of the loop, each a numba kernel. `string` is what the geometry itself needs to know."""

    open: Callable  # (rng, string, event, tries, law, table, params, openings, c): draws how chain c cuts a closed loop
    start: Callable  # (string, event, tries, openings, c, ends, flavours): the ends of a string before it breaks
    left: Callable  # (string, ends) -> energy and mass² of what is left [GeV, GeV²]
    take: Callable  # (string, side, z, qx, qy, px, py, mt2, ends, hadron_p, i) -> whether there was room; moves the end
    last_two: Callable  # (string, ends, side, qx, qy, mt2_1, mt2_2, reverse, hadron_p, i) -> λ, below 0 without room


class Strings(NamedTuple):
    """Straight strings, all alike."""

    energy: float  # GeV
    flavour: int  # at the +z end, without sign; the other has the antiquark


@kernel(forceinline=True)
def _store(hadron_p, i, px, py, own, opposite, side):
    hadron_p[0, i] = px
    hadron_p[1, i] = py
    hadron_p[2, i] = (0.5 - side) * (own - opposite)
    hadron_p[3, i] = 0.5 * (own + opposite)


@kernel(forceinline=True)
def _open(rng, string, event, tries, law, table, params, openings, c):
    pass  # it has ends


@kernel(forceinline=True)
def _start(string, event, tries, openings, c, ends, flavours):
    for side in range(2):
        ends[0, side] = ends[1, side] = string.energy
        ends[2, side] = ends[3, side] = 0.0
        flavours[side] = string.flavour


@kernel(forceinline=True)
def _left(string, ends):
    plus = ends[0, 0] + ends[1, 1] - string.energy
    minus = ends[0, 1] + ends[1, 0] - string.energy
    return plus + minus, plus * minus - (ends[2, 0] + ends[2, 1]) ** 2 - (ends[3, 0] + ends[3, 1]) ** 2


@kernel(forceinline=True)
def _take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, i):
    own = z * ends[0, side]
    room = mt2 < own * ends[1, side]
    opposite = mt2 / own
    _store(hadron_p, i, px, py, own, opposite, side)
    ends[0, side] -= own
    ends[1, side] -= opposite
    ends[2, side] = -qx
    ends[3, side] = -qy
    return room


@kernel(forceinline=True)
def _last_two(string, ends, side, qx, qy, mass2_1, mass2_2, reverse, hadron_p, i):
    other = 1 - side
    own = ends[0, side] + ends[1, other] - string.energy
    opposite = ends[0, other] + ends[1, side] - string.energy
    px_1, py_1 = ends[2, side] + qx, ends[3, side] + qy
    px_2, py_2 = ends[2, other] - qx, ends[3, other] - qy
    mt2_1 = mass2_1 + px_1 * px_1 + py_1 * py_1
    mt2_2 = mass2_2 + px_2 * px_2 + py_2 * py_2
    if own + opposite < 0.0 or own * opposite < (math.sqrt(mt2_1) + math.sqrt(mt2_2)) ** 2:
        return -1.0
    own_1, opposite_1, lam = share_between_two(own, opposite, mt2_1, mt2_2, reverse)
    _store(hadron_p, i, px_1, py_1, own_1, opposite_1, side)
    _store(hadron_p, i + 1, px_2, py_2, own - own_1, opposite - opposite_1, side)
    return lam


STRAIGHT = Geometry(_open, _start, _left, _take, _last_two)
