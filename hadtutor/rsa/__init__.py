r"""RSA: fits of string parameters by gradients that flow through the weights of events :cite:p:`heller2024rejection`.

The events of a base sample stay as they are, and so do their observables; only their weights know the parameters
(`hadtutor.weights.tensor`). A loss compares weighted base and target (`hadtutor.rsa`); its gradient and its
second derivatives are exact. Where the weights get too uneven, a new base is generated at the point reached.
"""

from .descent import fit
from .histograms import default_edges
from .losses import Chi2, PseudoChi2, Wasserstein
from .objective import FIVE, FitError, Objective
from .result import FitResult, Step
from .score import Score

__all__ = [
    "Chi2", "FIVE", "FitError", "FitResult", "Objective", "PseudoChi2", "Score", "Step", "Wasserstein",
    "default_edges", "fit",
]  # fmt: skip
