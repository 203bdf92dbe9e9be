"""The whole of HOMER: steps repeated until a classifier cannot tell simulation from data."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .._support.bars import Progress
from .._support.checks import as_seed, takes_rng, whole
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from .break_weights import BreakWeights
from .chains import Chains
from .checkpoint import Checkpoint
from .checks import HomerError, check_simulation
from .histograms import Histograms
from .inputs import side_by_side
from .network import regress
from .nodes import break_features, checked_conditions
from .posterior import event_sigma, infer, measure
from .result import HomerResult
from .steps import Iteration, prepare, step_two

ROUNDS = 5  # of step two in each iteration, until the weights of rejected chains do not change


@takes_rng
def fit(
    sim: Sample, data: Sample | Hadrons | Mapping[str, Any] | Histograms, *, iterations: int = 6, method: str = "mlp",
    bayesian: bool = False, ensemble: int = 1, learner: str = "splines", acceptance: bool = True,
    conditions: str | Iterable[str] = (), observables: str | Iterable[str] | None = None, epochs: int | None = None,
    posterior: bool = True, stop_early: bool = True, rng: np.random.Generator | int = 1,
    device: torch.device | str | None = None, threads: int = 1, checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> HomerResult:  # fmt: skip
    """Learn the fragmentation function of data, by weighting a simulation.

    Parameters
    ----------
    sim : Sample
        String events with their histories, rejected chains too.
    data : Sample, Hadrons, mapping of str to array_like, DataFrame, or Histograms
        Events as measured: their hadrons, or only their observables, or only histograms of these. Histories in them are
        not looked at. What is masked or missing counts as NaN.
    iterations : int
        At most so many passages of the three steps. One is HOMER, more are iHOMER.
    method : {"mlp", "trees", "deepsets"}
        Classifier of step one, see `step_one`. The first two see the observables, the last the particle cloud.
    bayesian, ensemble, epochs, rng, device, progress
        Of step one and of all others, see `hadtutor.training.CrossFit`.
    learner : {"splines", "network"}
        What learns the weights of breaks: the likelihood of `step_two`, or the regression of `regress`, which takes the
        scatter of the classifiers, if there are several, into its own.
    acceptance : bool
        Whether rejected chains are accounted for.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT², see `prepare`.
    observables : str or sequence of str, optional
        Which ones step one and the posterior look at, see `hadtutor.observables`; by default the thirteen there.
    posterior : bool
        Whether the last estimate is the mean of the posterior, with errors; else it is that of the last iteration.
    stop_early : bool
        Whether to stop as soon as an area of 0.5 lies within one standard deviation of the classifier's.
    threads : int
        Threads for observables.
    checkpoint : str or Path, optional
        File to write after each iteration, and to go on from if it exists; `HomerResult.load` can look into it.

    Raises
    ------
    HomerError
        If simulation or data are such that no weights turn one into the other; the message says why and what to do.
    TypeError, ValueError, DataFileError
        If an argument is of the wrong kind, out of range or without effect, a checkpoint is damaged or of another fit.

    Examples
    --------
    >>> import hadtutor as ht
    >>> rng = np.random.default_rng(1)
    >>> sim, data = (ht.hadronize_strings(4000, ht.LundParams(a=a), rng=rng) for a in (0.68, 0.30))
    >>> result = fit(sim, data.hadrons, iterations=2, progress=False)
    >>> f, sigma = result.f(0.9, 0.1)
    >>> bool(abs(f - np.exp(ht.lund.log_density(0.9, 0.1, data.params))) < 4 * sigma)
    True
    """
    if learner not in ("splines", "network"):
        raise ValueError(f'learner must be "splines" or "network", got {learner!r}')
    iterations, conditions, seed = whole(iterations, "iterations"), checked_conditions(conditions), as_seed(rng)
    histories, _ = check_simulation(sim)
    options = {"method": method, "bayesian": bayesian, "ensemble": ensemble, "epochs": epochs}
    inputs = side_by_side(sim, data, observables, threads, options | {"device": device, "progress": progress})
    features = break_features(histories, conditions)
    chains = prepare(sim, conditions, features)
    book = Checkpoint(checkpoint, sim, inputs, options | {
        "iterations": iterations, "learner": learner, "acceptance": acceptance, "stop_early": stop_early,
        "conditions": conditions, "observables": inputs.names, "rng": seed,
    })  # fmt: skip
    k, n = chains.basis.matrix.shape[1], len(sim)
    start = BreakWeights(chains.basis, np.zeros(k))
    state = HomerResult(start, np.zeros(n), np.full(n, np.nan), [], "", np.empty((0, k)))
    state = book.restore(chains.basis) or state
    if learner == "splines":
        del features
    with Progress(iterations, "iteration", progress, len(state.iterations)) as bar:
        for number in range(len(state.iterations), iterations):
            if state.stop_reason:
                break
            found = inputs.classify(state.log_w, _seed_of(seed, number))
            if number == 0 and (effective := n_eff(found.log_ratio) / n) < 0.005:
                raise HomerError(
                    f"data outside the support of the simulation: they can be told apart (AUC {found.auc:.3f}), and "
                    f"the weighted simulation would be worth {100 * effective:.2g} % of its events; take parameters "
                    "nearer to the data, or go there in steps"
                )
            if number > 0 and stop_early and found.agrees:
                state.stop_reason = "simulation and data cannot be told apart any more"
            else:
                wanted = state.log_w + found.log_ratio
                if learner == "network":
                    state.breaks, state.sigma = regress(
                        chains, features, wanted, found.sigma, acceptance, rng=_seed_of(seed, number, 1),
                        device=device, progress=progress,
                    )  # fmt: skip
                else:
                    state.breaks = step_two(chains, wanted, state.breaks, acceptance, ROUNDS if acceptance else 1)
                    if len(found.draws) > 1:
                        draws = [step_two(chains, state.log_w + r, state.breaks, acceptance) for r in found.draws]
                        state.draws = np.stack([breaks.theta for breaks in draws])
                state.log_w, ratio = chains.event_log_weights(state.breaks.table, acceptance)
                agreement = found.auc, found.auc_error, found.chi2_per_ndf
                state.iterations.append(Iteration(*agreement, state.n_eff, ratio, state.breaks.theta))
                if number == iterations - 1:
                    state.stop_reason = f"all {iterations} iterations done"
            book.store(state)
            bar.update()
    if posterior:
        state = _with_posterior(state, chains, inputs.moments(), acceptance)
    last = inputs.classify(state.log_w, _seed_of(seed, iterations))
    return replace(state, auc=last.auc, auc_error=last.auc_error, chi2_per_ndf=last.chi2_per_ndf)


def _with_posterior(result: HomerResult, chains: Chains, moments: tuple, acceptance: bool) -> HomerResult:
    """Move to the mean of the posterior, and linearise there again until nothing moves any more."""
    breaks, log_w = result.breaks, result.log_w
    for _ in range(8):
        measurement = measure(chains, breaks, log_w, *moments)
        found = infer(measurement, chains.basis)
        breaks, log_w, step = _as_far_as_events_reach(chains, breaks, found, acceptance)
        moved = measurement.h @ step  # in standard deviations of the data
        if moved @ moved < 0.1:
            break
    sigma = event_sigma(chains, breaks, log_w)
    return replace(
        result, breaks=breaks, log_w=log_w, sigma=sigma, measurement=measurement,
        amplitude=found.amplitude, stretch=found.stretch, lund_scale=found.lund_scale,
    )  # fmt: skip


def _as_far_as_events_reach(chains, breaks, found, acceptance):
    """Go from one estimate to the next, or half of the way, and so on: a linear measurement may aim too far."""
    step = found.theta - breaks.theta
    for _ in range(8):
        with np.errstate(over="ignore", invalid="ignore"):
            new = BreakWeights(chains.basis, breaks.theta + step, found.covariance)
            log_w = chains.event_log_weights(new.table, acceptance)[0]
        if np.isfinite(log_w).all() and n_eff(log_w) > 0.01 * len(log_w):
            return new, log_w, step
        step = 0.5 * step
    raise HomerError(
        "no fragmentation function turns the simulation into the data: they differ in something else, such as "
        "transverse momenta; compare their observables, and see how far fit(..., posterior=False) comes"
    )


def _seed_of(*numbers: int) -> int:
    """One seed for each use, from that of the fit, the iteration and, for step two, a one."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1
