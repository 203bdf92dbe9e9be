r"""Flavours at a break, of all kinds: the law by which Pythia 8 chooses the new flavour and the hadron.

A break at an old flavour draws a new quark or diquark, and of the two a hadron; some hadrons are refused, by SU(6) or
as η and η', and then both are drawn again :cite:p:`bierlich2022pythia`. So a break that is kept has

.. math:: \ln p(\text{new}, \text{hadron} \mid \text{old}) = \ln \text{pick}(\text{new})
   + \ln \text{meson}(\text{hadron}) - \ln \text{norm}(\text{old}) + \text{const},

where the *norm* is the share of the draws that is kept. Pick depends on the strangeness and the spin of what is made,
meson on the heavier quark, the spin, and on whether it is η or η', norm on what waited at the string end. Breaks that
depend on the parameters in the same way share a row of one table: u is like d, particles are like antiparticles.
`choice_index` and `pair_index` say to which row a break, and the last hadron of a chain, belong at any parameters;
`log_table` has the logarithms of the probabilities of the rows. With ``counts``, how often each row occurs in a
history, the weight from parameters p to q is ``counts @ (log_table(q) - log_table(p))``, exact, and all that it needs
to know of an event are these integers :cite:p:`assi2025posthoc`. That paper counts the refused draws besides; here
they are averaged over, so that weights spread less.

Baryons come by the popcorn model (Eden and Gustafson, hep-ph/9606454): of the two quarks of a new diquark the *popcorn*
quark is shared between baryon and antibaryon, and one meson may come between the two. It is made of the other, the
*vertex* quarks, of the old diquark and of another one with the same popcorn quark.

What does not vary here: SU(6) weights with ``decupletSup``, mixing angles, excited mesons and ``suppressLeadingB``
(both off). A diquark that a string was given as its end (junctions, beam remnants) follows another law, and so do
strings that are too light to break; neither is covered.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..params import LundParams

NAMES = LundParams._fields[LundParams._fields.index("prob_s_to_ud") :]
"""The parameters that the choice of flavours depends on."""

__all__ = ["choice_index", "log_table", "pair_index", "table_gradient"]

TRIES = 10  # for the last hadron of a chain
THETA_PS = np.deg2rad(90.0 - (-15.0 + 54.7))  # from the mixing angle of the pseudoscalars, -15 degrees
ETA, ETA_PRIME = 2, 3  # after 0 for other pseudoscalars and 1 for vectors

# Diquarks (popcorn, vertex, spin) of u, d, s = 2, 1, 3 in the order of their types: ud0, ud1, uu1, us0, us1, su0, su1,
# ss1. The popcorn quark stands first, and u also stands for d.
DIQUARKS = [(p, v, s) for p in (1, 2, 3) for v in (1, 2, 3) for s in (0, 1) if s or p != v]
# Draws: u or d, s, a diquark of each type without and with a popcorn meson, one after a popcorn meson, or none.
LIGHT, STRANGE, DIRECT, POPCORN, AFTER, NOTHING = 0, 1, 2, 10, 18, 26
# What waits: u or d, s, c, b; diquarks by content before a baryon, and before a popcorn meson; pairs for a last hadron.
BARYON, MESON, PAIR, CERTAIN = 4, 10, 15, 21
CONTENTS = ((2, 1, 0), (2, 1, 1), (2, 2, 1), (2, 3, 0), (2, 3, 1), (3, 3, 1))
POPCORN_VERTEX = ((2, 2), (2, 1), (2, 3), (3, 2), (3, 3))
PAIRS = ((2, 2), (2, 1), (3, 2), (3, 3), (4, 2), (5, 2))
CAN_FAIL = np.array([PAIR, PAIR + 3])  # those that may become η or η'


class _Rows(NamedTuple):
    """Of each row: what waited, what was drawn, the factor of a meson, and how often charges and SU(6) allow it."""

    old: np.ndarray
    pick: np.ndarray
    meson: np.ndarray
    constant: np.ndarray
    index: np.ndarray  # (old, pick, meson) -> row, or -1


def choice_index(
    old: ArrayLike, new: ArrayLike, hadron: ArrayLike, old_popcorn: ArrayLike = 0, new_popcorn: ArrayLike = 0
) -> np.ndarray:
    """Rows of `log_table` that breaks belong to.

    Parameters
    ----------
    old, new, hadron : array_like of int, shape (N,)
        PDG codes of the flavour at the string end, of the new flavour, and of the hadron.
    old_popcorn, new_popcorn : array_like of int, shape (N,)
        For a diquark with a popcorn meson to come, its popcorn quark: 1, 2 or 3 for d, u, s. Else 0. In Pythia that is
        ``nPop * idPop`` of ``flavOld`` and ``flavNew``; after the first break that of the old flavour is the last
        `new_popcorn` of the same end.

    Returns
    -------
    rows : ndarray of int, shape (N,)

    Raises
    ------
    ValueError
        If a break does not follow this law.
    """
    columns = _columns(old, new, hadron, old_popcorn, new_popcorn)
    end, drawn, made, popcorn, popcorn_drawn = np.abs(columns)
    from_diquark, to_diquark = end > 1000, drawn > 1000
    vertex = _other_quark(end, popcorn)
    waits = np.where(from_diquark, _waiting(end, popcorn, vertex), _flavour_class(end))
    shared = np.where(from_diquark, popcorn, popcorn_drawn)
    vertex_drawn = _other_quark(drawn, shared)
    kind = _diquark_type(shared, vertex_drawn, drawn // 2 % 2)
    # Without a popcorn meson it does not matter which of the two quarks is shared.
    direct = _diquark_type(drawn // 100 % 10, drawn // 1000, drawn // 2 % 2)
    diquark = np.where(from_diquark, AFTER + kind, np.where(popcorn_drawn > 0, POPCORN + kind, DIRECT + direct))
    pick = np.where(to_diquark, diquark, drawn == 3)
    meson = np.where(from_diquark, _meson(vertex, vertex_drawn, made), _meson(end, drawn, made))
    meson = np.where(from_diquark != to_diquark, 0, meson)
    fits = (_is_baryon(made) == (from_diquark != to_diquark)) & (from_diquark & (popcorn > 0) <= to_diquark)
    fits &= np.where(to_diquark, (vertex_drawn > 0) & (vertex_drawn < 4), (drawn > 0) & (drawn < 4))
    return _rows_of(waits, pick, meson, fits, columns, "break")


def pair_index(first: ArrayLike, second: ArrayLike, hadron: ArrayLike) -> np.ndarray:
    """Rows of `log_table` for the last hadron of chains, made of what is left at both ends in at most ten tries.

    The first hadron of the last pair was drawn like any other: its row is that of `choice_index`.

    Parameters
    ----------
    first, second : array_like of int, shape (N,)
        PDG codes of the last new flavour, or of its antiparticle, and of the flavour at the other end.
    hadron : array_like of int, shape (N,)
        PDG code of the hadron made of them; 0 where ten tries gave none, which ends a chain without success.

    Returns
    -------
    rows : ndarray of int, shape (N,)

    Raises
    ------
    ValueError
        If no such pair remains, or if it can not become that hadron.
    """
    columns = _columns(first, second, hadron)
    low, high = np.sort(np.abs(columns[:2]), axis=0)
    made = np.abs(columns[2])
    mesons = high < 10
    strange = (low == 3).astype(int) + (high == 3)
    waits = np.where(high > 3, PAIR + high, PAIR + np.where(strange > 0, 1 + strange, low != high))
    waits = np.where(mesons, waits, CERTAIN)  # baryons: SU(6) alone decides, and two diquarks never join
    meson = np.where(mesons, _meson(low, high, made), 0)
    fails = mesons & (made == 0)
    fits = (low > 0) & ((low < 4) | ~mesons) & ((made == 0) | (_is_baryon(made) != mesons))
    fits &= ~fails | np.isin(waits, CAN_FAIL)
    found = _rows_of(np.where(fails, CERTAIN, waits), NOTHING, np.where(fails, 0, meson), fits, columns, "last hadron")
    return np.where(fails, len(_rows().old) + (waits != PAIR), found)


def log_table(params: LundParams) -> np.ndarray:
    """Logarithm of the probability of each row, given what waited at the string end.

    The probabilities of all rows of what waited add up to one. What breaks of the same row are, such as charges, and
    baryons of the octet and decuplet, has odds without parameters.

    Parameters
    ----------
    params : LundParams

    Returns
    -------
    log_p : ndarray, shape (n_rows,)
    """
    return _log_table(_values(params))


def table_gradient(params: LundParams) -> np.ndarray:
    """Derivatives of `log_table` by the parameters, exact to rounding.

    Parameters
    ----------
    params : LundParams

    Returns
    -------
    gradient : ndarray, shape (n_names, n_rows)
        By the parameters in `NAMES`.
    """
    step = 1e-30  # complex, so that nothing is subtracted
    values = _values(params)
    return np.stack([_log_table(values + 1j * step * unit).imag / step for unit in np.eye(len(values))])


# --- The law ---------------------------------------------------------------------------------------


def _values(params):
    return np.array([getattr(params, name) for name in NAMES])


def _log_table(values: np.ndarray) -> np.ndarray:
    p = dict(zip(NAMES, values, strict=True))
    rows = _rows()
    weight = rows.constant * _picks(p)[rows.pick] * _mesons(p)[rows.meson]
    norm = np.stack([weight[rows.old == k].sum() for k in range(CERTAIN + 1)])
    log_p = np.log(weight / norm[rows.old])
    refused = np.maximum(1.0 - norm[CAN_FAIL], 1e-30)
    succeeds = np.zeros_like(norm)
    succeeds[CAN_FAIL] = np.log(1.0 - refused**TRIES)
    return np.concatenate([log_p + succeeds[rows.old], TRIES * np.log(refused)])


def _picks(p: dict) -> np.ndarray:
    """Probabilities of the draws, each for one member of the row: of the quarks and diquarks at a quark, all else."""
    direct, popcorn, after, odds, strange_odds = _diquarks(p)
    with_meson = odds / (1.0 + odds)
    quark = np.array([1.0, p["prob_s_to_ud"]]) / (2.0 + p["prob_s_to_ud"]) / (1.0 + p["prob_qq_to_q"])
    diquark = p["prob_qq_to_q"] / (1.0 + p["prob_qq_to_q"])
    favour = np.where(np.arange(8) < 5, 1.0, strange_odds)
    shares = [x * f / (2.0 * x[:5].sum() + (f * x)[5:] @ [2, 2, 1]) for x, f in ((direct, 1.0), (popcorn, favour))]
    direct, popcorn = diquark * (1.0 - with_meson) * shares[0], diquark * with_meson * shares[1]
    return np.concatenate([quark, direct, popcorn, after, [1.0]])


def _diquarks(p: dict) -> tuple:
    """Weights of the types of diquarks in the three cases; odds of a popcorn meson; a factor for popcorn s quarks."""
    rho, x, y = p["prob_s_to_ud"], p["prob_sq_to_qq"], p["prob_qq1_to_qq0"]
    root = np.sqrt(np.array([1.0, y, y, x, x * y, rho * x, rho * x * y, rho * x * x * y]))  # half of the tunnelling
    popcorn = root * [1, 3, 6, rho, 3 * rho, 1, 3, 6 * rho]  # times spins and the vertex quark
    direct = root * popcorn
    popcorn = popcorn * [1, 1, 1, *[p["popcorn_s_meson"]] * 2, 1, 1, p["popcorn_s_meson"]]
    # How many baryons SU(6) allows on the other side of the meson, in terms of those of ud0.
    odd, even = 0.75 * (1.0 + rho) + 0.5, 1.5 + 0.5 * rho
    survival = np.array([even, even, 1.5 + 0.5 * rho, odd, odd, odd, odd, 1.0 + rho]) / even
    after = popcorn * survival
    light = popcorn[:5].sum()
    strange_odds = p["popcorn_s_pair"] * (popcorn[5:] @ [2, 2, 1]) / light
    most = np.array([1, 1, 4 / 3, 1, 1, 1, 1, 4 / 3])  # largest SU(6) weight, by which what is drawn is kept or not
    direct, popcorn = direct * most, popcorn * most
    with_meson = popcorn[:5].sum() + strange_odds * (popcorn[5:] @ [1, 1, 0.5])
    odds = light * p["popcorn_rate"] / 3.0 * with_meson / (direct @ [1, 1, 1, 2, 2, 0, 0, 0.5])
    return direct, popcorn, after, odds, strange_odds


def _mesons(p: dict) -> np.ndarray:
    """Factors of a hadron: 1 for none, then of pseudoscalar, vector, η and η' with u or d, s, c, b as heavier quark."""
    found = [1.0]
    for name in "ud", "s", "c", "b":
        vector = p[f"meson_{name}_vector"]
        found += [x / (1.0 + vector) for x in (1.0, vector, p["eta_sup"], p["eta_prime_sup"])]
    return np.array(found)


