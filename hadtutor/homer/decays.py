"""Laws of the decays of clusters: weights of |cosθ|, normalised for each kind of cluster, as those of breaks are."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.interpolate import BSpline

from ..cluster.angles import Angles
from ..cluster.densities import CLASSES
from ..params import ClusterParams
from .basis import Axis
from .checks import several
from .parts import PartBasis
from .priors import DEPARTURES, NO_DEPARTURE, SIMPLE, STRETCHES, smooth

ANGLES, KNOTS, LENGTH = 401, 3, 0.5  # nodes in |cosθ|, knots between its ends, and over which the weight changes
MASS_LENGTH = 1.0  # the same in the logarithm of the mass
SMEARING = FACTOR = 0.5  # standard deviations of ln cl_smr, and of the logarithms of other parameters, before any data
WITHOUT, WITH = 0, 1


def checked_masses(conditions: str | Iterable[str]) -> bool:
    """Whether weights depend on the mass of the cluster: the only condition there is."""
    conditions = several(conditions, "conditions")
    if set(conditions) - {"mass"}:
        raise ValueError(f'decays of clusters depend on "mass" and nothing else, got {", ".join(map(str, conditions))}')
    return "mass" in conditions


def smeared(cosine: np.ndarray, smearing: float) -> np.ndarray:
    """Density of the size of cosθ in the model, where cosθ = 1 + `smearing` ln R, at `cosine`.

    Which of two pions leads leaves no trace, so both signs count. It is one where there is no smearing: such angles are
    not drawn.
    """
    if smearing == 0.0:
        return np.ones_like(cosine)
    both = np.exp(-(1.0 - cosine) / smearing) + np.exp(-(1.0 + cosine) / smearing)
    return both / (smearing * -np.expm1(-2.0 / smearing))


class DecayBasis:
    r"""The functions that logarithms of weights of decays are made of: splines in :math:`|\cos\theta|`.

    There is a set of them for clusters without and one for clusters with a perturbative constituent, and for each, if
    they depend on the mass, its products with splines in ln M. Weights are relative to the law of the model and
    normalised for each flavour of the perturbative constituent and each mass.

    Parameters
    ----------
    params : ClusterParams
        Of the model; each smearing that is used must be above zero.
    mass : ndarray, optional
        Masses of clusters [GeV], if weights depend on it: nodes and knots follow them.
    factors : tuple of str
        Other parameters that data may have otherwise: the last coefficients are the logarithms of F factors on them.
    parts : bool
        Whether masses of what heavy clusters break into have weights too: coefficients of a `PartBasis` come second.

    Attributes
    ----------
    matrix : ndarray, shape (2 * nodes, K)
        Values of the functions at the nodes, first of those without.
    """

    def __init__(
        self, params: ClusterParams, mass: np.ndarray | None = None, factors: tuple[str, ...] = (), parts: bool = False
    ) -> None:  # fmt: skip
        self.params, self.factors, self.parts = params, factors, PartBasis(params) if parts else None
        self._known: dict[tuple[int, float], np.ndarray] = {}
        cosine = np.linspace(0.0, 1.0, ANGLES)
        knots = np.concatenate([[0.0] * 3, np.linspace(0.0, 1.0, KNOTS + 2), [1.0] * 3])
        self.axes = [Axis("cos", cosine, BSpline.design_matrix(cosine**2, knots, 3).toarray(), LENGTH)]
        if mass is not None:
            self.axes.append(Axis.of("ln M", np.log(mass), 12, 1, MASS_LENGTH))
        self.n_masses = len(self.axes[1].nodes) if mass is not None else 1
        each = self.axes[0].functions if mass is None else np.kron(self.axes[0].functions, self.axes[1].functions)
        self.matrix = np.kron(np.eye(2), each)
        self.smearing = np.array([0.0, *(getattr(params, f"cl_smr{name}") for name in CLASSES)])
        shares = np.stack([smeared(cosine, s) for s in self.smearing])  # by class: without, light, charm, bottom
        shares[:, [0, -1]] *= 0.5  # of the trapezoidal rule
        self.shares = shares / shares.sum(axis=1, keepdims=True)
        # What another smearing does to ln w, as the model has it.
        more = np.log(smeared(cosine, 1.01 * params.cl_smr)) - np.log(smeared(cosine, params.cl_smr / 1.01))
        of_nodes = np.repeat(more / (2.0 * np.log(1.01)), self.n_masses)
        self._model = np.linalg.lstsq(self.matrix, np.append(np.zeros(len(each)), of_nodes))[0]

    @property
    def size(self) -> int:
        """Number of all coefficients, K + F, those of parts among the K."""
        return self.of_factors.start + len(self.factors)

    @property
    def n_functions(self) -> int:
        """Number of functions of directions."""
        return self.matrix.shape[1]

    @property
    def of_parts(self) -> slice:
        """Which coefficients are those of masses of parts."""
        return slice(self.n_functions, self.n_functions + (0 if self.parts is None else self.parts.size))

    @property
    def of_factors(self) -> slice:
        """Which coefficients are logarithms of factors."""
        return slice(self.of_parts.stop, None)

    def params_at(self, theta: np.ndarray) -> ClusterParams:
        """The parameters of the model with the factors of coefficients `theta`, (K + F,)."""
        change = np.exp(theta[self.of_factors]).tolist()
        return self.params.replace(
            **{n: getattr(self.params, n) * x for n, x in zip(self.factors, change, strict=True)}
        )

    def table_of(self, theta: np.ndarray) -> np.ndarray:
        """Normalised ln w at the nodes of all classes, (4 * nodes,), for coefficients `theta`, (K + F,)."""
        g = self._by_class(self.matrix @ theta[: self.n_functions])
        return (g - np.log(np.sum(self.shares[:, :, None] * np.exp(g), axis=1, keepdims=True))).ravel()

    def derivative(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of `table_of` with respect to those of the functions, (4 * nodes, K): these less their means."""
        functions = self._by_class(self.matrix)
        new = self.shares[:, :, None] * np.exp(self._by_class(self.matrix @ theta[: self.n_functions]))
        new /= new.sum(axis=1, keepdims=True)
        mean = np.einsum("kcm,kcmf->kmf", new, functions)[:, None]
        return (functions - mean).reshape(-1, self.n_functions)

    def _by_class(self, columns):
        """Of both kinds to all four classes, shape (4, angles, masses, ...)."""
        both = columns.reshape(2, ANGLES, self.n_masses, *columns.shape[1:])
        return both[[WITHOUT, WITH, WITH, WITH]]

    def reference(self, cosine: np.ndarray) -> np.ndarray:
        """Density of the size of cosθ in the model, `cosine`, about a light perturbative quark."""
        return smeared(cosine, self.params.cl_smr)

    def draw(self, theta: np.ndarray, kind: np.ndarray, mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One cosθ, from -1 to 1, for each cluster of a `kind` and `mass` [GeV], by the laws of coefficients `theta`.

        The odd part, which events do not know, is that of the model.
        """
        cosine = self.axes[0].nodes
        table = self.table_of(theta).reshape(4, ANGLES, self.n_masses).transpose(0, 2, 1)
        if self.n_masses == 1:
            log_w = table[kind, 0]
        else:
            place = self.axes[1].place(np.log(mass))
            k = place.astype(np.int64)
            part = (place - k)[:, None]
            log_w = (1.0 - part) * table[kind, k] + part * table[kind, k + 1]
        signed = np.concatenate([-cosine[:0:-1], cosine])
        width = np.where(self.smearing > 0.0, self.smearing, np.inf)[kind, None]
        density = np.exp(np.concatenate([log_w[:, :0:-1], log_w], axis=1) + (signed - 1.0) / width)
        parts = density[:, 1:] + density[:, :-1]
        cumulative = np.cumsum(parts, axis=1)
        wanted = rng.uniform(size=len(kind)) * cumulative[:, -1]
        bin_of = np.sum(cumulative < wanted[:, None], axis=1)
        rows = np.arange(len(kind))
        left = (cumulative[rows, bin_of] - wanted) / parts[rows, bin_of]  # of the bin
        drawn = np.clip(signed[bin_of + 1] - left * (signed[1] - signed[0]), -1.0, 1.0)
        return np.where((kind > 0) & (self.smearing[kind] == 0.0), 1.0, drawn)

    def places(self, kind: np.ndarray, cosine: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes about each decay and their shares, both of shape (2 or 4, decays)."""
        values = [abs(cosine), np.log(mass)][: len(self.axes)]
        nodes, shares = kind[None].astype(np.int64), np.ones((1, len(kind)))
        for axis, x in zip(self.axes, values, strict=True):
            place = axis.place(x)
            k = place.astype(np.int64)
            nodes = np.concatenate([nodes * len(axis.nodes) + k, nodes * len(axis.nodes) + k + 1])
            shares = np.concatenate([shares * (1.0 - (place - k)), shares * (place - k)])
        return nodes, shares

    def events(self, angles: Angles, n_events: int) -> sparse.csr_array:
        """Decays of each of N events at each node, (N, 4 * nodes): times a table, it is a sum over the decays."""
        nodes, shares = self.places(angles.kind, angles.cosine, angles.mass)
        event = np.broadcast_to(angles.event, nodes.shape)
        size = n_events, 4 * ANGLES * self.n_masses
        return sparse.csr_array((shares.ravel(), (event.ravel(), nodes.ravel())), size)

    def most_likely(self, histogram: np.ndarray) -> np.ndarray:
        """Coefficients, (K + F,), for which decays are as in the `histogram` over nodes, (4 * nodes,): Newton's steps.

        Parts and factors stay as they are.
        """
        precision = np.linalg.inv(self.prior()[: self.n_functions, : self.n_functions])
        functions, theta = self._by_class(self.matrix), np.zeros(self.n_functions)
        counts = histogram.reshape(4, ANGLES, -1).sum(axis=1)
        for _ in range(20):
            new = self.shares[:, :, None] * np.exp(self._by_class(self.matrix @ theta))
            new *= (counts / new.sum(axis=1))[:, None]
            mean = np.einsum("kcm,kcmf->kmf", new, functions) / np.maximum(counts, 1e-300)[..., None]
            curvature = np.einsum("kcm,kcmf,kcmg->fg", new, functions, functions, optimize=True)
            curvature -= np.einsum("km,kmf,kmg->fg", counts, mean, mean)
            slope = (histogram - new.ravel()) @ functions.reshape(-1, self.n_functions) - precision @ theta
            step = np.linalg.solve(curvature + precision, slope)
            theta = theta + step
            if slope @ step < 1e-6:
                break
        return np.append(theta, np.zeros(self.size - len(theta)))

    def settings(self) -> tuple[list, np.ndarray]:
        """Arguments of `prior` that are possible, and what they are worth before any data, shape (settings,)."""
        sizes, lengths = (NO_DEPARTURE, *DEPARTURES), list(itertools.product(STRETCHES, repeat=len(self.axes)))
        of_sizes = np.array([SIMPLE, *[(1.0 - SIMPLE) / len(DEPARTURES)] * len(DEPARTURES)])
        before = np.repeat(np.outer(of_sizes, of_sizes).ravel(), len(lengths)) / len(lengths)
        settings = list(itertools.product(sizes, sizes, lengths))
        if self.parts is None:
            return settings, before
        of_masses = list(itertools.product(sizes, STRETCHES))
        of_them = np.repeat(of_sizes, len(STRETCHES)) / len(STRETCHES)
        return [(*s, one) for s, one in itertools.product(settings, of_masses)], np.outer(before, of_them).ravel()

    def prior(
        self, without: float = 0.5, with_one: float = 0.5, stretch: ArrayLike = (1.0, 1.0),
        of_parts: tuple[float, float] = (0.5, 1.0),
    ) -> np.ndarray:  # fmt: skip
        """Covariance (K + F, K + F) of the coefficients before any data: another smearing, and a smooth departure.

        Parameters
        ----------
        without, with_one : float
            Standard deviation of the departure in ln w, for clusters without and with a perturbative constituent.
        stretch : tuple of float
            Factors on the lengths over which it changes in the square of the cosine and in ln M.
        of_parts : tuple of float
            Standard deviation of the departure in ln w of masses of parts, and a factor on the length of it.
        """
        covariance: Any = np.ones((1, 1))
        for number, factor in zip(range(len(self.axes)), np.asarray(stretch, float).tolist(), strict=False):
            covariance = np.kron(covariance, self._smooth(number, factor))
        sizes = np.diag([without**2, with_one**2])
        prior = np.zeros((self.size, self.size))
        of_laws = slice(0, self.n_functions)
        prior[of_laws, of_laws] = np.kron(sizes, covariance + 1e-4 * np.eye(len(covariance)))
        prior[of_laws, of_laws] += SMEARING**2 * np.outer(self._model, self._model)
        if self.parts is not None:
            prior[self.of_parts, self.of_parts] = self.parts.prior(*of_parts)
        prior[self.of_factors, self.of_factors] = FACTOR**2 * np.eye(len(self.factors))
        return prior

    def _smooth(self, number, factor):
        """Covariance of the coefficients of one axis for a departure of unit size; asked for with many sizes."""
        if (number, factor) not in self._known:
            axis = self.axes[number]
            # Of angles the mean is fixed by the norm: the size is that of what is left.
            x, centred = (axis.nodes**2, True) if number == 0 else (axis.nodes, False)
            self._known[number, factor] = smooth(x, axis.functions, axis.length * factor, centred)
        return self._known[number, factor]
