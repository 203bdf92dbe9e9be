r"""Do two samples of events follow one distribution? Distances and tests without bins, for events with weights.

A weighted sample stands for the distribution :math:`\sum_i \omega_i\, \delta(x - x_i)` with
:math:`\omega_i = w_i / \sum_j w_j`. Weights that depend on x, as after reweighting, make some regions noisier than
others, and no count of "effective events" describes that. So the tests of weighted samples use the multiplier
bootstrap (van der Vaart and Wellner, Weak Convergence and Empirical Processes, Springer 1996, chapter 2.9): if the
samples agree, their difference scatters like that of :math:`\sum_i \xi_i\, \omega_i\, (\delta(x - x_i) - p(x))` with
independent standard normal :math:`\xi_i` and p the common distribution.

Everything here is reached as ``hadtutor.metrics.NAME``.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from ._parallel import check_rng
from ._progress import track

__all__ = [
    "AucResult",
    "ClassifierResult",
    "DistanceResult",
    "auc",
    "classifier_test",
    "energy_distance",
    "energy_test",
    "ks_test",
    "n_eff",
    "permutation_test",
    "wasserstein",
    "wasserstein_test",
]

STEPS = 10_000
"""Cumulative distributions are resampled in at most so many steps, of equal noise."""

MOST_EVENTS = 8_000
"""Of both samples together, in `energy_test` of several features: the distances of all pairs fill 0.5 GB."""

CHUNK = 5_000_000
"""Distances of pairs held at a time by `energy_distance`: 40 MB."""


class DistanceResult(NamedTuple):
    """How far two samples are apart, and how often samples of one distribution are at least as far apart."""

    distance: float
    p_value: float


class AucResult(NamedTuple):
    """Area under the ROC curve (0.5: no separation, 1: perfect) and its statistical error."""

    auc: float
    error: float


class ClassifierResult(NamedTuple):
    """Area under the ROC curve on events the classifier has not seen, its error, and the p-value of 0.5."""

    auc: float
    error: float
    p_value: float


# --- Samples and their weights ---------------------------------------------------------------------


def checked_log_w(log_w, n_events, name="log_w"):
    """Log weights as an array of shape (n_events,), zeros for None; an error naming the event if one is not usable."""
    if log_w is None:
        return np.zeros(n_events)
    log_w = np.asarray(log_w, dtype=float)
    if log_w.shape != (n_events,):
        raise ValueError(f"{name} must hold one log weight per event, shape ({n_events},), got shape {log_w.shape}")
    bad = np.flatnonzero(np.isnan(log_w) | (log_w == np.inf))
    if len(bad) > 0:
        raise ValueError(f"{name} must be finite, or -inf for weight zero, got {log_w[bad[0]]} for event {bad[0]}")
    return log_w


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
    log_w = checked_log_w(log_w, len(x), f"log_w_{name}")
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
    log_w = checked_log_w(log_w, np.size(log_w))
    if log_w.max(initial=-np.inf) == -np.inf:
        raise ValueError(f"n_eff needs an event with a weight above zero, got none among {len(log_w)}")
    w = np.exp(log_w - log_w.max())
    return float(min(w.sum() ** 2 / (w @ w), len(w)))


def _check_resampling(rng, n=1):
    check_rng(rng)
    if n < 1:
        raise ValueError(f"a p-value needs at least one other sample to compare with, got {n}")


# --- One quantity: distances of cumulative distributions -------------------------------------------


def _largest(difference, gaps):
    return float(abs(difference).max())


def _area(difference, gaps):
    return float(abs(difference[:-1]) @ gaps)


def _root_of_squared_area(difference, gaps):
    return float(np.sqrt(2 * difference[:-1] ** 2 @ gaps))


class _Cumulative(NamedTuple):
    """Two cumulative distributions F and G, as step functions of all points of both samples."""

    points: np.ndarray  # increasing
    difference: np.ndarray  # F - G
    common: np.ndarray  # mean of F and G, each with its effective number of events
    noise: np.ndarray  # variance of Σ ξ ω up to each point, both samples together


def _cumulative(x, w_x, y, w_y):
    points, place = np.unique(np.concatenate([x, y]), return_inverse=True)
    (f, noise_f), (g, noise_g) = (
        [np.cumsum(np.bincount(at, u, minlength=len(points))) for u in (w, w**2 / (1 - w @ w))]
        for at, w in ((place[: len(x)], w_x), (place[len(x) :], w_y))
    )
    f, g = f / f[-1], g / g[-1]  # the last is exactly 1, so equal samples without scatter are at distance 0
    common = (f * noise_g[-1] + g * noise_f[-1]) / (noise_f[-1] + noise_g[-1])
    return _Cumulative(points, f - g, common, noise_f + noise_g)


def _resampled(norm, sums, rng, n_resamples):
    """`norm` of differences that two samples of one distribution might have had.

    The sum of ξ ω over neighbouring events is normal itself, so steps of many events cost no more than those of one.
    """
    last = len(sums.points) - 1
    step = np.arange(last + 1)
    if last >= STEPS:
        step = np.unique(np.append(np.searchsorted(sums.noise, np.linspace(0, sums.noise[-1], STEPS)), last))
    width = np.sqrt(np.diff(sums.noise[step], prepend=0))
    common, gaps = sums.common[step], np.diff(sums.points[step])
    for _ in range(n_resamples):
        walk = np.cumsum(width * rng.standard_normal(len(step)))
        yield norm(walk - common * walk[-1], gaps)


def _distance_test(norm, sums, rng, n_resamples):
    _check_resampling(rng, n_resamples)
    distance = norm(sums.difference, np.diff(sums.points))
    return _result(distance, np.fromiter(_resampled(norm, sums, rng, n_resamples), float))


def _result(distance, resampled):
    """The observed distance counts as one of the resampled ones, so p is never 0 and never too small on average."""
    return DistanceResult(float(distance), float((1 + np.sum(resampled >= distance)) / (1 + len(resampled))))


def ks_test(x, y, log_w_x=None, log_w_y=None, rng=None, n_resamples=999):
    """Kolmogorov-Smirnov test: the largest difference of the cumulative distributions of two samples.

    Without weights the p-value is scipy's. With weights it comes from the multiplier bootstrap. The usual formula with
    effective numbers of events is right only if the weights are independent of x: where a third of the distribution
    was simulated ten times too rarely, it finds p < 0.05 about twice too often.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One value per event. NaN: undefined, left out together with its weight. Infinite values keep their place in
        the order.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.
    rng : numpy.random.Generator
        Needed with weights.
    n_resamples : int
        Samples to compare with, if there are weights. The smallest possible p-value is 1 / (n_resamples + 1), so many
        tests that are judged together need more.

    Returns
    -------
    DistanceResult
        `distance` between 0 and 1. The p-value is too large, never too small, for small samples of whole numbers
        without weights.

    Raises
    ------
    ValueError
        If fewer than two events are left of a sample, or a weight is NaN or infinite.
    TypeError
        If there are weights and no `rng`.
    """
    (x, w_x), (y, w_y) = weighted_sample(x, log_w_x, "x", finite=False), weighted_sample(y, log_w_y, "y", finite=False)
    if log_w_x is None and log_w_y is None:
        result = stats.ks_2samp(x, y)
        return DistanceResult(float(result.statistic), float(result.pvalue))
    return _distance_test(_largest, _cumulative(x, w_x, y, w_y), rng, n_resamples)


def wasserstein(x, y, log_w_x=None, log_w_y=None):
    r"""Wasserstein distance of order one, :math:`\int |F(t) - G(t)|\, dt`: how far probability must be moved.

    Two samples of one distribution are not at zero but at a distance that falls like one over the root of their size.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One finite value per event; NaN: undefined, left out together with its weight.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.

    Returns
    -------
    float
        In the units of x.

    Raises
    ------
    ValueError
        If fewer than two events are left of a sample, a value is infinite, or a weight is NaN or infinite.

    Examples
    --------
    >>> wasserstein([0.0, 1.0, 2.0], [5.0, 6.0, 7.0])
    5.0
    """
    (x, w_x), (y, w_y) = weighted_sample(x, log_w_x, "x"), weighted_sample(y, log_w_y, "y")
    return float(stats.wasserstein_distance(x, y, w_x, w_y))


def wasserstein_test(x, y, log_w_x=None, log_w_y=None, rng=None, n_resamples=999):
    """Is the Wasserstein distance of two samples larger than their size and weights explain?

    Parameters
    ----------
    x, y, log_w_x, log_w_y
        As for `wasserstein`.
    rng : numpy.random.Generator
    n_resamples : int
        Samples to compare with. The smallest possible p-value is 1 / (n_resamples + 1).

    Returns
    -------
    DistanceResult
        The p-value comes from the multiplier bootstrap. It is good from about a hundred effective events;
        `permutation_test` is exact for samples of any size, without weights.
    """
    sums = _cumulative(*weighted_sample(x, log_w_x, "x"), *weighted_sample(y, log_w_y, "y"))
    return _distance_test(_area, sums, rng, n_resamples)


# --- Several features ------------------------------------------------------------------------------


def energy_distance(x, y, log_w_x=None, log_w_y=None):
    r"""Energy distance :math:`(2\,E|X - Y| - E|X - X'| - E|Y - Y'|)^{1/2}` of two samples of events.

    Zero if and only if the distributions are equal (Székely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249).
    For one quantity this is :math:`(2 \int (F - G)^2\, dt)^{1/2}`, as in scipy.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,) or (N, F), (M, F)
        Finite values. An event with NaN in one of its F features is left out together with its weight. The distance
        is Euclidean, so give the features comparable units first.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.

    Returns
    -------
    float
        In units of the root of x.

    Raises
    ------
    ValueError
        As for `wasserstein`, or if the samples have different numbers of features.

    Notes
    -----
    O(N log N) for one quantity. For F features all pairs of events count, in memory of fixed size: 10 000 events
    against 10 000 take a few seconds, 100 000 a hundred times longer. Compare subsamples then.
    """
    if np.ndim(x) == np.ndim(y) == 1:
        (x, w_x), (y, w_y) = weighted_sample(x, log_w_x, "x"), weighted_sample(y, log_w_y, "y")
        return float(stats.energy_distance(x, y, w_x, w_y))
    x, w_x, y, w_y = _samples_of_features(x, y, log_w_x, log_w_y)
    square = 2 * _mean_distance(x, w_x, y, w_y) - _mean_distance(x, w_x, x, w_x) - _mean_distance(y, w_y, y, w_y)
    return float(np.sqrt(max(square, 0.0)))


def _samples_of_features(x, y, log_w_x, log_w_y):
    (x, w_x), (y, w_y) = weighted_sample(x, log_w_x, "x", ndim=2), weighted_sample(y, log_w_y, "y", ndim=2)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"the samples must have the same features, got {x.shape[1]} and {y.shape[1]} of them")
    return x, w_x, y, w_y


def _mean_distance(x, w_x, y, w_y):
    size = max(1, CHUNK // len(y))
    starts = range(0, len(x), size)
    return sum(w_x[i : i + size] @ (cdist(x[i : i + size], y) @ w_y) for i in starts)


def energy_test(x, y, log_w_x=None, log_w_y=None, rng=None, n_resamples=999):
    """Is the energy distance of two samples larger than their size and weights explain?

    Parameters
    ----------
    x, y, log_w_x, log_w_y
        As for `energy_distance`. For several features at most 8000 events in both samples together.
    rng : numpy.random.Generator
    n_resamples : int
        Samples to compare with. The smallest possible p-value is 1 / (n_resamples + 1).

    Returns
    -------
    DistanceResult
        The p-value comes from the multiplier bootstrap. It is good from about a hundred effective events;
        `permutation_test` is exact for samples of any size, without weights.
    """
    _check_resampling(rng, n_resamples)
    if np.ndim(x) == np.ndim(y) == 1:
        sums = _cumulative(*weighted_sample(x, log_w_x, "x"), *weighted_sample(y, log_w_y, "y"))
        return _distance_test(_root_of_squared_area, sums, rng, n_resamples)
    x, w_x, y, w_y = _samples_of_features(x, y, log_w_x, log_w_y)
    if len(x) + len(y) > MOST_EVENTS:
        raise ValueError(
            f"energy_test compares all pairs of at most {MOST_EVENTS} events, got {len(x)} + {len(y)}: subsample them"
        )
    distances = cdist(both := np.concatenate([x, y]), both)
    observed = np.concatenate([w_x, -w_y])[None]
    resampled = np.hstack([_multipliers(w_x, rng, n_resamples), _multipliers(w_y, rng, n_resamples)])
    return _result(_energy(observed, distances)[0], _energy(resampled, distances))


def _multipliers(w, rng, n_resamples):
    """Coefficients of ξ ω (δ(x - x_i) - p(x)), with the sample itself for p; shape (n_resamples, N)."""
    xi = rng.standard_normal((n_resamples, len(w)))
    return w * (xi - (xi @ w)[:, None]) / np.sqrt(1 - w @ w)


def _energy(a, distances):
    """Energy distance from zero of signed distributions Σ a δ(x - x_i)."""
    return np.sqrt(np.maximum(-np.einsum("ij,ij->i", a @ distances, a), 0.0))


def permutation_test(statistic, x, y, rng, n_permutations=999, progress=True):
    """Exact test of any statistic: how often is it as large when events are dealt to the two samples at random?

    For samples without weights. A weighted event of x cannot change places with one of y: it comes from another
    distribution, and only all weighted events together follow the common one. Use `ks_test`, `wasserstein_test`,
    `energy_test`, `chi2_test` or `classifier_test` there.

    Parameters
    ----------
    statistic : callable
        ``statistic(x, y)`` gives a number that is larger the more the samples differ, such as `wasserstein`.
    x, y : array_like, shape (N, ...), (M, ...)
        Events along the first axis, as `statistic` takes them.
    rng : numpy.random.Generator
    n_permutations : int
        The smallest possible p-value is 1 / (n_permutations + 1).
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    DistanceResult
        `distance` is the statistic of the samples as they are. The p-value never comes out too small, whatever the
        size of the samples (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).

    Raises
    ------
    ValueError
        If a sample is empty, or `statistic` gives NaN.
    """
    _check_resampling(rng, n_permutations)
    x, y = np.asarray(x), np.asarray(y)
    if len(x) == 0 or len(y) == 0:
        raise ValueError(f"a permutation needs events in both samples, got {len(x)} and {len(y)}")
    both, observed = np.concatenate([x, y]), float(statistic(x, y))
    permuted = np.empty(n_permutations)
    for k in track(range(n_permutations), "permutation", progress):
        order = rng.permutation(len(both))
        permuted[k] = statistic(both[order[: len(x)]], both[order[len(x) :]])
    if np.isnan(observed) or np.isnan(permuted).any():
        raise ValueError("statistic gave NaN; leave out events whose value is undefined")
    # Equal up to rounding is equal: the same events may be added in another order.
    _, p_value = _result(observed - 1e-12 * abs(observed), permuted)
    return DistanceResult(observed, p_value)


# --- Classifiers -----------------------------------------------------------------------------------


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
    trees = _boosted_trees()(**settings)
    trees.fit(np.concatenate([x, y]), np.repeat([1, 0], [len(x), len(y)]), sample_weight=w * len(w) / w.sum())
    area, error = auc(trees.decision_function(test_x), trees.decision_function(test_y), test_log_w_x, test_log_w_y)
    # Equal scores for all events leave an area of 0.5 and no error, but for rounding: that is no evidence.
    significance = (area - 0.5) / max(error, 1e-12) if abs(area - 0.5) > 1e-12 else -np.inf
    return ClassifierResult(area, error, float(stats.norm.sf(significance)))


def _boosted_trees():
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
    log_w = checked_log_w(log_w, len(x), f"log_w_{name}")
    check_finite(x, name)
    keep = np.flatnonzero(log_w > -np.inf)
    if len(keep) < 20:
        raise ValueError(
            f"a classifier needs at least 20 events of sample {name} with a weight above zero, got {len(keep)}"
        )
    a, b = np.array_split(rng.permutation(keep), 2)
    return x[a], log_w[a], x[b], log_w[b]
