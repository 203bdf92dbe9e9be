"""What a fit says: values, covariance, profile and contour."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from .._support.bars import track
from .._support.checks import as_generator
from ..params import LundParams
from .objective import Objective


class Step(NamedTuple):
    """One descent of a fit: parameters of its base, values reached, the loss and the effective events there."""

    base: LundParams
    values: np.ndarray
    loss: float
    n_eff: float


@dataclass
class FitResult:
    """Best values of the parameters, with errors.

    Attributes
    ----------
    names : tuple of str
        The P parameters that were fitted.
    values : ndarray, shape (P,)
    params : LundParams
        All parameters at the minimum.
    loss : float
        At the minimum.
    ndf : int or None
        Degrees of freedom, for losses with bins.
    covariance : ndarray, shape (P, P)
        Sandwich: statistical errors of target and base, for any smooth loss. NaN for ``"wasserstein"``, whose second
        derivatives autodiff cannot see; take `bootstrap`.
    covariance_hessian : ndarray, shape (P, P)
        From the second derivatives alone; right if the loss is a true χ² or a likelihood.
    n_eff : float
        Effective number of base events at the minimum.
    log : list of Step
        One entry for each descent; a new base is in the next.
    objective : Objective
        The loss with the last base.
    """

    names: tuple
    values: np.ndarray
    params: LundParams
    loss: float
    ndf: int | None
    covariance: np.ndarray
    covariance_hessian: np.ndarray
    n_eff: float
    log: list = field(repr=False)
    objective: Objective = field(repr=False)

    @property
    def errors(self):
        """Standard deviations, shape (P,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_value(self):
        """Of the χ² at the minimum; NaN for other losses."""
        return float(stats.chi2.sf(self.loss, self.ndf)) if self.objective.kind == "chi2" else np.nan

    def __str__(self):
        parts = [f"{n} = {v:.4f} ± {e:.4f}" for n, v, e in zip(self.names, self.values, self.errors, strict=True)]
        ndf = "" if self.ndf is None else f" for {self.ndf} degrees of freedom"
        return f"{', '.join(parts)}; {self.objective.kind} {self.loss:.4g}{ndf}; n_eff {self.n_eff:.0f}"

    def bootstrap(self, rng, n_resamples=100, progress=True):
        """Fit again and again, each event counted as often as a Poisson number of mean 1 says.

        Parameters
        ----------
        rng : numpy.random.Generator
        n_resamples : int
            At least 2.
        progress : bool
            Whether to show a progress bar when the work takes more than a few seconds.

        Returns
        -------
        ndarray, shape (n_resamples, P)
            Their scatter is the statistical error of target and base.
        """
        rng = as_generator(rng)
        if n_resamples < 2:
            raise ValueError(f"a scatter needs at least two resamples, got {n_resamples}")
        values = np.empty((n_resamples, len(self.names)))
        for k in track(range(n_resamples), "fit", progress):
            counts = [rng.poisson(1.0, n).astype(float) for n in self.objective.sizes]
            log_u, log_v = (torch.tensor(c, device=self.objective.device).log() for c in counts)
            values[k], _ = self.objective.minimise(self.values, log_u=log_u, log_v=log_v)
        return values

    def profile(self, name, values):
        """The loss with one parameter fixed, the others at their best.

        Parameters
        ----------
        name : str
            One of `names`.
        values : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
        """
        place = self._place(name)
        losses = []
        for value in values:
            start = self.values.copy()
            # Along the valley: the others follow as far as they are correlated.
            start += self.covariance_hessian[:, place] / self.covariance_hessian[place, place] * (value - start[place])
            start[place] = value
            losses.append(self.objective.minimise(start, fixed=(name,))[1])
        return np.array(losses)

    def contour(self, x, y, cl=0.68, n_points=60):
        """Outline of the region of two parameters with a given confidence level, the others at their best (Minuit).

        Parameters
        ----------
        x, y : str
            Two of `names`.
        cl : float
            Joint confidence level of both, between 0 and 1.
        n_points : int

        Returns
        -------
        ndarray, shape (n_points, 2)

        Raises
        ------
        ImportError
            If iminuit is not installed (extra ``hep``).
        ValueError
            If a name is not one of the fit, or the loss is neither ``"chi2"`` nor ``"nll"``: others are not calibrated.
        """
        for name in (x, y):
            self._place(name)
        if self.objective.kind not in ("chi2", "nll"):
            raise ValueError(f"differences of {self.objective.kind} are no confidence levels; take chi2, or bootstrap")
        try:
            from iminuit import Minuit
        except ImportError as error:
            raise ImportError("contours need the extra `hep`: pip install 'hadtutor[hep]'") from error
        objective = self.objective
        minuit = Minuit(
            lambda values: objective.value_and_gradient(values)[0],
            self.values,
            grad=lambda values: objective.value_and_gradient(values)[1],
            name=self.names,
        )
        minuit.errordef = Minuit.LIKELIHOOD if objective.kind == "nll" else Minuit.LEAST_SQUARES
        minuit.errors = self.errors
        for name in self.names:
            minuit.limits[name] = objective._limits(name)
        minuit.migrad()
        points = minuit.mncontour(x, y, cl=cl, size=n_points)
        return np.asarray(points)[:n_points]

    def _place(self, name):
        if name not in self.names:
            raise ValueError(f"the fit has {', '.join(self.names)}, not {name!r}")
        return self.names.index(name)
