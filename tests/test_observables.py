import itertools

import checks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadtutor import Hadrons, observables
from hadtutor.observables import NAMES, compute, thrust
from hadtutor.particles import charge_of

SHAPES = ("T", "C", "D", "B_W", "B_T")
ENERGY = 90.0


def as_hadrons(events, pid=211):
    """Hadrons from lists of momenta, massless, all with the same code."""
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in events])])
    p = np.concatenate([np.reshape(p, (-1, 3)) for p in events]).astype(float)
    return Hadrons(offsets, *p.T.copy(), np.linalg.norm(p, axis=1), np.full(len(p), pid, np.int32))


def momenta(hadrons):
    return np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1)


def with_momenta(hadrons, p):
    return Hadrons(hadrons.offsets, *np.ascontiguousarray(p.T), np.linalg.norm(p, axis=1), hadrons.pid)


def shapes_of(p):
    return {name: float(x[0]) for name, x in compute(as_hadrons([p]), ENERGY).items()}


# --- Slow judges -----------------------------------------------------------------------------------


def thrust_by_signs(p):
    """Largest |sum of +-p| / sum of |p|, over every choice of signs."""
    p = np.asarray(p, dtype=float)
    signs = np.array(list(itertools.product((1, -1), repeat=len(p))))
    sums = signs @ p
    return np.linalg.norm(sums, axis=1).max() / np.linalg.norm(p, axis=1).sum()


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


# --- Thrust ----------------------------------------------------------------------------------------

small = st.integers(-3, 3).map(float)
real = st.floats(-50.0, 50.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-3 else 0.0)


@st.composite
def any_event(draw):
    """1 to 10 momenta: in general position, planar, collinear, on a grid, with parallel and opposite copies."""
    n = draw(st.integers(1, 10))
    kind = draw(st.sampled_from(["general", "planar", "collinear", "grid", "copies"]))
    if kind == "collinear":
        direction = np.array(draw(st.tuples(real, real, real)))
        p = np.outer(draw(st.lists(real, min_size=n, max_size=n)), direction)
    else:
        number = small if kind in ("grid", "copies") else real
        p = np.array(draw(st.lists(st.tuples(number, number, number), min_size=n, max_size=n)))
    if kind == "planar":
        normal = np.array(draw(st.sampled_from([(0, 0, 1), (1, 0, 0), (0.6, 0, 0.8), (0.48, 0.6, 0.64)])))
        p = p - np.outer(p @ normal, normal)
    if kind == "copies":
        p = np.concatenate([p[: (n + 1) // 2], draw(st.sampled_from([1.0, -1.0, 2.0, -0.5])) * p[: n // 2]])
    return p


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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_thrust_refuses_momenta_that_are_not_finite(bad):
    with pytest.raises(ValueError, match="momenta must be finite"):
        thrust([[0, 0, 1], [0, bad, 0]])


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
    one, many = compute(some, ENERGY), compute(some, ENERGY, threads)
    for name in NAMES:
        np.testing.assert_array_equal(many[name], one[name])


def test_more_threads_than_events_are_no_problem(some):
    assert_equal_columns(compute(some[:2], ENERGY, threads=5), compute(some[:2], ENERGY))


def test_single_precision_momenta_are_worked_on_in_double(some):
    single = Hadrons(some.offsets, *(getattr(some, n).astype(np.float32) for n in ("px", "py", "pz", "e")), some.pid)
    got = compute(single, ENERGY)
    assert all(column.dtype == np.float64 for column in got.values())
    assert_equal_columns(got, compute(some, ENERGY), tolerance=1e-4)


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


def test_no_events_have_columns_of_length_zero(base):
    got = compute(base[:0].hadrons, 90.0)
    assert tuple(got) == NAMES
    assert all(column.shape == (0,) for column in got.values())


@pytest.mark.parametrize("column", ["px", "py", "pz"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_momentum_that_is_not_finite_is_an_error_with_its_event(column, bad):
    hadrons = as_hadrons([[[0, 0, 1.0]], [], [[0, 0, 1.0], [0, 0, 2.0]], [[0, 0, 1.0]]])
    getattr(hadrons, column)[2] = bad
    with pytest.raises(ValueError, match="event 2 has a momentum that is not finite"):
        compute(hadrons, ENERGY)


@pytest.mark.parametrize("energy", [0.0, -90.0, np.nan, np.inf])
def test_the_energy_must_be_positive_and_finite(some, energy):
    with pytest.raises(ValueError, match=r"energy must be positive and finite \(GeV\), got"):
        compute(some, energy)


def test_the_thirteen_names_are_those_of_the_reference():
    assert set(observables.NAMES) == set(checks.PYTHIA["base"])
    assert len(observables.NAMES) == 13
