"""Laws of the cluster model, with `vector` as the judge of boosts and `particle` as the judge of quarks in hadrons."""

import copy
import itertools
import math
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import vector
from checks import ALPHA, P_COLUMNS, assert_near, assert_same_columns, assert_same_sample, assert_uniform
from hypothesis import given, settings
from hypothesis import strategies as st
from particle import PDGID, Particle
from scipy import integrate, stats

import hadtutor
from hadtutor import ClusterParams, Clusters, Constituents, Sample, Showers, cluster, datasets, hadronize_clusters
from hadtutor.cluster import baryon_pairs, baryons, meson_pairs, mesons, pair_table
from hadtutor.cluster.pairs import ETA_LIGHT
from hadtutor.particles import PARTICLES

NAMES = ("pythia-showers-91", "pythia-showers-200")
MODES = [(name, pions_only) for name in NAMES for pions_only in (False, True)]
WAITING, FISSION, PAIR, SINGLE = range(4)
MASS = np.array([np.nan, 0.325, 0.325, 0.45, 1.55, 4.95])
FLAVOURS = list(itertools.product(range(1, 6), repeat=2))
DIQUARKS = list(itertools.combinations_with_replacement((1, 2, 3), 2))

# The lightest meson of a quark and an antiquark, where both are not light enough for two hadrons at any mass.
LIGHTEST = {
    (3, 3): 221,
    (4, 1): 411,
    (1, 4): -411,
    (4, 2): 421,
    (2, 4): -421,
    (4, 3): 431,
    (3, 4): -431,
    (4, 4): 441,
    (5, 1): -511,
    (1, 5): 511,
    (5, 2): -521,
    (2, 5): 521,
    (5, 3): -531,
    (3, 5): 531,
    (5, 4): -541,
    (4, 5): 541,
    (5, 5): 551,
}

# Hadrons that the PDG has not seen yet, and one of the same quarks that it has.
SAME_QUARKS = {543: 541, 5212: 5122, 5214: 5122, 5312: 5132, 5314: 5132, 5322: 5232, 5324: 5232, 5334: 5332}


def generator(seed=1):
    return np.random.default_rng(seed)


def four(events, rows=slice(None)):
    """Four-momenta as `vector` has them."""
    names = zip(("px", "py", "pz", "E"), P_COLUMNS, strict=True)
    return vector.array({ours: getattr(events, theirs)[rows] for ours, theirs in names})


def momenta(p):
    return np.stack([p.px, p.py, p.pz, p.E], axis=-1)


def units(p):
    """Directions of momenta, shape (n, 3)."""
    p = np.stack([p.px, p.py, p.pz], axis=-1)
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def axes(clusters, rows=slice(None)):
    return np.stack([clusters.axis_x[rows], clusters.axis_y[rows], clusters.axis_z[rows]], axis=-1)


def random_units(rng, n):
    p = rng.normal(size=(n, 3))
    return p / np.linalg.norm(p, axis=1, keepdims=True)


def sums(owner, values, n):
    """Sums of the rows of `values` with the same owner, shape (n, columns)."""
    return np.stack([np.bincount(owner, weights=column, minlength=n) for column in np.transpose(values)], axis=-1)


def event_sums(events, values):
    return sums(events.event, values, len(events))


@cache
def quantum_numbers(pid):
    """Quarks minus antiquarks of flavour d, u, s, c, b; charge and baryon number in thirds: from `particle` alone."""
    sign = 1 if pid > 0 else -1
    if abs(pid) <= 5:
        quarks, thirds_of_baryon = "dDuUsScCbB"[2 * abs(pid) - (2 if pid > 0 else 1)], sign
    else:
        quarks = Particle.from_pdgid(sign * SAME_QUARKS.get(abs(pid), abs(pid))).quarks
        quarks = "" if "(" in quarks else quarks  # a mixture of a quark and its own antiquark
        thirds_of_baryon = 3 * sign * PDGID(pid).is_baryon
    flavours = [quarks.count(q) - quarks.count(q.upper()) for q in "duscb"]
    return (*flavours, PDGID(pid).three_charge, thirds_of_baryon)


def all_quantum_numbers(pid):
    codes, place = np.unique(pid, return_inverse=True)
    return np.array([quantum_numbers(int(code)) for code in codes]).reshape(-1, 7)[place]


def of_quarks(clusters):
    return all_quantum_numbers(clusters.quark) + all_quantum_numbers(clusters.antiquark)


def angles(directions, axis):
    """Cosine to the axis, and azimuth around it between 0 and 1."""
    axis = np.broadcast_to(axis, directions.shape)
    least = np.eye(3)[np.argmin(abs(axis), axis=1)]
    first = np.cross(axis, least)
    second = np.cross(axis, first)
    azimuth = np.arctan2(np.sum(directions * second, axis=1), np.sum(directions * first, axis=1))
    return np.sum(directions * axis, axis=1), azimuth / (2 * np.pi) + 0.5


def assert_isotropic(directions, axis, alpha=ALPHA):
    cosine, azimuth = angles(directions, axis)
    assert_uniform((cosine + 1) / 2, alpha / 2)
    assert_uniform(azimuth, alpha / 2)


def assert_rates(found, expected, alpha=ALPHA):
    """Counts have these probabilities, which may be unnormalized; rare ones are judged together."""
    assert set(found) <= set(expected)
    keys = sorted(expected, key=str)
    counts, wanted = (np.array([c[key] for key in keys], float) for c in (Counter(found), expected))
    wanted *= counts.sum() / wanted.sum()
    rare = wanted < 10
    if rare.any():
        counts, wanted = (np.append(x[~rare], x[rare].sum()) for x in (counts, wanted))
    assert len(wanted) > 1
    p_value = stats.chisquare(counts, wanted).pvalue
    assert p_value > alpha, f"p = {p_value:.2g}: {counts} for {wanted}"


# --- Events and clusters by hand -------------------------------------------------------------------


def star(*events, energy=91.2):
    """Showers of massless partons (pid, col, acol), in a plane at equal angles, with equal energies."""
    columns = [np.zeros((0, 7))]
    for event in events:
        n = len(event)
        e, phi = energy / max(n, 1), 2 * np.pi * np.arange(n) / max(n, 1)
        p = np.stack([e * np.cos(phi), np.zeros(n), e * np.sin(phi), np.full(n, e)], axis=1)
        columns.append(np.concatenate([p, np.reshape(event, (n, 3))], axis=1))
    columns = np.concatenate(columns).T
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events])]).astype(np.int64)
    return Showers(offsets, *columns[:4].copy(), *columns[4:].astype(np.int32), energy)


def pair(quark, antiquark=None):
    return [(quark, 1, 0), (-(antiquark or quark), 0, 1)]


def single_clusters(n, mass, quark, antiquark, perturbative=(False, False), axis=None, p=None, seed=99):
    """n events of one cluster each, by default in random motion with random axes."""
    rng = generator(seed)
    axis = random_units(rng, n) if axis is None else np.broadcast_to(axis, (n, 3))
    p = rng.normal(scale=5.0, size=(n, 3)) if p is None else np.broadcast_to(p, (n, 3))
    return some_clusters(np.arange(n + 1), np.full(n, mass), p, quark, antiquark, perturbative, axis)


