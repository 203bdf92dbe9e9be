"""The whole of HOMER: steps repeated until a classifier cannot tell simulation from data."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import as_seed, takes_rng, whole
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from ..params import ClusterParams, LundParams
from .break_weights import BreakWeights
from .chains import Chains
from .checkpoint import Checkpoint
from .checks import HomerError, check_simulation, seed_of
from .clusters import fit_clusters
from .detection import Detection, seen_of
from .factors import checked_factors
from .histograms import Histograms, Means
from .inputs import side_by_side
from .network import regress
from .nodes import break_features, checked_conditions
from .posterior import event_sigma, infer, measure
from .published import Published
from .rebase import GOOD, MOST, POOR, Base, Generator, generator_of, moved, to_lund_point, within_reach
from .result import HomerResult
from .steps import Iteration, prepare, step_two

FLOOR, FLOOR_OF_FIGURES = 0.01, 0.3  # part of the events that counts at least; hundreds of noisy bins want more
USUAL_ITERATIONS, USUAL_FACTORS = 6, ("order", "sigma_pt")
ROUNDS = 5  # of step two in each iteration, until the weights of rejected chains do not change


@takes_rng
def fit(
    sim: Sample, data: Sample | Hadrons | Mapping[str, Any] | Histograms, *, iterations: int | None = None,
    method: str = "mlp", bayesian: bool = False, ensemble: int = 1, learner: str = "splines", acceptance: bool = True,
    conditions: str | Iterable[str] = (), factors: str | Iterable[str] | None = None,
    rebase: bool | Generator | None = None, observables: str | Iterable[str] | None = None,
    detector: Detection | None = None, epochs: int | None = None, posterior: bool = True, stop_early: bool = True,
    rng: np.random.Generator | int = 1, device: torch.device | str | None = None, threads: int = 1,
    checkpoint: str | os.PathLike | None = None, progress: bool = True,
) -> Any:  # fmt: skip
    """Learn the fragmentation function of data, or how clusters decay in them, by weighting a simulation.

    Parameters
    ----------
    sim : Sample
        String events with their histories, rejected chains too; or events of clusters, before decays of hadrons.
    data : Sample, Hadrons, mapping of str to array_like, DataFrame, Histograms, or Published
        Events as measured: their hadrons, or only their observables, or only histograms of these, or figures of LEP.
        Histories in them are not looked at. What is masked or missing counts as NaN.
    iterations : int
        At most so many passages of the three steps. One is HOMER, more are iHOMER. By default six; none for clusters
        with a posterior, to which they add nothing.
    method : {"mlp", "trees", "deepsets", "graph"}
        Classifier of step one, see `step_one`. The first two see the observables, the others the particle cloud.
    bayesian, ensemble, epochs, rng, device, progress
        Of step one and of all others, see `hadtutor.training.CrossFit`.
    learner : {"splines", "network"}
        What learns the weights of breaks: the likelihood of `step_two`, or the regression of `regress`, which takes the
        scatter of the classifiers, if there are several, into its own.
    acceptance : bool
        Whether rejected chains are accounted for.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT², see `prepare`. Of clusters ``"mass"``: their laws may
        depend on it.
    factors : sequence of {"order", "sigma_pt", "enhanced_fraction", "u_fraction"}
        What else data may have otherwise than the simulation, each as one number with an error: the order of the last
        pair, the width of transverse momenta and the share of broad ones, the share of new u quarks. What is left out
        must be as in the data, else it bends f. By default the first two. Of clusters: parameters of the model other
        than masses and smearings, and ``"parts"``, the law of the masses of what heavy clusters break into, as a
        function; by default none.
    rebase : bool or callable
        Whether to simulate anew where the data are, before anything is learned, so that few weights differ much from
        one: at the Lund parameters that come nearest to the data, by `hadtutor.hadronize_strings`, or by a function of
        parameters and a generator of random numbers that returns a `Sample`. The log weights of the result belong to
        its attribute ``sim`` then; `HomerResult.log_weights` gives those of any other. Without it errors are right as
        long as n_eff/N is near one. Clusters are made anew with the learned laws, up to four times from each shower;
        that is the default where the showers are known.
    observables : str or sequence of str, optional
        Which ones step one and the posterior look at, see `hadtutor.observables`; by default the thirteen there. Where
        they are not given, and the data are hadrons of clusters, the posterior looks at the hadrons too.
    detector : callable, optional
        What the data have gone through, such as a `hadtutor.detector.Detector`: ``detector(hadrons, rng=rng)`` gives
        the `Hadrons` that are seen of the simulation, as many events. Its gradients are not needed. Events without a
        hadron are lost; they must not be among the data, and `HomerResult.sim` is the simulation without them.
    posterior : bool
        Whether the last estimate is the mean of the posterior, with errors; else it is that of the last iteration.
    stop_early : bool
        Whether to stop as soon as an area of 0.5 lies within one standard deviation of the classifier's.
    threads : int
        Threads for observables.
    checkpoint : str or Path, optional
        File to write after each iteration, and to go on from if it exists; `HomerResult.load` can look into it.

    Returns
    -------
    HomerResult or ClusterResult
        The second for clusters.

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
    options = {"method": method, "bayesian": bayesian, "ensemble": ensemble, "epochs": epochs}
    if isinstance(sim, Sample) and isinstance(sim.params, ClusterParams):
        given = {"learner": learner != "splines", "acceptance": not acceptance, "checkpoint": checkpoint is not None}
        if idle := [name for name, changed in given.items() if changed]:
            raise ValueError(
                f"{idle[0]} does nothing for clusters, which reject nothing and take seconds; leave it out"
            )
        if detector is not None:
            raise ValueError("fits of clusters look at hadrons as they are: take data that are unfolded, or a string")
        return fit_clusters(
            sim, data, options | {"device": device, "progress": progress}, iterations=iterations, conditions=conditions,
            factors=() if factors is None else factors, rebase=rebase, observables=observables, posterior=posterior,
            stop_early=stop_early, seed=as_seed(rng), threads=threads, progress=progress,
        )  # fmt: skip
    if learner not in ("splines", "network"):
        raise ValueError(f'learner must be "splines" or "network", got {learner!r}')
    iterations = whole(USUAL_ITERATIONS if iterations is None else iterations, "iterations")
    conditions, seed, rebase = checked_conditions(conditions), as_seed(rng), False if rebase is None else rebase
    (_, params), factors = check_simulation(sim), checked_factors(USUAL_FACTORS if factors is None else factors)
    if detector is not None and isinstance(data, Published):
        raise ValueError("published figures are free of their detector: leave detector out")

    def through(made: Sample, number: int) -> tuple[Sample, Sample]:
        return seen_of(made, detector, np.random.default_rng(seed_of(seed, number, 3)))

    sim, seen = through(sim, 0)
    inputs = side_by_side(seen, data, observables, threads, options | {"device": device, "progress": progress})
    book = Checkpoint(checkpoint, sim, inputs, options | {
        "iterations": iterations, "learner": learner, "acceptance": acceptance, "stop_early": stop_early,
        "conditions": conditions, "factors": factors, "rebase": bool(rebase), "observables": inputs.names, "rng": seed,
    })  # fmt: skip
    if isinstance(data, Published):  # no events, so nothing to tell apart
        iterations = 0
        if not posterior:
            raise ValueError("published figures have a posterior alone: leave posterior=False out")
    make_sim = generator_of(rebase, sim, threads)

    def base_at(params: LundParams, number: int) -> Base:
        if not number:
            return Base(sim, prepare(sim, conditions, factors=factors), inputs)
        made, seen = through(make_sim(params, np.random.default_rng(seed_of(seed, number, 2))), number)
        return Base(made, prepare(made, conditions, factors=factors), inputs.with_simulation(seen, threads))

    state = book.restore()
    if state is None:
        base, bases = to_lund_point(base_at, params, progress) if rebase else (base_at(params, 0), [(params, np.nan)])
        n, theta = len(base.sim), np.zeros(base.chains.basis.size)
        breaks = BreakWeights(base.chains.basis, theta)
        state = HomerResult(breaks, np.zeros(n), np.full(n, np.nan), [], "", np.empty((0, len(theta))), bases=bases)
    else:
        base = base_at(state.bases[-1][0], len(state.bases) - 1)
        breaks = BreakWeights(base.chains.basis, state.breaks.theta, sigma_table=state.breaks.sigma_table)
        state = replace(state, breaks=breaks)
    chains, beside = base.chains, base.inputs
    beside.check_support()
    features = break_features(check_simulation(base.sim)[0], conditions) if learner == "network" else None
    with Progress(iterations, "iteration", progress, len(state.iterations)) as bar:
        for number in range(len(state.iterations), iterations):
            if state.stop_reason:
                break
            found = beside.classify(state.log_w, seed_of(seed, number))
            if number == 0 and (effective := n_eff(found.log_ratio) / len(base.sim)) < 0.005:
                raise HomerError(
                    f"data outside the support of the simulation: they can be told apart (AUC {found.auc:.3f}), and "
                    f"the weighted simulation would be worth {100 * effective:.2g} % of its events; take parameters "
                    "nearer to the data, or let fit do that (rebase=True)"
                )
            if number > 0 and stop_early and found.agrees:
                state.stop_reason = "simulation and data cannot be told apart any more"
            else:
                wanted = state.log_w + found.log_ratio
                if features is not None:
                    state.breaks, state.sigma = regress(
                        chains, features, state.log_w + found.draws, acceptance, rng=seed_of(seed, number, 1),
                        device=device, progress=progress,
                    )  # fmt: skip
                else:
                    state.breaks = step_two(chains, wanted, state.breaks, acceptance, ROUNDS if acceptance else 1)
                    if len(found.draws) > 1:
                        draws = [step_two(chains, state.log_w + r, state.breaks, acceptance) for r in found.draws]
                        state.draws = np.stack([breaks.theta for breaks in draws])
                state.log_w, ratio = chains.event_log_weights(state.breaks.theta, acceptance)
                agreement = found.auc, found.auc_error, found.chi2_per_ndf
                state.iterations.append(Iteration(*agreement, state.n_eff, ratio, state.breaks.theta))
                if number == iterations - 1:
                    state.stop_reason = f"all {iterations} iterations done"
            book.store(state)
            bar.update()
    if posterior:
        state, base = _with_errors(state, base, base_at if rebase else None, acceptance)
    last = base.inputs.classify(state.log_w, seed_of(seed, iterations))
    state = replace(state, auc=last.auc, auc_error=last.auc_error, chi2_per_ndf=last.chi2_per_ndf)
    return replace(state, sim=base.sim) if rebase or detector is not None else state


