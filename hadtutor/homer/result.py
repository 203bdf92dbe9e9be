"""What HOMER has found, and its file."""

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc

from .._support.checks import Rng, as_generator, takes_rng, whole
from ..estimates import Estimate
from ..events.sample import Sample
from ..files import DataFileError, read_arrays, write_arrays
from ..metrics.weighted import n_eff
from ..params import LundParams
from ..weights.allowed import Case, refuse_change
from ..weights.breaks import last_draws_known, log_w_of_chains
from .basis import Axis, BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .checks import HomerError, check_simulation, quark_of
from .posterior import Measurement
from .steps import Iteration

NUMBERS = ("stop_reason", "amplitude", "stretch", "log_evidence", "chi2", "ndf")
AGREEMENT = ("auc", "auc_error", "chi2_per_ndf")


class Learned:
    """What is learned by weights: how many events they leave, and whether it can be right."""

    log_w: np.ndarray
    chi2: float
    ndf: float

    @property
    def n_eff(self) -> float:
        """Effective number of simulated events."""
        return n_eff(self.log_w)

    @property
    def p_value(self) -> float:
        """Probability of a larger χ² if what was learned is as in the data; NaN without posterior."""
        return float(gammaincc(0.5 * self.ndf, 0.5 * self.chi2)) if np.isfinite(self.chi2) else np.nan


