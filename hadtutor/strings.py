"""One quark-antiquark string into hadrons: the iteration of the Lund model as Pythia 8 performs it.

Two string ends run apart along the z axis. One after the other, on a side chosen at random, a
quark-antiquark pair breaks the string and a hadron leaves with the fraction z of the light-cone
momentum that is left in that end. When the mass left is small, two last hadrons share it. If they
cannot, the whole chain is thrown away and begun again: that is the acceptance of the model
:cite:p:`andersson1983parton,bierlich2022pythia`.

Flavours are u and d only and every hadron is a pion: the setting in which fragmentation is learnt.
"""

import copy
import math
import numbers
import threading
from typing import NamedTuple

import numpy as np
from numba import njit

from ._parallel import check_rng, check_threads, in_threads, spawn
from ._progress import Progress
from .hadrons import Hadrons
from .histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM, Histories, Sample
from .lund import sample_z, table_row, try_z, z_tables
from .params import LundMixture, LundParams
from .particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, QUARKS

__all__ = ["HadronizationError", "break_mt2", "hadronize_strings", "replay", "string_order"]

CHUNK = 4096  # events per chunk: each has a generator of its own, so the number of threads changes nothing
MAX_TRIES = 31  # chains per event before giving up, as in Pythia (which then repeats the whole level up to ten times)
TRIES_BEFORE_RAISING = 16  # from then on stop_mass grows by 5 % per try, as in Pythia
MAX_EVENTS = 100_000_000  # in one sample; more would fill the memory long before they are made
CONSTITUENT_MASS = 0.325  # GeV, of u and d alike


class HadronizationError(RuntimeError):
    """A string did not become hadrons within the allowed number of tries."""


# --- The physics of one break ----------------------------------------------------------------------


@njit(nogil=True, inline="always")
def neutral_probability(old, u_fraction):
    """How often a break at an old flavour (2 for u, 1 for d) makes a neutral pion.

    Another flavour than the old makes a charged pion; an equal one makes a neutral pion half of the time (the rest
    would be eta) and is drawn again otherwise. With equal odds of u and d that is (1/4) / (1/4 + 1/2) = 1/3.
    """
    same = u_fraction if old == 2 else 1.0 - u_fraction
    return same / (2.0 - same)


@njit(nogil=True, inline="always")
def break_flavour(u, old, side, u_fraction):
    """New flavour at a break and the pion it makes, from a uniform number; also returns a fresh one."""
    odds = neutral_probability(old, u_fraction)
    neutral = u < odds
    charge = (2 * old - 3) * (1 - 2 * side)  # an old u quark or d antiquark ends up in a pi+
    fresh = u / odds if neutral else (u - odds) / (1.0 - odds)
    return fresh, old if neutral else 3 - old, 111 if neutral else 211 * charge


@njit(nogil=True, inline="always")
def join_flavours(u, new, other, side):
    """Pion made of the flavours left at the two ends; 0 when ten tries at 1/2 give no neutral pion."""
    if new == other:
        return 111 if u < 1.0 - 0.5**10 else 0
    quark = new if side == 0 else other
    return 211 if quark == 2 else -211


@njit(nogil=True, inline="always")
def break_pt(rng, params):
    """Transverse momentum (px, py) of the new quark [GeV]: tunnelling makes it Gaussian."""
    width = params.sigma_pt * math.sqrt(0.5)
    if params.enhanced_fraction > 0.0 and rng.random() < params.enhanced_fraction:
        width *= params.enhanced_width
    return width * rng.standard_normal(), width * rng.standard_normal()


@njit(nogil=True, inline="always")
def pion_mass2(pid):
    """Mass squared of a pion [GeV²]."""
    return MASS_NEUTRAL_PION**2 if pid == 111 else MASS_CHARGED_PION**2


