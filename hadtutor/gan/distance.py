"""How far two laws of directions are from each other."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._support.checks import as_seed, takes_rng, whole
from ..kinematics.tensor import angles
from ..metrics.chi2 import Chi2Result, chi2_of_counts
from ..metrics.distances import wasserstein
from ..metrics.shares import open_edges
from .directions import Decays


def angle_distance(one: Tensor, other: Tensor) -> float:
    """Mean of two Wasserstein distances, of azimuth and polar angle, both scaled to ±1.

    Two samples of the same law are at a distance too: see `sampling_floor`.

    Parameters
    ----------
    one, other : Tensor, shape (rows, 3)
        Directions; as many or not.

    Examples
    --------
    >>> up, down = torch.tensor([[0.0, 0.0, 1.0]] * 2), torch.tensor([[0.0, 0.0, -1.0]] * 2)
    >>> angle_distance(up, up), angle_distance(up, down)
    (0.0, 1.0)
    """
    a, b = (angles(d.detach().double()).cpu().numpy() for d in (one, other))
    return 0.5 * sum(float(wasserstein(a[:, k], b[:, k])) for k in (0, 1))


def polar_chi2(made: Tensor, true: Tensor, bins: int = 40) -> Chi2Result:
    """Whether the polar angles of two samples follow one law, by `hadtutor.metrics.chi2_of_counts`.

    What `angle_distance` cannot see, a mean over the whole range: a corner in which nothing is made. The statistics of
    both samples count. To make more than there is of the truth makes the test sharper.

    Parameters
    ----------
    made, true : Tensor, shape (rows, 3)
        Directions; as many or not.
    bins : int
        With as many of the `made` in each.

    Examples
    --------
    >>> from torch.nn.functional import normalize
    >>> source = torch.Generator().manual_seed(1)
    >>> one, other = (normalize(torch.randn(n, 3, generator=source)) for n in (40_000, 4000))
    >>> polar_chi2(one, other).p_value > 1e-3, polar_chi2(one, normalize(other + 0.1)).p_value < 1e-3
    (True, True)
    """
    a, b = (angles(d.detach().double()).cpu().numpy()[:, 1] for d in (made, true))
    edges = open_edges(a, bins, whole_numbers=False)
    return chi2_of_counts(np.histogram(a, edges)[0], np.histogram(b, edges)[0])


@takes_rng
def sampling_floor(
    direction: Tensor, n: int | None = None, *, repeats: int = 10, rng: np.random.Generator | int = 1
) -> float:
    r"""What `angle_distance` is between two samples of n true directions each.

    Measured on random disjoint parts. Where there are fewer than 2n directions, the parts are halves, and their
    distance is scaled with :math:`1/\sqrt{n}`, as it falls.

    Parameters
    ----------
    direction : Tensor, shape (rows, 3)
        At least four, else a ValueError.
    n : int, optional
        By default as many as there are.
    repeats : int
        The result is the mean over so many divisions.
    rng : numpy.random.Generator or int

    Examples
    --------
    >>> from torch.nn.functional import normalize
    >>> directions = normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)))
    >>> bool(0.005 < sampling_floor(directions, 1000) < 0.04)
    True
    """
    n, repeats = len(direction) if n is None else whole(n, "n"), whole(repeats, "repeats")
    part = min(n, len(direction) // 2)
    if part < 2:
        raise ValueError(f"sampling_floor needs at least four directions, got {len(direction)} and n = {n}")
    source = torch.Generator().manual_seed(as_seed(rng))
    total = 0.0
    for _ in range(repeats):
        order = torch.randperm(len(direction), generator=source).to(direction.device)
        total += angle_distance(direction[order[:part]], direction[order[part : 2 * part]])
    return total / repeats * math.sqrt(part / n)


class AngleScore:
    """Validation for `hadtutor.training.train`: the `angle_distance` between generated and true decays.

    The generator decays the clusters of `truth`, a `Decays`, every time with the same random numbers from `rng`. The
    attribute `floor` is the `sampling_floor` for so many; below it no generator is better than another.
    """

    @takes_rng
    def __init__(self, truth: Decays, *, rng: np.random.Generator | int = 1) -> None:
        self.truth, self.start = truth, as_seed(rng)
        self.floor = sampling_floor(truth.direction)

    def __call__(self, gan: Any) -> float:
        """Distance from the truth of `gan`, a module with a `generator`."""
        source = torch.Generator().manual_seed(self.start)
        noise = torch.randn(len(self.truth.condition), gan.generator.n_noise, generator=source, dtype=torch.float32)
        condition = self.truth.condition
        with torch.no_grad():
            return angle_distance(gan.generator(condition, noise.to(condition)), self.truth.direction)
