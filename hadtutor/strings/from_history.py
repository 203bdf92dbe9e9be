"""What follows from a history without a random number: hadrons, what waits at the string ends, the order of hadrons."""

from typing import Any, NamedTuple, cast

import numpy as np

from .._support.checks import energy_gev
from .._support.kernels import kernel
from ..events.hadrons import Hadrons
from ..events.histories import CUT_FLAVOUR, Histories
from ..events.sample import Sample
from ..events.showers import Showers
from ..lund.flavour import pion_mass2
from ..particles import QUARKS
from .colours import colour_strings, strings_to_replay
from .gluons import KINKED
from .straight import ROWS_OF_ENDS, STRAIGHT, Geometry, Strings


@kernel
def _replay_chains(geometry, string, tries, openings, x, from_positive, mass2, offsets, final_x, final_mass2,
                   final_from_positive, reverse, ends, hadron_p, lam):  # fmt: skip
    flavours = np.zeros(2, np.int64)
    i = 0
    for c in range(len(reverse)):
        geometry.start(string, c, tries[c], openings, c, ends, flavours)
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            px, py = ends[2, side] + x[1, j], ends[3, side] + x[2, j]
            mt2 = mass2[j] + px * px + py * py
            geometry.take(string, side, x[0, j], x[1, j], x[2, j], px, py, mt2, ends, hadron_p, i)
            i += 1
        side = 0 if final_from_positive[c] else 1
        qx, qy = final_x[0, c], final_x[1, c]
        first, second = final_mass2[0, c], final_mass2[1, c]
        lam[c] = geometry.last_two(string, ends, side, qx, qy, first, second, reverse[c], hadron_p, i)
        i += 2


