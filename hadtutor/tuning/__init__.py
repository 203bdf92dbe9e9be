r"""Tunes: parameters of strings and clusters from what LEP has published, by weights of events.

The events of one sample stay as they are, decays and all; only their weights know the parameters
(`hadtutor.weights.rows`, `hadtutor.weights.clusters`). `fit` makes the χ² of published figures small, `fresh` asks new
events what they make of a point, and `SHIPPED` are the tunes for e⁺e⁻ that come with real Pythia.
"""

from ..metrics.figures import Figures, refuse_undecayed
from .descent import fit
from .objective import TuneError
from .result import Base, Tune
from .tunes import SHIPPED, TuneTable, fresh, shipped, table

__all__ = [
    "Base", "Figures", "SHIPPED", "Tune", "TuneError", "TuneTable", "fit", "fresh", "refuse_undecayed", "shipped",
    "table",
]  # fmt: skip
