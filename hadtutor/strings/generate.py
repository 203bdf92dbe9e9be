"""Hadronize many strings: checks, chunks, threads, and the columns that come out."""

import copy
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .._support.bars import Progress
from .._support.checks import as_generator, energy_gev, takes_rng, whole
from .._support.parallel import in_threads, spawn
from ..events.hadrons import Hadrons
from ..events.histories import ACCEPTED, Histories
from ..events.sample import Sample
from ..lund.tabulated import law_name, tabulate
from ..params import LundMixture, LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, QUARKS
from .chain import FULL, GAVE_UP, MAX_TRIES, Buffers, fragment_events
from .laws import LUND, TABULATED, lund_table
from .straight import ROWS_OF_ENDS, STRAIGHT, Geometry, Strings

CHUNK = 4096  # events per chunk: each has a generator of its own, so the number of threads changes nothing
MAX_EVENTS = 100_000_000  # in one sample; more would fill the memory long before they are made
MOST_ROWS = 200_000  # breaks and chains per call of the kernel, which Ctrl-C cannot interrupt: well below a second


class HadronizationError(RuntimeError):
    """A string did not become hadrons within the allowed number of tries."""


@takes_rng
def hadronize_strings(
    n_events: int, params: LundParams | LundMixture | None = None, energy: float = 90.0, *,
    rng: np.random.Generator | int, quark: str = "u", law: Any = None, threads: int = 1, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize quark-antiquark strings along the z axis, each at rest with mass `energy`.

    Hadrons are in double precision and histories in single precision.

    Parameters
    ----------
    n_events : int
        Number of events, at least 1.
    params : LundParams or LundMixture, optional
        Default: the Monash tune.
    energy : float
        Mass of the string [GeV]; at least two pions must fit.
    rng : numpy.random.Generator or int
        Source of randomness; a generator is advanced by spawning, so two calls in a row give two samples.
    quark : {"u", "d"}
        Flavour at the +z end; its antiquark sits at the other.
    law : callable, or anything with a method ``density``, optional
        Another fragmentation function f(z, mT²), a formula or one that was learned, see `hadtutor.lund.tabulate`; what
        is not z goes by `params`. `Sample.law` says its name.
    threads : int
        Threads to work on; the events are the same for any number.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.
    HadronizationError
        If a string fails `MAX_TRIES` times: the energy is too low for these parameters.

    Examples
    --------
    >>> sample = hadronize_strings(100, LundParams(a=0.68), energy=90.0, rng=1)
    >>> bool(abs(sample.hadrons.e.sum() - 100 * 90.0) < 1e-6)
    True
    >>> hadronize_strings(100, law=lambda z, mt2: 1.0 - z, rng=1).law
    '<lambda>'
    """
    params, energy = check_string(n_events, params, energy, quark, (LundParams, LundMixture))
    whole(threads, "threads")
    sizes = [CHUNK] * (n_events // CHUNK) + ([n_events % CHUNK] if n_events % CHUNK else [])
    rngs = spawn(as_generator(rng), len(sizes))
    first, of_z, name = law_of(params, law)
    string, rows = Strings(energy, QUARKS[quark]), int(CHUNK * (8.0 + 4.0 * math.log1p(energy)))

    def job(k, scratch, stop):
        done = hadronize_chunk(rngs[k], sizes[k], STRAIGHT, string, of_z, first, rows, scratch, stop, threads == 1)
        if isinstance(done, int):
            raise no_hadrons(k * CHUNK + done, energy, first)
        return done

    return Sample(*hadronize_chunks(job, sizes, threads, progress), params, energy, quark, name)


def law_of(
    params: LundParams | LundMixture, law: Any, mt2_max: float = 0.0
) -> tuple[LundParams, tuple, str | None]:  # fmt: skip
    """What is not z goes by these parameters; how z is drawn, for the kernel; and the name of that law.

    `mt2_max` is the largest transverse mass squared of what is no hadron [GeV²].
    """
    first = params.components[0] if isinstance(params, LundMixture) else params
    if law is None:
        return first, (LUND, lund_table(params, MASS_NEUTRAL_PION**2)), None
    # No hadron's mT² is larger: its two quarks would have to weigh exp(-40).
    width = first.sigma_pt * (max(1.0, first.enhanced_width) if first.enhanced_fraction > 0.0 else 1.0)
    mt2_max = max(mt2_max, MASS_CHARGED_PION**2 + 2.0 * width**2 * 40.0)
    table = tabulate(law, MASS_NEUTRAL_PION**2, mt2_max)
    return first, (TABULATED, table), law_name(law)


def hadronize_chunks(job: Callable, sizes: list[int], threads: int, progress: bool) -> tuple[Hadrons, Histories]:
    """Let `job(k, scratch, stop)` work out the columns of each chunk of `sizes` events, and join them."""
    scratch = threading.local()  # one set of buffers per thread, used again: fresh memory costs page faults
    stop = threading.Event()
    # With one thread each chunk is joined before the next is begun.
    with in_threads(lambda k: job(k, scratch, stop), len(sizes), threads, stop) as pieces:
        columns = _join_chunks(pieces, sizes, progress)
    hadrons = Hadrons(columns.pop("offsets"), *(columns.pop(name) for name in ("px", "py", "pz", "e", "pid")))
    return hadrons, Histories(**{name.removeprefix("break_"): column for name, column in columns.items()})


def check_string(
    n_events: int, params: Any, energy: Any, quark: Any, kinds: type | tuple[type, ...] = LundParams
) -> tuple[Any, float]:
    """Check what every string generator is given; returns (params, energy), by default those of Monash."""
    whole(n_events, "n_events")
    if n_events > MAX_EVENTS:
        raise ValueError(f"n_events must be at most {MAX_EVENTS} (some 90 GB), got {n_events}; make them in batches")
    params = LundParams() if params is None else params
    if not isinstance(params, kinds):
        raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.68, b=0.98)")
    if not isinstance(quark, str) or quark not in QUARKS:
        raise ValueError(f"quark must be one of {sorted(QUARKS)}, got {quark!r}; other flavours do not make pions only")
    return params, energy_gev(energy, 2.0 * MASS_CHARGED_PION, ", the mass of two pions")


def no_hadrons(event: int, energy: float, params: LundParams) -> HadronizationError:
    """The error that names an event without an accepted chain, and what to change."""
    raise_b = ", raise b" if params.b < 0.9 else ""
    return HadronizationError(
        f"event {event}: no accepted chain in {MAX_TRIES} tries at energy {energy:g} GeV with {params}; raise the "
        f"energy{raise_b}, or lower stop_mass or sigma_pt"
    )


def _make_buffers(rows):
    kinds = {
        "hadron_p": "f8", "hadron_pid": "i4", "break_x": "f4", "break_pid": "i4", "break_from_positive": "?",
        "chain_end": "i8", "chain_event": "i8", "chain_status": "i1", "final_x": "f4", "final_pid": "i4",
        "final_from_positive": "?", "final_reversed": "?", "openings": "f4",
    }  # fmt: skip
    lists = {"hadron_p": 4, "break_x": 4, "final_x": 3, "final_pid": 2}
    shapes = {name: (lists[name], rows) if name in lists else rows for name in kinds} | {"openings": (rows, 6)}
    return Buffers(**{name: np.empty(shapes[name], kind) for name, kind in kinds.items()})


def hadronize_chunk(
    rng: np.random.Generator, n_strings: int, geometry: Geometry, string: Any, of_z: tuple, params: LundParams,
    rows: int, scratch: Any, stop: threading.Event, lazy: bool, kernel: Any = fragment_events,
) -> dict[str, np.ndarray] | int:  # fmt: skip
    """Strings as columns, each an event by itself, numbers local to the chunk; or the number of one that is none.

    If `lazy`, they are views of the buffers in `scratch` until the next chunk; `rows` is how large these are at first.
    Another `kernel` may do the work of `fragment_events`.
    """
    hadron_end = np.empty(n_strings, np.int64)
    ends, flavours = np.empty((ROWS_OF_ENDS, 2)), np.empty(2, np.int64)
    if not hasattr(scratch, "buffers") or len(scratch.buffers.break_pid) < rows:
        scratch.buffers = _make_buffers(rows)
    if not hasattr(scratch, "rng"):
        scratch.rng = copy.deepcopy(rng)
    again, status = scratch.rng, FULL
    while status == FULL:
        # A chunk that runs out of room starts again with the same numbers. (To copy a generator takes far longer.)
        again.bit_generator.state = rng.bit_generator.state
        done, status = np.zeros(4, np.int64), ACCEPTED
        while status == ACCEPTED and done[0] < n_strings and not stop.is_set():
            status = kernel(
                again, n_strings, geometry, string, *of_z, params, ends, flavours, scratch.buffers, hadron_end, done,
                MOST_ROWS,
            )  # fmt: skip
        if status == FULL:
            scratch.buffers = _make_buffers(2 * len(scratch.buffers.break_pid))
    rng.bit_generator.state = again.bit_generator.state  # whoever goes on draws other numbers
    if status == GAVE_UP:
        return int(done[0])
    out, (_, h, j, c) = scratch.buffers, done
    # In the order of the fields of `Buffers`.
    names = "px py pz e pid z mt2 break_px break_py break_pid from_positive chain_offsets event_of_chain status"
    names += " final_px final_py final_lambda final_pid final_pid_other final_from_positive final_reversed"
    sizes = [h] * 2 + [j] * 3 + [c] * 7
    filled = [row[:size] for buffer, size in zip(out, sizes) for row in np.atleast_2d(buffer)]
    columns = dict(zip(names.split(), filled, strict=True)) | {"offsets": hadron_end}
    return columns if lazy else {name: column.copy() for name, column in columns.items()}


def _join_chunks(pieces, sizes, progress):
    """Join the columns of all chunks in order, each piece let go as soon as it is copied."""
    n_events = sum(sizes)
    joined, filled, done = {}, {}, 0
    with Progress(n_events, "event", progress) as bar:
        for piece, size in zip(pieces, sizes, strict=True):
            # Numbers local to the chunk become global: breaks, hadrons and events before this chunk.
            piece["offsets"] += filled.get("px", 0)
            piece["chain_offsets"] += filled.get("z", 0)
            piece["event_of_chain"] += done
            for name, column in piece.items():
                start = filled.get(name, 0)
                filled[name] = stop = start + len(column)
                if name not in joined:
                    # Room for the rest at this chunk's rate; pages that stay untouched cost nothing.
                    rows = stop if size == n_events else int(1.02 * stop / size * n_events)
                    joined[name] = np.empty((rows, *column.shape[1:]), column.dtype)
                if stop > len(joined[name]):
                    joined[name] = np.resize(joined[name], (int(1.1 * stop), *column.shape[1:]))
                joined[name][start:stop] = column
            done += size
            bar.update(size)
    joined = {name: column[: filled[name]] for name, column in joined.items()}
    for name in ("offsets", "chain_offsets"):
        joined[name] = np.concatenate([[0], joined[name]])
    return joined
