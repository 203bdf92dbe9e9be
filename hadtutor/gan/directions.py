"""Decays of clusters as a network sees them: conditions and directions."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..events.clusters import PAIR, Clusters
from ..events.hadrons import Hadrons
from ..kinematics.tensor import helicity_axes, to_rest_frame


class Decays(NamedTuple):
    """Decays of clusters in two hadrons, see `decays`; float32, shape (rows, 3).

    `condition` is what is known of each cluster, see `conditions`; `direction` the unit vector along the leading hadron
    in the helicity frame.
    """

    condition: Tensor
    direction: Tensor

    @property
    def perturbative(self) -> Tensor:
        """Whether each cluster has a perturbative constituent, bool of shape (rows,)."""
        return self.condition[:, 2] > 0.5

    def where(self, keep: Any) -> "Decays":
        """Some of the decays: `keep` is a mask, row numbers, or a slice."""
        return Decays(self.condition[keep], self.direction[keep])


def conditions(clusters: Clusters) -> Tensor:
    """What the networks know of `clusters`: ln of the mass [GeV], the rapidity, whether a constituent is perturbative.

    Float32, shape (rows, 3); nothing in it depends on how the event is turned.
    """
    size = np.sqrt(clusters.px**2 + clusters.py**2 + clusters.pz**2)
    perturbative = clusters.quark_perturbative | clusters.antiquark_perturbative
    columns = [np.log(clusters.mass), np.arcsinh(size / clusters.mass), perturbative]
    return torch.as_tensor(np.stack(columns, 1), dtype=torch.float32)


def with_pseudorapidity(direction: Tensor) -> Tensor:
    r"""Directions and their pseudorapidities :math:`\operatorname{artanh}\cos\theta`, shape (rows, 4).

    What a discriminator is shown. Near the poles, where hadrons are most dense, all components of `direction`, shape
    (rows, 3), are nearly the same, and a discriminator with a penalty on its slope cannot tell them apart; the
    pseudorapidity goes on growing.

    Examples
    --------
    >>> with_pseudorapidity(torch.tensor([[0.0, 1.0, 0.0], [0.02, 0.0, 0.9998]]))[:, 3].numpy().round(2).tolist()
    [0.0, 4.61]
    """
    across = torch.hypot(direction[:, :1], direction[:, 1:2]).clamp(min=torch.finfo(direction.dtype).eps)
    return torch.cat([direction, torch.asinh(direction[:, 2:] / across)], 1)


def leading(clusters: Clusters) -> Tensor:
    """Which hadron of `clusters` leads: +1 that with the quark, -1 that with the antiquark; float64, shape (rows,)."""
    of_antiquark = clusters.antiquark_perturbative & ~clusters.quark_perturbative
    return torch.as_tensor(np.where(of_antiquark, -1.0, 1.0))


def momenta(columns: Hadrons | Clusters) -> Tensor:
    """Four-momenta px, py, pz, E [GeV] of hadrons or clusters, their `columns`; float64, shape (rows, 4)."""
    return torch.as_tensor(columns.p4, dtype=torch.float64)


def pair_rows(sample: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the decays in two hadrons are: rows of clusters, and of the hadrons with the quark; int64, shape (pairs,).

    The hadron with the antiquark follows that with the quark. A TypeError if `sample` has no clusters.
    """
    clusters = getattr(sample, "histories", None)
    if not isinstance(clusters, Clusters):
        raise TypeError(f"a sample with clusters is wanted, see hadronize_clusters; got {sample!r}")
    first = np.cumsum(clusters.n_hadrons) - clusters.n_hadrons
    rows = np.flatnonzero(clusters.fate == PAIR)
    return rows, first[rows]


def decays(sample: Any) -> Decays:
    """All decays in two hadrons of a sample, in the order of the clusters.

    Parameters
    ----------
    sample : Sample
        Of clusters, see `hadtutor.hadronize_clusters`; else a TypeError.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:200]
    >>> truth = decays(ht.hadronize_clusters(showers, rng=np.random.default_rng(1), pions_only=True))
    >>> tuple(truth.direction.shape), bool(truth.direction[truth.perturbative][:, 2].mean() > 0.3)
    ((2105, 3), True)
    """
    rows, first = pair_rows(sample)
    clusters = sample.histories
    p, mass = momenta(clusters)[rows], torch.as_tensor(clusters.mass[rows], dtype=torch.float64)
    k = to_rest_frame(p, mass, momenta(sample.hadrons)[first])[:, :3]
    direction = normalize((helicity_axes(p[:, :3]) @ k.unsqueeze(2)).squeeze(2))
    return Decays(conditions(clusters)[rows], (direction * leading(clusters)[rows, None]).float())
