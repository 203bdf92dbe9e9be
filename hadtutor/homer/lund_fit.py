"""Which Lund parameters fit a fragmentation function that was learned from data?

The fit compares with what the data say, the `Measurement` behind the learned function, and not with the function and
its error bars: these hold the prior too, which a parametrisation does not need.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from .. import lund
from .._support.bars import track
from .._support.checks import as_generator
from ..params import LundMixture


class ParametricFit(NamedTuple):
    """Best values of the parameters of a fragmentation function.

    Attributes
    ----------
    names : tuple of str
    values : ndarray, shape (P,)
    covariance : ndarray, shape (P, P)
        From the second derivatives of the χ².
    chi2 : float
    ndf : int
    p_value : float
    params : LundParams or LundMixture
        All parameters at the minimum.
    bootstraps : ndarray, shape (n, P)
        Values of fits to measurements with the noise drawn anew; n may be zero.
    """

    names: tuple
    values: np.ndarray
    covariance: np.ndarray
    chi2: float
    ndf: int
    p_value: float
    params: object
    bootstraps: np.ndarray

    @property
    def errors(self):
        """Standard deviations, shape (P,)."""
        return np.sqrt(np.diag(self.covariance))

    def __str__(self):
        parts = [f"{n} = {v:.4f} ± {e:.4f}" for n, v, e in zip(self.names, self.values, self.errors, strict=True)]
        return f"{', '.join(parts)}; χ²/ndf = {self.chi2:.1f}/{self.ndf}, p = {self.p_value:.3g}"


def fit_lund(result, names=("a", "b"), bootstraps=0, rng=None, progress=True):
    """Fit the parameters of one Lund fragmentation function.

    Parameters
    ----------
    result : HomerResult
        With a posterior.
    names : sequence of {"a", "b"}
        What is free; the rest is that of the simulation.
    bootstraps : int
        Number of fits to measurements with the noise drawn anew.
    rng : numpy.random.Generator, optional
        Needed for bootstraps.
    progress : bool

    Returns
    -------
    ParametricFit
        Its χ² says if such a function describes the data.

    Raises
    ------
    ValueError
        If a name is not known, or the result has no posterior.
    """
    names = tuple(names)
    if not names or set(names) - {"a", "b"}:
        raise ValueError(f"names must be of a and b, got {names}")
    base = result.breaks.basis.params

    def make(values):
        return base._replace(**dict(zip(names, values, strict=True)))

    limits = {"a": (0.0, 20.0), "b": (1e-3, 100.0)}
    start = [getattr(base, name) for name in names]
    return _fit(result, names, [start], [limits[n] for n in names], make, bootstraps, rng, progress)


def fit_mixture(result, bootstraps=0, rng=None, progress=True):
    """Fit two Lund fragmentation functions that differ in a, and the fraction of the first.

    b is that of the simulation.

    Parameters
    ----------
    result : HomerResult
        With a posterior.
    bootstraps : int
        Number of fits to measurements with the noise drawn anew.
    rng : numpy.random.Generator, optional
        Needed for bootstraps.
    progress : bool

    Returns
    -------
    ParametricFit
        Of ``a_1``, ``a_2`` < ``a_1`` and ``fraction``.

    Raises
    ------
    ValueError
        If the result has no posterior.
    """
    base = result.breaks.basis.params

    def make(values):
        low, gap, share = values
        return LundMixture((base._replace(a=low + gap), base._replace(a=low)), (share, 1.0 - share))

    a = base.a
    starts = [(0.5 * a, 0.5 * a, 0.5), (0.2 * a, 0.6 * a, 0.7), (0.8 * a, 1.0 * a, 0.3)]
    fit = _fit(
        result, ("a_2", "gap", "fraction"), starts, [(0.0, 10.0), (0.0, 10.0), (1e-3, 1.0 - 1e-3)], make,
        bootstraps, rng, progress,
    )  # fmt: skip
    # From (a_2, a_1 - a_2) to (a_1, a_2): the fit needs to know which is larger, the reader does not.
    turn = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return fit._replace(
        names=("a_1", "a_2", "fraction"), values=turn @ fit.values, covariance=turn @ fit.covariance @ turn.T,
        bootstraps=fit.bootstraps @ turn.T,
    )  # fmt: skip


def _fit(result, names, starts, limits, make, bootstraps, rng, progress):
    try:
        from iminuit import Minuit
    except ImportError as error:
        raise ImportError("fits of Lund parameters need the extra `hep`: pip install 'hadtutor[hep]'") from error
    if result.measurement is None:
        raise ValueError("the result has no posterior, so no measurement to fit; run fit(..., posterior=True)")
    if bootstraps:
        rng = as_generator(rng)
    y, h = result.measurement
    basis = result.breaks.basis
    z, mt2 = basis.z_and_mt2()
    reference = lund.log_density(z, mt2, basis.params)
    to_y = h @ basis.project(np.eye(len(z)))

    def expected(values):
        # Where no break ever is, f and its reference differ by any factor.
        return to_y @ np.clip(lund.log_density(z, mt2, make(values)) - reference, -20.0, 20.0)

    def minimise(wanted, start, strategy):
        minuit = Minuit(lambda values: np.sum((wanted - expected(values)) ** 2), np.asarray(start, float), name=names)
        minuit.errordef, minuit.strategy = Minuit.LEAST_SQUARES, strategy
        minuit.limits = limits
        minuit.errors = [0.05] * len(names)
        minuit.migrad()
        return minuit

    best = min((minimise(y, start, 1) for start in starts), key=lambda minuit: minuit.fval)
    best.hesse()
    values = np.array(best.values)
    covariance = np.full((len(names),) * 2, np.nan) if best.covariance is None else np.array(best.covariance)
    again = np.empty((bootstraps, len(names)))
    for k in track(range(bootstraps), "fit", progress):
        again[k] = minimise(expected(values) + rng.standard_normal(len(y)), values, 0).values
    ndf = len(y) - len(names)
    return ParametricFit(
        names, values, covariance, float(best.fval), ndf, float(stats.chi2.sf(best.fval, ndf)), make(values), again
    )
