"""What our columns are called elsewhere, and what may stand in them."""

import contextlib
import importlib
import os
import pathlib
from dataclasses import replace

import numpy as np

from ...files import DataFileError

MOMENTA = ("px", "py", "pz", "e")
COLUMNS = (*MOMENTA, "pid")
ENERGY_NAMES = ("e", "E", "energy")


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
    from ..hadrons import Hadrons

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
