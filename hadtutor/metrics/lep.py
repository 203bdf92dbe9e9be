"""LEP's figures, measured on our events in the way that the experiments did, and how well they agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets.measurements import LepFigure, lep
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from ..particles import charge_of
from .chi2 import chi2_to_data
from .histograms import Density, density_per_event, histogram_per_event, mean_and_covariance
from .weighted import n_eff

LEP_ENERGY = 91.2  # centre-of-mass energy √s of the figures in `hadtutor.datasets.lep` [GeV]
_PEAK = 3.0  # GeV; LEP ran so far below and above the peak of the Z, whose decays look the same there
_OF_EVENTS = {"thrust": "T", "C": "C", "BT": "B_T", "BW": "B_W", "D_charged": "D", "nch": "n_ch", "nch_udsc": "n_ch"}
_OF_HADRONS = {
    "xp": lambda x, energy: x, "xp_uds": lambda x, energy: x, "xi_charged": lambda x, energy: -np.log(x),
    "pipm_p": lambda x, energy: 0.5 * energy * x,
}  # fmt: skip
_PARTICLES = {
    "all": lambda pid: np.ones(len(pid), bool), "charged": lambda pid: charge_of(pid) != 0,
    "charged pions": lambda pid: abs(pid) == 211,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class LepComparison:
    """A simulation beside one figure of LEP.

    Attributes
    ----------
    figure : LepFigure
        What was measured, in B bins.
    values, errors, covariance : ndarray, shape (B,), (B,), (B, B)
        The same of the simulation, with its statistical errors; `figure` has the data's.
    residuals : ndarray, shape (B,)
        Simulation minus data in units of their common error; NaN where nothing was measured.
    chi2, ndf, p_value : float, int, float
        As `chi2_to_data` has them, without correlations between the points of LEP.
    n_eff : float
        Effective number of simulated events.
    message : str
        Empty if the two may be compared, else what stands against it.
    """

    figure: LepFigure
    values: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    chi2: float
    ndf: int
    p_value: float
    n_eff: float
    message: str

    def __repr__(self) -> str:
        return f"LepComparison({self.figure.name!r}, chi2={self.chi2:.4g}, ndf={self.ndf})"

    def __str__(self) -> str:
        bins = f"{self.ndf} bins" if self.ndf > 1 else "1 value"
        text = f"{self.figure.name}: χ² {self.chi2:.4g} for {bins}, p = {self.p_value:.3g}"
        return f"{text}; {self.message}" if self.message else text

    def plot(self, ax: Any = None, label: str = "simulation") -> Any:
        """Draw LEP's points with errors, the simulation as steps, and their ratio in a panel below.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Place for both panels, in a figure's grid, a new figure by default; what is returned is the upper panel.
        label : str
            Name of the simulation.
        """
        import matplotlib.pyplot as plt

        from ..plotting.ratio import ratio_below, ratio_plot

        ax = plt.subplots()[1] if ax is None else ax
        f, bottom = self.figure, ratio_below(ax)
        edges = np.array([0.0, 1.0]) if f.kind == "mean" else f.edges
        log = bool(np.nanmax(f.values) > 100 * np.nanmin(f.values))
        data = (f.citation.split(",")[0], f.values, f.errors)
        ratio_plot(ax, bottom, edges, data, [(label, self.values, self.errors)], f.xlabel, f.ylabel, log)
        bottom.set_ylim(0.5, 1.5)
        if f.kind == "mean":
            bottom.set_xticks([])
        return ax


def compare(
    events: Sample | Hadrons, figure: str | LepFigure, log_w: Any = None, *, energy: float | None = None
) -> LepComparison:
    """Measure a simulation as LEP did, and say how well it agrees and what stands against comparing them.

    That is a string of pions alone, events a little off the Z, or too few of them.

    Parameters
    ----------
    events : Sample or Hadrons
        N events after decays. For a figure of some quark flavours only, events of these.
    figure : str or LepFigure
        One of `hadtutor.datasets.lep_names`, such as ``"thrust"``.
    log_w : array_like, shape (N,), optional
    energy : float, optional
        Centre-of-mass energy [GeV]: a sample knows its own, Hadrons are taken to have the figure's, 91.2 GeV; it must
        be within 3 GeV of that.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> pions = ht.hadronize_strings(1000, energy=91.2, rng=np.random.default_rng(1))
    >>> print(compare(pions, "mean_nch_opal").message)
    pions alone are no events of LEP: there quarks radiate, and heavier hadrons decay
    """
    found, n, measured, message = _measured(events, figure, log_w, energy)
    chi2 = chi2_to_data(found.density, found.covariance, measured.values, measured.errors)
    residuals = (found.density - measured.values) / np.hypot(found.errors, measured.errors)
    return LepComparison(measured, found.density, found.errors, found.covariance, residuals, *chi2, n, message)


def like_lep(
    events: Sample | Hadrons, figure: str | LepFigure, log_w: Any = None, *, energy: float | None = None
) -> Density:
    """Histogram of a simulation as a measurement at LEP was made: its particles, bins and normalisation.

    Parameters
    ----------
    events, figure, log_w, energy
        As for `compare`, which raises the same errors, and says at once how well it agrees. A mean has one entry.
    """
    return _measured(events, figure, log_w, energy)[0]


def _measured(events, figure, log_w, energy):
    """Density, effective number of events, the figure, and what stands against comparing them."""
    if not isinstance(figure, (str, LepFigure)):
        raise TypeError(f"figure must be a name or a LepFigure, got {figure!r}; see hadtutor.datasets.lep_names()")
    figure = lep(figure) if isinstance(figure, str) else figure
    if energy is None and not isinstance(events, Sample):
        energy = LEP_ENERGY
    hadrons, energy = hadrons_and_energy(events, energy)
    if abs(energy - LEP_ENERGY) > _PEAK:
        found = f"got events of {energy:g} GeV; make them at that energy"
        raise ValueError(f"LEP measured {figure.name} at {LEP_ENERGY} GeV, {found}")
    density = _histogram(hadrons, energy, figure, log_w)
    n = float(len(hadrons)) if log_w is None else n_eff(log_w)
    against = []
    if np.isin(abs(hadrons.pid), (111, 211)).all():
        against.append("pions alone are no events of LEP: there quarks radiate, and heavier hadrons decay")
    if energy != LEP_ENERGY:
        against.append(f"events of {energy:g} GeV beside data of {LEP_ENERGY} GeV")
    if n < 100:
        against.append(f"{n:.0f} effective events are too few for errors that can be trusted")
    return density, n, figure, "; ".join(against)


def _histogram(hadrons, energy, figure, log_w):
    from .. import observables

    known = figure.kind == "mean" or figure.name in {*_OF_EVENTS, *_OF_HADRONS}
    if not known or figure.particles not in _PARTICLES:
        raise ValueError(
            f"do not know how {figure.name!r} of {figure.particles!r} particles is measured; known: "
            f"{', '.join((*_OF_EVENTS, *_OF_HADRONS))}, and means, of {', '.join(_PARTICLES)} particles"
        )
    kept = hadrons.where(_PARTICLES[figure.particles](hadrons.pid))
    if figure.kind == "mean":
        return Density(*mean_and_covariance(kept.multiplicity[:, None], log_w))
    if name := _OF_EVENTS.get(figure.name):
        event, values = None, observables.compute(kept, energy, names=name)[name]
    else:
        with np.errstate(divide="ignore"):  # at rest
            event, values = kept.event, _OF_HADRONS[figure.name](observables.momentum_fraction(kept, energy), energy)
    counts = histogram_per_event(values, figure.edges, event, len(hadrons))
    return density_per_event(counts, figure.edges, log_w, figure.kind)
