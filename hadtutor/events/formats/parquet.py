"""Hadrons in Parquet files."""

import numpy as np

from .columns import COLUMNS, _join, _names, _native, _need, _reading, _replacing


def to_parquet(hadrons, path):
    """Write hadrons to a Parquet file, one row per event; see `Hadrons.to_parquet`.

    Parameters
    ----------
    hadrons : Hadrons
    path : str or Path
    """
    pa, pq = _need("pyarrow"), _need("pyarrow.parquet")
    offsets = pa.array(hadrons.offsets, pa.int64())
    arrays, fields = [], []
    for name in COLUMNS:
        values = pa.array(_native(getattr(hadrons, name)), from_pandas=False)  # a NaN stays a NaN
        kind = pa.large_list(pa.field("element", values.type, nullable=False))
        arrays.append(pa.LargeListArray.from_arrays(offsets, values, type=kind))
        fields.append(pa.field(name, kind, nullable=False))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    with _replacing(path) as part:
        pq.write_table(table, part, compression="zstd", use_dictionary=False, write_page_checksum=True)


def from_parquet(path):
    """Read hadrons from a Parquet file; see `Hadrons.from_parquet`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Hadrons
    """
    pq = _need("pyarrow.parquet")
    with _reading(path, "Parquet"), open(path, "rb") as stream:
        file = pq.ParquetFile(stream, page_checksum_verification=True)
        names = _names(file.schema_arrow.names)
        table = file.read(columns=list(names.values()))
        return _join({name: _flat_arrow(table[column], column) for name, column in names.items()})


def _flat_arrow(column, name):
    """Offsets and values of a column of lists, wherever its pieces begin."""
    pa = _need("pyarrow")
    if not any(is_kind(column.type) for is_kind in (pa.types.is_list, pa.types.is_large_list)):
        raise ValueError(f"wanted a list of numbers for each event, got {name} of type {column.type}")
    lists = column.cast(pa.large_list(column.type.value_type)).combine_chunks()
    values = lists.flatten()
    if lists.null_count or values.null_count:
        raise ValueError(f"{name} has missing values")
    offsets = np.array(lists.offsets)
    return offsets - offsets[0], np.array(values)  # copies, since Arrow's memory is read-only
