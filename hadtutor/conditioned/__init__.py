r"""Energy conservation as a conditioned process: chains that know that they will be accepted.

A string breaks step by step, each step by a law that knows nothing of the end, and the last two hadrons may find that
they do not fit: then the whole chain is thrown away. What is kept is the law of breaks *given* that the chain is
accepted. With :math:`h(S)`, the probability that a chain in the state S will be, that law is again one of single steps,

.. math:: K_h(S \to S') = K(S \to S')\, \frac{h(S')}{h(S)} ,

the transform of Doob :cite:p:`doob1957conditional,menzo2026conservation`. `harmonic` solves for h in the chiral string,
where the state is one number; for the string of `hadtutor.strings` `learn_acceptance` learns it from chains of both
kinds. With it `hadronize` throws (almost) no chain away, `log_weights` say what is wrong with h, and `fit_lund` finds a
and b from accepted chains alone.
"""

from .acceptance import Acceptance, learn_acceptance
from .chiral import ChiralChains, ChiralString, Harmonic, chiral_chains, harmonic
from .generate import hadronize
from .likelihood import after_breaks, fit_lund
from .nested import log_weights
from .states import States, states_of

__all__ = [
    "Acceptance", "ChiralChains", "ChiralString", "Harmonic", "States", "after_breaks", "chiral_chains", "fit_lund",
    "hadronize", "harmonic", "learn_acceptance", "log_weights", "states_of",
]  # fmt: skip