# --- Rows ------------------------------------------------------------------------------------------


def _outcomes() -> Iterator[tuple[int, int, int, float]]:
    """All that can be drawn, as (waiting, pick, meson, constant): u waits in place of d."""
    for waits, quark in enumerate((2, 3, 4, 5)):
        for new in (1, 2, 3):
            for meson, share in _mesons_of(quark, new):
                yield waits, STRANGE if new == 3 else LIGHT, meson, share
        for popcorn, vertex, spin in DIQUARKS:
            kept = _kept_by_su6(quark, (popcorn, vertex, spin))
            low, high = sorted((popcorn, vertex))
            yield waits, DIRECT + int(_diquark_type(low, high, spin)), 0, kept
            yield waits, POPCORN + int(_diquark_type(popcorn, vertex, spin)), 0, kept
    for waits, content in enumerate(CONTENTS, BARYON):
        for new in (1, 2, 3):
            yield waits, STRANGE if new == 3 else LIGHT, 0, _kept_by_su6(new, content)
    for waits, (popcorn, old_vertex) in enumerate(POPCORN_VERTEX, MESON):
        for new, vertex, spin in DIQUARKS:
            for meson, share in _mesons_of(old_vertex, vertex) if new == popcorn else ():
                yield waits, AFTER + int(_diquark_type(popcorn, vertex, spin)), meson, share
    for waits, pair in enumerate(PAIRS, PAIR):
        for meson, share in _mesons_of(*pair):
            yield waits, NOTHING, meson, share
    yield CERTAIN, NOTHING, 0, 1.0


