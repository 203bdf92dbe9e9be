"""Step four: every cluster decays into two hadrons."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._support.checks import as_generator, takes_rng
from .._support.kernels import kernel
from ..events.clusters import FISSION, PAIR, SINGLE, WAITING, Clusters
from ..events.hadrons import Hadrons
from ..kinematics.decays import isotropic, smeared, two_body
from ..params import ClusterParams
from .light import single_hadrons
from .pairs import flavour_row, pair_table
from .rows import as_params, check_kind, clusters_of, flavours_of, rows_of


@kernel
def choose_pair(rng, mass, lo, hi, pairs, sums):
    """Row of a pair of hadrons, with odds weight × p*, from lo to hi; -1 if none fits."""
    total, mass2, n = 0.0, mass * mass, 0
    for j in range(lo, hi):
        if pairs.sum2[j] >= mass2:
            break
        root = math.sqrt((mass2 - pairs.sum2[j]) * (mass2 - pairs.difference2[j]))
        total += pairs.weight[j] * root  # the root is 2 mass × p*
        sums[n] = total
        n += 1
    if n == 0:
        return -1
    chosen = np.searchsorted(sums[:n], rng.random() * total, side="right")
    return lo + min(chosen, n - 1)


@kernel
def decay_direction(rng, i, rows, flavours):
    """Direction of the hadron with the quark, in the rest frame of cluster i."""
    # It remembers a perturbative constituent; of two the heavier if that is charm or bottom, else one at random.
    quark, anti = rows.flavour[0, i], -rows.flavour[1, i]
    first, second = rows.perturbative[0, i], rows.perturbative[1, i]
    if not (first or second):
        return isotropic(rng)
    if first and second:
        if (quark > 3) != (anti > 3):
            first = quark > 3
        else:
            first = rng.random() < 0.5
    # About the antiquark the same: its direction is the opposite one, and so is that of its hadron.
    smearing = flavours.cl_smr[quark if first else anti]
    return smeared(rng, rows.axis[0, i], rows.axis[1, i], rows.axis[2, i], smearing)


@kernel
def _decay(rng, offsets, possible, rows, directions, flavours, quark_odds, pairs, sums, out_offsets, out_p, out_pid):
    """Number of hadrons made; fates in `rows` change. `directions` (3, rows), or (3, 0) if they are drawn here."""
    p, mass, flavour, fate = rows.p, rows.mass, rows.flavour, rows.fate
    h = 0
    out_offsets[0] = 0
    for event in range(len(offsets) - 1):
        first, last = offsets[event], offsets[event + 1]
        if not possible[event]:
            out_offsets[event + 1] = h
            continue
        for i in range(first, last):
            if fate[i] == FISSION:
                continue
            row = flavour_row(flavour[0, i], flavour[1, i])
            px, py, pz, e = p[0, i], p[1, i], p[2, i], p[3, i]
            if fate[i] == SINGLE:
                out_p[0, h], out_p[1, h], out_p[2, h], out_p[3, h] = px, py, pz, e
                out_pid[h] = pairs.lightest_pid[row]
                h += 1
                continue
            j = -1
            if rng.random() >= quark_odds:
                j = choose_pair(rng, mass[i], pairs.baryon_offsets[row], pairs.baryon_offsets[row + 1], pairs, sums)
            if j < 0:
                j = choose_pair(rng, mass[i], pairs.meson_offsets[row], pairs.meson_offsets[row + 1], pairs, sums)
            if directions.shape[1] > 0:
                x, y, z = directions[0, i], directions[1, i], directions[2, i]
            else:
                x, y, z = decay_direction(rng, i, rows, flavours)
            two_body(px, py, pz, e, mass[i], x, y, z, pairs.mass[0, j], pairs.mass[1, j], out_p, h, h + 1)
            out_pid[h], out_pid[h + 1] = pairs.pid[0, j], pairs.pid[1, j]
            fate[i] = PAIR
            h += 2
        out_offsets[event + 1] = h
    return h


def decay_rows(rng, offsets, rows, flavours, params, pairs, decay):
    """`_decay` with its arrays: offsets, p, pid of the hadrons."""
    possible = single_hadrons(offsets, rows, pairs)
    directions = np.empty((3, 0)) if decay is None else _directions_of(decay, clusters_of(offsets, rows), rng)
    room, sums, quark_odds = 2 * len(rows.mass), np.empty(len(pairs.weight)), 1.0 / (1.0 + params.pwt_diquark)
    out_offsets, p, pid = np.empty(len(offsets), np.int64), np.empty((4, room)), np.empty(room, np.int32)
    n = _decay(rng, offsets, possible, rows, directions, flavours, quark_odds, pairs, sums, out_offsets, p, pid)
    return out_offsets, p[:, :n], pid[:n]


def _directions_of(decay, clusters, rng):
    """Unit vectors (3, rows) by a user's decay, checked."""
    directions = np.asarray(decay(clusters, rng), dtype=float)
    wanted = (len(clusters.mass), 3)
    if directions.shape != wanted:
        raise ValueError(f"decay must give one direction for each cluster, shape {wanted}, got {directions.shape}")
    size = np.linalg.norm(directions, axis=1)
    bad = (clusters.fate == WAITING) & ~((size > 0) & np.isfinite(size))
    clusters._refuse(bad, "a cluster for which decay gave a direction of length zero or one that is not finite")
    return np.ascontiguousarray((directions / np.where(size > 0, size, 1.0)[:, None]).T)


