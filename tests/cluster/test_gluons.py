"""Partons get their masses, and gluons split."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from checks import ALPHA, P_COLUMNS, assert_same_columns, assert_same_sample
from cluster_laws import (
    LOOP,
    MASS,
    NAMES,
    all_quantum_numbers,
    assert_isotropic,
    assert_rates,
    event_sums,
    four,
    generator,
    momenta,
    pair,
    star,
    units,
)
from scipy import stats

from hadtutor import ClusterParams, cluster, hadronize_clusters


def partons_again(showers, constituents):
    """Momenta of the partons, summed over what they became, found by colours and not by order."""

    def keys(events, tags):
        return list(zip(events.event.tolist(), tags.tolist(), strict=True))

    p = momenta(four(constituents))
    of_colour = {key: p[i] for i, key in enumerate(keys(constituents, constituents.col)) if key[1]}
    of_anticolour = {key: p[i] for i, key in enumerate(keys(constituents, constituents.acol)) if key[1]}
    nothing = np.zeros(4)
    pairs = zip(keys(showers, showers.col), keys(showers, showers.acol), strict=True)
    return np.array([of_colour.get(c, nothing) + of_anticolour.get(a, nothing) for c, a in pairs])


def assert_scaled_to_masses(showers, constituents, params=None):
    """All momenta of an event times one factor, energies from constituent masses and the same in total."""
    params = ClusterParams() if params is None else params
    masses = np.array([0, params.mass_ud, params.mass_ud, params.mass_s, params.mass_c, params.mass_b])
    mass = np.where(showers.pid == 21, params.gluon_mass, masses[np.where(showers.pid == 21, 0, abs(showers.pid))])
    before, after = momenta(four(showers))[:, :3], partons_again(showers, constituents)
    scale = np.sum(before * after[:, :3], axis=1) / np.sum(before**2, axis=1)
    scale = scale[showers.offsets[:-1]][showers.event]
    np.testing.assert_allclose(after[:, :3], scale[:, None] * before, rtol=0, atol=1e-10)
    np.testing.assert_allclose(after[:, 3], np.hypot(np.linalg.norm(after[:, :3], axis=1), mass), rtol=1e-12)
    energy = np.bincount(showers.event, weights=after[:, 3])
    np.testing.assert_allclose(energy, showers.energy, rtol=1e-12)
    for f in range(1, 6):
        rows = abs(constituents.pid) == f
        shell = np.hypot(np.linalg.norm(momenta(four(constituents, rows))[:, :3], axis=1), masses[f])
        np.testing.assert_allclose(constituents.e[rows], shell, rtol=1e-11)


def test_momenta_are_scaled_by_one_factor_per_event_to_constituent_masses(stages):
    assert set(abs(stages[1].pid)) == {1, 2, 3, 4, 5}
    assert_scaled_to_masses(*stages[:2])


def test_constituent_masses_are_those_of_the_parameters(packaged):
    params = ClusterParams(gluon_mass=1.3, mass_ud=0.2, mass_s=0.6, mass_c=1.2, mass_b=4.2)
    showers = packaged[NAMES[1]][:1000]
    assert_scaled_to_masses(showers, cluster.split_gluons(showers, params, rng=generator()), params)


def shuffled(showers, rng):
    order = np.lexsort((rng.random(len(showers.pid)), showers.event))
    columns = {name: getattr(showers, name)[order] for name in (*P_COLUMNS, "pid", "col", "acol")}
    return replace(showers, **columns)


def test_partons_may_come_in_any_order(packaged, rng):
    showers = shuffled(packaged[NAMES[0]][:500], rng)
    assert_scaled_to_masses(showers, cluster.split_gluons(showers, rng=rng))


def test_the_order_of_partons_does_not_matter_along_one_string(packaged, rng):
    """Number by number; with several strings it decides which one comes first."""
    showers = packaged[NAMES[0]][:500]
    showers = showers[np.bincount(showers.event, weights=showers.pid != 21) == 2]
    assert len(showers) > 200
    mixed = shuffled(showers, rng)
    assert not np.array_equal(mixed.pid, showers.pid)
    x, y = (cluster.split_gluons(s, rng=generator(3)) for s in (showers, mixed))
    assert_same_columns(x, y)
    x, y = (hadronize_clusters(s, rng=generator(3)) for s in (showers, mixed))
    assert_same_sample(x, y)


TWO_STRINGS = [(2, 1, 0), (21, 2, 1), (-3, 0, 2), (3, 5, 0), (-2, 0, 5)]
KINDS_OF_EVENTS = {"loop": LOOP, "two strings": TWO_STRINGS, "string and loop": TWO_STRINGS + LOOP, "pair": pair(5)}


@pytest.mark.parametrize("kind", KINDS_OF_EVENTS)
def test_loops_and_several_strings_are_events_like_others(kind):
    event = KINDS_OF_EVENTS[kind]
    showers = star(*[event] * 300)
    constituents = cluster.split_gluons(showers, rng=generator())
    assert np.all(constituents.multiplicity == len(event) + sum(pid == 21 for pid, *_ in event))
    assert_scaled_to_masses(showers, constituents)
    clusters = cluster.form_clusters(constituents)
    assert np.all(clusters.multiplicity == constituents.multiplicity // 2)
    hadrons = hadronize_clusters(showers, rng=generator()).hadrons
    total = event_sums(hadrons, np.column_stack([momenta(four(hadrons)), all_quantum_numbers(hadrons.pid)]))
    np.testing.assert_allclose(total, np.tile([0, 0, 0, 91.2, *[0] * 7], (300, 1)), rtol=0, atol=1e-9)


def gluons(showers, constituents):
    """Rows of the quarks and antiquarks from gluons, in the order along the strings."""
    rows, _ = showers.colour_order()
    after = np.repeat(showers.pid[rows], np.where(showers.pid[rows] == 21, 2, 1)) == 21
    rows = np.flatnonzero(after)
    return rows[1::2], rows[::2]


def test_constituents_are_in_the_order_of_their_strings_with_the_colours_of_their_partons(stages):
    showers, constituents, *_ = stages
    rows, _ = showers.colour_order()
    source = np.repeat(rows, np.where(showers.pid[rows] == 21, 2, 1))
    from_gluon = showers.pid[source] == 21
    assert np.array_equal(constituents.event, showers.event[source])
    assert np.array_equal(constituents.pid[~from_gluon], showers.pid[source][~from_gluon])
    assert np.array_equal(constituents.perturbative, ~from_gluon)
    quark = constituents.pid > 0
    assert np.array_equal(constituents.col, np.where(quark, showers.col[source], 0))
    assert np.array_equal(constituents.acol, np.where(quark, 0, showers.acol[source]))
    quarks, antiquarks = gluons(showers, constituents)
    assert np.array_equal(constituents.pid[quarks], -constituents.pid[antiquarks])
    assert constituents.pid[quarks].min() > 0


def test_strings_of_constituents_are_pairs(stages):
    constituents = stages[1]
    rows, string_offsets = constituents.colour_order()
    assert np.all(np.diff(string_offsets) == 2)
    assert np.all(constituents.pid[rows[::2]] > 0)
    assert np.all(constituents.pid[rows[1::2]] < 0)


def test_gluons_decay_isotropically_in_their_rest_frames(packaged):
    """About the z axis and about their own direction of flight, which a wrong boost would single out."""
    showers = packaged[NAMES[0]]
    constituents = cluster.split_gluons(showers, rng=generator(6))
    quarks, antiquarks = gluons(showers, constituents)
    quark, gluon = four(constituents, quarks), four(constituents, quarks) + four(constituents, antiquarks)
    np.testing.assert_allclose(gluon.mass, 0.95, rtol=1e-9)
    at_rest = quark.boostCM_of_p4(gluon)
    flavours = constituents.pid[quarks]
    np.testing.assert_allclose(at_rest.mag, np.sqrt(0.475**2 - MASS[flavours] ** 2), rtol=1e-6)
    for axis in ([0.0, 0.0, 1.0], units(gluon)):
        assert_isotropic(units(at_rest), axis, ALPHA / 2)


@pytest.mark.parametrize(
    ("settings", "odds"),
    [
        ({}, {1: 1, 2: 1, 3: 0.374}),
        ({"gluon_mass": 1.5, "pwt_s": 1.7}, {1: 1, 2: 1, 3: 1.7}),
        ({"gluon_mass": 0.9}, {1: 1, 2: 1}),
        ({"gluon_mass": 0.7}, {1: 1, 2: 1}),
        ({"pwt_s": 0.0}, {1: 1, 2: 1}),
        ({"mass_ud": 0.4, "mass_s": 0.3, "pwt_s": 0.5}, {1: 1, 2: 1, 3: 0.5}),
    ],
    ids=str,
)
def test_gluons_split_into_flavours_by_their_weights_if_they_are_heavy_enough(packaged, settings, odds):
    showers = packaged[NAMES[0]][:5000]
    constituents = cluster.split_gluons(showers, ClusterParams(**settings), rng=generator(8))
    quarks, _ = gluons(showers, constituents)
    assert_rates(Counter(constituents.pid[quarks].tolist()), odds, ALPHA / 6)


def test_flavours_of_gluons_do_not_depend_on_their_neighbours(stages):
    quarks, _ = gluons(*stages[:2])
    f = stages[1].pid[quarks]
    assert stats.chi2_contingency(np.histogram2d(f[1:], f[:-1], bins=(3, 3))[0]).pvalue > ALPHA


def test_an_event_with_just_enough_energy_has_quarks_at_rest():
    constituents = cluster.split_gluons(star(pair(4), energy=3.1 * (1 + 1e-12)), rng=generator())
    np.testing.assert_allclose(constituents.e, 1.55)
    assert abs(constituents.px).max() < 1e-5


@pytest.mark.parametrize("energy", [3.0, 3.1])
def test_an_event_lighter_than_its_constituents_is_an_error_with_its_number(energy):
    with pytest.raises(ValueError, match=f"event 1: 2 partons with constituent masses do not fit into {energy:g} GeV"):
        cluster.split_gluons(star(pair(2), pair(4), pair(1), pair(4), energy=energy), rng=generator())
