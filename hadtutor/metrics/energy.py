"""The energy distance, of one number and in many dimensions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import Rng, as_generator, plain, takes_rng, whole
from .resampling import Cumulative, DistanceResult, judged
from .weighted import has_names, same_features, two_samples

MOST_EVENTS = 8_000  # of both samples together, in `energy_test` of several features: all distances fill 0.5 GB
CHUNK = 5_000_000  # distances of pairs held at a time by `energy_distance`: 40 MB


def energy_distance(x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None) -> float:
    r"""Energy distance :math:`(2\,E|X - Y| - E|X - X'| - E|Y - Y'|)^{1/2}` of two samples of events.

    Zero if and only if the distributions are equal (Székely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249), in
    units of the root of x. For one quantity this is :math:`(2 \int (F - G)^2\, dt)^{1/2}`, as in scipy, in
    O(N log N). For F features all pairs of events count, in memory of fixed size: 10 000 events against 10 000 take a
    few seconds, 100 000 a hundred times longer. Compare subsamples then.

    Parameters
    ----------
    x, y : array_like, shape (N,), (M,) or (N, F), (M, F), or mapping of names to columns
        Finite values. An event with NaN in one of its F features is left out together with its weight. The distance
        is Euclidean, so give the features comparable units first.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
    """
    x, w_x, y, w_y = _samples(x, y, log_w_x, log_w_y)
    if x.ndim == 1:
        from scipy import stats  # slow to import

        return float(stats.energy_distance(x, y, w_x, w_y))
    square = 2 * _mean_distance(x, w_x, y, w_y) - _mean_distance(x, w_x, x, w_x) - _mean_distance(y, w_y, y, w_y)
    return float(np.sqrt(max(square, 0.0)))


def _samples(x: Any, y: Any, log_w_x: Any, log_w_y: Any) -> tuple[np.ndarray, ...]:
    """Values and weights of both samples, of one number or of several features."""
    if not (has_names(x) or has_names(y)) and plain(x, "sample x").ndim == plain(y, "sample y").ndim == 1:
        return two_samples(x, y, log_w_x, log_w_y)
    return two_samples(*same_features(x, y), log_w_x, log_w_y, ndim=2)


def _mean_distance(x, w_x, y, w_y):
    from scipy.spatial.distance import cdist

    size = max(1, CHUNK // len(y))
    starts = range(0, len(x), size)
    return sum(w_x[i : i + size] @ (cdist(x[i : i + size], y) @ w_y) for i in starts)


@takes_rng
def energy_test(
    x: ArrayLike, y: ArrayLike, log_w_x: Any = None, log_w_y: Any = None, *, rng: Rng, n_resamples: int = 999
) -> DistanceResult:
    """Is the energy distance of two samples larger than their size and weights explain?

    Its p-value is that of `wasserstein_test`.

    Parameters
    ----------
    x, y, log_w_x, log_w_y
        As for `energy_distance`. For several features at most 8000 events in both samples together.
    rng, n_resamples
        As for `ks_test`.
    """
    from scipy.spatial.distance import cdist

    rng, n_resamples = as_generator(rng), whole(n_resamples, "n_resamples")
    x, w_x, y, w_y = _samples(x, y, log_w_x, log_w_y)
    if x.ndim == 1:
        sums = Cumulative.of(x, w_x, y, w_y)
        return sums.test(lambda difference, gaps: np.sqrt(2 * difference[:-1] ** 2 @ gaps), rng, n_resamples)
    if len(x) + len(y) > MOST_EVENTS:
        found = f"{len(x)} + {len(y)}"
        raise ValueError(f"energy_test compares all pairs of at most {MOST_EVENTS} events, got {found}: subsample them")
    distances = cdist(both := np.concatenate([x, y]), both)
    observed = np.concatenate([w_x, -w_y])[None]
    resampled = np.hstack([_multipliers(w_x, rng, n_resamples), _multipliers(w_y, rng, n_resamples)])
    return judged(_energy(observed, distances)[0], _energy(resampled, distances))


def _multipliers(w, rng, n_resamples):
    """Coefficients of ξ ω (δ(x - x_i) - p(x)), with the sample itself for p; shape (n_resamples, N)."""
    xi = rng.standard_normal((n_resamples, len(w)))
    return w * (xi - (xi @ w)[:, None]) / np.sqrt(1 - w @ w)


def _energy(a, distances):
    """Energy distance from zero of signed distributions Σ a δ(x - x_i)."""
    return np.sqrt(np.maximum(-np.einsum("ij,ij->i", a @ distances, a), 0.0))
