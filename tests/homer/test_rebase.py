"""A new simulation where the data are, and pseudo-experiments."""

import numpy as np
import pytest
from checks import ALPHA
from homer_samples import BASE, Z, generated, interrupt, true_f

import hadtutor as ht
from hadtutor import Showers, homer
from hadtutor.weights import event_weights

FAR = ht.LundParams(a=0.45, b=0.65, sigma_pt=0.32)


def far_fit(**options):
    settings = {"iterations": 2, "progress": False, "rebase": True} | options
    return homer.fit(generated(), generated(FAR, 2).hadrons, **settings)


def test_a_far_truth_is_reached():
    result = far_fit()
    assert len(result.bases) > 1
    assert result.bases[0][0] == BASE
    assert result.sim.params == result.breaks.basis.params
    assert result.n_eff > 0.8 * len(result.sim)
    mt2 = np.array([0.03, 0.1, 0.3])[:, None]
    f, sigma = result.f(Z, mt2)
    assert np.max(np.abs(f - true_f(FAR, Z, mt2)) / sigma) < 4.5
    assert np.max(np.abs(f / true_f(FAR, Z, mt2) - 1)) < 0.12, "14 to 19 % without a new simulation"
    fit = homer.fit_lund(result)
    assert np.all(np.abs(fit.values - [FAR.a, FAR.b, FAR.sigma_pt]) < 4.5 * fit.errors)
    pulls = homer.event_pulls(result.log_w, event_weights(result.sim, FAR).log_w, result.sigma)
    assert np.sqrt(np.mean(pulls**2)) < 3.0


def test_data_outside_the_first_simulation_are_reached():
    data = generated(ht.LundParams(a=1.5, b=0.5), 2, 4000).hadrons
    sim = generated()[:4000]
    with pytest.raises(homer.HomerError, match="outside the support"):
        homer.fit(sim, data, iterations=1, progress=False)
    assert homer.fit(sim, data, iterations=1, rebase=True, progress=False).n_eff > 0.7 * 4000


def test_a_search_that_does_not_settle_says_so(monkeypatch):
    for module in (homer.rebase, homer.iterate):
        monkeypatch.setattr(module, "MOST", 1)
    with pytest.warns(RuntimeWarning, match="after 1 simulations the data still ask for other parameters"):
        far_fit(iterations=1)


def test_weights_of_the_first_simulation_can_be_had():
    result = far_fit(iterations=1)
    log_w, exact = result.log_weights(generated()), event_weights(generated(), FAR).log_w
    assert np.corrcoef(log_w, exact)[0, 1] > 0.99


def test_an_interrupted_fit_ends_as_it_would_have(tmp_path, monkeypatch):
    whole = far_fit()
    interrupt(monkeypatch, homer.iterate, "step_two")
    with pytest.raises(KeyboardInterrupt):
        far_fit(checkpoint=tmp_path / "part.npz", stop_early=False)
    monkeypatch.undo()
    again = far_fit(checkpoint=tmp_path / "part.npz", stop_early=False)
    straight = far_fit(stop_early=False)
    assert np.array_equal(again.log_w, straight.log_w)
    assert again.bases == straight.bases
    assert whole.bases == straight.bases


def test_a_generator_of_your_own_is_used_and_checked():
    asked = []

    def make(params, rng):
        asked.append(params)
        return ht.hadronize_strings(20_000, params, 90.0, rng=rng, progress=False)

    result = far_fit(iterations=1, rebase=make)
    assert asked == [params for params, _ in result.bases[1:]]
    with pytest.raises(homer.HomerError, match="rebase was asked for"):
        far_fit(rebase=lambda params, rng: generated())
    with pytest.raises(homer.HomerError, match="too few events: the new simulation has 100"):
        far_fit(rebase=lambda params, rng: ht.hadronize_strings(100, params, rng=rng))
    with pytest.raises(TypeError, match="must be a Sample"):
        far_fit(rebase=lambda params, rng: None)
    with pytest.raises(TypeError, match="rebase must be True, False or a function"):
        far_fit(rebase="yes")


