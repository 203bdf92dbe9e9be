"""Results and checkpoints: files, interrupted fits, and what a result can be used for."""

import dataclasses

import numpy as np
import pytest
from homer_samples import BASE, MT2, TARGET, Z, columns, fitted, generated, interrupt, small

from hadtutor import hadronize_strings, homer, metrics
from hadtutor.files import DataFileError
from hadtutor.metrics import n_eff


def test_an_interrupted_fit_goes_on_where_it_stopped(tmp_path, monkeypatch):
    whole = small(checkpoint=tmp_path / "whole.npz")
    calls = interrupt(monkeypatch, homer.inputs, "step_one")
    with pytest.raises(KeyboardInterrupt):
        small(checkpoint=tmp_path / "part.npz")
    again = small(checkpoint=tmp_path / "part.npz")
    assert np.array_equal(whole.log_w, again.log_w)
    assert len(calls) == 4, "the first iteration was done again"
    with pytest.raises(DataFileError, match="differs in rng"):
        small(checkpoint=tmp_path / "part.npz", rng=9)


def test_results_are_saved_and_loaded(tmp_path):
    result = fitted()
    result.save(tmp_path / "result.npz")
    again = homer.HomerResult.load(tmp_path / "result.npz")
    assert np.array_equal(result.f(Z, MT2), again.f(Z, MT2))
    assert np.array_equal(result.log_weights(generated()), again.log_weights(generated()))
    assert str(result) == str(again)
    assert homer.fit_lund(again).values == pytest.approx(homer.fit_lund(result).values)
    assert np.array_equal(again.of_iteration(0).table, result.of_iteration(0).table)
    with pytest.raises(homer.HomerError, match="weights are for"):
        result.log_weights(generated(BASE._replace(stop_mass=0.8), 2))


def test_weights_of_a_simulation_with_other_parameters():
    """Where the simulation has the parameters of the data already, nearly nothing is left to weight."""
    result = fitted()
    log_w = result.log_weights(generated(TARGET, 7))
    assert n_eff(log_w) > 0.97 * len(log_w)
    assert np.exp(log_w).mean() == pytest.approx(1.0, abs=0.01)


def test_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "result.npz"
    fitted().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataFileError):
        homer.HomerResult.load(path)
    generated()[:10].save(path)
    with pytest.raises(DataFileError, match=r"not a result of homer\.fit"):
        homer.HomerResult.load(path)
    with pytest.raises(DataFileError, match=r"not a result of homer\.fit"):
        small(checkpoint=path)
    fitted().save(path)
    with pytest.raises(DataFileError, match="no checkpoint"):
        small(checkpoint=path)


@pytest.mark.parametrize("posterior", [False, True])
def test_results_without_errors_say_so(posterior):
    result = small(posterior=posterior)
    if not posterior:
        with pytest.raises(ValueError, match="no posterior"):
            homer.fit_lund(result)
        with pytest.raises(ValueError, match="no posterior"):
            result.f_samples(0.5, 0.1, 2, rng=1)
        assert np.isnan(result.f(0.5, 0.1)[1])
    with pytest.raises(ValueError, match="no draws"):
        result.of_draws()


OPTIONS = [
    {}, {"learner": "network"}, {"bayesian": True, "epochs": 1}, {"bayesian": True, "epochs": 1, "learner": "network"},
    {"ensemble": 2}, {"conditions": "end"}, {"method": "deepsets", "epochs": 1}, {"acceptance": False},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "default")
