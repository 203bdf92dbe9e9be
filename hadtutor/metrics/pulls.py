"""Whether error bars are honest: pulls and coverage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain


class Coverage(NamedTuple):
    """How often truth lies inside the band, over points and experiments.

    Attributes
    ----------
    fraction : float
        Within one standard deviation; 0.683 if the errors are Gaussian and right.
    mean, width : float
        Of the pulls, (estimate - truth) / error; 0 and 1 if the errors are right.
    """

    fraction: float
    mean: float
    width: float


def coverage(estimate: ArrayLike, sigma: ArrayLike, truth: ArrayLike) -> Coverage:
    """Compare estimates with the truth in units of their errors.

    Parameters
    ----------
    estimate, sigma : array_like, shape (..., n)
        Estimates and standard deviations, such as f at n points in each of many experiments; at least one.
    truth : array_like
        Broadcast against them.

    Examples
    --------
    >>> coverage([1.0, 3.0], [1.0, 0.5], 1.5).fraction
    0.5
    """
    pulls = event_pulls(estimate, truth, sigma)
    if pulls.size == 0:
        raise ValueError("no estimate is left to compare with the truth")
    return Coverage(float(np.mean(np.abs(pulls) < 1.0)), float(pulls.mean()), float(pulls.std()))


def event_pulls(estimate: ArrayLike, truth: ArrayLike, sigma: ArrayLike) -> np.ndarray:
    """Differences to the truth in units of the errors, such as of log weights of events.

    Parameters
    ----------
    estimate, truth, sigma : array_like
        Of shapes that fit together. ValueError if an error is not above zero, or a number is not finite.
    """
    named = {"estimate": estimate, "truth": truth, "sigma": sigma}
    estimate, truth, sigma = (plain(value, name).astype(float) for name, value in named.items())
    if not (np.all(np.isfinite(estimate)) and np.all(np.isfinite(truth)) and np.all(np.isfinite(sigma) & (sigma > 0))):
        raise ValueError("pulls want finite numbers, and errors above zero; has the result a posterior?")
    return (estimate - truth) / sigma
