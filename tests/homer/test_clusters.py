"""HOMER for clusters: their laws of decays from events."""

import numpy as np
import pytest
from scipy import stats

import hadtutor as ht
from hadtutor import homer
from hadtutor.cluster.angles import decay_angles
from hadtutor.homer.clusters import ClusterBase
from hadtutor.homer.decays import ANGLES, DecayBasis, smeared
from hadtutor.homer.scores import measure_scores

PARAMS = ht.ClusterParams(cl_smr_charm=0.78, cl_smr_bottom=0.78)
PIONS = {"pions_only": True, "progress": False}
SHOWERS = ht.datasets.load("pythia-showers-91")
COSINES = np.linspace(0.1, 0.9, 9)


def learned(params, without, with_one, mass=None):
    """A result with the laws closest to two functions of |cosθ|, to draw from."""
    basis = DecayBasis(params, mass)
    c = np.repeat(basis.axes[0].nodes, basis.n_masses)
    theta = np.linalg.lstsq(basis.matrix, np.concatenate([without(c), with_one(c)]))[0]
    none = np.zeros((basis.size, basis.size))
    return homer.ClusterResult(basis, theta, none, np.zeros(2), np.zeros(2), None)


@pytest.fixture(scope="module")
def secret():
    """1 + 3 cos² about the flight, and a smearing of 1.5 in place of .78."""
    return learned(PARAMS, lambda c: np.log1p(3.0 * c**2), lambda c: np.log(smeared(c, 1.5) / smeared(c, 0.78)))


@pytest.fixture(scope="module")
def sim():
    return ht.hadronize_clusters(SHOWERS[:4000], PARAMS, rng=1, **PIONS)


@pytest.fixture(scope="module")
def data(secret):
    return ht.hadronize_clusters(SHOWERS[4000:8000], PARAMS, rng=2, decay=secret.decay, **PIONS)


@pytest.fixture(scope="module")
def result(sim, data):
    return homer.fit(sim, data.hadrons, rng=3, method="trees", progress=False)


def true_log_w(secret, flag):
    return secret(COSINES, flag)[0]


def test_weights_are_normalised_and_their_slopes_are_right(sim):
    basis = DecayBasis(PARAMS, decay_angles(sim).mass)
    theta = np.random.default_rng(1).normal(0.0, 0.5, basis.size)
    new = np.exp(basis.table_of(theta)).reshape(4, ANGLES, -1)
    assert np.allclose(np.einsum("kc,kcm->km", basis.shares, new), 1.0, atol=1e-12), "laws integrate to one"
    for k in range(0, basis.size, 5):
        step = np.zeros(basis.size)
        step[k] = 1e-5
        slope = (basis.table_of(theta + step) - basis.table_of(theta - step)) / 2e-5
        assert np.allclose(slope, basis.derivative(theta)[:, k], atol=1e-8)


def test_priors_are_covariances():
    basis = DecayBasis(PARAMS, factors=("pwt_s",))
    settings, before = basis.settings()
    assert np.isclose(before.sum(), 1.0)
    assert min(np.linalg.eigvalsh(basis.prior(*setting)).min() for setting in settings) > -1e-10


@pytest.mark.parametrize("smearing", [0.05, 0.78, 10.0])
def test_the_law_of_the_model(smearing):
    """Sizes of cosines as the generator draws them."""
    u = np.random.default_rng(1).uniform(size=4000)
    cosine = 1.0 + smearing * np.log1p(u * np.expm1(-2.0 / smearing))
    grid = np.linspace(0.0, 1.0, 20_001)
    density = smeared(grid, smearing)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    assert abs(cumulative[-1] - 1.0) < 1e-3
    assert stats.kstest(abs(cosine), lambda x: np.interp(x, grid, cumulative)).pvalue > 1e-3


