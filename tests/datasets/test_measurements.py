import pathlib
import re

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

from hadtutor import DataFileError, datasets
from hadtutor.datasets import registry

FIGURES = {row["name"]: datasets.lep(row["name"]) for row in datasets.registry.rows("lep-figures")}
BINNED = {name: figure for name, figure in FIGURES.items() if figure.kind != "mean"}
MEANS = {name: figure for name, figure in FIGURES.items() if figure.kind == "mean"}
SHAPES_OF_EVENTS = [name for name, figure in BINNED.items() if figure.observable in ("T", "C", "D", "B_T", "B_W")]
GAPS = {
    "pipm_p": 1,
    "kpm_p": 1,
    "p_p": 1,
    "pipm_xp_aleph": 1,
    "kpm_xp_aleph": 2,
    "p_xp_aleph": 2,
}  # bins without a value


def centres(figure):
    return (figure.edges[1:] + figure.edges[:-1]) / 2


def integral(figure, bins=slice(None)):
    """Integral over the measured bins, and its error if all bins are wrong together."""
    width = np.diff(figure.edges)
    return np.nansum((figure.values * width)[bins]), np.nansum((figure.errors * width)[bins])


def mean_position(figure):
    """Of a density, with everything at the centre of its bin."""
    return centres(figure) @ (figure.values * np.diff(figure.edges)) / integral(figure)[0]


# --- The tables ------------------------------------------------------------------------------------


def test_every_row_belongs_to_a_figure():
    assert {row["name"] for row in datasets.registry.rows("lep")} == set(FIGURES)
    assert (len(BINNED), len(MEANS)) == (45, 34)


@pytest.mark.parametrize("name", FIGURES)
def test_bins_join_without_gap_or_overlap(name):
    """`edges` keeps one edge for two neighbours, so the table must say the same number twice."""
    rows = [row for row in datasets.registry.rows("lep") if row["name"] == name]
    assert [row["high"] for row in rows[:-1]] == [row["low"] for row in rows[1:]]
    assert len(rows) == len(FIGURES[name].values)


@pytest.mark.parametrize("name", BINNED)
def test_edges_increase(name):
    assert np.all(np.diff(BINNED[name].edges) > 0)


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_is_one_value_at_the_energy(name):
    figure = MEANS[name]
    assert figure.edges.tolist() == [figure.energy, figure.energy]
    assert figure.values.shape == figure.errors.shape == (1,)


@pytest.mark.parametrize("name", FIGURES)
def test_errors_are_positive_where_there_is_a_value(name):
    figure = FIGURES[name]
    measured = np.isfinite(figure.values)
    assert np.all(figure.errors[measured] > 0)
    assert np.all(np.isnan(figure.errors[~measured]))
    assert np.all(figure.values[measured] > 0)
    assert np.count_nonzero(~measured) == GAPS.get(name, 0)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_record_and_its_paper_in_the_bibliography(name):
    figure = FIGURES[name]
    assert re.fullmatch(r"ins\d{6}|none", figure.hepdata)
    assert re.fullmatch(r"d\d\d-x01-y0\d", figure.table)
    bibliography = (pathlib.Path(__file__).parents[2] / "book" / "references.bib").read_text(encoding="utf-8")
    entry = re.search(r"@article\{" + figure.bibkey + r",\n(.*?)\n\}", bibliography, re.DOTALL).group(1)
    field = dict(re.findall(r"(\w+) += \{(.*)\}", entry))
    experiment, volume, year = re.match(r"(\w+), .* (\d+) \((\d{4})\)", figure.citation).groups()
    author = "Particle Data Group" if experiment == "PDG" else f"{experiment} Collaboration"
    assert (field["author"], field["volume"], field["year"]) == (f"{{{author}}}", volume, year)
    assert (figure.hepdata == "none") == (experiment == "PDG")
    assert field["doi"].startswith("10.")
    assert ("arXiv:" + field["eprint"] in figure.citation) if "eprint" in field else ("arXiv" not in figure.citation)


def test_the_listing_names_every_record():
    records = sorted({figure.hepdata for figure in FIGURES.values()} - {"none"})
    for name in ("lep", "lep-figures"):
        assert datasets.DATASETS[name].provenance.endswith("; HEPData " + ", ".join(records))


@pytest.mark.parametrize("name", FIGURES)
def test_labels_can_be_drawn_and_carry_the_unit(name):
    figure = FIGURES[name]
    for label in (figure.xlabel, figure.ylabel):
        MathTextParser("agg").parse(label)
    assert figure.unit in ("1", "1/GeV")
    assert ("GeV$^{-1}$" in figure.ylabel) == (figure.unit == "1/GeV")
    assert figure.unit == ("1/GeV" if figure.observable == "p" else "1")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_explained(name):
    assert name in re.findall(r"\w+", datasets.lep.__doc__)
    assert FIGURES[name].note.endswith(".")


def test_a_figure_cannot_be_changed():
    figure = datasets.lep("thrust")
    for column in (figure.edges, figure.values, figure.errors):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1.0
    with pytest.raises(AttributeError):
        figure.values = None