@njit(nogil=True, inline="always")
def share_between_two(own, opposite, mt2_1, mt2_2, reverse):
    """Light-cone momenta of the first of the last two hadrons: (own, opposite, lambda).

    Two-body kinematics in 1+1 dimensions has two solutions; `reverse` picks the one in which the
    hadrons fly the other way.
    """
    wt2 = own * opposite
    # At threshold the difference may round to less than nothing.
    lam = math.sqrt(max(0.0, (wt2 - mt2_1 - mt2_2) ** 2 - 4.0 * mt2_1 * mt2_2))
    half = 0.5 * (1.0 + (mt2_1 - mt2_2) / wt2)
    shift = 0.5 * (-lam if reverse else lam) / wt2
    return (half + shift) * own, (half - shift) * opposite, lam


@njit(nogil=True, inline="always")
def reverse_probability(lam, b):
    """How often the last two hadrons come out in reversed order (Pythia: 1 / (1 + exp(b lambda)))."""
    return 1.0 / (1.0 + math.exp(min(50.0, b * lam)))


@njit(nogil=True, inline="always")
def choose(rng, up_to):
    """Number of one of several things, from their cumulative probabilities; of a single thing without a draw."""
    m = 0
    if len(up_to) > 1:
        u = rng.random()
        while u > up_to[m] and m < len(up_to) - 1:
            m += 1
    return m


# --- The chain -------------------------------------------------------------------------------------


class Ends(NamedTuple):
    """The two string ends; entry 0 moves along +z and 1 along -z. Light-cone momenta p± = E ± pz.

    A hadron's own direction is that of the end it leaves: + for entry 0.
    """

    own: np.ndarray  # W minus the own-direction momentum taken by this end's hadrons [GeV]
    opposite: np.ndarray  # W minus the opposite-direction momentum they took [GeV]
    px: np.ndarray  # transverse momentum of the quark that waits at the end [GeV]
    py: np.ndarray
    flavour: np.ndarray  # PDG code without sign


class Buffers(NamedTuple):
    """Room for the rows that one chunk writes: hadrons, breaks and chains."""

    hadron_p: np.ndarray  # (4, rows) px, py, pz, e
    hadron_pid: np.ndarray
    break_x: np.ndarray  # (4, rows) z, mt2, px, py
    break_pid: np.ndarray
    break_from_positive: np.ndarray
    chain_end: np.ndarray  # row after the last break of each chain
    chain_event: np.ndarray
    chain_status: np.ndarray
    final_x: np.ndarray  # (3, chains) px, py, lambda
    final_pid: np.ndarray  # (2, chains)
    final_from_positive: np.ndarray
    final_reversed: np.ndarray


@njit(nogil=True, inline="always")
def store_hadron(hadron_p, hadron_pid, i, px, py, own, opposite, side, pid):
    hadron_p[0, i] = px
    hadron_p[1, i] = py
    hadron_p[2, i] = (0.5 - side) * (own - opposite)
    hadron_p[3, i] = 0.5 * (own + opposite)
    hadron_pid[i] = pid


