"""The data files that come with the package: where they lie, what is in them, where they come from."""

import hashlib
import pathlib
from typing import NamedTuple

import numpy as np

__all__ = ["DATASETS", "Dataset", "load", "path"]

PT_UNIT = 2.0**-12
"""Unit of the transverse momenta in the packaged files [GeV]: 0.24 MeV."""

_PACKAGE = pathlib.Path(__file__).resolve().parent


class Dataset(NamedTuple):
    """One data file and its papers."""

    file: str
    sha256: str
    size: int  # bytes
    licence: str
    provenance: str  # what it is, the script and the seed that made it


DATASETS = {
    "particles": Dataset(
        "particles.csv",
        "4eab11571752284be247328a7d7b9d54602e111360381d103c69ae1bfe93a367",
        163,
        "CC0-1.0",
        "PDG codes, masses and charges of the hadrons used; tools/make_particles.py",
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


def load(name):
    """Load a packaged sample of events.

    Parameters
    ----------
    name : str
        A key of `DATASETS` that holds events, such as ``"pythia-pions-base"``.

    Returns
    -------
    Sample
        With histories; hadrons follow from them, with four-momentum conserved to rounding.

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
    """
    # Here, because these modules read their masses through `path` above.
    from .files import DataFileError, read_arrays
    from .histories import Histories, Sample
    from .params import LundParams
    from .strings import break_mt2, last_pair_lambda, replay

    file = path(name)
    if file.suffix != ".npz":
        raise ValueError(f"{name!r} is not a sample of events; read the file {file.name} at datasets.path({name!r})")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != DATASETS[name].sha256:
        raise DataFileError(f"{file.name} is damaged: its checksum is not the listed one; install hadtutor again")
    arrays, header = read_arrays(file)
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
