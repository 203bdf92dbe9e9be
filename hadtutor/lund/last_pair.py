"""The last two hadrons of a string: how they share what is left, and in which order."""

import math

import numpy as np
from numba import njit


@njit(nogil=True, inline="always")
def share_between_two(own, opposite, mt2_1, mt2_2, reverse):
    """Light-cone momenta of the first of the last two hadrons: (own, opposite, lambda).

    Two-body kinematics in 1+1 dimensions has two solutions; `reverse` picks the one in which the
    hadrons fly the other way.
    """
    wt2 = own * opposite
    # At threshold the difference may round to less than nothing.
    lam = math.sqrt(max(0.0, (wt2 - mt2_1 - mt2_2) ** 2 - 4.0 * mt2_1 * mt2_2))
    half = 0.5 * (1.0 + (mt2_1 - mt2_2) / wt2)
    shift = 0.5 * (-lam if reverse else lam) / wt2
    return (half + shift) * own, (half - shift) * opposite, lam


@njit(nogil=True, inline="always")
def reverse_probability(lam, b):
    """How often the last two hadrons come out in reversed order (Pythia: 1 / (1 + exp(b lambda)))."""
    return 1.0 / (1.0 + math.exp(min(50.0, b * lam)))


def last_pair_lambda(hadrons):
    """λ of the last two hadrons of each event [GeV²]; see `reverse_probability`."""
    last = hadrons.offsets[1:] - 1
    e, pz = hadrons.e[last - 1] + hadrons.e[last], hadrons.pz[last - 1] + hadrons.pz[last]
    m1, m2 = (hadrons.e[i] ** 2 - hadrons.pz[i] ** 2 for i in (last - 1, last))
    return np.sqrt(np.maximum(0.0, (e**2 - pz**2 - m1 - m2) ** 2 - 4.0 * m1 * m2))
