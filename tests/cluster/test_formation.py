"""Clusters form, and their masses do not know the energy: preconfinement."""

from dataclasses import replace

import numpy as np
import pytest
from checks import P_COLUMNS
from cluster_laws import MASS, NAMES, WAITING, axes, four, generator, momenta, units

from hadtutor import Constituents, cluster


def test_a_cluster_is_a_quark_and_the_antiquark_of_its_colour(stages):
    """In the order of the quarks."""
    _, constituents, clusters, *_ = stages
    quarks = np.flatnonzero(constituents.pid > 0)
    keys = zip(constituents.event.tolist(), constituents.acol.tolist(), strict=True)
    row_of = {key: row for row, key in enumerate(keys) if key[1]}
    colours = zip(constituents.event[quarks].tolist(), constituents.col[quarks].tolist(), strict=True)
    antiquarks = np.array([row_of[key] for key in colours])
    quark, antiquark = four(constituents, quarks), four(constituents, antiquarks)
    total = quark + antiquark
    assert np.array_equal(clusters.event, constituents.event[quarks])
    assert np.array_equal(clusters.quark, constituents.pid[quarks])
    assert np.array_equal(clusters.antiquark, constituents.pid[antiquarks])
    assert np.array_equal(clusters.quark_perturbative, constituents.perturbative[quarks])
    assert np.array_equal(clusters.antiquark_perturbative, constituents.perturbative[antiquarks])
    np.testing.assert_allclose(momenta(four(clusters)), momenta(total), rtol=0, atol=1e-12)
    np.testing.assert_allclose(clusters.mass, total.mass, rtol=1e-9)
    np.testing.assert_allclose(axes(clusters), units(quark.boostCM_of_p4(total)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(axes(clusters), -units(antiquark.boostCM_of_p4(total)), rtol=0, atol=1e-6)


def test_new_clusters_wait_and_have_no_parents(stages):
    clusters = stages[2]
    assert clusters.primary.all()
    assert np.all(clusters.fate == WAITING)
    assert not clusters.n_hadrons.any()
    assert np.array_equal(clusters.unfinished, np.arange(len(clusters)))


def test_a_cluster_is_never_lighter_than_its_constituents(stages):
    clusters = stages[2]
    assert np.all(clusters.mass >= MASS[clusters.quark] + MASS[-clusters.antiquark] - 1e-12)


def test_constituents_may_come_in_any_order(stages, rng):
    constituents = stages[1][:300]
    order = np.lexsort((rng.random(len(constituents.pid)), constituents.event))
    columns = {name: getattr(constituents, name)[order] for name in (*P_COLUMNS, "pid", "col", "acol", "perturbative")}
    x, y = cluster.form_clusters(constituents), cluster.form_clusters(replace(constituents, **columns))
    x, y = (np.sort(np.rec.fromarrays([c.event, c.mass, c.quark, c.antiquark, c.axis_x])) for c in (x, y))
    assert np.array_equal(x, y)


def test_a_cluster_of_quarks_at_rest_has_some_axis():
    p = np.zeros((3, 2))
    constituents = Constituents(
        np.array([0, 2]), *p, np.array([0.325, 0.45]), np.array([2, -3]), np.array([1, 0]), np.array([0, 1]), 0.775,
        np.array([True, False]),
    )  # fmt: skip
    clusters = cluster.form_clusters(constituents)
    assert clusters.mass.tolist() == [0.775]
    np.testing.assert_allclose(np.linalg.norm(axes(clusters)), 1.0)


LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def masses_of(packaged, heaviest):
    """Mean and quantiles of primary clusters at both energies: with this one heavy quark, or none (3)."""
    for name in NAMES:
        c = cluster.form_clusters(cluster.split_gluons(packaged[name], rng=generator(3)))
        pair = np.sort([c.quark, -c.antiquark], axis=0)
        chosen = (pair[0] <= 3) & (pair[1] <= 3 if heaviest == 3 else pair[1] == heaviest)
        yield np.append(c.mass[chosen].mean(), np.quantile(c.mass[chosen], LEVELS))


def test_masses_of_light_clusters_do_not_depend_on_the_energy(packaged):
    low, high = masses_of(packaged, 3)
    np.testing.assert_allclose(high, low, rtol=0.05)


@pytest.mark.parametrize("heavy", [4, 5])
def test_masses_of_clusters_with_a_heavy_quark_depend_little_on_the_energy(packaged, heavy):
    """They grow by 1 % (lowest decile) to 15 % (highest), while the energy grows by 119 %."""
    low, high = masses_of(packaged, heavy)
    np.testing.assert_allclose(high[1:4], low[1:4], rtol=0.05)
    np.testing.assert_allclose(high, low, rtol=0.15)
    assert np.all(high > low)
