"""What the tests of the cluster model share: events by hand, and `vector` and `particle` as judges."""

import itertools
from collections import Counter
from functools import cache

import numpy as np
import vector
from checks import ALPHA, P_COLUMNS, assert_uniform
from particle import PDGID, Particle
from scipy import stats

from hadtutor import Clusters, Showers, cluster

NAMES = ("pythia-showers-91", "pythia-showers-200")
MODES = [(name, pions_only) for name in NAMES for pions_only in (False, True)]
WAITING, FISSION, PAIR, SINGLE = range(4)
MASS = np.array([np.nan, 0.325, 0.325, 0.45, 1.55, 4.95])
FLAVOURS = list(itertools.product(range(1, 6), repeat=2))
DIQUARKS = list(itertools.combinations_with_replacement((1, 2, 3), 2))

# The lightest meson of a quark and an antiquark, where both are not light enough for two hadrons at any mass.
LIGHTEST = {
    (3, 3): 221,
    (4, 1): 411,
    (1, 4): -411,
    (4, 2): 421,
    (2, 4): -421,
    (4, 3): 431,
    (3, 4): -431,
    (4, 4): 441,
    (5, 1): -511,
    (1, 5): 511,
    (5, 2): -521,
    (2, 5): 521,
    (5, 3): -531,
    (3, 5): 531,
    (5, 4): -541,
    (4, 5): 541,
    (5, 5): 551,
}

# Hadrons that the PDG has not seen yet, and one of the same quarks that it has.
SAME_QUARKS = {543: 541, 5212: 5122, 5214: 5122, 5312: 5132, 5314: 5132, 5322: 5232, 5324: 5232, 5334: 5332}

LOOP = [(21, 7, 9), (21, 8, 7), (21, 9, 8)]
"""Gluons alone, as from a decay of quarkonium."""


def generator(seed=1):
    return np.random.default_rng(seed)


def four(events, rows=slice(None)):
    """Four-momenta as `vector` has them."""
    names = zip(("px", "py", "pz", "E"), P_COLUMNS, strict=True)
    return vector.array({ours: getattr(events, theirs)[rows] for ours, theirs in names})


def momenta(p):
    return np.stack([p.px, p.py, p.pz, p.E], axis=-1)


def units(p):
    """Directions of momenta, shape (n, 3)."""
    p = np.stack([p.px, p.py, p.pz], axis=-1)
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def axes(clusters, rows=slice(None)):
    return np.stack([clusters.axis_x[rows], clusters.axis_y[rows], clusters.axis_z[rows]], axis=-1)


def random_units(rng, n):
    p = rng.normal(size=(n, 3))
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def sums(owner, values, n):
    """Sums of the rows of `values` with the same owner, shape (n, columns)."""
    return np.stack([np.bincount(owner, weights=column, minlength=n) for column in np.transpose(values)], axis=-1)


def event_sums(events, values):
    return sums(events.event, values, len(events))


@cache
def quantum_numbers(pid):
    """Quarks minus antiquarks of flavour d, u, s, c, b; charge and baryon number in thirds: from `particle` alone."""
    sign = 1 if pid > 0 else -1
    if abs(pid) <= 5:
        quarks, thirds_of_baryon = "dDuUsScCbB"[2 * abs(pid) - (2 if pid > 0 else 1)], sign
    else:
        quarks = Particle.from_pdgid(sign * SAME_QUARKS.get(abs(pid), abs(pid))).quarks
        quarks = "" if "(" in quarks else quarks  # a mixture of a quark and its own antiquark
        thirds_of_baryon = 3 * sign * PDGID(pid).is_baryon
    flavours = [quarks.count(q) - quarks.count(q.upper()) for q in "duscb"]
    return (*flavours, PDGID(pid).three_charge, thirds_of_baryon)


def all_quantum_numbers(pid):
    codes, place = np.unique(pid, return_inverse=True)
    return np.array([quantum_numbers(int(code)) for code in codes]).reshape(-1, 7)[place]


def of_quarks(clusters):
    return all_quantum_numbers(clusters.quark) + all_quantum_numbers(clusters.antiquark)


