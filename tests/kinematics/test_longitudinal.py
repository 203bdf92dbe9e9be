import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadtutor import kinematics, strings

masses = st.floats(0.1, 10.0)
rapidities = st.floats(-8.0, 8.0)


@given(masses, rapidities)
def test_the_product_of_light_cone_momenta_is_mt2(mt, y):
    plus, minus = kinematics.light_cone(mt * np.cosh(y), mt * np.sinh(y))
    assert plus == pytest.approx(mt * np.exp(y), rel=1e-8)
    assert minus == pytest.approx(mt * np.exp(-y), rel=1e-8)
    assert plus * minus == pytest.approx(mt**2, rel=1e-8)


@given(masses, rapidities)
def test_rapidity_is_what_it_was_made_from(mt, y):
    assert kinematics.rapidity(mt * np.cosh(y), mt * np.sinh(y)) == pytest.approx(y, abs=1e-8)


@given(masses, st.floats(-4, 4), st.floats(-4, 4))
def test_a_boost_adds_to_the_rapidity_and_keeps_the_mass(mt, y, boost):
    e, pz = kinematics.boost_z(mt * np.cosh(y), mt * np.sinh(y), boost)
    assert kinematics.rapidity(e, pz) == pytest.approx(y + boost, abs=1e-8)
    assert (e - pz) * (e + pz) == pytest.approx(mt**2, rel=1e-8)


@given(masses, st.floats(-4, 4), st.floats(-4, 4), st.floats(-4, 4))
def test_boosts_form_a_group(mt, y, first, second):
    here = mt * np.cosh(y), mt * np.sinh(y)
    both = kinematics.boost_z(*kinematics.boost_z(*here, first), second)
    np.testing.assert_allclose(both, kinematics.boost_z(*here, first + second), rtol=1e-9, atol=1e-9)
    back = kinematics.boost_z(*kinematics.boost_z(*here, first), -first)
    np.testing.assert_allclose(back, here, rtol=1e-7, atol=1e-7)


def test_a_boost_is_the_lorentz_transformation():
    """E' = gamma (E + beta pz), pz' = gamma (pz + beta E) with beta = tanh y."""
    e, pz = kinematics.boost_z(5.0, 3.0, np.arctanh(0.6))
    assert e == pytest.approx(1.25 * (5.0 + 0.6 * 3.0))
    assert pz == pytest.approx(1.25 * (3.0 + 0.6 * 5.0))


@pytest.mark.parametrize("function", [kinematics.light_cone, kinematics.boost_z, kinematics.rapidity])
def test_arrays_come_out_in_the_shape_they_went_in(function):
    e, pz = np.array([[5, 2], [3, 4]]), np.array([[3, 0], [1, -2]])
    out = function(e, pz, 0.3) if function is kinematics.boost_z else function(e, pz)
    for part in out if isinstance(out, tuple) else (out,):
        assert part.shape == (2, 2)
        assert part.dtype == float


def test_break_points_lie_on_the_hyperbola_of_the_recursion(base):
    """(kappa tau)² of a break = (1 - z)(that of the break before + mT²/z), along either side of the string."""
    sample = base[:200]
    order = strings.string_order(sample.histories)
    h = sample.histories.only_accepted()
    for i in range(len(sample)):
        rows = order[sample.hadrons.offsets[i] : sample.hadrons.offsets[i + 1]]
        t, z = kinematics.break_points(sample.hadrons.e[rows], sample.hadrons.pz[rows], tension=0.9)
        gamma = 0.9**2 * (t**2 - z**2)
        breaks = np.arange(h.chain_offsets[i], h.chain_offsets[i + 1])
        for side, along in ((True, gamma), (False, gamma[::-1])):
            own, wanted = breaks[h.from_positive[breaks] == side], [0.0]
            for j in own:
                wanted.append((1 - float(h.z[j])) * (wanted[-1] + float(h.mt2[j]) / float(h.z[j])))
            np.testing.assert_allclose(along[: len(own)], wanted[1:], rtol=1e-3, atol=1e-4)


def test_breaks_are_outside_each_others_light_cones(base):
    """Neighbours are space-like: no break can know of another. (A reversed last pair is the exception.)"""
    accepted = base.histories.only_accepted()
    straight = base[np.flatnonzero(~accepted.final_reversed)[:200]]
    order = strings.string_order(straight.histories)
    for start, stop in zip(straight.hadrons.offsets[:-1], straight.hadrons.offsets[1:], strict=True):
        rows = order[start:stop]
        t, z = kinematics.break_points(straight.hadrons.e[rows], straight.hadrons.pz[rows])
        assert len(t) == stop - start - 1
        assert np.all(np.diff(t) ** 2 < np.diff(z) ** 2)
        assert np.all(np.diff(z) < 0)
        assert np.all(t > abs(z))


def test_twice_the_tension_halves_the_picture():
    e, pz = np.array([3.0, 1.0, 2.0]), np.array([2.5, 0.0, -1.5])
    for full, half in zip(kinematics.break_points(e, pz), kinematics.break_points(e, pz, tension=2.0), strict=True):
        np.testing.assert_allclose(half, full / 2)


def test_the_mirror_image_of_an_event_has_mirrored_breaks():
    e, pz = np.array([3.0, 1.0, 2.0]), np.array([2.0, -0.2, -1.8])
    t, z = kinematics.break_points(e, pz)
    t_mirror, z_mirror = kinematics.break_points(e[::-1], -pz[::-1])
    np.testing.assert_allclose(t_mirror[::-1], t)
    np.testing.assert_allclose(z_mirror[::-1], -z)


def test_masked_momenta_have_no_rapidity_and_tension_is_above_zero():
    pz = np.ma.array([3.0, 1000.0], mask=[False, True])
    y = kinematics.rapidity([5.0, 5.0], pz)
    assert round(float(y[0]), 6) == 0.693147
    assert np.isnan(y[1])
    with pytest.raises(ValueError, match="tension must be > 0 GeV/fm, got 0"):
        kinematics.break_points([1.0, 1.0], [0.0, 0.0], tension=0)