@pytest.mark.parametrize("stop_at", [1, 2])
def test_a_resumed_fit_is_the_same_fit(tmp_path, monkeypatch, options, stop_at):
    """Interrupted in the second iteration, or after the last."""
    settings = {"posterior": False} | options
    whole = small(**settings)
    real, calls = homer.inputs.step_one, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == stop_at + 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(homer.inputs, "step_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(checkpoint=tmp_path / "part.npz", **settings)
    again = small(checkpoint=tmp_path / "part.npz", **settings)
    for name in ("log_w", "sigma", "draws", "auc", "stop_reason"):
        assert np.array_equal(getattr(whole, name), getattr(again, name), equal_nan=name == "sigma"), name
    for name in ("theta", "table", "sigma_table"):
        assert np.array_equal(getattr(whole.breaks, name), getattr(again.breaks, name), equal_nan=True), name
    numbers = [np.array([i[:5] for i in result.iterations]) for result in (whole, again)]
    assert np.array_equal(*numbers, equal_nan=True)


def histograms(data):
    return homer.Histograms.of({name: column[:2000] for name, column in data.items()}, 20, ("T", "C", "B_W"))


def test_a_checkpoint_knows_its_histograms(tmp_path):
    """Those of bins with equal contents have the same shares for any data, and other edges."""
    settings = {"iterations": 1, "epochs": None, "posterior": False, "checkpoint": tmp_path / "c.npz"}
    one = histograms(columns(TARGET, 2))
    small(one, **settings)
    others = {
        "edges": histograms(columns()), "shares": dataclasses.replace(one, shares=1.001 * one.shares),
        "covariance": dataclasses.replace(one, covariance=2 * one.covariance),
    }  # fmt: skip
    for other in others.values():
        with pytest.raises(DataFileError, match="differs in data;"):
            small(other, **settings)


OTHER_FITS = {
    "data": {"data": generated(TARGET, 7)[:2000]},
    "kind of data": {"method": "deepsets"},
    "rng": {"rng": 9}, "learner": {"learner": "network"}, "epochs": {"epochs": 3}, "iterations": {"iterations": 3},
    "acceptance": {"acceptance": False}, "conditions": {"conditions": "end"}, "observables": {"observables": "T"},
    "stop_early": {"stop_early": True}, "ensemble": {"ensemble": 2}, "bayesian": {"bayesian": True},
    "method": {"method": "trees", "epochs": None},
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_FITS)
def test_a_checkpoint_of_another_fit_is_refused(tmp_path, name):
    settings = {"iterations": 2, "posterior": False, "checkpoint": tmp_path / "c.npz"}
    small(**settings)
    with pytest.raises(DataFileError, match=f"differs in .*{name}"):
        small(**settings | OTHER_FITS[name])


def test_a_checkpoint_knows_its_simulation(tmp_path):
    """The same hadrons with other breaks behind them are another simulation."""
    sim, data = generated()[:2000], generated(TARGET, 2)[:2000]
    settings = {"iterations": 1, "epochs": 1, "posterior": False, "checkpoint": tmp_path / "c.npz", "progress": False}
    homer.fit(sim, data, **settings)
    histories = dataclasses.replace(sim.histories, z=np.clip(sim.histories.z * np.float32(1.001), 0, 0.999))
    with pytest.raises(DataFileError, match="differs in histories"):
        homer.fit(dataclasses.replace(sim, histories=histories), data, **settings)
    with pytest.raises(DataFileError, match="differs in params"):
        homer.fit(dataclasses.replace(sim, params=sim.params._replace(b=1.0)), data, **settings)


def test_a_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch):
    settings = {"iterations": 1, "posterior": False, "checkpoint": tmp_path / "c.npz"}
    small(**settings)
    monkeypatch.setattr(homer.checkpoint, "__version__", "99.0")
    with pytest.raises(DataFileError, match="differs in version"):
        small(**settings)


def test_a_checkpoint_can_be_looked_into(tmp_path):
    result = small(checkpoint=tmp_path / "c.npz", posterior=False)
    state = homer.HomerResult.load(tmp_path / "c.npz")
    assert np.array_equal(state.log_w, result.log_w)
    assert len(state.iterations) == 2


def test_a_result_stands_for_its_weights():
    x = columns()["n_f"]
    assert metrics.n_eff(fitted()) == fitted().n_eff
    assert metrics.pull(x, columns(TARGET, 2)["n_f"], fitted()) == metrics.pull(
        x, columns(TARGET, 2)["n_f"], fitted().log_w
    )


def test_a_result_shows_itself():
    shown = fitted()._repr_html_()
    assert shown.count("<tr>") == 2 + len(fitted().iterations)
    assert "n_eff/N" in shown


def test_a_result_is_a_law_of_strings():
    """Events drawn from the learned f have the mean multiplicity that events weighted with it have."""
    n_drawn = hadronize_strings(20_000, law=fitted(), rng=11, progress=False).hadrons.multiplicity
    assert abs(metrics.pull(n_drawn, generated().hadrons.multiplicity, None, fitted())) < 4
