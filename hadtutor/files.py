"""Our files: named arrays with a header, a format version and a checksum, in one compressed npz."""

import contextlib
import errno
import hashlib
import io
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

import numpy as np

__all__ = ["FORMAT_VERSION", "DataFileError", "read_arrays", "reading", "replacing", "write_arrays"]

FORMAT_VERSION = 1


class DataFileError(ValueError):
    """A data file is damaged, truncated, foreign, or from a newer hadtutor."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A path to write to, whose file takes the place of `path` once it is complete; if writing fails, nothing is left.

    Parameters
    ----------
    path : str or Path
        ``~`` is the home folder. A link stays, and what it points to is replaced. A pipe or a device is written to as
        it is: there is nothing to be replaced.

    Yields
    ------
    pathlib.Path
        In the same folder, with the same ending, and with a name that no other thread, process or container has.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    IsADirectoryError
        If `path` is a folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(pathlib.Path(folder, "numbers.txt")) as part:
    ...         n_written = part.write_text("1 2 3")
    ...     [file.name for file in pathlib.Path(folder).iterdir()]
    ['numbers.txt']
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
def reading(path: str | os.PathLike, kind: str) -> Iterator[None]:
    """Turn what a reader stumbles over into a `DataFileError`; what is no fault of the file passes as it is.

    Parameters
    ----------
    path : str or Path
    kind : str
        What the file should be, such as "Parquet file of hadrons".

    Raises
    ------
    DataFileError
        In place of any error but those of a missing, forbidden or unsuitable path, of a missing package, and of
        memory.
    """
    try:
        yield
    except (DataFileError, FileNotFoundError, PermissionError, IsADirectoryError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise DataFileError(f"{path} is no {kind}, or it is damaged or truncated ({error})") from error


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
    header = {"format": "hadtutor", "version": FORMAT_VERSION, "sha256": _digest(arrays)} | header
    header["dtypes"] = {name: a.dtype.str for name, a in arrays.items()}
    planes = {
        name: np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize).T for name, a in arrays.items()
    }
    with replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **planes)


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
