import itertools

import numpy as np
import pytest
from checks import any_event, momenta, thrust_by_signs
from hypothesis import given

from hadtutor.observables import compute, thrust
from hadtutor.observables.exact_thrust import eigenvalues


@given(any_event())
def test_thrust_is_the_maximum_over_all_signs(p):
    value, axis = thrust(p)
    if not p.any():
        assert np.isnan(value)
        assert np.isnan(axis).all()
        return
    assert value == pytest.approx(thrust_by_signs(p), rel=1e-9)
    assert np.linalg.norm(axis) == pytest.approx(1.0, rel=1e-12)
    assert abs(p @ axis).sum() / np.linalg.norm(p, axis=1).sum() == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-2, 1e-4])
def test_thrust_is_exact_in_events_of_every_width(rng, scale):
    """From isotropic events to pencils of 11 hadrons."""
    for _ in range(50):
        p = rng.normal(size=(11, 3)) * [scale, scale, 1.0]
        assert thrust(p)[0] == pytest.approx(thrust_by_signs(p), rel=1e-9)


@pytest.mark.parametrize("deviation", [0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-3])
def test_thrust_is_exact_where_the_momentum_tensor_has_nearly_equal_eigenvalues(rng, deviation):
    """Cube, octahedron and hexagon, slightly deformed: their best axis is far from any eigenvector."""
    axes = np.eye(3)
    cube = np.array(list(itertools.product((1.0, -1.0), repeat=3)))
    angle = np.arange(6) * np.pi / 3
    hexagon = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    for solid in (np.concatenate([axes, -axes]), cube, hexagon):
        for _ in range(10):
            p = solid + deviation * rng.normal(size=solid.shape)
            assert thrust(p)[0] == pytest.approx(thrust_by_signs(p), rel=1e-9)


def test_thrust_of_string_events_is_exact(base):
    """Events of at most 12 hadrons."""
    sample = base[:2000]
    few = np.flatnonzero(sample.hadrons.multiplicity <= 12)[:100]
    columns = compute(sample[few].hadrons, 90.0)
    for k, i in enumerate(few):
        p = momenta(sample[i].hadrons)
        assert columns["T"][k] == pytest.approx(thrust_by_signs(p), rel=1e-12)


def test_thrust_takes_nested_lists():
    value, axis = thrust([[0, 0, 3], [0, 0, -3]])
    assert value == 1.0
    assert abs(axis[2]) == 1.0


@pytest.mark.parametrize("p", [[], [[0.0, 0.0, 0.0]]])
def test_thrust_without_momentum_is_nan(p):
    value, axis = thrust(p)
    assert np.isnan(value)
    assert np.isnan(axis).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_thrust_refuses_momenta_that_are_not_finite(bad):
    with pytest.raises(ValueError, match="momenta must be finite, and below 1e100"):
        thrust([[0, 0, 1], [0, bad, 0]])


# --- What the search must survive ------------------------------------------------------------------


def test_thrust_of_many_isotropic_hadrons_beats_every_axis_tried(rng):
    """Nothing to prune by: 20 000 axes, each climbed to a local maximum, find nothing better; nor all signs, for 15."""
    for n in (15, 60, 120):
        p = rng.normal(size=(n, 3)) * rng.exponential(size=(n, 1))
        value = thrust(p)[0]
        axes = rng.normal(size=(20_000, 3))
        for _ in range(5):
            sums = np.sign(axes @ p.T) @ p
            axes = sums
        tried = np.linalg.norm(sums, axis=1).max() / np.linalg.norm(p, axis=1).sum()
        assert value == pytest.approx(tried, rel=1e-12)
        if n == 15:
            assert value == pytest.approx(thrust_by_signs(p), rel=1e-12)


