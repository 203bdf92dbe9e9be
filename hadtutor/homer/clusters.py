"""HOMER for clusters: the laws of their decays, learned from events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import whole
from ..cluster import hadronize_like
from ..cluster.angles import axes_of, decay_angles
from ..cluster.densities import CLASSES, WEIGHTED, draws_of, log_density
from ..estimates import Estimate
from ..events.clusters import Clusters
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..kinematics.tensor import helicity_axes, rotate
from ..metrics.weighted import n_eff
from ..observables import compute
from ..params import ClusterParams
from ..weights.clusters import refuse_fixed, values_of
from .checks import HomerError, seed_of, several
from .decays import WITH, WITHOUT, DecayBasis, checked_masses
from .inputs import Features, HadronsToo, Inputs, side_by_side
from .posterior import infer
from .published import Published
from .rebase import GOOD, MOST, POOR
from .result import Learned
from .scores import SIZE, Measurement, chi2_of_means, leading, measure_scores
from .steps import Iteration

FLOOR = 0.01  # part of the events that counts at least
LEADING = 12  # directions of the laws that events are asked about
COPIES, MANY = 4, 40_000  # events of each shower in a new simulation, if these are not more: less noise
STEP = 1e-4  # of logarithms of parameters, for derivatives
SLICE = 4096  # decays at a time


@dataclass
class ClusterResult(Learned):
    """Laws of the decays of clusters, learned from data, and the simulation weighted with them.

    Attributes
    ----------
    basis : DecayBasis
    theta, covariance : ndarray, shape (K + F,), (K + F, K + F)
        Coefficients of ln w and logarithms of the factors on other parameters; the covariance is NaN without posterior.
    log_w, sigma : ndarray, shape (N,)
        Log weights of the events of `sim`, and their standard deviations.
    sim : Sample
        The simulation that `log_w` belongs to: the last one, if there were several.
    bases : list of float
        n_eff/N of each simulation with the weights that were learned from it.
    iterations : list of Iteration
    measurement : Measurement or None
    amplitude, stretch : tuple of float
        Of the prior, see `DecayBasis.prior`; NaN without posterior.
    chi2, ndf : float
        Of the means of all features, data and weighted simulation, and their number less that of coefficients that they
        fix: whether any law of this kind can be right.
    auc, auc_error : float
        Area under the ROC curve of a new classifier, between data and simulation with its final weights.
    chi2_per_ndf : float
        The same comparison for data that are histograms.
    """

    basis: DecayBasis
    theta: np.ndarray = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    log_w: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    sim: Sample = field(repr=False)
    bases: list[float] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list, repr=False)
    measurement: Measurement | None = field(default=None, repr=False)
    amplitude: tuple[float, ...] = (np.nan, np.nan)
    stretch: tuple[float, ...] = (np.nan,)
    chi2: float = np.nan
    ndf: float = np.nan
    auc: float = np.nan
    auc_error: float = np.nan
    chi2_per_ndf: float = np.nan

    @property
    def params(self) -> ClusterParams:
        """Parameters of the model with the factors that were learned; directions have the learned law besides."""
        return self.basis.params_at(self.theta)

    @property
    def factors(self) -> Estimate:
        """Values of the other parameters that were learned."""
        names, k = self.basis.factors, self.basis.n_functions
        values = np.array([getattr(self.params, name) for name in names])
        return Estimate(names, values, self.covariance[k:, k:] * np.outer(values, values), n_eff=self.n_eff)

    def __call__(
        self, cosine: ArrayLike, perturbative: ArrayLike, mass: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the weights of decays relative to the model, and its standard deviation.

        Parameters
        ----------
        cosine : array_like
            cosθ of one of the two hadrons, from -1 to 1; only its size matters. It is counted from the flight of the
            cluster, or from the direction of a perturbative quark in its rest frame.
        perturbative : array_like of bool
            Whether the cluster has such a quark; a light one.
        mass : array_like, optional
            Of the cluster [GeV], if the weights depend on it, else a ValueError.
        """
        if (mass is None) != (self.basis.n_masses == 1):
            depends = "depend on the mass of the cluster: give it" if mass is None else "do not depend on the mass"
            raise ValueError(f"these weights {depends}")
        c, kind, m = np.broadcast_arrays(np.asarray(cosine, float), perturbative, 1.0 if mass is None else mass)
        if not (np.all(abs(c) <= 1.0) and np.all(m > 0.0) and np.all(np.isfinite(m))):
            raise ValueError("cosines lie between -1 and 1, and masses are positive and finite (GeV)")
        nodes, shares = self.basis.places(np.where(kind.ravel(), WITH, WITHOUT), c.ravel(), m.ravel())
        rows = np.einsum("sn,snk->nk", shares, self.basis.derivative(self.theta)[nodes])
        of_functions = self.covariance[: self.basis.n_functions, : self.basis.n_functions]
        variance = np.einsum("nk,kl,nl->n", rows, of_functions, rows)
        log_w = np.sum(shares * self.basis.table_of(self.theta)[nodes], axis=0)
        return log_w.reshape(c.shape)[()], np.sqrt(np.maximum(variance, 0.0)).reshape(c.shape)[()]

    def density(
        self, cosine: ArrayLike, perturbative: ArrayLike, mass: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Density of the size of cosθ, which integrates to one from 0 to 1, and its standard deviation.

        The arguments `cosine`, `perturbative` and `mass` are those of a call.
        """
        log_w, sigma = self(cosine, perturbative, mass)
        c = abs(np.asarray(cosine, float))
        density = np.exp(log_w) * np.where(perturbative, self.basis.reference(c), 1.0)
        return density, density * sigma

    @property
    def decay(self) -> Callable[[Clusters, np.random.Generator], np.ndarray]:
        """The learned laws for directions, as `hadronize_clusters` takes them: ``decay=result.decay``."""
        return self._directions

    def _directions(self, clusters, rng):
        axis, kind = axes_of(clusters)
        cosine = np.empty(len(kind))
        for some in (slice(i, i + SLICE) for i in range(0, len(kind), SLICE)):
            cosine[some] = self.basis.draw(self.theta, kind[some], clusters.mass[some], rng)
        phi, sine = rng.uniform(-np.pi, np.pi, len(cosine)), np.sqrt(1.0 - cosine**2)
        about_z = torch.as_tensor(np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1))
        return rotate(about_z, helicity_axes(torch.as_tensor(np.ascontiguousarray(axis.T)))).numpy()

    def __str__(self) -> str:
        share = f"n_eff/N = {self.n_eff / len(self.log_w):.3f}"
        fit = "" if np.isnan(self.chi2) else f"χ² {self.chi2:.0f} for {self.ndf:.0f} (p = {self.p_value:.2g}), "
        agreement = (
            f"χ²/ndf {self.chi2_per_ndf:.3g}" if np.isnan(self.auc) else f"AUC {self.auc:.4f} ± {self.auc_error:.4f}"
        )
        return f"laws of decays after {len(self.bases)} simulations, {fit}{agreement} at last; {share}"


class ClusterBase:
    """A simulation of clusters, made with laws of given coefficients, and what its weights are made of.

    `shower` has the number of the shower of each event, (N,).
    """

    def __init__(self, sim: Sample, inputs: Inputs, basis: DecayBasis, theta: np.ndarray, shower: np.ndarray) -> None:
        self.sim, self.inputs, self.basis = sim, inputs, basis
        self.shower = shower
        self.decays = basis.events(decay_angles(sim), len(sim))
        self.drawn = self.decays @ basis.table_of(theta)
        self.draws = draws_of(sim) if basis.factors else None
        self.params = cast(ClusterParams, sim.params)

    def _others(self, theta):
        """Log weights of what is drawn with the other parameters, which have a density each."""
        if self.draws is None:
            return 0.0
        new, old = (log_density(self.draws, values_of(p)) for p in (self.basis.params_at(theta), self.params))
        return new - old

    def log_w(self, theta: np.ndarray) -> np.ndarray:
        """Log weights of the events, (N,), for coefficients `theta`, (K + F,)."""
        return self.decays @ self.basis.table_of(theta) - self.drawn + self._others(theta)

    def rows(self, theta: np.ndarray) -> np.ndarray:
        """Their derivatives, (N, K + F)."""
        columns = [self.decays @ self.basis.derivative(theta)]
        for k in range(self.basis.n_functions, self.basis.size):
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
    known = [name for name in WEIGHTED if not name.startswith("cl_smr")]
    if set(factors) - set(known):
        raise ValueError(f"factors of clusters are some of {', '.join(known)}, got {', '.join(factors)}")
    refuse_fixed(sim, factors)
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
    basis = DecayBasis(cast(ClusterParams, sim.params), decay_angles(sim).mass if masses else None, factors)
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
                made = hadronize_like(sim, size, result.params, rng=rng, threads=threads, decay=result.decay)
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
        along = leading(rows, log_w, base.basis.prior(SIZE, SIZE), LEADING + len(base.basis.factors))
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
    return replace(
        result, theta=theta, covariance=found.covariance, log_w=log_w, sigma=sigma, measurement=measurement,
        amplitude=(found.amplitude, with_one), stretch=tuple(stretch), chi2=chi2,
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
