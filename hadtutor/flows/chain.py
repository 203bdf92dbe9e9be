"""Chains of first emissions: a string emits a hadron, becomes a lighter string, and so on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._support.checks import as_generator, number, takes_rng, whole
from .._support.kernels import kernel
from ..lund.tabulated import LawTable, draw_tabulated, tabulate
from ..particles import MASS_CHARGED_PION

Emission = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""What strings of these masses [GeV] emit, each in its rest frame: p_z and p_T of a pion [GeV], both of shape (N,)."""


@takes_rng
def emit_chains(
    n: int, emission: Emission, *, energy: float, cut: float, rng: np.random.Generator | int
) -> np.ndarray:  # fmt: skip
    """Number of hadrons that strings emit until their mass is below a cut, int64 of shape (n,).

    Every emission is a first one: of a string at rest that knows nothing but its mass M. What is left has the mass
    squared :math:`M^2 - 2 M E_h + m^2`, and emits in its own rest frame.

    Parameters
    ----------
    n : int
        Number of strings.
    emission : callable
        ``emission(mass, rng)`` gives p_z and p_T of one pion for each string, see `lund_emission`.
    energy, cut : float
        Mass of the first string, and where chains end [GeV].
    rng : numpy.random.Generator or int

    Examples
    --------
    >>> import hadtutor as ht
    >>> lund = lund_emission(lambda z, mt2: np.exp(ht.lund.log_density(z, mt2, ht.LundParams())), 0.335)
    >>> bool(abs(emit_chains(20_000, lund, energy=100.0, cut=5.0, rng=1).mean() - 14.1) < 0.1)
    True
    """
    rng, n = as_generator(rng), whole(n, "n")
    cut = number(cut, "cut", 2.0 * MASS_CHARGED_PION, unit=" GeV")
    mass, length = np.full(n, number(energy, "energy", cut, unit=" GeV")), np.zeros(n, np.int64)
    alive = np.arange(n)
    while len(alive):
        p_z, p_t = emission(mass[alive], rng)
        m2 = mass[alive] ** 2
        e = np.sqrt(p_z**2 + p_t**2 + MASS_CHARGED_PION**2)
        left = m2 - 2.0 * mass[alive] * e + MASS_CHARGED_PION**2
        possible = (e < mass[alive]) & (left > 0.0)
        mass[alive] = np.sqrt(np.where(possible, left, 0.0))
        length[alive[possible]] += 1
        alive = alive[mass[alive] > cut]
    return length


def lund_emission(law: Any, sigma_pt: float) -> Emission:
    """Emissions by a fragmentation function: transverse momenta are Gaussian, and z follows the law at their mT².

    Parameters
    ----------
    law : callable, or anything with a method ``density``
        f(z, mT²), see `hadtutor.lund.tabulate`.
    sigma_pt : float
        :math:`\\sqrt{\\langle p_T^2 \\rangle}` of the hadron [GeV].
    """
    sigma = number(sigma_pt, "sigma_pt", 0.0, unit=" GeV")
    table = tabulate(law, MASS_CHARGED_PION**2, MASS_CHARGED_PION**2 + 40.0 * sigma**2)

    def emit(mass, rng):
        p_t = sigma * np.sqrt(rng.exponential(size=len(mass)))
        mt2 = p_t**2 + MASS_CHARGED_PION**2
        plus = _draw(rng, mt2, table) * mass
        return 0.5 * (plus - mt2 / plus), p_t

    return emit


@kernel
def _draw(rng: np.random.Generator, mt2: np.ndarray, table: LawTable) -> np.ndarray:
    z = np.empty(len(mt2))
    for k in range(len(mt2)):
        z[k] = draw_tabulated(rng, mt2[k], table)
    return z
