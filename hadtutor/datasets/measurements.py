"""Measurements of LEP, and some of SLC, as columns, and what each figure is."""

from typing import NamedTuple

import numpy as np

from .registry import DATASETS, rows


class LepFigure(NamedTuple):
    """One measurement with B bins, ready to be drawn beside a histogram.

    Attributes
    ----------
    name, kind : str
        The kind is ``"density"``, ``"normalised"``, ``"probability"`` or ``"mean"``: what the values are, see `lep`.
    edges : ndarray, shape (B + 1,)
        Increasing; of a mean (B = 1) both are the energy.
    values, errors : ndarray, shape (B,)
        One standard deviation, statistical and systematic in quadrature; both are NaN where nothing was measured.
    xlabel, ylabel, unit : str
        For axes; the unit of values and errors is ``"1"`` or ``"1/GeV"``.
    observable : str
        What is measured: one of `hadtutor.observables.compute`, such as ``"T"``, once per event; ``"x_p"``,
        ``"ln(1/x_p)"``, ``"p"`` [GeV] or ``"x_E"`` = 2E/√s of each particle; ``"count"`` of a mean.
    particles : str
        Which ones count: ``"all"``, ``"charged"``, ``"charged pions"``, ``"charged kaons"``, ``"protons"``,
        ``"weak B hadrons"`` (those that decay weakly), or PDG codes such as ``"130 310"``, with antiparticles.
    energy : float
        Centre-of-mass energy √s [GeV].
    hepdata, table, citation, bibkey, note : str
        Record in HEPData, "ins" and the Inspire number (``"none"``: averages of the Particle Data Group are not there),
        its table and column as Rivet counts them; the paper, and its key in the book's references.bib.
    """

    name: str
    kind: str
    edges: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    xlabel: str
    ylabel: str
    unit: str
    observable: str
    particles: str
    hepdata: str
    table: str
    citation: str
    bibkey: str
    note: str
    energy: float = 91.2


def lep_names() -> tuple[str, ...]:
    """Names of the figures that `lep` knows."""
    return tuple(row["name"] for row in rows("lep-figures"))


def lep(name: str) -> LepFigure:
    """A published measurement of e⁺e⁻ → hadrons at LEP, at the Z (√s = 91.2 GeV) unless its name says otherwise.

    A histogram with these ``edges`` is comparable after the division that the ``kind`` asks for: ``"density"`` is
    counts / (events · bin width), and integrates to 1 (event shapes) or to particles per event (spectra);
    ``"normalised"`` is counts / (all counts · bin width), and integrates to 1; ``"probability"`` is counts / events,
    and sums to 1; ``"mean"`` is the mean per event. `hadtutor.metrics.like_lep` measures events in this way.

    - thrust, C, BT, BW: event shapes of all particles, neutrinos included (ALEPH)
    - thrust_delphi, C_delphi, BT_delphi, BW_delphi, D_delphi: the same and D by DELPHI
    - thrust_opal, C_opal, BT_opal, BW_opal, D_opal: the same by OPAL
    - thrust_charged, C_charged, BT_charged, BW_charged, D_charged: event shapes of the charged particles alone
      (DELPHI)
    - nch, nch_opal, nch_delphi, nch_udsc: distribution of the charged multiplicity n; bins hold one even n
    - xp, xp_aleph, xp_opal, xp_uds: charged particles over x_p = 2p/√s
    - xi_charged, xi_delphi, xi_opal: charged particles over ln(1/x_p)
    - pipm_p, kpm_p, p_p: π⁺ and π⁻, K⁺ and K⁻, p and p̄ over momentum (OPAL); one bin is NaN
    - pipm_xp_aleph, kpm_xp_aleph, p_xp_aleph: the same over x_p by ALEPH; one or two bins are NaN
    - pipm_xp_sld, kpm_xp_sld, p_xp_sld: the same over x_p by SLD
    - xb_aleph, xb_delphi, xb_opal, xb_sld: weakly decaying B hadrons over x_B = 2E/√s
    - mean_nch_aleph_1998, mean_nch_aleph_2004, mean_nch_opal, mean_nch_uds: mean charged multiplicity; the first
      two are analyses of one detector
    - mean_pipm, mean_kpm_opal, mean_p_opal: mean numbers that belong to pipm_p, kpm_p, p_p
    - mean_pipm_pdg, mean_kpm, mean_p: averages by the Particle Data Group: stable hadrons
    - mean_pi0, mean_k0, mean_eta, mean_etaprime, mean_rho0, mean_omega, mean_kstarpm, mean_kstar0, mean_phi: the
      same: mesons that decay
    - mean_lambda, mean_sigma0, mean_xi, mean_deltapp, mean_sigma1385, mean_xi1530, mean_omega_minus: the same:
      baryons that decay
    - thrust_200, thrust_206: as thrust (ALEPH), at 200 and 206 GeV
    - mean_nch_133, mean_nch_161, mean_nch_172, mean_nch_183, mean_nch_189, mean_nch_196, mean_nch_200,
      mean_nch_206: mean charged multiplicity at these energies

    ``_uds`` and ``_udsc`` are decays to these quarks alone, the others to all five. Charged particles include what
    K⁰_S, Λ and everything shorter-lived decays to. A string of pions from one flavour, without shower and decays,
    need not agree with any of it. Errors are symmetric: where published ones were not, their mean. What
    `hadtutor.metrics.lep_settings` names must not decay in the events that a figure is compared with.

    The arrays cannot be written to. ValueError, DataFileError: `name` is none of these, or a file is damaged.

    Examples
    --------
    >>> nch = lep("nch")
    >>> print(nch.citation)
    ALEPH, Phys. Rept. 294 (1998) 1
    >>> round(float((nch.edges[1:] + nch.edges[:-1]) / 2 @ nch.values / nch.values.sum()), 2)
    20.91
    """
    figures = {figure["name"]: figure for figure in rows("lep-figures")}
    if not isinstance(name, str) or name not in figures:
        is_file = isinstance(name, str) and name in DATASETS
        hint = f", but a file: read it with datasets.{DATASETS[name].reader}({name!r})" if is_file else ""
        raise ValueError(f"unknown LEP figure {name!r}{hint}; known: {', '.join(figures)}")
    bins = [row for row in rows("lep") if row["name"] == name]
    low, high, values, errors = (np.array([float(row[c]) for row in bins]) for c in ("low", "high", "value", "error"))
    arrays = {"edges": np.append(low, high[-1]), "values": values, "errors": errors}
    for array in arrays.values():
        array.flags.writeable = False
    energy = float(figures[name].pop("energy"))
    return LepFigure(**figures[name], **arrays, energy=energy)  # type: ignore[arg-type]
