"""Clusters as the kernels take them, new flavours, and the checks all four steps share."""

from typing import Any, NamedTuple

import numpy as np

from .._support.kernels import kernel
from ..events.clusters import WAITING, Clusters
from ..events.showers import Constituents, Showers
from ..params import ClusterParams

MAX_TRIES = 1000  # draws of flavour and masses before a cluster is left as it is
TOLERANCE = 1e-6  # of √s: how far the momenta of a shower may be from adding up to √s at rest


class Flavours(NamedTuple):
    """`ClusterParams` by flavour: entry 0 the gluon where there is one, 1 to 5 the quarks."""

    mass: np.ndarray  # (6,) constituent masses [GeV]
    cl_max: np.ndarray  # (6,) GeV
    cl_pow: np.ndarray
    p_split: np.ndarray
    cl_smr: np.ndarray
    pwt: np.ndarray  # weights of new quarks: only u, d and s are made
    cl_soft: float
    parts: np.ndarray  # weights of the masses of parts, see `weights_of_parts`


MODEL = np.empty(0)  # weights of the masses of parts where the law is the model's own


def flavours_of(p: ClusterParams, parts: np.ndarray = MODEL) -> Flavours:
    """Parameters by flavour, and another law for `parts`."""
    by_flavour = {
        name: np.array([getattr(p, name)] * 4 + [getattr(p, f"{name}_charm"), getattr(p, f"{name}_bottom")])
        for name in ("cl_max", "cl_pow", "p_split", "cl_smr")
    }
    mass = np.array([p.gluon_mass, p.mass_ud, p.mass_ud, p.mass_s, p.mass_c, p.mass_b])
    pwt = np.array([0.0, 1.0, 1.0, p.pwt_s, 0.0, 0.0])
    return Flavours(mass, **by_flavour, pwt=pwt, cl_soft=p.cl_soft, parts=parts)


class Rows(NamedTuple):
    """The columns of `Clusters` as the kernels take them."""

    p: np.ndarray  # (4, rows) px, py, pz, e
    mass: np.ndarray
    flavour: np.ndarray  # (2, rows) quark, antiquark
    perturbative: np.ndarray  # (2, rows)
    axis: np.ndarray  # (3, rows)
    parent: np.ndarray
    fate: np.ndarray
    formed_mass: np.ndarray


def make_rows(n: int) -> Rows:
    """Room for n clusters that wait and have no parents."""
    flavour, perturbative = np.empty((2, n), np.int32), np.empty((2, n), bool)
    parent, fate = np.full(n, -1, np.int32), np.full(n, WAITING, np.int8)
    return Rows(np.empty((4, n)), np.empty(n), flavour, perturbative, np.empty((3, n)), parent, fate, np.empty(n))


def momenta(events: Any) -> np.ndarray:
    """px, py, pz, e of particles or clusters in double precision, shape (4, rows)."""
    return np.stack([events.px, events.py, events.pz, events.e]).astype(float)


def rows_of(c: Clusters) -> Rows:
    """Columns of clusters, copied."""
    flavour = np.stack([c.quark, c.antiquark]).astype(np.int32)
    perturbative = np.stack([c.quark_perturbative, c.antiquark_perturbative])
    axis = np.stack([c.axis_x, c.axis_y, c.axis_z]).astype(float)
    parent, fate = c.parent.astype(np.int32), c.fate.astype(np.int8)
    mass = c.mass.astype(float)
    formed = mass.copy() if c.formed_mass is None else c.formed_mass.astype(float)
    return Rows(momenta(c), mass, flavour, perturbative, axis, parent, fate, formed)


def clusters_of(offsets: np.ndarray, rows: Rows) -> Clusters:
    """The inverse of `rows_of`."""
    return Clusters(*[offsets, *(row for column in rows for row in np.atleast_2d(column))])


@kernel
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


def as_params(params: ClusterParams | None) -> ClusterParams:
    """The parameters, or the published ones for None."""
    params = ClusterParams() if params is None else params
    if not isinstance(params, ClusterParams):
        raise TypeError(f"params must be ClusterParams, got {type(params).__name__}; write ClusterParams(cl_max=3.5)")
    return params


def check_kind(value: Any, kind: type, where: str) -> None:
    """Refuse what the step named `where` does not take."""
    # Constituents are Showers too, but have no gluons left to split.
    if not isinstance(value, kind) or (kind is Showers and isinstance(value, Constituents)):
        raise TypeError(f"{where} takes {kind.__name__}, got {type(value).__name__}")


def momenta_at_rest(showers: Showers) -> np.ndarray:
    """Momenta (4, rows) of showers, refused if they do not add up to √s at rest."""
    p = momenta(showers)
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
