"""Error bars on a fragmentation function: what the observables say about it, and what they leave open.

Observables that cannot tell two breaks apart know only some sum of their weights; the prior decides the rest.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from ..metrics.shares import covariance_of_means, whiten
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .histograms import Histograms

CHUNK = 20_000  # events at a time
# What the prior itself is before the data: amplitude, two stretches of lengths, widths of Δa and of Δb [GeV⁻²] ...
HYPER_MEDIAN = np.array([0.5, 1.0, 1.0, 0.3, 0.1])
HYPER_WIDTH = np.array([0.7, 0.5, 0.5, 2.0, 2.0])  # ... and the standard deviations of their logarithms


class Measurement(NamedTuple):
    """What the data say about the coefficients: y = Hθ + noise, with independent noise of unit variance.

    Attributes
    ----------
    y, h : ndarray, shape (M,), (M, K)
    """

    y: np.ndarray
    h: np.ndarray


def measure(
    chains: Chains, breaks: BreakWeights, log_w: np.ndarray, moments: Callable[[Any, slice], np.ndarray], sim: Any,
    data: Any,
) -> Measurement:  # fmt: skip
    r"""Compare means of features, and work out what their differences say about the coefficients.

    Near the weights of the iteration they are linear in the coefficients θ of ln w, optimal observables
    :cite:p:`diehl1994optimal` if F contains the conditional means of the derivatives:

    .. math:: \langle F \rangle_\mathrm{data} - \langle F \rangle_\mathrm{sim, w} = J\,(\theta_\mathrm{true} - \theta)
              + \mathrm{noise}, \qquad J = \mathrm{Cov}_w(F, \partial \ln w / \partial\theta) .

    Parameters
    ----------
    chains : Chains
        Of N simulated events.
    breaks : BreakWeights
        Where the comparison is linearised.
    log_w : ndarray, shape (N,)
        Log weights of the events, those that `breaks` gives.
    moments : Moments, CloudMoments or HistogramMoments
    sim, data
        What the moments are taken of; for histograms `data` is a `Histograms`.
    """
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    derivative = breaks.basis.derivative(breaks.table)
    mean_f: Any = 0.0
    mean_r = ff = fr = mean_f
    for events in _chunks(len(w)):
        f, r, v = moments(sim, events), chains.rows(derivative, events), w[events, None]
        if np.isscalar(mean_f):
            shift_f, shift_r = f.mean(axis=0), r.mean(axis=0)  # near the mean, so that little cancels below
        f, r = f - shift_f, r - shift_r
        mean_f, mean_r = mean_f + (v * f).sum(axis=0), mean_r + (v * r).sum(axis=0)
        fr = fr + (v * f).T @ r
        vf = np.concatenate([f, np.ones((len(f), 1))], axis=1) * v
        ff = ff + vf.T @ vf
    jacobian = fr - np.outer(mean_f, mean_r)
    variance = covariance_of_means(ff[:-1, :-1], ff[:-1, -1], float(ff[-1, -1]), mean_f)
    mean_sim = mean_f + shift_f
    if isinstance(data, Histograms):
        mean_data, variance_data = data.shares, data.covariance
    else:
        n = len(data[0] if isinstance(data, tuple) else data)
        total = square = 0.0
        for events in _chunks(n):
            f = moments(data, events) - mean_sim
            total, square = total + f.sum(axis=0), square + f.T @ f
        mean_data = mean_sim + total / n
        variance_data = (square / n - np.outer(total / n, total / n)) / n
    root = np.ascontiguousarray(whiten(variance + variance_data).T)
    h = root @ jacobian
    return Measurement(root @ (mean_data - mean_sim) + h @ breaks.theta, h)


def _chunks(n):
    return [slice(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK)]


class Posterior(NamedTuple):
    """What prior and data together say.

    Attributes
    ----------
    theta, covariance : ndarray, shape (K,), (K, K)
        Mean of the coefficients and their covariance.
    amplitude, stretch, lund_scale : float, tuple of float, tuple of float
        Of the prior, see `BreakBasis.prior`.
    """

    theta: np.ndarray
    covariance: np.ndarray
    amplitude: float
    stretch: tuple
    lund_scale: tuple


def infer(measurement: Measurement, basis: BreakBasis) -> Posterior:
    """Mean and covariance of the coefficients from a `measurement`, with the prior of `basis` that makes it likeliest.

    That decides how far the function may depart from Lund's, and over which lengths :cite:p:`rasmussen2006gaussian`.
    """
    y, h = measurement

    def solve(x):
        hyper = HYPER_MEDIAN * np.exp(x)
        prior = basis.prior(hyper[0], hyper[1:3], hyper[3:])
        factor = cho_factor(h @ prior @ h.T + np.eye(len(y)))
        return prior, factor, cho_solve(factor, y)

    def surprise(x):
        try:
            _, factor, solved = solve(x)
        except np.linalg.LinAlgError:  # so wide a prior that rounding is larger than the noise
            return np.inf
        return 0.5 * y @ solved + np.log(np.diag(factor[0])).sum() + 0.5 * np.sum((x / HYPER_WIDTH) ** 2)

    corners = np.concatenate([np.zeros((1, 5)), 0.7 * np.eye(5)])
    options = {"maxiter": 400, "xatol": 0.02, "fatol": 0.02, "initial_simplex": corners}
    best = minimize(surprise, corners[0], method="Nelder-Mead", options=options)
    prior, factor, solved = solve(best.x)
    gain = prior @ h.T
    covariance = prior - gain @ cho_solve(factor, gain.T)
    amplitude, *more = map(float, HYPER_MEDIAN * np.exp(best.x))
    return Posterior(gain @ solved, 0.5 * (covariance + covariance.T), amplitude, tuple(more[:2]), tuple(more[2:]))


def event_sigma(chains: Chains, breaks: BreakWeights, log_w: np.ndarray) -> np.ndarray:
    """Standard deviation of the log weight of each event, (N,): breaks of a chain are correlated, and all of it counts.

    The events are those of `chains` with weights `log_w`, (N,); `breaks` have a covariance, else ValueError.
    """
    w, covariance = np.exp(log_w - log_w.max()), breaks.covariance
    if covariance is None:
        raise ValueError("these break weights have no covariance, so nothing is known about the errors of events")
    root = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(breaks.theta)))
    columns = breaks.basis.derivative(breaks.table) @ root  # so that the variance is a sum of squares
    mean = sum(w[e] @ chains.rows(columns, e) for e in _chunks(len(w))) / w.sum()
    squares = [np.sum((chains.rows(columns, e) - mean) ** 2, axis=1) for e in _chunks(len(w))]
    return np.sqrt(np.concatenate(squares))
