"""Hadrons for other programs and back: awkward arrays, Parquet files, HepMC files. Needs the extra ``hep``.

These functions are the methods of `Hadrons` with the same ending, which say what each of them keeps.
"""

from .awkward import from_awkward, to_awkward
from .hepmc import from_hepmc, to_hepmc
from .parquet import from_parquet, to_parquet

__all__ = ["from_awkward", "from_hepmc", "from_parquet", "to_awkward", "to_hepmc", "to_parquet"]