def test_what_was_learned_is_the_start_where_few_events_are_left(monkeypatch):
    """Here nothing was simulated anew before learning, so that has to be done after it."""
    monkeypatch.setattr(homer.iterate, "to_lund_point", lambda at, params, progress: (at(params, 0), [(params, 0.0)]))
    result = far_fit(iterations=1)
    assert len(result.bases) > 1
    assert result.n_eff > 0.8 * len(result.sim)
    f, sigma = result.f(Z, 0.1)
    assert np.max(np.abs(f - true_f(FAR, Z, 0.1)) / sigma) < 4.5


def test_near_data_need_no_new_simulation():
    result = homer.fit(generated(), generated(BASE, 3), iterations=1, rebase=True, progress=False)
    assert result.sim is generated()
    assert len(result.bases) == 1


def test_what_is_learned_moves_with_the_simulation():
    result = far_fit(iterations=1)
    chains = homer.prepare(generated(), factors=result.breaks.basis.factors)
    there = homer.rebase.moved(result.breaks, chains)
    mt2 = np.array([0.05, 0.1, 0.3])[:, None]
    z = Z[:, 1:-1]
    assert np.allclose(there.f(z, mt2)[0], result.f(z, mt2)[0], rtol=0.03)
    values = homer.HomerResult(there, *[np.zeros(1)] * 2, [], "", np.zeros((0, 1))).factors.values
    assert np.allclose(values, result.factors.values)


def test_rebased_results_are_saved(tmp_path):
    result = far_fit(iterations=1)
    result.save(tmp_path / "r.npz")
    again = homer.HomerResult.load(tmp_path / "r.npz")
    assert again.bases == result.bases
    assert again.sim is None
    assert np.array_equal(again.factors.covariance, result.factors.covariance)
    assert (again.chi2, again.ndf, again.log_evidence) == (result.chi2, result.ndf, result.log_evidence)


def test_pseudo_experiments_find_honest_errors():
    result = far_fit(iterations=1)
    found = homer.calibrate(result, experiments=6, iterations=1, rng=5, progress=False)
    assert found.pulls.shape == (6, 4, 9)
    # Points of one experiment hang together: some four independent ones in each.
    assert 0.4 < np.sqrt(np.mean(found.pulls**2)) < 1.6
    assert 0.3 < np.sqrt(np.mean(found.event_pulls[:, 1] ** 2)) < 2.0
    assert "pseudo-experiments: f inside its band" in str(found)
    assert found.names == ("order", "sigma_pt")
    assert found.p_values.shape == (6,)
    assert found.p_values.min() > ALPHA / 6, "where the model is right, its χ² says so"


def test_pseudo_experiments_want_a_posterior_and_their_simulation():
    result = homer.fit(generated(), generated(BASE, 3), iterations=1, progress=False)
    with pytest.raises(ValueError, match="does not hold its simulation"):
        homer.calibrate(result, rng=1)
    with pytest.raises(homer.HomerError, match="the result belongs to"):
        homer.calibrate(result, generated(FAR, 2), rng=1)
    bare = homer.fit(generated(), generated(BASE, 3), iterations=1, posterior=False, progress=False)
    with pytest.raises(ValueError, match="with a posterior"):
        homer.calibrate(bare, generated(), rng=1)


def test_new_simulations_have_the_same_partons():
    partons = Showers.one_gluon(6000)
    sim, data = (ht.hadronize_partons(partons, p, rng=k, progress=False) for k, p in enumerate((BASE, FAR), 1))
    result = homer.fit(sim, data.hadrons, iterations=1, rebase=True, progress=False)
    assert len(result.bases) > 1
    assert result.sim.partons is not None
    assert np.array_equal(result.sim.partons.px, partons.px)
    f, sigma = result.f(Z, 0.1)
    assert np.max(np.abs(f - true_f(FAR, Z, 0.1)) / sigma) < 4.5
    found = homer.calibrate(result, experiments=1, iterations=1, rng=1, progress=False)
    assert np.sqrt(np.mean(found.pulls**2)) < 3, "pseudo-experiments of other partons would be far off"