def _with_errors(state, base, base_at, acceptance):
    """Go to the mean of the posterior; if few events are left there, and `base_at` is given, simulate nearer by."""
    state = _with_posterior(state, base.chains, base.inputs.moments(), acceptance)
    while base_at and len(state.bases) < MOST and state.n_eff < GOOD * len(base.sim):
        point, share, near = within_reach(base.chains, state.measurement)
        bases = [*state.bases[:-1], (state.bases[-1][0], share)]
        if near:  # it is neither a nor b nor σ that sets them apart
            break
        base = base_at(point, len(bases))
        breaks = moved(state.breaks, base.chains)
        log_w = base.chains.event_log_weights(breaks.theta, acceptance)[0]
        state = replace(state, breaks=breaks, log_w=log_w, bases=[*bases, (point, np.nan)])
        state = _with_posterior(state, base.chains, base.inputs.moments(), acceptance)
    if state.p_value < 1e-3:
        warn(
            f"no fragmentation function describes these data: χ² {state.chi2:.0f} for {state.ndf:.0f} degrees of "
            "freedom; they differ from strings in something that has no weight here, and the errors do not hold"
        )
    if base_at and len(state.bases) == MOST and not within_reach(base.chains, state.measurement)[-1]:
        warn(
            f"after {MOST} simulations the data still ask for other parameters than the last one has: they tell little "
            "more than noise about a, b and σ, and errors do not hold; take more events, or more observables"
        )
    if not base_at and state.n_eff < POOR * len(base.sim):
        warn(
            f"the weighted simulation is worth {100 * state.n_eff / len(base.sim):.0f} % of its events: errors do not "
            "hold that far from it; let fit simulate anew where the data are (rebase=True)"
        )
    return state, base