def test_laws_are_drawn_as_they_are_weighted(sim, secret):
    """Weights from the model to a law, and events made with it: the same angles, for each kind."""
    made = ht.hadronize_clusters(SHOWERS[4000:8000], PARAMS, rng=5, decay=secret.decay, **PIONS)
    one, other = decay_angles(sim), decay_angles(made)
    for kind in (0, 1):
        a, b = one.kind == kind, other.kind == kind
        log_w, _ = secret(one.cosine[a], bool(kind))
        x, y = one.cosine[a], other.cosine[b]
        for moment in (lambda c: c**2, lambda c: c**4) if kind == 0 else (abs, lambda c: c**2, lambda c: c):
            w = np.exp(log_w)
            # The odd part is that of the model, and weights know nothing of it: they weight both signs alike.
            mean = np.average(moment(x), weights=w)
            error = np.sqrt(np.sum((w * (moment(x) - mean)) ** 2)) / w.sum()
            pull = (mean - moment(y).mean()) / np.hypot(error, moment(y).std() / np.sqrt(len(y)))
            assert abs(pull) < 4, f"kind {kind}: weighted and drawn angles differ by {pull:.1f} errors"


def test_laws_that_depend_on_the_mass_are_drawn_as_they_are_weighted(sim):
    mass = decay_angles(sim).mass
    law = learned(PARAMS, lambda c: 0.0 * c, lambda c: 0.0 * c, mass)
    basis = law.basis
    c, m = np.repeat(basis.axes[0].nodes, basis.n_masses), np.tile(basis.axes[1].nodes, ANGLES)
    law.theta = np.linalg.lstsq(basis.matrix, np.append(2.0 * m * c**2, 0.0 * c))[0]  # steeper for heavy ones
    made = decay_angles(ht.hadronize_clusters(SHOWERS[:4000], PARAMS, rng=6, decay=law.decay, **PIONS))
    angles = decay_angles(sim)
    for low, high in ((0.0, 1.0), (1.0, 1.6), (1.6, np.inf)):
        a = (angles.kind == 0) & (angles.mass > low) & (angles.mass < high)
        b = (made.kind == 0) & (made.mass > low) & (made.mass < high)
        w = np.exp(law(angles.cosine[a], False, angles.mass[a])[0])
        x, y = angles.cosine[a] ** 2, made.cosine[b] ** 2
        mean = np.average(x, weights=w)
        error = np.hypot(np.sqrt(np.sum((w * (x - mean)) ** 2)) / w.sum(), y.std() / np.sqrt(len(y)))
        assert abs(mean - y.mean()) < 4 * error


def test_weights_of_events(sim, secret):
    base = ClusterBase(sim, None, secret.basis, np.zeros(secret.basis.size), np.arange(len(sim)))
    w = np.exp(base.log_w(secret.theta))
    pull = (w.mean() - 1.0) / (w.std() / np.sqrt(len(w)))
    assert abs(pull) < 4, f"the mean weight is {pull:.1f} errors from one"
    theta, k = secret.theta, 3
    step = np.eye(len(theta))[k] * 1e-5
    slope = (base.log_w(theta + step) - base.log_w(theta - step)) / 2e-5
    assert np.allclose(slope, base.rows(theta)[:, k], atol=1e-6)


def test_scores_do_not_take_noise_for_information():
    """Features that know nothing: coefficients stay unknown, though there are many features and few events."""
    rng = np.random.default_rng(1)
    x, y, rows = (rng.normal(size=(2000, n)) for n in (150, 150, 4))
    found = measure_scores(rows, np.zeros(4), np.zeros(2000), lambda v, events: v[events], x, y)
    information = np.trace(found.h.T @ found.h)
    # Of a covariance of two noises in units of its error, squared: sixteen, each about one half. Taken at face value,
    # the features would claim as much for each of them, 300 in all.
    assert information < 0.56 * stats.chi2(16).isf(1e-4)
    off = found.y - found.h @ np.zeros(4)
    assert off @ off < stats.chi2(4).isf(1e-4)


