r"""Step two of HOMER: from weights of events to weights of breaks, a fragmentation function f(z|m_T) with errors.

The weight of a break is :math:`w(s) = f(z|m_T^2) / f_\mathrm{ref}(z|m_T^2)`, with f *normalised* at every transverse
mass. Its logarithm is a sum of cubic splines in logit z and :math:`\ln m_T^2`, so that f comes out smooth, positive and
with the right limits. It is tabulated on a grid of nodes; a break lies between nodes, and takes shares of them.

Given a weight W for every event, the most likely f is the one whose z follow the weighted histogram of the z of all
breaks: the sum over breaks of :math:`W \ln f` is largest there. The breaks of *rejected* chains belong to it: a chain
is rejected because of its breaks, and f describes what is drawn, not what is kept. That is the acceptance of the model,
:math:`w(H) = \prod_{s \in S} w(s) \cdot \alpha_\mathrm{ref} / \alpha`, in another guise
:cite:p:`bierlich2025describing`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.interpolate import BSpline
from scipy.linalg import cho_factor, cho_solve

from . import lund
from .params import LundParams

__all__ = ["BreakBasis", "BreakWeights", "Chains", "break_features", "maximise", "most_likely"]

CONDITIONS = ("end", "string_pt")
FINE_NODES = 1000  # in logit z, for the normalisation


@njit(nogil=True)
def _fill_waiting_pt(offsets, px, py, from_positive, waiting):
    x, y = np.empty(2), np.empty(2)
    for c in range(len(offsets) - 1):
        x[:] = y[:] = 0.0
        for j in range(offsets[c], offsets[c + 1]):
            side = 0 if from_positive[j] else 1
            waiting[j] = np.hypot(x[side], y[side])
            x[side], y[side] = px[j], py[j]


def break_features(histories, conditions=()):
    r"""What a break weight depends on: logit z, :math:`\ln m_T^2` and the conditions.

    Parameters
    ----------
    histories : Histories
    conditions : sequence of {"end", "string_pt"}
        ``"end"``: 1 if the hadron left the end that moves along +z, else 0. ``"string_pt"``: transverse momentum that
        waited at the string end before the break [GeV].

    Returns
    -------
    ndarray of float32, shape (2 + conditions, breaks)
    """
    z = histories.z.astype(float)
    columns = [np.log(z) - np.log1p(-z), np.log(histories.mt2)]
    for name in conditions:
        if name == "end":
            columns.append(histories.from_positive)
        else:
            waiting = np.empty(len(z))
            _fill_waiting_pt(histories.chain_offsets, histories.px, histories.py, histories.from_positive, waiting)
            columns.append(waiting)
    return np.stack(columns).astype(np.float32)


# --- Between the nodes -----------------------------------------------------------------------------


@njit(nogil=True, inline="always")
def _corner(place, shape, j, corner):
    """Node number and share of one of the 2^D nodes around a break."""
    node, share = 0, 1.0
    for d in range(len(shape)):
        k = int(place[d, j])
        fraction = place[d, j] - k
        bit = (corner >> d) & 1
        share *= fraction if bit else 1.0 - fraction
        node = node * shape[d] + k + bit
    return node, share


@njit(nogil=True)
def _spread(place, shape, weight, nodes):
    for j in range(place.shape[1]):
        for corner in range(1 << len(shape)):
            node, share = _corner(place, shape, j, corner)
            nodes[node] += share * weight[j]


@njit(nogil=True)
def _sum_over_chains(place, shape, offsets, table, total):
    for c in range(len(offsets) - 1):
        for j in range(offsets[c], offsets[c + 1]):
            for corner in range(1 << len(shape)):
                node, share = _corner(place, shape, j, corner)
                total[c] += share * table[node]


@njit(nogil=True)
def _rows_of_chains(place, shape, offsets, chains, table, rows):
    for i in range(len(chains)):
        for j in range(offsets[chains[i]], offsets[chains[i] + 1]):
            for corner in range(1 << len(shape)):
                node, share = _corner(place, shape, j, corner)
                for k in range(table.shape[1]):
                    rows[i, k] += share * table[node, k]


class Axis(NamedTuple):
    """One of the numbers that a break weight depends on: nodes at equal distances, and functions on them."""

    name: str
    nodes: np.ndarray  # (n,)
    functions: np.ndarray  # (n, k)
    length: float  # over which the weight changes, for `BreakBasis.prior`

    @classmethod
    def of(cls, name, values, n_nodes, n_knots, length):
        """Cubic splines with knots at quantiles; nodes from almost the smallest value to almost the largest."""
        low, high = np.quantile(values, [1e-5, 1 - 1e-5])
        nodes = np.linspace(low, high, n_nodes)
        knots = np.quantile(values, np.linspace(0, 1, n_knots + 2)[1:-1])
        # Values that pile up, such as a transverse momentum of zero, would make one knot of several.
        knots = np.unique(knots[(knots > low) & (knots < high)])
        knots = np.concatenate([[low] * 4, knots, [high] * 4])
        return cls(name, nodes, BSpline.design_matrix(nodes, knots, 3).toarray(), length)

    def place(self, values):
        """Position in units of the distance of nodes, at the border for values outside."""
        n = len(self.nodes)
        place = (np.asarray(values, float) - self.nodes[0]) / (self.nodes[1] - self.nodes[0])
        return np.clip(place, 0.0, n - 1.0 - 1e-4).astype(np.float32)

    def covariance(self, length):
        """Of the coefficients, for a function whose values are correlated over `length`."""
        back = np.linalg.pinv(self.functions)
        return back @ np.exp(-0.5 * ((self.nodes[:, None] - self.nodes) / length) ** 2) @ back.T


class BreakBasis:
    r"""The functions that logarithms of break weights are made of: products of splines in logit z, ln mT², conditions.

    Parameters
    ----------
    histories : Histories
        Nodes and knots follow its breaks.
    params : LundParams
        Of the simulation; gives :math:`f_\mathrm{ref}`.
    conditions : sequence of {"end", "string_pt"}
        What else the weight may depend on, see `break_features`.

    Attributes
    ----------
    axes : tuple of Axis
    matrix : ndarray, shape (nodes, K)
        Value of each of the K functions at each node; the nodes of logit z come first.
    reference : ndarray, shape (nodes,)
        Breaks of the simulation at each node, those of rejected chains too.

    Raises
    ------
    TypeError
        If `params` is no LundParams: without the reference there are no weights.
    ValueError
        If a condition is not known.
    """

    def __init__(self, histories, params, conditions=()):
        conditions = (conditions,) if isinstance(conditions, str) else tuple(conditions)
        unknown = [name for name in conditions if name not in CONDITIONS]
        if unknown or len(set(conditions)) < len(conditions):
            raise ValueError(f"conditions are some of {', '.join(CONDITIONS)}, each once, got {conditions}")
        if not isinstance(params, LundParams):
            raise TypeError(f"the simulation must be made with LundParams, got {type(params).__name__}")
        self.conditions, self.params = conditions, params.validate()
        logit_z, log_mt2, *more = break_features(histories, conditions)
        axes = [Axis.of("logit z", logit_z, 64, 8, 6.0), Axis.of("ln mT2", log_mt2, 24, 3, 6.0)]
        for name, values in zip(conditions, more, strict=True):
            if name == "end":
                axes.append(Axis(name, np.array([0.0, 1.0]), np.eye(2), 2.0))
            else:
                axes.append(Axis.of(name, values, 8, 0, 1.0))
        features = (logit_z, log_mt2, *more)
        place = np.stack([axis.place(values) for axis, values in zip(axes, features, strict=True)])
        shape = tuple(len(axis.nodes) for axis in axes)
        reference = np.zeros(int(np.prod(shape)))
        _spread(place, shape, np.ones(place.shape[1]), reference)
        self._set_axes(axes, reference)

    def _set_axes(self, axes, reference):
        self.reference = reference
        self.axes = tuple(axes)
        self.shape = tuple(len(axis.nodes) for axis in axes)
        self.matrix = axes[0].functions
        for axis in axes[1:]:
            self.matrix = np.kron(self.matrix, axis.functions)
        # The reference on a fine grid in logit z, for every node in mT², as shares of one; and how to get there.
        fine = np.linspace(axes[0].nodes[0] - 3.0, axes[0].nodes[-1] + 3.0, FINE_NODES)
        z = 1.0 / (1.0 + np.exp(-fine))
        density = np.exp(lund.log_density(z[:, None], np.exp(axes[1].nodes), self.params)) * (z * (1.0 - z))[:, None]
        self._reference = density / density.sum(axis=0)
        place = axes[0].place(fine)
        k, fraction = place.astype(int), place - place.astype(int)
        self._to_fine = np.zeros((FINE_NODES, self.shape[0]))
        rows = np.arange(FINE_NODES)
        self._to_fine[rows, k] = 1.0 - fraction
        self._to_fine[rows, k + 1] = fraction
        self._lund = np.stack([self.project(values) for values in self._lund_directions()], axis=1)

    def normalise(self, table):
        """Add to a table of ln w, at each mT² and condition, what makes f integrate to one.

        Parameters
        ----------
        table : ndarray, shape (nodes,)

        Returns
        -------
        ndarray, shape (nodes,)
        """
        return (table.reshape(self.shape[0], -1) - np.log(self._new_on_fine(table).sum(axis=0))).ravel()

    def _new_on_fine(self, table):
        """The new f on the fine grid, not normalised, for every mT² and condition."""
        reference = np.repeat(self._reference, int(np.prod(self.shape[2:])), axis=1)
        return reference * np.exp(self._to_fine @ table.reshape(self.shape[0], -1))

    def derivative(self, table):
        """Derivative of the normalised ln w with respect to the coefficients, at the nodes.

        Parameters
        ----------
        table : ndarray, shape (nodes,)
            ln w where it is taken.

        Returns
        -------
        ndarray, shape (nodes, K)
            The functions less their mean under f, because f stays normalised.
        """
        new = self._new_on_fine(table)
        share = self._to_fine.T @ (new / new.sum(axis=0))
        functions = self.matrix.reshape(self.shape[0], -1, self.matrix.shape[1])
        return (functions - np.einsum("tr,trk->rk", share, functions)).reshape(self.matrix.shape)

    def z_and_mt2(self):
        """The variables of f at each node.

        Returns
        -------
        z, mt2 : ndarray, shape (nodes,)
        """
        logit_z, log_mt2 = np.meshgrid(*(axis.nodes for axis in self.axes), indexing="ij")[:2]
        return 1.0 / (1.0 + np.exp(-logit_z.ravel())), np.exp(log_mt2.ravel())

    def project(self, table):
        """Coefficients that come closest to a table of ln w, where there are breaks.

        Parameters
        ----------
        table : ndarray, shape (nodes,) or (nodes, n)

        Returns
        -------
        ndarray, shape (K,) or (K, n)
        """
        weighted = self.matrix.T * self.reference
        ridge = 1e-9 * np.trace(weighted @ self.matrix) / len(weighted)
        return np.linalg.solve(weighted @ self.matrix + ridge * np.eye(len(weighted)), weighted @ table)

    def _lund_directions(self):
        """Derivatives of ln f with respect to a and b at the nodes, bounded where no break ever is."""
        z, mt2 = self.z_and_mt2()
        for values in (np.log1p(-z), -np.minimum(mt2 / z, 15.0 / self.params.b)):
            at_mt2 = values.reshape(self.shape[0], -1)
            counts = self.reference.reshape(self.shape[0], -1)
            yield (at_mt2 - (counts * at_mt2).sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)).ravel()

    def prior(self, amplitude=0.5, stretch=(1.0, 1.0), lund_scale=(1.0, 1.0)):
        r"""Covariance of the coefficients before any data: another Lund function, and a smooth departure from it.

        ln w is :math:`\Delta a \ln(1-z) - \Delta b\, m_T^2/z` plus a Gaussian process in logit z and
        :math:`\ln m_T^2`.

        Parameters
        ----------
        amplitude : float
            Standard deviation of the departure in ln w, at every break.
        stretch : tuple of float
            Factors on the lengths over which it changes in logit z and in :math:`\ln m_T^2`.
        lund_scale : tuple of float
            Standard deviations of Δa and of Δb [GeV⁻²].

        Returns
        -------
        ndarray, shape (K, K)
        """
        covariance = np.ones((1, 1))
        for axis, factor in zip(self.axes, (*stretch, *[1.0] * len(self.conditions)), strict=True):
            covariance = np.kron(covariance, axis.covariance(axis.length * factor))
        lund_part = self._lund * np.asarray(lund_scale)
        return amplitude**2 * (covariance + 1e-4 * np.eye(len(covariance))) + lund_part @ lund_part.T


# --- Chains ----------------------------------------------------------------------------------------


class Chains:
    """The chains of a simulation with their breaks placed between the nodes of a basis.

    Parameters
    ----------
    histories : Histories
        N events with their C chains.
    basis : BreakBasis
    """

    def __init__(self, histories, basis):
        self.basis = basis
        features = break_features(histories, basis.conditions)
        self.place = np.stack([axis.place(values) for axis, values in zip(basis.axes, features, strict=True)])
        self.offsets, self.accepted = histories.chain_offsets, histories.accepted
        self.accepted_chains = np.flatnonzero(self.accepted)

    def histogram(self, weight):
        """Breaks per node, those of each chain with its weight.

        Parameters
        ----------
        weight : ndarray, shape (C,)

        Returns
        -------
        ndarray, shape (nodes,)
        """
        nodes = np.zeros(int(np.prod(self.basis.shape)))
        _spread(self.place, self.basis.shape, np.repeat(weight, np.diff(self.offsets)), nodes)
        return nodes

    def log_weights(self, table):
        """Logarithm of the weight of each chain: the sum over its breaks.

        Parameters
        ----------
        table : ndarray, shape (nodes,)
            Normalised ln w, see `BreakBasis.normalise`.

        Returns
        -------
        ndarray, shape (C,)
        """
        total = np.zeros(len(self.accepted))
        _sum_over_chains(self.place, self.basis.shape, self.offsets, table, total)
        return total

    def log_acceptance_ratio(self, log_w):
        r"""ln(α/α_ref), from the log weights of all chains.

        Parameters
        ----------
        log_w : ndarray, shape (C,)

        Returns
        -------
        float
            :math:`\sum_{acc} w / \sum_{all} w` over its value without weights.
        """
        w = np.exp(log_w - log_w.max())
        return float(np.log(w[self.accepted].sum() / w.sum() / self.accepted.mean()))

    def event_log_weights(self, table, acceptance=True):
        """Step three: logarithm of the weight of each event.

        Parameters
        ----------
        table : ndarray, shape (nodes,)
        acceptance : bool
            Whether to divide by α/α_ref; without, the mean weight is not one.

        Returns
        -------
        log_w : ndarray, shape (N,)
        log_acceptance_ratio : float
            0 if `acceptance` is false.
        """
        chains = self.log_weights(table)
        ratio = self.log_acceptance_ratio(chains) if acceptance else 0.0
        return chains[self.accepted] - ratio, ratio

    def rows(self, derivative, events):
        """Derivative of each accepted chain's log weight with respect to the coefficients.

        Parameters
        ----------
        derivative : ndarray, shape (nodes, K)
            See `BreakBasis.derivative`.
        events : slice
            Events to do.

        Returns
        -------
        ndarray, shape (n, K)
        """
        chains = self.accepted_chains[events]
        rows = np.zeros((len(chains), derivative.shape[1]))
        _rows_of_chains(self.place, self.basis.shape, self.offsets, chains, derivative, rows)
        return rows


def most_likely(chains, log_w_events, log_w_chains, start, precision, acceptance=True):
    r"""The coefficients for which f follows the weighted histogram of z: the maximisation step, by Newton's method.

    Parameters
    ----------
    chains : Chains
    log_w_events : ndarray, shape (N,)
        Log weights that the events should have, from step one.
    log_w_chains : ndarray, shape (C,)
        Log weights of all chains as they are; those of rejected chains count, each for as many rejected chains per
        event as the present f makes.
    start : ndarray, shape (K,)
    precision : ndarray, shape (K, K)
        Inverse of `BreakBasis.prior`.
    acceptance : bool
        Whether breaks of rejected chains belong to the histogram.

    Returns
    -------
    ndarray, shape (K,)
    """
    accepted = chains.accepted
    weight = np.zeros(len(accepted))
    wanted = np.exp(log_w_events - log_w_events.max())
    weight[accepted] = wanted / wanted.sum()
    if acceptance:
        now = np.exp(log_w_chains - log_w_chains.max())
        weight[~accepted] = now[~accepted] / now[accepted].sum()
        reference = chains.basis.reference
    else:
        reference = chains.histogram(accepted.astype(float))
    return maximise(chains.basis, len(wanted) * chains.histogram(weight), reference, start, precision)


def maximise(basis, histogram, reference, start, precision):
    r"""Maximise :math:`\sum h\,g - \sum_{m_T} n \ln\langle e^g \rangle_\mathrm{ref}` less a prior: a concave function.

    Parameters
    ----------
    basis : BreakBasis
    histogram, reference : ndarray, shape (nodes,)
        Breaks wanted, and breaks without weights: fluctuations that both share cancel.
    start : ndarray, shape (K,)
    precision : ndarray, shape (K, K)

    Returns
    -------
    ndarray, shape (K,)
    """
    n_z, matrix, theta = basis.shape[0], basis.matrix, start.copy()
    functions = matrix.reshape(n_z, -1, matrix.shape[1])
    reference = reference.reshape(n_z, -1)
    wanted = histogram.reshape(n_z, -1).sum(axis=0)
    filled = reference.sum(axis=0) > 0

    def objective(theta):
        g = (matrix @ theta).reshape(n_z, -1)
        top = g.max(axis=0)
        new = reference * np.exp(g - top)
        total = np.where(filled, new.sum(axis=0), 1.0)
        value = histogram @ g.ravel() - wanted[filled] @ (np.log(total) + top)[filled] - 0.5 * theta @ precision @ theta
        return value, new / total

    value, share = objective(theta)
    for _ in range(100):
        counts = (share * wanted).reshape(-1)
        gradient = matrix.T @ (histogram - counts) - precision @ theta
        mean = np.einsum("tr,trk->rk", share, functions)
        curvature = (matrix * counts[:, None]).T @ matrix - (mean * wanted[:, None]).T @ mean + precision
        step = cho_solve(cho_factor(curvature), gradient)
        # Newton's step may overshoot far from the maximum: half of it then, and again.
        while True:
            new_value, new_share = objective(theta + step)
            if new_value >= value - 1e-9 * abs(value):
                break
            step = 0.5 * step
        theta, value, share = theta + step, new_value, new_share
        if np.abs(step).max() < 1e-6:
            break
    return theta


# --- The result ------------------------------------------------------------------------------------


class BreakWeights:
    """Weights of breaks as a function, and the fragmentation function they stand for.

    Parameters
    ----------
    basis : BreakBasis
    theta : ndarray, shape (K,)
        Coefficients of ln w.
    covariance : ndarray, shape (K, K), optional
        Of the coefficients.
    sigma_table : ndarray, shape (nodes,), optional
        Standard deviation of ln w at the nodes, where there is no covariance; by default NaN.

    Attributes
    ----------
    table : ndarray, shape (nodes,)
        Normalised ln w at the nodes.
    """

    def __init__(self, basis, theta, covariance=None, sigma_table=None):
        self.basis, self.theta, self.covariance = basis, theta, covariance
        self.table = basis.normalise(basis.matrix @ theta)
        self._sigma = sigma_table

    @property
    def sigma_table(self):
        """Standard deviation of ln w at the nodes; NaN without a covariance."""
        if self._sigma is None:
            if self.covariance is None:
                self._sigma = np.full(len(self.table), np.nan)
            else:
                rows = self.basis.derivative(self.table)
                self._sigma = np.sqrt(
                    np.maximum(0.0, np.einsum("nk,kl,nl->n", rows, self.covariance, rows, optimize=True))
                )
        return self._sigma

    def _look_up(self, z, mt2, conditions, *tables):
        missing = set(self.basis.conditions) ^ set(conditions)
        if missing:
            raise ValueError(
                f"these weights depend on z, mt2 and ({', '.join(self.basis.conditions)}); "
                f"give just these, missing or too many: {', '.join(sorted(missing))}"
            )
        z, mt2 = np.asarray(z, dtype=float), np.asarray(mt2, dtype=float)
        if not (np.all((z > 0) & (z < 1)) and np.all((mt2 > 0) & np.isfinite(mt2))):
            raise ValueError("z must lie between 0 and 1, and mt2 be positive and finite (GeV²)")
        more = [np.asarray(conditions[name], dtype=float) for name in self.basis.conditions]
        values = np.broadcast_arrays(np.log(z) - np.log1p(-z), np.log(mt2), *more)
        axes = self.basis.axes
        place = np.stack([axis.place(v.ravel()) for axis, v in zip(axes, values, strict=True)])
        offsets = np.arange(place.shape[1] + 1)
        found = []
        for table in tables:
            total = np.zeros(place.shape[1])
            _sum_over_chains(place, self.basis.shape, offsets, table, total)
            found.append(total.reshape(values[0].shape)[()])
        return found

    def __call__(self, z, mt2, **conditions):
        r"""Logarithm of break weights and its standard deviation.

        Parameters
        ----------
        z : array_like
            Between 0 and 1.
        mt2 : array_like
            Transverse mass squared [GeV²], broadcast against `z`.
        **conditions : array_like
            One for each condition of the basis.

        Returns
        -------
        log_w, sigma : ndarray
            In the shape of `z` and `mt2` together. Outside the nodes the value at the border.

        Raises
        ------
        ValueError
            If an argument is out of range, or a condition is missing or not one of the basis.
        """
        return tuple(self._look_up(z, mt2, conditions, self.table, self.sigma_table))

    def f(self, z, mt2, **conditions):
        r"""Fragmentation function :math:`f(z|m_T^2) = w\,f_\mathrm{ref}` and its standard deviation.

        Parameters
        ----------
        z, mt2, **conditions : array_like
            As for the weights.

        Returns
        -------
        f, sigma : ndarray
            f integrates to 1 over z.
        """
        log_w, sigma = self(z, mt2, **conditions)
        f = np.exp(log_w + lund.log_density(z, mt2, self.basis.params))
        return f, f * sigma
