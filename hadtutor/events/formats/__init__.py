"""Events for other programs and back: awkward arrays, Parquet, HepMC and LHE files.

These are the methods of `Hadrons` and `Showers` with the same names. All but `from_hepmc` need the extra ``hep``.
"""

from .awkward import from_awkward, to_awkward
from .columns import named_weights
from .hepmc import from_hepmc, to_hepmc
from .lhe import from_lhe
from .parquet import from_parquet, to_parquet

__all__ = [
    "from_awkward", "from_hepmc", "from_lhe", "from_parquet", "named_weights", "to_awkward", "to_hepmc", "to_parquet",
]  # fmt: skip
