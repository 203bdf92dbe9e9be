"""f(z) at the z that histories hold: single precision, where rounding can reach z = 1, and no checks."""

import numpy as np

from ..params import LundParams
from .function import LARGEST_Z32, z_peak


def log_left(z: np.ndarray) -> np.ndarray:
    """ln(1-z), finite at z = 1."""
    return np.log(np.maximum(1.0 - z, 1.0 - float(LARGEST_Z32)))


def log_f_recorded(z: np.ndarray, mt2: np.ndarray, params: LundParams) -> np.ndarray:
    """`log_f`, finite at z = 1."""
    return params.a * log_left(z) - np.log(z) - params.b * mt2 / z


def log_top(mt2: np.ndarray, params: LundParams) -> np.ndarray:
    """Logarithm of the maximum of f, over z in single precision."""
    return log_f_recorded(np.minimum(z_peak(mt2, params), float(LARGEST_Z32)), mt2, params)
