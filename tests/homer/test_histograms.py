"""Data that are histograms: matched, with the covariance of counts, and nothing in a bin where it does not belong."""

import numpy as np
import pytest
from checks import ALPHA
from homer_samples import TARGET, columns, generated
from scipy import stats

from hadtutor import homer
from hadtutor.metrics import histogram_per_event
from hadtutor.weights import event_weights


def test_histograms_are_matched():
    data = homer.Histograms.of(columns(TARGET, 2))
    log_ratio, chi2, ndf = homer.step_one_histograms(columns(), data)
    assert chi2 / ndf > 10
    _, chi2, ndf = homer.step_one_histograms(columns(), data, log_ratio)
    assert chi2 / ndf < 1.2
    exact = event_weights(generated(), TARGET).log_w
    _, chi2, ndf = homer.step_one_histograms(columns(), data, exact)
    assert stats.chi2.sf(chi2, ndf) > ALPHA, "exact weights do not describe the data"


def test_histograms_have_the_covariance_of_counts():
    found = homer.Histograms.of(columns(), n_bins=5, names=("n_f", "T"))
    counts = []
    for name, edges in found.edges.items():
        counts.append(histogram_per_event(columns()[name], np.clip(edges, -1e9, 1e9)))
    counts = np.concatenate(counts, axis=1).astype(float)
    assert np.allclose(found.shares, counts.mean(axis=0))
    assert np.allclose(found.covariance, np.cov(counts.T) / len(counts), rtol=1e-5, atol=1e-12)


def test_an_empty_bin_is_outside_the_support():
    data = homer.Histograms.of({"n_f": columns()["n_f"] + 40}, names=("n_f",))
    with pytest.raises(homer.HomerError, match="outside the support"):
        homer.step_one_histograms({"n_f": columns()["n_f"]}, data)


def test_what_is_not_a_number_is_refused(rng):
    x = rng.normal(size=200)
    x[100:] = np.nan
    with pytest.raises(homer.HomerError, match="NaN or infinite in 100 events"):
        homer.Histograms.of({"T": x}, 4, "T")
    data = homer.Histograms.of({"T": x[:100]}, 4, "T")
    with pytest.raises(homer.HomerError, match="T of the simulation is NaN"):
        homer.step_one_histograms({"T": x}, data)
    with pytest.raises(homer.HomerError, match="NaN or infinite in 100 events"):
        homer.Histograms.of({"T": np.ma.array(np.nan_to_num(x), mask=np.isnan(x))}, 4, "T")


def test_events_without_a_moment_are_in_no_bin(rng):
    """One event in a thousand may have no charged hadron, hence no moment of ln x."""
    x = rng.normal(size=2000)
    x[0] = np.nan
    data = homer.Histograms.of({"lnx_ch_mean": x}, 4, "lnx_ch_mean")
    assert np.allclose(data.shares, [500 / 2000, 500 / 2000, 499 / 2000, 500 / 2000], atol=1.1 / 2000)
    assert np.isclose(data.shares.sum(), 1999 / 2000)
    log_ratio, chi2, ndf = homer.step_one_histograms({"lnx_ch_mean": x}, data)
    assert chi2 < 1e-9
    assert np.abs(log_ratio).max() < 1e-3


@pytest.mark.parametrize(
    ("edges", "shares", "covariance", "message"),
    [
        ({"T": [0.0, 0.0, 1.0]}, [0.5, 0.5], np.eye(2), "edges of T must increase"),
        ({"T": [0.0, 0.5, 1.0]}, [0.5, 0.5], np.eye(3), "2 bins want"),
        ({"T": [0.0, 0.5, 1.0]}, [0.5, np.nan], np.eye(2), "must be finite"),
        ({"T": [0.0, 0.5, 1.0]}, np.ma.array([0.5, 0.5], mask=[0, 1]), np.eye(2), "must be finite"),
        ({}, [], np.empty((0, 0)), "at least one bin"),
    ],
)
def test_bad_histograms_are_named(edges, shares, covariance, message):
    with pytest.raises(ValueError, match=message):
        homer.Histograms(edges, shares, covariance)
    with pytest.raises(ValueError, match="no observable"):
        homer.Histograms.of({}, names=())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bayesian": True}, "bayesian"), ({"ensemble": 2}, "ensemble"), ({"epochs": 3}, "epochs"),
        ({"observables": "T"}, "observables"), ({"method": "trees"}, "method"),
    ],
)  # fmt: skip
def test_options_of_classifiers_are_refused(options, named):
    with pytest.raises(ValueError, match=f"{named} does nothing for data that are histograms"):
        homer.fit(generated(), homer.Histograms.of(columns(TARGET, 2)), progress=False, **options)
