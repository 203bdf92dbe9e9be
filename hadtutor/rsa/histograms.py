"""Histograms of weighted events, for gradients: the bins are fixed, the weights are not."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.cautions import warn
from .._support.checks import column
from ..metrics.shares import Bins, checked_edges, open_edges
from ..metrics.weighted import check_finite

RICH = 25  # events of either sample that a bin should have
OUTSIDE = 1e-3  # part of the target beyond all events of the base that is worth a warning, if the base is large


def default_edges(x: ArrayLike, y: ArrayLike, n_bins: int | None = None, name: str = "the observable") -> np.ndarray:
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
        For messages, such as the ValueError if the samples have no two rich bins in common.

    Examples
    --------
    >>> default_edges(np.arange(1000) % 4, np.arange(1000) % 4)
    array([-inf,  0.5,  1.5,  2.5,  inf])
    """
    columns = [v[np.isfinite(v)] for v in (column(x, name), column(y, name))]
    n_x, n_y = map(len, columns)
    fewest = min(n_x, n_y)
    if n_bins is None:
        n_bins = int(np.clip(0.06 * fewest**0.5, 4, 20))
    fine = open_edges(columns[1], n_bins, columns[0])
    counts = np.stack([np.histogram(v, fine)[0] for v in columns])
    for rich in (max(RICH, 0.3 * fewest / n_bins), RICH):  # of rare hadrons no two bins are as rich as others
        edges, held = [], np.zeros(2)
        for k, edge in enumerate(fine[1:-1]):
            held += counts[:, k]
            if held.min() >= rich and counts[:, k + 1 :].sum(axis=1).min() >= rich:
                edges.append(edge)
                held[:] = 0
        if edges:
            break
    if not edges:
        raise ValueError(
            f"{name} has no two bins with {RICH} events of both samples ({n_x} and {n_y} events): the target is "
            "outside the support of the base, or all values are equal; take more events, or a base nearer to the target"
        )
    return np.concatenate([[-np.inf], edges, [np.inf]])


def checked(x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same observables of base and target as columns; a warning where the target is beyond all of the base."""
    if set(x) != set(y) or not x:
        raise ValueError(f"both samples want the same observables, got {sorted(x)} and {sorted(y)}")
    pairs = {name: (column(x[name], name), column(y[name], name)) for name in x}
    for name, (of_base, of_target) in pairs.items():
        check_finite(of_base, f"base, {name},")
        check_finite(of_target, f"target, {name},")
        if np.isnan(of_base).all() or np.isnan(of_target).all():
            raise ValueError(f"{name} has no value at all in one of the samples")
        outside = np.mean((of_target < np.nanmin(of_base)) | (of_target > np.nanmax(of_base)))
        # Of equal samples, two events in N are beyond the other's on average.
        if outside > max(OUTSIDE, 20 / len(of_base)):
            warn(
                f"{outside:.1%} of the target has {name} beyond all events of the base, outside its support; take more "
                "events, or a base nearer to the target"
            )
    return pairs


class Histograms:
    """Where each event falls, in the histograms of all observables put end to end; events without a value nowhere.

    Arguments are those of `PseudoChi2`.
    """

    def __init__(
        self, x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike], edges: Mapping[str, ArrayLike] | None,
        n_bins: int | None, device: torch.device | str,
    ) -> None:  # fmt: skip
        columns, given = checked(x, y), {} if edges is None else dict(edges)
        if not set(given) <= set(x):
            raise ValueError(f"edges are given for {sorted(set(given) - set(x))}, the observables are {sorted(x)}")
        found = {n: default_edges(*pair, n_bins, n) for n, pair in columns.items() if n not in given}
        found |= {n: checked_edges(e, f"edges of {n}") for n, e in given.items()}
        self.bins = Bins({name: found[name] for name in columns})
        places = [self.bins.places({name: pair[k] for name, pair in columns.items()}) for k in (0, 1)]
        counts = [self.bins.shares(place) for place in places]
        empty = (counts[0] == 0) & (counts[1] > 0)
        if empty.any():
            warn(
                f"{counts[1][empty].sum()} entries of the target lie in {empty.sum()} bins where the base has none: "
                "no weight can fill them, they are left out. Take wider bins, or a base nearer to the target"
            )
        self.used = torch.tensor((counts[0] > 0) & (counts[1] > 0), device=device)
        self.place_x, self.place_y = (torch.tensor(place, device=device).flatten() for place in places)
        self.n_observables, self.n_target = places[1].shape

    def sums(self, w: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Sum of the weights in each bin; what falls nowhere goes to one more bin at the end, which is left out."""
        return w.new_zeros(len(self.bins) + 1).index_add(0, place, w.repeat(self.n_observables))[:-1]

    def fractions(self, log_w: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Share of the weight in each bin, and its statistical variance."""
        w = torch.softmax(log_w, 0)
        share = self.sums(w, place)
        return share, (1 - 2 * share) * self.sums(w**2, place) + share**2 * (w @ w)

    def covariance(self, log_w: torch.Tensor, place: torch.Tensor) -> np.ndarray:
        """Statistical covariance of the shares, between the bins of all observables."""
        w = torch.softmax(log_w, 0).detach().cpu().numpy()
        # Turned, so that its lower half, which a root is made of, has the roundings behind stored fits.
        return self.bins.covariance(place.reshape(self.n_observables, -1).cpu().numpy(), w).T
