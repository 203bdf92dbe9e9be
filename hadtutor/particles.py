"""The hadrons the models make and the quark flavours they start from.

Masses come from ``data/particles.csv``, written by ``tools/make_particles.py`` from the tables of the
Particle Data Group as the `particle` package carries them.
"""

import csv
from typing import NamedTuple

import numpy as np

from .datasets import path

__all__ = ["PARTICLES", "QUARKS", "Particle", "charge_of"]


class Particle(NamedTuple):
    """One row of the particle table."""

    pid: int  # PDG code
    name: str
    mass: float  # GeV
    charge: int  # in units of the positron charge


def _read_table():
    with open(path("particles"), newline="", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {int(r["pid"]): Particle(int(r["pid"]), r["name"], float(r["mass_gev"]), int(r["charge"])) for r in rows}


PARTICLES = _read_table()
"""PDG code to `Particle`."""

QUARKS = {"d": 1, "u": 2}
"""Flavours a string can end in, with their PDG codes."""

MASS_NEUTRAL_PION = PARTICLES[111].mass
MASS_CHARGED_PION = PARTICLES[211].mass


def charge_of(pid):
    """Electric charge of each hadron, in units of the positron charge.

    Parameters
    ----------
    pid : ndarray of int

    Returns
    -------
    ndarray of int, the shape of `pid`

    Raises
    ------
    ValueError
        If a code is not in `PARTICLES`.

    Examples
    --------
    >>> charge_of(np.array([211, 111, -211])).tolist()
    [1, 0, -1]
    """
    codes, place = np.unique(np.asarray(pid), return_inverse=True)
    unknown = [int(c) for c in codes if int(c) not in PARTICLES]
    if unknown:
        raise ValueError(f"unknown PDG code {unknown[0]}; known: {sorted(PARTICLES)}")
    return np.array([PARTICLES[int(c)].charge for c in codes], dtype=int)[place].reshape(np.shape(pid))
