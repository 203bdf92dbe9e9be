"""What HOMER has found, and its file."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..files import DataFileError, read_arrays, write_arrays
from ..metrics.weighted import n_eff
from ..params import LundParams
from .basis import Axis, BreakBasis
from .break_weights import BreakWeights
from .chains import Chains
from .inputs import HomerError
from .posterior import Measurement
from .steps import _check_simulation, step_three


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
        Of the prior, see `hadtutor.homer.Posterior`; NaN without posterior.
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