def some_clusters(offsets, mass, p, quark, antiquark, perturbative=(False, False), axis=(0.0, 0.0, 1.0)):
    n, mass = len(mass), np.array(mass, float)
    p, axis = (np.broadcast_to(x, (n, 3)).astype(float) for x in (p, axis))
    return Clusters(
        np.array(offsets),
        *p.T.copy(),
        np.sqrt(mass**2 + np.sum(p**2, axis=1)),
        mass,
        *(np.broadcast_to(x, n).astype(np.int32) for x in (quark, antiquark)),
        *(np.full(n, x) for x in perturbative),
        *axis.T.copy(),
        np.full(n, -1, np.int32),
        np.zeros(n, np.int8),
    )


def decayed(clusters, params=None, seed=1, **settings):
    return cluster.decay_clusters(clusters, params, generator(seed), **settings)


def of_quark_at_rest(clusters, hadrons):
    """Directions of the hadrons with the quark, in the rest frames of clusters that decayed to two hadrons each."""
    return units(four(hadrons, slice(0, None, 2)).boostCM_of_p4(four(clusters)))


def parents_of(clusters):
    """Rows of the parts, two for each cluster that broke, and the rows of what they are parts of."""
    parts = np.flatnonzero(clusters.parent >= 0)
    return parts, clusters.offsets[clusters.event[parts]] + clusters.parent[parts]


@pytest.fixture(scope="module")
def packaged():
    return {name: datasets.load(name) for name in NAMES}


@pytest.fixture(scope="module")
def hadronized(packaged):
    """All packaged showers, in both modes."""
    return {
        (name, pions_only): hadronize_clusters(packaged[name], rng=generator(seed), pions_only=pions_only)
        for seed, (name, pions_only) in enumerate(MODES, start=31)
    }


@pytest.fixture(scope="module", params=MODES, ids=lambda mode: f"{mode[0][-3:].strip('-')}{' pions' * mode[1]}")
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def stages(packaged):
    """5000 showers after each step: showers, constituents, clusters, broken clusters, decayed clusters, hadrons."""
    showers, rng = packaged[NAMES[0]][:5000], generator(7)
    constituents = cluster.split_gluons(showers, rng=rng)
    formed = cluster.form_clusters(constituents)
    broken = cluster.fission(formed, rng=rng)
    hadrons, final = cluster.decay_clusters(broken, rng=rng)
    return showers, constituents, formed, broken, final, hadrons


# --- Conservation laws -----------------------------------------------------------------------------


def test_every_packaged_shower_is_hadronized(hadronized, packaged, mode):
    sample = hadronized[mode]
    assert len(sample) == len(packaged[mode[0]])
    assert sample.histories.unfinished.tolist() == []
    assert np.all(sample.hadrons.multiplicity >= 2)
    assert not np.any(sample.histories.fate == WAITING)


def test_four_momentum_is_that_of_the_beams(hadronized, mode):
    hadrons, energy = hadronized[mode].hadrons, hadronized[mode].energy
    total = event_sums(hadrons, momenta(four(hadrons)))
    np.testing.assert_allclose(total, np.tile([0, 0, 0, energy], (len(hadrons), 1)), rtol=0, atol=1e-9)


def test_flavours_charge_and_baryon_number_of_the_shower_are_those_of_the_hadrons(hadronized, packaged, mode):
    """Pions alone cannot keep strangeness, charm and bottom, but charge."""
    showers, hadrons = packaged[mode[0]], hadronized[mode].hadrons
    quarks = showers.pid != 21
    before = sums(showers.event[quarks], all_quantum_numbers(showers.pid[quarks]), len(showers))
    after = event_sums(hadrons, all_quantum_numbers(hadrons.pid))
    kept = slice(5, 7) if mode[1] else slice(None)
    np.testing.assert_array_equal(after[:, kept], before[:, kept])


def test_a_w_has_its_charge_and_flavour_after_hadronization():
    """Packaged showers are neutral; a W+ to c sbar is not."""
    showers = star(*[[(4, 1, 0), (21, 2, 1), (-3, 0, 2)]] * 500, energy=80.4)
    hadrons = hadronize_clusters(showers, rng=generator()).hadrons
    after = event_sums(hadrons, all_quantum_numbers(hadrons.pid))
    np.testing.assert_array_equal(after, np.tile([0, 0, -1, 1, 0, 3, 0], (500, 1)))


def test_hadrons_are_on_their_mass_shells(hadronized, mode):
    """To roundings of E² - p², with masses of the PDG."""
    hadrons, energy = hadronized[mode].hadrons, hadronized[mode].energy
    codes, place = np.unique(hadrons.pid, return_inverse=True)
    mass = np.array([PARTICLES[int(code)].mass for code in codes])[place]
    mass2 = hadrons.e**2 - hadrons.px**2 - hadrons.py**2 - hadrons.pz**2
    assert np.all(abs(mass2 - mass**2) <= 32 * np.finfo(float).eps * hadrons.e * energy)
    assert np.all(hadrons.e >= mass)


def test_pions_only_means_pions_only(hadronized, mode):
    pids = set(abs(hadronized[mode].hadrons.pid).tolist())
    assert (pids == {111, 211}) if mode[1] else {321, 2212, 3122, 411, 521, 3334} < pids


def test_hadrons_of_a_cluster_have_its_momentum_flavours_and_charge(hadronized, mode):
    clusters, hadrons = hadronized[mode].histories, hadronized[mode].hadrons
    n = len(clusters.px)
    owner = np.repeat(np.arange(n), clusters.n_hadrons)
    assert np.array_equal(clusters.event[owner], hadrons.event)
    final = clusters.fate != FISSION
    total = sums(owner, momenta(four(hadrons)), n)
    np.testing.assert_allclose(total[final], momenta(four(clusters))[final], rtol=0, atol=1e-10)
    kept = slice(5, 7) if mode[1] else slice(None)
    after = sums(owner, all_quantum_numbers(hadrons.pid), n)
    np.testing.assert_array_equal(after[final][:, kept], of_quarks(clusters)[final][:, kept])


