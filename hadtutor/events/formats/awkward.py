"""Hadrons as awkward arrays."""

import numpy as np

from .columns import COLUMNS, _join, _names, _native, _need


def to_awkward(hadrons):
    """Hadrons as an awkward array of `vector` momenta; see `Hadrons.to_awkward`.

    Parameters
    ----------
    hadrons : Hadrons

    Returns
    -------
    awkward.Array
    """
    ak, vector = _need("awkward"), _need("vector.backends.awkward")
    contents = [ak.contents.NumpyArray(_native(getattr(hadrons, name))) for name in COLUMNS]
    fields = ["E" if name == "e" else name for name in COLUMNS]
    records = ak.contents.RecordArray(contents, fields, parameters={"__record__": "Momentum4D"})
    events = ak.contents.ListOffsetArray(ak.index.Index64(hadrons.offsets), records)
    return ak.Array(events, behavior=vector.behavior)


def from_awkward(array):
    """Hadrons from an awkward array; see `Hadrons.from_awkward`.

    Parameters
    ----------
    array : awkward.Array

    Returns
    -------
    Hadrons
    """
    ak = _need("awkward")
    if not isinstance(array, ak.Array):
        raise TypeError(f"wanted an awkward.Array, got {type(array).__name__}")
    return _join({name: _flat_awkward(ak, array[field], field) for name, field in _names(array.fields).items()})


def _flat_awkward(ak, column, field):
    layout = ak.to_packed(ak.from_regular(column, axis=None)).layout
    if column.ndim != 2 or not layout.is_list or not layout.content.is_numpy:
        raise ValueError(
            f"wanted a list of numbers for each event, none of them missing, got {field} of type {column.type}"
        )
    values = np.require(layout.content.data, requirements="W")  # a copy where awkward's memory is read-only
    return np.asarray(layout.offsets, dtype=np.int64), values
