"""Layers all networks are made of: a multilayer perceptron, standardised inputs, and a seed of their own."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import as_seed, plain


def as_tensor(values: Any, name: str) -> Tensor:
    """A tensor, or one of whatever holds numbers: lists, arrays, data frames; what is masked or missing is NaN."""
    if isinstance(values, Tensor):
        return values
    array = plain(values, name)
    return torch.as_tensor(array if array.flags.writeable else array.copy())


@contextlib.contextmanager
def torch_seed(start: np.random.Generator | int) -> Iterator[None]:
    """Torch's global random numbers begin at `start` inside, and go on afterwards as if nothing had happened.

    Layers take their first weights from the global generator; this is how they become reproducible.

    Examples
    --------
    >>> with torch_seed(7):
    ...     first = torch.rand(2)
    >>> with torch_seed(7):
    ...     print(bool((first == torch.rand(2)).all()))
    True
    """
    with torch.random.fork_rng():
        torch.manual_seed(as_seed(start))
        yield


class MLP(nn.Sequential):
    """Layers of neurons, each connected to all of the next; no activation after the last.

    Weights are drawn in single precision, so that they are the same in any other. What goes in, shape (..., inputs), is
    brought to the precision of the weights.

    Parameters
    ----------
    *sizes : int
        Numbers of inputs, of neurons in each hidden layer, and of outputs; a ValueError if fewer than two, or one below
        1.
    activation : type of torch.nn.Module
        What stands between the layers.
    dtype : torch.dtype, optional
        Of the weights; by default torch's own.

    Examples
    --------
    >>> MLP(3, 32, 1)(torch.zeros(5, 3)).shape
    torch.Size([5, 1])
    """

    _layer: Callable[..., nn.Module] = nn.Linear

    def __init__(
        self, *sizes: int, activation: Callable[[], nn.Module] = nn.ReLU, dtype: torch.dtype | None = None
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            name = type(self).__name__
            raise ValueError(f"{name} wants the numbers of inputs, hidden neurons and outputs, got {sizes}")
        layers: list[nn.Module] = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            layers += [self._layer(n_in, n_out, dtype=torch.float32), activation()]
        super().__init__(*layers[:-1])
        self.to(torch.get_default_dtype() if dtype is None else dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the last layer for `x`."""
        return super().forward(x.to(next(self.parameters()).dtype))


class Standardise(nn.Module):
    """Shift and scale each feature to mean 0 and standard deviation 1 of the data it was made of.

    The numbers belong to the network: they are saved, exported and moved to a device with it. A feature that does not
    vary is only shifted.

    Parameters
    ----------
    x : array_like or Tensor, shape (rows, F)
        Features to take mean and standard deviation of; a ValueError if empty or not finite.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    >>> Standardise(x)(x).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, x: Any) -> None:
        super().__init__()
        x = as_tensor(x, "x")
        if x.ndim != 2 or len(x) == 0 or not bool(torch.isfinite(x).all()):
            raise ValueError(f"Standardise needs finite features of shape (rows, F), got shape {tuple(x.shape)}")
        x = x if x.is_floating_point() else x.to(torch.float32)
        spread, mean = x.double().std(dim=0, correction=0), x.double().mean(dim=0)
        # What rounding leaves of a constant feature is no spread.
        spread = torch.where(spread > 1e-6 * (1e-6 + mean.abs()), spread, torch.ones_like(spread))
        self.register_buffer("mean", mean.to(x.dtype))
        self.register_buffer("spread", spread.to(x.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise features `x`, shape (..., F)."""
        return (x - self.mean) / self.spread
