"""Masses and charges of hadrons, leptons and the photon, and the quark flavours a string can end in.

``tools/make_particles.py`` takes them from the tables of the Particle Data Group, as the `particle` package has them.
"""

import csv
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._support.checks import plain
from ._support.resources import data_folder

__all__ = ["PARTICLES", "Particle", "QUARKS", "charge_of", "mass_of", "name_of"]


class Particle(NamedTuple):
    """One row of the table: PDG code `pid`, `name`, `mass` [GeV], and `charge` in units of the positron charge."""

    pid: int
    name: str
    mass: float
    charge: int


with open(data_folder() / "particles.csv", newline="", encoding="utf-8") as _file:
    _table = csv.DictReader(line for line in _file if not line.startswith("#"))
    _read = [Particle(int(r["pid"]), r["name"], float(r["mass_gev"]), int(r["charge"])) for r in _table]
PARTICLES: dict[int, Particle] = {particle.pid: particle for particle in _read}
"""PDG code to `Particle`."""
QUARKS = {"d": 1, "u": 2}
"""Flavours a string can end in, with their PDG codes."""
MASS_NEUTRAL_PION = PARTICLES[111].mass
MASS_CHARGED_PION = PARTICLES[211].mass

# The columns of the table, and the row of each code below NEAR, where nearly all hadrons are; negative codes count
# from the end.
_CODES, _NAMES, _MASSES, _CHARGES = map(np.array, zip(*PARTICLES.values(), strict=True))
NEAR, UNKNOWN = 10_000, -1
_ROWS = np.full(2 * NEAR, UNKNOWN, np.int16)
_ROWS[_CODES[abs(_CODES) < NEAR]] = np.flatnonzero(abs(_CODES) < NEAR)


def charge_of(pid: ArrayLike) -> np.ndarray:
    """Electric charge of each particle, in units of the positron charge: whole numbers, in the shape of `pid`.

    A code that is not in `PARTICLES` (a parton, a nucleus, or no code at all) is a ValueError.

    Examples
    --------
    >>> charge_of([211, 111, -211]).tolist()
    [1, 0, -1]
    """
    return _CHARGES[_rows(pid)]


def mass_of(pid: ArrayLike) -> np.ndarray:
    """Mass of each particle [GeV], in the shape of `pid`; for codes as in `charge_of`."""
    return _MASSES[_rows(pid)]


def name_of(pid: ArrayLike) -> np.ndarray:
    """Name of each particle, such as ``"pi+"``, in the shape of `pid`; for codes as in `charge_of`."""
    return _NAMES[_rows(pid)]


def _rows(pid):
    """Row of each code in the table."""
    pid = plain(pid, "pid")
    if pid.size and pid.dtype.kind not in "iu":
        raise ValueError(f"PDG codes are whole numbers, got {pid.dtype}")
    shape, pid = pid.shape, pid.astype(np.int64, copy=False).reshape(-1)
    far = (pid <= -NEAR) | (pid >= NEAR)
    rows = _ROWS[np.where(far, 0, pid)]
    for code in np.unique(pid[far]):
        rows[pid == code] = np.append(np.flatnonzero(code == _CODES), UNKNOWN)[0]
    if np.any(unknown := rows == UNKNOWN):
        known = f"{len(PARTICLES)} hadrons and leptons and the photon, see particles.PARTICLES"
        raise ValueError(f"unknown PDG code {pid[unknown][0]}; known are {known}")
    return rows.reshape(shape)
