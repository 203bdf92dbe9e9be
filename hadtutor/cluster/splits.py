"""Clusters that broke: what was drawn of each, whatever the law."""

from typing import NamedTuple

import numpy as np

from ..events.clusters import Clusters
from .pairs import S
from .rows import Flavours


class Splits(NamedTuple):
    """Masses of the parts of clusters that broke, as parts of what was possible; that with the quark comes first.

    A class is 0 for a quark that is light, 1 with charm, 2 with bottom; x is the mass of a part less that of its own
    constituent, at least m, that of the new one, and at most H.
    """

    event: np.ndarray  # (rows,)
    of_class: np.ndarray  # (2, rows)
    strange: np.ndarray  # (rows,) whether the new quark is
    log_x: np.ndarray  # (2, rows) ln(x/m)
    t: np.ndarray  # (rows,) ln(H/m)
    t_all: np.ndarray  # (2, rows) the same if u or d, and if s were made; not positive if it does not fit

    def uniform(self, power: np.ndarray) -> np.ndarray:
        """The numbers from 0 to 1 that the masses follow from, (2, rows); `power` by class, (3,)."""
        p = power[self.of_class]
        return np.expm1(p * self.log_x) / np.expm1(p * self.t)


def splits_of(c: Clusters, flavours: Flavours) -> Splits:
    """The `Splits` of clusters that remember the masses with which they were formed."""
    mass, own = np.asarray(c.formed_mass, float), np.stack([c.quark, -c.antiquark])
    parts = np.flatnonzero(~c.primary).reshape(-1, 2)
    parents = (c.offsets[c.event] + c.parent)[parts[:, 0]]
    new, ends = -c.antiquark[parts[:, 0]], own[:, parents]
    m_new = flavours.mass[new]
    x = mass[parts.T] - flavours.mass[ends]
    left = mass[parents] - flavours.mass[ends].sum(axis=0)
    room_for = lambda m: np.log(np.maximum(left - m, 0.5 * m) / m)  # not positive where it does not fit
    return Splits(
        c.event[parents], np.maximum(ends - 3, 0), new == S, np.log(np.maximum(x, m_new) / m_new), room_for(m_new),
        np.stack([room_for(m) for m in flavours.mass[[1, S]]]),
    )  # fmt: skip
