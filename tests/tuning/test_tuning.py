"""Tunes: figures with weights, fits of pseudo-data, profiles and contours, and what is refused."""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import LundParams, datasets, pythia, tuning
from hadtutor.lund.all_flavours import mean_z
from hadtutor.metrics import like_lep, n_eff
from hadtutor.pythia.settings import params_of
from hadtutor.tuning import Figures, TuneError, fit
from hadtutor.tuning.objective import Objective

pytest.importorskip("pythia8mc")
BASE = LundParams(a=0.60, b=0.90, sigma_pt=0.315)
TRUE = LundParams(a=0.60, b=0.85, sigma_pt=0.31)
NAMES = "thrust", "nch", "xp", "xi_charged"
quiet = {"progress": False}


@pytest.fixture(scope="module")
def showers():
    return datasets.load("pythia-showers-91")


@pytest.fixture(scope="module")
def sample(showers):
    return pythia.hadronize(showers[:8000], BASE, histories=True, **quiet)


@pytest.fixture(scope="module")
def figures(sample):
    normalised = datasets.lep("xp")._replace(name="shape of xp", kind="normalised")
    return Figures(sample, (*NAMES, normalised, "pipm_p", "mean_nch_opal"))


@pytest.fixture(scope="module")
def pseudo(showers, sample):
    """Figures with the errors of LEP, and those of 8000 events, and values of Pythia at `TRUE`.

    Those of the events are from both samples: a bin that is empty by chance is not known exactly.
    """
    other = pythia.hadronize(showers[8000:16000], TRUE, seed=5, **quiet)
    of_all, rng = Figures(other, NAMES), np.random.default_rng(1)
    variances = [np.diag(Figures(x, NAMES).covariance(np.zeros(len(x)))) * len(x) / len(other) for x in (other, sample)]
    mean, own = of_all.of(np.zeros(len(other))).values, np.sqrt(np.mean(variances, axis=0))
    made = []
    for figure, kept, bins in zip(of_all.figures, of_all.kept, of_all.bins, strict=True):
        values, errors = figure.values.copy(), figure.errors.copy()
        values[kept] = mean[bins] + errors[kept] * rng.normal(size=kept.sum())
        errors[kept] = np.hypot(errors[kept], own[bins])
        made.append(figure._replace(values=values, errors=errors))
    return made


@pytest.fixture(scope="module")
def tune(sample, pseudo):
    return fit(sample, pseudo, ("b", "sigma_pt"), **quiet)


@pytest.fixture
def log_w(sample):
    return np.random.default_rng(3).normal(0.0, 0.4, len(sample))


# --- Figures ---------------------------------------------------------------------------------------


def test_values_and_covariance_are_those_of_a_comparison(figures, sample, log_w):
    values, covariance = figures.of(log_w).values, figures.covariance(log_w)
    for figure, kept, bins in zip(figures.figures, figures.kept, figures.bins, strict=True):
        one = like_lep(sample, figure, log_w)
        assert values[bins] == pytest.approx(one.density[kept], rel=1e-6), figure.name
        # There it has the factor n/(n - 1) of a sample, with n effective events.
        wanted = one.covariance[np.ix_(kept, kept)] * (1.0 - 1.0 / n_eff(log_w))
        assert covariance[bins, bins] == pytest.approx(wanted, rel=1e-4, abs=1e-10)


def test_bins_without_a_measurement_are_left_out(figures):
    pipm = datasets.lep("pipm_p")
    assert np.isnan(pipm.values).sum() == 1
    assert figures.bins[figures.names.index("pipm_p")].stop - len(pipm.values) + 1 == (
        figures.bins[figures.names.index("pipm_p")].start
    )
    assert np.isfinite(figures.data).all()
    assert np.isfinite(figures.errors).all()


def test_slopes_are_differences(figures, sample, log_w):
    direction, h = np.random.default_rng(4).normal(size=(len(sample), 1)), 1e-5
    slopes = figures.of(log_w, direction).slopes[:, 0]
    up, down = (figures.of(log_w + sign * h * direction[:, 0]).values for sign in (1, -1))
    assert slopes == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-5)


