"""Hadronize the partons of showers: strings with gluons, several in an event."""

import math
from typing import Any, NamedTuple

import numpy as np

from .._support.checks import as_generator, takes_rng, whole
from .._support.parallel import spawn
from ..events.ragged import rows_of
from ..events.sample import Sample
from ..events.showers import GLUON, Showers
from ..params import LundMixture, LundParams
from .chain import CONSTITUENT_MASS, MAX_TRIES
from .generate import HadronizationError, hadronize_chunk, hadronize_chunks, law_of
from .gluons import KINKED, kinked
from .ministrings import ministring

CHUNK = 512  # events
LIGHT = np.array([0, 1, 2, 1, 2, 1])  # by PDG code: d-like quarks become d, u-like ones u
LEAST_EXCESS = 1.0  # GeV above the masses of its ends: lighter strings do not break, as in Pythia


@takes_rng
def hadronize_partons(
    showers: Showers, params: LundParams | LundMixture | None = None, *, rng: np.random.Generator | int,
    flavours: str | None = None, law: Any = None, reset: bool = True, threads: int = 1, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize the strings that partons span, with a kink at each gluon, into pions.

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
        below 0.1 GeV: so does Pythia. Else it is made anew of the old vector where that is nearly transverse.
    threads : int
        Threads to work on; the events are the same for any number.
    progress : bool

    Returns
    -------
    Sample
        With histories whose chains know their string (`Histories.strings`), in the order of
        `Showers.colour_order`, and with the partons.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; if an event has other flavours or a closed loop of gluons
        (the message names it).
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
    first, of_z, name = law_of(params, law)

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
        event = np.repeat(strings.event[heavy], np.diff(columns.pop("offsets"), prepend=0)) - starts[k]
        of_pairs = [
            ministring(strings.partons[strings.offsets[s] : strings.offsets[s + 1]], strings.flavours[s], first, rngs[k])
            for s in light
        ]
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


class ColourStrings(NamedTuple):
    """S strings of showers, event by event, from the quark over gluons to the antiquark."""

    partons: np.ndarray  # (P, 4) GeV
    offsets: np.ndarray  # (S + 1,)
    flavours: np.ndarray  # (S, 2) of both ends, 2 for u and 1 for d
    event: np.ndarray  # (S,)
    number: np.ndarray  # (S,) in its event
    light: np.ndarray  # (S,) whether it makes two hadrons at once


def colour_strings(showers: Showers, flavours: str | None = None) -> ColourStrings:
    """The strings that the partons of `showers` span; `flavours` as for `hadronize_partons`, which tells of errors."""
    if flavours not in (None, "to u d"):
        raise ValueError(f'flavours must be "to u d" or None, got {flavours!r}')
    rows, offsets = showers.colour_order()
    event = showers.event[rows[offsets[:-1]]]
    codes = np.stack([showers.pid[rows[offsets[:-1]]], -showers.pid[rows[offsets[1:] - 1]]], axis=1)
    wrong = np.any(codes == GLUON, axis=1)
    if wrong.any():
        raise ValueError(f"event {event[np.argmax(wrong)]} has a closed loop of gluons, which cannot be hadronized yet")
    wrong = np.any(codes > 2, axis=1)
    if flavours is None and wrong.any():
        pid = codes[np.argmax(wrong)].max()
        raise ValueError(
            f"event {event[np.argmax(wrong)]} has a quark of code {pid}; pions come from u and d alone: write "
            'flavours="to u d" to let heavier quarks count as these'
        )
    partons = showers.p4[rows]
    total = np.add.reduceat(partons, offsets[:-1])
    mass = np.sqrt(np.maximum(0.0, total[:, 3] ** 2 - np.sum(total[:, :3] ** 2, axis=1)))
    light = mass - 2.0 * CONSTITUENT_MASS <= LEAST_EXCESS
    only_light = np.bincount(event, ~light, len(showers)) == 0
    if only_light.any():
        raise ValueError(f"event {np.argmax(only_light)} has no string of more than {LEAST_EXCESS:g} GeV, so no breaks")
    number = np.arange(len(event)) - np.searchsorted(event, event)
    return ColourStrings(partons, offsets, LIGHT[codes], event, number.astype(np.int32), light)
