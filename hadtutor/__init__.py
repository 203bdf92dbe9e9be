"""hadtutor: how partons become hadrons, and what machine learning changes about it."""

from . import datasets, histories, lund, params, particles, strings
from .histories import Hadrons, Histories, Sample
from .params import LundParams
from .strings import hadronize_strings
