r"""HOMER: learn a fragmentation function from data, with the histories of a simulation.

The method is that of :cite:p:`bierlich2025describing`.

Data are hadrons; how they came about is not seen. A simulation knows both its hadrons and its string breaks. So

1. a classifier finds weights that turn simulated events into data (`step_one`),
2. these weights of events are traced back to weights of breaks (`step_two`), which are a fragmentation function,
3. and break weights make weights of events again (`step_three`), now as functions of the history.

One passage leaves a bias: the classifier sees observables, and gives all histories behind them the same weight. So the
steps are repeated, with a simulation that carries the weights of the last round, until the classifier cannot tell it
from data (iHOMER :cite:p:`butter2025iterative`): an expectation–maximisation. `fit` does all that, and puts error bars
on the result (`hadtutor.homer_posterior`).
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from . import observables as obs
from ._progress import Progress
from .files import DataFileError, read_arrays, write_arrays
from .hadrons import Hadrons
from .histories import Histories, Sample
from .homer_breaks import Axis, BreakBasis, BreakWeights, Chains, break_features, most_likely
from .homer_classifier import METHODS, ClassWeights, Histograms, HomerError, step_one, step_one_histograms
from .homer_lund import ParametricFit, fit_lund, fit_mixture
from .homer_network import regress
from .homer_posterior import CloudMoments, HistogramMoments, Measurement, Moments, event_sigma, measure, posterior
from .params import LundParams
from .two_sample import n_eff

__all__ = [
    "BreakBasis",
    "BreakWeights",
    "Chains",
    "ClassWeights",
    "Coverage",
    "Histograms",
    "HomerError",
    "HomerResult",
    "Iteration",
    "ParametricFit",
    "coverage",
    "event_pulls",
    "fit",
    "fit_lund",
    "fit_mixture",
    "prepare",
    "step_one",
    "step_one_histograms",
    "step_three",
    "step_two",
]

FEWEST = 1000  # events, below which networks learn nothing
ROUNDS = 5  # of step two in each iteration, until the weights of rejected chains do not change
OUTSIDE = 0.02  # of the data may lie outside the range of the simulation


# --- The three steps -------------------------------------------------------------------------------


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
        Without errors, see `fit`. For a network in place of splines see `hadtutor.homer_network.regress`.

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


# --- The whole -------------------------------------------------------------------------------------


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


@dataclass
class HomerResult:
    """A fragmentation function learned from data, and the simulation weighted with it.

    Attributes
    ----------
    breaks : BreakWeights
        Weights of breaks as a function, ``breaks(z, mt2)``, and f with its error, ``breaks.f(z, mt2)``.
    log_w : ndarray, shape (N,)
        Log weights of the simulated events.
    sigma : ndarray, shape (N,)
        Their standard deviations.
    iterations : list of Iteration
    stop_reason : str
    draws : ndarray, shape (J, K)
        Coefficients that each network of the last step one would have led to, in an ensemble or drawn from a Bayesian
        one: the uncertainty of the classifier alone. J is 0 with a single network.
    measurement : Measurement or None
        What the data say about the coefficients, for `fit_lund` and the like.
    amplitude : float
    stretch, lund_scale : tuple of float
        Of the prior, see `hadtutor.homer_posterior.Posterior`; NaN without posterior.
    auc, auc_error : float
        Area under the ROC curve of one more step one, between data and simulation with its final weights.
    chi2_per_ndf : float
        The same comparison for data that are histograms.
    """

    breaks: BreakWeights
    log_w: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    iterations: list = field(repr=False)
    stop_reason: str
    draws: np.ndarray = field(repr=False)
    measurement: Measurement | None = field(repr=False)
    amplitude: float = np.nan
    stretch: tuple = (np.nan, np.nan)
    lund_scale: tuple = (np.nan, np.nan)
    auc: float = np.nan
    auc_error: float = np.nan
    chi2_per_ndf: float = np.nan

    @property
    def n_eff(self):
        """Effective number of simulated events."""
        return n_eff(self.log_w)

    def __str__(self):
        first = self.iterations[0]
        if np.isnan(self.auc):
            change = f"χ²/ndf {first.chi2_per_ndf:.3g} at first and {self.chi2_per_ndf:.3g} at last"
        else:
            change = f"AUC {first.auc:.4f} at first and {self.auc:.4f} ± {self.auc_error:.4f} at last"
        share = self.n_eff / len(self.log_w)
        return f"{len(self.iterations)} iterations ({self.stop_reason}), {change}; n_eff/N = {share:.3f}"

    def of_iteration(self, number):
        """Break weights as they were after one iteration, without errors.

        Parameters
        ----------
        number : int
            The first is 0.

        Returns
        -------
        BreakWeights
        """
        return BreakWeights(self.breaks.basis, self.iterations[number].theta)

    def of_draws(self):
        """Break weights with the scatter of the draws as covariance: the uncertainty of the classifier alone.

        Returns
        -------
        BreakWeights

        Raises
        ------
        ValueError
            If there is only one network.
        """
        if len(self.draws) < 2:
            raise ValueError("there is only one network: run fit(..., bayesian=True) or fit(..., ensemble=5)")
        return BreakWeights(self.breaks.basis, self.draws.mean(axis=0), np.cov(self.draws.T))

    def f(self, z, mt2, **conditions):
        """Fragmentation function and its standard deviation, see `BreakWeights.f`.

        Parameters
        ----------
        z, mt2, **conditions : array_like

        Returns
        -------
        f, sigma : ndarray
        """
        return self.breaks.f(z, mt2, **conditions)

    def f_samples(self, z, mt2, n, rng, **conditions):
        """Fragmentation functions drawn from the posterior: for errors of anything that is made of f.

        Parameters
        ----------
        z, mt2 : array_like
            Broadcast against each other.
        n : int
        rng : numpy.random.Generator
        **conditions : array_like

        Returns
        -------
        ndarray, shape (n, ...)
        """
        if self.breaks.covariance is None:
            raise ValueError("the result has no posterior to draw from; run fit(..., posterior=True)")
        theta = rng.multivariate_normal(self.breaks.theta, self.breaks.covariance, n, method="svd")
        return np.stack([BreakWeights(self.breaks.basis, t).f(z, mt2, **conditions)[0] for t in theta])

    def weight(self, sim):
        """Weights for another simulation, of the same parameters: step three.

        Parameters
        ----------
        sim : Sample

        Returns
        -------
        ndarray, shape (N,)
            Log weights.

        Raises
        ------
        HomerError
            If it was made with other parameters.
        """
        if sim.params != self.breaks.basis.params:
            raise HomerError(f"the weights are for {self.breaks.basis.params}, the simulation has {sim.params}")
        _check_simulation(sim)
        return step_three(Chains(sim.histories, self.breaks.basis), self.breaks)[0]

    def save(self, path):
        """Write the result to one compressed file (NumPy's npz with a header).

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        """
        basis = self.breaks.basis
        arrays = {"log_w": self.log_w, "sigma": self.sigma, "theta": self.breaks.theta, "reference": basis.reference}
        arrays |= {f"axis{i}.nodes": axis.nodes for i, axis in enumerate(basis.axes)}
        arrays |= {f"axis{i}.functions": axis.functions.ravel() for i, axis in enumerate(basis.axes)}
        arrays |= {"draws": self.draws.ravel()}
        if self.breaks.covariance is not None:
            arrays |= {"covariance": self.breaks.covariance.ravel()}
        elif self.breaks._sigma is not None:
            arrays |= {"sigma_table": self.breaks._sigma}
        if self.measurement is not None:
            arrays |= {"y": self.measurement.y, "h": self.measurement.h.ravel()}
        header = {
            "homer": 1, "params": basis.params._asdict(), "conditions": list(basis.conditions),
            "axes": [[axis.name, axis.length] for axis in basis.axes], "stop_reason": self.stop_reason,
            "amplitude": self.amplitude, "stretch": list(self.stretch),
            "lund_scale": list(self.lund_scale),
            "agreement": [self.auc, self.auc_error, self.chi2_per_ndf],
        }  # fmt: skip
        arrays |= {f"iterations.{k}": np.array(v) for k, v in _columns(self.iterations).items()}
        write_arrays(path, {k: np.ascontiguousarray(v, dtype=float) for k, v in arrays.items()}, header)

    @classmethod
    def load(cls, path):
        """Read a result written by `save`.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        HomerResult

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        arrays, header = read_arrays(path)
        try:
            basis = BreakBasis.__new__(BreakBasis)
            basis.conditions, basis.params = tuple(header["conditions"]), LundParams(**header["params"]).validate()
            axes = []
            for i, (name, length) in enumerate(header["axes"]):
                nodes = arrays[f"axis{i}.nodes"]
                axes.append(Axis(name, nodes, arrays[f"axis{i}.functions"].reshape(len(nodes), -1), length))
            basis._set_axes(axes, arrays["reference"])
            k = len(arrays["theta"])
            covariance = arrays["covariance"].reshape(k, k) if "covariance" in arrays else None
            breaks = BreakWeights(basis, arrays["theta"], covariance, arrays.get("sigma_table"))
            measurement = Measurement(arrays["y"], arrays["h"].reshape(-1, k)) if "y" in arrays else None
            iterations = _iterations({n: arrays[f"iterations.{n}"] for n in Iteration._fields}, k)
            return cls(
                breaks, arrays["log_w"], arrays["sigma"], iterations, header["stop_reason"],
                arrays["draws"].reshape(-1, k), measurement, header["amplitude"], tuple(header["stretch"]),
                tuple(header["lund_scale"]), *header["agreement"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{path} is not a result of homer.fit: {error}") from error


def _columns(iterations):
    return {name: np.ravel([getattr(i, name) for i in iterations]) for name in Iteration._fields}


def _iterations(columns, k):
    theta = columns.pop("theta").reshape(-1, k)
    return [
        Iteration(*map(float, row), theta=t) for *row, t in zip(*(columns[n] for n in Iteration._fields[:-1]), theta)
    ]


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
        The likelihood of `step_two`, or the regression of `hadtutor.homer_network`.
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
        found = posterior(measurement, chains.basis)
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


# --- What comes in ---------------------------------------------------------------------------------


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


# --- Are the errors right? -------------------------------------------------------------------------


class Coverage(NamedTuple):
    """How often truth lies inside the band, over points and experiments.

    Attributes
    ----------
    fraction : float
        Within one standard deviation; 0.683 if the errors are Gaussian and right.
    mean, width : float
        Of the pulls, (estimate - truth) / error; 0 and 1 if the errors are right.
    """

    fraction: float
    mean: float
    width: float


def coverage(estimate, sigma, truth):
    """Compare estimates with the truth in units of their errors.

    Parameters
    ----------
    estimate, sigma : array_like, shape (..., n)
        Estimates and standard deviations, such as f at n points in each of many experiments.
    truth : array_like
        Broadcast against them.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        If an error is not above zero, or a number is not finite.

    Examples
    --------
    >>> coverage([1.0, 3.0], [1.0, 0.5], 1.5).fraction
    0.5
    """
    pulls = event_pulls(estimate, truth, sigma)
    return Coverage(float(np.mean(np.abs(pulls) < 1.0)), float(pulls.mean()), float(pulls.std()))


def event_pulls(estimate, truth, sigma):
    """Differences to the truth in units of the errors, such as of log weights of events.

    Parameters
    ----------
    estimate, truth, sigma : array_like
        Of shapes that fit together.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If an error is not above zero, or a number is not finite.
    """
    estimate, truth, sigma = (np.asarray(a, dtype=float) for a in (estimate, truth, sigma))
    if not (np.all(np.isfinite(estimate)) and np.all(np.isfinite(truth)) and np.all(np.isfinite(sigma) & (sigma > 0))):
        raise ValueError("pulls want finite numbers, and errors above zero; has the result a posterior?")
    return (estimate - truth) / sigma
