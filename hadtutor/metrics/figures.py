"""Published figures beside weighted events: values, covariance, and how they change with the weights."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import block_diag

from .._support.checks import number
from ..datasets.measurements import LepFigure, lep
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from .lep import lep_counts, only_counted

CHUNK = 20_000  # events at a time
SHORT_LIVED = 111, 113, 213, 221, 223, 313, 323, 331, 333, 421, 411, 431, 511, 521, 531


class Values(NamedTuple):
    """What a simulation has for all bins that were measured."""

    values: np.ndarray  # (B,)
    slopes: np.ndarray  # (B, P) derivatives


class Figures:
    """Some figures of LEP, put end to end, and what each event of a simulation adds to them.

    Parameters
    ----------
    events : Sample or Hadrons
        N events after decays.
    figures : sequence of str or LepFigure
        Names as of `hadtutor.datasets.lep_names`, or figures with values of one's own.
    theory_error : float
        What a simulation is allowed to be wrong, as a part of each value; added to the errors in quadrature.
    energy : float, optional
        Of hadrons, see `hadtutor.metrics.compare`.
    every : Hadrons, optional
        All hadrons of the same events, those that decayed too, as of `hadtutor.pythia.decay`: figures that count such,
        as a rate of ρ⁰, are measured there, beside others after all decays.

    Attributes
    ----------
    figures : tuple of LepFigure
    bins : tuple of slice
        Of each, in what follows.
    data, errors : ndarray, shape (B,)
        Of the bins that were measured; errors include that of theory.
    bin_widths : ndarray, shape (B,)
        The value of a bin is entries per event over this.

    Raises
    ------
    TypeError, ValueError
        As `hadtutor.metrics.lep_counts`; if there is no figure, one stands there twice, or hadrons have not decayed.
    """

    def __init__(
        self, events: Sample | Hadrons, figures: str | LepFigure | Iterable[str | LepFigure], theory_error: float = 0.0,
        *, energy: float | None = None, every: Hadrons | None = None,
    ) -> None:  # fmt: skip
        self.figures = as_figures(figures)
        self.theory_error = number(theory_error, "theory_error", 0.0, 1.0)
        refuse_undecayed(events, self.figures)
        self.kept = [np.isfinite(figure.values) for figure in self.figures]
        self.counts = [
            lep_counts(events, figure, energy=energy)
            if every is None or (counted := only_counted(every, figure)) is None
            else lep_counts(counted, figure, energy=getattr(events, "energy", energy))
            for figure in self.figures
        ]
        self.widths = [
            np.ones(1) if f.kind == "mean" else np.diff(f.edges) if f.kind in ("density", "normalised")
            else np.ones(len(f.values)) for f in self.figures
        ]  # fmt: skip
        ends = np.cumsum([0] + [int(kept.sum()) for kept in self.kept])
        self.bins = tuple(slice(*pair) for pair in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
        self.data = np.concatenate([f.values[kept] for f, kept in zip(self.figures, self.kept, strict=True)])
        published = np.concatenate([f.errors[kept] for f, kept in zip(self.figures, self.kept, strict=True)])
        self.errors = np.hypot(published, self.theory_error * self.data)
        entries = [
            counts.sum() / len(events) if figure.kind == "normalised" else 1.0
            for figure, counts in zip(self.figures, self.counts, strict=True)
        ]
        widths = [np.broadcast_to(w, len(kept))[kept] for w, kept in zip(self.widths, self.kept, strict=True)]
        self.bin_widths = np.concatenate([n * w for n, w in zip(entries, widths, strict=True)])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the figures."""
        return tuple(figure.name for figure in self.figures)

    def of(self, log_w: np.ndarray, slopes: np.ndarray | None = None) -> Values:
        """Values for events with weights, `log_w` (N,), and their derivatives if `slopes`, (N, P), are those of log w.

        For histograms that are normalised, such as x_B, the number of entries drops out.
        """
        w = np.exp(log_w - log_w.max())
        w /= w.sum()
        slopes = np.zeros((len(w), 0)) if slopes is None else slopes
        weighted = w[:, None] * (slopes - w @ slopes)
        values, changes = [], []
        for figure, counts, kept, width in zip(self.figures, self.counts, self.kept, self.widths, strict=True):
            mean, change = counts.T @ w, counts.T @ weighted
            if figure.kind == "normalised":
                total = mean.sum()
                mean = mean / total
                change = (change - np.outer(mean, change.sum(axis=0))) / total
            values.append((mean / width)[kept])
            changes.append((change / width[:, None])[kept])
        return Values(np.concatenate(values), np.concatenate(changes))

    def covariance(self, log_w: np.ndarray) -> np.ndarray:
        """Of the values, (B, B), by the statistics of a simulation with weights `log_w`, (N,), between figures too."""
        w = np.exp(log_w - log_w.max())
        w /= w.sum()
        total = np.zeros((len(self.data), len(self.data)))
        for events, x in self._features(log_w):
            x *= w[events, None]
            total += x.T @ x
        return total

    def total_covariance(self, log_w: np.ndarray) -> np.ndarray:
        """Of values less data, (B, B), for a simulation with weights `log_w`, (N,).

        Variances of the simulation are about those of bins with as many entries as the data would have, but at least
        one: else a bin that fluctuated down would seem well known, one that stayed empty exactly known, and both would
        pull a fit. That of the sum over a figure stays as it is, apart from empty bins; for a shape it is zero.
        """
        w = np.exp(log_w - log_w.max())
        w /= w.sum()
        one = (w @ w) / self.bin_widths  # value of a bin with one entry
        values, data = self.of(log_w).values, np.maximum(self.data, one)
        empty = np.flatnonzero(values == 0.0)
        scale = np.sqrt(np.divide(data, values, out=np.ones(len(data)), where=values > 0.0))
        change = np.diag(scale)
        for bins in self.bins:
            share = data[bins] / (data[bins] @ self.bin_widths[bins])
            change[bins, bins] += np.outer(share, self.bin_widths[bins] * (1.0 - scale[bins]))
        total = change @ self.covariance(log_w) @ change.T
        total[empty, empty] += (data * one)[empty]
        return total + np.diag(self.errors**2)

    def rows(self, events: slice) -> np.ndarray:
        """What each of some `events` adds to the values, (n, B), apart from normalisations of figures by themselves."""
        parts = zip(self.counts, self.kept, self.widths, strict=True)
        return np.concatenate([(c[events].toarray() / width)[:, kept] for c, kept, width in parts], axis=1)

    def squares(self, log_w: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Length squared of T x, (N,): x is what an event adds to values at weights `log_w`, T is `seen`, (K, B)."""
        return np.concatenate([np.sum((x @ seen.T) ** 2, axis=1) for _, x in self._features(log_w)])

    def smooth(self, n: int) -> np.ndarray:
        """Up to `n` changes of each figure, (B, K): by a factor that is a polynomial in the number of the bin."""
        blocks = []
        for bins in self.bins:
            values = self.data[bins]
            x = np.linspace(-1.0, 1.0, len(values)) if len(values) > 1 else np.zeros(1)
            blocks.append(values[:, None] * np.polynomial.chebyshev.chebvander(x, min(n, len(values)) - 1))
        return block_diag(*blocks)

    def _features(self, log_w):
        mean = self.of(log_w).values
        for first in range(0, len(log_w), CHUNK):
            events = slice(first, first + CHUNK)
            yield events, self.features(events, mean, log_w)

    def features(self, events: slice, mean: np.ndarray, log_w: np.ndarray) -> np.ndarray:
        """What each of some `events` adds to values less their `mean`, (n, B), at weights `log_w`, (N,)."""
        w, parts = np.exp(log_w - log_w.max()), []
        for figure, counts, kept, width, bins in zip(
            self.figures, self.counts, self.kept, self.widths, self.bins, strict=True
        ):
            of_events = counts[events].toarray().astype(float)
            if figure.kind == "normalised":
                share = (w @ counts.sum(axis=1)) / w.sum()
                entries = of_events.sum(axis=1, keepdims=True)
                parts.append((of_events[:, kept] / width[kept] - entries * mean[bins]) / share)
            else:
                parts.append(of_events[:, kept] / width[kept] - mean[bins])
        return np.concatenate(parts, axis=1)

    def chi2(self, log_w: np.ndarray) -> dict[str, tuple[float, int]]:
        """χ² and number of bins of each figure by itself, name to pair, for weights `log_w`, (N,).

        With `total_covariance`; `hadtutor.metrics.compare` takes the simulation's own.
        """
        return self._chi2(log_w)[0]

    def total_chi2(self, log_w: np.ndarray) -> float:
        """χ² of all figures with weights `log_w`, (N,), with correlations between figures by the simulation."""
        return self._chi2(log_w)[1]

    def _chi2(self, log_w):
        off = self.of(log_w).values - self.data
        covariance = self.total_covariance(log_w)
        some = lambda bins: float(off[bins] @ np.linalg.solve(covariance[bins, bins], off[bins]))
        each = {f.name: (some(bins), bins.stop - bins.start) for f, bins in zip(self.figures, self.bins, strict=True)}
        return each, some(slice(None))


def as_figures(figures: str | LepFigure | Iterable[str | LepFigure]) -> tuple[LepFigure, ...]:
    """One of the `figures` or several, by name or as they are: TypeError, ValueError if they are none, or one twice."""
    some: Any = (figures,) if isinstance(figures, (str, LepFigure)) else tuple(figures)
    for figure in some:
        if not isinstance(figure, (str, LepFigure)):
            raise TypeError(f"a figure is a name or a LepFigure, got {figure!r}; see hadtutor.datasets.lep_names()")
    found = tuple(lep(figure) if isinstance(figure, str) else figure for figure in some)
    names = [figure.name for figure in found]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"figures must be at least one, and each once, got {', '.join(names) or 'none'}")
    return found


def refuse_undecayed(events: Sample | Hadrons, figures: Iterable[LepFigure]) -> None:
    """ValueError if `events` hold hadrons that decay at once, though `figures` count what a detector saw."""
    pid = getattr(events, "hadrons", events).pid
    there = np.unique(abs(pid[np.isin(abs(pid), SHORT_LIVED)])).tolist()
    for figure in figures:
        if there and figure.particles in ("all", "charged", "charged pions", "charged kaons", "protons"):
            raise ValueError(
                f"{figure.name} counts what a detector saw, and these events still hold hadrons that decay before, "
                f"such as code {there[0]}; make them with decays=True, or let pythia.decay do that"
            )
