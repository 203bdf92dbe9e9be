r"""Shares of weighted events in bins, with their covariance.

With weights :math:`w_i` that add up to one they are the mean :math:`p = \sum_i w_i n_i` of what the events fill, and
their covariance is, to first order in the scatter of the weights, :math:`\sum_i w_i^2 (n_i - p)(n_i - p)^T`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column, whole


def open_edges(values: ArrayLike, n_bins: int, others: ArrayLike = (), whole_numbers: bool = True) -> np.ndarray:
    """Edges of at most n_bins bins that hold about equally many finite values; the outermost reach to infinity.

    Where there are but whole numbers, each gets a bin of its own, as far as `values` or a second sample `others` goes,
    unless `whole_numbers` is False.

    Examples
    --------
    >>> open_edges([1, 2, 2, 4], 10), open_edges([0.0, 1.0, 2.5], 2)
    (array([-inf,  1.5,  2.5,  3.5,  inf]), array([-inf,  1.,  inf]))
    """
    n_bins = whole(n_bins, "n_bins")
    y, x = (v[np.isfinite(v)] for v in (column(values, "values"), column(others, "others")))
    if len(y) == 0:
        inner = y
    elif whole_numbers and all(np.array_equal(v, np.round(v)) for v in (x, y)):
        inner = np.arange(min(y.min(), x.min(initial=np.inf)) + 0.5, max(y.max(), x.max(initial=-np.inf)))
    else:
        inner = np.unique(np.quantile(y, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.concatenate([[-np.inf], inner, [np.inf]])


def checked_edges(edges: ArrayLike, name: str = "edges") -> np.ndarray:
    """Increasing edges of at least one bin; infinite ones may stand at the ends."""
    edges = column(edges, name)
    if len(edges) < 2 or not np.all(edges[1:] > edges[:-1]):
        raise ValueError(f"{name} must increase and hold at least one bin, got {edges}")
    return edges


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of the histograms of K observables with these increasing `edges`, put end to end: B bins.

    A value on an edge counts in the bin above.
    """

    edges: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return sum(len(e) - 1 for e in self.edges.values())

    @property
    def owners(self) -> np.ndarray:
        """Name of the observable of each bin, shape (B,)."""
        return np.repeat(list(self.edges), [len(e) - 1 for e in self.edges.values()])

    def places(self, columns: Mapping[str, ArrayLike], overflow: bool = False) -> np.ndarray:
        """Bin of each event in each histogram, shape (K, N), numbered through all; B if it is in none, as with NaN.

        With `overflow` what lies beyond the outermost edges counts in the outermost bins.
        """
        places, first = [], 0
        for name, edges in self.edges.items():
            values = column(columns[name], name)
            place, last = np.searchsorted(edges, values, side="right") - 1, len(edges) - 2
            if overflow:
                place = np.clip(place, 0, last)
            inside = (place >= 0) & (place <= last) & ~np.isnan(values)
            places.append(np.where(inside, first + place, len(self)))
            first += len(edges) - 1
        return np.array(places)

    def shares(self, places: np.ndarray, w: np.ndarray | None = None) -> np.ndarray:
        """Sum of the weights in each bin, shape (B,); of ones if there are none, as whole numbers."""
        return np.sum([np.bincount(k, w, minlength=len(self) + 1) for k in places], axis=0)[:-1]

    def pairs(self, places: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Sum of the weights of the events in both of two bins, shape (B, B)."""
        size = len(self) + 1
        total = np.zeros((size, size))
        for one in places:
            for other in places:
                total += np.bincount(one * size + other, w, minlength=size * size).reshape(size, size)
        return total[:-1, :-1]

    def covariance(self, places: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Of the shares of events whose weights add up to one, also between histograms; shape (B, B)."""
        square, first = self.pairs(places, w**2), self.shares(places, w**2)
        return covariance_of_means(square, first, w @ w, self.shares(places, w))


def covariance_of_means(square: np.ndarray, first: np.ndarray, zeroth: float, mean: np.ndarray) -> np.ndarray:
    """Σ w² (f - μ)(f - μ)ᵀ from Σ w² f fᵀ, Σ w² f, Σ w² and the mean μ = Σ w f."""
    return square - np.outer(first, mean) - np.outer(mean, first) + zeroth * np.outer(mean, mean)


def whiten(covariance: np.ndarray, least: float = 1e-9) -> np.ndarray:
    """The root R of the inverse of a covariance V, RᵀVR = 1, where there is a scatter: (B, B) -> (B, rank).

    Shares add up to one, so V is singular; what is left of it has its inverse. Left out are directions of the
    correlation matrix with less than `least` of its largest eigenvalue: correlations, so that units do not decide.
    """
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > least * values.max(initial=0.0)
    return vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
