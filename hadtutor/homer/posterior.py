"""Error bars on a fragmentation function: what the observables say about it, and what they leave open.

Observables that cannot tell two breaks apart know only some sum of their weights; the prior decides the rest.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp, softmax

from ..metrics.shares import covariance_of_means, whiten
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .decays import DecayBasis
from .histograms import Histograms, Means
from .scores import SIZE, Measurement, leading, measure_scores

CHUNK = 20_000  # events at a time
LEADING = 10  # directions that figures are asked about


def measure(
    chains: Chains, breaks: BreakWeights, log_w: np.ndarray, moments: Callable[[Any, slice], np.ndarray], sim: Any,
    data: Any,
) -> Measurement:  # fmt: skip
    r"""Compare means of features, and work out what their differences say about the coefficients.

    Near the weights of the iteration they are linear in the coefficients θ of ln w, optimal observables
    :cite:p:`diehl1994optimal` if F contains the conditional means of the derivatives:

    .. math:: \langle F \rangle_\mathrm{data} - \langle F \rangle_\mathrm{sim, w} = J\,(\theta_\mathrm{true} - \theta)
              + \mathrm{noise}, \qquad J = \mathrm{Cov}_w(F, \partial \ln w / \partial\theta) .

    The mean and J are of the same simulated events: fluctuations of both make :math:`H^T y` lean by
    :math:`-\sum w^2 |\tilde F|^2\, \partial \ln w / \partial\theta`, where :math:`\tilde F` are features less their
    mean in units in which y has unit variance. That is taken off. Figures go by `measure_scores`.

    Parameters
    ----------
    chains : Chains
        Of N simulated events.
    breaks : BreakWeights
        Where the comparison is linearised.
    log_w : ndarray, shape (N,)
        Log weights of the events, those that `breaks` gives.
    moments : Moments, CloudMoments, HistogramMoments, or what `AgainstFigures` has
    sim, data
        What the moments are taken of; for histograms `data` is a `Histograms`, for figures a `Means`.
    """
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    rows = _rows_at(chains, breaks)
    if isinstance(data, Means):  # bins whose slopes have much noise: nothing is left to take off
        of_all = np.concatenate([rows(events) for events in _chunks(len(w))])
        along = leading(of_all, log_w, chains.basis.prior(SIZE), LEADING)
        return measure_scores(of_all, breaks.theta, log_w, moments, sim, data, directions=along)
    mean_f: Any = 0.0
    mean_r = ff = fr = mean_f
    for events in _chunks(len(w)):
        f, r, v = moments(sim, events), rows(events), w[events, None]
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
    y = root @ (mean_data - mean_sim) + h @ breaks.theta
    lean = 0.0
    for events in _chunks(len(w)):
        size = np.sum(((moments(sim, events) - mean_sim) @ root.T) ** 2, axis=1)
        r = rows(events) - (mean_r + shift_r)
        lean = lean + ((w[events] ** 2 * size)[:, None] * r).sum(axis=0)
    return Measurement(y + np.linalg.lstsq(h.T, lean)[0], h)


def _rows_at(chains, breaks, root=None):
    """Derivatives of ln w of some events with respect to all coefficients where they are those of `breaks`, (n, K + F).

    With a matrix `root`, (K + F, L), they are multiplied by it, (n, L).
    """
    root = np.eye(chains.basis.size) if root is None else root
    of_f, of_change = chains.basis.split(root)
    table, change = chains.basis.derivative(breaks.table) @ of_f, chains.basis.split(breaks.theta)[1]
    of_chains = chains.factors.rows(change)
    of_events = np.empty((chains.n_events, len(of_change)))
    for column, of_each in zip(of_events.T, of_chains.T, strict=True):
        column[:] = chains.of_events(of_each)
    if np.ptp(chains.n_strings) == 0:  # the acceptance adds the same to all events
        return lambda events: chains.rows(table, events) + of_events[events] @ of_change
    log_w = chains.log_weights(breaks.table) + chains.factors.log_weights(change)
    slope = chains.log_acceptance_slope(log_w, table, of_chains @ of_change)
    return lambda e: chains.rows(table, e) + of_events[e] @ of_change - np.outer(chains.n_strings[e], slope)


def _chunks(n):
    return [slice(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK)]


class Posterior(NamedTuple):
    """What prior and data together say.

    Attributes
    ----------
    theta, covariance : ndarray, shape (K + F,), (K + F, K + F)
        Mean of the coefficients and their covariance.
    amplitude, stretch : float, tuple of float
        Of the prior, see `BreakBasis.prior`: geometric means over what was averaged.
    log_evidence : float
        Logarithm of the density of the measurement, averaged over the priors.
    chi2, ndf : float
        Of the measurement and its mean under the posterior, and degrees of freedom: the number of measurements less
        that of coefficients that they fix.
    """

    theta: np.ndarray
    covariance: np.ndarray
    amplitude: float
    stretch: tuple
    log_evidence: float
    chi2: float
    ndf: float


def infer(measurement: Measurement, basis: BreakBasis | DecayBasis) -> Posterior:
    r"""Mean and covariance of the coefficients from a `measurement`, averaged over the priors of `basis`.

    Each prior P has the weight of its evidence, :math:`N(y; 0, H P H^T + 1)` :cite:p:`rasmussen2006gaussian`: that
    decides how far the function may depart from Lund's, and over which lengths. An average, and not the prior with the
    largest evidence, because data say little about small departures, and the band must know that.
    """
    y, h = measurement
    settings, before = basis.settings()
    log_evidence, thetas, covariances, seen = [], [], [], []
    for setting in settings:
        prior = basis.prior(*setting)
        gain = prior @ h.T
        total = h @ gain + np.eye(len(y))
        factor = cho_factor(total)
        solved = cho_solve(factor, y)
        log_det = 2.0 * np.log(np.diag(factor[0])).sum()
        log_evidence.append(-0.5 * (y @ solved + log_det + len(y) * np.log(2.0 * np.pi)))
        thetas.append(gain @ solved)
        covariances.append(prior - gain @ cho_solve(factor, gain.T))
        seen.append(len(y) - np.trace(cho_solve(factor, np.eye(len(y)))))
    log_evidence = np.log(before) + log_evidence
    share = softmax(log_evidence)
    theta = share @ thetas
    apart = np.array(thetas) - theta
    covariance = np.einsum("p,pkl->kl", share, covariances) + (share[:, None] * apart).T @ apart
    amplitude, *more = np.exp(share @ np.log([np.hstack(setting) for setting in settings])).tolist()
    return Posterior(
        theta, 0.5 * (covariance + covariance.T), amplitude, tuple(more),
        float(logsumexp(log_evidence)), float(np.sum((y - h @ theta) ** 2)),
        float(len(y) - share @ seen),
    )  # fmt: skip


def event_sigma(chains: Chains, breaks: BreakWeights, log_w: np.ndarray) -> np.ndarray:
    """Standard deviation of the log weight of each event, (N,): breaks of a chain are correlated, and all of it counts.

    The events are those of `chains` with weights `log_w`, (N,); `breaks` have a covariance, else ValueError.
    """
    w, covariance = np.exp(log_w - log_w.max()), breaks.covariance
    if covariance is None:
        raise ValueError("these break weights have no covariance, so nothing is known about the errors of events")
    root = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(breaks.theta)))
    rows = _rows_at(chains, breaks, root)  # so that the variance is a sum of squares
    mean = sum(w[e] @ rows(e) for e in _chunks(len(w))) / w.sum()
    return np.sqrt(np.concatenate([np.sum((rows(e) - mean) ** 2, axis=1) for e in _chunks(len(w))]))
