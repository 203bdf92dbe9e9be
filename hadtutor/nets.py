r"""Small networks: layers and mathematics, nothing else. `hadtutor.training` trains them.

Events are sets of hadrons, of different sizes and without an order. `DeepSets` treats them as such
:cite:p:`zaheer2017deep,komiske2019energy`: every hadron goes through the same network Φ, the results are added up, and
a second network F looks at the sum,

.. math:: D(\{h_1, \dots, h_n\}) = F\Bigl(\sum_i \Phi(h_i)\Bigr) .

Classifiers return logits: trained on equally many events of both classes, the logit is the logarithm of their
likelihood ratio.
"""

import contextlib
import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["MLP", "BayesMLP", "Cloud", "DeepSets", "Standardise", "from_padded", "torch_seed"]


@contextlib.contextmanager
def torch_seed(seed):
    """Torch's global random numbers start at `seed` inside, and go on afterwards as if nothing had happened.

    Layers take their first weights from the global generator; this is how they become reproducible.

    Parameters
    ----------
    seed : int

    Examples
    --------
    >>> with torch_seed(7):
    ...     first = torch.rand(2)
    >>> with torch_seed(7):
    ...     second = torch.rand(2)
    >>> bool((first == second).all())
    True
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class MLP(nn.Sequential):
    """Layers of neurons, each connected to all of the next; no activation after the last.

    Parameters
    ----------
    *sizes : int
        Number of inputs, of neurons in each hidden layer, and of outputs.
    activation : type of torch.nn.Module
        What stands between the layers.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one is below 1.

    Examples
    --------
    >>> MLP(3, 32, 1)(torch.zeros(5, 3)).shape
    torch.Size([5, 1])
    """

    def __init__(self, *sizes, activation=nn.ReLU):
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"MLP wants the numbers of inputs, hidden neurons and outputs, got {sizes}")
        layers = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            layers += [nn.Linear(n_in, n_out), activation()]
        super().__init__(*layers[:-1])


class BayesLinear(nn.Module):
    """A layer whose weights have a distribution: independent Gaussians with learnable means and widths.

    In training every event sees weights of its own. They enter only through the sums before the activation, which are
    Gaussian again, so that one Gaussian number per event and neuron does (local reparametrisation
    :cite:p:`kingma2015variational`).
    """

    def __init__(self, n_in, n_out):
        super().__init__()
        plain = nn.Linear(n_in, n_out)
        self.weight, self.bias = plain.weight, plain.bias
        self.log_sigma = nn.Parameter(torch.full_like(plain.weight, -4.0))

    def forward(self, x):
        mean = nn.functional.linear(x, self.weight, self.bias)
        if not self.training:
            return mean
        variance = nn.functional.linear(x**2, torch.exp(2.0 * self.log_sigma))
        # A sum over nothing has no spread; its root would have no gradient.
        return mean + torch.sqrt(variance + 1e-16) * torch.randn_like(mean)

    def kl(self):
        """Kullback-Leibler divergence to standard Gaussians, to which weights return without data."""
        return 0.5 * (torch.exp(2.0 * self.log_sigma) + self.weight**2 - 1.0 - 2.0 * self.log_sigma).sum()


class BayesMLP(nn.Sequential):
    r"""An MLP whose weights have a distribution :math:`q` in place of a value :cite:p:`blundell2015weight`.

    Train it with the mean loss per event plus ``kl() / n``, n being the number of events: with the cross-entropy as
    loss this is a bound on how well the network explains all n events, however uncertain its weights, and q comes close
    to their posterior distribution. Biases have none. In evaluation the network has the mean weights.

    Parameters
    ----------
    *sizes : int
        Number of inputs, of neurons in each hidden layer, and of outputs.
    activation : type of torch.nn.Module

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one is below 1.

    Examples
    --------
    >>> net = BayesMLP(3, 32, 1)
    >>> one, other = net.draw(seed=1), net.draw(seed=2)
    >>> x = torch.ones(5, 3)
    >>> one(x).shape, bool((one(x) != other(x)).all())
    (torch.Size([5, 1]), True)
    """

    def __init__(self, *sizes, activation=nn.ReLU):
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"BayesMLP wants the numbers of inputs, hidden neurons and outputs, got {sizes}")
        layers = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            layers += [BayesLinear(n_in, n_out), activation()]
        super().__init__(*layers[:-1])

    def kl(self):
        """Kullback-Leibler divergence of all weights to standard Gaussians.

        Returns
        -------
        Tensor
            A number >= 0.
        """
        return sum(layer.kl() for layer in self if isinstance(layer, BayesLinear))

    def draw(self, seed):
        """A network with weights drawn from their distribution.

        Parameters
        ----------
        seed : int

        Returns
        -------
        torch.nn.Sequential
            With plain layers, in evaluation.
        """
        net = copy.deepcopy(self).eval()
        with torch_seed(seed), torch.no_grad():
            for layer in net:
                if isinstance(layer, BayesLinear):
                    # Always drawn on the CPU, so that it is the same network on every device.
                    noise = torch.randn(layer.weight.shape, dtype=layer.weight.dtype).to(layer.weight.device)
                    layer.weight += torch.exp(layer.log_sigma) * noise
        return net


class Standardise(nn.Module):
    """Shift and scale each feature to mean 0 and standard deviation 1 of the data it was made of.

    The numbers belong to the network: they are saved, exported and moved to a device with it. A feature that does not
    vary is only shifted.

    Parameters
    ----------
    x : Tensor, shape (rows, F)
        Features to take mean and standard deviation of.

    Raises
    ------
    ValueError
        If `x` is empty or not finite.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    >>> Standardise(x)(x).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, x):
        super().__init__()
        x = torch.as_tensor(x)
        if x.ndim != 2 or len(x) == 0 or not bool(torch.isfinite(x).all()):
            raise ValueError(f"Standardise needs finite features of shape (rows, F), got shape {tuple(x.shape)}")
        x = x if x.is_floating_point() else x.float()
        spread = x.double().std(dim=0, correction=0)
        mean = x.double().mean(dim=0)
        # What rounding leaves of a constant feature is no spread.
        spread = torch.where(spread > 1e-6 * (1e-6 + mean.abs()), spread, torch.ones_like(spread))
        self.register_buffer("mean", mean.to(x.dtype))
        self.register_buffer("spread", spread.to(x.dtype))

    def forward(self, x):
        """Standardise features.

        Parameters
        ----------
        x : Tensor, shape (..., F)

        Returns
        -------
        Tensor, shape (..., F)
        """
        return (x - self.mean) / self.spread


