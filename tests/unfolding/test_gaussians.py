"""Of Gaussians every iteration is exact: what is found is compared with row k, not with the truth."""

import numpy as np
import pytest

from hadtutor.metrics import n_eff
from hadtutor.unfolding import bootstrap, iterative_bayes, omnifold

EDGES = np.linspace(-4, 4, 65)


def exact(m, v, mu, big_v, e, n):
    """Mean and standard deviation after 1, …, n iterations from N(m, v) towards N(mu, big_v) through a variance e."""
    rows, a = [], 1 / (big_v + e)
    for _ in range(n):
        b = 1 / (v + e)
        alpha, c = a - b, a * mu - b * m
        k = 1 + alpha * e
        m, v = (m / v + c / k) / (1 / v + alpha / k), 1 / (1 / v + alpha / k)
        rows.append((m, v**0.5))
    return np.array(rows)


ROWS = exact(0, 1, 0.2, 0.64, 0.25, 3)


def moments(x, log_w):
    w = np.exp(log_w - log_w.max())
    mean = np.average(x, weights=w)
    return mean, np.average((x - mean) ** 2, weights=w) ** 0.5


def test_the_rows_are_those_that_were_published_with_the_method():
    assert np.round(ROWS, 4).tolist() == [[0.16, 0.8773], [0.1902, 0.8341], [0.1974, 0.8158]]


@pytest.fixture(scope="module")
def errors(gaussians):
    """Of mean and width after each iteration, by bootstrap; with bins, which take no time."""
    settings = {"edges": EDGES, "replicas": 20, "rng": 1, "progress": False}
    of = [bootstrap(*gaussians, iterations=k, **settings) for k in (1, 2, 3)]
    return np.array([np.std([moments(gaussians[0], w) for w in b], axis=0) for b in of])


def test_iterations_of_bayes_are_those_of_gaussians(gaussians, errors):
    found = iterative_bayes(*gaussians, EDGES, iterations=3)
    assert np.max(np.abs([moments(gaussians[0], w) for w in found.log_push] - ROWS) / errors) < 4
    assert abs(found.passages[-1].mean_weight - 1) < 1e-9, "nothing is lost"


@pytest.mark.parametrize("options", [{}, {"kind": "trees", "hidden": (8,)}], ids=["network", "trees"])
def test_iterations_of_omnifold_are_those_of_gaussians(gaussians, errors, options):
    sim, *seen = gaussians
    columns = [x[:, None] for x in (sim, *seen)]
    found = omnifold(*columns, iterations=3, stop_early=False, hidden=options.pop("hidden", (32, 32)), rng=1, **options)
    # Trees stop early: what they leave is a bias, of a hundredth of a standard deviation.
    allowed = 4 * errors + (0.015 if options else 0.003)
    assert np.all(np.abs([moments(sim, w) for w in found.log_push] - ROWS) < allowed)
    assert found.stop_reason == "all 3 iterations done"
    assert found.n_eff == pytest.approx(n_eff(found.log_w))
    assert abs(found.passages[-1].mean_weight - 1) < 0.02
    assert found.passages[0].auc > found.auc
    assert "3 iterations" in str(found)


def test_the_weight_is_a_function_of_the_truth(gaussians):
    """ln w of row one is a parabola in the truth, known by its coefficients."""
    sim, *seen = gaussians
    found = omnifold(*(x[:, None] for x in (sim, *seen)), iterations=1, rng=1, progress=False)
    (m, s), near = ROWS[0], np.abs(sim) < 1.5
    wanted = -0.5 * ((sim - m) / s) ** 2 + 0.5 * sim**2
    off = (found.log_w - wanted)[near]
    assert off.std() < 0.05


def test_the_loop_stops_when_nothing_can_be_told_apart():
    rng = np.random.default_rng(2)
    sim, data = rng.normal(0, 1, (2, 4000, 1))
    found = omnifold(sim, sim + rng.normal(0, 0.5, sim.shape), data + rng.normal(0, 0.5, data.shape), rng=1)
    assert len(found.passages) < 4
    assert "told apart" in found.stop_reason


def test_weights_that_the_simulation_comes_with_count(gaussians):
    """A simulation of another width, weighted to the prior, gives the rows of the prior."""
    rng = np.random.default_rng(5)
    wide = rng.normal(0, 1.3, 60_000)
    log_w = 0.5 * wide**2 * (1 / 1.3**2 - 1)
    found = iterative_bayes(
        wide, wide + rng.normal(0, 0.5, len(wide)), gaussians[2], EDGES, iterations=1, log_w_sim=log_w
    )
    assert np.all(np.abs(moments(wide, found.log_w) - ROWS[0]) < 0.02)
    plain = iterative_bayes(wide, wide + rng.normal(0, 0.5, len(wide)), gaussians[2], EDGES, iterations=1)
    assert abs(moments(wide, plain.log_w)[1] - ROWS[0, 1]) > 0.03


def test_weights_of_data_count(gaussians):
    sim, see_sim, see_data = gaussians
    half = np.where(see_data > 0, 0.0, -np.inf)
    found = iterative_bayes(sim, see_sim, see_data, EDGES, iterations=2, log_w_data=half)
    same = iterative_bayes(sim, see_sim, see_data[see_data > 0], EDGES, iterations=2)
    assert np.allclose(found.log_w, same.log_w)
