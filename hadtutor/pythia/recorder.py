"""Break histories of real Pythia strings, recorded with Pythia's `UserHooks`."""

from array import array
from typing import Any

import numpy as np

from ..events.histories import ACCEPTED, NO_FINAL_TWO, Histories
from ..events.ragged import rows_of
from ..strings.chain import MAX_TRIES
from ..strings.from_history import hadrons_of_chains
from ..strings.straight import Geometry

DOUBLE = "z", "mt2", "px", "py", "final_px", "final_py", "final_lambda"


def first_parton(event: Any, number: int) -> int:
    """Where in `event` a parton of its string was given: those that Pythia joined or copied name their mothers."""
    while mother := event[number].mother1():
        number = mother
    return number


def make_recorder(pythia8mc: Any) -> Any:
    """A UserHooks object that keeps the breaks of every chain; it wants to know the ``event`` of its Pythia."""

    class Recorder(pythia8mc.UserHooks):
        def __init__(self):
            super().__init__()
            # Rows of 6, 2 and 6 plain numbers: a list of tuples would take six times the memory.
            self.breaks, self.chains, self.finals = array("d"), array("q"), array("d")
            self.event = None

        def canVetoFragmentation(self):
            return True

        def setStringEnds(self, pos, neg, partons):
            self.chains.extend((len(self.breaks) // 6, first_parton(self.event, partons[0])))

        def doVetoFragmentation(self, *args):
            if len(args) == 2:
                hadron, end = args
                # By now pxNew refers to the region where the string broke; what was drawn is the hadron's less the old.
                px, py = end.pxHad - end.pxOld, end.pyHad - end.pyOld
                self.breaks.extend((end.zHad, end.mT2Had, px, py, hadron.id(), end.fromPos))
            else:
                first, second, end, _ = args
                chain = len(self.chains) // 2 - 1
                self.finals.extend((chain, end.pxNew, end.pyNew, first.id(), second.id(), end.fromPos))
            return False

    return Recorder()


def histories_of(hook: Any, first_chain: np.ndarray, strings: np.ndarray, offsets: np.ndarray) -> Histories:
    """What a recorder has seen, in double precision and without what Pythia does not show of the last pair.

    `first_chain` is the number of the first chain of each event, `strings` that of the string of each parton in its
    event; the partons of event i are those from ``offsets[i]`` on.
    """
    breaks, finals = (np.array(rows, dtype=float).reshape(-1, 6) for rows in (hook.breaks, hook.finals))
    starts, parton = np.array(hook.chains, dtype=np.int64).reshape(-1, 2).T
    n_chains = len(starts)
    event = np.searchsorted(first_chain, np.arange(n_chains), side="right") - 1
    string = strings[offsets[event] + parton - 1]  # Pythia counts from 1
    pairs, of_pairs = finals[:, 0].astype(int), np.zeros((5, n_chains))
    of_pairs[:2] = np.nan
    of_pairs[:, pairs] = finals[:, 1:].T
    status = np.full(n_chains, NO_FINAL_TWO, np.int8)
    status[pairs] = ACCEPTED
    kept = np.flatnonzero(of_last_try(event, string, status == ACCEPTED))
    kept = kept[np.lexsort((string[kept], event[kept]))]
    rows, chain_offsets = rows_of(np.append(starts, len(breaks)), kept)
    z, mt2, px, py, codes, positive = breaks[rows].T
    final_px, final_py, pid, pid_other, final_positive = of_pairs[:, kept]
    return Histories(
        chain_offsets, z, mt2, px, py, codes.astype(np.int32), positive.astype(bool), event[kept], status[kept],
        final_px, final_py, pid.astype(np.int32), pid_other.astype(np.int32), final_positive.astype(bool),
        np.full(len(kept), np.nan), np.zeros(len(kept), bool), string[kept].astype(np.int32),
    )  # fmt: skip


def of_last_try(event: np.ndarray, string: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Whether each chain, (C,), is of the last time that Pythia began with the strings of its event.

    When one of them finds no chain it begins anew with all of them, in the same order. So it did between two chains if
    the second is of a string that came before that of the first or is done already, or if the first string is given up.
    """
    n_chains = len(event)
    _, index, place = np.unique(np.stack([event, string]), axis=1, return_index=True, return_inverse=True)
    since = index[place.ravel()]  # first chain of its string
    same_event, same_string = (np.append(False, np.diff(x) == 0) for x in (event, since))
    before = np.append(False, accepted[:-1])
    run = np.arange(n_chains)
    run -= np.maximum.accumulate(np.where(same_string & ~before, 0, run))  # how often it has failed in a row
    again = same_event & np.where(
        same_string, before | (run > 0) & (run % MAX_TRIES == 0), ~before | (since < np.roll(since, 1))
    )
    tries = np.cumsum(again)
    return tries == tries[np.searchsorted(event, event, side="right") - 1]


def with_last_pair(histories: Histories, momenta: np.ndarray, geometry: Geometry, string: Any) -> Histories:
    """Add what Pythia does not show of the last pair: λ, and whether it came out reversed; in single precision.

    `momenta`, (4, rows), are those of Pythia's hadrons, one accepted chain after the other in the order of making, each
    on its own string of `string`.
    """
    last = np.cumsum(np.diff(histories.only_accepted().chain_offsets) + 2) - 1
    swapped = histories.replace(final_reversed=np.ones(histories.n_chains, bool))
    (ours, _, lam), (reverse, _, _) = (hadrons_of_chains(h, geometry, string) for h in (histories, swapped))
    off, off_swapped = (np.sum((p[:, last] - momenta[:, last]) ** 2, axis=0) for p in (ours, reverse))
    single = {name: getattr(histories, name).astype(np.float32) for name in DOUBLE}
    single["final_lambda"][histories.accepted] = np.maximum(0.0, lam)
    final_reversed = histories.final_reversed.copy()
    final_reversed[histories.accepted] = off_swapped < off
    return histories.replace(**single, final_reversed=final_reversed)
