r"""Distances between weighted events and data, differentiable in the weights; used by `hadtutor.rsa`.

A loss is made of the columns of two samples, the base x and the target y, and is then a function of their log weights.
Weights are normalised inside: a factor common to all events drops out. The target has weights too, so that events of
either sample can be counted more or less often: the derivatives with respect to these counts are the statistical error.
"""

import warnings

import numpy as np
import torch

from ..metrics.weighted import check_finite

RICH = 25  # events of either sample that a bin should have
OUTSIDE = 1e-3  # part of the target beyond all events of the base that is worth a warning, if the base is large


def default_edges(x, y, n_bins=None, name="the observable"):
    """Edges of bins that are rich in both samples; the outermost reach to infinity.

    Parameters
    ----------
    x, y : array_like, shape (N,) and (M,)
        Values in the base and in the target; NaN is left out.
    n_bins : int, optional
        Of equal content of the target, at most. Whole numbers have bins of their own, up to where they get rare. By
        default 6 for 10 000 events of the smaller sample, growing with the root of their number, and 4 to 20: the
        values of a fit lean towards the base by a part of their error that is proportional to the number of bins over
        that root.
    name : str
        For messages.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If the samples have no two rich bins in common.

    Examples
    --------
    >>> default_edges(np.arange(1000) % 4, np.arange(1000) % 4)
    array([-inf,  0.5,  1.5,  2.5,  inf])
    """
    x, y = (np.asarray(v, dtype=float) for v in (x, y))
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    fewest = min(len(x), len(y))
    if n_bins is None:
        n_bins = int(np.clip(0.06 * fewest**0.5, 4, 20))
    rich = max(RICH, 0.3 * fewest / n_bins)
    if len(x) and len(y) and np.all(y == np.round(y)) and np.all(x == np.round(x)):
        inner = np.arange(min(x.min(), y.min()) + 0.5, max(x.max(), y.max()))
    else:
        inner = np.unique(np.quantile(y, np.linspace(0, 1, n_bins + 1)[1:-1])) if len(y) else np.array([])
    counts = np.stack([np.histogram(v, np.concatenate([[-np.inf], inner, [np.inf]]))[0] for v in (x, y)])
    edges, held = [], np.zeros(2)
    for k, edge in enumerate(inner):
        held += counts[:, k]
        if held.min() >= rich and counts[:, k + 1 :].sum(axis=1).min() >= rich:
            edges.append(edge)
            held[:] = 0
    if not edges:
        raise ValueError(
            f"{name} has no two bins with {RICH} events of both samples ({len(x)} and {len(y)} events): the target is "
            "outside the support of the base; take more events, or a base nearer to the target"
        )
    return np.concatenate([[-np.inf], edges, [np.inf]])


class _Histograms:
    """Where each event falls, in the histograms of all observables put end to end; events without a value nowhere."""

    def __init__(self, x, y, edges, n_bins, like):
        if set(x) != set(y) or not x:
            raise ValueError(f"both samples want the same observables, got {sorted(x)} and {sorted(y)}")
        places, self.edges, self.total = ([], []), {}, 0
        for name in x:
            _check_support(x[name], y[name], name)
            self.edges[name] = (
                np.asarray(edges[name], dtype=float)
                if edges and name in edges
                else default_edges(x[name], y[name], n_bins, name)
            )
            for place, values in zip(places, (x[name], y[name]), strict=True):
                values = np.asarray(values, dtype=float)
                bins = np.searchsorted(self.edges[name], values, side="right") - 1
                inside = np.isfinite(values) & (bins >= 0) & (bins < len(self.edges[name]) - 1)
                place.append(np.where(inside, bins + self.total, -1))
            self.total += len(self.edges[name]) - 1
        places = [np.stack(place) for place in places]
        counts = [np.bincount(place[place >= 0], minlength=self.total) for place in places]
        empty = (counts[0] == 0) & (counts[1] > 0)
        if empty.any():
            warnings.warn(
                f"{counts[1][empty].sum()} entries of the target lie in {empty.sum()} bins where the base has none: "
                "no weight can fill them, they are left out. Take wider bins, or a base nearer to the target",
                RuntimeWarning,
                stacklevel=4,
            )
        self.used = torch.tensor((counts[0] > 0) & (counts[1] > 0), device=like["device"])
        # What falls nowhere goes to one more bin at the end.
        self.place_x, self.place_y = (
            torch.tensor(np.where(p < 0, self.total, p), device=like["device"]).flatten() for p in places
        )
        self.n_observables = len(x)

    def sums(self, w, place):
        return w.new_zeros(self.total + 1).index_add(0, place, w.repeat(self.n_observables))[:-1]

    def fractions(self, log_w, place):
        """Share of the weight in each bin, and its statistical variance."""
        w = torch.softmax(log_w, 0)
        share = self.sums(w, place)
        return share, (1 - 2 * share) * self.sums(w**2, place) + share**2 * (w @ w)

    def covariance(self, log_w, place):
        """Statistical covariance of the shares, between the bins of all observables."""
        w = torch.softmax(log_w, 0).detach().cpu().numpy()
        place, size = place.reshape(self.n_observables, -1).cpu().numpy(), self.total + 1
        square = np.zeros((size, size))
        for one in place:
            for other in place:
                square += np.bincount(one * size + other, w**2, minlength=size * size).reshape(size, size)
        share = np.bincount(place.ravel(), np.tile(w, self.n_observables), minlength=size)
        both = np.outer(share, np.bincount(place.ravel(), np.tile(w**2, self.n_observables), minlength=size))
        return (square - both - both.T + np.outer(share, share) * (w @ w))[:-1, :-1]


