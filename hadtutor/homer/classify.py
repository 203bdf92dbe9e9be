"""Step one: a classifier between simulation and data, whose odds are weights of events."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.checks import as_seed, takes_rng
from ..events.hadrons import Hadrons
from ..metrics.classifier import auc
from ..training.crossfit import KINDS as METHODS
from ..training.crossfit import CrossFit, mean_ratio


class ClassWeights(NamedTuple):
    """What step one has found.

    Attributes
    ----------
    log_ratio, sigma : ndarray, shape (N,)
        ln of data over (weighted) simulation for each event of the simulation, averaged over the draws as a ratio, and
        its standard deviation over the draws; zero with one network.
    draws : ndarray, shape (J, N)
        The same logarithm by each network of an ensemble, or drawn from a Bayesian one.
    score_data : ndarray, shape (M,)
        The logarithm for the events of the data; M is 0 for histograms.
    auc, auc_error : float
        Area under the ROC curve between (weighted) simulation and data, 0.5 if they can not be told apart, and its
        error, of the finite number of events and the scatter of the draws. NaN for histograms.
    classifiers : list
        For each draw the two classifiers, of which number k judges the events of parity k.
    chi2_per_ndf : float
        In place of the area for data that are histograms; else NaN.
    """

    log_ratio: np.ndarray
    sigma: np.ndarray
    draws: np.ndarray
    score_data: np.ndarray
    auc: float
    auc_error: float
    classifiers: list
    chi2_per_ndf: float = np.nan

    @property
    def agrees(self) -> bool:
        """Whether simulation and data cannot be told apart."""
        return bool(self.chi2_per_ndf < 1.0 if np.isnan(self.auc) else self.auc - self.auc_error <= 0.5)


@takes_rng
def step_one(
    sim: np.ndarray | Hadrons, data: np.ndarray | Hadrons, log_w: ArrayLike | None = None, method: str = "mlp", *,
    energy: float | None = None, bayesian: bool = False, ensemble: int = 1, epochs: int | None = None,
    rng: np.random.Generator | int, device: torch.device | str | None = None, progress: bool = True,
) -> ClassWeights:  # fmt: skip
    """Train classifiers between simulation and data, and turn their odds into weights.

    Parameters
    ----------
    sim, data : ndarray, shape (N, F), (M, F), or Hadrons
        Features of the events; for ``"deepsets"`` and ``"graph"`` their hadrons. At least 100 events of each.
    log_w : array_like, shape (N,), optional
        Log weights that the simulation has already.
    method : {"mlp", "trees", "deepsets", "graph"}
    energy, bayesian, ensemble, epochs, rng, device, progress
        As for `hadtutor.training.CrossFit`, which raises the errors, too.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    trained = CrossFit(
        sim, data, log_w, kind=method, energy=energy, bayesian=bayesian, ensemble=ensemble, epochs=epochs,
        rng=as_seed(rng), device=device, progress=progress,
    )  # fmt: skip
    draws, scores = trained.draws(sim), trained.draws(data)
    areas, errors = np.transpose([auc(y, x, None, log_w) for x, y in zip(draws, scores, strict=True)])
    error = np.sqrt(np.mean(errors**2) + np.var(areas))
    return ClassWeights(
        mean_ratio(draws), draws.std(axis=0), draws, mean_ratio(scores), float(np.mean(areas)), float(error),
        trained.classifiers,
    )  # fmt: skip