@dataclass
class HomerResult(Learned):
    """A fragmentation function learned from data, and the simulation weighted with it.

    It may stand wherever log weights of the simulated events are wanted, and, with its method `density`, as a law of
    `hadronize_strings`.

    Attributes
    ----------
    breaks : BreakWeights
        Weights of breaks as a function, ``breaks(z, mt2)``, and f with its error, ``breaks.f(z, mt2)``.
    log_w, sigma : ndarray, shape (N,)
        Log weights of the simulated events, and their standard deviations.
    iterations : list of Iteration
    stop_reason : str
    draws : ndarray, shape (J, K + F)
        Coefficients that each network of the last step one would have led to, in an ensemble or drawn from a Bayesian
        one: the uncertainty of the classifier alone. J is 0 with a single network, and if a network has taken their
        scatter into its own.
    measurement : Measurement or None
        What the data say about the coefficients, for `fit_lund` and the like.
    amplitude, stretch, log_evidence : float, tuple of float, float
        Of the prior, see `infer`; NaN without posterior.
    chi2, ndf : float
        Of the measurement and what the result makes of it, see `infer`: whether any f of this kind can be right.
    sim : Sample or None
        The simulation that `log_w` belongs to, if the fit has made a new one; a result from a file has none.
    bases : list of (LundParams, float)
        Parameters of the simulations of a fit with `rebase`, and n_eff/N of each, weighted to the next.
    auc, auc_error : float
        Area under the ROC curve of one more step one, between data and simulation with its final weights.
    chi2_per_ndf : float
        The same comparison for data that are histograms.
    """

    breaks: BreakWeights
    log_w: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    iterations: list[Iteration] = field(repr=False)
    stop_reason: str
    draws: np.ndarray = field(repr=False)
    measurement: Measurement | None = field(default=None, repr=False)
    amplitude: float = np.nan
    stretch: tuple = (np.nan, np.nan)
    log_evidence: float = np.nan
    chi2: float = np.nan
    ndf: float = np.nan
    sim: Sample | None = field(default=None, repr=False)
    bases: list[tuple[LundParams, float]] = field(default_factory=list, repr=False)
    auc: float = np.nan
    auc_error: float = np.nan
    chi2_per_ndf: float = np.nan

    @property
    def factors(self) -> Estimate:
        """Values of what has a weight besides z, such as ``sigma_pt``; errors are NaN without posterior."""
        basis, n = self.breaks.basis, len(self.breaks.basis.factors)
        k, covariance = basis.size - n, self.breaks.covariance
        of_factors = np.full((n, n), np.nan) if covariance is None else covariance[k:, k:]
        return Estimate(basis.factors, basis.factor_values(self.breaks.theta), of_factors, n_eff=self.n_eff)

    def __str__(self) -> str:
        n = len(self.iterations)
        fit = "" if np.isnan(self.chi2) else f", χ² {self.chi2:.0f} for {self.ndf:.0f} (p = {self.p_value:.2g})"
        moved = f" after {len(self.bases)} simulations" if len(self.bases) > 1 else ""
        if n == 0:
            share = self.n_eff / len(self.log_w)
            return f"posterior{moved}, χ²/ndf {self.chi2_per_ndf:.3g}{fit}; n_eff/N = {share:.3f}"
        if np.isnan(self.auc):
            change = f"χ²/ndf {self.iterations[0].chi2_per_ndf:.3g} at first and {self.chi2_per_ndf:.3g} at last"
        else:
            change = f"AUC {self.iterations[0].auc:.4f} at first and {self.auc:.4f} ± {self.auc_error:.4f} at last"
        share = self.n_eff / len(self.log_w)
        return f"{n} iteration{'s' * (n != 1)}{moved} ({self.stop_reason}), {change}{fit}; n_eff/N = {share:.3f}"

    def _repr_html_(self) -> str:
        rows = [(str(k), i.auc, i.auc_error, i.chi2_per_ndf, i.n_eff) for k, i in enumerate(self.iterations)]
        rows += [("at last", self.auc, self.auc_error, self.chi2_per_ndf, self.n_eff)]
        head = "".join(f"<th>{name}</th>" for name in ("before iteration", "AUC", "error", "χ²/ndf", "n_eff after it"))
        body = "".join(
            f"<tr><th>{name}</th>" + "".join(f"<td>{v:.4f}</td>" for v in more) + f"<td>{events:.0f}</td></tr>"
            for name, *more, events in rows
        )
        return f"<table><caption>{html.escape(str(self))}</caption><tr>{head}</tr>{body}</table>"

    def of_iteration(self, number: int) -> BreakWeights:
        """Break weights as they were after iteration `number`, the first is 0, without errors."""
        return BreakWeights(self.breaks.basis, self.iterations[number].theta)

    def of_draws(self) -> BreakWeights:
        """Break weights with the scatter of the draws, the classifier's own, as covariance; ValueError without any."""
        if len(self.draws) < 2:
            raise ValueError(
                "there are no draws: run fit(..., bayesian=True) or fit(..., ensemble=5), with splines; a network in "
                "step two takes their scatter into its own sigma"
            )
        return BreakWeights(self.breaks.basis, self.draws.mean(axis=0), np.cov(self.draws.T))

    def f(self, z: ArrayLike, mt2: ArrayLike, **conditions: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """f(`z`, `mt2`) under `conditions` and its standard deviation, see `BreakWeights.f`."""
        return self.breaks.f(z, mt2, **conditions)

    def density(self, z: ArrayLike, mt2: ArrayLike, **conditions: ArrayLike) -> np.ndarray:
        """f(`z`, `mt2`) under `conditions`, without error: ``hadronize_strings(..., law=result)`` draws from it."""
        return self.breaks.density(z, mt2, **conditions)

    @takes_rng
    def f_samples(self, z: ArrayLike, mt2: ArrayLike, n: int, *, rng: Rng, **conditions: ArrayLike) -> np.ndarray:
        """Draw `n` functions f(`z`, `mt2`) under `conditions` from the posterior with `rng`, shape (n, ...).

        They give errors of anything that is made of f. ValueError if the result has no posterior.
        """
        if self.breaks.covariance is None:
            raise ValueError("the result has no posterior to draw from; run fit(..., posterior=True)")
        mean, covariance, n = self.breaks.theta, self.breaks.covariance, whole(n, "n")  # factors do not change f
        theta = as_generator(rng).multivariate_normal(mean, covariance, n, method="svd")
        return np.stack([BreakWeights(self.breaks.basis, t).f(z, mt2, **conditions)[0] for t in theta])

    def log_weights(self, sim: Sample) -> np.ndarray:
        """Step three for another simulation `sim`, which may have other Lund parameters: log weights, (N,).

        HomerError if what decides when a string ends is not the same.
        """
        histories, params = check_simulation(sim)
        basis, quark = self.breaks.basis, quark_of(sim)
        try:
            refuse_change(params, basis.params)
        except ValueError as error:
            raise HomerError(f"the weights are for {basis.params}, the simulation has {params}: {error}") from None
        chains, change = Chains(histories, basis, quark=quark), basis.split(self.breaks.theta)[1]
        log_w = chains.log_weights(self.breaks.table) + chains.factors.log_weights(change)
        case = Case(histories, params, basis.params, quark)
        if params != basis.params:  # first to the simulation that was learned with
            log_w += log_w_of_chains(case)
        complete = chains.factors.complete(change) and last_draws_known(case)
        return chains.of_events(log_w - chains.log_acceptance_ratio(log_w, complete))

    def save(self, path: str | os.PathLike) -> None:
        """Write the result to `path`, one compressed file (NumPy's npz with a header), replaced once it is complete."""
        write(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "HomerResult":
        """Read a result written by `save`, or the state of an unfinished fit from its checkpoint.

        Parameters
        ----------
        path : str or Path
            DataFileError if it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        return read(path)[0]


def write(path: str | os.PathLike, result: HomerResult, more: Mapping[str, Any] | None = None) -> None:
    """Write a result, and `more` into the header of its file."""
    breaks, basis = result.breaks, result.breaks.basis
    errors = "sigma_table" if breaks.covariance is None else "covariance"
    arrays = {
        "log_w": result.log_w, "sigma": result.sigma, "theta": breaks.theta, "reference": basis.reference,
        "draws": result.draws, errors: getattr(breaks, errors),
        **(result.measurement._asdict() if result.measurement is not None else {}),
        **{f"iterations.{k}": np.array([getattr(i, k) for i in result.iterations]) for k in Iteration._fields},
    }  # fmt: skip
    for i, axis in enumerate(basis.axes):
        arrays |= {f"axis{i}.nodes": axis.nodes, f"axis{i}.functions": axis.functions}
    header = {
        "homer": 2, "params": basis.params._asdict(), "conditions": list(basis.conditions),
        "factors": list(basis.factors), "bases": [[params._asdict(), share] for params, share in result.bases],
        "axes": [[axis.name, axis.length] for axis in basis.axes],
        "agreement": [getattr(result, name) for name in AGREEMENT],
        **{name: getattr(result, name) for name in NUMBERS}, **(more or {}),
    }  # fmt: skip
    write_arrays(path, {name: np.asarray(values, float) for name, values in arrays.items()}, header)


def read(path: str | os.PathLike) -> tuple[HomerResult, dict[str, Any]]:
    """What `write` wrote, and the header of the file."""
    arrays, header = read_arrays(path)
    try:
        axes = [
            Axis(name, arrays[f"axis{i}.nodes"], arrays[f"axis{i}.functions"], length)
            for i, (name, length) in enumerate(header["axes"])
        ]
        params, of_basis = LundParams(**header["params"]), (header["conditions"], header["factors"])
        basis = BreakBasis(axes, arrays["reference"], params, *of_basis)
        columns = [arrays[f"iterations.{name}"] for name in Iteration._fields]
        return HomerResult(
            BreakWeights(basis, arrays["theta"], arrays.get("covariance"), arrays.get("sigma_table")),
            arrays["log_w"], arrays["sigma"],
            [Iteration._make([*map(float, row), theta]) for *row, theta in zip(*columns, strict=True)],
            header["stop_reason"], arrays["draws"], Measurement(arrays["y"], arrays["h"]) if "y" in arrays else None,
            stretch=tuple(header["stretch"]), **dict(zip(AGREEMENT, header["agreement"], strict=True)),
            **{name: header[name] for name in NUMBERS if name not in ("stop_reason", "stretch")},
            bases=[(LundParams(**params), share) for params, share in header["bases"]],
        ), header  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise DataFileError(f"{path} is not a result of homer.fit: {error}") from error
