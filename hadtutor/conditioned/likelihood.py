r"""The fragmentation function from accepted chains alone: the likelihood of a break, given that its chain was accepted.

Accepted breaks do not follow f: near the end of a chain those are missing which left too little. Given the state S, the
side, the flavour and the transverse momentum, z has the density

.. math:: \frac{f(z \mid m_T^2)\, h(S'(z))}{\int f(z' \mid m_T^2)\, h(S'(z'))\, \mathrm{d}z'} ,

the conditioned kernel of Doob :cite:p:`menzo2026conservation`. In a and b it is an exponential family, with the
statistics ln(1-z) and :math:`-m_T^2/z`: its logarithm has one maximum, which Newton's method finds in a few steps.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain
from .._support.kernels import kernel
from ..estimates import Estimate
from ..events.sample import Sample
from ..lund.flavour import pion_mass2
from ..lund.recorded import log_left
from ..params import LundParams
from ..strings.straight import ROWS_OF_ENDS, STRAIGHT
from .acceptance import Acceptance
from .generate import ahead, checked, value_of
from .states import columns_of, straight, take_recorded
from .steps import GOES_ON

NODES = np.arange(-10.0, 8.0, 0.3)  # in t = ln(1/z - 1), see `hadtutor.lund.log_normalisation`
BLOCK = 20_000  # breaks whose integrals are worked out at a time
MOST_STEPS = 50


@kernel
def _fill(string, offsets, x, charged, from_positive, table, z, rows, h):
    ends, before, none = np.zeros((ROWS_OF_ENDS, 2)), np.zeros((ROWS_OF_ENDS, 2)), np.zeros((1, 6), np.float32)
    hadron_p, flavours, row = np.empty((4, 1)), np.zeros(2, np.int64), 0
    for c in range(len(offsets) - 1):
        STRAIGHT.start(string, 0, 0, none, 0, ends, flavours)
        for j in range(offsets[c], offsets[c + 1]):
            if row < len(rows) and rows[row] == j:
                side = 0 if from_positive[j] else 1
                px, py = ends[2, side] + x[1, j], ends[3, side] + x[2, j]
                mt2 = pion_mass2(211 if charged[j] else 111) + px * px + py * py
                before[:] = ends
                for k in range(len(z)):
                    room = STRAIGHT.take(string, side, z[k], x[1, j], x[2, j], px, py, mt2, ends, hadron_p, 0)
                    h[row, k] = value_of(GOES_ON, ends, string.energy, table) if room else 0.0
                    ends[:] = before
                row += 1
            take_recorded(string, j, x, charged, from_positive, ends, hadron_p)


def after_breaks(
    sample: Sample, acceptance: Acceptance, z: ArrayLike, breaks: ArrayLike | None = None
) -> np.ndarray:  # fmt: skip
    """h of what would be left if breaks had had another z, all else as it was: float32, shape (breaks, K).

    Parameters
    ----------
    sample : Sample
        Straight strings.
    acceptance : Acceptance
    z : array_like, shape (K,)
        Between 0 and 1, both excluded.
    breaks : array_like of int, optional
        Rows of the breaks of accepted chains, increasing; by default all.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(2000, rng=1)
    >>> h = ht.conditioned.learn_acceptance(sample, rng=2, epochs=1, progress=False)
    >>> after_breaks(sample, h, [0.5, 0.999], [0, 1]).shape
    (2, 2)
    """
    z = plain(z, "z").astype(float)
    if z.ndim != 1 or not np.all((z > 0) & (z < 1)):
        raise ValueError(f"z must be between 0 and 1, of shape (K,), got {z}")
    accepted = straight(sample).replace(histories=sample.histories.only_accepted())
    rows = np.arange(len(accepted.histories.z)) if breaks is None else plain(breaks, "breaks")
    h = np.empty((len(rows), len(z)), np.float32)
    cast(Any, _fill)(*columns_of(accepted), ahead(checked(acceptance)), z, rows, h)
    return h


def fit_lund(sample: Sample, acceptance: Acceptance | None = None, *, breaks: ArrayLike | None = None) -> Estimate:
    """Fit a and b to the z of accepted chains.

    Parameters
    ----------
    sample : Sample
        Straight strings; rejected chains and parameters of the sample are not looked at.
    acceptance : Acceptance, optional
        h, best of parameters near the result: fit, learn h there, and fit again. Without it the likelihood is f alone,
        which is wrong for accepted chains.
    breaks : array_like of bool, shape (breaks of accepted chains,), optional
        Which to use; by default all. Each takes 240 bytes.

    Returns
    -------
    Estimate
        Errors are from the curvature of the likelihood; the message says if the maximum was not found.

    Raises
    ------
    TypeError, ValueError
        If the sample is not one of straight strings with histories, or `breaks` does not fit it or has fewer than two.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(2000, rng=1)
    >>> bool(fit_lund(sample).values[0] > 0.69)  # too large: accepted chains have too few large z
    True
    """
    histories = straight(sample).histories.only_accepted()
    n = len(histories.z)
    use = np.ones(n, bool) if breaks is None else plain(breaks, "breaks")
    if use.shape != (n,) or use.dtype != bool:
        raise ValueError(f"breaks must be {n} bools, one for each of accepted chains, got {use.dtype}, {use.shape}")
    rows = np.flatnonzero(use)
    if len(rows) < 2:
        raise ValueError(f"a fit of two parameters wants breaks, got {len(rows)}; choose more, or take more events")
    z = 1.0 / (1.0 + np.exp(NODES))
    weight = np.ones((1, len(z)), np.float32) if acceptance is None else after_breaks(sample, acceptance, z, rows)
    at, mt2 = histories.z[rows].astype(float), histories.mt2[rows].astype(float)
    if not np.all((at > 0) & (at <= 1) & (mt2 > 0)):
        raise ValueError("histories must have z between 0 and 1 and positive mT²")
    seen = np.array([log_left(at).sum(), -(mt2 * (1.0 / at - 1.0)).sum()])
    start = LundParams() if acceptance is None else acceptance.params
    values, message = np.array([start.a, start.b]), f"no maximum after {MOST_STEPS} steps; take more breaks"
    for _ in range(MOST_STEPS):
        mean, information = _moments(values, z, mt2, weight)
        step = np.linalg.solve(information, seen - mean)
        # Never so far that a parameter would leave what is allowed.
        values = np.maximum(values + step / max(1.0, *abs(step / (0.5 * values + 0.1))), [0.0, 1e-3])
        if step @ information @ step < 1e-8:
            message = ""
            break
    return Estimate(("a", "b"), values, np.linalg.inv(information), message=message)


def _moments(values, z, mt2, weight):
    """Means of the two statistics, and their covariance, summed over all breaks."""
    one, two = np.log1p(-z), -(1.0 / z - 1.0)
    columns = np.stack([np.ones_like(z), one, two, one * one, one * two, two * two], axis=1).astype(np.float32)
    mean, information = np.zeros(2), np.zeros((2, 2))
    for first in range(0, len(mt2), BLOCK):
        m = mt2[first : first + BLOCK, None]
        log_f = ((values[0] + 1.0) * one + values[1] * m * two).astype(np.float32)
        p = np.exp(log_f) * (weight if len(weight) == 1 else weight[first : first + BLOCK])
        total, e_1, e_2, e_11, e_12, e_22 = (p @ columns).astype(float).T
        e_1, e_2, e_11, e_12, e_22 = (e / total for e in (e_1, e_2, e_11, e_12, e_22))
        m = m[:, 0]
        mean += e_1.sum(), (m * e_2).sum()
        cross = (m * (e_12 - e_1 * e_2)).sum()
        information += [[(e_11 - e_1**2).sum(), cross], [cross, (m * m * (e_22 - e_2**2)).sum()]]
    return mean, information
