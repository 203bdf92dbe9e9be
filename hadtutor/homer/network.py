"""Step two with a network: a regression that knows how sure it is :cite:p:`butter2025iterative`."""

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
    """Mean and log variance of the log weight of a break, a network each; features `x`, (breaks, D), set the scale."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.scale = Standardise(x)
        self.mean, self.log_variance = (MLP(x.shape[1], 64, 64, 64, 1, activation=nn.SiLU) for _ in range(2))
        with torch.no_grad():
            self.log_variance[-1].bias -= 5.0  # a chain has some 15 breaks: begin with a scatter of 0.3
        self.to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Mean and log variance of each break, shape (breaks, 2), from its features `x`."""
        x = self.scale(x)
        # Breaks of rejected chains lie where no accepted chain has any, so there the likelihood sets no limit.
        return torch.cat([self.mean(x), self.log_variance(x).clamp(max=0.0)], dim=1)

    def of_events(self, cloud: Cloud) -> tuple[Tensor, Tensor]:
        """Mean and variance of each event of a `cloud` of breaks, shape (n_sets,): sums over its breaks."""
        mean, log_variance = self(cloud.x).unbind(dim=1)
        zero = mean.new_zeros(cloud.n_sets)
        return zero.index_add(0, cloud.index, mean), zero.index_add(0, cloud.index, log_variance.exp()) + 1e-6


@takes_rng
def regress(
    chains: Chains, features: np.ndarray, log_w_class: ArrayLike, acceptance: bool = True, *, epochs: int = 5,
    rng: np.random.Generator | int, device: torch.device | str | None = None, progress: bool = True,
) -> tuple[BreakWeights, np.ndarray]:  # fmt: skip
    r"""Break weights by Gaussian regression of the log weights of chains, whose breaks have a mean and a variance each.

    With the sums :math:`\mu_S` and :math:`\sigma_S^2` of both over the breaks S of an event of n strings,

    .. math:: -\ln L = \tfrac12 \ln\sigma_S^2
              + \frac{(\ln w_\mathrm{class}(x) + n \ln(\alpha/\alpha_\mathrm{ref}) - \mu_S)^2}{2\sigma_S^2} .

    Chains that look alike lead to different events: :math:`\sigma_S` holds this scatter too. The weight of a break is
    the mean of a log-normal number, :math:`e^{\mu + \sigma^2/2}`.

    Parameters
    ----------
    chains : Chains
    features : ndarray, shape (D, breaks)
        See `hadtutor.homer.break_features`.
    log_w_class : array_like, shape (N,) or (J, N)
        Log weights that step one wants; if they come from J networks, each batch sees those of one, drawn at random.
    acceptance : bool
        Whether chains carry the factor α/α_ref that the events do not have.
    epochs, rng, device, progress
        As for `hadtutor.training.CrossFit`.

    Returns
    -------
    breaks : BreakWeights
        With the standard deviation of the network.
    sigma_events : ndarray, shape (N,)
        :math:`\sigma_S` of each event.
    """
    seed, device = as_seed(rng), torch.device("cpu" if device is None else device)
    n = chains.n_events
    wanted = np.stack([log_weights(draw, n, "log_w_class") for draw in np.atleast_2d(log_w_class)], axis=1)
    basis, lengths = chains.basis, np.diff(chains.offsets)
    offsets = np.append(0, np.cumsum(chains.of_events(lengths).astype(int)))
    x = torch.as_tensor(features[:, np.repeat(chains.accepted, lengths)].T).contiguous().to(device)
    # A weight of zero has no logarithm; nothing is gained by hitting e^-10 exactly.
    target = np.clip(wanted - np.log(np.mean(np.exp(wanted), axis=0)), -10.0, 10.0)
    to_tensor = lambda values: torch.as_tensor(np.array(values, np.float32)).to(device)
    data = Clouds(x, offsets, to_tensor(np.column_stack([chains.n_strings, target])))
    nodes = np.meshgrid(*(axis.nodes for axis in basis.axes), indexing="ij")
    nodes = to_tensor(np.stack(nodes).reshape(len(nodes), -1).T)
    with torch_seed(seed):
        net = BreakNetwork(x).to(device)
    ratio = 0.0

    def tables():
        with torch.no_grad():
            mean, log_variance = net(nodes).double().cpu().numpy().T
        return mean, np.exp(log_variance)

    def negative_log_likelihood(model, batch):
        cloud, (n_strings, *draws) = batch[0], batch[1].unbind(dim=1)
        mean, variance = model.of_events(cloud)
        wanted = draws[int(torch.randint(len(draws), ()))] + n_strings * ratio
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
    theta = np.append(basis.project(basis.normalise(mean + 0.5 * variance)), np.zeros(len(basis.factors)))
    sigma_events = np.sqrt(chains.of_events(chains.log_weights(variance)))
    return BreakWeights(basis, theta, sigma_table=np.sqrt(variance)), sigma_events
