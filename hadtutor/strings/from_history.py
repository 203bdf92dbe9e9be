"""What follows from a history without a random number: hadrons, transverse masses, flavours, their order."""

import math

import numpy as np
from numba import njit

from ..events.hadrons import Hadrons
from ..lund.flavour import pion_mass2
from ..lund.last_pair import share_between_two
from .chain import Ends, store_hadron


@njit(nogil=True)
def _replay_chains(energy, x, from_positive, pid, offsets, final_x, final_pid, final_from_positive, reverse, ends, out):
    own, opposite, px, py, _ = ends
    hadron_p, hadron_pid = out
    i = 0
    for c in range(len(reverse)):
        for side in range(2):
            own[side] = opposite[side] = energy
            px[side] = py[side] = 0.0
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            hadron_px, hadron_py = px[side] + x[1, j], py[side] + x[2, j]
            mt2 = pion_mass2(pid[j]) + hadron_px**2 + hadron_py**2
            along = x[0, j] * own[side]
            store_hadron(hadron_p, hadron_pid, i, hadron_px, hadron_py, along, mt2 / along, side, pid[j])
            own[side] -= along
            opposite[side] -= mt2 / along
            px[side], py[side] = -x[1, j], -x[2, j]
            i += 1
        side = 0 if final_from_positive[c] else 1
        other = 1 - side
        px_1, py_1 = px[side] + final_x[0, c], py[side] + final_x[1, c]
        px_2, py_2 = px[other] - final_x[0, c], py[other] - final_x[1, c]
        mt2_1 = pion_mass2(final_pid[0, c]) + px_1**2 + py_1**2
        mt2_2 = pion_mass2(final_pid[1, c]) + px_2**2 + py_2**2
        left = own[side] + opposite[other] - energy
        left_opposite = own[other] + opposite[side] - energy
        if left <= 0.0 or left * left_opposite < (math.sqrt(mt2_1) + math.sqrt(mt2_2)) ** 2:
            return c
        along, against, _ = share_between_two(left, left_opposite, mt2_1, mt2_2, reverse[c])
        store_hadron(hadron_p, hadron_pid, i, px_1, py_1, along, against, side, final_pid[0, c])
        store_hadron(
            hadron_p, hadron_pid, i + 1, px_2, py_2, left - along, left_opposite - against, side, final_pid[1, c]
        )
        i += 2
    return -1


def replay(histories, energy):
    """Work out the hadrons of each event from its accepted chain: after the breaks, nothing is random.

    Parameters
    ----------
    histories : Histories
        N events with one accepted chain each.
    energy : float
        Mass of the string they were made at [GeV].

    Returns
    -------
    Hadrons
        In double precision; as exact as the single-precision breaks allow, with four-momentum
        conserved to rounding.

    Raises
    ------
    ValueError
        If an event has not exactly one accepted chain, or a chain does not fit `energy`.

    Examples
    --------
    >>> import numpy as np
    >>> from hadtutor import hadronize_strings
    >>> sample = hadronize_strings(100, rng=np.random.default_rng(1))
    >>> again = replay(sample.histories, sample.energy)
    >>> bool(np.allclose(again.e, sample.hadrons.e, rtol=1e-3))
    True
    """
    accepted = histories.only_accepted()
    if not np.array_equal(accepted.event_of_chain, np.arange(len(histories.event_offsets) - 1)):
        raise ValueError("each event needs exactly one accepted chain to be replayed")
    counts = np.diff(accepted.chain_offsets) + 2
    offsets = np.concatenate([[0], np.cumsum(counts)])
    out = (np.empty((4, offsets[-1])), np.empty(offsets[-1], np.int32))
    failed = _replay_chains(
        float(energy),
        np.stack([accepted.z, accepted.px, accepted.py]).astype(float),
        accepted.from_positive,
        accepted.pid,
        accepted.chain_offsets,
        np.stack([accepted.final_px, accepted.final_py]).astype(float),
        np.stack([accepted.final_pid, accepted.final_pid_other]),
        accepted.final_from_positive,
        accepted.final_reversed,
        Ends(*(np.empty(2) for _ in range(4)), np.empty(2, np.int64)),
        out,
    )
    if failed >= 0:
        raise ValueError(f"event {failed} does not fit a string of {energy:g} GeV; give the energy it was made at")
    return Hadrons(offsets, *out[0], out[1])


@njit(nogil=True)
def _fill_mt2(offsets, x, from_positive, pid, mt2):
    px, py = np.empty(2), np.empty(2)
    for c in range(len(offsets) - 1):
        px[:] = py[:] = 0.0
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            mt2[j] = pion_mass2(pid[j]) + (px[side] + x[0, j]) ** 2 + (py[side] + x[1, j]) ** 2
            px[side], py[side] = -x[0, j], -x[1, j]


def break_mt2(chain_offsets, px, py, from_positive, pid):
    """Transverse mass squared of the hadron of each break, from the quark momenta of its end.

    The hadron takes the new quark and the one that the last break on its side left behind, which has
    the opposite transverse momentum.

    Parameters
    ----------
    chain_offsets, px, py, from_positive, pid : ndarray
        As in `Histories`.

    Returns
    -------
    ndarray of float64, shape (breaks,)
        :math:`m_T^2` [GeV²].
    """
    mt2 = np.empty(len(px))
    _fill_mt2(chain_offsets, np.stack([px, py]).astype(float), from_positive, pid, mt2)
    return mt2


@njit(nogil=True)
def _fill_flavour(offsets, from_positive, pid, flavour_at_ends, flavour):
    ends = np.empty(2, np.int64)
    for c in range(len(offsets) - 1):
        ends[:] = flavour_at_ends
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            flavour[j] = ends[side]
            if pid[j] != 111:
                ends[side] = 3 - ends[side]


def flavour_before(histories, flavour_at_ends):
    """Flavour that waits at the string end before each break, 2 for u and 1 for d: a charged pion changes it.

    Parameters
    ----------
    histories : Histories
    flavour_at_ends : {2, 1}
        Of the string, see `Sample.quark`.

    Returns
    -------
    ndarray of int32, shape (breaks,)
    """
    flavour = np.empty(len(histories.pid), np.int32)
    _fill_flavour(histories.chain_offsets, histories.from_positive, histories.pid, flavour_at_ends, flavour)
    return flavour


def string_order(histories):
    """Order of the hadrons of each event along the string, from the +z end to the -z end.

    Parameters
    ----------
    histories : Histories
        N events with one accepted chain each.

    Returns
    -------
    ndarray of int64, shape (rows,)
        ``hadrons.px[order]`` and the like run along the string, event by event.
    """
    accepted = histories.only_accepted()
    counts = np.diff(accepted.chain_offsets)
    starts = accepted.chain_offsets[:-1] + 2 * np.arange(len(counts))
    event = np.concatenate([accepted.chain_of_break, np.repeat(np.arange(len(counts)), 2)])
    rank = np.concatenate(
        [
            np.arange(len(accepted.z)) - np.repeat(accepted.chain_offsets[:-1], counts),
            (counts[:, None] + [0, 1]).ravel(),
        ]
    )
    positive = np.concatenate(
        [accepted.from_positive, np.stack([accepted.final_from_positive, ~accepted.final_from_positive], 1).ravel()]
    )
    # From the + end inwards in the order of making, then from the inside out towards the - end.
    place = np.where(positive, rank, 2 * (counts.max(initial=0) + 2) - rank)
    return (starts[event] + rank)[np.lexsort((place, event))]
