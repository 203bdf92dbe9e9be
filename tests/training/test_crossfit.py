"""Classifiers that never judge what they learned from: the odds they find, and whom they judge."""

import functools

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor.metrics import auc
from hadtutor.training import CrossFit

N = 4000


@functools.cache
def shifted(shift=0.5, n=N, seed=1):
    """Two normal samples at a distance: ln of their ratio is shift·x - shift²/2."""
    x, y = np.random.default_rng(seed).standard_normal((2, n, 2))
    return x, y + [shift, 0.0]


def crossfit(*samples, **options):
    return CrossFit(*(samples or shifted()), **({"rng": 1, "epochs": 10, "progress": False} | options))


@pytest.mark.parametrize("kind", ["mlp", "trees"])
def test_logits_are_the_ratio_of_densities(kind):
    x, y = shifted()
    odds = crossfit(kind=kind)
    slope, constant = np.polyfit(x[:, 0], odds.log_ratio(x), 1)
    # The best linear classifier knows them to 0.02.
    assert abs(slope - 0.5) < 0.08
    assert abs(constant + 0.125) < 0.08
    assert odds.draws(y).shape == (1, N)


def test_weights_of_both_samples_count():
    """Samples of one law, each weighted with the root of a ratio, have this ratio between them."""
    x, y = shifted(0.0)
    log_w_x, log_w_y = -0.25 * x[:, 0], 0.25 * y[:, 0]
    found = crossfit(x, y, log_w_x, log_w_y).log_ratio(x)
    slope = np.polyfit(x[:, 0], found, 1)[0]
    assert abs(slope - 0.5) < 0.1
    column = crossfit(x, y, log_w_x.tolist(), torch.tensor(log_w_y))
    assert np.array_equal(column.log_ratio(x), found)


def test_a_column_of_weights_is_refused():
    x, y = shifted()
    with pytest.raises(ValueError, match="one log weight per event"):
        crossfit(x, y, np.zeros((N, 1)))


def test_no_event_is_judged_by_who_knows_it():
    x, y = shifted(0.0, 1000)
    odds = crossfit(x, y, kind="trees")
    (own, other), judged = odds.classifiers[0], (odds.draws(x)[0], odds.draws(y)[0])
    assert auc(own(y[1::2]), own(x[1::2])).auc > 0.6, "these trees do not even know what they learned"
    assert np.array_equal(judged[0][::2], own(x[::2]))
    assert np.array_equal(judged[1][1::2], other(y[1::2]))
    found = auc(judged[1], judged[0])
    assert abs(found.auc - 0.5) < 4 * found.error


def test_folds_travel_with_the_events():
    """Events in another order have the same logits, if their folds are handed in."""
    x, y = shifted()
    fold = np.random.default_rng(2).integers(3, size=N)
    odds = crossfit(fold_x=fold, fold_y=fold)
    order = np.random.default_rng(3).permutation(N)
    assert np.allclose(odds.log_ratio(x, fold)[order], odds.log_ratio(x[order], fold[order]), atol=1e-5)
    assert len(odds.classifiers[0]) == 3
    with pytest.raises(ValueError, match="there are 3 folds"):
        odds.draws(x, fold + 1)
    with pytest.raises(ValueError, match="fold must hold"):
        odds.draws(x, fold[1:])
    with pytest.raises(ValueError, match="nothing to learn from"):
        crossfit(fold_x=np.zeros(N, int), fold_y=fold)


def test_new_events_are_judged_by_all():
    x, y = shifted()
    odds, (new, _) = crossfit(ensemble=2), shifted(0.5, 50, 9)
    each = np.stack([classifier(new) for of_folds in odds.classifiers for classifier in of_folds])
    assert each.shape == (4, 50)
    assert np.allclose(odds.log_ratio_of_new(new), np.log(np.exp(each).mean(axis=0)))
    assert odds.log_ratio_of_new(new[:0]).shape == (0,)


@pytest.mark.parametrize("kind", ["deepsets", "graph"])
def test_clouds_are_told_apart(kind):
    x, y = (
        ht.hadronize_strings(1000, ht.LundParams(a=a), rng=np.random.default_rng(k)) for a, k in ((2.0, 1), (0.1, 2))
    )
    odds = crossfit(x.hadrons, y.hadrons, kind=kind, energy=90.0, epochs=3)
    assert auc(odds.log_ratio(y.hadrons), odds.log_ratio(x.hadrons)).auc > 0.7
    again = crossfit(x.hadrons, y.hadrons, kind=kind, energy=90.0, epochs=3)
    assert np.array_equal(odds.log_ratio(x.hadrons), again.log_ratio(x.hadrons)), "the same seed, another network"
    with pytest.raises(ValueError, match=f"{kind} wants the energy"):
        crossfit(x.hadrons, y.hadrons, kind=kind)


@pytest.mark.parametrize("bayesian", [False, True])
def test_torch_may_think_in_double_precision(bayesian):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        odds = crossfit(epochs=1, bayesian=bayesian)
    finally:
        torch.set_default_dtype(before)
    assert odds.draws(shifted()[0]).shape == (20 if bayesian else 1, N)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "forest"}, ValueError, "must be one of"),
        ({"kind": "trees", "bayesian": True}, ValueError, "can be Bayesian"),
        ({"ensemble": 0}, ValueError, "ensemble must be at least 1"),
        ({"kind": "deepsets", "energy": 90.0}, TypeError, "deepsets wants Hadrons"),
        ({"kind": "graph", "energy": 90.0}, TypeError, "graph wants Hadrons"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    with pytest.raises(error, match=message):
        crossfit(**change)
    with pytest.raises(ValueError, match="at least 100 events"):
        crossfit(shifted()[0][:99], shifted()[1])
