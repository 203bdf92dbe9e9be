"""Histograms of weighted events, with the correlations that entries of one event have."""

from typing import NamedTuple

import numpy as np

from .._support.checks import log_weights
from .weighted import relative_weights

CHUNK = 16_384
"""Events whose counts are held in float64 at a time."""
ROUNDING = 1e-12
"""Relative errors below this are those of the arithmetic: weights add up to one within 1e-16."""


class Density(NamedTuple):
    """Entries per event and unit of x in B bins, and their statistical covariance."""

    density: np.ndarray  # (B,)
    covariance: np.ndarray  # (B, B)


def histogram(values, edges, log_w=None, event=None):
    """Histogram of weighted events, as an object of the `hist` package. Needs the extra ``hep``.

    Parameters
    ----------
    values : array_like
        One value per event, or per hadron if `event` is given. NaN: undefined, not filled.
    edges : array_like, shape (B + 1,)
        Increasing bin edges. A value on an edge counts in the bin above.
    log_w : array_like, shape (N,), optional
        Log weights of the events.
    event : array_like of int, optional
        The event that each value belongs to.

    Returns
    -------
    hist.Hist
        One variable axis with underflow and overflow; ``.values()`` is Σw in each bin and ``.variances()`` is Σw².

    Raises
    ------
    ImportError
        If `hist` is not installed.
    ValueError
        If a weight is NaN, infinite or too large to be squared (above exp(300)), or shapes or events do not fit.

    Notes
    -----
    Σw² is the variance of a bin if every event has at most one entry. Entries of one event are correlated, in a bin and
    between bins, and then Σw² is too small: `density_per_event` has the covariance, from `histogram_per_event`.
    """
    hist = _hist()
    values, edges = np.asarray(values, dtype=float), _checked_edges(edges)
    log_w = log_weights(log_w, _n_events(values, event, log_w))
    event = _checked_events(event, values, len(log_w))
    if log_w.max(initial=0.0) > 300.0:
        raise ValueError(f"log_w of event {log_w.argmax()} is {log_w.max():.4g}: exp of it is too large a weight")
    defined = ~np.isnan(values)
    filled = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
    return filled.fill(values[defined], weight=np.exp(log_w)[event[defined]])


def _hist():
    try:
        import hist
    except ImportError as error:
        raise ImportError("histogram needs the extra `hep`: pip install 'hadtutor[hep]'") from error
    return hist


def _checked_edges(edges):
    edges = np.asarray(edges, dtype=float)
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise ValueError("edges must increase and hold at least one bin")
    return edges


def _n_events(values, event, log_w):
    """Number of events: known from the weights, if there are any and the values belong to events."""
    if event is None:
        return len(values)
    if log_w is not None:
        return np.size(log_w)
    return int(np.max(event)) + 1 if np.size(event) else 0


def _checked_events(event, values, n_events):
    """The event of each value: its own number if `event` is None."""
    event = np.arange(len(values)) if event is None else np.asarray(event)
    if event.shape != values.shape or values.ndim != 1:
        raise ValueError(f"there must be one event for each value, got shapes {event.shape} and {values.shape}")
    if event.size and event.dtype.kind not in "iu":
        raise ValueError(f"events must be whole numbers, got {event.dtype}")
    event = event.astype(np.int64, copy=False)  # narrow ones would overflow below
    if len(event) > 0 and (event.min() < 0 or event.max() >= n_events):
        raise ValueError(f"events must be numbered from 0 to {n_events - 1}, got {event.min()} to {event.max()}")
    return event


def histogram_per_event(values, edges, event=None, n_events=None):
    """Counts in each bin, event by event.

    Parameters
    ----------
    values : array_like
        One value per event, or per hadron if `event` is given. Values outside the edges are dropped, and NaN.
    edges : array_like, shape (B + 1,)
        Increasing bin edges. A value on an edge counts in the bin above.
    event : array_like of int, optional
        The event that each value belongs to.
    n_events : int, optional
        Number of events; needed with `event`.

    Returns
    -------
    ndarray of float32, shape (N, B)

    Raises
    ------
    ValueError
        If the edges do not increase, `n_events` is missing, or an event is not among them.
    """
    values, edges = np.asarray(values, dtype=float), _checked_edges(edges)
    if event is not None and n_events is None:
        raise ValueError("n_events is needed with event: the last events may have no entry")
    n_events = len(values) if n_events is None else n_events
    event = _checked_events(event, values, n_events)
    n_bins = len(edges) - 1
    place = np.searchsorted(edges, values, side="right") - 1
    inside = (place >= 0) & (place < n_bins)
    counts = np.zeros(n_events * n_bins, dtype=np.float32)
    np.add.at(counts, event[inside] * n_bins + place[inside], np.float32(1))
    return counts.reshape(n_events, n_bins)


def density_per_event(counts, edges, log_w=None, kind="density"):
    r"""Mean number of entries per event and unit of x, :math:`\frac1N \frac{dn}{dx}`, with its covariance.

    For one entry per event this is the probability density. The errors for a plot are
    ``np.sqrt(np.diag(covariance))``; they count entries of one event as correlated.

    Parameters
    ----------
    counts : ndarray, shape (N, B)
        Counts per event and bin, see `histogram_per_event`.
    edges : array_like, shape (B + 1,)
        Their edges, finite, in the units of x.
    log_w : array_like, shape (N,), optional
        Log weights of the events.
    kind : {"density", "probability"}
        With "probability" it is the mean number of entries per bin, not divided by its width: some published
        distributions of whole numbers are given so (`LepFigure.kind`).

    Returns
    -------
    Density
        `density` of shape (B,) in units of 1/x, `covariance` of shape (B, B) in units of 1/x²; without units for
        probabilities.

    Raises
    ------
    ValueError
        If fewer than two events have a weight above zero, a weight is NaN or infinite, or shapes do not fit.
    """
    mean, covariance = _mean_and_covariance(counts, log_w, "counts")
    widths = np.diff(_checked_edges(edges))
    if widths.shape != mean.shape:
        raise ValueError(f"{len(mean)} bins need {len(mean) + 1} edges, got {len(widths) + 1}")
    if not np.all(np.isfinite(widths)):
        raise ValueError("a density needs finite edges; leave the outermost bins out")
    if kind not in ("density", "probability"):
        raise ValueError(f"kind must be 'density' or 'probability', got {kind!r}")
    if kind == "probability":
        return Density(mean, covariance)
    return Density(mean / widths, covariance / np.outer(widths, widths))


def _mean_and_covariance(counts, log_w, name):
    """Weighted mean of each column and the covariance of these means, (B,) and (B, B)."""
    counts = np.asarray(counts)
    if counts.ndim != 2:
        raise ValueError(f"{name} must have one row per event and one column per bin, got shape {counts.shape}")
    w = relative_weights(log_weights(log_w, len(counts), name.replace("counts", "log_w")), name)
    # In float64, but never all of it at once.
    chunks = [slice(i, i + CHUNK) for i in range(0, len(counts), CHUNK)]
    mean = sum(w[c] @ counts[c] for c in chunks)
    if not np.all(np.isfinite(mean)):
        raise ValueError(f"{name} must be finite, got a mean of {mean}")
    residuals = (w[c, None] * (counts[c] - mean) for c in chunks)
    return mean, sum(r.T @ r for r in residuals) / (1 - w @ w)
