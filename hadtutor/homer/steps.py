"""The three steps of HOMER, one by one."""

import numpy as np

from ..events.histories import Histories
from ..events.sample import Sample
from ..params import LundParams
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .inputs import HomerError
from .likelihood import most_likely


def prepare(sim, conditions=()):
    """The chains of a simulation, ready for steps two and three.

    Parameters
    ----------
    sim : Sample
        String events with their histories, rejected chains too.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT²: the string end that the hadron left, and the transverse
        momentum that waited there.

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
    _check_simulation(sim)
    return Chains(sim.histories, BreakBasis(sim.histories, sim.params, conditions))


def _check_simulation(sim):
    if not isinstance(sim, Sample) or not isinstance(sim.params, LundParams):
        raise TypeError(
            f"the simulation must be a Sample of string events made with LundParams, got {type(sim).__name__}; "
            "hadronize_strings makes one"
        )
    histories = sim.histories
    if not isinstance(histories, Histories):
        raise HomerError("the simulation has no histories, so nothing to trace weights back to: keep its breaks")
    if not (np.all(np.isfinite(histories.z)) and np.all(np.isfinite(histories.mt2)) and np.all(histories.mt2 > 0)):
        raise HomerError("the histories of the simulation hold numbers that are not finite, or a mass of zero")
    if not np.array_equal(histories.event_of_chain[histories.accepted], np.arange(len(sim))):
        raise HomerError("each event of the simulation needs exactly one accepted chain, and some have none or more")


def step_two(chains, log_w_class, breaks=None, acceptance=True, rounds=1):
    r"""Weights of breaks from weights of events: the f(z|mT²) that is most likely, given them.

    Parameters
    ----------
    chains : Chains
        See `prepare`.
    log_w_class : ndarray, shape (N,)
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
    log_w_class = np.asarray(log_w_class, dtype=float)
    if log_w_class.shape != (len(chains.accepted_chains),) or np.isnan(log_w_class).any():
        raise ValueError(
            f"step two wants one log weight for each of {len(chains.accepted_chains)} events, none NaN, "
            f"got shape {log_w_class.shape}"
        )
    theta = np.zeros(chains.basis.matrix.shape[1]) if breaks is None else breaks.theta
    precision = np.linalg.inv(chains.basis.prior())
    return _trace_back(chains, log_w_class, theta, precision, acceptance, rounds)


def _trace_back(chains, log_w_class, theta, precision, acceptance, rounds):
    basis = chains.basis
    for _ in range(rounds):
        now = chains.log_weights(basis.normalise(basis.matrix @ theta))
        theta = most_likely(chains, log_w_class, now, theta, precision, acceptance)
    return BreakWeights(basis, theta)


def step_three(chains, breaks, acceptance=True):
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
