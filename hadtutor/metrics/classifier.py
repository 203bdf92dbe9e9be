"""Area under the ROC curve, and the test with a classifier of boosted trees."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import Rng, as_generator, log_weights, takes_rng
from .._support.optional import need
from .weighted import check_finite, relative_weights, same_features, squared_error, two_samples


class AucResult(NamedTuple):
    """Area under the ROC curve, 0.5 without separation and 1 if it is perfect, and its statistical error."""

    auc: float
    error: float


class ClassifierResult(NamedTuple):
    """What a classifier made of events that it has not seen: area under the ROC curve, its error, and a p-value.

    That is the one of an area of 0.5, one-sided: a smaller one is no evidence.
    """

    auc: float
    error: float
    p_value: float


def auc(score_x: ArrayLike, score_y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None) -> AucResult:
    """Area under the ROC curve: the probability that an event of x has a higher score than one of y.

    The error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837), extended to weights; it is 0 if
    the scores separate the samples perfectly.

    Parameters
    ----------
    score_x, score_y : array_like, shape (N,), (M,)
        For example a network's logits. Only their order matters; equal scores count one half. NaN: left out.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional

    Examples
    --------
    >>> auc([2.0, 3.0, 4.0], [1.0, 1.5, 2.0]).auc
    0.944
    """
    x, w_x, y, w_y = two_samples(score_x, score_y, log_w_x, log_w_y, finite=False)
    below_x, above_y = _fraction_below(x, y, w_y), 1 - _fraction_below(y, x, w_x)
    area = float(w_x @ below_x)
    return AucResult(area, float(np.sqrt(squared_error(w_x, below_x - area) + squared_error(w_y, above_y - area))))


def _fraction_below(at, x, w):
    """Weight of sample x below each value in `at`; ties count one half."""
    order = np.argsort(x)
    total = np.append(0.0, np.cumsum(w[order]))
    return 0.5 * sum(total[np.searchsorted(x[order], at, side)] for side in ("left", "right"))


@takes_rng
def classifier_test(
    x: ArrayLike | Mapping[str, ArrayLike], y: ArrayLike | Mapping[str, ArrayLike], log_w_x: Any = None,
    log_w_y: Any = None, *, rng: Rng, **options: Any,
) -> ClassifierResult:  # fmt: skip
    """Train a classifier to tell the samples apart on half of the events, and see if it can on the other half.

    The classifier two-sample test (Friedman, SLAC-PUB-10325, 2003; Lopez-Paz and Oquab, arXiv:1610.06545) with boosted
    decision trees and early stopping. It sees correlations between the features. Needs the extra ``ml``. The p-value is
    uniform if the distributions are equal, however the training went: given the classifier the other events are new.

    Parameters
    ----------
    x, y : array_like, shape (N, F), (M, F), or mapping of names to columns of shape (N,), (M,)
        Features per event, such as `hadtutor.observables.compute` returns. Undefined values (NaN) are allowed and may
        themselves tell the samples apart.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
    rng : numpy.random.Generator or int
    **options
        For scikit-learn's `HistGradientBoostingClassifier`, such as ``max_iter``.

    Raises
    ------
    ImportError, ValueError
        If scikit-learn is not installed; a sample has fewer than 20 events with a weight above zero, the features
        differ or are infinite, or a weight is NaN or infinite.
    """
    from scipy.special import ndtr

    rng = as_generator(rng)
    x, y = same_features(x, y)
    defined = ~(np.isnan(x).all(axis=0) & np.isnan(y).all(axis=0))  # nothing to learn from the others
    x, log_w_x, test_x, test_log_w_x = _halves(x[:, defined], log_w_x, "x", rng)
    y, log_w_y, test_y, test_log_w_y = _halves(y[:, defined], log_w_y, "y", rng)
    # Both samples weigh the same, so that the prior is one half; the mean weight is one.
    w = np.concatenate([relative_weights(log_w_x, "sample x"), relative_weights(log_w_y, "sample y")])
    settings = {"early_stopping": True, "random_state": int(rng.integers(2**31)), **options}
    trees = need("sklearn.ensemble", "ml", "classifier_test").HistGradientBoostingClassifier(**settings)
    trees.fit(np.concatenate([x, y]), np.repeat([1, 0], [len(x), len(y)]), sample_weight=w * len(w) / w.sum())
    area, error = auc(trees.decision_function(test_x), trees.decision_function(test_y), test_log_w_x, test_log_w_y)
    # Equal scores for all events leave an area of 0.5 and no error, but for rounding: that is no evidence.
    significance = (area - 0.5) / max(error, 1e-12) if abs(area - 0.5) > 1e-12 else -np.inf
    return ClassifierResult(area, error, float(ndtr(-significance)))


def _halves(x: np.ndarray, log_w: Any, name: str, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Features and log weights of a random half of the events, and of the other half."""
    log_w = log_weights(log_w, len(x), f"log_w_{name}")
    check_finite(x, name)
    keep = np.flatnonzero(log_w > -np.inf)
    if (n := len(keep)) < 20:
        raise ValueError(f"a classifier needs at least 20 events of sample {name} with a weight above zero, got {n}")
    a, b = np.array_split(rng.permutation(keep), 2)
    return x[a], log_w[a], x[b], log_w[b]
