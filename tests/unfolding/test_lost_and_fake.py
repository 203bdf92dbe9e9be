"""Events that one of the two sides lacks, and numbers that are none."""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor.detector import Detector
from hadtutor.unfolding import UnfoldingError, bootstrap, iterative_bayes, omnifold

EDGES = np.linspace(-3, 3, 25)
RNG = np.random.default_rng(7)
N = 40_000


def see(x, rng):
    """Seen with noise, and lost more often where x is large: 10 % at -2, 90 % at 2."""
    seen = rng.random(len(x)) < 0.5 - 0.2 * np.clip(x, -2, 2)
    return np.where(seen, x + rng.normal(0, 0.3, len(x)), np.nan), seen


SIM, TRUTH = RNG.normal(0, 1, N), RNG.normal(0.3, 0.9, N)
RECO, SEEN = see(SIM, RNG)
DATA = (lambda x, seen: x[seen])(*see(TRUTH, RNG))


def mean_of(log_w, x=SIM):
    return np.average(x, weights=np.exp(log_w - log_w.max()))


@pytest.mark.parametrize("method", ["bins", "network"])
def test_what_was_lost_is_restored(method):
    """Half of the events are lost, of large x most: what is seen has another mean, what is unfolded has not."""
    if method == "bins":
        found = iterative_bayes(SIM, RECO, DATA, EDGES, iterations=5, seen=SEEN)
    else:
        found = omnifold(SIM[:, None], RECO[:, None], DATA[:, None], iterations=4, seen=SEEN, rng=1, progress=False)
    assert abs(mean_of(found.log_w) - 0.3) < 0.04
    assert abs(DATA.mean() - 0.3) > 0.2
    assert abs(found.passages[-1].efficiency - len(DATA) / N) < 0.02, "so many of the true events were data"


def test_events_without_a_truth_keep_their_share():
    """A tenth of what is seen is background at -3, where no truth is."""
    sim, reco, data = RNG.normal(0, 1, N), np.empty(N), RNG.normal(0.3, 0.9, N) + RNG.normal(0, 0.3, N)
    real = np.arange(N) % 10 > 0
    reco = np.where(real, sim + RNG.normal(0, 0.3, N), RNG.normal(-3, 0.1, N))
    data[::10] = RNG.normal(-3, 0.1, len(data[::10]))
    found = iterative_bayes(np.where(real, sim, np.nan), reco, data, EDGES, iterations=4, real=real)
    assert np.all(found.log_w[~real] == -np.inf)
    assert abs(mean_of(found.log_w[real], sim[real]) - 0.3) < 0.03
    without = iterative_bayes(sim[real], reco[real], data, EDGES, iterations=4)
    assert mean_of(without.log_w, sim[real]) < 0.2, "background that the simulation has not pulls"


def test_a_cloud_may_be_unfolded():
    """All hadrons at both levels: multiplicity is that of the data."""
    sim, data = (
        ht.hadronize_strings(6000, ht.LundParams(a=a), rng=k, progress=False).hadrons for a, k in ((0.68, 1), (0.3, 2))
    )
    seen = [Detector(charged_only=False)(h, rng=3 + k) for k, h in enumerate((sim, data))]
    found = omnifold(sim, *seen, energy=90.0, iterations=2, rng=1, progress=False)
    n, wanted = sim.multiplicity, data.multiplicity.mean()
    after = mean_of(found.log_w, n)
    assert abs(n.mean() - wanted) > 0.5
    assert abs(after - wanted) < 0.25


