"""The whole of HOMER: it learns the function from all kinds of data, and says what is wrong."""

import contextlib
import dataclasses
import warnings

import numpy as np
import pytest
import torch
from homer_samples import (
    BASE,
    MIXTURE,
    MT2,
    TARGET,
    Z,
    columns,
    fitted,
    generated,
    prepared,
    small,
    true_f,
)  # fmt: skip

import hadtutor as ht
from hadtutor import homer


def test_the_whole_learns_the_function():
    result = fitted()
    f, sigma = result.f(Z, MT2)
    found = homer.coverage(f, sigma, true_f(TARGET))
    assert abs(found.mean) < 2
    assert np.max(np.abs((f - true_f(TARGET)) / sigma)) < 4.5
    assert np.max(np.abs(f / true_f(TARGET) - 1)[:, :8]) < 0.06
    assert result.iterations[0].auc > 0.63
    assert abs(result.auc - 0.5) < 4 * result.auc_error
    assert "n_eff/N" in str(result)
    # One iteration falls short of the truth at large z, where the weight is large: it shares it among histories.
    once = result.of_iteration(0).f(0.9, 0.1)[0] / true_f(TARGET, 0.9, 0.1)
    assert once < 0.98


def test_break_weights_do_not_depend_on_the_end():
    """The string has no preferred end: the difference is compatible with zero."""
    result = homer.fit(generated(), generated(TARGET, 2), iterations=1, conditions=("end",), progress=False)
    derivative = result.breaks.basis.derivative(result.breaks.table)
    at = [result.breaks.f(0.6, 0.1, end=end)[0] for end in (0, 1)]
    assert abs(at[0] / at[1] - 1) < 0.06
    assert derivative.shape[1] == 2 * prepared().basis.matrix.shape[1]


def test_too_many_coefficients_for_the_breaks_are_refused_by_number():
    """A prior that fixes nothing, as the inverse of a covariance that rounding has spoiled."""
    basis = prepared().basis
    n_nodes, n = basis.matrix.shape
    with pytest.raises(homer.HomerError, match=rf"do not fix {n} coefficients: give fewer conditions or more events"):
        homer.steps.maximise(basis, np.ones(n_nodes), np.ones(n_nodes), np.zeros(n), -1e9 * np.eye(n))


@pytest.mark.parametrize("options", [{"method": "trees"}, {"learner": "network"}, {"ensemble": 2}])
def test_the_posterior_does_not_depend_on_how_one_got_there(options):
    result = homer.fit(generated(), generated(TARGET, 2), iterations=2, progress=False, **options)
    assert np.allclose(result.f(Z, MT2)[0], fitted().f(Z, MT2)[0], rtol=0.005)
    if "ensemble" in options:
        assert np.isfinite(result.of_draws().f(Z, MT2)[1]).all()


def test_other_kinds_of_data_give_the_same_function():
    sim, data = generated(), generated(TARGET, 2)
    for other in (homer.Histograms.of(columns(TARGET, 2)), columns(TARGET, 2)):
        result = homer.fit(sim, other, iterations=2, progress=False)
        f, sigma = result.f(Z, MT2)
        assert np.max(np.abs(f - true_f(TARGET)) / sigma) < 4.5
    cloud = homer.fit(sim, data.hadrons, iterations=1, method="deepsets", epochs=1, progress=False)
    f, sigma = cloud.f(Z, MT2)
    assert np.max(np.abs(f - true_f(TARGET)) / sigma) < 4.5
    assert np.all(sigma < 1.05 * fitted().f(Z, MT2)[1]), "the particle cloud says less than thirteen observables"


def test_same_random_numbers_same_result():
    one, again, other = small(rng=3), small(rng=3), small(rng=4)
    assert np.array_equal(one.log_w, again.log_w)
    assert one.iterations[0].auc != other.iterations[0].auc


def test_data_that_are_like_the_simulation_change_nothing():
    result = homer.fit(generated(), generated(BASE, 3), progress=False)
    f, sigma = result.f(Z, MT2)
    assert np.max(np.abs(f - true_f(BASE)) / sigma) < 4.5
    assert result.n_eff > 0.98 * len(generated())


