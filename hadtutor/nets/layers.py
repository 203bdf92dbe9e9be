"""Layers all networks are made of: a multilayer perceptron, standardised inputs, and a seed of their own."""

import contextlib

import torch
from torch import nn


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
