"""Run an experiment, interrupted or not, and store what it found."""

import datetime
import json
import pathlib
import platform
import sys
import time

import numpy as np
from tqdm import tqdm

from .._support.resources import data_folder, in_checkout
from .homer import _coverage, _draw, _learn
from .results import _check_name


def reproduce(name, n_events=1_000_000, out=None, threads=2, seed=20251125, experiments=20, progress=True):
    """Run an experiment and write ``NAME.json`` and ``NAME.png``.

    Parameters
    ----------
    name : {"homer", "ihomer"}
    n_events : int
        Of simulation and of data, at least 2000.
    out : str or Path, optional
        Folder for the results; by default ``data/results`` of the checkout, without one of the current folder.
    threads : int
        Threads for generation, observables and networks.
    seed : int
    experiments : int
        Number of pseudo-experiments for the coverage, each with a tenth of the events.
    progress : bool
        Whether to say what is being done, and to show progress bars.

    Returns
    -------
    dict
        What `stored` returns.

    Raises
    ------
    ValueError
        If the experiment is not known, or the events are too few.
    """
    import torch

    _check_name(name)
    if n_events < 2000:
        raise ValueError(f"n_events must be at least 2000, got {n_events!r}")
    if out is None:
        out = data_folder() / "results" if in_checkout() else "data/results"
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    run = _Run(name, out, {"n_events": n_events, "seed": seed, "experiments": experiments}, progress)
    settings = n_events, threads, seed, progress
    numbers = {"table": run.part("mixture", lambda: _learn("mixture", *settings, run.checkpoint))}
    if name == "homer":
        numbers["table_a030"] = run.part("a030", lambda: _learn("a030", *settings, run.checkpoint))
    else:
        numbers["table_mixture_b"] = run.part("mixture_b", lambda: _learn("mixture_b", *settings, run.checkpoint))
        numbers["coverage"] = run.part(
            "coverage", lambda: _coverage(max(2000, n_events // 10), experiments, threads, seed, progress)
        )
    for part in [key for key in numbers if key.startswith("table")]:
        found = numbers.pop(part)
        numbers[part] = found["rows"]
        numbers["exact" + part.removeprefix("table")] = found["exact"]
        numbers["curves" + part.removeprefix("table")] = found["curves"]
        if part == "table" and name == "ihomer":
            numbers |= {"naive": found["naive"], "mixture": found["mixture"]}
    result = {"provenance": run.provenance(threads), "numbers": numbers}
    _draw(name, numbers, out / f"{name}.png")
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    run.forget()
    return result


class _Run:
    """Parts of an experiment that are done, so that an interrupted run can go on."""

    def __init__(self, name, out, settings, progress):
        self.name, self.settings, self.progress = name, settings, progress
        self.file, self.checkpoint = out / f".{name}.partial.json", out / f".{name}.checkpoint.npz"
        self.done, self.seconds = {}, 0.0
        if self.file.exists():
            before = json.loads(self.file.read_text(encoding="utf-8"))
            if before["settings"] == settings:
                self.done, self.seconds = before["done"], before["seconds"]
        if not self.done:
            self.forget()

    def part(self, key, work):
        if key not in self.done:
            if self.progress:
                tqdm.write(f"{self.name}: {key} …", file=sys.stderr)
            start = time.monotonic()
            self.done[key] = work()
            self.seconds += time.monotonic() - start
            self.checkpoint.unlink(missing_ok=True)
            state = {"settings": self.settings, "done": self.done, "seconds": self.seconds}
            self.file.write_text(json.dumps(state), encoding="utf-8")
        return self.done[key]

    def forget(self):
        self.file.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def provenance(self, threads):
        import torch

        from .. import __version__

        return {
            "command": f"python -m hadtutor reproduce {self.name}",
            "date": datetime.date.today().isoformat(),
            **self.settings,
            "versions": {"hadtutor": __version__, "numpy": np.__version__, "torch": torch.__version__.split("+")[0]},
            "machine": f"{platform.machine()}, {threads} threads",
            "seconds": round(self.seconds, 1),
            "peak_memory_gb": _peak_memory(),
        }


def _peak_memory():
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)
