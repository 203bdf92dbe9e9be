r"""MAGIC: a flow of single breaks, tuned to whole events by weights, without new events.

A change of f changes the probability of every event whose breaks are known, so it is a weight:
:math:`\ln w = \sum_\mathrm{breaks} [\ln f_\theta - \ln f_\mathrm{base}]`. What is made small is how far the weighted
observables are from those of data. Nothing but hadrons of the data is looked at.
"""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from .._support.bars import track
from .._support.checks import as_generator, number, takes_rng, whole
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from ..observables.columns import NAMES, compute
from .density import Flow
from .law import FlowLaw, breaks, log_density_on

N_Z, N_MT2, WIDEST = 129, 25, 10.0  # nodes in logit z, between minus and plus so much, and in ln mT²
PLACES = 400  # quantiles at which cumulative distributions are compared


@dataclass(frozen=True, eq=False)
class MagicResult:
    """What `magic` has found.

    `flow` is the tuned one; `log_w` are the weights of the simulated events, shape (N,); `law` is f, relative to the
    base as `change` on the nodes `logit_z` and `log_mt2`; `loss` is one value for each step: the mean over observables
    of their Wasserstein distance, in standard deviations of the data.
    """

    flow: Flow
    law: "ChangedLaw"
    log_w: np.ndarray
    loss: list[float]

    @property
    def n_eff(self) -> float:
        """Effective number of simulated events."""
        return n_eff(self.log_w)


class ChangedLaw:
    """A base law times the exponential of what is bilinear between nodes in logit z and ln mT².

    `base` has a method ``density``; `change`, shape (z, mT²), belongs to the nodes `logit_z` and `log_mt2`. It may
    stand wherever a law may. Of several changes, shape (members, z, mT²), the law is their mean, see `sigma`.
    """

    def __init__(self, base: Any, logit_z: np.ndarray, log_mt2: np.ndarray, change: np.ndarray) -> None:
        self.base, self.logit_z, self.log_mt2 = base, logit_z, log_mt2
        self.change = np.asarray(change).reshape(-1, len(logit_z), len(log_mt2))

    def density(self, z: Any, mt2: Any) -> np.ndarray:
        """f at `z` and `mt2` [GeV²], broadcast."""
        return self._of_each(z, mt2).mean(axis=0)

    def sigma(self, z: Any, mt2: Any) -> np.ndarray:
        """Standard deviation of f at `z` and `mt2` [GeV²] over several changes."""
        if len(self.change) < 2:
            raise ValueError("one change has no scatter; give magic starts, or several results")
        return self._of_each(z, mt2).std(axis=0, ddof=1)

    def _of_each(self, z, mt2):
        z, mt2 = np.broadcast_arrays(np.asarray(z, float), np.asarray(mt2, float))
        nodes, shares = _corners(np.log(z) - np.log1p(-z), np.log(mt2), self.logit_z, self.log_mt2)
        flat = self.change.reshape(len(self.change), -1)
        return np.exp((flat[:, nodes] * shares).sum(axis=1)) * self.base.density(z, mt2)


def _corners(y, log_mt2, nodes_y, nodes_m):
    """Numbers of the four nodes around each point, and their shares, both of shape (4, ...)."""
    found = []
    for values, nodes in ((y, nodes_y), (log_mt2, nodes_m)):
        place = np.clip((values - nodes[0]) / (nodes[1] - nodes[0]), 0.0, len(nodes) - 1.0 - 1e-9)
        found.append((place.astype(int), place - place.astype(int)))
    (i, u), (j, v) = found
    n = len(nodes_m)
    nodes = np.stack([i * n + j, i * n + j + 1, (i + 1) * n + j, (i + 1) * n + j + 1])
    return nodes, np.stack([(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v])


class _Chains:
    """Accepted chains of a simulation as one sparse matrix, events × nodes: what ln w is a product with."""

    def __init__(self, sim: Sample, flow: Flow) -> None:
        self.logit_z = np.linspace(-WIDEST, WIDEST, N_Z)
        self.log_mt2 = np.linspace(float(flow.low), float(flow.high), N_MT2)
        accepted = sim.histories.only_accepted()
        z, log_mt2 = (column[:, 0].astype(float) for column in breaks_of(accepted))
        nodes, shares = _corners(np.log(z) - np.log1p(-z), log_mt2, self.logit_z, self.log_mt2)
        event = np.broadcast_to(np.repeat(np.arange(len(sim)), np.diff(accepted.chain_offsets)), nodes.shape)
        matrix = csr_matrix((shares.ravel(), (event.ravel(), nodes.ravel())), (len(sim), N_Z * N_MT2))
        self.matrix, self.transposed = (_as_torch(m) for m in (matrix, matrix.T.tocsr()))

    def log_w(self, change: Tensor) -> Tensor:
        return _Product.apply(self.matrix, self.transposed, change.reshape(-1, 1))[:, 0]


class _Product(torch.autograd.Function):
    """A sparse matrix times a vector; the derivative needs its transpose as a matrix of rows, too."""

    @staticmethod
    def forward(ctx, matrix, transposed, x):
        ctx.transposed = transposed
        return matrix @ x

    @staticmethod
    def backward(ctx, slope):
        return None, None, ctx.transposed @ slope


def _as_torch(matrix):
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        index = (torch.as_tensor(x.astype(np.int64)) for x in (matrix.indptr, matrix.indices))
        return torch.sparse_csr_tensor(*index, torch.as_tensor(matrix.data.astype(np.float32)), matrix.shape)
