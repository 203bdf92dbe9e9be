"""Our files: named arrays with a header, a format version and a checksum, in one compressed npz."""

import bz2
import contextlib
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = [
    "FORMAT_VERSION", "DataFileError", "foreign", "opened", "read_arrays", "reading", "replacing", "write_arrays",
]  # fmt: skip

FORMAT_VERSION = 1


class DataFileError(ValueError):
    """A data file is damaged, truncated, foreign, or from a newer hadtutor."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A path to write to, whose file takes the place of `path` once it is complete; if writing fails, nothing is left.

    It has the same folder and ending, and a name that no other thread, process or container has. A link stays, and what
    it points to is replaced; ``~`` is the home folder; a pipe or a device is written to as it is.
    FileNotFoundError, IsADirectoryError: there is no such folder, or `path` is one.
    """
    path = pathlib.Path(path).expanduser().resolve()
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    try:
        # Made here, so that the folder's and the user's permissions count; those of an old file stay.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} to; make it first") from error
    try:
        if path.exists():
            shutil.copymode(path, part)
        yield part
        try:
            os.replace(part, path)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EXDEV):  # a file that was mounted by itself cannot be replaced
                raise
            shutil.copyfile(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def reading(path: str | os.PathLike, kind: str, whole: bool = False) -> Iterator[pathlib.Path]:
    """Yield `path`, and turn what a reader of this `kind` of file stumbles over into a `DataFileError`.

    Errors of a missing, forbidden or unsuitable path, of a missing package, of memory pass as they are. `whole` says
    that the file has been read, so that what is wrong now is not damage: it holds something else.
    """
    try:
        yield pathlib.Path(path).expanduser()
    except (DataFileError, FileNotFoundError, PermissionError, IsADirectoryError, ImportError, MemoryError):
        raise
    except Exception as error:
        if whole:
            raise DataFileError(f"{path} is no {kind}: {error}") from error
        raise DataFileError(f"{path} is a damaged or truncated {kind} ({error}); get or make it again") from error


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[tuple[Any, Any]]:
    """Open the file at `path`, a pipe too, and decompress what begins as gzip, bz2 or xz do.

    Yields what is in it, and the file as it lies on the disk, whose ``tell()`` says how much has been read.
    """
    with open(pathlib.Path(path).expanduser(), "rb") as raw:
        head = raw.peek(6)
        unpack = next((unpack for magic, unpack in _PACKED.items() if head.startswith(magic)), None)
        with unpack(raw) if unpack else contextlib.nullcontext(raw) as file:
            yield file, raw


def foreign(path: str | os.PathLike, kind: str, head: bytes) -> DataFileError:
    """The error for a file at `path` that should be a `kind`, and whose `head` says it is something else."""
    looks = next((what for begin, what in _LOOKS.items() if re.match(begin, head.lstrip())), "")
    return DataFileError(f"{path} is no {kind}" + (f"; it is empty{looks}" if not head else looks and f", but {looks}"))


_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_LOOKS = {
    rb"PAR1": "a Parquet file; Hadrons.from_parquet reads hadrons",
    rb"PK\x03\x04": "a zip file such as NumPy's and our own; load reads ours",
    rb"<LesHouchesEvents": "an LHE file; Showers.from_lhe reads its partons",
    rb"HepMC::|[\s\S]*START_EVENT_LISTING": "a HepMC file; Hadrons.from_hepmc reads its final particles",
    rb"E +\d+ +\d+\s*\n": "a HEPEVT file, which is not read here; convert it to HepMC3, with pyhepmc for example",
    rb"\x89HDF": "an HDF5 file",
    rb"root": "a ROOT file",
    rb"\x93NUMPY": "an array of NumPy",
}


def write_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write named `arrays`, of numbers or bools of any shape, to one compressed npz file at `path`.

    The `header` is what else belongs to the file, anything JSON can hold; let its ``kind`` say what the file holds. The
    first bytes of all numbers lie together, then the second ones, and so on, which packs better.
    """
    about = {"format": "hadtutor", "version": FORMAT_VERSION, "sha256": _digest(arrays), **header}
    about["dtypes"] = {name: a.dtype.str for name, a in arrays.items()}
    about["shapes"] = {name: a.shape for name, a in arrays.items()}
    planes: dict[str, Any] = {"header": np.array(json.dumps(about))}
    for name, a in arrays.items():
        planes[name] = np.ascontiguousarray(a).reshape(-1).view(np.uint8).reshape(-1, a.dtype.itemsize).T
    with replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **planes)


def read_arrays(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays, flat where an old file does not say their shapes, and header that `write_arrays` wrote to `path`.

    A `DataFileError` says if it is damaged, truncated, of another kind, or from a newer hadtutor.
    """
    kind = "hadtutor file"
    with reading(path, kind) as place:
        raw = place.read_bytes()
        if not raw.startswith(b"PK"):
            raise foreign(path, kind, raw[:1000])
        with np.load(io.BytesIO(raw), allow_pickle=False) as npz:
            header = json.loads(str(npz["header"])) if "header" in npz else None
            if not isinstance(header, dict) or header.get("format") != "hadtutor":
                raise foreign(path, kind, b"-")
            if (version := header["version"]) > FORMAT_VERSION:
                wanted = f"this hadtutor reads up to {FORMAT_VERSION}; install a newer hadtutor to read it"
                raise DataFileError(f"{path} has format version {version}, {wanted}")
            arrays, shapes = {}, header.get("shapes", {})
            for name, dtype in header["dtypes"].items():
                arrays[name] = np.ascontiguousarray(npz[name].T).view(dtype).reshape(shapes.get(name, -1))
            if _digest(arrays) != header["sha256"]:
                raise ValueError("its checksum does not match its contents")
    return arrays, header


def _digest(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]))
    return digest.hexdigest()
