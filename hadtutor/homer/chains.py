"""Breaks summed over chains: weights of events from weights of breaks."""

import numpy as np

from .._support.kernels import kernel
from ..events.histories import Histories
from .basis import BreakBasis
from .factors import Factors
from .nodes import break_features, corner_of, spread


@kernel
def sum_over_chains(place, shape, offsets, table, total):
    for c in range(len(offsets) - 1):
        for j in range(offsets[c], offsets[c + 1]):
            for corner in range(1 << len(shape)):
                node, share = corner_of(place, shape, j, corner)
                total[c] += share * table[node]


@kernel
def _add_rows(place, shape, offsets, chains, event, table, rows):
    for c, i in zip(chains, event):
        for j in range(offsets[c], offsets[c + 1]):
            for corner in range(1 << len(shape)):
                node, share = corner_of(place, shape, j, corner)
                for k in range(table.shape[1]):
                    rows[i, k] += share * table[node, k]


class Chains:
    """The chains of a simulation with their breaks placed between the nodes of a basis.

    An event has an accepted chain for each of its strings.

    Parameters
    ----------
    histories : Histories
        N events with their C chains.
    basis : BreakBasis
    features : ndarray, shape (D, breaks), optional
        Those of `break_features`, if they are at hand.
    quark : int or ndarray, optional
        At the ends, see `hadtutor.strings.flavours_at_ends`; wanted where flavours have a weight.
    """

    def __init__(
        self,
        histories: Histories,
        basis: BreakBasis,
        features: np.ndarray | None = None,
        quark: int | np.ndarray | None = None,
    ) -> None:
        self.basis = basis
        self.factors = Factors(histories, basis.params, basis.factors, quark)
        self.place = basis.place(break_features(histories, basis.conditions) if features is None else features)
        self.offsets, self.accepted = histories.chain_offsets, histories.accepted
        self.accepted_chains = np.flatnonzero(self.accepted)
        self.event = histories.event_of_chain[self.accepted]
        self.n_events = len(histories)
        self.n_strings = np.bincount(self.event, minlength=self.n_events)

    def histogram(self, weight: np.ndarray) -> np.ndarray:
        """Breaks per node, shape (nodes,), those of each chain with its `weight`, shape (C,)."""
        nodes = np.zeros(int(np.prod(self.basis.shape)))
        spread(self.place, self.basis.shape, np.repeat(weight, np.diff(self.offsets)), nodes)
        return nodes

    def log_weights(self, table: np.ndarray) -> np.ndarray:
        """Log weight of each chain, (C,): the sum over its breaks, whose normalised ln w is `table`, (nodes,)."""
        total = np.zeros(len(self.accepted))
        sum_over_chains(self.place, self.basis.shape, self.offsets, table, total)
        return total

    def log_acceptance_ratio(self, log_w: np.ndarray, complete: bool = True) -> float:
        r"""ln(α/α_ref): :math:`\sum_{acc} w / \sum_{all} w` over that without weights; `log_w` is of all C chains.

        If rejected chains are not `complete`, the second sum is what it is on average, C.
        """
        top = log_w.max()
        w = np.exp(log_w - top)
        total = w.sum() if complete else len(w) * np.exp(-top)
        return float(np.log(w[self.accepted].sum() / total / self.accepted.mean()))

    def log_acceptance_slope(self, log_w: np.ndarray, derivative: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Derivative of `log_acceptance_ratio` where chains have weights `log_w`, (C,): one of each column, (K,).

        `derivative`, (nodes, K), is that of the table of break weights, `change`, (C, K), that of what is not z.
        """
        w = np.exp(log_w - log_w.max())
        means = []
        for part in (w * self.accepted, w):
            share = part / part.sum()
            means.append(self.histogram(share) @ derivative + share @ change)
        return means[0] - means[1]

    def of_events(self, of_chains: np.ndarray) -> np.ndarray:
        """Numbers `of_chains`, (C,), summed over the accepted ones of each event, (N,)."""
        return np.bincount(self.event, of_chains[self.accepted], self.n_events)

    def event_log_weights(self, theta: np.ndarray, acceptance: bool = True) -> tuple[np.ndarray, float]:
        """Step three: log weight of each event, shape (N,), and ln(α/α_ref), for coefficients `theta`, (K + F,).

        Without `acceptance` there is no division by α/α_ref: that is 0, and the mean weight is not one.
        """
        change = self.basis.split(theta)[1]
        chains = self.log_weights(self.basis.table_of(theta)) + self.factors.log_weights(change)
        ratio = self.log_acceptance_ratio(chains, self.factors.complete(change)) if acceptance else 0.0
        return self.of_events(chains - ratio), ratio

    def rows(self, derivative: np.ndarray, events: slice) -> np.ndarray:
        """Columns at the nodes, `derivative` (nodes, K), summed over the accepted chains of `events`: (n, K)."""
        first, stop, _ = events.indices(self.n_events)
        of = slice(*np.searchsorted(self.event, (first, stop)))
        rows = np.zeros((stop - first, derivative.shape[1]))
        where = self.accepted_chains[of], self.event[of] - first
        _add_rows(self.place, self.basis.shape, self.offsets, *where, derivative, rows)
        return rows
