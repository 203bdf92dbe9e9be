"""Adversarial training: two losses, taken in turns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import softplus

from .._support.checks import number


def adversarial(penalty: float = 0.0, *, saturating: bool = False) -> dict[str, Callable]:
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
        For `DecayGAN`, `EventGAN`, `FlavourGAN`, or any module with `generator`, `discriminator`, and methods
        ``real(batch)`` and ``fake(batch)`` that give the arguments of the discriminator, the first of which is
        differentiated by the penalty.

    Raises
    ------
    ValueError
        If the penalty is negative or not finite.
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
