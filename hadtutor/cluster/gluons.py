"""Step one: partons get constituent masses, and every gluon splits into a quark and an antiquark."""

import math

import numpy as np

from .._support.checks import as_generator, takes_rng
from .._support.kernels import kernel
from ..events.showers import GLUON, Constituents, Showers
from ..kinematics.decays import from_rest_frame, isotropic, p_star
from ..params import ClusterParams
from .rows import as_params, check_kind, flavours_of, momenta_at_rest, new_flavour


@kernel
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


@kernel
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
            qx, qy, qz, qe = from_rest_frame(px, py, pz, e, mass[i], size * x, size * y, size * z, 0.5 * mass[i])
            out_p[0, n], out_p[1, n], out_p[2, n], out_p[3, n] = px - qx, py - qy, pz - qz, e - qe
            out_pid[n] = -f
            out_p[0, n + 1], out_p[1, n + 1], out_p[2, n + 1], out_p[3, n + 1] = qx, qy, qz, qe
            out_pid[n + 1] = f
            out_source[n + 1] = row
            n += 2
        out_offsets[event + 1] = n
    return n


def split_rows(rng, offsets, order, p, pid, flavours):
    """`_split` with its arrays: offsets, p, pid, source."""
    n = len(pid) + np.count_nonzero(pid == GLUON)
    out = np.empty(len(offsets), np.int64), np.empty((4, n)), np.empty(n, np.int32), np.empty(n, np.int64)
    n = _split(rng, offsets, order, p, pid, flavours, *out)
    return out[0], *(column[..., :n] for column in out[1:])


@takes_rng
def split_gluons(
    showers: Showers, params: ClusterParams | None = None, *, rng: np.random.Generator | int
) -> Constituents:
    """Give partons their constituent masses, and let every gluon split into a quark and an antiquark.

    All momenta of an event are scaled by one factor, in its rest frame, such that its energy stays what it is. A gluon
    then decays isotropically in its own rest frame, to u, d or, if it is heavy enough, s. The quark has the colour of
    the gluon, the antiquark its anticolour; all come in their order along the strings.

    Parameters
    ----------
    showers : Showers
        N events at rest.
    params : ClusterParams, optional
    rng : numpy.random.Generator or int

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or a parameter out of range; if an event, which is named, has a negative
        energy, does not add up to √s at rest, or has less energy than its constituents weigh.

    Examples
    --------
    >>> import hadtutor as ht
    >>> split_gluons(ht.datasets.load("pythia-showers-91")[:100], rng=1)
    Constituents(100 events, 1934 quarks and antiquarks, 91.2 GeV)
    """
    check_kind(showers, Showers, "split_gluons")
    params, rng = as_params(params), as_generator(rng)
    p = momenta_at_rest(showers)
    order, _ = showers.colour_order()
    offsets, p, pid, source = split_rows(rng, showers.offsets, order, p, showers.pid, flavours_of(params))
    empty = (np.diff(offsets) == 0) & (showers.multiplicity > 0)
    if empty.any():
        event = np.argmax(empty)
        raise ValueError(
            f"event {event}: {showers.multiplicity[event]} partons with constituent masses do not fit into "
            f"{showers.energy:g} GeV; leave it out, or lower gluon_mass"
        )
    colours = np.where(pid > 0, showers.col[source], 0), np.where(pid < 0, showers.acol[source], 0)
    return Constituents(*[offsets, *p, pid, *colours, showers.energy, showers.pid[source] != GLUON])
