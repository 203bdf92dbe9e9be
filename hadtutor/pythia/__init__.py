"""Real Pythia 8 :cite:p:`bierlich2022pythia` in our types. Needs the extra ``pythia``.

- `hadronize_strings`, `hadronize_partons`: the pion strings of the functions of `hadtutor` by these names, with their
  break histories, recorded with Pythia's `UserHooks`; the events are the same with and without them.
- `shower`, `hadronize`, `decay`: e⁺e⁻ → Z/γ* → q q̄ events in three steps, so that a model of ours can replace one;
  `events` is the first two in one go. With ``histories=True`` every break of all flavours is recorded.
- ``law=`` of all that hadronizes: a fragmentation function of ours, such as a learned one, in Pythia's own strings.
"""

from .decays import decay
from .emission import shower
from .hadronization import events, hadronize
from .settings import start
from .strings import hadronize_partons, hadronize_strings, pion_string

__all__ = ["decay", "events", "hadronize", "hadronize_partons", "hadronize_strings", "pion_string", "shower", "start"]
