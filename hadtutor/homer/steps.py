"""The steps of HOMER after the classifier, one by one."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from .._support.checks import log_weights, whole
from ..events.sample import Sample
from .basis import BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .checks import HomerError, check_simulation, quark_of
from .factors import FACTORS
from .nodes import break_features, conditions_of


class Iteration(NamedTuple):
    """One passage of the three steps.

    Attributes
    ----------
    auc, auc_error : float
        Area under the ROC curve of step one, for the simulation as it came into this iteration, and its error; NaN for
        histograms.
    chi2_per_ndf : float
        For data that are histograms: of them and the simulation as it came; else NaN.
    n_eff, log_acceptance_ratio : float
        Effective number of simulated events, and ln(α/α_ref), after this iteration.
    theta : ndarray, shape (K + F,)
        Coefficients after this iteration, see `BreakWeights`.
    """

    auc: float
    auc_error: float
    chi2_per_ndf: float
    n_eff: float
    log_acceptance_ratio: float
    theta: np.ndarray


def prepare(
    sim: Sample, conditions: str | Iterable[str] = (), features: np.ndarray | None = None,
    factors: str | Iterable[str] = (),
) -> Chains:  # fmt: skip
    """The chains of a simulation, ready for steps two and three.

    Parameters
    ----------
    sim : Sample
        String events made with `LundParams` (else TypeError), with their histories, rejected chains too. HomerError if
        these are missing, hold numbers that are not finite, or not one accepted chain for each string.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT²: the string end that the hadron left, and the transverse
        momentum that waited there.
    features : ndarray, shape (2 + conditions, breaks), optional
        Those of `break_features`, if they are at hand.
    factors : sequence of {"order", "sigma_pt", "enhanced_fraction", "u_fraction"}
        What has a weight besides z: the order of the last pair (its b), and what decides about transverse momenta and
        flavours of new quarks.
    """
    histories, params = check_simulation(sim)
    conditions = conditions_of(histories, conditions)
    features = break_features(histories, conditions) if features is None else features
    basis = BreakBasis.of(features, params, conditions, factors)
    return Chains(histories, basis, features, quark_of(sim))


def step_two(
    chains: Chains, log_w_class: ArrayLike, breaks: BreakWeights | None = None, acceptance: bool = True, rounds: int = 1
) -> BreakWeights:
    r"""Weights of breaks from weights of events: the f(z|mT²) that is most likely, given them; without errors.

    Parameters
    ----------
    chains : Chains
        See `prepare`.
    log_w_class : array_like, shape (N,)
        Log weights that the events should have: those they carry already plus the `log_ratio` of `step_one`.
    breaks : BreakWeights, optional
        Those of the last iteration, to start from; they say how many rejected chains there are per event.
    acceptance : bool
        Whether breaks of rejected chains belong to f. If not, it is that of breaks in accepted chains, something else.
    rounds : int
        How often to repeat it for the same weights: rejected chains are given the weights of the last round, and a few
        are needed until they no longer change.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sim = ht.hadronize_strings(2000, rng=np.random.default_rng(1))
    >>> target = ht.LundParams(a=0.5)
    >>> breaks = step_two(prepare(sim), ht.weights.event_weights(sim, target).log_w)
    >>> bool(abs(breaks.f(0.5, 0.1)[0] / np.exp(ht.lund.log_density(0.5, 0.1, target)) - 1) < 0.03)
    True
    """
    log_w_class = log_weights(log_w_class, chains.n_events, "log_w_class")
    basis = chains.basis
    theta, change = basis.split(np.zeros(basis.size) if breaks is None else breaks.theta)
    precision = np.linalg.inv(basis.prior())[: len(theta), : len(theta)]
    factors = chains.factors.log_weights(change)
    for _ in range(whole(rounds, "rounds")):
        now = chains.log_weights(basis.table_of(theta)) + factors
        theta = most_likely(chains, log_w_class, now, theta, precision, acceptance)
    if basis.factors:
        change = most_likely_change(chains, log_w_class, now, change, acceptance)
    return BreakWeights(basis, np.append(theta, change))


def most_likely(
    chains: Chains, log_w_events: np.ndarray, log_w_chains: np.ndarray, start: np.ndarray, precision: np.ndarray,
    acceptance: bool = True,
) -> np.ndarray:  # fmt: skip
    r"""The coefficients for which f follows the weighted histogram of z: the maximisation step, by Newton's method.

    Parameters
    ----------
    chains : Chains
    log_w_events : ndarray, shape (N,)
        Log weights that the events should have, from step one.
    log_w_chains : ndarray, shape (C,)
        Log weights of all chains as they are; rejected chains count, each as often per event as the present f makes it.
    start, precision, acceptance
        Of `maximise`, and whether breaks of rejected chains belong to the histogram.
    """
    reference = chains.basis.reference if acceptance else chains.histogram(chains.accepted.astype(float))
    weight = _expected(chains, log_w_events, log_w_chains, acceptance)
    return maximise(chains.basis, chains.histogram(weight), reference, start, precision)


def _expected(chains, log_w_events, log_w_chains, acceptance):
    """How often each chain is expected in N events, accepted ones as events should be weighted."""
    accepted = chains.accepted
    weight = np.zeros(len(accepted))
    wanted = np.exp(log_w_events - log_w_events.max())
    weight[accepted] = (len(wanted) * wanted / wanted.sum())[chains.event]
    if acceptance:
        now = np.exp(log_w_chains - log_w_chains.max())
        # Truncated at √N (Ionides, J. Comput. Graph. Stat. 17, 2008): else f follows one rejected chain of many breaks,
        # gives it more weight with that, and follows it further.
        rejected = len(chains.event) * now[~accepted] / now[accepted].sum()
        weight[~accepted] = np.minimum(rejected, len(chains.event) ** 0.5)
    return weight


def most_likely_change(
    chains: Chains, log_w_events: np.ndarray, log_w_chains: np.ndarray, change: np.ndarray, acceptance: bool = True
) -> np.ndarray:
    """The changes of factors, (F,), that are most likely, by one step of Fisher's; arguments as of `most_likely`."""
    weight = _expected(chains, log_w_events, log_w_chains, acceptance)
    rows = chains.factors.rows(change)
    precision = np.diag([FACTORS[name].prior ** -2.0 for name in chains.basis.factors])
    information = (weight[:, None] * rows).T @ rows + precision
    return chains.factors.within(change + np.linalg.solve(information, weight @ rows - precision @ change))


