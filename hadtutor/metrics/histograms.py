"""Histograms of weighted events, with the correlations that entries of one event have."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from .._support.checks import column, log_weights, plain, whole
from .._support.optional import need
from .shares import Bins, checked_edges
from .weighted import relative_weights

CHUNK = 16_384  # events whose counts are held in float64 at a time
ROUNDING = 1e-12  # relative errors below this are those of the arithmetic: weights add up to one within 1e-16


class Density(NamedTuple):
    """Entries per event and unit of x in B bins, shape (B,), and their statistical covariance, (B, B)."""

    density: np.ndarray
    covariance: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Standard deviations, shape (B,)."""
        return np.sqrt(np.diag(self.covariance))


def histogram(values: ArrayLike, edges: ArrayLike, log_w: Any = None, event: ArrayLike | None = None) -> Any:
    """Histogram of weighted events, as an object of the `hist` package. Needs the extra ``hep``.

    Σw² is the variance of a bin if every event has at most one entry. Entries of one event are correlated, in a bin and
    between bins, and then Σw² is too small: `density_per_event` has the covariance, from `histogram_per_event`.

    Parameters
    ----------
    values : array_like
        One value per event, or per hadron if `event` is given. NaN: undefined, not filled.
    edges : array_like, shape (B + 1,)
        Increasing bin edges. A value on an edge counts in the bin above.
    log_w : array_like, shape (N,), optional
        ValueError if a weight is too large to be squared (above exp(300)).
    event : array_like of int, optional
        The event that each value belongs to.

    Returns
    -------
    hist.Hist
        One variable axis with underflow and overflow; ``.values()`` is Σw in each bin and ``.variances()`` is Σw².
    """
    hist = need("hist", "hep", "histogram")
    edges = checked_edges(edges)
    # The last events may have no entry: where there are weights, they know how many events there are.
    n_weights = None if log_w is None or event is None else plain(getattr(log_w, "log_w", log_w), "log_w").size
    values, event, n_events = _placed(values, event, n_weights)
    log_w = log_weights(log_w, n_events)
    if log_w.max(initial=0.0) > 300.0:
        raise ValueError(f"log_w of event {log_w.argmax()} is {log_w.max():.4g}: exp of it is too large a weight")
    defined = ~np.isnan(values)
    filled = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
    return filled.fill(values[defined], weight=np.exp(log_w)[event[defined]])


def _placed(values, event, n_events):
    """Values, the event of each, and the number of events; each value is an event of its own if `event` is None."""
    values = column(plain(values, "values").astype(float, copy=False), "values")
    # Narrow numbers would overflow in the product with the number of bins.
    event = np.arange(len(values)) if event is None else column(event, "events", np.int64)
    if event.shape != values.shape:
        raise ValueError(f"there must be one event for each value, got shapes {event.shape} and {values.shape}")
    n_events = int(event.max(initial=-1)) + 1 if n_events is None else whole(n_events, "n_events", 0)
    if len(event) > 0 and (event.min() < 0 or event.max() >= n_events):
        raise ValueError(f"events must be numbered from 0 to {n_events - 1}, got {event.min()} to {event.max()}")
    return values, event, n_events


def histogram_per_event(
    values: ArrayLike, edges: ArrayLike, event: ArrayLike | None = None, n_events: int | None = None, *,
    sparse_rows: bool = False,
) -> Any:  # fmt: skip
    """Counts in each bin, event by event: float32, shape (N, B).

    Parameters
    ----------
    values, edges, event
        As for `histogram`. Values outside the edges are dropped, and NaN.
    n_events : int, optional
        Number of events; needed with `event`, none of which may lie beyond (ValueError).
    sparse_rows : bool
        Whether to hold only what is not zero, as a `scipy.sparse.csr_array`: most bins of an event are empty.
    """
    if event is not None and n_events is None:
        raise ValueError("n_events is needed with event: the last events may have no entry")
    bins, (values, event, n_events) = Bins({"values": checked_edges(edges)}), _placed(values, event, n_events)
    n_bins, place = len(bins), bins.places({"values": values})[0]
    inside = place < n_bins
    if sparse_rows:
        ones = np.ones(np.count_nonzero(inside), np.float32)
        return sparse.coo_array((ones, (event[inside], place[inside])), shape=(n_events, n_bins)).tocsr()
    counts = np.zeros(n_events * n_bins, dtype=np.float32)
    np.add.at(counts, event[inside] * n_bins + place[inside], np.float32(1))
    return counts.reshape(n_events, n_bins)


def density_per_event(counts: Any, edges: ArrayLike, log_w: Any = None, kind: str = "density") -> Density:
    r"""Mean number of entries per event and unit of x, :math:`\frac1N \frac{dn}{dx}`, with its covariance.

    For one entry per event this is the probability density. Entries of one event count as correlated.

    Parameters
    ----------
    counts, edges : array_like or scipy.sparse array, shape (N, B), and array_like, (B + 1,)
        Counts per event and bin, see `histogram_per_event`, and finite edges in the units of x.
    log_w : array_like, shape (N,), optional
    kind : {"density", "probability", "normalised"}
        With "probability" it is the mean number of entries per bin, not divided by its width: some published
        distributions of whole numbers are given so (`LepFigure.kind`). With "normalised" it is the density of entries,
        whatever their number: it integrates to 1, and its errors know that.
    """
    mean, covariance = mean_and_covariance(counts, log_w, "counts")
    widths = np.diff(checked_edges(edges))
    if widths.shape != mean.shape:
        raise ValueError(f"{len(mean)} bins need {len(mean) + 1} edges, got {len(widths) + 1}")
    if not np.all(np.isfinite(widths)):
        raise ValueError("a density needs finite edges; leave the outermost bins out")
    if kind not in ("density", "probability", "normalised"):
        raise ValueError(f"kind must be 'density', 'probability' or 'normalised', got {kind!r}")
    if kind == "probability":
        return Density(mean, covariance)
    if kind == "normalised":
        if not (total := mean.sum()) > 0:
            raise ValueError("no event has an entry in any bin, so that there is nothing to normalise")
        mean = mean / total
        change = (np.eye(len(mean)) - mean[:, None]) / total  # of the shares with the means, to first order
        covariance = change @ covariance @ change.T
    return Density(mean / widths, covariance / np.outer(widths, widths))


def mean_and_covariance(counts: Any, log_w: Any, name: str = "counts") -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of each column and the covariance of these means, (B,) and (B, B)."""
    counts = counts.tocsr() if (is_sparse := sparse.issparse(counts)) else plain(counts, name)
    if counts.ndim != 2:
        raise ValueError(f"{name} must have one row per event and one column per bin, got shape {counts.shape}")
    n_events = counts.shape[0]
    w = relative_weights(log_weights(log_w, n_events, name.replace("counts", "log_w")), name)
    # In float64, but never all of it at once.
    chunks = [slice(i, i + CHUNK) for i in range(0, n_events, CHUNK)]
    rows = lambda c: counts[c].toarray() if is_sparse else counts[c]
    mean = sum(w[c] @ rows(c) for c in chunks)
    if not np.all(np.isfinite(mean)):
        raise ValueError(f"{name} must be finite, got a mean of {mean}")
    residuals = (w[c, None] * (rows(c) - mean) for c in chunks)
    return mean, sum(r.T @ r for r in residuals) / (1 - w @ w)
