import signal
import subprocess
import sys
import time

import checks
import numpy as np
import pytest
import pythia8mc
from checks import any_event, as_hadrons, momenta
from hypothesis import given
from hypothesis import strategies as st

from hadtutor import Hadrons, datasets, kinematics, observables, pythia
from hadtutor.observables import MORE, NAMES, compute, momentum_fraction, rapidity, thrust, thrust_axes
from hadtutor.particles import charge_of

SHAPES = ("T", "C", "D", "B_W", "B_T")
ENERGY = 90.0


def with_momenta(hadrons, p):
    return Hadrons(hadrons.offsets, *np.ascontiguousarray(p.T), np.linalg.norm(p, axis=1), hadrons.pid)


def shapes_of(p):
    return {name: float(x[0]) for name, x in compute(as_hadrons([p]), ENERGY).items()}


# --- Slow judges -----------------------------------------------------------------------------------


def tensor_eigenvalues(p):
    size = np.linalg.norm(p, axis=1)
    p, size = p[size > 0], size[size > 0]
    return np.linalg.eigvalsh(np.einsum("ki,kj->ij", p / size[:, None], p) / size.sum())


def by_numpy(p, charge, energy):
    """The thirteen observables of one event, from their definitions."""
    size = np.linalg.norm(p, axis=1)
    l1, l2, l3 = tensor_eigenvalues(p)
    axis = thrust(p)[1]
    across = np.linalg.norm(np.cross(p, axis), axis=1)
    halves = [across[p @ axis > 0].sum(), across[p @ axis <= 0].sum()]
    out = [thrust(p)[0], 3 * (l1 * l2 + l2 * l3 + l3 * l1), 27 * l1 * l2 * l3]
    out += [max(halves) / (2 * size.sum()), sum(halves) / (2 * size.sum()), len(p), np.count_nonzero(charge)]
    for v in (abs(np.log(2 * size / energy)), abs(np.log(2 * size[charge != 0] / energy))):
        out += [v.mean(), v.var(), np.mean((v - v.mean()) ** 3)] if len(v) else [np.nan] * 3
    return dict(zip(NAMES, out, strict=True))


# --- Events known exactly --------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 2, -2), (0.3, -0.1, 0.7)])
def test_two_back_to_back_particles_are_a_pencil(direction):
    p = np.array([direction, np.negative(direction)])
    got = shapes_of(p)
    assert got["T"] == pytest.approx(1.0, abs=1e-12)
    for name in ("C", "D", "B_W", "B_T"):
        assert got[name] == pytest.approx(0.0, abs=1e-12)
    assert got["lnx_mean"] == pytest.approx(abs(np.log(2 * np.linalg.norm(direction) / ENERGY)))
    assert got["lnx_var"] == pytest.approx(0.0, abs=1e-12)
    assert (got["n_f"], got["n_ch"]) == (2, 2)


@pytest.mark.parametrize("x", [(0.95, 0.85, 0.2), (2 / 3, 2 / 3, 2 / 3), (0.9, 0.7, 0.4), (0.99, 0.98, 0.03)])
def test_three_massless_particles_have_their_textbook_shapes(x):
    """T = max x, C = 6 (1-x1)(1-x2)(1-x3)/(x1 x2 x3), D = 0, B_T = B_W = sqrt((1-x1)(1-x2)(1-x3))/x1.

    Ellis, Stirling, Webber, QCD and Collider Physics, 3.3.1, and Catani et al., Phys. Lett. B 295 (1992) 269.
    """
    x1, x2, x3 = x
    cos_2, cos_3 = (x3**2 - x1**2 - x2**2) / (2 * x1 * x2), (x2**2 - x1**2 - x3**2) / (2 * x1 * x3)
    sin_2, sin_3 = np.sqrt(1 - cos_2**2), np.sqrt(1 - cos_3**2)
    p = 0.5 * ENERGY * np.array([[0, 0, x1], [x2 * sin_2, 0, x2 * cos_2], [-x3 * sin_3, 0, x3 * cos_3]])
    np.testing.assert_allclose(p.sum(axis=0), 0, atol=1e-12)
    got, gaps = shapes_of(p), (1 - x1) * (1 - x2) * (1 - x3)
    assert got["T"] == pytest.approx(x1, rel=1e-12)
    assert got["C"] == pytest.approx(6 * gaps / (x1 * x2 * x3), rel=1e-10)
    assert got["D"] == pytest.approx(0.0, abs=1e-14)
    assert got["B_T"] == pytest.approx(np.sqrt(gaps) / x1, rel=1e-7)
    assert got["B_W"] == pytest.approx(np.sqrt(gaps) / x1, rel=1e-7)
    assert got["lnx_mean"] == pytest.approx(np.mean(abs(np.log(x))), rel=1e-12)


