"""Any fragmentation function, given as a formula, a network or a fit: tabulated once, drawn from the table."""

import math
from typing import Any, NamedTuple

import numpy as np

from .._support.kernels import kernel

LOWEST, HIGHEST = -36.0, 34.0  # of logit z: beyond, z or 1 - z is below what double precision tells from 0
FIRST_NODES, MOST_NODES = 2001, 12_000
ROWS_PER_OCTAVE = 16
TOLERANCE = 2e-7  # of the area of f: what a straight line between two nodes may miss


class LawTable(NamedTuple):
    """A fragmentation function at nodes in logit z and ln mT², linear between them; made by `tabulate`."""

    logit_z: np.ndarray  # (nodes,)
    density: np.ndarray  # (rows, nodes) of logit z, normalised
    cumulative: np.ndarray  # (rows, nodes) from 0 to 1
    mt2_min: float  # GeV², of the first row
    rows_per_e: float  # rows per unit of ln mT²


def tabulate(law: Any, mt2_min: float, mt2_max: float) -> LawTable:
    """Tabulate a fragmentation function, at nodes that crowd where it bends or jumps.

    What is narrower than 0.009 in z is seen only if a node hits it.

    Parameters
    ----------
    law : callable, or anything with a method ``density``
        f(z, mT²) for arrays that are broadcast against each other, up to a factor for each mT².
    mt2_min, mt2_max : float
        Transverse masses squared between which it will be asked for [GeV²]; outside, it is that at the limit.

    Raises
    ------
    TypeError, ValueError
        If `law` cannot be called, or gives no real numbers, another shape, numbers that are negative or not finite,
        zero for all z at some mT², or more towards an end of z than can be normalised.

    Examples
    --------
    >>> table = tabulate(lambda z, mt2: z * (1 - z), 0.02, 10.0)
    >>> bool(np.allclose(table.cumulative[:, -1], 1.0))
    True
    """
    function = getattr(law, "density", law)
    if not callable(function):
        raise TypeError(
            f"law must be a function f(z, mt2), or have a method density(z, mt2), got {type(law).__name__}; Lund's own "
            "goes in as params"
        )
    rows_per_e = ROWS_PER_OCTAVE / math.log(2.0)
    n_rows = 2 + int(rows_per_e * math.log(mt2_max / mt2_min))
    mt2 = mt2_min * np.exp(np.arange(n_rows) / rows_per_e)

    def of_logit(y):
        z = 1.0 / (1.0 + np.exp(-y))
        return _values(function, z, mt2) * (z / (1.0 + np.exp(y)))  # dz/dy = z (1 - z)

    y = np.linspace(LOWEST, HIGHEST, FIRST_NODES)
    f = of_logit(y)
    empty = ~f.any(axis=1)
    if empty.any():
        raise ValueError(f"law is zero for all z at mT2 = {mt2[np.argmax(empty)]:.4g} GeV^2")
    last = np.full(len(y) - 1, np.inf)  # what a straight line over each cell missed, or over the cell it is half of
    while len(y) < MOST_NODES:
        halve = np.flatnonzero(last > TOLERANCE)[: MOST_NODES - len(y)]
        if len(halve) == 0:
            break
        middle = 0.5 * (y[halve] + y[halve + 1])
        there = of_logit(middle)
        area = np.sum(0.5 * (f[:, 1:] + f[:, :-1]) * np.diff(y), axis=1, keepdims=True)
        missed = abs(there - 0.5 * (f[:, halve] + f[:, halve + 1])) * (y[halve + 1] - y[halve]) / area
        last[halve] = missed.max(axis=0)
        keep = last[halve] > TOLERANCE
        halve, middle, there = halve[keep], middle[keep], there[:, keep]
        y, f = np.insert(y, halve + 1, middle), np.insert(f, halve + 1, there, axis=1)
        last = np.insert(last, halve + 1, last[halve])
    for end, towards in ((0, "0"), (-1, "1")):
        much = f[:, end] > 1e-2 * f.max(axis=1)
        if much.any():
            raise ValueError(
                f"law cannot be normalised at mT2 = {mt2[np.argmax(much)]:.4g} GeV^2: towards z = {towards} it grows "
                f"like 1/{'z' if end == 0 else '(1 - z)'} or faster"
            )
    area = np.cumsum(0.5 * (f[:, 1:] + f[:, :-1]) * np.diff(y), axis=1)
    # Row by row in memory, as a draw searches them: np.insert has left them column by column.
    density, cumulative = (np.ascontiguousarray(x / area[:, -1:]) for x in (f, np.pad(area, ((0, 0), (1, 0)))))
    return LawTable(y, density, cumulative, float(mt2_min), rows_per_e)


def _values(function, z, mt2):
    """f at all z and mT², shape (rows, nodes), if it is one."""
    f = np.asarray(function(z[None, :], mt2[:, None]))
    if f.dtype.kind not in "biuf":
        raise TypeError(f"law must give real numbers, got {f.dtype}")
    try:
        f = np.broadcast_to(f, (len(mt2), len(z))).astype(float)
    except ValueError:
        raise ValueError(
            f"law must give one number for each z and mT2: shape {(len(mt2), len(z))} is wanted for z of shape "
            f"{(1, len(z))} and mT2 of shape {(len(mt2), 1)}, got {f.shape}"
        ) from None
    bad = ~(np.isfinite(f) & (f >= 0.0))
    if bad.any():
        row, k = np.argwhere(bad)[0]
        raise ValueError(
            f"law must be finite and not negative, got {f[row, k]} at z = {z[k]:.6g}, mT2 = {mt2[row]:.4g} GeV^2"
        )
    return f


def law_name(law: Any) -> str:
    """What a sample calls the `law` that it was drawn from: its own name, or that of its kind."""
    return getattr(law, "__name__", type(law).__name__)


@kernel
def z_tabulated(which, u, mt2, logit_z, density, cumulative, mt2_min, rows_per_e):
    """The z of two uniform numbers: one of the two rows around ln mT², a cell, a place under its straight line.

    The fields of the table come one by one: from Python a call with the table itself takes twice as long.
    """
    place = min(max(0.0, rows_per_e * math.log(mt2 / mt2_min)), len(cumulative) - 1.0)
    row = int(place)
    if which < place - row:
        row += 1
    low, high = 0, len(logit_z) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if cumulative[row, middle] <= u:
            low = middle
        else:
            high = middle
    v = max(1e-300, (u - cumulative[row, low]) / (cumulative[row, high] - cumulative[row, low]))
    p, q = density[row, low], density[row, high]
    x = v * (p + q) / (p + math.sqrt(max(0.0, p * p + v * (q * q - p * p))))
    return 1.0 / (1.0 + math.exp(-(logit_z[low] + x * (logit_z[high] - logit_z[low]))))


@kernel
def draw_tabulated(rng, mt2, table):
    """Draw z from a `LawTable`."""
    which, u = rng.random(), rng.random()
    return z_tabulated(
        which, u, mt2, table.logit_z, table.density, table.cumulative, table.mt2_min, table.rows_per_e
    )  # fmt: skip
