"""Ragged data: flat columns with offsets; owner i has the rows ``offsets[i]:offsets[i + 1]``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._support.checks import column
from ..files import DataFileError, read_arrays, write_arrays
from ..kinematics import rapidity

if TYPE_CHECKING:
    from typing import Self  # of Python 3.11

# Metadata of a column with one entry per row: what stands in it, and the dtype of an empty one.
REAL, WHOLE, FLAG = ({"per_row": dtype} for dtype in (float, np.int32, bool))


class Code(IntEnum):
    """A whole number with ``words`` that say what it means."""

    words: str

    def __new__(cls, value: int, words: str) -> Self:
        code = int.__new__(cls, value)
        code._value_, code.words = value, words
        return code


@dataclass(frozen=True, eq=False)
class Saved:
    """What can be stored in a file, joined, and changed in one place."""

    _packed: ClassVar[Any]  # methods: to arrays and settings, from these, and from several of the type
    _unpacked: ClassVar[Any]
    _joined: ClassVar[Any]

    def replace(self, **changes: Any) -> Self:
        """The same with `changes`, new attributes by name; the original stays as it is."""
        return dataclasses.replace(self, **changes)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one compressed file at `path` (NumPy's npz with a header), without rounding."""
        arrays, settings = self._packed()
        write_arrays(path, arrays, {"kind": type(self).__name__} | settings)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what `save` of the same type wrote to `path`.

        A `DataFileError` says if it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        arrays, header = read_arrays(path)
        kind = header.get("kind", cls.__name__)  # the first files did not say it
        if kind != cls.__name__:
            raise DataFileError(f"{path} holds no {cls.__name__}, but {kind}")
        try:
            return cls._unpacked(arrays, header)
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{path} holds no {cls.__name__}: {error}") from error

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Join `parts` of one type that were made with the same settings, such as the energy, in order.

        TypeError, ValueError: something else is among them, the settings differ, or there is no part.
        """
        if not (parts := list(parts)):
            raise ValueError(f"concatenate needs at least one {cls.__name__}")
        for part in parts:
            if not isinstance(part, cls) or type(part) is not type(parts[0]):
                raise TypeError(f"concatenate joins {type(parts[0]).__name__} alone, got {type(part).__name__} too")
            if some := parts[0]._settings().keys() ^ part._settings().keys():
                raise ValueError(f"some parts have {', '.join(sorted(some))} and some do not; make them in one way")
            for name, value in parts[0]._settings().items():
                if (other := getattr(part, name)) != value:
                    differ = f"differ in {name}: {value} and {other}"
                    raise ValueError(f"the parts {differ}; keep them apart, or weight one to the other")
        return cls._joined(parts)

    def _settings(self) -> dict[str, Any]:
        """What belongs to all events alike."""
        return {f.name: value for f in fields(self) if not isinstance(value := getattr(self, f.name), np.ndarray)}

    def _changed(self, **columns: Any) -> Self:
        """As `replace`, unchecked: parts of what fits together fit together."""
        new = object.__new__(type(self))
        new.__dict__.update({f.name: self.__dict__[f.name] for f in fields(self)} | columns)
        return new


class Ragged(Saved):
    """Columns of equal length under offsets, which are the first field."""

    _unit: ClassVar[str]  # what the rows are

    def _columns(self):
        columns = {f.name: getattr(self, f.name) for f in fields(self) if "per_row" in f.metadata}
        return {name: column for name, column in columns.items() if column is not None}

    def _take(self, rows, **others):
        """As `_changed`, with some rows alone, by number or mask."""
        return self._changed(**{name: column[rows] for name, column in self._columns().items()}, **others)

    def _packed(self):
        settings = self._settings()
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in settings}, settings

    @classmethod
    def _unpacked(cls, arrays, header):
        names = {f.name for f in fields(cls)}
        if set(arrays) - names:
            raise ValueError(f"it has columns of something else: {', '.join(sorted(set(arrays) - names))}")
        return cls(**arrays, **{name: header[name] for name in names - set(arrays) if name in header})

    @classmethod
    def _joined(cls, parts):
        offsets, *others = (f.name for f in fields(parts[0]))
        starts = np.cumsum([0] + [getattr(p, offsets)[-1] for p in parts[:-1]])
        pieces = [getattr(p, offsets)[1:] + start for p, start in zip(parts, starts, strict=True)]
        columns = {offsets: np.concatenate([[0], *pieces])}
        names = [name for name in others if name not in parts[0]._settings()]
        return parts[0]._changed(**columns, **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def __post_init__(self) -> None:
        """Make ordinary arrays of the columns, and see that they fit under the offsets."""
        name = fields(self)[0].name
        offsets = self.__dict__[name] = column(getattr(self, name), name, np.int64)
        for f in fields(self):
            if (dtype := f.metadata.get("per_row")) and getattr(self, f.name) is not None:
                self.__dict__[f.name] = column(getattr(self, f.name), f.name, dtype, own=True)
        sizes = {name: len(column) for name, column in self._columns().items()}
        n_rows = next(iter(sizes.values()))
        if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != n_rows:
            raise ValueError(f"offsets must run from 0 to the number of {self._unit} ({n_rows}), got {offsets}")
        if np.any(np.diff(offsets) < 0):
            raise ValueError("offsets must not decrease")
        for name, size in sizes.items():
            if size != n_rows:
                raise ValueError(f"{name} has {size} rows, the offsets want {n_rows}")

    def _padded(self, offsets, columns):
        columns = (columns,) if isinstance(columns, str) else columns
        counts = np.diff(offsets)
        mask = np.arange(counts.max(initial=0)) < counts[:, None]
        x = np.zeros((*mask.shape, len(columns)), dtype=np.result_type(*(getattr(self, c) for c in columns)))
        x[mask] = np.stack([getattr(self, c) for c in columns], axis=1)
        return x, mask


def rows_of(offsets: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows owned by the owners in `index`, in that order, and the new offsets."""
    counts = offsets[index + 1] - offsets[index]
    new_offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(new_offsets[-1]) + np.repeat(offsets[index] - new_offsets[:-1], counts)
    return rows, new_offsets


