"""The iteration itself: one string, break by break, until two hadrons are left."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM
from ..lund.flavour import break_flavour, join_flavours, pion_mass2
from ..lund.function import sample_z
from ..lund.last_pair import reverse_probability, share_between_two
from ..lund.staircase import choose, table_row, try_z
from ..lund.transverse import break_pt

MAX_TRIES = 31  # chains per event before giving up, as in Pythia (which then repeats the whole level up to ten times)
TRIES_BEFORE_RAISING = 16  # from then on stop_mass grows by 5 % per try, as in Pythia
CONSTITUENT_MASS = 0.325  # GeV, of u and d alike


class Ends(NamedTuple):
    """The two string ends; entry 0 moves along +z and 1 along -z. Light-cone momenta p± = E ± pz.

    A hadron's own direction is that of the end it leaves: + for entry 0.
    """

    own: np.ndarray  # W minus the own-direction momentum taken by this end's hadrons [GeV]
    opposite: np.ndarray  # W minus the opposite-direction momentum they took [GeV]
    px: np.ndarray  # transverse momentum of the quark that waits at the end [GeV]
    py: np.ndarray
    flavour: np.ndarray  # PDG code without sign


class Buffers(NamedTuple):
    """Room for the rows that one chunk writes: hadrons, breaks and chains."""

    hadron_p: np.ndarray  # (4, rows) px, py, pz, e
    hadron_pid: np.ndarray
    break_x: np.ndarray  # (4, rows) z, mt2, px, py
    break_pid: np.ndarray
    break_from_positive: np.ndarray
    chain_end: np.ndarray  # row after the last break of each chain
    chain_event: np.ndarray
    chain_status: np.ndarray
    final_x: np.ndarray  # (3, chains) px, py, lambda
    final_pid: np.ndarray  # (2, chains)
    final_from_positive: np.ndarray
    final_reversed: np.ndarray


@njit(nogil=True, inline="always")
def store_hadron(hadron_p, hadron_pid, i, px, py, own, opposite, side, pid):
    hadron_p[0, i] = px
    hadron_p[1, i] = py
    hadron_p[2, i] = (0.5 - side) * (own - opposite)
    hadron_p[3, i] = 0.5 * (own + opposite)
    hadron_pid[i] = pid


@njit(nogil=True, inline="always")
def fragment_chain(rng, energy, flavour, w_min, components, up_to, table, ends, out, i, j, c):
    """Fragment one string into chain number `c`; hadrons go to rows i, i+1, ..., breaks to j, j+1, ...

    Each break takes z from one of the `components`, of which there is usually one.

    Returns (status, row after the last hadron, row after the last break).
    """
    # Taking the arrays out of the tuples once spares the compiler a reference count at every use.
    end_own, end_opposite, end_px, end_py, end_flavour = ends
    hadron_p, hadron_pid, break_x, break_pid, break_from_positive = out[:5]
    final_x, final_pid, final_from_positive, final_reversed = out[8:]
    cells, log_top = table.cells, table.log_top
    params = components[0]
    for side in range(2):
        end_own[side] = end_opposite[side] = energy
        end_px[side] = end_py[side] = 0.0
        end_flavour[side] = flavour
    final_x[0, c] = final_x[1, c] = final_x[2, c] = math.nan
    final_pid[0, c] = final_pid[1, c] = 0
    final_reversed[c] = False

    while True:
        if j == break_pid.size or i + 2 > hadron_pid.size:
            return FULL, i, j
        # One uniform number serves three choices: a side, a flavour, and the smearing of the stop.
        u = 2.0 * rng.random()
        side = 0 if u < 1.0 else 1
        u, new, pid = break_flavour(u - side, end_flavour[side], side, params.u_fraction)
        qx, qy = break_pt(rng, params)
        px, py = end_px[side] + qx, end_py[side] + qy
        mt2 = pion_mass2(pid) + px * px + py * py

        plus = end_own[0] + end_opposite[1] - energy
        minus = end_own[1] + end_opposite[0] - energy
        mass2 = plus * minus - (end_px[0] + end_px[1]) ** 2 - (end_py[0] + end_py[1]) ** 2
        stop = w_min * (1.0 + params.stop_smear * (2.0 * u - 1.0))
        if plus + minus < 0.0 or mass2 < stop * stop:
            break
        z = 0.0
        m = choose(rng, up_to)
        shape = components[m]
        row = table_row(mt2, table)
        if row < 0:
            z = sample_z(rng, mt2, shape)
        while z == 0.0:
            z = try_z(rng.random(), rng.random(), mt2, shape, cells[m, row], log_top[m, row])
        break_x[0, j] = min(np.float32(z), LARGEST_Z32)
        break_x[1, j] = mt2
        break_x[2, j] = qx
        break_x[3, j] = qy
        break_pid[j] = pid
        break_from_positive[j] = side == 0
        j += 1

        own = z * end_own[side]
        if mt2 >= own * end_opposite[side]:
            final_from_positive[c] = side == 0
            return NO_ROOM, i, j
        opposite = mt2 / own
        store_hadron(hadron_p, hadron_pid, i, px, py, own, opposite, side, pid)
        i += 1
        end_own[side] -= own
        end_opposite[side] -= opposite
        end_px[side] = -qx
        end_py[side] = -qy
        end_flavour[side] = new

    # The break that was tried last stays; its z is never drawn. Two hadrons share what is left.
    final_x[0, c] = qx
    final_x[1, c] = qy
    final_from_positive[c] = side == 0
    other = 1 - side
    pid2 = join_flavours(rng.random(), new, end_flavour[other], side)
    px2, py2 = end_px[other] - qx, end_py[other] - qy
    mt2_2 = pion_mass2(pid2) + px2 * px2 + py2 * py2
    own, opposite = (plus, minus) if side == 0 else (minus, plus)
    if pid2 == 0 or own + opposite < 0.0 or mass2 < 0.0 or own * opposite < (math.sqrt(mt2) + math.sqrt(mt2_2)) ** 2:
        return NO_FINAL_TWO, i, j
    own_1, opposite_1, lam = share_between_two(own, opposite, mt2, mt2_2, False)
    if rng.random() < reverse_probability(lam, params.b):
        own_1, opposite_1, lam = share_between_two(own, opposite, mt2, mt2_2, True)
        final_reversed[c] = True
    store_hadron(hadron_p, hadron_pid, i, px, py, own_1, opposite_1, side, pid)
    store_hadron(hadron_p, hadron_pid, i + 1, px2, py2, own - own_1, opposite - opposite_1, side, pid2)
    final_x[2, c] = lam
    final_pid[0, c] = pid
    final_pid[1, c] = pid2
    return ACCEPTED, i + 2, j


FULL = 3  # the buffers were too small: never seen outside this module
LARGEST_Z32 = np.nextafter(np.float32(1), np.float32(0))


@njit(nogil=True)
def fragment_events(rng, n_events, energy, flavour, components, up_to, table, ends, out, hadron_end):
    """Fragment `n_events` strings; returns (breaks, chains), or (-1, the event) if one gave up."""
    i = j = c = 0
    params = components[0]
    quark_masses = CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
    for event in range(n_events):
        stop_mass = params.stop_mass
        status = NO_FINAL_TWO
        tries = 0
        while status != ACCEPTED:
            if tries == MAX_TRIES:
                return -1, event
            if tries >= TRIES_BEFORE_RAISING:
                stop_mass *= 1.05
            if c == out.chain_end.size:
                return FULL, -1
            w_min = stop_mass + quark_masses
            status, i_next, j = fragment_chain(
                rng, energy, flavour, w_min, components, up_to, table, ends, out, i, j, c
            )
            if status == FULL:
                return FULL, -1
            out.chain_end[c] = j
            out.chain_event[c] = event
            out.chain_status[c] = status
            c += 1
            tries += 1
        i = i_next
        hadron_end[event] = i
    return j, c
