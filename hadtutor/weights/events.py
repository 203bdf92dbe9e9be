"""Weights of events, with the acceptance of the model."""

import math
from typing import NamedTuple

import numpy as np

from ..lund.transverse import pt_log_density
from ..params import LundParams
from .allowed import _checked, _warn
from .breaks import _last_draws_known, chain_log_weights


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
    >>> trials = ht.weights.record_trials(sample.histories, sample.params, np.random.default_rng(2))
    >>> target = ht.LundParams(a=0.55)
    >>> marginal = log_weights(sample.histories, sample.params, target)
    >>> accept_reject = log_weights(sample.histories, sample.params, target, "accept-reject", trials)
    >>> ht.metrics.n_eff(marginal) > ht.metrics.n_eff(accept_reject)
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