@njit(nogil=True, inline="always")
def fragment_chain(rng, energy, flavour, w_min, components, up_to, table, ends, out, i, j, c):
    """Fragment one string into chain number `c`; hadrons go to rows i, i+1, ..., breaks to j, j+1, ...

    Each break takes z from one of the `components`, of which there is usually one.

    Returns (status, row after the last hadron, row after the last break).
    """
    # Taking the arrays out of the tuples once spares the compiler a reference count at every use.
    end_own, end_opposite, end_px, end_py, end_flavour = ends
    hadron_p, hadron_pid, break_x, break_pid, break_from_positive = out[:5]
    final_x, final_pid, final_from_positive, final_reversed = out[8:]
    cells, log_top = table.cells, table.log_top
    params = components[0]
    for side in range(2):
        end_own[side] = end_opposite[side] = energy
        end_px[side] = end_py[side] = 0.0
        end_flavour[side] = flavour
    final_x[0, c] = final_x[1, c] = final_x[2, c] = math.nan
    final_pid[0, c] = final_pid[1, c] = 0
    final_reversed[c] = False

    while True:
        if j == break_pid.size or i + 2 > hadron_pid.size:
            return FULL, i, j
        # One uniform number serves three choices: a side, a flavour, and the smearing of the stop.
        u = 2.0 * rng.random()
        side = 0 if u < 1.0 else 1
        u, new, pid = break_flavour(u - side, end_flavour[side], side, params.u_fraction)
        qx, qy = break_pt(rng, params)
        px, py = end_px[side] + qx, end_py[side] + qy
        mt2 = pion_mass2(pid) + px * px + py * py

        plus = end_own[0] + end_opposite[1] - energy
        minus = end_own[1] + end_opposite[0] - energy
        mass2 = plus * minus - (end_px[0] + end_px[1]) ** 2 - (end_py[0] + end_py[1]) ** 2
        stop = w_min * (1.0 + params.stop_smear * (2.0 * u - 1.0))
        if plus + minus < 0.0 or mass2 < stop * stop:
            break
        z = 0.0
        m = choose(rng, up_to)
        shape = components[m]
        row = table_row(mt2, table)
        if row < 0:
            z = sample_z(rng, mt2, shape)
        while z == 0.0:
            z = try_z(rng.random(), rng.random(), mt2, shape, cells[m, row], log_top[m, row])
        break_x[0, j] = min(np.float32(z), LARGEST_Z32)
        break_x[1, j] = mt2
        break_x[2, j] = qx
        break_x[3, j] = qy
        break_pid[j] = pid
        break_from_positive[j] = side == 0
        j += 1

        own = z * end_own[side]
        if mt2 >= own * end_opposite[side]:
            final_from_positive[c] = side == 0
            return NO_ROOM, i, j
        opposite = mt2 / own
        store_hadron(hadron_p, hadron_pid, i, px, py, own, opposite, side, pid)
        i += 1
        end_own[side] -= own
        end_opposite[side] -= opposite
        end_px[side] = -qx
        end_py[side] = -qy
        end_flavour[side] = new

    # The break that was tried last stays; its z is never drawn. Two hadrons share what is left.
    final_x[0, c] = qx
    final_x[1, c] = qy
    final_from_positive[c] = side == 0
    other = 1 - side
    pid2 = join_flavours(rng.random(), new, end_flavour[other], side)
    px2, py2 = end_px[other] - qx, end_py[other] - qy
    mt2_2 = pion_mass2(pid2) + px2 * px2 + py2 * py2
    own, opposite = (plus, minus) if side == 0 else (minus, plus)
    if pid2 == 0 or own + opposite < 0.0 or mass2 < 0.0 or own * opposite < (math.sqrt(mt2) + math.sqrt(mt2_2)) ** 2:
        return NO_FINAL_TWO, i, j
    own_1, opposite_1, lam = share_between_two(own, opposite, mt2, mt2_2, False)
    if rng.random() < reverse_probability(lam, params.b):
        own_1, opposite_1, lam = share_between_two(own, opposite, mt2, mt2_2, True)
        final_reversed[c] = True
    store_hadron(hadron_p, hadron_pid, i, px, py, own_1, opposite_1, side, pid)
    store_hadron(hadron_p, hadron_pid, i + 1, px2, py2, own - own_1, opposite - opposite_1, side, pid2)
    final_x[2, c] = lam
    final_pid[0, c] = pid
    final_pid[1, c] = pid2
    return ACCEPTED, i + 2, j


FULL = 3  # the buffers were too small: never seen outside this module
LARGEST_Z32 = np.nextafter(np.float32(1), np.float32(0))


@njit(nogil=True)
def fragment_events(rng, n_events, energy, flavour, components, up_to, table, ends, out, hadron_end):
    """Fragment `n_events` strings; returns (breaks, chains), or (-1, the event) if one gave up."""
    i = j = c = 0
    params = components[0]
    quark_masses = CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
    for event in range(n_events):
        stop_mass = params.stop_mass
        status = NO_FINAL_TWO
        tries = 0
        while status != ACCEPTED:
            if tries == MAX_TRIES:
                return -1, event
            if tries >= TRIES_BEFORE_RAISING:
                stop_mass *= 1.05
            if c == out.chain_end.size:
                return FULL, -1
            w_min = stop_mass + quark_masses
            status, i_next, j = fragment_chain(
                rng, energy, flavour, w_min, components, up_to, table, ends, out, i, j, c
            )
            if status == FULL:
                return FULL, -1
            out.chain_end[c] = j
            out.chain_event[c] = event
            out.chain_status[c] = status
            c += 1
            tries += 1
        i = i_next
        hadron_end[event] = i
    return j, c


