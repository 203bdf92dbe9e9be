"""HOMER for strings with gluons, and for events of several strings."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from .. import datasets, pythia
from ..events.sample import Sample
from ..events.showers import Showers
from ..strings import hadronize_partons
from .closure import ENERGY, learn
from .homer import tables

TABLES = ("qgq", "qvgq", "qngq", "showers")


def partons_of(name: str, n_events: int, progress: bool) -> Showers:
    """Partons of one of the sets in `TABLES`."""
    if name == "qgq":
        return Showers.one_gluon(n_events, energy=ENERGY)
    if name == "showers":
        return cast(Showers, datasets.load("pythia-showers-91"))
    emissions, seed = 1 if name == "qvgq" else None, 1 + TABLES.index(name)
    options: dict[str, Any] = {"quark": "u", "emissions": emissions, "gluon_splitting": False, "progress": progress}
    return pythia.shower(n_events, ENERGY, seed=seed, **options)


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""

    def learn_with(name):
        partons = partons_of(name, n_events, options["progress"])
        return learn("a030", n_events, **options, checkpoint=checkpoint, hadronize=partial(strings_between, partons))

    return {name: partial(learn_with, name) for name in TABLES}


def strings_between(partons: Showers, n_events: int, params: Any, **options: Any) -> Sample:
    """Simulation, data and new events have the same partons, taken again and again where there are fewer."""
    return hadronize_partons(partons[np.arange(n_events) % len(partons)], params, flavours="to u d", **options)


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces."""
    return tables(done, TABLES)
