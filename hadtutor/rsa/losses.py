r"""Distances between weighted events and data, differentiable in the weights, and the likelihood of histories.

A loss is made of the columns of two samples, the base x and the target y, and is then a function of their log weights.
Weights are normalised inside: a factor common to all events drops out. The target has weights too, so that events of
either sample can be counted more or less often: the derivatives with respect to these counts are the statistical error.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..events.sample import Sample
from ..metrics.shares import whiten
from .histograms import Histograms, checked

Columns = Mapping[str, ArrayLike]


class Loss:
    """What a fit must know of its loss; those below say where they differ."""

    name = ""
    ndf: int | None = None  # independent differences, if the loss has bins
    of_base = True  # whether it is the events of a base whose weights are varied, and not those of the target
    unit = 1.0  # what it rises by from its minimum to one standard deviation, if its errors are right
    calibrated = False  # whether they are, so that a rise is a level of confidence
    binned = False
    smooth = True  # whether it has second derivatives
    at_start = False  # whether it knows the weights it was made with, and is better made anew where those are others
    n_target = 0

    @classmethod
    def weighed(cls, samples: list[Sample], data: Any) -> list[Sample]:
        """The events whose weights are varied."""
        return samples

    @classmethod
    def between(cls, x: Columns, y: Columns, log_w: Tensor, edges: Any, n_bins: int | None) -> "Loss":
        """The loss for base and target with the log weights `log_w` at the start."""
        make: Callable[..., Loss] = cls
        if cls.at_start:
            return make(x, y, log_w, edges, n_bins)
        options = {"edges": edges, "n_bins": n_bins} if cls.binned else {"dtype": log_w.dtype}
        return make(x, y, device=log_w.device, **options)

    def __call__(self, log_w: Tensor, log_v: Tensor) -> Tensor:
        """The loss for log weights of base and target, shape (N,) and (M,)."""
        raise NotImplementedError

    def counted(self, weights: Callable[..., Tensor], log_u: Tensor | None, log_v: Tensor | None) -> Tensor:
        """The loss with `weights`, a function of counts, if events of base and target count exp(log_u), exp(log_v)."""
        log_w = weights(log_u)
        log_v = log_w.new_zeros(self.n_target) if log_v is None else log_v
        return self(log_w if log_u is None else log_w + log_u, log_v)

    def precision(self, first: float) -> tuple[float, float]:
        """A scale for the loss, from where it starts, and the change in it that is not worth a step."""
        if not self.smooth:  # a distance, which has no scale of its own
            return first or 1.0, 1e-9
        scale = max(1.0, abs(first))
        return scale, 1e-5 / scale


class PseudoChi2(Loss):
    r"""Sum over bins of :math:`(y_{sim} - y_{exp})^2 / (\sigma_{sim}^2 + \sigma_{exp}^2)`, as if bins were independent.

    Parameters
    ----------
    x, y : mapping of str to array_like, shape (N,) and (M,)
        Observables of base and target.
    edges : mapping of str to array_like, optional
        Edges of bins; `default_edges` with `n_bins` where none are given.
    n_bins : int, optional
    device : torch.device or str
        Of the weights it will be given.

    Raises
    ------
    ValueError
        If the samples have different observables, or nothing in common; a warning where the base alone is empty.
    """

    name, binned = "pseudo-chi2", True

    def __init__(
        self, x: Columns, y: Columns, edges: Columns | None = None, n_bins: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.histograms = Histograms(x, y, edges, n_bins, device)
        self.n_target = self.histograms.n_target
        self.ndf = int(self.histograms.used.sum())  # its mean for equal samples; it is broader than a true χ²

    def __call__(self, log_w: Tensor, log_v: Tensor) -> Tensor:
        h = self.histograms
        share_x, variance_x = h.fractions(log_w, h.place_x)
        share_y, variance_y = h.fractions(log_v, h.place_y)
        # Empty bins are left out before the division: the gradient of 0/0 is NaN even where it is not looked at.
        return ((share_x - share_y)[h.used] ** 2 / (variance_x + variance_y)[h.used]).sum()


class Chi2(Loss):
    """:math:`r^T V^{-1} r` with the differences r in all bins of all observables and their covariance matrix V.

    The same events fill the histograms of all observables, so their bins are correlated. V is estimated once, from the
    target and the base with the weights `log_w`, shape (N,); the loss then is a true χ². The other arguments, `x`, `y`,
    `edges` and `n_bins`, are those of `PseudoChi2`; so are errors and warnings.
    """

    name, binned, calibrated, at_start = "chi2", True, True, True

    def __init__(
        self, x: Columns, y: Columns, log_w: Tensor, edges: Columns | None = None, n_bins: int | None = None
    ) -> None:
        h = self.histograms = Histograms(x, y, edges, n_bins, log_w.device)
        self.n_target, used = h.n_target, h.used.cpu().numpy()
        v = h.covariance(log_w, h.place_x) + h.covariance(log_w.new_zeros(h.n_target), h.place_y)
        self.root = log_w.new_tensor(whiten(v[np.ix_(used, used)]))
        self.ndf = self.root.shape[1]

    def __call__(self, log_w: Tensor, log_v: Tensor) -> Tensor:
        h = self.histograms
        difference = h.sums(torch.softmax(log_w, 0), h.place_x) - h.sums(torch.softmax(log_v, 0), h.place_y)
        return (difference[h.used] @ self.root).square().sum()


class Wasserstein(Loss):
    r"""Sum over observables of :math:`\int |F - G|\,dx`, in units of the standard deviation of the target. No bins.

    Arguments `x`, `y` and `device` as of `PseudoChi2`, events without a value are left out; `dtype` is that of the
    weights. A ValueError if the samples have different observables, or one has no spread, and a RuntimeWarning if the
    target has events beyond all of the base.
    """

    name, smooth = "wasserstein", False

    def __init__(
        self, x: Columns, y: Columns, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> None:
        self.parts = []
        for name, values in checked(x, y).items():
            self.n_target = len(values[1])
            keep = [np.flatnonzero(np.isfinite(v)) for v in values]
            spread = np.std(values[1][keep[1]])
            if not spread > 0:
                raise ValueError(f"{name} has no spread in the target, which leaves no scale for its distance")
            both = np.concatenate([v[k] for v, k in zip(values, keep, strict=True)])
            order = np.argsort(both, kind="stable")
            tensors = [torch.tensor(k, device=device) for k in (*keep, order)]
            gaps = torch.tensor(np.diff(both[order]) / spread, dtype=dtype, device=device)
            self.parts.append((*tensors, gaps))

    def __call__(self, log_w: Tensor, log_v: Tensor) -> Tensor:
        total = log_w.new_zeros(())
        for keep_x, keep_y, order, gaps in self.parts:
            steps = torch.cat([torch.softmax(log_w[keep_x], 0), -torch.softmax(log_v[keep_y], 0)])[order]
            total = total + torch.cumsum(steps, 0)[:-1].abs() @ gaps
        return total


class Likelihood(Loss):
    """Negative logarithm of the likelihood of the histories of the target, which only a simulated target has.

    It uses neither base nor observables, and its error is the Cramér–Rao bound of all that happened in the events.
    """

    name, calibrated, of_base, unit = "nll", True, False, 0.5

    @classmethod
    def weighed(cls, samples: list[Sample], data: Any) -> list[Sample]:
        if not isinstance(data, Sample) or data.histories is None:
            raise ValueError("the likelihood needs the histories of the target; data have none, take another loss")
        return [data]

    @classmethod
    def between(cls, x: Columns, y: Columns, log_w: Tensor, edges: Any, n_bins: int | None) -> "Loss":
        return cls()

    def __call__(self, log_w: Tensor, log_v: Tensor | None) -> Tensor:
        """The loss for the log density of events of the target, and the logarithm of how often each counts."""
        return -(log_w.sum() if log_v is None else log_v.exp() @ log_w)

    def counted(self, weights: Callable[..., Tensor], log_u: Tensor | None, log_v: Tensor | None) -> Tensor:
        return self(weights(log_v), log_v)


LOSSES = {loss.name: loss for loss in (Chi2, PseudoChi2, Wasserstein, Likelihood)}


def named(loss: Any) -> type[Loss]:
    """The loss of a name."""
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]
