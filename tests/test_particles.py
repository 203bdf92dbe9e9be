import numpy as np
import pytest

from hadtutor import particles


def test_pion_masses_and_charges_are_those_of_the_pdg():
    """PDG 2024: 134.9768 +- 0.0005 MeV and 139.57039 +- 0.00018 MeV."""
    assert particles.PARTICLES[111] == (111, "pi0", 0.1349768, 0)
    assert particles.PARTICLES[211] == (211, "pi+", 0.13957039, 1)
    assert particles.PARTICLES[-211] == (-211, "pi-", 0.13957039, -1)
    assert particles.MASS_NEUTRAL_PION == 0.1349768
    assert particles.MASS_CHARGED_PION == 0.13957039


def test_antiparticles_have_equal_mass_and_opposite_charge():
    for pid, particle in particles.PARTICLES.items():
        assert pid == particle.pid
        other = particles.PARTICLES.get(-pid, particle)
        assert (other.mass, other.charge) == (particle.mass, -particle.charge)


def test_quarks_have_their_pdg_codes():
    assert particles.QUARKS == {"d": 1, "u": 2}


@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2)])
def test_charges_keep_the_shape_of_the_codes(shape):
    pid = np.array([111, 211, -211, 211, 111, 111]).reshape(shape)
    assert np.array_equal(particles.charge_of(pid), np.array([0, 1, -1, 1, 0, 0]).reshape(shape))


def test_no_hadrons_have_no_charges():
    assert particles.charge_of(np.array([], dtype=np.int32)).shape == (0,)


def test_one_code_has_one_charge():
    assert particles.charge_of(-211) == -1


@pytest.mark.parametrize("pid", [0, 22, 321, -111])
def test_an_unknown_code_is_an_error_that_names_it(pid):
    with pytest.raises(ValueError, match=rf"unknown PDG code {pid}; known: \[-211, 111, 211\]"):
        particles.charge_of(np.array([111, pid, 211]))