@pytest.mark.parametrize("soft", [1e-9, 1e-13, 1e-16, 1e-40])
def test_many_soft_hadrons_across_the_axis_do_not_exhaust_the_search(rng, soft):
    """80 hadrons next to nothing, all within a hair of the plane across: their signs hardly matter, but must settle."""
    p = rng.normal(size=(80, 3)) * [soft, soft, soft * 1e-3]
    hard = np.array([[0.3, 0, 10], [-0.3, 0, -10], [8, 0.1, 0.2], [-8, -0.1, -0.2], [0.1, 8, -3], [-0.1, -8, 3]])
    value, axis = thrust(np.concatenate([p, hard]))
    assert value == pytest.approx(thrust_by_signs(hard), abs=100 * soft + 1e-12)
    assert np.linalg.norm(axis) == pytest.approx(1.0, rel=1e-12)


def test_collinear_copies_in_a_plane_do_not_exhaust_the_search():
    """60 hadrons along 6 directions of one plane: ten at a time change sign together."""
    angle = np.repeat(np.arange(6) * np.pi / 6 + 0.1, 10)
    p = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    assert thrust(p)[0] == pytest.approx(thrust_by_signs(p[::10]), rel=1e-12)


def test_thrust_is_exact_where_the_leading_eigenvector_is_almost_lost():
    """A strained cube with both gaps between its eigenvalues near 1e-6."""
    half = [
        (0.37470734678614626, -1.007865563783002, 1.357866616389953),
        (1.2176768431506404, -1.1464350227062479, -0.4505053451895273),
        (-1.4268599930065928, -0.8418415137528913, 0.5053452718685827),
        (-0.5838904966420989, -0.980410972676137, -1.3030266897108977),
    ]
    p = np.concatenate([half, np.negative(half[::-1])])
    assert thrust(p)[0] == pytest.approx(thrust_by_signs(p), rel=1e-12)


def test_thrust_is_never_above_one():
    """50 hadrons along one line, whose lengths do not add up exactly."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        value = thrust(np.outer(rng.normal(size=50), rng.normal(size=3)))[0]
        assert 1 - 1e-12 < value <= 1


@pytest.mark.parametrize("p", [[1.0, 2.0, 3.0], np.ones((3, 4)), np.ones((2, 4)), np.ones((2, 2, 3))])
def test_momenta_of_another_shape_are_an_error(p):
    """A transposed array above all: 12 numbers are not 4 hadrons because they could be."""
    with pytest.raises(ValueError, match=r"p must have shape \(n, 3\), got \("):
        thrust(p)


@pytest.mark.parametrize("scale", [1e-140, 1e-100, 1e90])
def test_thrust_has_no_unit(rng, scale):
    p = rng.normal(size=(20, 3))
    assert thrust(scale * p)[0] == pytest.approx(thrust(p)[0], rel=1e-12)


@given(any_event().filter(lambda p: p.any()))
def test_eigenvalues_are_those_of_numpy(p):
    """Equal ones too: events in a plane, on a line, on a grid."""
    tensor = p.T @ p / np.sum(p * p)
    got = eigenvalues(*np.diag(tensor), tensor[0, 1], tensor[0, 2], tensor[1, 2])
    np.testing.assert_allclose(got, np.linalg.eigvalsh(tensor)[::-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("deviation", [0.0, 1e-16, 1e-14, 1e-12, 1e-9, 1e-7, 1e-5, 1e-2])
@pytest.mark.parametrize("equal", [(1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0.0), (0.8, 0.1, 0.1), (1.0, 0.0, 0.0)])
def test_nearly_equal_eigenvalues_keep_their_digits(rng, equal, deviation):
    for _ in range(100):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        tensor = rotation @ np.diag(equal) @ rotation.T
        noise = rng.normal(size=(3, 3))
        tensor += deviation * (noise + noise.T)
        tensor /= np.trace(tensor)
        got = eigenvalues(*np.diag(tensor), tensor[0, 1], tensor[0, 2], tensor[1, 2])
        np.testing.assert_allclose(got, np.linalg.eigvalsh(tensor)[::-1], rtol=0, atol=1e-12)
