"""Means of features of events: what of the data is measured linearly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..events.hadrons import Hadrons
from .histograms import Histograms

CHUNK = 20_000  # events at a time


class Moments:
    """Features of events: all products of two observables, their cubes, and themselves.

    Parameters
    ----------
    x : ndarray, shape (N, F)
        Observables of the simulation, to standardise with; what is five standard deviations away is put there.
    """

    def __init__(self, x: np.ndarray) -> None:
        self.mean, self.spread = x.mean(axis=0), x.std(axis=0)
        self.spread = np.where(self.spread > 0, self.spread, 1.0)

    def __call__(self, x: np.ndarray, events: slice) -> np.ndarray:
        """Features of some events.

        Parameters
        ----------
        x : ndarray, shape (N, F)
        events : slice

        Returns
        -------
        ndarray, shape (n, F + F(F + 1)/2 + F)
        """
        x = np.clip((x[events] - self.mean) / self.spread, -5.0, 5.0)
        i, j = np.triu_indices(x.shape[1])
        return np.concatenate([x, x[:, i] * x[:, j], x**3], axis=1)


class CloudMoments:
    """Features of the particle cloud: numbers of charged and neutral hadrons in bins of ln x and ln pT, and `Moments`.

    Parameters
    ----------
    x : ndarray, shape (N, F)
        Observables of the simulation.
    hadrons : Hadrons
        Of the simulation.
    """

    def __init__(self, x: np.ndarray, hadrons: Hadrons) -> None:
        self.moments = Moments(x)
        p, pt = self._p_and_pt(hadrons)
        self.edges = [np.quantile(np.log(v), np.linspace(0, 1, n + 1)[1:-1]) for v, n in ((p, 8), (pt, 4))]

    def _p_and_pt(self, hadrons):
        pt2 = hadrons.px.astype(float) ** 2 + hadrons.py.astype(float) ** 2
        return np.sqrt(pt2 + hadrons.pz.astype(float) ** 2), np.sqrt(np.maximum(pt2, 1e-12))

    def __call__(self, x_and_hadrons: tuple[np.ndarray, Hadrons], events: slice) -> np.ndarray:
        """Features of some events, see `Moments`.

        Parameters
        ----------
        x_and_hadrons : tuple of ndarray and Hadrons
        events : slice

        Returns
        -------
        ndarray, shape (n, M)
        """
        x, hadrons = x_and_hadrons
        some = hadrons[events]
        p, pt = self._p_and_pt(some)
        a, b = (np.searchsorted(e, np.log(v)) for e, v in zip(self.edges, (p, pt), strict=True))
        cell = (a * 4 + b) * 2 + (some.pid != 111)
        counts = np.bincount(some.event * 64 + cell, minlength=64 * len(some)).reshape(len(some), 64)
        return np.concatenate([self.moments(x, events), counts], axis=1)


class HistogramMoments:
    """Features where the data are histograms: which bins an event is in.

    Parameters
    ----------
    histograms : Histograms
    """

    def __init__(self, histograms: Histograms) -> None:
        self.histograms = histograms

    def __call__(self, columns: Mapping[str, np.ndarray], events: slice) -> np.ndarray:
        """Features of some events, see `Moments`.

        Parameters
        ----------
        columns : dict of str to ndarray
        events : slice

        Returns
        -------
        ndarray, shape (n, B)
        """
        bins = self.histograms.bins
        places = bins.places({name: columns[name][events] for name in bins.edges}, overflow=True)
        inside = np.zeros((places.shape[1], len(bins) + 1))
        np.put_along_axis(inside, places.T, 1.0, axis=1)
        return inside[:, :-1]  # the last is of events in no bin
