"""What `reproduce gan` computes, stores, prints and draws."""

import json

import numpy as np
import torch
from checks import ALPHA

from hadtutor.reproduce import gan, results


def test_distance_of_the_same_angles_is_none_and_of_a_shift_the_shift():
    angles = torch.stack([torch.linspace(-0.5, 0.5, 101), torch.linspace(-0.4, 0.4, 101)], 1)
    assert gan.distance(angles, angles) < 1e-6
    assert abs(gan.distance(angles, angles + torch.tensor([0.1, 0.2])) - 0.15) < 1e-6


def test_histograms_of_one_law_agree():
    """p > 1e-3 from χ²."""
    source = torch.Generator().manual_seed(1)
    found = gan.histograms(*(2 * torch.rand(8000, 2, generator=source) - 1 for _ in range(2)))
    for angle in ("azimuth", "polar"):
        assert found[angle]["bins"] == 40
        assert 15 < found[angle]["chi2"] < 75  # p = 1e-3 at both ends
        assert abs(sum(found[angle]["true"]) - 1) < 1e-3


def test_all_that_is_to_be_done_has_a_name():
    wanted = gan.parts(2000, 1, {"threads": 1, "rng": 1, "progress": False}, None)
    assert set(wanted) == {"pert0", "pert1", "species_published", "species_masses", "lep", *gan.VARIATIONS}


def test_the_stored_run_says_what_the_chapter_says():
    result = results.stored("gan")
    numbers = result["numbers"]
    assert (results.data_folder() / "results/gan.json").stat().st_size < 300_000
    for key in ("pert0", "pert1"):
        one = numbers[key]
        assert len(one["distance"]) == gan.EPOCHS["published"], "to full length"
        assert 2 * one["floor"] < one["best"], "nothing brakes this game"
        assert one["best_epoch"] == 1 + int(np.argmin(one["distance"]))
    assert numbers["pert0"]["isotropic"] < 2 * numbers["pert0"]["floor"], "isotropy is the truth"
    made, true = (numbers["pert1"]["forward"][which] for which in ("made", "true"))
    assert abs(made) < 0.2 * true, "a discriminator without sight cannot teach where the hadron goes"
    without, masses = numbers["lep"]["species"], numbers["species_masses"]["by"]
    assert all(masses[name]["chi2"] < 0.7 * without[name]["chi2"] for name in gan.SPECIES)
    assert all(masses[name]["p"] > ALPHA / 3 for name in gan.SPECIES if name != "pions"), (
        "masses do not say which quark"
    )
    for figure in gan.FIGURES:
        rows = numbers["lep"][figure]
        assert 0.67 < rows["network"]["chi2"] / rows["cluster model"]["chi2"] < 1.5, figure
    for name in gan.VARIATIONS:
        one = numbers[name]
        assert one["start"]["auc"] > 0.5 + 4 * one["start"]["error"], name
        assert abs(one["n_hadrons"]["fitted"] - one["n_hadrons"]["start"]) < 0.5, "directions make no hadrons"
        learned = one["fitted"]["auc"] < 0.5 + 4 * one["fitted"]["error"]
        assert learned == (name == "cl_smr"), name


def test_numbers_become_a_table_and_a_figure(tmp_path):
    result = results.stored("gan")
    text = results.summary(json.loads(json.dumps(result)))
    assert all(word in text for word in ("no perturbative quark", "kaons", "thrust", "strings"))
    results.draw(result["numbers"], tmp_path / "gan.png")
    assert (tmp_path / "gan.png").stat().st_size > 10_000
