"""Adversarial training: two losses, taken in turns."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus


class DecayGAN(nn.Module):
    """Both players of the game for single decays; a batch is (condition, direction).

    Parameters
    ----------
    generator : DecayGenerator
    discriminator : DecayDiscriminator

    Examples
    --------
    >>> from hadtutor.gan import DecayDiscriminator, DecayGenerator, Decays
    >>> from hadtutor.training import Table, train
    >>> truth = Decays(torch.zeros(64, 3), torch.tensor([[0.0, 0.0, 1.0]]).expand(64, 3))
    >>> gan = DecayGAN(DecayGenerator(truth.condition), DecayDiscriminator(truth.condition))
    >>> train(gan, Table(*truth), adversarial(penalty=1.0), epochs=2, batch_size=32, seed=1, betas=(0.0, 0.9)).n_epochs
    2
    """

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def real(self, batch):
        """What the discriminator is shown as true.

        Parameters
        ----------
        batch : tuple of Tensor

        Returns
        -------
        direction, condition : Tensor
        """
        condition, direction = batch
        return direction, condition

    def fake(self, batch):
        """What the generator makes for the same clusters.

        Parameters
        ----------
        batch : tuple of Tensor

        Returns
        -------
        direction, condition : Tensor
        """
        condition, _ = batch
        return self.generator.sample(condition), condition


def adversarial(penalty=0.0, saturating=False):
    r"""Losses of both players, for `hadtutor.training.train`.

    With logits d, the discriminator minimises :math:`-\ln\sigma(d_{real}) - \ln(1 - \sigma(d_{fake}))`. The generator
    minimises :math:`-\ln\sigma(d_{fake})`, whose slope does not vanish where the discriminator is sure
    :cite:p:`goodfellow2014generative`, or, saturating, the minimax loss :math:`\ln(1 - \sigma(d_{fake}))`.

    Parameters
    ----------
    penalty : float
        γ in :math:`\tfrac{\gamma}{2} \lvert\nabla_x d\rvert^2`, on true x, added to the loss of the discriminator (R1
        :cite:p:`mescheder2018training`). It makes the game converge.
    saturating : bool
        Whether the generator plays minimax.

    Returns
    -------
    dict of str to callable
        For a module with `generator`, `discriminator`, and methods ``real(batch)`` and ``fake(batch)`` that give the
        arguments of the discriminator, the first of which is differentiated by the penalty.

    Raises
    ------
    ValueError
        If the penalty is negative or not finite.
    """
    if not 0.0 <= penalty < math.inf:
        raise ValueError(f"penalty must be finite and >= 0, got {penalty!r}")

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
