"""The energy distance in many dimensions, and permutation tests of any statistic."""

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from .._support.bars import track
from .distances import DistanceResult, _check_resampling, _cumulative, _distance_test, _result, _root_of_squared_area
from .weighted import weighted_sample

MOST_EVENTS = 8_000
"""Of both samples together, in `energy_test` of several features: the distances of all pairs fill 0.5 GB."""
CHUNK = 5_000_000
"""Distances of pairs held at a time by `energy_distance`: 40 MB."""


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
