"""Clusters below the threshold of their lightest pair become a single hadron."""

import math

import numpy as np

from .._support.kernels import kernel
from ..events.clusters import FISSION, SINGLE, WAITING
from ..kinematics.decays import direction_at_rest, two_body
from .pairs import flavour_row


@kernel
def to_single_hadron(i, first, last, rows, hadron_mass):
    """Put cluster i on the mass of a hadron; the neighbour nearest in phase space takes the recoil.

    That is the cluster or hadron with which the pair has the smallest mass that has room for both. It keeps its own
    mass. False if no neighbour has enough energy.
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
    two_body(px, py, pz, e, smallest, x, y, z, hadron_mass, mass[j], p, i, j)
    mass[i] = hadron_mass
    rows.fate[i] = SINGLE
    return True


@kernel
def _make_single_hadrons(first, last, rows, pairs):
    """Turn the light clusters of an event into single hadrons; if one finds no neighbour all stay as they were."""
    light = np.zeros(last - first, np.bool_)
    for i in range(first, last):
        row = flavour_row(rows.flavour[0, i], rows.flavour[1, i])
        light[i - first] = rows.fate[i] == WAITING and rows.mass[i] ** 2 <= pairs.sum2[pairs.meson_offsets[row]]
    if not light.any():
        return True
    p, mass = rows.p[:, first:last].copy(), rows.mass[first:last].copy()
    for i in range(first, last):
        if light[i - first]:
            row = flavour_row(rows.flavour[0, i], rows.flavour[1, i])
            if not to_single_hadron(i, first, last, rows, pairs.lightest_mass[row]):
                rows.p[:, first:last], rows.mass[first:last] = p, mass
                for j in range(first, last):
                    if rows.fate[j] == SINGLE:
                        rows.fate[j] = WAITING
                return False
    return True


@kernel
def single_hadrons(offsets, rows, pairs):
    """Turn the light clusters of all events into single hadrons; False for events where that is not possible."""
    possible = np.empty(len(offsets) - 1, np.bool_)
    for event in range(len(possible)):
        possible[event] = _make_single_hadrons(offsets[event], offsets[event + 1], rows, pairs)
    return possible
