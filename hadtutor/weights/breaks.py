"""Weights of breaks and of chains: ratios of densities of what was drawn."""

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import logsumexp

from .. import lund
from ..events.histories import NO_FINAL_TWO
from ..lund.flavour import neutral_probability
from ..lund.transverse import pt_log_density
from ..params import LundMixture
from ..strings.from_history import flavour_before
from .allowed import _checked, first_component
from .trials import _log_f, _log_top, _of_trials


def _log_normalisation_ratio(mt2, base, target):
    """ln N(target) - ln N(base) for many mT²: a Chebyshev series in ln mT², exact to about 10⁻¹²."""
    if len(mt2) < 500:
        return lund.log_normalisation(mt2, target) - lund.log_normalisation(mt2, base)
    log_mt2 = np.log(mt2)
    low, high = log_mt2.min(), log_mt2.max()
    if low == high:
        low, high = low - 1.0, high + 1.0

    def ratio(x):
        at = np.exp(0.5 * (low + high) + 0.5 * (high - low) * x)
        return lund.log_normalisation(at, target) - lund.log_normalisation(at, base)

    # The ratio is analytic in ln mT²; the coefficients fall by a constant factor.
    series = chebyshev.chebinterpolate(ratio, 80)
    return chebyshev.chebval((2.0 * log_mt2 - low - high) / (high - low), series)


def break_log_weights(histories, base, target, trials=None):
    r"""Logarithm of the weight of each break: z, the transverse momentum of the new quark, and its flavour.

    Parameters
    ----------
    histories : Histories
    base : LundParams
    target : LundParams or LundMixture
        Parameters with which the breaks were made, and those wanted.
    trials : Trials, optional
        If given, z has the weight of accept–reject, :math:`\frac{g'}{g}` of the accepted z times
        :math:`\frac{h - g'}{h - g}` of each rejected one, with :math:`g = f/\max f` and the over-sampling h. Else
        the ratio of normalised densities.

    Returns
    -------
    ndarray, shape (breaks,)

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a parameter is out of range, the target differs in what no weight can change (see `event_weights`), or the
        trials belong to other histories.
    """
    base, target = _checked(histories, base, target)
    if isinstance(target, LundMixture):
        if trials is not None:
            raise ValueError("the overestimate of a mixture is not defined: take the marginal weights, without trials")
        of_each = [break_log_weights(histories, base, component) for component in target.components]
        return logsumexp(of_each, axis=0, b=np.array(target.fractions)[:, None])
    z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
    pt2 = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
    # Both densities of z in one: what does not depend on the parameters cancels.
    log_w = _log_f(z, mt2, target) - _log_f(z, mt2, base)
    if trials is None:
        log_w -= _log_normalisation_ratio(mt2, base, target)
    else:
        log_w += _of_trials(histories, base, target, trials) - _log_top(mt2, target) + _log_top(mt2, base)
    log_w += pt_log_density(pt2, target) - pt_log_density(pt2, base)
    if base.u_fraction != target.u_fraction:
        flavour = flavour_before(histories, _flavour_at_ends(histories))
        log_w += _log_flavour_weight(flavour, histories.pid, base, target)
    return log_w


def _flavour_at_ends(histories):
    """2 for a u string, 1 for a d string: a charged pion that leaves a fresh end tells."""
    starts = histories.chain_offsets[:-1]
    starts = starts[starts < histories.chain_offsets[1:]]
    charged = starts[histories.pid[starts] != 111]
    if len(charged) == 0:
        raise ValueError("no chain begins with a charged pion, so the flavour of the string is not known; add events")
    positive = (histories.pid[charged[0]] > 0) == histories.from_positive[charged[0]]
    return 2 if positive else 1


def _log_flavour_weight(flavour, pid, base, target):
    odds = np.array([[neutral_probability(old, p.u_fraction) for old in (1, 2)] for p in (base, target)])
    odds = np.where(pid == 111, odds[:, flavour - 1], 1.0 - odds[:, flavour - 1])
    with np.errstate(divide="ignore"):
        return np.log(odds[1]) - np.log(odds[0])


def chain_log_weights(histories, base, target, trials=None):
    r"""Logarithm of the weight of each chain: its breaks, the draw for its last pair, and the order of that pair.

    Parameters
    ----------
    histories : Histories
    base : LundParams
    target : LundParams or LundMixture
        Parameters with which the breaks were made, and those wanted.
    trials : Trials, optional
        As in `break_log_weights`.

    Returns
    -------
    ndarray, shape (C,)
        Chains in which no last pair was drawn, or its draw is not known, have the weight of their breaks. The last two
        come out in reversed order with probability :math:`1/(1 + e^{b\lambda})`, which depends on b.

    Raises
    ------
    TypeError, ValueError
        As in `break_log_weights`.
    """
    base, target = _checked(histories, base, target)
    of_breaks = break_log_weights(histories, base, target, trials)
    target = first_component(target)  # what is not z goes by it
    log_w = np.bincount(histories.chain_of_break, of_breaks, minlength=histories.n_chains)
    pt2 = histories.final_px.astype(float) ** 2 + histories.final_py.astype(float) ** 2
    drawn = np.isfinite(pt2)
    log_w[drawn] += pt_log_density(pt2[drawn], target) - pt_log_density(pt2[drawn], base)
    if base.u_fraction != target.u_fraction:
        known = histories.final_pid != 0
        flavour = _flavour_of_last(histories)[known]
        log_w[known] += _log_flavour_weight(flavour, histories.final_pid[known], base, target)
    ordered = np.isfinite(histories.final_lambda)
    size = histories.final_lambda[ordered].astype(float)
    sign = np.where(histories.final_reversed[ordered], 1.0, -1.0)
    # ln of 1/(1 + exp(bλ)) if reversed, of 1/(1 + exp(-bλ)) if not.
    log_w[ordered] += np.logaddexp(0.0, sign * base.b * size) - np.logaddexp(0.0, sign * target.b * size)
    return log_w


def _flavour_of_last(histories):
    """Flavour that waits where each last pair is drawn: every charged break on that side has changed it."""
    same_side = histories.from_positive == histories.final_from_positive[histories.chain_of_break]
    changes = np.bincount(
        histories.chain_of_break, same_side & (histories.pid != 111), minlength=histories.n_chains
    ).astype(int)
    at_ends = _flavour_at_ends(histories)
    return np.where(changes % 2 == 0, at_ends, 3 - at_ends)


def _last_draws_known(histories, base, target):
    """Whether all that was drawn for the last pairs of rejected chains and has another density now is recorded."""
    rejected = histories.status == NO_FINAL_TWO
    if not rejected.any():
        return True
    same_flavours = base.u_fraction == first_component(target).u_fraction
    return same_flavours and bool(np.isfinite(histories.final_px[rejected]).all())