def angles(directions, axis):
    """Cosine to the axis, and azimuth around it between 0 and 1."""
    axis = np.broadcast_to(axis, directions.shape)
    least = np.eye(3)[np.argmin(abs(axis), axis=1)]
    first = np.cross(axis, least)
    second = np.cross(axis, first)
    azimuth = np.arctan2(np.sum(directions * second, axis=1), np.sum(directions * first, axis=1))
    return np.sum(directions * axis, axis=1), azimuth / (2 * np.pi) + 0.5


def assert_isotropic(directions, axis, alpha=ALPHA):
    cosine, azimuth = angles(directions, axis)
    assert_uniform((cosine + 1) / 2, alpha / 2)
    assert_uniform(azimuth, alpha / 2)


def assert_rates(found, expected, alpha=ALPHA):
    """Counts have these probabilities, which may be unnormalized; rare ones are judged together."""
    assert set(found) <= set(expected)
    keys = sorted(expected, key=str)
    counts, wanted = (np.array([c[key] for key in keys], float) for c in (Counter(found), expected))
    wanted *= counts.sum() / wanted.sum()
    rare = wanted < 10
    if rare.any():
        counts, wanted = (np.append(x[~rare], x[rare].sum()) for x in (counts, wanted))
    assert len(wanted) > 1
    p_value = stats.chisquare(counts, wanted).pvalue
    assert p_value > alpha, f"p = {p_value:.2g}: {counts} for {wanted}"


def star(*events, energy=91.2):
    """Showers of massless partons (pid, col, acol), in a plane at equal angles, with equal energies."""
    columns = [np.zeros((0, 7))]
    for event in events:
        n = len(event)
        e, phi = energy / max(n, 1), 2 * np.pi * np.arange(n) / max(n, 1)
        p = np.stack([e * np.cos(phi), np.zeros(n), e * np.sin(phi), np.full(n, e)], axis=1)
        columns.append(np.concatenate([p, np.reshape(event, (n, 3))], axis=1))
    columns = np.concatenate(columns).T
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events])]).astype(np.int64)
    return Showers(offsets, *columns[:4].copy(), *columns[4:].astype(np.int32), energy)


def pair(quark, antiquark=None):
    return [(quark, 1, 0), (-(antiquark or quark), 0, 1)]


def single_clusters(n, mass, quark, antiquark, perturbative=(False, False), axis=None, p=None, seed=99):
    """n events of one cluster each, by default in random motion with random axes."""
    rng = generator(seed)
    axis = random_units(rng, n) if axis is None else np.broadcast_to(axis, (n, 3))
    p = rng.normal(scale=5.0, size=(n, 3)) if p is None else np.broadcast_to(p, (n, 3))
    return some_clusters(np.arange(n + 1), np.full(n, mass), p, quark, antiquark, perturbative, axis)


def some_clusters(offsets, mass, p, quark, antiquark, perturbative=(False, False), axis=(0.0, 0.0, 1.0)):
    n, mass = len(mass), np.array(mass, float)
    p, axis = (np.broadcast_to(x, (n, 3)).astype(float) for x in (p, axis))
    return Clusters(
        np.array(offsets),
        *p.T.copy(),
        np.sqrt(mass**2 + np.sum(p**2, axis=1)),
        mass,
        *(np.broadcast_to(x, n).astype(np.int32) for x in (quark, antiquark)),
        *(np.full(n, x) for x in perturbative),
        *axis.T.copy(),
        np.full(n, -1, np.int32),
        np.zeros(n, np.int8),
        mass.copy(),
    )


def decayed(clusters, params=None, seed=1, **settings):
    return cluster.decay_clusters(clusters, params, rng=generator(seed), **settings)


def of_quark_at_rest(clusters, hadrons):
    """Directions of the hadrons with the quark, in the rest frames of clusters that decayed to two hadrons each."""
    return units(four(hadrons, slice(0, None, 2)).boostCM_of_p4(four(clusters)))


def parents_of(clusters):
    """Rows of the parts, two for each cluster that broke, and the rows of what they are parts of."""
    parts = np.flatnonzero(clusters.parent >= 0)
    return parts, clusters.offsets[clusters.event[parts]] + clusters.parent[parts]
