"""Which hadrons a cluster can decay to, and with which weights: flavour, mixing and spin of the lowest multiplets."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .._support.checks import whole
from .._support.kernels import kernel
from ..events.clusters import Clusters
from ..events.hadrons import Hadrons
from ..params import ClusterParams
from ..particles import PARTICLES
from .rows import as_params, check_kind

D, U, S, C, B = 1, 2, 3, 4, 5
POPPED = (D, U, S)
# Octet-singlet mixing of the light mesons, as in Herwig: the angle [degrees] of eta and eta', and ideal mixing, in
# which the phi is purely s sbar. cos² of the angle in the quark basis is the share of u ubar and d dbar in the first.
ETA_MIXING = -23.0
ETA_LIGHT = math.cos(math.radians(ETA_MIXING) + math.atan(math.sqrt(2.0))) ** 2
PIONS_FOR = {D: D, U: U, S: D, C: U, B: D}
"""With pions alone a heavy quark counts as the light one of its charge."""


class Hadron(NamedTuple):
    """One hadron that a quark and its partner can make."""

    pid: int
    mass: float  # GeV
    weight: float  # spin states times share of the flavour times weight of the multiplet


def mesons(quark: int, anti: int, vector_wt: float = 1.0) -> list[Hadron]:
    """Pseudoscalar and vector mesons of a quark and an antiquark.

    Parameters
    ----------
    quark, anti : int
        Flavours of the quark and of the antiquark, 1 to 5, both without sign.
    vector_wt : float
        Weight of vector mesons besides their three spin states.

    Examples
    --------
    >>> [meson.pid for meson in mesons(2, 1)]
    [211, 213]
    """
    quark, anti = whole(quark, "quark", D, B), whole(anti, "anti", D, B)
    if quark != anti:
        high, low = max(quark, anti), min(quark, anti)
        # A positive code has an up-type quark or a down-type antiquark as the heavier one.
        sign = 1 if (high % 2 == 0) == (quark == high) else -1
        shares = {sign * (100 * high + 10 * low + spins): 1.0 for spins in (1, 3)}
    elif quark in (D, U):
        shares = {111: 0.5, 221: 0.5 * ETA_LIGHT, 331: 0.5 * (1 - ETA_LIGHT), 113: 0.5, 223: 0.5}
    elif quark == S:
        shares = {221: 1 - ETA_LIGHT, 331: ETA_LIGHT, 333: 1.0}
    else:
        shares = {110 * quark + 1: 1.0, 110 * quark + 3: 1.0}
    weights = {1: 1.0, 3: 3.0 * vector_wt}
    return [Hadron(pid, PARTICLES[pid].mass, share * weights[abs(pid) % 10]) for pid, share in shares.items()]


def baryons(quark: int, diquark: tuple[int, int], dec_wt: float = 1.0) -> list[Hadron]:
    """Octet and decuplet baryons of a quark and a diquark; with heavy quarks their counterparts.

    Parameters
    ----------
    quark, diquark : int, tuple of int
        Flavour, 1 to 5, and the two flavours of the diquark, 1 to 3.
    dec_wt : float
        Amplitude of the decuplet; its square is the weight.

    Examples
    --------
    >>> [PARTICLES[baryon.pid].name for baryon in baryons(3, (1, 2))]
    ['Sigma(1385)0', 'Sigma0', 'Lambda']
    """
    one, two = diquark
    light = whole(one, "diquark", D, S), whole(two, "diquark", D, S)
    a, b, c = sorted((whole(quark, "quark", D, B), *light), reverse=True)
    codes = [(a, b, c, 4)]  # spin 3/2
    if not a == b == c:
        codes.append((a, b, c, 2))  # spin 1/2
    if a > b > c:
        codes.append((a, c, b, 2))  # three flavours make two of them, such as Lambda and Sigma0
    pids = [1000 * a + 100 * b + 10 * c + spins for a, b, c, spins in codes]
    weights = {2: 2.0, 4: 4.0 * dec_wt**2}
    return [Hadron(pid, PARTICLES[pid].mass, weights[pid % 10]) for pid in pids]


def meson_pairs(
    quark: int, anti: int, params: ClusterParams, pions_only: bool = False
) -> Iterator[tuple[Hadron, Hadron, float]]:
    """Pairs of mesons that a cluster can decay to: a new quark and antiquark between its own.

    Each is the hadron with the quark, the one with the antiquark, and the weight of the pair without phase space.

    Parameters
    ----------
    quark, anti : int
        Flavours of the quark and of the antiquark of the cluster, 1 to 5, both without sign.
    params : ClusterParams
    pions_only : bool
        Whether only pairs of pions are wanted; quarks of other flavours then count as u or d.
    """
    check_kind(params, ClusterParams, "meson_pairs")
    if pions_only:
        quark, anti = PIONS_FOR[quark], PIONS_FOR[anti]
    for new in POPPED[:2] if pions_only else POPPED:
        weight = params.pwt_s if new == S else 1.0
        ones, twos = mesons(quark, new, params.vector_wt), mesons(new, anti, params.vector_wt)
        for one, two in itertools.product(ones, twos):
            if not pions_only or {abs(one.pid), abs(two.pid)} <= {111, 211}:
                yield one, two, weight * one.weight * two.weight


def baryon_pairs(quark: int, anti: int, params: ClusterParams) -> Iterator[tuple[Hadron, Hadron, float]]:
    """Pairs of a baryon and an antibaryon that a cluster can decay to: a new diquark pair between its quarks.

    Arguments `quark`, `anti`, `params` and what each pair is as in `meson_pairs`. The weight of a diquark is the
    product of those of its quarks.
    """
    check_kind(params, ClusterParams, "baryon_pairs")
    for diquark in itertools.combinations_with_replacement(POPPED, 2):
        weight = params.pwt_s ** diquark.count(S)
        ones, twos = (baryons(flavour, diquark, params.dec_wt) for flavour in (quark, anti))
        for one, two in itertools.product(ones, twos):
            yield one, two._replace(pid=-two.pid), weight * one.weight * two.weight


class PairTable(NamedTuple):
    """All pairs of hadrons, by flavours of the cluster, for the kernels.

    Row ``5 * (quark - 1) + |antiquark| - 1`` is a cluster; its pairs of mesons are
    ``meson_offsets[row]:meson_offsets[row + 1]``, likewise for baryons, each sorted by threshold.
    """

    meson_offsets: np.ndarray  # (26,)
    baryon_offsets: np.ndarray  # (26,)
    pid: np.ndarray  # (2, pairs)
    mass: np.ndarray  # (2, pairs) GeV
    sum2: np.ndarray  # (pairs,) square of the sum of both masses [GeV²]
    difference2: np.ndarray  # (pairs,) square of their difference [GeV²]
    weight: np.ndarray  # (pairs,)
    lightest_pid: np.ndarray  # (25,) the lightest single hadron
    lightest_mass: np.ndarray  # (25,) GeV


def pair_table(params: ClusterParams, pions_only: bool = False) -> PairTable:
    """All pairs for all clusters, sorted by threshold; arguments of the wrong kind are a TypeError.

    Parameters
    ----------
    params : ClusterParams
    pions_only : bool
        Whether only pairs of pions are wanted, and a pion for a cluster too light for two.
    """
    params = as_params(params)
    if not isinstance(pions_only, (bool, np.bool_)):
        raise TypeError(f"pions_only must be True or False, got {pions_only!r}")
    flavours = list(itertools.product(range(D, B + 1), repeat=2))
    of_mesons = [meson_pairs(q, a, params, pions_only) for q, a in flavours]
    of_baryons = [() if pions_only else baryon_pairs(q, a, params) for q, a in flavours]
    rows: list[tuple[Hadron, Hadron, float]] = []
    ends = [0]
    for pairs in of_mesons + of_baryons:
        kept = [pair for pair in pairs if pair[2] > 0]
        rows += sorted(kept, key=lambda pair: pair[0].mass + pair[1].mass)
        ends.append(len(rows))
    one, two, weight = zip(*rows, strict=True)
    mass = np.array([[h.mass for h in one], [h.mass for h in two]])
    pid = np.array([[h.pid for h in one], [h.pid for h in two]], np.int32)
    singles = [mesons(PIONS_FOR[q], PIONS_FOR[a]) if pions_only else mesons(q, a) for q, a in flavours]
    lightest = [min(hadrons, key=lambda h: h.mass) for hadrons in singles]
    light_pid, light_mass = np.array([h.pid for h in lightest], np.int32), np.array([h.mass for h in lightest])
    sum2, difference2 = mass.sum(axis=0) ** 2, (mass[0] - mass[1]) ** 2
    # The pairs of mesons of all 25 clusters, then those of baryons.
    offsets = np.array(ends[:26]), np.array(ends[25:])
    return PairTable(*offsets, pid, mass, sum2, difference2, np.array(weight), light_pid, light_mass)


def only_pions(clusters: Clusters, hadrons: Hadrons) -> bool:
    """Whether `hadrons` of `clusters` are pions alone, those of clusters with quarks other than u and d too."""
    heavy = np.maximum(clusters.quark, -clusters.antiquark)[clusters.n_hadrons > 0] > U
    return bool(heavy.any() and np.isin(abs(hadrons.pid), (111, 211)).all())


@kernel(inline="always")
def flavour_row(quark, antiquark):
    """Row of a `PairTable`; the antiquark has its sign."""
    return 5 * (quark - 1) - antiquark - 1
