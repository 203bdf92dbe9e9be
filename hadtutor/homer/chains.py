"""Breaks summed over chains: weights of events from weights of breaks."""

import numpy as np
from numba import njit

from .nodes import _corner, _spread, break_features


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
