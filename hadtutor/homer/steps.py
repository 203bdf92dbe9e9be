"""The three steps of HOMER, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import log_weights, whole
from ..events.sample import Sample
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .checks import check_simulation
from .likelihood import most_likely
from .nodes import break_features


class Iteration(NamedTuple):
    """One passage of the three steps.

    Attributes
    ----------
    auc : float
        Area under the ROC curve of step one, for the simulation as it came into this iteration; NaN for histograms.
    auc_error : float
        One standard deviation.
    chi2_per_ndf : float
        For data that are histograms: of them and the simulation as it came; else NaN.
    n_eff : float
        Effective number of simulated events, after this iteration.
    log_acceptance_ratio : float
        ln(α/α_ref) after this iteration.
    theta : ndarray, shape (K,)
        Coefficients of ln w after this iteration.
    """

    auc: float
    auc_error: float
    chi2_per_ndf: float
    n_eff: float
    log_acceptance_ratio: float
    theta: np.ndarray


def prepare(sim: Sample, conditions: str | Iterable[str] = (), features: np.ndarray | None = None) -> Chains:
    """The chains of a simulation, ready for steps two and three.

    Parameters
    ----------
    sim : Sample
        String events with their histories, rejected chains too.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT²: the string end that the hadron left, and the transverse
        momentum that waited there.
    features : ndarray, shape (2 + conditions, breaks), optional
        Those of `break_features`, if they are at hand.

    Returns
    -------
    Chains

    Raises
    ------
    HomerError
        If the simulation has no histories, has numbers in them that are not finite, or not one accepted chain for each
        event.
    TypeError
        If `sim` is no sample of string events made with `LundParams`.
    """
    histories, params = check_simulation(sim)
    features = break_features(histories, conditions) if features is None else features
    return Chains(histories, BreakBasis.of(features, params, conditions), features)


def step_two(
    chains: Chains, log_w_class: ArrayLike, breaks: BreakWeights | None = None, acceptance: bool = True,
    rounds: int = 1,
) -> BreakWeights:  # fmt: skip
    r"""Weights of breaks from weights of events: the f(z|mT²) that is most likely, given them.

    Parameters
    ----------
    chains : Chains
        See `prepare`.
    log_w_class : array_like, shape (N,)
        Log weights that the events should have: those they carry already plus the `log_ratio` of `step_one`.
    breaks : BreakWeights, optional
        Those of the last iteration, to start from; they say how many rejected chains there are per event.
    acceptance : bool
        Whether breaks of rejected chains belong to f. If not, f is that of breaks in accepted chains, which is
        something else.
    rounds : int
        How often to repeat it for the same weights: rejected chains are given the weights of the last round, and a few
        are needed until they no longer change.

    Returns
    -------
    BreakWeights
        Without errors, see `fit`. For a network in place of splines see `hadtutor.homer.regress`.

    Raises
    ------
    ValueError
        If there is not one weight for each event, or one is NaN.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sim = ht.hadronize_strings(2000, rng=np.random.default_rng(1))
    >>> target = ht.LundParams(a=0.5)
    >>> breaks = step_two(prepare(sim), ht.weights.event_weights(sim, target).log_w)
    >>> f, _ = breaks.f(0.5, 0.1)
    >>> bool(abs(f / np.exp(ht.lund.log_density(0.5, 0.1, target)) - 1) < 0.03)
    True
    """
    log_w_class = log_weights(log_w_class, len(chains.accepted_chains), "log_w_class")
    theta = np.zeros(chains.basis.matrix.shape[1]) if breaks is None else breaks.theta
    basis, precision = chains.basis, np.linalg.inv(chains.basis.prior())
    for _ in range(whole(rounds, "rounds")):
        now = chains.log_weights(basis.normalise(basis.matrix @ theta))
        theta = most_likely(chains, log_w_class, now, theta, precision, acceptance)
    return BreakWeights(basis, theta)


def step_three(chains: Chains, breaks: BreakWeights, acceptance: bool = True) -> tuple[np.ndarray, float]:
    r"""Weights of events from weights of breaks, :math:`\prod_{s \in S} w(s) \cdot \alpha_\mathrm{ref}/\alpha`.

    Parameters
    ----------
    chains : Chains
    breaks : BreakWeights
    acceptance : bool
        Whether the last factor is there.

    Returns
    -------
    log_w : ndarray, shape (N,)
    log_acceptance_ratio : float
        ln(α/α_ref); 0 if `acceptance` is false.
    """
    return chains.event_log_weights(breaks.table, acceptance)
