"""What is conserved, step by step and by all of them, at any parameters."""

import copy

import numpy as np
from checks import P_COLUMNS, assert_same_columns
from cluster_laws import (
    FISSION,
    NAMES,
    WAITING,
    all_quantum_numbers,
    axes,
    event_sums,
    four,
    generator,
    momenta,
    of_quarks,
    parents_of,
    star,
    sums,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hadtutor import ClusterParams, cluster, datasets, hadronize_clusters
from hadtutor.particles import PARTICLES


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
    formed = cluster.form_clusters(cluster.split_gluons(showers, params, rng=rng))
    broken = cluster.fission(formed, params, rng=rng)
    parts, parents = parents_of(broken)
    total = sums(parents, momenta(four(broken, parts)), len(broken.px))[parents]
    np.testing.assert_allclose(total, momenta(four(broken, parents)), rtol=0, atol=1e-11)
    hadrons, final = cluster.decay_clusters(broken, params, rng=rng, pions_only=pions_only)
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
