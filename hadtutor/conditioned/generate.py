"""Strings whose chains are all accepted: each break is proposed, and taken as often as what is left leads to an end."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from .._support.checks import Rng, as_generator, takes_rng, whole
from .._support.parallel import spawn
from ..events.histories import ACCEPTED, NO_FINAL_TWO
from ..events.sample import Sample
from ..particles import MASS_NEUTRAL_PION, QUARKS
from ..strings.generate import CHUNK, check_string, hadronize_chunk, hadronize_chunks, no_hadrons
from ..strings.laws import LUND, Lund, lund_table
from ..strings.straight import ROWS_OF_ENDS, STRAIGHT, Strings
from .acceptance import Acceptance, probability
from .states import N_FEATURES, look
from .steps import GOES_ON, break_string, fragment_in_steps

CONDITIONED_LAW = "f given acceptance"
MOST_PROPOSALS = 1000  # for one break; where so many are in vain the state is a dead end, and its chain thrown away


class Law(NamedTuple):
    """How z is drawn, and a step taken, as numba kernels; see `hadtutor.strings.laws`."""

    pick: Callable
    attempt: Callable
    step: Callable  # (rng, geometry, string, law, table, …), see `break_string`


class Ahead(NamedTuple):
    """What a law that looks ahead needs; the arrays after `layers` are room to work in, for one thread."""

    lund: Lund
    layers: tuple
    ends: np.ndarray
    features: np.ndarray
    one: np.ndarray
    two: np.ndarray


def ahead(acceptance: Acceptance) -> Ahead:
    """What `CONDITIONED` needs."""
    layers = acceptance.layers
    hidden = [np.empty(len(layers[k]), np.float32) for k in (1, 3)]
    lund = lund_table(acceptance.params, MASS_NEUTRAL_PION**2)
    return Ahead(lund, layers, np.empty((ROWS_OF_ENDS, 2)), np.empty(N_FEATURES, np.float32), *hidden)


@njit(nogil=True, forceinline=True)
def value_of(status, ends, energy, table):
    """h of what a step led to: of the state if the chain goes on, else whether it was accepted."""
    if status == GOES_ON:
        alive = look(ends, energy, table.features)
        return probability(table.features, table.layers, table.one, table.two) if alive else 0.0
    return 1.0 if status == ACCEPTED else 0.0


@njit(nogil=True, forceinline=True)
def _pick(rng, mt2, state, table):
    return LUND.pick(rng, mt2, state, table.lund)


@njit(nogil=True, forceinline=True)
def _attempt(rng, mt2, picked, table):
    return LUND.attempt(rng, mt2, picked, table.lund)


@njit(nogil=True, forceinline=True)
def _step(rng, geometry, string, law, table, params, w_min, ends, flavours, hadron_p, i):
    """`break_string` by the law of Doob: a proposal is taken with probability h."""
    table.ends[:] = ends
    for _ in range(MOST_PROPOSALS):
        step = break_string(rng, geometry, string, law, table, params, w_min, ends, flavours, hadron_p, i)
        if rng.random() < value_of(step[0], ends, string.energy, table):
            return step
        ends[:] = table.ends
    return NO_FINAL_TWO, 0, 0, 0, math.nan, math.nan, 0.0, 0.0, 0, 0.0, False


CONDITIONED = Law(_pick, _attempt, _step)


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
    >>> h = learn_acceptance(ht.hadronize_strings(2000, rng=1), rng=2, epochs=1, progress=False)
    >>> sample = hadronize(1000, h, rng=3)
    >>> bool(sample.histories.accepted.mean() > 0.99)
    True
    """
    params, energy = check_string(n_events, checked(acceptance).params, energy, quark)
    whole(threads, "threads")
    sizes = [CHUNK] * (n_events // CHUNK) + ([n_events % CHUNK] if n_events % CHUNK else [])
    rngs = spawn(as_generator(rng), len(sizes))
    string, rows = Strings(energy, QUARKS[quark]), int(CHUNK * (8.0 + 4.0 * math.log1p(energy)))

    def job(k, scratch, stop):
        of_z = CONDITIONED, ahead(acceptance)
        done = hadronize_chunk(
            rngs[k], sizes[k], STRAIGHT, string, of_z, params, rows, scratch, stop, threads == 1, fragment_in_steps
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
