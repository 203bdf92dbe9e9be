r"""Distances between weighted events and data, differentiable in the weights, and the likelihood of histories.

A loss is made of the columns of two samples, the base x and the target y, and is then a function of their log weights.
Weights are normalised inside: a factor common to all events drops out. The target has weights too, so that events of
either sample can be counted more or less often: the derivatives with respect to these counts are the statistical error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..events.sample import Sample
from ..metrics.shares import whiten
from ..params import LundParams
from .histograms import Histograms, check_names, check_support

Columns = Mapping[str, ArrayLike]
EVERYWHERE = {"a": (0.0, 20.0), "b": (1e-3, 1e3), "sigma_pt": (1e-3, 1e3)}


class Loss:
    """What a fit must know of its loss; those below say where they differ.

    Attributes
    ----------
    name : str
    ndf : int or None
        Independent differences, if the loss has bins.
    of_base : bool
        Whether it is the events of a base whose weights are varied, and not those of the target.
    unit : float
        What it rises by from its minimum to one standard deviation, if its errors are right.
    calibrated : bool
        Whether they are, so that a rise is a level of confidence.
    binned, smooth : bool
        Whether it has bins, and second derivatives.
    at_start : bool
        Whether it knows the weights it was made with, and is better made anew where those are others.
    """

    name = ""
    ndf: int | None = None
    of_base = True
    unit = 1.0
    calibrated = False
    binned = False
    smooth = True
    at_start = False
    n_target = 0

    @classmethod
    def weighed(cls, samples: list[Sample], data: Any) -> list[Sample]:
        """The events whose weights are varied."""
        return samples

    @classmethod
    def between(cls, x: Columns, y: Columns, log_w: torch.Tensor, edges: Any, n_bins: int | None) -> Loss:
        """The loss for base and target with the log weights `log_w` at the start."""
        make: Callable[..., Loss] = cls
        bins = {"edges": edges, "n_bins": n_bins} if cls.binned else {}
        if cls.at_start:
            return make(x, y, log_w, **bins)
        return make(x, y, dtype=log_w.dtype, device=log_w.device, **bins)

    def __call__(self, log_w: torch.Tensor, log_v: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def counted(
        self, weights: Callable[..., torch.Tensor], log_u: torch.Tensor | None, log_v: torch.Tensor | None
    ) -> torch.Tensor:
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

    def limits(self, base: LundParams) -> dict[str, tuple[float, float]]:
        """Range of each parameter in which the weights have a finite variance, see `hadtutor.weights`."""
        low = {"a": max(0.0, 0.5 * (base.a - 1.0) + 0.01), "b": 0.51 * base.b, "sigma_pt": 1e-3}
        high = {"a": 20.0, "b": 1e3, "sigma_pt": 1.4 * base.sigma_pt}
        return {name: (low[name], high[name]) for name in low}


class PseudoChi2(Loss):
    r"""Sum over bins of :math:`(y_{sim} - y_{exp})^2 / (\sigma_{sim}^2 + \sigma_{exp}^2)`, as if bins were independent.

    Parameters
    ----------
    x, y : mapping of str to array_like, shape (N,) and (M,)
        Observables of base and target.
    edges : mapping of str to array_like, optional
        Edges of bins; `default_edges` where none are given.
    n_bins : int, optional
        As in `default_edges`.
    dtype, device
        Of the weights it will be given.

    Raises
    ------
    ValueError
        If the samples have different observables, or nothing in common.

    Warns
    -----
    RuntimeWarning
        If the target has events where the base has none.
    """

    name, binned = "pseudo-chi2", True

    def __init__(
        self, x: Columns, y: Columns, edges: Columns | None = None, n_bins: int | None = None,
        dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.histograms = Histograms(x, y, edges, n_bins, device)
        self.n_target = self.histograms.n_target
        self.ndf = int(self.histograms.used.sum())  # its mean for equal samples; it is broader than a true χ²

    def __call__(self, log_w: torch.Tensor, log_v: torch.Tensor) -> torch.Tensor:
        """The loss for log weights of base and target, shape (N,) and (M,)."""
        h = self.histograms
        share_x, variance_x = h.fractions(log_w, h.place_x)
        share_y, variance_y = h.fractions(log_v, h.place_y)
        # Empty bins are left out before the division: the gradient of 0/0 is NaN even where it is not looked at.
        return ((share_x - share_y)[h.used] ** 2 / (variance_x + variance_y)[h.used]).sum()


class Chi2(Loss):
    r""":math:`r^T V^{-1} r` with the differences r in all bins of all observables and their covariance matrix V.

    The same events fill the histograms of all observables, so their bins are correlated. V is estimated once, from the
    target and the base with the weights `log_w`; the loss then is a true χ².

    Parameters
    ----------
    x, y : mapping of str to array_like, shape (N,) and (M,)
        Observables of base and target.
    log_w : Tensor, shape (N,)
        Log weights of the base for which V is right.
    edges, n_bins
        As for `PseudoChi2`; so are errors and warnings.
    """

    name, binned, calibrated, at_start = "chi2", True, True, True

    def __init__(
        self, x: Columns, y: Columns, log_w: torch.Tensor, edges: Columns | None = None, n_bins: int | None = None
    ) -> None:
        h = self.histograms = Histograms(x, y, edges, n_bins, log_w.device)
        self.n_target, used = h.n_target, h.used.cpu().numpy()
        v = h.covariance(log_w, h.place_x) + h.covariance(log_w.new_zeros(h.n_target), h.place_y)
        self.root = log_w.new_tensor(whiten(v[np.ix_(used, used)]))
        self.ndf = self.root.shape[1]

    def __call__(self, log_w: torch.Tensor, log_v: torch.Tensor) -> torch.Tensor:
        """The loss for log weights of base and target, shape (N,) and (M,)."""
        h = self.histograms
        difference = h.sums(torch.softmax(log_w, 0), h.place_x) - h.sums(torch.softmax(log_v, 0), h.place_y)
        return (difference[h.used] @ self.root).square().sum()


class Wasserstein(Loss):
    r"""Sum over observables of :math:`\int |F - G|\,dx`, in units of the standard deviation of the target. No bins.

    Parameters
    ----------
    x, y : mapping of str to array_like, shape (N,) and (M,)
        Observables of base and target; events without a value are left out.
    dtype, device
        Of the weights it will be given.

    Raises
    ------
    ValueError
        If the samples have different observables, or one has no spread.

    Warns
    -----
    RuntimeWarning
        If the target has events beyond all of the base.
    """

    name, smooth = "wasserstein", False

    def __init__(
        self, x: Columns, y: Columns, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
    ) -> None:
        check_names(x, y)
        self.parts = []
        for name in x:
            values = check_support(x[name], y[name], name)
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

    def __call__(self, log_w: torch.Tensor, log_v: torch.Tensor) -> torch.Tensor:
        """The loss for log weights of base and target, shape (N,) and (M,)."""
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
    def between(cls, x: Columns, y: Columns, log_w: torch.Tensor, edges: Any, n_bins: int | None) -> Loss:
        """For base `x` with `log_w` and target `y`, in `n_bins` bins or between `edges`; see `Loss.between`."""
        return cls()

    def __call__(self, log_w: torch.Tensor, log_v: torch.Tensor | None) -> torch.Tensor:
        """The loss for the log density of events of the target, and the logarithm of how often each counts."""
        return -(log_w.sum() if log_v is None else log_v.exp() @ log_w)

    def counted(
        self, weights: Callable[..., torch.Tensor], log_u: torch.Tensor | None, log_v: torch.Tensor | None
    ) -> torch.Tensor:
        return self(weights(log_v), log_v)

    def limits(self, base: LundParams) -> dict[str, tuple[float, float]]:
        return EVERYWHERE


LOSSES = {loss.name: loss for loss in (Chi2, PseudoChi2, Wasserstein, Likelihood)}


def named(loss: Any) -> type[Loss]:
    """The loss of a name."""
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]
