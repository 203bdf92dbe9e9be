"""HOMER as first published: one passage, then the iteration, for data at a = 0.30."""

from collections.abc import Callable
from typing import Any

from .closure import learn

TABLES = ("a030",)


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""
    return {name: lambda name=name: learn(name, n_events, **options, checkpoint=checkpoint) for name in TABLES}


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces."""
    return tables(done, TABLES)


def tables(done: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Rows, exact weights and curves of each part; those of the mixture without its name."""
    found = {}
    for name in names:
        ending = "" if name == "mixture" else f"_{name}"
        for key, of_part in (("table", "rows"), ("exact", "exact"), ("curves", "curves")):
            found[key + ending] = done[name][of_part]
    return found
