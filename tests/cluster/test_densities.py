"""Densities of what the cluster model draws: they are normalised, and their logarithms have slopes of mean zero."""

import functools

import numpy as np
import pytest
from checks import ALPHA
from cluster_laws import generator, single_clusters
from scipy import integrate, stats

from hadtutor import ClusterParams, cluster, datasets, hadronize_clusters
from hadtutor.cluster.densities import WEIGHTED, both_fit, draws_of, log_density, powers_of_pairs
from hadtutor.events import Fate, Sample

SOFT = ClusterParams(cl_soft=0.15, cl_smr_charm=0.5, cl_smr_bottom=0.4)


@functools.cache
def sample(params=SOFT):
    return hadronize_clusters(datasets.load("pythia-showers-91")[:6000], params, rng=11)


def values(params):
    return {name: getattr(params, name) for name in WEIGHTED}


@pytest.mark.parametrize("softness", [0.05, 0.15, 0.6])
@pytest.mark.parametrize(
    ("mass", "quark", "suffix"), [(3.4, 2, ""), (4.2, 2, ""), (4.4, 4, "_charm"), (8.3, 5, "_bottom")]
)
def test_clusters_break_with_the_probability_of_the_soft_threshold(softness, mass, quark, suffix):
    params, n = ClusterParams(cl_soft=softness), 4000
    broken = cluster.fission(single_clusters(n, mass, quark, -1), params, rng=generator(3))
    c = (params.mass_ud if quark < 3 else params.mass_c if quark == 4 else params.mass_b) + params.mass_ud
    power = getattr(params, "cl_pow" + suffix)
    t = (getattr(params, "cl_max" + suffix) / mass) ** power + (c / mass) ** power
    n_broken = int(np.sum(broken.fate[broken.primary] == Fate.FISSION))
    assert stats.binomtest(n_broken, n, 1.0 / (1.0 + t ** (1.0 / softness))).pvalue > ALPHA / 12


def test_a_very_steep_threshold_is_the_sharp_one():
    """Whatever lies within rounding of the threshold apart, both break the same clusters."""
    primary = lambda s: s.histories.fate[s.histories.primary]
    sharp, steep = (primary(sample(ClusterParams(cl_soft=s))) for s in (0.0, 1e-4))
    assert np.mean((sharp == Fate.FISSION) != (steep == Fate.FISSION)) < 1e-3


@pytest.mark.parametrize("t", [0.01, 0.5, 2.0, 5.5])
@pytest.mark.parametrize(("one", "two"), [(0.914, 0.914), (0.56, 1.15), (2.5, 0.3)])
def test_the_share_of_masses_that_fit_is_that_of_an_integral(t, one, two):
    largest = np.exp(t)
    below = lambda x: ((largest + 1.0 - x) ** two - 1.0) / (largest**two - 1.0)
    density = lambda x: one * x ** (one - 1.0) / (largest**one - 1.0) * below(x)
    assert both_fit(np.array([t]), one, two)[0] == pytest.approx(integrate.quad(density, 1.0, largest)[0], abs=2e-6)


@pytest.mark.parametrize("name", WEIGHTED)
def test_the_mean_slope_of_each_log_density_is_zero(name):
    """The integral of a density is one whatever the parameter, so that the mean of ∂ ln p vanishes."""
    draws, step = draws_of(sample()), 1e-4
    up, down = (log_density(draws, values(SOFT) | {name: getattr(SOFT, name) + h}) for h in (step, -step))
    slope = (up - down) / (2.0 * step)
    assert slope.std() > 0.05, f"{name} does not change anything"
    assert abs(slope.mean()) < 4 * slope.std() / np.sqrt(len(slope))


def test_powers_of_weights_in_pairs_are_counts_of_hadrons_and_of_new_quarks():
    powers = powers_of_pairs()
    mesons = slice(0, powers.table.meson_offsets[-1])
    codes = abs(powers.table.pid)
    assert np.array_equal(powers.vector[mesons], np.sum(codes[:, mesons] % 10 == 3, axis=0))
    assert not powers.vector[powers.table.baryon_offsets[0] :].any()
    assert np.array_equal(powers.decuplet, np.sum((codes > 1000) & (codes % 10 == 4), axis=0))
    # Strange quarks of both hadrons, less that of the cluster: what is new comes twice.
    for row in range(25):
        own = int(row // 5 == 2) + int(row % 5 == 2)
        for offsets in (powers.table.meson_offsets, powers.table.baryon_offsets):
            pairs = slice(*offsets[row : row + 2])
            eta = np.isin(codes[:, pairs], (221, 331)).any(
                axis=0
            )  # of which the code does not say what they are made of
            content = sum((codes[:, pairs] // power % 10 == 3).sum(axis=0) for power in (10, 100, 1000))
            assert np.array_equal(2 * powers.s[pairs][~eta], (content - own)[~eta])


@pytest.mark.parametrize(("quark", "antiquark"), [(4, -4), (4, -5), (5, -2), (1, -2)])
def test_slopes_of_smearing_vanish_with_two_perturbative_quarks_too(quark, antiquark):
    """Of charm and bottom either may be it, each with its own width: the density is the mean of both."""
    clusters = single_clusters(20_000, 12.0, quark, antiquark, perturbative=(True, True))
    hadrons, clusters = cluster.decay_clusters(clusters, SOFT, rng=generator(5))
    draws, step = draws_of(Sample(hadrons, clusters, SOFT, 91.2)), 1e-4
    kinds = {max(abs(quark), 3), max(abs(antiquark), 3)} if min(abs(quark), abs(antiquark)) > 3 else {max(3, quark)}
    for flavour, name in ((3, "cl_smr"), (4, "cl_smr_charm"), (5, "cl_smr_bottom")):
        up, down = (log_density(draws, values(SOFT) | {name: getattr(SOFT, name) + h}) for h in (step, -step))
        slope = (up - down) / (2.0 * step)
        assert (slope.std() > 0.05) == (flavour in kinds)
        assert abs(slope.mean()) <= 4 * slope.std() / np.sqrt(len(slope)) + 1e-12


def test_what_is_not_smeared_or_sharp_has_no_draws():
    sharp = draws_of(sample(ClusterParams()))
    assert len(sharp.event) == 0
    assert set(np.unique(sharp.smear_class)) == {0}
    assert len(draws_of(sample()).event) > 10_000


def test_masses_as_they_were_formed_are_kept_where_a_single_hadron_took_another():
    clusters = sample().histories
    changed = clusters.formed_mass != clusters.mass
    assert np.array_equal(changed, clusters.fate == Fate.SINGLE)
    parts = np.flatnonzero(~clusters.primary)
    parents = (clusters.offsets[clusters.event] + clusters.parent)[parts]
    total = np.bincount(parents, clusters.formed_mass[parts], len(clusters.mass))
    assert np.all(total[parents] < clusters.formed_mass[parents])