def maximise(
    basis: BreakBasis, histogram: np.ndarray, reference: np.ndarray, start: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    r"""Maximise :math:`\sum h\,g - \sum_{m_T} n \ln\langle e^g \rangle_\mathrm{ref}` less a prior: a concave function.

    Parameters
    ----------
    basis : BreakBasis
    histogram, reference : ndarray, shape (nodes,)
        Breaks wanted, and breaks without weights: fluctuations that both share cancel.
    start, precision : ndarray, shape (K,), (K, K)
        Coefficients to start from, and the inverse of `BreakBasis.prior`.
    """
    n_z, matrix, theta = basis.shape[0], basis.matrix, start.copy()
    functions = matrix.reshape(n_z, -1, matrix.shape[1])
    reference = reference.reshape(n_z, -1)
    wanted = histogram.reshape(n_z, -1).sum(axis=0)
    filled = reference.sum(axis=0) > 0

    def objective(theta):
        g = (matrix @ theta).reshape(n_z, -1)
        top = g.max(axis=0)
        new = reference * np.exp(g - top)
        total = np.where(filled, new.sum(axis=0), 1.0)
        value = histogram @ g.ravel() - wanted[filled] @ (np.log(total) + top)[filled] - 0.5 * theta @ precision @ theta
        return value, new / total

    value, share = objective(theta)
    for _ in range(100):
        counts = (share * wanted).reshape(-1)
        gradient = matrix.T @ (histogram - counts) - precision @ theta
        mean = np.einsum("tr,trk->rk", share, functions)
        curvature = (matrix * counts[:, None]).T @ matrix - (mean * wanted[:, None]).T @ mean + precision
        try:
            step = cho_solve(cho_factor(curvature), gradient)
        except LinAlgError:
            n = len(theta)
            raise HomerError(f"the breaks do not fix {n} coefficients: give fewer conditions or more events") from None
        # Newton's step may overshoot far from the maximum: half of it then, and again.
        while (new := objective(theta + step))[0] < value - 1e-9 * abs(value):
            step = 0.5 * step
        theta, (value, share) = theta + step, new
        if np.abs(step).max() < 1e-6:
            break
    return theta


def step_three(chains: Chains, breaks: BreakWeights, acceptance: bool = True) -> tuple[np.ndarray, float]:
    r"""Log weights of events, (N,), from weights of breaks, and ln(α/α_ref), which is 0 without `acceptance`.

    :math:`w = \prod_{s \in S} w(s) \cdot \alpha_\mathrm{ref}/\alpha` for `chains` S whose breaks s have weights
    `breaks`; without `acceptance` the last factor is not there.
    """
    return chains.event_log_weights(breaks.theta, acceptance)
