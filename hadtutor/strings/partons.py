"""Hadronize the partons of showers: strings with gluons, several in an event."""

import math
from typing import Any

import numpy as np

from .._support.checks import as_generator, takes_rng, whole
from .._support.parallel import spawn
from ..events.ragged import rows_of
from ..events.sample import Sample
from ..events.showers import Showers
from ..params import LundMixture, LundParams
from .chain import MAX_TRIES
from .colours import colour_strings
from .generate import HadronizationError, hadronize_chunk, hadronize_chunks, hadronize_strings, law_of
from .gluons import KINKED
from .ministrings import ministring
from .regions import CUT_MT2_MAX, kinked

CHUNK = 512  # events


@takes_rng
def hadronize_partons(
    showers: Showers, params: LundParams | LundMixture | None = None, *, rng: np.random.Generator | int,
    flavours: str | None = None, law: Any = None, reset: bool = True, threads: int = 1, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize the strings that partons span, with a kink at each gluon, into pions.

    A closed loop of gluons is cut where a first pair of quarks breaks it, as in Pythia: in one of its pieces, by their
    masses squared, and at a z drawn for a transverse mass squared of a tenth of that, 25 GeV² at most.

    Parameters
    ----------
    showers : Showers
        N events of u and d quarks and gluons.
    params : LundParams or LundMixture, optional
        Default: the Monash tune.
    rng : numpy.random.Generator or int
        Source of randomness; a generator is advanced by spawning, so two calls in a row give two samples.
    flavours : {"to u d"}, optional
        Let heavier quarks count as d or u, by their charge; their momenta stay.
    law : callable, or anything with a method ``density``, optional
        Another fragmentation function, as for `hadronize_strings`.
    reset : bool
        Whether the transverse momentum of a break keeps its components where a string turns, and is lost if it is
        below 0.1 GeV: so does Pythia. Else it keeps its components always. `replay` wants to know.
    threads : int
        Threads to work on; the events are the same for any number.
    progress : bool

    Returns
    -------
    Sample
        With histories whose chains know their string (`Histories.strings`), in the order of
        `Showers.colour_order`, and where closed loops were cut (`Histories.openings`), and with the partons.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; if an event has other flavours, no string of more than
        1 GeV above its quark masses, or a gluon tied to itself (the message names it).
    HadronizationError
        If a string fails too often.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:200]
    >>> sample = hadronize_partons(showers, flavours="to u d", rng=1)
    >>> bool(abs(sample.hadrons.e.sum() - showers.e.sum()) < 1e-6)
    True
    """
    if not isinstance(showers, Showers):
        raise TypeError(f"showers must be Showers, got {type(showers).__name__}; hadtutor.datasets has some")
    if len(showers) == 0:
        raise ValueError("there is nothing to hadronize: the showers have no events")
    params = LundParams() if params is None else params
    if not isinstance(params, (LundParams, LundMixture)):
        raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.68, b=0.98)")
    whole(threads, "threads")
    strings = colour_strings(showers, flavours)
    starts = np.append(np.arange(0, len(showers), CHUNK), len(showers))
    first_string = np.searchsorted(strings.event, starts)
    sizes = np.diff(starts).tolist()
    rngs = spawn(as_generator(rng), len(sizes))
    closed = strings.flavours[:, 0] == 0
    first, of_z, name = law_of(params, law, CUT_MT2_MAX if closed.any() else 0.0)

    def job(k, scratch, stop):
        own = np.arange(first_string[k], first_string[k + 1])
        heavy, light = own[~strings.light[own]], own[strings.light[own]]
        rows, offsets = rows_of(strings.offsets, heavy)
        string = kinked(strings.partons[rows], offsets, strings.flavours[heavy], reset)
        room = int(len(heavy) * (8.0 + 6.0 * math.log1p(showers.energy)))
        columns = hadronize_chunk(
            rngs[k], len(heavy), KINKED, string, of_z, first, room, scratch, stop, threads == 1
        )  # fmt: skip
        if isinstance(columns, int):
            event = strings.event[heavy[columns]]
            raise HadronizationError(
                f"event {event}: a string of {offsets[columns + 1] - offsets[columns]} partons found no accepted chain "
                f"in {MAX_TRIES} tries with {first}; leave the event out, or lower stop_mass or sigma_pt"
            )
        if closed.any():
            columns["openings"] = scratch.buffers.openings[: len(columns["status"])].copy()
        event = np.repeat(strings.event[heavy], np.diff(columns.pop("offsets"), prepend=0)) - starts[k]
        of_pairs = []
        for number in light:
            partons = strings.partons[strings.offsets[number] : strings.offsets[number + 1]]
            of_pairs.append(ministring(partons, strings.flavours[number], first, rngs[k]))
        if of_pairs:
            p, pid = (np.concatenate(parts) for parts in zip(*of_pairs, strict=True))
            event = np.concatenate([event, np.repeat(strings.event[light], 2) - starts[k]])
            order = np.argsort(event, kind="stable")
            for column, more in zip(("px", "py", "pz", "e", "pid"), (*p.T, pid), strict=True):
                columns[column] = np.concatenate([columns[column], more.astype(columns[column].dtype)])[order]
        chains = heavy[columns["event_of_chain"]]
        columns["event_of_chain"] = strings.event[chains] - starts[k]
        columns["strings"] = strings.number[chains]
        columns["offsets"] = np.cumsum(np.bincount(event, minlength=sizes[k]))
        return columns

    made = hadronize_chunks(job, sizes, threads, progress)
    return Sample(*made, params, showers.energy, None, name, showers)


@takes_rng
def hadronize_like(
    sample: Sample, n_events: int, params: LundParams, *, rng: np.random.Generator | int, law: Any = None,
    threads: int = 1,
) -> Sample:  # fmt: skip
    """Other events of the kind of `sample`: straight strings of its energy and quark, or those between its partons.

    `n_events`, `params`, `rng`, `law` and `threads` are as of `hadronize_strings`. Where there are more events than
    partons, these are taken again from the first.
    """
    options: dict[str, Any] = {"rng": rng, "law": law, "threads": threads, "progress": False}
    if sample.partons is None:
        return hadronize_strings(n_events, params, sample.energy, quark=sample.quark or "u", **options)
    partons = sample.partons[np.arange(n_events) % len(sample.partons)]
    return hadronize_partons(partons, params, flavours="to u d", **options)
