"""The one gate for whatever users hand in: each check returns what the code behind it works with, or raises an error.

It says what was got and what was wanted: TypeError for the wrong kind of thing, ValueError for the wrong value.
"""

import functools
import importlib
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator | int  # what randomness is given as


def takes_rng(function: Callable) -> Callable:
    """Decorate a function with the keyword `rng`: one who writes ``seed=1`` or nothing is told what to write."""

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        if "seed" in options:
            wanted = f"rng, a number or a NumPy Generator, in place of seed: write rng={options['seed']!r}"
            raise TypeError(f"{function.__name__} takes {wanted}")
        return function(*args, **options)

    return checked


def as_generator(rng: Any) -> np.random.Generator:
    """A NumPy generator from one, or from a whole number that seeds it."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, numbers.Integral) and not isinstance(rng, (bool, np.bool_)) and int(rng) >= 0:
        return np.random.default_rng(int(rng))
    got = f"{rng!r} of type {type(rng).__name__}; write rng=1 or rng=np.random.default_rng(1)"
    raise TypeError(f"rng must be a whole number >= 0 or a NumPy Generator, got {got}")


def as_seed(rng: Any) -> int:
    """A whole number to seed torch with: `rng` itself if it is one, else drawn from the generator."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    as_generator(rng)
    return int(rng)


def whole(value: Any, name: str, least: int = 1, most: float = math.inf) -> int:
    """A whole number between `least` and `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}")
    if not least <= int(value) <= most:
        wanted = f"at least {least}" if most == math.inf else f"between {least} and {most:g}"
        raise ValueError(f"{name} must be {wanted}, got {value}")
    return int(value)


def number(value: Any, name: str, low: float = -math.inf, high: float = math.inf, unit: str = "", above: bool = False):
    """A finite real number from `low` (beyond it if `above`) to `high`, as a float; `unit` begins with a blank."""
    is_number = hasattr(value, "__float__") and np.ndim(value) == 0
    if isinstance(value, (bool, np.bool_, str, bytes)) or not is_number:
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    found = float(value)
    if not (math.isfinite(found) and (low < found if above else low <= found) and found <= high):
        wanted = [f"{'>' if above else '>='} {low:g}"] if low > -math.inf else []
        wanted += [f"<= {high:g}"] if high < math.inf else []
        wanted += [] if math.isfinite(found) else ["finite"]
        raise ValueError(f"{name} must be {' and '.join(wanted)}{unit}, got {value!r}")
    return found


def energy_gev(value: Any, least: float = 0.0, why: str = "") -> float:
    """An energy above `least` [GeV]; `why` says what `least` is."""
    return number(value, "energy", least, unit=f" GeV{why}", above=True)


def column(values: Any, name: str, dtype: Any = float, own: bool = False) -> np.ndarray:
    """Whatever holds one number per event or particle, as a one-dimensional array of `dtype`, or of its `own` if fit.

    Lists, tensors, columns of data frames and of awkward arrays will do. What is missing (masked, None, pandas' NA)
    is NaN in a column of real numbers, and an error in one of whole numbers.
    """
    found = plain(values, name)
    if found.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {found.shape}")
    kinds, what = _KINDS[np.dtype(dtype).kind]
    fits = found.dtype.kind in kinds
    if found.size and not fits:
        missing = " with missing values" if found.dtype.kind == "f" and np.isnan(found).any() else ""
        raise ValueError(f"{name} must hold {what}, got {found.dtype}{missing}")
    return found.astype(found.dtype.newbyteorder("=") if own and fits else dtype, copy=False)


_KINDS = {"f": ("iuf", "real numbers"), "i": ("iu", "whole numbers"), "b": ("b", "bools")}


def plain(values: Any, name: str) -> np.ndarray:
    """An ordinary NumPy array of numbers from what may be masked, a tensor, a data frame's or awkward's.

    The dtype stays. Missing values become NaN, of float64 in place of whole numbers; among bools they are refused.
    """
    to_array: Any = np.asanyarray  # masks stay
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu().numpy()
    elif type(values).__module__.partition(".")[0] == "awkward":
        to_array = importlib.import_module("awkward").to_numpy  # masked where None stands
    elif hasattr(values, "to_numpy"):  # pandas, polars, pyarrow
        values = values.to_numpy()
    elif hasattr(values, "multiplicity") or hasattr(values, "hadrons"):  # NumPy would go through it event by event
        raise TypeError(f"{name} must hold numbers, got {type(values).__name__}")
    try:
        values = to_array(values)
    except ValueError as error:
        raise ValueError(f"{name} is uneven, no array of numbers: {error}") from error
    missing, values = np.ma.getmaskarray(values), np.asarray(np.ma.getdata(values))
    if values.dtype == object:
        unknown = [v is None or v != v or repr(v) == "<NA>" for v in values.flat]
        missing = missing | np.array(unknown, bool).reshape(values.shape)
        try:
            values = np.where(missing, np.nan, values).astype(float) if missing.any() else np.array(values.tolist())
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold numbers: {error}") from error
    if values.dtype.kind not in "iufb":
        raise TypeError(f"{name} must hold numbers, got {values.dtype}")
    if missing.any() and values.dtype.kind != "f":
        if values.dtype.kind == "b":
            raise ValueError(f"{name} has a masked or missing value at row {np.argmax(missing)}, which must be known")
        values = values.astype(float)
    return np.where(missing, np.nan, values) if missing.any() else values


def log_weights(log_w: Any, n_events: int, name: str = "log_w") -> np.ndarray:
    """Log weights, shape (n_events,): zeros for None; an array, or anything with an attribute `log_w` will do."""
    if log_w is None:
        return np.zeros(n_events)
    log_w = plain(getattr(log_w, "log_w", log_w), name).astype(float, copy=False)
    if log_w.shape != (n_events,):
        raise ValueError(f"{name} must hold one log weight per event, shape ({n_events},), got shape {log_w.shape}")
    bad = np.flatnonzero(np.isnan(log_w) | (log_w == np.inf))
    if len(bad) > 0:
        why = "; a negative weight has no logarithm, so that samples with such weights cannot be taken"
        got = f"{log_w[bad[0]]} for event {bad[0]}{why if np.isnan(log_w[bad[0]]) else ''}"
        raise ValueError(f"{name} must be finite, or -inf for weight zero, got {got}")
    return log_w
