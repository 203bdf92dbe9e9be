"""Figures where the simulation has few entries: what variances its bins are given."""

import numpy as np
import pytest
from scipy.stats import chi2

from hadtutor import datasets
from hadtutor.metrics.figures import Figures

SHAPES = "thrust", "C", "BT", "BW"
FEW = 2000


@pytest.fixture(scope="module")
def figures():
    """Of a few events; the data, known to a per mille, are 10 000 of the same kind, and those are among them."""
    sample, made = datasets.load("pythia-lep"), []
    every = Figures(sample, SHAPES)
    found = every.of(np.zeros(len(sample))).values
    for figure, kept, bins in zip(every.figures, every.kept, every.bins, strict=True):
        values = np.full(len(figure.values), np.nan)
        values[kept] = np.where(found[bins] > 0, found[bins], np.nan)
        made.append(figure._replace(values=values, errors=1e-3 * values))
    return Figures(sample[:FEW], made)


def test_bins_of_few_entries_are_judged_by_what_the_data_would_have(figures):
    """Events of one kind agree with each other, each shape with p > 10⁻³; an empty bin of its own says otherwise."""
    w = np.zeros(FEW)
    own = figures.covariance(w) + np.diag(figures.errors**2)
    off = figures.of(w).values - figures.data
    assert (figures.of(w).values == 0).any()
    for (name, (found, n)), bins in zip(figures.chi2(w).items(), figures.bins, strict=True):
        assert chi2.sf(found, n) > 1e-3, name
        if (figures.of(w).values[bins] == 0).any():
            assert chi2.sf(off[bins] @ np.linalg.solve(own[bins, bins], off[bins]), n) < 1e-6, name


def test_variances_are_those_of_as_many_entries_as_the_data_have(figures):
    """p(1 - p)/N for shapes, with one entry at least, and nothing for their sum; empty bins have as much."""
    w = np.zeros(FEW)
    of_simulation = figures.total_covariance(w) - np.diag(figures.errors**2)
    share = np.maximum(figures.data * figures.bin_widths, 1 / FEW)
    variance = np.diag(of_simulation) * figures.bin_widths**2
    assert variance == pytest.approx(share * (1.0 - share) / FEW, rel=0.15)
    empty = figures.of(w).values == 0
    assert empty.any()
    for bins in figures.bins:
        rest = of_simulation[bins, bins] - np.diag((share / figures.bin_widths**2 / FEW * empty)[bins])
        width = figures.bin_widths[bins]
        assert abs(width @ rest @ width) < 1e-9


def test_one_entry_is_no_evidence_against_none(figures):
    """A bin where the data have next to nothing, and the simulation has an entry: χ² of about one, not of hundreds."""
    w, bins = np.zeros(FEW), figures.bins[0]
    single = np.flatnonzero(np.isclose(figures.of(w).values[bins] * figures.bin_widths[bins] * FEW, 1.0))
    assert len(single) > 0
    thrust = figures.figures[0]
    values, errors = thrust.values.copy(), thrust.errors.copy()
    place = np.flatnonzero(np.isfinite(values))[single[0]]
    total = np.nansum(values)
    values[place], errors[place] = 1e-3 * values[place], 1e-3 * values[place]
    values *= total / np.nansum(values)  # of bins of one width: else their sum would tell
    changed = Figures(datasets.load("pythia-lep")[:FEW], thrust._replace(values=values, errors=errors))
    assert changed.chi2(w)["thrust"][0] < figures.chi2(w)["thrust"][0] + 5.0


def test_the_width_of_a_bin_is_what_an_entry_is_worth():
    """A value is entries per event over it, also where a figure is normalised by itself."""
    sample = datasets.load("pythia-lep")[:500]
    shape = datasets.lep("xp")._replace(name="shape of xp", kind="normalised")
    figures = Figures(sample, ("thrust", "nch", "mean_nch_opal", shape))
    values = figures.of(np.zeros(500)).values
    entries = np.concatenate([np.asarray(c.sum(axis=0)).ravel()[k] for c, k in zip(figures.counts, figures.kept)])
    assert values == pytest.approx(entries / 500 / figures.bin_widths)
