"""Break histories of real Pythia strings, recorded with Pythia's `UserHooks`."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..events.hadrons import Hadrons
from ..events.histories import ACCEPTED, NO_FINAL_TWO, Histories
from ..lund.last_pair import last_pair_lambda
from ..strings.from_history import replay


def make_recorder(pythia8mc: Any) -> Any:
    """A UserHooks object that keeps the breaks of every chain."""

    class Recorder(pythia8mc.UserHooks):
        def __init__(self):
            super().__init__()
            self.breaks, self.chain_starts, self.finals = [], [], {}

        def canVetoFragmentation(self):
            return True

        def setStringEnds(self, pos, neg, partons):
            self.chain_starts.append(len(self.breaks))

        def doVetoFragmentation(self, *args):
            if len(args) == 2:
                end = args[1]
                # The axes of Pythia's string lie the other way round: its x is our y.
                self.breaks.append((end.zHad, end.mT2Had, end.pyNew, end.pxNew, args[0].id(), end.fromPos))
            else:
                first, second, end, _ = args
                pair = end.pyNew, end.pxNew, first.id(), second.id(), end.fromPos
                self.finals[len(self.chain_starts) - 1] = pair
            return False

    return Recorder()


def histories_of(hook: Any, first_chain: np.ndarray) -> Histories:
    """What a recorder has seen; `first_chain` is the number of the first chain of each event."""
    breaks = np.array(hook.breaks, dtype=float).reshape(-1, 6)  # none at all where strings are too light
    n_chains = len(hook.chain_starts)
    status = np.full(n_chains, NO_FINAL_TWO, np.int8)
    finals = np.full((5, n_chains), np.nan)
    finals[2:] = 0
    for chain, values in hook.finals.items():
        status[chain] = ACCEPTED
        finals[:, chain] = values
    x, codes = breaks[:, :4].T.astype(np.float32).copy(), breaks[:, 4].astype(np.int32)
    of_breaks = np.append(hook.chain_starts, len(breaks)), *x, codes, breaks[:, 5].astype(bool)
    event_of_chain = np.searchsorted(first_chain, np.arange(n_chains), side="right") - 1
    x, codes = finals[:2].astype(np.float32), finals[2:4].astype(np.int32)
    of_pairs = *x, *codes, finals[4].astype(bool), np.full(n_chains, np.nan, np.float32), np.zeros(n_chains, bool)
    return Histories(*[*of_breaks, event_of_chain, status, *of_pairs])


def with_last_pair(histories: Histories, hadrons: Hadrons, energy: float) -> Histories:
    """Add what Pythia does not show of the last pair: λ, and whether it came out reversed."""
    last = hadrons.offsets[1:] - 1
    lam, reverse = histories.final_lambda.copy(), histories.final_reversed.copy()
    lam[histories.accepted] = last_pair_lambda(hadrons)
    swapped = replace(histories, final_reversed=np.ones(histories.n_chains, bool))
    off, off_swapped = (abs(replay(h, energy).pz[last] - hadrons.pz[last]) for h in (histories, swapped))
    reverse[histories.accepted] = off_swapped < off
    return replace(histories, final_lambda=lam, final_reversed=reverse)
