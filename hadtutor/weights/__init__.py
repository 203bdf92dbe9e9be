r"""Weights that turn string events of one set of parameters into events of another :cite:p:`bierlich2024reweighting`.

The draws that make an event have known densities, and the ratio of these densities is the weight of the event. A break
contributes

.. math:: w = \frac{f(z \mid m_T^2; \theta')}{f(z \mid m_T^2; \theta)} \,
              \frac{p(\vec p_T; \theta')}{p(\vec p_T; \theta)} ,

with f *normalised*. Nothing of how z was drawn enters, such as trials that were rejected: they are integrated out,
which can only make the weights less broad (Rao–Blackwell). An event tries chains of breaks until one is accepted, with
a probability α(θ) for each; so its weight is that of the accepted chain, times α(θ)/α(θ').

Events of clusters are drawn once: their weight is the product over gluons, fissions and decays, exact for all
parameters but masses (`hadtutor.cluster.densities`). With a sharp threshold of fission nothing is drawn there, so that
`cl_max` and `cl_pow` have weights only where ``cl_soft`` is above zero.
"""

from .._support.optional import submodules
from .breaks import break_log_weights, chain_log_weights
from .events import EventWeights, event_weights
from .trials import Trials, record_trials

__all__ = [
    "EventWeights", "Trials", "break_log_weights", "chain_log_weights", "event_weights", "record_trials", "tensor",
]  # fmt: skip


__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
