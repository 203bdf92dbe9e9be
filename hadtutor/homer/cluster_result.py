"""What is learned of clusters: laws of their decays and of the masses of their parts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..cluster.angles import axes_of
from ..estimates import Estimate
from ..events.clusters import Clusters
from ..events.sample import Sample
from ..kinematics.tensor import helicity_axes, rotate
from ..params import ClusterParams
from .decays import WITH, WITHOUT, DecayBasis
from .result import Learned
from .scores import Measurement
from .steps import Iteration

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
        Of the prior, see `DecayBasis.prior`, for clusters without and with a perturbative constituent, then for masses
        of parts, if these were learned; NaN without posterior.
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
        names, k = self.basis.factors, self.basis.of_factors
        values = np.array([getattr(self.params, name) for name in names])
        return Estimate(names, values, self.covariance[k, k] * np.outer(values, values), n_eff=self.n_eff)

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

    def parts(self, u: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the weight of the mass of a part, relative to the model, and its standard deviation.

        Parameters
        ----------
        u : array_like
            From 0 to 1, see `hadtutor.cluster.fission`; over a uniform u the mean weight is one. A ValueError if this
            law was not learned: it wants ``factors="parts"``.
        """
        basis, u = self._part_basis(), np.asarray(u, float)
        if not np.all((u >= 0.0) & (u <= 1.0)):
            raise ValueError("u lies between 0 and 1")
        k = self.basis.of_parts
        rows = np.stack([np.interp(u, basis.nodes, f) for f in basis.derivative(self.theta[k]).T], axis=-1)
        variance = np.einsum("...k,kl,...l->...", rows, self.covariance[k, k], rows)
        return np.interp(u, basis.nodes, basis.table(self.theta[k])), np.sqrt(np.maximum(variance, 0.0))

    def _part_basis(self):
        if self.basis.parts is None:
            raise ValueError('masses of parts were not learned: fit(..., factors="parts") does that')
        return self.basis.parts

    @property
    def law_of_parts(self) -> Callable[[np.ndarray], np.ndarray]:
        """The learned law of masses, as `hadronize_clusters` takes it: ``parts=result.law_of_parts``."""
        self._part_basis()
        return self._weights_of_parts

    def _weights_of_parts(self, u):
        return np.exp(self.parts(u)[0])

    @property
    def laws(self) -> dict[str, Callable]:
        """All learned laws, as arguments of `hadronize_clusters`: ``**result.laws``, with ``params=result.params``."""
        return {"decay": self.decay} | ({} if self.basis.parts is None else {"parts": self.law_of_parts})

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