def test_each_step_conserves_momentum_and_flavours(stages):
    showers, constituents, formed, broken, final, hadrons = stages
    quarks = np.where(showers.pid == 21, 0, showers.pid)
    wanted = sums(showers.event[quarks != 0], all_quantum_numbers(quarks[quarks != 0]), len(showers))
    total = np.tile([0, 0, 0, showers.energy], (len(showers), 1))
    for step, numbers, rows in (
        (constituents, all_quantum_numbers(constituents.pid), slice(None)),
        (formed, of_quarks(formed), slice(None)),
        (broken, of_quarks(broken), broken.fate != FISSION),
        (broken, of_quarks(broken), broken.primary),
        (final, of_quarks(final), final.fate != FISSION),
        (hadrons, all_quantum_numbers(hadrons.pid), slice(None)),
    ):
        event = step.event[rows]
        found = sums(event, momenta(four(step, rows)), len(showers))
        np.testing.assert_allclose(found, total, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(sums(event, numbers[rows], len(showers)), wanted)


def test_clusters_have_the_mass_of_their_momentum_and_unit_axes(hadronized, mode):
    clusters = hadronized[mode].histories
    mass2 = clusters.e**2 - clusters.px**2 - clusters.py**2 - clusters.pz**2
    assert np.all(abs(mass2 - clusters.mass**2) <= 64 * np.finfo(float).eps * clusters.e * hadronized[mode].energy)
    np.testing.assert_allclose(np.linalg.norm(axes(clusters), axis=1), 1.0, rtol=0, atol=1e-12)


def test_the_four_steps_are_what_hadronize_clusters_does(packaged):
    """Within one chunk, draw by draw."""
    showers, rng = packaged[NAMES[0]][:500], generator(5).spawn(1)[0]
    formed = cluster.form_clusters(cluster.split_gluons(showers, rng=rng))
    hadrons, clusters = cluster.decay_clusters(cluster.fission(formed, rng=rng), rng=rng)
    sample = hadronize_clusters(showers, rng=generator(5))
    assert_same_columns(sample.hadrons, hadrons)
    assert_same_columns(sample.histories, clusters)


def test_columns_have_the_promised_types(stages):
    _, constituents, formed, broken, final, hadrons = stages
    for events in (constituents, formed, broken, final, hadrons):
        assert {getattr(events, name).dtype for name in P_COLUMNS} == {np.dtype(np.float64)}
        assert events.offsets.dtype == np.int64
    for clusters in (formed, broken, final):
        assert clusters.quark.dtype == clusters.antiquark.dtype == clusters.parent.dtype == np.int32
        assert clusters.fate.dtype == np.int8
        assert clusters.quark_perturbative.dtype == clusters.antiquark_perturbative.dtype == bool
    assert constituents.pid.dtype == hadrons.pid.dtype == np.int32


def test_no_step_changes_what_it_was_given(packaged):
    showers = packaged[NAMES[0]][:50]
    constituents = cluster.split_gluons(showers, rng=generator())
    formed = cluster.form_clusters(constituents)
    broken = cluster.fission(formed, rng=generator())
    given = (showers, constituents, formed, broken)
    copies = [copy.deepcopy(x) for x in given]
    cluster.split_gluons(showers, rng=generator(2))
    cluster.form_clusters(constituents)
    cluster.fission(formed, rng=generator(2))
    cluster.decay_clusters(broken, rng=generator(2))
    hadronize_clusters(showers, rng=generator(2))
    for before, after in zip(copies, given, strict=True):
        assert_same_columns(before, after)


# --- Gluons split ----------------------------------------------------------------------------------


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
    assert_scaled_to_masses(showers, cluster.split_gluons(showers, params, generator()), params)


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


LOOP = [(21, 7, 9), (21, 8, 7), (21, 9, 8)]
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
    constituents = cluster.split_gluons(showers, ClusterParams(**settings), generator(8))
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


# --- Clusters form ---------------------------------------------------------------------------------


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


# --- Preconfinement --------------------------------------------------------------------------------

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


# --- Fission ---------------------------------------------------------------------------------------


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
        broken = cluster.fission(single_clusters(5, threshold * factor, quark, antiquark), params, generator())
        assert np.all(broken.fate[broken.primary] == fate)


def test_a_cluster_without_room_for_a_new_pair_does_not_break():
    params = ClusterParams(cl_max=0.01)
    for mass, parts in ((1.29, 0), (1.31, 2)):
        broken = cluster.fission(single_clusters(20, mass, 2, -1), params, generator())
        assert np.all(broken.multiplicity == 1 + parts)


def test_every_cluster_above_threshold_breaks_for_large_powers_too():
    """With P = 3, the largest that is allowed, masses x^(P-1) dx of both parts fit together once in twenty draws."""
    params = ClusterParams(p_split=3.0)
    broken = cluster.fission(single_clusters(200, 30.0, 2, -1), params, generator())
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
    broken = cluster.fission(single_clusters(20_000, mass, quark, antiquark, p=0.0), params, generator(21))
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


# --- Decay: directions -----------------------------------------------------------------------------


def test_energies_in_the_rest_frame_are_those_of_two_bodies(stages):
    _, _, _, broken, final, hadrons = stages
    clusters = np.flatnonzero(final.fate == PAIR)
    first = (np.cumsum(final.n_hadrons) - final.n_hadrons)[clusters]
    m1, m2 = (np.array([PARTICLES[int(pid)].mass for pid in hadrons.pid[first + k]]) for k in (0, 1))
    mass = final.mass[clusters]
    for k, (m, other) in enumerate(((m1, m2), (m2, m1))):
        at_rest = four(hadrons, first + k).boostCM_of_p4(four(final, clusters))
        np.testing.assert_allclose(at_rest.E, (mass**2 + m**2 - other**2) / (2 * mass), rtol=1e-9)
    assert np.all(m1 + m2 < mass)


@pytest.mark.parametrize(("quark", "antiquark", "mass"), [(2, -2, 2.0), (5, -1, 8.0), (3, -3, 5.0)])
def test_a_cluster_without_perturbative_quarks_decays_isotropically(quark, antiquark, mass):
    clusters = single_clusters(20_000, mass, quark, antiquark)
    hadrons, _ = decayed(clusters)
    directions = of_quark_at_rest(clusters, hadrons)
    for axis in ([0.0, 0.0, 1.0], axes(clusters), units(four(clusters))):
        assert_isotropic(directions, axis, ALPHA / 9)


def smeared_cdf(cosine, smearing):
    """Probability of less, for cosθ = 1 + S ln R with R uniform and cosθ >= -1: the density is e^(cosθ / S)."""
    return np.expm1((cosine + 1) / smearing) / np.expm1(2 / smearing)


SMEARING = ClusterParams(cl_smr=0.78, cl_smr_charm=0.3, cl_smr_bottom=1.6)
LIGHT, CHARM, BOTTOM = 0.78, 0.3, 1.6
SMEARED = [
    (2, -1, (True, False), LIGHT),
    (2, -1, (False, True), LIGHT),
    (2, -3, (True, True), LIGHT),
    (4, -1, (True, False), CHARM),
    (4, -1, (False, True), LIGHT),
    (4, -2, (True, True), CHARM),
    (3, -4, (True, True), CHARM),
    (4, -4, (True, True), CHARM),
    (5, -2, (True, False), BOTTOM),
    (1, -5, (True, True), BOTTOM),
    (1, -5, (True, False), LIGHT),
    (5, -4, (False, True), CHARM),
    (5, -4, (True, False), BOTTOM),
]


@pytest.mark.parametrize(("quark", "antiquark", "perturbative", "smearing"), SMEARED)
def test_the_hadron_of_a_perturbative_quark_is_smeared_about_its_direction(quark, antiquark, perturbative, smearing):
    """Of two perturbative ones the charm or bottom quark counts; the hadron of an antiquark flies opposite."""
    clusters = single_clusters(20_000, 12.0, quark, antiquark, perturbative)
    cosine, azimuth = angles(of_quark_at_rest(clusters, decayed(clusters, SMEARING)[0]), axes(clusters))
    assert_uniform(smeared_cdf(cosine, smearing), ALPHA / (2 * len(SMEARED)))
    assert_uniform(azimuth, ALPHA / (2 * len(SMEARED)))


def test_of_a_charm_and_a_bottom_quark_either_counts_half_the_time():
    clusters = single_clusters(20_000, 12.0, 5, -4, (True, True))
    cosine, _ = angles(of_quark_at_rest(clusters, decayed(clusters, SMEARING)[0]), axes(clusters))
    assert_uniform((smeared_cdf(cosine, CHARM) + smeared_cdf(cosine, BOTTOM)) / 2)


@pytest.mark.parametrize("smearing", [0.005, 0.3, 5.0, 1e6, 1e300, sys.float_info.max])
def test_smearing_may_be_small_or_large(smearing):
    """A huge one is isotropic, and no draw is repeated until it fits."""
    clusters = single_clusters(5000, 12.0, 2, -1, (True, False))
    directions = of_quark_at_rest(clusters, decayed(clusters, ClusterParams(cl_smr=smearing))[0])
    cosine, azimuth = angles(directions, axes(clusters))
    assert_uniform(smeared_cdf(cosine, smearing), ALPHA / 12)
    assert_uniform(azimuth, ALPHA / 12)


@pytest.mark.parametrize("perturbative", [(True, False), (False, True), (True, True)])
def test_without_smearing_hadrons_fly_exactly_along_their_quarks(perturbative):
    clusters = single_clusters(1000, 12.0, 2, -1, perturbative, p=0.0)
    hadrons, _ = decayed(clusters, ClusterParams(cl_smr=0.0))
    np.testing.assert_allclose(units(four(hadrons, slice(0, None, 2))), axes(clusters), rtol=0, atol=1e-15)
    np.testing.assert_allclose(units(four(hadrons, slice(1, None, 2))), -axes(clusters), rtol=0, atol=1e-15)


def test_by_default_heavy_quarks_keep_their_direction():
    for quark, antiquark in ((4, -1), (1, -4), (5, -2), (5, -5)):
        clusters = single_clusters(500, 12.0, quark, antiquark, (quark > 3, antiquark < -3))
        directions = of_quark_at_rest(clusters, decayed(clusters)[0])
        np.testing.assert_allclose(directions, axes(clusters), rtol=0, atol=1e-9)


POLES = [
    (0.0, 0.0, 1.0),
    (0.0, 0.0, -1.0),
    (1e-9, 0.0, 1.0),
    (0.0, -1e-9, -1.0),
    (1e-160, 1e-160, -1.0),
    (1.0, 0.0, 0.0),
    (0.0, 1.0, -0.0),
    (0.6, 0.8, -1e-17),
]


@pytest.mark.parametrize("axis", POLES, ids=str)
def test_smearing_does_not_care_where_the_axis_points(axis):
    clusters = single_clusters(10_000, 12.0, 2, -1, (True, False), axis=axis, p=0.0)
    directions = units(four(decayed(clusters)[0], slice(0, None, 2)))
    cosine, azimuth = angles(directions, np.array(axis))
    assert_uniform(smeared_cdf(cosine, LIGHT), ALPHA / (2 * len(POLES)))
    assert_uniform(azimuth, ALPHA / (2 * len(POLES)))


# --- Decay: flavours -------------------------------------------------------------------------------


def p_star(mass, m1, m2):
    return math.sqrt(max(0.0, (mass**2 - (m1 + m2) ** 2) * (mass**2 - (m1 - m2) ** 2))) / (2 * mass)


def pairs_of(hadrons):
    return Counter(zip(hadrons.pid[::2].tolist(), hadrons.pid[1::2].tolist(), strict=True))


def test_a_u_dbar_cluster_of_1_gev_has_the_pairs_of_a_table_made_by_hand():
    """Shares of u ubar and d dbar: 1/2 in pi0, rho0, omega; in the eta 1/2 cos²(-23° + 54.7°). Spin states 1 or 3."""
    eta = 0.5 * math.cos(math.radians(-23.0 + 54.7356)) ** 2
    m = {"pi+": 0.13957, "pi0": 0.13498, "eta": 0.54786, "rho0": 0.77526, "omega": 0.78266, "rho+": 0.77511}
    codes = {"pi+": 211, "pi0": 111, "eta": 221, "rho0": 113, "omega": 223, "rho+": 213}
    table = {
        ("pi+", "pi0"): 0.5,
        ("pi+", "eta"): eta,
        ("pi+", "rho0"): 0.5 * 3,
        ("pi+", "omega"): 0.5 * 3,
        ("rho+", "pi0"): 3 * 0.5,
    }
    expected = {}
    for (one, two), weight in table.items():  # d dbar is new; or u ubar, the other way round
        odds = weight * p_star(1.0, m[one], m[two])
        expected[codes[one], codes[two]] = expected[codes[two], codes[one]] = odds
    expected[321, -311] = 0.374 * p_star(1.0, 0.493677, 0.497611)  # s sbar is new
    hadrons, _ = decayed(single_clusters(40_000, 1.0, 2, -1))
    assert_rates(pairs_of(hadrons), expected)


def expected_pairs(mass, quark, antiquark, params):
    """Probability of each pair from the lists of pairs."""
    lists = [
        meson_pairs(quark, -antiquark, params),
        baryon_pairs(quark, -antiquark, params),
    ]
    odds = [Counter(), Counter()]
    for counter, pairs in zip(odds, lists, strict=True):
        for one, two, weight in pairs:
            if one.mass + two.mass < mass:
                counter[one.pid, two.pid] += weight * p_star(mass, one.mass, two.mass)
    of_baryons = params.pwt_diquark / (1 + params.pwt_diquark) if odds[1] else 0.0
    probabilities = Counter()
    for counter, share in zip(odds, (1 - of_baryons, of_baryons), strict=True):
        for key, value in counter.items():
            probabilities[key] = share * value / counter.total()
    return probabilities


CLUSTERS = [
    (2, -2, 1.2, ClusterParams()),
    (2, -2, 2.0, ClusterParams()),
    (2, -2, 3.5, ClusterParams(pwt_s=1.0, vector_wt=0.4, dec_wt=1.0, pwt_diquark=2.0)),
    (2, -3, 2.5, ClusterParams()),
    (3, -3, 1.5, ClusterParams()),
    (4, -1, 4.2, ClusterParams()),
    (5, -2, 8.0, ClusterParams(vector_wt=2.0)),
    (4, -4, 5.0, ClusterParams()),
]


@pytest.mark.parametrize(("quark", "antiquark", "mass", "params"), CLUSTERS)
def test_pairs_of_hadrons_have_their_weights_times_momentum(quark, antiquark, mass, params):
    hadrons, _ = decayed(single_clusters(40_000, mass, quark, antiquark), params)
    assert_rates(pairs_of(hadrons), expected_pairs(mass, quark, antiquark, params), ALPHA / len(CLUSTERS))


def test_pions_only_pairs_have_their_weights_times_momentum():
    hadrons, _ = decayed(single_clusters(40_000, 0.8, 2, -1), pions_only=True)
    assert pairs_of(hadrons).keys() == {(211, 111), (111, 211)}
    hadrons, _ = decayed(single_clusters(40_000, 0.8, 4, -2), pions_only=True)
    charged, neutral = 1.0 * p_star(0.8, 0.13957039, 0.13957039), 0.25 * p_star(0.8, 0.1349768, 0.1349768)
    assert_rates(pairs_of(hadrons), {(211, -211): charged, (111, 111): neutral})


def baryon_share(mass, quark, antiquark, params):
    hadrons, _ = decayed(single_clusters(20_000, mass, quark, antiquark), params)
    return np.array([PDGID(int(pid)).is_baryon for pid in hadrons.pid[::2]])


@pytest.mark.parametrize("weight", [0.331, 3.0])
@pytest.mark.parametrize(("quark", "antiquark", "lightest"), [(2, -2, (2212, -2212)), (5, -1, (5122, -2112))])
def test_baryons_have_their_share_above_threshold_and_none_below(quark, antiquark, lightest, weight):
    params = ClusterParams(pwt_diquark=weight)
    threshold = sum(PARTICLES[pid].mass for pid in lightest)
    assert not baryon_share(threshold - 1e-6, quark, antiquark, params).any()
    for mass in (threshold + 1e-6, threshold + 1.0):
        assert_near(baryon_share(mass, quark, antiquark, params), weight / (1 + weight))


def test_without_diquarks_there_are_no_baryons():
    assert not baryon_share(4.0, 2, -2, ClusterParams(pwt_diquark=0.0)).any()


def test_baryon_and_antibaryon_come_in_pairs_quark_side_first(hadronized):
    sample = hadronized[NAMES[0], False]
    clusters, pid = sample.histories, sample.hadrons.pid
    rows = np.flatnonzero(clusters.fate == PAIR)
    first = (np.cumsum(clusters.n_hadrons) - clusters.n_hadrons)[rows]
    baryon = all_quantum_numbers(pid)[:, 6] // 3
    assert set(zip(baryon[first].tolist(), baryon[first + 1].tolist(), strict=True)) == {(0, 0), (1, -1)}


# --- Decay: clusters too light ---------------------------------------------------------------------


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


# --- The lists of hadrons --------------------------------------------------------------------------


def components(pid):
    """Pairs of quark and antiquark in a meson, as sets of letters: capitals are antiquarks."""
    quarks = Particle.from_pdgid(int(math.copysign(SAME_QUARKS.get(abs(pid), abs(pid)), pid))).quarks
    return [set(pair) for pair in re.findall(r"uU|dD|sS", quarks)] if "(" in quarks else [set(quarks)]


@pytest.mark.parametrize(("quark", "antiquark"), FLAVOURS)
def test_mesons_are_made_of_their_quark_and_antiquark(quark, antiquark):
    found = mesons(quark, antiquark)
    assert len({h.pid for h in found}) == len(found)
    for hadron in found:
        assert PDGID(hadron.pid).is_meson
        assert {"duscb"[quark - 1], "DUSCB"[antiquark - 1]} in components(hadron.pid)
        assert PDGID(hadron.pid).j_spin in (1, 3)
        assert hadron.mass == PARTICLES[hadron.pid].mass
    spins = Counter()
    for hadron in found:
        spins[PDGID(hadron.pid).j_spin] += hadron.weight
    assert spins == pytest.approx({1: 1.0, 3: 3.0})


@pytest.mark.parametrize("quark", range(1, 6))
@pytest.mark.parametrize("diquark", DIQUARKS, ids=str)
def test_baryons_are_made_of_their_three_quarks(quark, diquark):
    wanted = Counter([quark, *diquark])
    found = baryons(quark, diquark, 0.5)
    for hadron in found:
        assert PDGID(hadron.pid).is_baryon
        flavours = quantum_numbers(hadron.pid)[:5]
        assert {f + 1: n for f, n in enumerate(flavours) if n} == wanted
        spin = PDGID(hadron.pid).j_spin
        assert hadron.weight == pytest.approx(2.0 if spin == 2 else 4.0 * 0.5**2)
    different = len(wanted)
    assert Counter(PDGID(h.pid).j_spin for h in found) == Counter({4: 1, 2: different - 1})


def test_octet_and_decuplet_are_complete():
    made = {h.pid for quark in (1, 2, 3) for diquark in DIQUARKS for h in baryons(quark, diquark, 1.0)}
    octet = {2112, 2212, 3112, 3122, 3212, 3222, 3312, 3322}
    decuplet = {1114, 2114, 2214, 2224, 3114, 3214, 3224, 3314, 3324, 3334}
    assert made == octet | decuplet


def test_shares_of_each_neutral_meson_add_up_to_one():
    """Over u ubar, d dbar and s sbar: a state is normalized; each flavour gives all it has."""
    shares = Counter()
    for quark in (1, 2, 3):
        for hadron in mesons(quark, quark):
            shares[hadron.pid] += hadron.weight / PDGID(hadron.pid).j_spin
    assert shares == pytest.approx({111: 1, 221: 1, 331: 1, 113: 1, 223: 1, 333: 1})


def test_the_eta_is_mixed_by_23_degrees():
    """Octet (u ubar + d dbar - 2 s sbar)/√6 and singlet (u ubar + d dbar + s sbar)/√3, turned by -23°."""
    octet, singlet = np.array([1, 1, -2]) / math.sqrt(6), np.array([1, 1, 1]) / math.sqrt(3)
    theta = math.radians(-23.0)
    eta = math.cos(theta) * octet - math.sin(theta) * singlet
    assert pytest.approx(eta[0] ** 2 + eta[1] ** 2) == ETA_LIGHT
    weights = {q: {h.pid: h.weight for h in mesons(q, q)} for q in (1, 2, 3)}
    assert [weights[q][221] for q in (1, 2, 3)] == pytest.approx((eta**2).tolist())


@pytest.mark.parametrize("pions_only", [False, True])
def test_every_pair_in_the_table_has_the_charges_of_its_cluster(pions_only):
    table = pair_table(ClusterParams(), pions_only)
    kept = slice(5, 7) if pions_only else slice(None)
    for row, (quark, antiquark) in enumerate(FLAVOURS):
        wanted = np.add(quantum_numbers(quark), quantum_numbers(-antiquark))[kept]
        for offsets, baryon in ((table.meson_offsets, 0), (table.baryon_offsets, 3)):
            pairs = slice(offsets[row], offsets[row + 1])
            one, two = (all_quantum_numbers(table.pid[k, pairs]) for k in (0, 1))
            np.testing.assert_array_equal((one + two)[:, kept], np.tile(wanted, (len(one), 1)))
            assert np.all(one[:, 6] == baryon)
            assert np.all(np.diff(table.sum2[pairs]) >= 0)
            assert (len(one) > 0) == (not (pions_only and baryon))
        single = quantum_numbers(int(table.lightest_pid[row]))
        np.testing.assert_array_equal(single[kept], wanted)
        assert table.lightest_mass[row] == PARTICLES[int(table.lightest_pid[row])].mass
        if not pions_only:
            lightest = min(mesons(quark, antiquark), key=lambda h: h.mass)
            assert table.lightest_pid[row] == LIGHTEST.get((quark, antiquark), lightest.pid)
    assert np.all(table.weight > 0)
    masses = [[PARTICLES[int(pid)].mass for pid in side] for side in table.pid]
    np.testing.assert_array_equal(table.mass, masses)


def test_a_cluster_and_its_antiparticle_have_the_same_pairs_with_the_sides_swapped():
    table = pair_table(ClusterParams())
    neutral = {111, 113, 221, 223, 331, 333, 441, 443, 551, 553}

    def pairs(quark, antiquark):
        row = FLAVOURS.index((quark, antiquark))
        for offsets in (table.meson_offsets, table.baryon_offsets):
            for j in range(offsets[row], offsets[row + 1]):
                yield *table.pid[:, j].tolist(), round(float(table.weight[j]), 12)

    def anti(pid):
        return pid if pid in neutral else -pid

    for quark, antiquark in FLAVOURS:
        swapped = sorted((anti(two), anti(one), weight) for one, two, weight in pairs(antiquark, quark))
        assert sorted(pairs(quark, antiquark)) == swapped


@pytest.mark.parametrize("name", ["pwt_s", "vector_wt", "dec_wt"])
def test_hadrons_of_weight_zero_are_not_made(packaged, name):
    sample = hadronize_clusters(packaged[NAMES[0]][:300], ClusterParams(**{name: 0.0}), generator())
    clusters, pid = sample.histories, sample.hadrons.pid
    spins = {PDGID(int(code)).j_spin for code in pid}
    assert spins == {1, 2, 3, 4} - {"pwt_s": set(), "vector_wt": {3}, "dec_wt": {4}}[name]
    if name == "pwt_s":
        assert not np.any(abs(clusters.quark[~clusters.quark_perturbative]) == 3)


# --- Reproducibility -------------------------------------------------------------------------------


def test_the_number_of_threads_changes_nothing(packaged):
    showers = packaged[NAMES[0]][:5000]
    wanted = hadronize_clusters(showers, rng=generator(4))
    for threads in (1, 2, 3, np.int64(7)):
        assert_same_sample(hadronize_clusters(showers, rng=generator(4), threads=threads), wanted)


def test_two_calls_in_a_row_give_two_samples(packaged):
    showers, rng = packaged[NAMES[0]][:100], generator(4)
    first, second = (hadronize_clusters(showers, rng=rng) for _ in range(2))
    assert not np.array_equal(first.hadrons.e, second.hadrons.e)
    assert_same_sample(first, hadronize_clusters(showers, rng=generator(4)))


@pytest.mark.parametrize(("step", "stage"), [("split_gluons", 0), ("fission", 2), ("decay_clusters", 3)])
def test_each_step_advances_the_generator(stages, step, stage):
    """Else the next one would draw the same numbers again."""
    rng, states = generator(4), [generator(4).bit_generator.state]
    for _ in range(2):
        getattr(cluster, step)(stages[stage][:100], rng=rng)
        assert rng.bit_generator.state not in states
        states.append(rng.bit_generator.state)


def test_other_seeds_give_other_samples(packaged):
    showers = packaged[NAMES[0]][:100]
    x, y = (hadronize_clusters(showers, rng=generator(seed)) for seed in (4, 5))
    assert not np.array_equal(x.hadrons.e, y.hadrons.e)


def test_events_of_a_chunk_do_not_depend_on_what_follows(packaged):
    showers = packaged[NAMES[0]][:3000]
    whole = hadronize_clusters(showers, rng=generator(4))
    for n in (cluster.generate.CHUNK, 2 * cluster.generate.CHUNK):
        assert_same_sample(hadronize_clusters(showers[:n], rng=generator(4)), whole[:n])


def test_chunks_have_generators_of_their_own():
    """The same shower everywhere: no two chunks repeat each other."""
    sample = hadronize_clusters(star(*[LOOP] * (3 * cluster.generate.CHUNK)), rng=generator())
    first = sample.hadrons.e[sample.hadrons.offsets[:-1]]
    assert len(np.unique(first)) == len(first)


def test_no_room_for_the_parts_of_clusters_is_no_bias(monkeypatch):
    """So many parts that memory is made larger, more than once, with the same numbers again."""
    params, clusters = ClusterParams(cl_max=0.5), single_clusters(300, 200.0, 2, -1)
    wanted = cluster.fission(clusters, params, generator(2))
    assert len(wanted.px) > 8 * 300 + 128
    make = cluster.rows._make_rows
    monkeypatch.setattr(cluster.heavy, "_make_rows", lambda n: make(50 * n))
    assert_same_columns(cluster.fission(clusters, params, generator(2)), wanted)


WITHOUT_JIT = """
import sys
import numpy as np
from hadtutor import ClusterParams, Showers, cluster, hadronize_clusters
assert not hasattr(cluster.decay._decay, "py_func"), "compiled after all"
showers = Showers.load(f"{sys.argv[1]}/showers.npz")
for k, settings in enumerate(CASES):
    hadronize_clusters(showers, ClusterParams(**settings), np.random.default_rng(k)).save(f"{sys.argv[1]}/{k}.npz")
"""
CASES = [{}, {"cl_max": 1.0, "cl_smr": 0.0, "pwt_diquark": 2.0}, {"gluon_mass": 0.7, "cl_smr_charm": 0.5, "p_split": 3}]


def assert_same_draws(x, y):
    """Every choice is the same; numbers are, but for rare roundings of powers of which compilers make their own."""
    for name, column in vars(x).items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(column, getattr(y, name), rtol=1e-10, atol=1e-10, err_msg=name)
        else:
            np.testing.assert_array_equal(column, getattr(y, name), err_msg=name, strict=True)


def test_plain_python_makes_the_same_events_draw_by_draw(packaged, tmp_path):
    """With NUMBA_DISABLE_JIT=1, light clusters among them."""
    showers = packaged[NAMES[0]][:60]
    showers.save(tmp_path / "showers.npz")
    code = WITHOUT_JIT.replace("CASES", str(CASES))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code, tmp_path], env=environment, check=True, timeout=120)
    fates = set()
    for k, case in enumerate(CASES):
        sample = hadronize_clusters(showers, ClusterParams(**case), generator(k))
        fates |= set(sample.histories.fate)
        plain = Sample.load(tmp_path / f"{k}.npz")
        assert (plain.params, plain.energy, plain.quark) == (sample.params, sample.energy, sample.quark)
        assert_same_draws(sample.hadrons, plain.hadrons)
        assert_same_draws(sample.histories, plain.histories)
    assert fates == {FISSION, PAIR, SINGLE}


