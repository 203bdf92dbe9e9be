"""The chain of `hadtutor.strings.chain` one step at a time, so that a step can be proposed before it is taken.

The random numbers are the same, so that chains whose steps are taken as they come are equal to the bit. In one loop, as
there, strings break a sixth faster.
"""

import math

import numpy as np
from numba import njit

from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM
from ..lund.flavour import break_flavour, join_flavours, pion_mass2
from ..lund.function import LARGEST_Z32
from ..lund.last_pair import reverse_probability
from ..lund.transverse import break_pt
from ..strings.chain import CONSTITUENT_MASS, FULL, GAVE_UP, MAX_TRIES, TRIES_BEFORE_RAISING

GOES_ON = 5  # how a step may end besides as a chain does


@njit(nogil=True, forceinline=True)
def break_string(rng, geometry, string, law, table, params, w_min, ends, flavours, hadron_p, i):
    """A break that goes on, moves an end and makes hadron i, or the last two hadrons, i and i + 1.

    Returns how it ended; of the break the side, new flavour, code of its hadron, px and py of the new quark, mT² and z;
    of the last two the code of the second, λ, and whether they are reversed.
    """
    u = 2.0 * rng.random()
    side = 0 if u < 1.0 else 1
    old = flavours[side]
    u, new, pid = break_flavour(u - side, old, side, params.u_fraction)
    qx, qy = break_pt(rng, params)
    px, py = ends[2, side] + qx, ends[3, side] + qy
    mt2 = pion_mass2(pid) + px * px + py * py
    energy, mass2 = geometry.left(string, ends)
    stop = w_min * (1.0 + params.stop_smear * (2.0 * u - 1.0))
    if energy >= 0.0 and mass2 >= stop * stop:
        picked = law.pick(rng, mt2, (side, old, energy, mass2), table)
        z = 0.0
        while z == 0.0:
            z = law.attempt(rng, mt2, picked, table)
        room = geometry.take(string, side, z, qx, qy, px, py, mt2, ends, hadron_p, i)
        return GOES_ON if room else NO_ROOM, side, new, pid, qx, qy, mt2, z, 0, 0.0, False
    pid2 = join_flavours(rng.random(), new, flavours[1 - side], side)
    if pid2 == 0 or mass2 < 0.0:
        return NO_FINAL_TWO, side, new, pid, qx, qy, mt2, 0.0, 0, 0.0, False
    lam, reverse = 0.0, False
    for reverse in (False, True):
        lam = geometry.last_two(string, ends, side, qx, qy, pion_mass2(pid), pion_mass2(pid2), reverse, hadron_p, i)
        if lam < 0.0:
            return NO_FINAL_TWO, side, new, pid, qx, qy, mt2, 0.0, 0, 0.0, reverse
        if reverse or rng.random() >= reverse_probability(lam, params.b):
            break
    return ACCEPTED, side, new, pid, qx, qy, mt2, 0.0, pid2, lam, reverse


@njit(nogil=True)
def _chain(rng, geometry, string, event, tries, law, table, params, w_min, ends, flavours, out, i, j, c):
    """As `fragment_chain`; a break goes to the row only when it is taken."""
    hadron_p, hadron_pid, break_x, break_pid, break_from_positive = out[:5]
    final_x, final_pid, final_from_positive, final_reversed, openings = out[8:]
    geometry.start(string, event, tries, openings, c, ends, flavours)
    final_x[:, c] = math.nan
    final_pid[:, c] = 0
    final_reversed[c] = False
    while True:
        if j == break_pid.size or i + 2 > hadron_pid.size:
            return FULL, i, j
        status, side, new, pid, qx, qy, mt2, z, pid2, lam, reverse = law.step(
            rng, geometry, string, law, table, params, w_min, ends, flavours, hadron_p, i
        )
        final_from_positive[c] = side == 0
        if status in (GOES_ON, NO_ROOM):
            break_x[0, j], break_x[1, j] = min(np.float32(z), LARGEST_Z32), mt2
            break_x[2, j], break_x[3, j] = qx, qy
            break_pid[j] = pid
            break_from_positive[j] = side == 0
            j += 1
            if status == NO_ROOM:
                return status, i, j
            hadron_pid[i] = pid
            i += 1
            flavours[side] = new
        else:
            final_x[0, c], final_x[1, c] = qx, qy
            final_reversed[c] = reverse
            if status == ACCEPTED:
                final_x[2, c] = lam
                hadron_pid[i] = final_pid[0, c] = pid
                hadron_pid[i + 1] = final_pid[1, c] = pid2
                i += 2
            return status, i, j


@njit(nogil=True)
def fragment_in_steps(
    rng, n_events, geometry, string, law, table, params, ends, flavours, out, hadron_end, done, most_rows
):
    """As `hadtutor.strings.chain.fragment_events`, for a law with a `step` of its own."""
    event, i, j, c = done
    stop_at = j + c + most_rows
    status = ACCEPTED
    while status == ACCEPTED and event < n_events and j + c < stop_at:
        status, tries = NO_FINAL_TWO, 0
        while status in (NO_FINAL_TWO, NO_ROOM):
            if tries == MAX_TRIES or c == out.chain_end.size:
                status = GAVE_UP if tries == MAX_TRIES else FULL
                break
            raised = params.stop_mass * 1.05 ** max(0, tries + 1 - TRIES_BEFORE_RAISING)
            w_min = raised + CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
            status, i_next, j = _chain(
                rng, geometry, string, event, tries, law, table, params, w_min, ends, flavours, out, i, j, c
            )
            if status != FULL:
                out.chain_end[c], out.chain_event[c], out.chain_status[c] = j, event, status
                c += 1
                tries += 1
        if status == ACCEPTED:
            i = i_next
            hadron_end[event] = i
            event += 1
    done[0], done[1], done[2], done[3] = event, i, j, c
    return status
