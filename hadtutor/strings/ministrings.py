"""Strings too light to break: two hadrons at once, as in Pythia."""

import math
from collections.abc import Sequence

import numpy as np

from ..lund.flavour import pion_mass2
from ..lund.last_pair import reverse_probability
from ..params import LundParams
from .regions import JOIN, dot, join

LEAST_PT = 0.2  # GeV: width that limits transverse momenta, if that of the breaks is smaller


def ministring(
    p: np.ndarray, flavours: Sequence[int], params: LundParams, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Two pions of a light string: four-momenta, (2, 4), and PDG codes.

    Parameters
    ----------
    p : ndarray, shape (n, 4)
        Its partons from the quark to the antiquark, or around a closed loop [GeV].
    flavours : sequence of int
        Of both ends, 2 for u and 1 for d; 0 for a closed loop, for which one is drawn.
    params : LundParams
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If two pions do not fit.
    """
    total = p.sum(axis=0)
    mass2 = dot(total, total)
    first, second = map(int, flavours)
    if first == 0:
        first = second = 1 + int(rng.random() < params.u_fraction)
        p = p.copy()
        p = p[: join(p, np.full(len(p), 0.5), len(p), JOIN, True)]
    # A new u or d; of a quark and its antiquark half become a pion, and the other half is drawn again.
    odds = np.array([1.0 - params.u_fraction, params.u_fraction])
    odds *= [0.5 ** ((new == first) + (new == second)) for new in (1, 2)]
    new = 1 + int(rng.random() * odds.sum() >= odds[0])
    codes = _pion(first, new), _pion(new, second)
    m2_1, m2_2 = (pion_mass2(code) for code in codes)
    if mass2 <= (math.sqrt(m2_1) + math.sqrt(m2_2)) ** 2:
        raise ValueError(f"a string of {math.sqrt(max(0.0, mass2)):.3g} GeV has no room for two pions")
    momentum = 0.5 * math.sqrt(((mass2 - m2_1 - m2_2) ** 2 - 4.0 * m2_1 * m2_2) / mass2)
    width = max(LEAST_PT, params.sigma_pt)
    while True:
        cosine = rng.random()
        if rng.random() < math.exp(-0.5 * momentum**2 * (1.0 - cosine**2) / width**2):
            break
    if rng.random() < reverse_probability(2.0 * math.sqrt(mass2) * momentum * cosine, params.b):
        cosine = -cosine
    azimuth = 2.0 * math.pi * rng.random()
    # Along the axis of the two ends, which share the momenta of the gluons between them.
    one, other = p[0].copy(), p[-1].copy()
    for gluon in p[1:-1]:
        to_one, to_other = dot(p[-1], gluon), dot(p[0], gluon)
        one += gluon * to_one / (to_one + to_other)
        other += gluon * to_other / (to_one + to_other)
    axis = _boosted(one, -total[:3] / total[3])[:3]
    axis /= np.linalg.norm(axis)
    across = np.eye(3)[np.argmin(abs(axis))]
    across -= (across @ axis) * axis
    across /= np.linalg.norm(across)
    sine = math.sqrt(1.0 - cosine**2)
    direction = cosine * axis + sine * (math.cos(azimuth) * across + math.sin(azimuth) * np.cross(axis, across))
    hadron = _boosted(np.append(momentum * direction, math.sqrt(m2_1 + momentum**2)), total[:3] / total[3])
    return np.stack([hadron, total - hadron]), codes


def _pion(quark, antiquark):
    return 111 if quark == antiquark else 211 * (2 * quark - 3)


def _boosted(p, velocity):
    """A four-momentum in a frame in which what was at rest has this velocity."""
    gamma = 1.0 / math.sqrt(1.0 - velocity @ velocity)
    along = velocity @ p[:3]
    return np.append(p[:3] + (gamma * gamma / (gamma + 1.0) * along + gamma * p[3]) * velocity, gamma * (p[3] + along))
