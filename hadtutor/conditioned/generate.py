"""Strings whose chains are all accepted: each break is proposed, and taken as often as what is left leads to an end."""

import math
from typing import NamedTuple

import numpy as np

from .._support.checks import Rng, as_generator, takes_rng, whole
from .._support.kernels import kernel
from .._support.parallel import spawn
from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM
from ..events.sample import Sample
from ..lund.function import LARGEST_Z32
from ..particles import MASS_NEUTRAL_PION, QUARKS
from ..strings.chain import CONSTITUENT_MASS, FULL, GAVE_UP, MAX_TRIES, TRIES_BEFORE_RAISING
from ..strings.generate import CHUNK, check_string, hadronize_chunk, hadronize_chunks, no_hadrons
from ..strings.laws import LUND, Lund, lund_table
from ..strings.straight import ROWS_OF_ENDS, STRAIGHT, Strings
from .acceptance import Acceptance, probability
from .states import N_FEATURES, look
from .steps import GOES_ON, break_string

CONDITIONED_LAW = "f given acceptance"
MOST_PROPOSALS = 1000  # for one break; where so many are in vain the state is a dead end, and its chain thrown away


class Ahead(NamedTuple):
    """What `fragment_ahead` needs to know; the arrays after `layers` are room to work in, for one thread."""

    looks: bool  # if not, proposals are taken as they come
    lund: Lund
    layers: tuple
    ends: np.ndarray
    features: np.ndarray
    one: np.ndarray
    two: np.ndarray


def ahead(acceptance: Acceptance, looks: bool = True) -> Ahead:
    """What kernels need of `acceptance`; see `Ahead.looks`."""
    layers = acceptance.layers
    hidden = [np.empty(len(layers[k]), np.float32) for k in (1, 3)]
    lund = lund_table(acceptance.params, MASS_NEUTRAL_PION**2)
    return Ahead(looks, lund, layers, np.empty((ROWS_OF_ENDS, 2)), np.empty(N_FEATURES, np.float32), *hidden)


@kernel(forceinline=True)
def value_of(status, ends, energy, table):
    """h of what a step led to: of the state if the chain goes on, else whether it was accepted."""
    if status == GOES_ON:
        alive = look(ends, energy, table.features)
        return probability(table.features, table.layers, table.one, table.two) if alive else 0.0
    return 1.0 if status == ACCEPTED else 0.0


# In one piece: each level of nested kernels is optimised again by all above it.
@kernel
def fragment_ahead(
    rng, n_events, geometry, string, law, table, params, ends, flavours, out, hadron_end, done, most_rows
):
    """As `fragment_events` of `hadtutor.strings.chain`, but steps are proposed, and taken with probability h.

    Where `MOST_PROPOSALS` are in vain, the chain is thrown away.
    """
    hadron_p, hadron_pid, break_x, break_pid, break_from_positive, chain_end, chain_event, chain_status = out[:8]
    final_x, final_pid, final_from_positive, final_reversed, openings = out[8:]
    event, first, j, c = done
    stop_at = j + c + most_rows
    status = ACCEPTED
    while status == ACCEPTED and event < n_events and j + c < stop_at:
        status, tries, i = NO_FINAL_TWO, 0, first
        while status in (NO_FINAL_TWO, NO_ROOM):
            if tries == MAX_TRIES or c == chain_end.size:
                status = GAVE_UP if tries == MAX_TRIES else FULL
                break
            raised = params.stop_mass * 1.05 ** max(0, tries + 1 - TRIES_BEFORE_RAISING)
            w_min = raised + CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
            geometry.start(string, event, tries, openings, c, ends, flavours)
            i, status = first, GOES_ON
            while status == GOES_ON:
                if j == break_pid.size or i + 2 > hadron_pid.size:
                    status = FULL
                    break
                table.ends[:] = ends
                for proposal in range(MOST_PROPOSALS + 1):
                    status, side, new, pid, qx, qy, mt2, z, pid2, lam, reverse = break_string(
                        rng, geometry, string, law, table.lund, params, w_min, ends, flavours, hadron_p, i
                    )
                    if proposal == MOST_PROPOSALS:
                        status, qx, qy, lam, reverse = NO_FINAL_TWO, math.nan, math.nan, 0.0, False
                    elif table.looks and rng.random() >= value_of(status, ends, string.energy, table):
                        ends[:] = table.ends
                        continue
                    break
                if status in (GOES_ON, NO_ROOM):
                    break_x[0, j], break_x[1, j] = min(np.float32(z), LARGEST_Z32), mt2
                    break_x[2, j], break_x[3, j] = qx, qy
                    break_pid[j], break_from_positive[j] = pid, side == 0
                    hadron_pid[i] = pid
                    i += 1
                    j += 1
                    flavours[side] = new
            if status == FULL:
                break
            ended = status in (ACCEPTED, NO_FINAL_TWO)
            final_x[0, c], final_x[1, c] = (qx, qy) if ended else (math.nan, math.nan)
            final_x[2, c] = lam if status == ACCEPTED else math.nan
            final_pid[0, c], final_pid[1, c] = (pid, pid2) if status == ACCEPTED else (0, 0)
            final_from_positive[c], final_reversed[c] = side == 0, reverse
            chain_end[c], chain_event[c], chain_status[c] = j, event, status
            c += 1
            tries += 1
        if status == ACCEPTED:
            hadron_pid[i], hadron_pid[i + 1] = pid, pid2
            first = i + 2
            hadron_end[event] = first
            event += 1
    done[0], done[1], done[2], done[3] = event, first, j, c
    return status


