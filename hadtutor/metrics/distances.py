"""Distances between two weighted samples of one number, with p-values by resampling."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from .._support.checks import as_generator
from .weighted import weighted_sample

STEPS = 10_000
"""Cumulative distributions are resampled in at most so many steps, of equal noise."""


class DistanceResult(NamedTuple):
    """How far two samples are apart, and how often samples of one distribution are at least as far apart."""

    distance: float
    p_value: float


def _check_resampling(rng, n=1):
    rng = as_generator(rng)
    if n < 1:
        raise ValueError(f"a p-value needs at least one other sample to compare with, got {n}")


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