# --- Any parameters --------------------------------------------------------------------------------


@st.composite
def any_params(draw):
    def number(low, high):
        return draw(st.floats(low, high))

    mass_ud = number(0.1, 0.4)
    return ClusterParams(
        mass_ud=mass_ud,
        gluon_mass=2 * mass_ud * number(1.001, 3.0),
        mass_s=number(0.1, 0.6),
        mass_c=number(1.2, 1.8),
        mass_b=number(4.5, 5.2),
        **{name: number(1.0, 6.0) for name in ("cl_max", "cl_max_charm", "cl_max_bottom")},
        **{name: number(0.5, 3.0) for name in ("cl_pow", "cl_pow_charm", "cl_pow_bottom")},
        **{name: number(0.3, 2.0) for name in ("p_split", "p_split_charm", "p_split_bottom")},
        **{name: number(0.0, 3.0) for name in ("cl_smr", "cl_smr_charm", "cl_smr_bottom")},
        **{name: number(0.0, 2.0) for name in ("pwt_s", "pwt_diquark", "vector_wt", "dec_wt")},
    )


@settings(max_examples=40)
@given(any_params(), st.integers(0, 2**32), st.booleans())
def test_all_parameters_conserve_what_is_conserved(params, seed, pions_only):
    showers, rng = datasets.load("pythia-showers-91")[:30], generator(seed)
    formed = cluster.form_clusters(cluster.split_gluons(showers, params, rng))
    broken = cluster.fission(formed, params, rng)
    parts, parents = parents_of(broken)
    total = sums(parents, momenta(four(broken, parts)), len(broken.px))[parents]
    np.testing.assert_allclose(total, momenta(four(broken, parents)), rtol=0, atol=1e-11)
    hadrons, final = cluster.decay_clusters(broken, params, rng, pions_only)
    done = np.setdiff1d(np.arange(30), final.unfinished)
    assert np.array_equal(np.flatnonzero(hadrons.multiplicity), done)
    kept = slice(9, 11) if pions_only else slice(4, 11)
    for step, pid in ((broken, None), (hadrons, hadrons.pid)):
        rows = slice(None) if pid is not None else broken.fate != FISSION
        numbers = all_quantum_numbers(pid) if pid is not None else of_quarks(broken)
        columns = np.column_stack([momenta(four(step)), numbers])[rows]
        found = sums(step.event[rows], columns, 30)[done]
        np.testing.assert_allclose(found[:, :4], np.tile([0, 0, 0, 91.2], (len(done), 1)), rtol=0, atol=1e-9)
        assert not found[:, kept].any()


