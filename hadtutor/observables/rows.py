"""Momenta of events as the kernels take them, and the work shared among threads."""

from collections.abc import Callable

import numpy as np

from .._support.checks import whole
from .._support.kernels import kernel
from .._support.parallel import in_threads
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from .exact_thrust import workspace

CHUNK = 50_000
"""Hadrons that a thread works on before it looks whether it is still wanted: milliseconds, 0.1 s if round."""


def hadrons_of(events: Sample | Hadrons) -> Hadrons:
    """The hadrons of a sample, or these themselves, where their energy does not matter."""
    return events.hadrons if isinstance(events, Sample) else hadrons_and_energy(events, 1.0)[0]


def momenta(hadrons: Hadrons) -> list[np.ndarray]:
    """Columns px, py, pz in float64, small enough to be squared."""
    columns = [np.ascontiguousarray(getattr(hadrons, name), dtype=float) for name in ("px", "py", "pz")]
    for p in columns:
        # NaN is neither, so this finds it too.
        if len(p) and not (p.min() > -1e100 and p.max() < 1e100):
            event = hadrons.event[np.argmin(abs(p) < 1e100)]
            raise ValueError(f"event {event} has a momentum that is not finite, or above 1e100 GeV")
    return columns


def over_events(work: Callable, arguments: tuple, hadrons: Hadrons, threads: int) -> None:
    """Call ``work(*arguments, first, last, p, room, stack)`` for chunks of the events of about one size, on threads.

    The rest is room for one event: its momenta, and what `exact_thrust.workspace` says.
    """
    threads, most = whole(threads, "threads"), int(hadrons.multiplicity.max(initial=0))
    starts = np.searchsorted(hadrons.offsets, np.arange(0, hadrons.offsets[-1], CHUNK))
    edges = [0, *starts.tolist(), len(hadrons)]  # the first chunk is empty: it is there to compile

    def job(k):
        work(*arguments, edges[k], edges[k + 1], np.empty((most, 3)), *workspace(most))

    with in_threads(job, len(edges) - 1, threads) as done:
        list(done)  # what went wrong in a thread is raised here


@kernel
def gather(px, py, pz, start, stop, p):
    """The momenta of one event, side by side."""
    for k in range(start, stop):
        p[k - start, 0], p[k - start, 1], p[k - start, 2] = px[k], py[k], pz[k]
    return p[: stop - start]
