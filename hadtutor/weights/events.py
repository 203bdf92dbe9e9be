"""Weights of events, with the acceptance of the model."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..events.histories import Histories
from ..events.sample import Sample
from ..lund.transverse import pt_log_density
from ..metrics.weighted import n_eff
from ..params import ClusterParams, LundMixture, LundParams
from .acceptance import log_ratios, string_classes, well_filled
from .allowed import case_of, count_events, first_component, warn_if_few, warn_if_uneven
from .breaks import last_draws_known, log_w_of_chains
from .clusters import ClusterRows
from .trials import Trials


@dataclass(frozen=True, eq=False)
class EventWeights:
    """Weights of events, and the acceptance behind them; whatever takes log weights takes them.

    `log_w`, shape (N,), is the natural logarithm of the weight of each event; their mean weight is 1 up to statistics.
    `acceptance` is the probability that a chain is accepted, at the parameters of the sample, `acceptance_target` the
    same at the target, from the same chains, and `acceptance_error` the standard deviation of the latter, common to all
    events.
    """

    log_w: np.ndarray
    acceptance: float
    acceptance_target: float
    acceptance_error: float

    def __len__(self) -> int:
        return len(self.log_w)

    def __repr__(self) -> str:
        return (
            f"EventWeights({len(self)} events, n_eff {n_eff(self.log_w):.0f}, acceptance {self.acceptance:.4g} to "
            f"{self.acceptance_target:.4g} ± {self.acceptance_error:.2g})"
        )


def event_weights(
    sample: Sample | Histories, target: LundParams | LundMixture | ClusterParams, *, base: LundParams | None = None,
    trials: Trials | None = None, all_chains: bool = False,
) -> EventWeights:  # fmt: skip
    r"""Weights that turn a sample of events into one of other parameters, and for strings the acceptance of its chains.

    Parameters
    ----------
    sample : Sample or Histories
        String events with their histories, rejected chains too; bare histories want `base`. Of strings too light to
        break nothing is recorded, so that they keep what they have. Closed loops of gluons have the weight of the break
        that cut them open, too. Or events of clusters, which draw nothing in vain: their acceptance is 1, and only the
        first two arguments are theirs.
    target : LundParams, LundMixture or ClusterParams
        Parameters wanted: all may differ from those of the sample but `stop_mass`, `stop_new_flavour`, `stop_smear`; of
        clusters all but the masses, those of fission if `cl_soft` is not 0, smearing and weights if they are not 0.
    base : LundParams, optional
        Parameters with which histories were made; a sample knows them.
    trials : Trials, optional
        By default weights are marginal: ratios of normalised densities, and for rejected chains the ratio of
        acceptances α(base) / α(target). With trials, made by `record_trials`, they are those of accept–reject: products
        over everything that was drawn, rejected trials of z and rejected chains too, as in Pythia
        :cite:p:`bierlich2024reweighting`. Both are exact; the first is the mean of the second over what was rejected.
    all_chains : bool
        Whether marginal weights are products over rejected chains, too, in place of the ratio of acceptances. Where
        strings differ, in mass or in kinks, each has an acceptance of its own, and one ratio for all is right on
        average only; the product is right for each, but scatters more. Strings of all flavours have one ratio for each
        class of them, by mass and number of gluons.

    Returns
    -------
    EventWeights
        The acceptance at the target is :math:`\sum_{acc} w / \sum_{all} w` over the chains. Where the last draws of
        rejected chains are not recorded, as in those of real Pythia, it is :math:`\sum_{acc} w / C`; the mean weight is
        then 1 by construction. Flavours of these draws are never recorded.

    Raises
    ------
    TypeError, ValueError
        If `sample` holds no events, or `target` is of another model; if there is no event, histories are missing or
        hold numbers that are not finite; if z was drawn by another law than that of the parameters; if the target has
        what the sample can never have, or differs in what decides when a string ends; if trials belong to something
        else, or want last draws of rejected chains that are not recorded.

    Warns
    -----
    RuntimeWarning
        If the variance of the weights is infinite, or few events carry all weight; it says what to do.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(2000, rng=1)
    >>> weights = event_weights(sample, ht.LundParams(a=0.60))
    >>> w = np.exp(weights.log_w)
    >>> bool(abs(w.mean() - 1) < 4 * w.std() / 2000**0.5)
    True
    """
    if isinstance(target, ClusterParams) and isinstance(sample, Sample):
        if (base, trials, all_chains) != (None, None, False):
            raise TypeError("base, trials and all_chains are for strings; clusters have one kind of weights")
        return _of_clusters(sample, target)
    case = case_of(sample, cast(LundParams | LundMixture, target), base)
    histories, base, target, _ = case
    n_events = count_events(sample, histories)
    complete = last_draws_known(case)
    if trials is not None and not complete:
        one = first_component(target)
        if pt_log_density(1.0, base) != pt_log_density(1.0, one) or base.u_fraction != one.u_fraction:
            raise ValueError(
                "the last draws of rejected chains are not recorded, so a change of transverse momenta or flavours has "
                "no accept-reject weight; take the marginal weights, without trials"
            )
    log_w_chain, accepted = log_w_of_chains(case, trials), histories.accepted
    if all_chains and not complete:
        raise ValueError("the last draws of rejected chains are not recorded; leave all_chains out")
    largest = log_w_chain.max(initial=-np.inf)
    if largest == -np.inf:
        raise ValueError(f"the target has none of these {n_events} events: all weights are zero")
    w = np.exp(log_w_chain - largest)
    n_strings = int(accepted.sum())
    acceptance = n_strings / histories.n_chains
    if complete:
        at_target = w[accepted].sum() / w.sum()
        error = math.sqrt(np.sum((w * (accepted - at_target)) ** 2)) / w.sum()
    else:
        mean = np.sum(w * accepted) / histories.n_chains
        at_target = mean * math.exp(largest)
        error = math.exp(largest) * math.sqrt(np.sum((w * accepted - mean) ** 2)) / histories.n_chains
    if trials is not None or all_chains:
        log_w = np.bincount(histories.event_of_chain, log_w_chain, n_events)
    else:
        ratio = math.log(at_target) - math.log(acceptance)
        if isinstance(sample, Sample) and histories.all_flavours:
            ratio = log_ratios(log_w_chain, well_filled(string_classes(sample), accepted), accepted)[accepted]
        of_strings = log_w_chain[accepted] - ratio
        one_each = n_strings == n_events and not histories.all_flavours
        log_w = of_strings if one_each else np.bincount(histories.event_of_chain[accepted], of_strings, n_events)
    warn_if_uneven(log_w, base, target)
    return EventWeights(log_w, acceptance, float(at_target), float(error))


def _of_clusters(sample, target):
    log_w = ClusterRows(sample).log_w(target)
    if log_w.max() == -np.inf:
        raise ValueError(f"the target has none of these {len(sample)} events: all weights are zero")
    warn_if_few(log_w)
    return EventWeights(log_w, 1.0, 1.0, 0.0)
