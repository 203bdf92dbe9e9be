"""Weights of breaks and of chains: ratios of densities of what was drawn."""

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import logsumexp

from ..events.histories import NO_FINAL_TWO, Histories
from ..events.sample import Sample
from ..lund.flavour import log_flavour_weight
from ..lund.function import log_density, log_normalisation, log_share_above
from ..lund.last_pair import log_order_probability
from ..lund.recorded import log_f_recorded, log_top
from ..lund.transverse import pt_log_density, width_of
from ..params import LundMixture, LundParams
from ..strings.from_history import flavour_before
from ..strings.regions import cut_mass2
from .all_flavours import log_w_of_all_flavours, log_w_of_pairs
from .allowed import Case, case_of, first_component
from .trials import Trials, log_w_of_trials


def log_normalisation_ratio(mt2: np.ndarray, base: LundParams, target: LundParams) -> np.ndarray:
    """ln N(target) - ln N(base) for many mT²: a Chebyshev series in ln mT², exact to about 10⁻¹²."""
    if len(mt2) < 500:
        return log_normalisation(mt2, target) - log_normalisation(mt2, base)
    log_mt2 = np.log(mt2)
    low, high = log_mt2.min(), log_mt2.max()
    if low == high:
        low, high = low - 1.0, high + 1.0

    def ratio(x):
        at = np.exp(0.5 * (low + high) + 0.5 * (high - low) * x)
        return log_normalisation(at, target) - log_normalisation(at, base)

    # The ratio is analytic in ln mT²; the coefficients fall by a constant factor.
    series = chebyshev.chebinterpolate(ratio, 80)
    return chebyshev.chebval((2.0 * log_mt2 - low - high) / (high - low), series)


def break_log_weights(
    sample: Sample | Histories, target: LundParams | LundMixture, *, base: LundParams | None = None,
    trials: Trials | None = None,
) -> np.ndarray:  # fmt: skip
    r"""Logarithm of the weight of each break, shape (breaks,): z, transverse momentum and flavour of the new quark.

    Parameters
    ----------
    sample : Sample or Histories
        String events; bare histories want `base`.
    target : LundParams or LundMixture
        Parameters wanted.
    base : LundParams, optional
        With which histories were made; a sample knows it.
    trials : Trials, optional
        If given, z has the weight of accept–reject, :math:`\frac{g'}{g}` of the accepted z times :math:`\frac{h - g'}{h
        - g}` of each rejected one, with :math:`g = f/\max f` and the over-sampling h. Else the ratio of normalised
        densities.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, the target differs in what no weight can change (see `event_weights`), or
        the trials belong to other histories or parameters.
    """
    return log_w_of_breaks(case_of(sample, target, base), trials)


def log_w_of_breaks(case: Case, trials: Trials | None = None) -> np.ndarray:
    """`break_log_weights` of what is checked."""
    histories, base, target, _ = case
    if histories.all_flavours:
        if trials is not None:
            raise ValueError("trials are recorded of pion strings alone; leave them out for strings of all flavours")
        return log_w_of_all_flavours(histories, base, target)
    if isinstance(target, LundMixture):
        if trials is not None:
            raise ValueError("the overestimate of a mixture is not defined: take the marginal weights, without trials")
        of_each = [log_w_of_breaks(case._replace(target=component)) for component in target.components]
        return logsumexp(of_each, axis=0, b=np.array(target.fractions)[:, None])
    z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
    pt2 = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
    log_w = np.zeros(len(z))
    if (base.a, base.b) != (target.a, target.b):
        log_w = log_f_recorded(z, mt2, target) - log_f_recorded(z, mt2, base)
        if trials is None:
            log_w -= log_normalisation_ratio(mt2, base, target)
    if trials is not None:
        log_w += log_w_of_trials(histories, base, target, trials) - log_top(mt2, target) + log_top(mt2, base)
    if width_of(base) != width_of(target):
        log_w += pt_log_density(pt2, target) - pt_log_density(pt2, base)
    if base.u_fraction != target.u_fraction:
        log_w += log_flavour_weight(flavour_before(histories, _flavour_at_ends(case)), histories.pid, base, target)
    return log_w


def _flavour_at_ends(case):
    """2 for a u string, 1 for a d string: in bare histories a charged pion that leaves a fresh end tells."""
    histories = case.histories
    if case.quark is not None:
        return case.quark
    if histories.closed.any():
        raise ValueError("bare histories of closed loops of gluons do not tell the flavours of ends; give the sample")
    if len(histories.z) == 0:
        return 2
    starts = histories.chain_offsets[:-1]
    starts = starts[starts < histories.chain_offsets[1:]]
    charged = starts[histories.pid[starts] != 111]
    if len(charged) == 0:
        raise ValueError(
            "no chain begins with a charged pion to tell the flavour of the string; give the sample, or add events"
        )
    return 2 if (histories.pid[charged[0]] > 0) == histories.from_positive[charged[0]] else 1


