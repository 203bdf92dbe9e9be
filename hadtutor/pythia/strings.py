"""Pion strings of real Pythia, with their histories."""

from array import array
from dataclasses import replace
from typing import Any

import numpy as np

from .._support.bars import track
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import Showers
from ..params import LundParams
from ..particles import QUARKS
from ..strings.colours import colour_strings
from ..strings.from_history import string_order
from ..strings.generate import check_string
from .recorder import histories_of, make_recorder, with_last_pair
from .settings import PIONS_ONLY, pythia8mc, start


def pion_string(params: LundParams, *, seed: int, hook: Any = None) -> Any:
    """A Pythia object of `pythia8mc` for pion strings; `params`, `seed`, `hook` and what is raised as in `start`."""
    return start(PIONS_ONLY, seed=seed, params=params, hook=hook)


class FinalParticles:
    """Collects the final particles of one event after the other."""

    def __init__(self):
        self.numbers, self.offsets = array("d"), [0]  # a list of tuples would take six times the memory

    def take(self, event):
        # Copied at once: Pythia's particles live only until the next event.
        for p in event:
            if p.isFinal():
                self.numbers.extend((p.px(), p.py(), p.pz(), p.e(), p.id()))
        self.offsets.append(len(self.numbers) // 5)

    def hadrons(self):
        table = np.frombuffer(self.numbers).reshape(-1, 5)
        return Hadrons(np.array(self.offsets), *np.ascontiguousarray(table[:, :4].T), table[:, 4].astype(np.int32))


def hadronize_partons(
    showers: Showers, params: LundParams | None = None, *, seed: int = 1, progress: bool = True
) -> Sample:
    """Hadronize strings between partons with real Pythia 8, into pions; see `hadtutor.hadronize_partons`.

    Hadrons are in Pythia's order, and there are no histories.

    Parameters
    ----------
    showers : Showers
        N events of u and d quarks and gluons.
    params : LundParams, optional
        Default: the Monash tune.
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    progress : bool

    Raises
    ------
    ImportError, TypeError, ValueError, RuntimeError
        If `pythia8mc` is not installed, an argument is of the wrong kind or out of range, for us or for Pythia, an
        event has another flavour, or Pythia gives up on one.
    """
    colour_strings(showers)  # what they refuse
    params = LundParams() if params is None else params
    pythia = pion_string(params, seed=seed)
    event, final = pythia.event, FinalParticles()
    mass = np.sqrt(np.maximum(0.0, showers.e**2 - showers.px**2 - showers.py**2 - showers.pz**2))
    columns = showers.pid, showers.col, showers.acol, showers.px, showers.py, showers.pz, showers.e, mass
    partons = list(zip(*(c.tolist() for c in columns), strict=True))
    for number in track(range(len(showers)), "event", progress):
        event.reset()
        for pid, *others in partons[showers.offsets[number] : showers.offsets[number + 1]]:
            event.append(pid, 23, *others)
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on its strings")
        final.take(event)
    return Sample(final.hadrons(), None, params, showers.energy, partons=showers)


def hadronize_strings(
    n_events: int, params: LundParams | None = None, energy: float = 90.0, *, seed: int = 1, quark: str = "u",
    histories: bool = True, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize strings with real Pythia 8; the counterpart of `hadtutor.hadronize_strings`.

    `n_events`, `params`, `energy`, `quark` and `progress` are as there. Histories have what Pythia shows: breaks of all
    chains, the final pair of accepted ones only, and status 2 for any rejected chain.

    Parameters
    ----------
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    histories : bool
        Whether to record breaks, which takes five times as long.

    Raises
    ------
    ImportError, TypeError, ValueError, RuntimeError
        If `pythia8mc` is not installed, an argument is of the wrong kind or out of range, for us or for Pythia, or
        Pythia gives up on an event.
    """
    params, energy = check_string(n_events, params, energy, quark)
    hook: Any = make_recorder(pythia8mc()) if histories else None
    pythia = pion_string(params, seed=seed, hook=hook)
    event, flavour, half = pythia.event, QUARKS[quark], 0.5 * energy
    final, first_chain = FinalParticles(), []
    for number in track(range(n_events), "event", progress):
        event.reset()
        event.append(flavour, 23, 101, 0, 0.0, 0.0, half, half, 0.0)
        event.append(-flavour, 23, 0, 101, 0.0, 0.0, -half, half, 0.0)
        first_chain.append(len(hook.chain_starts) if histories else 0)
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on a string of {energy:g} GeV; raise the energy")
        final.take(event)
    hadrons = final.hadrons()
    if not histories:
        return Sample(hadrons, None, params, energy, quark)
    recorded = histories_of(hook, np.array(first_chain))
    # Pythia lists hadrons along the string, we list them in the order of making.
    order = string_order(recorded)
    columns = {name: np.empty_like(getattr(hadrons, name)) for name in ("px", "py", "pz", "e", "pid")}
    for name, column in columns.items():
        column[order] = getattr(hadrons, name)
    hadrons = replace(hadrons, **columns)
    return Sample(hadrons, with_last_pair(recorded, hadrons, energy), params, energy, quark)
