"""A GAN that sees hadrons of whole events only."""

import torch
from torch import Tensor, nn

from .._support.checks import energy_gev
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from ..nets.features import axis_features
from ..nets.layers import Standardise
from ..nets.sets import Cloud, DeepSets
from ..training.batches import Clouds
from .directions import momenta
from .event_clusters import hadrons_of
from .networks import Players


def clouds(
    events: Sample | Hadrons, energy: float | None = None, *, dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Clouds:  # fmt: skip
    """The hadrons of events as the discriminator sees them: `hadtutor.training.Clouds` with columns of `axis_features`.

    Parameters
    ----------
    events : Sample or Hadrons
    energy : float, optional
        Centre-of-mass energy [GeV]; a sample knows it.
    dtype : torch.dtype
    device : torch.device or str

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:10]
    >>> len(clouds(ht.hadronize_clusters(showers, rng=np.random.default_rng(1))))
    10
    """
    hadrons, energy = hadrons_and_energy(events, energy)
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
    n_species : int
        Columns with one 1 for the species, which follow the features.
    """

    def __init__(
        self, x: Tensor, *, phi: tuple[int, ...] = (64, 64), rho: tuple[int, ...] = (64,), pooling: str = "mean",
        n_species: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.scale = Standardise(x)
        self.net = DeepSets(x.shape[1] + n_species, phi=phi, rho=rho, pooling=pooling, dtype=x.dtype)

    def forward(self, x: Tensor, event: Tensor, n_events: int) -> Tensor:
        """Logits, shape (`n_events`,), for `x`, shape (rows, F + n_species), and `event`, shape (rows,)."""
        n = len(self.scale.mean)
        # Each species is rare: the 3 gives it the weight of a standardised feature.
        return self.net(Cloud(torch.cat([self.scale(x[:, :n]), 3.0 * x[:, n:]], 1), event, n_events))


class EventGAN(Players):
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

    def __init__(self, generator: nn.Module, discriminator: nn.Module, energy: float) -> None:
        super().__init__(generator, discriminator)
        self.energy = energy_gev(energy)

    def real(self, batch: tuple) -> tuple[Tensor, Tensor, int]:
        _, (cloud,) = batch
        return cloud.x, cloud.index, cloud.n_sets

    def fake(self, batch: tuple) -> tuple[Tensor, Tensor, int]:
        clusters, _ = batch
        p, event = hadrons_of(clusters, self.generator.sample(clusters.condition))
        return axis_features(p, event, clusters.n_events, self.energy), event, clusters.n_events
