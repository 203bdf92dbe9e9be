r"""Weights that turn string events of one set of parameters into events of another :cite:p:`bierlich2024reweighting`.

The draws that make an event have known densities, and the ratio of these densities is the weight of the event. A break
contributes

.. math:: w = \frac{f(z \mid m_T^2; \theta')}{f(z \mid m_T^2; \theta)} \,
              \frac{p(\vec p_T; \theta')}{p(\vec p_T; \theta)} ,

with f *normalised*. Nothing of how z was drawn enters, such as trials that were rejected: they are integrated out,
which can only make the weights less broad (Rao–Blackwell). An event tries chains of breaks until one is accepted, with
a probability α(θ) for each; so its weight is that of the accepted chain, times α(θ)/α(θ').
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import logsumexp

from . import lund
from ._parallel import check_rng
from .histories import NO_FINAL_TWO, Histories
from .params import LundMixture, LundParams
from .strings import flavour_before, neutral_probability
from .two_sample import n_eff

__all__ = [
    "EventWeights",
    "Trials",
    "break_log_weights",
    "chain_log_weights",
    "event_weights",
    "log_weights",
    "pt_log_density",
    "record_trials",
]

FIXED = ("stop_mass", "stop_new_flavour", "stop_smear")
SMALLEST_Z, LARGEST_Z = np.float32(2.0**-32), np.float32(1.0 - 2.0**-24)  # of what is recorded
FEW = 100  # effective events, below which a weighted sample says next to nothing


class EventWeights(NamedTuple):
    """Weights of events, and the acceptance behind them.

    Attributes
    ----------
    log_w : ndarray, shape (N,)
        Natural logarithm of the weight of each event; their mean weight is 1 up to statistics.
    acceptance : float
        Probability that a chain is accepted, at the parameters of the sample.
    acceptance_target : float
        The same at the target, from the same chains.
    acceptance_error : float
        Standard deviation of the latter; it is common to all events.
    """

    log_w: np.ndarray
    acceptance: float
    acceptance_target: float
    acceptance_error: float


def pt_log_density(pt2, params):
    r"""Logarithm of the density of the transverse momentum of one break, in two dimensions [GeV⁻²].

    Parameters
    ----------
    pt2 : array_like
        :math:`p_x^2 + p_y^2` of the new quark [GeV²].
    params : LundParams

    Returns
    -------
    ndarray
        Of :math:`e^{-p_T^2/\sigma^2} / \pi\sigma^2`, mixed with the same of a larger width if `enhanced_fraction` is
        above zero.

    Examples
    --------
    >>> round(float(pt_log_density(0.0, LundParams(sigma_pt=1.0))), 6)  # 1/pi
    -1.14473
    """
    pt2 = np.asarray(pt2, dtype=float)

    def log_gaussian(width):
        return -pt2 / width**2 - math.log(math.pi * width**2)

    share = params.enhanced_fraction
    narrow, broad = log_gaussian(params.sigma_pt), log_gaussian(params.sigma_pt * params.enhanced_width)
    if share == 0.0:
        return narrow
    if share == 1.0:
        return broad
    return np.logaddexp(math.log1p(-share) + narrow, math.log(share) + broad)


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


class Trials(NamedTuple):
    """Trials of z that were rejected on the way to each break.

    Attributes
    ----------
    offsets : ndarray of int64, shape (breaks + 1,)
        Break j has the trials ``offsets[j]:offsets[j + 1]``.
    z : ndarray of float32, shape (trials,)
        Strictly between 0 and 1.
    over_sampling : float
        Height of the flat overestimate above the maximum of f (Pythia's ``zHead``).
    """

    offsets: np.ndarray
    z: np.ndarray
    over_sampling: float


def record_trials(histories, params, rng, over_sampling=2.0):
    r"""Draw every z by accept–reject under a flat overestimate, and keep what was rejected.

    A trial z is accepted with probability :math:`f(z) / (h \max f)`, h being `over_sampling`; the trials before the
    accepted one say nothing about it. So the accepted z of the histories, however they were drawn, take the place of
    those accepted here: trials and breaks then have the law of a generator that had drawn them together. The same
    histories can have trials of several overestimates, and those of real Pythia can have some too.

    Parameters
    ----------
    histories : Histories
    params : LundParams
        With which the breaks were made.
    rng : numpy.random.Generator
    over_sampling : float
        At least 1. At 1 a trial near the maximum is hardly ever rejected, with a weight that has no bound if the target
        has its maximum elsewhere: weights of accept–reject then have an infinite variance.

    Returns
    -------
    Trials

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `over_sampling` is below 1 or not finite.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> trials = record_trials(sample.histories, sample.params, np.random.default_rng(2))
    >>> len(trials.offsets) == len(sample.histories.z) + 1
    True
    """
    params, _ = _checked(histories, params, params)
    check_rng(rng)
    over_sampling = float(over_sampling)
    if not (math.isfinite(over_sampling) and over_sampling >= 1.0):
        raise ValueError(f"over_sampling must be at least 1, else f is above its overestimate, got {over_sampling:g}")
    mt2 = histories.mt2.astype(float)
    log_top = _log_top(mt2, params) + math.log(over_sampling)
    waiting = np.arange(len(mt2))
    rejected = [(waiting[:0], histories.z[:0])]
    while len(waiting):
        z = np.clip(rng.random(len(waiting)).astype(np.float32), SMALLEST_Z, LARGEST_Z)
        failed = rng.random(len(waiting)) >= np.exp(_log_f(z.astype(float), mt2[waiting], params) - log_top[waiting])
        waiting = waiting[failed]
        rejected.append((waiting, z[failed]))
    of_break, z = (np.concatenate(column) for column in zip(*rejected, strict=True))
    offsets = np.append(0, np.cumsum(np.bincount(of_break, minlength=len(mt2))))
    return Trials(offsets, z[np.argsort(of_break, kind="stable")], over_sampling)


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


def _log_f(z, mt2, params):
    """`lund.log_f` without the part that no parameter changes, finite at the z = 1 that rounding can reach."""
    return params.a * np.log(np.maximum(1.0 - z, 1.0 - float(LARGEST_Z))) - np.log(z) - params.b * mt2 / z


def _log_top(mt2, params):
    """Logarithm of the maximum of f."""
    return _log_f(np.minimum(lund.z_peak(mt2, params), float(LARGEST_Z)), mt2, params)


def _of_trials(histories, base, target, trials):
    """Logarithm of the factor of the rejected trials of each break."""
    if not isinstance(trials, Trials):
        raise TypeError(f"trials must be those of record_trials, got {type(trials).__name__}")
    if len(trials.offsets) != len(histories.z) + 1:
        raise ValueError(
            f"the trials belong to {len(trials.offsets) - 1} breaks, the histories have {len(histories.z)}; "
            "record them for these histories"
        )
    of_break = np.repeat(np.arange(len(histories.z)), np.diff(trials.offsets))
    mt2, z = histories.mt2.astype(float), trials.z.astype(float)
    log_w = np.zeros(len(z))
    for params, sign in ((target, 1.0), (base, -1.0)):
        g = np.exp(_log_f(z, mt2[of_break], params) - _log_top(mt2, params)[of_break])
        # At its maximum g equals h = 1; the base rejects there never, but z is rounded.
        log_w += sign * np.log(np.maximum(trials.over_sampling - g, 1e-12))
    return np.bincount(of_break, log_w, minlength=len(mt2))


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


def event_weights(sample, target):
    r"""Weights that turn a sample of string events into one of other parameters, and the acceptance of its chains.

    Parameters
    ----------
    sample : Sample
        String events with their histories, rejected chains too.
    target : LundParams or LundMixture
        Parameters wanted: all may differ from those of the sample but `stop_mass`, `stop_new_flavour`, `stop_smear`.

    Returns
    -------
    EventWeights
        The acceptance at the target is :math:`\sum_{acc} w / \sum_{all} w` over the chains. Where the last draws of
        rejected chains are not recorded, as in those of real Pythia, it is :math:`\sum_{acc} w / C`; the mean weight is
        then 1 by construction. Flavours of these draws are never recorded.

    Raises
    ------
    TypeError
        If `sample` is not a sample of string events, or `target` no LundParams.
    ValueError
        If the histories are missing or hold numbers that are not finite; if a parameter is out of range; if the target
        has what the sample can never have, or differs in what decides when a string ends.

    Warns
    -----
    RuntimeWarning
        If the variance of the weights is infinite, or few events carry all weight; it says what to do.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(2000, ht.LundParams(a=0.68), rng=np.random.default_rng(1))
    >>> weights = event_weights(sample, ht.LundParams(a=0.60))
    >>> w = np.exp(weights.log_w)
    >>> bool(abs(w.mean() - 1) < 4 * w.std() / 2000**0.5)
    True
    """
    histories = getattr(sample, "histories", None)
    if histories is None and isinstance(getattr(sample, "params", None), LundParams):
        raise ValueError("the sample has no histories; make it with hadronize_strings, which records them")
    base, target = _checked(histories, getattr(sample, "params", None), target)
    result = _marginal(histories, base, target)
    if len(result.log_w) != len(sample):
        raise ValueError(f"the histories have {len(result.log_w)} events, the sample {len(sample)}; they do not match")
    _warn(result.log_w, base, target)
    return result


def log_weights(histories, base, target, method="marginal", trials=None):
    r"""Logarithm of the weight of each event, from its history.

    Parameters
    ----------
    histories : Histories
        Of N events, rejected chains too.
    base : LundParams
    target : LundParams or LundMixture
        Parameters with which they were made, and those wanted.
    method : {"marginal", "accept-reject"}
        ``"marginal"``: ratios of normalised densities, and for rejected chains the ratio of acceptances α(base) /
        α(target). ``"accept-reject"``: products over everything that was drawn, rejected trials of z and rejected
        chains too, as in Pythia :cite:p:`bierlich2024reweighting`. Both are exact; the first is the mean of the second
        over what was rejected, and so never broader.
    trials : Trials, optional
        Needed for ``"accept-reject"``; made by `record_trials`.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        As in `event_weights`; if the method is not known, its trials are missing, or it wants last draws of rejected
        chains that are not recorded.

    Warns
    -----
    RuntimeWarning
        As in `event_weights`.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(1000, rng=np.random.default_rng(1))
    >>> trials = record_trials(sample.histories, sample.params, np.random.default_rng(2))
    >>> target = ht.LundParams(a=0.55)
    >>> marginal = log_weights(sample.histories, sample.params, target)
    >>> accept_reject = log_weights(sample.histories, sample.params, target, "accept-reject", trials)
    >>> n_eff(marginal) > n_eff(accept_reject)
    True
    """
    base, target = _checked(histories, base, target)
    if method == "marginal":
        log_w = _marginal(histories, base, target).log_w
    elif method == "accept-reject":
        log_w = _accept_reject(histories, base, target, trials)
    else:
        raise ValueError(f'method must be "marginal" or "accept-reject", got {method!r}')
    _warn(log_w, base, target)
    return log_w


def _marginal(histories, base, target):
    log_w = chain_log_weights(histories, base, target)
    accepted = histories.accepted
    n_chains, n_events = histories.n_chains, int(accepted.sum())
    if not np.array_equal(histories.event_of_chain[accepted], np.arange(n_events)):
        raise ValueError("each event needs exactly one accepted chain, and some have none or more; they do not match")
    largest = log_w.max(initial=-np.inf)
    if largest == -np.inf:
        raise ValueError(f"the target has none of these {n_events} events: all weights are zero")
    w = np.exp(log_w - largest)
    acceptance = n_events / n_chains
    if _last_draws_known(histories, base, target):
        at_target = w[accepted].sum() / w.sum()
        error = math.sqrt(np.sum((w * (accepted - at_target)) ** 2)) / w.sum()
    else:
        mean = np.sum(w * accepted) / n_chains
        at_target = mean * math.exp(largest)
        error = math.exp(largest) * math.sqrt(np.sum((w * accepted - mean) ** 2)) / n_chains
    log_w = log_w[accepted] + math.log(acceptance) - math.log(at_target)
    return EventWeights(log_w, acceptance, float(at_target), float(error))


def _last_draws_known(histories, base, target):
    """Whether all that was drawn for the last pairs of rejected chains and has another density now is recorded."""
    rejected = histories.status == NO_FINAL_TWO
    if not rejected.any():
        return True
    same_flavours = base.u_fraction == first_component(target).u_fraction
    return same_flavours and bool(np.isfinite(histories.final_px[rejected]).all())


def _accept_reject(histories, base, target, trials):
    if trials is None:
        raise ValueError(
            "accept-reject weights need the rejected trials of z, which these histories do not have: pass "
            "trials=record_trials(histories, base, rng), or take the marginal method"
        )
    same_pt = pt_log_density(1.0, base) == pt_log_density(1.0, target)
    if not _last_draws_known(histories, base, target) and not (same_pt and base.u_fraction == target.u_fraction):
        raise ValueError(
            "the last draws of rejected chains are not recorded, so a change of transverse momenta or flavours has no "
            "accept-reject weight; take the marginal method"
        )
    log_w = chain_log_weights(histories, base, target, trials)
    return np.bincount(histories.event_of_chain, log_w)


def first_component(params):
    """Of a mixture the first component, else the parameters themselves."""
    return params.components[0] if isinstance(params, LundMixture) else params


def _warn(log_w, base, target):
    target = first_component(target)
    # ∫ f'²/f is finite only if the target falls off fast enough where the base does.
    limits = {
        "a": (target.a > 0.5 * (base.a - 1.0), f"a > {0.5 * (base.a - 1.0):.3g}"),
        "b": (target.b > 0.5 * base.b, f"b > {0.5 * base.b:.3g}"),
        "sigma_pt": (_widest(target) < math.sqrt(2.0) * _widest(base), f"a width < {math.sqrt(2) * _widest(base):.3g}"),
    }
    beyond = [f"{name} (the sample allows {limit})" for name, (fine, limit) in limits.items() if not fine]
    effective = n_eff(log_w)
    if beyond:
        warnings.warn(
            f"the weights have an infinite variance because of {', '.join(beyond)}: no number of events will do; "
            "go there in steps, or generate a sample nearer by",
            RuntimeWarning,
            stacklevel=3,
        )
    elif effective < min(FEW, 0.5 * len(log_w)):
        warnings.warn(
            f"{len(log_w)} weighted events are worth {effective:.0f}: generate more, or a sample nearer to the target",
            RuntimeWarning,
            stacklevel=3,
        )


def _widest(params):
    broad = params.enhanced_width if params.enhanced_fraction > 0 else 1.0
    return params.sigma_pt * max(broad, 1.0 if params.enhanced_fraction < 1 else 0.0)


def _checked(histories, base, target):
    if not isinstance(histories, Histories):
        raise TypeError(f"histories of string breaks are wanted, got {type(histories).__name__}")
    for name, params, kinds in (("base", base, LundParams), ("target", target, (LundParams, LundMixture))):
        if not isinstance(params, kinds):
            raise TypeError(f"{name} must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
    base, target = base.validate(), target.validate()
    one = first_component(target)
    bad = ~(np.isfinite(histories.z + histories.mt2 + histories.px + histories.py) & (histories.mt2 > 0))
    if bad.any():
        event = histories.event_of_chain[histories.chain_of_break[np.argmax(bad)]]
        raise ValueError(f"the history of event {event} holds numbers that are not finite, or a mass of zero")
    differ = [name for name in FIXED if getattr(base, name) != getattr(one, name)]
    if differ:
        raise ValueError(
            f"the target differs in {', '.join(differ)}, which decides when a string ends; no weight can change that, "
            "generate a sample with it"
        )
    if base.u_fraction in (0.0, 1.0) and one.u_fraction != base.u_fraction:
        missing = "u" if base.u_fraction == 0.0 else "d"
        raise ValueError(
            f"the target is outside the support: it makes {missing} quarks, of which the sample has none "
            f"(u_fraction={base.u_fraction:g}); generate a sample with both"
        )
    return base, target
