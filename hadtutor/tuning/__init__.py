r"""Tunes: parameters of the string from what LEP has published, by weights of events of real Pythia.

The events of one sample stay as they are, decays and all; only their weights know the parameters
(`hadtutor.weights.rows`). `fit` makes the χ² of published figures small, `fresh` asks Pythia itself what it makes of a
point, and `SHIPPED` are the tunes for e⁺e⁻ that come with it.
"""

from ..metrics.figures import Figures, refuse_undecayed
from .descent import TuneError, fit
from .result import Base, Tune
from .tunes import SHIPPED, TuneTable, fresh, shipped, table

__all__ = [
    "Base", "Figures", "SHIPPED", "Tune", "TuneError", "TuneTable", "fit", "fresh", "refuse_undecayed", "shipped",
    "table",
]  # fmt: skip