# --- Errors ----------------------------------------------------------------------------------------


def changed(showers, event, **columns):
    """The same showers with other numbers for the first parton of one event."""
    row = showers.offsets[event]
    new = {name: getattr(showers, name).copy() for name in columns}
    for name, value in columns.items():
        new[name][row] = value(new[name][row])
    return replace(showers, **new)


BY_SHOWERS = [cluster.split_gluons, hadronize_clusters]


@pytest.mark.parametrize("function", BY_SHOWERS)
class TestShowersThatAreRefused:
    @pytest.fixture
    def some(self, packaged):
        return packaged[NAMES[0]][:20]

    def test_momentum_is_missing(self, function, some):
        message = r"event 7: its partons add up to \(px, py, pz, E\) = \(0.001, .*\) GeV, not to 91.2 GeV at rest.*miss"
        with pytest.raises(ValueError, match=message):
            function(changed(some, 7, px=lambda x: x + 0.001), rng=generator())

    def test_energy_is_missing(self, function, some):
        with pytest.raises(ValueError, match=r"event 3: .*92.2\) GeV, not to 91.2 GeV"):
            function(changed(some, 3, e=lambda x: x + 1.0), rng=generator())

    def test_an_event_is_not_at_rest(self, function, some):
        p = momenta(four(some).boostX(0.1)).T.copy()
        p[:, : some.offsets[4]] = momenta(four(some))[: some.offsets[4]].T
        with pytest.raises(ValueError, match="event 4: .*not boosted to its rest frame"):
            function(replace(some, **dict(zip(P_COLUMNS, p, strict=True))), rng=generator())

    def test_an_energy_is_negative(self, function, some):
        e = some.e.copy()
        first = some.offsets[5]
        e[first], e[first + 1] = -e[first], e[first + 1] + 2 * e[first]
        with pytest.raises(ValueError, match="event 5 has a parton of negative energy"):
            function(replace(some, e=e), rng=generator())

    def test_an_event_has_no_partons(self, function):
        with pytest.raises(ValueError, match=r"event 1: its partons add up to .* = \(0, 0, 0, 0\) GeV, not to 91.2"):
            function(star(pair(2), [], pair(2)), rng=generator())

    def test_they_are_no_showers(self, function, some, hadronized):
        for wrong in (None, 3, [some], vars(some), hadronized[MODES[0]]):
            message = f"{function.__name__} takes Showers, got {type(wrong).__name__}"
            with pytest.raises(TypeError, match=message):
                function(wrong, rng=generator())

    def test_their_gluons_have_split_already(self, function, some):
        """Which quarks come from gluons would be forgotten."""
        with pytest.raises(TypeError, match=f"{function.__name__} takes Showers, got Constituents"):
            function(cluster.split_gluons(some, rng=generator()), rng=generator())

    def test_momenta_off_by_a_rounding_are_accepted(self, function, some):
        function(changed(some, 7, px=lambda x: x + 1e-6), rng=generator())
        single = {name: getattr(some, name).astype(np.float32) for name in P_COLUMNS}
        function(replace(some, **single), rng=generator())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_momenta_that_are_not_finite_are_refused_when_the_shower_is_made(packaged, bad):
    with pytest.raises(ValueError, match="event 7 has a momentum that is not finite"):
        changed(packaged[NAMES[0]][:20], 7, e=lambda _: bad)


