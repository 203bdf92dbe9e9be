"""Densities of everything that the cluster model draws, as functions of its parameters.

The masses of constituents move momenta, and nothing has a density in them; all other parameters have one. What is drawn
of an event is a row of numbers that no parameter changes, and a few columns for what is not a sum of such numbers.
"""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.special import xlogy

from .._support.kernels import kernel
from ..events.clusters import FISSION, PAIR
from ..events.sample import Sample
from ..params import ClusterParams
from .angles import check_hadrons, cosines, remembered
from .heavy import laws_in
from .pairs import S, flavour_row, only_pions, pair_table
from .rows import flavours_of, momenta
from .splits import splits_of

CLASSES = "", "_charm", "_bottom"  # endings of the names of parameters that differ by flavour
BY_CLASS = "cl_max", "cl_pow", "p_split", "cl_smr"
OF_DECAYS = "pwt_s", "pwt_diquark", "vector_wt", "dec_wt"
WEIGHTED = (*(name + end for name in BY_CLASS for end in CLASSES), "cl_soft", *OF_DECAYS)
"""Parameters that have a density; the others are masses of constituents."""
ROUNDING = 1e-9  # of 1 - cosθ
STEP = 0.02  # of the table of `both_fit` in ln(H/m)
POINTS = 64  # of the quadrature in it
COUNTS = "gluons", "strange", "vectors", "decuplets", "baryons", "no_baryons"


class Draws(NamedTuple):
    """What was drawn in N events, as arrays of NumPy or torch; columns of a kind are in the order of events.

    A class is 0 for a cluster or quark that is light, 1 with charm, 2 with bottom.
    """

    counts: Any  # (6, N) of `COUNTS`: how often each weight is a factor, and each choice was made
    log_x: Any  # (3, N) sum of ln(x/m) over the parts of clusters, by the class of their quark
    parts: Any  # (3, N) their number
    # Fission or not, of each cluster with room for it.
    event: Any
    of_class: Any
    log_mass: Any
    log_constituents: Any
    broke: Any  # bool
    # Clusters that broke: classes of both quarks, ln(H/m) for the new flavour and for each that might have been it.
    split_event: Any
    split_class: Any  # (2, rows)
    split_t: Any  # (rows,)
    split_all: Any  # (2, rows) for u or d, and for s; not positive if it does not fit
    # Sums of strength × p* over the pairs of hadrons, by powers of pwt_s and of vector_wt or dec_wt², over their total.
    meson_event: Any
    meson_sums: Any  # (rows, 6)
    baryon_event: Any
    baryon_sums: Any  # (rows, 9)
    # Decays that remember a perturbative quark: 1 - cosθ, and the class of the one, or of either, that it was.
    smear_event: Any
    smear_class: Any  # (2, rows)
    one_minus_cos: Any


class Powers(NamedTuple):
    """Pairs of hadrons with unit weights, and how often each parameter is a factor in their weight."""

    table: Any  # PairTable
    s: np.ndarray
    vector: np.ndarray
    decuplet: np.ndarray  # of dec_wt²


def powers_of_pairs(pions_only: bool = False) -> Powers:
    """Powers of the weights in each pair of a `PairTable` with all weights 1: what doubling a weight does."""
    unit = ClusterParams(pwt_s=1.0, vector_wt=1.0, dec_wt=1.0)
    table = pair_table(unit, pions_only)

    def power(**doubled):
        found = np.log2(pair_table(unit.replace(**doubled), pions_only).weight / table.weight)
        return np.rint(found).astype(np.int64)

    return Powers(table, power(pwt_s=2.0), power(vector_wt=2.0), power(dec_wt=math.sqrt(2.0)))


