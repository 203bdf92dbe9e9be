"""Hadrons for other programs and back: awkward arrays, Parquet files, HepMC files. Needs the extra ``hep``.

These functions are the methods of `Hadrons` with the same ending, which say what each of them keeps.
"""

import bz2
import contextlib
import functools
import gzip
import importlib
import io
import lzma
import os
import pathlib
from dataclasses import replace

import numpy as np

from ._progress import track
from .files import DataFileError
from .hadrons import Hadrons

__all__ = ["from_awkward", "from_hepmc", "from_parquet", "to_awkward", "to_hepmc", "to_parquet"]

MOMENTA = ("px", "py", "pz", "e")
COLUMNS = (*MOMENTA, "pid")
ENERGY_NAMES = ("e", "E", "energy")

# HepMC status codes, and PDG codes of what stands before the hadrons: e- along +z, e+ along -z, and their Z.
FINAL, DECAYED, BEAM = 1, 2, 4
ELECTRON, POSITRON, Z_BOSON = 11, -11, 23
HEPMC3 = b"HepMC::Asciiv3-START_EVENT_LISTING"
READERS = {
    HEPMC3: "ReaderAscii",
    b"HepMC::IO_GenEvent-START_EVENT_LISTING": "ReaderAsciiHepMC2",
}
COMPRESSED = {".gz": functools.partial(gzip.open, compresslevel=6), ".bz2": bz2.open, ".xz": lzma.open}


