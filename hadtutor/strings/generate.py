"""Hadronize many strings: checks, chunks, threads, and the columns that come out."""

from __future__ import annotations

import copy
import math
import threading
from typing import Any

import numpy as np

from .._support.bars import Progress
from .._support.checks import as_generator, energy_gev, takes_rng, whole
from .._support.parallel import in_threads, spawn
from ..events.hadrons import Hadrons
from ..events.histories import ACCEPTED, Histories
from ..events.sample import Sample
from ..lund.tabulated import tabulate
from ..params import LundMixture, LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, QUARKS
from .chain import FULL, GAVE_UP, MAX_TRIES, Buffers, fragment_events
from .laws import LUND, TABULATED, lund_table
from .straight import EMPTY_ENDS, STRAIGHT, Strings

CHUNK = 4096  # events per chunk: each has a generator of its own, so the number of threads changes nothing
MAX_EVENTS = 100_000_000  # in one sample; more would fill the memory long before they are made
MOST_ROWS = 200_000  # breaks and chains per call of the kernel, which Ctrl-C cannot interrupt: well below a second


class HadronizationError(RuntimeError):
    """A string did not become hadrons within the allowed number of tries."""


@takes_rng
def hadronize_strings(
    n_events: int,
    params: LundParams | LundMixture | None = None,
    energy: float = 90.0,
    *,
    rng: np.random.Generator | int,
    quark: str = "u",
    law: Any = None,
    threads: int = 1,
    progress: bool = True,
) -> Sample:
    """Hadronize quark-antiquark strings along the z axis, each at rest with mass `energy`.

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
        Another fragmentation function f(z, mT²), for arrays that are broadcast against each other: a formula, or one
        that was learned. Its factor at each mT² does not matter. It is tabulated, see `hadtutor.lund.tabulate`, and all
        z are drawn from the table; what is not z goes by `params`.
    threads : int
        Threads to work on; the events are the same for any number.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Sample
        Hadrons in double precision and histories in single precision. Its `law` says which other law was taken.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.
    HadronizationError
        If a string fails `MAX_TRIES` times: the energy is too low for these parameters.

    Examples
    --------
    >>> sample = hadronize_strings(100, LundParams(a=0.68), energy=90.0, rng=1)
    >>> len(sample)
    100
    >>> bool(abs(sample.hadrons.e.sum() - 100 * 90.0) < 1e-6)
    True
    >>> hadronize_strings(100, law=lambda z, mt2: 1.0 - z, rng=1).law
    '<lambda>'
    """
    params, energy = check_string(n_events, params, energy, quark, (LundParams, LundMixture))
    rng = as_generator(rng)
    whole(threads, "threads")
    sizes = [CHUNK] * (n_events // CHUNK) + ([n_events % CHUNK] if n_events % CHUNK else [])
    rngs = spawn(rng, len(sizes))
    first = params.components[0] if isinstance(params, LundMixture) else params
    of_z: tuple
    if law is None:
        of_z = LUND, lund_table(params, MASS_NEUTRAL_PION**2)
    else:
        of_z = TABULATED, tabulate(law, MASS_NEUTRAL_PION**2, _largest_mt2(first))
    string = Strings(energy, QUARKS[quark])
    scratch = threading.local()  # one set of buffers per thread, used again: fresh memory costs page faults
    stop = threading.Event()

    def job(k):
        return _hadronize_chunk(rngs[k], sizes[k], string, of_z, first, k * CHUNK, scratch, stop, threads == 1)

    # With one thread each chunk is joined before the next is begun.
    with in_threads(job, len(sizes), threads, stop) as pieces:
        columns = _join_chunks(pieces, sizes, progress)
    hadrons = Hadrons(columns.pop("offsets"), *(columns.pop(name) for name in ("px", "py", "pz", "e", "pid")))
    histories = Histories(**{name.removeprefix("break_"): column for name, column in columns.items()})
    name = None if law is None else getattr(law, "__name__", type(law).__name__)
    return Sample(hadrons, histories, params, energy, quark, name)


def _largest_mt2(params):
    """Transverse mass squared that no hadron exceeds [GeV²]: its two quarks would have to weigh exp(-40)."""
    width = params.sigma_pt * (max(1.0, params.enhanced_width) if params.enhanced_fraction > 0.0 else 1.0)
    return MASS_CHARGED_PION**2 + 2.0 * width**2 * 40.0


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
    return Buffers(
        hadron_p=np.empty((4, rows)),
        hadron_pid=np.empty(rows, np.int32),
        break_x=np.empty((4, rows), np.float32),
        break_pid=np.empty(rows, np.int32),
        break_from_positive=np.empty(rows, bool),
        chain_end=np.empty(rows, np.int64),
        chain_event=np.empty(rows, np.int64),
        chain_status=np.empty(rows, np.int8),
        final_x=np.empty((3, rows), np.float32),
        final_pid=np.empty((2, rows), np.int32),
        final_from_positive=np.empty(rows, bool),
        final_reversed=np.empty(rows, bool),
    )


def _hadronize_chunk(rng, n_events, string, of_z, params, first_event, scratch, stop, lazy):
    """One chunk as a dict of columns, with numbers local to the chunk.

    `scratch` keeps the buffers of each thread. With `lazy` the columns are views of them, good until the next chunk.
    """
    hadron_end = np.empty(n_events, np.int64)
    ends, flavours = np.empty(EMPTY_ENDS), np.empty(2, np.int64)
    if not hasattr(scratch, "buffers"):
        scratch.buffers = _make_buffers(int(CHUNK * (8.0 + 4.0 * math.log1p(string.energy))))
    status = FULL
    while status == FULL:
        # A copy of the generator: a chunk that runs out of room starts again with the same numbers.
        again, done, status = copy.deepcopy(rng), np.zeros(4, np.int64), ACCEPTED
        while status == ACCEPTED and done[0] < n_events and not stop.is_set():
            status = fragment_events(
                again, n_events, STRAIGHT, string, *of_z, params, ends, flavours, scratch.buffers, hadron_end, done,
                MOST_ROWS,
            )  # fmt: skip
        if status == FULL:
            scratch.buffers = _make_buffers(2 * len(scratch.buffers.break_pid))
    if status == GAVE_UP:
        raise no_hadrons(first_event + int(done[0]), string.energy, params)
    out, (_, h, j, c) = scratch.buffers, done
    columns = {"offsets": hadron_end, "pid": out.hadron_pid[:h]}
    columns |= dict(zip(("px", "py", "pz", "e"), out.hadron_p[:, :h], strict=True))
    columns |= {"chain_offsets": out.chain_end[:c], "event_of_chain": out.chain_event[:c]}
    columns |= dict(zip(("z", "mt2", "break_px", "break_py"), out.break_x[:, :j], strict=True))
    columns |= {"break_pid": out.break_pid[:j], "from_positive": out.break_from_positive[:j]}
    columns |= dict(zip(("final_px", "final_py", "final_lambda"), out.final_x[:, :c], strict=True))
    columns |= dict(zip(("final_pid", "final_pid_other"), out.final_pid[:, :c], strict=True))
    columns |= {"status": out.chain_status[:c], "final_reversed": out.final_reversed[:c]}
    columns |= {"final_from_positive": out.final_from_positive[:c]}
    if not lazy:
        columns = {name: column.copy() for name, column in columns.items()}
    return columns


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
                stop = start + len(column)
                if name not in joined:
                    # Room for the rest at this chunk's rate; pages that stay untouched cost nothing.
                    rows = stop if size == n_events else int(1.02 * stop / size * n_events)
                    joined[name] = np.empty(rows, column.dtype)
                if stop > len(joined[name]):
                    joined[name] = np.resize(joined[name], int(1.1 * stop))
                joined[name][start:stop] = column
                filled[name] = stop
            done += size
            bar.update(size)
    joined = {name: column[: filled[name]] for name, column in joined.items()}
    for name in ("offsets", "chain_offsets"):
        joined[name] = np.concatenate([[0], joined[name]])
    return joined
