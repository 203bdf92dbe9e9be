r"""Parton showers: the partons of e⁺e⁻ → Z/γ* → q q̄ events just before they hadronize, with their colours.

In the limit of many colours each colour line ends on exactly one anticolour, so the partons of an event fall into
strings, from a quark over gluons to an antiquark: `Showers.colour_order` finds them. Bring your own with `from_lhe` or
from arrays, with colour tags as in the Les Houches accord :cite:p:`boos2001generic`.
"""

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .._support.checks import column, energy_gev, whole
from .._support.kernels import kernel
from ..files import reading
from ..particles import QUARKS
from .formats import from_lhe
from .ragged import FLAG, WHOLE, Events

GLUON = 21
PARTON_MASSES = {1: 0.33, 2: 0.33, 3: 0.5, 4: 1.5, 5: 4.8, GLUON: 0.0}
"""PDG code of a parton to the mass that Pythia gives it [GeV]; antiquarks weigh what quarks do."""


@dataclass(frozen=True, eq=False, repr=False)
class Showers(Events):
    """The partons of N events after the shower.

    Attributes
    ----------
    offsets, px, py, pz, e
        As of `Hadrons`.
    pid : ndarray of int32, shape (rows,)
        PDG code: 1 to 5 for quarks, negative for antiquarks, 21 for gluons.
    col, acol : ndarray of int32, shape (rows,)
        Colour and anticolour tag, 0 for none. Within an event a tag stands once as a colour and once as an anticolour.
    energy : float
        Centre-of-mass energy √s [GeV].

    ValueError: the arrays do not fit together, or an event, which is named, has a momentum that is not finite, a code
    that is no parton's, or colours that do not match.

    Examples
    --------
    >>> Showers([0, 2], [0.0, 0], [0.0, 0], [50.0, -50], [50.0, 50], [2, -2], [101, 0], [0, 101], 100.0)
    Showers(1 events, 2 partons, 100 GeV)
    """

    pid: np.ndarray = field(metadata=WHOLE)
    col: np.ndarray = field(metadata=WHOLE)
    acol: np.ndarray = field(metadata=WHOLE)
    energy: float
    _unit = "partons"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.__dict__["energy"] = energy_gev(self.energy)
        self._refuse(~np.isin(abs(self.pid), list(PARTON_MASSES)) | (self.pid == -GLUON), "a code that is no parton's")
        self._refuse(~np.isfinite(self.px + self.py + self.pz + self.e), "a momentum that is not finite")
        self._refuse((self.col < 0) | (self.acol < 0), "a negative colour tag; 0 means none")
        kind = np.where(self.pid == GLUON, 0, self.pid)
        wrong = ((self.col > 0) != (kind >= 0)) | ((self.acol > 0) != (kind <= 0))
        self._refuse(wrong, "a parton of the wrong colour: quarks have only col, antiquarks only acol, gluons both")
        self._matched()

    @cached_property
    def _following(self):
        return self._matched()

    def _matched(self):
        """For each parton the row of the one with its colour as anticolour; an antiquark's own, since it has none."""
        following = np.arange(len(self.pid))
        tags = (tags.astype(np.int64, copy=False) for tags in (self.col, self.acol))
        wrong = _match_colours(self.offsets, *tags, following)
        if wrong >= 0:
            raise ValueError(f"event {wrong}: each colour tag must stand once as a colour and once as an anticolour")
        return following

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self.energy:g} GeV)"

    def colour_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the partons along the strings they form, and the offsets of the strings in these, event by event.

        String s owns the rows from ``string_offsets[s]`` to ``string_offsets[s + 1]``, from its quark to its antiquark;
        a closed loop of gluons begins at its first gluon.

        Examples
        --------
        >>> import hadtutor as ht
        >>> showers = ht.datasets.load("pythia-showers-91")
        >>> rows, string_offsets = showers.colour_order()
        >>> bool((showers.pid[rows[string_offsets[:-1]]] < 6).all())  # every string begins with a quark
        True
        """
        rows, starts = np.empty(len(self.pid), np.int64), np.empty(len(self.pid) + 1, np.int64)
        n_strings = _follow_colours(self._following, self.acol > 0, self.offsets, rows, starts)
        return rows, np.append(starts[:n_strings], len(rows))

    @classmethod
    def one_gluon(
        cls, n_events: int, x: tuple[float, float, float] = (0.85, 0.30, 0.85), energy: float = 90.0, quark: str = "u"
    ) -> "Showers":
        """The same quark, gluon and antiquark in each of `n_events` events, in the xz plane, the quark along +z.

        Their energies are `x` times half of `energy`, √s [GeV]; `quark` is ``"u"`` or ``"d"``. ValueError if they
        cannot balance: the x must lie between 0 and 1 and add up to 2.

        Examples
        --------
        >>> Showers.one_gluon(10)
        Showers(10 events, 30 partons, 90 GeV)
        """
        n_events, energy = whole(n_events, "n_events"), energy_gev(energy)
        if quark not in QUARKS:
            raise ValueError(f"quark must be one of {sorted(QUARKS)}, got {quark!r}")
        values = column(x, "x")
        if values.shape != (3,) or not (np.all((values > 0) & (values < 1)) and abs(values.sum() - 2.0) < 1e-9):
            raise ValueError(f"x must be three numbers between 0 and 1 that add up to 2, got {x}")
        e = 0.5 * energy * values
        cosine = (e[2] ** 2 - e[0] ** 2 - e[1] ** 2) / (2.0 * e[0] * e[1])
        across = e[1] * np.sqrt(max(0.0, 1.0 - cosine**2))
        px, pz = np.array([0.0, across, -across]), np.array([e[0], e[1] * cosine, -e[0] - e[1] * cosine])
        code = QUARKS[quark]
        columns = px, 0.0 * px, pz, e, [code, GLUON, -code], [101, 102, 0], [0, 101, 102]
        px, py, pz, e, pid, col, acol = (np.tile(c, n_events) for c in columns)
        return cls(3 * np.arange(n_events + 1), px, py, pz, e, pid, col, acol, energy)

    @classmethod
    def from_lhe(cls, path: str | os.PathLike, energy: float | None = None, *, weights: bool = False) -> Any:
        """Read the final partons (status 1) of a Les Houches event file, by whatever generator.

        The file at `path` may be compressed with gzip, bz2 or xz. `energy` is the centre-of-mass energy √s [GeV], that
        of its beams if these are leptons, else needed (ValueError). With `weights` also the log of each weight, a dict
        of name (``"Default"``, XWGTUP, first) to ndarray, shape (N,).
        A `DataFileError` says if it is damaged, truncated, of another kind, or an event has other final particles than
        partons, colours that do not close, or a weight without logarithm that was asked for.
        """
        kind = "LHE file of whole showers"
        with reading(path, kind) as place:
            (offsets, columns, log_w), beams = from_lhe(place, weights)
        energy = beams if energy is None else energy
        if energy is None:
            raise ValueError(f"{path} has no beams of leptons, so that its partons have another energy: give it in GeV")
        with reading(path, f"{kind}, all colours of an event tied to each other", whole=True):
            showers = cls(offsets, **columns, energy=energy)
        return (showers, log_w) if weights else showers


@dataclass(frozen=True, eq=False, repr=False)
class Constituents(Showers):
    """Quarks and antiquarks on their constituent mass shell, ready to form clusters; a gluon is a ValueError.

    Attributes
    ----------
    perturbative : ndarray of bool, shape (rows,)
        True for quarks of the shower, False for those that a gluon split into.
    offsets, px, py, pz, e, pid, col, acol, energy
        As in `Showers`.
    """

    perturbative: np.ndarray = field(metadata=FLAG)
    _unit = "quarks and antiquarks"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(self.pid == GLUON, "a gluon among its constituents")


@kernel
def _match_colours(offsets, col, acol, following):
    """Fill in for each colour the row of its anticolour; returns -1, or the first event where they do not match."""
    for event in range(len(offsets) - 1):
        first, last = offsets[event], offsets[event + 1]
        colours = first + np.argsort(col[first:last])
        anticolours = first + np.argsort(acol[first:last])
        # Zeros, which stand for none, come first.
        n = np.count_nonzero(col[first:last])
        if n != np.count_nonzero(acol[first:last]):
            return event
        for k in range(last - first - n, last - first):
            tag = col[colours[k]]
            twice = k + 1 < last - first and (col[colours[k + 1]] == tag or acol[anticolours[k + 1]] == tag)
            if acol[anticolours[k]] != tag or twice:
                return event
            following[colours[k]] = anticolours[k]
    return -1


@kernel
def _follow_colours(following, has_anticolour, offsets, rows, starts):
    """Fill `rows` and `starts`, return the number of strings."""
    seen = np.zeros(len(following), np.bool_)
    n = n_strings = 0
    for event in range(len(offsets) - 1):
        for only_quarks in (True, False):  # what no quark leads to lies in loops of gluons
            for first in range(offsets[event], offsets[event + 1]):
                if seen[first] or (only_quarks and has_anticolour[first]):
                    continue
                starts[n_strings] = n
                n_strings += 1
                k = first
                while not seen[k]:
                    seen[k] = True
                    rows[n] = k
                    n += 1
                    k = following[k]
    return n_strings
