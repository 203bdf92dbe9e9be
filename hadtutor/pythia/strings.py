"""Pion strings of real Pythia, with their histories."""

from array import array
from typing import Any, NamedTuple

import numpy as np

from .._support.bars import track
from ..events.hadrons import Hadrons
from ..events.ragged import rows_of
from ..events.sample import Sample
from ..events.showers import Showers
from ..lund.tabulated import law_name
from ..params import LundParams
from ..particles import QUARKS
from ..strings.colours import colour_strings, numbered_strings
from ..strings.from_history import string_order
from ..strings.generate import check_string
from ..strings.gluons import KINKED
from ..strings.regions import kinked
from ..strings.straight import STRAIGHT, Strings
from .final import FinalParticles
from .recorder import first_parton, make_recorder, of_pions, recorded, with_last_pair
from .settings import PIONS_ONLY, pythia8mc, start


def pion_string(params: LundParams, *, seed: int, hook: Any = None, law: Any = None) -> Any:
    """A Pythia object of `pythia8mc` for pion strings; `params`, `seed`, `hook`, `law` and errors as in `start`."""
    return start(PIONS_ONLY, seed=seed, params=params, hook=hook, law=law)


class Run(NamedTuple):
    """What real Pythia made of strings, in its order."""

    hadrons: Hadrons
    parton: np.ndarray  # (rows,) number in its event, from 1 on, of one of the string that a hadron comes from
    rows: Any  # of the recorder


def _run(params, seed, n_events, partons, what, histories, progress, law):
    """A `Run` of Pythia over the `partons` of each event, a function of its number, as ``Event.append`` takes them."""
    hook: Any = make_recorder(pythia8mc()) if histories else None
    pythia = pion_string(params, seed=seed, hook=hook, law=law)
    event, final, parton, first_chain = pythia.event, FinalParticles(), array("q"), array("q")
    if histories:
        hook.event = event
    for number in track(range(n_events), "event", progress):
        event.reset()
        for columns in partons(number):
            event.append(*columns)
        if histories:
            first_chain.append(hook.n_chains)
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on {what}")
        final.take(event)
        if histories:
            parton.extend(first_parton(event, p.index()) for p in event if p.isFinal())
    return Run(final.hadrons(), np.array(parton), hook and hook.take(first_chain))


def _in_order(hadrons, rows):
    return hadrons.replace(**{name: getattr(hadrons, name)[rows] for name in ("px", "py", "pz", "e", "pid")})


