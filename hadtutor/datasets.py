"""The data files that come with the package: where they lie, what is in them, where they come from."""

import csv
import hashlib
import pathlib
from typing import NamedTuple

import numpy as np

__all__ = ["DATASETS", "Dataset", "LepFigure", "lep", "lep_names", "load", "path", "table"]

PT_UNIT = 2.0**-12
"""Unit of the transverse momenta in the packaged files [GeV]: 0.24 MeV."""

_PACKAGE = pathlib.Path(__file__).resolve().parent


class Dataset(NamedTuple):
    """One data file and its papers."""

    file: str
    sha256: str
    size: int  # bytes
    licence: str
    provenance: str  # what it is; the script and the seed that made it, or the HEPData records that published it


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


DATASETS = {
    "particles": Dataset(
        "particles.csv",
        "859452bcf3c5ae84ec081731aefdcad6bcf26003a8a4be8f5a0380683a529991",
        21326,
        "CC0-1.0",
        "PDG codes, masses and charges of hadrons, leptons and the photon; tools/make_particles.py",
    ),
    "lep": Dataset(
        "lep.csv",
        "ad3c93d29e061a0eb8582a52a68710b970a69f2c97ec03cd27d12846780e1aef",
        13252,
        "CC0-1.0",
        "event shapes, multiplicities and spectra of hadronic Z decays at 91.2 GeV, measured at LEP; "
        "HEPData ins372772, ins424112, ins428072, ins472637, ins636645, ins652683",
    ),
    "lep-figures": Dataset(
        "lep-figures.csv",
        "55dbd04130f147fb30e8de4caf830ab5e275146a3b3bd02ee07e377e928258fa",
        3982,
        "CC0-1.0",
        "what each figure of lep.csv is: labels, units, definitions, papers; "
        "HEPData ins372772, ins424112, ins428072, ins472637, ins636645, ins652683",
    ),
    "pythia-pions-base": Dataset(
        "pythia-pions-base.npz",
        "9f670a1b85874c0dcdca5573887fc4ca6c23287c21751b95845ebd1e827ec502",
        5429783,
        "CC-BY-4.0",
        "50 000 pion strings of real Pythia 8.317 with break histories, u-ubar, 90 GeV, "
        "(a, b, σ) = (0.68, 0.98, 0.335), stopMass 1.0, "
        "enhancedFraction 0; tools/make_pythia_data.py, seed 20240611",
    ),
    "pythia-pions-a030": Dataset(
        "pythia-pions-a030.npz",
        "92cac10e229f8b721eece8990350146cf54840d8ab7639051464ac01f3cb6dcd",
        4817157,
        "CC-BY-4.0",
        "50 000 pion strings of real Pythia 8.317 with break histories, u-ubar, 90 GeV, "
        "(a, b, σ) = (0.30, 0.98, 0.335), stopMass 1.0, "
        "enhancedFraction 0; tools/make_pythia_data.py, seed 20240612",
    ),
    "pythia-pions-b058": Dataset(
        "pythia-pions-b058.npz",
        "60b4d65afff20dcfd5d1d0b2a389498fc328fd80ab922015be6b8dbde48523ee",
        6384860,
        "CC-BY-4.0",
        "50 000 pion strings of real Pythia 8.317 with break histories, u-ubar, 90 GeV, "
        "(a, b, σ) = (0.68, 0.58, 0.335), stopMass 1.0, "
        "enhancedFraction 0; tools/make_pythia_data.py, seed 20240613",
    ),
    "pythia-showers-91": Dataset(
        "pythia-showers-91.npz",
        "330caad47ca0dbc8d9d430a72fa5be5c1ea25cf3cef85b96e19a2952a37fd3f3",
        1888458,
        "CC-BY-4.0",
        "20 000 showers of real Pythia 8.317, e+e- to Z/gamma* to q-qbar of five flavours, 91.2 GeV, partons with "
        "colours, no photons; tools/make_shower_data.py, seed 20240621",
    ),
    "pythia-showers-200": Dataset(
        "pythia-showers-200.npz",
        "bf24f4d73f4561949e869ef42fd2fd16719dc046dab6558ec586a415b9d2f737",
        1359126,
        "CC-BY-4.0",
        "10 000 showers of real Pythia 8.317, e+e- to Z/gamma* to q-qbar of five flavours, 200 GeV, partons with "
        "colours, no photons; tools/make_shower_data.py, seed 20240622",
    ),
    "cluster-scan": Dataset(
        "cluster-scan.csv",
        "5a3f8283a6e097294a6515fb506d71b27f0ad9ea2f190423649b07dad32a9290",
        1382,
        "CC-BY-4.0",
        "mean numbers of charged particles, pions, kaons and protons at 15 points of three cluster parameters, "
        "20 000 events of 91.2 GeV each, decays by real Pythia 8.317; tools/make_cluster_data.py, seed 20240631",
    ),
    "cluster-lep": Dataset(
        "cluster-lep.csv",
        "5b4b26e8ac9dde3c4a98946d69f26b7a798069ee0b8c7a14d423c89b492292e6",
        27354,
        "CC-BY-4.0",
        "means and histograms of strings and of clusters from the packaged showers, decays by real Pythia 8.317; "
        "tools/make_cluster_data.py, seed 20240631",
    ),
}
"""Name to `Dataset`."""


