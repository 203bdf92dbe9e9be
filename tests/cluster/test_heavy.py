"""Heavy clusters break in two."""

from collections import Counter

import numpy as np
import pytest
import vector
from checks import ALPHA, P_COLUMNS, assert_uniform
from cluster_laws import (
    FISSION,
    MASS,
    WAITING,
    assert_rates,
    axes,
    four,
    generator,
    momenta,
    parents_of,
    single_clusters,
    units,
)
from scipy import integrate, stats

from hadtutor import ClusterParams, cluster


def too_heavy(clusters, params=None):
    """M^p > Cl_max^p + (m1 + m2)^p, with the parameters of the heaviest quark."""
    p = ClusterParams() if params is None else params
    flavour = np.maximum(clusters.quark, -clusters.antiquark)
    maximum = np.array([p.cl_max] * 4 + [p.cl_max_charm, p.cl_max_bottom])[flavour]
    power = np.array([p.cl_pow] * 4 + [p.cl_pow_charm, p.cl_pow_bottom])[flavour]
    constituents = MASS[clusters.quark] + MASS[-clusters.antiquark]
    return clusters.mass**power > maximum**power + constituents**power


def test_exactly_the_clusters_above_threshold_break(stages):
    broken = stages[3]
    assert np.array_equal(broken.fate == FISSION, too_heavy(broken))
    flavour = np.maximum(broken.quark, -broken.antiquark)
    assert all(np.any((broken.fate == FISSION) & (flavour == f)) for f in (1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("quark", "antiquark", "params"),
    [
        (2, -1, ClusterParams()),
        (2, -3, ClusterParams(cl_max=5.0, cl_pow=0.8)),
        (4, -1, ClusterParams()),
        (4, -4, ClusterParams(cl_max_charm=4.5, cl_pow_charm=3.0)),
        (4, -5, ClusterParams()),
        (5, -2, ClusterParams(cl_max_bottom=3.0, cl_pow_bottom=1.2)),
    ],
)
def test_the_threshold_is_sharp_and_has_the_parameters_of_the_heaviest_quark(quark, antiquark, params):
    heaviest = max(quark, -antiquark)
    suffix = {4: "_charm", 5: "_bottom"}.get(heaviest, "")
    maximum, power = (getattr(params, name + suffix) for name in ("cl_max", "cl_pow"))
    threshold = (maximum**power + (MASS[quark] + MASS[-antiquark]) ** power) ** (1 / power)
    for factor, fate in ((1 - 1e-9, WAITING), (1 + 1e-9, FISSION)):
        broken = cluster.fission(single_clusters(5, threshold * factor, quark, antiquark), params, rng=generator())
        assert np.all(broken.fate[broken.primary] == fate)


def test_a_cluster_without_room_for_a_new_pair_does_not_break():
    params = ClusterParams(cl_max=0.01)
    for mass, parts in ((1.29, 0), (1.31, 2)):
        broken = cluster.fission(single_clusters(20, mass, 2, -1), params, rng=generator())
        assert np.all(broken.multiplicity == 1 + parts)


def test_every_cluster_above_threshold_breaks_for_large_powers_too():
    """With P = 3, the largest that is allowed, masses x^(P-1) dx of both parts fit together once in twenty draws."""
    params = ClusterParams(p_split=3.0)
    broken = cluster.fission(single_clusters(200, 30.0, 2, -1), params, rng=generator())
    assert np.array_equal(broken.fate == FISSION, too_heavy(broken, params))


def test_two_parts_add_up_to_what_broke(stages):
    formed, broken = stages[2:4]
    parts, parents = parents_of(broken)
    assert np.array_equal(np.bincount(parents, minlength=len(broken.px)), 2 * (broken.fate == FISSION))
    assert np.all(parents < parts)
    one, two, parent = parts[::2], parts[1::2], parents[::2]
    assert np.array_equal(parents[1::2], parent)
    total = momenta(four(broken, one)) + momenta(four(broken, two))
    np.testing.assert_allclose(total, momenta(four(broken, parent)), rtol=0, atol=1e-12)
    assert np.array_equal(broken.quark[one], broken.quark[parent])
    assert np.array_equal(broken.antiquark[two], broken.antiquark[parent])
    assert np.array_equal(broken.quark[two], -broken.antiquark[one])
    assert set(broken.quark[two]) == {1, 2, 3}
    assert np.all(broken.mass[one] + broken.mass[two] < broken.mass[parent])
    new = broken.quark[two]
    assert np.all(broken.mass[one] >= MASS[broken.quark[one]] + MASS[new])
    assert np.all(broken.mass[two] >= MASS[new] + MASS[-broken.antiquark[two]])
    # What was there before is there still.
    first = np.flatnonzero(broken.primary)
    for name in (*P_COLUMNS, "mass", "quark", "antiquark", "quark_perturbative", "antiquark_perturbative", "axis_z"):
        np.testing.assert_array_equal(getattr(broken, name)[first], getattr(formed, name))


def test_new_quarks_are_not_perturbative_and_old_ones_stay_what_they_were(stages):
    broken = stages[3]
    parts, parents = parents_of(broken)
    one, two, parent = parts[::2], parts[1::2], parents[::2]
    assert np.array_equal(broken.quark_perturbative[one], broken.quark_perturbative[parent])
    assert np.array_equal(broken.antiquark_perturbative[two], broken.antiquark_perturbative[parent])
    assert not broken.antiquark_perturbative[one].any()
    assert not broken.quark_perturbative[two].any()
    final = broken.fate == WAITING
    flags = [broken.quark_perturbative, broken.antiquark_perturbative]
    assert sum(f[final].sum() for f in flags) == sum(f[broken.primary].sum() for f in flags)


def test_parts_fly_along_the_axis_the_quark_forwards(stages):
    broken = stages[3]
    parts, parents = parents_of(broken)
    at_rest = units(four(broken, parts).boostCM_of_p4(four(broken, parents)))
    forwards = np.where(np.arange(len(parts)) % 2 == 0, 1.0, -1.0)
    np.testing.assert_allclose(at_rest, forwards[:, None] * axes(broken, parents), rtol=0, atol=1e-6)


def test_all_constituents_move_along_the_axis_of_the_first_cluster(stages):
    """Down all generations: built from each part's own axis, seen in the rest frame of the primary cluster."""
    broken = stages[3]
    parts, parents = parents_of(broken)
    oldest = np.arange(len(broken.px))
    for part, parent in zip(parts, parents, strict=True):
        oldest[part] = oldest[parent]
    assert np.any(~broken.primary[parents])
    m1, m2, mass = MASS[broken.quark[parts]], MASS[-broken.antiquark[parts]], broken.mass[parts]
    size = np.sqrt((mass**2 - (m1 + m2) ** 2) * (mass**2 - (m1 - m2) ** 2)) / (2 * mass)
    axis = axes(broken, oldest[parts])
    for m, sign in ((m1, 1.0), (m2, -1.0)):
        p = (sign * size[:, None] * axes(broken, parts)).T
        quark = vector.array({"px": p[0], "py": p[1], "pz": p[2], "E": np.hypot(size, m)})
        quark = quark.boost_p4(four(broken, parts)).boostCM_of_p4(four(broken, oldest[parts]))
        across = np.cross(momenta(quark)[:, :3], axis)
        np.testing.assert_allclose(across, 0.0, atol=1e-7)


def test_axes_of_parts_point_as_the_axis_of_what_broke(stages):
    """In a boost along itself a direction stays: seen from the parent's rest frame nothing turns."""
    broken = stages[3]
    parts, parents = parents_of(broken)
    axis = axes(broken, parents).T
    parent = four(broken, parents)
    ray = vector.array({"px": axis[0], "py": axis[1], "pz": axis[2], "E": np.ones(len(parts))}).boost_p4(parent)
    np.testing.assert_allclose(units(ray.boostCM_of_p4(four(broken, parts))), axes(broken, parts), rtol=0, atol=1e-6)


MANY = [
    (2, -1, 10.0, ClusterParams()),
    (4, -2, 9.0, ClusterParams(p_split=2.0, p_split_charm=0.4)),
    (3, -5, 20.0, ClusterParams(p_split=0.3, p_split_bottom=3.0, pwt_s=1.5)),
    (1, -1, 2.2, ClusterParams(cl_max=0.5, p_split=3.0, pwt_s=0.8)),
]


def power_of(params, quark):
    return {4: params.p_split_charm, 5: params.p_split_bottom}.get(quark, params.p_split)


def marginal(new, free, p1, p2, n=20_001):
    """Integral over x1 up to a grid of points of x1^(P1-1) dx1 x2^(P2-1) dx2, x1 + x2 < `free`, both above `new`.

    Multiplied by P1 P2; the integral over x2 is done by hand, that over x1 in x1^P1.
    """
    u = np.linspace(new**p1, (free - new) ** p1, n)
    x = u ** (1 / p1)
    return x, integrate.cumulative_simpson((free - x) ** p2 - new**p2, x=u, initial=0)


@pytest.fixture(scope="module", params=MANY, ids=lambda case: f"{case[0]}{case[1]} {case[2]}")
def many(request):
    """20 000 equal clusters at rest, and both parts of their first fission."""
    quark, antiquark, mass, params = request.param
    broken = cluster.fission(single_clusters(20_000, mass, quark, antiquark, p=0.0), params, rng=generator(21))
    rows = np.flatnonzero(broken.parent == 0)
    assert len(rows) == 40_000
    return request.param, broken, rows[::2], rows[1::2]


def test_masses_of_two_parts_have_their_joint_density(many):
    (quark, antiquark, mass, params), broken, one, two = many
    m1, m2 = MASS[quark], MASS[-antiquark]
    p1, p2 = power_of(params, quark), power_of(params, -antiquark)
    free = mass - m1 - m2
    first, second = np.zeros(len(one)), np.zeros(len(one))
    for f in set(broken.quark[two]):
        mine, new = broken.quark[two] == f, MASS[f]
        x1, x2 = broken.mass[one[mine]] - m1, broken.mass[two[mine]] - m2
        x, total = marginal(new, free, p1, p2)
        first[mine] = np.interp(x1, x, total / total[-1])
        second[mine] = (x2**p2 - new**p2) / ((free - x1) ** p2 - new**p2)
    assert_uniform(first, ALPHA / (3 * len(MANY)))
    assert_uniform(second, ALPHA / (3 * len(MANY)))
    counts = np.histogram2d(first, second, bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(counts.ravel()).pvalue > ALPHA / (3 * len(MANY))


def test_new_flavours_have_their_weights_times_the_odds_to_fit(many):
    """Masses that do not fit are drawn again with a new flavour."""
    (quark, antiquark, mass, params), broken, _, two = many
    p1, p2 = power_of(params, quark), power_of(params, -antiquark)
    free = mass - MASS[quark] - MASS[-antiquark]
    odds = {}
    for f in (1, 2, 3):
        new = MASS[f]
        square = ((free - new) ** p1 - new**p1) * ((free - new) ** p2 - new**p2)
        odds[f] = (params.pwt_s if f == 3 else 1.0) * marginal(new, free, p1, p2)[1][-1] / square
    assert_rates(Counter(broken.quark[two].tolist()), odds, ALPHA / len(MANY))


def test_another_law_of_masses_of_parts_is_drawn():
    """Pairs by the product of both weights, among those that fit."""
    params, mass, law = ClusterParams(pwt_s=0.0, p_split=1.3), 6.0, lambda u: 0.2 + u**2
    broken = cluster.fission(single_clusters(20_000, mass, 2, -1), params, rng=generator(31), parts=law)
    first = np.flatnonzero(broken.parent == 0).reshape(-1, 2)
    new, power = MASS[1], params.p_split
    low, high = new**power, (mass - 3 * new) ** power
    x = broken.mass[first] - MASS[1]
    u = (x**power - low) / (high - low)
    fine = (np.arange(1000) + 0.5) / 1000
    of_fine = (low + fine * (high - low)) ** (1 / power)
    weight = np.outer(law(fine), law(fine)) * (of_fine[:, None] + of_fine < mass - 2 * MASS[1])
    expected = weight.reshape(10, 100, 10, 100).sum(axis=(1, 3))
    counts = np.histogram2d(*u.T, bins=10, range=[[0, 1], [0, 1]])[0]
    assert len(u) > 19_000
    some = expected * len(u) / expected.sum() > 10
    assert counts[expected == 0].sum() == 0
    found, wanted = counts[some], expected[some]
    assert stats.chisquare(found, wanted * found.sum() / wanted.sum()).pvalue > ALPHA


def test_laws_of_masses_that_are_none():
    clusters = single_clusters(5, 6.0, 2, -1)
    for parts, error, message in (
        (1.0, TypeError, "parts must be a function of u, got float"),
        (lambda u: u - 0.5, ValueError, "none of them negative"),
        (lambda u: 0.0 * u, ValueError, "not all zero"),
        (lambda u: np.where(u > 0.5, np.nan, 1.0), ValueError, "finite weights"),
        (lambda u: u**100, ValueError, "the largest weight that parts gives is .* times the mean"),
    ):
        with pytest.raises(error, match=message):
            cluster.fission(clusters, rng=generator(), parts=parts)