class Cloud(NamedTuple):
    """Sets of particles as flat arrays: row r belongs to set ``index[r]``. Nothing is padded.

    Attributes
    ----------
    x : Tensor, shape (rows, F)
        Features of each particle.
    index : Tensor of int64, shape (rows,)
        The set that each belongs to, in any order.
    n_sets : int
        Number of sets, empty ones too.
    weight : Tensor, shape (rows,), optional
        Weight of each particle in the pooling ``"weighted"``.
    """

    x: Tensor
    index: Tensor
    n_sets: int
    weight: Tensor | None = None


def from_padded(x, mask, weight=None):
    """The sets of a rectangle with a mask, as flat arrays.

    What stands where the mask is false is never looked at; it may be zero, NaN, or anything else.

    Parameters
    ----------
    x : Tensor, shape (N, K, F)
    mask : Tensor of bool, shape (N, K)
        True where there is a particle.
    weight : Tensor, shape (N, K), optional

    Returns
    -------
    Cloud

    Raises
    ------
    TypeError
        If the mask is not of bools.
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> cloud = from_padded(torch.zeros(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]]))
    >>> cloud.index.tolist(), cloud.n_sets
    ([0, 0, 1], 2)
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must hold bools, true where there is a particle, got {mask.dtype}")
    if x.ndim != 3 or mask.shape != x.shape[:2] or (weight is not None and weight.shape != mask.shape):
        raise ValueError(
            f"x wants the shape (N, K, F), mask and weight (N, K); got {tuple(x.shape)} and {tuple(mask.shape)}"
            + ("" if weight is None else f" and {tuple(weight.shape)}")
        )
    index = mask.nonzero()[:, 0]
    return Cloud(x[mask], index, len(x), None if weight is None else weight[mask])


class DeepSets(nn.Module):
    r"""A function of sets, blind to the order of their elements: :math:`F(\mathrm{pool}_i\,\Phi(x_i))`.

    Parameters
    ----------
    n_features : int
        Numbers per particle.
    n_out : int
        Numbers per set.
    phi, rho : tuple of int
        Hidden neurons of Φ, the last being its number of outputs, and of F.
    pooling : {"sum", "mean", "weighted"}
        ``"sum"`` knows how many particles there are, ``"mean"`` does not. ``"weighted"`` is
        :math:`\sum_i w_i\,\Phi(x_i)`: with momentum fractions as weights and directions as features, a particle of
        vanishing momentum or a collinear splitting changes nothing (energy flow network
        :cite:p:`komiske2019energy`).
    n_more : int
        Numbers per set that F sees besides the pooled ones.
    activation : type of torch.nn.Module

    Raises
    ------
    ValueError
        If `pooling` is none of the three.

    Examples
    --------
    >>> net = DeepSets(2)
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> net(Cloud(x, torch.tensor([0, 0, 1]), 2)).shape
    torch.Size([2])
    """

    def __init__(self, n_features, n_out=1, phi=(64, 64), rho=(64,), pooling="sum", n_more=0, activation=nn.ReLU):
        super().__init__()
        if pooling not in ("sum", "mean", "weighted"):
            raise ValueError(f"pooling must be 'sum', 'mean' or 'weighted', got {pooling!r}")
        self.pooling, self.n_out = pooling, n_out
        self.phi = MLP(n_features, *phi, activation=activation)
        self.rho = MLP(phi[-1] + n_more, *rho, n_out, activation=activation)

    def pooled(self, cloud):
        """The pooled Φ of each set.

        Parameters
        ----------
        cloud : Cloud

        Returns
        -------
        Tensor, shape (n_sets, phi[-1])

        Raises
        ------
        ValueError
            If the pooling is ``"weighted"`` and the cloud has no weights.
        """
        x, index, n_sets, weight = cloud
        latent = self.phi(x)
        if self.pooling == "weighted":
            if weight is None:
                raise ValueError("pooling 'weighted' needs a cloud with weights, such as momentum fractions")
            latent = latent * weight.unsqueeze(-1)
        total = latent.new_zeros((n_sets, latent.shape[1])).index_add(0, index, latent)
        if self.pooling == "mean":
            n = torch.bincount(index, minlength=n_sets).clamp(min=1)
            total = total / n.unsqueeze(-1)
        return total

    def forward(self, cloud, more=None):
        """Output for each set.

        Parameters
        ----------
        cloud : Cloud
            N sets; `from_padded` makes one of a rectangle with a mask. An empty set has the pooled value 0.
        more : Tensor, shape (N, n_more), optional

        Returns
        -------
        Tensor, shape (N,), or (N, n_out) if `n_out` is not 1
        """
        pooled = self.pooled(cloud)
        out = self.rho(pooled if more is None else torch.cat([pooled, more], dim=1))
        return out.squeeze(-1) if self.n_out == 1 else out
