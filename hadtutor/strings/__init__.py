"""One quark-antiquark string into hadrons: the iteration of the Lund model as Pythia 8 performs it.

Two string ends run apart along the z axis. One after the other, on a side chosen at random, a quark-antiquark pair
breaks the string and a hadron leaves with the fraction z of the light-cone momentum that is left in that end. When the
mass left is small, two last hadrons share it. If they cannot, the whole chain is thrown away and begun again: that is
the acceptance of the model :cite:p:`andersson1983parton,bierlich2022pythia`. Flavours are u and d only, every hadron is
a pion: the setting in which fragmentation is learnt.
"""

from .._support.optional import submodules
from .from_history import (
    Waiting,
    break_mt2,
    flavour_before,
    flavours_at_ends,
    replay,
    string_order,
    waiting_at_ends,
)  # fmt: skip
from .generate import HadronizationError, hadronize_strings
from .partons import hadronize_like, hadronize_partons

__all__ = [
    "HadronizationError", "Waiting", "break_mt2", "flavour_before", "flavours_at_ends", "hadronize_like",
    "hadronize_partons", "hadronize_strings", "replay", "string_order", "tensor", "waiting_at_ends",
]  # fmt: skip

__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
