"""What a break weight depends on, and the nodes between which it is interpolated."""

from collections.abc import Iterable

import numpy as np

from .._support.kernels import kernel
from ..events.histories import Histories
from ..lund.all_flavours import kind_of_break
from ..strings import waiting_at_ends
from .checks import several

CONDITIONS = ("end", "string_pt")
KIND = "kind"  # what meets at a break of a string of all flavours: f differs, its weight does not, but for the norm


def checked_conditions(conditions: str | Iterable[str]) -> tuple[str, ...]:
    """Conditions as a tuple, each of them known; a word by itself is one condition."""
    conditions = several(conditions, "conditions")
    if set(conditions) - {*CONDITIONS, KIND}:
        raise ValueError(f"conditions are some of {', '.join(CONDITIONS)}, got {', '.join(map(str, conditions))}")
    return conditions


def conditions_of(histories: Histories, conditions: str | Iterable[str] = ()) -> tuple[str, ...]:
    """All `conditions` of `histories`: of all flavours they have the kind, before others."""
    conditions = tuple(name for name in checked_conditions(conditions) if name != KIND)
    return (KIND, *conditions) if histories.all_flavours else conditions


def break_features(histories: Histories, conditions: str | Iterable[str] = ()) -> np.ndarray:
    r"""What a break weight depends on: logit z, :math:`\ln m_T^2` and the conditions.

    Parameters
    ----------
    histories : Histories
    conditions : sequence of {"end", "string_pt"}, each once
        ``"end"``: 1 if the hadron left the end that moves along +z, else 0. ``"string_pt"``: transverse momentum that
        waited at the string end before the break [GeV]. Besides these strings of all flavours have ``"kind"``, the
        number in `hadtutor.lund.all_flavours.KINDS`.

    Returns
    -------
    ndarray of float32, shape (2 + conditions, breaks)
    """
    h, z = histories, histories.z.astype(float)
    columns = [np.log(z) - np.log1p(-z), np.log(h.mt2)]
    for name in checked_conditions(conditions):
        if name == "end":
            columns.append(h.from_positive)
        elif name == KIND:
            columns.append(kind_of_break(h.old, h.new))
        elif h.all_flavours:
            raise ValueError("of strings of all flavours string_pt is not known; leave it out")
        else:
            waiting = waiting_at_ends(h.chain_offsets, h.px, h.py, h.from_positive, h.pid)
            columns.append(np.hypot(waiting.px, waiting.py))
    return np.stack(columns).astype(np.float32)


@kernel(inline="always")
def corner_of(place, shape, j, corner):
    """Node number and share of one of the 2^D nodes around a break."""
    node, share = 0, 1.0
    for d in range(len(shape)):
        k = int(place[d, j])
        fraction = place[d, j] - k
        bit = (corner >> d) & 1
        share *= fraction if bit else 1.0 - fraction
        node = node * shape[d] + k + bit
    return node, share


@kernel
def spread(place, shape, weight, nodes):
    for j in range(place.shape[1]):
        for corner in range(1 << len(shape)):
            node, share = corner_of(place, shape, j, corner)
            nodes[node] += share * weight[j]
