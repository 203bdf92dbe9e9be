"""The lists of hadrons, with `particle` as the judge of their quarks."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from cluster_laws import (
    DIQUARKS,
    FLAVOURS,
    LIGHTEST,
    NAMES,
    SAME_QUARKS,
    all_quantum_numbers,
    generator,
    quantum_numbers,
)
from particle import PDGID, Particle

from hadtutor import ClusterParams, cluster, hadronize_clusters
from hadtutor.cluster import baryons, mesons, pair_table
from hadtutor.cluster.pairs import ETA_LIGHT
from hadtutor.particles import PARTICLES


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
    sample = hadronize_clusters(packaged[NAMES[0]][:300], ClusterParams(**{name: 0.0}), rng=generator())
    clusters, pid = sample.histories, sample.hadrons.pid
    spins = {PDGID(int(code)).j_spin for code in pid}
    assert spins == {1, 2, 3, 4} - {"pwt_s": set(), "vector_wt": {3}, "dec_wt": {4}}[name]
    if name == "pwt_s":
        assert not np.any(abs(clusters.quark[~clusters.quark_perturbative]) == 3)


def test_parameters_and_flavours_are_checked_wherever_they_are_taken():
    """`pwt_diquark=-3` once gave odds of -1/2."""
    from hadtutor.cluster.tensor import PairOdds

    for function in (pair_table, PairOdds, lambda p: list(cluster.meson_pairs(2, 1, p))):
        with pytest.raises((TypeError, ValueError), match="params|ClusterParams"):
            function({"pwt_diquark": -3.0})
    with pytest.raises(ValueError, match="pwt_diquark must be >= 0"):
        PairOdds(ClusterParams()._replace(pwt_diquark=-3.0))
    with pytest.raises(ValueError, match="quark must be between 1 and 5, got 6"):
        mesons(6, 1)
    with pytest.raises(TypeError, match="anti must be a whole number, got True"):
        mesons(2, True)
    with pytest.raises(ValueError, match="diquark must be between 1 and 3, got 4"):
        baryons(1, (4, 1))
