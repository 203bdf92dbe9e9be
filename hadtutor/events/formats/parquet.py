"""Hadrons in Parquet files."""

import io
import os
from collections.abc import Mapping

import numpy as np

from ..._support.checks import log_weights
from ..._support.optional import need
from ...files import foreign, opened, reading, replacing
from .columns import COLUMNS, DEFAULT, Read, joined, names


def to_parquet(
    path: str | os.PathLike, offsets: np.ndarray, columns: Mapping[str, np.ndarray], log_w: Mapping[str, np.ndarray]
) -> None:
    """Write hadrons to a Parquet file, one row per event; see `Hadrons.to_parquet`."""
    pa, pq = need("pyarrow", "hep", "a Parquet file"), need("pyarrow.parquet", "hep", "a Parquet file")
    numbers = lambda values: pa.array(values, from_pandas=False)  # a NaN stays a NaN
    starts = pa.array(offsets, pa.int64())
    arrays, fields = [], []
    for name in COLUMNS:
        values = numbers(columns[name])
        kind = pa.large_list(pa.field("element", values.type, nullable=False))
        arrays.append(pa.LargeListArray.from_arrays(starts, values, type=kind))
        fields.append(pa.field(name, kind, nullable=False))
    if log_w:
        weights, nameless = [numbers(values) for values in log_w.values()], set(log_w) == {DEFAULT}
        arrays.append(weights[0] if nameless else pa.StructArray.from_arrays(weights, list(log_w)))
        fields.append(pa.field("log_w", arrays[-1].type, nullable=False))
    table, sink = pa.Table.from_arrays(arrays, schema=pa.schema(fields)), pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    with replacing(path) as part, open(part, "wb") as file:  # a pipe has no places, which Parquet wants to know
        file.write(sink.getvalue())


def from_parquet(path: str | os.PathLike, weights: bool = False) -> Read:
    """Read hadrons from a Parquet file; see `Hadrons.from_parquet`."""
    pq, kind = need("pyarrow.parquet", "hep", "a Parquet file"), "Parquet file of hadrons"
    with reading(path, kind) as place, opened(place) as (stream, _):
        head = stream.peek(1000)
        if head[:4] != b"PAR1":
            raise foreign(path, kind, head)
        stream = stream if stream.seekable() else io.BytesIO(stream.read())
        file = pq.ParquetFile(stream, page_checksum_verification=True)
        found = set(file.schema_arrow.names)
        records = [name for name in ("hadrons", "") if name in found and "px" not in found]  # as awkward writes them
        wanted = records[:1] or [name for name in (*COLUMNS, "E", "energy") if name in found]
        table = file.read(columns=wanted + ["log_w"] * (weights and "log_w" in found))
    with reading(path, kind, whole=True):
        if records:
            offsets, momenta = _flat(table[records[0]], "the column of hadrons")
            columns = {name: (offsets, momenta[field]) for name, field in names(momenta).items()}
        else:
            columns = {name: _flat(table[field], field) for name, field in names(wanted).items()}
        log_w = _numbers(table["log_w"], "log_w") if "log_w" in table.column_names else {}
        log_w = log_w if isinstance(log_w, dict) else {DEFAULT: log_w}
        return *joined(columns), {name: log_weights(values, len(table), name) for name, values in log_w.items()}


def _flat(column, name):
    """Offsets and values of a column of lists of any kind, wherever its pieces begin."""
    pc, kind = need("pyarrow.compute", "hep"), column.type
    if not hasattr(kind, "value_type") or str(kind).startswith(("dictionary", "map")):
        raise ValueError(f"wanted a list of numbers for each event, got {name} of type {kind}")
    if column.null_count:
        raise ValueError(f"{name} has missing values")
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(column).to_numpy(), dtype=np.int64)])
    return offsets, _numbers(pc.list_flatten(column), name)


def _numbers(column, name):
    """Values of a column, or of each field of a column of records; copies, since Arrow's memory is read-only."""
    if column.null_count:
        raise ValueError(f"{name} has missing values")
    if hasattr(column.type, "get_field_index"):
        return {f.name: _numbers(c, f.name) for f, c in zip(column.type, column.flatten(), strict=True)}
    return np.array(column.to_numpy())
