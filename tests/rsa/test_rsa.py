import dataclasses
import functools
import sys

import numpy as np
import pytest
import torch
from scipy import stats

import hadtutor as ht
from hadtutor import LundParams, rsa
from hadtutor.metrics import wasserstein
from hadtutor.rsa import Chi2, PseudoChi2, Wasserstein, default_edges
from hadtutor.weights.tensor import LundWeights

ALPHA = 1e-3
TRUTH, NEAR, OTHER, FAR = (LundParams(a=a, b=b) for a, b in ((0.68, 0.98), (0.72, 0.88), (0.64, 1.08), (1.2, 0.5)))
ENERGY = 100.0
SMOOTH = ("chi2", "pseudo-chi2", "nll")


@functools.cache
def generated(params, seed, n=20_000):
    return ht.hadronize_strings(n, params, ENERGY, np.random.default_rng(seed), progress=False)


@functools.cache
def fitted(loss="chi2", base=NEAR, names=("a", "b")):
    return rsa.fit(generated(base, 1), generated(TRUTH, 2), loss=loss, names=names, progress=False)


def normal(rng, n, shift=0.0):
    return {"x": rng.normal(shift, 1, n), "n": rng.poisson(5 + shift, n).astype(float)}


# --- Losses ----------------------------------------------------------------------------------------


def test_edges_are_rich_in_both_samples_and_reach_to_infinity(rng):
    x, y = rng.normal(0, 1, 3000), rng.normal(1, 1, 3000)
    edges = default_edges(x, y)
    assert edges[0] == -np.inf
    assert edges[-1] == np.inf
    assert np.all(np.diff(edges) > 0)
    for values in (x, y):
        assert np.histogram(values, edges)[0].min() >= 25
    counts = default_edges(*(rng.poisson(4, 3000) for _ in range(2)))
    assert np.all(counts[1:-1] % 1 == 0.5), "numbers have bins of their own"
    assert np.all(np.diff(counts[1:-1]) == 1)


def test_samples_without_overlap_are_an_error():
    with pytest.raises(ValueError, match="has no two bins with 25 events of both samples"):
        default_edges(np.arange(1000.0), 5000 + np.arange(1000.0))


def test_pseudo_chi2_is_the_sum_over_bins(rng):
    x, y, edges = normal(rng, 500), normal(rng, 800, 0.3), {"x": [-1, 0, 0.5, 2], "n": [-0.5, 4.5, 8.5]}
    w = rng.uniform(0.5, 2, 500)
    w /= w.sum()
    expected = 0.0
    for name, e in edges.items():
        for low, high in zip(e[:-1], e[1:], strict=True):
            in_x, in_y = ((v[name] >= low) & (v[name] < high) for v in (x, y))
            share_x, share_y = w[in_x].sum(), in_y.mean()
            variance = np.sum((w * (in_x - share_x)) ** 2) + np.sum((in_y - share_y) ** 2) / 800**2
            expected += (share_x - share_y) ** 2 / variance
    loss = PseudoChi2(x, y, edges)(torch.tensor(w).log() + 3.0, torch.zeros(800, dtype=torch.float64))
    assert float(loss) == pytest.approx(expected)


def test_chi2_of_equal_samples_follows_its_distribution(rng):
    """With correlated observables; the pseudo-χ² of the same samples is too broad."""
    p_values, pseudo = [], []
    for _ in range(200):
        x, y = normal(rng, 2000), normal(rng, 3000)
        for columns in (x, y):
            columns["again"] = columns["x"] + 0.05 * rng.normal(size=len(columns["x"]))
        zeros = [torch.zeros(n, dtype=torch.float64) for n in (2000, 3000)]
        loss = Chi2(x, y, zeros[0], n_bins=8)
        p_values.append(stats.chi2.sf(float(loss(*zeros)), loss.ndf))
        loss = PseudoChi2(x, y, n_bins=8)
        pseudo.append((float(loss(*zeros)) - loss.ndf) / (2 * loss.ndf) ** 0.5)
    assert stats.kstest(p_values, "uniform").pvalue > ALPHA
    assert abs(np.mean(pseudo)) < 4 * np.std(pseudo) / 200**0.5, "its mean is the number of bins"
    # The variance of 200 values of a true χ² with 20 degrees of freedom has an error of 0.11: p < 1e-3.
    assert np.var(pseudo) > 1.35, "as if there were fewer bins, which tell the same"


