"""Directions and flavours of decays."""

import math
from collections import Counter

import numpy as np
import pytest
from checks import ALPHA, assert_near, assert_uniform
from cluster_laws import (
    NAMES,
    PAIR,
    all_quantum_numbers,
    angles,
    assert_isotropic,
    assert_rates,
    axes,
    decayed,
    four,
    of_quark_at_rest,
    single_clusters,
    units,
)
from particle import PDGID

import hadtutor
from hadtutor import ClusterParams
from hadtutor.cluster import baryon_pairs, meson_pairs
from hadtutor.particles import PARTICLES


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


@pytest.mark.parametrize("smearing", [0.005, 0.3, 5.0, 1000.0])
def test_smearing_may_be_small_or_large(smearing):
    """A large one is isotropic, and no draw is repeated until it fits."""
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


@pytest.fixture(scope="module")
def showers():
    return hadtutor.datasets.load("pythia-showers-91")


def along_the_quark(clusters, rng):
    return np.stack([clusters.axis_x, clusters.axis_y, clusters.axis_z], axis=1)


def test_decay_of_the_user_gives_the_directions_and_conserves_momentum(showers):
    few = showers[:1500]  # more than one chunk
    sample = hadtutor.hadronize_clusters(few, rng=np.random.default_rng(1), decay=along_the_quark)
    smooth = hadtutor.hadronize_clusters(few, hadtutor.ClusterParams(cl_smr=0.0), rng=1)
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
