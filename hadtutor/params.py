"""The numbers a hadronization model is tuned with, their units and their published values."""

import math
from typing import NamedTuple

import numpy as np

__all__ = ["LundParams"]


class LundParams(NamedTuple):
    r"""Parameters of the Lund string model, with the names and the defaults of the field.

    Defaults are the Monash 2013 tune :cite:p:`skands2014tuning` where it fixes a value; `stop_mass` is the
    value of Pythia before 8.316, the one behind the published machine-learning papers, and
    `enhanced_fraction` is zero as in the pion-string studies (Pythia's own default is 0.01).

    Attributes
    ----------
    a : float
        Power of :math:`(1-z)` in the fragmentation function (``StringZ:aLund``), dimensionless, >= 0.
    b : float
        Exponential slope in :math:`m_T^2/z` (``StringZ:bLund``), GeV\ :sup:`-2`, > 0.
    sigma_pt : float
        Width of the quark transverse momentum (``StringPT:sigma``), GeV, > 0; one string break gives
        :math:`\langle p_x^2 \rangle = \sigma^2/2`.
    stop_mass : float
        Mass at which the iteration stops, before quark masses are added
        (``StringFragmentation:stopMass``), GeV, >= 0.
    stop_new_flavour : float
        Weight of the mass of the newly made quark in the stopping mass (``stopNewFlav``), >= 0.
    stop_smear : float
        Relative half-width of the smearing of the stopping mass (``stopSmear``), between 0 and 0.5.
    enhanced_fraction : float
        Fraction of breaks with a broader transverse momentum (``StringPT:enhancedFraction``).
    enhanced_width : float
        Factor by which those breaks are broader (``StringPT:enhancedWidth``), > 0.

    Examples
    --------
    >>> LundParams(a=0.3).b
    0.98
    >>> LundParams()._replace(sigma_pt=-0.3).validate()
    Traceback (most recent call last):
    ...
    ValueError: sigma_pt must be > 0 GeV, got -0.3
    """

    a: float = 0.68
    b: float = 0.98  # GeV^-2
    sigma_pt: float = 0.335  # GeV
    stop_mass: float = 1.0  # GeV
    stop_new_flavour: float = 2.0
    stop_smear: float = 0.2
    enhanced_fraction: float = 0.0
    enhanced_width: float = 2.0

    def validate(self):
        """Return the parameters as floats, or say which one is wrong and why.

        Returns
        -------
        LundParams

        Raises
        ------
        TypeError
            If a parameter is not a real number.
        ValueError
            If a parameter is not finite or lies outside its range.
        """
        numbers = {}
        for name, value in zip(self._fields, self, strict=True):
            is_number = hasattr(value, "__float__") and np.ndim(value) == 0
            if isinstance(value, (bool, np.bool_, str, bytes)) or not is_number:
                raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
            numbers[name] = float(value)
            low, high, unit, strict = _RANGES[name]
            inside = low < numbers[name] <= high if strict else low <= numbers[name] <= high
            if not (math.isfinite(numbers[name]) and inside):
                wanted = f"{'>' if strict else '>='} {low:g}"
                if math.isfinite(high):
                    wanted += f" and <= {high:g}"
                elif not math.isfinite(numbers[name]):
                    wanted += " and finite"
                raise ValueError(f"{name} must be {wanted}{unit}, got {value!r}")
        return LundParams(**numbers)


# name: (low, high, unit, whether `low` itself is excluded)
_RANGES = {
    "a": (0.0, 20.0, "", False),
    "b": (1e-3, 1e3, " GeV^-2", False),
    "sigma_pt": (0.0, math.inf, " GeV", True),
    "stop_mass": (0.0, math.inf, " GeV", False),
    "stop_new_flavour": (0.0, math.inf, "", False),
    "stop_smear": (0.0, 0.5, "", False),
    "enhanced_fraction": (0.0, 1.0, "", False),
    "enhanced_width": (0.0, math.inf, "", True),
}
