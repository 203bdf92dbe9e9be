"""hadtutor: how partons become hadrons, and what machine learning changes about it."""

import importlib

from . import (
    cluster,
    datasets,
    files,
    hadron_pairs,
    hadrons,
    histories,
    kinematics,
    lund,
    metrics,
    observables,
    params,
    particles,
    showers,
    strings,
    thrust,
    two_sample,
    weights,
)
from .cluster import hadronize_clusters
from .files import DataFileError
from .hadrons import Hadrons
from .histories import Clusters, Histories, Sample
from .params import ClusterParams, LundMixture, LundParams
from .showers import Constituents, Showers
from .strings import HadronizationError, hadronize_strings

__version__ = "0.1.0"

# Imported when first used: torch, matplotlib and Pythia are not needed to hadronize a string.
_ON_DEMAND = (
    "decay_frames",
    "event_display",
    "event_gan",
    "flavour_gan",
    "gan",
    "gan_onnx",
    "homer",
    "homer_breaks",
    "homer_classifier",
    "homer_lund",
    "homer_network",
    "homer_posterior",
    "interop",
    "lund_torch",
    "nets",
    "plotting",
    "pythia",
    "reproduce",
    "rsa",
    "rsa_losses",
    "rsa_score",
    "strings_torch",
    "training",
    "weights_torch",
    "widgets",
)

__all__ = [
    "ClusterParams",
    "Clusters",
    "Constituents",
    "DataFileError",
    "HadronizationError",
    "Hadrons",
    "Histories",
    "LundMixture",
    "LundParams",
    "Sample",
    "Showers",
    "cluster",
    "datasets",
    "files",
    "hadron_pairs",
    "hadrons",
    "hadronize_clusters",
    "hadronize_strings",
    "histories",
    "kinematics",
    "lund",
    "metrics",
    "observables",
    "params",
    "particles",
    "showers",
    "strings",
    "thrust",
    "two_sample",
    "weights",
    *_ON_DEMAND,
]


def __getattr__(name):
    if name in _ON_DEMAND:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
