"""A detector does what its numbers say, event by event."""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor.detector import Detector, turn

TRUE = ht.hadronize_strings(5000, rng=1, progress=False).hadrons
PERFECT = Detector(efficiency=1.0, resolution=0.0, charged_only=False)


def size(h):
    return np.sqrt(h.px.astype(float) ** 2 + h.py.astype(float) ** 2 + h.pz.astype(float) ** 2)


def test_a_perfect_detector_changes_nothing():
    seen = PERFECT(TRUE, rng=1)
    assert np.array_equal(seen.offsets, TRUE.offsets)
    assert np.array_equal(seen.pid, TRUE.pid)
    assert np.allclose(seen.p4, TRUE.p4, rtol=1e-6, atol=1e-6)


def test_only_charged_hadrons_are_seen_and_as_often_as_was_said():
    seen = Detector(efficiency=0.9)(TRUE, rng=1)
    n = np.sum(TRUE.charge != 0)
    assert np.all(seen.charge != 0)
    assert abs(len(seen.px) - 0.9 * n) / np.sqrt(0.09 * n) < 4


def test_momenta_are_right_in_the_mean_and_scatter_as_was_said():
    """σ = 3 % ⊕ 0.1 pT; directions stay, and masses."""
    seen = PERFECT.replace(resolution=0.03, slope=0.1)(TRUE, rng=1)
    ratio, sigma = size(seen) / size(TRUE), np.hypot(0.03, 0.1 * TRUE.pt)
    pull = (ratio - 1) / sigma
    assert abs(pull.mean()) * np.sqrt(len(pull)) < 4
    assert abs(np.mean(pull**2) - 1) < 0.02
    assert np.allclose(seen.px * size(TRUE), TRUE.px * size(seen), rtol=1e-5, atol=1e-6)
    assert np.allclose(seen.mass, ht.particles.mass_of(seen.pid), atol=1e-5)


def test_soft_tracks_and_those_near_the_beam_are_missed():
    true = turn(TRUE, rng=2)
    seen = PERFECT.replace(cos_max=0.9)(true, rng=1)
    assert np.max(abs(seen.pz) / size(seen)) <= 0.9
    share, n = len(seen.px) / len(true.px), len(true)
    assert abs(share - 0.9) < 4 * 0.6 / np.sqrt(n), "events fly in all directions, hadrons with them"
    soft = PERFECT.replace(turn_on=0.3)(TRUE, rng=1)
    wanted = -np.expm1(-((TRUE.pt / 0.3) ** 2))
    assert abs(len(soft.px) - wanted.sum()) < 4 * np.sqrt(np.sum(wanted * (1 - wanted)))


def test_fakes_are_tracks_of_no_hadron():
    seen = PERFECT.replace(efficiency=0.0, fakes=2.0, least_tracks=0)(TRUE, rng=1)
    assert abs(seen.multiplicity.mean() - 2) < 4 * np.sqrt(2 / 5000)
    assert set(np.unique(seen.pid)) == {-211, 211}
    assert abs(size(seen).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(seen.px))
    both = PERFECT.replace(fakes=1.0)(TRUE, rng=1)
    assert abs(np.mean(both.multiplicity - TRUE.multiplicity) - 1) < 0.06


def test_an_event_may_lose_everything():
    seen = Detector(efficiency=0.3, least_tracks=4)(TRUE, rng=1)
    assert len(seen) == len(TRUE)
    assert 0 < np.sum(seen.multiplicity == 0) < len(seen)
    assert set(np.unique(seen.multiplicity)) & {1, 2, 3} == set()


def test_turning_keeps_shapes_and_sums():
    true = turn(TRUE, rng=2)
    names = ("T", "C", "D", "n_ch")
    before, after = (ht.observables.compute(h, 90.0, names=names) for h in (TRUE, true))
    for name in names:
        assert np.allclose(before[name], after[name], atol=1e-6)
    assert np.allclose(true.e, TRUE.e)
    # A turn, no mirror image: the triple product of three momenta stays.
    p, q = (h.p4[:3, :3].astype(float) for h in (TRUE, true))
    assert np.isclose(np.linalg.det(p), np.linalg.det(q))
    first = true.pz[true.offsets[:-1]] / size(true)[true.offsets[:-1]]
    assert abs(first.mean()) < 4 / np.sqrt(3 * len(true)), "in all directions"
    assert abs(np.mean(first**2) - 1 / 3) < 0.02


def test_the_same_rng_sees_the_same():
    a, b = (Detector(fakes=0.5)(TRUE, rng=4) for _ in range(2))
    assert np.array_equal(a.p4, b.p4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"efficiency": 1.1}, ValueError, "efficiency must be >= 0 and <= 1"),
        ({"cos_max": 0.0}, ValueError, "cos_max must be > 0"),
        ({"turn_on": -1.0}, ValueError, "turn_on must be >= 0"),
        ({"resolution": np.nan}, ValueError, "resolution must be"),
        ({"fakes": "many"}, TypeError, "fakes must be a number"),
        ({"least_tracks": 1.5}, TypeError, "least_tracks must be a whole number"),
        ({"charged_only": "yes"}, TypeError, "charged_only must be True or False"),
    ],
)
def test_numbers_out_of_range_are_named(options, error, message):
    with pytest.raises(error, match=message):
        Detector(**options)


def test_what_is_no_hadrons_is_named():
    with pytest.raises(TypeError, match="Sample or Hadrons, got ndarray"):
        PERFECT(np.zeros(3), rng=1)
    bad = TRUE.replace(px=np.where(np.arange(len(TRUE.px)) == 3, np.nan, TRUE.px))
    with pytest.raises(ValueError, match="event 0 has a momentum that is not finite"):
        PERFECT(bad, rng=1)
