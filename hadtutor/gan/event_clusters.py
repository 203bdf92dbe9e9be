"""Events of clusters in batches, and the hadrons that a generator makes of them."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..events.clusters import SINGLE
from ..kinematics.tensor import helicity_axes, rotate, to_rest_frame, two_body
from ..training.batches import rows_of
from .directions import conditions, leading, momenta, pair_rows


class ClusterBatch(NamedTuple):
    """Some events as the generators take them; rows are clusters that decay in two hadrons."""

    condition: Tensor  # (rows, 3)
    p: Tensor  # (rows, 4) [GeV]
    mass: Tensor  # (rows,) [GeV]
    axes: Tensor  # (rows, 3, 3) of the helicity frame
    leading: Tensor  # (rows,) +1 if the leading hadron is that with the quark
    flavour: Tensor  # (rows,) row in the table of pairs
    direction: Tensor  # (rows, 3) of the hadron with the quark at rest, in the axes of the lab, as it was simulated
    m1: Tensor  # (rows,) masses of both hadrons, as they were simulated [GeV]
    m2: Tensor  # (rows,)
    event: Tensor  # (rows,) event of each cluster
    single: Tensor  # (singles, 4) momenta of hadrons that are the only one of their cluster [GeV]
    single_pid: Tensor  # (singles,)
    single_event: Tensor  # (singles,)
    n_events: int


class EventClusters:
    """Clusters of events, whose decays a generator is to make anew: data for `hadtutor.training.train`.

    Parameters
    ----------
    sample : Sample
        Of clusters, see `hadtutor.hadronize_clusters`; else a TypeError.
    dtype : torch.dtype
    device : torch.device or str

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:10]
    >>> events = EventClusters(ht.hadronize_clusters(showers, rng=np.random.default_rng(1)))
    >>> events[torch.tensor([3, 4])].n_events
    2
    """

    def __init__(self, sample: Any, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> None:
        rows, first = pair_rows(sample)
        hadrons, clusters = sample.hadrons, sample.histories
        of_hadrons = momenta(hadrons)
        p, mass = momenta(clusters)[rows], torch.as_tensor(clusters.mass[rows], dtype=torch.float64)
        masses = (of_hadrons[:, 3] ** 2 - of_hadrons[:, :3].square().sum(1)).clamp(min=0).sqrt()
        flavour = torch.as_tensor(5 * (clusters.quark[rows] - 1) - clusters.antiquark[rows] - 1)
        singles = np.flatnonzero(clusters.fate == SINGLE)
        rows_of_singles = (np.cumsum(clusters.n_hadrons) - clusters.n_hadrons)[singles]

        def put(x, kind=dtype):
            return torch.as_tensor(x).to(device=device, dtype=kind)

        self._pairs = {
            "condition": put(conditions(clusters)[rows]), "p": put(p), "mass": put(mass),
            "axes": put(helicity_axes(p[:, :3])), "leading": put(leading(clusters)[rows]),
            "flavour": put(flavour, torch.int64), "m1": put(masses[first]), "m2": put(masses[first + 1]),
            "direction": put(normalize(to_rest_frame(p, mass, of_hadrons[first])[:, :3])),
        }  # fmt: skip
        single_pid = put(hadrons.pid[rows_of_singles], torch.int64)
        self._singles = {"single": put(of_hadrons[rows_of_singles]), "single_pid": single_pid}
        edges = np.arange(len(clusters) + 1)
        self._pair_offsets = put(np.searchsorted(clusters.event[rows], edges), torch.int64)
        self._single_offsets = put(np.searchsorted(clusters.event[singles], edges), torch.int64)

    def __len__(self) -> int:
        return len(self._pair_offsets) - 1

    def __getitem__(self, index: Tensor) -> ClusterBatch:
        rows, event = rows_of(self._pair_offsets, index)
        singles, single_event = rows_of(self._single_offsets, index)
        columns = {name: x[rows] for name, x in self._pairs.items()}
        columns |= {name: x[singles] for name, x in self._singles.items()}
        return ClusterBatch(**columns, event=event, single_event=single_event, n_events=len(index))


def hadrons_of(clusters: ClusterBatch, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Momenta [GeV] and events of all hadrons in the lab, shapes (hadrons, 4) and (hadrons,), differentiable.

    The hadrons with the quarks come first, then those with the antiquarks, then the single ones.

    Parameters
    ----------
    clusters : ClusterBatch
    direction : Tensor, shape (rows, 3)
        Unit vectors of the leading hadrons in the helicity frames.
    """
    of_quark = rotate(direction, clusters.axes) * clusters.leading.unsqueeze(1)
    return in_the_lab(clusters, of_quark, clusters.m1, clusters.m2)


def in_the_lab(clusters: ClusterBatch, of_quark: Tensor, m1: Tensor, m2: Tensor) -> tuple[Tensor, Tensor]:
    """The same for directions of the hadrons with the quarks, in the axes of the lab, and masses of both hadrons."""
    pairs = two_body(clusters.p, clusters.mass, of_quark, m1, m2)
    return torch.cat([*pairs, clusters.single]), torch.cat([clusters.event, clusters.event, clusters.single_event])
