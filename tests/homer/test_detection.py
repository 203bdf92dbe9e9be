"""HOMER learns f from what a detector sees, with a simulation that has gone through the same."""

import warnings

import numpy as np
import pytest
from homer_samples import BASE, MT2, TARGET, Z, generated, true_f

import hadtutor as ht
from hadtutor import homer
from hadtutor.detector import Detector

DETECTOR = Detector(charged_only=False, least_tracks=8)


def seen(params=TARGET, detector=DETECTOR):
    hadrons = detector(generated(params, 2), rng=3)
    return hadrons[hadrons.multiplicity > 0]


def fit(data, **options):
    settings = {"iterations": 1, "rng": 1, "progress": False, "detector": DETECTOR} | options
    return homer.fit(generated(), data, **settings)


@pytest.fixture(scope="module")
def result():
    return fit(seen())


def test_f_is_learned_through_a_detector(result):
    f, sigma = result.f(Z, MT2)
    assert np.max(np.abs(f - true_f(TARGET)) / sigma) < 4.5
    assert np.max(np.abs(f / true_f(TARGET) - 1)[:, :8]) < 0.08
    assert result.p_value > 1e-3


def test_the_result_knows_which_events_were_seen(result):
    """Events with fewer than eight tracks are lost, with their histories."""
    assert 0.9 * len(generated()) < len(result.sim) < len(generated())
    assert len(result.log_w) == len(result.sim) == len(result.sim.histories)
    assert result.sim.hadrons.multiplicity.min() >= 8
    assert result.sim.params == BASE


def test_what_the_detector_hides_widens_the_band(result):
    open_eyes = fit(generated(TARGET, 2).hadrons, detector=None)
    blurred = DETECTOR.replace(charged_only=True, efficiency=0.8, resolution=0.1, least_tracks=1)
    behind = fit(seen(detector=blurred), detector=blurred)
    widths = [np.mean(r.f(Z, MT2)[1] / true_f(TARGET)) for r in (open_eyes, result, behind)]
    assert widths[0] < widths[1] < widths[2]


def test_a_wrong_detector_is_given_away():
    """Four points of efficiency: no f describes all thirteen observables."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        wrong = fit(seen(), detector=DETECTOR.replace(efficiency=0.86))
    assert any("no fragmentation function describes these data" in str(w.message) for w in said)
    assert wrong.p_value < 1e-6


def test_a_new_simulation_goes_through_the_detector_too():
    far = ht.LundParams(a=0.45, b=0.65, sigma_pt=0.32)
    found = fit(seen(far), rebase=True)
    assert len(found.bases) > 1
    f, sigma = found.f(Z, MT2)
    assert np.max(np.abs(f - true_f(far)) / sigma) < 4.5


def test_pseudo_experiments_see_through_the_detector():
    small = generated()[:3000]
    data = DETECTOR(generated(TARGET, 2)[:3000], rng=3)
    settings = {"iterations": 1, "detector": DETECTOR, "epochs": 2}
    found = homer.fit(small, data[data.multiplicity > 0], rng=1, progress=False, **settings)
    again = homer.calibrate(found, experiments=1, rng=1, progress=False, **settings)
    assert np.max(np.abs(again.pulls)) < 6


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (0.9, TypeError, "detector must be a function"),
        (lambda hadrons, rng: hadrons[:10], homer.HomerError, "must give Hadrons of 20000 events"),
        (DETECTOR.replace(efficiency=0.0), homer.HomerError, "loses 100 % of the simulated events"),
    ],
)
def test_detectors_that_are_none_are_named(detector, error, message):
    with pytest.raises(error, match=message):
        fit(seen(), detector=detector)


def test_lost_events_are_not_data():
    with pytest.raises(homer.HomerError, match="T of the data is NaN .* leave these events"):
        fit(DETECTOR(generated(TARGET, 2), rng=3))
