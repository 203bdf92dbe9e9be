"""Networks on sets: a cloud of hadrons, padded or not, and Deep Sets on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .layers import MLP, Standardise, as_tensor


class Cloud(NamedTuple):
    """Sets of particles as flat arrays, without padding: row r, shape (rows, F) in `x`, belongs to set ``index[r]``.

    `n_sets` counts empty ones too; `weight`, shape (rows,), is that of each particle in the pooling ``"weighted"``.
    """

    x: Tensor
    index: Tensor  # type: ignore[assignment]  # a tuple has a method of this name
    n_sets: int
    weight: Tensor | None = None


def from_padded(x: Any, mask: Any, weight: Any = None) -> Cloud:
    """The sets of a rectangle with a mask, as flat arrays.

    What stands where the mask is false is never looked at; it may be zero, NaN, or anything else.

    Parameters
    ----------
    x : array_like or Tensor, shape (N, K, F)
    mask : array_like or Tensor of bool, shape (N, K)
        True where there is a particle; `to_padded` of `Hadrons` makes both.
    weight : array_like or Tensor, shape (N, K), optional

    Raises
    ------
    TypeError, ValueError
        If the mask is not of bools, or the shapes do not fit together.

    Examples
    --------
    >>> cloud = from_padded(torch.zeros(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]]))
    >>> cloud.index.tolist(), cloud.n_sets
    ([0, 0, 1], 2)
    """
    x, mask = as_tensor(x, "x"), as_tensor(mask, "mask")
    weight = None if weight is None else as_tensor(weight, "weight")
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must hold bools, true where there is a particle, got {mask.dtype}")
    if x.ndim != 3 or mask.shape != x.shape[:2] or (weight is not None and weight.shape != mask.shape):
        got = " and ".join(str(tuple(t.shape)) for t in (x, mask, weight) if t is not None)
        raise ValueError(f"x wants the shape (N, K, F), mask and weight (N, K); got {got}")
    return Cloud(x[mask], mask.nonzero()[:, 0], len(x), None if weight is None else weight[mask])


class DeepSets(nn.Module):
    r"""A function of sets, blind to the order of their elements: :math:`F(\mathrm{pool}_i\,\Phi(x_i))`.

    Parameters
    ----------
    n_features, n_out : int
        Numbers per particle, and per set.
    phi, rho : tuple of int
        Hidden neurons of Φ, the last being its number of outputs, and of F.
    pooling : {"sum", "mean", "weighted"}
        ``"sum"`` knows how many particles there are, ``"mean"`` does not. ``"weighted"`` is :math:`\sum_i
        w_i\,\Phi(x_i)`: with momentum fractions as weights and directions as features, a particle of vanishing momentum
        or a collinear splitting changes nothing (energy flow network
        :cite:p:`komiske2019energy`). Others are a ValueError.
    n_more : int
        Numbers per set that F sees besides the pooled ones.
    activation : type of torch.nn.Module
    dtype : torch.dtype, optional
        Of the weights, see `MLP`.

    Examples
    --------
    >>> net = DeepSets(2)
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> net(Cloud(x, torch.tensor([0, 0, 1]), 2)).shape
    torch.Size([2])
    """

    def __init__(
        self, n_features: int, n_out: int = 1, *, phi: tuple[int, ...] = (64, 64), rho: tuple[int, ...] = (64,),
        pooling: str = "sum", n_more: int = 0, activation: Callable[[], nn.Module] = nn.ReLU,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if pooling not in ("sum", "mean", "weighted"):
            raise ValueError(f"pooling must be 'sum', 'mean' or 'weighted', got {pooling!r}")
        self.pooling, self.n_out = pooling, n_out
        self.phi = MLP(n_features, *phi, activation=activation, dtype=dtype)
        self.rho = MLP(phi[-1] + n_more, *rho, n_out, activation=activation, dtype=dtype)

    def pooled(self, cloud: Cloud) -> Tensor:
        """The pooled Φ of each set of `cloud`, shape (n_sets, phi[-1]); a ValueError without the weights it wants."""
        x, index, n_sets, weight = cloud
        latent = self.phi(x)
        if self.pooling == "weighted":
            if weight is None:
                raise ValueError("pooling 'weighted' needs a cloud with weights, such as momentum fractions")
            latent = latent * weight.unsqueeze(-1)
        total = latent.new_zeros((n_sets, latent.shape[1])).index_add(0, index, latent)
        if self.pooling == "mean":
            total = total / torch.bincount(index, minlength=n_sets).clamp(min=1).unsqueeze(-1)
        return total

    def forward(self, cloud: Cloud, more: Tensor | None = None) -> Tensor:
        """Output for each set, shape (N,), or (N, n_out) if `n_out` is not 1.

        Parameters
        ----------
        cloud : Cloud
            N sets; `from_padded` makes one of a rectangle with a mask. An empty set has the pooled value 0.
        more : Tensor, shape (N, n_more), optional
        """
        pooled = self.pooled(cloud)
        out = self.rho(pooled if more is None else torch.cat([pooled, more], dim=1))
        return out.squeeze(-1) if self.n_out == 1 else out


class ScaledCloud(Standardise):
    """Standardise the particles of a cloud; `x` as of `Standardise`. What they have beyond its columns stays."""

    def forward(self, cloud: Cloud) -> Cloud:  # type: ignore[override]
        """Standardise the particles of `cloud`."""
        n = len(self.mean)
        scaled = super().forward(cloud.x[:, :n])
        return cloud._replace(x=scaled if cloud.x.shape[1] == n else torch.cat([scaled, cloud.x[:, n:]], dim=1))
