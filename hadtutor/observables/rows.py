"""Momenta of events as the kernels take them, and the work shared among threads."""

import numbers
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from .exact_thrust import workspace


def _check_energy(energy):
    if not isinstance(energy, numbers.Real):
        raise TypeError(f"energy must be a number of GeV, got {energy!r}")
    if not (np.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite (GeV), got {energy!r}")


def _momenta(hadrons):
    """Columns px, py, pz in float64, small enough to be squared."""
    columns = [np.ascontiguousarray(getattr(hadrons, name), dtype=float) for name in ("px", "py", "pz")]
    for p in columns:
        # NaN is neither, so this finds it too.
        if len(p) and not (p.min() > -1e100 and p.max() < 1e100):
            event = hadrons.event[np.argmin(abs(p) < 1e100)]
            raise ValueError(f"event {event} has a momentum that is not finite, or above 1e100 GeV")
    return columns


def _over_events(work, hadrons, threads):
    """Call ``work(first, last, p, room, stack)`` for equal shares of the events, on threads.

    The rest is room for one event: its momenta, and what `thrust.workspace` says.
    """
    if not isinstance(threads, numbers.Integral) or threads < 1:
        raise ValueError(f"threads must be a whole number and at least 1, got {threads!r}")
    threads = min(int(threads), max(1, len(hadrons)))
    edges = np.linspace(0, len(hadrons), threads + 1).astype(int)
    most = int(hadrons.multiplicity.max(initial=0))
    # Compiled here, in one thread: numba fails now and then when two make it compile the same.
    work(0, 0, np.empty((most, 3)), *workspace(most))
    with ThreadPoolExecutor(threads) as pool:
        shares = pool.map(
            lambda first, last: work(first, last, np.empty((most, 3)), *workspace(most)), edges[:-1], edges[1:]
        )
        list(shares)  # what went wrong in a thread is raised here


@njit(nogil=True)
def _gather(px, py, pz, start, stop, p):
    """The momenta of one event, side by side."""
    for k in range(start, stop):
        p[k - start, 0], p[k - start, 1], p[k - start, 2] = px[k], py[k], pz[k]
    return p[: stop - start]
