r"""The cluster model: from the partons of a shower to hadrons, by way of colour-neutral clusters.

Four steps, each a function on flat arrays, and one that does them all, `hadronize_clusters`:

1. `split_gluons`: partons get constituent masses, and every gluon splits into a quark and an antiquark;
2. `form_clusters`: a quark and its colour neighbour, an antiquark, make a cluster :cite:p:`webber1984qcd`. The masses
   of clusters do not depend on the energy of the collision: preconfinement :cite:p:`amati1979preconfinement`;
3. `fission`: clusters that are too heavy break in two, along the direction of their quarks;
4. `decay_clusters`: each cluster decays into two hadrons; one that is too light becomes a single hadron.

The steps are those of Herwig :cite:p:`bahr2008herwig`. Left out are colour reconnection, hadrons beyond the lowest
multiplets, single hadrons from clusters above threshold, and the softened threshold of fission in recent versions.
"""

import copy
import math
import warnings
from typing import NamedTuple

import numpy as np
from numba import njit

from ._parallel import check_rng, check_threads, in_threads, spawn
from ._progress import Progress
from .hadron_pairs import pair_table
from .hadrons import Hadrons
from .histories import FISSION, PAIR, SINGLE, WAITING, Clusters, Sample
from .params import ClusterParams
from .showers import GLUON, Constituents, Showers

__all__ = ["Decayed", "decay_clusters", "fission", "form_clusters", "hadronize_clusters", "split_gluons"]

CHUNK = 1024  # events per chunk: each has a generator of its own, so the number of threads changes nothing
MAX_TRIES = 1000  # draws of flavour and masses before a cluster is left as it is
TOLERANCE = 1e-6  # of √s: how far the momenta of a shower may be from adding up to √s at rest
BARYONS, MESONS = 1, 0


# --- Two-body kinematics ---------------------------------------------------------------------------


@njit(nogil=True, inline="always")
def p_star(m, m1, m2):
    """Momentum of both parts of a body of mass `m` at rest that decays to masses `m1` and `m2` [GeV]."""
    return math.sqrt(max(0.0, (m * m - (m1 + m2) ** 2) * (m * m - (m1 - m2) ** 2))) / (2.0 * m)


@njit(nogil=True, inline="always")
def to_lab(px, py, pz, e, m, kx, ky, kz, ke):
    """Four-momentum k, seen in the rest frame of a body of momentum p, energy e and mass m, in the lab."""
    energy = (e * ke + px * kx + py * ky + pz * kz) / m
    along = (ke + energy) / (e + m)
    return kx + along * px, ky + along * py, kz + along * pz, energy


@njit(nogil=True, inline="always")
def direction_at_rest(px, py, pz, e, m, kx, ky, kz, ke):
    """Unit vector along the lab momentum k in the rest frame of a body of momentum p, energy e and mass m."""
    energy = (e * ke - px * kx - py * ky - pz * kz) / m
    along = (ke + energy) / (e + m)
    x, y, z = kx - along * px, ky - along * py, kz - along * pz
    size = math.sqrt(x * x + y * y + z * z)
    if size == 0.0:  # k is at rest there too: any direction will do
        return 0.0, 0.0, 1.0
    return x / size, y / size, z / size


@njit(nogil=True, inline="always")
def isotropic(rng):
    """Unit vector in a random direction."""
    cosine, phi = 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
    sine = math.sqrt(1.0 - cosine * cosine)
    return sine * math.cos(phi), sine * math.sin(phi), cosine


@njit(nogil=True, inline="always")
def smeared(rng, x, y, z, smearing):
    """Unit vector about the axis (x, y, z), cosθ = 1 + smearing · ln R with R uniform and cosθ >= -1."""
    if smearing == 0.0:
        return x, y, z
    # R between exp(-2 / smearing) and 1 gives every cosine between -1 and 1 at once.
    cosine = max(-1.0, 1.0 + smearing * math.log1p(rng.random() * math.expm1(-2.0 / smearing)))
    phi = 2.0 * math.pi * rng.random()
    sine = math.sqrt(1.0 - cosine * cosine)
    # Two unit vectors across the axis, without a special case near the poles.
    sign = math.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    s, t = sine * math.cos(phi), sine * math.sin(phi)
    return (
        cosine * x + s * (1.0 + sign * x * x * a) + t * b,
        cosine * y + s * sign * b + t * (sign + y * y * a),
        cosine * z - s * sign * x - t * y,
    )


