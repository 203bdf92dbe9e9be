"""Draw z fast: a staircase above f(z) for every transverse mass, made once and read in every break."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._support.kernels import kernel
from ..params import LundParams
from .function import LARGEST_Z, log_shape, peak_at, support


class ZTable(NamedTuple):
    """A staircase above f(z) for every transverse mass, made by `z_table`, read by `try_z`."""

    cells: np.ndarray  # (..., bins in mT², cells + 1, 2): left edge in z, acceptance without computing f
    log_top: np.ndarray  # (..., bins in mT²) ln of the area of the largest cell, over f exp(b mT²)
    mt2_min: float  # GeV²
    rows_per_e: float  # rows per unit of ln mT²


# Measured best: the rows in use, 2 kB each, stay in the first-level cache.
N_CELLS = 128
ROWS_PER_OCTAVE = 8
N_OCTAVES = 8


@functools.lru_cache(maxsize=64)
def z_table(params: LundParams, mt2_min: float) -> ZTable:
    """Build the staircase of `params` from which z is drawn fast, for transverse masses squared above `mt2_min` [GeV²].

    For each bin of mT² the interval (0, 1) is cut in cells of about equal area under a step function that is nowhere
    below f(z) exp(b mT²), for no mT² of the bin. A cell is drawn uniformly, z uniformly inside it, and z is accepted
    with probability f(z) exp(b mT²) x (width of the cell) / (area of the largest cell): exact accept-reject, however
    coarse the cells. Where a random number is below the smallest such probability of the cell, f(z) need not be
    computed at all, which is so four times in five.
    """
    a, b = params.a, params.b
    ratio = 2.0 ** (1.0 / ROWS_PER_OCTAVE)
    mt2_low = mt2_min * ratio ** np.arange(N_OCTAVES * ROWS_PER_OCTAVE)[:, None]
    mt2_high = mt2_low * ratio * (1 + 1e-12)
    c = b * mt2_low
    peak = peak_at(c, a)

    def density(z, mt2):  # relative to the peak at the lower edge of the bin, so that exp(-c) can't underflow
        z = np.clip(z, 1e-300, 1.0)
        with np.errstate(divide="ignore"):
            return np.exp(log_shape(z, mt2, a, b) - log_shape(np.minimum(peak, LARGEST_Z), mt2_low, a, b))

    # Start from edges at equal steps of t = ln(1/z - 1), in which f is smooth (see `log_normalisation`), between the
    # points where it has fallen by some e^6; then move them until the areas agree.
    t_low, t_high, _ = support(a, c, 6.0)
    edges = 1.0 / (1.0 + np.exp(t_high + (t_low - t_high) * np.linspace(0.0, 1.0, N_CELLS + 1)))
    edges[:, 0], edges[:, -1] = 0.0, 1.0
    for _ in range(20):
        area = _top_of_cells(edges, density, mt2_low, peak) * np.diff(edges)
        share = np.cumsum(np.pad(area, ((0, 0), (1, 0))), axis=1)
        share /= share[:, -1:]
        wanted = np.linspace(0.0, 1.0, N_CELLS + 1)
        edges = np.stack([np.interp(wanted, s, e) for s, e in zip(share, edges, strict=True)])

    width = np.diff(edges)
    top = (_top_of_cells(edges, density, mt2_low, peak) * width).max(axis=1, keepdims=True) * (1 + 1e-12)
    # f has one maximum and falls with mT²: inside a cell it is smallest at an edge, for the heaviest mT².
    bottom = np.minimum(density(edges[:, :-1], mt2_high), density(edges[:, 1:], mt2_high))
    cells = np.zeros((*edges.shape, 2))
    cells[:, :, 0] = edges
    cells[:, :-1, 1] = bottom * width / top
    log_top = np.log(top) + log_shape(np.minimum(peak, LARGEST_Z), mt2_low, a, b)
    return ZTable(cells, log_top[:, 0], mt2_min, ROWS_PER_OCTAVE / math.log(2.0))


def z_tables(components: Sequence[LundParams], mt2_min: float) -> ZTable:
    """The staircases of several `components`, with one more axis in front; above `mt2_min` [GeV²] as `z_table`."""
    tables = [z_table(params, mt2_min) for params in components]
    cells, log_top = (np.stack([getattr(table, name) for table in tables]) for name in ("cells", "log_top"))
    return tables[0]._replace(cells=cells, log_top=log_top)


def _top_of_cells(edges, density, mt2, peak):
    """Largest value of the density in each cell: at an edge, or at the peak if that lies inside."""
    top = np.maximum(density(edges[:, :-1], mt2), density(edges[:, 1:], mt2))
    return np.where((edges[:, :-1] < peak) & (peak < edges[:, 1:]), 1.0, top)


@kernel(inline="always")
def try_z(u, v, mt2, params, cells, log_top):
    """Propose z from two uniform numbers and one row of a `ZTable`: z if accepted, else 0."""
    # Without a loop of its own the compiler can merge it into the chain; a loop would cost six atomic reference counts.
    place = u * (cells.shape[0] - 1)  # its integer part picks the cell, the rest the point inside it
    k = int(place)
    width = cells[k + 1, 0] - cells[k, 0]
    z = cells[k, 0] + (place - k) * width
    if v < cells[k, 1]:
        return min(z, LARGEST_Z)
    if 0.0 < z < 1.0 and v < width * math.exp(log_shape(z, mt2, params.a, params.b) - log_top):
        return z
    return 0.0


@kernel(inline="always")
def table_row(mt2, table):
    """Row of the `ZTable` that holds `mt2`, or -1 if none does."""
    if mt2 < table.mt2_min:
        return -1
    row = int(table.rows_per_e * math.log(mt2 / table.mt2_min))
    return row if row < table.log_top.shape[-1] else -1