class Decayed(NamedTuple):
    """What `decay_clusters` returns: `hadrons` in the order of the `clusters`, which have their fates now."""

    hadrons: Hadrons
    clusters: Clusters


def check_law(decay: Callable | None) -> None:
    """Refuse what cannot be a law for directions."""
    if decay is not None and not callable(decay):
        raise TypeError(f"decay must be a function of clusters and rng, got {type(decay).__name__}")


@takes_rng
def decay_clusters(
    clusters: Clusters, params: ClusterParams | None = None, *, rng: np.random.Generator | int,
    pions_only: bool = False, decay: Callable[[Clusters, np.random.Generator], np.ndarray] | None = None,
) -> Decayed:  # fmt: skip
    r"""Let each cluster decay into two hadrons.

    Between quark and antiquark a pair of quarks, or with odds `pwt_diquark` to 1 of diquarks if two baryons fit, is
    made. Each pair of hadrons with these flavours has odds: weight of the new flavour × spin states × share of the
    flavour in the hadron × weight of the multiplet × momentum :math:`p^*` of the decay. The decay is isotropic, unless
    a constituent is perturbative: then its hadron flies along its direction, smeared by
    :math:`\cos\theta = 1 + Cl_{smr} \ln R` with R uniform.

    A cluster too light for any two hadrons becomes the lightest single one. Its neighbour nearest in phase space takes
    the recoil, so that momentum is conserved; an event without a neighbour of enough energy has no hadrons, and its
    clusters wait.

    Parameters
    ----------
    clusters : Clusters
        N events, see `fission`.
    params : ClusterParams, optional
    rng : numpy.random.Generator or int
    pions_only : bool
        Whether all hadrons are pions, as in the first studies of generative networks. Quarks of other flavours then
        count as u or d, whichever has their charge.
    decay : callable, optional
        Another law for the directions: ``decay(clusters, rng)`` gives, for each row of `Clusters`, the direction of the
        hadron with the quark in the rest frame of its cluster, shape (rows, 3). Only those of clusters with fate 0
        matter. `hadtutor.gan.load_onnx` makes one of a network. By default that of the cluster model.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, a parameter is out of range, clusters have decayed already, or `decay`
        gives something else than directions.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> rng = np.random.default_rng(1)
    >>> constituents = ht.cluster.split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=rng)
    >>> hadrons, clusters = decay_clusters(ht.cluster.fission(ht.cluster.form_clusters(constituents), rng=rng), rng=rng)
    >>> bool(len(hadrons.px) == clusters.n_hadrons.sum())
    True
    """
    check_kind(clusters, Clusters, "decay_clusters")
    params, rng = as_params(params), as_generator(rng)
    clusters._refuse(clusters.fate > FISSION, "clusters that have decayed already")
    pairs, rows = pair_table(params, pions_only), rows_of(clusters)
    check_law(decay)
    offsets, p, pid = decay_rows(rng, clusters.offsets, rows, flavours_of(params), params, pairs, decay)
    return Decayed(Hadrons(*[offsets, *p, pid]), clusters_of(clusters.offsets, rows))