BAD_DATA = {
    "other energy": (lambda: generated(TARGET, 2, 3000, 200.0), "differ in energy"),
    "far away": (lambda: generated(TARGET, 2, 3000, 200.0).hadrons, "outside the support"),
    "few": (lambda: generated(TARGET, 2)[:50], "too few events"),
    "NaN": (lambda: columns(TARGET, 2) | {"T": np.full(20_000, np.nan)}, "T of the data is NaN"),
    "infinite": (
        lambda: columns(TARGET, 2) | {"lnx_var": np.full(20_000, np.inf)},
        "lnx_var of the data is NaN or inf",
    ),
    "missing": (lambda: {"T": columns(TARGET, 2)["T"]}, "the data have no C"),
    "uneven": (lambda: columns(TARGET, 2) | {"C": np.ones(3)}, "differ in shape"),
    "shifted": (lambda: columns(TARGET, 2) | {"n_f": columns(TARGET, 2)["n_f"] + 50}, "n_f is outside its range"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_named(name):
    make, message = BAD_DATA[name]
    with pytest.raises(homer.HomerError, match=message):
        homer.fit(generated(), make(), progress=False)


@contextlib.contextmanager
def refused_or_warned():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except homer.HomerError as error:
            messages = [str(error)]
        else:
            messages = [str(w.message) for w in caught]
    assert any("no fragmentation function" in m or "outside the support" in m or "no simulation" in m for m in messages)


@pytest.mark.parametrize("sigma_pt", [0.30, 0.37])
def test_without_its_factor_another_transverse_momentum_is_refused(sigma_pt):
    """Either the fit says so, or it warns."""
    data = generated(BASE._replace(sigma_pt=sigma_pt), 6)
    with refused_or_warned():
        homer.fit(generated(), data, iterations=2, factors="order", progress=False)


def test_clusters_are_no_strings():
    """Data of the other model are refused: no weight makes these events."""
    showers = ht.datasets.load("pythia-showers-91")
    data = ht.hadronize_clusters(showers, rng=1, progress=False).hadrons
    sim = generated(BASE, 1, 20_000, showers.energy)
    for observables in (None, ("n_f", "n_ch", "lnx_mean", "lnx_ch_mean")):
        with refused_or_warned():
            homer.fit(sim, data, iterations=1, rebase=True, observables=observables, progress=False)


def test_bad_simulations_are_named():
    sim, data = generated(), generated(TARGET, 2)
    with pytest.raises(homer.HomerError, match="no histories"):
        homer.fit(dataclasses.replace(sim, histories=None), data)
    with pytest.raises(ValueError, match="the hadrons are of 20000 events, the histories of 19999"):
        homer.fit(dataclasses.replace(sim, histories=sim.histories[:-1]), data)
    histories = dataclasses.replace(sim.histories, mt2=np.full_like(sim.histories.mt2, np.nan))
    with pytest.raises(homer.HomerError, match="not finite"):
        homer.fit(dataclasses.replace(sim, histories=histories), data)
    with pytest.raises(homer.HomerError, match="too few events: sim has 500"):
        homer.fit(sim[:500], data)
    with pytest.raises(TypeError, match="made with LundParams"):
        homer.fit(sim.hadrons, data)
    with pytest.raises(TypeError, match="made with LundParams"):
        homer.fit(generated(MIXTURE, 2), data)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learner": "magic"}, ValueError, "learner must be"),
        ({"method": "magic"}, ValueError, "method must be one of"),
        ({"iterations": 0}, ValueError, "iterations must be"),
        ({"observables": ()}, ValueError, "nothing to compare"),
        ({"observables": ("T", "T")}, ValueError, "given once"),
        ({"method": "trees", "epochs": 3}, ValueError, "epochs does nothing"),
        ({"method": "trees", "bayesian": True}, ValueError, "can be Bayesian"),
        ({"conditions": "colour"}, ValueError, "conditions are some of"),
        ({"conditions": ("colour",)}, ValueError, "conditions are some of"),
        ({"observables": ("T", "X")}, ValueError, "unknown observable"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        homer.fit(generated(), generated(TARGET, 2), progress=False, **options)
    with pytest.raises(TypeError, match="data must be"):
        homer.fit(generated(), [1, 2, 3])
    for method in ("deepsets", "graph"):
        with pytest.raises(TypeError, match=f"{method} looks at hadrons"):
            homer.fit(generated(), columns(TARGET, 2), method=method)


def test_what_was_closed_is_not_an_iteration():
    result = homer.fit(generated(), generated(BASE, 3), progress=False)
    assert result.stop_reason == "simulation and data cannot be told apart any more"
    thetas = np.array([iteration.theta for iteration in result.iterations])
    assert len(np.unique(thetas, axis=0)) == len(thetas) < 6
    assert str(small(iterations=1)).startswith("1 iteration (")


@pytest.mark.parametrize("name", ["data frame", "lists", "one observable"])
def test_observables_come_as_users_have_them(name):
    seen = {k: v[:2000] for k, v in columns(TARGET, 2).items()}
    if name == "data frame":
        seen = pytest.importorskip("pandas").DataFrame(seen)
    elif name == "lists":
        seen = {k: v.tolist() for k, v in seen.items()}
    options = {"observables": "n_f"} if name == "one observable" else {}
    expected = small({k: v[:2000] for k, v in columns(TARGET, 2).items()}, **options)
    assert np.array_equal(small(seen, **options).log_w, expected.log_w)
    if options:
        assert np.array_equal(small(seen, observables=("n_f",)).log_w, expected.log_w)


def test_what_is_masked_is_missing():
    seen = {k: v[:2000] for k, v in columns(TARGET, 2).items()}
    seen["T"] = np.ma.array(seen["T"], mask=np.arange(2000) < 300)
    with pytest.raises(homer.HomerError, match="T of the data is NaN or infinite in 300 events"):
        small(seen)


@pytest.mark.parametrize("options", [{}, {"learner": "network"}, {"method": "deepsets", "epochs": 1}])
def test_torch_may_think_in_double_precision(options):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        result = small(iterations=1, **options)
    finally:
        torch.set_default_dtype(before)
    assert np.isfinite(result.log_w).all()


def test_seed_is_rng():
    with pytest.raises(TypeError, match="write rng=3"):
        small(seed=3)
    assert np.array_equal(small(rng=3).log_w, small(rng=3).log_w)
