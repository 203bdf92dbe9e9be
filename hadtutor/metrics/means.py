"""Differences of means in units of their errors, for values of events and of hadrons."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from .histograms import ROUNDING
from .weighted import squared_error, weighted_sample


def pull(x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None) -> float:
    """Difference of the means of two samples in units of its standard error.

    It is normally distributed with width 1 if the means are equal and the samples large.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One finite value per event; events where it is undefined (NaN) are left out.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional

    Examples
    --------
    >>> round(pull([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), 3)
    -1.225
    """
    x, y = plain(x, "sample x"), plain(y, "sample y")
    return _pull((x, np.ones(x.shape), log_w_x), (y, np.ones(y.shape), log_w_y))


def pull_per_hadron(
    x: ArrayLike, hadrons_x: Sample | Hadrons, y: ArrayLike, hadrons_y: Sample | Hadrons, log_w_x: Any = None,
    log_w_y: Any = None,
) -> float:  # fmt: skip
    """Pull of the mean of a quantity that every hadron has, such as its transverse momentum.

    Hadrons of one event are correlated, so the errors come from the scatter between events.

    Parameters
    ----------
    x, y : array_like, shape (rows,)
        One value per hadron; an event with an undefined one (NaN) is left out.
    hadrons_x, hadrons_y : Sample or Hadrons
        The events they belong to.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
    """
    return _pull((*_event_sums(x, hadrons_x, "x"), log_w_x), (*_event_sums(y, hadrons_y, "y"), log_w_y))


def _event_sums(values, events, name):
    """Sum of the values of each event, and the number of its hadrons."""
    from ..observables.rows import hadrons_of

    values, hadrons = plain(values, f"sample {name}"), hadrons_of(events)
    if values.shape != hadrons.pid.shape:
        raise ValueError(f"there must be one value per hadron, shape {hadrons.pid.shape}, got {values.shape}")
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons)), hadrons.multiplicity


def _mean_and_error(sums, counts, log_w, name):
    """Mean Σ w sums / Σ w counts over independent events, with its error to first order."""
    if np.ndim(sums) != 1:
        raise ValueError(f"sample {name} must have one value per event, got shape {np.shape(sums)}")
    columns, w = weighted_sample(np.stack([sums, counts], axis=-1), log_w, name, ndim=2)
    sums, counts = columns.T
    total = w @ counts
    if total == 0:
        raise ValueError(f"sample {name} has no hadrons")
    mean = w @ sums / total
    return mean, np.sqrt(squared_error(w, (sums - mean * counts) / total))


def _pull(*samples):
    (x, error_x), (y, error_y) = (_mean_and_error(*sample, name) for sample, name in zip(samples, "xy"))
    difference, error, rounding = x - y, np.hypot(error_x, error_y), ROUNDING * max(abs(x), abs(y))
    if error > rounding:
        return float(difference / error)
    return float(np.sign(difference) * np.inf) if abs(difference) > rounding else 0.0
