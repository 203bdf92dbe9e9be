"""What few events say: their features through as many numbers as there are coefficients."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..metrics.shares import whiten
from .histograms import Histograms, Means

SIZE = 0.3  # of departures from the model, to tell directions that matter
FOLDS = 5
RIDGE = 1e-6  # of the variance of each feature
LEAST = 1e-5  # of the largest variance: directions that events know nothing of


class Measurement(NamedTuple):
    """What the data say about the coefficients: y = Hθ + noise, with independent noise of unit variance.

    Attributes
    ----------
    y, h : ndarray, shape (M,), (M, K + F)
    """

    y: np.ndarray
    h: np.ndarray


def measure_scores(
    rows: np.ndarray, theta: np.ndarray, log_w: np.ndarray, moments: Callable[[Any, slice], np.ndarray], sim: Any,
    data: Any, shower: np.ndarray | None = None, directions: np.ndarray | None = None,
) -> Measurement:  # fmt: skip
    r"""What the data say about the coefficients, as `measure`, for events so few that noise of the Jacobian counts.

    A few thousand events and a hundred features fit any derivative a little, and what they fit by chance looks like
    information. So each derivative is first regressed on the features: the regressions are the features that matter,
    optimal observables :cite:p:`diehl1994optimal`, as many as coefficients. Events are never seen through a regression
    that they took part in. (Mean and Jacobian are of the same events; with so few numbers the lean of `measure` is
    small.)

    Parameters
    ----------
    rows : ndarray, shape (N, K)
        Derivatives of the log weights of N simulated events with respect to the coefficients.
    theta, log_w : ndarray, shape (K,), (N,)
        Coefficients where they were taken, and log weights there.
    moments, sim, data
        As for `measure`.
    shower : ndarray of int, shape (N,), optional
        Number of the shower of each simulated event: those of one are no independent events.
    directions : ndarray, shape (K, M), optional
        Of the coefficients, what the features should know of; all by default.
    """
    n = len(log_w)
    shower = np.arange(n) if shower is None else shower
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    x = moments(sim, slice(0, n))
    middle = w @ x
    x = x - middle
    spread = np.sqrt(w @ x**2)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9 * (1.0 + abs(middle)))
    x, r = x * scale, rows - w @ rows
    wanted = r if directions is None else r @ directions
    fold = (np.random.default_rng(0).permutation(shower.max() + 1) % FOLDS)[shower]  # they may be in some order
    seen, mean_map = np.empty_like(wanted), np.zeros((x.shape[1], wanted.shape[1]))
    published = isinstance(data, (Histograms, Means))
    of_features = data.covariance * np.outer(scale, scale) if published else 0.0
    for k in range(FOLDS):
        v = np.where(fold == k, 0.0, w)
        v /= v.sum()
        f = x - v @ x
        # What the data leave unsure of each feature, besides what the simulation does, if that is not alike.
        square = (w @ w) * ((v[:, None] * f).T @ f + RIDGE * np.eye(len(scale))) + of_features
        to_scores = np.linalg.solve(square, (v[:, None] * f).T @ wanted)
        seen[fold == k] = x[fold == k] @ to_scores
        mean_map = mean_map + to_scores / FOLDS
    # Directions of the coefficients that change nothing, such as what the norm takes off, are noise here.
    size, direction = np.linalg.eigh((w[:, None] * seen).T @ seen)
    kept = direction[:, size > LEAST * size[-1]]
    seen, mean_map = seen @ kept, mean_map @ kept
    if published:
        off = ((data.shares - middle) * scale) @ mean_map
        of_data = mean_map.T @ of_features @ mean_map
    else:
        m = len(data[0] if isinstance(data, tuple) else data)
        scores = ((moments(data, slice(0, m)) - middle) * scale) @ mean_map
        off, of_data = scores.mean(axis=0), np.atleast_2d(np.cov(scores.T)) / m
    mean = w @ seen
    apart = w[:, None] * (seen - mean)
    of_showers = np.stack([np.bincount(shower, column) for column in apart.T])
    root = whiten(of_showers @ of_showers.T + of_data).T
    h = root @ (apart.T @ r)
    return Measurement(root @ (off - mean) + h @ theta, h)


def leading(rows: np.ndarray, log_w: np.ndarray, prior: np.ndarray, n: int) -> np.ndarray:
    """The `n` directions of the coefficients, (K, n), along which weights of events may differ most before any data.

    `rows` and `log_w` are those of `measure_scores`, `prior` the covariance, (K, K).
    """
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    values, vectors = np.linalg.eigh(prior)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    along = (rows - w @ rows) @ root
    return root @ np.linalg.eigh((w[:, None] * along).T @ along)[1][:, -n:]


def chi2_of_means(
    log_w: np.ndarray, moments: Callable[[Any, slice], np.ndarray], sim: Any, data: Any, shower: np.ndarray
) -> tuple[float, int]:
    """χ² of the means of all features, data and weighted simulation, and their number; as of `measure_scores`."""
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    x = moments(sim, slice(0, len(w)))
    mean = w @ x
    apart = np.stack([np.bincount(shower, column) for column in (w[:, None] * (x - mean)).T])
    if isinstance(data, (Histograms, Means)):
        of_data, covariance = data.shares, data.covariance
    else:
        m = len(data[0] if isinstance(data, tuple) else data)
        y = moments(data, slice(0, m))
        of_data, covariance = y.mean(axis=0), np.atleast_2d(np.cov(y.T)) / m
    off = whiten(apart @ apart.T + covariance).T @ (of_data - mean)
    return float(off @ off), len(off)
