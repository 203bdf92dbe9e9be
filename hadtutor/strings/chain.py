"""The iteration itself: one string, break by break, until two hadrons are left."""

import math
from typing import NamedTuple

import numpy as np

from .._support.kernels import kernel
from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM
from ..lund.flavour import break_flavour, join_flavours, pion_mass2
from ..lund.function import LARGEST_Z32
from ..lund.last_pair import reverse_probability
from ..lund.transverse import break_pt

MAX_TRIES = 31  # chains per event before giving up, as in Pythia (which then repeats the whole level up to ten times)
TRIES_BEFORE_RAISING = 16  # from then on stop_mass grows by 5 % per try, as in Pythia
CONSTITUENT_MASS = 0.325  # GeV, of u and d alike
FULL, GAVE_UP = 3, 4  # how `fragment_events` may end besides `ACCEPTED`: too little room, an event without a chain


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
    openings: np.ndarray  # (chains, 6) see `Histories`


# Inlined by the compiler and not by numba, which is a fifth slower: it then counts references inside of the loop.
@kernel(forceinline=True)
def fragment_chain(rng, geometry, string, event, tries, law, table, params, w_min, ends, flavours, out, i, j, c):
    """Fragment the string of an event into chain `c`, hadrons from row i on and breaks from j; (status, next i and j).

    `geometry` knows the string (see `hadtutor.strings.straight`), `law` how z is drawn (`hadtutor.strings.laws`).
    """
    # Taking the arrays out of the tuple once spares the compiler a reference count at every use.
    hadron_p, hadron_pid, break_x, break_pid, break_from_positive = out[:5]
    final_x, final_pid, final_from_positive, final_reversed, openings = out[8:]
    geometry.open(rng, string, event, tries, law, table, params, openings, c)
    geometry.start(string, event, tries, openings, c, ends, flavours)
    final_x[0, c] = final_x[1, c] = final_x[2, c] = math.nan
    final_pid[0, c] = final_pid[1, c] = 0
    final_reversed[c] = False

    while True:
        if j == break_pid.size or i + 2 > hadron_pid.size:
            return FULL, i, j
        # One uniform number serves three choices: a side, a flavour, and the smearing of the stop.
        u = 2.0 * rng.random()
        side = 0 if u < 1.0 else 1
        old = flavours[side]
        u, new, pid = break_flavour(u - side, old, side, params.u_fraction)
        qx, qy = break_pt(rng, params)
        px, py = ends[2, side] + qx, ends[3, side] + qy
        mt2 = pion_mass2(pid) + px * px + py * py

        energy, mass2 = geometry.left(string, ends)
        stop = w_min * (1.0 + params.stop_smear * (2.0 * u - 1.0))
        if energy < 0.0 or mass2 < stop * stop:
            break
        picked = law.pick(rng, mt2, (side, old, energy, mass2), table)
        z = 0.0
        while z == 0.0:
            z = law.attempt(rng, mt2, picked, table)
        break_x[0, j] = min(np.float32(z), LARGEST_Z32)
        break_x[1, j] = mt2
        break_x[2, j] = qx
        break_x[3, j] = qy
        break_pid[j] = pid
        break_from_positive[j] = side == 0
        j += 1

        if not geometry.take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, i):
            final_from_positive[c] = side == 0
            return NO_ROOM, i, j
        hadron_pid[i] = pid
        i += 1
        flavours[side] = new

    # The break that was tried last stays; its z is never drawn. Two hadrons share what is left.
    final_x[0, c] = qx
    final_x[1, c] = qy
    final_from_positive[c] = side == 0
    pid2 = join_flavours(rng.random(), new, flavours[1 - side], side)
    if pid2 == 0 or mass2 < 0.0:
        return NO_FINAL_TWO, i, j
    for reverse in (False, True):
        lam = geometry.last_two(string, ends, side, qx, qy, pion_mass2(pid), pion_mass2(pid2), reverse, hadron_p, i)
        if lam < 0.0:
            return NO_FINAL_TWO, i, j
        final_reversed[c] = reverse
        if reverse or rng.random() >= reverse_probability(lam, params.b):
            break
    final_x[2, c] = lam
    hadron_pid[i] = final_pid[0, c] = pid
    hadron_pid[i + 1] = final_pid[1, c] = pid2
    return ACCEPTED, i + 2, j


@kernel
def fragment_events(
    rng, n_events, geometry, string, law, table, params, ends, flavours, out, hadron_end, done, most_rows
):
    """Fragment strings until `n_events` are done, or some `most_rows` breaks and chains, so that no call lasts long.

    `done`, how many events, hadrons, breaks and chains there are, is moved on. Returns `ACCEPTED`, or `GAVE_UP` or
    `FULL` if the event ``done[0]`` is without a chain or without room.
    """
    event, i, j, c = done
    stop_at = j + c + most_rows
    quark_masses = CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
    status = ACCEPTED
    while status == ACCEPTED and event < n_events and j + c < stop_at:
        stop_mass = params.stop_mass
        status = NO_FINAL_TWO
        tries = 0
        while status in (NO_FINAL_TWO, NO_ROOM):
            if tries == MAX_TRIES:
                status = GAVE_UP
                break
            if tries >= TRIES_BEFORE_RAISING:
                stop_mass *= 1.05
            if c == out.chain_end.size:
                status = FULL
                break
            w_min = stop_mass + quark_masses
            status, i_next, j = fragment_chain(
                rng, geometry, string, event, tries, law, table, params, w_min, ends, flavours, out, i, j, c
            )
            if status != FULL:
                out.chain_end[c] = j
                out.chain_event[c] = event
                out.chain_status[c] = status
                c += 1
                tries += 1
        if status == ACCEPTED:
            i = i_next
            hadron_end[event] = i
            event += 1
    done[0], done[1], done[2], done[3] = event, i, j, c
    return status
