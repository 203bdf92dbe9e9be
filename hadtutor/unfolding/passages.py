"""The loop that all methods share; they differ in how they find the ratio of two samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from .._support.bars import track
from ..metrics.classifier import auc
from ..metrics.weighted import n_eff
from .inputs import Inputs, UnfoldingError
from .result import Passage, Unfolded

LEAST = 0.005  # of the seen events must be left by the first ratio
APART = 0.99  # an area beyond which there is hardly an event that either sample could have
Judge = Callable[..., Any]
"""``judge(x, y, log_w_x, log_w_y, fold_x, fold_y, seed)`` learns the ratio of two samples; what it gives has
``log_ratio(events, fold)``."""


def unfold(
    events: Inputs, at_detector: Judge, at_truth: Judge, iterations: int, stop_early: bool, seed: int, progress: bool
) -> Unfolded:
    """Pull and push weights until data and simulation cannot be told apart.

    Parameters
    ----------
    events : Inputs
    at_detector, at_truth : callable
        Learn the ratios of step one and step two.
    iterations, stop_early, seed, progress
    """
    log_w, seen, real, both = events.log_w, events.seen, events.real, events.seen & events.real
    fold = np.arange(len(seen)) % 2  # an event stays in its half, whatever is lost
    reco, fold_data = events.reco[seen], np.arange(len(events.data)) % 2
    pushed, pulled, passages, stop_reason = [], [], [], f"all {iterations} iterations done"
    for number in track(range(iterations + 1), "iteration", progress):
        seeds = np.random.SeedSequence([seed, number]).generate_state(2)
        found = at_detector(reco, events.data, log_w[seen], events.log_w_data, fold[seen], fold_data, int(seeds[0]))
        ratio = found.log_ratio(reco, fold[seen])
        area = auc(found.log_ratio(events.data, fold_data), ratio, events.log_w_data, log_w[seen])
        if number == 0:
            left = n_eff(events.log_w[seen] + ratio) / len(ratio)
            if left < LEAST or area.auc > APART:
                raise UnfoldingError(
                    f"no overlap of simulation and data: they can be told apart (AUC {area.auc:.3f}), and the weighted "
                    f"simulation would be worth {100 * left:.2g} % of its events; take one that is nearer to the data"
                )
        if number == iterations:
            break
        if number > 0 and stop_early and area.auc - area.error <= 0.5:
            stop_reason = "simulation and data cannot be told apart any more"
            break
        # As many events are seen as there are data, so that fakes keep their share.
        pull = np.full(len(seen), -np.inf)
        pull[seen] = log_w[seen] + ratio - logsumexp(log_w[seen])
        learned = at_truth(
            events.truth[both], events.truth[both], log_w[both], pull[both], fold[both], fold[both], int(seeds[1])
        )
        log_w = log_w.copy()
        # What is lost is like what is seen of the same truth: the detector knows no more of it.
        scale = logsumexp(pull[both]) - logsumexp(log_w[both])
        log_w[real] += learned.log_ratio(events.truth[real], fold[real]) + scale
        pulled.append(pull)
        pushed.append(np.where(real, log_w, -np.inf))
        total = logsumexp(log_w[real])
        passages.append(
            Passage(
                *area, n_eff(log_w[real]), float(np.exp(total - logsumexp(events.log_w[real]))),
                float(np.exp(logsumexp(log_w[both]) - total)),
            )
        )  # fmt: skip
    return Unfolded(pushed[-1], np.array(pushed), np.array(pulled), passages, *area, stop_reason)