def test_scores_find_what_there_is():
    """y = θ x + noise with a known θ: the right value within its error, and the error of the best estimate."""
    rng = np.random.default_rng(2)
    x, truth = rng.normal(size=(4000, 20)), 0.1
    y = rng.normal(size=(4000, 20))
    y[:, 0] += truth  # the mean of a Gaussian: ln w = θ x₀, which one feature knows
    found = measure_scores(x[:, :1], np.zeros(1), np.zeros(4000), lambda v, events: v[events], x, y)
    information = (found.h.T @ found.h).item()
    assert abs(information / 2000 - 1.0) < 0.2
    assert abs((found.h.T @ found.y).item() / information - truth) < 4 / np.sqrt(information)


def test_the_secret_is_found(result, secret):
    for flag in (False, True):
        log_w, sigma = result(COSINES, flag)
        pull = (log_w - true_log_w(secret, flag)) / sigma
        assert np.sqrt(np.mean(pull**2)) < 2.5, f"errors of ln w hold, got pulls {pull.round(1)}"
        before, after = abs(true_log_w(secret, flag)).mean(), abs(log_w - true_log_w(secret, flag)).mean()
        assert after < before / (4 if not flag else 1.5), "the laws come nearer"
    assert result.auc < 0.5 + 4 * result.auc_error, "simulation and data cannot be told apart"
    assert result.p_value > 1e-3
    assert len(result.bases) == 2
    assert result.bases[-1] > 0.8
    assert len(result.log_w) == len(result.sigma) == len(result.sim) == 4 * 4000, "four events of each shower"
    assert "AUC" in str(result)


def test_densities_integrate_to_one(result):
    c = np.linspace(0.0, 1.0, 2001)
    for flag in (False, True):
        density, sigma = result.density(c, flag)
        assert abs(np.trapezoid(density, c) - 1.0) < 1e-3
        assert np.all(sigma > 0.0)
        assert np.allclose(result.density(-c, flag)[0], density), "which hadron leads is not known"


def test_the_learned_law_makes_events(result, data):
    made = ht.hadronize_clusters(SHOWERS[8000:12_000], PARAMS, rng=7, decay=result.decay, **PIONS)
    columns = [np.column_stack(list(ht.observables.compute(s.hadrons, 91.2).values())) for s in (made, data)]
    area = ht.metrics.classifier_test(*columns, rng=1)
    assert abs(area.auc - 0.5) < 4 * area.error


def test_observables_and_histograms_are_enough(sim, data, secret):
    columns = ht.observables.compute(data.hadrons, 91.2)
    for given in (columns, homer.Histograms.of(columns, 12)):
        found = homer.fit(sim, given, rng=3, method="mlp", epochs=None, progress=False)
        log_w, sigma = found(COSINES, False)
        assert np.sqrt(np.mean(((log_w - true_log_w(secret, False)) / sigma) ** 2)) < 3
        assert abs(log_w - true_log_w(secret, False)).mean() < abs(true_log_w(secret, False)).mean() / 2


def test_iterations_by_the_classifier_alone_crawl(sim, data, secret):
    """Events know so little of one decay that most of each weight is averaged away: expectation–maximisation."""
    found = homer.fit(sim, data, iterations=2, posterior=False, rebase=False, rng=3, method="trees", progress=False)
    assert len(found.iterations) == 2
    assert found.measurement is None
    log_w = found(COSINES, False)[0]
    way = log_w @ true_log_w(secret, False) / (true_log_w(secret, False) @ true_log_w(secret, False))
    assert 0.05 < way < 0.8, f"the right way, but {way:.0%} of it"


