"""Clusters guessed from hadrons."""

import numpy as np
import pytest
from gans import ALPHA, pions
from scipy import stats

from hadtutor import gan
from hadtutor.events.hadrons import Hadrons
from hadtutor.observables import rapidity, thrust_axes


def small(n=30):
    """The first events, as hadrons alone."""
    hadrons = pions().hadrons
    rows = slice(0, hadrons.offsets[n])
    columns = (getattr(hadrons, name)[rows] for name in ("px", "py", "pz", "e", "pid"))
    return Hadrons(hadrons.offsets[: n + 1], *columns)


def test_the_nearest_is_the_nearest_of_all_pairs():
    hadrons = small()
    found, axis = gan.neighbours(hadrons), thrust_axes(hadrons)
    assert np.array_equal(found.event, hadrons.event), "none is alone"
    y = rapidity(hadrons, axis)
    for event in range(len(hadrons)):
        here = slice(*hadrons.offsets[event : event + 2])
        p = np.stack([hadrons.px, hadrons.py, hadrons.pz], 1)[here]
        across = p - np.outer(p @ axis[event], axis[event])
        cosine = across @ across.T / np.outer(*[np.linalg.norm(across, axis=1)] * 2)
        apart = np.hypot(y[here, None] - y[None, here], np.arccos(cosine.clip(-1, 1)))
        np.fill_diagonal(apart, np.inf)
        np.testing.assert_allclose(found.distance[here], apart.min(axis=1), atol=1e-6)


def test_pairs_are_pairs():
    found = gan.neighbours(small())
    assert np.all((found.share > 0) & (found.share < 1))
    assert np.all(found.mass > 0.26), "two pions"
    assert np.all(abs(found.polar) <= 1)


def test_the_azimuth_of_a_pair_is_flat():
    """The helicity frame has an x axis by convention; p > 1e-3. Of mutual neighbours one is kept."""
    found = gan.neighbours(pions())
    assert stats.kstest(found.azimuth[found.share > 0.5][::3], stats.uniform(-1, 2).cdf).pvalue > ALPHA


def test_two_events_with_one_hadron_each_have_no_pairs():
    one = Hadrons(np.array([0, 1, 2]), *(np.array([0.1, 0.2]) for _ in range(3)), np.array([1.0, 1.0]), [211, -211])
    assert len(gan.neighbours(one).share) == 0


def test_hadrons_are_wanted():
    with pytest.raises((TypeError, AttributeError)):
        gan.neighbours("hadrons")