def test_wasserstein_is_that_of_scipy(rng):
    x, y = normal(rng, 500), normal(rng, 800, 0.3)
    log_w = rng.normal(size=500)
    expected = sum(wasserstein(x[n], y[n], log_w) / y[n].std() for n in x)
    x["x"][3] = np.nan  # left out
    without = sum(wasserstein(x[n], y[n], log_w) / y[n].std() for n in x)
    loss = Wasserstein(x, y)(torch.tensor(log_w), torch.zeros(800, dtype=torch.float64))
    assert float(loss) == pytest.approx(without)
    assert without != expected


def test_events_without_a_value_count_in_no_bin(rng):
    x, y = normal(rng, 500), normal(rng, 800)
    x["x"][:100] = np.nan
    zeros = [torch.zeros(n, dtype=torch.float64) for n in (500, 800)]
    assert np.isfinite(float(PseudoChi2(x, y)(*zeros)))
    assert np.isfinite(float(Chi2(x, y, zeros[0])(*zeros)))


@pytest.mark.parametrize("empty", ["first", "last"])
def test_empty_bins_give_no_nan(rng, empty):
    """Bins from the range of the data have empty ends in one sample or the other: 0/0 in a naive loss."""
    x, y = {"x": rng.uniform(0, 1, 500)}, {"x": rng.uniform(0, 1, 500)}
    edges = {"x": [-1.0, 0.0, 0.5, 1.0] if empty == "first" else [0.0, 0.5, 1.0, 2.0]}
    log_w = torch.zeros(500, dtype=torch.float64, requires_grad=True)
    for loss in (PseudoChi2(x, y, edges), Chi2(x, y, log_w.detach(), edges)):
        (gradient,) = torch.autograd.grad(loss(log_w, torch.zeros(500, dtype=torch.float64)), log_w)
        assert bool(torch.isfinite(gradient).all())


def test_a_target_outside_the_support_is_announced(rng):
    x, y = {"x": rng.uniform(0, 1, 500)}, {"x": rng.uniform(0, 2, 500)}
    with pytest.warns(RuntimeWarning, match=r"\d+\.\d% of the target has x beyond all events of the base"):
        PseudoChi2(x, y)
    with pytest.warns(RuntimeWarning) as caught:
        PseudoChi2(x, y, {"x": [0, 0.5, 1, 2]})
    assert any("bins where the base has none" in str(w.message) for w in caught)
    with pytest.warns(RuntimeWarning, match="outside its support"):
        Wasserstein(x, y)


def test_wrong_columns_are_named(rng):
    x = normal(rng, 100)
    with pytest.raises(ValueError, match="the same observables"):
        PseudoChi2(x, {"x": x["x"]})
    with pytest.raises(ValueError, match="no value at all"):
        PseudoChi2({"x": np.full(9, np.nan)}, {"x": np.zeros(9)})
    with pytest.raises(ValueError, match="infinite value in event 2"):
        Wasserstein({"x": np.array([0.0, 1, np.inf])}, {"x": np.zeros(9)})
    with pytest.raises(ValueError, match="no spread"):
        Wasserstein({"x": np.arange(9.0)}, {"x": np.ones(9)})


# --- The objective and its derivatives --------------------------------------------------------------


