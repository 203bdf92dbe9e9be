from dataclasses import fields, replace

import numpy as np
import pytest
from checks import assert_same_columns

from hadtutor import Constituents, DataFileError, Showers, cluster, datasets, files, hadronize_strings
from hadtutor import events as showers

NAMES = ("pythia-showers-91", "pythia-showers-200")
COLUMNS = ("offsets", "px", "py", "pz", "e", "pid", "col", "acol")


@pytest.fixture(scope="module", params=NAMES)
def packaged(request):
    return datasets.load(request.param)


@pytest.fixture(scope="module")
def some():
    return datasets.load("pythia-showers-91")[:200]


def sums(events, values):
    return np.bincount(events.event, weights=values, minlength=len(events))


def by_hand(events, energy=100.0):
    """Showers from lists of (pid, col, acol), momenta of no importance."""
    rows = np.array([row for event in events for row in event], dtype=np.int32).reshape(-1, 3)
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events])])
    p = np.ones((4, len(rows)))
    return Showers(offsets, *p, *np.ascontiguousarray(rows.T), energy)


# --- The packaged events ---------------------------------------------------------------------------


def test_packaged_showers_have_their_sizes():
    assert {name: len(datasets.load(name)) for name in NAMES} == dict(zip(NAMES, (20_000, 10_000), strict=True))
    assert [datasets.load(name).energy for name in NAMES] == [91.2, 200.0]
    assert sum(datasets.DATASETS[name].size for name in NAMES) < 6e6


def test_four_momentum_is_that_of_the_beams(packaged):
    for name, total in (("px", 0), ("py", 0), ("pz", 0), ("e", packaged.energy)):
        np.testing.assert_allclose(sums(packaged, getattr(packaged, name)), total, rtol=0, atol=1e-9, err_msg=name)


def test_partons_are_on_their_mass_shells(packaged):
    """To rounding of E² - p²."""
    mass = np.zeros(30)
    mass[list(showers.PARTON_MASSES)] = list(showers.PARTON_MASSES.values())
    mass2 = packaged.e**2 - packaged.px**2 - packaged.py**2 - packaged.pz**2
    assert np.all(abs(mass2 - mass[abs(packaged.pid)] ** 2) <= 1e-13 * packaged.e**2 + 1e-15)


def test_flavours_balance_and_start_from_one_pair(packaged):
    """As many quarks as antiquarks of each flavour in every event, and u, d, s, c, b all there."""
    for flavour in range(1, 6):
        balance = sums(packaged, np.where(packaged.pid == flavour, 1, 0) - np.where(packaged.pid == -flavour, 1, 0))
        assert not balance.any()
        assert np.mean(abs(packaged.pid) == flavour) > 0.01
    assert np.all(sums(packaged, packaged.pid != 21) >= 2)


def test_z_decays_have_their_branching_fractions():
    """At the Z pole R_b = 0.216, R_c = 0.172 (PDG): events with a b pair, up to the 0.3 % that gluons make."""
    events = datasets.load("pythia-showers-91")
    share = np.mean(sums(events, abs(events.pid) == 5) > 0)
    assert share == pytest.approx(0.216 + 0.003, abs=4 * np.sqrt(0.216 * 0.784 / 20_000) + 0.003)


def test_showers_of_higher_energy_have_more_partons():
    """11.2 partons at 91.2 GeV, measured in another run."""
    low, high = (datasets.load(name).multiplicity for name in NAMES)
    assert low.mean() == pytest.approx(11.2, abs=4 * low.std() / np.sqrt(len(low)) + 0.02)
    assert high.mean() > low.mean() + 3


def test_no_direction_is_singled_out_but_the_beam(packaged):
    """Azimuth is even, and polar angles follow 1 + cos² at the Z: mean cos² of the fastest parton is 2/5."""
    p = np.stack([packaged.px, packaged.py, packaged.pz], axis=1)
    size = np.linalg.norm(p, axis=1)
    fastest = np.lexsort((-size, packaged.event))[packaged.offsets[:-1]]
    direction = p[fastest] / size[fastest, None]
    n = len(packaged)
    for k in (0, 1):  # (1 - 2/5)/2 each
        assert np.mean(direction[:, k] ** 2) == pytest.approx(0.3, abs=0.01 + 4 * 0.27 / np.sqrt(n))
    assert abs(direction.mean(axis=0)[:2]).max() < 4 * 0.6 / np.sqrt(n)


# --- Colours ---------------------------------------------------------------------------------------


def test_every_string_runs_from_a_quark_over_gluons_to_an_antiquark(packaged):
    rows, string_offsets = packaged.colour_order()
    assert np.array_equal(np.sort(rows), np.arange(len(packaged.pid)))
    first, last = rows[string_offsets[:-1]], rows[string_offsets[1:] - 1]
    inner = np.delete(rows, np.concatenate([string_offsets[:-1], string_offsets[1:] - 1]))
    assert np.all((packaged.pid[first] > 0) & (packaged.pid[first] < 6))
    assert np.all((packaged.pid[last] < 0) & (packaged.pid[last] > -6))
    assert np.all(packaged.pid[inner] == 21)
    assert np.array_equal(packaged.event[first], packaged.event[last])


