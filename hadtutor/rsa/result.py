"""What a fit says: values, covariance, profile and contour."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.bars import track
from .._support.checks import as_generator, number, takes_rng, whole
from .._support.optional import need
from ..estimates import Estimate
from ..params import ClusterParams, LundParams
from .objective import Objective


class Step(NamedTuple):
    """One descent of a fit."""

    base: LundParams | ClusterParams  # parameters of its base
    values: np.ndarray  # where it ended, shape (P,)
    loss: float
    n_eff: float  # effective number of base events there


@dataclass(eq=False, kw_only=True)
class FitResult(Estimate):
    """Best values of the parameters, with errors; `names`, `values`, `chi2`, `ndf`, `message` as of every `Estimate`.

    Attributes
    ----------
    covariance : ndarray, shape (P, P)
        Sandwich: statistical errors of target and base, for any smooth loss. NaN for ``"wasserstein"``, whose second
        derivatives autodiff cannot see; take `bootstrap`.
    params : LundParams or ClusterParams
        All parameters at the minimum.
    loss, n_eff : float
        Loss, which is `chi2` if it is a true χ², and effective number of base events at the minimum.
    covariance_hessian : ndarray, shape (P, P)
        From the second derivatives alone; right if the loss is a true χ² or a likelihood.
    log : list of Step
        One entry for each descent; a new base is in the next.
    objective : Objective
        The loss with the last base.
    """

    params: LundParams | ClusterParams
    loss: float
    covariance_hessian: np.ndarray
    log: list[Step] = field(repr=False)
    objective: Objective = field(repr=False)

    def _quality(self) -> list[str]:
        said = super()._quality()
        if np.isfinite(self.chi2):
            return said
        ndf = "" if self.ndf is None else f" for {self.ndf} degrees of freedom"
        return [f"{self.objective.loss.name} {self.loss:.4g}{ndf}", *said]

    @takes_rng
    def bootstrap(self, n_resamples: int = 100, *, rng: np.random.Generator | int, progress: bool = True) -> np.ndarray:
        """Fit again and again, each event counted as often as a Poisson number of mean 1 says.

        The scatter of the values, shape (n_resamples, P), is the statistical error of target and base.

        Parameters
        ----------
        n_resamples : int
            At least 2.
        rng : numpy.random.Generator or int
        progress : bool
        """
        rng = as_generator(rng)
        if whole(n_resamples, "n_resamples", 0) < 2:
            raise ValueError(f"a scatter needs at least two resamples, got {n_resamples}")
        values = np.empty((n_resamples, len(self.names)))
        for k in track(range(n_resamples), "fit", progress):
            counts = [rng.poisson(1.0, n).astype(float) for n in self.objective.sizes]
            log_u, log_v = (torch.tensor(c, device=self.objective.device).log() for c in counts)
            values[k], _ = self.objective.minimise(self.values, log_u=log_u, log_v=log_v)
        return values

    def profile(self, name: str, values: ArrayLike) -> np.ndarray | float:
        """The loss with one parameter fixed to `values`, shape (K,) or a float, the others at their best.

        A ValueError if `name` is not one of the fit, or the weights have no finite variance at a value.
        """
        place = self._place(name)
        low, high = self.objective.limits[name]
        if np.ndim(values):
            return np.array([self.profile(name, value) for value in np.asarray(values)])
        value = number(values, name)
        if not low <= value <= high:
            raise ValueError(
                f"{name} = {value:g} is outside {low:.4g} to {high:.4g}, where the weights of the base have a finite "
                "variance; fit with a base nearer by"
            )
        start = self.values.copy()
        if np.isfinite(self.covariance_hessian).all() and self.covariance_hessian[place, place] > 0:
            # Along the valley: the others follow as far as they are correlated.
            start += self.covariance_hessian[:, place] / self.covariance_hessian[place, place] * (value - start[place])
        start[place] = value
        start = np.clip(start, *np.transpose([self.objective.limits[n] for n in self.names]))
        return self.objective.minimise(start, fixed=(name,))[1]

    def contour(self, x: str, y: str, cl: float = 0.68, n_points: int = 60) -> np.ndarray:
        """Outline of the region of two parameters with a given confidence level, the others at their best (Minuit).

        The joint level `cl` of `x` and `y`, two of `names`, is between 0 and 1; shape (`n_points`, 2).

        Raises
        ------
        ImportError, ValueError
            If iminuit is not installed (extra ``hep``), an argument is out of range, or the loss is neither ``"chi2"``
            nor ``"nll"``: others are not calibrated.
        """
        objective = self.objective
        if self._place(x) == self._place(y):
            raise ValueError(f"a contour needs two different parameters, got {x!r} twice; profile takes one")
        if not 0.0 < number(cl, "cl") < 1.0:
            raise ValueError(f"cl must be between 0 and 1, such as 0.68, got {cl!r}")
        whole(n_points, "n_points", 3)
        if not objective.loss.calibrated:
            raise ValueError(f"differences of {objective.loss.name} are no confidence levels; take chi2, or bootstrap")
        value, gradient = (lambda values, k=k: objective.value_and_gradient(values)[k] for k in (0, 1))
        minuit = need("iminuit", "hep", "a contour").Minuit(value, self.values, name=self.names, grad=gradient)
        minuit.errordef, minuit.errors = objective.loss.unit, self.errors
        for name in self.names:
            minuit.limits[name] = objective.limits[name]
        minuit.migrad()
        return np.asarray(minuit.mncontour(x, y, cl=cl, size=n_points))[:n_points]

    def _place(self, name):
        if name not in self.names:
            raise ValueError(f"the fit has {', '.join(self.names)}, not {name!r}")
        return self.names.index(name)
