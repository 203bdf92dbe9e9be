r"""The fragmentation function of strings of all flavours: any quark or a diquark may wait at the end, as in Pythia.

.. math:: f(z \mid m_T^2) \propto (1-z)^A\, z^{-C}\, e^{-b m_T^2/z}

For u, d and s quarks A = a and C = 1. A diquark adds `a_extra_diquark` to A where it waits, and takes it from C; a new
one adds it to C. Where a charm or bottom quark waits, C grows by :math:`r_Q\, b\, m_Q^2`
:cite:p:`bowler1981production`. What can meet falls into eight kinds, `KINDS`.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from ..params import LundMixture, LundParams
from .recorded import log_left

KINDS = (
    "light", "new diquark", "old diquark", "both diquarks", "charm", "charm, new diquark", "bottom",
    "bottom, new diquark",
)  # fmt: skip
"""What waits and what is made, where that changes the function."""
OLD_DIQUARK, NEW_DIQUARK = np.array([0, 0, 1, 1, 0, 0, 0, 0]), np.array([0, 1, 0, 1, 0, 1, 0, 1])
CHARM, BOTTOM = np.arange(8) // 2 == 2, np.arange(8) // 2 == 3
MASS_CHARM, MASS_BOTTOM = 1.5, 4.8  # GeV, as in Pythia
MASS_RHO = 0.77526  # GeV, of the hadron whose mean z stands for b, as in Pythia
DEPTH, STEP = 40.0, 0.1  # of the integral: where it ends, in ln of the integrand, and its steps


def kind_of_break(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Which of `KINDS`, by PDG codes of what waits and of what is made, as of `Histories`."""
    old, diquark = abs(np.asarray(old)), (abs(np.asarray(new)) > 1000).astype(int)
    return np.select([old > 1000, old == 4, old == 5], [2, 4, 6], 0) + diquark


def powers(params: LundParams) -> tuple[np.ndarray, np.ndarray]:
    """A and C for all `KINDS`, both of shape (8,)."""
    a = params.a + params.a_extra_diquark * OLD_DIQUARK
    c = 1.0 + params.a_extra_diquark * (NEW_DIQUARK - OLD_DIQUARK)
    return a, c + params.b * slope_of_power(params)


def slope_of_power(params: LundParams) -> np.ndarray:
    """Derivative of C with respect to b [GeV²] for all `KINDS`, shape (8,): not zero where a heavy quark waits."""
    return params.r_c * MASS_CHARM**2 * CHARM + params.r_b * MASS_BOTTOM**2 * BOTTOM


def log_area(a: float, c: float, bmt2: ArrayLike) -> np.ndarray:
    r"""Logarithm of :math:`\int_0^1 \mathrm{d}z\,(1-z)^A z^{-C} e^{-b m_T^2/z}`, for A, C and many b mT² > 0.

    With :math:`1/z = 1 + e^t`, by the trapezoidal rule, as in `hadtutor.lund.log_normalisation`.
    """
    bmt2 = np.asarray(bmt2, float)
    half = 0.5 * (c - 1.0 - bmt2)
    y = (half + np.sqrt(half**2 + bmt2 * (a + 1.0))) / bmt2  # where the integrand is largest
    t_peak = np.log(y)
    low = np.min(np.minimum(t_peak, 0.0)) - DEPTH / (a + 1.0)
    high = np.log(np.max(2.0 * y + 2.0 * (DEPTH + abs(c) + a + 2.0) / bmt2))

    def log_integrand(t):
        return (a + 1.0) * t + (c - 2.0 - a) * np.logaddexp(0.0, t) - bmt2 * np.exp(t)

    peak, t = log_integrand(t_peak), np.arange(low, high + STEP, STEP)
    total = sum(np.exp(log_integrand(point) - peak) for point in t)
    return np.log(total * STEP) + peak - bmt2


def log_density_of_kinds(
    z: np.ndarray, mt2: np.ndarray, kind: np.ndarray, params: LundParams | LundMixture
) -> np.ndarray:
    """Logarithm of the normalised function at recorded breaks, which may lie at z = 1 by rounding.

    Parameters
    ----------
    z, mt2, kind : ndarray, shape (breaks,)
        Light-cone fraction, transverse mass squared [GeV²], and number in `KINDS`.
    params : LundParams or LundMixture
    """
    if isinstance(params, LundMixture):
        of_each = [log_density_of_kinds(z, mt2, kind, component) for component in params.components]
        return logsumexp(of_each, axis=0, b=np.array(params.fractions)[:, None])
    log_f = np.empty(len(z))
    for k, (a, c) in enumerate(zip(*powers(params), strict=True)):
        of_kind = np.flatnonzero(kind == k)
        if len(of_kind):
            x, m2 = z[of_kind], mt2[of_kind]
            log_f[of_kind] = a * log_left(x) - c * np.log(x) - params.b * m2 / x - _smooth(m2, a, c, params.b)
    return log_f


def _smooth(mt2, a, c, b):
    """`log_area` for many mT²: a Chebyshev series in ln mT², exact to about 10⁻¹⁰."""
    if len(mt2) < 200:
        return log_area(a, c, b * mt2)
    x = np.log(mt2)
    low, high = x.min(), x.max() + 1e-9
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    series = np.polynomial.chebyshev.chebinterpolate(lambda u: log_area(a, c, b * np.exp(middle + half * u)), 60)
    return np.polynomial.chebyshev.chebval((x - middle) / half, series)


def mean_z(params: LundParams) -> float:
    r"""⟨z⟩ of light hadrons at :math:`m_T^2 = m_\rho^2 + 2\sigma^2`, which says nearly the same as b, given a.

    It is ``avgZLund`` of Pythia, where b may follow from it: a and ⟨z⟩ are less correlated than a and b.
    """
    bmt2 = params.b * (MASS_RHO**2 + 2.0 * params.sigma_pt**2)
    return float(np.exp(log_area(params.a, 0.0, bmt2) - log_area(params.a, 1.0, bmt2)))
