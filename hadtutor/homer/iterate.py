"""The whole of HOMER: steps repeated until a classifier cannot tell simulation from data."""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import observables as obs
from .._support.bars import Progress
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..files import DataFileError, read_arrays, write_arrays
from ..metrics.weighted import n_eff
from .break_weights import BreakWeights
from .inputs import METHODS, Histograms, HomerError, step_one, step_one_histograms
from .moments import CloudMoments, HistogramMoments, Moments
from .network import regress
from .nodes import break_features
from .posterior import event_sigma, infer, measure
from .result import HomerResult, Iteration, _columns, _iterations
from .steps import _trace_back, prepare

FEWEST = 1000  # events, below which networks learn nothing
ROUNDS = 5  # of step two in each iteration, until the weights of rejected chains do not change
OUTSIDE = 0.02  # of the data may lie outside the range of the simulation


def fit(
    sim, data, iterations=6, *, method="mlp", bayesian=False, ensemble=1, step_two="splines", acceptance=True,
    conditions=(), observables=obs.NAMES, epochs=None, posterior=True, stop_early=True, seed=1, device=None, threads=1,
    checkpoint=None, progress=True,
):  # fmt: skip
    r"""Learn the fragmentation function of data, by weighting a simulation.

    Parameters
    ----------
    sim : Sample
        String events with their histories, rejected chains too.
    data : Sample, Hadrons, dict of str to ndarray, or Histograms
        Events as measured: their hadrons, or only their observables, or only histograms of these. Histories in them are
        not looked at.
    iterations : int
        At most so many passages of the three steps. One is HOMER, more are iHOMER.
    method : {"mlp", "trees", "deepsets"}
        Classifier of step one, see `step_one`. The first two see the observables, the last the particle cloud.
    bayesian : bool
        Whether the network of step one has a distribution of weights.
    ensemble : int
        Number of networks of step one.
    step_two : {"splines", "network"}
        The likelihood of `step_two`, or the regression of `hadtutor.homer`.
    acceptance : bool
        Whether rejected chains are accounted for.
    conditions : sequence of {"end", "string_pt"}
        What break weights may depend on besides z and mT², see `prepare`.
    observables : sequence of str
        Which ones step one and the posterior look at, see `hadtutor.observables`.
    epochs : int, optional
        Passes of step one, see `step_one`.
    posterior : bool
        Whether the last estimate is the mean of the posterior, with errors; else it is that of the last iteration.
    stop_early : bool
        Whether to stop as soon as an area of 0.5 lies within one standard deviation of the classifier's.
    seed : int
    device : torch.device or str, optional
        Where the networks are; by default the CPU.
    threads : int
        Threads for observables.
    checkpoint : str or Path, optional
        File to write after each iteration, and to go on from if it exists.
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
        If an argument is of the wrong kind or out of range.
    DataFileError
        If the checkpoint is damaged, or belongs to another fit.

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
    from_histograms = isinstance(data, Histograms)
    if step_two not in ("splines", "network"):
        raise ValueError(f'step_two must be "splines" or "network", got {step_two!r}')
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations!r}")
    if method == "deepsets" and not isinstance(data, (Sample, Hadrons)):
        raise TypeError(f"deepsets looks at hadrons: give data as a Sample or Hadrons, got {type(data).__name__}")
    chains = prepare(sim, conditions)
    names = tuple(data.edges) if from_histograms else tuple(observables)
    columns_sim = obs.compute(sim.hadrons, sim.energy, threads, names)
    if from_histograms:
        columns_data, x_data = None, None
        _check_size(sim=len(sim))
    else:
        columns_data = _observed(data, sim.energy, threads, names)
        x_sim, x_data = _matrices(columns_sim, columns_data)
    settings = {
        "iterations": iterations, "method": method, "bayesian": bayesian, "ensemble": ensemble, "step_two": step_two,
        "acceptance": acceptance, "stop_early": stop_early,
        "conditions": list(conditions), "observables": list(names), "epochs": epochs,
        "seed": seed, "events": _digest(columns_sim, data if from_histograms else columns_data),
    }  # fmt: skip
    settings = json.loads(json.dumps(settings))
    basis, stop_reason, done, draws = chains.basis, "", [], np.empty((0, chains.basis.matrix.shape[1]))
    breaks, log_w, sigma = _unweighted(chains)
    if checkpoint is not None and pathlib.Path(checkpoint).exists():
        done, stop_reason, draws = _restore(checkpoint, settings, basis)
        if done:
            breaks = BreakWeights(basis, done[-1].theta)
            log_w = chains.event_log_weights(breaks.table, acceptance)[0]
    features = break_features(sim.histories, conditions) if step_two == "network" else None
    precision = np.linalg.inv(basis.prior())

    def classify(log_w, number):
        """Step one: how well simulation and data agree, the log ratio, and all that the classifiers say."""
        if from_histograms:
            log_ratio, chi2, ndf = step_one_histograms(columns_sim, data, log_w)
            return {"auc": np.nan, "auc_error": np.nan, "chi2_per_ndf": chi2 / ndf}, log_ratio, None
        pair = (sim.hadrons, getattr(data, "hadrons", data)) if method == "deepsets" else (x_sim, x_data)
        found = step_one(
            *pair, log_w, method, energy=sim.energy, bayesian=bayesian, ensemble=ensemble, epochs=epochs,
            seed=_seed_of(seed, number), device=device, progress=progress,
        )  # fmt: skip
        return {"auc": found.auc, "auc_error": found.auc_error, "chi2_per_ndf": np.nan}, found.log_ratio, found

    def wanted(log_ratio, sigma_class, number, start, rounds):
        if step_two == "network":
            return regress(
                chains, features, log_w + log_ratio, sigma_class, acceptance,
                seed=seed + 1000 * number, device=device, progress=progress,
            )  # fmt: skip
        found = _trace_back(chains, log_w + log_ratio, start.theta, precision, acceptance, rounds)
        return found, np.full(len(log_w), np.nan)

    with Progress(iterations, "iteration", progress) as bar:
        bar.update(len(done))
        for number in range(len(done), iterations):
            if stop_reason:
                break
            agreement, log_ratio, found = classify(log_w, number)
            if number == 0:
                _check_support(log_ratio, agreement)
            if number > 0 and stop_early and _agree(**agreement):
                stop_reason = "simulation and data cannot be told apart any more"
                done.append(done[-1]._replace(**agreement))
            else:
                sigma_class = 0.0 if found is None else found.sigma
                new_breaks, sigma = wanted(log_ratio, sigma_class, number, breaks, ROUNDS if acceptance else 1)
                if found is not None and len(found.draws) > 1 and step_two == "splines":
                    draws = np.stack([wanted(r, 0.0, number, new_breaks, 1)[0].theta for r in found.draws])
                breaks = new_breaks
                log_w, ratio = chains.event_log_weights(breaks.table, acceptance)
                done.append(Iteration(**agreement, n_eff=n_eff(log_w), log_acceptance_ratio=ratio, theta=breaks.theta))
                if number == iterations - 1:
                    stop_reason = f"all {iterations} iterations done"
            if checkpoint is not None:
                _store(checkpoint, settings, done, stop_reason, draws)
            bar.update()
    result = HomerResult(breaks, log_w, sigma, done, stop_reason, draws, None)
    if posterior:
        if from_histograms:
            moments = HistogramMoments(data), columns_sim, data
        elif method == "deepsets":
            clouds = (x_sim, sim.hadrons), (x_data, getattr(data, "hadrons", data))
            moments = CloudMoments(x_sim, sim.hadrons), *clouds
        else:
            moments = Moments(x_sim), x_sim, x_data
        result = _with_posterior(result, chains, moments, acceptance)
    return replace(result, **classify(result.log_w, iterations)[0])


def _with_posterior(result, chains, moments, acceptance):
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


def _unweighted(chains):
    basis, n = chains.basis, len(chains.accepted_chains)
    breaks = BreakWeights(basis, np.zeros(basis.matrix.shape[1]))
    return breaks, np.zeros(n), np.full(n, np.nan)


def _seed_of(seed, number):
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def _observed(data, energy, threads, names):
    if isinstance(data, Sample):
        if data.energy != energy:
            raise HomerError(f"simulation and data differ in energy, {energy:g} and {data.energy:g} GeV")
        data = data.hadrons
    if isinstance(data, Hadrons):
        return obs.compute(data, energy, threads, names)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise HomerError(f"the data have no {', '.join(missing)}; give them, or fewer names as `observables`")
        return {name: np.asarray(data[name], dtype=float) for name in names}
    raise TypeError(f"data must be a Sample, Hadrons, a dict of observables or Histograms, got {type(data).__name__}")


def _check_size(**sizes):
    for name, n in sizes.items():
        if n < FEWEST:
            raise HomerError(f"too few events: {name} has {n}, at least {FEWEST} are wanted; 10⁵ are good")


def _matrices(sim, data):
    """Features of both, with what is not defined put at the mean of the simulation."""
    _check_size(sim=len(next(iter(sim.values()))), data=len(next(iter(data.values()))))
    x, y = [], []
    for name in sim:
        if data[name].shape != (len(next(iter(data.values()))),):
            raise HomerError(f"the observables of the data differ in shape: {name} has {data[name].shape}")
        # Moments of ln x are not defined for an event without charged hadrons; everything else must be a number.
        for which, column in (("simulation", sim[name]), ("data", data[name])):
            bad = ~np.isfinite(column)
            allowed = 1e-3 * len(column) if name.startswith("lnx") and not np.isinf(column).any() else 0
            if bad.sum() > allowed:
                raise HomerError(
                    f"{name} of the {which} is NaN or infinite in {bad.sum()} events, first in event {np.argmax(bad)}; "
                    "leave these events or this observable out"
                )
        low, high = np.nanmin(sim[name]), np.nanmax(sim[name])
        margin = 1e-6 * (high - low)
        outside = (data[name] < low - margin) | (data[name] > high + margin)
        if outside.mean() > OUTSIDE:
            raise HomerError(
                f"data outside the support of the simulation: {name} is outside its range of {low:.4g} to {high:.4g} "
                f"in {100 * outside.mean():.1f} % of the data; no weight makes events that were never simulated, take "
                "parameters or an energy nearer to the data"
            )
        middle = np.nanmean(sim[name])
        x.append(np.where(np.isnan(sim[name]), middle, sim[name]))
        y.append(np.where(np.isnan(data[name]), middle, data[name]))
    return np.stack(x, axis=1), np.stack(y, axis=1)


def _agree(auc, auc_error, chi2_per_ndf):
    return chi2_per_ndf < 1.0 if np.isnan(auc) else auc - auc_error <= 0.5


def _check_support(log_ratio, agreement):
    effective = n_eff(log_ratio) / len(log_ratio)
    if effective < 0.005:
        raise HomerError(
            f"data outside the support of the simulation: they can be told apart (AUC {agreement['auc']:.3f}), and the "
            f"weighted simulation would be worth {100 * effective:.2g} % of its events; take parameters nearer to the "
            "data, or go there in steps"
        )


def _digest(columns_sim, data):
    """What a checkpoint belongs to: the numbers themselves."""
    digest = hashlib.sha256()
    arrays = [data.shares] if isinstance(data, Histograms) else list(data.values())
    for column in [*columns_sim.values(), *arrays]:
        digest.update(np.ascontiguousarray(column, dtype=float).tobytes())
    return digest.hexdigest()


def _store(path, settings, done, stop_reason, draws):
    arrays = {k: np.array(v) for k, v in _columns(done).items()} | {"draws": draws.ravel()}
    write_arrays(path, arrays, {"checkpoint": settings, "stop_reason": stop_reason})


def _restore(path, settings, basis):
    arrays, header = read_arrays(path)
    was = header.get("checkpoint")
    if was is None:
        raise DataFileError(f"{path} is no checkpoint of homer.fit; give another file, or delete it")
    differ = [name for name in settings if was.get(name) != settings[name]]
    if differ:
        raise DataFileError(
            f"{path} belongs to another fit, which differs in {', '.join(differ)}; give another file, or delete it"
        )
    k = basis.matrix.shape[1]
    draws = arrays.pop("draws").reshape(-1, k)
    return _iterations(arrays, k), header["stop_reason"], draws
