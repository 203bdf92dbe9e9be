"""Measurements of LEP as columns, and what each figure is."""

from typing import NamedTuple

import numpy as np

from .registry import _rows


class LepFigure(NamedTuple):
    """One measurement at LEP with B bins, ready to be drawn beside a histogram."""

    name: str
    kind: str  # "density", "probability" or "mean", see `lep`
    edges: np.ndarray  # (B + 1,) increasing; of a mean (B = 1) both are the energy, 91.2 GeV
    values: np.ndarray  # (B,) NaN where nothing was measured
    errors: np.ndarray  # (B,) one standard deviation, statistical and systematic in quadrature; NaN as `values`
    xlabel: str
    ylabel: str
    unit: str  # of values and errors: "1" or "1/GeV"
    particles: str  # which ones count: "all", "charged" or "charged pions"
    hepdata: str  # record in HEPData, "ins" and the Inspire number
    table: str  # its table and column, as Rivet counts them
    citation: str
    bibkey: str  # of the book's references.bib
    note: str


def lep_names():
    """Names of the figures that `lep` knows.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> lep_names()[:4]
    ('thrust', 'C', 'BT', 'BW')
    """
    return tuple(row["name"] for row in _rows("lep-figures"))


def lep(name):
    """A published measurement of hadronic Z decays at LEP, √s = 91.2 GeV, as HEPData has it.

    A histogram with these ``edges`` is comparable after the division that the ``kind`` asks for:

    - ``"density"``: counts / (events · bin width). Integrates to 1 (event shapes) or to particles per event (spectra).
    - ``"probability"``: counts / events, not divided by the width. Sums to 1.
    - ``"mean"``: mean per event.

    ========================================  =================================================================
    thrust, C, BT, BW                         event shapes of all particles, neutrinos included
    D_charged                                 D parameter of the charged particles
    nch, nch_udsc                             distribution of the charged multiplicity n; bins hold one even n
    xp, xp_uds                                charged particles over x_p = 2p/√s
    xi_charged                                charged particles over ln(1/x_p)
    pipm_p                                    π⁺ and π⁻ over momentum; the bin from 0.864 to 2.02 GeV is NaN
    mean_nch_aleph_1998, mean_nch_aleph_2004  mean charged multiplicity, two analyses of one detector
    mean_nch_opal, mean_nch_uds               mean charged multiplicity
    mean_pipm                                 mean number of π⁺ and π⁻
    ========================================  =================================================================

    ``_uds`` and ``_udsc`` are decays to these quarks alone, the others to all five. Charged particles include what
    K⁰_S, Λ and everything shorter-lived decays to. A string of pions from one flavour, without shower and decays,
    need not agree with any of it.

    Parameters
    ----------
    name : str
        One of the above.

    Returns
    -------
    LepFigure
        Its arrays cannot be written to.

    Raises
    ------
    ValueError
        If the name is unknown.
    DataFileError
        If a file is damaged: its checksum is not the listed one.

    Examples
    --------
    >>> thrust = lep("thrust")
    >>> print(thrust.citation)
    ALEPH, Eur. Phys. J. C 35 (2004) 457
    >>> round(float(thrust.values @ np.diff(thrust.edges)), 5)
    1.0
    >>> nch = lep("nch")
    >>> centres = (nch.edges[1:] + nch.edges[:-1]) / 2
    >>> print(f"{centres @ nch.values / nch.values.sum():.2f} charged particles")
    20.91 charged particles
    """
    figures = {figure["name"]: figure for figure in _rows("lep-figures")}
    if name not in figures:
        raise ValueError(f"unknown LEP figure {name!r}; known: {', '.join(figures)}")
    rows = [row for row in _rows("lep") if row["name"] == name]
    low, high, values, errors = (np.array([float(row[c]) for row in rows]) for c in ("low", "high", "value", "error"))
    arrays = {"edges": np.append(low, high[-1]), "values": values, "errors": errors}
    for array in arrays.values():
        array.flags.writeable = False
    return LepFigure(**figures[name], **arrays)