def test_neighbours_share_a_tag_and_strings_do_not(packaged):
    rows, string_offsets = packaged.colour_order()
    inside = np.ones(len(rows) - 1, bool)
    inside[string_offsets[1:-1] - 1] = False
    share = (packaged.col[rows[:-1]] == packaged.acol[rows[1:]]) & (packaged.col[rows[:-1]] > 0)
    assert np.all(share[inside])
    assert not np.any(share[~inside])


def test_shuffled_partons_have_the_same_strings(some, rng):
    order = np.lexsort((rng.random(len(some.pid)), some.event))
    columns = {name: getattr(some, name)[order] for name in ("px", "py", "pz", "e", "pid", "col", "acol")}
    shuffled = Showers(some.offsets, **columns, energy=some.energy)
    strings = []
    for events in (some, shuffled):
        rows, string_offsets = events.colour_order()
        cut = [tuple(events.e[rows[a:b]]) for a, b in zip(string_offsets[:-1], string_offsets[1:], strict=True)]
        strings.append(sorted(cut))
    assert strings[0] == strings[1]


def test_a_closed_loop_of_gluons_is_a_string_without_ends():
    events = by_hand([[(2, 1, 0), (-2, 0, 1), (21, 7, 9), (21, 8, 7), (21, 9, 8)]])
    rows, string_offsets = events.colour_order()
    assert string_offsets.tolist() == [0, 2, 5]
    assert rows.tolist() == [0, 1, 2, 3, 4]


def test_the_same_tags_may_stand_in_every_event():
    events = by_hand([[(1, 101, 0), (-1, 0, 101)]] * 3 + [[]])
    assert len(events) == 4
    assert events.colour_order()[1].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ([(2, 1, 0), (-2, 0, 2)], "event 1: each colour tag must stand once"),
        ([(2, 1, 0), (-2, 0, 1), (21, 2, 3)], "event 1: each colour tag must stand once"),
        ([(2, 1, 0), (2, 1, 0), (-2, 0, 1), (-2, 0, 1)], "event 1: each colour tag must stand once"),
        ([(2, 1, 0)], "event 1: each colour tag must stand once"),
        ([(2, 0, 1), (-2, 1, 0)], "event 1 has a parton of the wrong colour: quarks have only col"),
        ([(2, 1, 0), (21, 1, 0), (-2, 0, 1)], "event 1 has a parton of the wrong colour"),
        ([(211, 1, 0), (-2, 0, 1)], "event 1 has a code that is no parton's"),
        ([(2, 1, 0), (-21, 2, 1), (-2, 0, 2)], "event 1 has a code that is no parton's"),
        ([(6, 1, 0), (-6, 0, 1)], "event 1 has a code that is no parton's"),
    ],
)
def test_colours_that_do_not_match_are_an_error_with_the_event(event, message):
    with pytest.raises(ValueError, match=message):
        by_hand([[(1, 5, 0), (-1, 0, 5)], event, [(1, 5, 0), (-1, 0, 5)]])


@pytest.mark.parametrize("tag", [2**31 - 2, 2**62])
def test_tags_may_be_as_large_as_they_like(tag):
    tags = np.array([tag, 0, tag + 1, 0, tag, 0]), np.array([0, tag, 0, tag + 1, 0, tag])
    events = Showers(np.array([0, 2, 4, 6]), *np.ones((4, 6)), np.array([1, -1] * 3), *tags, 10.0)
    assert events.colour_order()[1].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize("column", ["pid", "col", "acol"])
def test_codes_and_tags_are_whole_numbers(some, column):
    with pytest.raises(ValueError, match=f"{column} must hold whole numbers, got float64"):
        replace(some, **{column: getattr(some, column).astype(float)})


def test_negative_tags_are_an_error_with_the_event(some):
    acol = some.acol.copy()
    acol[some.offsets[3]] = -5
    with pytest.raises(ValueError, match="event 3 has a negative colour tag; 0 means none"):
        replace(some, acol=acol)


@pytest.mark.parametrize("energy", ["91.2", None, np.array([91.2]), 0.0, -1.0])
def test_the_energy_is_a_positive_number(some, energy):
    with pytest.raises((ValueError, TypeError), match=r"energy must be (a number|> 0 GeV), got"):
        replace(some, energy=energy)


