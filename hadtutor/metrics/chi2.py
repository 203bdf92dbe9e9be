"""Chi-squares of two samples, and of a sample and published data, with full covariances."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain
from .histograms import ROUNDING, mean_and_covariance


class Chi2Result(NamedTuple):
    """How well two histograms agree.

    Attributes
    ----------
    chi2, ndf : float, int
        Chi-square and degrees of freedom.
    p_value : float
        Probability of a larger chi-square if there is no difference.
    """

    chi2: float
    ndf: int
    p_value: float


def chi2_test(counts_x: ArrayLike, counts_y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None) -> Chi2Result:
    r"""Chi-square test that two samples have the same mean number of entries in every bin.

    :math:`\chi^2 = d^T V^{-1} d` with d the difference of the mean counts per event and V its covariance, estimated
    from both samples; so entries of one event may be correlated, and weights may depend on the counts: the covariance
    of :math:`\mu = \sum_i w_i n_i / \sum_i w_i` is, to first order,
    :math:`\sum_i w_i^2 (n_i - \mu)(n_i - \mu)^T / (\sum_i w_i)^2`. Degrees of freedom are the rank of V.

    Parameters
    ----------
    counts_x, counts_y : ndarray, shape (N, B), (M, B)
        Counts per event and bin, see `histogram_per_event`. Leave out bins with few entries (below about 25): their
        counts are not normally distributed.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
    """
    mean_x, covariance_x = mean_and_covariance(counts_x, log_w_x, "counts_x")
    mean_y, covariance_y = mean_and_covariance(counts_y, log_w_y, "counts_y")
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


def chi2_of_counts(counts_x: ArrayLike, counts_y: ArrayLike) -> Chi2Result:
    r"""Chi-square test that two histograms of independent entries, n and m of them, have the same shape.

    :math:`\chi^2 = \sum_b (\sqrt{m/n}\, x_b - \sqrt{n/m}\, y_b)^2 / (x_b + y_b)`, with one degree of freedom less than
    there are bins with entries. Entries of one event are not independent, as a rule: see `chi2_test`.

    Parameters
    ----------
    counts_x, counts_y : array_like, shape (B,)
        Entries in each bin, not below 0; a ValueError if one histogram is empty or they differ in their bins. Leave out
        bins with few entries (below about 25 in both together).

    Examples
    --------
    >>> chi2_of_counts([100, 100], [50, 50]).chi2, chi2_of_counts([100, 100], [60, 40]).ndf
    (0.0, 1)
    """
    x, y = plain(counts_x, "counts_x").astype(float), plain(counts_y, "counts_y").astype(float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"counts_x and counts_y must have the same bins, got shapes {x.shape} and {y.shape}")
    n, m = x.sum(), y.sum()
    if not (np.all(x >= 0) and np.all(y >= 0) and 0 < n < np.inf and 0 < m < np.inf):
        raise ValueError(f"both histograms must have entries, and none below 0, got {n:g} and {m:g} in all")
    filled = x + y > 0
    chi2 = np.sum(((m / n) ** 0.5 * x - (n / m) ** 0.5 * y)[filled] ** 2 / (x + y)[filled])
    return _chi2_result(chi2, filled.sum() - 1)


def _chi2_result(chi2, ndf):
    from scipy.special import chdtrc

    return Chi2Result(float(chi2), int(ndf), float(chdtrc(ndf, chi2) if ndf > 0 else chi2 == 0))


def chi2_to_data(density: ArrayLike, covariance: ArrayLike, data: ArrayLike, errors: ArrayLike) -> Chi2Result:
    r"""Chi-square of a simulated histogram and published points whose errors are independent of each other.

    :math:`\chi^2 = d^T (V + \mathrm{diag}\,\sigma^2)^{-1} d` with d the difference, V the covariance of the simulation
    and :math:`\sigma` the errors of the data. Tables of LEP experiments come without correlations. Where the published
    errors have a common part, the p-value is not to be taken at its word. Each bin is a degree of freedom: nothing has
    been fitted.

    Parameters
    ----------
    density, covariance : ndarray, shape (B,), (B, B)
        The simulation, see `density_per_event`.
    data, errors : array_like, shape (B,)
        The points and their total errors, in the units of `density`; a bin with NaN was not measured and is left out.
        ValueError if nothing was measured, a point is infinite, or an error is not above zero.

    Examples
    --------
    >>> chi2_to_data(np.array([1.0, 2.0]), np.diag([9.0, 0.0]), [6.0, 2.0], [4.0, 0.1]).chi2
    1.0
    """
    named = {"density": density, "covariance": covariance, "data": data, "errors": errors}
    mean, total, points, sigma = arrays = [plain(a, name).astype(float) for name, a in named.items()]
    n, shapes = mean.size, [a.shape for a in arrays]
    if shapes != [(n,), (n, n), (n,), (n,)]:
        raise ValueError(f"{', '.join(named)} must have shapes (B,), (B, B), (B,), (B,), got {shapes}")
    kept = ~np.isnan(points)
    if not kept.any():
        raise ValueError("data must have a bin that was measured: all are NaN")
    mean, total, points, sigma = mean[kept], total[np.ix_(kept, kept)], points[kept], sigma[kept]
    if not np.all(np.isfinite(points) & np.isfinite(sigma) & (sigma > 0)):
        raise ValueError("data must be finite and errors above zero; NaN for both where nothing was measured")
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(total))):
        raise ValueError("density and covariance must be finite")
    difference = mean - points
    return _chi2_result(difference @ np.linalg.solve(total + np.diag(sigma**2), difference), len(points))
