"""The data files that come with the package: where they lie, what is in them, where they come from."""

from .measurements import LepFigure, lep, lep_names
from .packed import load
from .registry import DATASETS, Dataset, path, table

__all__ = ["DATASETS", "Dataset", "LepFigure", "lep", "lep_names", "load", "path", "table"]
