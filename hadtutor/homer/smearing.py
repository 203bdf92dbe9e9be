"""Weights of events averaged with those of events like them."""

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.checks import log_weights, number, plain, whole

BLOCK = 256  # events: pairs of two blocks fit into the cache
ROWS = 32  # events: their distances to all others do


def smear(log_w: ArrayLike, x: ArrayLike, *, width: float | None = None, neighbours: int | None = None) -> np.ndarray:
    r"""Local averages of weights: events with nearly the same observables get nearly the same weight.

    A classifier that has learned some of its events by heart scatters about the ratio of densities. The mean over
    events like one another is free of that, at the price of a bias where the ratio is curved
    :cite:p:`assi2025characterizing`:

    .. math:: w_i \to \frac{\sum_j K_{ij} w_j}{\sum_j K_{ij}}, \qquad
        K_{ij} = \exp\Bigl(-\frac{|x_i - x_j|^2}{2 \cdot \mathrm{width}^2}\Bigr) ,

    or the mean over the nearest `neighbours`. Equal weights stay, and none leaves the range of the old ones. Their mean
    does not stay, only that with the local density of events: :math:`\sum_i w_i \sum_j K_{ij}`. `step_two` looks at
    ratios of weights alone.

    Parameters
    ----------
    log_w : array_like, shape (N,)
        Log weights of events, such as what they carry already plus the `log_ratio` of `step_one`.
    x : array_like, shape (N, F)
        Observables of these events, at least one; they are standardised here.
    width : float, optional
        Standard deviation of the Gaussian K, from 0.001, in standard deviations of the observables. In many dimensions
        events are far from each other: in 13 they have no neighbour within 0.05, and 0.5 to 1 does something.
    neighbours : int, optional
        How many events are averaged, an event itself is the first of them; from 1, which changes nothing, to N.

    Returns
    -------
    ndarray, shape (N,)
        Log weights. All pairs of events are looked at, which takes up to a minute for 10⁵ events on one core.

    Raises
    ------
    TypeError, ValueError
        If not exactly one of `width` and `neighbours` is given, or is out of range; if `x` has another length than
        `log_w`, or is not finite (the message names the event); if all weights are zero.

    Examples
    --------
    >>> x, log_w = [[0.0], [1.0], [10.0]], np.log([1.0, 3.0, 5.0])
    >>> np.exp(smear(log_w, x, neighbours=2)).round(3).tolist()
    [2.0, 2.0, 4.0]
    """
    scaled = _standardised(x)
    log_w = log_weights(log_w, len(scaled))
    if (width is None) == (neighbours is None):
        raise ValueError(f"smear wants a width or a number of neighbours, one of them, got {width} and {neighbours}")
    if (top := log_w.max()) == -np.inf:
        raise ValueError(f"smear needs an event with a weight above zero, got none among {len(log_w)}")
    w = torch.from_numpy(np.exp(log_w - top))
    if width is not None:
        mean = _gaussian(w, scaled / number(width, "width", 1e-3))
    else:
        mean = _nearest(w, scaled, whole(neighbours, "neighbours", 1, len(scaled)))
    return top + mean.log().numpy()


def _standardised(x):
    """Observables with mean 0 and standard deviation 1; one that does not vary is 0."""
    x = plain(x, "x").astype(float)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must hold observables of events, shape (N, F), got shape {x.shape}")
    if len(bad := np.argwhere(~np.isfinite(x))):
        event, feature = bad[0]
        raise ValueError(f"x must be finite, got {x[event, feature]} as observable {feature} of event {event}")
    x, spread = x - x.mean(axis=0), x.std(axis=0)
    return torch.from_numpy(x / np.where(spread > 0, spread, 1.0))


def _gaussian(w, x):
    """Means of w with exp(−|x_i − x_j|²/2), over all pairs, each looked at once."""
    both, half = torch.stack([w, torch.ones_like(w)], dim=1), 0.5 * x.square().sum(dim=1)
    total = torch.zeros_like(both)
    blocks = [slice(start, start + BLOCK) for start in range(0, len(x), BLOCK)]
    for place, a in enumerate(blocks):
        for b in blocks[place:]:
            # What is 25 widths apart has no weight, and would be slow to work with.
            kernel = torch.addmm(-half[b], x[a], x[b].T).sub_(half[a, None]).clamp_(-300.0, 0.0).exp_()
            total[a] += kernel @ both[b]
            if a is not b:
                total[b] += kernel.T @ both[a]
    return total[:, 0] / total[:, 1]


def _nearest(w, x, n):
    """Means of w over the nearest n; in so many dimensions to look at all pairs is faster than a tree."""
    half, mean = 0.5 * x.square().sum(dim=1), torch.empty_like(w)
    near = x.new_empty(ROWS, len(x))  # one piece of memory, used again: freed ones would not be given back
    for start in range(0, len(x), ROWS):
        some = x[start : start + ROWS]
        torch.addmm(-half, some, x.T, out=near[: len(some)])
        mean[start : start + ROWS] = w[near[: len(some)].topk(n, sorted=False)[1]].mean(dim=1)
    return mean