def test_a_mercedes_star_and_an_octahedron_have_their_known_shapes():
    """Star: C = 3/4. Octahedron: C = D = 1 and T = 1/sqrt(3)."""
    assert shapes_of([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])["C"] == pytest.approx(0.75)
    octahedron = shapes_of(np.concatenate([np.eye(3), -np.eye(3)]))
    assert octahedron["C"] == pytest.approx(1.0)
    assert octahedron["D"] == pytest.approx(1.0)
    assert octahedron["T"] == pytest.approx(3**-0.5)


def test_an_even_sphere_approaches_the_isotropic_limit():
    """T -> 1/2, C and D -> 1, B_T -> pi/8: 200 directions on a golden spiral, 1/200 from the limit."""
    height = (np.arange(200) + 0.5) / 100 - 1
    angle = np.arange(200) * np.pi * (3 - np.sqrt(5))
    got = shapes_of(np.stack([*(np.sqrt(1 - height**2) * f(angle) for f in (np.cos, np.sin)), height], axis=1))
    limits = {"T": 0.5, "C": 1.0, "D": 1.0, "B_T": np.pi / 8}
    assert {name: got[name] for name in limits} == pytest.approx(limits, abs=0.01)


def test_a_mercedes_star_has_its_known_sphericity_and_axes():
    """S = 3/4, A = 0 as in any plane, T = 2/3, T_major = 1/sqrt(3), T_minor = 0."""
    star = as_hadrons([[[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]]])
    got = compute(star, 2.0, names=("T", *MORE))
    wanted = {"T": 2 / 3, "S": 0.75, "A": 0.0, "T_major": 3**-0.5, "T_minor": 0.0}
    assert {name: column[0] for name, column in got.items()} == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("x", [(0.95, 0.85, 0.2), (0.9, 0.7, 0.4)])
def test_three_massless_particles_have_thrust_major_from_the_two_that_recoil(x):
    """Across the axis of the fastest the other two have (1-x1)(1-x2)(1-x3) = (x1 p_T)²/4: T_major = 2 sqrt(...)/x1."""
    x1, x2, x3 = x
    cos_2, cos_3 = (x3**2 - x1**2 - x2**2) / (2 * x1 * x2), (x2**2 - x1**2 - x3**2) / (2 * x1 * x3)
    sin_2, sin_3 = np.sqrt(1 - cos_2**2), np.sqrt(1 - cos_3**2)
    p = 0.5 * ENERGY * np.array([[0, 0, x1], [x2 * sin_2, 0, x2 * cos_2], [-x3 * sin_3, 0, x3 * cos_3]])
    got = compute(as_hadrons([p]), ENERGY, names=MORE)
    assert got["T_major"][0] == pytest.approx(2 * np.sqrt((1 - x1) * (1 - x2) * (1 - x3)) / x1, rel=1e-9)
    assert got["T_minor"][0] == pytest.approx(0.0, abs=1e-12)
    assert got["A"][0] == pytest.approx(0.0, abs=1e-12)


def test_an_octahedron_is_spherical():
    got = compute(as_hadrons([np.concatenate([np.eye(3), -np.eye(3)])]), 2.0, names=("S", "A"))
    assert got["S"][0] == pytest.approx(1.0, abs=1e-12)
    assert got["A"][0] == pytest.approx(0.5, abs=1e-12)


