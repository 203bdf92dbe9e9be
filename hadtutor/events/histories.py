"""Histories of strings: every break of every chain, rejected ones too."""

from dataclasses import dataclass, fields

import numpy as np

from .ragged import Ragged, as_index, row, rows_of

# How a chain ended (`Histories.status`).
ACCEPTED, NO_ROOM, NO_FINAL_TWO = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Histories(Ragged):
    """Every string break of N events, those of rejected chains too.

    An event tries chains of breaks until one is accepted. Each row is one break: a flavour, a
    transverse momentum and a z were drawn. A chain that reaches its end has drawn one more flavour
    and transverse momentum, for the pair of last hadrons, without a z; that draw is in the
    ``final_`` arrays.

    Attributes
    ----------
    chain_offsets : ndarray of int64, shape (C + 1,)
        Chain c owns the breaks ``chain_offsets[c]:chain_offsets[c + 1]``.
    z : ndarray of float32, shape (breaks,)
        Light-cone fraction, 0 < z < 1.
    mt2 : ndarray of float32, shape (breaks,)
        Transverse mass squared of the hadron [GeV²].
    px, py : ndarray of float32, shape (breaks,)
        Transverse momentum of the new quark [GeV].
    pid : ndarray of int32, shape (breaks,)
        PDG code of the hadron.
    from_positive : ndarray of bool, shape (breaks,)
        Whether the hadron left the end that moves along +z.
    event_of_chain : ndarray of int64, shape (C,)
        The event that a chain belongs to, never decreasing.
    status : ndarray of int8, shape (C,)
        0 accepted, 1 a hadron found no room, 2 the last two hadrons could not be made.
    final_px, final_py : ndarray of float32, shape (C,)
        Transverse momentum drawn for the last pair [GeV]; NaN where none was drawn (status 1) or
        it was not recorded (rejected chains of real Pythia).
    final_pid, final_pid_other : ndarray of int32, shape (C,)
        The last two hadrons; 0 where there are none.
    final_from_positive : ndarray of bool, shape (C,)
        Side of the first of them.
    final_lambda : ndarray of float32, shape (C,)
        The λ [GeV²] that decides how often the last two come out in reversed order, in accepted
        chains; NaN in the others.
    final_reversed : ndarray of bool, shape (C,)
        Whether they did.
    """

    chain_offsets: np.ndarray
    z: np.ndarray = row()
    mt2: np.ndarray = row()
    px: np.ndarray = row()
    py: np.ndarray = row()
    pid: np.ndarray = row()
    from_positive: np.ndarray = row()
    event_of_chain: np.ndarray
    status: np.ndarray
    final_px: np.ndarray
    final_py: np.ndarray
    final_pid: np.ndarray
    final_pid_other: np.ndarray
    final_from_positive: np.ndarray
    final_lambda: np.ndarray
    final_reversed: np.ndarray

    def __post_init__(self):
        self._check_offsets(self.chain_offsets, len(self.z), "breaks")
        n_chains = len(self.chain_offsets) - 1
        for name in self._chain_fields():
            if len(getattr(self, name)) != n_chains:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {n_chains} chains")

    def _chain_fields(self):
        return [f.name for f in fields(self) if not f.metadata.get("per_row") and f.name != "chain_offsets"]

    @property
    def accepted(self):
        """Whether each chain was accepted, bool of shape (C,)."""
        return self.status == ACCEPTED

    @property
    def n_chains(self):
        """Number of chains, accepted or not."""
        return len(self.status)

    @property
    def chain_of_break(self):
        """Number of the chain that each break belongs to, shape (breaks,)."""
        return np.repeat(np.arange(self.n_chains), np.diff(self.chain_offsets))

    @property
    def event_offsets(self):
        """Event i owns the chains ``event_offsets[i]:event_offsets[i + 1]``; shape (N + 1,)."""
        n_events = int(self.event_of_chain[-1]) + 1 if self.n_chains else 0
        return np.searchsorted(self.event_of_chain, np.arange(n_events + 1))

    def __repr__(self):
        return f"Histories({len(self.z)} breaks in {self.n_chains} chains, {self.accepted.sum()} accepted)"

    def _take_chains(self, chains, event_of_chain):
        rows, offsets = rows_of(self.chain_offsets, chains)
        columns = {name: getattr(self, name)[rows] for name in self._row_fields()}
        columns |= {name: getattr(self, name)[chains] for name in self._chain_fields()}
        return Histories(**(columns | {"chain_offsets": offsets, "event_of_chain": event_of_chain}))

    def __getitem__(self, key):
        event_offsets = self.event_offsets
        index = as_index(key, len(event_offsets) - 1)
        chains, offsets = rows_of(event_offsets, index)
        return self._take_chains(chains, np.repeat(np.arange(len(index)), np.diff(offsets)))

    def only_accepted(self):
        """The accepted chains alone, one per event."""
        chains = np.flatnonzero(self.accepted)
        return self._take_chains(chains, self.event_of_chain[chains])

    def to_padded(self, columns=("z", "mt2", "px", "py")):
        """Rectangle of breaks, one line per chain, with a mask.

        Parameters
        ----------
        columns : sequence of str
            Names of the per-break attributes to take.

        Returns
        -------
        x : ndarray, shape (C, K, F)
        mask : ndarray of bool, shape (C, K)
        """
        return self._padded(self.chain_offsets, columns)