@pytest.mark.parametrize("loss", rsa.objective.LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    objective = rsa.Objective(
        generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000), loss=loss, names=("a", "b", "sigma_pt")
    )
    values = np.array([0.66, 0.95, 0.331])
    _, gradient = objective.value_and_gradient(values)
    size = 1e-7 if loss == "wasserstein" else 1e-6  # short enough to meet no kink of |F - G|
    for k in range(3):
        step = size * np.eye(3)[k]
        up, down = (objective.value_and_gradient(values + s)[0] for s in (step, -step))
        # A difference of two losses keeps as many digits as are left of sixteen.
        assert gradient[k] == pytest.approx((up - down) / (2 * size), rel=1e-6, abs=1e-14 * abs(up) / size)


@pytest.mark.parametrize("loss", SMOOTH)
def test_hessian_is_the_derivative_of_the_gradient(loss):
    objective = rsa.Objective(generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000), loss=loss)
    values = np.array([0.66, 0.95])
    hessian = objective.hessian(values)
    for k in range(2):
        step = 1e-5 * np.eye(2)[k]
        up, down = (objective.value_and_gradient(values + s)[1] for s in (step, -step))
        assert hessian[k] == pytest.approx((up - down) / 2e-5, rel=1e-4)


def test_single_precision_weights_give_the_gradient_too():
    sample, target = generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000)
    columns = [ht.observables.compute(s.hadrons, ENERGY, names=("n_f", "T")) for s in (sample, target)]
    gradients = []
    for dtype in (torch.float64, torch.float32):
        module = LundWeights(sample, TRUTH, dtype=dtype)
        PseudoChi2(*columns, dtype=dtype)(module(), torch.zeros(4000, dtype=dtype)).backward()
        gradients.append([module.a.grad.item(), module.b.grad.item()])
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-2)


def test_counting_events_is_repeating_them(rng):
    """What the bootstrap and the sandwich rely on."""
    pair = generated(NEAR, 1, 3000), generated(TRUTH, 2, 3000)
    counts = [rng.poisson(1.0, 3000) for _ in range(2)]
    again = [s[np.repeat(np.arange(3000), c)] for s, c in zip(pair, counts, strict=True)]
    log_counts = [torch.tensor(c.astype(float)).log() for c in counts]
    one, two = (rsa.Objective(*samples, "T", "wasserstein") for samples in (pair, again))
    spreads = [o.columns_y["T"].std() for o in (one, two)]  # the unit of the distance
    assert float(one([0.7, 0.9], *log_counts)) * spreads[0] == pytest.approx(float(two([0.7, 0.9])) * spreads[1])
    one, two = (rsa.Objective(*samples, loss="nll") for samples in (pair, again))
    assert float(one([0.7, 0.9], *log_counts)) == pytest.approx(float(two([0.7, 0.9])))


@pytest.mark.parametrize("loss", SMOOTH)
def test_the_sandwich_is_the_scatter_of_resampled_gradients(loss, rng):
    result = fitted(loss)
    objective, hessian = result.objective, result.objective.hessian(result.values)
    steps = []
    for _ in range(150):
        # Counts of 0.9 and 1.1 in place of 0 and 2: the errors inside the loss depend on the counts too.
        counts = (torch.tensor(1 + 0.1 * (rng.poisson(1.0, n) - 1)).log() for n in objective.sizes)
        steps.append(10 * np.linalg.solve(hessian, objective.value_and_gradient(result.values, *counts)[1]))
    # The standard deviation of 150 values has a relative error of 6 %.
    assert np.std(steps, axis=0, ddof=1) == pytest.approx(result.errors, rel=0.2)


# --- Fits ------------------------------------------------------------------------------------------


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
    base = ht.hadronize_strings(50_000, start, target.energy, np.random.default_rng(3), target.quark, progress=False)
    result = rsa.fit(base, target, names=("a", "b", "sigma_pt"), rng=np.random.default_rng(4), progress=False)
    difference = result.values - np.array(target.params[:3])
    assert stats.chi2.sf(difference @ np.linalg.solve(result.covariance, difference), 3) > ALPHA
    assert result.p_value > ALPHA


