"""Data in batches: tables, clouds, and two samples side by side."""

from typing import Any, Protocol

import torch
from torch import Tensor

from ..nets.layers import as_tensor
from ..nets.sets import Cloud


class Data(Protocol):
    """What a training goes through: so many events, and a batch for a tensor of event numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Tensor) -> Any: ...


class Table:
    """Events with one row each; a batch is a tuple of the columns.

    Parameters
    ----------
    *columns : array_like or Tensor, shape (N, ...)
        At least one, all of one length, else a ValueError. A data frame is one column, of shape (N, F).

    Examples
    --------
    >>> data = Table(torch.arange(4.0), torch.tensor([0, 1, 0, 1]))
    >>> data[torch.tensor([2])]
    (tensor([2.]), tensor([0]))
    """

    def __init__(self, *columns: Any) -> None:
        self.columns = _columns(columns)
        if not columns or len({len(c) for c in self.columns}) > 1:
            raise ValueError(f"a table wants columns of one length, got {[len(c) for c in self.columns]}")

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Tensor) -> tuple[Tensor, ...]:
        return tuple(c[index] for c in self.columns)


class Clouds:
    """Events with any number of particles; a batch is a `Cloud`, followed by the columns of its events.

    Parameters
    ----------
    x : array_like or Tensor, shape (rows, F)
        Features of all particles.
    offsets : array_like or Tensor of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    *columns : array_like or Tensor, shape (N, ...)
        What else belongs to each event, such as its class.
    weight : array_like or Tensor, shape (rows,), optional
        Weights of the particles, for the pooling ``"weighted"``. A ValueError if these do not fit together.

    Examples
    --------
    >>> data = Clouds(torch.arange(6.0).reshape(3, 2), [0, 1, 3], torch.tensor([0.0, 1.0]))
    >>> cloud, label = data[torch.tensor([1, 1])]
    >>> cloud.index.tolist(), label.tolist()
    ([0, 0, 1, 1], [1.0, 1.0])
    """

    def __init__(self, x: Any, offsets: Any, *columns: Any, weight: Any = None) -> None:
        self.x = as_tensor(x, "x")
        ends = as_tensor(offsets, "offsets").tolist()
        self.offsets = torch.as_tensor(ends, dtype=torch.int64, device=self.x.device)
        self.columns = _columns(columns)
        self.weight = None if weight is None else as_tensor(weight, "weight")
        if not ends or ends[0] != 0 or ends[-1] != len(self.x) or sorted(self.offsets.tolist()) != ends:
            raise ValueError(f"offsets must run from 0 to the number of rows, {len(self.x)}, and never decrease")
        if self.x.ndim != 2:
            raise ValueError(f"x must have the shape (rows, F), got {tuple(self.x.shape)}")
        if self.weight is not None and self.weight.shape != self.x.shape[:1]:
            raise ValueError(f"weight wants one entry for each of {len(self.x)} rows, got {tuple(self.weight.shape)}")
        if any(len(c) != len(self) for c in self.columns):
            lengths = [len(c) for c in self.columns]
            raise ValueError(f"columns want one entry for each of {len(self)} events, got {lengths}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Tensor) -> tuple:
        rows, of = rows_of(self.offsets, index)
        weight = None if self.weight is None else self.weight[rows]
        return Cloud(self.x[rows], of, len(index), weight), *(c[index] for c in self.columns)


def rows_of(offsets: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the events `index`, and for each row its place in `index`."""
    starts = offsets[index]
    counts = offsets[index + 1] - starts
    of = torch.repeat_interleave(torch.arange(len(index), device=starts.device), counts)
    return torch.arange(len(of), device=starts.device) + (starts - counts.cumsum(0) + counts)[of], of


class Paired:
    """Two data sets side by side, such as simulated and real events; a batch is a pair of their batches.

    Parameters
    ----------
    one, other : Table, Clouds, or the like
        Not empty, else a ValueError. As long as the longer; the shorter is gone through again from its beginning.

    Examples
    --------
    >>> data = Paired(Table(torch.arange(3)), Table(torch.arange(5)))
    >>> data[torch.tensor([4])]
    ((tensor([1]),), (tensor([4]),))
    """

    def __init__(self, one: Data, other: Data) -> None:
        self.one, self.other = one, other
        if len(one) == 0 or len(other) == 0:
            raise ValueError(f"both data sets want events, got {len(one)} and {len(other)}")

    def __len__(self) -> int:
        return max(len(self.one), len(self.other))

    def __getitem__(self, index: Tensor) -> tuple:
        return self.one[index % len(self.one)], self.other[index % len(self.other)]


def _columns(columns: tuple) -> tuple[Tensor, ...]:
    found = tuple(as_tensor(c, f"column {k}") for k, c in enumerate(columns))
    if any(c.ndim == 0 for c in found):
        raise ValueError("columns want one entry for each event, got a single number")
    return found
