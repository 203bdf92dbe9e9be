"""The generator of directions and its discriminator, both as players of one game, and their losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from .._support.checks import number, whole
from ..nets.layers import MLP, Standardise
from .directions import with_pseudorapidity


class DecayGenerator(nn.Module):
    """Directions of decays, from what is known of the clusters and noise.

    The network moves an isotropic direction: untrained it is close to phase space.

    Parameters
    ----------
    condition : Tensor, shape (rows, F)
        Conditions of a sample, to standardise with.
    hidden : tuple of int
        Hidden neurons.
    n_noise : int
        Random numbers that the network sees, at least 3, else a ValueError; two more choose the azimuth if `symmetric`.
    symmetric : bool
        Whether all azimuths about the flight direction are equally probable, whatever the network has learned: as a
        cluster without spin and with unknown constituents must decay. If not, the network has to learn it.

    Examples
    --------
    >>> condition = torch.tensor([[0.5, 1.0, 0.0], [0.9, 2.0, 1.0]])
    >>> DecayGenerator(condition).sample(condition).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, condition: Tensor, *, hidden: tuple[int, ...] = (64, 64), n_noise: int = 6, symmetric: bool = True
    ) -> None:
        super().__init__()
        n_noise = whole(n_noise, "n_noise", 0)
        if n_noise < 3:
            raise ValueError(f"n_noise must be at least 3, for a direction, got {n_noise}")
        self.symmetric = symmetric
        self.n_noise = n_noise + 2 * symmetric
        self.scale = Standardise(condition)
        self.net = MLP(condition.shape[1] + n_noise, *hidden, 3, dtype=condition.dtype)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Unit vectors, shape (rows, 3), of `condition`, shape (rows, F), and normal `noise`, shape (rows, n_noise)."""
        if self.symmetric:
            turn, noise = normalize(noise[:, :2]), noise[:, 2:]
        direction = normalize(noise[:, :3] + self.net(torch.cat([self.scale(condition), noise], 1)))
        if not self.symmetric:
            return direction
        cosine, sine = turn.unbind(1)
        x, y, z = direction.unbind(1)
        return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], 1)

    def sample(self, condition: Tensor) -> Tensor:
        """Directions for `condition` with noise from torch's global generator."""
        noise = torch.randn((len(condition), self.n_noise), dtype=condition.dtype, device=condition.device)
        return self(condition, noise)


class DecayDiscriminator(nn.Module):
    """Logit that a decay is true, by its direction `with_pseudorapidity`.

    Parameters
    ----------
    condition : Tensor, shape (rows, F)
        Conditions of a sample, to standardise with.
    hidden : tuple of int
        Hidden neurons.
    conditional : bool
        Whether it sees the cluster. If not, as in the first of these studies :cite:p:`ghosh2022towards`, it can only
        judge the mixture of all clusters.
    """

    def __init__(self, condition: Tensor, *, hidden: tuple[int, ...] = (64, 64), conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.scale = Standardise(condition)
        self.net = MLP(4 + (condition.shape[1] if conditional else 0), *hidden, 1, dtype=condition.dtype)

    def forward(self, seen: Tensor, condition: Tensor) -> Tensor:
        """Logits, shape (rows,), of what is `seen` of directions, shape (rows, 4), and `condition`, shape (rows, F)."""
        x = torch.cat([seen, self.scale(condition)], 1) if self.conditional else seen
        return self.net(x).squeeze(1)


class Players(nn.Module):
    """A `generator` and a `discriminator`, which `adversarial` lets play; each game says what the latter is shown."""

    generator: Any
    discriminator: Any

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def real(self, batch: tuple) -> tuple:
        """What the discriminator is shown as true in a `batch`: its arguments."""
        raise NotImplementedError

    def fake(self, batch: tuple) -> tuple:
        """The same of the generator's making, from a `batch`."""
        raise NotImplementedError


class DecayGAN(Players):
    """Both players, `generator` and `discriminator`, of the game for single decays; a batch is (condition, direction).

    Examples
    --------
    >>> from hadtutor.gan import Decays, adversarial
    >>> from hadtutor.training import Table, train
    >>> truth = Decays(torch.zeros(64, 3), torch.tensor([[0.0, 0.0, 1.0]]).expand(64, 3))
    >>> gan = DecayGAN(DecayGenerator(truth.condition), DecayDiscriminator(truth.condition))
    >>> train(gan, Table(*truth), adversarial(penalty=1.0), epochs=2, batch_size=32, betas=(0.0, 0.9)).n_epochs
    2
    """

    def real(self, batch: tuple) -> tuple[Tensor, Tensor]:
        condition, direction = batch
        return with_pseudorapidity(direction), condition

    def fake(self, batch: tuple) -> tuple[Tensor, Tensor]:
        condition, _ = batch
        return with_pseudorapidity(self.generator.sample(condition)), condition


def adversarial(penalty: float = 0.0, *, saturating: bool = False) -> dict[str, Callable]:
    r"""Losses of both players, for `hadtutor.training.train`.

    With logits d, the discriminator minimises :math:`-\ln\sigma(d_{real}) - \ln(1 - \sigma(d_{fake}))`. The generator
    minimises :math:`-\ln\sigma(d_{fake})`, whose slope does not vanish where the discriminator is sure
    :cite:p:`goodfellow2014generative`, or, saturating, the minimax loss :math:`\ln(1 - \sigma(d_{fake}))`.

    Parameters
    ----------
    penalty : float
        γ >= 0 in :math:`\tfrac{\gamma}{2} \lvert\nabla_x d\rvert^2`, on true x, added to the loss of the discriminator
        (R1 :cite:p:`mescheder2018training`). It makes the game converge. Else a ValueError.
    saturating : bool
        Whether the generator plays minimax.

    Returns
    -------
    dict of str to callable
        For `DecayGAN`, `EventGAN`, `FlavourGAN`, or any module with `generator`, `discriminator`, and methods
        ``real(batch)`` and ``fake(batch)`` that give the arguments of the discriminator, the first of which is
        differentiated by the penalty.
    """
    penalty = number(penalty, "penalty", 0.0)

    def discriminator(gan, batch):
        with torch.no_grad():
            fake = gan.fake(batch)
        x, *more = gan.real(batch)
        x = x.detach().requires_grad_(penalty > 0)
        logit = gan.discriminator(x, *more)
        loss = softplus(-logit).mean() + softplus(gan.discriminator(*fake)).mean()
        if penalty > 0:
            (slope,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
            loss = loss + 0.5 * penalty * slope.square().sum() / len(logit)
        return loss

    def generator(gan, batch):
        logit = gan.discriminator(*gan.fake(batch))
        return -softplus(logit).mean() if saturating else softplus(-logit).mean()

    return {"discriminator": discriminator, "generator": generator}
