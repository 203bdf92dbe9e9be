"""The final hadrons of events as flat arrays with offsets, and their way to other programs and back."""

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
    the pair that shared the rest. The columns may be lists, too. TypeError, ValueError: they are no numbers, or do not
    fit together; momenta that are not finite pass.

    Attributes
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    px, py, pz, e : ndarray, shape (rows,)
        Momentum and energy [GeV]; e > 0.
    pid : ndarray of int32, shape (rows,)
        PDG code.

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

    def where(self, keep: ArrayLike) -> "Hadrons":
        """The same events, as many as before, with only the hadrons for which `keep`, shape (rows,), is True."""
        keep = plain(keep, "keep")
        if keep.dtype != bool or keep.shape != self.px.shape:
            raise ValueError(f"keep must hold {len(self.px)} bools, one per hadron; got {keep.dtype}, {keep.shape}")
        offsets = np.concatenate([[0], np.cumsum(keep)])[self.offsets]
        return self._take(keep, offsets=offsets)

    def to_padded(self, columns: str | Sequence[str] = ("px", "py", "pz", "e")) -> tuple[np.ndarray, np.ndarray]:
        """Rectangle of the `columns` of the hadrons, shape (N, K, F), and a mask (N, K) that alone says where one is.

        K is the largest multiplicity, F the number of columns, the names of attributes.
        """
        return self._padded(self.offsets, columns)

    def to_awkward(self, *, log_w: Any = None) -> Any:
        """The same hadrons as an awkward array, for the tools of scikit-hep.

        Parameters
        ----------
        log_w : array_like, mapping of str to array_like, or anything with an attribute ``log_w``; optional
            Log weights of the events, shape (N,), or several of them by name; NaN and infinity are a ValueError.

        Returns
        -------
        awkward.Array, type N * var * Momentum4D[px, py, pz, E, pid]
            N lists of `vector` momenta: ``.pt``, ``.eta``, ``.mass``, sums and boosts work. It looks at the same memory
            as the columns here, so do not write into either. With weights, N records of these lists (``hadrons``) and
            of ``log_w``, which is a number, or a record of those with names.

        Examples
        --------
        >>> hadrons = Hadrons([0, 2, 2], *np.array([[3.0, 0], [0, 1], [0, 0], [5, 2]]), [211, 111])
        >>> events = hadrons.to_awkward()
        >>> events.mass.tolist(), Hadrons.from_awkward(events[events.pt > 2])
        ([[4.0, 1.7320508], []], Hadrons(2 events, 1 hadrons))
        """
        return formats.to_awkward(self.offsets, self._columns(), formats.named_weights(log_w, len(self)))

    @classmethod
    def from_awkward(cls, array: Any, *, weights: bool = False) -> Any:
        """Hadrons from an awkward array; with `weights` also their ``log_w``, a dict of name to ndarray, shape (N,).

        The `array` is N lists of records, or a record of N lists each, with the fields px, py, pz, pid and one of e, E
        or energy [GeV], or what `to_awkward` makes with weights; other fields are left out. Floating-point columns keep
        their type, whole numbers become float64, PDG codes int32. Numbers are not copied where they lie in memory as
        here; do not write into them. Weights without names are called ``"Default"``.
        TypeError, ValueError: a field is missing, no list of numbers per event, or may be None somewhere.
        """
        return cls._from(formats.from_awkward(array, weights), weights)

    def to_parquet(self, path: str | os.PathLike, *, log_w: Any = None) -> None:
        """Write the hadrons to a Parquet file at `path`, which awkward, pandas and most data frames read.

        One row per event with the lists px, py, pz, e and pid, and ``log_w`` if `log_w` is given as in `to_awkward`.
        All numbers come back bit by bit and with their type, infinite ones and NaN too.
        """
        formats.to_parquet(path, self.offsets, self._columns(), formats.named_weights(log_w, len(self)))

    @classmethod
    def from_parquet(cls, path: str | os.PathLike, *, weights: bool = False) -> Any:
        """Read hadrons from a Parquet file at `path`, a row per event; with `weights` also ``log_w`` (`from_awkward`).

        It has columns of lists px, py, pz, pid and one of e, E or energy [GeV], or one column of lists of such records,
        as awkward writes it; others are left out. A `DataFileError` says if it is damaged, truncated, of another kind,
        or lacks a column or a value.
        """
        return cls._from(formats.from_parquet(path, weights), weights)

    def to_hepmc(self, path: str | os.PathLike, energy: float, *, log_w: Any = None, progress: bool = True) -> None:
        """Write the hadrons to a HepMC3 file, which Rivet and detector simulations read.

        Each event is e- e+ -> Z -> hadrons at one point, in GeV and mm: massless beams (status 4) of half the energy
        each, e- along +z, a Z at rest (status 2), and the hadrons (status 1) with their `mass`. Momenta have 17 digits,
        enough for float64 to come back exactly; one that is not finite is a ValueError.

        Parameters
        ----------
        path : str or Path
            Compressed where the name ends in .gz, .bz2 or .xz.
        energy : float
            Energy of the collision [GeV], that of the strings; it is not compared with the hadrons.
        log_w, progress : as in `to_awkward`, bool
            Names are words without blanks, the first is the default of readers, and weights are 1 without; whether to
            show a progress bar when the work takes more than a few seconds.
        """
        columns, log_w = self._columns() | {"mass": self.mass}, formats.named_weights(log_w, len(self))
        formats.to_hepmc(path, self.offsets, columns, energy_gev(energy), log_w, progress)

    @classmethod
    def from_hepmc(cls, path: str | os.PathLike, *, weights: bool = False, progress: bool = True) -> Any:
        """Read the final particles (status 1) of a HepMC3 or HepMC2 text file at `path`, by whatever generator.

        It may be compressed with gzip, bz2 or xz, or a pipe. Hadrons come in its order, float64, in GeV, photons and
        leptons too where the generator made them. With `weights` also the log of each weight, a dict of name to ndarray
        of shape (N,), -inf where a weight is zero. `progress` allows a bar when the work lasts a few seconds.

        A `DataFileError` says if it is truncated, of another kind, or not to be read as a whole, or a weight that was
        asked for has no logarithm; there is no checksum: a changed digit goes unnoticed. A UserWarning says if no
        particle has status 1, but some have one that HepMC leaves to the generators.
        """
        return cls._from(formats.from_hepmc(path, weights, progress), weights)

    @classmethod
    def _from(cls, read, weights):
        offsets, columns, log_w = read
        return (cls(offsets, **columns), log_w) if weights else cls(offsets, **columns)
