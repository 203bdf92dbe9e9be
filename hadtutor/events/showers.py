r"""Parton showers: the partons of e⁺e⁻ → Z/γ* → q q̄ events just before they hadronize, with their colours.

A shower is a cascade of branchings q → qg, g → gg and g → qq̄. In the limit of many colours each colour line ends on
exactly one anticolour, so the partons of an event fall into strings: from a quark over gluons to an antiquark.
`Showers.colour_order` finds them; a string model stretches its strings, a cluster model forms its clusters, between
neighbours in that order.

Bring your own: make a `Showers` from arrays in any order, with colour tags as in the Les Houches accord
:cite:p:`boos2001generic`, and `Showers.save` it. `hadtutor.pythia.shower` makes them with real Pythia.
"""

import numbers
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..files import DataFileError, read_arrays, write_arrays
from .ragged import Events, row

GLUON = 21
PARTON_MASSES = {1: 0.33, 2: 0.33, 3: 0.5, 4: 1.5, 5: 4.8, GLUON: 0.0}
"""PDG code of a parton to the mass that Pythia gives it [GeV]; antiquarks weigh what quarks do."""


@dataclass(frozen=True, eq=False)
class Showers(Events):
    """The partons of N events after the shower.

    Attributes
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    px, py, pz, e : ndarray, shape (rows,)
        Momentum and energy [GeV].
    pid : ndarray of int32, shape (rows,)
        PDG code: 1 to 5 for quarks, negative for antiquarks, 21 for gluons.
    col, acol : ndarray of int32, shape (rows,)
        Colour and anticolour tag, 0 for none. Within an event a tag stands once as a colour and once as an anticolour.
    energy : float
        Centre-of-mass energy √s [GeV].

    Raises
    ------
    ValueError
        If the arrays do not fit together, a momentum is not finite, a code is not a parton's, or colours do not
        match; the message names the event.

    Examples
    --------
    A quark and an antiquark of 50 GeV each, back to back:

    >>> Showers(np.array([0, 2]), np.zeros(2), np.zeros(2), np.array([50.0, -50.0]), np.array([50.0, 50.0]),
    ...         np.array([2, -2]), np.array([101, 0]), np.array([0, 101]), 100.0)
    Showers(1 events, 2 partons, 100 GeV)
    """

    offsets: np.ndarray
    px: np.ndarray = row()
    py: np.ndarray = row()
    pz: np.ndarray = row()
    e: np.ndarray = row()
    pid: np.ndarray = row()
    col: np.ndarray = row()
    acol: np.ndarray = row()
    energy: float

    def __post_init__(self):
        self._check_offsets(self.offsets, len(self.px), "partons")
        self._check_kinds(whole=("pid", "col", "acol"), flags=("perturbative",))
        if not isinstance(self.energy, numbers.Real) or not (np.isfinite(self.energy) and self.energy > 0):
            raise ValueError(f"energy must be positive and finite (GeV), got {self.energy!r}")
        self._refuse(~np.isin(abs(self.pid), list(PARTON_MASSES)) | (self.pid == -GLUON), "a code that is no parton's")
        self._refuse(~np.isfinite(self.px + self.py + self.pz + self.e), "a momentum that is not finite")
        self._refuse((self.col < 0) | (self.acol < 0), "a negative colour tag; 0 means none")
        kind = np.where(self.pid == GLUON, 0, self.pid)
        wrong = ((self.col > 0) != (kind >= 0)) | ((self.acol > 0) != (kind <= 0))
        self._refuse(wrong, "a parton of the wrong colour: quarks have only col, antiquarks only acol, gluons both")
        self._following()

    def _following(self):
        """For each parton the row of the one with its colour as anticolour; an antiquark's own, since it has none."""
        following = np.arange(len(self.pid))
        tags = (tags.astype(np.int64, copy=False) for tags in (self.col, self.acol))
        wrong = _match_colours(self.offsets, *tags, following)
        if wrong >= 0:
            raise ValueError(f"event {wrong}: each colour tag must stand once as a colour and once as an anticolour")
        return following

    def __repr__(self):
        return f"Showers({len(self)} events, {len(self.px)} partons, {self.energy:g} GeV)"

    def colour_order(self):
        """Partons along the strings they form, event by event.

        Returns
        -------
        rows : ndarray of int64, shape (rows,)
            Rows of the partons, string after string, each from its quark to its antiquark; a closed loop of gluons
            begins at its first gluon.
        string_offsets : ndarray of int64, shape (strings + 1,)
            String s owns the entries of `rows` from ``string_offsets[s]`` to ``string_offsets[s + 1]``.

        Examples
        --------
        >>> import hadtutor as ht
        >>> showers = ht.datasets.load("pythia-showers-91")
        >>> rows, string_offsets = showers.colour_order()
        >>> bool((showers.pid[rows[string_offsets[:-1]]] < 6).all())  # every string begins with a quark
        True
        """
        rows = np.empty(len(self.pid), np.int64)
        starts = np.empty(len(self.pid) + 1, np.int64)
        n_strings = _follow_colours(self._following(), self.acol > 0, self.offsets, rows, starts)
        return rows, np.append(starts[:n_strings], len(rows))

    def save(self, path):
        """Write the partons to one compressed file (NumPy's npz with a header), without rounding.

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        """
        columns = {name: column for name, column in self._columns().items() if name != "energy"}
        write_arrays(path, columns, {"energy": float(self.energy)})

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Showers

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        columns, header = read_arrays(path)
        try:
            return cls(**columns, energy=header["energy"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{path} does not hold parton showers: {error}") from error


@dataclass(frozen=True, eq=False)
class Constituents(Showers):
    """Quarks and antiquarks on their constituent mass shell, ready to form clusters; no gluons are left.

    Attributes
    ----------
    perturbative : ndarray of bool, shape (rows,)
        True for quarks of the shower, False for those that a gluon split into. The other columns are as in `Showers`.

    Raises
    ------
    ValueError
        As `Showers`; also if there is a gluon.
    """

    perturbative: np.ndarray = row()

    def __post_init__(self):
        super().__post_init__()
        self._refuse(self.pid == GLUON, "a gluon among its constituents")

    def __repr__(self):
        return f"Constituents({len(self)} events, {len(self.px)} quarks and antiquarks, {self.energy:g} GeV)"


@njit(nogil=True)
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


@njit(nogil=True)
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
