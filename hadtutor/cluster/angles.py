"""Angles of decays: what the hadrons of a cluster remember of it."""

from typing import NamedTuple

import numpy as np

from .._support.kernels import kernel
from ..events.clusters import PAIR, Clusters
from ..events.sample import Sample
from ..kinematics.decays import direction_at_rest
from .rows import momenta


class Angles(NamedTuple):
    """Decays of clusters in two hadrons, one entry for each, in the order of events."""

    event: np.ndarray
    mass: np.ndarray  # GeV
    kind: np.ndarray  # 0 without a perturbative constituent, else 1 for one that is light, 2 for charm, 3 for bottom
    cosine: np.ndarray  # of the hadron with the quark: to the quark, and without a perturbative one to the flight


@kernel
def cosines(p, mass, axis, hadron):
    """cosθ between the axis of each cluster and its first hadron, in its rest frame; p, hadron of shape (4, rows)."""
    out = np.empty(len(mass))
    for i in range(len(mass)):
        k = hadron[:, i]
        x, y, z = direction_at_rest(p[0, i], p[1, i], p[2, i], p[3, i], mass[i], k[0], k[1], k[2], k[3])
        out[i] = x * axis[0, i] + y * axis[1, i] + z * axis[2, i]
    return out


def remembered(clusters: Clusters) -> np.ndarray:
    """Which constituents a decay may go by, quark and antiquark, bool of shape (2, rows).

    The perturbative ones; of two the heavier, if that is charm or bottom and the other is not.
    """
    seen = np.stack([clusters.quark_perturbative, clusters.antiquark_perturbative])
    heavy = np.stack([clusters.quark > 3, clusters.antiquark < -3])
    return np.where(seen.all(axis=0) & (heavy[0] != heavy[1]), heavy, seen)


def axes_of(clusters: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """What the angle of a decay is counted from, (3, rows), and its kind, (rows,), see `Angles`.

    Of two constituents the quark, whose direction is that of the antiquark but for its sign.
    """
    seen = remembered(clusters)
    of_one = np.where(seen[0], clusters.quark, -clusters.antiquark)
    kind = np.where(seen.any(axis=0), 1 + np.maximum(of_one - 3, 0), 0)
    flight = np.stack([clusters.px, clusters.py, clusters.pz]).astype(float)
    size = np.linalg.norm(flight, axis=0)
    flight = np.where(size > 0.0, flight, [[0.0], [0.0], [1.0]]) / np.where(size > 0.0, size, 1.0)
    along = np.stack([clusters.axis_x, clusters.axis_y, clusters.axis_z]).astype(float)
    return np.where(kind > 0, along, flight), kind


def check_hadrons(sample: Sample) -> Clusters:
    """The clusters of a `sample`; ValueError if its hadrons are not theirs."""
    clusters = sample.histories
    if not isinstance(clusters, Clusters):
        raise ValueError("the sample has no histories of clusters; make it with hadronize_clusters, which records them")
    other = np.bincount(clusters.event, clusters.n_hadrons, len(clusters)) != sample.hadrons.multiplicity
    if other.any():
        raise ValueError(
            f"event {np.argmax(other)}: its hadrons are not those of its clusters; were they decayed, or some left out?"
        )
    return clusters


def decay_angles(sample: Sample) -> Angles:
    """The `Angles` of a `sample` of clusters with its hadrons as they were made, else a ValueError."""
    clusters = check_hadrons(sample)
    row = np.flatnonzero(clusters.fate == PAIR)
    first = (np.cumsum(clusters.n_hadrons) - clusters.n_hadrons)[row]
    axis, kind = axes_of(clusters)
    p, mass, hadron = momenta(clusters)[:, row], clusters.mass[row].astype(float), momenta(sample.hadrons)[:, first]
    return Angles(clusters.event[row], mass, kind[row], np.clip(cosines(p, mass, axis[:, row], hadron), -1.0, 1.0))
