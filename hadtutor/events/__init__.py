"""Events: ragged columns of hadrons, partons, string breaks and clusters, and the files they go to."""

from .clusters import Clusters, Fate
from .hadrons import Hadrons
from .histories import ChainStatus, Histories
from .sample import Sample, hadrons_and_energy
from .showers import GLUON, PARTON_MASSES, Constituents, Showers

__all__ = [
    "ChainStatus", "Clusters", "Constituents", "Fate", "GLUON", "Hadrons", "Histories", "PARTON_MASSES", "Sample",
    "Showers", "hadrons_and_energy",
]  # fmt: skip