def test_no_fit_knows_more_than_the_histories():
    """Cramér–Rao: what happened in the events bounds what their observables can tell."""
    assert np.all(fitted("nll").errors < fitted("chi2").errors)


def test_shapes_break_the_valley_of_the_multiplicity():
    alone = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), "n_f", progress=False)
    hessian = alone.objective.hessian(alone.values)
    valley = np.linalg.eigh(hessian)[1][:, 0]
    assert 1.0 < valley[1] / valley[0] < 1.6, "db/da of the valley is about 1.3"
    assert np.all(fitted("chi2").errors < 0.8 * alone.errors)


def test_wasserstein_fit_has_errors_by_bootstrap():
    sample, target = generated(NEAR, 1, 5000), generated(TRUTH, 2, 5000)
    result = rsa.fit(sample, target, loss="wasserstein", progress=False)
    assert np.isnan(result.errors).all()
    scatter = result.bootstrap(np.random.default_rng(3), 30, progress=False)
    covariance = np.cov(scatter.T)
    difference = result.values - [0.68, 0.98]
    assert stats.chi2.sf(difference @ np.linalg.solve(covariance, difference), 2) > ALPHA


def test_bootstrap_scatters_like_the_sandwich():
    sample, target = generated(NEAR, 1, 5000), generated(TRUTH, 2, 5000)
    result = rsa.fit(sample, target, loss="pseudo-chi2", progress=False)
    scatter = result.bootstrap(np.random.default_rng(4), 60, progress=False)
    assert scatter.std(axis=0, ddof=1) == pytest.approx(result.errors, rel=0.35)


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
        rsa.fit(sample, columns, ("T",), names=("a",), rng=np.random.default_rng(1), floor=0.01, progress=False)


def test_a_start_where_one_event_has_all_weight_is_no_quiet_fit():
    start = LundParams(a=0.2, b=3.0)
    with pytest.raises(rsa.FitError, match="worth less than 0.3 of its events"):
        rsa.fit(generated(NEAR, 1, 2000), generated(TRUTH, 2, 2000), init=start, progress=False)


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

    result = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), (pions, "T"), progress=False)
    assert list(result.objective.columns_x) == ["T", "pions"]
    assert np.all(abs(result.values - [0.68, 0.98]) < 4 * result.errors)


def test_minibatches_with_adam_reach_the_minimum():
    sample, target = generated(NEAR, 1), generated(TRUTH, 2)
    columns = [ht.observables.compute(s.hadrons, ENERGY, names=("n_f", "T", "lnx_mean")) for s in (sample, target)]
    edges = {name: default_edges(*(c[name] for c in columns)) for name in columns[0]}
    module = LundWeights(sample)
    module.sigma_pt.requires_grad_(False)
    adam = torch.optim.Adam([module.a, module.b], lr=0.01)
    generator = torch.Generator().manual_seed(1)
    zeros = torch.zeros(len(target), dtype=torch.float64)
    for _ in range(8):
        for batch in torch.randperm(20_000, generator=generator).split(5000):
            loss = PseudoChi2({n: c[batch.numpy()] for n, c in columns[0].items()}, columns[1], edges)
            adam.zero_grad()
            loss(module(batch), zeros).backward()
            adam.step()
    full = PseudoChi2(*columns, edges)
    assert float(full(module(), zeros).detach()) < 0.2 * float(full(LundWeights(sample)(), zeros).detach())


def test_profile_and_contour_are_those_of_the_covariance():
    result = fitted()
    steps = np.array([-1.0, 0.0, 1.0])
    rise = result.profile("a", result.values[0] + steps * np.sqrt(result.covariance_hessian[0, 0])) - result.loss
    assert rise == pytest.approx(steps**2, abs=0.15)
    outline = result.contour("a", "b", cl=0.68, n_points=20)
    assert outline.shape == (20, 2)
    d = outline - result.values
    radius = np.einsum("ki,ij,kj->k", d, np.linalg.inv(result.covariance_hessian), d)
    assert radius == pytest.approx(np.full(20, stats.chi2.isf(0.32, 2)), rel=0.15)
    text = str(result)
    assert "a = 0." in text
    assert "±" in text