def test_parameters_may_vary_too():
    """All flavours: strangeness and angles at once."""
    params = PARAMS.replace(pwt_s=0.5)
    target = learned(params, lambda c: np.log1p(c**2), lambda c: 0.0 * c)
    sim = ht.hadronize_clusters(SHOWERS[:3000], params, rng=1, progress=False)
    nature = params.replace(pwt_s=0.4)
    data = ht.hadronize_clusters(SHOWERS[3000:6000], nature, rng=2, decay=target.decay, progress=False)
    found = homer.fit(sim, data, factors="pwt_s", rng=3, method="trees", progress=False)
    estimate = found.factors
    assert abs(estimate.values[0] - 0.4) < 4 * estimate.errors[0] < 0.1
    assert found.params.pwt_s == pytest.approx(estimate.values[0])
    log_w, sigma = found(COSINES, False)
    assert np.sqrt(np.mean(((log_w - target(COSINES, False)[0]) / sigma) ** 2)) < 2.5


def test_a_smearing_may_be_small_or_none():
    """Laws of narrow kinds are drawn without overflow, those of no width stay delta functions."""
    law = learned(PARAMS.replace(cl_smr_charm=0.0, cl_smr_bottom=1e-3), lambda c: 0.0 * c, lambda c: 0.0 * c)
    kind = np.repeat([2, 3], 500)
    cosine = law.basis.draw(law.theta, kind, np.ones(1000), np.random.default_rng(1))
    assert np.all(cosine[:500] == 1.0)
    assert np.all((cosine[500:] > 0.98) & (cosine[500:] <= 1.0))


def test_without_support_nothing_is_fitted(data):
    sharp = ht.hadronize_clusters(SHOWERS[:1500], rng=1, **PIONS)
    with pytest.raises(homer.HomerError, match=r"support.*cl_smr_charm = 0.*cl_smr_charm=0.78"):
        homer.fit(sharp, data, progress=False)


def test_wrong_input(sim, data, secret):
    with pytest.raises(homer.HomerError, match="drawn by"):
        homer.fit(data, sim, progress=False)
    with pytest.raises(ValueError, match="learner does nothing for clusters"):
        homer.fit(sim, data, learner="network", progress=False)
    with pytest.raises(ValueError, match='depend on "mass" and nothing else, got end'):
        homer.fit(sim, data, conditions="end", progress=False)
    with pytest.raises(ValueError, match="factors of clusters are some of"):
        homer.fit(sim, data, factors="sigma_pt", progress=False)
    with pytest.raises(TypeError, match="rebase of clusters must be True or False"):
        homer.fit(sim, data, rebase=len, progress=False)
    with pytest.raises(TypeError, match="tuning"):
        homer.fit(sim, homer.Published("thrust"), progress=False)
    with pytest.raises(homer.HomerError, match="too few events"):
        homer.fit(sim, data[:100], progress=False)
    with pytest.raises(ValueError, match="do not depend on the mass"):
        secret(0.5, True, 2.0)
    with pytest.raises(ValueError, match="between -1 and 1"):
        secret(1.5, True)
    with pytest.raises(ValueError, match="want the posterior"):
        homer.fit(sim, data, posterior=False, factors="pwt_s", progress=False)
    others = sim.replace(hadrons=data.hadrons)
    with pytest.raises(homer.HomerError, match="its hadrons are not those of its clusters"):
        homer.fit(others, data, progress=False)
    bare = ht.Sample(sim.hadrons, None, PARAMS, 91.2, quark=None)
    with pytest.raises(homer.HomerError, match="no clusters"):
        homer.fit(bare, data, progress=False)


def test_data_that_are_no_clusters_of_this_kind_are_told(sim):
    """Lighter clusters make more hadrons, which no law of angles can."""
    other = ht.hadronize_clusters(SHOWERS[4000:8000], PARAMS.replace(cl_max=2.5, p_split=2.5), rng=2, **PIONS)
    with pytest.warns(RuntimeWarning, match="no law of decays describes these data"):
        homer.fit(sim, other, rng=3, method="trees", progress=False)
