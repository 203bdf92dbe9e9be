"""Clusters too light for two hadrons."""

import numpy as np
import pytest
from checks import assert_same_columns, assert_same_sample
from cluster_laws import (
    FISSION,
    LIGHTEST,
    NAMES,
    PAIR,
    SINGLE,
    WAITING,
    all_quantum_numbers,
    decayed,
    event_sums,
    four,
    generator,
    momenta,
    pair,
    some_clusters,
    star,
    units,
)

from hadtutor import cluster, hadronize_clusters
from hadtutor.particles import PARTICLES


def test_a_cluster_too_light_for_two_hadrons_becomes_the_lightest_one(hadronized):
    for name in NAMES:
        sample = hadronized[name, False]
        clusters = sample.histories
        rows = np.flatnonzero(clusters.fate == SINGLE)
        assert len(rows) > 500
        place = (np.cumsum(clusters.n_hadrons) - clusters.n_hadrons)[rows]
        flavours = zip(clusters.quark[rows].tolist(), (-clusters.antiquark[rows]).tolist(), strict=True)
        assert sample.hadrons.pid[place].tolist() == [LIGHTEST[pair] for pair in flavours]


def test_light_is_what_is_lighter_than_any_two_hadrons(stages):
    """Thresholds by hand: K K, D pi, D K, D D, B pi, B K; all other clusters find two hadrons."""
    broken, final = stages[3:5]
    mass = {pid: PARTICLES[pid].mass for pid in (111, 211, 321, 311, 421, 411, 521, 511)}
    pion, kaon, d, b = mass[111], mass[321], mass[421], mass[521]
    d_pi = {1: min(d + mass[211], mass[411] + pion), 2: d + pion}
    threshold = {
        (3, 3): 2 * kaon,
        **{(4, f): d_pi[f] for f in d_pi},
        (4, 3): d + kaon,
        (4, 4): 2 * d,
        (5, 1): min(b + mass[211], mass[511] + pion),
        (5, 2): b + pion,
        (5, 3): b + kaon,
    }
    pairs = np.sort([broken.quark, -broken.antiquark], axis=0)[::-1].T.tolist()
    limit = np.array([threshold.get(tuple(pair), 0.0) for pair in pairs])
    known = np.array([tuple(pair) in threshold for pair in pairs]) & (broken.fate == WAITING)
    assert known.sum() > 1000
    assert np.array_equal(final.fate[known] == SINGLE, broken.mass[known] <= limit[known])


def test_the_neighbour_nearest_in_phase_space_takes_the_recoil_and_keeps_its_mass(stages):
    broken, final = stages[3:5]
    singles = np.bincount(final.event[final.fate == SINGLE], minlength=len(final))
    checked = 0
    for event in np.flatnonzero(singles == 1):
        rows = np.arange(final.offsets[event], final.offsets[event + 1])
        rows = rows[final.fate[rows] != FISSION]
        light = rows[final.fate[rows] == SINGLE][0]
        others = rows[rows != light]
        changed = others[np.any(momenta(four(final, others)) != momenta(four(broken, others)), axis=1)]
        together = (four(broken, others) + four(broken, np.full(len(others), light))).mass
        room = together > final.mass[light] + broken.mass[others]
        assert changed.tolist() == [others[np.argmin(np.where(room, together, np.inf))]]
        assert final.mass[changed[0]] == broken.mass[changed[0]]
        checked += 1
    assert checked > 100
    changed = final.mass != broken.mass
    assert np.array_equal(changed, final.fate == SINGLE)