# --- Arrays for the kernels ------------------------------------------------------------------------


class Flavours(NamedTuple):
    """`ClusterParams` by flavour: entry 0 the gluon where there is one, 1 to 5 the quarks."""

    mass: np.ndarray  # (6,) constituent masses [GeV]
    cl_max: np.ndarray  # (6,) GeV
    cl_pow: np.ndarray
    p_split: np.ndarray
    cl_smr: np.ndarray
    pwt: np.ndarray  # weights of new quarks: only u, d and s are made


def _flavours(p):
    by_flavour = {
        name: np.array([getattr(p, name)] * 4 + [getattr(p, f"{name}_charm"), getattr(p, f"{name}_bottom")])
        for name in ("cl_max", "cl_pow", "p_split", "cl_smr")
    }
    mass = np.array([p.gluon_mass, p.mass_ud, p.mass_ud, p.mass_s, p.mass_c, p.mass_b])
    return Flavours(mass, **by_flavour, pwt=np.array([0.0, 1.0, 1.0, p.pwt_s, 0.0, 0.0]))


class Rows(NamedTuple):
    """The columns of `Clusters` as the kernels take them."""

    p: np.ndarray  # (4, rows) px, py, pz, e
    mass: np.ndarray
    flavour: np.ndarray  # (2, rows) quark, antiquark
    perturbative: np.ndarray  # (2, rows)
    axis: np.ndarray  # (3, rows)
    parent: np.ndarray
    fate: np.ndarray


def _make_rows(n):
    return Rows(
        np.empty((4, n)),
        np.empty(n),
        np.empty((2, n), np.int32),
        np.empty((2, n), bool),
        np.empty((3, n)),
        np.full(n, -1, np.int32),
        np.full(n, WAITING, np.int8),
    )


def _rows_of(clusters):
    c = clusters
    return Rows(
        np.stack([c.px, c.py, c.pz, c.e]).astype(float),
        c.mass.astype(float),
        np.stack([c.quark, c.antiquark]).astype(np.int32),
        np.stack([c.quark_perturbative, c.antiquark_perturbative]),
        np.stack([c.axis_x, c.axis_y, c.axis_z]).astype(float),
        c.parent.astype(np.int32),
        c.fate.astype(np.int8),
    )


def _clusters(offsets, rows):
    return Clusters(offsets, *rows.p, rows.mass, *rows.flavour, *rows.perturbative, *rows.axis, rows.parent, rows.fate)


# --- 1: gluons split -------------------------------------------------------------------------------


@njit(nogil=True)
def _scale_to_masses(p2, mass, energy):
    """The factor k on all momenta at rest that gives Σ √(k² p² + m²) the value `energy`; -1 if there is none."""
    if mass.sum() >= energy or p2.sum() == 0.0:
        return -1.0
    k = 1.0
    for _ in range(100):  # Newton; the sum is convex in k, so it converges from any start
        excess, slope = -energy, 0.0
        for i in range(len(p2)):
            e = math.sqrt(k * k * p2[i] + mass[i] * mass[i])
            excess += e
            slope += k * p2[i] / e
        step = excess / slope
        k -= step
        if abs(step) <= 1e-15 * k:
            break
    return k


@njit(nogil=True)
def new_flavour(rng, flavours, heaviest):
    """A quark lighter than `heaviest` [GeV] by the weights of new quarks; 0 if all are too heavy."""
    total = 0.0
    for f in range(1, 4):
        if flavours.mass[f] < heaviest:
            total += flavours.pwt[f]
    u, found = rng.random() * total, 0
    for f in range(1, 4):
        if flavours.mass[f] < heaviest and flavours.pwt[f] > 0.0:
            found = f
            u -= flavours.pwt[f]
            if u < 0.0:
                break
    return found


