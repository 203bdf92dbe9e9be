"""Observables of samples as columns of a fit."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import observables as _observables
from .._support.checks import column
from ..events.sample import Sample


def check_same_strings(samples: Sequence[Sample], data: Any) -> None:
    """Parameters must not make up for another energy or flavour: what is known of both must agree."""
    first = samples[0]
    for other in (*samples[1:], *([data] if isinstance(data, Sample) else [])):
        if other.energy != first.energy:
            raise ValueError(f"samples differ in energy, {first.energy:g} and {other.energy:g} GeV; take those of one")
        if None not in (first.quark, other.quark) and other.quark != first.quark:
            raise ValueError(f"samples differ in their quark, {first.quark} and {other.quark}; take those of one")


def by_name(observables: Any) -> dict[str, Any]:
    """Observables by the names of their columns: first those of the package, then functions."""
    if isinstance(observables, str) or callable(observables):
        observables = (observables,)
    found: dict[str, str | Callable] = {}
    for observable in observables:
        if not isinstance(observable, str) and not callable(observable):
            raise TypeError(f"an observable must be a name or a function of Hadrons, got {observable!r}")
        name = observable if isinstance(observable, str) else getattr(observable, "__name__", type(observable).__name__)
        if name in found:
            raise ValueError(f"two observables are called {name!r}, so one would be lost; give one another __name__")
        found[name] = observable
    if not found:
        raise ValueError("observables must hold at least one name or function, got none")
    return {name: o for of_functions in (False, True) for name, o in found.items() if callable(o) == of_functions}


def columns_of(events: Any, observables: dict[str, Any]) -> dict[str, np.ndarray]:
    """Observables of a sample, or of data that have them already; what is missing is NaN."""
    if isinstance(events, Sample):
        names = [name for name, observable in observables.items() if not callable(observable)]
        columns = dict(_observables.compute(events.hadrons, events.energy, names=names)) if names else {}
        for name, observable in observables.items():
            if callable(observable):
                columns[name] = column(observable(events.hadrons), name)
        lengths = {"events": len(events)} | {name: len(c) for name, c in columns.items()}
    elif hasattr(events, "keys"):
        for name in observables:
            if name not in events:
                raise ValueError(f"the target has no column {name!r}; it has {', '.join(map(str, events.keys()))}")
        columns = {name: column(events[name], f"column {name!r} of the target") for name in observables}
        lengths = {name: len(c) for name, c in columns.items()}
    else:
        raise TypeError(f"a target must be a Sample or a mapping of names to columns, got {type(events).__name__}")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of one sample differ in length: {lengths}")
    return columns
