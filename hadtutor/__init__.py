"""hadtutor: how partons become hadrons, and what machine learning changes about it."""

import importlib

from . import datasets, files, histories, kinematics, lund, metrics, observables, params, particles, strings
from .files import DataFileError
from .histories import Hadrons, Histories, Sample
from .params import LundParams
from .strings import HadronizationError, hadronize_strings

__version__ = "0.1.0"

# Imported when first used: torch, matplotlib and Pythia are not needed to hadronize a string.
_ON_DEMAND = ("lund_torch", "plotting", "pythia", "strings_torch", "widgets")

__all__ = [
    "DataFileError",
    "HadronizationError",
    "Hadrons",
    "Histories",
    "LundParams",
    "Sample",
    "datasets",
    "files",
    "hadronize_strings",
    "histories",
    "kinematics",
    "lund",
    "metrics",
    "observables",
    "params",
    "particles",
    "strings",
    *_ON_DEMAND,
]


def __getattr__(name):
    if name in _ON_DEMAND:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