# --- The physics -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES_OF_EVENTS)
def test_event_shapes_integrate_to_one(name):
    """ALEPH normalises; the others correct bin by bin and may stop early, so they have to agree within errors only."""
    area, error = integral(FIGURES[name])
    assert area == pytest.approx(1.0, abs=1e-6 if name in ("thrust", "C", "BT", "BW") else error)


@pytest.mark.parametrize("name", [name for name, figure in BINNED.items() if figure.kind == "normalised"])
def test_what_is_normalised_integrates_to_one(name):
    assert integral(FIGURES[name])[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", [name for name, figure in BINNED.items() if figure.kind == "probability"])
def test_multiplicities_are_even_and_their_probabilities_sum_to_one(name):
    figure = FIGURES[name]
    assert np.all(np.diff(figure.edges) == 2)
    assert np.all(centres(figure) % 2 == 0)
    assert figure.values.sum() == pytest.approx(1.0, abs=1e-3)


def test_event_shapes_stay_where_they_are_defined():
    """T from 1/2 to 1, C and D from 0 to 1, B_W up to B_T up to 1/2; sphere and pencil are the ends."""
    limits = {"T": (0.5, 1.0), "C": (0.0, 1.0), "D": (0.0, 1.0), "B_W": (0.0, 0.5), "B_T": (0.0, 0.5)}
    for name in SHAPES_OF_EVENTS:
        low, high = limits[FIGURES[name].observable]
        assert low <= FIGURES[name].edges[0]
        assert FIGURES[name].edges[-1] <= high
        assert FIGURES[name].observable != "T" or FIGURES[name].edges[-1] == 1.0


@pytest.mark.parametrize("by", ["", "_delphi", "_opal", "_charged"])
def test_the_wide_hemisphere_has_at_least_half_of_the_broadening(by):
    wide, total = mean_position(FIGURES["BW" + by]), mean_position(FIGURES["BT" + by])
    assert total / 2 < wide < total


@pytest.mark.parametrize("by", ["_delphi", "_opal"])
@pytest.mark.parametrize("name", ["thrust", "C", "BT", "BW"])
def test_experiments_agree_on_the_shape_of_events(name, by):
    """On its mean, with errors for all bins wrong together: they are a few per cent, so 1 - T is not taken for T."""
    figures = [FIGURES[name + of] for of in ("", by)]
    (x, of_x), (y, of_y) = ((mean_position(f), abs(centres(f) - mean_position(f))) for f in figures)
    errors = [d @ (f.errors * np.diff(f.edges)) for d, f in zip((of_x, of_y), figures, strict=True)]
    assert abs(x - y) < 2 * np.hypot(*errors)
    assert np.hypot(*errors) < 0.06 * min(x, 1 - x)


def test_events_at_higher_energy_are_thinner_and_have_more_particles():
    assert mean_position(FIGURES["thrust"]) < mean_position(FIGURES["thrust_200"])
    grown = [figure for name, figure in MEANS.items() if re.fullmatch(r"mean_nch_\d{3}", name)]
    assert [f.energy for f in grown] == [133, 161, 172, 183, 189, 196, 200, 206]
    slope, _ = np.polyfit(np.log([f.energy for f in grown]), [f.values[0] for f in grown], 1)
    assert 5 < slope < 12  # particles per unit of ln(s)/2, from 20.9 at the Z
    assert all(f.values[0] > MEANS["mean_nch_aleph_2004"].values[0] for f in grown)
    assert {f.energy for name, f in FIGURES.items() if not re.search(r"_\d{3}$", name)} == {91.2}


def test_experiments_on_b_hadrons_find_the_mean_that_they_publish():
    """Published: 0.716, 0.699, 0.719, 0.709 with errors of 0.004 to 0.011, and what the bins can do."""
    for name, published in (("aleph", 0.716), ("delphi", 0.699), ("opal", 0.719), ("sld", 0.709)):
        assert mean_position(FIGURES["xb_" + name]) == pytest.approx(published, abs=0.015)


@pytest.mark.parametrize(("spectrum", "mean"), [("pipm", "mean_pipm_pdg"), ("kpm", "mean_kpm"), ("p", "mean_p")])
def test_sld_spectra_integrate_to_the_averages_of_their_kind(spectrum, mean):
    """From x_p = 0.005 and 0.014 on: a little is missing below, 6 % of pions and 7 % of what is heavier."""
    area, error = integral(FIGURES[spectrum + "_xp_sld"])
    assert (area + error) / MEANS[mean].values[0] > 0.88
    assert (area - error) / MEANS[mean].values[0] < 1.0


def test_the_multiplicity_distribution_has_the_published_mean():
    nch, mean = FIGURES["nch"], MEANS["mean_nch_aleph_1998"]
    assert centres(nch) @ nch.values / nch.values.sum() == pytest.approx(mean.values[0], abs=mean.errors[0])


def test_experiments_agree_on_the_mean_multiplicity():
    means = [MEANS[name] for name in ("mean_nch_aleph_1998", "mean_nch_aleph_2004", "mean_nch_opal")]
    for x in means:
        for y in means:
            assert abs(x.values[0] - y.values[0]) < 2 * np.hypot(x.errors[0], y.errors[0])


@pytest.mark.parametrize(
    ("spectrum", "mean"),
    [
        ("xp", "mean_nch_aleph_1998"),
        ("xp", "mean_nch_opal"),
        ("xp_uds", "mean_nch_uds"),
        ("xp_opal", "mean_nch_opal"),
    ],
)
def test_momentum_spectra_integrate_to_the_mean_multiplicity(spectrum, mean):
    area, error = integral(FIGURES[spectrum])
    assert area == pytest.approx(MEANS[mean].values[0], abs=np.hypot(error, MEANS[mean].errors[0]))


def test_about_one_particle_is_too_slow_for_the_logarithmic_spectrum():
    """The ln(1/x_p) spectrum falls to zero beyond its last bin: what is missing is less than that bin carried on."""
    xi, mean = FIGURES["xi_charged"], MEANS["mean_nch_aleph_1998"]
    missing, error = mean.values[0] - integral(xi)[0], np.hypot(integral(xi)[1], mean.errors[0])
    assert missing > 2 * error
    assert missing < xi.values[-1] * 1.0 + error  # one more unit of ln(1/x_p), down to 76 MeV


def test_two_experiments_count_the_same_particles_above_a_hundredth_of_the_beam():
    """x_p > 0.01 is ln(1/x_p) < 4.605, to half a per cent the bin edge 4.6."""
    xi, xp = FIGURES["xi_charged"], FIGURES["xp"]
    slow = np.count_nonzero(xi.edges[1:] < 4.601)
    (n_xi, error_xi), (n_xp, error_xp) = integral(xi, slice(None, slow)), integral(xp, slice(1, None))
    assert xp.edges[1] == 0.01
    assert n_xi == pytest.approx(n_xp, abs=np.hypot(error_xi, error_xp))


@pytest.mark.parametrize("name", ["xp", "xp_uds", "xp_aleph", "xp_opal"])
def test_charged_particles_carry_about_three_fifths_of_the_energy(name):
    """Both beams together are 2 in units of x_p; isospin gives 2/3, photons and neutral kaons change it little."""
    spectrum = FIGURES[name]
    assert 0.55 < mean_position(spectrum) * integral(spectrum)[0] / 2 < 0.67


def test_pions_are_published_up_to_the_beam_with_one_bin_missing():
    pions = FIGURES["pipm_p"]
    (missing,) = np.flatnonzero(np.isnan(pions.values))
    assert pions.edges[missing : missing + 2].tolist() == [0.864, 2.02]
    assert pions.edges[-1] == 45.6


def test_pions_add_up_to_their_published_number_once_the_gaps_are_bridged():
    """The gap by a power law between its neighbours, the start by a straight line from zero at rest."""
    pions, mean = FIGURES["pipm_p"], MEANS["mean_pipm"]
    (gap,) = np.flatnonzero(np.isnan(pions.values))
    p = np.geomspace(pions.edges[gap], pions.edges[gap + 1], 200)
    neighbours = [gap - 1, gap + 1]
    bridge = np.exp(np.interp(np.log(p), np.log(centres(pions)[neighbours]), np.log(pions.values[neighbours])))
    n_gap = np.sum((bridge[1:] + bridge[:-1]) / 2 * np.diff(p))
    n_start = pions.values[0] * pions.edges[0] / 2
    n_measured, error = integral(pions)
    assert n_measured < mean.values[0] - mean.errors[0]
    assert n_measured + n_gap + n_start == pytest.approx(mean.values[0], abs=np.hypot(error, mean.errors[0]))


# --- Errors ----------------------------------------------------------------------------------------


def test_an_unknown_figure_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown LEP figure 'oblateness'; known: thrust, C, BT, BW, D_charged, nch, "):
        datasets.lep("oblateness")


@pytest.mark.parametrize("damaged", ["lep", "lep-figures"])
def test_a_damaged_table_is_refused(monkeypatch, tmp_path, damaged):
    """A changed digit is still a valid table; only the checksum knows."""
    files = {name: datasets.path(name) for name in ("lep", "lep-figures")}
    text = files[damaged].read_text(encoding="utf-8")
    files[damaged] = tmp_path / files[damaged].name
    files[damaged].write_text(text[:-2] + "5\n", encoding="utf-8", newline="\n")
    monkeypatch.setattr(registry, "path", lambda name: files[name])
    with pytest.raises(DataFileError, match=f"{damaged}.csv is damaged: its checksum is not the listed one"):
        datasets.lep("thrust")


def test_a_missing_table_asks_for_a_new_installation(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "data_folder", lambda: tmp_path / "hadtutor" / "data")
    with pytest.raises(FileNotFoundError, match="lep-figures.csv is missing from this installation; install it again"):
        datasets.lep("thrust")
