"""HOMER for the masses of what heavy clusters break into."""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import homer
from hadtutor.homer.parts import PartBasis, PartRows

PARAMS = ht.ClusterParams(cl_smr_charm=0.78, cl_smr_bottom=0.78, p_split_bottom=0.7)
SHOWERS = ht.datasets.load("pythia-showers-91")
U = np.linspace(0.05, 0.95, 10)


def rising(u):
    return 1.0 + 3.0 * u


def made(showers, seed, **laws):
    return ht.hadronize_clusters(showers, PARAMS, rng=seed, progress=False, **laws)


@pytest.fixture(scope="module")
def sim():
    return made(SHOWERS[:8000], 1)


def theta_of(basis, law):
    log_w = np.log(law(basis.nodes))
    return np.linalg.lstsq(basis.functions, log_w - basis.shares @ log_w)[0]


def test_weights_have_mean_one_and_give_what_the_law_gives(sim):
    basis = PartBasis(PARAMS)
    rows, theta = PartRows(basis, sim), theta_of(basis, rising)
    w = np.exp(rows.log_w(theta))
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w)), "the norm of each cluster that broke is right"
    np.testing.assert_allclose(basis.table(theta), np.log(rising(basis.nodes) / 2.5), atol=3e-3)
    drawn = made(SHOWERS[8000:16_000], 2, parts=rising)
    event = np.arange(len(sim))
    for what, of in (("u", lambda u: u), ("u²", lambda u: u**2), ("number", np.ones_like)):
        means = []
        for sample, weights in ((sim, w), (drawn, np.ones(len(drawn)))):
            splits = PartRows(basis, sample).splits
            sums = np.bincount(splits.event, of(splits.uniform(basis.power)).sum(axis=0), len(sample))[event]
            middle = weights @ sums / weights.sum()
            means.append((middle, weights**2 @ (sums - middle) ** 2 / weights.sum() ** 2))
        (a, of_a), (b, of_b) = means
        assert abs(a - b) < 4 * np.sqrt(of_a + of_b), f"weighted and drawn differ in the mean of {what}"


def test_slopes_are_right_and_vanish_on_average(sim):
    basis = PartBasis(PARAMS)
    rows, theta = PartRows(basis, sim), np.random.default_rng(1).normal(0.0, 0.5, basis.size)
    slopes = rows.rows(theta)
    for k in (0, basis.size - 1):
        step = 1e-5 * np.eye(basis.size)[k]
        change = (rows.log_w(theta + step) - rows.log_w(theta - step)) / 2e-5
        np.testing.assert_allclose(slopes[:, k], change, atol=1e-7)
    of_model = rows.rows(np.zeros(basis.size))
    assert np.all(abs(of_model.mean(axis=0)) < 4 * of_model.std(axis=0) / np.sqrt(len(sim))), "scores average to zero"


def test_events_without_heavy_clusters_have_no_say():
    few = made(ht.pythia.shower(100, energy=12.0, seed=1, progress=False), 1)
    none = few[np.flatnonzero(np.bincount(few.histories.event, ~few.histories.primary, len(few)) == 0)]
    rows = PartRows(PartBasis(PARAMS), none)
    assert len(none) > 10
    assert not rows.log_w(np.ones(rows.basis.size)).any()
    assert not rows.rows(np.ones(rows.basis.size)).any()


def test_a_law_is_found_in_events(sim):
    data = made(SHOWERS[8000:16_000], 2, parts=rising)
    result = homer.fit(sim, data.hadrons, factors="parts", rng=3, method="trees", progress=False)
    log_w, sigma = result.parts(U)
    pull = (log_w - np.log(rising(U) / 2.5)) / sigma
    assert np.sqrt(np.mean(pull**2)) < 2.5, "within errors"
    assert log_w[-1] - log_w[0] > 0.5, "and not only because they are large"
    cosine_w, of_angles = result(np.linspace(0.1, 0.9, 9), False)
    assert np.all(abs(cosine_w) < 4 * of_angles), "angles are as they were"
    assert len(result.amplitude) == 3
    again = made(SHOWERS[:200], 5, **result.laws)
    assert "masses of parts by" in again.law, "both laws drew this sample"


def test_what_cannot_be(sim):
    data = sim.hadrons
    with pytest.raises(ValueError, match="pwt_s cannot vary with the law of parts"):
        homer.fit(sim, data, factors=("parts", "pwt_s"), progress=False)
    old = sim.replace(histories=sim.histories.replace(formed_mass=None))
    with pytest.raises(homer.HomerError, match="as they were formed are missing"):
        homer.fit(old, data, factors="parts", progress=False)
    result = homer.fit(sim, made(SHOWERS[8000:12_000], 4).hadrons, rng=1, method="trees", rebase=False, progress=False)
    assert list(result.laws) == ["decay"]
    for of in (result.parts, lambda u: result.law_of_parts):
        with pytest.raises(ValueError, match='factors="parts"'):
            of(0.5)
