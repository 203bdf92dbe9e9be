"""Our files: named arrays with a header, a format version and a checksum, in one compressed npz."""

import hashlib
import io
import json
import os
import pathlib

import numpy as np

__all__ = ["DataFileError", "FORMAT_VERSION", "read_arrays", "write_arrays"]

FORMAT_VERSION = 1


class DataFileError(ValueError):
    """A data file is damaged, truncated, foreign, or from a newer hadtutor."""


def write_arrays(path, arrays, header):
    """Write named arrays and a header to one compressed npz file.

    The first bytes of all numbers lie together, then the second ones, and so on, which packs better.

    Parameters
    ----------
    path : str or Path
        Replaced only once the new file is complete.
    arrays : dict of str to ndarray, shape (n,)
        One-dimensional columns.
    header : dict
        What else belongs to the file; anything JSON can hold.
    """
    path = pathlib.Path(path)
    header = {"format": "hadtutor", "version": FORMAT_VERSION, "sha256": _digest(arrays)} | header
    header["dtypes"] = {name: a.dtype.str for name, a in arrays.items()}
    planes = {
        name: np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize).T for name, a in arrays.items()
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **planes)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_arrays(path):
    """Read what `write_arrays` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    arrays : dict of str to ndarray
    header : dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If it is damaged, truncated, of another kind, or from a newer hadtutor.
    """
    raw = pathlib.Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as npz:
            header = json.loads(str(npz["header"]))
            if header["format"] != "hadtutor":
                raise DataFileError(f"{path} is not a hadtutor file")
            if header["version"] > FORMAT_VERSION:
                raise DataFileError(
                    f"{path} has format version {header['version']}, this hadtutor reads up to {FORMAT_VERSION}; "
                    "install a newer hadtutor to read it"
                )
            arrays = {
                name: np.ascontiguousarray(npz[name].T).view(dtype).reshape(-1)
                for name, dtype in header["dtypes"].items()
            }
            sha256 = header["sha256"]
    except DataFileError:
        raise
    except Exception as error:  # whatever zip, zlib, JSON or NumPy stumble over: the file is not ours, or no more
        raise DataFileError(
            f"{path} is damaged, truncated or not a hadtutor file ({error}); get or make it again"
        ) from error
    if _digest(arrays) != sha256:
        raise DataFileError(f"{path} is damaged: its checksum does not match its contents; get or make it again")
    return arrays, header


def _digest(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]))
    return digest.hexdigest()