class PseudoChi2:
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

    def __init__(self, x, y, edges=None, n_bins=None, dtype=torch.float64, device="cpu"):
        self.histograms = _Histograms(x, y, edges, n_bins, {"dtype": dtype, "device": device})
        self.ndf = int(self.histograms.used.sum())  # its mean for equal samples; it is broader than a true χ²

    def __call__(self, log_w, log_v):
        """The loss.

        Parameters
        ----------
        log_w, log_v : Tensor, shape (N,) and (M,)
            Log weights of base and target.

        Returns
        -------
        Tensor
        """
        h = self.histograms
        share_x, variance_x = h.fractions(log_w, h.place_x)
        share_y, variance_y = h.fractions(log_v, h.place_y)
        # Empty bins are left out before the division: the gradient of 0/0 is NaN even where it is not looked at.
        return ((share_x - share_y)[h.used] ** 2 / (variance_x + variance_y)[h.used]).sum()


class Chi2:
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
        As for `PseudoChi2`.

    Raises
    ------
    ValueError
        If the samples have different observables, or nothing in common.

    Warns
    -----
    RuntimeWarning
        If the target has events where the base has none.
    """

    def __init__(self, x, y, log_w, edges=None, n_bins=None):
        like = {"dtype": log_w.dtype, "device": log_w.device}
        h = self.histograms = _Histograms(x, y, edges, n_bins, like)
        log_v = torch.zeros(h.place_y.numel() // h.n_observables, **like)
        used = h.used.cpu().numpy()
        v = (h.covariance(log_w, h.place_x) + h.covariance(log_v, h.place_y))[np.ix_(used, used)]
        # Shares add up to one for each observable, so V is singular; what is left has its inverse.
        size = np.sqrt(np.diag(v))
        values, vectors = np.linalg.eigh(v / np.outer(size, size))
        good = values > 1e-9 * len(values)
        root = (vectors[:, good] / np.sqrt(values[good])) / size[:, None]
        self.root = torch.tensor(root, **like)
        self.ndf = int(good.sum())

    def __call__(self, log_w, log_v):
        """The loss.

        Parameters
        ----------
        log_w, log_v : Tensor, shape (N,) and (M,)
            Log weights of base and target.

        Returns
        -------
        Tensor
        """
        h = self.histograms
        difference = h.sums(torch.softmax(log_w, 0), h.place_x) - h.sums(torch.softmax(log_v, 0), h.place_y)
        return (difference[h.used] @ self.root).square().sum()


class Wasserstein:
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

    ndf = None

    def __init__(self, x, y, dtype=torch.float64, device="cpu"):
        if set(x) != set(y) or not x:
            raise ValueError(f"both samples want the same observables, got {sorted(x)} and {sorted(y)}")
        self.parts = []
        for name in x:
            _check_support(x[name], y[name], name)
            values = [np.asarray(v, dtype=float) for v in (x[name], y[name])]
            keep = [np.flatnonzero(np.isfinite(v)) for v in values]
            spread = np.std(values[1][keep[1]])
            if not spread > 0:
                raise ValueError(f"{name} has no spread in the target, which leaves no scale for its distance")
            both = np.concatenate([v[k] for v, k in zip(values, keep, strict=True)])
            order = np.argsort(both, kind="stable")
            tensors = [torch.tensor(k, device=device) for k in (*keep, order)]
            gaps = torch.tensor(np.diff(both[order]) / spread, dtype=dtype, device=device)
            self.parts.append((*tensors, gaps))

    def __call__(self, log_w, log_v):
        """The loss.

        Parameters
        ----------
        log_w, log_v : Tensor, shape (N,) and (M,)
            Log weights of base and target.

        Returns
        -------
        Tensor
        """
        total = log_w.new_zeros(())
        for keep_x, keep_y, order, gaps in self.parts:
            steps = torch.cat([torch.softmax(log_w[keep_x], 0), -torch.softmax(log_v[keep_y], 0)])[order]
            total = total + torch.cumsum(steps, 0)[:-1].abs() @ gaps
        return total


def _check_support(x, y, name):
    check_finite(np.asarray(x, dtype=float), f"base, {name},")
    check_finite(np.asarray(y, dtype=float), f"target, {name},")
    if np.isnan(x).all() or np.isnan(y).all():
        raise ValueError(f"{name} has no value at all in one of the samples")
    outside = np.mean((y < np.nanmin(x)) | (y > np.nanmax(x)))
    # Of equal samples, two events in N are beyond the other's on average.
    if outside > max(OUTSIDE, 20 / len(x)):
        warnings.warn(
            f"{outside:.1%} of the target has {name} beyond all events of the base, outside its support; take more "
            "events, or a base nearer to the target",
            RuntimeWarning,
            stacklevel=5,
        )
