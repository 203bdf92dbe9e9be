"""The state of an unfinished fit in a file: a result, and all that decides how it goes on."""

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..events.sample import Sample
from ..files import DataFileError
from .inputs import Inputs
from .result import HomerResult, read, write

BREAKS = ("chain_offsets", "z", "mt2", "px", "py", "from_positive", "event_of_chain", "status")


class Checkpoint:
    """A file to write after each iteration, and to go on from; without a path nothing is written.

    Its key are the `settings` of the fit that decide its numbers, and whatever else does: all numbers of simulation
    and data, and the version of the package.
    """

    def __init__(
        self, path: str | os.PathLike | None, sim: Sample, inputs: Inputs,
        settings: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.path = None if path is None else pathlib.Path(path).expanduser()
        if self.path is None:
            return
        key = dict(settings) | {
            "version": __version__, "energy": sim.energy, "params": sim.params._asdict(),
            "histories": _digest(getattr(sim.histories, name) for name in BREAKS),
            "kind of data": type(inputs).__name__, "data": _digest(inputs.parts()),
        }  # fmt: skip
        self.key = json.loads(json.dumps(key, default=float))  # NumPy's numbers become Python's

    def restore(self) -> HomerResult | None:
        """Where the fit had come to; None if there is no file."""
        if self.path is None or not self.path.exists():
            return None
        found, header = read(self.path)
        was = header.get("checkpoint")
        if not isinstance(was, dict):
            raise DataFileError(f"{self.path} is no checkpoint of homer.fit; give another file, or delete it")
        differ = ", ".join(name for name in self.key if was.get(name) != self.key[name])
        if differ:
            raise DataFileError(f"{self.path} is of another fit, which differs in {differ}; give another, or delete it")
        return found

    def store(self, state: HomerResult) -> None:
        """Write where the fit has come to."""
        if self.path is not None:
            write(self.path, state, {"checkpoint": self.key})


def _digest(arrays):
    """Of numbers, their types and shapes."""
    digest = hashlib.sha256()
    for values in map(np.ascontiguousarray, arrays):
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(values)
    return digest.hexdigest()