def hadronize_partons(
    showers: Showers, params: LundParams | None = None, *, seed: int = 1, law: Any = None, histories: bool = True,
    progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize strings between partons with real Pythia 8, into pions; see `hadtutor.hadronize_partons`.

    Hadrons and histories are in the order that they have there, histories with what Pythia shows, as of
    `hadronize_strings`. Pythia may make a light string, which has no breaks, into one hadron; what momentum that wants
    another string gives, which then does not replay from `showers`.

    Parameters
    ----------
    showers : Showers
        N events of u and d quarks and gluons.
    params : LundParams, optional
        Default: the Monash tune.
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    law : callable, or anything with a method ``density``, optional
        Another fragmentation function, as in `start`. `Sample.law` says its name.
    histories : bool
        Whether to record breaks, which takes twice as long; without, hadrons are in Pythia's order.
    progress : bool

    Raises
    ------
    ImportError, TypeError, ValueError, RuntimeError
        If `pythia8mc` is not installed, an argument is of the wrong kind or out of range, for us or for Pythia, an
        event has another flavour, or histories and a closed loop of gluons, or Pythia gives up on one.
    """
    if not isinstance(showers, Showers):
        raise TypeError(f"hadronize_partons takes Showers, got {type(showers).__name__}")
    strings = colour_strings(showers)
    closed = strings.flavours[:, 0] == 0
    if histories and closed.any():
        raise ValueError(
            f"event {strings.event[np.argmax(closed)]} has a closed loop of gluons, and Pythia does not show how it "
            "is cut open; leave its histories out, histories=False"
        )
    params = LundParams() if params is None else params
    mass = np.sqrt(np.maximum(0.0, showers.e**2 - showers.px**2 - showers.py**2 - showers.pz**2))
    columns = showers.col, showers.acol, showers.px, showers.py, showers.pz, showers.e, mass
    columns = showers.pid, np.full(len(mass), 23), *columns

    def partons(number):
        rows = slice(showers.offsets[number], showers.offsets[number + 1])
        return zip(*(column[rows].tolist() for column in columns), strict=True)

    made = _run(params, seed, len(showers), partons, "its strings", histories, progress, law)
    name = None if law is None else law_name(law)
    if not histories:
        return Sample(made.hadrons, None, params, showers.energy, law=name, partons=showers)
    number = numbered_strings(showers).of_partons()
    record = of_pions(recorded(made.rows, number, showers.offsets))
    done = record.histories.only_accepted()
    first_string = np.searchsorted(strings.event, np.arange(len(showers)))
    heavy = first_string[done.event_of_chain] + done.strings
    # Pythia takes the lightest string first; we list what light ones make after the hadrons of the others.
    event = made.hadrons.event
    string = first_string[event] + number[showers.offsets[event] + made.parton - 1]
    broke = np.isin(string, heavy)
    rows = np.lexsort((string, ~broke, event))
    broke = broke[rows]
    rows[broke] = _in_order_of_making(rows[broke], done)
    of_heavy, string_offsets = rows_of(strings.offsets, heavy)
    string = kinked(strings.partons[of_heavy], string_offsets, strings.flavours[heavy])
    complete = with_last_pair(record, KINKED, string)
    return Sample(_in_order(made.hadrons, rows), complete, params, showers.energy, law=name, partons=showers)


def _in_order_of_making(rows, histories):
    """Rows of hadrons that lie along their strings, as Pythia lists them, in the order of making."""
    made = np.empty_like(rows)
    made[string_order(histories)] = rows
    return made


def hadronize_strings(
    n_events: int, params: LundParams | None = None, energy: float = 90.0, *, seed: int = 1, quark: str = "u",
    law: Any = None, histories: bool = True, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize strings with real Pythia 8; the counterpart of `hadtutor.hadronize_strings`.

    `n_events`, `params`, `energy`, `quark` and `progress` are as there. Histories have what Pythia shows: breaks of all
    chains, the final pair of accepted ones only, and status 2 for any rejected chain.

    Parameters
    ----------
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    law : callable, or anything with a method ``density``, optional
        Another fragmentation function, as in `start`. `Sample.law` says its name.
    histories : bool
        Whether to record breaks, which takes twice as long.

    Raises
    ------
    ImportError, TypeError, ValueError, RuntimeError
        If `pythia8mc` is not installed, an argument is of the wrong kind or out of range, for us or for Pythia, or
        Pythia gives up on an event.

    Examples
    --------
    >>> hadronize_strings(10, law=lambda z, mt2: 1.0 - z)
    Sample(10 events of a u string, 90 GeV, a=0.68, b=0.98, sigma_pt=0.335, z by <lambda>)
    """
    params, energy = check_string(n_events, params, energy, quark)
    flavour, half = QUARKS[quark], 0.5 * energy
    pair = (flavour, 23, 101, 0, 0.0, 0.0, half, half, 0.0), (-flavour, 23, 0, 101, 0.0, 0.0, -half, half, 0.0)
    what = f"a string of {energy:g} GeV; raise the energy"
    made = _run(params, seed, n_events, lambda number: pair, what, histories, progress, law)
    name = None if law is None else law_name(law)
    if not histories:
        return Sample(made.hadrons, None, params, energy, quark, name)
    record = of_pions(recorded(made.rows, np.zeros(2 * n_events, np.int32), 2 * np.arange(n_events)))
    # The axes of Pythia's straight string lie the other way round: its x is our y.
    h = record.histories
    turned = h.replace(px=h.py, py=h.px, final_px=h.final_py, final_py=h.final_px)
    hadrons = _in_order(made.hadrons, _in_order_of_making(np.arange(len(made.hadrons.px)), h))
    complete = with_last_pair(record._replace(histories=turned), STRAIGHT, Strings(energy, 0))
    return Sample(hadrons, complete, params, energy, quark, name)