@functools.cache
def _rows() -> _Rows:
    constants: dict[tuple[int, int, int], float] = {}
    for waits, drawn, factor, constant in _outcomes():
        key = waits, drawn, factor
        constants[key] = constants.get(key, 0.0) + constant
    old, pick, meson = np.array(list(constants)).T
    index = np.full((CERTAIN + 1, NOTHING + 1, 17), -1)
    index[old, pick, meson] = np.arange(len(constants))
    return _Rows(old, pick, meson, np.array(list(constants.values())), index)


def _mesons_of(one: int, other: int) -> Iterator[tuple[int, float]]:
    """Factors, by their place in `_mesons`, of all mesons of two quarks, and the share that mixing gives to each."""
    family = 1 + 4 * max(0, max(one, other) - 2)
    light = np.array([0.5, 0.5 * np.sin(THETA_PS) ** 2, 0.5 * np.cos(THETA_PS) ** 2])
    strange = np.array([0.0, np.cos(THETA_PS) ** 2, np.sin(THETA_PS) ** 2])
    shares = [1.0, 0.0, 0.0] if one != other else strange if one == 3 else light
    for kind, share in zip((0, ETA, ETA_PRIME, 1), (*shares, 1.0), strict=True):
        if share > 0.0:
            yield family + kind, float(share)


