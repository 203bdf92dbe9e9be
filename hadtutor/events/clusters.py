"""Histories of clusters: how they formed, broke up and decayed."""

from dataclasses import dataclass, field

import numpy as np

from .ragged import FLAG, REAL, WHOLE, Code, Events


class Fate(Code):
    """What became of a cluster (`Clusters.fate`): a whole number, with ``words`` that say what it means."""

    WAITING = 0, "not hadronized"
    FISSION = 1, "broke into two clusters"
    PAIR = 2, "decayed into two hadrons"
    SINGLE = 3, "turned into one hadron"


WAITING, FISSION, PAIR, SINGLE = map(int, Fate)  # for kernels: numba freezes plain numbers


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Events):
    """The clusters of N events: those formed after the shower first, then what they broke into.

    A cluster is a quark and an antiquark. In its rest frame they fly apart back to back, so that its momentum, its
    flavours and one direction say everything. ValueError: the arrays do not fit together, or hold what cannot be.

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
    parent, fate : ndarray of int32, of int8, shape (rows,)
        Number, within the event, of the cluster that this one is a part of, -1 for those formed after the shower; and a
        `Fate`: WAITING (0), FISSION (1), PAIR (2) or SINGLE (3).
    formed_mass : ndarray, shape (rows,), or None
        Mass with which each was made [GeV], before a single hadron took another; None in files of earlier versions.
    """

    mass: np.ndarray = field(metadata=REAL)
    quark: np.ndarray = field(metadata=WHOLE)
    antiquark: np.ndarray = field(metadata=WHOLE)
    quark_perturbative: np.ndarray = field(metadata=FLAG)
    antiquark_perturbative: np.ndarray = field(metadata=FLAG)
    axis_x: np.ndarray = field(metadata=REAL)
    axis_y: np.ndarray = field(metadata=REAL)
    axis_z: np.ndarray = field(metadata=REAL)
    parent: np.ndarray = field(metadata=WHOLE)
    fate: np.ndarray = field(metadata=WHOLE)
    formed_mass: np.ndarray | None = field(default=None, metadata=REAL)
    _unit = "clusters"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(~np.isfinite(self.px + self.py + self.pz + self.e + self.mass), "a cluster that is not finite")
        if self.formed_mass is not None:
            self._refuse(~np.isfinite(self.formed_mass), "a cluster that is not finite")
        self._refuse((self.fate < WAITING) | (self.fate > SINGLE), "a cluster whose fate is not one of 0 to 3")
        n_clusters = np.repeat(self.multiplicity, self.multiplicity)
        self._refuse((self.parent < -1) | (self.parent >= n_clusters), "a cluster whose parent is not in the event")
        self._refuse((self.quark < 1) | (self.quark > 5), "a cluster whose quark is not one of 1 to 5")
        self._refuse((self.antiquark < -5) | (self.antiquark > -1), "a cluster whose antiquark is not one of -1 to -5")

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self.primary.sum()} primary)"

    @property
    def primary(self) -> np.ndarray:
        """Whether each cluster was formed after the shower and not by fission, bool of shape (rows,)."""
        return self.parent < 0

    @property
    def n_hadrons(self) -> np.ndarray:
        """Hadrons of each cluster, shape (rows,): the first belong to the first cluster, and so on."""
        return np.array([0, 0, 2, 1])[self.fate]

    @property
    def unfinished(self) -> np.ndarray:
        """Numbers of the events that could not be hadronized: with clusters that wait, or without any."""
        waiting = np.bincount(self.event[self.fate == WAITING], minlength=len(self)) > 0
        return np.flatnonzero(waiting | (self.multiplicity == 0))
