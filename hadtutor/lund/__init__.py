r"""The laws of the Lund string, each with all its faces: density, draw, weight.

The one that all else is about is the symmetric fragmentation function :cite:p:`andersson1983general`,

.. math:: f(z \mid m_T^2) \propto \frac{(1-z)^a}{z} \exp\left(-\frac{b\, m_T^2}{z}\right), \qquad 0 < z < 1,

where z is the fraction of the light-cone momentum left in the string end that the hadron takes, and
:math:`m_T^2 = m^2 + p_T^2`. The faces for torch are in `hadtutor.lund.tensor`, under the same names.
"""

from .._support.optional import submodules
from .flavour import break_flavour, join_flavours, log_flavour_weight, neutral_probability
from .function import LundLaw, log_density, log_f, log_normalisation, sample_z, z_peak
from .last_pair import last_pair_lambda, log_order_probability, reverse_probability, share_between_two
from .staircase import ZTable, z_table, z_tables
from .tabulated import LawTable, tabulate
from .transverse import break_pt, pt_log_density

__all__ = [
    "LawTable", "LundLaw", "ZTable", "break_flavour", "break_pt", "join_flavours", "last_pair_lambda", "log_density",
    "log_f", "log_flavour_weight", "log_normalisation", "log_order_probability", "neutral_probability",
    "pt_log_density", "reverse_probability", "sample_z", "share_between_two", "tabulate", "tensor", "z_peak", "z_table",
    "z_tables",
]  # fmt: skip

__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