def chain_log_weights(
    sample: Sample | Histories, target: LundParams | LundMixture, *, base: LundParams | None = None,
    trials: Trials | None = None,
) -> np.ndarray:  # fmt: skip
    r"""Logarithm of the weight of each chain, shape (C,): its breaks, the draw for its last pair, and its order.

    That of a closed loop of gluons has the weight of the break that cut it open, too.
    Chains in which no last pair was drawn, or its draw is not known, have the weight of their breaks. The last two come
    out in reversed order with probability :math:`1/(1 + e^{b\lambda})`, which depends on b. Arguments `sample`,
    `target`, `base`, `trials`, and errors, as of `break_log_weights`.
    """
    return log_w_of_chains(case_of(sample, target, base), trials)


def log_w_of_chains(case: Case, trials: Trials | None = None) -> np.ndarray:
    """`chain_log_weights` of what is checked."""
    histories, base, target, _ = case
    of_breaks, of_openings = log_w_of_breaks(case, trials), _log_w_of_openings(case)
    target = first_component(target)  # what is not z goes by it
    # Without any break NumPy counts in whole numbers.
    log_w = np.bincount(histories.chain_of_break, of_breaks, minlength=histories.n_chains).astype(float)
    log_w[histories.closed] += of_openings
    pt2 = histories.final_px.astype(float) ** 2 + histories.final_py.astype(float) ** 2
    if width_of(base) != width_of(target):
        drawn = np.isfinite(pt2)
        log_w[drawn] += pt_log_density(pt2[drawn], target) - pt_log_density(pt2[drawn], base)
    if histories.all_flavours:
        log_w += log_w_of_pairs(histories, base, target)
    elif base.u_fraction != target.u_fraction:
        known = histories.final_pid != 0
        flavour = _flavour_of_last(case)[known]
        log_w[known] += log_flavour_weight(flavour, histories.final_pid[known], base, target)
    ordered = np.isfinite(histories.final_lambda)
    lam = histories.final_lambda[ordered].astype(float)
    signed = np.where(histories.final_reversed[ordered], lam, -lam)
    log_w[ordered] += log_order_probability(signed, target.b) - log_order_probability(signed, base.b)
    return log_w


def _log_w_of_openings(case):
    """Of the breaks that cut closed loops open, in their order: flavour, transverse momentum, and a z that had room."""
    histories, base, target, _ = case
    if not histories.closed.any():
        return 0.0
    _, flavour, px, py, z, w2 = histories.openings[histories.closed].astype(float).T
    mt2, one = cut_mass2(w2), first_component(target)
    log_w = np.zeros(len(z))
    if target != base:
        log_w += log_density(z, mt2, target) - log_share_above(mt2 / w2, mt2, target)
        log_w -= log_density(z, mt2, base) - log_share_above(mt2 / w2, mt2, base)
    if width_of(base) != width_of(one):
        log_w += pt_log_density(px**2 + py**2, one) - pt_log_density(px**2 + py**2, base)
    if base.u_fraction != one.u_fraction:
        odds = [np.where(flavour == 2, p.u_fraction, 1.0 - p.u_fraction) for p in (base, one)]
        with np.errstate(divide="ignore"):
            log_w += np.log(odds[1]) - np.log(odds[0])
    return log_w


def _flavour_of_last(case):
    """Flavour that waits where each last pair is drawn: every charged break on that side has changed it."""
    histories, at_ends = case.histories, _flavour_at_ends(case)
    if not np.isscalar(at_ends):
        at_ends = np.take_along_axis(at_ends, 1 - histories.final_from_positive[:, None].astype(int), axis=1)[:, 0]
    same_side = histories.from_positive == histories.final_from_positive[histories.chain_of_break]
    changes = np.bincount(histories.chain_of_break, same_side & (histories.pid != 111), histories.n_chains)
    return np.where(changes % 2 == 0, at_ends, 3 - at_ends)


def last_draws_known(case: Case) -> bool:
    """Whether all that was drawn for the last pairs of rejected chains and has another density now is recorded."""
    histories, base, target, _ = case
    rejected = histories.status == NO_FINAL_TWO
    same_flavours = base.u_fraction == first_component(target).u_fraction or not rejected.any()
    return same_flavours and bool(np.isfinite(histories.final_px[rejected]).all())
