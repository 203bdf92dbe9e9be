"""Area under the ROC curve, and the test with a classifier of boosted trees."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from .._support.checks import log_weights
from .distances import _check_resampling
from .weighted import check_finite, relative_weights, squared_error, weighted_sample


class AucResult(NamedTuple):
    """Area under the ROC curve (0.5: no separation, 1: perfect) and its statistical error."""

    auc: float
    error: float


class ClassifierResult(NamedTuple):
    """Area under the ROC curve on events the classifier has not seen, its error, and the p-value of 0.5."""

    auc: float
    error: float
    p_value: float


def auc(score_x, score_y, log_w_x=None, log_w_y=None):
    """Area under the ROC curve: the probability that an event of x has a higher score than one of y.

    The error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837), extended to weights.

    Parameters
    ----------
    score_x, score_y : array_like, shape (N,), (M,)
        For example a network's logits. Only their order matters; equal scores count one half. NaN: left out.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.

    Returns
    -------
    AucResult
        The error is 0 if the scores separate the samples perfectly.

    Raises
    ------
    ValueError
        If fewer than two events are left of a sample, or a weight is NaN or infinite.

    Examples
    --------
    >>> auc([2.0, 3.0, 4.0], [1.0, 1.5, 2.0]).auc
    0.944
    """
    x, w_x = weighted_sample(score_x, log_w_x, "x", finite=False)
    y, w_y = weighted_sample(score_y, log_w_y, "y", finite=False)
    below_x, above_y = _fraction_below(x, y, w_y), 1 - _fraction_below(y, x, w_x)
    area = float(w_x @ below_x)
    return AucResult(area, float(np.sqrt(squared_error(w_x, below_x - area) + squared_error(w_y, above_y - area))))


def _fraction_below(at, x, w):
    """Weight of sample x below each value in `at`; ties count one half."""
    order = np.argsort(x)
    total = np.append(0.0, np.cumsum(w[order]))
    return 0.5 * sum(total[np.searchsorted(x[order], at, side)] for side in ("left", "right"))


def classifier_test(x, y, log_w_x=None, log_w_y=None, rng=None, **options):
    """Train a classifier to tell the samples apart on half of the events, and see if it can on the other half.

    The classifier two-sample test (Friedman, SLAC-PUB-10325, 2003; Lopez-Paz and Oquab, arXiv:1610.06545) with
    boosted decision trees and early stopping. It sees correlations between the features. Needs the extra ``ml``.

    Parameters
    ----------
    x, y : array_like, shape (N, F), (M, F), or mapping of names to columns of shape (N,), (M,)
        Features per event, such as `hadtutor.observables.compute` returns. Undefined values (NaN) are allowed and
        may themselves tell the samples apart.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.
    rng : numpy.random.Generator
    **options
        For scikit-learn's `HistGradientBoostingClassifier`, such as ``max_iter``.

    Returns
    -------
    ClassifierResult
        The p-value is one-sided: an area below 0.5 is no evidence. It is uniform if the distributions are equal,
        however the training went, because given the classifier the other events are new.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If a sample has fewer than 20 events with a weight above zero, the features differ or are infinite, or a
        weight is NaN or infinite.
    """
    _check_resampling(rng)
    x, y = _same_features(x, y)
    (x, log_w_x, test_x, test_log_w_x), (y, log_w_y, test_y, test_log_w_y) = (
        _halves(x, log_w_x, "x", rng),
        _halves(y, log_w_y, "y", rng),
    )
    # Both samples weigh the same, so that the prior is one half; the mean weight is one.
    w = np.concatenate([relative_weights(log_w_x, "sample x"), relative_weights(log_w_y, "sample y")])
    settings = {"early_stopping": True, "random_state": int(rng.integers(2**31)), **options}
    trees = boosted_trees()(**settings)
    trees.fit(np.concatenate([x, y]), np.repeat([1, 0], [len(x), len(y)]), sample_weight=w * len(w) / w.sum())
    area, error = auc(trees.decision_function(test_x), trees.decision_function(test_y), test_log_w_x, test_log_w_y)
    # Equal scores for all events leave an area of 0.5 and no error, but for rounding: that is no evidence.
    significance = (area - 0.5) / max(error, 1e-12) if abs(area - 0.5) > 1e-12 else -np.inf
    return ClassifierResult(area, error, float(stats.norm.sf(significance)))


def boosted_trees():
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise ImportError("classifier_test needs the extra `ml`: pip install 'hadtutor[ml]'") from error
    return HistGradientBoostingClassifier


def _same_features(x, y):
    """Both samples as arrays (N, F), (M, F); columns of mappings in the order of x."""
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        if set(x) != set(y):
            raise ValueError(f"only one of the samples has {sorted(set(x) ^ set(y))}")
        x, y = (np.column_stack([sample[name] for name in x]) for sample in (x, y))
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise ValueError(f"the samples must have shapes (N, F) and (M, F), got {x.shape} and {y.shape}")
    defined = ~(np.isnan(x).all(axis=0) & np.isnan(y).all(axis=0))  # nothing to learn from the others
    return x[:, defined], y[:, defined]


def _halves(x, log_w, name, rng):
    """Features and log weights of a random half of the events, and of the other half."""
    log_w = log_weights(log_w, len(x), f"log_w_{name}")
    check_finite(x, name)
    keep = np.flatnonzero(log_w > -np.inf)
    if len(keep) < 20:
        raise ValueError(
            f"a classifier needs at least 20 events of sample {name} with a weight above zero, got {len(keep)}"
        )
    a, b = np.array_split(rng.permutation(keep), 2)
    return x[a], log_w[a], x[b], log_w[b]
