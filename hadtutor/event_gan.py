r"""Fit the decays of clusters to events of which only hadrons are seen :cite:p:`chan2023fitting`.

The generator is that of `hadtutor.gan`: it sees one cluster at a time. Its decays are boosted to the lab, cluster by
cluster, and the discriminator, a Deep Sets network, sees the hadrons of whole events. Everything between them is
differentiable, so the generator learns what no detector sees.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .decay_frames import helicity_axes, rotate, to_rest_frame, two_body
from .gan import conditions, leading, momenta, pair_rows
from .histories import SINGLE
from .nets import Cloud, DeepSets, Standardise
from .training import Clouds, _rows_of

__all__ = ["EventClusters", "EventDiscriminator", "EventGAN", "clouds", "features", "hadrons_of"]

PION_MASS = 0.13957  # GeV
SOFT = 0.01  # GeV, below which a transverse momentum is as good as none


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
        Of clusters, see `hadtutor.hadronize_clusters`.
    dtype : torch.dtype
    device : torch.device or str

    Raises
    ------
    TypeError
        If the sample has no clusters.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:10]
    >>> events = EventClusters(ht.hadronize_clusters(showers, rng=np.random.default_rng(1)))
    >>> events[torch.tensor([3, 4])].n_events
    2
    """

    def __init__(self, sample, dtype=torch.float32, device="cpu"):
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
            "condition": put(conditions(clusters)[rows]),
            "p": put(p),
            "mass": put(mass),
            "axes": put(helicity_axes(p[:, :3])),
            "leading": put(leading(clusters)[rows]),
            "flavour": put(flavour, torch.int64),
            "direction": put(normalize(to_rest_frame(p, mass, of_hadrons[first])[:, :3])),
            "m1": put(masses[first]),
            "m2": put(masses[first + 1]),
        }
        self._singles = {
            "single": put(of_hadrons[rows_of_singles]),
            "single_pid": put(hadrons.pid[rows_of_singles], torch.int64),
        }
        edges = np.arange(len(clusters) + 1)
        self._pair_offsets = put(np.searchsorted(clusters.event[rows], edges), torch.int64)
        self._single_offsets = put(np.searchsorted(clusters.event[singles], edges), torch.int64)

    def __len__(self):
        return len(self._pair_offsets) - 1

    def __getitem__(self, index):
        rows, event = _rows_of(self._pair_offsets, index)
        singles, single_event = _rows_of(self._single_offsets, index)
        columns = {name: x[rows] for name, x in self._pairs.items()}
        columns |= {name: x[singles] for name, x in self._singles.items()}
        return ClusterBatch(**columns, event=event, single_event=single_event, n_events=len(index))


def hadrons_of(clusters, direction):
    """Momenta of all hadrons in the lab, for given decays; differentiable.

    Parameters
    ----------
    clusters : ClusterBatch
    direction : Tensor, shape (rows, 3)
        Unit vectors of the leading hadrons in the helicity frames.

    Returns
    -------
    p : Tensor, shape (hadrons, 4)
        px, py, pz, E [GeV]: the hadrons with the quarks, those with the antiquarks, then the single ones.
    event : Tensor of int64, shape (hadrons,)
    """
    of_quark = rotate(direction, clusters.axes) * clusters.leading.unsqueeze(1)
    one, two = two_body(clusters.p, clusters.mass, of_quark, clusters.m1, clusters.m2)
    return torch.cat([one, two, clusters.single]), torch.cat([clusters.event, clusters.event, clusters.single_event])


