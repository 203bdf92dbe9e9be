"""Fits: they find the truth, go on where a base is worth little, and refuse what cannot be."""

import dataclasses
import inspect

import numpy as np
import pytest
from fits import ALPHA, ENERGY, FAR, NEAR, OTHER, SMOOTH, TRUTH, fitted, generated
from scipy import stats

import hadtutor as ht
from hadtutor import LundParams, rsa
from hadtutor.rsa.losses import LOSSES


@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("base", [NEAR, OTHER])
def test_fits_find_the_truth(loss, base):
    result = fitted(loss, base)
    chi2 = (result.values - [0.68, 0.98]) @ np.linalg.solve(result.covariance, result.values - [0.68, 0.98])
    assert stats.chi2.sf(chi2, 2) > ALPHA
    assert abs(result.objective.value_and_gradient(result.values)[1]) @ result.errors < 0.1 * abs(result.loss)
    if loss == "chi2":
        assert result.p_value > ALPHA
        of_hessian = np.sqrt(np.diag(result.covariance_hessian))
        assert result.errors == pytest.approx(of_hessian, rel=0.15), "a true χ²; both are estimates"
    if loss == "pseudo-chi2":
        assert np.all(np.diag(result.covariance_hessian) < 0.75 * np.diag(result.covariance)), "correlations forgotten"


def test_three_parameters_are_found():
    result = fitted("chi2", NEAR, ("a", "b", "sigma_pt"))
    difference = result.values - [0.68, 0.98, 0.335]
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 3) > ALPHA
    assert result.errors[2] < 0.002


@pytest.mark.parametrize("name", ["base", "a030", "b058"])
def test_fits_to_events_of_real_pythia_find_its_parameters(name):
    """The base is ours, with other parameters; the target are 50 000 strings that Pythia made."""
    target = ht.datasets.load(f"pythia-pions-{name}")
    start = target.params._replace(a=target.params.a + 0.15, b=1.15 * target.params.b)
    base = ht.hadronize_strings(50_000, start, target.energy, rng=3, quark=target.quark, progress=False)
    result = rsa.fit(base, target, names=("a", "b", "sigma_pt"), rng=np.random.default_rng(4), progress=False)
    difference = result.values - np.array(target.params[:3])
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 3) > ALPHA
    assert result.p_value > ALPHA


def test_no_fit_knows_more_than_the_histories():
    """Cramér–Rao: what happened in the events bounds what their observables can tell."""
    assert np.all(fitted("nll").errors < fitted("chi2").errors)


def test_shapes_break_the_valley_of_the_multiplicity():
    alone = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), observables="n_f", progress=False)
    hessian = alone.objective.hessian(alone.values)
    valley = np.linalg.eigh(hessian)[1][:, 0]
    assert 1.0 < valley[1] / valley[0] < 1.6, "db/da of the valley is about 1.3"
    assert np.all(fitted("chi2").errors < 0.8 * alone.errors)


def test_a_start_far_away_is_reached_by_new_bases():
    result = rsa.fit(generated(FAR, 1), generated(TRUTH, 2), rng=np.random.default_rng(5), progress=False)
    assert len(result.log) > 1
    assert result.log[0].base == FAR
    assert result.n_eff >= 0.8 * 20_000, "the last base is near the minimum"
    difference = result.values - [0.68, 0.98]
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 2) > ALPHA
    with pytest.raises(rsa.FitError, match="pass rng, so that a new one can be generated there"):
        rsa.fit(generated(FAR, 1), generated(TRUTH, 2), progress=False)
    with pytest.raises(rsa.FitError, match="no minimum with 0 new bases"):
        rsa.fit(generated(FAR, 1), generated(TRUTH, 2), rng=np.random.default_rng(5), max_bases=0, progress=False)


def test_a_base_far_from_the_minimum_is_announced_or_replaced():
    sample, target = generated(LundParams(a=1.2), 3, 10_000), generated(TRUTH, 2, 10_000)
    with pytest.warns(RuntimeWarning, match="at the minimum the base is worth 0.* of its events"):
        rsa.fit(sample, target, names=("a",), progress=False)
    result = rsa.fit(sample, target, names=("a",), rng=np.random.default_rng(6), progress=False)
    assert result.n_eff > 0.95 * 10_000
    assert abs(result.values[0] - 0.68) < 4 * result.errors[0]


def test_a_fit_to_data_beyond_its_base_warns():
    sample, target = generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000)
    columns = {"T": ht.observables.compute(target.hadrons, ENERGY, names=("T",))["T"].copy()}
    columns["T"][:200] = 0.5  # no string of the base is as round
    with pytest.warns(RuntimeWarning, match="T beyond all events of the base, outside its support"):
        rsa.fit(
            sample, columns, observables="T", names=("a",), rng=np.random.default_rng(1), floor=0.01, progress=False
        )


