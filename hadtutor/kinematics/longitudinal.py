"""Momenta along the string: light-cone components, rapidity, boosts, and where a string breaks."""

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import number, plain


def light_cone(e: ArrayLike, pz: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Light-cone momenta (p+, p-) = (E + pz, E - pz) [GeV] from energy `e` and momentum `pz` along z [GeV]."""
    e, pz = plain(e, "e").astype(float), plain(pz, "pz").astype(float)
    return e + pz, e - pz


def rapidity(e: ArrayLike, pz: ArrayLike) -> np.ndarray:
    r"""Rapidity :math:`y = \frac12 \ln (p^+/p^-)` along z, from energy `e` and a smaller momentum `pz` along z [GeV].

    Examples
    --------
    >>> round(float(rapidity(5.0, 3.0)), 6)
    0.693147
    """
    return np.arctanh(plain(pz, "pz").astype(float) / plain(e, "e").astype(float))


def boost_z(e: ArrayLike, pz: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Energy `e` and momentum `pz` [GeV] after a boost by rapidity `y` along z: p+ grows by exp(y), p- shrinks by it.

    Examples
    --------
    >>> round(float(rapidity(*boost_z(1.0, 0.0, 1.0))), 6)
    1.0
    """
    plus, minus = light_cone(e, pz)
    y = plain(y, "y").astype(float)
    plus, minus = plus * np.exp(y), minus * np.exp(-y)
    return 0.5 * (plus + minus), 0.5 * (plus - minus)


def break_points(e: ArrayLike, pz: ArrayLike, tension: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Where the string broke, from hadrons in their order along it.

    A piece of string between two breaks, a hadron, with light-cone momenta p± spans
    :math:`\Delta x^\pm = p^\pm / \kappa`: the breaks follow by adding up.

    Parameters
    ----------
    e, pz : array_like, shape (n,)
        Energies and momenta along z [GeV], from the +z end to the -z end of one event.
    tension : float
        String tension κ [GeV/fm].

    Returns
    -------
    t, z : ndarray, shape (n - 1,)
        Time and place of the breaks [fm], in the frame where both ends started from the origin.

    Examples
    --------
    >>> t, z = break_points([1.0, 1.0], [0.0, 0.0])
    >>> float(t[0]), float(z[0])
    (1.0, 0.0)
    """
    tension = number(tension, "tension", 0.0, unit=" GeV/fm", above=True)
    plus, minus = light_cone(e, pz)
    x_plus = (plus.sum() - np.cumsum(plus)[:-1]) / tension
    x_minus = np.cumsum(minus)[:-1] / tension
    return 0.5 * (x_plus + x_minus), 0.5 * (x_plus - x_minus)
