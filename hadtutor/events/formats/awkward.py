"""Hadrons as awkward arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._support.checks import log_weights
from ..._support.optional import need
from .columns import COLUMNS, DEFAULT, Read, joined, names


def to_awkward(offsets: np.ndarray, columns: Mapping[str, np.ndarray], log_w: Mapping[str, np.ndarray]) -> Any:
    """Lists of `vector` momenta, beside the weights where there are any; see `Hadrons.to_awkward`."""
    ak, vector = need("awkward", "hep", "an awkward array"), need("vector.backends.awkward", "hep", "an awkward array")

    def records(arrays, fields, **parameters):
        contents = [ak.contents.NumpyArray(a) if isinstance(a, np.ndarray) else a for a in arrays]
        return ak.contents.RecordArray(contents, fields, parameters=parameters)

    fields = ["E" if name == "e" else name for name in COLUMNS]
    momenta = records([columns[name] for name in COLUMNS], fields, __record__="Momentum4D")
    events = ak.contents.ListOffsetArray(ak.index.Index64(offsets), momenta)
    if log_w:
        weights = log_w[DEFAULT] if set(log_w) == {DEFAULT} else records(log_w.values(), list(log_w))
        events = records([events, weights], ["hadrons", "log_w"])
    return ak.Array(events, behavior=vector.behavior)


def from_awkward(array: Any, weights: bool = False) -> Read:
    """Hadrons from what `to_awkward` makes, and from others; see `Hadrons.from_awkward`."""
    ak = need("awkward", "hep", "an awkward array")
    if not isinstance(array, ak.Array):
        raise TypeError(f"wanted an awkward.Array, got {type(array).__name__}")
    log_w = {}
    if weights and "log_w" in array.fields:
        found = array["log_w"]
        named = {name: found[name] for name in found.fields} or {DEFAULT: found}
        log_w = {name: log_weights(values, len(array), name) for name, values in named.items()}
    hadrons = array["hadrons"] if "hadrons" in array.fields else array
    columns = {name: _flat(ak, hadrons[field], field) for name, field in names(hadrons.fields).items()}
    return *joined(columns), log_w


def _flat(ak, column, field):
    layout = ak.to_packed(ak.from_regular(column, axis=None)).layout
    if column.ndim != 2 or not layout.is_list or not layout.content.is_numpy:
        wanted = "a list of numbers for each event, none of them missing"
        raise ValueError(f"wanted {wanted}, got {field} of type {column.type}")
    values = np.require(layout.content.data, requirements="W")  # a copy where awkward's memory is read-only
    return np.asarray(layout.offsets, dtype=np.int64), values
