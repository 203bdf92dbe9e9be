"""What a fit says: errors, bootstrap, profile, contour, and the base of all results."""

import sys

import numpy as np
import pytest
from fits import ALPHA, NEAR, TRUTH, fitted, generated
from scipy import stats

from hadtutor import rsa
from hadtutor.estimates import Estimate


def test_wasserstein_fit_has_errors_by_bootstrap():
    sample, target = generated(NEAR, 1, 5000), generated(TRUTH, 2, 5000)
    result = rsa.fit(sample, target, loss="wasserstein", progress=False)
    assert np.isnan(result.errors).all()
    scatter = result.bootstrap(30, rng=3, progress=False)
    covariance = np.cov(scatter.T)
    difference = result.values - [0.68, 0.98]
    assert stats.chi2.sf(difference @ np.linalg.solve(covariance, difference), 2) > ALPHA


def test_bootstrap_scatters_like_the_sandwich():
    sample, target = generated(NEAR, 1, 5000), generated(TRUTH, 2, 5000)
    result = rsa.fit(sample, target, loss="pseudo-chi2", progress=False)
    scatter = result.bootstrap(60, rng=4, progress=False)
    assert scatter.std(axis=0, ddof=1) == pytest.approx(result.errors, rel=0.35)


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


def test_a_profile_of_one_parameter_is_the_loss():
    result = rsa.fit(generated(NEAR, 1), generated(TRUTH, 2), names="a", observables=("n_f", "T"), progress=False)
    values = result.values[0] + np.array([-0.02, 0.0, 0.02])
    assert result.profile("a", values) == pytest.approx([float(result.objective([v])) for v in values])
    with pytest.raises(ValueError, match="two different parameters"):
        result.contour("a", "a")


@pytest.mark.parametrize("loss", ["chi2", "wasserstein"])
def test_a_profile_takes_one_number_and_needs_no_second_derivatives(loss):
    sample, target = generated(NEAR, 1, 5000), generated(TRUTH, 2, 5000)
    result = rsa.fit(sample, target, loss=loss, observables=("n_f", "T"), progress=False)
    here = result.profile("a", result.values[0] + 0.02)
    assert isinstance(here, float)
    assert here == result.profile("a", [result.values[0] + 0.02])[0]
    assert here >= result.loss * (1 - 1e-3)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.44, 1001.0, [0.9, -1.0], np.nan])
def test_a_profile_ends_where_weights_have_no_finite_variance(value):
    with pytest.raises(ValueError, match="b = .* is outside 0.4488 to 1000|b must be finite"):
        fitted().profile("b", value)


def test_wrong_questions_to_a_result_are_named(monkeypatch):
    result = fitted()
    with pytest.raises(ValueError, match="the fit has a, b, not 'sigma_pt'"):
        result.profile("sigma_pt", [0.3])
    with pytest.raises(TypeError, match="a must be a number"):
        result.profile("a", "0.6")
    for cl in (0.0, 1.0, 68, -0.1):
        with pytest.raises(ValueError, match="cl must be between 0 and 1"):
            result.contour("a", "b", cl=cl)
    for loss in ("pseudo-chi2", "wasserstein"):
        with pytest.raises(ValueError, match=f"differences of {loss} are no confidence levels"):
            fitted(loss).contour("a", "b")
    with pytest.raises(ValueError, match="at least two resamples"):
        result.bootstrap(1, rng=1)
    with pytest.raises(TypeError, match="write rng=1"):
        result.bootstrap(5, seed=1)
    monkeypatch.setitem(sys.modules, "iminuit", None)
    with pytest.raises(ImportError, match="a contour needs the extra `hep`"):
        result.contour("a", "b")


def test_a_result_is_an_estimate(tmp_path):
    result = fitted()
    assert isinstance(result, Estimate)
    assert result.chi2 == result.loss
    assert result.p_value == pytest.approx(stats.chi2.sf(result.loss, result.ndf))
    assert "<td>" in result._repr_html_()
    result.save(tmp_path / "fit.npz")
    again = Estimate.load(tmp_path / "fit.npz")
    assert again.names == result.names
    assert np.array_equal(again.covariance, result.covariance)
    assert (again.chi2, again.ndf, again.n_eff) == (result.chi2, result.ndf, result.n_eff)
    assert (again.params, again.loss) == (result.params, result.loss)
    assert np.array_equal(again.covariance_hessian, result.covariance_hessian)


@pytest.mark.parametrize("loss", ["pseudo-chi2", "nll"])
def test_what_is_no_chi2_has_no_p_value(loss):
    result = fitted(loss)
    assert np.isnan(result.chi2)
    assert np.isnan(result.p_value)
    assert f"{loss} {result.loss:.4g}" in str(result)
