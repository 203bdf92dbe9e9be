"""The packaged data files: what they are, where they lie, and whether they are intact."""

import contextlib
import csv
import hashlib
import pathlib
from typing import NamedTuple

import numpy as np

from .._support.resources import data_folder
from ..files import DataFileError


class Dataset(NamedTuple):
    """One data file and its papers.

    Attributes
    ----------
    kind : str
        ``"table"``, ``"strings"``, ``"showers"`` or ``"events"``: what `table` or `load` make of it.
    file, sha256, size : str, str, int
        Its name, its checksum, and its bytes.
    licence, provenance : str
        What it is; the script and the seed that made it, or the HEPData records that published it.
    """

    kind: str
    file: str
    sha256: str
    size: int
    licence: str
    provenance: str

    @property
    def reader(self) -> str:
        """Name of the function that reads it."""
        return "table" if self.kind == "table" else "load"


_HEPDATA = (
    "HEPData ins301657, ins321190, ins372772, ins382179, ins424112, ins428072, ins472637, ins558327, "
    "ins582951, ins599181, ins630327, ins636645, ins652683, ins669402, ins890503"
)
_PIONS = (
    "50 000 pion strings of real Pythia 8.317 with break histories, u-ubar, 90 GeV, (a, b, σ) = {}, stopMass 1.0, "
    "enhancedFraction 0; tools/make_pythia_data.py, seed {}"
)
_SHOWERS = (
    "{} showers of real Pythia 8.317, e+e- to Z/gamma* to q-qbar of five flavours, {} GeV, partons with colours, no "
    "photons; tools/make_shower_data.py, seed {}"
)
_GLUONS = (
    "10 000 showers of real Pythia 8.317, e+e- to Z/gamma* to u-ubar, 90 GeV, {} and no other quarks, partons with "
    "colours, no photons; tools/make_shower_data.py, seed {}"
)
_CLUSTERS = "tools/make_cluster_data.py, seed 20240631"
# fmt: off
DATASETS = {
    "particles": Dataset(
        "table", "particles.csv", "859452bcf3c5ae84ec081731aefdcad6bcf26003a8a4be8f5a0380683a529991",
        21326, "CC0-1.0", "PDG codes, masses and charges of hadrons, leptons and the photon; tools/make_particles.py"),
    "lep": Dataset(
        "table", "lep.csv", "ef16bdd8f3cdf9046b9f862e2e189a4fafe5153b6dfcf5150f30ff76ffb43ea7",
        42558, "CC0-1.0",
        "event shapes, multiplicities, spectra and rates of hadrons from e+e-, at 91.2 GeV and a few above, measured "
        "at LEP and SLC; averages of rates by the Particle Data Group, 2008; " + _HEPDATA),
    "lep-figures": Dataset(
        "table", "lep-figures.csv", "154e8305ea2109413d767ca954da48dc1d6988707615945d6032b0d316aa0813",
        20136, "CC0-1.0", "what each figure of lep.csv is: labels, units, definitions, papers; " + _HEPDATA),
    "pythia-pions-base": Dataset(
        "strings", "pythia-pions-base.npz", "9f670a1b85874c0dcdca5573887fc4ca6c23287c21751b95845ebd1e827ec502",
        5429783, "CC-BY-4.0", _PIONS.format("(0.68, 0.98, 0.335)", 20240611)),
    "pythia-pions-a030": Dataset(
        "strings", "pythia-pions-a030.npz", "92cac10e229f8b721eece8990350146cf54840d8ab7639051464ac01f3cb6dcd",
        4817157, "CC-BY-4.0", _PIONS.format("(0.30, 0.98, 0.335)", 20240612)),
    "pythia-pions-b058": Dataset(
        "strings", "pythia-pions-b058.npz", "60b4d65afff20dcfd5d1d0b2a389498fc328fd80ab922015be6b8dbde48523ee",
        6384860, "CC-BY-4.0", _PIONS.format("(0.68, 0.58, 0.335)", 20240613)),
    "pythia-showers-91": Dataset(
        "showers", "pythia-showers-91.npz", "330caad47ca0dbc8d9d430a72fa5be5c1ea25cf3cef85b96e19a2952a37fd3f3",
        1888458, "CC-BY-4.0", _SHOWERS.format("20 000", "91.2", 20240621)),
    "pythia-showers-200": Dataset(
        "showers", "pythia-showers-200.npz", "bf24f4d73f4561949e869ef42fd2fd16719dc046dab6558ec586a415b9d2f737",
        1359126, "CC-BY-4.0", _SHOWERS.format("10 000", "200", 20240622)),
    "pythia-showers-qvgq": Dataset(
        "showers", "pythia-showers-qvgq.npz", "32ab2a186ab3c802972f95bb660fc92f65f16b5dc42b6e8a4c763af8157a57de",
        269360, "CC-BY-4.0", _GLUONS.format("the first gluon", 20240623)),
    "pythia-showers-qngq": Dataset(
        "showers", "pythia-showers-qngq.npz", "c8dce44ad691a19c85c03adb64fbd9714b350f81fb58f33a3bdeb6bbe0175876",
        1009090, "CC-BY-4.0", _GLUONS.format("all gluons", 20240624)),
    "pythia-lep": Dataset(
        "events", "pythia-lep.npz", "aa515575842887300c296120e8cd30ae974166b797a24ca4920b8de0fd8349f7",
        6211433, "CC-BY-4.0",
        "10 000 events of real Pythia 8.317, the Monash tune but for a = 0.75, b = 1.10 GeV⁻², sigma_pt = 0.307 GeV, "
        "with break histories of all flavours and after decays, from the first showers of pythia-showers-91; "
        "tools/make_lep_data.py, seed 20240651"),
    "cluster-scan": Dataset(
        "table", "cluster-scan.csv", "5a3f8283a6e097294a6515fb506d71b27f0ad9ea2f190423649b07dad32a9290",
        1382, "CC-BY-4.0", "mean numbers of charged particles, pions, kaons and protons at 15 points of three cluster "
        "parameters, 20 000 events of 91.2 GeV each, decays by real Pythia 8.317; " + _CLUSTERS),
    "cluster-lep": Dataset(
        "table", "cluster-lep.csv", "5b4b26e8ac9dde3c4a98946d69f26b7a798069ee0b8c7a14d423c89b492292e6",
        27354, "CC-BY-4.0", "means and histograms of strings and of clusters from the packaged showers, decays by "
        "real Pythia 8.317; " + _CLUSTERS),
    "rsa-coverage": Dataset(
        "table", "rsa-coverage.csv", "a61a43993a3a1a9a5527bda32080d773255df7d68ecb188d7c0b601c55a43155",
        40480, "CC-BY-4.0", "values and covariances of 400 fits of a and b with each of two losses, 10 000 strings of "
        "base and target each; tools/make_rsa_coverage.py, seed 20240641"),
    "pythia-weights": Dataset(
        "table", "pythia-weights.csv", "784338578b40263e7f91f896dd81ddafecd9686a2af675ad5530b8a4f8afd888",
        9274, "CC-BY-4.0",
        "what real Pythia 8.317's own weights of fragmentation lead to and are worth, at the ten points "
        "that arXiv:2308.13459 tabulates, for Z events and pion strings; tools/make_weight_data.py, seed 20240641"),
}
# fmt: on
"""Name to `Dataset`."""


