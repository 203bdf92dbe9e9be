r"""Flows: conditional densities that are learned, drawn from, and known as numbers.
"""

from .density import Flow, bootstrapped
from .matching import MatchingFlow
from .splines import SplineFlow

__all__ = ["Flow", "MatchingFlow", "SplineFlow", "bootstrapped"]
