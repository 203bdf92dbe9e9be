"""How z is drawn at a break: what the loop of `hadtutor.strings.chain` asks a law.

A law is a kernel ``draw(rng, mt2, state, table)``. The `state` of the string, which a law may look at or not, is
(side, flavour that waits at this end, energy and mass² of what is left [GeV, GeV²]); `table` is whatever it needs.
"""

from collections.abc import Callable
from typing import NamedTuple

from .._support.kernels import kernel
from ..lund.function import choose, components_of, draw_z
from ..lund.staircase import ZTable, table_row, try_z, z_tables
from ..lund.tabulated import draw_tabulated
from ..params import LundMixture, LundParams


class Law(NamedTuple):
    """How z is drawn, as numba kernels."""

    pick: Callable  # (rng, mt2, state, table) -> what stays the same until z is found
    attempt: Callable  # (rng, mt2, picked, table) -> z, or 0 for another attempt


class Lund(NamedTuple):
    """What Lund's function, or a mixture of several, is drawn from."""

    components: tuple
    up_to: tuple  # cumulative fractions
    table: ZTable


def lund_table(params: LundParams | LundMixture, mt2_min: float) -> Lund:
    """What `LUND` needs."""
    components, up_to = components_of(params)
    return Lund(components, up_to, z_tables(components, mt2_min))


@kernel(forceinline=True)
def _pick_lund(rng, mt2, state, table):
    """Which component, and the row of its staircase; -1 outside."""
    return choose(rng, table.up_to), table_row(mt2, table.table)


@kernel(forceinline=True)
def _try_lund(rng, mt2, picked, table):
    m, row = picked
    shape = table.components[m]
    if row < 0:
        return draw_z(rng, mt2, shape)
    return try_z(rng.random(), rng.random(), mt2, shape, table.table.cells[m, row], table.table.log_top[m, row])


@kernel(forceinline=True)
def _pick_tabulated(rng, mt2, state, table):
    return 0


@kernel
def _try_tabulated(rng, mt2, picked, table):
    return draw_tabulated(rng, mt2, table)


LUND = Law(_pick_lund, _try_lund)
TABULATED = Law(_pick_tabulated, _try_tabulated)
