"""Data that are published figures of real events: HOMER on LEP."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .._support.checks import number
from ..datasets.measurements import LepFigure
from ..events.sample import Sample
from ..metrics.figures import Figures, as_figures
from .checks import HomerError
from .classify import ClassWeights
from .histograms import Means

SMOOTH = 10  # numbers that a figure is seen through
MANY = 50  # entries that a bin of the simulation should have had


class Published:
    """Figures of LEP as data of `fit`, for a simulation of all flavours by real Pythia.

    There are no events to compare with, so no classifier and no iterations: the posterior goes by the figures alone and
    finds its place by itself. What a figure counts are hadrons or events; errors of its bins are taken as independent.

    Parameters
    ----------
    figures : sequence of str or LepFigure
        Names as of `hadtutor.datasets.lep_names`, or figures with values of one's own; HomerError for those that are
        normalised by themselves, such as x_B.
    theory_error : float
        What a simulation is allowed to be wrong, as a part of each value.

    Examples
    --------
    >>> Published(["thrust", "xp"], theory_error=0.05)
    Published('thrust', 'xp', theory_error=0.05)
    """

    def __init__(self, figures: str | LepFigure | Iterable[str | LepFigure], theory_error: float = 0.0) -> None:
        self.figures = as_figures(figures)
        self.theory_error = number(theory_error, "theory_error", 0.0, 1.0)
        wrong = [figure.name for figure in self.figures if figure.kind == "normalised"]
        if wrong:
            raise HomerError(f"figures must be of numbers per event, got {', '.join(wrong)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the figures."""
        return tuple(figure.name for figure in self.figures)

    def __repr__(self) -> str:
        return f"Published({', '.join(map(repr, self.names))}, theory_error={self.theory_error:g})"


class AgainstFigures:
    """Published figures beside the simulation, as the other kinds in `hadtutor.homer.inputs`."""

    def __init__(self, sim: Sample, data: Published) -> None:
        self.names, self.data = data.names, data
        self.of = Figures(sim, data.figures, data.theory_error)
        self.seen = np.linalg.solve(self.of.total_covariance(np.zeros(len(sim))), self.of.smooth(SMOOTH))

    def check_support(self) -> None:
        """Refuse figures that surely have entries where the simulation has none."""
        n_events = self.of.counts[0].shape[0]
        sure = self.of.data - 3.0 * self.of.errors  # at least so much is there
        empty = (self.of.of(np.zeros(n_events)).values == 0) & (sure * self.of.bin_widths * n_events > MANY)
        for name, bins in zip(self.names, self.of.bins, strict=True):
            if empty[bins].any():
                raise HomerError(
                    f"{name} has a bin with {self.of.data[bins][empty[bins]][0]:.3g} in the data and nothing in the "
                    "simulation; no weight makes events that were never simulated"
                )

    def classify(self, log_w: np.ndarray, rng: int) -> ClassWeights:
        none, found = np.zeros(len(log_w)), self.of.chi2(log_w)
        chi2, n = (sum(pair[k] for pair in found.values()) for k in range(2))
        return ClassWeights(none, none, none[None], np.empty(0), np.nan, np.nan, [], chi2 / n)

    def moments(self) -> tuple[Callable, Any, Any]:
        """Each figure through a few numbers: what a change of f does to it is smooth, noise of hundreds of bins is not.

        They are components along smooth changes of the figures, with the weights of bins that leave most information.
        """
        means = Means(self.of.data @ self.seen, self.seen.T @ (self.of.errors[:, None] ** 2 * self.seen))
        return (lambda of, events: of.rows(events) @ self.seen), self.of, means

    def with_simulation(self, sim: Sample, threads: int) -> "AgainstFigures":
        return AgainstFigures(sim, self.data)

    def parts(self) -> Iterator[np.ndarray]:
        yield from (self.of.data, self.of.errors)
