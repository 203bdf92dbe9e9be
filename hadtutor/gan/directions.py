"""Decays of clusters as a network sees them: conditions and directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..events.clusters import PAIR, Clusters
from ..events.hadrons import Hadrons
from ..kinematics.tensor import helicity_axes, to_rest_frame


class Decays(NamedTuple):
    """Decays of clusters in two hadrons, see `decays`.

    Attributes
    ----------
    condition : Tensor of float32, shape (rows, 3)
        What is known of each cluster, see `conditions`.
    direction : Tensor of float32, shape (rows, 3)
        Unit vector along the leading hadron in the helicity frame.
    """

    condition: Tensor
    direction: Tensor

    @property
    def perturbative(self) -> Tensor:
        """Whether each cluster has a perturbative constituent, bool of shape (rows,)."""
        return self.condition[:, 2] > 0.5

    def where(self, keep: Any) -> Decays:
        """Some of the decays.

        Parameters
        ----------
        keep : Tensor of bool or int64, or slice
            A mask, row numbers, or a slice.

        Returns
        -------
        Decays
        """
        return Decays(self.condition[keep], self.direction[keep])


def conditions(clusters: Clusters) -> Tensor:
    """What the networks know of a cluster: ln of its mass [GeV], its rapidity, whether a constituent is perturbative.

    Parameters
    ----------
    clusters : Clusters

    Returns
    -------
    Tensor of float32, shape (rows, 3)
        Nothing in it depends on how the event is turned.
    """
    size = np.sqrt(clusters.px**2 + clusters.py**2 + clusters.pz**2)
    perturbative = clusters.quark_perturbative | clusters.antiquark_perturbative
    columns = [np.log(clusters.mass), np.arcsinh(size / clusters.mass), perturbative]
    return torch.as_tensor(np.stack(columns, 1), dtype=torch.float32)


def leading(clusters: Clusters) -> Tensor:
    """Which hadron leads: +1 that with the quark, -1 that with the antiquark.

    Parameters
    ----------
    clusters : Clusters

    Returns
    -------
    Tensor of float64, shape (rows,)
    """
    of_antiquark = clusters.antiquark_perturbative & ~clusters.quark_perturbative
    return torch.as_tensor(np.where(of_antiquark, -1.0, 1.0))


def momenta(columns: Hadrons | Clusters) -> Tensor:
    """Four-momenta of hadrons or clusters.

    Parameters
    ----------
    columns : Hadrons or Clusters

    Returns
    -------
    Tensor of float64, shape (rows, 4)
        px, py, pz, E [GeV].
    """
    return torch.as_tensor(columns.p4, dtype=torch.float64)


def pair_rows(sample: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the decays in two hadrons are.

    Parameters
    ----------
    sample : Sample
        Of clusters.

    Returns
    -------
    clusters : ndarray of int64, shape (pairs,)
        Rows of the clusters.
    hadrons : ndarray of int64, shape (pairs,)
        Row of the hadron with the quark; the one with the antiquark follows.

    Raises
    ------
    TypeError
        If the sample has no clusters.
    """
    clusters = getattr(sample, "histories", None)
    if not isinstance(clusters, Clusters):
        raise TypeError(f"a sample with clusters is wanted, see hadronize_clusters; got {sample!r}")
    first = np.cumsum(clusters.n_hadrons) - clusters.n_hadrons
    rows = np.flatnonzero(clusters.fate == PAIR)
    return rows, first[rows]


def decays(sample: Any) -> Decays:
    """All decays in two hadrons of a sample.

    Parameters
    ----------
    sample : Sample
        Of clusters, see `hadtutor.hadronize_clusters`.

    Returns
    -------
    Decays
        In the order of the clusters.

    Raises
    ------
    TypeError
        If the sample has no clusters.

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
