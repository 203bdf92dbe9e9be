"""Work on several processors where threads do not help: each job runs in a Python of its own."""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


@contextlib.contextmanager
def in_processes(make: Callable, arguments: tuple, jobs: Sequence, processes: int) -> Iterator[Iterator[Any]]:
    """Results of ``make(*arguments)(job)`` for all `jobs`, in order; each process makes its own once.

    With one process that is this one. Others are new Pythons that import `make` by its name, so they need no guard
    around the main program; what goes to and fro is pickled. Whoever leaves early ends them at once. What a job raises
    is raised here.
    """
    if processes == 1 or len(jobs) < 2:
        yield map(make(*arguments), jobs)
        return
    idle: queue.SimpleQueue = queue.SimpleQueue()
    begun: list[subprocess.Popen] = []

    def run(job):
        try:
            worker = idle.get_nowait()
        except queue.Empty:
            worker = _begin(make, arguments)
            begun.append(worker)
        try:
            pickle.dump(job, worker.stdin)
            worker.stdin.flush()
            result, error = pickle.load(worker.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as lost:
            raise RuntimeError("a process ended before its work was done; was there memory enough?") from lost
        idle.put(worker)
        if error is not None:
            raise error
        return result

    pool = ThreadPoolExecutor(min(processes, len(jobs)))
    try:
        yield pool.map(run, jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in begun:
            worker.kill()
        pool.shutdown()
        for worker in begun:
            worker.communicate()


def _begin(make, arguments):
    try:
        start = pickle.dumps((make, arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        what = "other processes cannot be given that; define it in a module, or take processes=1"
        raise TypeError(f"{error}: {what}") from error
    paths = os.pathsep.join(path for path in sys.path if path)
    worker: Any = subprocess.Popen(
        [sys.executable, "-m", "hadtutor._support.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    pickle.dump(start, worker.stdin)  # bytes, so that the other end stays in step if it cannot read them
    return worker
