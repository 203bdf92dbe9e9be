r"""The chiral string: massless ends, a state that is one number, and a conditioned law that can be worked out.

Of a string with the mass M, a break leaves :math:`M' = M\sqrt{(1-u)(1-v)}`. Here u = z is the longitudinal share and
:math:`v = m_T^2/(z M^2)`, with densities :math:`(1+a)(1-u)^a` and :math:`\propto e^{-b M^2 v}`, both between 0 and 1. A
chain ends below `mass_cut`, and is accepted if more than `mass_final` is left :cite:p:`menzo2026conservation`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import Rng, as_generator, number, plain, takes_rng, whole

MOST_PROPOSALS = 1000  # for one break: so many in vain mean that nothing can be accepted any more
NODES = 48  # of each of two quadratures of Gauss and Legendre


class ChiralString(NamedTuple):
    """Parameters of a chiral string.

    Attributes
    ----------
    a, b : float
        As of `hadtutor.LundParams`, b in GeV\\ :sup:`-2`.
    mass_cut : float
        Mass below which nothing breaks any more [GeV].
    mass_final : float
        Mass that the last two hadrons need [GeV].
    """

    a: float = 0.68
    b: float = 0.98
    mass_cut: float = 1.0
    mass_final: float = 0.62


@dataclass(frozen=True, eq=False)
class Harmonic:
    """How often a chain of a chiral string will be accepted, given the mass that is left: h(M), made by `harmonic`.

    Attributes
    ----------
    string : ChiralString
    mass, values : ndarray, shape (K,)
        Nodes above `mass_cut` [GeV], and h there.
    """

    string: ChiralString
    mass: np.ndarray
    values: np.ndarray

    def __call__(self, mass: ArrayLike) -> np.ndarray:
        """h at each `mass` [GeV]; above the nodes it is that of the last.

        Examples
        --------
        >>> harmonic(ChiralString(mass_cut=0.9), 20.0)([0.5, 0.8, 10.0]).round(2).tolist()
        [0.0, 1.0, 0.51]
        """
        mass = plain(mass, "mass").astype(float)
        ended = np.where(mass > self.string.mass_final, 1.0, 0.0)
        inside = np.interp(np.log(np.maximum(mass, 1e-300)), np.log(self.mass), self.values)
        return np.where(mass < self.string.mass_cut, ended, inside)

    def flat_above(self, mass: float) -> "Harmonic":
        """The hybrid: h as it is where less than `mass` [GeV] is left, and that of the last node above.

        Where h does not vary, the conditioned law is that without a condition.
        """
        number(mass, "mass", self.string.mass_cut, unit=" GeV")
        return Harmonic(self.string, self.mass, np.where(self.mass < mass, self.values, self.values[-1]))


@dataclass(frozen=True, eq=False)
class ChiralChains:
    """Chains of chiral strings.

    Attributes
    ----------
    masses : ndarray, shape (N, K)
        Mass that is left after each break [GeV], the first column before any; NaN after a chain's end.
    accepted : ndarray of bool, shape (N,)
    """

    masses: np.ndarray
    accepted: np.ndarray

    @property
    def n_breaks(self) -> np.ndarray:
        """Number of breaks of each chain, shape (N,)."""
        return np.sum(np.isfinite(self.masses), axis=1) - 1


def _checked(string):
    if not isinstance(string, ChiralString):
        raise TypeError(f"string must be a ChiralString, got {type(string).__name__}; write ChiralString(mass_cut=1.0)")
    for name, value in string._asdict().items():
        number(value, name, 0.0, above=name != "a")
    if string.mass_final >= string.mass_cut:
        raise ValueError(
            f"mass_final must be below mass_cut, or no chain is accepted, got {string.mass_final:g} and "
            f"{string.mass_cut:g} GeV"
        )
    return string


def _mass_after(mass, string, q_u, q_v):
    """The mass after a break, from uniform numbers: of 1 - u to the power 1 + a, and of the share of v."""
    c = string.b * mass**2
    v = -np.log1p(q_v * np.expm1(-c)) / c
    return mass * np.sqrt(q_u ** (1.0 / (1.0 + string.a)) * (1.0 - v)), v


def harmonic(string: ChiralString, mass_max: float = 100.0, nodes: int = 200) -> Harmonic:
    r"""Solve :math:`h(M) = \int K(M \to M')\, h(M')\, \mathrm{d}M'`, with h 1 or 0 where a chain has ended.

    Every break lowers the mass, so that iterating the equation converges after as many rounds as a chain has breaks.

    Parameters
    ----------
    string : ChiralString
    mass_max : float
        Largest mass [GeV], above `mass_cut`.
    nodes : int
        In ln M, at least 2.

    Examples
    --------
    >>> round(float(harmonic(ChiralString(mass_cut=1.7))(10.0)), 2)
    0.94
    """
    _checked(string)
    number(mass_max, "mass_max", string.mass_cut, unit=" GeV, the mass_cut", above=True)
    mass = np.geomspace(string.mass_cut, mass_max, whole(nodes, "nodes", 2))
    x, weight = np.polynomial.legendre.leggauss(NODES)
    x, weight = 0.5 * (x + 1.0), 0.5 * weight
    m = mass[:, None, None]
    v = _mass_after(m, string, 1.0, x[:, None])[1]
    # Between these two shares of u a chain ends and is accepted: the integral over u is known there.
    ends, dies = (np.minimum(1.0, (edge / m) ** 2 / (1.0 - v)) ** (1.0 + string.a) for edge in string[2:])
    accepted = ((ends - dies)[:, :, 0]) @ weight
    after = np.log(_mass_after(m, string, ends + (1.0 - ends) * x, x[:, None])[0])
    values = np.ones_like(mass)
    for _ in range(1000):
        inside = np.interp(after, np.log(mass), values) @ weight * (1.0 - ends[:, :, 0])
        last, values = values, accepted + inside @ weight
        if np.max(abs(values - last)) < 1e-10:
            break
    return Harmonic(string, mass, values)


@takes_rng
def chiral_chains(
    n_chains: int, mass: float, string: ChiralString, *, rng: Rng, h: Harmonic | None = None
) -> ChiralChains:
    """Break chiral strings, many abreast, without or with the condition that every chain is accepted.

    Parameters
    ----------
    n_chains : int
        Number of chains, none of which is begun again.
    mass : float
        Of the strings at first [GeV], at least `mass_cut`.
    string : ChiralString
    rng : numpy.random.Generator or int
    h : Harmonic, optional
        If given, a break is proposed until one is accepted with probability h(M'): the law K h(M')/h(M) of Doob.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or `h` of another string.
    RuntimeError
        If so many proposals are in vain that the state cannot lead to an accepted chain.

    Examples
    --------
    >>> string = ChiralString(mass_cut=1.0)
    >>> bare = chiral_chains(1000, 5.0, string, rng=1)
    >>> conditioned = chiral_chains(1000, 5.0, string, rng=1, h=harmonic(string))
    >>> bool(600 < bare.accepted.sum() < 670), int(conditioned.accepted.sum())
    (True, 1000)
    """
    _checked(string)
    n, rng = whole(n_chains, "n_chains"), as_generator(rng)
    start = number(mass, "mass", string.mass_cut, unit=" GeV, the mass_cut")
    if h is not None and (not isinstance(h, Harmonic) or h.string != string):
        raise ValueError(f"h must be the Harmonic of this string, got {h!r}; make it with harmonic(string)")
    steps, now = [np.full(n, start)], np.full(n, start)
    active = np.arange(n)
    while len(active):
        waiting, tries = active, 0
        before, after = now.copy(), np.full(n, np.nan)
        while len(waiting):
            proposed = _mass_after(before[waiting], string, rng.random(len(waiting)), rng.random(len(waiting)))[0]
            good = np.ones(len(waiting), bool) if h is None else rng.random(len(waiting)) < h(proposed)
            after[waiting[good]] = proposed[good]
            waiting, tries = waiting[~good], tries + 1
            if tries == MOST_PROPOSALS and len(waiting):
                raise RuntimeError(
                    f"{tries} breaks were proposed in vain where {before[waiting[0]]:.4g} GeV are left: h is about 0 "
                    "for all that can follow; take the h of harmonic(string), or a lower mass_final"
                )
        steps.append(after)
        now[active] = after[active]
        active = active[now[active] >= string.mass_cut]
    return ChiralChains(np.stack(steps, axis=1), now > string.mass_final)
