"""The parts of ``reproduce gluons`` that are its own."""

import numpy as np
import pytest

from hadtutor.reproduce import gluons


def test_smearing_as_published_does_nothing():
    rows = gluons.side_by_side(2000, threads=1, rng=1, progress=False)
    by_name = {row["what"]: row for row in rows}
    plain, published = by_name["one passage"], by_name["smeared as published, width 0.05"]
    assert published["spread_of_log_w"] == pytest.approx(plain["spread_of_log_w"], rel=1e-6)
    assert by_name["smeared, width 1"]["spread_of_log_w"] != pytest.approx(plain["spread_of_log_w"], rel=1e-3)
    assert by_name["smeared, width 1"]["f_spread"] > plain["f_spread"], "a mean over others is flatter still"
    assert {row["what"] for row in rows if row["auc"]} > {"one passage", "one passage, Deep Sets"}


@pytest.mark.parametrize(("name", "most"), [("qgq", 1), ("qvgq", 1), ("qngq", 40), ("showers", 40)])
def test_partons_are_those_of_the_set(name, most):
    if name in ("qvgq", "qngq"):
        pytest.importorskip("pythia8mc", reason="the extra pythia is not installed")
    partons = gluons.partons_of(name, 200, False)[:200]
    n_gluons = np.bincount(partons.event, partons.pid == 21, len(partons))
    assert n_gluons.max() <= most
    of_quarks = partons.pid[partons.pid != 21]
    if name != "showers":
        assert set(np.unique(of_quarks)) == {-2, 2}, "one string from u to u-bar"
        assert len(of_quarks) == 400
    sample = gluons.strings_between(partons, 300, gluons.BASE, rng=1, progress=False)
    assert len(sample) == 300
    assert np.array_equal(sample.partons[200:300].px, partons[:100].px), "taken again from the first"