def _kept_by_su6(quark: int, diquark: tuple[int, int, int]) -> float:
    """How often a quark and a diquark become a baryon; always where they have a flavour in common."""
    one, other, _ = diquark
    return 1.0 if quark in (one, other) else 1 / 2 if one == other else 2 / 3


# --- From codes to rows ----------------------------------------------------------------------------


def _columns(*codes: ArrayLike) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*(np.atleast_1d(x) for x in codes)))


def _rows_of(waits: Any, pick: Any, meson: Any, fits: np.ndarray, codes: np.ndarray, what: str) -> np.ndarray:
    index = _rows().index
    places = np.stack(np.broadcast_arrays(waits, pick, meson))
    fits = fits & np.all((places >= 0) & (places < np.reshape(index.shape, (3, 1))), axis=0)
    rows = np.where(fits, index[tuple(np.where(fits, places, 0))], -1)
    if (bad := np.flatnonzero(rows < 0)).size:
        got = ", ".join(map(str, codes[:, bad[0]]))
        wanted = "of quarks (new ones u, d, s), light diquarks with their popcorn quarks, and what hadrons they make"
        raise ValueError(f"row {bad[0]} is no {what} of a string: got the PDG codes {got}, want those {wanted}")
    return rows


def _flavour_class(quark: np.ndarray) -> np.ndarray:
    return np.where(quark < 1, -1, np.maximum(0, quark - 2))