def test_a_start_where_one_event_has_all_weight_is_no_quiet_fit():
    start = LundParams(a=0.2, b=3.0)
    with pytest.raises(rsa.FitError, match="worth less than 0.3 of its events"):
        rsa.fit(generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000), start=start, progress=False)


def test_several_bases_are_one():
    half = [generated(NEAR, 6, 10_000), generated(OTHER, 7, 10_000)]
    result = rsa.fit(half, generated(TRUTH, 2), progress=False)
    difference = result.values - [0.68, 0.98]
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 2) > ALPHA
    assert result.errors == pytest.approx(fitted().errors, rel=0.2)


def test_columns_without_events_are_a_target():
    columns = dict(ht.observables.compute(generated(TRUTH, 2).hadrons, ENERGY))
    result = rsa.fit(generated(NEAR, 1), columns, progress=False)
    assert result.values == pytest.approx(fitted().values, abs=1e-6)


def test_a_function_is_an_observable():
    def pions(hadrons):
        return ht.observables.count(hadrons, 211, -211)

    result = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), observables=(pions, "T"), progress=False)
    assert list(result.objective.columns_x) == ["T", "pions"]
    assert np.all(abs(result.values - [0.68, 0.98]) < 4 * result.errors)


def test_wrong_arguments_are_named():
    sim, data = generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000)
    for settings, error, message in (
        ({"loss": "likelihood"}, ValueError, "loss must be one of chi2, pseudo-chi2, wasserstein, nll"),
        ({"loss": ["chi2"]}, ValueError, "loss must be one of"),
        ({"names": ("a", "c")}, ValueError, "names must be of a, b, sigma_pt"),
        ({"names": ()}, ValueError, "names must be of"),
        ({"floor": 0.0}, ValueError, "floor must be between 0 and 1"),
        ({"floor": "half"}, TypeError, "floor must be a number"),
        ({"max_bases": 1.5}, TypeError, "max_bases must be a whole number"),
        ({"n_bins": 0}, ValueError, "n_bins must be at least 1"),
        ({"rng": "3"}, TypeError, "rng must be"),
        ({"seed": 3}, TypeError, "write rng=3"),
        ({"start": (0.7, 0.9)}, TypeError, "params must be LundParams"),
        ({"sim": 3}, TypeError, "sim must be a Sample or several, got int"),
        ({"sim": []}, ValueError, "at least one sample"),
        ({"data": {"T": np.zeros(5)}}, ValueError, "the target has no column 'n_f'; it has T"),
        ({"data": 3}, TypeError, "a target must be a Sample or a mapping of names to columns, got int"),
        ({"data": {"T": np.zeros(5)}, "loss": "nll"}, ValueError, "needs the histories of the target"),
        ({"sim": dataclasses.replace(sim, histories=None)}, ValueError, "no histories"),
        ({"edges": {"D": [0, 1]}}, ValueError, r"edges are given for \['D'\]"),
        ({"edges": {"T": [0.9, 0.8]}}, ValueError, "edges of T must increase"),
        ({"edges": {"T": [0.9, 1.0]}, "loss": "wasserstein"}, ValueError, "wasserstein has no bins"),
        ({"n_bins": 5, "loss": "nll"}, ValueError, "nll has no bins"),
    ):
        with pytest.raises(error, match=message):
            rsa.fit(**({"sim": sim, "data": data, "progress": False} | settings))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("make", [rsa.fit, rsa.Objective])
def test_what_a_fit_cannot_vary_must_agree(make, loss):
    """Energy and flavour of base and target, and the parameters that are no name of a fit."""
    sim, data = generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000)
    other_energy = ht.hadronize_strings(2000, energy=60.0, rng=np.random.default_rng(1), progress=False)
    with pytest.raises(ValueError, match="differ in energy, 100 and 60 GeV"):
        make(sim, other_energy, loss=loss)
    with pytest.raises(ValueError, match="differ in energy, 100 and 60 GeV"):
        make([sim, other_energy], data, loss=loss)
    with pytest.raises(ValueError, match="differ in their quark, u and d"):
        make(sim, dataclasses.replace(data, quark="d"), loss=loss)
    with pytest.raises(ValueError, match="only a, b and sigma_pt may differ here, not stop_mass"):
        make(sim, data, loss=loss, start=LundParams(stop_mass=0.5))


def test_arguments_of_a_fit_are_those_of_its_objective():
    """The same names in the same order; a fit has some more."""
    of_fit, of_objective = (list(inspect.signature(f).parameters) for f in (rsa.fit, rsa.Objective))
    assert of_fit[: len(of_objective)] == of_objective


