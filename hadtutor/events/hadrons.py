"""The final hadrons of events as flat arrays with offsets, and their way to other programs and back.

Nothing is padded; `Hadrons.to_padded` makes a rectangle with an explicit mask where a network wants one.
"""

from dataclasses import dataclass

import numpy as np

from .ragged import Events, row


@dataclass(frozen=True, eq=False)
class Hadrons(Events):
    """The final hadrons of N events.

    In the order of making: hadron k of a string event comes from break k of its accepted chain, and
    the last two are the pair that shared the rest.

    Attributes
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    px, py, pz, e : ndarray, shape (rows,)
        Momentum and energy [GeV]; e > 0.
    pid : ndarray of int32, shape (rows,)
        PDG code.
    """

    offsets: np.ndarray
    px: np.ndarray = row()
    py: np.ndarray = row()
    pz: np.ndarray = row()
    e: np.ndarray = row()
    pid: np.ndarray = row()

    def __post_init__(self):
        self._check_offsets(self.offsets, len(self.px), "hadrons")
        self._check_kinds(whole=("pid",))

    def __repr__(self):
        return f"Hadrons({len(self)} events, {len(self.px)} hadrons)"

    def where(self, keep):
        """The same events with only some of their hadrons.

        Parameters
        ----------
        keep : array_like of bool, shape (rows,)
            True for the hadrons that stay.

        Returns
        -------
        Hadrons
            As many events as before; some may be empty.

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
        keep = np.asarray(keep)
        if keep.dtype != bool or keep.shape != self.px.shape:
            raise ValueError(f"keep must hold {len(self.px)} bools, one per hadron; got {keep.dtype}, {keep.shape}")
        offsets = np.concatenate([[0], np.cumsum(keep)])[self.offsets]
        return Hadrons(offsets, *(getattr(self, c)[keep] for c in self._row_fields()))

    def to_padded(self, columns=("px", "py", "pz", "e")):
        """Rectangle of hadrons with a mask.

        Parameters
        ----------
        columns : sequence of str
            Names of the attributes to take.

        Returns
        -------
        x : ndarray, shape (N, K, F)
            K the largest multiplicity, F the number of columns.
        mask : ndarray of bool, shape (N, K)
            True where there is a hadron; only the mask says so.
        """
        return self._padded(self.offsets, columns)

    def to_awkward(self):
        """The same hadrons as an awkward array, for the tools of scikit-hep.

        Returns
        -------
        awkward.Array, type N * var * Momentum4D[px, py, pz, E, pid]
            N lists of `vector` momenta: ``.pt``, ``.eta``, ``.mass``, sums and boosts work. It looks at
            the same memory as the columns here, so do not write into either.

        Raises
        ------
        ImportError
            If awkward or vector is not installed.

        Examples
        --------
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.array([[3.0, 0], [0, 1], [0, 0], [5, 2]]), np.array([211, 111]))
        >>> events = hadrons.to_awkward()
        >>> events.mass.tolist()
        [[4.0, 1.7320508], []]
        >>> Hadrons.from_awkward(events[events.pt > 2])
        Hadrons(2 events, 1 hadrons)
        """
        from . import formats

        return formats.to_awkward(self)

    @classmethod
    def from_awkward(cls, array):
        """Hadrons from an awkward array.

        Parameters
        ----------
        array : awkward.Array
            N lists of records, or a record of N lists each, with the fields px, py, pz, pid and one of
            e, E or energy [GeV]. Other fields are left out.

        Returns
        -------
        Hadrons
            Floating-point columns keep their type, whole numbers become float64, PDG codes int32. The
            numbers are not copied where they lie in memory as here; do not write into them.

        Raises
        ------
        ImportError
            If awkward is not installed.
        TypeError
            If `array` is something else.
        ValueError
            If a field is missing, is no list of numbers per event, or may have missing values (None).
        """
        from . import formats

        return formats.from_awkward(array)

    def to_parquet(self, path):
        """Write the hadrons to a Parquet file, which awkward, pandas and most data frames read.

        One row per event with the lists px, py, pz, e and pid. All numbers come back bit by bit and with
        their type, infinite ones and NaN too.

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.

        Raises
        ------
        ImportError
            If pyarrow is not installed.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.ones((4, 2)), np.array([211, 111]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hadrons.to_parquet(pathlib.Path(folder, "events.parquet"))
        ...     Hadrons.from_parquet(pathlib.Path(folder, "events.parquet"))
        Hadrons(2 events, 2 hadrons)
        """
        from . import formats

        formats.to_parquet(self, path)

    @classmethod
    def from_parquet(cls, path):
        """Read hadrons from a Parquet file, one row per event.

        Parameters
        ----------
        path : str or Path
            With columns of lists px, py, pz, pid and one of e, E or energy [GeV]; others are left out.

        Returns
        -------
        Hadrons
            Floating-point columns keep their type, whole numbers become float64, PDG codes int32.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is damaged, truncated, of another kind, or lacks a column or a value.
        """
        from . import formats

        return formats.from_parquet(path)

    def to_hepmc(self, path, energy, progress=True):
        """Write the hadrons to a HepMC3 file, which Rivet and detector simulations read.

        Each event is e- e+ -> Z -> hadrons at one point, in GeV and mm, with weight 1: massless beams
        (status 4) of half the energy each, e- along +z, a Z at rest (status 2), and the hadrons
        (status 1). Their mass is sqrt(max(0, E² - p²)), so it has the rounding errors of E and p. Momenta
        have 17 digits, enough for float64 to come back exactly.

        Parameters
        ----------
        path : str or Path
            Compressed where the name ends in .gz, .bz2 or .xz. Replaced only once the new file is complete.
        energy : float
            Energy of the collision [GeV], that of the strings; it is not compared with the hadrons.
        progress : bool
            Whether to show a progress bar when the work takes more than a few seconds.

        Raises
        ------
        ImportError
            If pyhepmc is not installed.
        ValueError
            If the energy is not positive, or a momentum is not finite; the event is named.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> hadrons = Hadrons(np.array([0, 2, 2]), *np.ones((4, 2)), np.array([211, 111]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hadrons.to_hepmc(pathlib.Path(folder, "events.hepmc"), energy=90.0)
        ...     Hadrons.from_hepmc(pathlib.Path(folder, "events.hepmc"))
        Hadrons(2 events, 2 hadrons)
        """
        from . import formats

        formats.to_hepmc(self, path, energy, progress)

    @classmethod
    def from_hepmc(cls, path, progress=True):
        """Read the final particles (status 1) of a HepMC3 or HepMC2 text file, by whatever generator.

        Parameters
        ----------
        path : str or Path
            Compressed where the name ends in .gz, .bz2 or .xz.
        progress : bool
            Whether to show a progress bar when the work takes more than a few seconds.

        Returns
        -------
        Hadrons
            Photons and leptons are in it too where the generator made them. In the order of the file
            (HepMC2: in the order in which HepMC3 keeps them), float64, in GeV. Weights, event numbers and
            everything else are left out.

        Raises
        ------
        ImportError
            If pyhepmc is not installed.
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is truncated, of another kind, or not to be read as a whole; also where a number is not
            finite. The format has no checksum, so nothing tells that a digit has changed.
        """
        from . import formats

        return formats.from_hepmc(path, progress)