def _waiting(diquark: np.ndarray, popcorn: np.ndarray, vertex: np.ndarray) -> np.ndarray:
    """What waits where a diquark does; -1 for a heavy one, or one without its popcorn quark."""
    heavy, light, spin = diquark // 1000, diquark // 100 % 10, diquark // 2 % 2
    strange = (heavy == 3).astype(int) + (light == 3)
    baryon = BARYON + np.select([strange == 1, strange == 2], [3 + spin, 5], np.where(heavy == light, 2, spin))
    meson = MESON + np.where(popcorn == 3, 3 + (vertex == 3), np.where(vertex == 3, 2, vertex != popcorn))
    return np.where((heavy > 3) | (vertex < 1), -1, np.where(popcorn > 0, meson, baryon))


def _diquark_type(popcorn: ArrayLike, vertex: ArrayLike, spin: ArrayLike) -> np.ndarray:
    popcorn, vertex, spin = (np.asarray(x) for x in (popcorn, vertex, spin))
    of_light = np.where(vertex == 3, 3 + spin, np.where(vertex == popcorn, 2, spin))
    return np.where(popcorn == 3, np.where(vertex == 3, 7, 5 + spin), of_light)


def _other_quark(diquark: np.ndarray, quark: np.ndarray) -> np.ndarray:
    """Quark of a diquark besides the given one; its heavier for 0, and -1 if the given one is not in it."""
    heavy, light = diquark // 1000, diquark // 100 % 10
    return np.where((quark == 0) | (quark == light), heavy, np.where(quark == heavy, light, -1))


def _meson(one: np.ndarray, other: np.ndarray, hadron: np.ndarray) -> np.ndarray:
    """Place of the factor of a meson in `_mesons`; -1 if it is neither pseudoscalar nor vector."""
    family = np.maximum(0, np.maximum(one, other) - 2)
    kinds = [hadron == 221, hadron == 331, hadron % 10 == 1, hadron % 10 == 3]
    kind = np.select(kinds, [ETA, ETA_PRIME, 0, 1], -1)
    return np.where((kind < 0) | (hadron > 1000) | (np.minimum(one, other) < 1), -1, 1 + 4 * family + kind)


def _is_baryon(hadron: np.ndarray) -> np.ndarray:
    return hadron // 1000 % 10 > 0
