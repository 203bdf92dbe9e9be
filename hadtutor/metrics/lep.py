"""LEP's figures, measured on our events in the way that the experiments did."""

import numpy as np

from .. import observables
from ..particles import charge_of
from .histograms import Density, _mean_and_covariance, density_per_event, histogram_per_event

LEP_ENERGY = 91.2
"""Centre-of-mass energy √s of the figures in `hadtutor.datasets.lep` [GeV]."""
_LEP_COLUMNS = {"thrust": "T", "C": "C", "BT": "B_T", "BW": "B_W", "D_charged": "D", "nch": "n_ch", "nch_udsc": "n_ch"}


def like_lep(hadrons, figure, log_w=None):
    """Histogram of a simulation as a measurement at LEP was made: its particles, bins and normalisation.

    Parameters
    ----------
    hadrons : Hadrons
        N events of the energy of the figure, after decays. For a figure of some quark flavours only, events of these.
    figure : LepFigure
        From `hadtutor.datasets.lep`.
    log_w : array_like, shape (N,), optional
        Log weights of the events.

    Returns
    -------
    Density
        Compare it with the figure's `values` and `errors`, with `chi2_to_data`. For a mean it has one entry.

    Raises
    ------
    ValueError
        As `density_per_event`.

    Examples
    --------
    >>> import hadtutor as ht, numpy as np
    >>> pions = ht.hadronize_strings(1000, energy=91.2, rng=np.random.default_rng(1)).hadrons
    >>> thrust = ht.datasets.lep("thrust")
    >>> found = like_lep(pions, thrust)
    >>> round(float(found.density @ np.diff(thrust.edges)), 5)
    1.0
    """
    kept = hadrons
    if figure.particles == "charged pions":
        kept = hadrons.where(abs(hadrons.pid) == 211)
    elif figure.particles == "charged":
        kept = hadrons.where(charge_of(hadrons.pid) != 0)
    if figure.kind == "mean":
        return Density(*_mean_and_covariance(kept.multiplicity[:, None], log_w, "counts"))
    event = None
    if figure.name in _LEP_COLUMNS:
        column = _LEP_COLUMNS[figure.name]
        values = observables.compute(kept, LEP_ENERGY, names=column)[column]
    else:
        values, event = observables.momentum_fraction(kept, LEP_ENERGY), kept.event
        if figure.name == "xi_charged":
            values = -np.log(values)
        elif figure.name == "pipm_p":
            values = 0.5 * LEP_ENERGY * values
    counts = histogram_per_event(values, figure.edges, event, len(hadrons))
    return density_per_event(counts, figure.edges, log_w, figure.kind)
