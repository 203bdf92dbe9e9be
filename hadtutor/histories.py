"""Events as flat arrays: how they came about, and with what was seen, the `Hadrons` (`Sample`).

Strings have `Histories`, with all their breaks, clusters have `Clusters`, with their parents.

Ragged data is flat with offsets: event i owns the rows ``offsets[i]:offsets[i + 1]``, a chain owns
its breaks the same way. Nothing is padded; `to_padded` makes a rectangle with an explicit mask where
a network wants one.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from ._ragged import Events, Ragged, as_index, row, rows_of
from .files import DataFileError, read_arrays, write_arrays
from .hadrons import Hadrons
from .params import ClusterParams, LundMixture, LundParams

__all__ = ["Clusters", "Histories", "Sample"]

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


# What became of a cluster (`Clusters.fate`).
WAITING, FISSION, PAIR, SINGLE = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class Clusters(Events):
    """The clusters of N events: those formed after the shower first, then what they broke into.

    A cluster is a quark and an antiquark. In its rest frame they fly apart back to back, so that its momentum, its
    flavours and one direction say everything.

    Attributes
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    px, py, pz, e, mass : ndarray, shape (rows,)
        Momentum, energy and mass [GeV]. Where momentum was shared with a neighbour that became a single hadron, they
        are those after it: the sum of the hadrons, and for a single hadron its own.
    quark, antiquark : ndarray of int32, shape (rows,)
        PDG codes, 1 to 5 and -1 to -5.
    quark_perturbative, antiquark_perturbative : ndarray of bool, shape (rows,)
        Whether the constituent comes from the shower, not from a gluon's splitting or a cluster's fission.
    axis_x, axis_y, axis_z : ndarray, shape (rows,)
        Unit vector along the quark in the rest frame of the cluster.
    parent : ndarray of int32, shape (rows,)
        Number, within the event, of the cluster that this one is a part of; -1 for those formed after the shower.
    fate : ndarray of int8, shape (rows,)
        0 not hadronized, 1 fission into two clusters, 2 decay into two hadrons, 3 turned into one hadron.

    Raises
    ------
    ValueError
        If the arrays do not fit together, a number is not finite, or a code, a parent or a fate is none that can be;
        the message names the event.
    """

    offsets: np.ndarray
    px: np.ndarray = row()
    py: np.ndarray = row()
    pz: np.ndarray = row()
    e: np.ndarray = row()
    mass: np.ndarray = row()
    quark: np.ndarray = row()
    antiquark: np.ndarray = row()
    quark_perturbative: np.ndarray = row()
    antiquark_perturbative: np.ndarray = row()
    axis_x: np.ndarray = row()
    axis_y: np.ndarray = row()
    axis_z: np.ndarray = row()
    parent: np.ndarray = row()
    fate: np.ndarray = row()

    def __post_init__(self):
        self._check_offsets(self.offsets, len(self.px), "clusters")
        flags = ("quark_perturbative", "antiquark_perturbative")
        self._check_kinds(whole=("quark", "antiquark", "parent", "fate"), flags=flags)
        self._refuse(~np.isfinite(self.px + self.py + self.pz + self.e + self.mass), "a cluster that is not finite")
        self._refuse((self.fate < WAITING) | (self.fate > SINGLE), "a cluster whose fate is not one of 0 to 3")
        n_clusters = np.repeat(self.multiplicity, self.multiplicity)
        self._refuse((self.parent < -1) | (self.parent >= n_clusters), "a cluster whose parent is not in the event")
        self._refuse((self.quark < 1) | (self.quark > 5), "a cluster whose quark is not one of 1 to 5")
        self._refuse((self.antiquark < -5) | (self.antiquark > -1), "a cluster whose antiquark is not one of -1 to -5")

    def __repr__(self):
        return f"Clusters({len(self)} events, {len(self.px)} clusters, {(self.parent < 0).sum()} primary)"

    @property
    def primary(self):
        """Whether each cluster was formed after the shower and not by fission, bool of shape (rows,)."""
        return self.parent < 0

    @property
    def n_hadrons(self):
        """Hadrons of each cluster, shape (rows,): the first belong to the first cluster, and so on."""
        return np.array([0, 0, 2, 1])[self.fate]

    @property
    def unfinished(self):
        """Numbers of the events that could not be hadronized: with clusters that wait, or without any."""
        waiting = np.bincount(self.event[self.fate == WAITING], minlength=len(self)) > 0
        return np.flatnonzero(waiting | (self.multiplicity == 0))


@dataclass(frozen=True, eq=False)
class Sample:
    """Events with their histories, and the settings that made them.

    Attributes
    ----------
    hadrons : Hadrons
        N events.
    histories : Histories, Clusters or None
        The breaks of their strings or their clusters; None where they were not recorded.
    params : LundParams, LundMixture or ClusterParams
        Parameters of the model.
    energy : float
        Mass of the string, or centre-of-mass energy of the showers [GeV].
    quark : str or None
        Flavour at the +z end of a string, ``"u"`` or ``"d"``; the other end carries its antiquark. None for clusters.
    """

    hadrons: Hadrons
    histories: Histories | Clusters | None
    params: LundParams | LundMixture | ClusterParams
    energy: float
    quark: str | None = "u"

    def __len__(self):
        return len(self.hadrons)

    def __repr__(self):
        p = self.params
        if isinstance(p, ClusterParams):
            return (
                f"Sample({len(self)} events of clusters, {self.energy:g} GeV, "
                f"cl_max={p.cl_max:g}, cl_pow={p.cl_pow:g}, p_split={p.p_split:g})"
            )
        if isinstance(p, LundMixture):
            mixed = " + ".join(f"{share:g} × (a={c.a:g}, b={c.b:g})" for c, share in zip(*p, strict=True))
            return f"Sample({len(self)} events of a {self.quark} string, {self.energy:g} GeV, {mixed})"
        return (
            f"Sample({len(self)} events of a {self.quark} string, {self.energy:g} GeV, "
            f"a={p.a:g}, b={p.b:g}, sigma_pt={p.sigma_pt:g})"
        )

    def __getitem__(self, key):
        index = as_index(key, len(self))
        histories = None if self.histories is None else self.histories[index]
        return replace(self, hadrons=self.hadrons[index], histories=histories)

    @classmethod
    def concatenate(cls, samples):
        """Join samples made with the same settings, in order.

        Parameters
        ----------
        samples : sequence of Sample

        Returns
        -------
        Sample

        Raises
        ------
        ValueError
            If there is none, or the settings differ.
        """
        samples = list(samples)
        if not samples:
            raise ValueError("concatenate needs at least one sample")
        first = samples[0]
        for other in samples[1:]:
            for name in ("params", "energy", "quark"):
                if getattr(other, name) != getattr(first, name):
                    raise ValueError(
                        f"samples differ in {name}: {getattr(first, name)} and {getattr(other, name)}; "
                        "keep them apart, or weight one to the other"
                    )
        has_histories = {s.histories is not None for s in samples}
        if len(has_histories) > 1:
            raise ValueError("some samples have histories and some do not; drop them with replace(histories=None)")
        hadrons = _join([s.hadrons for s in samples], {"offsets": "px"})
        histories = None
        if has_histories == {True}:
            histories = _join_histories(samples)
        return replace(first, hadrons=hadrons, histories=histories)

    def save(self, path):
        """Write the sample to one compressed file (NumPy's npz with a header).

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        """
        arrays = {f"hadrons.{k}": v for k, v in self.hadrons._columns().items()}
        if self.histories is not None:
            arrays |= {f"histories.{k}": v for k, v in self.histories._columns().items()}
        write_arrays(path, arrays, {"params": self.params._asdict(), "energy": self.energy, "quark": self.quark})

    @classmethod
    def load(cls, path):
        """Read a sample written by `save`.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Sample

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        arrays, header = read_arrays(path)
        try:
            hadrons = Hadrons(*(arrays[f"hadrons.{f.name}"] for f in fields(Hadrons)))
            histories = None
            of_clusters = header["quark"] is None
            kind = Clusters if of_clusters else Histories
            if any(name.startswith("histories.") for name in arrays):
                histories = kind(*(arrays[f"histories.{f.name}"] for f in fields(kind)))
            if "components" in header["params"]:
                params = LundMixture(
                    tuple(LundParams(*values) for values in header["params"]["components"]),
                    tuple(header["params"]["fractions"]),
                ).validate()
            else:
                params = (ClusterParams if of_clusters else LundParams)(**header["params"]).validate()
            return cls(hadrons, histories, params, float(header["energy"]), header["quark"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{path} is not a sample of events: {error}") from error


def _join_histories(samples):
    if isinstance(samples[0].histories, Clusters):
        return _join([s.histories for s in samples], {"offsets": "px"})
    histories = _join([s.histories for s in samples], {"chain_offsets": "z"})
    starts = np.repeat(np.cumsum([0] + [len(s) for s in samples[:-1]]), [s.histories.n_chains for s in samples])
    return replace(histories, event_of_chain=histories.event_of_chain + starts)


def _join(parts, offsets_of):
    columns = {}
    for name in parts[0]._columns():
        arrays = [getattr(p, name) for p in parts]
        if name in offsets_of:
            starts = np.cumsum([0] + [len(getattr(p, offsets_of[name])) for p in parts[:-1]])
            arrays = [arrays[0][:1]] + [a[1:] + s for a, s in zip(arrays, starts, strict=True)]
        columns[name] = np.concatenate(arrays)
    return type(parts[0])(**columns)