@njit(nogil=True)
def _split(rng, offsets, order, p, pid, flavours, out_offsets, out_p, out_pid, out_source):
    """Quarks and antiquarks in their order along the strings; an event that cannot get its masses is left empty."""
    n = 0
    out_offsets[0] = 0
    for event in range(len(offsets) - 1):
        rows = order[offsets[event] : offsets[event + 1]]
        mass, p2, energy = np.empty(len(rows)), np.empty(len(rows)), 0.0
        for i, row in enumerate(rows):
            mass[i] = flavours.mass[0 if pid[row] == GLUON else abs(pid[row])]
            p2[i] = p[0, row] ** 2 + p[1, row] ** 2 + p[2, row] ** 2
            energy += p[3, row]
        k = _scale_to_masses(p2, mass, energy)
        for i, row in enumerate(rows):
            if k < 0.0:
                break
            px, py, pz = k * p[0, row], k * p[1, row], k * p[2, row]
            e = math.sqrt(k * k * p2[i] + mass[i] * mass[i])
            out_source[n] = row
            if pid[row] != GLUON:
                out_p[0, n], out_p[1, n], out_p[2, n], out_p[3, n] = px, py, pz, e
                out_pid[n] = pid[row]
                n += 1
                continue
            f = new_flavour(rng, flavours, 0.5 * mass[i])
            size = p_star(mass[i], flavours.mass[f], flavours.mass[f])
            x, y, z = isotropic(rng)
            qx, qy, qz, qe = to_lab(px, py, pz, e, mass[i], size * x, size * y, size * z, 0.5 * mass[i])
            out_p[0, n], out_p[1, n], out_p[2, n], out_p[3, n] = px - qx, py - qy, pz - qz, e - qe
            out_pid[n] = -f
            out_p[0, n + 1], out_p[1, n + 1], out_p[2, n + 1], out_p[3, n + 1] = qx, qy, qz, qe
            out_pid[n + 1] = f
            out_source[n + 1] = row
            n += 2
        out_offsets[event + 1] = n
    return n


def _split_gluons(rng, offsets, order, p, pid, flavours):
    """`_split` with its arrays: offsets, p, pid, source."""
    n = len(pid) + np.count_nonzero(pid == GLUON)
    out = np.empty(len(offsets), np.int64), np.empty((4, n)), np.empty(n, np.int32), np.empty(n, np.int64)
    n = _split(rng, offsets, order, p, pid, flavours, *out)
    out_offsets, out_p, out_pid, source = out
    return out_offsets, out_p[:, :n], out_pid[:n], source[:n]


# --- 2: clusters form ------------------------------------------------------------------------------


@njit(nogil=True)
def _form(p, pid, perturbative, quarks, antiquarks, out):
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
        x, y, z = direction_at_rest(px, py, pz, e, out.mass[n], p[0, q], p[1, q], p[2, q], p[3, q])
        out.axis[0, n], out.axis[1, n], out.axis[2, n] = x, y, z
        out.flavour[0, n], out.flavour[1, n] = pid[q], pid[a]
        out.perturbative[0, n], out.perturbative[1, n] = perturbative[q], perturbative[a]


# --- 3: fission ------------------------------------------------------------------------------------


@njit(nogil=True, inline="always")
def heavier(quark, antiquark):
    """The flavour whose parameters a cluster takes; u, d and s share theirs."""
    return max(quark, -antiquark)


@njit(nogil=True, inline="always")
def breaks_up(mass, quark, antiquark, flavours):
    """Whether a cluster is too heavy: M^p > Cl_max^p + (m1 + m2)^p."""
    f = heavier(quark, antiquark)
    constituents = flavours.mass[quark] + flavours.mass[-antiquark]
    power = flavours.cl_pow[f]
    # Divided by M^p, so that no power is too large a number.
    return (flavours.cl_max[f] / mass) ** power + (constituents / mass) ** power < 1.0


@njit(nogil=True, inline="always")
def part_mass(rng, mass, own, other, new, power):
    """Mass of a part of a cluster: its quark `own` plus x, with x^(P-1) dx between `new` and what is left."""
    low, high = (new / mass) ** power, ((mass - own - other - new) / mass) ** power
    return own + mass * (low + rng.random() * (high - low)) ** (1.0 / power)


@njit(nogil=True)
def break_up(rng, mass, quark, antiquark, flavours):
    """New flavour and the masses of both parts; flavour 0 if none was found that fits."""
    m1, m2 = flavours.mass[quark], flavours.mass[-antiquark]
    for _ in range(MAX_TRIES):
        f = new_flavour(rng, flavours, 0.5 * (mass - m1 - m2))
        if f == 0:
            break
        mass_1 = part_mass(rng, mass, m1, m2, flavours.mass[f], flavours.p_split[quark])
        mass_2 = part_mass(rng, mass, m2, m1, flavours.mass[f], flavours.p_split[-antiquark])
        if mass_1 + mass_2 < mass:
            return f, mass_1, mass_2
    return 0, 0.0, 0.0


