"""What an unfolding has found."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Passage(NamedTuple):
    """One iteration in numbers.

    Attributes
    ----------
    auc, auc_error : float
        Area under the ROC curve between data and what is seen of the simulation, before this iteration.
    n_eff : float
        Effective number of simulated events with a truth, after it.
    mean_weight : float
        Of these, relative to the weights that they came with, if the simulation has as many seen events as the data.
    efficiency : float
        Share of the unfolded events that are seen: the data were so many parts of all.
    """

    auc: float
    auc_error: float
    n_eff: float
    mean_weight: float
    efficiency: float


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A simulation whose truth is that of the data, by weights.

    It may stand wherever log weights of the simulated events are wanted.

    Attributes
    ----------
    log_w : ndarray, shape (N,)
        Log weights of the simulated events, those that they came with included: push weights of the last iteration;
        -inf where an event has no truth.
    log_push, log_pull : ndarray, shape (I, N)
        The same after each iteration, and the weights at the level of the detector that they are the means of; -inf
        there where an event was not seen.
    passages : list of Passage
    auc, auc_error : float
        As in `Passage`, after the last iteration.
    stop_reason : str
    """

    log_w: np.ndarray = field(repr=False)
    log_push: np.ndarray = field(repr=False)
    log_pull: np.ndarray = field(repr=False)
    passages: list[Passage]
    auc: float
    auc_error: float
    stop_reason: str

    @property
    def n_eff(self) -> float:
        """Effective number of simulated events."""
        return self.passages[-1].n_eff

    def __str__(self) -> str:
        last, n = self.passages[-1], np.sum(self.log_w > -np.inf)
        return (
            f"unfolded by {len(self.passages)} iterations: {self.stop_reason}\n"
            f"AUC {self.passages[0].auc:.4f} -> {self.auc:.4f} ± {self.auc_error:.4f}, n_eff/N = {last.n_eff / n:.2f}, "
            f"mean weight {last.mean_weight:.3f}, efficiency {last.efficiency:.3f}"
        )