def test_the_single_hadron_flies_where_its_cluster_did_seen_from_both():
    p = [[0.3, 0.1, 2.0], [-0.2, 0.4, 1.0], [0.0, 0.0, -30.0]]
    clusters = some_clusters([0, 3], [0.92, 1.6, 5.0], p, [3, 2, 2], [-3, -1, -1])
    hadrons, after = decayed(clusters)
    assert after.fate.tolist() == [SINGLE, PAIR, PAIR]
    assert hadrons.pid[0] == 221
    both = four(clusters, [0]) + four(clusters, [1])
    before, now = (four(x, [0]).boostCM_of_p4(both) for x in (clusters, after))
    np.testing.assert_allclose(units(now), units(before), rtol=0, atol=1e-12)
    np.testing.assert_allclose(momenta(four(after, [0]) + four(after, [1])), momenta(both), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(momenta(four(after, [2])), momenta(four(clusters, [2])))
    np.testing.assert_allclose(after.mass, [PARTICLES[221].mass, 1.6, 5.0])


def test_a_light_cluster_may_recoil_from_one_that_has_become_a_hadron():
    """Two clusters of s sbar: both become an eta."""
    clusters = some_clusters([0, 2], [0.92, 0.95], [[0, 0, 1.0], [0, 0, -1.0]], 3, -3)
    hadrons, after = decayed(clusters)
    assert hadrons.pid.tolist() == [221, 221]
    assert after.fate.tolist() == [SINGLE, SINGLE]
    total = momenta(four(clusters)).sum(axis=0)
    np.testing.assert_allclose(momenta(four(hadrons)).sum(axis=0), total, rtol=0, atol=1e-12)


def test_an_event_without_room_for_its_light_cluster_waits_without_hadrons():
    """A lonely s sbar cluster, in the middle of others."""
    clusters = some_clusters([0, 1, 2, 4], [2.0, 0.95, 0.95, 2.0], np.zeros((4, 3)), [2, 3, 3, 2], [-2, -3, -3, -1])
    hadrons, after = decayed(clusters)
    assert after.unfinished.tolist() == [1]
    assert hadrons.multiplicity.tolist() == [2, 0, 3]
    assert after.fate.tolist() == [PAIR, WAITING, SINGLE, PAIR]
    assert_same_columns(after[1], clusters[1])


def test_clusters_of_an_unfinished_event_are_left_as_they_were():
    """The first finds room and the second, which needs a D+, does not."""
    clusters = some_clusters([0, 2], [0.95, 1.4], np.zeros((2, 3)), [3, 4], [-3, -1])
    hadrons, after = decayed(clusters)
    assert hadrons.multiplicity.tolist() == [0]
    assert_same_columns(after, clusters)


@pytest.mark.parametrize(("energy", "n_clusters"), [(3.0, 0), (3.2, 1)])
def test_events_that_cannot_be_hadronized_are_counted_and_the_others_are_not_harmed(energy, n_clusters):
    """A c cbar pair below its constituents' masses, and below two D mesons."""
    showers = star(pair(2), pair(4), pair(3), pair(1), pair(4), energy=energy)
    message = r"2 of 5 events could not be hadronized and have no hadrons \(the first is event 1\)"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        sample = hadronize_clusters(showers, rng=generator())
    assert [w.filename for w in caught] == [__file__]
    hadrons, clusters = sample.hadrons, sample.histories
    assert clusters.unfinished.tolist() == [1, 4]
    assert clusters.multiplicity[[1, 4]].tolist() == [n_clusters] * 2
    assert np.all(clusters.fate[np.isin(clusters.event, [1, 4])] == WAITING)
    assert hadrons.multiplicity.tolist() == [2, 0, 2, 2, 0]
    total = event_sums(hadrons, np.column_stack([momenta(four(hadrons)), all_quantum_numbers(hadrons.pid)]))
    good = np.array([0, 2, 3])
    np.testing.assert_allclose(total[good], np.tile([0, 0, 0, energy, *[0] * 7], (3, 1)), rtol=0, atol=1e-12)


def test_an_unfinished_event_changes_nothing_in_other_chunks(monkeypatch):
    monkeypatch.setattr(cluster.generate, "CHUNK", 2)
    good, mixed = [pair(2)] * 6, [pair(2)] * 3 + [pair(4)] + [pair(2)] * 2
    wanted = hadronize_clusters(star(*good, energy=3.2), rng=generator())
    with pytest.warns(RuntimeWarning, match=r"1 of 6 events .*first is event 3"):
        sample = hadronize_clusters(star(*mixed, energy=3.2), rng=generator())
    for part in (slice(0, 2), slice(4, 6)):
        assert_same_sample(sample[part], wanted[part])


def test_a_pair_of_light_quarks_of_tiny_energy_is_unfinished():
    with pytest.warns(RuntimeWarning, match="1 of 1 events"):
        sample = hadronize_clusters(star(pair(2), energy=0.5), rng=generator())
    assert sample.histories.unfinished.tolist() == [0]
    assert len(sample.hadrons.px) == 0
