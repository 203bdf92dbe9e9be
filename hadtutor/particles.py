"""Masses and charges of hadrons, leptons and the photon, and the quark flavours a string can end in.

They come from ``data/particles.csv``, written by ``tools/make_particles.py`` from the tables of the Particle Data
Group as the `particle` package carries them.
"""

import csv
from typing import NamedTuple

import numpy as np

from ._support.resources import data_folder

__all__ = ["PARTICLES", "Particle", "QUARKS", "charge_of"]


class Particle(NamedTuple):
    """One row of the particle table."""

    pid: int  # PDG code
    name: str
    mass: float  # GeV
    charge: int  # in units of the positron charge


def _read_table():
    with open(data_folder() / "particles.csv", newline="", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {int(r["pid"]): Particle(int(r["pid"]), r["name"], float(r["mass_gev"]), int(r["charge"])) for r in rows}


PARTICLES = _read_table()
"""PDG code to `Particle`."""
QUARKS = {"d": 1, "u": 2}
"""Flavours a string can end in, with their PDG codes."""
# Charges of codes below NEAR, where nearly all hadrons are; negative codes count from the end.
NEAR, UNKNOWN = 10_000, 127
_CHARGES = np.full(2 * NEAR, UNKNOWN, np.int8)
for _particle in PARTICLES.values():
    if abs(_particle.pid) < NEAR:
        _CHARGES[_particle.pid] = _particle.charge
MASS_NEUTRAL_PION = PARTICLES[111].mass
MASS_CHARGED_PION = PARTICLES[211].mass


def charge_of(pid):
    """Electric charge of each particle, in units of the positron charge.

    Parameters
    ----------
    pid : ndarray of int

    Returns
    -------
    ndarray of int, the shape of `pid`

    Raises
    ------
    ValueError
        If a code is not in `PARTICLES`: a parton, a nucleus, or no code at all.

    Examples
    --------
    >>> charge_of(np.array([211, 111, -211])).tolist()
    [1, 0, -1]
    """
    pid = np.asarray(pid)
    if pid.size and pid.dtype.kind not in "iu":
        raise ValueError(f"PDG codes are whole numbers, got {pid.dtype}")
    shape, pid = pid.shape, pid.astype(np.int64, copy=False).reshape(-1)
    far = (pid <= -NEAR) | (pid >= NEAR)
    charge = _CHARGES[np.where(far, 0, pid)].astype(int)
    for code in np.unique(pid[far]):
        charge[pid == code] = PARTICLES[int(code)].charge if int(code) in PARTICLES else UNKNOWN
    if np.any(unknown := charge == UNKNOWN):
        raise ValueError(
            f"unknown PDG code {pid[unknown][0]}; known are {len(PARTICLES)} hadrons and leptons and the photon, "
            "see particles.PARTICLES"
        )
    return charge.reshape(shape)
