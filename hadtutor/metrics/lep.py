"""LEP's figures, measured on our events in the way that the experiments did, and how well they agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..datasets.measurements import LepFigure, lep
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from ..observables import MORE, NAMES, compute, momentum_fraction
from ..particles import charge_of
from .chi2 import chi2_to_data
from .histograms import Density, density_per_event, histogram_per_event, mean_and_covariance
from .weighted import n_eff

_PEAK = 3.0  # GeV; LEP ran so far below and above the peak of the Z, whose decays look the same there
_OF_HADRONS = {
    "x_p": momentum_fraction,
    "ln(1/x_p)": lambda hadrons, energy: -np.log(momentum_fraction(hadrons, energy)),
    "p": lambda hadrons, energy: 0.5 * energy * momentum_fraction(hadrons, energy),
    "x_E": lambda hadrons, energy: 2.0 * hadrons.e / energy,
}
_ANY = {
    "all": lambda pid: np.ones(len(pid), bool),
    "charged": lambda pid: charge_of(pid) != 0,
}
# Of B hadrons the ground states; what is excited decays to these by the strong or the electromagnetic interaction.
_CODES = {
    "charged pions": (211,), "charged kaons": (321,), "protons": (2212,),
    "weak B hadrons": (511, 521, 531, 541, 5122, 5132, 5232, 5332),
}  # fmt: skip
_STABLE = {130, 211, 321, 2212}


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
        N events after decays. For a figure of some quark flavours only, events of these. Where it counts hadrons that
        decay, such as B hadrons or ρ⁰, they have to be there still: `lep_settings`.
    figure : str or LepFigure
        One of `hadtutor.datasets.lep_names`, such as ``"thrust"``.
    log_w : array_like, shape (N,), optional
    energy : float, optional
        Centre-of-mass energy [GeV]: a sample knows its own, Hadrons are taken to have the figure's, mostly 91.2 GeV; it
        must be within 3 GeV of that.

    TypeError, ValueError: `events` or `figure` is something else, the energy is another one, it is unknown how the
    figure is measured, or the events lack the hadrons that it counts.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> pions = ht.hadronize_strings(1000, energy=91.2, rng=np.random.default_rng(1))
    >>> print(compare(pions, "mean_nch_opal").message)
    pions alone are no events of LEP: there quarks radiate, and heavier hadrons decay
    """
    figure, hadrons, energy = _checked(events, figure, energy)
    found = _density(_counts(hadrons, figure, energy), figure, log_w)
    n = float(len(hadrons)) if log_w is None else n_eff(log_w)
    against = []
    if np.isin(abs(hadrons.pid), (111, 211)).all():
        against.append("pions alone are no events of LEP: there quarks radiate, and heavier hadrons decay")
    if energy != figure.energy:
        against.append(f"events of {energy:g} GeV beside data of {figure.energy:g} GeV")
    if n < 100:
        against.append(f"{n:.0f} effective events are too few for errors that can be trusted")
    chi2 = chi2_to_data(found.density, found.covariance, figure.values, figure.errors)
    residuals = (found.density - figure.values) / np.hypot(found.errors, figure.errors)
    message = "; ".join(against)
    return LepComparison(figure, found.density, found.errors, found.covariance, residuals, *chi2, n, message)


def like_lep(
    events: Sample | Hadrons, figure: str | LepFigure, log_w: Any = None, *, energy: float | None = None
) -> Density:
    """Histogram of a simulation as a measurement at LEP was made: its particles, bins and normalisation.

    Parameters
    ----------
    events, figure, log_w, energy
        As for `compare`, which raises the same errors, and says at once how well it agrees. A mean has one entry.
    """
    figure, hadrons, energy = _checked(events, figure, energy)
    return _density(_counts(hadrons, figure, energy), figure, log_w)


def lep_counts(events: Sample | Hadrons, figure: str | LepFigure, *, energy: float | None = None) -> sparse.csr_array:
    """What a figure counts, event by event and bin by bin, for fits that weight the same events many times.

    With weights w of the events, ``m = w @ counts / w.sum()`` is comparable with the values of a figure whose kind is
    "mean" or "probability", ``m / np.diff(figure.edges)`` with those of a "density", and that over ``m.sum()`` with
    those of a "normalised" one. `density_per_event` does this, too, and has the covariance.

    Parameters
    ----------
    events, figure, energy
        As for `compare`, which raises the same errors.

    Returns
    -------
    scipy.sparse.csr_array of float32, shape (N, B)
        A mean has one column.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> pions, xp = ht.hadronize_strings(1000, energy=91.2, rng=1), ht.datasets.lep("xp")
    >>> m = lep_counts(pions, xp).mean(axis=0)
    >>> bool(np.allclose(m / np.diff(xp.edges), like_lep(pions, xp).density))
    True
    """
    figure, hadrons, energy = _checked(events, figure, energy)
    return _counts(hadrons, figure, energy)


