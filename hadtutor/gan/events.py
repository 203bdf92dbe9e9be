"""A GAN that sees hadrons of whole events only."""

import torch
from torch import nn

from ..nets.features import axis_features
from ..nets.layers import Standardise
from ..nets.sets import Cloud, DeepSets
from ..training.batches import Clouds
from .directions import momenta
from .event_clusters import hadrons_of


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
        With the columns of `axis_features`.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:10]
    >>> sample = ht.hadronize_clusters(showers, rng=np.random.default_rng(1))
    >>> len(clouds(sample.hadrons, sample.energy))
    10
    """
    x = axis_features(momenta(hadrons), torch.as_tensor(hadrons.event), len(hadrons), energy)
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
        return axis_features(p, event, clusters.n_events, self.energy), event, clusters.n_events
