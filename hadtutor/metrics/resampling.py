"""P-values by resampling: the multiplier bootstrap of weighted samples, and permutations."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.bars import track
from .._support.checks import Rng, as_generator, plain, takes_rng, whole

STEPS = 10_000  # cumulative distributions are resampled in at most so many, of equal noise


class DistanceResult(NamedTuple):
    """How far two samples are apart, and how often samples of one distribution are at least as far apart.

    The p-value is never 0 and never too small on average: the observed distance counts as one of the resampled ones.
    """

    distance: float
    p_value: float


def judged(distance: float, resampled: np.ndarray) -> DistanceResult:
    """The observed distance among those of samples of one distribution."""
    return DistanceResult(float(distance), float((1 + np.sum(resampled >= distance)) / (1 + len(resampled))))


class Cumulative(NamedTuple):
    """Two cumulative distributions F and G, as step functions of all points of both samples."""

    points: np.ndarray  # increasing
    difference: np.ndarray  # F - G
    common: np.ndarray  # mean of F and G, each with its effective number of events
    noise: np.ndarray  # variance of Σ ξ ω up to each point, both samples together

    @classmethod
    def of(cls, x: np.ndarray, w_x: np.ndarray, y: np.ndarray, w_y: np.ndarray) -> "Cumulative":
        points, place = np.unique(np.concatenate([x, y]), return_inverse=True)
        (f, noise_f), (g, noise_g) = (
            [np.cumsum(np.bincount(at, u, minlength=len(points))) for u in (w, w**2 / (1 - w @ w))]
            for at, w in ((place[: len(x)], w_x), (place[len(x) :], w_y))
        )
        f, g = f / f[-1], g / g[-1]  # the last is exactly 1, so equal samples without scatter are at distance 0
        common = (f * noise_g[-1] + g * noise_f[-1]) / (noise_f[-1] + noise_g[-1])
        return cls(points, f - g, common, noise_f + noise_g)

    def test(self, norm: Callable, rng: Rng | None, n_resamples: int) -> DistanceResult:
        """`norm` of the difference, with its p-value among those that two samples of one distribution might have had.

        That is the multiplier bootstrap, whose sum of ξ ω over neighbouring events is normal itself: steps of many
        events cost no more than of one.
        """
        rng, resampled = as_generator(rng), np.empty(whole(n_resamples, "n_resamples"))
        last = len(self.points) - 1
        step = np.arange(last + 1)
        if last >= STEPS:
            step = np.unique(np.append(np.searchsorted(self.noise, np.linspace(0, self.noise[-1], STEPS)), last))
        width = np.sqrt(np.diff(self.noise[step], prepend=0))
        common, gaps = self.common[step], np.diff(self.points[step])
        for k in range(n_resamples):
            walk = np.cumsum(width * rng.standard_normal(len(step)))
            resampled[k] = norm(walk - common * walk[-1], gaps)
        return judged(norm(self.difference, np.diff(self.points)), resampled)


@takes_rng
def permutation_test(
    statistic: Callable, x: ArrayLike, y: ArrayLike, *, rng: Rng, n_permutations: int = 999, progress: bool = True
) -> DistanceResult:
    """Exact test of any statistic: how often is it as large when events are dealt to the two samples at random?

    For samples without weights: a weighted event of x cannot change places with one of y. The p-value never comes out
    too small, whatever the size of the samples (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).

    Parameters
    ----------
    statistic : callable
        ``statistic(x, y)`` gives a number that is larger the more the samples differ, such as `wasserstein`.
    x, y : array_like, shape (N, ...), (M, ...)
        Events along the first axis, at least one of each, as `statistic` takes them.
    rng : numpy.random.Generator or int
    n_permutations : int
        The smallest possible p-value is 1 / (n_permutations + 1).
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.
    """
    rng, n_permutations = as_generator(rng), whole(n_permutations, "n_permutations")
    x, y = plain(x, "sample x"), plain(y, "sample y")
    if x.ndim == 0 or y.ndim == 0 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"the samples must have shapes (N, ...) and (M, ...), got {x.shape} and {y.shape}")
    if len(x) == 0 or len(y) == 0:
        raise ValueError(f"a permutation needs events in both samples, got {len(x)} and {len(y)}")
    both, observed = np.concatenate([x, y]), float(statistic(x, y))
    permuted = np.empty(n_permutations)
    for k in track(range(n_permutations), "permutation", progress):
        order = rng.permutation(len(both))
        permuted[k] = statistic(both[order[: len(x)]], both[order[len(x) :]])
    if np.isnan(observed) or np.isnan(permuted).any():
        raise ValueError("statistic gave NaN; leave out events whose value is undefined")
    # Equal up to rounding is equal: the same events may be added in another order.
    return DistanceResult(observed, judged(observed - 1e-12 * abs(observed), permuted).p_value)