def test_a_bootstrap_covers():
    """The mean of 12 unfoldings lies inside one error as often as it should, within three deviations of a binomial."""
    inside = []
    for k in range(12):
        rng = np.random.default_rng([11, k])
        sim, truth = rng.normal(0, 1, 4000), rng.normal(0.05, 1, 4000)
        (reco, seen), (data, kept) = see(sim, rng), see(truth, rng)
        sides = sim, reco, data[kept]
        settings = {"edges": EDGES, "iterations": 6, "seen": seen}
        found = mean_of(iterative_bayes(*sides, **settings).log_w, sim)
        replicas = bootstrap(*sides, replicas=15, rng=rng, progress=False, **settings)
        inside.append(abs(found - 0.05) < np.std([mean_of(w, sim) for w in replicas]))
    assert 4 <= np.sum(inside) <= 12


SMALL = RNG.normal(0, 1, (300, 2))
NAMED = {"T": SMALL[:, 0], "C": SMALL[:, 1]}
WITH_NAN = np.where(np.arange(600).reshape(300, 2) == 11, np.nan, SMALL)
CLOUD = ht.hadronize_strings(300, rng=1, progress=False).hadrons


@pytest.mark.parametrize(
    ("sides", "options", "error", "message"),
    [
        ((WITH_NAN, SMALL, SMALL), {}, UnfoldingError, "truth is NaN or infinite in 1 events.* event 5.*`real`"),
        ((SMALL, WITH_NAN, SMALL), {}, UnfoldingError, "sim_reco is NaN .* event 5.*`seen`"),
        ((SMALL, SMALL, WITH_NAN), {}, UnfoldingError, "data_reco is NaN .* event 5"),
        ((SMALL, NAMED, {"T": SMALL[:, 0]}), {}, ValueError, "only one of the samples has .*C"),
        ((SMALL, SMALL, SMALL[:, :1]), {}, ValueError, "shapes"),
        ((SMALL[:200], SMALL, SMALL), {}, ValueError, "two sides of the same events, got 200 and 300"),
        ((SMALL, SMALL, SMALL), {"seen": np.zeros(300, bool)}, UnfoldingError, "0 of 300 .* lost them all"),
        ((SMALL, SMALL, SMALL), {"seen": np.ones(20, bool)}, ValueError, "seen must hold one bool"),
        ((SMALL, SMALL, SMALL), {"seen": np.ones(300)}, ValueError, "seen must hold bools"),
        ((SMALL, SMALL, SMALL[:20]), {}, UnfoldingError, "data have 20"),
        ((SMALL, SMALL, SMALL + 50), {}, UnfoldingError, "no overlap"),
        ((SMALL, SMALL, SMALL), {"log_w_data": np.full(300, -np.inf)}, UnfoldingError, "log_w_data leaves no event"),
        ((SMALL, SMALL, SMALL), {"log_w_sim": np.full(300, np.nan)}, ValueError, "log_w_sim must be finite"),
        ((SMALL, SMALL, SMALL), {"iterations": 0}, ValueError, "iterations must be at least 1"),
        ((SMALL, SMALL, SMALL), {"kind": "forest"}, ValueError, "kind must be one of"),
        ((SMALL, SMALL, CLOUD), {}, TypeError, "both Hadrons or columns"),
        ((CLOUD, CLOUD, CLOUD), {}, ValueError, "wants the energy"),
        ((CLOUD, CLOUD, Detector(efficiency=0.3)(CLOUD, rng=1)), {"energy": 90.0}, UnfoldingError, "have no hadron"),
        ((CLOUD, Detector(efficiency=0.0)(CLOUD, rng=1), CLOUD), {"energy": 90.0}, UnfoldingError, "lost them all"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(sides, options, error, message):
    with pytest.raises(error, match=message):
        omnifold(*sides, **({"rng": 1, "epochs": 40, "progress": False} | options))


def test_bins_that_nothing_was_simulated_in_are_named():
    x = RNG.normal(0, 1, 1000)
    with pytest.raises(UnfoldingError, match="no overlap .* % of the data are in bins"):
        iterative_bayes(np.clip(x, -3, 0), np.clip(x, -3, 0), x + 3, EDGES)
    with pytest.raises(ValueError, match="edges must increase"):
        iterative_bayes(x, x, x, [1.0, 0.0])