def hadrons_of_chains(
    histories: Histories, geometry: Geometry, string: Any, masses2: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Four-momenta, (4, rows), of the hadrons of each accepted chain, and its λ, below 0 if it does not fit.

    The strings that `string` has for `geometry` are those of the accepted chains of `histories`, one each. `masses2`
    are masses squared of the hadrons of their breaks and of their last pairs, (2, chains) [GeV²]; by default of pions.
    """
    accepted, chains = histories.only_accepted(), np.flatnonzero(histories.accepted)
    n_hadrons = accepted.chain_offsets[-1] + 2 * len(chains)
    hadron_p, lam = np.zeros((4, n_hadrons)), np.empty(len(chains))
    breaks = np.stack([accepted.z, accepted.px, accepted.py]).astype(float)
    final_x = np.stack([accepted.final_px, accepted.final_py]).astype(float)
    if masses2 is None:
        codes = accepted.pid, np.stack([accepted.final_pid, accepted.final_pid_other])
        masses2 = tuple(np.where(pid == 111, pion_mass2(111), pion_mass2(211)) for pid in codes)
    mass2, final_mass2 = masses2
    # How often its string had failed before: a kinked one changes then.
    tries = np.diff(chains, prepend=-1) - 1
    openings = np.zeros((len(chains), 6), np.float32) if accepted.openings is None else accepted.openings
    _replay_chains(
        geometry, string, tries, openings, breaks, accepted.from_positive, mass2, accepted.chain_offsets,
        final_x, final_mass2, accepted.final_from_positive, accepted.final_reversed, np.empty((ROWS_OF_ENDS, 2)),
        hadron_p, lam,
    )  # fmt: skip
    return hadron_p, lam


def last_pairs(accepted: Histories) -> np.ndarray:
    """Codes of the last two hadrons of each chain of `accepted`, one pair after the other."""
    return np.stack([accepted.final_pid, accepted.final_pid_other], axis=1).ravel()


def replay(histories: Histories, energy: float, partons: Showers | None = None, reset: bool = True) -> Hadrons:
    """Work out the hadrons of each event from its accepted chain: after the breaks, nothing is random.

    They are as exact as the single-precision breaks allow, with four-momentum conserved to rounding.

    Parameters
    ----------
    histories : Histories
        N events with one accepted chain for each string.
    energy : float
        Mass of the string they were made at [GeV].
    partons : Showers, optional
        Those of the sample, if its strings were spanned between partons.
    reset : bool
        As they were made with by `hadronize_partons`.

    Raises
    ------
    ValueError
        If a string has not exactly one accepted chain, or a chain does not fit its string; if a string was too light
        to break; if a closed loop of gluons does not know where it was cut.

    Examples
    --------
    >>> from hadtutor import hadronize_strings
    >>> sample = hadronize_strings(100, rng=1)
    >>> bool(np.allclose(replay(sample.histories, sample.energy).e, sample.hadrons.e, rtol=1e-3))
    True
    """
    accepted, energy = histories.only_accepted(), energy_gev(energy)
    if histories.all_flavours:
        raise ValueError("histories of all flavours do not hold the masses of resonances: take the hadrons as they are")
    if partons is None:
        string: Any = Strings(energy, 0)
        geometry, events, numbers = STRAIGHT, np.arange(len(histories)), np.zeros(len(histories), int)
    else:
        geometry, (string, events, numbers) = KINKED, strings_to_replay(partons, reset)
    if not (np.array_equal(accepted.event_of_chain, events) and np.array_equal(accepted.strings, numbers)):
        raise ValueError("each string needs exactly one accepted chain to be replayed")
    if partons is not None and np.any(wrong := accepted.closed != (string.flavours[:, 0] == 0)):
        raise ValueError(f"event {events[np.argmax(wrong)]}: partons and histories differ in what is a closed loop")
    hadron_p, lam = hadrons_of_chains(histories, geometry, string)
    wrong = ~(lam >= 0.0)
    if wrong.any():
        event, of = accepted.event_of_chain[np.argmax(wrong)], "" if partons is None else ", partons and reset"
        raise ValueError(f"event {event} does not fit a string of {energy:g} GeV; give the energy{of} it was made at")
    first_chain = np.searchsorted(accepted.event_of_chain, np.arange(len(histories) + 1))
    offsets = accepted.chain_offsets[first_chain] + 2 * first_chain
    pid = np.insert(accepted.pid, np.repeat(accepted.chain_offsets[1:], 2), last_pairs(accepted))
    return Hadrons(*[offsets, *hadron_p, pid])


def flavours_at_ends(sample: Sample) -> int | np.ndarray:
    """Flavour at the ends of the strings of a `sample`, 2 for u and 1 for d: one for all, or of each chain, (C, 2)."""
    if sample.partons is None:
        return QUARKS[sample.quark or "u"]
    strings, histories = colour_strings(sample.partons, "to u d"), cast(Histories, sample.histories)
    first = np.searchsorted(strings.event, np.arange(len(sample)))
    flavours = strings.flavours[first[histories.event_of_chain] + histories.strings]
    if histories.openings is not None:  # of closed loops those that cut them
        flavours[histories.closed] = histories.openings[histories.closed, CUT_FLAVOUR, None]
    return flavours


class Waiting(NamedTuple):
    """What waits at the string end before each break, each of shape (breaks,); made by `waiting_at_ends`."""

    px: np.ndarray  # float64, GeV: that of the last break on this side, with the opposite sign
    py: np.ndarray
    flavour: np.ndarray  # int32, 2 for u and 1 for d; a charged pion changes it


@kernel
def _fill_waiting(offsets, x, from_positive, charged, at_ends, waiting, flavours):
    px, py, flavour = np.empty(2), np.empty(2), np.empty(2, np.int64)
    for c in range(len(offsets) - 1):
        px[:] = py[:] = 0.0
        flavour[:] = at_ends[c]
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            waiting[0, j], waiting[1, j], flavours[j] = px[side], py[side], flavour[side]
            px[side], py[side] = -x[0, j], -x[1, j]
            if charged[j]:
                flavour[side] = 3 - flavour[side]


def waiting_at_ends(chain_offsets: np.ndarray, px: np.ndarray, py: np.ndarray, from_positive: np.ndarray,
                    pid: np.ndarray, quark: int | np.ndarray = 2) -> Waiting:  # fmt: skip
    """What waits at the string end before each break; of a closed loop, whose ends begin with a kick, it does not know.

    Parameters
    ----------
    chain_offsets, px, py, from_positive, pid : ndarray
        As in `Histories`.
    quark : {2, 1}, or ndarray of shape (C, 2)
        Flavour of both ends of the string at first, u or d, for all chains or each; see `flavours_at_ends`.
    """
    at_ends = np.broadcast_to(np.asarray(quark, np.int64), (len(chain_offsets) - 1, 2))
    x = np.stack([px, py]).astype(float)
    waiting, flavours = np.empty_like(x), np.empty(len(px), np.int32)
    _fill_waiting(chain_offsets, x, from_positive, pid != 111, at_ends, waiting, flavours)
    return Waiting(waiting[0], waiting[1], flavours)


def break_mt2(
    chain_offsets: np.ndarray, px: np.ndarray, py: np.ndarray, from_positive: np.ndarray, pid: np.ndarray
) -> np.ndarray:
    """Transverse mass squared [GeV²] of the hadron of each break: it takes the new quark and the one that waits.

    So it is on strings with ends, see `waiting_at_ends`.
    `chain_offsets`, `px`, `py`, `from_positive` and `pid` are as in `Histories`.
    """
    waiting = waiting_at_ends(chain_offsets, px, py, from_positive, pid)
    mass2 = np.where(pid == 111, pion_mass2(111), pion_mass2(211))
    return mass2 + (waiting.px + px) ** 2 + (waiting.py + py) ** 2


def flavour_before(histories: Histories, flavour_at_ends: int | np.ndarray) -> np.ndarray:
    """Flavour that waits at the string end before each break of `histories`, 2 for u and 1 for d.

    `flavour_at_ends` is that of the string at first, for all or of shape (C, 2), see `flavours_at_ends`.
    """
    h = histories
    return waiting_at_ends(h.chain_offsets, h.px, h.py, h.from_positive, h.pid, flavour_at_ends).flavour


def string_order(histories: Histories) -> np.ndarray:
    """Order of the hadrons of each event along the string, from the +z end, that of the quark, to the other.

    ``hadrons.px[order]`` and the like run along the string, event by event; `histories` has one accepted chain each,
    or where events have several strings, one for each of these.
    """
    accepted = histories.only_accepted()
    counts = np.diff(accepted.chain_offsets)
    starts = accepted.chain_offsets[:-1] + 2 * np.arange(len(counts))
    event = np.concatenate([accepted.chain_of_break, np.repeat(np.arange(len(counts)), 2)])
    rank = np.arange(len(accepted.z)) - np.repeat(accepted.chain_offsets[:-1], counts)
    rank = np.concatenate([rank, (counts[:, None] + [0, 1]).ravel()])
    last_two = np.stack([accepted.final_from_positive, ~accepted.final_from_positive], 1)
    positive = np.concatenate([accepted.from_positive, last_two.ravel()])
    # From the + end inwards in the order of making, then from the inside out towards the - end.
    place = np.where(positive, rank, 2 * (counts.max(initial=0) + 2) - rank)
    return (starts[event] + rank)[np.lexsort((place, event))]
