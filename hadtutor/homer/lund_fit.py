"""Which Lund parameters fit a fragmentation function that was learned from data?

The fit compares with what the data say, the `Measurement` behind the learned function, and not with the function and
its error bars: these hold the prior too, which a parametrisation does not need.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from .._support.bars import track
from .._support.checks import Rng, as_generator, takes_rng, whole
from .._support.optional import need
from ..estimates import Estimate
from ..params import LundMixture, LundParams
from ..weights.allowed import first_component
from .basis import BreakBasis
from .checks import several
from .factors import FACTORS, reference_values
from .posterior import Measurement
from .result import HomerResult


@dataclass
class ParametricFit(Estimate):
    """Best values of the parameters of a fragmentation function, with the covariance from second derivatives of the χ².

    Attributes
    ----------
    params : LundParams or LundMixture
        All parameters at the minimum.
    bootstraps : ndarray, shape (n, P)
        Values of fits to measurements with the noise drawn anew; n may be zero.
    """

    params: LundParams | LundMixture = field(kw_only=True)
    bootstraps: np.ndarray = field(kw_only=True, repr=False)


@takes_rng
def fit_lund(
    result: HomerResult, names: str | Iterable[str] | None = None, *, bootstraps: int = 0, rng: Rng | None = None,
    progress: bool = True,
) -> ParametricFit:  # fmt: skip
    """Fit the parameters of one Lund fragmentation function; the χ² says if such a function describes the data.

    Parameters
    ----------
    result : HomerResult
        With a posterior, else ValueError.
    names : {"a", "b"}, or a factor of the result such as ``"sigma_pt"``, or a sequence of them
        What is free, by default all but the order of the last pair, which goes by b; the rest is as in the simulation.
    bootstraps : int
        Number of fits to measurements with the noise drawn anew.
    rng : numpy.random.Generator or int, optional
        Needed for bootstraps.
    progress : bool
    """
    return _fit_one(_measured(result), result.n_eff, names, bootstraps, rng, progress)


def lund_point(measurement: Measurement, basis: BreakBasis) -> LundParams:
    """The Lund parameters that come nearest to a `measurement`, all that `basis` knows free."""
    return cast(LundParams, _fit_one((measurement, basis), np.nan, None, 0, None, False).params)


def _fit_one(measured, n_eff, names, bootstraps, rng, progress):
    basis = measured[1]
    base = basis.params
    limits = {"a": (0.0, 20.0), "b": (1e-3, 100.0)}
    limits |= {name: FACTORS[name][2:] for name in basis.factors if name != "order"}
    names = tuple(limits) if names is None else several(names, "names")
    if not names or set(names) - set(limits):
        raise ValueError(f"names must be of {', '.join(limits)}, got {names}")
    make = lambda values: base._replace(**dict(zip(names, values, strict=True)))
    start = [getattr(base, name) for name in names]
    allowed = [limits[name] for name in names]
    return _fit(measured, n_eff, names, [start], allowed, make, bootstraps, rng, progress)


def _measured(result):
    if result.measurement is None:
        raise ValueError("the result has no posterior, so no measurement to fit; run fit(..., posterior=True)")
    return result.measurement, result.breaks.basis


@takes_rng
def fit_mixture(
    result: HomerResult, *, bootstraps: int = 0, rng: Rng | None = None, progress: bool = True
) -> ParametricFit:
    """Fit two Lund functions that differ in a, and the fraction of the first: ``a_1``, ``a_2`` < ``a_1``, ``fraction``.

    b is that of the simulation.

    Parameters
    ----------
    result, bootstraps, rng, progress
        As for `fit_lund`.
    """
    base = result.breaks.basis.params
    a = base.a

    def make(values):
        low, gap, share = values
        return LundMixture((base._replace(a=low + gap), base._replace(a=low)), (share, 1.0 - share))

    starts = [(0.5 * a, 0.5 * a, 0.5), (0.2 * a, 0.6 * a, 0.7), (0.8 * a, 1.0 * a, 0.3)]
    limits = [(0.0, 10.0), (0.0, 10.0), (1e-3, 1.0 - 1e-3)]
    measured, names = _measured(result), ("a_2", "gap", "fraction")
    fit = _fit(measured, result.n_eff, names, starts, limits, make, bootstraps, rng, progress)
    # From (a_2, a_1 - a_2) to (a_1, a_2): the fit needs to know which is larger, the reader does not.
    turn = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        fit, names=("a_1", "a_2", "fraction"), values=turn @ fit.values, covariance=turn @ fit.covariance @ turn.T,
        bootstraps=fit.bootstraps @ turn.T,
    )  # fmt: skip


def _fit(
    measured: tuple[Measurement, BreakBasis], n_eff: float, names: tuple[str, ...], starts: Sequence[Sequence[float]],
    limits: Sequence[tuple[float, float]], make: Callable, bootstraps: int, rng: Rng | None, progress: bool,
) -> ParametricFit:  # fmt: skip
    minuit_class = need("iminuit", "hep", "a fit of Lund parameters").Minuit
    if whole(bootstraps, "bootstraps", 0):
        rng = as_generator(rng)
    (y, h), basis = measured
    of_f, of_change = basis.split(h.T)
    known = reference_values(basis.factors, basis.params)

    def expected(values):
        params = make(values)
        change = reference_values(basis.factors, first_component(params)) - known
        return change @ of_change + basis.project(basis.lund_table(params)) @ of_f

    def minimise(wanted, start, strategy):
        chi2 = lambda values: np.sum((wanted - expected(values)) ** 2)
        minuit = minuit_class(chi2, np.asarray(start, float), name=names)
        minuit.errordef, minuit.strategy, minuit.limits = minuit_class.LEAST_SQUARES, strategy, limits
        minuit.errors = [0.05] * len(names)
        return minuit.migrad()

    best = min((minimise(y, start, 1) for start in starts), key=lambda minuit: minuit.fval)
    best.hesse()
    values = np.array(best.values)
    covariance = np.full((len(names),) * 2, np.nan) if best.covariance is None else np.array(best.covariance)
    again = np.empty((bootstraps, len(names)))
    for k in track(range(bootstraps), "fit", progress):
        noisy = expected(values) + rng.standard_normal(len(y))
        # From the best point alone a search would end where it began, in a valley that is nearly flat.
        again[k] = min((minimise(noisy, start, 1) for start in (values, *starts)), key=lambda m: m.fval).values
    return ParametricFit(
        names, values, covariance, chi2=float(best.fval), ndf=len(y) - len(names), n_eff=n_eff,
        message="" if best.valid else "the minimum is not sure: the data say little about these parameters",
        params=make(values), bootstraps=again,
    )  # fmt: skip