# --- Against real Pythia's own classes -------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    """10 000 hadronic Z decays of real Pythia, showered, hadronized and decayed: up to about 120 particles."""
    hadrons = pythia.hadronize(datasets.load("pythia-showers-91")[:10_000], seed=11, progress=False)
    assert hadrons.multiplicity.max() > 100
    return hadrons


@pytest.fixture(scope="module")
def by_pythia(real):
    """What Pythia's classes Thrust and Sphericity say of the same momenta, event by event."""
    generator = pythia.start("ProcessLevel:all = off", seed=1)
    event, shape = generator.event, pythia8mc.Thrust(1)
    quadratic, linear = pythia8mc.Sphericity(2.0, 1), pythia8mc.Sphericity(1.0, 1)
    rows = []
    for i in range(len(real)):
        event.reset()
        for k in range(real.offsets[i], real.offsets[i + 1]):
            event.append(int(real.pid[k]), 1, 0, 0, real.px[k], real.py[k], real.pz[k], real.e[k], 0.0)
        assert shape.analyze(event)
        assert quadratic.analyze(event)
        assert linear.analyze(event)
        lam = [linear.eigenValue(k) for k in (1, 2, 3)]
        c, d = 3 * (lam[0] * lam[1] + lam[1] * lam[2] + lam[2] * lam[0]), 27 * lam[0] * lam[1] * lam[2]
        axis = shape.eventAxis(1)
        rows.append(
            (shape.thrust(), c, d, quadratic.sphericity(), quadratic.aplanarity(), shape.tMajor(), shape.tMinor())
            + (axis.px(), axis.py(), axis.pz())
        )
    return dict(zip(("T", "C", "D", *MORE, "x", "y", "z"), np.array(rows).T, strict=True))


@pytest.mark.parametrize("name", ["T", "C", "D", *MORE])
def test_shapes_are_those_of_pythias_classes_event_by_event(real, by_pythia, name):
    """10 000 events, to 1e-9."""
    got = compute(real, 91.2, names=(name,))[name]
    np.testing.assert_allclose(got, by_pythia[name], rtol=0, atol=1e-9)


def test_the_thrust_axis_is_that_of_pythia(real, by_pythia):
    axes = thrust_axes(real)
    along = abs(axes[:, 0] * by_pythia["x"] + axes[:, 1] * by_pythia["y"] + axes[:, 2] * by_pythia["z"])
    np.testing.assert_allclose(along, 1.0, rtol=0, atol=1e-9)


# --- Against plain numpy ---------------------------------------------------------------------------


def test_every_observable_is_that_of_its_definition(base, columns):
    sample = base[:300]
    charge = charge_of(sample.hadrons.pid)
    for i, (start, stop) in enumerate(zip(sample.hadrons.offsets[:-1], sample.hadrons.offsets[1:], strict=True)):
        rows = slice(start, stop)
        wanted = by_numpy(momenta(sample.hadrons)[rows], charge[rows], 90.0)
        for name, value in wanted.items():
            assert columns["base"][name][i] == pytest.approx(value, rel=1e-9, abs=1e-10, nan_ok=True), name


@given(any_event().filter(lambda p: p.any()))
def test_c_and_d_are_functions_of_the_eigenvalues(p):
    l1, l2, l3 = tensor_eigenvalues(p)
    got = shapes_of(p)
    assert got["C"] == pytest.approx(3 * (l1 * l2 + l2 * l3 + l3 * l1), abs=1e-12)
    assert got["D"] == pytest.approx(27 * l1 * l2 * l3, abs=1e-12)


def test_shapes_stay_in_their_ranges(columns):
    c = columns["base"]
    assert np.all((c["T"] >= 0.5) & (c["T"] <= 1))
    assert np.all((c["C"] >= 0) & (c["C"] <= 1))
    assert np.all((c["D"] >= 0) & (c["D"] <= 1))
    assert np.all((c["B_W"] <= c["B_T"]) & (c["B_T"] <= 2 * c["B_W"]))
    assert np.all(c["B_T"] <= 0.5)
    assert np.all(c["lnx_var"] >= 0)
    assert np.all(c["n_ch"] <= c["n_f"])
    assert np.all(c["n_ch"] % 2 == 0)  # a neutral string