@takes_rng
def hadronize(
    n_events: int, acceptance: Acceptance, energy: float = 90.0, *, rng: Rng, quark: str = "u", threads: int = 1,
    progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize strings as `hadtutor.hadronize_strings` does, with chains that are accepted by construction.

    The events follow the law of accepted chains as well as h is known: see `log_weights` for the difference.

    Parameters
    ----------
    n_events : int
    acceptance : Acceptance
        Its parameters are those of the strings.
    energy, quark, threads, progress
        As there.
    rng : numpy.random.Generator or int

    Returns
    -------
    Sample
        Histories hold accepted chains, and the few that were thrown away since no break was found that goes on. `law`
        is ``"f given acceptance"``, so that nobody takes z for drawn by f: these events are no base for weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.
    HadronizationError
        If a string fails as often as there, which h of the wrong parameters may do.

    Examples
    --------
    >>> import hadtutor as ht
    >>> h = ht.conditioned.learn_acceptance(ht.hadronize_strings(2000, rng=1), rng=2, epochs=1, progress=False)
    >>> sample = hadronize(1000, h, rng=3)
    >>> bool(sample.histories.accepted.mean() > 0.9)
    True
    """
    params, energy = check_string(n_events, checked(acceptance).params, energy, quark)
    whole(threads, "threads")
    sizes = [CHUNK] * (n_events // CHUNK) + ([n_events % CHUNK] if n_events % CHUNK else [])
    rngs = spawn(as_generator(rng), len(sizes))
    string, rows = Strings(energy, QUARKS[quark]), int(CHUNK * (8.0 + 4.0 * math.log1p(energy)))

    def job(k, scratch, stop):
        of_z = LUND, ahead(acceptance)
        done = hadronize_chunk(
            rngs[k], sizes[k], STRAIGHT, string, of_z, params, rows, scratch, stop, threads == 1, fragment_ahead
        )
        if isinstance(done, int):
            raise no_hadrons(k * CHUNK + done, energy, params)
        return done

    return Sample(*hadronize_chunks(job, sizes, threads, progress), params, energy, quark, CONDITIONED_LAW)


def checked(acceptance: Acceptance) -> Acceptance:
    """What `learn_acceptance` gave, or a TypeError."""
    if not isinstance(acceptance, Acceptance):
        got = type(acceptance).__name__
        raise TypeError(f"acceptance must be an Acceptance, got {got}; make it with learn_acceptance(sample, rng=1)")
    return acceptance