@njit(nogil=True)
def _fission(rng, offsets, rows, flavours, out_offsets, out):
    """Copy the clusters and append what they break into, event by event; -1 if there is no room."""
    p, mass, flavour, perturbative, axis, parent, fate = out
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
            n += 1
        i = first
        while i < n:  # the parts are appended, so they are looked at in their turn
            q, a = flavour[0, i], flavour[1, i]
            if fate[i] == WAITING and breaks_up(mass[i], q, a, flavours):
                f, mass_1, mass_2 = break_up(rng, mass[i], q, a, flavours)
                if f > 0:
                    if n + 2 > len(mass):
                        return -1
                    fate[i] = FISSION
                    x, y, z = axis[0, i], axis[1, i], axis[2, i]
                    px, py, pz, e = p[0, i], p[1, i], p[2, i], p[3, i]
                    k = p_star(mass[i], mass_1, mass_2)
                    part = to_lab(px, py, pz, e, mass[i], k * x, k * y, k * z, math.sqrt(k * k + mass_1 * mass_1))
                    p[0, n], p[1, n], p[2, n], p[3, n] = part
                    p[0, n + 1], p[1, n + 1], p[2, n + 1], p[3, n + 1] = (
                        px - part[0], py - part[1], pz - part[2], e - part[3],
                    )  # fmt: skip
                    mass[n], mass[n + 1] = mass_1, mass_2
                    flavour[0, n], flavour[1, n], flavour[0, n + 1], flavour[1, n + 1] = q, -f, f, a
                    perturbative[0, n], perturbative[1, n] = perturbative[0, i], False
                    perturbative[0, n + 1], perturbative[1, n + 1] = False, perturbative[1, i]
                    # In both parts the quarks move along the old axis: the light ray along it says where that is.
                    rx, ry, rz, re = to_lab(px, py, pz, e, mass[i], x, y, z, 1.0)
                    for j in (n, n + 1):
                        ax, ay, az = direction_at_rest(p[0, j], p[1, j], p[2, j], p[3, j], mass[j], rx, ry, rz, re)
                        axis[0, j], axis[1, j], axis[2, j] = ax, ay, az
                        parent[j], fate[j] = i - first, WAITING
                    n += 2
            i += 1
        out_offsets[event + 1] = n
    return n


def _fission_rows(rng, offsets, rows, flavours):
    """`_fission` with its arrays, made larger until they hold everything."""
    room = 2 * len(rows.mass) + 64
    while True:
        out_offsets, out = np.empty(len(offsets), np.int64), _make_rows(room)
        attempt = copy.deepcopy(rng)  # the same numbers again if there was no room
        n = _fission(attempt, offsets, rows, flavours, out_offsets, out)
        if n >= 0:
            rng.bit_generator.state = attempt.bit_generator.state
            return out_offsets, Rows(*(column[..., :n] for column in out))
        room *= 2


# --- 4: decay --------------------------------------------------------------------------------------


@njit(nogil=True, inline="always")
def table_row(quark, antiquark):
    return 5 * (quark - 1) - antiquark - 1


@njit(nogil=True)
def choose_pair(rng, mass, lo, hi, pairs, sums):
    """A pair of hadrons with odds weight × p*, from the rows lo to hi of the table; -1 if none fits."""
    total, mass2, n = 0.0, mass * mass, 0
    for j in range(lo, hi):
        if pairs.sum2[j] >= mass2:
            break
        total += pairs.weight[j] * math.sqrt((mass2 - pairs.sum2[j]) * (mass2 - pairs.difference2[j]))
        sums[n] = total
        n += 1
    if n == 0:
        return -1
    return lo + min(np.searchsorted(sums[:n], rng.random() * total, side="right"), n - 1)


@njit(nogil=True)
def to_single_hadron(i, first, last, rows, hadron_mass):
    """Put cluster i on the mass of a hadron; the neighbour nearest in phase space takes the recoil.

    The neighbour, a cluster or a hadron, is the one with which the pair has the smallest mass that has room for
    both. It keeps its own mass. False if no neighbour has enough energy.
    """
    p, mass = rows.p, rows.mass
    nearest, smallest = -1, math.inf
    for j in range(first, last):
        if j == i or rows.fate[j] == FISSION:
            continue
        e, px, py, pz = p[3, i] + p[3, j], p[0, i] + p[0, j], p[1, i] + p[1, j], p[2, i] + p[2, j]
        pair_mass = math.sqrt(max(0.0, e * e - px * px - py * py - pz * pz))
        if hadron_mass + mass[j] < pair_mass < smallest:
            nearest, smallest = j, pair_mass
    if nearest < 0:
        return False
    j = nearest
    e, px, py, pz = p[3, i] + p[3, j], p[0, i] + p[0, j], p[1, i] + p[1, j], p[2, i] + p[2, j]
    x, y, z = direction_at_rest(px, py, pz, e, smallest, p[0, i], p[1, i], p[2, i], p[3, i])
    k = p_star(smallest, hadron_mass, mass[j])
    part = to_lab(px, py, pz, e, smallest, k * x, k * y, k * z, math.sqrt(k * k + hadron_mass * hadron_mass))
    p[0, i], p[1, i], p[2, i], p[3, i] = part
    p[0, j], p[1, j], p[2, j], p[3, j] = px - part[0], py - part[1], pz - part[2], e - part[3]
    mass[i] = hadron_mass
    rows.fate[i] = SINGLE
    return True


