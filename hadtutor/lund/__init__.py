r"""The Lund symmetric fragmentation function (Andersson, Gustafson, Ingelman, Sjostrand 1983).

.. math:: f(z \mid m_T^2) \propto \frac{(1-z)^a}{z} \exp\left(-\frac{b\, m_T^2}{z}\right), \qquad 0 < z < 1,

where z is the fraction of the light-cone momentum left in the string end that the hadron takes, and
:math:`m_T^2 = m^2 + p_T^2` is the hadron's transverse mass squared. :cite:p:`andersson1983parton`
"""

from .._support.optional import submodules
from .function import log_density, log_f, log_normalisation, sample_z, z_peak
from .staircase import ZTable, z_table, z_tables
from .transverse import pt_log_density

__all__ = [
    "ZTable", "log_density", "log_f", "log_normalisation", "pt_log_density", "sample_z", "tensor", "z_peak",
    "z_table", "z_tables",
]  # fmt: skip


__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