def test_warnings_point_at_the_line_of_the_user():
    sim, data = generated(LundParams(a=1.2), 3, 10_000), generated(TRUTH, 2, 10_000)
    with pytest.warns(RuntimeWarning, match="at the minimum the base is worth") as caught:
        result = rsa.fit(sim, data, names=("a",), progress=False)
    assert {w.filename for w in caught} == {__file__}
    assert "pass rng" in result.message
    assert "pass rng" in str(result)
    columns = {"T": np.append(ht.observables.compute(data.hadrons, ENERGY, names="T")["T"], [0.5] * 300)}
    with pytest.warns(RuntimeWarning, match="beyond all events of the base") as caught:
        rsa.Objective(sim, columns, observables="T")
    assert {w.filename for w in caught} == {__file__}


def test_samples_of_one_event_or_one_value_are_an_error():
    sim, data = generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000)
    with pytest.raises(ValueError, match="no two bins"):
        rsa.fit(sim[:1], data, progress=False)
    with pytest.raises(ValueError, match="no two bins .* or all values are equal"):
        rsa.fit(sim, {"n_f": np.full(1000, 15.0)}, observables="n_f", progress=False)
    with pytest.raises(ValueError, match="no value at all"):
        rsa.fit(sim, {"n_f": []}, observables="n_f", progress=False)
    with pytest.raises(ValueError, match="no spread"):
        rsa.fit(sim, data[:1], observables="n_f", loss="wasserstein", progress=False)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sample_is_its_own_target(loss):
    """The loss is at its minimum at the start, zero where it is a distance."""
    sim = generated(NEAR, 1, 2000)
    result = rsa.fit(sim, sim, names=("a",), loss=loss, progress=False)
    assert result.values[0] == pytest.approx(NEAR.a, abs=0.05 if loss == "nll" else 1e-3)


def test_samples_too_far_apart_are_an_error_not_a_fit():
    far = {name: np.full(4000, 1e3) + np.arange(4000) for name in rsa.FIVE}
    with pytest.raises(ValueError, match="outside the support of the base"):
        rsa.fit(generated(NEAR, 1, 4000), far, progress=False)


@pytest.mark.parametrize("loss", ["chi2", "nll"])
def test_strings_between_partons_are_fitted_too(loss):
    """Also where there are several in an event, and with new bases of the same partons."""
    showers = ht.datasets.load("pythia-showers-91")[:5000]
    options = {"flavours": "to u d", "progress": False}
    base, target = (
        ht.hadronize_partons(showers, LundParams(a=a, b=b), rng=k, **options)
        for k, (a, b) in enumerate([(0.68, 0.98), (0.60, 0.90)], 1)
    )
    result = rsa.fit(base, target, loss=loss, rng=3, progress=False)
    difference = result.values - [0.60, 0.90]
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 2) > ALPHA


CLUSTERS = ht.ClusterParams(cl_soft=0.15)


def clusters(half, params=CLUSTERS, seed=1):
    showers = ht.datasets.load("pythia-showers-91")[half * 5000 : (half + 1) * 5000]
    return ht.hadronize_clusters(showers, params, rng=seed)


def counted(name, *codes):
    count = lambda hadrons: ht.observables.count(hadrons, *codes).astype(float)
    count.__name__ = name
    return count


SPECIES = (
    counted("K", 321, 311), counted("rho", 113, 213), counted("p", 2212, 2112), counted("Lambda", 3122),
    counted("Delta", 2224, 2214, 2114, 1114), counted("phi", 333),
)  # fmt: skip


def test_parameters_of_clusters_are_found_with_new_bases():
    truth = CLUSTERS.replace(pwt_s=0.45, pwt_diquark=0.28, vector_wt=0.6, cl_max=3.8)
    names = ("pwt_s", "pwt_diquark", "vector_wt", "cl_max")
    data = clusters(1, truth, 2)
    result = rsa.fit(clusters(0), data, names=names, observables=("n_f", "T", "lnx_mean", *SPECIES), rng=3)
    off = result.values - [getattr(truth, name) for name in names]
    assert stats.chi2.sf(off @ np.linalg.solve(result.covariance, off), 4) > ALPHA
    assert result.p_value > ALPHA
    assert result.n_eff > 0.8 * 5000
    assert result.params.cl_soft == CLUSTERS.cl_soft
    assert result.covariance[1, 3] < 0, "heavier clusters or more diquarks: either makes more protons"


def test_clusters_vary_the_weights_of_hadrons_by_default_and_keep_their_masses():
    base = clusters(0)[:1000]
    result = rsa.fit(base, clusters(1)[:1000], observables=SPECIES[:4])
    assert result.names == ("pwt_s", "pwt_diquark", "vector_wt")
    with pytest.raises(ValueError, match="names must be of cl_max, .*, got .'mass_s',."):
        rsa.fit(base, base, names="mass_s")
    sharp = clusters(0, ht.ClusterParams())[:1000]
    with pytest.raises(ValueError, match="threshold of fission in the sample is sharp"):
        rsa.fit(sharp, base, names=("cl_max", "pwt_s"))
    with pytest.raises(TypeError, match="must be ClusterParams, got LundParams"):
        rsa.fit(base, base, start=ht.LundParams())
