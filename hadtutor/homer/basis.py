"""Splines for ln w, normalised at every transverse mass, and their prior."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import BSpline

from .. import lund
from ..lund.all_flavours import KINDS, log_density_of_kinds, slope_of_power
from ..params import LundMixture, LundParams
from .factors import FACTORS, checked_factors, reference_values
from .nodes import KIND, checked_conditions, spread
from .priors import departures

FINE_NODES = 1000  # in logit z, for the normalisation
# Before any data: standard deviations of a and b [GeV⁻²], and of the variances of a and of b over a mixture of Lund's.
LUND_SCALE = 0.5, 0.4, 0.04, 0.005


class Axis(NamedTuple):
    """One of the numbers that a break weight depends on: nodes at equal distances, and functions on them."""

    name: str
    nodes: np.ndarray  # (n,)
    functions: np.ndarray  # (n, k)
    length: float  # over which the weight changes, for `BreakBasis.prior`

    @classmethod
    def of(cls, name: str, values: np.ndarray, n_nodes: int, n_knots: int, length: float) -> "Axis":
        """Cubic splines with knots at quantiles; nodes from almost the smallest value to almost the largest."""
        low, high = np.quantile(values, [1e-5, 1 - 1e-5])
        nodes = np.linspace(low, high, n_nodes)
        knots = np.quantile(values, np.linspace(0, 1, n_knots + 2)[1:-1])
        # Values that pile up, such as a transverse momentum of zero, would make one knot of several.
        knots = np.unique(knots[(knots > low) & (knots < high)])
        knots = np.concatenate([[low] * 4, knots, [high] * 4])
        return cls(name, nodes, BSpline.design_matrix(nodes, knots, 3).toarray(), length)

    def place(self, values: ArrayLike) -> np.ndarray:
        """Position in units of the distance of nodes, at the border for values outside."""
        place = (np.asarray(values, float) - self.nodes[0]) / (self.nodes[1] - self.nodes[0])
        return np.clip(place, 0.0, len(self.nodes) - 1.0 - 1e-4).astype(np.float32)


class BreakBasis:
    r"""The functions that logarithms of break weights are made of: products of splines in logit z, ln mT², conditions.

    Parameters
    ----------
    axes : sequence of Axis
        The nodes of logit z come first.
    reference : ndarray, shape (nodes,)
        Breaks of the simulation at each node, those of rejected chains too.
    params : LundParams
        Of the simulation; gives :math:`f_\mathrm{ref}`. Without them there are no weights: TypeError.
    conditions : sequence of {"end", "string_pt"}
        What else the weight may depend on, see `break_features`; where it is "kind", which comes first then, the weight
        is the same for all kinds but for the normalisation, and for the b in the power of z of heavy quarks.
    factors : sequence of {"order", "sigma_pt", "enhanced_fraction", "u_fraction"}
        What else has a weight, see `Factors`; the last coefficients are the changes of these F numbers.

    Attributes
    ----------
    matrix : ndarray, shape (nodes, K)
        Value of each of the K functions at each node; there are K + F coefficients.
    """

    def __init__(
        self, axes: Sequence[Axis], reference: np.ndarray, params: LundParams, conditions: str | Iterable[str] = (),
        factors: str | Iterable[str] = (),
    ) -> None:  # fmt: skip
        if not isinstance(params, LundParams):
            raise TypeError(f"the simulation must be made with LundParams, got {type(params).__name__}")
        self.conditions, self.params, self.factors = checked_conditions(conditions), params, checked_factors(factors)
        self.axes, self.reference = tuple(axes), reference
        self.shape = tuple(len(axis.nodes) for axis in axes)
        self.matrix = axes[0].functions
        for axis in axes[1:]:
            self.matrix = np.kron(self.matrix, axis.functions)
        self._universal = self.matrix.shape[1]
        if KIND in self.conditions:
            # The power of z of a heavy quark has b in it: if b changes, its law moves by more than what is universal.
            z, kind = self.z_and_mt2()[0], self._at_nodes(2).astype(int)
            heavy = self._less_mean(-slope_of_power(params)[kind] * np.log(z))
            self.matrix = np.concatenate([self.matrix, heavy[:, None]], axis=1)
        # The reference on a fine grid in logit z, for every node in mT², as shares of one; and how to get there.
        fine = np.linspace(axes[0].nodes[0] - 3.0, axes[0].nodes[-1] + 3.0, FINE_NODES)
        z = 1.0 / (1.0 + np.exp(-fine))
        grid = [z[:, None], np.exp(axes[1].nodes)[None, :]]
        if KIND in self.conditions:
            grid = [z[:, None, None], np.exp(axes[1].nodes)[:, None], axes[2].nodes]
        density = np.exp(self.log_reference(*grid)).reshape(FINE_NODES, -1) * (z * (1.0 - z))[:, None]
        density = np.repeat(density, int(np.prod(self.shape[1:])) // density.shape[1], axis=1)
        self._reference = density / density.sum(axis=0)  # of each mT² and condition
        place, rows = axes[0].place(fine), np.arange(FINE_NODES)
        k, fraction = place.astype(int), place - place.astype(int)
        self._to_fine = np.zeros((FINE_NODES, self.shape[0]))
        self._to_fine[rows, k] = 1.0 - fraction
        self._to_fine[rows, k + 1] = fraction
        # Derivatives of ln f with respect to a and b at the nodes, bounded where no break ever is, and half of their
        # squares: ln f of a mixture is that of the mean parameters, plus their variances times these.
        z, mt2 = self.z_and_mt2()
        slopes = [np.log1p(-z), -np.minimum(mt2 / z, 15.0 / params.b)]
        if KIND in self.conditions:
            slopes[1] = slopes[1] - slope_of_power(params)[self._at_nodes(2).astype(int)] * np.log(z)
        slopes = [self._less_mean(slope) for slope in slopes]
        self._lund = self.project(np.stack([*slopes, *(self._less_mean(0.5 * s**2) for s in slopes)], axis=1))

    def _less_mean(self, values):
        """Values at the nodes, (nodes,) or (nodes, n), less their mean over breaks of the same mT² and conditions."""
        counts = self.reference.reshape(self.shape[0], -1, 1)
        values = np.asarray(values, float)
        by_z = values.reshape(self.shape[0], counts.shape[1], -1)
        return (by_z - (counts * by_z).sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)).reshape(values.shape)

    def _at_nodes(self, number):
        """One of the axes at all nodes, (nodes,)."""
        return np.meshgrid(*(axis.nodes for axis in self.axes), indexing="ij")[number].ravel()

    @classmethod
    def of(
        cls, features: np.ndarray, params: LundParams, conditions: str | Iterable[str] = (),
        factors: str | Iterable[str] = (),
    ) -> "BreakBasis":  # fmt: skip
        """A basis whose nodes and knots follow `features` of shape (2 + conditions, breaks), see `break_features`.

        `params`, `conditions` and `factors` are those of the class.
        """
        conditions = checked_conditions(conditions)
        logit_z, log_mt2, *more = features
        # Heavy hadrons reach far: as dense in mT² as without them.
        n_mt2 = 24 if KIND not in conditions else 48
        axes = [Axis.of("logit z", logit_z, 64, 8, 6.0), Axis.of("ln mT2", log_mt2, n_mt2, 3, 6.0)]
        for name, values in zip(conditions, more, strict=True):
            if name == KIND:
                axes.append(Axis(name, np.arange(float(len(KINDS))), np.ones((len(KINDS), 1)), np.inf))
            elif name == "end":
                axes.append(Axis(name, np.array([0.0, 1.0]), np.eye(2), 2.0))
            else:
                axes.append(Axis.of(name, values, 8, 0, 1.0))
        shape = tuple(len(axis.nodes) for axis in axes)
        reference = np.zeros(int(np.prod(shape)))
        spread(_place(axes, features), shape, np.ones(features.shape[1]), reference)
        return cls(axes, reference, params, conditions, factors)

    def log_reference(
        self, z: ArrayLike, mt2: ArrayLike, kind: ArrayLike = 0, params: LundParams | LundMixture | None = None
    ) -> np.ndarray:
        """Logarithm of the normalised f of the simulation at `z` and `mt2` [GeV²], for a `kind` of `KINDS`.

        With `params` that of others.
        """
        params = self.params if params is None else params
        if KIND not in self.conditions:
            return lund.log_density(z, mt2, params)
        x, m2, k = np.broadcast_arrays(z, mt2, kind)
        flat = x.ravel().astype(float), m2.ravel().astype(float), k.ravel().astype(int)
        return log_density_of_kinds(*flat, params=params).reshape(x.shape)[()]

    def lund_table(self, params: LundParams | LundMixture) -> np.ndarray:
        """ln w at the nodes, (nodes,), from the simulation to `params`."""
        z, mt2 = self.z_and_mt2()
        kind = self._at_nodes(2) if KIND in self.conditions else 0
        # Where no break ever is, f and its reference differ by any factor.
        apart = self.log_reference(z, mt2, kind, params) - self.log_reference(z, mt2, kind)
        return np.clip(apart, -20.0, 20.0)

    @property
    def size(self) -> int:
        """Number of all coefficients, K + F."""
        return self.matrix.shape[1] + len(self.factors)

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of ln w, (K,), and changes of the factors, (F,), out of all of them, `theta` (K + F,)."""
        return theta[: self.matrix.shape[1]], theta[self.matrix.shape[1] :]

    def factor_values(self, theta: np.ndarray) -> np.ndarray:
        """Values of the factors, (F,), for all coefficients `theta`, (K + F,)."""
        return reference_values(self.factors, self.params) + self.split(theta)[1]

    def table_of(self, theta: np.ndarray) -> np.ndarray:
        """Normalised ln w at the nodes, (nodes,), for all coefficients `theta`, (K + F,)."""
        return self.normalise(self.matrix @ self.split(theta)[0])

    def place(self, features: np.ndarray) -> np.ndarray:
        """Position of breaks with `features` between the nodes, shape (D, breaks), in units of their distance."""
        return _place(self.axes, features)

    def normalise(self, table: np.ndarray) -> np.ndarray:
        """Add to a `table` of ln w, shape (nodes,), what makes f integrate to one at each mT² and condition."""
        return (table.reshape(self.shape[0], -1) - np.log(self._new_on_fine(table).sum(axis=0))).ravel()

    def _new_on_fine(self, table):
        """The new f on the fine grid, not normalised, for every mT² and condition."""
        return self._reference * np.exp(self._to_fine @ table.reshape(self.shape[0], -1))

    def derivative(self, table: np.ndarray) -> np.ndarray:
        """Derivative of the normalised ln w with respect to the coefficients, (nodes, K), where ln w is `table`.

        It is the functions less their mean under f, because f stays normalised.
        """
        new = self._new_on_fine(table)
        share = self._to_fine.T @ (new / new.sum(axis=0))
        functions = self.matrix.reshape(self.shape[0], -1, self.matrix.shape[1])
        return (functions - np.einsum("tr,trk->rk", share, functions)).reshape(self.matrix.shape)

    def z_and_mt2(self) -> tuple[np.ndarray, np.ndarray]:
        """The variables z and mT² [GeV²] of f at each node, both of shape (nodes,)."""
        logit_z, log_mt2 = np.meshgrid(*(axis.nodes for axis in self.axes), indexing="ij")[:2]
        return 1.0 / (1.0 + np.exp(-logit_z.ravel())), np.exp(log_mt2.ravel())

    def project(self, table: np.ndarray) -> np.ndarray:
        """Coefficients, (K,) or (K, n), that come closest to a `table` of ln w, (nodes,) or (nodes, n), at breaks.

        Where kinds have norms of their own, these do not count.
        """
        return self._projector @ (self._less_mean(table) if KIND in self.conditions else table)

    @cached_property
    def _projector(self):
        """What `project` multiplies a table by, (K, nodes)."""
        weighted = self.matrix.T * self.reference
        ridge = 1e-9 * np.trace(weighted @ self.matrix) / len(weighted)
        return np.linalg.solve(weighted @ self.matrix + ridge * np.eye(len(weighted)), weighted)

    def settings(self) -> tuple[list, np.ndarray]:
        """Arguments of `prior` that are possible, and what they are worth before any data, shape (settings,)."""
        return departures(2)

    def prior(
        self, amplitude: float = 0.5, stretch: ArrayLike = (1.0, 1.0), lund_scale: ArrayLike = LUND_SCALE
    ) -> np.ndarray:
        r"""Covariance (K + F, K + F) of the coefficients before any data: Lund functions and a smooth departure.

        ln w is :math:`\Delta a \ln(1-z) - \Delta b\, m_T^2/z`, plus what a mixture of such functions adds, plus a
        Gaussian process in logit z and :math:`\ln m_T^2`. The order of the last pair, if it is a factor, changes with
        Δb as in the model, but for a departure of its own.

        Parameters
        ----------
        amplitude : float
            Standard deviation of the departure in ln w, at every break.
        stretch : tuple of float
            Factors on the lengths over which it changes in logit z and in :math:`\ln m_T^2`.
        lund_scale : tuple of float
            Standard deviations of Δa, of Δb [GeV⁻²], and of the variances of a and of b [GeV⁻⁴] over a mixture.
        """
        covariance: Any = np.ones((1, 1))
        factors = [*np.asarray(stretch, float).tolist(), *[1.0] * len(self.conditions)]
        for axis, factor in zip(self.axes, factors, strict=True):
            distance = (axis.nodes[:, None] - axis.nodes) / (axis.length * factor)
            back = np.linalg.pinv(axis.functions)
            covariance = np.kron(covariance, back @ np.exp(-0.5 * distance**2) @ back.T)
        scale = np.asarray(lund_scale)
        lund_part = self._lund * scale
        k, n, u = self.matrix.shape[1], self.size, self._universal
        prior = np.zeros((n, n))
        prior[:u, :u] = amplitude**2 * (covariance + 1e-4 * np.eye(u))
        prior[range(u, k), range(u, k)] = FACTORS["order"].prior ** 2  # a b of its own of heavy quarks, but for so much
        prior[:k, :k] += lund_part @ lund_part.T
        for i, name in enumerate(self.factors, k):
            prior[i, i] = FACTORS[name].prior ** 2
            if name == "order":
                prior[i, i] += scale[1] ** 2
                prior[i, :k] = prior[:k, i] = lund_part[:, 1] * scale[1]
        return prior


def _place(axes, features):
    return np.stack([axis.place(values) for axis, values in zip(axes, features, strict=True)])
