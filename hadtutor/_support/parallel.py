"""Work in chunks on threads: what comes out does not depend on their number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


def spawn(rng: np.random.Generator, n: int) -> list[np.random.Generator]:
    """n independent generators, one for each chunk."""
    try:
        return rng.spawn(n)
    except TypeError as error:
        raise TypeError(f"rng cannot spawn independent generators ({error}); use np.random.default_rng") from error


def in_threads(job: Callable[[int], Any], n: int, threads: int) -> Iterator[Any]:
    """Results of job(0) to job(n - 1), in order.

    The first is done alone, in the thread that asks: it compiles what the others need, and numba fails now and then
    when two threads make it compile the same. Then no more chunks are under way than there are threads, and one: who
    stops asking, because of Ctrl-C for example, waits for these alone, and results do not pile up.
    """
    if n > 0:
        yield job(0)
    if threads == 1:
        yield from map(job, range(1, n))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        for k in range(1, n):
            waiting.append(pool.submit(job, k))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
