"""Ragged data: flat columns with offsets; owner i has the rows ``offsets[i]:offsets[i + 1]``."""

from dataclasses import field, fields, replace

import numpy as np


class Ragged:
    """What `Hadrons`, `Showers` and `Histories` share: columns of equal length under offsets."""

    def _columns(self):
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _row_fields(self):
        return [f.name for f in fields(self) if f.metadata.get("per_row")]

    def _check_offsets(self, offsets, n_rows, unit):
        if not isinstance(offsets, np.ndarray) or offsets.dtype.kind != "i" or not offsets.dtype.isnative:
            kind = getattr(offsets, "dtype", type(offsets).__name__)
            raise ValueError(f"offsets must be a NumPy array of whole numbers such as int64, got {kind}")
        if offsets.ndim != 1 or offsets.size == 0 or offsets[0] != 0 or offsets[-1] != n_rows:
            raise ValueError(f"offsets must run from 0 to the number of {unit} ({n_rows}), got {offsets}")
        if np.any(np.diff(offsets) < 0):
            raise ValueError("offsets must not decrease")
        for name in self._row_fields():
            column = getattr(self, name)
            if len(column) != n_rows:
                raise ValueError(f"{name} has {len(column)} rows, the offsets want {n_rows}")
            if not isinstance(column, np.ndarray) or column.ndim != 1:
                raise ValueError(f"{name} must be a one-dimensional NumPy array, got {type(column).__name__}")

    def _check_kinds(self, whole, flags=()):
        """Columns named in `whole` hold whole numbers, those in `flags` bools, the others real numbers."""
        for name in self._row_fields():
            what = "whole numbers" if name in whole else "bools" if name in flags else "real numbers"
            kind = getattr(self, name).dtype
            if kind.kind not in {"whole numbers": "iu", "bools": "b", "real numbers": "iuf"}[what]:
                raise ValueError(f"{name} must hold {what}, got {kind}")

    def _padded(self, offsets, columns):
        counts = np.diff(offsets)
        mask = np.arange(counts.max(initial=0)) < counts[:, None]
        x = np.zeros((*mask.shape, len(columns)), dtype=np.result_type(*(getattr(self, c) for c in columns)))
        x[mask] = np.stack([getattr(self, c) for c in columns], axis=1)
        return x, mask


def row():
    return field(metadata={"per_row": True})


def rows_of(offsets, index):
    """Rows owned by the owners in `index`, in that order, and the new offsets."""
    counts = np.diff(offsets)[index]
    new_offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(new_offsets[-1]) + np.repeat(offsets[:-1][index] - new_offsets[:-1], counts)
    return rows, new_offsets


def as_index(key, n):
    """Turn an int, slice, mask or list of events into an integer index."""
    if isinstance(key, (int, np.integer)):
        if not -n <= key < n:
            raise IndexError(f"event {key} of a sample of {n}")
        return np.array([key % n])
    if isinstance(key, slice):
        return np.arange(n)[key]
    key = np.asarray(key)
    if key.dtype == bool and key.shape != (n,):
        raise IndexError(f"a mask for {n} events must have shape ({n},), got {key.shape}")
    if key.dtype != bool and not (np.issubdtype(key.dtype, np.integer) or key.size == 0):
        raise IndexError(f"events are picked by number, slice or mask, got {key.dtype}")
    return np.arange(n)[key if key.dtype == bool else key.astype(np.int64)]


class Events(Ragged):
    """What `Hadrons` and `Showers` share: N events that own rows of particles."""

    def __len__(self):
        return len(self.offsets) - 1

    @property
    def multiplicity(self):
        """Number of particles of each event, shape (N,)."""
        return np.diff(self.offsets)

    @property
    def event(self):
        """Number of the event that each particle belongs to, shape (rows,)."""
        return np.repeat(np.arange(len(self)), self.multiplicity)

    def _refuse(self, wrong, what):
        """Raise if a row is wrong; the message says which event has `what`."""
        if wrong.any():
            raise ValueError(f"event {self.event[np.argmax(wrong)]} has {what}")

    def __getitem__(self, key):
        rows, offsets = rows_of(self.offsets, as_index(key, len(self)))
        return replace(self, offsets=offsets, **{c: getattr(self, c)[rows] for c in self._row_fields()})