@njit(nogil=True)
def _make_single_hadrons(first, last, rows, pairs):
    """Turn the light clusters of an event into single hadrons; if one finds no neighbour all stay as they were."""
    light = np.zeros(last - first, np.bool_)
    for i in range(first, last):
        row = table_row(rows.flavour[0, i], rows.flavour[1, i])
        light[i - first] = rows.fate[i] == WAITING and rows.mass[i] ** 2 <= pairs.sum2[pairs.meson_offsets[row]]
    if not light.any():
        return True
    p, mass = rows.p[:, first:last].copy(), rows.mass[first:last].copy()
    for i in range(first, last):
        if light[i - first]:
            row = table_row(rows.flavour[0, i], rows.flavour[1, i])
            if not to_single_hadron(i, first, last, rows, pairs.lightest_mass[row]):
                rows.p[:, first:last], rows.mass[first:last] = p, mass
                for j in range(first, last):
                    if rows.fate[j] == SINGLE:
                        rows.fate[j] = WAITING
                return False
    return True


@njit(nogil=True)
def decay_direction(rng, i, rows, flavours):
    """Direction of the hadron with the quark, in the rest frame of cluster i.

    It remembers a perturbative constituent; of two the heavier if that is charm or bottom, else one at random.
    """
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


@njit(nogil=True)
def _single_hadrons(offsets, rows, pairs):
    """Turn the light clusters of all events into single hadrons; False for events where that is not possible."""
    possible = np.empty(len(offsets) - 1, np.bool_)
    for event in range(len(possible)):
        possible[event] = _make_single_hadrons(offsets[event], offsets[event + 1], rows, pairs)
    return possible


@njit(nogil=True)
def _decay(rng, offsets, possible, rows, directions, flavours, quark_odds, pairs, sums, out_offsets, out_p, out_pid):
    """Hadrons of all clusters; fates in `rows` change. Returns the number of hadrons.

    `directions` (3, rows) of the hadrons with the quarks, at rest; (3, 0) if they are to be drawn here.
    """
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
            row = table_row(flavour[0, i], flavour[1, i])
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
            m1 = pairs.mass[0, j]
            k = p_star(mass[i], m1, pairs.mass[1, j])
            part = to_lab(px, py, pz, e, mass[i], k * x, k * y, k * z, math.sqrt(k * k + m1 * m1))
            out_p[0, h], out_p[1, h], out_p[2, h], out_p[3, h] = part
            out_p[0, h + 1], out_p[1, h + 1] = px - part[0], py - part[1]
            out_p[2, h + 1], out_p[3, h + 1] = pz - part[2], e - part[3]
            out_pid[h], out_pid[h + 1] = pairs.pid[0, j], pairs.pid[1, j]
            fate[i] = PAIR
            h += 2
        out_offsets[event + 1] = h
    return h


def _decay_rows(rng, offsets, rows, flavours, params, pairs, decay=None):
    """`_decay` with its arrays: offsets, p, pid of the hadrons."""
    possible = _single_hadrons(offsets, rows, pairs)
    directions = np.empty((3, 0)) if decay is None else _directions_of(decay, _clusters(offsets, rows), rng)
    room = 2 * len(rows.mass)
    out = np.empty(len(offsets), np.int64), np.empty((4, room)), np.empty(room, np.int32)
    sums = np.empty(len(pairs.weight))
    quark_odds = 1.0 / (1.0 + params.pwt_diquark)
    n = _decay(rng, offsets, possible, rows, directions, flavours, quark_odds, pairs, sums, *out)
    return out[0], out[1][:, :n], out[2][:n]


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


# --- What users call -------------------------------------------------------------------------------


