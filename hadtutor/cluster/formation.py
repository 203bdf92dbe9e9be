"""Step two: a quark and its colour neighbour, an antiquark, make a cluster."""

import math

from .._support.kernels import kernel
from ..events.clusters import Clusters
from ..events.showers import Constituents
from ..kinematics.decays import direction_at_rest
from .rows import check_kind, clusters_of, make_rows, momenta


@kernel
def form(p, pid, perturbative, quarks, antiquarks, out):
    """Fill `out` with the clusters of the rows `quarks` and their `antiquarks`."""
    for n in range(len(quarks)):
        q, a = quarks[n], antiquarks[n]
        for i in range(4):
            out.p[i, n] = p[i, q] + p[i, a]
        px, py, pz, e = out.p[:, n]
        # Not below the sum of the constituents' masses by rounding.
        least = 0.0
        for row in (q, a):
            least += math.sqrt(max(0.0, p[3, row] ** 2 - p[0, row] ** 2 - p[1, row] ** 2 - p[2, row] ** 2))
        out.mass[n] = max(math.sqrt(max(0.0, e * e - px * px - py * py - pz * pz)), least)
        out.formed_mass[n] = out.mass[n]
        x, y, z = direction_at_rest(px, py, pz, e, out.mass[n], p[0, q], p[1, q], p[2, q], p[3, q])
        out.axis[0, n], out.axis[1, n], out.axis[2, n] = x, y, z
        out.flavour[0, n], out.flavour[1, n] = pid[q], pid[a]
        out.perturbative[0, n], out.perturbative[1, n] = perturbative[q], perturbative[a]


def form_clusters(constituents: Constituents) -> Clusters:
    """Join each quark and the antiquark with the same colour to a cluster, in the order of the quarks.

    Nothing is random here. `constituents` that are no `Constituents`, see `split_gluons`, are a TypeError.

    Examples
    --------
    >>> import hadtutor as ht
    >>> form_clusters(ht.cluster.split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=1))
    Clusters(100 events, 967 clusters, 967 primary)
    """
    check_kind(constituents, Constituents, "form_clusters")
    # Each string is a pair now: a quark, then the antiquark that its colour leads to.
    order, _ = constituents.colour_order()
    quarks, antiquarks = order[::2], order[1::2]
    rows = make_rows(len(quarks))
    form(momenta(constituents), constituents.pid, constituents.perturbative, quarks, antiquarks, rows)
    return clusters_of(constituents.offsets // 2, rows)