def path(name: str) -> pathlib.Path:
    """Path of a packaged data file.

    A `name` that `DATASETS` does not have is a ValueError, a file missing from the installation a FileNotFoundError.
    """
    if not isinstance(name, str) or name not in DATASETS:
        is_figure = name in [row["name"] for row in rows("lep-figures")]
        hint = f", but a figure of LEP: read it with datasets.lep({name!r})" if is_figure else ""
        raise ValueError(f"unknown data set {name!r}{hint}; known: {', '.join(sorted(DATASETS))}")
    file = data_folder() / DATASETS[name].file
    if not file.is_file():
        raise FileNotFoundError(f"data file {file.name} is missing from this installation; install it again")
    return file


def intact(name: str) -> pathlib.Path:
    """Path of a packaged data file whose checksum is the listed one."""
    file = path(name)
    if hashlib.sha256(file.read_bytes()).hexdigest() != DATASETS[name].sha256:
        raise DataFileError(f"{file.name} is damaged: its checksum is not the listed one; install hadtutor again")
    return file


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a packaged table, as dictionaries of strings."""
    lines = intact(name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def table(name: str) -> dict[str, np.ndarray]:
    """Columns of a packaged table by name, shape (rows,): numbers where all of it are, else strings.

    A `name` of `DATASETS` that is unknown or holds no table is a ValueError, a damaged file a `DataFileError`.

    Examples
    --------
    >>> table("particles")["mass_gev"][:2]
    array([0.000511, 0.000511])
    """
    path(name)
    if DATASETS[name].kind != "table":
        raise ValueError(f"{name!r} is not a table but {DATASETS[name].kind}; read it with datasets.load({name!r})")
    found = rows(name)
    columns = {column: np.array([row[column] for row in found]) for column in found[0]}
    for column, entries in columns.items():
        with contextlib.suppress(ValueError):
            columns[column] = entries.astype(float)
    return columns