class Decayed(NamedTuple):
    """What `decay_clusters` returns."""

    hadrons: Hadrons
    clusters: Clusters  # with their fates


def _checked(params, rng):
    params = ClusterParams() if params is None else params
    if not isinstance(params, ClusterParams):
        raise TypeError(f"params must be ClusterParams, got {type(params).__name__}; write ClusterParams(cl_max=3.5)")
    check_rng(rng)
    return params.validate()


def _of_kind(value, kind, where):
    # Constituents are Showers too, but have no gluons left to split.
    if not isinstance(value, kind) or (kind is Showers and isinstance(value, Constituents)):
        raise TypeError(f"{where} takes {kind.__name__}, got {type(value).__name__}")


def _check_decay(decay):
    if decay is not None and not callable(decay):
        raise TypeError(f"decay must be a function of clusters and rng, got {type(decay).__name__}")


def _pairs(params, pions_only):
    if not isinstance(pions_only, (bool, np.bool_)):
        raise TypeError(f"pions_only must be True or False, got {pions_only!r}")
    return pair_table(params, pions_only)


def _checked_momenta(showers):
    """Momenta (4, rows) of showers at rest whose energies add up to √s."""
    p = np.stack([showers.px, showers.py, showers.pz, showers.e]).astype(float)
    showers._refuse(p[3] < 0, "a parton of negative energy")
    total = np.stack([np.bincount(showers.event, weights=x, minlength=len(showers)) for x in p], axis=1)
    missing = abs(total - [0, 0, 0, showers.energy]).max(axis=1, initial=0)
    wrong = missing > TOLERANCE * showers.energy
    if wrong.any():
        event = np.argmax(wrong)
        raise ValueError(
            f"event {event}: its partons add up to (px, py, pz, E) = ({', '.join(f'{x:.6g}' for x in total[event])}) "
            f"GeV, not to {showers.energy:g} GeV at rest; is something missing, or is it not boosted to its rest frame?"
        )
    return p


def split_gluons(showers, params=None, rng=None):
    """Give partons their constituent masses, and let every gluon split into a quark and an antiquark.

    All momenta of an event are scaled by one factor, in its rest frame, such that its energy stays what it is. A gluon
    then decays isotropically in its own rest frame, to u, d or, if it is heavy enough, s.

    Parameters
    ----------
    showers : Showers
        N events at rest.
    params : ClusterParams, optional
    rng : numpy.random.Generator

    Returns
    -------
    Constituents
        In their order along the strings. The quark of a gluon has the colour of the gluon, the antiquark its
        anticolour.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an energy is negative, or an event does not add up to √s at rest, or has less energy than its constituents
        weigh; the event is named. Also if a parameter is out of range.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> split_gluons(showers, rng=np.random.default_rng(1))
    Constituents(100 events, 1934 quarks and antiquarks, 91.2 GeV)
    """
    _of_kind(showers, Showers, "split_gluons")
    params = _checked(params, rng)
    p = _checked_momenta(showers)
    order, _ = showers.colour_order()
    offsets, p, pid, source = _split_gluons(rng, showers.offsets, order, p, showers.pid, _flavours(params))
    empty = (np.diff(offsets) == 0) & (showers.multiplicity > 0)
    if empty.any():
        event = np.argmax(empty)
        raise ValueError(
            f"event {event}: {showers.multiplicity[event]} partons with constituent masses do not fit into "
            f"{showers.energy:g} GeV; leave it out, or lower gluon_mass"
        )
    colours = np.where(pid > 0, showers.col[source], 0), np.where(pid < 0, showers.acol[source], 0)
    return Constituents(offsets, *p, pid, *colours, showers.energy, showers.pid[source] != GLUON)


