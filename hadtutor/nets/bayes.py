"""Networks whose weights are distributions, by variational inference."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import takes_rng
from .layers import MLP, torch_seed


class BayesLinear(nn.Module):
    """A layer whose weights have a distribution: independent Gaussians with learnable means and widths.

    In training every event sees weights of its own. They enter only through the sums before the activation, which are
    Gaussian again, so that one Gaussian number per event and neuron does (local reparametrisation
    :cite:p:`kingma2015variational`).
    """

    def __init__(self, n_in: int, n_out: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        plain = nn.Linear(n_in, n_out, dtype=dtype)
        self.weight, self.bias = plain.weight, plain.bias
        self.log_sigma = nn.Parameter(torch.full_like(plain.weight, -4.0))

    def forward(self, x: Tensor) -> Tensor:
        mean = nn.functional.linear(x, self.weight, self.bias)
        if not self.training:
            return mean
        variance = nn.functional.linear(x**2, torch.exp(2.0 * self.log_sigma))
        # A sum over nothing has no spread; its root would have no gradient.
        return mean + torch.sqrt(variance + 1e-16) * torch.randn_like(mean)

    def kl(self) -> Tensor:
        """Kullback-Leibler divergence to standard Gaussians, to which weights return without data."""
        return 0.5 * (torch.exp(2.0 * self.log_sigma) + self.weight**2 - 1.0 - 2.0 * self.log_sigma).sum()


class BayesMLP(MLP):
    """An MLP whose weights have a distribution :math:`q` in place of a value :cite:p:`blundell2015weight`.

    Train it with the mean loss per event plus ``kl() / n``, n being the number of events: with the cross-entropy as
    loss this is a bound on how well the network explains all n events, however uncertain its weights, and q comes close
    to their posterior distribution. Biases have none. In evaluation the network has the mean weights. Parameters and
    what is refused are those of `MLP`.

    Examples
    --------
    >>> net = BayesMLP(3, 32, 1)
    >>> one, other = net.draw(rng=1), net.draw(rng=2)
    >>> x = torch.ones(5, 3)
    >>> one(x).shape, bool((one(x) != other(x)).all())
    (torch.Size([5, 1]), True)
    """

    _layer = BayesLinear

    def kl(self) -> Tensor:
        """Kullback-Leibler divergence of all weights to standard Gaussians, a number >= 0."""
        first, *others = (layer.kl() for layer in self if isinstance(layer, BayesLinear))
        return sum(others, first)

    @takes_rng
    def draw(self, *, rng: np.random.Generator | int) -> "BayesMLP":
        """A network with weights drawn from their distribution by `rng`, in evaluation, where it has these weights."""
        net = copy.deepcopy(self).eval()
        with torch_seed(rng), torch.no_grad():
            for layer in net:
                if isinstance(layer, BayesLinear):
                    # Always drawn on the CPU, so that it is the same network on every device.
                    noise = torch.randn(layer.weight.shape, dtype=layer.weight.dtype).to(layer.weight.device)
                    layer.weight += torch.exp(layer.log_sigma) * noise
        return net