# --- The score -------------------------------------------------------------------------------------


@functools.cache
def score(n=6000):
    return rsa.Score(generated(LundParams(a=0.9), 1, n), generated(LundParams(a=0.5), 2, n), epochs=3, progress=False)


def test_the_score_separates_what_it_was_trained_for():
    fresh = [score()(generated(p, seed, 6000).hadrons) for p, seed in ((LundParams(a=0.9), 8), (LundParams(a=0.5), 9))]
    assert ht.metrics.auc(*fresh[::-1]).auc > 0.55
    trained = score()(generated(LundParams(a=0.9), 1, 6000).hadrons)
    assert stats.ks_2samp(trained, fresh[0]).pvalue > ALPHA, "no event is judged by the network that has seen it"


def test_the_score_is_an_observable_to_fit():
    result = rsa.fit(
        generated(LundParams(a=0.9), 1, 6000), generated(LundParams(a=0.5), 2, 6000), (score(),), names=("a",),
        rng=np.random.default_rng(3), floor=0.1, progress=False,
    )  # fmt: skip
    assert abs(result.values[0] - 0.5) < 4 * result.errors[0]
    assert list(result.objective.columns_x) == ["score"]


def test_a_score_of_two_energies_is_refused():
    with pytest.raises(ValueError, match="differ in energy, 100 and 90 GeV"):
        rsa.Score(generated(NEAR, 1, 4000), ht.hadronize_strings(100, rng=np.random.default_rng(1)))


# --- What cannot be ----------------------------------------------------------------------------------


def test_wrong_arguments_are_named(monkeypatch):
    sample, target = generated(NEAR, 1, 4000), generated(TRUTH, 2, 4000)
    for settings, error, message in (
        ({"loss": "likelihood"}, ValueError, "loss must be one of chi2, pseudo-chi2, wasserstein, nll"),
        ({"names": ("a", "c")}, ValueError, "names must be of a, b, sigma_pt"),
        ({"names": ()}, ValueError, "names must be of"),
        ({"floor": 0.0}, ValueError, "floor must be between 0 and 1"),
        ({"rng": 3}, TypeError, "rng must be"),
        ({"target": {"T": np.zeros(5)}}, ValueError, "the target has no column 'n_f'; it has T"),
        ({"target": 3}, TypeError, "a target must be a Sample or a mapping of names to columns, got int"),
        ({"target": {"T": np.zeros(5)}, "loss": "nll"}, ValueError, "needs the histories of the target"),
        ({"sample": dataclasses.replace(sample, histories=None)}, ValueError, "no histories"),
    ):
        with pytest.raises(error, match=message):
            rsa.fit(**({"sample": sample, "target": target, "progress": False} | settings))
    result = fitted()
    with pytest.raises(ValueError, match="the fit has a, b, not 'sigma_pt'"):
        result.profile("sigma_pt", [0.3])
    with pytest.raises(ValueError, match="differences of pseudo-chi2 are no confidence levels"):
        fitted("pseudo-chi2").contour("a", "b")
    with pytest.raises(ValueError, match="at least two resamples"):
        result.bootstrap(np.random.default_rng(1), 1)
    monkeypatch.setitem(sys.modules, "iminuit", None)
    with pytest.raises(ImportError, match="contours need the extra `hep`"):
        result.contour("a", "b")


def test_samples_too_far_apart_are_an_error_not_a_fit():
    far = {name: np.full(4000, 1e3) + np.arange(4000) for name in rsa.FIVE}
    with pytest.raises(ValueError, match="outside the support of the base"):
        rsa.fit(generated(NEAR, 1, 4000), far, progress=False)