# --- Invariances -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some(base):
    return base[:500].hadrons


def assert_equal_columns(x, y, names=NAMES, tolerance=1e-9):
    for name in names:
        np.testing.assert_allclose(x[name], y[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_rotated_and_mirrored_events_have_equal_observables(some, rng):
    before = compute(some, ENERGY)
    for _ in range(3):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        assert_equal_columns(compute(with_momenta(some, momenta(some) @ rotation), ENERGY), before)
    assert_equal_columns(compute(with_momenta(some, -momenta(some)), ENERGY), before)


def test_the_order_of_hadrons_does_not_matter(some, rng):
    order = np.lexsort((rng.random(len(some.px)), some.event))
    shuffled = Hadrons(some.offsets, *(getattr(some, n)[order] for n in ("px", "py", "pz", "e", "pid")))
    assert not np.array_equal(shuffled.px, some.px)
    assert_equal_columns(compute(shuffled, ENERGY), compute(some, ENERGY))


@pytest.mark.parametrize("factor", [1e-6, 0.5, 1e6])
def test_units_do_not_matter(some, factor):
    scaled = with_momenta(some, factor * momenta(some))
    assert_equal_columns(compute(scaled, factor * ENERGY), compute(some, ENERGY))
    assert_equal_columns(compute(scaled, ENERGY), compute(some, ENERGY), SHAPES)


def test_collinear_splitting_leaves_the_shapes(some, rng):
    """Every hadron falls into two parallel ones."""
    share = rng.random(len(some.px))[:, None]
    p = momenta(some)
    halves = np.stack([share * p, (1 - share) * p], axis=1).reshape(-1, 3)
    split = Hadrons(
        2 * some.offsets, *np.ascontiguousarray(halves.T), np.linalg.norm(halves, axis=1), np.repeat(some.pid, 2)
    )
    before, after = compute(some, ENERGY), compute(split, ENERGY)
    assert_equal_columns(after, before, SHAPES)
    assert np.array_equal(after["n_f"], 2 * before["n_f"])
    assert np.all(after["lnx_mean"] > before["lnx_mean"])


def test_a_soft_hadron_leaves_the_shapes_and_counts(some, rng):
    """1e-9 GeV more in every event."""
    soft = 1e-9 * rng.normal(size=(len(some), 3))
    p = np.insert(momenta(some), some.offsets[1:], soft, axis=0)
    pid = np.insert(some.pid, some.offsets[1:], 111)
    offsets = some.offsets + np.arange(len(some) + 1)
    more = Hadrons(offsets, *np.ascontiguousarray(p.T), np.linalg.norm(p, axis=1), pid)
    before, after = compute(some, ENERGY), compute(more, ENERGY)
    assert_equal_columns(after, before, SHAPES, tolerance=1e-8)
    assert np.array_equal(after["n_f"], before["n_f"] + 1)
    assert np.array_equal(after["n_ch"], before["n_ch"])


def test_events_do_not_influence_each_other(some):
    together = compute(some, ENERGY)
    for i in (0, 17, 499):
        alone = compute(some[i], ENERGY)
        for name in NAMES:
            assert alone[name][0] == together[name][i]


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_number_of_threads_changes_nothing(some, threads):
    one, many = compute(some, ENERGY), compute(some, ENERGY, threads=threads)
    for name in NAMES:
        np.testing.assert_array_equal(many[name], one[name])


def test_more_threads_than_events_are_no_problem(some):
    assert_equal_columns(compute(some[:2], ENERGY, threads=5), compute(some[:2], ENERGY))


def test_single_precision_momenta_are_worked_on_in_double(some):
    single = Hadrons(some.offsets, *(getattr(some, n).astype(np.float32) for n in ("px", "py", "pz", "e")), some.pid)
    got = compute(single, ENERGY)
    assert all(column.dtype == np.float64 for column in got.values())
    assert_equal_columns(got, compute(some, ENERGY), tolerance=1e-4)


@st.composite
def rotations(draw):
    """A rotation or a reflection."""
    matrix = np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3)
    return np.linalg.qr(matrix + 2 * np.eye(3))[0]


@given(any_event().filter(lambda p: p.any()), rotations())
def test_shapes_of_any_event_do_not_see_rotations(p, rotation):
    """B_W and T_minor are left out: where two axes are equally good they depend on the choice."""
    names = ("T", "C", "D", "S", "A")
    before, after = (compute(as_hadrons([q]), ENERGY, names=names) for q in (p, p @ rotation))
    for name in names:
        assert after[name][0] == pytest.approx(before[name][0], abs=1e-9), name


@given(any_event().filter(lambda p: p.any()), st.randoms(use_true_random=False))
def test_shapes_of_any_event_do_not_see_the_order_of_hadrons(p, random):
    order = random.sample(range(len(p)), len(p))
    before, after = (compute(as_hadrons([q]), ENERGY, names=("T", "C", "D", "S", "A")) for q in (p, p[order]))
    for name in before:
        assert after[name][0] == pytest.approx(before[name][0], abs=1e-9), name


@given(any_event().filter(lambda p: p.any()), st.floats(0.05, 0.95))
def test_any_collinear_splitting_leaves_t_c_and_d(p, share):
    """Every hadron in two parallel parts."""
    halves = np.concatenate([share * p, (1 - share) * p])
    before, after = (compute(as_hadrons([q]), ENERGY, names=("T", "C", "D")) for q in (p, halves))
    for name in before:
        assert after[name][0] == pytest.approx(before[name][0], abs=1e-9), name


def test_sphericity_moves_when_the_fastest_hadron_splits_and_thrust_does_not(some):
    fastest = some.offsets[:-1] + [np.argmax(event.e) for event in some]
    p = momenta(some)
    p[fastest] *= 0.5
    split = Hadrons(
        some.offsets + np.arange(len(some) + 1),
        *np.ascontiguousarray(np.insert(p, fastest, p[fastest], axis=0).T),
        np.insert(some.e, fastest, some.e[fastest]),
        np.insert(some.pid, fastest, some.pid[fastest]),
    )
    before, after = (compute(h, ENERGY, names=("T", "C", "D", "T_major", "S")) for h in (some, split))
    assert_equal_columns(after, before, ("T", "C", "D", "T_major"))
    assert np.all(abs(after["S"] / before["S"] - 1) > 1e-3)


# --- Which columns, which hadrons ------------------------------------------------------------------


def test_the_default_columns_are_the_thirteen_in_their_order(some):
    assert tuple(compute(some, ENERGY)) == NAMES
    assert not set(NAMES) & set(MORE)


def test_asked_for_columns_are_those_of_the_whole_table(some):
    whole = compute(some, ENERGY, names=NAMES + MORE)
    for names in (("S",), ("T_minor", "T"), "n_ch"):
        part = compute(some, ENERGY, names=names)
        assert list(part) == ([names] if isinstance(names, str) else list(names))
        for name, column in part.items():
            np.testing.assert_array_equal(column, whole[name])


def test_charged_only_is_the_event_without_its_neutral_hadrons(some):
    charged = some.where(charge_of(some.pid) != 0)
    got = compute(some, ENERGY, names=NAMES + MORE, charged_only=True)
    assert_equal_columns(got, compute(charged, ENERGY, names=NAMES + MORE), NAMES + MORE, tolerance=0)
    everything = compute(some, ENERGY)
    assert np.array_equal(got["n_f"], everything["n_ch"])
    np.testing.assert_array_equal(got["lnx_mean"], everything["lnx_ch_mean"])
    assert np.mean(got["T"] != everything["T"]) > 0.9


@pytest.mark.parametrize("names", ["thrust", ("T", "y23"), ["S", None]])
def test_an_unknown_observable_is_an_error_that_lists_the_known_ones(some, names):
    with pytest.raises(ValueError, match="unknown observable .*; known: T, C, D, .*T_minor"):
        compute(some, ENERGY, names=names)


@pytest.mark.parametrize("threads", [0, -1, 2.0, None, True, "2"])
def test_there_must_be_a_thread(some, threads):
    for function in (lambda: compute(some, ENERGY, threads=threads), lambda: thrust_axes(some, threads)):
        with pytest.raises((ValueError, TypeError), match=f"threads must be .*, got {threads!r}"):
            function()


def test_chunks_join_without_gap_or_overlap(some, monkeypatch):
    wanted, axes = compute(some, ENERGY), thrust_axes(some)
    for size in (1, 7, 499, 7000):
        monkeypatch.setattr(observables.rows, "CHUNK", size)
        assert_equal_columns(compute(some, ENERGY, threads=2), wanted, tolerance=0)
        np.testing.assert_array_equal(thrust_axes(some, threads=3), axes)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_the_work_within_two_seconds(threads):
    """Seconds of work on hard events, in a process of its own; it says when it has begun."""
    code = (
        "import numpy as np, hadtutor as ht, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what runs in the background is born deaf to it
        "rng = np.random.default_rng(1)\n"
        "n, events = 60, 60_000\n"
        "p = rng.normal(size=(3, n * events))\n"
        "h = ht.Hadrons(np.arange(events + 1) * n, *p, abs(p).sum(axis=0), np.full(n * events, 211, np.int32))\n"
        "ht.observables.compute(h[:2], 90.0)\n"
        "print('begun', flush=True)\n"
        "try:\n"
        f"    ht.observables.compute(h, 90.0, threads={threads})\n"
        "    print('done')\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "stopped\n"
    finally:
        process.kill()


# --- Samples, and what is taken for one ------------------------------------------------------------


def test_a_sample_knows_its_hadrons_and_its_energy(base):
    sample = base[:50]
    h, energy = sample.hadrons, sample.energy
    assert_equal_columns(compute(sample), compute(h, energy), tolerance=0)
    assert_equal_columns(compute(sample, energy), compute(h, energy), tolerance=0)
    np.testing.assert_array_equal(thrust_axes(sample), thrust_axes(h))
    np.testing.assert_array_equal(rapidity(sample), rapidity(h))
    np.testing.assert_array_equal(rapidity(sample, (0, 0, 1)), rapidity(h, (0, 0, 1)))
    np.testing.assert_array_equal(momentum_fraction(sample), momentum_fraction(h, energy))
    np.testing.assert_array_equal(observables.count(sample, 211), observables.count(h, 211))


@pytest.mark.parametrize("function", [compute, momentum_fraction])
def test_an_energy_is_neither_guessed_nor_contradicted(base, function):
    with pytest.raises(TypeError, match="Hadrons do not know their energy"):
        function(base[:5].hadrons)
    with pytest.raises(ValueError, match="the sample has an energy of 90 GeV, got 91.2 GeV; leave it out"):
        function(base[:5], 91.2)


@pytest.mark.parametrize("function", [compute, thrust_axes, rapidity, momentum_fraction, observables.count])
@pytest.mark.parametrize("events", [None, "u", np.ones((5, 3)), [1, 2]])
def test_what_is_no_events_is_refused(function, events):
    with pytest.raises(TypeError, match="events must be a Sample or Hadrons, got"):
        function(events)


def test_codes_are_whole_numbers(some):
    for codes in ((211.0,), ("211",), (True,)):
        with pytest.raises((ValueError, TypeError), match="codes must hold"):
            observables.count(some, *codes)
    with pytest.raises(ValueError, match="codes must have one dimension"):
        observables.count(some, [211, 111])


def test_a_momentum_that_is_masked_is_not_taken_for_what_is_hidden():
    hidden = np.ma.array([[0, 0, 1.0], [0, 7.0, 0], [0, 0, -1.0]], mask=[[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="momenta must be finite"):
        thrust(hidden)
    with pytest.raises(ValueError, match=r"p must have shape \(n, 3\)"):
        thrust([1.0, 2.0, 3.0])


# --- Spectra ---------------------------------------------------------------------------------------


def test_rapidity_about_z_is_that_of_the_light_cone(some):
    wanted = kinematics.rapidity(some.e, some.pz)
    np.testing.assert_allclose(rapidity(some, (0, 0, 1)), wanted, rtol=1e-9)
    np.testing.assert_allclose(rapidity(some, np.tile([0, 0, -1.0], (len(some), 1))), -wanted, rtol=1e-9)


def test_rapidity_about_the_thrust_axis_turns_with_the_event(some, rng):
    """Up to the sign of the axis, so hadrons are compared in both directions at once."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = Hadrons(some.offsets, *np.ascontiguousarray((momenta(some) @ rotation).T), some.e, some.pid)
    np.testing.assert_allclose(abs(rapidity(turned)), abs(rapidity(some)), rtol=1e-6, atol=1e-6)


def test_thrust_axes_are_those_of_single_events(some):
    axes = thrust_axes(some, threads=2)
    for i in (0, 250, 499):
        np.testing.assert_array_equal(axes[i], thrust(momenta(some[i]))[1])


def test_momentum_fractions_give_the_moments(some):
    x = momentum_fraction(some, ENERGY)
    mean = np.bincount(some.event, weights=abs(np.log(x))) / some.multiplicity
    np.testing.assert_allclose(mean, compute(some, ENERGY)["lnx_mean"], rtol=1e-12)
    assert np.all((x > 0) & (x < 1))


def test_only_the_direction_of_an_axis_counts(some):
    np.testing.assert_allclose(rapidity(some, (0, 0, 7.5)), rapidity(some, (0, 0, 1)), rtol=1e-12)
    np.testing.assert_allclose(rapidity(some, (1, 1, 1)), rapidity(some, np.full(3, 3**-0.5)), rtol=1e-12)


@pytest.mark.parametrize("axes", [(0, 0), np.zeros((3, 3)), 1.0])
def test_axes_of_another_shape_are_an_error(some, axes):
    with pytest.raises(ValueError, match=r"axes must have shape \(3,\) or \(500, 3\), got"):
        rapidity(some, axes)


@pytest.mark.parametrize("axes", [(0, 0, 0), np.ones((500, 3)) * (np.arange(500) != 7)[:, None], (np.inf, 0, 0)])
def test_an_axis_has_a_direction(some, axes):
    with pytest.raises(ValueError, match="axes must have a direction, got one of length (0|inf)"):
        rapidity(some, axes)


# --- Events without something ----------------------------------------------------------------------


def test_an_event_without_hadrons_has_nan_shapes_and_counts_of_zero():
    got = compute(as_hadrons([[[0, 0, 1.0], [0, 0, -1.0]], [], [[1.0, 0, 0], [-1.0, 0, 0]]]), 2.0)
    assert got["T"][0] == got["T"][2] == 1.0
    assert (got["n_f"][1], got["n_ch"][1]) == (0, 0)
    assert all(np.isnan(got[name][1]) for name in NAMES if name not in ("n_f", "n_ch"))
    assert all(np.isfinite(got[name][[0, 2]]).all() for name in NAMES)


def test_an_event_without_charged_hadrons_has_nan_charged_moments():
    got = compute(as_hadrons([[[0, 0, 1.0], [0, 0, -1.0]]], pid=111), 2.0)
    assert got["n_ch"][0] == 0
    assert all(np.isnan(got[name][0]) == ("lnx_ch" in name) for name in NAMES)


def test_an_event_at_rest_has_nan_shapes_and_moments():
    got = compute(as_hadrons([np.zeros((3, 3))]), 2.0)
    assert (got["n_f"][0], got["n_ch"][0]) == (3, 3)
    assert all(np.isnan(got[name][0]) for name in NAMES if name not in ("n_f", "n_ch"))


def test_a_hadron_at_rest_counts_but_has_no_logarithm():
    with_rest = shapes_of([[0, 0, 1.0], [0, 0, 0], [0, 0, -1.0]])
    without = shapes_of([[0, 0, 1.0], [0, 0, -1.0]])
    assert with_rest.pop("n_f") == without.pop("n_f") + 1
    assert with_rest.pop("n_ch") == without.pop("n_ch") + 1
    assert with_rest == without


def test_one_hadron_is_a_pencil():
    """And its moments of one number: mean, 0, 0."""
    got = compute(as_hadrons([[[0.1, -0.2, 0.2]]]), 2.0, names=NAMES + MORE)
    wanted = dict.fromkeys(NAMES + MORE, 0.0) | {"T": 1.0, "n_f": 1, "n_ch": 1}
    wanted |= dict.fromkeys(("lnx_mean", "lnx_ch_mean"), -np.log(0.3))
    assert {name: column[0] for name, column in got.items()} == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("events", [[[]], [np.zeros((2, 3))]])
def test_more_shapes_without_momentum_are_nan(events):
    got = compute(as_hadrons(events), 2.0, names=MORE)
    assert all(np.isnan(got[name][0]) for name in MORE)
    assert np.isnan(thrust_axes(as_hadrons(events))).all()


def test_events_without_momentum_have_no_rapidities_by_accident():
    hadrons = as_hadrons([[], [[0, 0, 1.0], [0, 0, -1.0]]])
    assert np.array_equal(np.sort(rapidity(hadrons)), [-np.inf, np.inf])  # massless, along the axis


def test_no_events_have_columns_of_length_zero(base):
    got = compute(base[:0].hadrons, 90.0)
    assert tuple(got) == NAMES
    assert all(column.shape == (0,) for column in got.values())


@pytest.mark.parametrize("column", ["px", "py", "pz"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e200])
def test_a_momentum_that_is_not_finite_is_an_error_with_its_event(column, bad):
    hadrons = as_hadrons([[[0, 0, 1.0]], [], [[0, 0, 1.0], [0, 0, 2.0]], [[0, 0, 1.0]]])
    getattr(hadrons, column)[2] = bad
    for function in (lambda h: compute(h, ENERGY), thrust_axes, rapidity, lambda h: momentum_fraction(h, ENERGY)):
        with pytest.raises(ValueError, match="event 2 has a momentum that is not finite, or above 1e100 GeV"):
            function(hadrons)


@pytest.mark.parametrize("energy", [0.0, -90.0, np.nan, np.inf])
def test_the_energy_must_be_positive_and_finite(some, energy):
    with pytest.raises(ValueError, match="energy must be > 0.* GeV, got"):
        compute(some, energy)


@pytest.mark.parametrize("energy", ["90", None, True, np.array([90.0])])
def test_the_energy_must_be_a_number(some, energy):
    with pytest.raises(TypeError, match="energy must be a number, got|do not know their energy"):
        compute(some, energy)


def test_extreme_energies_only_shift_the_logarithm(some):
    plain = compute(some, 1.0)
    for energy in (1e-170, 1e160):
        got = compute(some, energy)
        shift = abs(np.log(energy))
        sign = np.sign(-np.log(energy))
        inside = abs(plain["lnx_mean"]) < shift
        assert inside.all()
        mean_log = np.bincount(some.event, np.log(momentum_fraction(some, 1.0))) / some.multiplicity
        np.testing.assert_allclose(got["lnx_mean"], shift + sign * mean_log, rtol=1e-12)


@pytest.mark.parametrize("kind", [">f8", "<f4", "i8"])
def test_columns_of_any_type_and_stride_are_read(some, kind):
    wide = {n: np.repeat((1000 * getattr(some, n)).astype(kind), 2)[::2] for n in ("px", "py", "pz", "e")}
    plain = {n: np.ascontiguousarray(c, dtype=float) for n, c in wide.items()}
    got, wanted = (compute(Hadrons(some.offsets, **c, pid=some.pid), 1e5) for c in (wide, plain))
    assert_equal_columns(got, wanted, tolerance=0)


def test_the_thirteen_names_are_those_of_the_reference():
    assert set(observables.NAMES) == set(checks.PYTHIA["base"])
    assert len(observables.NAMES) == 13


def test_count_takes_antiparticles_too_and_keeps_empty_events():
    pid = np.array([211, -211, 111, 321, -2212], np.int32)
    hadrons = Hadrons(np.array([0, 3, 3, 5]), *np.ones((4, 5)), pid)
    assert observables.count(hadrons, 211).tolist() == [2, 0, 0]
    assert observables.count(hadrons, -2212, 321).tolist() == [0, 0, 2]
    assert observables.count(hadrons).tolist() == [0, 0, 0]
    assert sum(observables.count(hadrons, code).sum() for code in (211, 111, 321, 2212)) == len(pid)
