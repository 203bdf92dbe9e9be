r"""Step two with a network: a regression that knows how sure it is :cite:p:`butter2025iterative`.

Two networks look at each break, one for the mean :math:`\mu(s)` of the logarithm of its weight, one for the logarithm
of the variance :math:`\sigma^2(s)`. Means and variances of the breaks of a chain add up, and the chain is a Gaussian
measurement of :math:`\ln w_\mathrm{class}`:

.. math:: -\ln L = \tfrac12 \ln\sigma_S^2 + \frac{(\ln w_\mathrm{class}(x) + \ln\frac{\alpha}{\alpha_\mathrm{ref}}
          - \mu_S)^2}{2\sigma_S^2}, \qquad \mu_S = \sum_{s \in S} \mu(s),\quad \sigma_S^2 = \sum_{s \in S} \sigma^2(s) .

Many chains lead to events that look alike, and chains that look alike to different events; :math:`\sigma_S` holds this
scatter too. The weight is the mean of a log-normal number, :math:`e^{\mu + \sigma^2/2}`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._support.checks import as_seed, log_weights, takes_rng
from ..nets.layers import MLP, Standardise, torch_seed
from ..nets.sets import Cloud
from ..training.batches import Clouds
from ..training.loop import train
from .break_weights import BreakWeights
from .chains import Chains


class BreakNetwork(nn.Module):
    """Mean and logarithm of the variance of the log weight of a break.

    Parameters
    ----------
    x : Tensor, shape (breaks, D)
        Features, to standardise with.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.scale = Standardise(x)
        self.mean, self.log_variance = (MLP(x.shape[1], 64, 64, 64, 1, activation=nn.SiLU) for _ in range(2))
        with torch.no_grad():
            self.log_variance[-1].bias -= 5.0  # a chain has some 15 breaks: begin with a scatter of 0.3
        self.to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Mean and log variance of each break.

        Parameters
        ----------
        x : Tensor, shape (breaks, D)

        Returns
        -------
        Tensor, shape (breaks, 2)
        """
        x = self.scale(x)
        return torch.cat([self.mean(x), self.log_variance(x)], dim=1)

    def of_chains(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Mean and variance of each chain, the sums over its breaks.

        Parameters
        ----------
        cloud : Cloud

        Returns
        -------
        mean, variance : Tensor, shape (n_sets,)
        """
        mean, log_variance = self(cloud.x).unbind(dim=1)
        zero = mean.new_zeros(cloud.n_sets)
        return zero.index_add(0, cloud.index, mean), zero.index_add(0, cloud.index, log_variance.exp()) + 1e-6


@takes_rng
def regress(
    chains: Chains, features: np.ndarray, log_w_class: ArrayLike, sigma_class: ArrayLike = 0.0,
    acceptance: bool = True, *, epochs: int = 5, rng: np.random.Generator | int,
    device: torch.device | str | None = None, progress: bool = True,
) -> tuple[BreakWeights, np.ndarray]:  # fmt: skip
    """Break weights by Gaussian regression of the log weights of chains.

    Parameters
    ----------
    chains : Chains
    features : ndarray, shape (D, breaks)
        See `hadtutor.homer.break_features`.
    log_w_class : array_like, shape (N,)
        Log weights that step one wants.
    sigma_class : array_like, shape (N,)
        Their uncertainty: in each epoch they are drawn anew.
    acceptance : bool
        Whether chains carry the factor α/α_ref that the events do not have.
    epochs : int
    rng : numpy.random.Generator or int
    device : torch.device or str, optional
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    breaks : BreakWeights
        With the standard deviation of the network.
    sigma_chains : ndarray, shape (N,)
        Root of the sum of variances of the breaks of each accepted chain.
    """
    seed, device = as_seed(rng), torch.device("cpu" if device is None else device)
    log_w_class = log_weights(log_w_class, len(chains.accepted_chains), "log_w_class")
    basis = chains.basis
    accepted = np.repeat(chains.accepted, np.diff(chains.offsets))
    offsets = np.append(0, np.cumsum(np.diff(chains.offsets)[chains.accepted]))
    x = torch.as_tensor(features[:, accepted].T).contiguous().to(device)
    # A weight of zero has no logarithm; nothing is gained by hitting e^-10 exactly.
    target = np.clip(log_w_class - np.log(np.mean(np.exp(log_w_class))), -10.0, 10.0)
    columns = [
        torch.as_tensor(np.broadcast_to(c, len(target)).astype(np.float32)).to(device) for c in (target, sigma_class)
    ]
    data = Clouds(x, offsets, *columns)
    nodes = np.stack(np.meshgrid(*(axis.nodes for axis in basis.axes), indexing="ij")).reshape(len(basis.axes), -1)
    nodes = torch.as_tensor(nodes.T.astype(np.float32)).to(device)
    with torch_seed(seed):
        net = BreakNetwork(x).to(device)
    ratio = 0.0

    def tables():
        with torch.no_grad():
            mean, log_variance = net(nodes).double().cpu().numpy().T
        return mean, np.exp(log_variance)

    def negative_log_likelihood(model, batch):
        cloud, wanted, sigma = batch
        mean, variance = model.of_chains(cloud)
        wanted = wanted + ratio + sigma * torch.randn_like(wanted)
        return 0.5 * (variance.log() + (wanted - mean) ** 2 / variance).mean()

    def update_acceptance(_):
        nonlocal ratio
        mean, variance = tables()
        ratio = chains.log_acceptance_ratio(chains.log_weights(mean + 0.5 * variance))

    train(
        net, data, negative_log_likelihood, epochs=epochs, batch_size=512, rng=seed, lr=2e-3, lr_end=1e-4,
        on_epoch=update_acceptance if acceptance else None, progress=progress,
    )  # fmt: skip
    mean, variance = tables()
    theta = basis.project(basis.normalise(mean + 0.5 * variance))
    sigma_chains = np.sqrt(chains.log_weights(variance)[chains.accepted])
    return BreakWeights(basis, theta, sigma_table=np.sqrt(variance)), sigma_chains
