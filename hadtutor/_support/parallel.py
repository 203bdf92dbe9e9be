"""What every generator checks and does before it works in chunks: its randomness and its threads."""

import numbers
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def check_rng(rng):
    """Raise TypeError unless `rng` is a NumPy generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy Generator, got {type(rng).__name__}; make one with np.random.default_rng(seed)"
        )


def check_threads(threads):
    """Raise ValueError unless `threads` is a whole number of at least 1."""
    if isinstance(threads, bool) or not isinstance(threads, numbers.Integral) or threads < 1:
        raise ValueError(f"threads must be a whole number >= 1, got {threads!r}")


def spawn(rng, n):
    """n independent generators, one for each chunk."""
    try:
        return rng.spawn(n)
    except TypeError as error:
        raise TypeError(f"rng cannot spawn independent generators ({error}); use np.random.default_rng") from error


def in_threads(job, n, threads):
    """Results of job(0) to job(n - 1), in order.

    The first is done alone, in the thread that asks: it compiles what the others need, and numba fails now and then
    when two threads make it compile the same. With one thread each is begun only when it is asked for.
    """
    yield job(0)
    if threads == 1:
        yield from map(job, range(1, n))
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(job, range(1, n))
