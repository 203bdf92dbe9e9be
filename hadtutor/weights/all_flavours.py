"""Weights of what strings of all flavours draw, as real Pythia does.

z has the functions of `hadtutor.lund.all_flavours`, flavours and hadrons the odds of `hadtutor.lund.flavour_choice`
:cite:p:`bierlich2025reweighting`; transverse momenta and the order of the last pair are those of any string.
"""

from typing import Any

import numpy as np

from ..events.histories import Histories
from ..lund.all_flavours import kind_of_break, log_density_of_kinds
from ..lund.flavour_choice import NAMES, choice_index, log_table, pair_index
from ..lund.transverse import pt_log_density, width_of
from ..params import LundMixture, LundParams

OF_Z = "a", "b", "a_extra_diquark", "r_c", "r_b"


def choices(histories: Histories) -> np.ndarray:
    """Rows of `log_table` of all breaks, (breaks,)."""
    h: Any = histories  # with flavours
    return choice_index(h.old, h.new, h.pid, h.old_popcorn, h.new_popcorn)


def choices_of_pairs(histories: Histories) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Chains in which a last pair was drawn and rows of its first hadron; the same of its second."""
    h: Any = histories
    drawn, made = np.flatnonzero(h.final_new), np.flatnonzero(h.final_pid_other)
    columns = h.final_old, h.final_new, h.final_pid, h.final_old_popcorn, h.final_new_popcorn
    old, new, hadron, *popcorn = (column[drawn] for column in columns)
    first = choice_index(old, new, hadron, popcorn[0], popcorn[1])
    return drawn, first, made, pair_index(-h.final_new[made], h.final_other[made], h.final_pid_other[made])


def log_w_of_all_flavours(histories: Histories, base: LundParams, target: LundParams | LundMixture) -> np.ndarray:
    """Log weights of breaks, (breaks,)."""
    one = target.components[0] if isinstance(target, LundMixture) else target
    z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
    log_w = np.zeros(len(z))
    if isinstance(target, LundMixture) or _differ(base, target, OF_Z):
        kind = kind_of_break(*_flavours(histories))
        log_w += log_density_of_kinds(z, mt2, kind, target) - log_density_of_kinds(z, mt2, kind, base)
    if width_of(base) != width_of(one):
        pt2 = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
        log_w += pt_log_density(pt2, one) - pt_log_density(pt2, base)
    if _differ(base, one, NAMES):
        log_w += (log_table(one) - log_table(base))[choices(histories)]
    return log_w


def log_w_of_pairs(histories: Histories, base: LundParams, target: LundParams) -> np.ndarray:
    """Log weights of flavours and hadrons of the last pairs, for each chain, (C,)."""
    log_w = np.zeros(histories.n_chains)
    if _differ(base, target, NAMES):
        ratio = log_table(target) - log_table(base)
        drawn, first, made, second = choices_of_pairs(histories)
        log_w[drawn] += ratio[first]
        log_w[made] += ratio[second]
    return log_w


def _flavours(histories):
    return histories.old, histories.new


def _differ(base, target, names):
    return any(getattr(base, name) != getattr(target, name) for name in names)
