"""Run an experiment, interrupted or not, and store what it found."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from .. import __version__
from .._support.checks import as_seed, takes_rng, whole
from .._support.resources import data_folder, in_checkout
from ..files import replacing
from . import gan, gluons, homer, ihomer, lep
from .results import check_name, draw

CHAPTERS = {"homer": homer, "ihomer": ihomer, "gluons": gluons, "lep": lep, "gan": gan}
DEFAULT_EVENTS = {"lep": 200_000, "gan": 10_240}


@takes_rng
def reproduce(
    name: str, *, n_events: int | None = None, out: str | os.PathLike | None = None, threads: int = 2,
    rng: np.random.Generator | int = 20251125, experiments: int = 20, progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Run an experiment, write ``NAME.json`` and ``NAME.png``, and return what `stored` returns.

    Parameters
    ----------
    name : {"homer", "ihomer", "gluons", "lep", "gan"}
    n_events : int, optional
        Of simulation and of data, at least 2000; by default a million, 200 000 for ``"lep"``, 10 240 for ``"gan"``.
    out : str or Path, optional
        Folder for the results; by default ``data/results`` of the checkout, without one of the current folder.
    threads : int
        Threads for generation, observables and networks; those of torch are set back at the end.
    rng : numpy.random.Generator or int
        A run that was interrupted goes on only with the same number.
    experiments : int
        Number of pseudo-experiments for the coverage, each with a tenth of the events.
    progress : bool
        Whether to say what is being done, and to show progress bars.
    """
    check_name(name)
    n_events = DEFAULT_EVENTS.get(name, 1_000_000) if n_events is None else n_events
    n_events, experiments = whole(n_events, "n_events", 2000), whole(experiments, "experiments")
    seed, before = as_seed(rng), torch.get_num_threads()
    if out is None:
        out = data_folder() / "results" if in_checkout() else "data/results"
    out = pathlib.Path(out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    run = Run(name, out, {"n_events": n_events, "seed": seed, "experiments": experiments}, progress)
    options = {"threads": whole(threads, "threads"), "rng": seed, "progress": progress}
    torch.set_num_threads(threads)
    try:
        for part, work in CHAPTERS[name].parts(n_events, experiments, options, run.checkpoint).items():
            run.do(part, work)
    finally:
        torch.set_num_threads(before)
    numbers = CHAPTERS[name].numbers(run.done)
    result = {"provenance": run.provenance(threads), "numbers": numbers}
    draw(numbers, out / f"{name}.png")
    with replacing(out / f"{name}.json") as part:
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    run.forget()
    return result


class Run:
    """Parts of an experiment that are done: an interrupted run with the same `settings` and of this version goes on."""

    def __init__(self, name: str, out: pathlib.Path, settings: dict[str, Any], progress: bool) -> None:
        self.name, self.settings, self.progress = name, settings, progress
        self.file, self.checkpoint = out / f".{name}.partial.json", out / f".{name}.checkpoint.npz"
        new: dict[str, Any] = {"settings": settings | {"version": __version__}, "done": {}, "seconds": 0.0}
        self.state = new
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # none, or only half of one
            old = json.loads(self.file.read_text(encoding="utf-8"))
            if old["settings"] == new["settings"] and isinstance(old["done"], dict) and old["seconds"] >= 0:
                self.state = old
        if self.state is new:
            self.forget()
            self._keep()
        self.done: dict[str, Any] = self.state["done"]

    def _keep(self):
        with replacing(self.file) as part:
            part.write_text(json.dumps(self.state), encoding="utf-8")

    def do(self, key: str, work: Callable[[], Any]) -> None:
        """Do one part, if it is not done."""
        if key not in self.done:
            if self.progress:
                tqdm.write(f"{self.name}: {key} …", file=sys.stderr)
            start = time.monotonic()
            self.done[key] = work()
            self.state["seconds"] += time.monotonic() - start
            self._keep()
            self.checkpoint.unlink(missing_ok=True)

    def forget(self) -> None:
        """Nothing is left of an interrupted run."""
        self.file.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def provenance(self, threads: int) -> dict[str, Any]:
        """How the numbers came about."""
        memory = None
        with contextlib.suppress(ImportError):  # not on Windows
            import resource

            unit = 1e9 if sys.platform == "darwin" else 1e6
            memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)
        return {
            "command": f"python -m hadtutor reproduce {self.name}", "date": datetime.date.today().isoformat(),
            **self.settings,
            "versions": {"hadtutor": __version__, "numpy": np.__version__, "torch": torch.__version__.split("+")[0]},
            "machine": f"{platform.machine()}, {threads} threads", "seconds": round(self.state["seconds"], 1),
            "peak_memory_gb": memory,
        }  # fmt: skip
