"""The law of the masses of what heavy clusters break into: weights, normalised for each cluster that broke."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline

from ..cluster.densities import STEP
from ..cluster.rows import flavours_of
from ..cluster.splits import Splits, splits_of
from ..events.sample import Sample
from ..params import ClusterParams
from .basis import Axis
from .priors import smooth

NODES, KNOTS, LENGTH = 401, 6, 0.4  # nodes in u, knots between its ends, and over which the weight changes
POINTS = 64  # of the quadrature


class PartBasis:
    r"""The functions that the logarithm of the weight of a mass is made of: splines in u, from 0 to 1.

    In the model :math:`u = (x^P - m^P)/(H^P - m^P)` of each of two parts is uniform, but pairs that do not fit are
    drawn again, flavour too. With weights the sum over flavours and masses of all that fit,

    .. math:: Z = \sum_f p_f \int du_1\, w(u_1) \int du_2\, w(u_2)\, [x_1 + x_2 \le H_f + m_f],

    depends on the law. The weight of a cluster is :math:`w(u_1)\, w(u_2)/Z`, relative to the same without weights.

    Parameters
    ----------
    params : ClusterParams
        Of the model.

    Attributes
    ----------
    functions : ndarray, shape (nodes, K)
        At equal distances in u, each less its mean.
    """

    def __init__(self, params: ClusterParams) -> None:
        flavours = flavours_of(params)
        self.power, self.pwt_s = flavours.p_split[3:], params.pwt_s
        self.nodes = np.linspace(0.0, 1.0, NODES)
        knots = np.concatenate([[0.0] * 3, np.linspace(0.0, 1.0, KNOTS + 2), [1.0] * 3])
        functions = BSpline.design_matrix(self.nodes, knots, 3).toarray()
        self.shares = np.full(NODES, 1.0 / (NODES - 1))  # of the trapezoidal rule
        self.shares[[0, -1]] *= 0.5
        self.functions = functions - self.shares @ functions
        self.axis = Axis("u", self.nodes, self.functions, LENGTH)
        self._known: dict[float, np.ndarray] = {}  # of `prior`, which is asked with many sizes

    @property
    def size(self) -> int:
        """Number of coefficients, K."""
        return self.functions.shape[1]

    def table(self, theta: np.ndarray) -> np.ndarray:
        """ln w at the nodes, (nodes,), for coefficients `theta`, (K,): its mean over a uniform u is one."""
        g = self.functions @ theta
        return g - np.log(self.shares @ np.exp(g))

    def derivative(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of `table`, (nodes, K)."""
        new = self.shares * np.exp(self.functions @ theta)
        return self.functions - new @ self.functions / new.sum()

    def prior(self, size: float, stretch: float = 1.0) -> np.ndarray:
        """Covariance of the coefficients, (K, K), for a departure of standard deviation `size` in ln w.

        It is smooth over the usual length times `stretch`.
        """
        if stretch not in self._known:
            found = smooth(self.axis.nodes, self.functions, self.axis.length * stretch, centred=True)
            self._known[stretch] = found + 1e-4 * np.eye(self.size)
        return size**2 * self._known[stretch]


class PartRows:
    """The clusters of a sample of N events that broke, ready to be weighted with the functions of a `PartBasis`."""

    def __init__(self, basis: PartBasis, sample: Sample) -> None:
        self.basis, self.n_events = basis, len(sample)
        histories: Any = sample.histories
        self.splits: Splits = splits_of(histories, flavours_of(sample.params))  # type: ignore[arg-type]
        place = basis.axis.place(self.splits.uniform(basis.power))
        k = place.astype(np.int64)
        event = np.broadcast_to(self.splits.event, k.shape)
        shares, nodes = np.stack([1.0 - (place - k), place - k]), np.stack([k, k + 1])
        where = np.stack([event, event]).ravel(), nodes.ravel()
        self._parts = sparse.csr_array((shares.ravel().astype(float), where), (self.n_events, NODES))
        self._without = self._norm(np.zeros(basis.size))[0]

    def log_w(self, theta: np.ndarray) -> np.ndarray:
        """Log weights of the events, (N,), for coefficients `theta`, (K,)."""
        of_splits = self._norm(theta)[0] - self._without
        return self._parts @ (self.basis.functions @ theta) - self._summed(of_splits)

    def rows(self, theta: np.ndarray) -> np.ndarray:
        """Their derivatives, (N, K)."""
        slopes = self._norm(theta)[1]
        return self._parts @ self.basis.functions - np.stack([self._summed(slope) for slope in slopes.T], axis=1)

    def _summed(self, of_splits):
        return np.bincount(self.splits.event, of_splits, self.n_events)

    def _norm(self, theta):
        """ln Z of each split, (rows,), and its derivatives, (rows, K): from tables in ln(H/m), by classes."""
        s, basis = self.splits, self.basis
        columns = np.concatenate([np.ones((NODES, 1)), basis.functions], axis=1)
        at_nodes = np.exp(basis.functions @ theta)[:, None] * columns
        between = 0.5 * (at_nodes[1:] + at_nodes[:-1]) / (NODES - 1)
        cumulative = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(between, axis=0)])
        total = np.zeros((len(s.event), columns.shape[1]))
        for one, two in {*zip(*s.of_class.tolist(), strict=True)}:
            some = (s.of_class[0] == one) & (s.of_class[1] == two)
            t = s.t_all[:, some]
            grid = (np.arange(int(max(t.max(), 0.0) / STEP) + 2) + 1e-3) * STEP
            table = self._fits(grid, basis.power[one], basis.power[two], at_nodes, cumulative)
            for ways, of_flavour in zip((2.0, basis.pwt_s), t, strict=True):
                found = np.stack([np.interp(of_flavour, grid, column) for column in table.T], axis=1)
                total[some] += ways * np.where(of_flavour[:, None] > 0.0, found, 0.0)
        return np.log(total[:, 0]), total[:, 1:] / total[:, :1]

    @staticmethod
    def _fits(t, power_1, power_2, at_nodes, cumulative):
        """Integral of w w over all that fits, and of its derivatives, (t, 1 + K)."""
        u, weights = np.polynomial.legendre.leggauss(POINTS)
        u, weights, t = 0.5 * (u + 1.0), 0.5 * weights, t[:, None]
        log_x = np.log1p(u * np.expm1(power_1 * t)) / power_1
        left = np.log(np.exp(t) + 1.0 - np.exp(log_x))
        most = np.expm1(power_2 * left) / np.expm1(power_2 * t)  # of the second u
        place = most * (NODES - 1)
        k = np.minimum(place.astype(np.int64), NODES - 2)
        part = (place - k)[..., None]
        below = (1.0 - part) * cumulative[k] + part * cumulative[k + 1]
        first = np.stack([np.interp(u, np.linspace(0.0, 1.0, NODES), column) for column in at_nodes.T], axis=1)
        found = np.einsum("p,p,tpk->tk", weights, first[:, 0], below)
        found[:, 1:] += np.einsum("p,pk,tp->tk", weights, first[:, 1:], below[..., 0])
        return found
