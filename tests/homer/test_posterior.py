"""Error bars: the measurement, the posterior, and what parametric fits make of it."""

import numpy as np
import pytest
from checks import ALPHA
from homer_samples import BASE, TARGET, Z, fitted, generated, matrix, prepared
from scipy import stats

from hadtutor import LundMixture, homer, lund
from hadtutor.estimates import Estimate
from hadtutor.homer import BreakWeights, Measurement, Moments, event_sigma, infer, measure, priors
from hadtutor.weights import event_weights


def test_the_measurement_is_linear_with_unit_noise():
    """The truth fits the measurement, with a chi-square that has as many degrees of freedom as there are features."""
    chains, sim = prepared(), generated()
    basis = chains.basis
    z, mt2 = basis.z_and_mt2()
    truth = basis.project(np.clip(lund.log_density(z, mt2, TARGET) - lund.log_density(z, mt2, BASE), -20, 20))
    breaks = BreakWeights(basis, truth)
    log_w = homer.step_three(chains, breaks)[0]
    x = matrix()
    found = measure(chains, breaks, log_w, Moments(x), x, matrix(TARGET, 2))
    residual = found.y - found.h @ truth
    assert stats.chi2.sf(residual @ residual, len(residual)) > ALPHA
    assert len(sim) == len(x)


def test_the_posterior_is_that_of_linear_algebra(rng, monkeypatch):
    """By precisions in place of gains, and densities in place of factorised ones, over two priors."""
    monkeypatch.setattr(priors, "DEPARTURES", (0.3,))
    monkeypatch.setattr(priors, "STRETCHES", (1.5,))
    basis = homer.prepare(generated(), factors=("order", "sigma_pt")).basis
    h = rng.standard_normal((30, basis.size))
    y = rng.standard_normal(30)
    found = infer(Measurement(y, h), basis)
    both = [basis.prior(priors.NO_DEPARTURE), basis.prior(0.3, (1.5, 1.5))]
    before = np.array([priors.SIMPLE, 1.0 - priors.SIMPLE])
    share = before * [stats.multivariate_normal(cov=h @ p @ h.T + np.eye(30)).pdf(y) for p in both]
    assert found.log_evidence == pytest.approx(np.log(share.sum()), abs=1e-6)
    covariances = [np.linalg.inv(h.T @ h + np.linalg.inv(p)) for p in both]
    means = np.array([c @ h.T @ y for c in covariances])
    theta = share @ means / share.sum()
    spread = sum(s * (c + np.outer(m - theta, m - theta)) for s, c, m in zip(share, covariances, means, strict=True))
    assert np.allclose(found.theta, theta, atol=1e-5)
    assert np.allclose(found.covariance, spread / share.sum(), atol=1e-5)


def test_parameters_are_recovered():
    fit = homer.fit_lund(fitted(), bootstraps=20, rng=1, progress=False)
    truth = np.array([TARGET.a, TARGET.b, TARGET.sigma_pt])
    difference = fit.values - truth
    assert stats.chi2.sf(difference @ np.linalg.solve(fit.covariance, difference), 3) > ALPHA
    assert fit.p_value > ALPHA
    ratio = fit.bootstraps.std(axis=0) / fit.errors
    assert np.all(np.abs(ratio - 1) < 4 / np.sqrt(2 * 20)), "bootstraps scatter by something else than the errors"
    assert "a = " in str(fit)


def test_a_mixture_is_found_where_one_function_fails():
    wide = LundMixture((BASE._replace(a=1.6), BASE._replace(a=0.1)), (0.6, 0.4))
    result = homer.fit(generated(BASE, 1, 60_000), generated(wide, 5, 60_000), iterations=3, progress=False)
    naive, mixture = homer.fit_lund(result), homer.fit_mixture(result)
    assert naive.p_value < 1e-4, "one Lund function describes a mixture of two"
    assert mixture.p_value > ALPHA
    difference = mixture.values - [1.6, 0.1, 0.6]
    assert stats.chi2.sf(difference @ np.linalg.solve(mixture.covariance, difference), 3) > ALPHA


def test_event_weights_know_their_errors():
    result = fitted()
    exact = event_weights(generated(), TARGET).log_w
    found = homer.coverage(result.log_w, result.sigma, exact)
    # One experiment: the pulls of all events come from a handful of directions.
    assert 0.3 < found.width < 2.5
    assert abs(found.mean) < 1.0


def test_samples_of_f_scatter_as_the_error_says(rng):
    result = fitted()
    samples = result.f_samples(Z[0], 0.1, 400, rng=rng)
    assert np.allclose(samples.std(axis=0) / result.f(Z[0], 0.1)[1], 1, atol=0.25)


def test_a_parametric_fit_is_an_estimate(tmp_path):
    found = homer.fit_lund(fitted(), "a")
    assert isinstance(found, Estimate)
    assert found.names == ("a",)
    assert found.params == BASE._replace(a=found.values[0])
    assert found.bootstraps.shape == (0, 1)
    assert found.n_eff == fitted().n_eff
    assert "<table>" in found._repr_html_()
    found.save(tmp_path / "fit.npz")
    again = Estimate.load(tmp_path / "fit.npz")
    assert (again.values, again.params) == (found.values, found.params)
    assert again.bootstraps.shape == (0, 1)


@pytest.mark.parametrize("names", [("c",), "ab", (), ("a", "a")])
def test_names_of_parameters_are_known(names):
    with pytest.raises(ValueError, match="names"):
        homer.fit_lund(fitted(), names)


def test_bootstraps_want_random_numbers():
    with pytest.raises(TypeError, match="rng must be"):
        homer.fit_lund(fitted(), bootstraps=2)
    with pytest.raises(ValueError, match="bootstraps must be"):
        homer.fit_mixture(fitted(), bootstraps=-1, rng=1)


def test_errors_of_events_want_a_covariance():
    with pytest.raises(ValueError, match="no covariance"):
        event_sigma(prepared(), fitted().of_iteration(0), fitted().log_w)
