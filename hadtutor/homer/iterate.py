"""The whole of HOMER: steps repeated until a classifier cannot tell simulation from data."""

from __future__ import annotations

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
from .checks import HomerError, check_simulation, check_size
from .classify import ClassWeights
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
    r"""Learn the fragmentation function of data, by weighting a simulation.

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
    bayesian : bool
        Whether the network of step one has a distribution of weights.
    ensemble : int
        Number of networks of step one.
    learner : {"splines", "network"}
        What learns the weights of breaks: the likelihood of `step_two`, or the regression of `regress`, which takes the
        scatter of the classifiers, if there are several, into its own.
    acceptance : bool
        Whether rejected chains are accounted for.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT², see `prepare`.
    observables : str or sequence of str, optional
        Which ones step one and the posterior look at, see `hadtutor.observables`; by default the thirteen there.
    epochs : int, optional
        Passes of step one, see `step_one`.
    posterior : bool
        Whether the last estimate is the mean of the posterior, with errors; else it is that of the last iteration.
    stop_early : bool
        Whether to stop as soon as an area of 0.5 lies within one standard deviation of the classifier's.
    rng : numpy.random.Generator or int
    device : torch.device or str, optional
        Where the networks are; by default the CPU.
    threads : int
        Threads for observables.
    checkpoint : str or Path, optional
        File to write after each iteration, and to go on from if it exists; `HomerResult.load` can look into it.
    progress : bool
        Whether to show progress bars when the work takes more than a few seconds.

    Returns
    -------
    HomerResult

    Raises
    ------
    HomerError
        If the simulation has no histories, simulation or data have too few events, observables that are not finite, or
        if data lie outside the support of the simulation; the message says which and what to do.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or an option would do nothing.
    DataFileError
        If the checkpoint is damaged, or belongs to another fit, other events or another version.

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
    check_size(sim=len(sim))
    inputs = side_by_side(
        sim, data, observables=observables, threads=threads, method=method, bayesian=bayesian, ensemble=ensemble,
        epochs=epochs, device=device, progress=progress,
    )  # fmt: skip
    features = break_features(histories, conditions)
    chains = prepare(sim, conditions, features)
    book = Checkpoint(checkpoint, sim, inputs, {
        "iterations": iterations, "method": method, "bayesian": bayesian, "ensemble": ensemble, "learner": learner,
        "acceptance": acceptance, "stop_early": stop_early, "conditions": conditions, "observables": inputs.names,
        "epochs": epochs, "rng": seed,
    })  # fmt: skip
    state = book.restore(chains.basis) or _unweighted(chains)
    if learner == "network":
        learn = lambda state, found, number: _with_a_network(
            chains, features, state, found, acceptance, rng=_seed_of(seed, number, 1), device=device, progress=progress
        )
    else:
        features = None
        learn = lambda state, found, number: _with_splines(chains, state, found, acceptance)

    with Progress(iterations, "iteration", progress, len(state.iterations)) as bar:
        for number in range(len(state.iterations), iterations):
            if state.stop_reason:
                break
            found = inputs.classify(state.log_w, _seed_of(seed, number))
            if number == 0:
                _check_support(found)
            if number > 0 and stop_early and found.agrees:
                state.stop_reason = "simulation and data cannot be told apart any more"
            else:
                state = learn(state, found, number)
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


def _unweighted(chains: Chains) -> HomerResult:
    """Where a fit begins."""
    k, n = chains.basis.matrix.shape[1], len(chains.accepted_chains)
    return HomerResult(
        BreakWeights(chains.basis, np.zeros(k)), np.zeros(n), np.full(n, np.nan), [], "", np.empty((0, k))
    )


def _with_splines(chains: Chains, state: HomerResult, found: ClassWeights, acceptance: bool) -> HomerResult:
    """Step two by maximum likelihood, for the mean ratio and then for that of each draw."""
    rounds = ROUNDS if acceptance else 1
    breaks = step_two(chains, state.log_w + found.log_ratio, state.breaks, acceptance, rounds)
    draws = state.draws
    if len(found.draws) > 1:
        draws = np.stack([step_two(chains, state.log_w + r, breaks, acceptance).theta for r in found.draws])
    return replace(state, breaks=breaks, draws=draws)


def _with_a_network(
    chains: Chains, features: np.ndarray, state: HomerResult, found: ClassWeights, acceptance: bool, **options: Any
) -> HomerResult:
    """Step two by regression."""
    wanted = state.log_w + found.log_ratio
    breaks, sigma = regress(chains, features, wanted, found.sigma, acceptance, **options)
    return replace(state, breaks=breaks, sigma=sigma)


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
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def _check_support(found: ClassWeights) -> None:
    effective = n_eff(found.log_ratio) / len(found.log_ratio)
    if effective < 0.005:
        raise HomerError(
            f"data outside the support of the simulation: they can be told apart (AUC {found.auc:.3f}), and the "
            f"weighted simulation would be worth {100 * effective:.2g} % of its events; take parameters nearer to the "
            "data, or go there in steps"
        )
