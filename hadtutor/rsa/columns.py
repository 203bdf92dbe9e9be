"""Observables of samples as columns of a fit."""

from collections.abc import Mapping

import numpy as np

from .. import observables as _observables
from ..events.sample import Sample


def _columns(sample, observables):
    """Observables of a sample, or of data that have them already, by name."""
    if isinstance(sample, Mapping):
        columns = {}
        for observable in observables:
            if observable not in sample:
                raise ValueError(f"the target has no column {observable!r}; it has {', '.join(map(str, sample))}")
            columns[observable] = np.asarray(sample[observable], dtype=float)
        if len({len(c) for c in columns.values()}) > 1:
            raise ValueError(f"columns of the target differ in length: { {n: len(c) for n, c in columns.items()} }")
        return columns
    if not isinstance(sample, Sample):
        raise TypeError(f"a target must be a Sample or a mapping of names to columns, got {type(sample).__name__}")
    names = tuple(o for o in observables if isinstance(o, str))
    columns = dict(_observables.compute(sample.hadrons, sample.energy, names=names)) if names else {}
    for observable in observables:
        if not isinstance(observable, str):
            columns[getattr(observable, "__name__", type(observable).__name__)] = np.asarray(observable(sample.hadrons))
    return columns


def _join(columns):
    return {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