def as_index(key: Any, n: int) -> np.ndarray:
    """Turn an int, slice, mask or list of events into an integer index."""
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if not -n <= key < n:
            raise IndexError(f"event {key} of a sample of {n}")
        return np.array([key % n])
    if isinstance(key, slice):
        return np.arange(n)[key]
    key = np.asarray(key)
    if key.dtype == bool and key.shape != (n,):
        raise IndexError(f"a mask for {n} events must have shape ({n},), got {key.shape}")
    if key.dtype.kind not in "biu" and key.size:
        raise IndexError(f"events are picked by number, slice or mask, got {key.dtype}")
    return np.arange(n)[key if key.dtype == bool else key.astype(np.int64)]


@dataclass(frozen=True, eq=False)
class Events(Ragged):
    """N events that own rows of particles with momentum and energy."""

    offsets: np.ndarray
    px: np.ndarray = field(metadata=REAL)
    py: np.ndarray = field(metadata=REAL)
    pz: np.ndarray = field(metadata=REAL)
    e: np.ndarray = field(metadata=REAL)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} events, {len(self.px)} {self._unit})"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: int | slice | Sequence | np.ndarray) -> Self:
        rows, offsets = rows_of(self.offsets, as_index(key, len(self)))
        return self._take(rows, offsets=offsets)

    @property
    def multiplicity(self) -> np.ndarray:
        """Number of particles of each event, shape (N,)."""
        return np.diff(self.offsets)

    @property
    def event(self) -> np.ndarray:
        """Number of the event that each particle belongs to, shape (rows,)."""
        return np.repeat(np.arange(len(self)), self.multiplicity)

    @property
    def p4(self) -> np.ndarray:
        """Four-momenta px, py, pz, e [GeV], shape (rows, 4)."""
        return np.stack([self.px, self.py, self.pz, self.e], axis=1)

    @property
    def pt(self) -> np.ndarray:
        """Transverse momentum, across the z axis [GeV], shape (rows,)."""
        return np.hypot(self.px, self.py)

    @property
    def rapidity(self) -> np.ndarray:
        """ln((e + pz)/(e - pz))/2, along the z axis, shape (rows,); infinite for what is massless along it."""
        with np.errstate(divide="ignore"):
            return rapidity(self.e, self.pz)

    def _refuse(self, wrong, what):
        """Raise if a row is wrong; the message says which event has `what`."""
        if wrong.any():
            raise ValueError(f"event {self.event[np.argmax(wrong)]} has {what}")