def _need(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is missing; this needs the extra `hep`: pip install 'hadtutor[hep]'") from error


@contextlib.contextmanager
def _replacing(path):
    """A path to write to, in the same folder and with the same ending; replaces `path` once complete."""
    path = pathlib.Path(path)
    part = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(path, kind):
    """Turn whatever a reader stumbles over into a `DataFileError`; a file that is missing or forbidden stays so."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        raise DataFileError(
            f"{path} is damaged, truncated or not a {kind} file of hadrons ({error}); get or make it again"
        ) from error


# --- What our columns are called, and what may stand in them ---------------------------------------


def _names(found):
    """Name of each of our columns among those found."""
    energy = [name for name in ENERGY_NAMES if name in found]
    if len(energy) != 1 or not {"px", "py", "pz", "pid"} <= set(found):
        raise ValueError(
            f"wanted px, py, pz, one of {', '.join(ENERGY_NAMES)}, and pid; got {', '.join(found) or 'no fields'}"
        )
    return {name: energy[0] if name == "e" else name for name in COLUMNS}


def _join(columns):
    """Hadrons from a dictionary of name to (offsets, values)."""
    offsets = columns["px"][0]
    for name, (other, _) in columns.items():
        if not np.array_equal(offsets, other):
            raise ValueError(f"{name} and px have different numbers of hadrons in the same event")
    hadrons = Hadrons(offsets, *(values for _, values in columns.values()))
    whole = [name for name in MOMENTA if getattr(hadrons, name).dtype.kind != "f"]
    return replace(hadrons, pid=_int32(hadrons.pid), **{name: getattr(hadrons, name).astype(float) for name in whole})


def _int32(pid):
    if np.any(pid != (narrow := pid.astype(np.int32, copy=False))):
        raise ValueError(f"PDG code {pid[pid != narrow][0]} does not fit into 32 bits")
    return narrow


def _native(column):
    """The column in the byte order of this machine; almost always the column itself."""
    return column.astype(column.dtype.newbyteorder("="), copy=False)


# --- awkward ---------------------------------------------------------------------------------------


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


# --- Parquet ---------------------------------------------------------------------------------------


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


# --- HepMC -----------------------------------------------------------------------------------------


def to_hepmc(hadrons, path, energy, progress=True):
    """Write hadrons to a HepMC3 file as events of e+ e-; see `Hadrons.to_hepmc`.

    Parameters
    ----------
    hadrons : Hadrons
    path : str or Path
    energy : float
    progress : bool
    """
    pyhepmc = _need("pyhepmc")
    columns = _hepevt(hadrons, energy)
    starts = hadrons.offsets + 3 * np.arange(len(hadrons) + 1)
    longest = 3 + int(hadrons.multiplicity.max(initial=0))
    parents = np.array([(-1, -1), (-1, -1), (0, 1)] + [(2, 2)] * (longest - 3), dtype=np.int32)
    run = pyhepmc.GenRunInfo()
    run.weight_names = ["Default"]
    event = pyhepmc.GenEvent(run, pyhepmc.Units.GEV, pyhepmc.Units.MM)
    block = io.BytesIO()
    with _replacing(path) as part, _open(part, "wb") as file:
        # In memory first: pyhepmc's stream swallows the errors of the file under it, such as a full disk.
        with pyhepmc.io.pyiostream(block) as stream, pyhepmc.io.WriterAscii(stream, run) as writer:
            writer.precision = 16  # after the first digit: 17 in all, which a float64 survives
            for i in track(range(len(hadrons)), "event", progress):
                one = [c[starts[i] : starts[i + 1]] for c in columns]
                event.from_hepevt(i, *one, parents=parents[: len(one[0])], fortran=False)
                event.weights = [1.0]
                writer.write_event(event)
                _move(block, file)
        _move(block, file)


def _hepevt(hadrons, energy):
    """px, py, pz, e, m, pid, status of all particles: beams and Z before the hadrons of each event."""
    energy = float(energy)
    if not 0 < energy < np.inf:
        raise ValueError(f"energy must be > 0 GeV and finite, got {energy}")
    momenta = [np.asarray(getattr(hadrons, name), dtype=float) for name in MOMENTA]
    bad = np.flatnonzero(~np.all(np.isfinite(momenta), axis=0))
    if len(bad):
        raise ValueError(f"event {hadrons.event[bad[0]]} has a hadron whose momentum or energy is not finite")
    px, py, pz, e = momenta
    p = np.hypot(np.hypot(px, py), pz)
    mass = np.sqrt(np.maximum(0.0, e - p)) * np.sqrt(np.maximum(0.0, e + p))
    half = 0.5 * energy
    first_three = [(0.0, 0.0, 0.0)] * 2 + [(half, -half, 0.0), (half, half, energy), (0.0, 0.0, energy)]
    first_three += [(ELECTRON, POSITRON, Z_BOSON), (BEAM, BEAM, DECAYED)]
    columns = [*momenta, mass, _int32(hadrons.pid), np.full(len(e), FINAL, np.int32)]
    where = np.repeat(hadrons.offsets[:-1], 3)
    return [np.insert(c, where, np.tile(three, len(hadrons))) for c, three in zip(columns, first_three, strict=True)]


def from_hepmc(path, progress=True):
    """Read the final particles of a HepMC file; see `Hadrons.from_hepmc`.

    Parameters
    ----------
    path : str or Path
    progress : bool

    Returns
    -------
    Hadrons
    """
    pyhepmc = _need("pyhepmc")
    with _reading(path, "HepMC"):
        reader_name, n_events, n_particles = _survey(path)
        event, found = pyhepmc.GenEvent(), [[] for _ in COLUMNS]
        with _open(path, "rb") as file, pyhepmc.io.pyiostream(file) as stream:
            reader = getattr(pyhepmc.io, reader_name)(stream)
            for i in track(range(n_events), "event", progress):
                if not reader.read_event(event):
                    raise ValueError(f"event {i} of {n_events} cannot be read")
                event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
                particles = event.numpy.particles
                n_particles -= len(particles.status)
                final = particles.status == FINAL
                for column, name in zip(found, COLUMNS, strict=True):
                    column.append(getattr(particles, name)[final])
        if n_particles:
            raise ValueError(f"{n_particles} particles belong to no event")
    offsets = np.cumsum([0] + [len(pid) for pid in found[-1]])
    types = [float] * len(MOMENTA) + [np.int32]
    return Hadrons(offsets, *(np.concatenate([np.zeros(0, t), *c]) for c, t in zip(found, types, strict=True)))


def _survey(path):
    """Name of the reader, number of events and of particles.

    HepMC's readers stop without a word where a file is cut, and skip or take for zero what they cannot read.
    """
    n_events, n_particles, first, last = 0, 0, b"", b""
    with _open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            kind = line[:2]
            if kind == b"P ":
                n_particles += 1
            elif kind == b"E ":
                n_events += 1
            elif not first and b"START_EVENT_LISTING" in line:
                first = line.strip()
            odd = kind == b"P " and line.translate(None, b"P 0123456789+-.eE\r\n")
            if kind == b"P " and first == HEPMC3 and len(line.split()) != 10:
                raise ValueError(f"line {number} is not a whole particle: {line.decode(errors='replace').strip()}")
            if odd or (kind == b"U " and not line.startswith((b"U GEV ", b"U MEV "))):
                text = line.decode(errors="replace").strip()
                raise ValueError(f"line {number} has no finite numbers or an unknown unit: {text}")
            last = line.strip() or last
    if first not in READERS:
        raise ValueError("it has no header of HepMC3 or HepMC2")
    if last != first.replace(b"START", b"END"):
        raise ValueError("it does not end with END_EVENT_LISTING")
    return READERS[first], n_events, n_particles


def _open(path, mode):
    return COMPRESSED.get(pathlib.Path(path).suffix.lower(), open)(path, mode)


def _move(block, file):
    """Move what has been written from memory to the file."""
    file.write(block.getvalue())
    block.seek(0)
    block.truncate()