def test_a_theory_error_is_a_part_of_each_value(sample, figures):
    wide = Figures(sample, figures.figures, 0.05)
    assert wide.errors == pytest.approx(np.hypot(figures.errors, 0.05 * figures.data))
    n = np.zeros(len(sample))
    assert all(wide.chi2(n)[name][0] < figures.chi2(n)[name][0] for name in figures.names)


# --- Fits ------------------------------------------------------------------------------------------


def test_a_fit_finds_the_point_of_the_pseudo_data(tune):
    pulls = (tune.values - [TRUE.b, TRUE.sigma_pt]) / tune.errors
    assert (abs(pulls) < 4).all(), pulls
    assert tune.p_value > 1e-3
    assert tune.params == BASE.replace(b=tune.values[0], sigma_pt=tune.values[1])


def test_the_curvature_without_noise_does_not_hang_on_the_number_of_events(sample, pseudo):
    """The plain one of half the events is larger, by the noise that is taken out; errors of data are large here."""
    wide = [figure._replace(errors=10.0 * figure.errors) for figure in pseudo]
    found = []
    for some in (sample, sample[:1500], sample[1500:]):
        objective = Objective(some, wide, ("b", "sigma_pt"), 0.0, False, 0.4)
        found.append(objective.parabola(objective.values_of(objective.base))[2:])
    whole, halves = found[0], found[1:]
    assert halves[0][1][1, 1] + halves[1][1][1, 1] > 2.0 * whole[1][1, 1]
    assert 0.5 * (halves[0][0] + halves[1][0])[1, 1] == pytest.approx(whole[0][1, 1], rel=0.5)


def test_mean_z_is_another_name_for_b(sample, pseudo, tune):
    other = fit(sample, pseudo, ("mean_z", "sigma_pt"), **quiet)
    assert other.params.b == pytest.approx(tune.params.b, abs=0.2 * tune.errors[0])
    assert other.values[0] == pytest.approx(mean_z(other.params), abs=1e-6)


def test_a_profile_is_zero_at_the_minimum_and_about_one_an_error_off(tune):
    steps = np.array([-1.0, 0.0, 1.0])
    below, zero, above = tune.profile("b", tune.values[0] + steps * tune.errors[0])
    assert abs(zero) < 0.02
    assert 0.5 < below < 2.0
    assert 0.5 < above < 2.0


def test_a_contour_encloses_the_minimum_at_its_level(tune):
    points, level = tune.contour("b", "sigma_pt", 0.3, 6), -2.0 * np.log(0.7)
    assert points.shape == (6, 2)
    off = points - tune.values
    turns = np.unwrap(np.arctan2(off[:, 1] / tune.errors[1], off[:, 0] / tune.errors[0]))
    assert np.all(np.diff(turns) * np.sign(turns[-1] - turns[0]) > 0)
    size = np.einsum("ni,ij,nj->n", off, np.linalg.inv(tune.covariance), off)
    assert np.all((size / level > 0.5) & (size / level < 2.0))  # nearly a parabola


def test_a_tune_shows_each_figure(tune):
    for name in NAMES:
        assert name in str(tune)
        assert name in tune._repr_html_()
    table = tuning.table({"sample": tune.sample}, ["nch"])
    assert table["sample"]["nch"] > 0
    assert "nch" in str(table)
    assert "<table>" in table._repr_html_()


def test_a_new_sample_is_made_where_few_weights_are_left(sample, pseudo, showers):
    asked = []

    def make(params, seed):
        asked.append((params, seed))
        return pythia.hadronize(showers[:3000], params, seed=seed, histories=True, **quiet)

    far = BASE.replace(b=1.3)
    tune = fit(sample, pseudo, "b", start=far, rebase=make, seed=7, max_bases=4, **quiet)
    assert asked[0] == (far, 7)
    assert [base.params for base in tune.bases] == [BASE, *(params for params, _ in asked)]
    assert abs(tune.values[0] - TRUE.b) < 4 * tune.errors[0] + 0.05  # σ is not that of the truth


