"""Samples with weights: checks, normalisation, and the effective number of events."""

import numpy as np

from .._support.checks import log_weights


def check_finite(x, name):
    """An error naming the first event of sample `name` with an infinite value; NaN passes."""
    infinite = np.argwhere(np.isinf(x))
    if len(infinite) > 0:
        raise ValueError(f"sample {name} has an infinite value in event {infinite[0, 0]}; NaN means undefined")


def weighted_sample(x, log_w, name, ndim=1, finite=True):
    """Events of sample `name` with a value and a weight above zero: values, and weights that add up to one."""
    x = np.asarray(x, dtype=float)
    if x.ndim != ndim:
        raise ValueError(f"sample {name} must have {ndim} dimension{'s' * (ndim > 1)}, got shape {x.shape}")
    log_w = log_weights(log_w, len(x), f"log_w_{name}")
    if finite:
        check_finite(x, name)
    keep = ~np.isnan(x).any(axis=tuple(range(1, ndim))) & (log_w > -np.inf)
    return x[keep], relative_weights(log_w[keep], f"sample {name}")


def relative_weights(log_w, name):
    """Weights that add up to one, of at least two events; no overflow, however large they are."""
    n_left = np.sum(log_w > -np.inf)
    if n_left < 2:
        raise ValueError(f"{name} needs at least two events, got {n_left} with a value and a weight above zero")
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    if 1 - w @ w < 1e-9:
        raise ValueError(f"one event carries all the weight of {name}: n_eff = 1")
    return w


def squared_error(w, residuals):
    """Variance of the mean Σ w residuals, for weights that add up to one.

    To first order in the scatter of the weights; exactly unbiased if they are equal.
    """
    return np.sum((w * residuals) ** 2) / (1 - w @ w)


def n_eff(log_w):
    r"""Effective number of events, :math:`(\sum w)^2 / \sum w^2` (Kish, Survey Sampling, Wiley 1965).

    So many events of weight one would have the same statistical error, if weight and observable were independent.

    Parameters
    ----------
    log_w : array_like, shape (N,)
        Natural logarithm of the weights; -inf is weight zero. A constant added to all changes nothing.

    Returns
    -------
    float
        Above 0, at most N.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, with the number of the event, or all weights are zero.

    Examples
    --------
    >>> round(n_eff([0.0, 0.0, 0.0]), 6), round(n_eff([1000.0, 0.0, 0.0]), 6)
    (3.0, 1.0)
    """
    if log_w is None:
        raise ValueError("n_eff needs log weights, got None; without weights it is the number of events")
    log_w = log_weights(log_w, np.size(log_w))
    if log_w.max(initial=-np.inf) == -np.inf:
        raise ValueError(f"n_eff needs an event with a weight above zero, got none among {len(log_w)}")
    w = np.exp(log_w - log_w.max())
    return float(min(w.sum() ** 2 / (w @ w), len(w)))