def path(name):
    """Path of a packaged data file.

    Parameters
    ----------
    name : str
        A key of `DATASETS`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        If the name is unknown.
    FileNotFoundError
        If the file is missing from the installation.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(sorted(DATASETS))}")
    # Inside the wheel data/ lies in the package, in a checkout beside it.
    for folder in (_PACKAGE / "data", _PACKAGE.parent / "data"):
        if (folder / DATASETS[name].file).is_file():
            return folder / DATASETS[name].file
    raise FileNotFoundError(f"data file {DATASETS[name].file} is missing from this installation; install it again")


def _intact(name):
    """Path of a packaged data file whose checksum is the listed one."""
    from .files import DataFileError

    file = path(name)
    if hashlib.sha256(file.read_bytes()).hexdigest() != DATASETS[name].sha256:
        raise DataFileError(f"{file.name} is damaged: its checksum is not the listed one; install hadtutor again")
    return file


def _rows(name):
    """Rows of a packaged table, as dictionaries of strings."""
    lines = _intact(name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def table(name):
    """Columns of a packaged table.

    Parameters
    ----------
    name : str
        A key of `DATASETS` that holds a table, such as ``"cluster-lep"``.

    Returns
    -------
    dict of str to ndarray, shape (rows,)
        Numbers where a whole column is made of them, else strings.

    Raises
    ------
    ValueError
        If the name is unknown or not a table.
    DataFileError
        If the file is damaged: its checksum is not the listed one.

    Examples
    --------
    >>> table("particles")["mass_gev"][:2]
    array([0.000511, 0.000511])
    """
    if path(name).suffix != ".csv":
        raise ValueError(f"{name!r} is not a table; read it with datasets.load({name!r})")
    rows = _rows(name)
    columns = {}
    for column in rows[0]:
        entries = np.array([row[column] for row in rows])
        try:
            columns[column] = entries.astype(float)
        except ValueError:
            columns[column] = entries
    return columns


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


def load(name):
    """Load packaged strings or showers.

    Parameters
    ----------
    name : str
        A key of `DATASETS` that holds events, such as ``"pythia-pions-base"`` or ``"pythia-showers-91"``.

    Returns
    -------
    Sample or Showers
        A sample has histories; its hadrons follow from them. Showers are in the order of their colours. Both
        conserve four-momentum to rounding.

    Raises
    ------
    ValueError
        If the name is unknown or not a sample.
    DataFileError
        If the file is damaged: its checksum is not the listed one.

    Examples
    --------
    >>> load("pythia-pions-base")
    Sample(50000 events of a u string, 90 GeV, a=0.68, b=0.98, sigma_pt=0.335)
    >>> load("pythia-showers-91")
    Showers(20000 events, 223543 partons, 91.2 GeV)
    """
    from .files import read_arrays

    file = path(name)
    if file.suffix != ".npz":
        raise ValueError(f"{name!r} is not a sample of events; read the file {file.name} at datasets.path({name!r})")
    unpack = _showers if name.startswith("pythia-showers") else _strings
    return unpack(*read_arrays(_intact(name)))


# The imports stand in the functions, because these modules read their masses through `path` above.


def _strings(arrays, header):
    from .histories import Histories, Sample
    from .params import LundParams
    from .strings import break_mt2, last_pair_lambda, replay

    arrays |= {"chain_offsets": np.concatenate([[0], np.cumsum(arrays["chain_offsets"], dtype=np.int64)])}
    arrays |= {"event_of_chain": np.cumsum(arrays["event_of_chain"], dtype=np.int64)}
    arrays |= {n: arrays[n].astype(np.int32) for n in ("pid", "final_pid", "final_pid_other")}
    arrays |= {n: arrays[n] * np.float32(PT_UNIT) for n in ("px", "py")}
    arrays["mt2"] = break_mt2(*(arrays[n] for n in ("chain_offsets", "px", "py", "from_positive", "pid")))
    arrays["mt2"] = arrays["mt2"].astype(np.float32)
    arrays["final_lambda"] = np.full(len(arrays["status"]), np.nan, np.float32)
    histories = Histories(**arrays)
    hadrons = replay(histories, header["energy"])
    arrays["final_lambda"][histories.accepted] = last_pair_lambda(hadrons)
    return Sample(hadrons, histories, LundParams(**header["params"]), header["energy"], header["quark"])


def _showers(arrays, header):
    from .showers import PARTON_MASSES, Showers

    pid, energy = arrays["pid"].astype(np.int32), header["energy"]
    offsets = np.concatenate([[0], np.cumsum(arrays["multiplicity"], dtype=np.int64)])
    p2 = sum((arrays[n] * PT_UNIT) ** 2 for n in ("px", "py", "pz"))
    mass = np.zeros(128)
    mass[list(PARTON_MASSES)] = list(PARTON_MASSES.values())
    m2 = mass[abs(pid)] ** 2
    # Rounded momenta add up to zero, energies nearly to √s: one factor per event (1 within 1e-4), by Newton's method.
    factor, event = np.ones(len(offsets) - 1), np.repeat(np.arange(len(offsets) - 1), arrays["multiplicity"])
    for _ in range(3):
        e = np.sqrt(factor[event] ** 2 * p2 + m2)
        excess, slope = (np.bincount(event, weights=w) for w in (e, factor[event] * p2 / e))
        factor -= (excess - energy) / slope
    e = np.sqrt(factor[event] ** 2 * p2 + m2)
    p = (arrays[n] * PT_UNIT * factor[event] for n in ("px", "py", "pz"))
    # Partons lie along the strings: each but the antiquark at the end is followed by its colour partner.
    tags = np.arange(len(pid)) - offsets[event] + 101
    col = np.where(pid > 0, tags, 0).astype(np.int32)
    acol = np.where((pid < 0) | (pid == 21), tags - 1, 0).astype(np.int32)
    return Showers(offsets, *p, e, pid, col, acol, energy)