def test_arrays_in_the_byte_order_of_another_machine_are_understood(some):
    foreign = replace(some, **{name: (c := getattr(some, name)).astype(c.dtype.newbyteorder(">")) for name in COLUMNS})
    assert_same_columns(foreign, some)
    np.testing.assert_array_equal(foreign.colour_order()[0], some.colour_order()[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_momenta_and_energies_must_be_finite(some, bad):
    px = some.px.copy()
    px[some.offsets[7]] = bad
    with pytest.raises(ValueError, match="event 7 has a momentum that is not finite"):
        replace(some, px=px)
    with pytest.raises(ValueError, match="energy must be > 0 and finite GeV"):
        replace(some, energy=bad)


# --- Cutting and files -----------------------------------------------------------------------------


def test_picked_events_keep_their_partons(some):
    part = some[[5, 2]]
    assert (len(part), part.energy) == (2, some.energy)
    for name in ("px", "e", "pid", "col", "acol"):
        column, rows = getattr(some, name), some.offsets
        want = np.concatenate([column[rows[5] : rows[6]], column[rows[2] : rows[3]]])
        np.testing.assert_array_equal(getattr(part, name), want)
    assert repr(some[:1]) == f"Showers(1 events, {some.multiplicity[0]} partons, 91.2 GeV)"


@pytest.mark.parametrize("n", [0, 1, 200])
def test_files_keep_every_number(some, tmp_path, n):
    some[:n].save(tmp_path / "showers.npz")
    again = Showers.load(tmp_path / "showers.npz")
    for field in fields(Showers):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(some[:n], field.name), strict=True)


def test_other_files_are_refused(some, tmp_path):
    some.save(tmp_path / "showers.npz")
    raw = (tmp_path / "showers.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(raw[: len(raw) // 2])
    hadronize_strings(3, rng=np.random.default_rng(1)).save(tmp_path / "strings.npz")
    files.write_arrays(tmp_path / "crossed.npz", {"offsets": np.array([0, 2])}, {"energy": 91.2})
    for name in ("half.npz", "strings.npz", "crossed.npz"):
        with pytest.raises(DataFileError, match=name):
            Showers.load(tmp_path / name)
    with pytest.raises(DataFileError, match="strings.npz holds no Showers, but Sample"):
        Showers.load(tmp_path / "strings.npz")
    with pytest.raises(FileNotFoundError):
        Showers.load(tmp_path / "missing.npz")


# --- Constituents ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def constituents(some):
    return cluster.split_gluons(some, rng=np.random.default_rng(1))


def test_constituents_are_showers_without_gluons(constituents):
    assert isinstance(constituents, Showers)
    assert not np.any(constituents.pid == 21)
    assert np.all(np.diff(constituents.colour_order()[1]) == 2)
    n = len(constituents.pid)
    assert repr(constituents) == f"Constituents(200 events, {n} quarks and antiquarks, 91.2 GeV)"


def test_a_gluon_among_constituents_is_an_error_with_the_event(some):
    columns = {f.name: getattr(some, f.name) for f in fields(some)}
    with pytest.raises(ValueError, match=r"event \d+ has a gluon among its constituents") as caught:
        Constituents(**columns, perturbative=np.ones(len(some.pid), bool))
    assert f"event {some.event[some.pid == 21][0]} " in str(caught.value)


def test_constituents_are_checked_as_showers_are(constituents):
    acol = constituents.acol.copy()
    acol[acol > 0] += 1000 * (constituents.event[acol > 0] == 9)
    with pytest.raises(ValueError, match="event 9: each colour tag must stand once"):
        replace(constituents, acol=acol)
    with pytest.raises(ValueError, match="energy must be > 0 GeV"):
        replace(constituents, energy=-1.0)


@pytest.mark.parametrize("wrong", [np.ones(3, bool), []])
def test_one_flag_belongs_to_each_constituent(constituents, wrong):
    with pytest.raises(ValueError, match="perturbative has [03] rows, the offsets want"):
        replace(constituents, perturbative=wrong)


@pytest.mark.parametrize("kind", [int, float])
def test_whether_a_constituent_is_perturbative_is_a_bool(constituents, kind):
    with pytest.raises(ValueError, match=f"perturbative must hold bools, got {np.dtype(kind)}"):
        replace(constituents, perturbative=constituents.perturbative.astype(kind))


def test_picked_events_keep_their_constituents(constituents):
    part = constituents[[7, 3]]
    assert type(part) is Constituents
    for field in fields(Constituents):
        if field.metadata:
            column, rows = getattr(constituents, field.name), constituents.offsets
            want = np.concatenate([column[rows[7] : rows[8]], column[rows[3] : rows[4]]])
            np.testing.assert_array_equal(getattr(part, field.name), want)


@pytest.mark.parametrize("n", [0, 1, 200])
def test_files_keep_every_constituent(constituents, tmp_path, n):
    constituents[:n].save(tmp_path / "constituents.npz")
    again = Constituents.load(tmp_path / "constituents.npz")
    for field in fields(Constituents):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(constituents[:n], field.name), strict=True)


def test_files_of_showers_and_of_constituents_are_not_mixed_up(some, constituents, tmp_path):
    some.save(tmp_path / "showers.npz")
    constituents.save(tmp_path / "constituents.npz")
    for kind, name in ((Constituents, "showers.npz"), (Showers, "constituents.npz")):
        with pytest.raises(DataFileError, match=f"{name} holds no {kind.__name__}, but "):
            kind.load(tmp_path / name)
