"""HOMER for clusters: the laws of their decays, learned from events."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import whole
from ..cluster import hadronize_like
from ..cluster.angles import decay_angles
from ..cluster.densities import CLASSES, WEIGHTED, draws_of, log_density
from ..events.clusters import Clusters
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from ..observables import compute
from ..params import ClusterParams
from ..weights.clusters import OF_MASSES, refuse_fixed, values_of
from .checks import HomerError, seed_of, several
from .cluster_result import ClusterResult
from .decays import DecayBasis, checked_masses
from .inputs import Features, HadronsToo, Inputs, side_by_side
from .parts import PartRows
from .posterior import infer
from .published import Published
from .rebase import GOOD, MOST, POOR
from .scores import SIZE, chi2_of_means, leading, measure_scores
from .steps import Iteration

FLOOR = 0.01  # part of the events that counts at least
LEADING = 12  # directions of the laws that events are asked about
COPIES, MANY = 4, 40_000  # events of each shower in a new simulation, if these are not more: less noise
STEP = 1e-4  # of logarithms of parameters, for derivatives


class ClusterBase:
    """A simulation of clusters, made with laws of given coefficients, and what its weights are made of.

    `shower` has the number of the shower of each event, (N,).
    """

    def __init__(self, sim: Sample, inputs: Inputs, basis: DecayBasis, theta: np.ndarray, shower: np.ndarray) -> None:
        self.sim, self.inputs, self.basis = sim, inputs, basis
        self.shower = shower
        self.decays = basis.events(decay_angles(sim), len(sim))
        self.parts = None if basis.parts is None else PartRows(basis.parts, sim)
        self.drawn = self._of_laws(theta)
        self.draws = draws_of(sim) if basis.factors else None
        self.params = cast(ClusterParams, sim.params)

    def _of_laws(self, theta):
        """Log weights by the laws relative to the model, (N,)."""
        of_parts = 0.0 if self.parts is None else self.parts.log_w(theta[self.basis.of_parts])
        return self.decays @ self.basis.table_of(theta) + of_parts

    def _others(self, theta):
        """Log weights of what is drawn with the other parameters, which have a density each."""
        if self.draws is None:
            return 0.0
        new, old = (log_density(self.draws, values_of(p)) for p in (self.basis.params_at(theta), self.params))
        return new - old

    def log_w(self, theta: np.ndarray) -> np.ndarray:
        """Log weights of the events, (N,), for coefficients `theta`, (K + F,)."""
        return self._of_laws(theta) - self.drawn + self._others(theta)

    def rows(self, theta: np.ndarray) -> np.ndarray:
        """Their derivatives, (N, K + F)."""
        columns = [self.decays @ self.basis.derivative(theta)]
        if self.parts is not None:
            columns.append(self.parts.rows(theta[self.basis.of_parts]))
        for k in range(self.basis.of_factors.start, self.basis.size):
            step = STEP * np.eye(self.basis.size)[k]
            slope = (self._others(theta + step) - self._others(theta - step)) / (2.0 * STEP)
            columns.append(slope[:, None])
        return np.concatenate(columns, axis=1)


def check_clusters(sim: Sample, factors: Iterable[str]) -> tuple[str, ...]:
    """Refuse a simulation whose decays have no weights; with the names of `factors`, each of them known."""
    clusters, params, factors = sim.histories, cast(ClusterParams, sim.params), several(factors, "factors")
    if not isinstance(clusters, Clusters):
        raise HomerError("the simulation has no clusters, so nothing to trace weights back to: keep its histories")
    if sim.law is not None:
        raise HomerError(f"directions of the simulation were drawn by {sim.law}; give one made without decay")
    try:
        kind = decay_angles(sim).kind
    except ValueError as error:
        raise HomerError(f"the simulation: {error}") from None
    for number, end in enumerate(CLASSES, 1):
        if getattr(params, f"cl_smr{end}") == 0.0 and np.any(kind == number):
            raise HomerError(
                f"the data may lie outside the support of the simulation: with cl_smr{end} = 0 the hadrons of these "
                "clusters fly exactly along their quark, and no weight makes other angles; simulate with a width, such "
                f"as ClusterParams(cl_smr{end}=0.78)"
            )
    known = ["parts", *(name for name in WEIGHTED if not name.startswith("cl_smr"))]
    if set(factors) - set(known):
        raise ValueError(f"factors of clusters are some of {', '.join(known)}, got {', '.join(factors)}")
    if "parts" in factors and clusters.formed_mass is None:
        raise HomerError("masses of clusters as they were formed are missing: the file is of an earlier version")
    if "parts" in factors and (both := [name for name in factors if name in OF_MASSES]):
        raise ValueError(f"{', '.join(both)} cannot vary with the law of parts, whose density they are in")
    refuse_fixed(sim, [name for name in factors if name != "parts"])
    return factors


def fit_clusters(
    sim: Sample, data: Any, options: Mapping[str, Any], *, iterations: int | None, conditions: str | Iterable[str],
    factors: str | Iterable[str], rebase: Any, observables: str | Iterable[str] | None, posterior: bool,
    stop_early: bool, seed: int, threads: int, progress: bool,
) -> ClusterResult:  # fmt: skip
    """`hadtutor.homer.fit` for a simulation `sim` of clusters; `options` are those of step one."""
    if isinstance(data, Published):
        raise TypeError("published figures are of decayed hadrons: fit the parameters of clusters with tuning.fit")
    if not (rebase is None or isinstance(rebase, bool)):
        raise TypeError(f"rebase of clusters must be True or False, got {rebase!r}: they are made by the learned laws")
    if not posterior and (rebase or len(several(factors, "factors"))):
        raise ValueError("new simulations and factors want the posterior: leave posterior=False out")
    if rebase and sim.partons is None:
        raise HomerError("the simulation does not know its showers: make one with hadronize_clusters, or rebase=False")
    rebase = sim.partons is not None if rebase is None else rebase
    iterations = (0 if posterior else 6) if iterations is None else whole(iterations, "iterations", 0)
    masses, factors, n = checked_masses(conditions), check_clusters(sim, factors), len(sim)
    inputs = side_by_side(sim, data, observables, threads, dict(options))
    if (
        type(inputs) is Features
        and observables is None
        and isinstance(hadrons := getattr(data, "hadrons", data), Hadrons)
    ):
        columns = compute(sim.hadrons, sim.energy, threads=threads, names=inputs.names)
        inputs = HadronsToo(columns, inputs.columns, inputs.options, sim.hadrons, hadrons)
    inputs.check_support()
    size = n * max(1, min(COPIES, MANY // n))
    names, mass = tuple(name for name in factors if name != "parts"), decay_angles(sim).mass if masses else None
    basis = DecayBasis(cast(ClusterParams, sim.params), mass, names, parts="parts" in factors)
    theta = np.zeros(basis.size)
    base = ClusterBase(sim, inputs, basis, theta, np.arange(n))
    passed: list[Iteration] = []
    log_w = np.zeros(n)
    with Progress(iterations, "iteration", progress) as bar:
        for number in range(iterations):
            found = inputs.classify(log_w, seed_of(seed, number))
            if number > 0 and stop_early and found.agrees:
                break
            wanted = np.exp(log_w + found.log_ratio - np.max(log_w + found.log_ratio))
            theta = basis.most_likely(base.decays.T @ (n * wanted / wanted.sum()))
            log_w = base.log_w(theta)
            agreement = found.auc, found.auc_error, found.chi2_per_ndf
            passed.append(Iteration(*agreement, n_eff(log_w), 0.0, theta))
            bar.update()
    unknown = np.full((basis.size, basis.size), np.nan)
    result = ClusterResult(basis, theta, unknown, log_w, np.full(n, np.nan), sim, [n_eff(log_w) / n], passed)
    if posterior:
        result = _with_posterior(result, base)
        with Progress(MOST, "simulation", progress and rebase) as bar:
            while rebase and len(result.bases) < MOST and (len(result.bases) < 2 or result.bases[-1] < GOOD):
                rng = np.random.default_rng(seed_of(seed, len(result.bases), 2))
                made = hadronize_like(sim, size, result.params, rng=rng, threads=threads, **result.laws)
                whole_ones = np.setdiff1d(np.arange(size), made.histories.unfinished)
                made, shower = made[whole_ones], whole_ones % n
                base = ClusterBase(made, inputs.with_simulation(made, threads), basis, result.theta, shower)
                moved = replace(result, sim=made, log_w=np.zeros(len(made)), bases=[*result.bases, 1.0])
                result = _with_posterior(moved, base)
                bar.update()
        _warn_of(result, rebase)
    # One event of each shower: a classifier would know the others again.
    first = np.unique(base.shower, return_index=True)[1]
    once = inputs if base.sim is sim else inputs.with_simulation(base.sim[first], threads)
    last = once.classify(result.log_w[first], seed_of(seed, iterations))
    return replace(result, auc=last.auc, auc_error=last.auc_error, chi2_per_ndf=last.chi2_per_ndf)


def _with_posterior(result, base):
    """Move to the mean of the posterior, and linearise there again until nothing moves any more."""
    theta, log_w, beside = result.theta, result.log_w, base.inputs
    moments = beside.moments()
    for _ in range(8):
        rows = base.rows(theta)
        prior, more = base.basis.prior(SIZE, SIZE, of_parts=(SIZE, 0.5)), base.basis.size - base.basis.n_functions
        along = leading(rows, log_w, prior, LEADING + more)
        measurement = measure_scores(rows, theta, log_w, *moments, base.shower, along)
        found = infer(measurement, base.basis)
        shift = measurement.h @ (found.theta - theta)
        theta, log_w = _as_far_as_events_reach(base, theta, found.theta)
        if shift @ shift < 0.1:
            break
    chi2, n = chi2_of_means(log_w, *moments, base.shower)
    rows = base.rows(theta)
    w = np.exp(log_w - log_w.max())
    rows -= w @ rows / w.sum()
    sigma = np.sqrt(np.einsum("nk,kl,nl->n", rows, found.covariance, rows, optimize=True))
    with_one, *stretch = found.stretch
    of_parts = [] if base.basis.parts is None else [stretch.pop(-2)]
    return replace(
        result, theta=theta, covariance=found.covariance, log_w=log_w, sigma=sigma, measurement=measurement,
        amplitude=(found.amplitude, with_one, *of_parts), stretch=tuple(stretch), chi2=chi2,
        ndf=n - (len(measurement.y) - found.ndf),
        bases=[*result.bases[:-1], n_eff(log_w) / len(log_w)],
    )  # fmt: skip


def _as_far_as_events_reach(base, theta, goal):
    """Go to the next estimate, or half of the way, and so on, until enough events count."""
    step = goal - theta
    for _ in range(8):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                log_w = base.log_w(theta + step)
        except ValueError:  # a parameter beyond its limits
            log_w = np.full(1, np.nan)
        if np.isfinite(log_w).all() and n_eff(log_w) > FLOOR * len(log_w):
            return theta + step, log_w
        step = 0.5 * step
    raise HomerError(
        "no law of decays turns the simulation into the data: they differ in something else, such as the number of "
        "clusters; compare their observables, and let parameters vary too (factors)"
    )


def _warn_of(result, rebase):
    if result.p_value < 1e-3:
        warn(
            f"no law of decays describes these data: χ² {result.chi2:.0f} for {result.ndf:.0f} degrees of freedom; "
            "they differ in something that has no weight here, and the errors do not hold"
        )
    if result.n_eff < POOR * len(result.log_w):
        share = f"{100 * result.n_eff / len(result.log_w):.0f} % of its events"
        advice = "take more events" if rebase else "let fit simulate anew where the data are (rebase=True)"
        warn(f"the weighted simulation is worth {share}: errors do not hold that far from it; {advice}")
