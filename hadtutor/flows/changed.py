"""A law that was changed: a base times what is interpolated between nodes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import plain


class Members:
    """A law that is the mean of several, each with a value for every z and mT²."""

    def density(self, z: ArrayLike, mt2: ArrayLike) -> np.ndarray:
        """f at `z` and `mt2` [GeV²], broadcast; its integral over z is 1."""
        return self._of_each(z, mt2).mean(axis=0)

    def sigma(self, z: ArrayLike, mt2: ArrayLike) -> np.ndarray:
        """Standard deviation of f over members at `z` and `mt2` [GeV²]; a ValueError if there is only one."""
        each = self._of_each(z, mt2)
        if len(each) < 2:
            raise ValueError(
                "one law has no scatter; several members are wanted, see bootstrapped and the starts of magic"
            )
        return each.std(axis=0, ddof=1)

    def _of_each(self, z: Any, mt2: Any) -> np.ndarray:
        raise NotImplementedError


class ChangedLaw(Members):
    """A base law times the exponential of numbers on nodes, bilinear between them; it may stand wherever a law may.

    Parameters
    ----------
    base : object with a method ``density``
    logit_z, log_mt2 : ndarray, shape (n,), (m,)
        Nodes at equal distances; beyond them the change is that at the border.
    change : ndarray, shape (n, m) or (members, n, m)
        ln f/f_base on the nodes; f is the mean over members, see `sigma`.
    """

    def __init__(self, base: Any, logit_z: np.ndarray, log_mt2: np.ndarray, change: np.ndarray) -> None:
        self.base, self.logit_z, self.log_mt2 = base, logit_z, log_mt2
        self.change = np.asarray(change, float).reshape(-1, len(logit_z), len(log_mt2))

    def _of_each(self, z: Any, mt2: Any) -> np.ndarray:
        z, mt2 = np.broadcast_arrays(plain(z, "z").astype(float), plain(mt2, "mt2").astype(float))
        of_base = self.base.density(z, mt2)  # refuses what is out of range
        nodes, shares = corners(np.log(z) - np.log1p(-z), np.log(mt2), self.logit_z, self.log_mt2)
        flat = self.change.reshape(len(self.change), -1)
        return np.stack([np.exp((one[nodes] * shares).sum(axis=0)) for one in flat]) * of_base


def corners(
    y: np.ndarray, log_mt2: np.ndarray, nodes_y: np.ndarray, nodes_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Numbers of the four nodes around each point, in an array (n, m) read row by row, and their shares.

    Points `y` and `log_mt2` are of one shape; beyond the nodes `nodes_y` (n,) and `nodes_m` (m,) they are at the
    border. Both results have the shape (4, ...).
    """
    found = []
    for values, nodes in ((y, nodes_y), (log_mt2, nodes_m)):
        place = np.clip((values - nodes[0]) / (nodes[1] - nodes[0]), 0.0, len(nodes) - 1.0 - 1e-9)
        found.append((place.astype(int), place - place.astype(int)))
    (i, u), (j, v) = found
    first = i * len(nodes_m) + j
    nodes = np.stack([first, first + 1, first + len(nodes_m), first + len(nodes_m) + 1])
    return nodes, np.stack([(1.0 - u) * (1.0 - v), (1.0 - u) * v, u * (1.0 - v), u * v])
