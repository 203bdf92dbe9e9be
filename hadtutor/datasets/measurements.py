"""Measurements of LEP as columns, and what each figure is."""

from typing import NamedTuple

import numpy as np

from .registry import DATASETS, rows


class LepFigure(NamedTuple):
    """One measurement at LEP with B bins, ready to be drawn beside a histogram.

    Attributes
    ----------
    name, kind : str
        The kind is ``"density"``, ``"probability"`` or ``"mean"``: what the values are, see `lep`.
    edges : ndarray, shape (B + 1,)
        Increasing; of a mean (B = 1) both are the energy, 91.2 GeV.
    values, errors : ndarray, shape (B,)
        One standard deviation, statistical and systematic in quadrature; both are NaN where nothing was measured.
    xlabel, ylabel, unit : str
        For axes; the unit of values and errors is ``"1"`` or ``"1/GeV"``.
    particles : {"all", "charged", "charged pions"}
        Which ones count.
    hepdata, table, citation, bibkey, note : str
        Record in HEPData, "ins" and the Inspire number, its table and column as Rivet counts them; the paper, and its
        key in the book's references.bib.
    """

    name: str
    kind: str
    edges: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    xlabel: str
    ylabel: str
    unit: str
    particles: str
    hepdata: str
    table: str
    citation: str
    bibkey: str
    note: str


def lep_names() -> tuple[str, ...]:
    """Names of the figures that `lep` knows."""
    return tuple(row["name"] for row in rows("lep-figures"))


def lep(name: str) -> LepFigure:
    """A published measurement of hadronic Z decays at LEP, √s = 91.2 GeV, as HEPData has it.

    A histogram with these ``edges`` is comparable after the division that the ``kind`` asks for: ``"density"`` is
    counts / (events · bin width), and integrates to 1 (event shapes) or to particles per event (spectra);
    ``"probability"`` is counts / events, and sums to 1; ``"mean"`` is the mean per event.

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
    return LepFigure(**figures[name], **arrays)  # type: ignore[arg-type]
