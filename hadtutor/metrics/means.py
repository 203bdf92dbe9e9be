"""Differences of means in units of their errors, for values of events and of hadrons."""

import numpy as np

from .histograms import ROUNDING
from .weighted import squared_error, weighted_sample


def pull(x, y, log_w_x=None, log_w_y=None):
    """Difference of the means of two samples in units of its standard error.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One value per event; events where the value is undefined (NaN) are left out.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.

    Returns
    -------
    float
        Normally distributed with width 1 if the means are equal and the samples large.

    Raises
    ------
    ValueError
        If fewer than two values with a weight above zero are left of a sample, a value is infinite, or a weight is
        NaN or infinite.

    Examples
    --------
    >>> round(pull([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), 3)
    -1.225
    """
    samples = ((x, log_w_x, "x"), (y, log_w_y, "y"))
    return _pull(*(_mean_and_error(values, np.ones(np.shape(values)), log_w, name) for values, log_w, name in samples))


def pull_per_hadron(x, hadrons_x, y, hadrons_y, log_w_x=None, log_w_y=None):
    """Pull of the mean of a quantity that every hadron has, such as its transverse momentum.

    Hadrons of one event are correlated, so the errors come from the scatter between events.

    Parameters
    ----------
    x, y : array_like, shape (rows,)
        One value per hadron; an event with an undefined one (NaN) is left out.
    hadrons_x, hadrons_y : Hadrons
        The events they belong to.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights of the events.

    Returns
    -------
    float
    """
    samples = ((x, hadrons_x, log_w_x, "x"), (y, hadrons_y, log_w_y, "y"))
    return _pull(*(_mean_and_error(_event_sums(v, h), h.multiplicity, log_w, name) for v, h, log_w, name in samples))


def _event_sums(values, hadrons):
    if np.shape(values) != hadrons.pid.shape:
        raise ValueError(f"there must be one value per hadron, shape {hadrons.pid.shape}, got {np.shape(values)}")
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons))


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


def _pull(x, y):
    difference, error = x[0] - y[0], np.hypot(x[1], y[1])
    rounding = ROUNDING * max(abs(x[0]), abs(y[0]))
    if error > rounding:
        return float(difference / error)
    return float(np.sign(difference) * np.inf) if abs(difference) > rounding else 0.0
