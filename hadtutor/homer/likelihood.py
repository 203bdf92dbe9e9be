"""The most likely coefficients, given weights of events."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .basis import BreakBasis
from .chains import Chains


def most_likely(
    chains: Chains, log_w_events: np.ndarray, log_w_chains: np.ndarray, start: np.ndarray, precision: np.ndarray,
    acceptance: bool = True,
) -> np.ndarray:  # fmt: skip
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


def maximise(
    basis: BreakBasis, histogram: np.ndarray, reference: np.ndarray, start: np.ndarray, precision: np.ndarray
) -> np.ndarray:
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