# --- What users call -------------------------------------------------------------------------------


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
    check_rng(rng)
    check_threads(threads)
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


# --- From a history back to its hadrons ------------------------------------------------------------


@njit(nogil=True)
def _replay_chains(energy, x, from_positive, pid, offsets, final_x, final_pid, final_from_positive, reverse, ends, out):
    own, opposite, px, py, _ = ends
    hadron_p, hadron_pid = out
    i = 0
    for c in range(len(reverse)):
        for side in range(2):
            own[side] = opposite[side] = energy
            px[side] = py[side] = 0.0
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            hadron_px, hadron_py = px[side] + x[1, j], py[side] + x[2, j]
            mt2 = pion_mass2(pid[j]) + hadron_px**2 + hadron_py**2
            along = x[0, j] * own[side]
            store_hadron(hadron_p, hadron_pid, i, hadron_px, hadron_py, along, mt2 / along, side, pid[j])
            own[side] -= along
            opposite[side] -= mt2 / along
            px[side], py[side] = -x[1, j], -x[2, j]
            i += 1
        side = 0 if final_from_positive[c] else 1
        other = 1 - side
        px_1, py_1 = px[side] + final_x[0, c], py[side] + final_x[1, c]
        px_2, py_2 = px[other] - final_x[0, c], py[other] - final_x[1, c]
        mt2_1 = pion_mass2(final_pid[0, c]) + px_1**2 + py_1**2
        mt2_2 = pion_mass2(final_pid[1, c]) + px_2**2 + py_2**2
        left = own[side] + opposite[other] - energy
        left_opposite = own[other] + opposite[side] - energy
        if left <= 0.0 or left * left_opposite < (math.sqrt(mt2_1) + math.sqrt(mt2_2)) ** 2:
            return c
        along, against, _ = share_between_two(left, left_opposite, mt2_1, mt2_2, reverse[c])
        store_hadron(hadron_p, hadron_pid, i, px_1, py_1, along, against, side, final_pid[0, c])
        store_hadron(
            hadron_p, hadron_pid, i + 1, px_2, py_2, left - along, left_opposite - against, side, final_pid[1, c]
        )
        i += 2
    return -1


def replay(histories, energy):
    """Work out the hadrons of each event from its accepted chain: after the breaks, nothing is random.

    Parameters
    ----------
    histories : Histories
        N events with one accepted chain each.
    energy : float
        Mass of the string they were made at [GeV].

    Returns
    -------
    Hadrons
        In double precision; as exact as the single-precision breaks allow, with four-momentum
        conserved to rounding.

    Raises
    ------
    ValueError
        If an event has not exactly one accepted chain, or a chain does not fit `energy`.

    Examples
    --------
    >>> sample = hadronize_strings(100, rng=np.random.default_rng(1))
    >>> again = replay(sample.histories, sample.energy)
    >>> bool(np.allclose(again.e, sample.hadrons.e, rtol=1e-3))
    True
    """
    accepted = histories.only_accepted()
    if not np.array_equal(accepted.event_of_chain, np.arange(len(histories.event_offsets) - 1)):
        raise ValueError("each event needs exactly one accepted chain to be replayed")
    counts = np.diff(accepted.chain_offsets) + 2
    offsets = np.concatenate([[0], np.cumsum(counts)])
    out = (np.empty((4, offsets[-1])), np.empty(offsets[-1], np.int32))
    failed = _replay_chains(
        float(energy),
        np.stack([accepted.z, accepted.px, accepted.py]).astype(float),
        accepted.from_positive,
        accepted.pid,
        accepted.chain_offsets,
        np.stack([accepted.final_px, accepted.final_py]).astype(float),
        np.stack([accepted.final_pid, accepted.final_pid_other]),
        accepted.final_from_positive,
        accepted.final_reversed,
        Ends(*(np.empty(2) for _ in range(4)), np.empty(2, np.int64)),
        out,
    )
    if failed >= 0:
        raise ValueError(f"event {failed} does not fit a string of {energy:g} GeV; give the energy it was made at")
    return Hadrons(offsets, *out[0], out[1])


