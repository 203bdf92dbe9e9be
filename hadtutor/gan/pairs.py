"""Clusters as they may be guessed from hadrons: each hadron with its nearest neighbour."""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import normalize

from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..kinematics.tensor import angles, helicity_axes, to_rest_frame
from ..observables import rapidity, thrust_axes
from .directions import momenta


class Neighbours(NamedTuple):
    """Of each hadron that is not alone in its event, and its nearest neighbour, see `neighbours`; shape (rows,)."""

    distance: np.ndarray  # ΔR
    share: np.ndarray  # of the energy of both
    mass: np.ndarray  # of both together [GeV]
    azimuth: np.ndarray  # of the hadron in the helicity frame of both, scaled to ±1
    polar: np.ndarray  # the same of its polar angle
    event: np.ndarray


def neighbours(events: Sample | Hadrons) -> Neighbours:
    r"""Pair each hadron of `events` with the nearest in :math:`\Delta R = \sqrt{\Delta y^2 + \Delta\phi^2}`.

    Rapidity and azimuth are those about the thrust axis of the event. Nearest neighbours often come from one cluster;
    the angles of a hadron in the rest frame of the two stand for those of a decay, which cannot be seen.

    Examples
    --------
    >>> import hadtutor as ht
    >>> found = neighbours(ht.hadronize_clusters(ht.datasets.load("pythia-showers-91")[:50], rng=1))
    >>> bool((found.distance > 0).all()), round(float(found.share.mean()), 2) >= 0.4
    (True, True)
    """
    from scipy.spatial import cKDTree

    hadrons = events.hadrons if isinstance(events, Sample) else events
    axis = thrust_axes(hadrons)
    p, event = momenta(hadrons), hadrons.event
    inside = helicity_axes(torch.as_tensor(axis))[event] @ p[:, :3].unsqueeze(2)
    phi = np.arctan2(inside[:, 1, 0].numpy(), inside[:, 0, 0].numpy())
    # One tree for all events, which are set far apart along a third axis. The azimuth is periodic, so each hadron is
    # there three times; the turned ones of itself are 2π away.
    place = np.stack([rapidity(hadrons, axis), phi, 1e3 * event], 1)
    tree = cKDTree(np.concatenate([place + [0.0, turn, 0.0] for turn in (0.0, -2 * np.pi, 2 * np.pi)]))
    distance, index = tree.query(place, k=2)
    nearest = index[:, 1] % len(place)
    paired = np.flatnonzero((event[nearest] == event) & (nearest != np.arange(len(place))))
    one, other = p[paired], p[nearest[paired]]
    both = one + other
    mass = (both[:, 3] ** 2 - both[:, :3].square().sum(1)).clamp(min=1e-12).sqrt()
    at_rest = to_rest_frame(both, mass, one)[:, :3]
    scaled = angles(normalize((helicity_axes(both[:, :3]) @ at_rest.unsqueeze(2)).squeeze(2)))
    azimuth, polar = scaled.numpy().T
    share = (one[:, 3] / both[:, 3]).numpy()
    return Neighbours(distance[paired, 1], share, mass.numpy(), azimuth, polar, event[paired])
