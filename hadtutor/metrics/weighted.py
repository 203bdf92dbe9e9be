"""Samples with weights: checks, normalisation, and the effective number of events."""

from typing import Any

import numpy as np

from .._support.checks import log_weights, plain


def check_finite(x: np.ndarray, name: str) -> None:
    """An error naming the first event of sample `name` with an infinite value; NaN passes."""
    infinite = np.argwhere(np.isinf(x))
    if len(infinite) > 0:
        raise ValueError(f"sample {name} has an infinite value in event {infinite[0, 0]}; NaN means undefined")


def weighted_sample(x: Any, log_w: Any, name: str, ndim: int = 1, finite: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Events of sample `name` with a value and a weight above zero: values, and weights that add up to one."""
    x = plain(x, f"sample {name}").astype(float, copy=False)
    if x.ndim != ndim:
        raise ValueError(f"sample {name} must have {ndim} dimension{'s' * (ndim > 1)}, got shape {x.shape}")
    log_w = log_weights(log_w, len(x), f"log_w_{name}")
    if finite:
        check_finite(x, name)
    keep = ~np.isnan(x).any(axis=tuple(range(1, ndim))) & (log_w > -np.inf)
    return x[keep], relative_weights(log_w[keep], f"sample {name}")


def two_samples(x: Any, y: Any, log_w_x: Any, log_w_y: Any, ndim: int = 1, finite: bool = True) -> tuple:
    """Values and weights of samples x and y, as `weighted_sample` has them."""
    return *weighted_sample(x, log_w_x, "x", ndim, finite), *weighted_sample(y, log_w_y, "y", ndim, finite)


def has_names(x: Any) -> bool:
    """Whether a sample of features is a mapping or a data frame, which tell their columns by names."""
    return hasattr(x, "keys") and getattr(x, "ndim", 2) == 2


def same_features(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both samples as arrays (N, F), (M, F); columns with names, of mappings or data frames, in the order of x."""
    if has_names(x) != has_names(y):
        raise ValueError("the features of one sample have names and those of the other have none")
    if has_names(x):
        names = list(x.keys())
        if set(names) != set(y.keys()):
            raise ValueError(f"only one of the samples has {sorted(set(names) ^ set(y.keys()))}")
        x, y = ([plain(sample[name], f"{name!r}").astype(float) for name in names] for sample in (x, y))
        for columns in (x, y):
            if not names or {c.shape for c in columns} != {columns[0].shape[:1]}:
                raise ValueError(f"features must have one length, got shapes {[c.shape for c in columns]}")
        x, y = np.column_stack(x), np.column_stack(y)
    x, y = (plain(sample, name).astype(float, copy=False) for sample, name in ((x, "sample x"), (y, "sample y")))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise ValueError(f"the samples must have shapes (N, F) and (M, F), got {x.shape} and {y.shape}")
    return x, y


def relative_weights(log_w: np.ndarray, name: str) -> np.ndarray:
    """Weights that add up to one, of at least two events; no overflow, however large they are."""
    n_left = np.sum(log_w > -np.inf)
    if n_left < 2:
        raise ValueError(f"{name} needs at least two events, got {n_left} with a value and a weight above zero")
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    if 1 - w @ w < 1e-9:
        raise ValueError(f"one event carries all the weight of {name}: n_eff = 1")
    return w


def squared_error(w: np.ndarray, residuals: np.ndarray) -> float:
    """Variance of the mean Σ w residuals, Σ w = 1, to first order in the scatter of w; unbiased if w is equal."""
    return np.sum((w * residuals) ** 2) / (1 - w @ w)


def n_eff(log_w: Any) -> float:
    r"""Effective number of events, :math:`(\sum w)^2 / \sum w^2` (Kish, Survey Sampling, Wiley 1965).

    So many events of weight one would have the same statistical error, if weight and observable were independent.

    Parameters
    ----------
    log_w : array_like, shape (N,)
        A constant added to all changes nothing. ValueError if one is NaN or infinite, or all weights are zero.

    Examples
    --------
    >>> round(n_eff([0.0, 0.0, 0.0]), 6), round(n_eff([1000.0, 0.0, 0.0]), 6)
    (3.0, 1.0)
    """
    if log_w is None:
        raise ValueError("n_eff needs log weights, got None; without weights it is the number of events")
    log_w = plain(getattr(log_w, "log_w", log_w), "log_w")
    log_w = log_weights(log_w, log_w.size)
    if log_w.max(initial=-np.inf) == -np.inf:
        raise ValueError(f"n_eff needs an event with a weight above zero, got none among {len(log_w)}")
    w = np.exp(log_w - log_w.max())
    return float(min(w.sum() ** 2 / (w @ w), len(w)))