# --- What is refused -------------------------------------------------------------------------------


def test_what_a_fit_does_not_take(sample, pseudo):
    with pytest.raises(ValueError, match="LEP measured thrust_206 at"):
        fit(sample, "thrust_206", **quiet)
    with pytest.raises(ValueError, match="names must be of .*, got c"):
        fit(sample, pseudo, "c", **quiet)
    with pytest.raises(ValueError, match="the same freedom"):
        fit(sample, pseudo, ("b", "mean_z"), **quiet)
    with pytest.raises(ValueError, match="histories"):
        fit(sample.replace(histories=None), pseudo, **quiet)
    with pytest.raises(TypeError, match="must be a Sample"):
        fit(sample.hadrons, pseudo, **quiet)
    with pytest.raises(ValueError, match="1 bins do not fix 2 parameters"):
        fit(sample, "mean_nch_opal", ("b", "sigma_pt"), **quiet)
    with pytest.raises(TypeError, match="a figure is a name or a LepFigure, got 3"):
        fit(sample, [3], **quiet)
    with pytest.raises(ValueError, match="each once"):
        fit(sample, ["nch", "nch"], **quiet)
    with pytest.raises(TypeError, match="rebase must be"):
        fit(sample, pseudo, rebase="yes", **quiet)
    with pytest.raises(ValueError, match="rebase"):
        fit(sample.replace(partons=None, quark="u"), pseudo, "b", rebase=True, **quiet)


def test_hadrons_have_to_decay(showers):
    undecayed = pythia.hadronize(showers[:50], histories=True, decays=False, **quiet)
    with pytest.raises(ValueError, match="nch counts what a detector saw.*decays=True"):
        fit(undecayed, "nch", "b", **quiet)


def test_a_sample_too_far_off_says_so(sample, pseudo):
    with pytest.raises(TuneError, match="does not reach .*; begin nearer"):
        fit(sample, pseudo, "b", start=BASE.replace(b=1.8), **quiet)


def test_what_pythia_refuses_is_named(sample, pseudo):
    with pytest.raises(ValueError, match="real Pythia does not take StringZ:aLund = 5"):
        fit(sample, pseudo, "a", start=BASE.replace(a=5.0), rebase=True, **quiet)


def test_names_of_tunes(showers):
    with pytest.raises(ValueError, match="name must be one of JETSET-like, Montull 2007"):
        tuning.shipped("Monash 2014", 10)
    assert ht.tuning.fresh(showers[:100], LundParams(), "nch", **quiet)["nch"][1] == 26


def test_shipped_tunes_are_those_of_their_names():
    """By a, b and σ as published."""
    values = {
        "JETSET-like": (0.3, 0.58, 0.36), "Montull 2007": (0.76, 0.58, 0.36), "Hoeth 2009": (0.3, 0.8, 0.304),
        "Skands 2013": (0.55, 1.08, 0.305), "Fischer 2013-1": (0.386, 0.977, 0.286),
        "Fischer 2013-2": (0.351, 0.942, 0.283), "Monash 2013": (0.68, 0.98, 0.335),
    }  # fmt: skip
    assert set(values) == set(tuning.SHIPPED)
    for name, number in tuning.SHIPPED.items():
        found = params_of(pythia.start(("ProcessLevel:all = off", f"Tune:ee = {number}"), seed=1))
        assert (found.a, found.b, found.sigma_pt) == values[name]


def test_events_of_a_tune_go_to_rivet_with_their_weights(tune, tmp_path):
    few, log_w = tune.sample.hadrons[:200], {"base": np.zeros(200), "tune": tune.log_w[:200]}
    few.to_hepmc(tmp_path / "lep.hepmc.gz", tune.sample.energy, log_w=log_w, progress=False)
    back, found = ht.Hadrons.from_hepmc(tmp_path / "lep.hepmc.gz", weights=True, progress=False)
    np.testing.assert_array_equal(back.pid, few.pid)
    assert list(found) == ["base", "tune"]
    np.testing.assert_allclose(found["tune"], log_w["tune"], atol=1e-12)
    assert tune.log_w.std() > 0.01
