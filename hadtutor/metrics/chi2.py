"""Chi-squares of two samples, and of a sample and published data, with full covariances."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from .histograms import ROUNDING, _mean_and_covariance


class Chi2Result(NamedTuple):
    """Chi-square, degrees of freedom, and the probability of a larger chi-square if there is no difference."""

    chi2: float
    ndf: int
    p_value: float


def chi2_test(counts_x, counts_y, log_w_x=None, log_w_y=None):
    r"""Chi-square test that two samples have the same mean number of entries in every bin.

    :math:`\chi^2 = d^T V^{-1} d` with d the difference of the mean counts per event and V its covariance,
    estimated from both samples; so entries of one event may be correlated, and weights may depend on the counts:
    the mean is :math:`\mu = \sum_i w_i n_i / \sum_i w_i` and its covariance, to first order,
    :math:`\sum_i w_i^2 (n_i - \mu)(n_i - \mu)^T / (\sum_i w_i)^2`.

    Parameters
    ----------
    counts_x, counts_y : ndarray, shape (N, B), (M, B)
        Counts per event and bin, see `histogram_per_event`. Leave out bins with few entries (below about 25): their
        counts are not normally distributed.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights of the events.

    Returns
    -------
    Chi2Result
        `chi2`, `ndf` (independent bins: the rank of the covariance), `p_value`.

    Raises
    ------
    ValueError
        If a sample has fewer than two events with a weight above zero, a weight is NaN or infinite, or shapes do
        not fit.
    """
    mean_x, covariance_x = _mean_and_covariance(counts_x, log_w_x, "counts_x")
    mean_y, covariance_y = _mean_and_covariance(counts_y, log_w_y, "counts_y")
    if mean_x.shape != mean_y.shape:
        raise ValueError(f"counts_x and counts_y must have the same bins, got {len(mean_x)} and {len(mean_y)}")
    difference, covariance = mean_x - mean_y, covariance_x + covariance_y
    errors, rounding = np.sqrt(np.diag(covariance)), ROUNDING * np.maximum(abs(mean_x), abs(mean_y))
    filled = errors > rounding
    if np.any(abs(difference) > rounding, where=~filled):
        return _chi2_result(np.inf, filled.sum())  # neither sample scatters there
    # Scaled to unit diagonal, so that "rank" does not depend on how full a bin is.
    scale = errors[filled]
    values, vectors = np.linalg.eigh(covariance[np.ix_(filled, filled)] / np.outer(scale, scale))
    least = 1e-6 * values.max(initial=0.0)
    # Where there is no scatter a difference counts as if there were a little; equal samples differ by roundings.
    chi2 = np.sum((vectors.T @ (difference[filled] / scale)) ** 2 / np.maximum(values, least))
    return _chi2_result(chi2, np.sum(values > least))


def _chi2_result(chi2, ndf):
    p_value = stats.chi2.sf(chi2, ndf) if ndf > 0 else chi2 == 0
    return Chi2Result(float(chi2), int(ndf), float(p_value))


def chi2_to_data(density, covariance, data, errors):
    r"""Chi-square of a simulated histogram and published points whose errors are independent of each other.

    :math:`\chi^2 = d^T (V + \mathrm{diag}\,\sigma^2)^{-1} d` with d the difference, V the covariance of the
    simulation and :math:`\sigma` the errors of the data. Tables of LEP experiments come without correlations. Where
    the published errors have a common part, the p-value is not to be taken at its word.

    Parameters
    ----------
    density, covariance : ndarray, shape (B,), (B, B)
        The simulation, see `density_per_event`.
    data, errors : array_like, shape (B,)
        The points and their total errors, in the same units as `density`.

    Returns
    -------
    Chi2Result
        `ndf` is the number of bins: nothing has been fitted.

    Raises
    ------
    ValueError
        If shapes do not fit, a point is not finite, or an error is not above zero.

    Examples
    --------
    >>> chi2_to_data(np.array([1.0, 2.0]), np.diag([9.0, 0.0]), [6.0, 2.0], [4.0, 0.1]).chi2
    1.0
    """
    density, covariance, data, errors = (np.asarray(a, dtype=float) for a in (density, covariance, data, errors))
    shapes = [a.shape for a in (density, covariance, data, errors)]
    n = density.size
    if shapes != [(n,), (n, n), (n,), (n,)]:
        raise ValueError(
            f"density, covariance, data and errors must have shapes (B,), (B, B), (B,), (B,), got {shapes}"
        )
    if not np.all(np.isfinite(data) & np.isfinite(errors) & (errors > 0)):
        raise ValueError("data must be finite and errors above zero: leave out the other bins, here and in the edges")
    if not (np.all(np.isfinite(density)) and np.all(np.isfinite(covariance))):
        raise ValueError("density and covariance must be finite")
    difference = density - data
    return _chi2_result(difference @ np.linalg.solve(covariance + np.diag(errors**2), difference), n)
