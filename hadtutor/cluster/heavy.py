"""Step three, fission: clusters that are too heavy break in two along the direction of their quarks."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .._support.checks import as_generator, takes_rng
from .._support.kernels import kernel
from ..events.clusters import FISSION, WAITING, Clusters
from ..kinematics.decays import direction_at_rest, from_rest_frame, two_body
from ..lund.tabulated import law_name
from ..params import ClusterParams
from .rows import (
    MAX_TRIES,
    MODEL,
    Rows,
    as_params,
    check_kind,
    clusters_of,
    flavours_of,
    make_rows,
    new_flavour,
    rows_of,
)

NODES = 1025  # of a law of parts
NEITHER, OF_PARTS = "the model", " and masses of parts by "  # in the name of the laws of a sample


@kernel(inline="always")
def breaks_up(rng, mass, quark, antiquark, flavours):
    """Whether a cluster breaks: surely if M^p > Cl_max^p + (m1 + m2)^p, or with odds that rise there."""
    f = max(quark, -antiquark)  # the flavour whose parameters a cluster takes; u, d and s share theirs
    constituents = flavours.mass[quark] + flavours.mass[-antiquark]
    power = flavours.cl_pow[f]
    # Divided by M^p, so that no power is too large a number.
    t = (flavours.cl_max[f] / mass) ** power + (constituents / mass) ** power
    if flavours.cl_soft == 0.0:
        return t < 1.0
    if not 2.0 * flavours.mass[1] < mass - constituents:  # no room for a new pair
        return False
    return rng.random() * (1.0 + t ** (1.0 / flavours.cl_soft)) < 1.0


@kernel(inline="always")
def part_mass(u, mass, own, other, new, power):
    """Mass of a part of a cluster: its quark `own` plus x, with x^(P-1) dx between `new` and what is left, by u."""
    low, high = (new / mass) ** power, ((mass - own - other - new) / mass) ** power
    return own + mass * (low + u * (high - low)) ** (1.0 / power)


@kernel(inline="always")
def between(table, u):
    """What lies at u, from 0 to 1, in a table of values at equal distances."""
    place = u * (len(table) - 1)
    k = min(int(place), len(table) - 2)
    return table[k] + (place - k) * (table[k + 1] - table[k])


@kernel
def break_up(rng, mass, quark, antiquark, flavours):
    """New flavour and the masses of both parts; flavour 0 if none was found that fits."""
    m1, m2 = flavours.mass[quark], flavours.mass[-antiquark]
    for _ in range(MAX_TRIES):
        f = new_flavour(rng, flavours, 0.5 * (mass - m1 - m2))
        if f == 0:
            break
        u_1, u_2 = rng.random(), rng.random()
        mass_1 = part_mass(u_1, mass, m1, m2, flavours.mass[f], flavours.p_split[quark])
        mass_2 = part_mass(u_2, mass, m2, m1, flavours.mass[f], flavours.p_split[-antiquark])
        if mass_1 + mass_2 < mass:
            parts = flavours.parts
            if len(parts) == 0 or rng.random() < between(parts, u_1) * between(parts, u_2):
                return f, mass_1, mass_2
    return 0, 0.0, 0.0


@kernel
def _fission(rng, offsets, rows, flavours, out_offsets, out):
    """Copy the clusters and append what they break into, event by event; -1 if there is no room."""
    p, mass, flavour, perturbative, axis, parent, fate, formed_mass = out
    n = 0
    out_offsets[0] = 0
    for event in range(len(offsets) - 1):
        first, n_old = n, offsets[event + 1] - offsets[event]
        if n + n_old > len(mass):
            return -1
        for old in range(offsets[event], offsets[event + 1]):
            for k in range(4):
                p[k, n] = rows.p[k, old]
            for k in range(3):
                axis[k, n] = rows.axis[k, old]
            for k in range(2):
                flavour[k, n], perturbative[k, n] = rows.flavour[k, old], rows.perturbative[k, old]
            mass[n], parent[n], fate[n] = rows.mass[old], rows.parent[old], rows.fate[old]
            formed_mass[n] = rows.formed_mass[old]
            n += 1
        i = first
        while i < n:  # the parts are appended, so they are looked at in their turn
            q, a = flavour[0, i], flavour[1, i]
            if fate[i] == WAITING and breaks_up(rng, mass[i], q, a, flavours):
                f, mass_1, mass_2 = break_up(rng, mass[i], q, a, flavours)
                if f > 0:
                    if n + 2 > len(mass):
                        return -1
                    fate[i] = FISSION
                    x, y, z = axis[0, i], axis[1, i], axis[2, i]
                    px, py, pz, e = p[0, i], p[1, i], p[2, i], p[3, i]
                    two_body(px, py, pz, e, mass[i], x, y, z, mass_1, mass_2, p, n, n + 1)
                    mass[n], mass[n + 1] = mass_1, mass_2
                    formed_mass[n], formed_mass[n + 1] = mass_1, mass_2
                    flavour[0, n], flavour[1, n], flavour[0, n + 1], flavour[1, n + 1] = q, -f, f, a
                    perturbative[0, n], perturbative[1, n] = perturbative[0, i], False
                    perturbative[0, n + 1], perturbative[1, n + 1] = False, perturbative[1, i]
                    # In both parts the quarks move along the old axis: the light ray along it says where that is.
                    rx, ry, rz, re = from_rest_frame(px, py, pz, e, mass[i], x, y, z, 1.0)
                    for j in (n, n + 1):
                        ax, ay, az = direction_at_rest(p[0, j], p[1, j], p[2, j], p[3, j], mass[j], rx, ry, rz, re)
                        axis[0, j], axis[1, j], axis[2, j] = ax, ay, az
                        parent[j], fate[j] = i - first, WAITING
                    n += 2
            i += 1
        out_offsets[event + 1] = n
    return n


def fission_rows(rng, offsets, rows, flavours):
    """`_fission` with its arrays, made larger until they hold everything."""
    room = 2 * len(rows.mass) + 64
    while True:
        out_offsets, out = np.empty(len(offsets), np.int64), make_rows(room)
        attempt = copy.deepcopy(rng)  # the same numbers again if there was no room
        n = _fission(attempt, offsets, rows, flavours, out_offsets, out)
        if n >= 0:
            rng.bit_generator.state = attempt.bit_generator.state
            return out_offsets, Rows(*(column[..., :n] for column in out))
        room *= 2


def weights_of_parts(law: Callable | None) -> np.ndarray:
    """A `law` of masses of parts, see `fission`, at equal distances from 0 to 1, at most 1; none without a law."""
    if law is None:
        return MODEL
    if not callable(law):
        raise TypeError(f"parts must be a function of u, got {type(law).__name__}")
    table = np.broadcast_to(np.asarray(law(np.linspace(0.0, 1.0, NODES)), float), NODES)
    if not (np.isfinite(table).all() and table.min() >= 0.0 and table.max() > 0.0):
        raise ValueError("parts must give finite weights for u from 0 to 1, none of them negative and not all zero")
    if table.mean() < 0.05 * table.max():
        raise ValueError(
            f"the largest weight that parts gives is {table.max() / table.mean():.0f} times the mean: nearly all "
            "masses would be drawn in vain; p_split moves them without that"
        )
    return table / table.max()


def name_of_laws(decay: Any, parts: Any) -> str | None:
    """What `Sample.law` says of laws for `decay`, the directions, and for `parts`, the masses."""
    name = NEITHER if decay is None else law_name(decay)
    return f"{name}{OF_PARTS}{law_name(parts)}" if parts is not None else None if decay is None else name


def laws_in(name: str | None) -> tuple[bool, bool]:
    """Whether directions, and whether masses of parts, have another law than the model's, by the `name` of the laws."""
    directions, _, parts = (name or NEITHER).partition(OF_PARTS)
    return directions != NEITHER, bool(parts)


