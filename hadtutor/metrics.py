"""Do two samples of events agree? Means by their pull, histograms by a chi-square with covariance."""

import numpy as np
from scipy import stats

__all__ = ["chi2_test", "histogram_per_event", "pull", "pull_per_hadron"]


def pull(x, y):
    """Difference of the means of two samples in units of its standard error.

    Parameters
    ----------
    x, y : array_like
        One value per event; events where the value is undefined (NaN) are left out.

    Returns
    -------
    float
        Normally distributed with width 1 if the means are equal and the samples large.

    Raises
    ------
    ValueError
        If fewer than two values are left of a sample.

    Examples
    --------
    >>> round(pull([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), 3)
    -1.225
    """
    return _pull(_mean_and_error(x, np.ones(len(x))), _mean_and_error(y, np.ones(len(y))))


def pull_per_hadron(x, hadrons_x, y, hadrons_y):
    """Pull of the mean of a quantity that every hadron has, such as its transverse momentum.

    Hadrons of one event are correlated, so the errors come from the scatter between events.

    Parameters
    ----------
    x, y : array_like, shape (rows,)
        One value per hadron.
    hadrons_x, hadrons_y : Hadrons
        The events they belong to.

    Returns
    -------
    float
    """
    return _pull(*(_mean_and_error(_event_sums(v, h), h.multiplicity) for v, h in ((x, hadrons_x), (y, hadrons_y))))


def _event_sums(values, hadrons):
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons))


def _mean_and_error(sums, counts):
    """Mean Σ sums / Σ counts over independent events, with its error to first order."""
    sums, counts = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    keep = np.isfinite(sums)
    sums, counts = sums[keep], counts[keep]
    if len(sums) < 2:
        raise ValueError(f"a mean with an error needs at least two events, got {len(sums)}")
    mean = sums.sum() / counts.sum()
    scatter = (sums - mean * counts) / counts.mean()
    return mean, scatter.std(ddof=1) / np.sqrt(len(sums))


def _pull(x, y):
    error = np.hypot(x[1], y[1])
    if error > 0:
        return float((x[0] - y[0]) / error)
    return float(np.sign(x[0] - y[0]) * np.inf) if x[0] != y[0] else 0.0


def histogram_per_event(values, edges, event=None, n_events=None):
    """Counts in each bin, event by event.

    Parameters
    ----------
    values : array_like
        One value per event, or per hadron if `event` is given. Values outside the edges are dropped.
    edges : array_like, shape (B + 1,)
        Increasing bin edges.
    event : array_like of int, optional
        The event that each value belongs to.
    n_events : int, optional
        Number of events; needed with `event`.

    Returns
    -------
    ndarray of float32, shape (N, B)
    """
    values, edges = np.asarray(values, dtype=float), np.asarray(edges, dtype=float)
    n_bins = len(edges) - 1
    if n_bins < 1 or not np.all(np.diff(edges) > 0):
        raise ValueError("edges must increase and hold at least one bin")
    event = np.arange(len(values)) if event is None else np.asarray(event)
    n_events = len(values) if n_events is None else n_events
    place = np.searchsorted(edges, values, side="right") - 1
    inside = (place >= 0) & (place < n_bins)
    flat = event[inside] * n_bins + place[inside]
    return np.bincount(flat, minlength=n_events * n_bins).reshape(n_events, n_bins).astype(np.float32)


def chi2_test(counts_x, counts_y):
    r"""Chi-square test that two samples have the same mean number of entries in every bin.

    :math:`\chi^2 = d^T V^{-1} d` with d the difference of the mean counts per event and V its covariance,
    estimated from both samples; so entries of one event may be correlated.

    Parameters
    ----------
    counts_x, counts_y : ndarray, shape (N, B), (M, B)
        Counts per event and bin, see `histogram_per_event`.

    Returns
    -------
    chi2 : float
    ndf : int
        Independent bins: the rank of the covariance.
    p_value : float
    """
    difference, covariance = 0.0, 0.0
    for counts, sign in ((counts_x, 1.0), (counts_y, -1.0)):
        mean = counts.mean(axis=0, dtype=float)
        second = (counts.T @ counts).astype(float) / len(counts)
        difference = difference + sign * mean
        covariance = covariance + (second - np.outer(mean, mean)) / (len(counts) - 1)
    # Scaled to unit diagonal, so that "rank" does not depend on how full a bin is.
    filled = np.diag(covariance) > 0
    scale = np.sqrt(np.diag(covariance)[filled])
    values, vectors = np.linalg.eigh(covariance[np.ix_(filled, filled)] / np.outer(scale, scale))
    kept = values > 1e-6 * values.max(initial=0.0)
    chi2 = float(np.sum((vectors.T @ (difference[filled] / scale))[kept] ** 2 / values[kept]))
    return chi2, int(kept.sum()), float(stats.chi2.sf(chi2, kept.sum()))
