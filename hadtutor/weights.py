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

from . import lund
from .histories import Histories
from .params import LundParams
from .two_sample import n_eff

__all__ = ["EventWeights", "break_log_weights", "chain_log_weights", "event_weights", "pt_log_density"]

FIXED = ("stop_mass", "stop_new_flavour", "stop_smear")
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


def break_log_weights(histories, base, target):
    """Logarithm of the weight of each break: z, and the transverse momentum of the new quark.

    Parameters
    ----------
    histories : Histories
    base, target : LundParams
        Parameters with which the breaks were made, and those wanted.

    Returns
    -------
    ndarray, shape (breaks,)

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a parameter is out of range, or the target differs in what no weight can change; see `event_weights`.
    """
    base, target = _checked(histories, base, target)
    z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
    pt2 = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
    # Both densities of z in one: what does not depend on the parameters cancels. At z = 1, which rounding can reach,
    # the logarithm is kept finite.
    left = np.log(np.maximum(1.0 - z, 2.0**-25))
    log_w = (target.a - base.a) * left - (target.b - base.b) * mt2 / z
    log_w -= _log_normalisation_ratio(mt2, base, target)
    return log_w + pt_log_density(pt2, target) - pt_log_density(pt2, base)


def chain_log_weights(histories, base, target):
    r"""Logarithm of the weight of each chain: its breaks, the draw for its last pair, and the order of that pair.

    Parameters
    ----------
    histories : Histories
    base, target : LundParams
        Parameters with which the breaks were made, and those wanted.

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
    of_breaks = np.append(0.0, np.cumsum(break_log_weights(histories, base, target)))
    log_w = np.diff(of_breaks[histories.chain_offsets])
    pt2 = histories.final_px.astype(float) ** 2 + histories.final_py.astype(float) ** 2
    drawn = np.isfinite(pt2)
    log_w[drawn] += pt_log_density(pt2[drawn], target) - pt_log_density(pt2[drawn], base)
    ordered = np.isfinite(histories.final_lambda)
    size = histories.final_lambda[ordered].astype(float)
    sign = np.where(histories.final_reversed[ordered], 1.0, -1.0)
    # ln of 1/(1 + exp(bλ)) if reversed, of 1/(1 + exp(-bλ)) if not.
    log_w[ordered] += np.logaddexp(0.0, sign * base.b * size) - np.logaddexp(0.0, sign * target.b * size)
    return log_w


def event_weights(sample, target):
    r"""Weights that turn a sample of string events into one of other parameters.

    Parameters
    ----------
    sample : Sample
        String events with their histories, rejected chains too.
    target : LundParams
        Parameters wanted: a, b, sigma_pt, enhanced_fraction and enhanced_width may differ from those of the sample.

    Returns
    -------
    EventWeights
        The acceptance at the target is :math:`\sum_{acc} w / \sum_{all} w` over the chains. Where the last draws of
        rejected chains are not recorded, as in those of real Pythia, it is :math:`\sum_{acc} w / C`; the mean weight is
        then 1 by construction.

    Raises
    ------
    TypeError
        If `sample` is not a sample of string events, or `target` no LundParams.
    ValueError
        If the histories are missing, a parameter is out of range, or the target differs in what decides when a string
        ends: no weight can change that.

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
    log_w = chain_log_weights(histories, base, target)
    accepted = histories.accepted
    n_chains, n_events = histories.n_chains, int(accepted.sum())
    if n_events != len(sample) or not np.array_equal(histories.event_of_chain[accepted], np.arange(n_events)):
        raise ValueError(f"the histories have {n_events} accepted chains for {len(sample)} events; they do not match")
    largest = log_w.max(initial=-np.inf)
    w = np.exp(log_w - largest)
    acceptance = n_events / n_chains
    complete = n_events == n_chains or bool(np.isfinite(histories.final_px[histories.status == 2]).all())
    if complete:
        at_target = w[accepted].sum() / w.sum()
        error = math.sqrt(np.sum((w * (accepted - at_target)) ** 2)) / w.sum()
    else:
        mean = np.sum(w * accepted) / n_chains
        at_target = mean * math.exp(largest)
        error = math.exp(largest) * math.sqrt(np.sum((w * accepted - mean) ** 2)) / n_chains
    log_w = log_w[accepted] + math.log(acceptance) - math.log(at_target)
    _warn(log_w, base, target)
    return EventWeights(log_w, acceptance, float(at_target), float(error))


def _warn(log_w, base, target):
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
    for name, params in (("base", base), ("target", target)):
        if not isinstance(params, LundParams):
            raise TypeError(f"{name} must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
    base, target = base.validate(), target.validate()
    differ = [name for name in FIXED if getattr(base, name) != getattr(target, name)]
    if differ:
        raise ValueError(
            f"the target differs in {', '.join(differ)}, which decides when a string ends; no weight can change that, "
            "generate a sample with it"
        )
    return base, target