def _with_posterior(result: HomerResult, chains: Chains, moments: tuple, acceptance: bool) -> HomerResult:
    """Move to the mean of the posterior, and linearise there again until nothing moves any more."""
    breaks, log_w = result.breaks, result.log_w
    floor = FLOOR_OF_FIGURES if isinstance(moments[-1], Means) else FLOOR
    for _ in range(8):
        measurement = measure(chains, breaks, log_w, *moments)
        found = infer(measurement, chains.basis)
        breaks, log_w, step = _as_far_as_events_reach(chains, breaks, found, acceptance, floor)
        shift = measurement.h @ step  # in standard deviations of the data
        if shift @ shift < 0.1:
            break
    sigma = event_sigma(chains, breaks, log_w)
    return replace(
        result, breaks=breaks, log_w=log_w, sigma=sigma, measurement=measurement,
        amplitude=found.amplitude, stretch=found.stretch, log_evidence=found.log_evidence, chi2=found.chi2,
        ndf=found.ndf,
    )  # fmt: skip


def _as_far_as_events_reach(chains, breaks, found, acceptance, floor):
    """Go from one estimate to the next, or half of the way, and so on: a linear measurement may aim too far.

    At least the part `floor` of the events must count there.
    """
    step = found.theta - breaks.theta
    for _ in range(8):
        with np.errstate(over="ignore", invalid="ignore"):
            new = BreakWeights(chains.basis, breaks.theta + step, found.covariance)
            log_w = chains.event_log_weights(new.theta, acceptance)[0]
        if np.isfinite(log_w).all() and n_eff(log_w) > floor * len(log_w):
            return new, log_w, step
        step = 0.5 * step
    raise HomerError(
        "no fragmentation function turns the simulation into the data: they differ in something else, such as "
        "transverse momenta; compare their observables, and see how far fit(..., posterior=False) comes"
    )
