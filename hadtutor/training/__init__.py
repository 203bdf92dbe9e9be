"""One training loop for every network of the book.

`train` takes a network, data and a loss. Adversarial networks have two losses, one for each player; they are given by
the names of the parts of the network that they train, and take turns.

Every epoch has random numbers of its own, made from `rng` and its number. So a training that was interrupted and
goes on from its checkpoint ends where it would have ended anyway, to the last bit on the same machine.
"""

from .batches import Clouds, Paired, Table
from .crossfit import CrossFit
from .loop import train
from .losses import classifier_loss, evaluate
from .state import Log, TrainingError

__all__ = [
    "Clouds", "CrossFit", "Log", "Paired", "Table", "TrainingError", "classifier_loss", "evaluate", "train",
]  # fmt: skip