def form_clusters(constituents):
    """Join each quark and the antiquark with the same colour to a cluster.

    Parameters
    ----------
    constituents : Constituents
        N events, see `split_gluons`.

    Returns
    -------
    Clusters
        In the order of their quarks. Nothing is random here.

    Raises
    ------
    TypeError
        If the argument is of another kind.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> form_clusters(split_gluons(showers, rng=np.random.default_rng(1)))
    Clusters(100 events, 967 clusters, 967 primary)
    """
    _of_kind(constituents, Constituents, "form_clusters")
    c = constituents
    # Each string is a pair now: a quark, then the antiquark that its colour leads to.
    order, _ = c.colour_order()
    quarks, antiquarks = order[::2], order[1::2]
    rows = _make_rows(len(quarks))
    _form(np.stack([c.px, c.py, c.pz, c.e]).astype(float), c.pid, c.perturbative, quarks, antiquarks, rows)
    return _clusters(c.offsets // 2, rows)


def fission(clusters, params=None, rng=None):
    r"""Break heavy clusters in two, and their parts again, until all are light.

    A cluster of mass M breaks while :math:`M^p > Cl_{max}^p + (m_1 + m_2)^p`, with the masses of its constituents. A
    pair of new quarks of mass m is drawn by the weights of the flavours, and the masses of the parts,
    :math:`M_i = m_i + x_i` with a density :math:`\propto x_i^{P-1}` between m and
    :math:`M - m_1 - m_2 - m`; drawn again, flavour too, if they do not fit into M. In the rest frame of the cluster the
    parts fly along its axis, and so do all constituents: string-like, in one dimension.

    Parameters
    ----------
    clusters : Clusters
        N events, see `form_clusters`.
    params : ClusterParams, optional
    rng : numpy.random.Generator

    Returns
    -------
    Clusters
        The same, and after them, in each event, the parts; `parent` and `fate` tell what came of what.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or a parameter is out of range.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> rng = np.random.default_rng(1)
    >>> clusters = form_clusters(split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=rng))
    >>> broken = fission(clusters, rng=rng)
    >>> int(broken.primary.sum()), bool((broken.fate == 1).sum() == (~broken.primary).sum() / 2)
    (967, True)
    """
    _of_kind(clusters, Clusters, "fission")
    params = _checked(params, rng)
    return _clusters(*_fission_rows(rng, clusters.offsets, _rows_of(clusters), _flavours(params)))


def decay_clusters(clusters, params=None, rng=None, pions_only=False, decay=None):
    r"""Let each cluster decay into two hadrons.

    Between quark and antiquark a pair of quarks, or with odds `pwt_diquark` to 1 of diquarks if two baryons fit, is
    made. Each pair of hadrons with these flavours has odds: weight of the new flavour × spin states × share of the
    flavour in the hadron × weight of the multiplet × momentum :math:`p^*` of the decay. The decay is isotropic, unless
    a constituent is perturbative: then its hadron flies along its direction, smeared by
    :math:`\cos\theta = 1 + Cl_{smr} \ln R` with R uniform.

    A cluster too light for any two hadrons becomes the lightest single one. Its neighbour nearest in phase space
    takes the recoil, so that momentum is conserved.

    Parameters
    ----------
    clusters : Clusters
        N events, see `fission`.
    params : ClusterParams, optional
    rng : numpy.random.Generator
    pions_only : bool
        Whether all hadrons are pions, as in the first studies of generative networks. Quarks of other flavours then
        count as u or d, whichever has their charge.
    decay : callable, optional
        Another law for the directions: ``decay(clusters, rng)`` gives, for each row of `Clusters`, the direction of the
        hadron with the quark in the rest frame of its cluster, shape (rows, 3). Only those of clusters with fate 0
        matter. `hadtutor.gan.load_onnx` makes one of a network. By default that of the cluster model.

    Returns
    -------
    Decayed
        `hadrons`, in the order of the clusters (`Clusters.n_hadrons` for each), and `clusters` with their fates. An
        event whose light cluster has no neighbour with enough energy has no hadrons, and its clusters wait.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, a parameter is out of range, clusters have decayed already, or `decay`
        gives something else than directions.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> rng = np.random.default_rng(1)
    >>> clusters = form_clusters(split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=rng))
    >>> hadrons, clusters = decay_clusters(fission(clusters, rng=rng), rng=rng)
    >>> bool(len(hadrons.px) == clusters.n_hadrons.sum())
    True
    """
    _of_kind(clusters, Clusters, "decay_clusters")
    params = _checked(params, rng)
    clusters._refuse(clusters.fate > FISSION, "clusters that have decayed already")
    rows = _rows_of(clusters)
    pairs = _pairs(params, pions_only)
    _check_decay(decay)
    offsets, p, pid = _decay_rows(rng, clusters.offsets, rows, _flavours(params), params, pairs, decay)
    return Decayed(Hadrons(offsets, *p, pid), _clusters(clusters.offsets, rows))


def hadronize_clusters(showers, params=None, rng=None, threads=1, pions_only=False, progress=True, decay=None):
    """Hadronize showers with the cluster model: split gluons, form clusters, break them, let them decay.

    Parameters
    ----------
    showers : Showers
        N events at rest.
    params : ClusterParams, optional
        By default published values, see `ClusterParams`.
    rng : numpy.random.Generator
        Source of randomness; it is advanced by spawning, so two calls in a row give two samples.
    threads : int
        Threads to work on; the events are the same for any number.
    pions_only : bool
        Whether all hadrons are pions, see `decay_clusters`.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.
    decay : callable, optional
        Another law for the directions of decays, see `decay_clusters`. It is called once for every 1024 events, with
        `threads` above 1 from several threads at a time.

    Returns
    -------
    Sample
        Hadrons before their decays, which `hadtutor.pythia.decay` can do, and as `histories` the `Clusters`. Nothing
        is lost: an event that cannot be hadronized keeps its place without hadrons, `Clusters.unfinished` lists it, and
        a warning counts them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; if an event of the showers has a negative energy or does
        not add up to √s at rest; the event is named.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> sample = hadronize_clusters(showers, rng=np.random.default_rng(1))
    >>> sample
    Sample(100 events of clusters, 91.2 GeV, cl_max=3.53, cl_pow=1.85, p_split=0.914)
    >>> bool(abs(sample.hadrons.e.sum() - 100 * 91.2) < 1e-6)
    True
    """
    _of_kind(showers, Showers, "hadronize_clusters")
    params = _checked(params, rng)
    check_threads(threads)
    _check_decay(decay)
    p, following = _checked_momenta(showers), showers._following()
    order, _ = showers.colour_order()
    flavours, pairs = _flavours(params), _pairs(params, pions_only)
    starts = range(0, max(len(showers), 1), CHUNK)
    rngs = spawn(rng, len(starts))

    def job(k):
        offsets = showers.offsets[starts[k] : starts[k] + CHUNK + 1]
        rows = slice(offsets[0], offsets[-1])
        local = (array - offsets[0] for array in (offsets, order[rows], following[rows]))
        return _hadronize_chunk(
            rngs[k], *local, np.ascontiguousarray(p[:, rows]), showers.pid[rows], params, flavours, pairs, decay
        )

    pieces = []
    with Progress(len(showers), "event", progress) as bar:
        for k, piece in enumerate(in_threads(job, len(starts), threads)):
            pieces.append(piece)
            bar.update(min(CHUNK, len(showers) - starts[k]))
    sample = Sample(*_joined(pieces), params, float(showers.energy), quark=None)
    unfinished = sample.histories.unfinished
    if len(unfinished):
        warnings.warn(
            f"{len(unfinished)} of {len(showers)} events could not be hadronized and have no hadrons "
            f"(the first is event {unfinished[0]}); sample.histories.unfinished lists them",
            RuntimeWarning,
            stacklevel=2,
        )
    return sample


def _hadronize_chunk(rng, offsets, order, following, p, pid, params, flavours, pairs, decay):
    """Hadrons (offsets, p, pid) and clusters (offsets, rows) of one chunk."""
    parton = pid
    offsets, p, pid, source = _split_gluons(rng, offsets, order, p, parton, flavours)
    quarks, antiquarks = np.flatnonzero(pid > 0), np.flatnonzero(pid < 0)
    # The antiquark whose parton has the anticolour of the quark's.
    antiquark_of = np.zeros(len(following), np.int64)
    antiquark_of[source[antiquarks]] = antiquarks
    rows = _make_rows(len(quarks))
    _form(p, pid, parton[source] != GLUON, quarks, antiquark_of[following[source[quarks]]], rows)
    offsets, rows = _fission_rows(rng, offsets // 2, rows, flavours)
    hadrons = _decay_rows(rng, offsets, rows, flavours, params, pairs, decay)
    return hadrons, (offsets, rows)


def _joined(pieces):
    """Hadrons and clusters of all chunks."""
    hadrons, clusters = zip(*pieces, strict=True)

    def join_offsets(parts):
        starts = np.cumsum([0] + [part[-1] for part in parts])
        return np.concatenate([[0], *(part[1:] + start for part, start in zip(parts, starts))]).astype(np.int64)

    p, pid = (np.concatenate([h[i] for h in hadrons], axis=-1) for i in (1, 2))
    rows = Rows(*(np.concatenate(columns, axis=-1) for columns in zip(*(rows for _, rows in clusters), strict=True)))
    return (
        Hadrons(join_offsets([h[0] for h in hadrons]), *p, pid),
        _clusters(join_offsets([offsets for offsets, _ in clusters]), rows),
    )
