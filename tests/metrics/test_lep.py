"""LEP's figures measured on events, and what `compare` says of them."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hadtutor import Hadrons, datasets, hadronize_clusters, hadronize_strings, metrics, observables
from hadtutor.metrics import chi2_to_data, compare, lep_counts, lep_settings, like_lep

FIGURES = {name: datasets.lep(name) for name in datasets.lep_names()}
BINNED = {name: figure for name, figure in FIGURES.items() if figure.kind != "mean"}
MEANS = {name: figure for name, figure in FIGURES.items() if figure.kind == "mean"}
OF_PIONS = [  # what a sample of pions at the Z has an entry of
    name
    for name, figure in FIGURES.items()
    if figure.energy == 91.2 and figure.particles in ("all", "charged", "charged pions")
]
OF_DECAYING = [name for name in FIGURES if lep_settings(name)]


# --- Simulations in the form of a figure -----------------------------------------------------------


@pytest.fixture(scope="module")
def charged_and_neutral():
    """Pion strings of the energy of LEP; every third pion is neutral."""
    return hadronize_strings(3000, energy=91.2, rng=np.random.default_rng(1)).hadrons


@pytest.mark.parametrize("name", sorted(BINNED.keys() & OF_PIONS))
def test_a_simulation_comes_in_the_bins_of_the_figure(charged_and_neutral, name):
    found = metrics.like_lep(charged_and_neutral, FIGURES[name])
    assert found.density.shape == FIGURES[name].values.shape
    assert found.covariance.shape == 2 * FIGURES[name].values.shape
    assert found.density.sum() > 0


@pytest.mark.parametrize(
    ("name", "column"),
    [("thrust", "T"), ("C", "C"), ("BT", "B_T"), ("BW", "B_W"), ("D_opal", "D"), ("thrust_delphi", "T")],
)
def test_event_shapes_of_a_simulation_count_each_event_once(charged_and_neutral, name, column):
    edges = FIGURES[name].edges
    values = observables.compute(charged_and_neutral, 91.2, names=column)[column]
    expected = np.histogram(values, edges)[0] / len(values) / np.diff(edges)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, FIGURES[name]).density, expected)


@pytest.mark.parametrize(("name", "column"), [("D_charged", "D"), ("thrust_charged", "T"), ("BW_charged", "B_W")])
def test_some_shapes_are_those_of_the_charged_particles_alone(charged_and_neutral, name, column):
    figure = FIGURES[name]
    values = observables.compute(charged_and_neutral, 91.2, names=column, charged_only=True)[column]
    expected = np.histogram(values, figure.edges)[0] / len(values) / np.diff(figure.edges)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, figure).density, expected)


@pytest.mark.parametrize("name", ["xp", "xp_uds", "xi_charged", "pipm_p"])
def test_spectra_of_a_simulation_count_charged_particles(charged_and_neutral, name):
    hadrons, figure = charged_and_neutral, FIGURES[name]
    p = np.sqrt(hadrons.px**2 + hadrons.py**2 + hadrons.pz**2)[hadrons.pid != 111]
    values = {"xi_charged": -np.log(p / 45.6), "pipm_p": p}.get(name, p / 45.6)
    expected = np.histogram(values, figure.edges)[0] / len(hadrons) / np.diff(figure.edges)
    np.testing.assert_allclose(metrics.like_lep(hadrons, figure).density, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["nch", "nch_udsc", "nch_opal", "nch_delphi"])
def test_multiplicities_of_a_simulation_are_probabilities(charged_and_neutral, name):
    figure = FIGURES[name]
    n_ch = np.bincount(charged_and_neutral.event[charged_and_neutral.pid != 111], minlength=len(charged_and_neutral))
    expected = np.histogram(n_ch, figure.edges)[0] / len(n_ch)
    np.testing.assert_allclose(metrics.like_lep(charged_and_neutral, figure).density, expected)


@pytest.mark.parametrize("name", sorted(MEANS.keys() & OF_PIONS))
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


@pytest.mark.parametrize("name", ["thrust", "xp", "nch", "pipm_p", "mean_nch_opal"])
def test_counts_of_events_give_the_figure_for_any_weights(charged_and_neutral, name, rng):
    """The recipe of `lep_counts`, written out."""
    counts, figure, w = lep_counts(charged_and_neutral, name), FIGURES[name], rng.exponential(1.0, 3000)
    assert counts.format == "csr"
    assert counts.shape == (3000, len(figure.values))
    width = np.diff(figure.edges) if figure.kind == "density" else 1.0
    wanted = like_lep(charged_and_neutral, name, np.log(w)).density
    np.testing.assert_allclose(counts.T @ w / (w.sum() * width), wanted, rtol=1e-6)


# --- Hadrons that decay ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_kinds():
    """Of every event some pions, one more particle of a kind that figures count, and with every third two B mesons."""
    rng, n = np.random.default_rng(5), 600
    kinds = sorted({int(code) for name in OF_DECAYING for code in FIGURES[name].particles.split() if code.isdecimal()})
    pid = [(211, -211, kinds[i % len(kinds)], *([511, -5122] if i % 3 == 0 else [])) for i in range(n)]
    offsets, pid = np.cumsum([0, *map(len, pid)]), np.concatenate(pid)
    p = rng.normal(0.0, 5.0, (3, len(pid)))
    mass = np.where(abs(pid) > 5000, 5.62, np.where(abs(pid) == 511, 5.28, 0.5))
    return Hadrons(offsets, *p, np.sqrt((p**2).sum(axis=0) + mass**2 + 600.0), pid)


@pytest.mark.parametrize("name", ["xb_aleph", "xb_delphi", "xb_opal", "xb_sld"])
def test_the_fragmentation_of_b_is_per_b_hadron(all_kinds, name):
    """600 events have 400 of them, but the figure integrates to one; x_B = 2E/√s."""
    figure, b = FIGURES[name], np.isin(abs(all_kinds.pid), (511, 5122))
    x = all_kinds.e[b] / 45.6
    counts = np.histogram(x, figure.edges)[0]
    assert len(x) == 400
    expected = counts / counts.sum() / np.diff(figure.edges)
    found = like_lep(all_kinds, name)
    np.testing.assert_allclose(found.density, expected, rtol=1e-9)
    assert found.density @ np.diff(figure.edges) == pytest.approx(1.0)


def test_rates_of_hadrons_are_counted_before_they_decay(all_kinds):
    for name in OF_DECAYING:
        if FIGURES[name].kind == "mean":
            codes = [int(code) for code in FIGURES[name].particles.split()]
            expected = observables.count(all_kinds, *codes).mean()
            assert like_lep(all_kinds, name).density[0] == pytest.approx(expected)
            assert expected > 0


def test_hadrons_that_have_decayed_are_not_taken_for_none(strings_at_the_z, all_kinds):
    for function in (compare, like_lep, lep_counts):
        with pytest.raises(ValueError, match="these 2000 events hold no weak B hadrons; xb_opal counts hadrons before"):
            function(strings_at_the_z, "xb_opal")
        with pytest.raises(ValueError, match="hold no hadron of the code 113; .*settings=metrics.lep_settings"):
            function(strings_at_the_z, "mean_rho0")
    # Without K0S, half of the neutral kaons would be counted.
    with pytest.raises(ValueError, match="hold no hadron of the code 310"):
        like_lep(all_kinds.where(all_kinds.pid != 310), "mean_k0")
    excited = all_kinds.replace(pid=np.where(all_kinds.pid == -5122, -513, all_kinds.pid))
    with pytest.raises(ValueError, match=r"hold excited B hadrons \(code 513\), not what they decay to"):
        like_lep(excited, "xb_aleph")


def test_settings_keep_what_a_figure_counts_and_nothing_else():
    assert lep_settings("thrust") == lep_settings("kpm_p") == lep_settings("mean_nch_opal") == ()
    assert lep_settings("mean_sigma1385") == ("3114:mayDecay = off", "3224:mayDecay = off")
    assert lep_settings("xb_sld") == lep_settings(FIGURES["xb_aleph"])
    assert len(lep_settings("xb_sld")) == 8


def test_real_pythia_keeps_what_its_settings_say_and_comes_near_the_data():
    """B hadrons and neutral kaons of 500 showers: within a fifth of the rate, and of the mean of x_B."""
    pytest.importorskip("pythia8mc", reason="needs the extra 'pythia'")
    from hadtutor import pythia

    showers = datasets.load("pythia-showers-91")[:500]
    made = {
        name: compare(pythia.hadronize(showers, seed=1, settings=lep_settings(name), progress=False), name)
        for name in ("mean_k0", "xb_opal")
    }
    assert made["mean_k0"].values[0] == pytest.approx(FIGURES["mean_k0"].values[0], rel=0.2)
    figure, found = FIGURES["xb_opal"], made["xb_opal"]
    centres, width = (figure.edges[1:] + figure.edges[:-1]) / 2, np.diff(figure.edges)
    assert centres @ (found.values * width) == pytest.approx(centres @ (figure.values * width), abs=0.03)


# --- Samples, energies, figures that are no figures ------------------------------------------------


@pytest.fixture(scope="module")
def strings_at_the_z():
    return hadronize_strings(2000, energy=91.2, rng=np.random.default_rng(2))


@pytest.fixture(scope="module")
def clusters():
    """Light hadrons of real showers at the Z, without decays."""
    return hadronize_clusters(datasets.load("pythia-showers-91")[:500], rng=np.random.default_rng(3))


@pytest.mark.parametrize("name", OF_PIONS)
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


def test_a_figure_of_another_energy_wants_events_of_it(strings_at_the_z):
    with pytest.raises(ValueError, match="LEP measured thrust_200 at 200 GeV, got events of 91.2 GeV"):
        compare(strings_at_the_z, "thrust_200")
    far = hadronize_strings(200, energy=200.0, rng=np.random.default_rng(2))
    assert "beside" not in compare(far, "thrust_200").message
    for of_hadrons in (compare(far.hadrons, "mean_nch_200"), compare(far.hadrons, "mean_nch_200", energy=200.0)):
        assert of_hadrons.values[0] == pytest.approx(far.hadrons.where(far.hadrons.pid != 111).multiplicity.mean())
    assert (
        "events of 200 GeV beside data of 199 GeV" in compare(far, FIGURES["thrust_200"]._replace(energy=199.0)).message
    )


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
    for changed in (
        {"observable": "S_1"}, {"particles": "kaons"}, {"particles": ""}, {"observable": "count"}, {"kind": "mean"},
        {"kind": "mean", "observable": "count", "particles": "kaons"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="do not know how .* is measured, as 'thrust' wants; known: "):
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


@pytest.mark.parametrize("name", OF_PIONS)
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
    assert found.ndf == measured.sum() == len(figure.values) - (name in ("pipm_p", "pipm_xp_aleph"))
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


@pytest.mark.parametrize("name", ["thrust", "nch", "xp", "pipm_p", "mean_nch_opal", "mean_kpm"])
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
