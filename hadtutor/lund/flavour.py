"""Flavours at a break, of u and d alone: which pion comes out, and how often."""

from numba import njit

from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION


@njit(nogil=True, inline="always")
def neutral_probability(old, u_fraction):
    """How often a break at an old flavour (2 for u, 1 for d) makes a neutral pion.

    Another flavour than the old makes a charged pion; an equal one makes a neutral pion half of the time (the rest
    would be eta) and is drawn again otherwise. With equal odds of u and d that is (1/4) / (1/4 + 1/2) = 1/3.
    """
    same = u_fraction if old == 2 else 1.0 - u_fraction
    return same / (2.0 - same)


@njit(nogil=True, inline="always")
def break_flavour(u, old, side, u_fraction):
    """New flavour at a break and the pion it makes, from a uniform number; also returns a fresh one."""
    odds = neutral_probability(old, u_fraction)
    neutral = u < odds
    charge = (2 * old - 3) * (1 - 2 * side)  # an old u quark or d antiquark ends up in a pi+
    fresh = u / odds if neutral else (u - odds) / (1.0 - odds)
    return fresh, old if neutral else 3 - old, 111 if neutral else 211 * charge


@njit(nogil=True, inline="always")
def join_flavours(u, new, other, side):
    """Pion made of the flavours left at the two ends; 0 when ten tries at 1/2 give no neutral pion."""
    if new == other:
        return 111 if u < 1.0 - 0.5**10 else 0
    quark = new if side == 0 else other
    return 211 if quark == 2 else -211


@njit(nogil=True, inline="always")
def pion_mass2(pid):
    """Mass squared of a pion [GeV²]."""
    return MASS_NEUTRAL_PION**2 if pid == 111 else MASS_CHARGED_PION**2