@kernel
def _of_decays(mass, row, pid, meson_offsets, baryon_offsets, codes, sum2, difference2, weight, s, vector, decuplet):
    """Sums over pairs of each cluster, (rows, 6) and (rows, 9), and which pair it was, -1 if none."""
    n = len(mass)
    mesons, baryons, chosen = np.zeros((n, 6)), np.zeros((n, 9)), np.full(n, -1)
    for i in range(n):
        mass2 = mass[i] * mass[i]
        for kind in range(2):
            offsets = meson_offsets if kind == 0 else baryon_offsets
            for j in range(offsets[row[i]], offsets[row[i] + 1]):
                if sum2[j] >= mass2:
                    break
                size = weight[j] * math.sqrt((mass2 - sum2[j]) * (mass2 - difference2[j]))
                if kind == 0:
                    mesons[i, 3 * s[j] + vector[j]] += size
                else:
                    baryons[i, 3 * s[j] + decuplet[j]] += size
                if codes[0, j] == pid[0, i] and codes[1, j] == pid[1, i]:
                    chosen[i] = j
    return mesons, baryons, chosen


def draws_of(sample: Sample) -> Draws:
    """What was drawn in the events of a `sample` of clusters; ValueError if its histories do not say it all."""
    c, params = check_hadrons(sample), cast(ClusterParams, sample.params)
    if c.formed_mass is None:
        raise ValueError("masses of clusters as they were formed are missing: the file is of an earlier version")
    flavours, n, event, hadrons = flavours_of(params), len(c), c.event, sample.hadrons
    mass, own = c.formed_mass.astype(float), np.stack([c.quark, -c.antiquark])
    of_quark = np.maximum(own - 3, 0)  # class of a flavour
    constituents = flavours.mass[own].sum(axis=0)

    # Gluons: every quark of a primary cluster that the shower did not make.
    gluons = c.primary & ~c.quark_perturbative
    if flavours.mass[S] >= 0.5 * flavours.mass[0]:
        gluons[:] = False
    counts = {"gluons": np.bincount(event, gluons, n)}
    strange = np.bincount(event, gluons & (c.quark == S), n)

    # Fission, and the masses of the parts.
    broke = c.fate == FISSION
    # With a sharp threshold nothing is drawn: whether one breaks follows from its mass.
    room = (
        np.zeros(len(mass), bool) if params.cl_soft == 0.0 else broke | (2.0 * flavours.mass[1] < mass - constituents)
    )
    splits = splits_of(c, flavours)
    log_x, n_parts = np.zeros((2, 3, n))
    for k in range(2):
        np.add.at(log_x, (splits.of_class[k], splits.event), splits.log_x[k])
        np.add.at(n_parts, (splits.of_class[k], splits.event), 1.0)
    strange += np.bincount(splits.event, splits.strange, n)

    # Decays: which pair of hadrons, out of all that fit.
    decayed = np.flatnonzero(c.fate == PAIR)
    first = (np.cumsum(c.n_hadrons) - c.n_hadrons)[decayed]
    pid = np.stack([hadrons.pid[first], hadrons.pid[first + 1]]).astype(np.int64)
    powers = powers_of_pairs(only_pions(c, hadrons))
    table, row = powers.table, flavour_row(c.quark[decayed], c.antiquark[decayed]).astype(np.int64)
    mesons, baryons, chosen = _of_decays(
        c.mass[decayed].astype(float), row, pid, table.meson_offsets, table.baryon_offsets, table.pid.astype(np.int64),
        table.sum2, table.difference2, table.weight, powers.s, powers.vector, powers.decuplet,
    )  # fmt: skip
    c._refuse(np.isin(np.arange(len(mass)), decayed[chosen < 0]), "a cluster with hadrons that it cannot decay to")
    is_baryon = chosen >= table.baryon_offsets[0]
    they_fit = baryons.sum(axis=1) > 0.0
    of_decay = lambda weight: np.bincount(event[decayed], weight, n).astype(float)
    counts |= {"strange": strange + of_decay(powers.s[chosen]), "vectors": of_decay(powers.vector[chosen])}
    counts |= {"decuplets": of_decay(powers.decuplet[chosen]), "baryons": of_decay(is_baryon)}
    counts["no_baryons"] = of_decay(they_fit & ~is_baryon)
    share = lambda sums: sums / sums.sum(axis=1, keepdims=True)

    # Directions about a perturbative quark; of two, the heavier if that is charm or bottom, else one at random.
    seen, of_both = remembered(c)[:, decayed], of_quark[:, decayed]
    some = seen.any(axis=0)
    smear_class = np.where(seen, of_both, of_both[::-1])
    if laws_in(sample.law)[0]:  # directions by another law have no parameters
        some[:] = False
    k = decayed[some]
    p, axis = momenta(c)[:, k], np.stack([c.axis_x, c.axis_y, c.axis_z]).astype(float)[:, k]
    away = 1.0 - cosines(p, c.mass[k].astype(float), axis, momenta(hadrons)[:, first[some]])
    # A class that is not smeared is known by its angle, of exactly zero, and has no density.
    smeared = (flavours.cl_smr[3:] > 0.0)[smear_class[:, some]]
    drawn = smeared.any(axis=0) & (smeared.all(axis=0) | (away > ROUNDING))
    smear_class = np.where(smeared, smear_class[:, some], smear_class[::-1, some])[:, drawn]

    return Draws(
        np.stack([counts[name] for name in COUNTS]), log_x, n_parts,
        event[room], of_quark.max(axis=0)[room], np.log(mass[room]), np.log(constituents[room]), broke[room],
        splits.event, splits.of_class, splits.t, splits.t_all,
        event[decayed][~is_baryon], share(mesons[~is_baryon]), event[decayed][is_baryon], share(baryons[is_baryon]),
        event[k][drawn], smear_class, away[drawn],
    )  # fmt: skip


