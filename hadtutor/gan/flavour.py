"""A GAN that learns which hadrons clusters decay to."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax, one_hot

from .._support.checks import number, whole
from ..cluster.tensor import PairOdds
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from ..nets.features import axis_features
from ..nets.layers import MLP
from ..params import ClusterParams
from ..training.batches import Clouds
from .event_clusters import EventClusters, in_the_lab
from .events import EventDiscriminator, EventGAN, clouds


class FlavourGenerator(nn.Module):
    r"""Which two hadrons a cluster decays to: the odds of the cluster model times learned factors.

    .. math:: \ln p(h_1 h_2 \mid M, q, \bar q) = \ln p_0 + s_1(h_1) + s_2(h_2) + \text{const},

    with scores s that a network makes of the mass and the flavours of the cluster. Untrained they are zero.

    Parameters
    ----------
    params : ClusterParams
        Of the model to start from; its `PairOdds` are the attribute `odds`.
    hidden : tuple of int
    """

    def __init__(self, params: ClusterParams, *, hidden: tuple[int, ...] = (64,)) -> None:
        super().__init__()
        self.odds = PairOdds(params)
        self.net = MLP(11, *hidden, 2 * len(self.odds.species), dtype=torch.float32)
        with torch.no_grad():
            for weight in self.net[-1].parameters():
                weight.zero_()

    def forward(self, flavour: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each pair, and the pair, shape (rows, K): as from `PairOdds`, but not normalised.

        `flavour` and `mass` [GeV] have the shape (rows,).
        """
        log_p, pair = self.odds(flavour, mass)
        quark, antiquark = one_hot(flavour // 5, 5), one_hot(flavour % 5, 5)
        known = torch.cat([mass.log().unsqueeze(1), quark.to(mass), antiquark.to(mass)], 1)
        of_quark, of_antiquark = self.net(known).chunk(2, dim=1)
        one, two = self.odds.number[:, pair]
        return log_p + of_quark.gather(1, one) + of_antiquark.gather(1, two), pair

    def sample(self, flavour: Tensor, mass: Tensor, *, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """Draw a pair for each cluster, with slopes by the straight-through Gumbel-softmax.

        Parameters
        ----------
        flavour, mass : Tensor, shape (rows,)
        temperature : float
            Of the softmax that stands in for the choice in slopes.

        Returns
        -------
        species : Tensor, shape (2, rows, S)
            One 1 in each row, for the hadron with the quark and that with the antiquark.
        masses : Tensor, shape (2, rows)
            Of both [GeV].
        """
        logit, pair = self(flavour, mass)
        choice = gumbel_softmax(logit, temperature, hard=True)
        empty = choice.new_zeros((len(mass), len(self.odds.species)))
        species = torch.stack([empty.scatter_add(1, of, choice) for of in self.odds.number[:, pair]])
        return species, (choice * self.odds.mass[:, pair]).sum(2)


def flavour_clouds(
    events: Sample | Hadrons, species: np.ndarray, energy: float | None = None, *, device: torch.device | str = "cpu"
) -> Clouds:
    """The hadrons of events as the discriminator sees them: `axis_features`, and a column of numbers of the species.

    Parameters
    ----------
    events : Sample or Hadrons
    species : ndarray of int, shape (S,)
        PDG codes, sorted, see `PairOdds`; a hadron of another species is a ValueError.
    energy : float, optional
        Centre-of-mass energy [GeV]; a sample knows it.
    device : torch.device or str
    """
    hadrons, energy = hadrons_and_energy(events, energy)
    row = np.searchsorted(species, hadrons.pid).clip(max=len(species) - 1)
    if not np.array_equal(species[row], hadrons.pid):
        strange = hadrons.pid[species[row] != hadrons.pid][0]
        raise ValueError(f"there is a hadron of species {strange}, which clusters do not decay to; decay less")
    x = clouds(hadrons, energy, device=device).x
    return Clouds(torch.cat([x, torch.as_tensor(row).unsqueeze(1).to(x)], 1), hadrons.offsets)


class FlavourDiscriminator(EventDiscriminator):
    """Logit that an event is of the data, by the momenta and species of the hadrons in it.

    `x` has the columns of `hadtutor.nets.axis_features`; `n_species`, `pooling` and the other `sizes`, `phi` and `rho`,
    are those of `EventDiscriminator`.
    """

    def __init__(self, x: Tensor, n_species: int, *, pooling: str = "sum", **sizes: Any) -> None:
        super().__init__(x, n_species=n_species, pooling=pooling, **sizes)


class FlavourGAN(EventGAN):
    """Both players; a batch is of `training.Paired` `EventClusters` and `flavour_clouds`.

    Directions of decays stay as they were simulated; momenta follow from the masses that were chosen.

    Parameters
    ----------
    generator : FlavourGenerator
    discriminator : FlavourDiscriminator
    energy, temperature : float
        Centre-of-mass energy [GeV]; for the other see `FlavourGenerator.sample`.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, energy: float, *, temperature: float = 1.0
    ) -> None:
        super().__init__(generator, discriminator, energy)
        self.temperature = number(temperature, "temperature", 0.0, above=True)

    def real(self, batch: tuple) -> tuple[Tensor, Tensor, int]:
        x, event, n_events = super().real(batch)
        species = one_hot(x[:, 3].long(), len(self.generator.odds.species))
        return torch.cat([x[:, :3], species.to(x)], 1), event, n_events

    def fake(self, batch: tuple) -> tuple[Tensor, Tensor, int]:
        c, _ = batch
        species, masses = self.generator.sample(c.flavour, c.mass, temperature=self.temperature)
        p, event = in_the_lab(c, c.direction, *masses)
        single = one_hot(_numbers(c.single_pid, self.generator.odds.species), species.shape[2])
        x = axis_features(p, event, c.n_events, self.energy)
        return torch.cat([x, torch.cat([*species, single.to(x)])], 1), event, c.n_events


def _numbers(pid, species):
    return torch.searchsorted(torch.as_tensor(species, dtype=torch.int64, device=pid.device), pid)


def fractions(generator: FlavourGenerator, events: EventClusters, *, batch_size: int = 4096) -> np.ndarray:
    """Expected share of each species in the hadrons of `events`, shape (S,); `generator` sees `batch_size` at once."""
    species = generator.odds.species
    total = torch.zeros(len(species), dtype=torch.float64)
    with torch.no_grad():
        for index in torch.arange(len(events)).split(whole(batch_size, "batch_size")):
            c = events[index]
            logit, pair = generator(c.flavour, c.mass)
            p = logit.softmax(1).double().cpu()
            for of in generator.odds.number[:, pair].cpu():
                total.index_add_(0, of.flatten(), p.flatten())
            total += torch.bincount(_numbers(c.single_pid.cpu(), species), minlength=len(species))
    return (total / total.sum()).numpy()