@takes_rng
def fission(
    clusters: Clusters, params: ClusterParams | None = None, *, rng: np.random.Generator | int,
    parts: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Clusters:  # fmt: skip
    r"""Break heavy clusters in two, and their parts again, until all are light.

    A cluster of mass M breaks while :math:`M^p > Cl_{max}^p + (m_1 + m_2)^p`, with the masses of its constituents. With
    a softness :math:`s = Cl_{soft} > 0` it breaks with the probability :math:`1/(1 + t^{1/s})` if a new pair fits, with
    :math:`t = (Cl_{max}/M)^p + ((m_1 + m_2)/M)^p`, one half at the sharp threshold :cite:p:`bewick2024herwig`. A pair
    of new quarks of mass m is drawn by the weights of the flavours, and the masses of the parts, :math:`M_i = m_i +
    x_i` with a density :math:`\propto x_i^{P-1}` between m and :math:`M - m_1 - m_2 - m`; drawn again, flavour too, if
    they do not fit into M. In the rest frame of the cluster the parts fly along its axis, and so do all constituents:
    string-like, in one dimension. In each event the parts come after what was there; `Clusters.parent` and
    `Clusters.fate` tell what came of what.

    Parameters
    ----------
    clusters : Clusters
        N events, see `form_clusters`.
    params : ClusterParams, optional
    rng : numpy.random.Generator or int
    parts : callable, optional
        Another law for the masses of the parts: a weight relative to this one, as a function of
        :math:`u = (x^P - m^P)/((M - m_1 - m_2 - m)^P - m^P)`, which is uniform in the model but for what does not fit.
        Each part has its own, and a pair of them the product. An array of u goes in, one of weights comes out.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or a parameter is out of range.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> rng = np.random.default_rng(1)
    >>> constituents = ht.cluster.split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=rng)
    >>> broken = fission(ht.cluster.form_clusters(constituents), rng=rng)
    >>> int(broken.primary.sum()), bool((broken.fate == ht.events.Fate.FISSION).sum() == (~broken.primary).sum() / 2)
    (967, True)
    """
    check_kind(clusters, Clusters, "fission")
    params, rng = as_params(params), as_generator(rng)
    flavours = flavours_of(params, weights_of_parts(parts))
    return clusters_of(*fission_rows(rng, clusters.offsets, rows_of(clusters), flavours))