@njit(nogil=True)
def _fill_mt2(offsets, x, from_positive, pid, mt2):
    px, py = np.empty(2), np.empty(2)
    for c in range(len(offsets) - 1):
        px[:] = py[:] = 0.0
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            mt2[j] = pion_mass2(pid[j]) + (px[side] + x[0, j]) ** 2 + (py[side] + x[1, j]) ** 2
            px[side], py[side] = -x[0, j], -x[1, j]


def break_mt2(chain_offsets, px, py, from_positive, pid):
    """Transverse mass squared of the hadron of each break, from the quark momenta of its end.

    The hadron takes the new quark and the one that the last break on its side left behind, which has
    the opposite transverse momentum.

    Parameters
    ----------
    chain_offsets, px, py, from_positive, pid : ndarray
        As in `Histories`.

    Returns
    -------
    ndarray of float64, shape (breaks,)
        :math:`m_T^2` [GeV²].
    """
    mt2 = np.empty(len(px))
    _fill_mt2(chain_offsets, np.stack([px, py]).astype(float), from_positive, pid, mt2)
    return mt2


@njit(nogil=True)
def _fill_flavour(offsets, from_positive, pid, flavour_at_ends, flavour):
    ends = np.empty(2, np.int64)
    for c in range(len(offsets) - 1):
        ends[:] = flavour_at_ends
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            flavour[j] = ends[side]
            if pid[j] != 111:
                ends[side] = 3 - ends[side]


def flavour_before(histories, flavour_at_ends):
    """Flavour that waits at the string end before each break, 2 for u and 1 for d: a charged pion changes it.

    Parameters
    ----------
    histories : Histories
    flavour_at_ends : {2, 1}
        Of the string, see `Sample.quark`.

    Returns
    -------
    ndarray of int32, shape (breaks,)
    """
    flavour = np.empty(len(histories.pid), np.int32)
    _fill_flavour(histories.chain_offsets, histories.from_positive, histories.pid, flavour_at_ends, flavour)
    return flavour


def last_pair_lambda(hadrons):
    """λ of the last two hadrons of each event [GeV²]; see `reverse_probability`."""
    last = hadrons.offsets[1:] - 1
    e, pz = hadrons.e[last - 1] + hadrons.e[last], hadrons.pz[last - 1] + hadrons.pz[last]
    m1, m2 = (hadrons.e[i] ** 2 - hadrons.pz[i] ** 2 for i in (last - 1, last))
    return np.sqrt(np.maximum(0.0, (e**2 - pz**2 - m1 - m2) ** 2 - 4.0 * m1 * m2))


def string_order(histories):
    """Order of the hadrons of each event along the string, from the +z end to the -z end.

    Parameters
    ----------
    histories : Histories
        N events with one accepted chain each.

    Returns
    -------
    ndarray of int64, shape (rows,)
        ``hadrons.px[order]`` and the like run along the string, event by event.
    """
    accepted = histories.only_accepted()
    counts = np.diff(accepted.chain_offsets)
    starts = accepted.chain_offsets[:-1] + 2 * np.arange(len(counts))
    event = np.concatenate([accepted.chain_of_break, np.repeat(np.arange(len(counts)), 2)])
    rank = np.concatenate(
        [
            np.arange(len(accepted.z)) - np.repeat(accepted.chain_offsets[:-1], counts),
            (counts[:, None] + [0, 1]).ravel(),
        ]
    )
    positive = np.concatenate(
        [accepted.from_positive, np.stack([accepted.final_from_positive, ~accepted.final_from_positive], 1).ravel()]
    )
    # From the + end inwards in the order of making, then from the inside out towards the - end.
    place = np.where(positive, rank, 2 * (counts.max(initial=0) + 2) - rank)
    return (starts[event] + rank)[np.lexsort((place, event))]
