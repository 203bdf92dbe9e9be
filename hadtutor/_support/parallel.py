"""Work in chunks on threads: what comes out does not depend on their number."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np


def spawn(rng: np.random.Generator, n: int) -> list[np.random.Generator]:
    """n independent generators, one for each chunk."""
    try:
        return rng.spawn(n)
    except TypeError as error:
        raise TypeError(f"rng cannot spawn independent generators ({error}); use np.random.default_rng") from error


@contextlib.contextmanager
def in_threads(job: Callable[[int], Any], n: int, threads: int, stop: Event | None = None) -> Iterator[Iterator[Any]]:
    """Results of job(0) to job(n - 1), in order: ``with in_threads(job, n, threads) as results``.

    The first is done alone, in the thread that asks: it compiles what the others need, and numba fails now and then
    when two threads make it compile the same. Then no more jobs are under way than there are threads, and one, so that
    results do not pile up. Whoever leaves early, because of Ctrl-C for example, waits for the jobs at work, and no
    other is begun; jobs that last can look at `stop`, which is set then.
    """
    waiting: deque = deque()
    pool = ThreadPoolExecutor(threads)  # makes a thread when there is work for it

    def results():
        yield from map(job, range(min(n, 1) if threads > 1 else n))
        for k in range(1, n if threads > 1 else 0):
            waiting.append(pool.submit(job, k))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield results()
    finally:
        if stop is not None:
            stop.set()
        pool.shutdown(cancel_futures=True)
