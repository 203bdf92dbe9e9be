"""The state of a string between two breaks, as far as it tells whether its chain will be accepted."""

import math
from typing import Any, NamedTuple, cast

import numpy as np

from .._support.kernels import kernel
from ..events.histories import NO_ROOM
from ..events.sample import Sample
from ..lund.flavour import pion_mass2
from ..params import LundParams
from ..strings.straight import ROWS_OF_ENDS, STRAIGHT, Strings

N_FEATURES = 6


@kernel(forceinline=True)
def look(ends, energy, x):
    """Fill `x` with what h depends on, see `States`; False if the state is dead: no mass or light-cone momentum left.

    Nothing changes under a boost along the string, nor if its ends are exchanged.
    """
    plus = ends[0, 0] + ends[1, 1] - energy
    minus = ends[0, 1] + ends[1, 0] - energy
    px, py = ends[2, 0] + ends[2, 1], ends[3, 0] + ends[3, 1]
    mass2 = plus * minus - px * px - py * py
    if plus <= 0.0 or minus <= 0.0 or mass2 <= 0.0:
        return False
    ratio_0, ratio_1 = math.log(ends[0, 0] / plus), math.log(ends[0, 1] / minus)
    first = 0 if ratio_0 >= ratio_1 else 1
    x[0] = 0.5 * math.log(mass2)
    x[1] = max(ratio_0, ratio_1)
    x[2] = min(ratio_0, ratio_1)
    x[3] = ends[2, first] ** 2 + ends[3, first] ** 2
    x[4] = ends[2, 1 - first] ** 2 + ends[3, 1 - first] ** 2
    x[5] = ends[2, 0] * ends[2, 1] + ends[3, 0] * ends[3, 1]
    return True


class States(NamedTuple):
    """States of strings between breaks, in which h may be asked; made by `states_of`.

    Attributes
    ----------
    features : ndarray of float32, shape (S, 6)
        ln of the mass that is left [GeV]; ln of the light-cone momentum that the next hadron of an end takes its z of,
        over what is left of it, of both ends, the larger first; transverse momentum squared of the quarks that wait at
        these ends, and their scalar product [GeV²].
    chain : ndarray of int64, shape (S,)
        Number of the chain that each belongs to.
    accepted : ndarray of bool, shape (S,)
        Whether that was accepted in the end.
    n_breaks : ndarray of int64, shape (S,)
        How many breaks the chain has had so far.
    """

    features: np.ndarray
    chain: np.ndarray
    accepted: np.ndarray
    n_breaks: np.ndarray

    @property
    def mass(self) -> np.ndarray:
        """The mass that is left [GeV], shape (S,)."""
        return np.exp(self.features[:, 0])


@kernel
def _fill(string, offsets, x, charged, from_positive, fails, features, alive):
    ends, flavours, none, row = np.zeros((ROWS_OF_ENDS, 2)), np.zeros(2, np.int64), np.zeros((1, 6), np.float32), 0
    hadron_p = np.empty((4, 1))
    for c in range(len(fails)):
        STRAIGHT.start(string, 0, 0, none, 0, ends, flavours)
        for j in range(offsets[c], offsets[c + 1] + 1):
            alive[row] = look(ends, string.energy, features[row])
            row += 1
            if j < offsets[c + 1]:
                take_recorded(string, j, x, charged, from_positive, ends, hadron_p)
        if fails[c]:  # the last break found no room: there is no state after it
            alive[row - 1] = False


@kernel(forceinline=True)
def take_recorded(string, j, x, charged, from_positive, ends, hadron_p):
    """Move an end as break `j` of a history did; `x` has its z, px and py."""
    side = 0 if from_positive[j] else 1
    px, py = ends[2, side] + x[1, j], ends[3, side] + x[2, j]
    mt2 = pion_mass2(211 if charged[j] else 111) + px * px + py * py
    STRAIGHT.take(string, side, x[0, j], x[1, j], x[2, j], px, py, mt2, ends, hadron_p, 0)


def columns_of(sample: Sample) -> tuple:
    """What kernels need to replay the chains of a `sample`: string, offsets, (z, px, py), charged, from_positive."""
    h = sample.histories
    x = np.stack([h.z, h.px, h.py]).astype(float)
    return Strings(sample.energy, 0), h.chain_offsets, x, h.pid != 111, h.from_positive


def states_of(sample: Sample) -> States:
    """Every state that the chains of a `sample` went through, from that before the first break to that before the last.

    Those in which nothing can follow (no mass, no light-cone momentum, a hadron without room) are left out: h is 0.

    Raises
    ------
    TypeError, ValueError
        If the sample is not one of straight strings of pions, with histories.

    Examples
    --------
    >>> import hadtutor as ht
    >>> round(float(states_of(ht.hadronize_strings(10, rng=1)).mass[0]), 3)
    90.0
    """
    h = straight(sample).histories
    n_states = len(h.z) + h.n_chains
    features, alive = np.empty((n_states, N_FEATURES), np.float32), np.empty(n_states, bool)
    cast(Any, _fill)(*columns_of(sample), h.status == NO_ROOM, features, alive)
    counts = np.diff(h.chain_offsets) + 1
    chain = np.repeat(np.arange(h.n_chains), counts)
    n_breaks = np.arange(n_states) - np.repeat(np.cumsum(counts) - counts, counts)
    return States(features[alive], chain[alive], h.accepted[chain[alive]], n_breaks[alive])


def straight(sample: Sample) -> Sample:
    """The `sample`, if it is one of straight strings of pions with histories."""
    if not isinstance(sample, Sample):
        raise TypeError(f"sample must be a Sample of hadronize_strings, got {type(sample).__name__}")
    if sample.histories is None or sample.partons is not None or not isinstance(sample.params, LundParams):
        raise ValueError(
            f"straight strings of pions with histories are wanted, and LundParams, got {sample!r}; make them with "
            "hadtutor.hadronize_strings"
        )
    return sample
