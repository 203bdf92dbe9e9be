"""The final hadrons of events as flat arrays with offsets, and their way to other programs and back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import energy_gev, plain
from ..particles import charge_of
from . import formats
from .ragged import WHOLE, Events


@dataclass(frozen=True, eq=False, repr=False)
class Hadrons(Events):
    """The final hadrons of N events.

    In the order of making: hadron k of a string event comes from break k of its accepted chain, and the last two are
    the pair that shared the rest.

    Attributes
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    px, py, pz, e : ndarray, shape (rows,)
        Momentum and energy [GeV]; e > 0.
    pid : ndarray of int32, shape (rows,)
        PDG code.

    Raises
    ------
    TypeError, ValueError
        If the columns, which may be lists too, are no numbers or do not fit together. Momenta that are not finite pass.

    Examples
    --------
    >>> hadrons = Hadrons([0, 2, 3], [3.0, 0, 1], [0.0, 1, 0], [4.0, 0, -1], [13.0, 2, 1.5], [211, 111, -211])
    >>> hadrons.pt, hadrons.charge
    (array([3., 1., 1.]), array([ 1,  0, -1]))
    """

    pid: np.ndarray = field(metadata=WHOLE)
    _unit = "hadrons"

    @property
    def mass(self) -> np.ndarray:
        """Rest mass [GeV], float64 of shape (rows,): sqrt(max(0, e² - p²)), with the rounding errors of e and p."""
        px, py, pz, e = self.p4.astype(float).T
        p = np.hypot(np.hypot(px, py), pz)
        with np.errstate(invalid="ignore"):  # infinite ones have none
            return np.sqrt(np.maximum(0.0, e - p)) * np.sqrt(np.maximum(0.0, e + p))

    @property
    def charge(self) -> np.ndarray:
        """Electric charge in units of the positron charge, shape (rows,)."""
        return charge_of(self.pid)

    def where(self, keep: ArrayLike) -> Hadrons:
        """The same events, as many as before, with only some of their hadrons.

        Parameters
        ----------
        keep : array_like of bool, shape (rows,)
            True for the hadrons that stay.

        Raises
        ------
        ValueError
            If `keep` is not one bool per hadron.

        Examples
        --------
        >>> hadrons = Hadrons(np.array([0, 2, 3]), *np.zeros((4, 3)), np.array([211, 111, 111], np.int32))
        >>> hadrons.where(hadrons.pid == 211).multiplicity
        array([1, 0])
        """
        keep = plain(keep, "keep")
        if keep.dtype != bool or keep.shape != self.px.shape:
            raise ValueError(f"keep must hold {len(self.px)} bools, one per hadron; got {keep.dtype}, {keep.shape}")
        offsets = np.concatenate([[0], np.cumsum(keep)])[self.offsets]
        return self._take(keep, offsets=offsets)

    def to_padded(self, columns: str | Sequence[str] = ("px", "py", "pz", "e")) -> tuple[np.ndarray, np.ndarray]:
        """Rectangle of hadrons with a mask.

        Parameters
        ----------
        columns : sequence of str
            Names of the attributes to take.

        Returns
        -------
        x, mask : ndarray, shape (N, K, F), and ndarray of bool, shape (N, K)
            K is the largest multiplicity, F the number of columns. Only the mask, True there, says where a hadron is.
        """
        return self._padded(self.offsets, columns)

    def to_awkward(self, *, log_w: Any = None) -> Any:
        """The same hadrons as an awkward array, for the tools of scikit-hep.

        Parameters
        ----------
        log_w : array_like, mapping of str to array_like, or anything with an attribute ``log_w``; optional
            Log weights of the events, shape (N,), or several of them by name.

        Returns
        -------
        awkward.Array, type N * var * Momentum4D[px, py, pz, E, pid]
            N lists of `vector` momenta: ``.pt``, ``.eta``, ``.mass``, sums and boosts work. It looks at the same memory
            as the columns here, so do not write into either. With weights, N records of these lists (``hadrons``) and
            of ``log_w``, which is a number, or a record of those with names.

        Raises
        ------
        ValueError
            If there is not one log weight per event, or one is NaN or infinitely large.

        Examples
        --------
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.array([[3.0, 0], [0, 1], [0, 0], [5, 2]]), np.array([211, 111]))
        >>> events = hadrons.to_awkward()
        >>> events.mass.tolist()
        [[4.0, 1.7320508], []]
        >>> Hadrons.from_awkward(events[events.pt > 2])
        Hadrons(2 events, 1 hadrons)
        >>> hadrons.to_awkward(log_w=[0.0, -0.5]).log_w.tolist()
        [0.0, -0.5]
        """
        return formats.to_awkward(self.offsets, self._columns(), formats.named_weights(log_w, len(self)))

    @classmethod
    def from_awkward(cls, array: Any, *, weights: bool = False) -> Any:
        """Hadrons from an awkward array.

        Parameters
        ----------
        array : awkward.Array
            N lists of records, or a record of N lists each, with the fields px, py, pz, pid and one of e, E or energy
            [GeV]; or what `to_awkward` makes with weights. Other fields are left out.
        weights : bool
            Whether to give the log weights, too.

        Returns
        -------
        hadrons : Hadrons
            Floating-point columns keep their type, whole numbers become float64, PDG codes int32. The numbers are not
            copied where they lie in memory as here; do not write into them.
        log_w : dict of str to ndarray, shape (N,)
            Only with `weights`: the field ``log_w``, called ``"Default"`` or by the names it has, if any.

        Raises
        ------
        TypeError, ValueError
            If `array` is something else, or a field is missing, no list of numbers per event, or may be None somewhere.
        """
        return cls._from(formats.from_awkward(array, weights), weights)

    def to_parquet(self, path: str | os.PathLike, *, log_w: Any = None) -> None:
        """Write the hadrons to a Parquet file, which awkward, pandas and most data frames read.

        One row per event with the lists px, py, pz, e and pid. All numbers come back bit by bit and with their type,
        infinite ones and NaN too.

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        log_w : as in `to_awkward`, with the same errors; optional
            Written as the column ``log_w``: of numbers, or of records where they have names.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.ones((4, 2)), np.array([211, 111]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hadrons.to_parquet(pathlib.Path(folder, "events.parquet"), log_w=[0.1, -0.2])
        ...     Hadrons.from_parquet(pathlib.Path(folder, "events.parquet"), weights=True)
        (Hadrons(2 events, 2 hadrons), {'Default': array([ 0.1, -0.2])})
        """
        formats.to_parquet(path, self.offsets, self._columns(), formats.named_weights(log_w, len(self)))

    @classmethod
    def from_parquet(cls, path: str | os.PathLike, *, weights: bool = False) -> Any:
        """Read hadrons from a Parquet file, one row per event.

        Parameters
        ----------
        path : str or Path
            With columns of lists px, py, pz, pid and one of e, E or energy [GeV], or with one column of lists of
            such records, as awkward writes it; others are left out.
        weights : bool
            Whether to give the log weights, too.

        Returns
        -------
        hadrons, log_w : Hadrons, dict of str to ndarray
            As in `from_awkward`, `log_w` from the column of this name, only with `weights`.

        Raises
        ------
        DataFileError
            If it is damaged, truncated, of another kind, or lacks a column or a value.
        """
        return cls._from(formats.from_parquet(path, weights), weights)

    def to_hepmc(self, path: str | os.PathLike, energy: float, *, log_w: Any = None, progress: bool = True) -> None:
        """Write the hadrons to a HepMC3 file, which Rivet and detector simulations read.

        Each event is e- e+ -> Z -> hadrons at one point, in GeV and mm: massless beams (status 4) of half the energy
        each, e- along +z, a Z at rest (status 2), and the hadrons (status 1) with their `mass`. Momenta have 17 digits,
        enough for float64 to come back exactly.

        Parameters
        ----------
        path : str or Path
            Compressed where the name ends in .gz, .bz2 or .xz. Replaced only once the new file is complete.
        energy : float
            Energy of the collision [GeV], that of the strings; it is not compared with the hadrons.
        log_w : as in `to_awkward`; optional
            The first of several is the default for those who read the file. Weights are 1 without it.
        progress : bool
            Whether to show a progress bar when the work takes more than a few seconds.

        Raises
        ------
        ValueError
            If the energy is not positive, a momentum is not finite, or there is not one log weight per event and name;
            the event is named. Names of weights are words without blanks.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.ones((4, 2)), np.array([211, 111]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hadrons.to_hepmc(pathlib.Path(folder, "events.hepmc"), energy=90.0, log_w={"a=0.6": np.zeros(2)})
        ...     Hadrons.from_hepmc(pathlib.Path(folder, "events.hepmc"), weights=True)
        (Hadrons(2 events, 2 hadrons), {'a=0.6': array([0., 0.])})
        """
        columns, log_w = self._columns() | {"mass": self.mass}, formats.named_weights(log_w, len(self))
        formats.to_hepmc(path, self.offsets, columns, energy_gev(energy), log_w, progress)

    @classmethod
    def from_hepmc(cls, path: str | os.PathLike, *, weights: bool = False, progress: bool = True) -> Any:
        """Read the final particles (status 1) of a HepMC3 or HepMC2 text file, by whatever generator.

        Parameters
        ----------
        path : str or Path
            Compressed with gzip, bz2 or xz, or not; a pipe will do.
        weights, progress : bool
            Whether to give the log weights, too, and to show a progress bar when the work lasts a few seconds.

        Returns
        -------
        hadrons : Hadrons
            In the order of the file, float64, in GeV; photons and leptons too where the generator made them. Event
            numbers and everything else are left out.
        log_w : dict of str to ndarray, shape (N,)
            Only with `weights`: the log of each weight by its name, -inf where it is zero.

        Raises
        ------
        DataFileError
            If it is truncated, of another kind, or not to be read as a whole; also where a number is not finite, or a
            weight that was asked for has no logarithm. The format has no checksum: a changed digit goes unnoticed.

        Warns
        -----
        UserWarning
            If no particle has status 1, but some have one that HepMC leaves to the generators.
        """
        return cls._from(formats.from_hepmc(path, weights, progress), weights)

    @classmethod
    def _from(cls, read, weights):
        offsets, columns, log_w = read
        return (cls(offsets, **columns), log_w) if weights else cls(offsets, **columns)