def features(p, event, n_events, energy):
    r"""What the discriminator sees of each hadron; the same however the event is turned.

    Momenta are measured along the axis of the event, the eigenvector of largest eigenvalue of
    :math:`\sum_i \vec p_i \vec p_i^{\,T} / |\vec p_i|`, which neither a soft particle nor a collinear splitting moves.

    Parameters
    ----------
    p : Tensor, shape (rows, 4)
        px, py, pz, E [GeV].
    event : Tensor of int64, shape (rows,)
    n_events : int
    energy : float
        Centre-of-mass energy [GeV].

    Returns
    -------
    Tensor, shape (rows, 3)
        :math:`\ln x_p`, the absolute rapidity of a pion with this momentum, and :math:`\ln p_T`, with respect to the
        axis; gradients do not flow through the axis.
    """
    k = p[:, :3]
    size = k.norm(dim=1).clamp(min=1e-6)
    with torch.no_grad():
        outer = (k.unsqueeze(2) * k.unsqueeze(1) / size[:, None, None]).reshape(-1, 9)
        tensor = outer.new_zeros((n_events, 9)).index_add(0, event, outer).reshape(-1, 3, 3)
        axis = torch.linalg.eigh(tensor.double())[1][:, :, 2].to(k)
    along = (k * axis[event]).sum(1)
    pt2 = (size.square() - along.square()).clamp(min=0) + SOFT**2
    rapidity = torch.asinh(along.abs() / (pt2 + PION_MASS**2).sqrt())
    return torch.stack([torch.log(2.0 * size / energy), rapidity, 0.5 * torch.log(pt2)], 1)


def clouds(hadrons, energy, dtype=torch.float32, device="cpu"):
    """The hadrons of events as the discriminator sees them.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    energy : float
        Centre-of-mass energy [GeV].
    dtype : torch.dtype
    device : torch.device or str

    Returns
    -------
    hadtutor.training.Clouds
        With the columns of `features`.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:10]
    >>> sample = ht.hadronize_clusters(showers, rng=np.random.default_rng(1))
    >>> len(clouds(sample.hadrons, sample.energy))
    10
    """
    x = features(momenta(hadrons), torch.as_tensor(hadrons.event), len(hadrons), energy)
    return Clouds(x.to(device=device, dtype=dtype), hadrons.offsets)


class EventDiscriminator(nn.Module):
    """Logit that an event is of the data, by the hadrons in it.

    Parameters
    ----------
    x : Tensor, shape (rows, F)
        Features of a sample of hadrons, to standardise with.
    phi, rho : tuple of int
        Hidden neurons, see `hadtutor.nets.DeepSets`.
    pooling : {"mean", "sum"}
    """

    def __init__(self, x, phi=(64, 64), rho=(64,), pooling="mean"):
        super().__init__()
        self.scale = Standardise(x)
        self.net = DeepSets(x.shape[1], phi=phi, rho=rho, pooling=pooling)

    def forward(self, x, event, n_events):
        """Logits.

        Parameters
        ----------
        x : Tensor, shape (rows, F)
        event : Tensor of int64, shape (rows,)
        n_events : int

        Returns
        -------
        Tensor, shape (n_events,)
        """
        return self.net(Cloud(self.scale(x), event, n_events))


class EventGAN(nn.Module):
    """Both players of the game for whole events; a batch is of `training.Paired` `EventClusters` and `clouds`.

    Parameters
    ----------
    generator : hadtutor.gan.DecayGenerator
        Makes one decay at a time. The azimuth about a cluster's flight leaves next to no trace in the event, so it is
        best `symmetric`.
    discriminator : EventDiscriminator
    energy : float
        Centre-of-mass energy [GeV].
    """

    def __init__(self, generator, discriminator, energy):
        super().__init__()
        self.generator, self.discriminator, self.energy = generator, discriminator, energy

    def real(self, batch):
        """Hadrons of the data.

        Parameters
        ----------
        batch : tuple

        Returns
        -------
        x : Tensor, shape (rows, F)
        event : Tensor of int64, shape (rows,)
        n_events : int
        """
        _, (cloud,) = batch
        return cloud.x, cloud.index, cloud.n_sets

    def fake(self, batch):
        """Hadrons of simulated clusters, decayed by the generator.

        Parameters
        ----------
        batch : tuple

        Returns
        -------
        x : Tensor, shape (rows, F)
        event : Tensor of int64, shape (rows,)
        n_events : int
        """
        clusters, _ = batch
        p, event = hadrons_of(clusters, self.generator.sample(clusters.condition))
        return features(p, event, clusters.n_events, self.energy), event, clusters.n_events
