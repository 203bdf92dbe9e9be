"""Step one: odds of classifiers against exact weights."""

import numpy as np
import pytest
from homer_samples import BASE, TARGET, generated, matrix

from hadtutor import homer
from hadtutor.metrics import auc
from hadtutor.weights import event_weights


@pytest.mark.parametrize("method", ["mlp", "trees", "deepsets", "graph"])
def test_odds_are_means_of_exact_weights(method):
    """Where the classifier finds a ratio r, the exact weights of the events are r on average."""
    sim, data = generated(), generated(TARGET, 2)
    pair = (sim.hadrons, data.hadrons) if method in ("deepsets", "graph") else (matrix(), matrix(TARGET, 2))
    few = 2 if method == "graph" else None  # epochs, of which each takes as long as six of Deep Sets
    found = homer.step_one(*pair, method=method, energy=90.0, rng=1, epochs=few, progress=False)
    exact = np.exp(event_weights(sim, TARGET).log_w)
    order = np.argsort(found.log_ratio)
    assert found.auc > 0.6
    for part in np.array_split(order, 5):
        ratio, error = np.exp(found.log_ratio[part]).mean(), exact[part].std() / np.sqrt(len(part))
        # Networks trained on 20 000 events are right to about 4 %.
        assert abs(ratio - exact[part].mean()) < 4 * np.hypot(error, 0.04 * ratio)


def test_equal_samples_are_not_told_apart():
    found = homer.step_one(matrix(BASE, 1), matrix(BASE, 3), rng=1, progress=False)
    assert abs(found.auc - 0.5) < 4 * found.auc_error


def test_a_simulation_with_exact_weights_is_not_told_apart():
    log_w = event_weights(generated(), TARGET).log_w
    found = homer.step_one(matrix(), matrix(TARGET, 2), log_w, rng=1, progress=False)
    assert abs(found.auc - 0.5) < 4 * found.auc_error


def test_no_event_is_judged_by_a_network_that_knows_it():
    """Half of the events shuffled between classes are learned by heart by deep trees, and that is not seen."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 1000, 3))
    found = homer.step_one(x, y, method="trees", rng=1)
    own = found.classifiers[0][0](x[1::2]), found.classifiers[0][0](y[1::2])
    assert auc(own[1], own[0]).auc > 0.6, "these trees do not even know what they learned"
    assert abs(found.auc - 0.5) < 4 * found.auc_error


@pytest.mark.parametrize("options", [{"bayesian": True}, {"ensemble": 3}], ids=["bayesian", "ensemble"])
def test_draws_scatter_and_average_as_ratios(options):
    found = homer.step_one(matrix()[:4000], matrix(TARGET, 2)[:4000], rng=1, epochs=4, progress=False, **options)
    assert len(found.draws) == (20 if "bayesian" in options else 3)
    assert np.allclose(found.log_ratio, np.log(np.exp(found.draws).mean(axis=0)))
    assert (found.sigma > 0).all()
    assert np.isclose(found.sigma, found.draws.std(axis=0)).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "forest"}, ValueError, "method must be one of"),
        ({"method": "trees", "bayesian": True}, ValueError, "can be Bayesian"),
        ({"ensemble": 0}, ValueError, "ensemble must be at least 1"),
        ({"method": "deepsets"}, TypeError, "deepsets wants Hadrons"),
        ({"method": "graph"}, TypeError, "graph wants Hadrons"),
        ({"log_w": np.full(200, np.nan)}, ValueError, "log_w"),
    ],
)
def test_step_one_names_what_is_wrong(change, error, message):
    x = np.random.default_rng(1).standard_normal((200, 2))
    with pytest.raises(error, match=message):
        homer.step_one(x, x, **({"rng": 1} | change))
    with pytest.raises(ValueError, match="at least 100 events"):
        homer.step_one(x[:50], x, rng=1)
