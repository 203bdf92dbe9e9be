"""Tunes that come with real Pythia, and what new events make of any point."""

from collections.abc import Mapping

import numpy as np

from .. import pythia
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import Showers
from ..metrics.figures import Figures
from ..widgets.lesson import Table
from .models import Params, SomeFigures, model_of

SHIPPED = {
    "JETSET-like": 1, "Montull 2007": 2, "Hoeth 2009": 3, "Skands 2013": 4, "Fischer 2013-1": 5, "Fischer 2013-2": 6,
    "Monash 2013": 7,
}  # fmt: skip
"""Name to the number that ``Tune:ee`` of Pythia knows; the first is that of the first Pythia 8."""


def shipped(name: str, n_events: int, *, energy: float = 91.2, seed: int = 1, processes: int = 1,
            progress: bool = True) -> Hadrons:  # fmt: skip
    """Events of a tune that comes with Pythia, with its own shower: they differ in more than the string.

    Parameters
    ----------
    name : str
        Of `SHIPPED`, else ValueError.
    n_events, energy, seed, processes, progress
        As of `hadtutor.pythia.shower` and `hadtutor.pythia.hadronize`.
    """
    if name not in SHIPPED:
        raise ValueError(f"name must be one of {', '.join(SHIPPED)}, got {name!r}")
    settings = (f"Tune:ee = {SHIPPED[name]}",)
    showers = pythia.shower(n_events, energy, seed=seed, settings=settings, progress=progress)
    return pythia.hadronize(showers, seed=seed, settings=settings, processes=processes, progress=progress)


def fresh(
    showers: Showers, params: Params, figures: SomeFigures, *, seed: int = 1, theory_error: float = 0.0,
    processes: int = 1, progress: bool = True,
) -> dict[str, tuple[float, int]]:  # fmt: skip
    """χ² and number of bins of each figure for new events: what a tune must stand.

    Take a `seed` that no sample of the fit had, else the events are nearly the same as those that it saw, and best
    other showers: what is particular to some is in all samples of a fit.

    Parameters
    ----------
    showers : Showers
        N events.
    params : LundParams or ClusterParams
        Of strings, by real Pythia, or of clusters, whose hadrons it lets decay.
    seed, processes, progress
        As of `fit`.
    figures, theory_error
        As of `Figures`.
    """
    of_all = model_of(params).fresh(showers, params, figures, theory_error, seed, processes, progress)
    return of_all.chi2(np.zeros(len(showers)))


class TuneTable(dict):
    """χ² per bin: name of a sample to name of a figure to number; it prints as a table."""

    def as_table(self) -> Table:
        """A row for each sample, a column for each figure."""
        figures: dict[str, float] = next(iter(self.values()), {})
        columns = {figure: [row[figure] for row in self.values()] for figure in figures}
        return Table({"χ² per bin": list(self)} | columns, dict.fromkeys(figures, ".2f"))

    def __str__(self) -> str:
        return str(self.as_table())

    def _repr_html_(self) -> str:
        return self.as_table()._repr_html_()


def table(
    events: Mapping[str, Sample | Hadrons], figures: SomeFigures, theory_error: float = 0.0,
    energy: float | None = None,
) -> TuneTable:  # fmt: skip
    """χ² per bin of each figure for several samples: name of the sample to name of the figure to number.

    Parameters
    ----------
    events : mapping of str to Sample or Hadrons
    figures, theory_error, energy
        As of `Figures`.
    """
    found = TuneTable()
    for name, sample in events.items():
        of_all = Figures(sample, figures, theory_error, energy=None if isinstance(sample, Sample) else energy)
        n = len(getattr(sample, "hadrons", sample))
        found[name] = {figure: chi2 / bins for figure, (chi2, bins) in of_all.chi2(np.zeros(n)).items()}
    return found
