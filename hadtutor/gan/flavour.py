"""A GAN that learns which hadrons clusters decay to."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gumbel_softmax, one_hot

from ..cluster.tensor import PairOdds
from ..kinematics.tensor import two_body
from ..nets.features import axis_features
from ..nets.layers import MLP, Standardise
from ..nets.sets import Cloud, DeepSets
from ..training.batches import Clouds
from .directions import momenta


class FlavourGenerator(nn.Module):
    r"""Which two hadrons a cluster decays to: the odds of the cluster model times learned factors.

    .. math:: \ln p(h_1 h_2 \mid M, q, \bar q) = \ln p_0 + s_1(h_1) + s_2(h_2) + \text{const},

    with scores s that a network makes of the mass and the flavours of the cluster. Untrained they are zero.

    Parameters
    ----------
    params : ClusterParams
        Of the model to start from.
    hidden : tuple of int

    Attributes
    ----------
    odds : PairOdds
    """

    def __init__(self, params, hidden=(64,)):
        super().__init__()
        self.odds = PairOdds(params)
        self.net = MLP(11, *hidden, 2 * len(self.odds.species))
        with torch.no_grad():
            self.net[-1].weight.zero_()
            self.net[-1].bias.zero_()

    def forward(self, flavour, mass):
        """Logits of each pair.

        Parameters
        ----------
        flavour : Tensor of int64, shape (rows,)
        mass : Tensor, shape (rows,)

        Returns
        -------
        logit, pair : Tensor, shape (rows, K)
            As from `PairOdds`, but not normalised.
        """
        log_p, pair = self.odds(flavour, mass)
        quark, antiquark = one_hot(flavour // 5, 5), one_hot(flavour % 5, 5)
        known = torch.cat([mass.log().unsqueeze(1), quark.to(mass), antiquark.to(mass)], 1)
        of_quark, of_antiquark = self.net(known).chunk(2, dim=1)
        one, two = self.odds.number[:, pair]
        return log_p + of_quark.gather(1, one) + of_antiquark.gather(1, two), pair

    def sample(self, flavour, mass, temperature=1.0):
        """Draw a pair for each cluster, with slopes by the straight-through Gumbel-softmax.

        Parameters
        ----------
        flavour : Tensor of int64, shape (rows,)
        mass : Tensor, shape (rows,)
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
        species = torch.stack([empty.scatter_add(1, number, choice) for number in self.odds.number[:, pair]])
        return species, (choice * self.odds.mass[:, pair]).sum(2)


def flavour_clouds(hadrons, energy, species, device="cpu"):
    """The hadrons of events as the discriminator sees them: momentum and species.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    energy : float
        Centre-of-mass energy [GeV].
    species : ndarray of int, shape (S,)
        PDG codes, sorted; see `PairOdds`.
    device : torch.device or str

    Returns
    -------
    hadtutor.training.Clouds
        Columns: those of `hadtutor.nets.axis_features`, and the number of the species.

    Raises
    ------
    ValueError
        If there is a hadron of another species.
    """
    number = np.searchsorted(species, hadrons.pid).clip(max=len(species) - 1)
    if not np.array_equal(species[number], hadrons.pid):
        strange = hadrons.pid[species[number] != hadrons.pid][0]
        raise ValueError(f"there is a hadron of species {strange}, which clusters do not decay to; decay less")
    x = axis_features(momenta(hadrons), torch.as_tensor(hadrons.event), len(hadrons), energy)
    x = torch.cat([x, torch.as_tensor(number).unsqueeze(1)], 1)
    return Clouds(x.to(device=device, dtype=torch.float32), hadrons.offsets)


class FlavourDiscriminator(nn.Module):
    """Logit that an event is of the data, by the momenta and species of the hadrons in it.

    Parameters
    ----------
    x : Tensor, shape (rows, 3)
        Features of a sample of hadrons, to standardise with, see `hadtutor.nets.axis_features`.
    n_species : int
    phi, rho : tuple of int
        Hidden neurons, see `hadtutor.nets.DeepSets`.
    pooling : {"sum", "mean"}
    """

    def __init__(self, x, n_species, phi=(64, 64), rho=(64,), pooling="sum"):
        super().__init__()
        self.scale = Standardise(x)
        self.net = DeepSets(3 + n_species, phi=phi, rho=rho, pooling=pooling)

    def forward(self, x, event, n_events):
        """Logits.

        Parameters
        ----------
        x : Tensor, shape (rows, 3 + n_species)
        event : Tensor of int64, shape (rows,)
        n_events : int

        Returns
        -------
        Tensor, shape (n_events,)
        """
        # Each species is rare: the 3 gives it the weight of a standardised feature.
        return self.net(Cloud(torch.cat([self.scale(x[:, :3]), 3.0 * x[:, 3:]], 1), event, n_events))


class FlavourGAN(nn.Module):
    """Both players; a batch is of `training.Paired` `event_gan.EventClusters` and `clouds`.

    Directions of decays stay as they were simulated; momenta follow from the masses that were chosen.

    Parameters
    ----------
    generator : FlavourGenerator
    discriminator : FlavourDiscriminator
    energy : float
        Centre-of-mass energy [GeV].
    temperature : float
        See `FlavourGenerator.sample`.
    """

    def __init__(self, generator, discriminator, energy, temperature=1.0):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.energy, self.temperature = energy, temperature

    def real(self, batch):
        """Hadrons of the data.

        Parameters
        ----------
        batch : tuple

        Returns
        -------
        x : Tensor, shape (rows, 3 + S)
        event : Tensor of int64, shape (rows,)
        n_events : int
        """
        _, (cloud,) = batch
        species = one_hot(cloud.x[:, 3].long(), len(self.generator.odds.species))
        return torch.cat([cloud.x[:, :3], species.to(cloud.x)], 1), cloud.index, cloud.n_sets

    def fake(self, batch):
        """Hadrons of simulated clusters, of the species that the generator draws.

        Parameters
        ----------
        batch : tuple

        Returns
        -------
        x : Tensor, shape (rows, 3 + S)
        event : Tensor of int64, shape (rows,)
        n_events : int
        """
        c, _ = batch
        species, (m1, m2) = self.generator.sample(c.flavour, c.mass, self.temperature)
        one, two = two_body(c.p, c.mass, c.direction, m1, m2)
        p, event = torch.cat([one, two, c.single]), torch.cat([c.event, c.event, c.single_event])
        single = one_hot(_numbers(c.single_pid, self.generator.odds.species), species.shape[2])
        x = axis_features(p, event, c.n_events, self.energy)
        return torch.cat([x, torch.cat([*species, single.to(x)])], 1), event, c.n_events


def _numbers(pid, species):
    return torch.searchsorted(torch.as_tensor(species, dtype=torch.int64, device=pid.device), pid)


def fractions(generator, events, batch_size=4096):
    """Expected share of each species among all hadrons.

    Parameters
    ----------
    generator : FlavourGenerator
    events : EventClusters
    batch_size : int
        Events at a time.

    Returns
    -------
    ndarray, shape (S,)
        Adds up to 1.
    """
    species = generator.odds.species
    total = torch.zeros(len(species), dtype=torch.float64)
    with torch.no_grad():
        for index in torch.arange(len(events)).split(batch_size):
            c = events[index]
            logit, pair = generator(c.flavour, c.mass)
            p = logit.softmax(1).double().cpu()
            for number in generator.odds.number[:, pair].cpu():
                total.index_add_(0, number.flatten(), p.flatten())
            total += torch.bincount(_numbers(c.single_pid.cpu(), species), minlength=len(species))
    return (total / total.sum()).numpy()
