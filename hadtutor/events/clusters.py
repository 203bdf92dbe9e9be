"""Histories of clusters: how they formed, broke up and decayed."""

from dataclasses import dataclass

import numpy as np

from .ragged import Events, row

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