def lep_settings(figure: str | LepFigure) -> tuple[str, ...]:
    """Settings of real Pythia under which what a figure counts does not decay; none for most figures.

    A rate of ρ⁰ needs events in which they are still there, with all that heavier hadrons made. Other figures want
    other events: in these the pions of ρ⁰ are missing.

    Parameters
    ----------
    figure
        As for `compare`, which raises the same errors.

    Examples
    --------
    >>> lep_settings("mean_rho0"), lep_settings("thrust")
    (('113:mayDecay = off',), ())
    """
    figure = _known(figure)
    return tuple(f"{code}:mayDecay = off" for code in _codes(figure.particles) if code not in _STABLE)


def only_counted(every: Hadrons, figure: LepFigure) -> Hadrons | None:
    """Of all hadrons of some events those that a `figure` counts before their decays; None if it counts after them."""
    return every.where(np.isin(abs(every.pid), _codes(figure.particles))) if lep_settings(figure) else None


def _codes(particles):
    """PDG codes of these particles; none where too many kinds count, or such particles are unknown."""
    listed = particles.split()
    return _CODES.get(particles, tuple(map(int, listed)) if all(map(str.isdecimal, listed)) else ())


def _known(figure: str | LepFigure) -> LepFigure:
    """The figure, of which is known how it is measured."""
    if not isinstance(figure, (str, LepFigure)):
        raise TypeError(f"figure must be a name or a LepFigure, got {figure!r}; see hadtutor.datasets.lep_names()")
    figure = lep(figure) if isinstance(figure, str) else figure
    observables = ("count",) if figure.kind == "mean" else (*NAMES, *MORE, *_OF_HADRONS)
    if figure.observable not in observables or not (figure.particles in _ANY or _codes(figure.particles)):
        raise ValueError(
            f"do not know how {figure.observable!r} of {figure.particles!r} is measured, as {figure.name!r} wants; "
            f"known: {', '.join(observables)}, of {', '.join((*_ANY, *_CODES))}, or of PDG codes"
        )
    return figure


def _checked(
    events: Sample | Hadrons, figure: str | LepFigure, energy: float | None
) -> tuple[LepFigure, Hadrons, float]:
    """The figure, hadrons that can be measured like it, and their energy."""
    figure = _known(figure)
    if energy is None and not isinstance(events, Sample):
        energy = figure.energy
    hadrons, energy = hadrons_and_energy(events, energy)
    if abs(energy - figure.energy) > _PEAK:
        found = f"got events of {energy:g} GeV; make them at that energy"
        raise ValueError(f"LEP measured {figure.name} at {figure.energy:g} GeV, {found}")
    if lep_settings(figure):
        _check_undecayed(hadrons, figure)
    return figure, hadrons, energy


def _check_undecayed(hadrons, figure):
    there, codes = set(np.unique(abs(hadrons.pid)).tolist()), set(_codes(figure.particles))
    if figure.particles in _CODES:  # some kinds of B hadrons are rare
        lost = "no " + figure.particles if there.isdisjoint(codes) else ""
        excited = {code for code in there - codes if 5 in (code // 100 % 10, code // 1000 % 10)}
        lost = lost or (f"excited B hadrons (code {min(excited)}), not what they decay to" if excited else "")
    else:
        lost = f"no hadron of the code {min(codes - there)}" if codes - there else ""
    if lost:
        raise ValueError(
            f"these {len(hadrons)} events hold {lost}; {figure.name} counts hadrons before their decay: make some with "
            f"hadtutor.pythia.hadronize(showers, settings=metrics.lep_settings({figure.name!r}))"
        )


def _counts(hadrons, figure, energy):
    choose = _ANY.get(figure.particles, lambda pid: np.isin(abs(pid), _codes(figure.particles)))
    kept = hadrons.where(choose(hadrons.pid))
    if figure.kind == "mean":
        return sparse.csr_array(kept.multiplicity[:, None].astype(np.float32))
    if figure.observable in _OF_HADRONS:
        with np.errstate(divide="ignore"):  # at rest
            event, values = kept.event, _OF_HADRONS[figure.observable](kept, energy)
    else:
        event, values = None, compute(kept, energy, names=figure.observable)[figure.observable]
    return histogram_per_event(values, figure.edges, event, len(hadrons), sparse_rows=True)


def _density(counts, figure, log_w):
    if figure.kind == "mean":
        return Density(*mean_and_covariance(counts, log_w))
    return density_per_event(counts, figure.edges, log_w, figure.kind)
