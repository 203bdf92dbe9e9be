"""What a tune answers with."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column, number, whole
from ..estimates import Estimate
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..widgets.lesson import Table
from .models import Params

ROUNDS, NEAR = 8, 0.02  # in search of a point of a contour: at most so many, until its χ² is as near as that


class Base(NamedTuple):
    """A sample that a tune went through: its parameters, and what is left of its events where it led."""

    params: Params
    share: float  # n_eff/N


@dataclass(eq=False)
class Tune(Estimate):
    """Best values of parameters, and their covariance: errors of data and simulation, and noise of the slopes.

    Attributes
    ----------
    params : LundParams or ClusterParams
        All parameters at the minimum.
    chi2_of : dict of str to tuple
        χ² and number of bins of each figure by itself; `chi2` is that of all, with correlations of the simulation.
    bases : list of Base
        Samples that were used, one after the other.
    sample, hadrons, log_w : Sample, Hadrons, ndarray of shape (N,)
        The last one, what it is after decays, and its weights at the minimum.
    objective, minimum : Objective, Minimum
        The χ² as a function of the parameters, for that sample, and what its search found.
    """

    params: Params = field(kw_only=True)
    chi2_of: dict[str, tuple[float, int]] = field(kw_only=True, repr=False)
    bases: list[Base] = field(kw_only=True, repr=False)
    sample: Sample = field(kw_only=True, repr=False)
    hadrons: Hadrons = field(kw_only=True, repr=False)
    log_w: np.ndarray = field(kw_only=True, repr=False)
    objective: Any = field(kw_only=True, repr=False)
    minimum: Any = field(kw_only=True, repr=False)

    def table(self) -> Table:
        """χ², number of bins and χ² per bin of each figure, as a table that prints."""
        chi2, bins = zip(*self.chi2_of.values(), strict=True)
        per_bin = np.divide(chi2, bins).tolist()
        columns: dict[str, Any] = {"figure": list(self.chi2_of), "χ²": chi2, "bins": bins, "χ²/bin": per_bin}
        return Table(columns, {"χ²": ".1f", "χ²/bin": ".2f"})

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.table()}"

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.table()._repr_html_()

    def profile(self, name: str, values: ArrayLike) -> np.ndarray:
        """χ² less its minimum, (n,), where the parameter `name` has given `values`, (n,), and the others are best.

        It is scaled such that one standard deviation is one, whatever the noise of the simulation.
        NaN where the sample does not reach. ValueError: `name` was not fitted.
        """
        if name not in self.names:
            raise ValueError(f"{name!r} was not fitted; fitted were {', '.join(self.names)}")
        at = np.atleast_1d(column(values, "values")).astype(float)
        return np.array([self._profile((name,), np.array([value])) for value in at])

    def _profile(self, names, values):
        """χ² less its minimum where the parameters of these names have these values."""
        some = np.array([self.names.index(name) for name in names])
        off = values - self.values[some]
        # The others begin where a parabola has its minimum.
        inverse = self.minimum.inverse
        start = self.values + inverse[:, some] @ np.linalg.solve(inverse[np.ix_(some, some)], off)
        start = np.clip(start, *self.objective.limits)
        start[some] = values
        if not np.isfinite(self.objective.chi2(start)):
            return np.nan
        found = self.objective.minimise(start, free=~np.isin(np.arange(len(start)), some))
        # The curvature knows nothing of noise in slopes; the covariance does, and sets the scale.
        scales = [off @ np.linalg.solve(c[np.ix_(some, some)], off) for c in (self.covariance, self.minimum.inverse)]
        return (found.chi2 - self.minimum.chi2) * (scales[0] / scales[1] if off.any() else 1.0)

    def contour(self, x: str, y: str, cl: float = 0.68, size: int = 24) -> np.ndarray:
        """Points, (size, 2), of the contour of two parameters `x` and `y` that holds both with probability `cl`.

        The others are best for each of the `size` points; NaN where the sample does not reach. ValueError: a name was
        not fitted, or both are the same; `cl` or `size` is out of range.
        """
        if x == y or {x, y} - set(self.names):
            raise ValueError(f"a contour wants two of {', '.join(self.names)}, got {x!r} and {y!r}")
        level = -2.0 * np.log1p(-number(cl, "cl", 0.0, 0.9999, above=True))  # of χ² for two parameters
        two = np.array([self.names.index(x), self.names.index(y)])
        # The ellipse of a parabola, each of whose points is moved outward or inward until the χ² is right.
        root = np.sqrt(level) * np.linalg.cholesky(self.covariance[np.ix_(two, two)])
        points = []
        for angle in 2.0 * np.pi * np.arange(whole(size, "size", 3)) / size:
            radius = root @ (np.cos(angle), np.sin(angle))
            for _ in range(ROUNDS):
                chi2 = self._profile((x, y), self.values[two] + radius)
                if not abs(chi2 / level - 1.0) > NEAR:
                    break
                radius *= np.sqrt(level / max(chi2, 0.25 * level))
            points.append(self.values[two] + radius if np.isfinite(chi2) else (np.nan, np.nan))
        return np.array(points)