def test_colours_without_a_partner_are_refused_when_the_shower_is_made():
    with pytest.raises(ValueError, match="event 1: each colour tag must stand once"):
        star(pair(2), [(2, 1, 0), (-2, 0, 2)])


def test_steps_take_what_the_step_before_gives(stages):
    showers, constituents, formed, *_ = stages
    for function, wanted, wrong in (
        (cluster.fission, "Clusters", constituents),
        (cluster.fission, "Clusters", None),
        (cluster.decay_clusters, "Clusters", constituents),
        (cluster.decay_clusters, "Clusters", [formed]),
    ):
        message = f"{function.__name__} takes {wanted}, got {type(wrong).__name__}"
        with pytest.raises(TypeError, match=message):
            function(wrong, rng=generator())
    with pytest.raises(TypeError, match="form_clusters takes Constituents, got Showers"):
        cluster.form_clusters(showers)


def test_clusters_decay_once(stages):
    final = stages[4]
    with pytest.raises(ValueError, match="event 0 has clusters that have decayed already"):
        cluster.decay_clusters(final, rng=generator())
    waiting = replace(final, fate=np.where(final.event < 3, WAITING, final.fate))
    with pytest.raises(ValueError, match="event 3 has clusters that have decayed already"):
        cluster.decay_clusters(waiting, rng=generator())


