"""Weights averaged over events like one another."""

import functools

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import homer
from hadtutor.weights import event_weights

N = 600


@functools.cache
def random():
    """Log weights and features, of different sizes, some of them correlated; more events than one block has."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 4)) @ rng.normal(size=(4, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 0.0, 1.0, 1e4]
    return rng.normal(size=N), x


@functools.cache
def one_gluon():
    """Exact log weights from a = 0.68 to 0.30 of 5000 events with a gluon, and their thirteen observables."""
    showers = ht.Showers.one_gluon(5000, (0.85, 0.30, 0.85), 90.0)
    sim = ht.hadronize_partons(showers, ht.LundParams(a=0.68), rng=1, progress=False)
    x = np.stack(list(ht.observables.compute(sim.hadrons, sim.energy).values()), axis=1)
    assert np.isfinite(x).all(), "an event without charged hadrons, which smear would refuse"
    return event_weights(sim, ht.LundParams(a=0.30)).log_w, x


def by_hand(log_w, x, width):
    """The formula, pair by pair."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    kernel = np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(axis=2) / width**2)
    return np.log(kernel @ np.exp(log_w) / kernel.sum(axis=1)), kernel


def nearest_by_hand(log_w, x, n):
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    near = np.argsort(((x[:, None] - x[None]) ** 2).sum(axis=2), axis=1)[:, :n]
    return np.log(np.exp(log_w)[near].mean(axis=1))


@pytest.mark.parametrize("width", [0.1, 0.7, 3.0])
def test_it_is_the_mean_over_all_pairs(width):
    assert np.allclose(homer.smear(*random(), width=width), by_hand(*random(), width)[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", [2, 10, 100])
def test_it_is_the_mean_over_the_nearest(n):
    assert np.allclose(homer.smear(*random(), neighbours=n), nearest_by_hand(*random(), n), rtol=0, atol=1e-12)


def test_narrow_changes_nothing_and_broad_makes_all_equal():
    log_w, x = random()
    for narrow in ({"width": 1e-3}, {"neighbours": 1}):
        assert np.allclose(homer.smear(log_w, x, **narrow), log_w, rtol=0, atol=1e-9)
    mean = np.log(np.exp(log_w).mean())
    for broad in ({"width": 1e5}, {"neighbours": N}):
        assert np.allclose(homer.smear(log_w, x, **broad), mean, rtol=0, atol=1e-9)


@pytest.mark.parametrize("how", [{"width": 0.7}, {"neighbours": 20}], ids=str)
def test_laws_of_averages(how):
    """Equal weights stay, however large; a factor and the units of features do not matter; no new extremes."""
    log_w, x = random()
    smeared = homer.smear(log_w, x, **how)
    assert np.allclose(homer.smear(np.full(N, 900.0), x, **how), 900.0, rtol=0, atol=1e-10)
    assert np.allclose(homer.smear(log_w + 900.0, x * 7.0 - 3.0, **how), smeared + 900.0, rtol=0, atol=1e-9)
    assert log_w.min() <= smeared.min() < smeared.max() <= log_w.max()
    order = np.random.default_rng(2).permutation(N)
    assert np.allclose(homer.smear(log_w[order], x[order], **how), smeared[order], rtol=0, atol=1e-10)


def test_the_mean_with_the_local_density_stays():
    log_w, x = random()
    density = by_hand(log_w, x, 0.7)[1].sum(axis=1)
    before, after = (density @ np.exp(v) for v in (log_w, homer.smear(log_w, x, width=0.7)))
    assert np.isclose(after, before, rtol=1e-10)


def test_a_feature_that_does_not_vary_changes_nothing():
    log_w, x = random()
    more = np.column_stack([x, np.full(N, 3.0)])
    assert np.allclose(homer.smear(log_w, more, width=0.7), homer.smear(log_w, x, width=0.7), rtol=0, atol=1e-10)


def test_the_published_width_does_nothing_to_events_with_a_gluon():
    """In thirteen dimensions none of 5000 events has a neighbour within 0.05; a width that does something is larger."""
    log_w, x = one_gluon()
    change = {width: abs(np.exp(homer.smear(log_w, x, width=width) - log_w) - 1) for width in (0.05, 0.5, 1.0)}
    assert change[0.05].max() < 1e-6, "events were found that are alike in all thirteen observables"
    assert change[0.5].max() > 0.1
    assert np.median(change[1.0]) > 0.1


def test_scatter_about_a_ratio_is_averaged_away():
    """Weights with noise, as of a classifier that has learned too much, come closer to those without."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 2))
    truth = 0.3 * x[:, 0]
    noisy = truth + rng.normal(size=3000)
    off = [np.std(v - truth) for v in (noisy, homer.smear(noisy, x, neighbours=30))]
    assert off[1] < 0.3 * off[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({}, ValueError, "one of them, got None and None"),
        ({"width": 0.5, "neighbours": 3}, ValueError, "one of them, got 0.5 and 3"),
        ({"width": 0.0}, ValueError, "width must be >= 0.001, got 0.0"),
        ({"width": [0.5]}, TypeError, "width must be a number"),
        ({"neighbours": 0}, ValueError, "neighbours must be between 1 and 3, got 0"),
        ({"neighbours": 4}, ValueError, "neighbours must be between 1 and 3, got 4"),
        ({"neighbours": 2.0}, TypeError, "neighbours must be a whole number"),
        ({"width": 1.0, "x": np.zeros(3)}, ValueError, r"shape \(N, F\), got shape \(3,\)"),
        ({"width": 1.0, "x": np.zeros((2, 1))}, ValueError, r"one log weight per event, shape \(2,\)"),
        ({"width": 1.0, "x": [[0.0], [np.nan], [1.0]]}, ValueError, "finite, got nan as observable 0 of event 1"),
        ({"width": 1.0, "log_w": [0.0, np.nan, 0.0]}, ValueError, "got nan for event 1"),
        ({"width": 1.0, "log_w": [-np.inf] * 3}, ValueError, "weight above zero, got none among 3"),
    ],
)
def test_smear_names_what_is_wrong(change, error, message):
    with pytest.raises(error, match=message):
        homer.smear(**({"log_w": np.zeros(3), "x": np.arange(3.0)[:, None]} | change))
