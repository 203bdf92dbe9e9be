"""LEP's figures measured on events, and what `compare` says of them."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hadtutor import datasets, hadronize_clusters, hadronize_strings, metrics, observables
from hadtutor.metrics import chi2_to_data, compare, like_lep

FIGURES = {name: datasets.lep(name) for name in datasets.lep_names()}
BINNED = {name: figure for name, figure in FIGURES.items() if figure.kind != "mean"}
MEANS = {name: figure for name, figure in FIGURES.items() if figure.kind == "mean"}


# --- Simulations in the form of a figure -----------------------------------------------------------


@pytest.fixture(scope="module")
def charged_and_neutral():
    """Pion strings of the energy of LEP; every third pion is neutral."""
    return hadronize_strings(3000, energy=91.2, rng=np.random.default_rng(1)).hadrons


@pytest.mark.parametrize("name", sorted(BINNED))
def test_a_simulation_comes_in_the_bins_of_the_figure(charged_and_neutral, name):
    found = metrics.like_lep(charged_and_neutral, FIGURES[name])
    assert found.density.shape == FIGURES[name].values.shape
    assert found.covariance.shape == 2 * FIGURES[name].values.shape
    assert found.density.sum() > 0


@pytest.mark.parametrize(("name", "column"), [("thrust", "T"), ("C", "C"), ("BT", "B_T"), ("BW", "B_W")])
def test_event_shapes_of_a_simulation_count_each_event_once(charged_and_neutral, name, column):
    edges = FIGURES[name].edges
    values = observables.compute(charged_and_neutral, 91.2, names=column)[column]
    expected = np.histogram(values, edges)[0] / len(values) / np.diff(edges)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, FIGURES[name]).density, expected)


def test_d_is_that_of_the_charged_particles_alone(charged_and_neutral):
    figure = FIGURES["D_charged"]
    values = observables.compute(charged_and_neutral, 91.2, names="D", charged_only=True)["D"]
    expected = np.histogram(values, figure.edges)[0] / len(values) / np.diff(figure.edges)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, figure).density, expected)


@pytest.mark.parametrize("name", ["xp", "xp_uds", "xi_charged", "pipm_p"])
def test_spectra_of_a_simulation_count_charged_particles(charged_and_neutral, name):
    hadrons, figure = charged_and_neutral, FIGURES[name]
    p = np.sqrt(hadrons.px**2 + hadrons.py**2 + hadrons.pz**2)[hadrons.pid != 111]
    values = {"xi_charged": -np.log(p / 45.6), "pipm_p": p}.get(name, p / 45.6)
    expected = np.histogram(values, figure.edges)[0] / len(hadrons) / np.diff(figure.edges)
    np.testing.assert_allclose(metrics.like_lep(hadrons, figure).density, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["nch", "nch_udsc"])
def test_multiplicities_of_a_simulation_are_probabilities(charged_and_neutral, name):
    figure = FIGURES[name]
    n_ch = np.bincount(charged_and_neutral.event[charged_and_neutral.pid != 111], minlength=len(charged_and_neutral))
    expected = np.histogram(n_ch, figure.edges)[0] / len(n_ch)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, figure).density, expected)


@pytest.mark.parametrize("name", sorted(MEANS))
def test_a_mean_of_a_simulation_has_the_error_of_a_mean(charged_and_neutral, name):
    n_ch = np.bincount(charged_and_neutral.event[charged_and_neutral.pid != 111], minlength=len(charged_and_neutral))
    found = metrics.like_lep(charged_and_neutral, FIGURES[name])
    assert found.density[0] == pytest.approx(n_ch.mean())
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(n_ch.std() / np.sqrt(len(n_ch)), rel=1e-3)


def test_weights_count_in_a_simulation(charged_and_neutral):
    """Weight zero for one half of the events is as good as leaving them out."""
    log_w = np.where(np.arange(3000) < 1000, 0.0, -np.inf)
    for name in ("thrust", "xp", "mean_nch_opal"):
        weighted = metrics.like_lep(charged_and_neutral, FIGURES[name], log_w).density
        alone = metrics.like_lep(charged_and_neutral[:1000], FIGURES[name]).density
        np.testing.assert_allclose(weighted, alone, rtol=1e-6)


# --- Samples, energies, figures that are no figures ------------------------------------------------


@pytest.fixture(scope="module")
def strings_at_the_z():
    return hadronize_strings(2000, energy=91.2, rng=np.random.default_rng(2))


@pytest.fixture(scope="module")
def clusters():
    """Light hadrons of real showers at the Z, without decays."""
    return hadronize_clusters(datasets.load("pythia-showers-91")[:500], rng=np.random.default_rng(3))


@pytest.mark.parametrize("name", FIGURES)
def test_a_sample_and_its_hadrons_are_measured_alike_and_a_figure_has_a_name(strings_at_the_z, name):
    wanted = like_lep(strings_at_the_z.hadrons, FIGURES[name])
    for found in (
        like_lep(strings_at_the_z, name), like_lep(strings_at_the_z.hadrons, name, energy=91.2),
        like_lep(strings_at_the_z, FIGURES[name], np.zeros(2000)),
    ):  # fmt: skip
        np.testing.assert_allclose(found.density, wanted.density, rtol=1e-12)
        np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=1e-9, atol=1e-18)


def test_another_energy_is_refused_and_a_little_off_the_z_is_said(strings_at_the_z):
    far, near = (hadronize_strings(200, energy=energy, rng=np.random.default_rng(2)) for energy in (60.0, 90.0))
    for function in (compare, like_lep):
        for events, energy in ((far, None), (far.hadrons, 60.0)):
            with pytest.raises(ValueError, match="LEP measured thrust at 91.2 GeV, got events of 60 GeV"):
                function(events, "thrust", energy=energy)
        with pytest.raises(ValueError, match="the sample has an energy of 60 GeV, got 91.2 GeV"):
            function(far, "thrust", energy=91.2)
    assert "events of 90 GeV beside data of 91.2 GeV" in compare(near, "thrust").message
    assert "beside" not in compare(strings_at_the_z, "thrust").message


def test_fractions_are_those_of_the_events_own_energy():
    near = hadronize_strings(300, energy=90.0, rng=np.random.default_rng(2))
    charged = near.hadrons.where(near.hadrons.pid != 111)
    values = observables.momentum_fraction(charged, 90.0)
    expected = np.histogram(values, FIGURES["xp"].edges)[0] / 300 / np.diff(FIGURES["xp"].edges)
    np.testing.assert_allclose(like_lep(near, "xp").density, expected, rtol=1e-9)


def test_strings_of_pions_are_said_to_be_no_events_of_lep(strings_at_the_z, clusters):
    for events in (strings_at_the_z, strings_at_the_z.hadrons):
        assert compare(events, "thrust").message.startswith("pions alone are no events of LEP")
    assert compare(clusters, "thrust").message == ""


@pytest.mark.parametrize("function", [compare, like_lep])
def test_an_unknown_figure_is_never_taken_for_another(strings_at_the_z, function):
    with pytest.raises(ValueError, match="unknown LEP figure 'sphericity'; known: thrust, C, BT, "):
        function(strings_at_the_z, "sphericity")
    for changed in ({"name": "sphericity"}, {"particles": "kaons"}, {"kind": "mean", "particles": "kaons"}):
        with pytest.raises(ValueError, match="do not know how .* is measured; known: thrust, C, .*pipm_p, and means"):
            function(strings_at_the_z, FIGURES["thrust"]._replace(**changed))
    for thing in (None, 3, ["thrust"], FIGURES["thrust"].values):
        with pytest.raises(TypeError, match="figure must be a name or a LepFigure"):
            function(strings_at_the_z, thing)


@pytest.mark.parametrize("function", [compare, like_lep])
def test_a_hadron_at_rest_has_no_place_in_a_spectrum(strings_at_the_z, function):
    h = strings_at_the_z.hadrons[:200]
    for column in (h.px, h.py, h.pz):
        column[0] = 0.0
    function(h, "xi_charged")


# --- How well they agree ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_a_comparison_is_chi2_of_what_was_measured(clusters, name):
    """Also where a bin was not, as in pipm_p."""
    figure, found = FIGURES[name], compare(clusters, name)
    density = like_lep(clusters, figure)
    measured = np.isfinite(figure.values)
    covariance = density.covariance[np.ix_(measured, measured)]
    wanted = chi2_to_data(density.density[measured], covariance, figure.values[measured], figure.errors[measured])
    assert (
        (found.chi2, found.ndf, found.p_value)
        == tuple(wanted)
        == tuple(chi2_to_data(*density, figure.values, figure.errors))
    )
    assert found.ndf == measured.sum() == len(figure.values) - (name == "pipm_p")
    np.testing.assert_array_equal(found.values, density.density)
    np.testing.assert_array_equal(found.errors, np.sqrt(np.diag(density.covariance)))
    np.testing.assert_array_equal(np.isnan(found.residuals), ~measured)
    error = np.hypot(found.errors, figure.errors)[measured]
    np.testing.assert_allclose(found.residuals[measured] * error, (found.values - figure.values)[measured])
    assert str(found).startswith(f"{name}: χ² ")
    assert repr(found).startswith(f"LepComparison('{name}', chi2=")


def test_residuals_of_a_simulation_that_agrees_are_standard_normal(strings_at_the_z, rng):
    """Points drawn about our own density: 42 bins or so of a spectrum, chi2 not in a tail of 1e-3."""
    truth = like_lep(strings_at_the_z, "xp")
    errors = 0.05 * truth.density + 0.01
    scatter = rng.multivariate_normal(np.zeros(len(errors)), truth.covariance + np.diag(errors**2))
    found = compare(strings_at_the_z, FIGURES["xp"]._replace(values=truth.density + scatter, errors=errors))
    assert 1e-3 < found.p_value < 1 - 1e-3
    assert abs(found.residuals).max() < 4


def test_weights_count_in_a_comparison(clusters):
    class Weights:
        log_w = np.where(np.arange(500) < 200, 0.0, -np.inf)

    found, alone = compare(clusters, "thrust", Weights()), compare(clusters[:200], "thrust")
    assert found.chi2 == pytest.approx(alone.chi2, rel=1e-6)
    assert found.n_eff == pytest.approx(200)
    few = compare(clusters, "mean_nch_opal", np.where(np.arange(500) < 40, 0.0, -np.inf))
    assert few.message == "40 effective events are too few for errors that can be trusted"


# --- Its figure ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thrust", "nch", "xp", "pipm_p", "mean_nch_opal"])
def test_a_comparison_draws_data_simulation_and_their_ratio(clusters, name):
    figure, found = FIGURES[name], compare(clusters, name)
    picture, (ax, other) = plt.subplots(1, 2)
    assert found.plot(ax, label="ours") is ax
    bottom = picture.axes[2]
    (points,) = ax.containers
    edges = [0, 1] if figure.kind == "mean" else figure.edges
    np.testing.assert_allclose(points[0].get_xdata(), np.add(edges[1:], edges[:-1]) / 2)
    np.testing.assert_array_equal(points[0].get_ydata(), figure.values)
    (steps,) = [p for p in ax.patches if hasattr(p, "get_data")]
    np.testing.assert_array_equal(steps.get_data().values, found.values)
    (ratio,) = [p for p in bottom.patches if hasattr(p, "get_data")]
    np.testing.assert_allclose(ratio.get_data().values, found.values / figure.values)
    assert len(bottom.collections) >= 1  # the band of the data's errors
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["ours", figure.citation.split(",")[0]]
    assert (bottom.get_xlabel(), ax.get_ylabel()) == (figure.xlabel, figure.ylabel)
    assert not other.lines
    plt.close("all")


def test_a_comparison_makes_its_own_figure(clusters):
    ax = compare(clusters, "xp").plot()
    assert ax.get_yscale() == "log"
    assert len(ax.figure.axes) == 2
    plt.close("all")
