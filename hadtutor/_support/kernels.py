"""Compiled kernels that are kept on disk, so that a process starts in a second and not in half a minute."""

import contextlib
import functools
import hashlib
import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numba

CONFIG: Any = numba.config
PACKAGE = pathlib.Path(__file__).parents[1]
PROCESS = uuid.uuid4().hex  # in the names of files: numba would give those of two processes the same
OLD = 30 * 24 * 3600  # seconds after which kernels of other sources are thrown away


def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a `function` by numba's ``njit(nogil=True)``, with its other `options`, and keep the result on disk.

    Kernels call kernels of other modules, and some take them as arguments. So numba's own cache would be wrong (it does
    not see that another module has changed) and useless (it knows no function again that it is given). The folder here
    is that of all sources together, and functions have names that are the same in each process.
    """
    if function is None:
        return functools.partial(kernel, **options)
    dispatcher = numba.njit(nogil=True, **options)(function)
    if not CONFIG.DISABLE_JIT and (folder := cache_folder()) is not None:
        with contextlib.suppress(AttributeError), _caching_in(folder):  # another numba may have other names inside
            dispatcher._set_uuid(f"{function.__module__}.{function.__qualname__}")
            dispatcher.enable_caching()
            file = dispatcher._cache._cache_file
            file._data_name_pattern = file._data_name_pattern.replace("{number", PROCESS + ".{number")
    return dispatcher


@contextlib.contextmanager
def _caching_in(folder: pathlib.Path) -> Iterator[None]:
    before, CONFIG.CACHE_DIR = CONFIG.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        CONFIG.CACHE_DIR = before


@functools.cache
def cache_folder() -> pathlib.Path | None:
    """Where kernels of these sources are kept, below the user's cache; None if nothing can be written there."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    try:
        above = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "hadtutor"
        folder = above / f"kernels-{digest.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PROCESS).touch()
        (folder / PROCESS).unlink()
        os.utime(folder)  # in use
        for other in above.glob("kernels-*"):
            if other != folder and time.time() - other.stat().st_mtime > OLD:
                shutil.rmtree(other, ignore_errors=True)
    except (OSError, RuntimeError):  # no home, no space, no permission
        return None
    return folder
