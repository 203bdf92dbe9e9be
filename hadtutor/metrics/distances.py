"""Distances between two weighted samples of one number, with p-values by resampling."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import Rng, takes_rng
from .resampling import Cumulative, DistanceResult
from .weighted import two_samples


@takes_rng
def ks_test(
    x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None, *, rng: Rng | None = None,
    n_resamples: int = 999,
) -> DistanceResult:  # fmt: skip
    """Kolmogorov-Smirnov test: the largest difference of the cumulative distributions of two samples, from 0 to 1.

    Without weights the p-value is scipy's: too large, never too small, for small samples of whole numbers. With weights
    it comes from the multiplier bootstrap. The usual formula with effective numbers of events is right only if the
    weights are independent of x: where a third of the distribution was simulated ten times too rarely, it finds
    p < 0.05 about twice too often.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One value per event. NaN: undefined, left out together with its weight. Infinite values keep their place in
        the order.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
    rng : numpy.random.Generator or int
        Needed with weights.
    n_resamples : int
        Samples to compare with, if there are weights. The smallest possible p-value is 1 / (n_resamples + 1), so many
        tests that are judged together need more.
    """
    samples = two_samples(x, y, log_w_x, log_w_y, finite=False)
    if log_w_x is None and log_w_y is None:
        from scipy.stats import ks_2samp  # slow to import

        places = np.unique(np.concatenate([samples[0], samples[2]]), return_inverse=True)[1]  # scipy minds infinity
        result = ks_2samp(places[: len(samples[0])], places[len(samples[0]) :])
        return DistanceResult(float(result.statistic), float(result.pvalue))
    return Cumulative.of(*samples).test(lambda difference, gaps: abs(difference).max(), rng, n_resamples)


def wasserstein(x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None) -> float:
    r"""Wasserstein distance of order one, :math:`\int |F(t) - G(t)|\, dt`: how far probability must be moved.

    Two samples of one distribution are not at zero but at a distance that falls like one over the root of their size.
    It has the units of x.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One finite value per event; NaN: undefined, left out together with its weight.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional

    Examples
    --------
    >>> wasserstein([0.0, 1.0, 2.0], [5.0, 6.0, 7.0])
    5.0
    """
    from scipy.stats import wasserstein_distance  # slow to import

    x, w_x, y, w_y = two_samples(x, y, log_w_x, log_w_y)
    return float(wasserstein_distance(x, y, w_x, w_y))


@takes_rng
def wasserstein_test(
    x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None, *, rng: Rng, n_resamples: int = 999
) -> DistanceResult:
    """Is the Wasserstein distance of two samples larger than their size and weights explain?

    The p-value comes from the multiplier bootstrap. It is good from about a hundred effective events;
    `permutation_test` is exact for samples of any size, without weights.

    Parameters
    ----------
    x, y, log_w_x, log_w_y, rng, n_resamples
        As for `wasserstein` and `ks_test`.
    """
    sums = Cumulative.of(*two_samples(x, y, log_w_x, log_w_y))
    return sums.test(lambda difference, gaps: abs(difference[:-1]) @ gaps, rng, n_resamples)
