r"""Light-cone kinematics along the z axis: :math:`p^\pm = E \pm p_z`, with :math:`p^+ p^- = m_T^2 = m^2 + p_T^2`."""

from .._support.optional import submodules
from .longitudinal import boost_z, break_points, light_cone, rapidity

__all__ = ["boost_z", "break_points", "light_cone", "rapidity", "tensor"]

__getattr__ = submodules(__name__, "tensor")  # torch is imported when it is asked for
