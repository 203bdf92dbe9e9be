"""Data in batches: tables, clouds, and two samples side by side."""

from collections.abc import Mapping

import torch

from ..nets.sets import Cloud


class Table:
    """Events with one row each; a batch is a tuple of the columns.

    Parameters
    ----------
    *columns : Tensor, shape (N, ...)

    Raises
    ------
    ValueError
        If there is no column, or they differ in length.

    Examples
    --------
    >>> data = Table(torch.arange(4.0), torch.tensor([0, 1, 0, 1]))
    >>> data[torch.tensor([2])]
    (tensor([2.]), tensor([0]))
    """

    def __init__(self, *columns):
        self.columns = tuple(torch.as_tensor(c) for c in columns)
        if not columns or len({len(c) for c in self.columns}) > 1:
            raise ValueError(f"a table wants columns of one length, got {[len(c) for c in self.columns]}")

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, index):
        return tuple(c[index] for c in self.columns)


class Clouds:
    """Events with any number of particles; a batch is a `Cloud`, followed by the columns of its events.

    Parameters
    ----------
    x : Tensor, shape (rows, F)
        Features of all particles.
    offsets : Tensor or ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    *columns : Tensor, shape (N, ...)
        What else belongs to each event, such as its class.
    weight : Tensor, shape (rows,), optional
        Weights of the particles, for the pooling ``"weighted"``.

    Raises
    ------
    ValueError
        If the offsets do not run from 0 to the number of rows, a column has not one entry for each event, or `weight`
        not one for each row.

    Examples
    --------
    >>> data = Clouds(torch.arange(6.0).reshape(3, 2), [0, 1, 3], torch.tensor([0.0, 1.0]))
    >>> cloud, label = data[torch.tensor([1, 1])]
    >>> cloud.index.tolist(), label.tolist()
    ([0, 0, 1, 1], [1.0, 1.0])
    """

    def __init__(self, x, offsets, *columns, weight=None):
        self.x = torch.as_tensor(x)
        self.offsets = torch.as_tensor(offsets).to(self.x.device)
        self.columns = tuple(torch.as_tensor(c) for c in columns)
        self.weight = None if weight is None else torch.as_tensor(weight)
        ends = self.offsets.tolist()
        if not ends or ends[0] != 0 or ends[-1] != len(self.x) or sorted(ends) != ends:
            raise ValueError(f"offsets must run from 0 to the number of rows, {len(self.x)}, and never decrease")
        if self.weight is not None and len(self.weight) != len(self.x):
            raise ValueError(f"weight wants one entry for each of {len(self.x)} rows, got {len(self.weight)}")
        if any(len(c) != len(self) for c in self.columns):
            raise ValueError(f"columns want one entry for each of {len(self)} events, got {[len(c) for c in columns]}")

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        rows, of = rows_of(self.offsets, index)
        weight = None if self.weight is None else self.weight[rows]
        return Cloud(self.x[rows], of, len(index), weight), *(c[index] for c in self.columns)


def rows_of(offsets, index):
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
        As long as the longer; the shorter is gone through again from its beginning.

    Raises
    ------
    ValueError
        If one of them is empty.

    Examples
    --------
    >>> data = Paired(Table(torch.arange(3)), Table(torch.arange(5)))
    >>> data[torch.tensor([4])]
    ((tensor([1]),), (tensor([4]),))
    """

    def __init__(self, one, other):
        self.one, self.other = one, other
        if len(one) == 0 or len(other) == 0:
            raise ValueError(f"both data sets want events, got {len(one)} and {len(other)}")

    def __len__(self):
        return max(len(self.one), len(self.other))

    def __getitem__(self, index):
        return self.one[index % len(self.one)], self.other[index % len(self.other)]


def _of(value, name):
    return value[name] if isinstance(value, Mapping) else value
