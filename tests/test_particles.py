import numpy as np
import pytest
import pythia8mc

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


def test_codes_of_any_size_and_shape_have_charges():
    """Small codes come from a table, large ones one by one."""
    assert particles.charge_of(10213) == 1
    assert particles.charge_of([[211, -10213], [9000211, 22]]).tolist() == [[1, -1], [1, 0]]
    assert particles.charge_of([]).shape == (0,)


@pytest.mark.parametrize("of", [particles.charge_of, particles.mass_of, particles.name_of])
@pytest.mark.parametrize("pid", [211.0, [211.0, 111.0], ["pi+"], [True], np.ma.array([211, 111], mask=[0, 1])])
def test_codes_are_whole_numbers(of, pid):
    with pytest.raises((ValueError, TypeError), match="PDG codes are whole numbers, got|pid must hold numbers"):
        of(pid)


def test_masses_and_names_are_those_of_the_table():
    codes = np.array([*particles.PARTICLES])
    assert particles.mass_of(codes).tolist() == [p.mass for p in particles.PARTICLES.values()]
    assert particles.name_of(codes).tolist() == [p.name for p in particles.PARTICLES.values()]
    assert particles.name_of([[211], [-10213]]).tolist() == [["pi+"], ["b(1)(1235)-"]]
    assert particles.mass_of(111) == particles.MASS_NEUTRAL_PION


@pytest.mark.parametrize("pid", [0, 21, 1, -111, 1000010020, 2**31 - 1])
def test_an_unknown_code_is_an_error_that_names_it(pid):
    """Nothing, a gluon, a quark, an antiparticle that is none, a nucleus, an overflow."""
    with pytest.raises(ValueError, match=rf"unknown PDG code {pid}; known are \d+ hadrons"):
        particles.charge_of(np.array([111, pid, 211]))


def test_charges_follow_from_the_quarks_that_the_code_of_a_hadron_lists():
    """Digits nq1 nq2 nq3 of the PDG code: charges of quarks 2/3 (even) and -1/3 (odd); mesons are q2 and anti-q3.

    For a meson with an even heavier quark q2 the code is positive as it stands, with an odd one q2 is the antiquark.
    """
    third = lambda q: 2 if q % 2 == 0 else -1
    seen = 0
    for pid, particle in particles.PARTICLES.items():
        q1, q2, q3 = (abs(pid) // 10**k % 10 for k in (3, 2, 1))
        if abs(pid) < 100 or abs(pid) > 9_999_999 or pid in (130, 310):
            continue
        if q1:
            charge = third(q1) + third(q2) + third(q3)
        else:
            charge = third(q2) - third(q3) if q2 % 2 == 0 else third(q3) - third(q2)
        assert particle.charge == np.sign(pid) * charge / 3, particle
        seen += 1
    assert seen > 700


def test_the_table_holds_what_real_pythia_makes():
    """Every hadron and lepton of Pythia, with masses to 5 % (resonances are broad, heavy baryons estimated).

    The f0(500), which the PDG places between 400 and 800 MeV, is not compared.
    """
    data = pythia8mc.Pythia("", False).particleData
    pid, seen = 1, 0
    while (following := data.nextId(pid)) > pid:
        pid = following
        if data.isHadron(pid) or data.isLepton(pid) and pid < 17:
            assert particles.PARTICLES[pid].charge == round(data.charge(pid))
            if pid != 9000221:
                assert particles.PARTICLES[pid].mass == pytest.approx(data.m0(pid), rel=0.05, abs=0.01), pid
            seen += 1
    assert seen > 250
