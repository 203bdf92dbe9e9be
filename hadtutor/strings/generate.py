"""Hadronize many strings: checks, chunks, threads, and the columns that come out."""

import copy
import math
import numbers
import threading

import numpy as np

from .._support.bars import Progress
from .._support.checks import as_generator, whole
from .._support.parallel import in_threads, spawn
from ..events.hadrons import Hadrons
from ..events.histories import Histories
from ..events.sample import Sample
from ..lund.staircase import z_tables
from ..params import LundMixture, LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, QUARKS
from .chain import MAX_TRIES, Buffers, Ends, fragment_events

CHUNK = 4096  # events per chunk: each has a generator of its own, so the number of threads changes nothing
MAX_EVENTS = 100_000_000  # in one sample; more would fill the memory long before they are made


class HadronizationError(RuntimeError):
    """A string did not become hadrons within the allowed number of tries."""


def hadronize_strings(n_events, params=None, energy=90.0, rng=None, quark="u", threads=1, progress=True):
    """Hadronize quark-antiquark strings along the z axis, each at rest with mass `energy`.

    Parameters
    ----------
    n_events : int
        Number of events, at least 1.
    params : LundParams or LundMixture, optional
        Default: the Monash tune.
    energy : float
        Mass of the string [GeV]; at least two pions must fit.
    rng : numpy.random.Generator
        Source of randomness; it is advanced by spawning, so two calls in a row give two samples.
    quark : {"u", "d"}
        Flavour at the +z end; its antiquark sits at the other.
    threads : int
        Threads to work on; the events are the same for any number.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Sample
        Hadrons in double precision and histories in single precision.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.
    HadronizationError
        If a string fails `MAX_TRIES` times: the energy is too low for these parameters.

    Examples
    --------
    >>> sample = hadronize_strings(100, LundParams(a=0.68), energy=90.0, rng=np.random.default_rng(1))
    >>> len(sample)
    100
    >>> bool(abs(sample.hadrons.e.sum() - 100 * 90.0) < 1e-6)
    True
    """
    params = LundParams() if params is None else params
    mixture = params.validate() if isinstance(params, LundMixture) else LundMixture((params,), (1.0,))
    _, energy = check_string(n_events, mixture.components[0], energy, quark)
    mixture, params = mixture.validate(), params.validate()
    rng = as_generator(rng)
    whole(threads, "threads")
    sizes = [CHUNK] * (n_events // CHUNK) + ([n_events % CHUNK] if n_events % CHUNK else [])
    rngs = spawn(rng, len(sizes))
    components, up_to = mixture.components, tuple(np.cumsum(mixture.fractions).tolist())
    table = z_tables(components, MASS_NEUTRAL_PION**2)

    scratch = threading.local()  # one set of buffers per thread, used again: fresh memory costs page faults

    def job(k):
        return _hadronize_chunk(
            rngs[k], sizes[k], energy, QUARKS[quark], components, up_to, table, k * CHUNK, scratch, threads == 1
        )

    # With one thread each chunk is joined before the next is begun.
    columns = _join_chunks(in_threads(job, len(sizes), threads), sizes, progress)
    hadrons = Hadrons(columns.pop("offsets"), *(columns.pop(name) for name in ("px", "py", "pz", "e", "pid")))
    histories = Histories(**{name.removeprefix("break_"): column for name, column in columns.items()})
    return Sample(hadrons, histories, params, energy, quark)


def check_string(n_events, params, energy, quark):
    """Check what every string generator is given; returns (params, energy) as numbers."""
    if isinstance(n_events, bool) or not isinstance(n_events, numbers.Integral):
        raise TypeError(f"n_events must be a whole number, got {n_events!r} of type {type(n_events).__name__}")
    if n_events < 1:
        raise ValueError(f"n_events must be at least 1, got {n_events}")
    if n_events > MAX_EVENTS:
        raise ValueError(f"n_events must be at most {MAX_EVENTS} (some 90 GB), got {n_events}; make them in batches")
    if not isinstance(params, LundParams):
        raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.68, b=0.98)")
    if quark not in QUARKS:
        raise ValueError(f"quark must be one of {sorted(QUARKS)}, got {quark!r}; other flavours do not make pions only")
    if isinstance(energy, (bool, str)) or not isinstance(energy, numbers.Real) or not math.isfinite(energy):
        raise ValueError(f"energy must be a finite number of GeV, got {energy!r}")
    if energy <= 2.0 * MASS_CHARGED_PION:
        raise ValueError(
            f"energy must exceed {2 * MASS_CHARGED_PION:.4f} GeV, the mass of two pions, got {energy:g} GeV"
        )
    return params.validate(), float(energy)


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


def _hadronize_chunk(rng, n_events, energy, flavour, components, up_to, table, first_event, scratch, lazy):
    """One chunk as a dict of columns, with numbers local to the chunk.

    `scratch` keeps the buffers of each thread. With `lazy` the columns are views of them, good until the next chunk.
    """
    hadron_end = np.empty(n_events, np.int64)
    ends = Ends(*(np.empty(2) for _ in range(4)), np.empty(2, np.int64))
    if not hasattr(scratch, "buffers"):
        scratch.buffers = _make_buffers(int(CHUNK * (8.0 + 4.0 * math.log1p(energy))))
    while True:
        # A copy of the generator: a chunk that runs out of room starts again with the same numbers.
        n_breaks, n_chains = fragment_events(
            copy.deepcopy(rng), n_events, energy, flavour, components, up_to, table, ends, scratch.buffers, hadron_end
        )
        if n_chains >= 0:
            break
        scratch.buffers = _make_buffers(2 * len(scratch.buffers.break_pid))
    if n_breaks < 0:
        raise HadronizationError(
            f"event {first_event + n_chains}: no accepted chain in {MAX_TRIES} tries at energy {energy:g} GeV with "
            f"{components[0]}; raise the energy, or lower stop_mass, sigma_pt or b"
        )
    out, h, j, c = scratch.buffers, hadron_end[-1], n_breaks, n_chains
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
