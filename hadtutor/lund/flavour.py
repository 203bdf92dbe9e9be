"""Flavours at a break, of u and d alone: which pion comes out, and how often."""

import numpy as np
from numba.extending import register_jitable

from .._support.kernels import kernel
from ..params import LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION


@register_jitable
def neutral_probability(old: int, u_fraction: float) -> float:
    """How often a break at an `old` flavour, 2 for u and 1 for d, makes a neutral pion; `u_fraction` of `LundParams`.

    Another flavour than the old makes a charged pion; an equal one makes a neutral pion half of the time (the rest
    would be eta) and is drawn again otherwise. With equal odds of u and d that is (1/4) / (1/4 + 1/2) = 1/3.
    """
    same = u_fraction if old == 2 else 1.0 - u_fraction
    return same / (2.0 - same)


def log_flavour_weight(old: np.ndarray, pid: np.ndarray, base: LundParams, target: LundParams) -> np.ndarray:
    """Logarithm of how much likelier the pions of breaks are at the target; -inf where it never makes them.

    Parameters
    ----------
    old, pid : ndarray of int
        Flavours that waited at the string ends, 2 for u and 1 for d, and PDG codes of the pions.
    base, target : LundParams
    """
    odds = np.array([[neutral_probability(flavour, p.u_fraction) for flavour in (1, 2)] for p in (base, target)])
    odds = np.where(pid == 111, odds[:, old - 1], 1.0 - odds[:, old - 1])
    with np.errstate(divide="ignore"):
        return np.log(odds[1]) - np.log(odds[0])


@kernel(inline="always")
def break_flavour(u: float, old: int, side: int, u_fraction: float) -> tuple[float, int, int]:
    """Draw the new flavour at a break: another uniform number, independent of the choice; the flavour; the pion's code.

    By a uniform number `u` between 0 and 1 and `u_fraction` of `LundParams`. The flavour `old`, 2 for u and 1 for d,
    waits at the string end; `side` is 0 for the end that moves along +z, else 1.
    """
    odds = neutral_probability(old, u_fraction)
    neutral = u < odds
    charge = (2 * old - 3) * (1 - 2 * side)  # an old u quark or d antiquark ends up in a pi+
    fresh = u / odds if neutral else (u - odds) / (1.0 - odds)
    return fresh, old if neutral else 3 - old, 111 if neutral else 211 * charge


@kernel(inline="always")
def join_flavours(u: float, new: int, other: int, side: int) -> int:
    """PDG code of the pion made of the flavours left at the two ends; 0 when ten tries at 1/2 give no neutral pion.

    `u` is a uniform number between 0 and 1, `new` the flavour of the last break, 2 for u and 1 for d, `other` that of
    the end on the other side, and `side` that of the last break, 0 or 1.
    """
    if new == other:
        return 111 if u < 1.0 - 0.5**10 else 0
    quark = new if side == 0 else other
    return 211 if quark == 2 else -211


@kernel(inline="always")
def pion_mass2(pid):
    """Mass squared of a pion [GeV²]."""
    return MASS_NEUTRAL_PION**2 if pid == 111 else MASS_CHARGED_PION**2
