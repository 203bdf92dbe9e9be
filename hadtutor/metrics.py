"""Do two samples of events agree? Means by their pull, histograms by a chi-square with covariance, tests without bins.

Weights travel as logs: `log_w` (`log_w_x`, `log_w_y`) has shape (N,), None if all events count the same, and is
exponentiated once, here. Weight zero is -inf; an event of weight zero is as good as not there. Only ratios of weights
matter, except in `histogram`: a constant added to all logs changes nothing, and no weight is too large. Errors and
p-values hold for weights that depend on the observable, as after reweighting, to first order in the scatter of the
weights: trust them if a hundred events or more carry the large weights. With 40, p < 0.01 comes twice too often.

The tests without bins live in `hadtutor.two_sample` and are reached from here.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from . import observables
from .particles import charge_of
from .two_sample import (
    AucResult,
    ClassifierResult,
    DistanceResult,
    auc,
    checked_log_w,
    classifier_test,
    energy_distance,
    energy_test,
    ks_test,
    n_eff,
    permutation_test,
    relative_weights,
    squared_error,
    wasserstein,
    wasserstein_test,
    weighted_sample,
)

__all__ = [
    "AucResult",
    "Chi2Result",
    "ClassifierResult",
    "Density",
    "DistanceResult",
    "auc",
    "chi2_test",
    "chi2_to_data",
    "classifier_test",
    "density_per_event",
    "energy_distance",
    "energy_test",
    "histogram",
    "histogram_per_event",
    "ks_test",
    "like_lep",
    "n_eff",
    "permutation_test",
    "pull",
    "pull_per_hadron",
    "wasserstein",
    "wasserstein_test",
]

CHUNK = 16_384
"""Events whose counts are held in float64 at a time."""


LEP_ENERGY = 91.2
"""Centre-of-mass energy √s of the figures in `hadtutor.datasets.lep` [GeV]."""


ROUNDING = 1e-12
"""Relative errors below this are those of the arithmetic: weights add up to one within 1e-16."""


class Chi2Result(NamedTuple):
    """Chi-square, degrees of freedom, and the probability of a larger chi-square if there is no difference."""

    chi2: float
    ndf: int
    p_value: float


class Density(NamedTuple):
    """Entries per event and unit of x in B bins, and their statistical covariance."""

    density: np.ndarray  # (B,)
    covariance: np.ndarray  # (B, B)


# --- Means -----------------------------------------------------------------------------------------


def pull(x, y, log_w_x=None, log_w_y=None):
    """Difference of the means of two samples in units of its standard error.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,)
        One value per event; events where the value is undefined (NaN) are left out.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.

    Returns
    -------
    float
        Normally distributed with width 1 if the means are equal and the samples large.

    Raises
    ------
    ValueError
        If fewer than two values with a weight above zero are left of a sample, a value is infinite, or a weight is
        NaN or infinite.

    Examples
    --------
    >>> round(pull([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), 3)
    -1.225
    """
    samples = ((x, log_w_x, "x"), (y, log_w_y, "y"))
    return _pull(*(_mean_and_error(values, np.ones(np.shape(values)), log_w, name) for values, log_w, name in samples))


def pull_per_hadron(x, hadrons_x, y, hadrons_y, log_w_x=None, log_w_y=None):
    """Pull of the mean of a quantity that every hadron has, such as its transverse momentum.

    Hadrons of one event are correlated, so the errors come from the scatter between events.

    Parameters
    ----------
    x, y : array_like, shape (rows,)
        One value per hadron; an event with an undefined one (NaN) is left out.
    hadrons_x, hadrons_y : Hadrons
        The events they belong to.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights of the events.

    Returns
    -------
    float
    """
    samples = ((x, hadrons_x, log_w_x, "x"), (y, hadrons_y, log_w_y, "y"))
    return _pull(*(_mean_and_error(_event_sums(v, h), h.multiplicity, log_w, name) for v, h, log_w, name in samples))


def _event_sums(values, hadrons):
    if np.shape(values) != hadrons.pid.shape:
        raise ValueError(f"there must be one value per hadron, shape {hadrons.pid.shape}, got {np.shape(values)}")
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons))


def _mean_and_error(sums, counts, log_w, name):
    """Mean Σ w sums / Σ w counts over independent events, with its error to first order."""
    if np.ndim(sums) != 1:
        raise ValueError(f"sample {name} must have one value per event, got shape {np.shape(sums)}")
    columns, w = weighted_sample(np.stack([sums, counts], axis=-1), log_w, name, ndim=2)
    sums, counts = columns.T
    total = w @ counts
    if total == 0:
        raise ValueError(f"sample {name} has no hadrons")
    mean = w @ sums / total
    return mean, np.sqrt(squared_error(w, (sums - mean * counts) / total))


def _pull(x, y):
    difference, error = x[0] - y[0], np.hypot(x[1], y[1])
    rounding = ROUNDING * max(abs(x[0]), abs(y[0]))
    if error > rounding:
        return float(difference / error)
    return float(np.sign(difference) * np.inf) if abs(difference) > rounding else 0.0


# --- Histograms ------------------------------------------------------------------------------------


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
    log_w = checked_log_w(log_w, _n_events(values, event, log_w))
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


_LEP_COLUMNS = {"thrust": "T", "C": "C", "BT": "B_T", "BW": "B_W", "D_charged": "D", "nch": "n_ch", "nch_udsc": "n_ch"}


def like_lep(hadrons, figure, log_w=None):
    """Histogram of a simulation as a measurement at LEP was made: its particles, bins and normalisation.

    Parameters
    ----------
    hadrons : Hadrons
        N events of the energy of the figure, after decays. For a figure of some quark flavours only, events of these.
    figure : LepFigure
        From `hadtutor.datasets.lep`.
    log_w : array_like, shape (N,), optional
        Log weights of the events.

    Returns
    -------
    Density
        Compare it with the figure's `values` and `errors`, with `chi2_to_data`. For a mean it has one entry.

    Raises
    ------
    ValueError
        As `density_per_event`.

    Examples
    --------
    >>> import hadtutor as ht, numpy as np
    >>> pions = ht.hadronize_strings(1000, energy=91.2, rng=np.random.default_rng(1)).hadrons
    >>> thrust = ht.datasets.lep("thrust")
    >>> found = like_lep(pions, thrust)
    >>> round(float(found.density @ np.diff(thrust.edges)), 5)
    1.0
    """
    kept = hadrons
    if figure.particles == "charged pions":
        kept = hadrons.where(abs(hadrons.pid) == 211)
    elif figure.particles == "charged":
        kept = hadrons.where(charge_of(hadrons.pid) != 0)
    if figure.kind == "mean":
        return Density(*_mean_and_covariance(kept.multiplicity[:, None], log_w, "counts"))
    event = None
    if figure.name in _LEP_COLUMNS:
        column = _LEP_COLUMNS[figure.name]
        values = observables.compute(kept, LEP_ENERGY, names=column)[column]
    else:
        values, event = observables.momentum_fraction(kept, LEP_ENERGY), kept.event
        if figure.name == "xi_charged":
            values = -np.log(values)
        elif figure.name == "pipm_p":
            values = 0.5 * LEP_ENERGY * values
    counts = histogram_per_event(values, figure.edges, event, len(hadrons))
    return density_per_event(counts, figure.edges, log_w, figure.kind)


def _mean_and_covariance(counts, log_w, name):
    """Weighted mean of each column and the covariance of these means, (B,) and (B, B)."""
    counts = np.asarray(counts)
    if counts.ndim != 2:
        raise ValueError(f"{name} must have one row per event and one column per bin, got shape {counts.shape}")
    w = relative_weights(checked_log_w(log_w, len(counts), name.replace("counts", "log_w")), name)
    # In float64, but never all of it at once.
    chunks = [slice(i, i + CHUNK) for i in range(0, len(counts), CHUNK)]
    mean = sum(w[c] @ counts[c] for c in chunks)
    if not np.all(np.isfinite(mean)):
        raise ValueError(f"{name} must be finite, got a mean of {mean}")
    residuals = (w[c, None] * (counts[c] - mean) for c in chunks)
    return mean, sum(r.T @ r for r in residuals) / (1 - w @ w)


# --- Chi-square ------------------------------------------------------------------------------------


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
