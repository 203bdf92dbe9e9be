"""What our columns are called elsewhere, and what may stand in them."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._support.checks import column, log_weights
from ...files import DataFileError

MOMENTA = ("px", "py", "pz", "e")
COLUMNS = (*MOMENTA, "pid")
DEFAULT = "Default"  # name of a weight that has none, as in HepMC
Read = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]  # offsets, columns and log weights by name


def names(found: Iterable[str]) -> dict[str, str]:
    """Name of each of our columns among those found."""
    found = list(found)
    energy = [name for name in ("e", "E", "energy") if name in found]
    if len(energy) != 1 or not {"px", "py", "pz", "pid"} <= set(found):
        raise ValueError(f"wanted px, py, pz, one of e, E, energy, and pid; got {', '.join(found) or 'no fields'}")
    return {name: energy[0] if name == "e" else name for name in COLUMNS}


def joined(columns: Mapping[str, tuple[np.ndarray, Any]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Offsets and values from a dictionary of name to (offsets, values); whole numbers among momenta become float64."""
    offsets = columns["px"][0]
    for name, (other, _) in columns.items():
        if not np.array_equal(offsets, other):
            raise ValueError(f"{name} and px have different numbers of hadrons in the same event")
    found = {name: column(columns[name][1], name, own=True) for name in MOMENTA}
    found = {name: values if values.dtype.kind == "f" else values.astype(float) for name, values in found.items()}
    return offsets, found | {"pid": int32(column(columns["pid"][1], "pid", np.int64, own=True))}


def int32(pid: np.ndarray) -> np.ndarray:
    """PDG codes, which fit into 32 bits or are no PDG codes."""
    if np.any(pid != (narrow := pid.astype(np.int32, copy=False))):
        raise ValueError(f"PDG code {pid[pid != narrow][0]} does not fit into 32 bits")
    return narrow


def named_weights(log_w: Any, n_events: int) -> dict[str, np.ndarray]:
    """Log weights by name, each of shape (n_events,), from None, from one without a name, or from a mapping."""
    if log_w is None:
        return {}
    if not isinstance(log_w, Mapping):
        return {DEFAULT: log_weights(log_w, n_events)}
    for name in log_w:
        if not isinstance(name, str) or name.split() != [name] or "\\" in name:
            raise ValueError(f"names of weights are words without blanks and backslashes, got {name!r}")
    return {name: log_weights(values, n_events, f"log_w[{name!r}]") for name, values in log_w.items()}


def logs(weights: ArrayLike, name: str, path: str | os.PathLike) -> np.ndarray:
    """Logs of the weights in a generator's file; -inf for zero, and an error where there is no logarithm."""
    weights = np.asarray(weights, float)
    bad = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(bad):
        why = "weights are logs here, which a negative or unknown weight does not have: read without weights"
        raise DataFileError(f"{path}: event {bad[0]} has the weight {name} = {weights[bad[0]]:g}; {why}")
    with np.errstate(divide="ignore"):
        return np.log(weights)
