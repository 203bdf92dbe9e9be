"""hadtutor: how partons become hadrons, and what machine learning changes about it."""

import importlib

__version__ = "0.1.0"

# Where the names used most live. All is imported when first used: nobody waits for torch, matplotlib, scipy or Pythia
# who does not need them.
_HOME = {
    **dict.fromkeys(("Clusters", "Constituents", "Hadrons", "Histories", "Sample", "Showers"), "events"),
    **dict.fromkeys(("ClusterParams", "LundMixture", "LundParams"), "params"),
    **dict.fromkeys(("HadronizationError", "hadronize_partons", "hadronize_strings"), "strings"),
    "DataFileError": "files", "hadronize_clusters": "cluster", "progress": "_support.bars",
}  # fmt: skip
_MODULES = (
    "cluster", "conditioned", "datasets", "detector", "estimates", "events", "files", "flows", "gan", "homer",
    "kinematics", "lund", "metrics", "nets", "observables", "params", "particles", "plotting", "pythia",
    "reproduce", "rsa", "strings", "training", "tuning", "unfolding", "weights", "widgets",
)  # fmt: skip

__all__ = [*_HOME, *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOME:
        thing = globals()[name] = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        return thing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