def both_fit(t: Any, power_1: Any, power_2: Any, xp: ModuleType = np) -> Any:
    r"""Probability that two masses :math:`x_i` between m and H, of densities :math:`\propto x_i^{P_i-1}`, fit.

    That is :math:`x_1 + x_2 \le H + m`.

    Parameters
    ----------
    t : array
        ln(H/m), above 0.
    power_1, power_2 : float or Tensor
    xp : module
        NumPy or torch.
    """
    nodes, weights = (xp.asarray(a, **_like(t, xp)) for a in _quadrature())
    t = t[:, None]
    # By x_1, whose distribution function is uniform; the second must be below what it leaves.
    log_x = xp.log1p(nodes * xp.expm1(power_1 * t)) / power_1
    left = xp.log(xp.exp(t) + 1.0 - xp.exp(log_x))
    return (xp.expm1(power_2 * left) / xp.expm1(power_2 * t)) @ weights


def _like(x, xp):
    return {"dtype": x.dtype} | ({} if xp is np else {"device": x.device})


def _quadrature():
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def log_density(d: Draws, values: Mapping[str, Any], xp: ModuleType = np) -> Any:
    """Logarithm of the density of all draws of each event, (N,), but for a number that no parameter changes.

    Parameters
    ----------
    d : Draws
    values : mapping of str to float or Tensor
        All of `WEIGHTED`.
    xp : module
        NumPy, or torch, which has gradients; the arrays of `d` and `values` are its own.
    """
    counts = dict(zip(COUNTS, d.counts, strict=True))
    by_class = {name: [values[name + end] for end in CLASSES] for name in BY_CLASS}
    pwt_s, odds = values["pwt_s"], values["pwt_diquark"]
    # A weight of zero makes what it weights impossible, and nothing else.
    times_log = xlogy if xp is np else xp.xlogy
    total = times_log(counts["strange"], pwt_s) - counts["gluons"] * xp.log(2.0 + pwt_s)
    total = total + times_log(counts["vectors"], values["vector_wt"])
    total = total + times_log(2.0 * counts["decuplets"], values["dec_wt"])
    total = total + times_log(counts["baryons"], odds)
    total = total - (counts["baryons"] + counts["no_baryons"]) * xp.log(1.0 + odds)
    for x, n, power in zip(d.log_x, d.parts, by_class["p_split"], strict=True):
        total = total + (power - 1.0) * x + n * xp.log(power)
    per_event = [(_fission(d, values["cl_soft"], by_class, xp), d.event)] if len(d.event) else []
    per_event += [(-_parts(d, pwt_s, by_class["p_split"], xp), d.split_event)]
    for sums, event, name in ((d.meson_sums, d.meson_event, "vector_wt"), (d.baryon_sums, d.baryon_event, "dec_wt")):
        weight = values[name] if name == "vector_wt" else values[name] ** 2
        powers = xp.stack([pwt_s**i * weight**j for i in range(sums.shape[1] // 3) for j in range(3)])
        per_event.append((-xp.log(sums @ powers), event))
    per_event.append((_smearing(d, by_class["cl_smr"], xp), d.smear_event))
    for rows, event in per_event:
        total = total + _summed(rows, event, total, xp)
    return total


def _fission(d, softness, by_class, xp):
    """ln P of breaking, or of not breaking, of each cluster with room for it."""
    cl_max, power = (xp.stack([*by_class[name]])[d.of_class] for name in ("cl_max", "cl_pow"))
    log_t = xp.logaddexp(power * (xp.log(cl_max) - d.log_mass), power * (d.log_constituents - d.log_mass))
    steepness = 1.0 / softness if softness > 0.0 else np.inf  # the limit is the sharp threshold
    log_odds = xp.where(d.broke, steepness * log_t, -steepness * log_t)
    return -xp.logaddexp(xp.zeros_like(log_odds), log_odds)


def _parts(d, pwt_s, power, xp):
    """ln of what normalises flavour and masses of both parts of each cluster that broke."""
    if not len(d.split_event):
        return d.split_t
    n = int(float(d.split_all.max()) / STEP) + 4
    grid = (xp.arange(n, **_like(d.split_t, xp)) + 0.5) * STEP
    table = xp.concatenate([both_fit(grid, one, two, xp) for one in power for two in power])
    row = (3 * d.split_class[0] + d.split_class[1]) * n

    def at(t):
        """Cubic interpolation in the table."""
        place = xp.clip(t / STEP - 0.5, 0.0, None)
        k = xp.clip(xp.floor(place), 1, n - 3)
        u, k = place - k, row + xp.asarray(k, dtype=row.dtype)
        lagrange = (
            -u * (u - 1.0) * (u - 2.0) / 6.0, (u + 1.0) * (u - 1.0) * (u - 2.0) / 2.0, -(u + 1.0) * u * (u - 2.0) / 2.0,
            (u + 1.0) * u * (u - 1.0) / 6.0,
        )  # fmt: skip
        found = sum(weight * table[k + i] for i, weight in enumerate(lagrange, -1))
        return xp.where(t > 0.0, found, xp.zeros_like(found))

    ways = 2.0 * at(d.split_all[0]) + pwt_s * at(d.split_all[1])
    one, two = (xp.stack([*power])[split] for split in d.split_class)
    return xp.log(ways) + xp.log(xp.expm1(one * d.split_t)) + xp.log(xp.expm1(two * d.split_t))


def _smearing(d, smearing, xp):
    """ln of the density of cosθ; of two quarks it is the mean of both."""
    s = xp.stack([*smearing])
    s = xp.where(s > 0.0, s, xp.ones_like(s))  # nothing here is of a class without smearing
    constant = -xp.log(s) - xp.log(-xp.expm1(-2.0 / s))
    one, two = (constant[k] - d.one_minus_cos / s[k] for k in d.smear_class)
    return xp.logaddexp(one, two) - math.log(2.0)


def _summed(rows, event, like, xp):
    if xp is np:
        return np.bincount(event, rows, len(like))
    return xp.zeros_like(like).index_add(0, event, rows)