def test_clusters_that_broke_or_decayed_do_not_break_again(stages):
    for clusters in stages[3:5]:
        assert_same_columns(cluster.fission(clusters, rng=generator()), clusters)


STEPS = {
    "split_gluons": 0,
    "fission": 2,
    "decay_clusters": 3,
    "hadronize_clusters": 0,
}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rng": None}, TypeError, r"rng must be a numpy Generator, got NoneType; make one with np.random.default_rng"),
        ({"rng": 1}, TypeError, "rng must be a numpy Generator, got int; make one with"),
        ({"rng": np.random.RandomState(1)}, TypeError, "rng must be a numpy Generator, got RandomState"),
        ({"params": {"cl_max": 3.0}}, TypeError, "params must be ClusterParams, got dict; write ClusterParams"),
        ({"params": (0.95, 0.325)}, TypeError, "params must be ClusterParams, got tuple"),
        ({"params": ClusterParams(cl_max=-1.0)}, ValueError, "cl_max must be > 0 GeV, got -1.0"),
        ({"params": ClusterParams(gluon_mass=0.6)}, ValueError, "gluon_mass must be > 0.65 GeV, twice mass_ud"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0][:40],
)
@pytest.mark.parametrize("step", STEPS)
def test_wrong_arguments_are_refused_by_name(stages, step, settings, error, message):
    with pytest.raises(error, match=message):
        getattr(cluster, step)(stages[STEPS[step]][:3], **({"rng": generator()} | settings))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", None])
