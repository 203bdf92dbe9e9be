"""What a tune answers with."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column
from .._support.optional import need
from ..estimates import Estimate
from ..events.sample import Sample
from ..params import LundParams


class Base(NamedTuple):
    """A sample that a tune went through: its parameters, and what is left of its events where it led."""

    params: LundParams
    share: float  # n_eff/N


@dataclass(eq=False)
class Tune(Estimate):
    """Best values of parameters, with the covariance from second derivatives of the χ².

    Attributes
    ----------
    params : LundParams
        All parameters at the minimum.
    chi2_of : dict of str to tuple
        χ² and number of bins of each figure by itself; `chi2` is that of all, with correlations of the simulation.
    bases : list of Base
        Samples that were used, one after the other.
    sample, log_w : Sample, ndarray of shape (N,)
        The last one, and its weights at the minimum.
    """

    params: LundParams = field(kw_only=True)
    chi2_of: dict[str, tuple[float, int]] = field(kw_only=True, repr=False)
    bases: list[Base] = field(kw_only=True, repr=False)
    sample: Sample = field(kw_only=True, repr=False)
    log_w: np.ndarray = field(kw_only=True, repr=False)
    objective: Any = field(kw_only=True, repr=False)

    def profile(self, name: str, values: ArrayLike) -> np.ndarray:
        """χ² less its minimum, (n,), where one parameter has given `values`, (n,), and the others are best for them.

        NaN where the sample does not reach. ValueError: `name` was not fitted.
        """
        if name not in self.names:
            raise ValueError(f"{name!r} was not fitted; fitted were {', '.join(self.names)}")
        k, found = self.names.index(name), []
        for value in np.atleast_1d(column(values, "values")).astype(float):
            start = np.array(self.values)
            start[k] = value
            others = np.arange(len(self.names)) != k
            found.append(self.objective.minimise(start, free=others).chi2 if self.objective.reaches(start) else np.nan)
        return np.array(found) - self.chi2

    def contour(self, x: str, y: str, cl: float = 0.68, size: int = 24) -> np.ndarray:
        """Points, (size, 2), of the contour of two parameters `x` and `y` that holds them with probability `cl`.

        The others are best for each point. ValueError: a name was not fitted, or both are the same.
        """
        if x == y or {x, y} - set(self.names):
            raise ValueError(f"a contour wants two of {', '.join(self.names)}, got {x!r} and {y!r}")
        minuit_class = need("iminuit", "hep", "a contour").Minuit
        far = self.chi2 + 1e4
        chi2 = lambda values: self.objective.chi2(values) if self.objective.reaches(values) else far
        minuit = minuit_class(chi2, np.array(self.values), grad=self.objective.gradient, name=self.names)
        minuit.errors, minuit.errordef = self.errors, minuit_class.LEAST_SQUARES
        minuit.migrad()
        return np.array(minuit.mncontour(x, y, cl=cl, size=size))
