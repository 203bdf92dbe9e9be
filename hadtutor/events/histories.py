"""Histories of strings: every break of every chain, rejected ones too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from .._support.checks import plain
from .ragged import FLAG, REAL, WHOLE, Code, Ragged, as_index, rows_of


class ChainStatus(Code):
    """How a chain ended (`Histories.status`): a whole number, with ``words`` that say what it means."""

    ACCEPTED = 0, "accepted"
    NO_ROOM = 1, "a hadron found no room"
    NO_FINAL_TWO = 2, "the last two hadrons could not be made"


ACCEPTED, NO_ROOM, NO_FINAL_TWO = map(int, ChainStatus)  # for kernels: numba freezes plain numbers
CUT_PIECE, CUT_FLAVOUR, CUT_PX, CUT_PY, CUT_Z, CUT_W2 = range(6)  # columns of `Histories.openings`
FLAVOURS = (
    "old", "new", "old_popcorn", "new_popcorn", "final_old", "final_new", "final_other", "final_old_popcorn",
    "final_new_popcorn",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Histories(Ragged):
    """Every string break of N events, those of rejected chains too.

    An event tries chains of breaks until one is accepted. Each row is one break: a flavour, a transverse momentum and
    a z were drawn. A chain that reaches its end has drawn one more flavour and transverse momentum, for the pair of
    last hadrons, without a z; that draw is in the ``final_`` arrays.

    Attributes
    ----------
    chain_offsets : ndarray of int64, shape (C + 1,)
        Chain c owns the breaks ``chain_offsets[c]:chain_offsets[c + 1]``.
    z, mt2, px, py : ndarray of float32, shape (breaks,)
        Light-cone fraction, transverse mass squared of the hadron [GeV²], transverse momentum of the new quark [GeV].
    pid, from_positive : ndarray of int32, of bool, shape (breaks,)
        PDG code of the hadron, and whether it left the end that moves along +z.
    event_of_chain : ndarray of int64, shape (C,)
        The event that a chain belongs to, never decreasing.
    status : ndarray of int8, shape (C,)
        A `ChainStatus`: ACCEPTED (0), NO_ROOM (1: a hadron found none) or NO_FINAL_TWO (2: the last two did not fit).
    final_px, final_py : ndarray of float32, shape (C,)
        Transverse momentum drawn for the last pair [GeV]; NaN where none was drawn (status 1) or recorded (rejected
        chains of real Pythia).
    final_lambda : ndarray of float32, shape (C,)
        The λ [GeV²] that decides how often the last two come out in reversed order; NaN in rejected chains.
    final_pid, final_pid_other, final_from_positive, final_reversed : ndarray of int32, of bool, shape (C,)
        The last two hadrons, 0 where there are none; side of the first, and whether their order was reversed.
    strings : ndarray of int32, shape (C,), optional
        Number of the string of its event that a chain belongs to, never decreasing within an event; by default 0.
    openings : ndarray of float32, shape (C, 6), optional
        Where a closed loop of gluons was cut: number of the piece, from that between its first two partons (after
        joining) on; flavour of the quark there, 2 for u and 1 for d; its transverse momentum px and py [GeV], opposite
        for the antiquark; z; mass squared of the piece [GeV²]. Zeros for strings with ends; None if all have these.
    old, new : ndarray of int16, shape (breaks,), optional
        Where strings have all flavours, PDG codes of what waited at the string end, a quark or a diquark, and of what
        was made; None for u and d quarks and pions, where `pid` tells.
    old_popcorn, new_popcorn : ndarray of int16, shape (breaks,), optional
        Of diquarks that will make a meson before their baryon, the quark that it takes (1, 2, 3 for d, u, s); else 0.
    final_old, final_new, final_old_popcorn, final_new_popcorn : ndarray of int16, shape (C,), optional
        The same of the draw for the last pair, 0 where there was none.
    final_other : ndarray of int16, shape (C,), optional
        What waited at the other end then.
    """

    chain_offsets: np.ndarray
    z: np.ndarray = field(metadata=REAL)
    mt2: np.ndarray = field(metadata=REAL)
    px: np.ndarray = field(metadata=REAL)
    py: np.ndarray = field(metadata=REAL)
    pid: np.ndarray = field(metadata=WHOLE)
    from_positive: np.ndarray = field(metadata=FLAG)
    event_of_chain: np.ndarray
    status: np.ndarray
    final_px: np.ndarray
    final_py: np.ndarray
    final_pid: np.ndarray
    final_pid_other: np.ndarray
    final_from_positive: np.ndarray
    final_lambda: np.ndarray
    final_reversed: np.ndarray
    strings: np.ndarray = None  # type: ignore[assignment]
    openings: np.ndarray | None = None
    old: np.ndarray = field(default=None, metadata=WHOLE)  # type: ignore[arg-type]
    new: np.ndarray = field(default=None, metadata=WHOLE)  # type: ignore[arg-type]
    old_popcorn: np.ndarray = field(default=None, metadata=WHOLE)  # type: ignore[arg-type]
    new_popcorn: np.ndarray = field(default=None, metadata=WHOLE)  # type: ignore[arg-type]
    final_old: np.ndarray = None  # type: ignore[assignment]
    final_new: np.ndarray = None  # type: ignore[assignment]
    final_other: np.ndarray = None  # type: ignore[assignment]
    final_old_popcorn: np.ndarray = None  # type: ignore[assignment]
    final_new_popcorn: np.ndarray = None  # type: ignore[assignment]
    _unit = "breaks"

    def __post_init__(self) -> None:
        super().__post_init__()
        n_chains = len(self.chain_offsets) - 1
        if self.strings is None:  # histories of before there were events with several
            self.__dict__["strings"] = np.zeros(n_chains, np.int32)
        for name in self._chain_fields():
            values = self.__dict__[name] = plain(getattr(self, name), name)
            if len(values) != n_chains:
                raise ValueError(f"{name} has {len(values)} entries for {n_chains} chains")
        if self.openings is not None and self.openings.shape != (n_chains, 6):
            raise ValueError(f"openings must have shape ({n_chains}, 6), got {self.openings.shape}")
        if len({getattr(self, name) is None for name in FLAVOURS}) > 1:
            raise ValueError(f"of strings of all flavours all of {', '.join(FLAVOURS)} are wanted, or none")
        if np.any(np.diff(self.event_of_chain) < 0):
            raise ValueError("event_of_chain must not decrease: the chains of an event lie together")
        if np.any((np.diff(self.strings) < 0) & (np.diff(self.event_of_chain) == 0)):
            raise ValueError("strings must not decrease within an event: the chains of a string lie together")

    def _chain_fields(self):
        names = [f.name for f in fields(self) if not f.metadata.get("per_row") and f.name != "chain_offsets"]
        return [name for name in names if getattr(self, name) is not None]

    @property
    def all_flavours(self) -> bool:
        """Whether flavours were recorded, so that strings may have any, and not u and d quarks and pions alone."""
        return self.new is not None

    @property
    def accepted(self) -> np.ndarray:
        """Whether each chain was accepted, bool of shape (C,)."""
        return self.status == ACCEPTED

    @property
    def closed(self) -> np.ndarray:
        """Whether each chain is of a closed loop of gluons, bool of shape (C,)."""
        return np.zeros(self.n_chains, bool) if self.openings is None else self.openings[:, CUT_FLAVOUR] != 0

    @property
    def n_chains(self) -> int:
        """Number of chains, accepted or not."""
        return len(self.status)

    @property
    def chain_of_break(self) -> np.ndarray:
        """Number of the chain that each break belongs to, shape (breaks,)."""
        return np.repeat(np.arange(self.n_chains), np.diff(self.chain_offsets))

    def __len__(self) -> int:
        return len(self.event_offsets) - 1

    @cached_property
    def event_offsets(self) -> np.ndarray:
        """Event i owns the chains ``event_offsets[i]:event_offsets[i + 1]``; shape (N + 1,)."""
        n_events = int(self.event_of_chain[-1]) + 1 if self.n_chains else 0
        return np.searchsorted(self.event_of_chain, np.arange(n_events + 1))

    def __repr__(self) -> str:
        return f"Histories({len(self.z)} breaks in {self.n_chains} chains, {self.accepted.sum()} accepted)"

    def _take_chains(self, chains, event_of_chain):
        rows, offsets = rows_of(self.chain_offsets, chains)
        others = {name: getattr(self, name)[chains] for name in self._chain_fields()}
        return self._take(rows, **others | {"chain_offsets": offsets, "event_of_chain": event_of_chain})

    @classmethod
    def concatenate(cls, parts: Iterable["Histories"]) -> "Histories":
        """As of any ragged data; `parts` may have closed loops or not."""
        parts = list(parts)
        if len({part.all_flavours for part in parts if isinstance(part, Histories)}) > 1:
            raise ValueError("histories of pions and of all flavours do not go together: other things are drawn there")
        if any(getattr(part, "openings", None) is not None for part in parts):
            none = [isinstance(part, Histories) and part.openings is None for part in parts]
            parts = [
                part._changed(openings=np.zeros((part.n_chains, 6), np.float32)) if empty else part
                for part, empty in zip(parts, none, strict=True)
            ]
        return super().concatenate(parts)

    @classmethod
    def _joined(cls, parts):
        starts = np.repeat(np.cumsum([0] + [len(p) for p in parts[:-1]]), [p.n_chains for p in parts])
        joined = super()._joined(parts)
        return joined._changed(event_of_chain=joined.event_of_chain + starts)

    def __getitem__(self, key: int | slice | Sequence | np.ndarray) -> "Histories":
        index = as_index(key, len(self))
        chains, offsets = rows_of(self.event_offsets, index)
        return self._take_chains(chains, np.repeat(np.arange(len(index)), np.diff(offsets)))

    def only_accepted(self) -> "Histories":
        """The accepted chains alone, one per event."""
        chains = np.flatnonzero(self.accepted)
        return self._take_chains(chains, self.event_of_chain[chains])

    def to_padded(self, columns: str | Sequence[str] = ("z", "mt2", "px", "py")) -> tuple[np.ndarray, np.ndarray]:
        """Rectangle of the `columns` of breaks, a line per chain, shape (C, K, F), and a mask (C, K) as of hadrons."""
        return self._padded(self.chain_offsets, columns)