def test_threads_are_a_whole_number(packaged, threads):
    with pytest.raises(ValueError, match=f"threads must be a whole number >= 1, got {threads!r}"):
        hadronize_clusters(packaged[NAMES[0]][:3], rng=generator(), threads=threads)


def test_a_generator_that_cannot_spawn_is_refused_with_a_way_out(packaged):
    rng = np.random.Generator(np.random.RandomState(1)._bit_generator)
    with pytest.raises(TypeError, match=r"rng cannot spawn .*use np.random.default_rng"):
        hadronize_clusters(packaged[NAMES[0]][:3], rng=rng)


def test_no_showers_give_no_hadrons(packaged):
    nothing = packaged[NAMES[0]][:0]
    clusters = cluster.fission(cluster.form_clusters(cluster.split_gluons(nothing, rng=generator())), rng=generator())
    hadrons, clusters = cluster.decay_clusters(clusters, rng=generator())
    assert (len(hadrons), len(clusters)) == (0, 0)
    sample = hadronize_clusters(nothing, rng=generator())
    assert len(sample) == len(sample.histories) == 0
    assert sample.energy == 91.2


def test_a_sample_says_with_what_it_was_made(packaged):
    params = ClusterParams(cl_max=3)
    sample = hadronize_clusters(packaged[NAMES[1]][:10], params, generator())
    assert sample.params == params
    assert type(sample.params.cl_max) is float
    assert (sample.energy, sample.quark) == (200.0, None)
    assert type(sample.energy) is float


def test_nothing_is_warned_about_or_printed_when_all_is_well(packaged, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hadronize_clusters(packaged[NAMES[0]][:10], rng=generator(), progress=False)
    assert capfd.readouterr() == ("", "")


def test_pions_only_is_a_yes_or_no():
    for value in ("no", 1, None):
        with pytest.raises(TypeError, match=f"pions_only must be True or False, got {value!r}"):
            cluster.decay_clusters(single_clusters(2, 1.0, 2, -2), rng=generator(), pions_only=value)


# --- Another law for the directions of decays ------------------------------------------------------


@pytest.fixture(scope="module")
def showers():
    return hadtutor.datasets.load("pythia-showers-91")


def along_the_quark(clusters, rng):
    return np.stack([clusters.axis_x, clusters.axis_y, clusters.axis_z], axis=1)


def test_decay_of_the_user_gives_the_directions_and_conserves_momentum(showers):
    few = showers[:1500]  # more than one chunk
    sample = hadtutor.hadronize_clusters(few, rng=np.random.default_rng(1), decay=along_the_quark)
    smooth = hadtutor.hadronize_clusters(few, hadtutor.ClusterParams(cl_smr=0.0), np.random.default_rng(1))
    c, h = sample.histories, sample.hadrons
    for name, total in (("px", 0.0), ("py", 0.0), ("pz", 0.0), ("e", few.energy)):
        sums = np.bincount(h.event, weights=getattr(h, name), minlength=len(h))
        np.testing.assert_allclose(sums, total, atol=1e-9)
    # The first hadron of a pair flies along the quark: so do all clusters' pairs, and not by chance as in the model.
    cosine = []
    for s in (sample, smooth):
        c, h = s.histories, s.hadrons
        first = np.cumsum(c.n_hadrons) - c.n_hadrons
        pair = np.flatnonzero(c.fate == 2)
        k = np.stack([h.px, h.py, h.pz], 1)[first[pair]]
        p = np.stack([c.px, c.py, c.pz], 1)[pair]
        energy = (c.e[pair] * h.e[first[pair]] - (k * p).sum(1)) / c.mass[pair]
        k = k - ((h.e[first[pair]] + energy) / (c.e[pair] + c.mass[pair]))[:, None] * p
        axis = np.stack([c.axis_x, c.axis_y, c.axis_z], 1)[pair]
        cosine.append((k * axis).sum(1) / np.linalg.norm(k, axis=1))
    moved = sample.histories.fate == 3  # a recoil turns the axis of its neighbour a little
    assert moved.sum() < 0.01 * len(moved)
    assert np.mean(cosine[0] > 1 - 1e-6) > 0.98
    assert np.mean(cosine[1] > 1 - 1e-6) < 0.5


def test_directions_need_no_unit_length_and_threads_change_nothing(showers):
    few = showers[:2100]
    longer = lambda clusters, rng: 3 * along_the_quark(clusters, rng)
    one = hadtutor.hadronize_clusters(few, rng=np.random.default_rng(1), decay=along_the_quark)
    two = hadtutor.hadronize_clusters(few, rng=np.random.default_rng(1), threads=2, decay=longer)
    np.testing.assert_allclose(one.hadrons.px, two.hadrons.px, atol=1e-9)


@pytest.mark.parametrize(
    ("decay", "error", "match"),
    [
        ("isotropic", TypeError, "function of clusters and rng, got str"),
        (lambda clusters, rng: np.zeros((2, 3)), ValueError, r"shape \(\d+, 3\), got \(2, 3\)"),
        (lambda clusters, rng: np.zeros((len(clusters.mass), 3)), ValueError, "event 0 has a cluster for which decay"),
        (lambda clusters, rng: np.full((len(clusters.mass), 3), np.nan), ValueError, "event 0 .* not finite"),
    ],
)
def test_decay_that_gives_no_directions_is_refused(showers, decay, error, match):
    with pytest.raises(error, match=match):
        hadtutor.hadronize_clusters(showers[:10], rng=np.random.default_rng(1), decay=decay)
