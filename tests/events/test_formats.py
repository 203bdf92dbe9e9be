"""Hadrons go to awkward, Parquet and HepMC and come back; a damaged or foreign file is never taken for events."""

import gzip
import io
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pyhepmc
import pytest
from checks import P_COLUMNS, assert_same_columns, event_sums
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hadtutor import DataFileError, Hadrons, hadronize_strings
from hadtutor.events import formats as interop

ROWS = (*P_COLUMNS, "pid")
CASES = (
    "strings",
    "single precision",
    "empty events",
    "only empty events",
    "no events",
    "a crowded event",
    "odd numbers",
    "columns of a table",
    "short offsets",
)


def made(multiplicities, rng=None, dtype=float):
    """Hadrons with given multiplicities and any momenta."""
    rng = np.random.default_rng(3) if rng is None else rng
    offsets = np.concatenate([[0], np.cumsum(multiplicities, dtype=np.int64)])
    p = rng.normal(size=(3, offsets[-1]))
    e = np.sqrt((p**2).sum(axis=0) + 0.0195)
    pid = rng.choice(np.array([211, -211, 111, 3122, -2212], np.int32), offsets[-1])
    return Hadrons(offsets, *p.astype(dtype), e.astype(dtype), pid)


@pytest.fixture(scope="module")
def sample():
    return hadronize_strings(100, rng=np.random.default_rng(5))


@pytest.fixture(params=CASES)
def hadrons(request, sample):
    if request.param == "strings":
        return sample.hadrons
    if request.param == "single precision":
        return made([3, 0, 7], dtype=np.float32)
    if request.param == "empty events":
        return made([0, 2, 0, 0, 3, 1, 0])
    if request.param == "only empty events":
        return made([0, 0, 0])
    if request.param == "no events":
        return made([])
    if request.param == "a crowded event":
        return made([257])
    if request.param == "odd numbers":
        numbers = np.array([-0.0, 5e-324, 1 / 3, np.nextafter(1, 0), 1e300, -2.2250738585072014e-308])
        return Hadrons(np.array([0, 2, 6]), *[np.roll(numbers, k) for k in range(4)], np.full(6, 2**31 - 1, np.int32))
    if request.param == "columns of a table":
        table = np.random.default_rng(1).random((5, 4))
        return Hadrons(np.array([0, 1, 5]), *table.T, np.arange(-5, 10, 3, dtype=np.int32))
    return replace(made([2, 1]), offsets=np.array([0, 2, 3], np.int16))


def doubles(hadrons):
    """The same hadrons as HepMC keeps them."""
    return replace(
        hadrons,
        offsets=hadrons.offsets.astype(np.int64),
        **{name: getattr(hadrons, name).astype(float) for name in P_COLUMNS},
    )


def with_int64_offsets(hadrons):
    return replace(hadrons, offsets=hadrons.offsets.astype(np.int64))


# --- awkward ---------------------------------------------------------------------------------------


def test_awkward_gives_the_same_hadrons_back(hadrons):
    assert_same_columns(Hadrons.from_awkward(hadrons.to_awkward()), with_int64_offsets(hadrons))


def test_awkward_looks_at_the_same_memory(sample):
    events = sample.hadrons.to_awkward()
    assert np.shares_memory(events.layout.offsets.data, sample.hadrons.offsets)
    back = Hadrons.from_awkward(events)
    for field, name in zip(("px", "py", "pz", "E", "pid"), (*P_COLUMNS, "pid"), strict=True):
        column = getattr(sample.hadrons, name)
        assert np.shares_memory(events.layout.content.content(field).data, column)
        assert np.shares_memory(getattr(back, name), column)


def test_awkward_knows_masses_momenta_and_boosts(sample):
    hadrons, events = sample.hadrons, sample.hadrons.to_awkward()
    mass = np.sqrt(hadrons.e**2 - hadrons.px**2 - hadrons.py**2 - hadrons.pz**2)
    np.testing.assert_allclose(ak.flatten(events.mass), mass, rtol=1e-6)
    np.testing.assert_allclose(ak.flatten(events.pt), np.hypot(hadrons.px, hadrons.py), rtol=1e-14)
    total = ak.sum(events, axis=1)
    for field, name in zip(("px", "py", "pz", "E"), P_COLUMNS, strict=True):
        np.testing.assert_allclose(
            getattr(total, field), event_sums(hadrons, getattr(hadrons, name)), rtol=0, atol=1e-12
        )
    at_rest = events.boost_beta3(-events.to_beta3())
    np.testing.assert_allclose(ak.flatten(at_rest.E), mass, rtol=1e-6)


def test_cuts_made_in_awkward_come_back(sample):
    hadrons, events = sample.hadrons, sample.hadrons.to_awkward()
    charged = Hadrons.from_awkward(events[events.pid != 111])
    assert np.array_equal(charged.multiplicity, event_sums(hadrons, hadrons.pid != 111))
    assert np.array_equal(charged.px, hadrons.px[hadrons.pid != 111])
    assert_same_columns(Hadrons.from_awkward(events[10:20]), hadrons[10:20])
    assert_same_columns(Hadrons.from_awkward(events[[7, 7, 2]]), hadrons[[7, 7, 2]])
    assert_same_columns(Hadrons.from_awkward(events[::-1]), hadrons[::-1])


@pytest.mark.parametrize("energy", ["E", "e", "energy"])
def test_the_energy_may_have_any_of_three_names(energy):
    array = ak.Array([[{"px": 1, "py": 0.5, "pz": 0.0, energy: 2.0, "pid": 211, "charge": 1.0}], []])
    hadrons = Hadrons.from_awkward(array)
    assert hadrons.multiplicity.tolist() == [1, 0]
    assert (hadrons.px.dtype, hadrons.pid.dtype) == (np.float64, np.int32)
    assert (hadrons.px[0], hadrons.e[0], hadrons.pid[0]) == (1.0, 2.0, 211)


def test_lists_of_equal_length_and_columns_side_by_side_are_taken_too(sample):
    regular = ak.to_regular(made([2, 2, 2]).to_awkward(), axis=1)
    assert_same_columns(Hadrons.from_awkward(regular), made([2, 2, 2]))
    events = sample.hadrons.to_awkward()
    assert_same_columns(Hadrons.from_awkward(ak.Array(dict(zip(events.fields, ak.unzip(events))))), sample.hadrons)


def altered(**fields):
    """An awkward array with some fields replaced, or left out where None."""
    columns = {"px": [[1.0], []], "py": [[1.0], []], "pz": [[1.0], []], "e": [[2.0], []], "pid": [[211], []]} | fields
    return ak.Array({name: column for name, column in columns.items() if column is not None})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (altered(pid=None), "wanted px, py, pz, one of e, E, energy, and pid; got px, py, pz, e"),
        (altered(e=None), "wanted px"),
        (altered(E=[[2.0], []]), "got px, py, pz, e, pid, E"),
        (ak.Array([[1.0]]), "got no fields"),
        (altered(px=[[None], []]), r"none of them missing, got px of type 2 \* var \* \?"),
        (altered(px=[[1.0], None]), "got px of type 2 . option"),
        (ak.mask(made([1, 2]).to_awkward(), [True, True]), "none of them missing, got px"),
        (altered(pz=[[[1.0]], []]), r"a list of numbers for each event, none of them missing, got pz of type"),
        (altered(pz=[1.0, 2.0]), r"got pz of type 2 \* float64"),
        (altered(pid=["pi+", ""]), "got pid of type 2 . string"),
        (made([2]).to_awkward()[0], r"got px of type 2 \* float64"),
        (altered(pid=[[211.0], []]), "pid must hold whole numbers, got float64"),
        (altered(px=[[1j], []]), "px must hold numbers, got complex128"),
        (altered(px=[[True], []]), "px must hold real numbers, got bool"),
        (altered(py=[[], [1.0]]), "py and px have different numbers of hadrons"),
        (altered(pid=[[2**31], []]), "PDG code 2147483648 does not fit into 32 bits"),
        (altered(px=[["a"], []]), "got px of type"),
        (altered(px=[[1.0], ["a"]]), "got px of type"),
    ],
)
def test_an_array_of_something_else_says_what_was_wanted(array, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Hadrons.from_awkward(array)


@pytest.mark.parametrize("thing", [[[1.0]], None, np.ones(3), made([1])])
def test_only_awkward_arrays_are_taken(thing):
    with pytest.raises(TypeError, match="wanted an awkward.Array, got "):
        Hadrons.from_awkward(thing)


# --- Round trips through files ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["events.parquet", "events", "ereignisse äöü.pq"])
def test_parquet_gives_the_same_hadrons_back(hadrons, tmp_path, name):
    hadrons.to_parquet(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    back = Hadrons.from_parquet(tmp_path / name)
    assert_same_columns(back, with_int64_offsets(hadrons))
    assert all(np.array_equal(np.signbit(getattr(back, c)), np.signbit(getattr(hadrons, c))) for c in P_COLUMNS)
    assert all(column.flags.writeable for column in vars(back).values())


@pytest.mark.parametrize("name", ["events.hepmc", "events.hepmc.gz", "ereignisse äöü", "events.xz", "events.bz2"])
def test_hepmc_gives_the_same_hadrons_back(hadrons, tmp_path, name):
    hadrons.to_hepmc(str(tmp_path / name), 90.0, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    back = Hadrons.from_hepmc(tmp_path / name)
    assert_same_columns(back, doubles(hadrons))
    assert all(np.array_equal(np.signbit(getattr(back, c)), np.signbit(getattr(hadrons, c))) for c in P_COLUMNS)
    assert all(column.flags.writeable for column in vars(back).values())


def test_numbers_in_the_byte_order_of_another_machine_become_ours(tmp_path):
    ours = made([2, 0, 1])
    other = replace(ours, **{name: getattr(ours, name).astype(f">{'i4' if name == 'pid' else 'f8'}") for name in ROWS})
    assert_same_columns(Hadrons.from_awkward(other.to_awkward()), ours)
    other.to_parquet(tmp_path / "events")
    assert_same_columns(Hadrons.from_parquet(tmp_path / "events"), ours)
    other.to_hepmc(tmp_path / "events", 90.0)
    assert_same_columns(Hadrons.from_hepmc(tmp_path / "events"), ours)


@st.composite
def any_hadrons(draw):
    multiplicity = draw(st.lists(st.integers(0, 4), max_size=5))
    n, kind = sum(multiplicity), draw(st.sampled_from([np.float32, np.float64]))
    finite = st.floats(-(2.0**90), 2.0**90, width=32 if kind == np.float32 else 64)
    columns = [draw(hnp.arrays(kind, n, elements=finite)) for _ in P_COLUMNS]
    pid = draw(hnp.arrays(np.int32, n, elements=st.integers(-(2**31), 2**31 - 1)))
    return Hadrons(np.cumsum([0, *multiplicity]), *columns, pid)


@settings(max_examples=60)
@given(any_hadrons())
def test_no_format_loses_anything(hadrons):
    assert_same_columns(Hadrons.from_awkward(hadrons.to_awkward()), hadrons)
    with tempfile.TemporaryDirectory() as folder:
        hadrons.to_parquet(Path(folder, "events"))
        assert_same_columns(Hadrons.from_parquet(Path(folder, "events")), hadrons)
        hadrons.to_hepmc(Path(folder, "events"), 1.0)
        assert_same_columns(Hadrons.from_hepmc(Path(folder, "events")), doubles(hadrons))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", P_COLUMNS)
def test_a_number_that_is_not_finite_survives_parquet_and_is_refused_by_hepmc(tmp_path, name, bad):
    hadrons = made([3, 0, 3])
    getattr(hadrons, name)[4] = bad
    hadrons.to_parquet(tmp_path / "events.parquet")
    assert_same_columns(Hadrons.from_parquet(tmp_path / "events.parquet"), hadrons)
    assert_same_columns(Hadrons.from_awkward(hadrons.to_awkward()), hadrons)
    with pytest.raises(ValueError, match="event 2 has a hadron whose momentum or energy is not finite"):
        hadrons.to_hepmc(tmp_path / "events.hepmc", 90.0)
    assert not (tmp_path / "events.hepmc").exists()


@pytest.mark.parametrize("name", ["events.parquet", "events.hepmc"])
def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, name):
    def write():
        return made([1]).to_parquet(path) if path.suffix == ".parquet" else made([1]).to_hepmc(path, 90.0)

    def disk_full(*args, **kwargs):
        raise OSError("No space left on device")

    path = tmp_path / name
    path.write_text("the old file")
    monkeypatch.setattr(pq, "write_table", disk_full)
    monkeypatch.setattr(interop.hepmc, "_move", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert path.read_text() == "the old file"
    monkeypatch.undo()
    write()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() != b"the old file"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_hepmc_does_not_overlook_a_full_disk(tmp_path, monkeypatch):
    """pyhepmc's stream swallows the error of the file under it."""
    monkeypatch.setitem(interop.hepmc.PACK, ".full", lambda _, mode: open("/dev/full", mode))  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
        made([100] * 50).to_hepmc(tmp_path / "events.full", 90.0)
    assert not list(tmp_path.iterdir())


# --- What others see -------------------------------------------------------------------------------


def test_awkward_reads_our_parquet(sample, tmp_path):
    sample.hadrons.to_parquet(tmp_path / "events.parquet")
    events = ak.from_parquet(tmp_path / "events.parquet")
    assert str(events.type) == (
        "100 * {px: var * float64, py: var * float64, pz: var * float64, e: var * float64, pid: var * int32}"
    )
    assert events.px.to_list() == sample.hadrons.to_awkward().px.to_list()
    back = Hadrons.from_awkward(events)
    assert_same_columns(back, sample.hadrons)
    assert back.px.flags.writeable


def test_pandas_reads_our_parquet(tmp_path):
    hadrons = made([2, 0, 3], dtype=np.float32)
    hadrons.to_parquet(tmp_path / "events.parquet")
    frame = pandas.read_parquet(tmp_path / "events.parquet")
    assert list(frame) == ["px", "py", "pz", "e", "pid"]
    assert frame.px.map(len).tolist() == [2, 0, 3]
    assert frame.e[2].dtype == np.float32
    assert np.array_equal(np.concatenate(frame.e), hadrons.e)


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_parquet_of_others_in_several_row_groups_is_read(tmp_path, kind):
    hadrons = made([2, 0, 3, 1, 4, 0, 2])
    events = hadrons.to_awkward()
    columns = {"run": pa.array(range(7)), "energy": pa.array(events.E.to_list(), kind(pa.float64()))}
    columns |= {name: pa.array(events[name].to_list(), kind(pa.float64())) for name in ("px", "py", "pz")}
    columns["pid"] = pa.array(events.pid.to_list(), kind(pa.int64()))
    pq.write_table(pa.table(columns), tmp_path / "events.parquet", row_group_size=2)
    assert pq.ParquetFile(tmp_path / "events.parquet").num_row_groups == 4
    assert_same_columns(Hadrons.from_parquet(tmp_path / "events.parquet"), hadrons)


def test_pieces_of_arrow_lists_begin_anywhere():
    lists = pa.array([[1.0, 2.0], [], [3.0], [4.0, 5.0, 6.0], []])
    for column, wanted in (
        (pa.chunked_array([lists[2:4]]), [[3.0], [4.0, 5.0, 6.0]]),
        (pa.chunked_array([lists[3:], lists[:0], lists[1:3]]), [[4.0, 5.0, 6.0], [], [], [3.0]]),
        (pa.chunked_array([lists[1:2]]), [[]]),
        (pa.chunked_array([], lists.type), []),
        (pa.chunked_array([lists[5:]]), []),
    ):
        offsets, values = interop.parquet._flat(column, "px")
        assert [values[i:j].tolist() for i, j in zip(offsets[:-1], offsets[1:])] == wanted
        assert offsets[0] == 0
        assert offsets[-1] == len(values)


def test_pyhepmc_sees_beams_and_hadrons(sample, tmp_path):
    hadrons = sample.hadrons[:5]
    hadrons.to_hepmc(tmp_path / "events.hepmc", 90.0)
    with pyhepmc.open(tmp_path / "events.hepmc") as file:
        events = list(file)
    assert [event.event_number for event in events] == [0, 1, 2, 3, 4]
    for event, one in zip(events, hadrons):
        assert event.weights == [1.0]
        assert (event.momentum_unit.name, event.length_unit.name) == ("GEV", "MM")
        assert [(p.pid, p.status, tuple(p.momentum)) for p in event.particles[:3]] == [
            (11, 4, (0, 0, 45.0, 45.0)),
            (-11, 4, (0, 0, -45.0, 45.0)),
            (23, 2, (0, 0, 0, 90.0)),
        ]
        assert [p.id for p in event.beams] == [1, 2]
        assert [p.pid for p in event.particles[3:]] == one.pid.tolist()
        assert all(p.status == 1 and p.parents[0].pid == 23 and not p.children for p in event.particles[3:])
        assert len(event.vertices) == 2
        masses = [p.generated_mass for p in event.particles]
        assert masses[:3] == [0, 0, 90.0]
        np.testing.assert_allclose(masses[3:], np.where(one.pid == 111, 0.1349768, 0.13957039), rtol=1e-6)
        totals = np.sum([tuple(p.momentum) for p in event.particles[3:]], axis=0)
        np.testing.assert_allclose(totals, tuple(event.particles[2].momentum), rtol=0, atol=1e-10)


def test_a_mass_is_never_imaginary(tmp_path):
    light = Hadrons(np.array([0, 1]), *np.array([[3.0], [0.0], [0.0], [2.0]]), np.array([22]))
    light.to_hepmc(tmp_path / "events.hepmc", 90.0)
    with pyhepmc.open(tmp_path / "events.hepmc") as file:
        assert [p.generated_mass for p in file.read().particles][-1] == 0.0


FOREIGN_2 = """
HepMC::Version 2.06.09
HepMC::IO_GenEvent-START_EVENT_LISTING
E 7 -1 -1.0 -1.0 -1.0 0 -1 2 1 2 0 1 1.0
N 1 "0"
U MEV MM
V -1 0 0 0 0 0 2 1 0
P 1 11 0 0 1000 1000 0 4 0 0 -1 0
P 2 -11 0 0 -1000 1000 0 4 0 0 -1 0
P 3 23 0 0 0 2000 2000 2 0 0 -2 0
V -2 0 0 0 0 0 0 2 0
P 5 211 500 0 0 1000 139 1 0 0 0 0
P 4 -211 -500 0 0 1000 139 1 0 0 0 0
HepMC::IO_GenEvent-END_EVENT_LISTING
"""


def test_hepmc2_and_mev_are_understood(tmp_path):
    path = tmp_path / "events.hepmc2"
    path.write_text(FOREIGN_2)
    hadrons = Hadrons.from_hepmc(path)
    assert hadrons.pid.tolist() == [211, -211]
    np.testing.assert_allclose(hadrons.px, [0.5, -0.5], rtol=1e-15)
    np.testing.assert_allclose(hadrons.e, [1.0, 1.0], rtol=1e-15)
    for lost in ("P 4", "E 7", "HepMC::IO_GenEvent-END"):
        path.write_text("".join(line for line in FOREIGN_2.splitlines(True) if not line.startswith(lost)))
        with pytest.raises(DataFileError, match="events.hepmc2"):
            Hadrons.from_hepmc(path)


def test_events_of_others_without_any_particle_are_counted(tmp_path):
    made([1, 2]).to_hepmc(tmp_path / "events", 90.0)
    text = (tmp_path / "events").read_text()
    start = text.index("E 0 ")
    (tmp_path / "events").write_text(text[:start] + "E 9 0 0\nU GEV MM\nW 1.0\n" + text[start:])
    assert Hadrons.from_hepmc(tmp_path / "events").multiplicity.tolist() == [0, 1, 2]


def test_hepmc_files_one_after_the_other_are_read_to_the_end(tmp_path):
    hadrons = made([1, 0, 2])
    hadrons.to_hepmc(tmp_path / "events", 90.0)
    text = (tmp_path / "events").read_text()
    (tmp_path / "events").write_text(text + text)
    assert Hadrons.from_hepmc(tmp_path / "events").px.tolist() == [*hadrons.px, *hadrons.px]


@pytest.mark.parametrize("energy", [0, -1.0, np.nan, np.inf])
def test_the_energy_of_hepmc_must_be_positive(tmp_path, energy):
    with pytest.raises(ValueError, match="energy must be > 0 (and finite )?GeV, got"):
        made([1]).to_hepmc(tmp_path / "events.hepmc", energy)


# --- Damaged and foreign files ---------------------------------------------------------------------


READERS = {"parquet": Hadrons.from_parquet, "hepmc": Hadrons.from_hepmc}


@pytest.fixture(params=READERS)
def file(request, tmp_path):
    """Path of a small file of either kind, its reader and what it holds."""
    hadrons, path = made([2, 0, 3]), tmp_path / f"events.{request.param}"
    if request.param == "parquet":
        hadrons.to_parquet(path)
    else:
        hadrons.to_hepmc(path, 90.0)
    return path, READERS[request.param], hadrons


def test_a_file_cut_anywhere_says_so(file):
    """At every third byte and in the last 50, but for the line breaks behind HepMC's footer."""
    path, read, hadrons = file
    raw = path.read_bytes()
    end = len(raw.rstrip(b"\n"))
    for size in (*range(0, end, 3), *range(end - 50, end)):
        path.write_bytes(raw[:size])
        with pytest.raises(DataFileError, match=f"{path.name} is (a damaged or truncated .* again|no (Parquet|HepMC))"):
            read(path)


@pytest.mark.parametrize("file", ["parquet"], indirect=True)
def test_a_flipped_bit_in_parquet_is_found_or_harmless(file):
    path, read, hadrons = file
    raw, refused = path.read_bytes(), 0
    for place in range(len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            assert_same_columns(read(path), hadrons)
        except DataFileError as error:
            refused += 1
            assert path.name in str(error)  # noqa: PT017
    assert refused > len(raw) / 2


@pytest.mark.parametrize("file", ["hepmc"], indirect=True)
def test_a_line_missing_in_hepmc_is_found_or_harmless(file):
    """Without its version, a weight or a GEV the file reads as it was."""
    path, read, hadrons = file
    lines, refused = path.read_bytes().splitlines(True), 0
    for k, line in enumerate(lines):
        path.write_bytes(b"".join(lines[:k] + lines[k + 1 :]))
        if line.startswith((b"HepMC::Version", b"W ", b"U ", b"\n")):
            assert_same_columns(read(path), hadrons)
        else:
            refused += 1
            with pytest.raises(DataFileError):
                read(path)
    assert refused == 2 + 3 + 3 + 3 * 3 + 5  # listing; events; vertices; beams and Z; hadrons


@pytest.mark.parametrize(
    ("old", "new"), [("211 ", "211 x"), (" 4.5000000000000000e+01", " nan"), ("-01", "-01inf"), ("U GEV", "U GEW")]
)
def test_hepmc_with_words_for_numbers_is_refused(tmp_path, old, new):
    """HepMC's readers would take them for zero, or the unit for GEV."""
    path = tmp_path / "events.hepmc"
    made([30]).to_hepmc(path, 90.0)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataFileError, match="line [0-9]+ has no finite numbers or an unknown unit: [PU] "):
        Hadrons.from_hepmc(path)


def test_compressed_hepmc_cut_or_damaged_is_refused(tmp_path):
    path = tmp_path / "events.hepmc.gz"
    made([2, 0, 3]).to_hepmc(path, 90.0)
    raw = path.read_bytes()
    middle = len(raw) // 2
    path.write_bytes(gzip.compress(b"") + b"rubbish")
    with pytest.raises(DataFileError):
        Hadrons.from_hepmc(path)
    for damaged in (raw[:middle], raw[:-1], raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(DataFileError, match="events.hepmc.gz is a damaged"):
            Hadrons.from_hepmc(path)


def npz():
    stream = io.BytesIO()
    np.savez(stream, px=np.ones(3))
    return stream.getvalue()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"pT [GeV]\n0.3\n",
        bytes(range(256)) * 20,
        npz(),
        b"PAR1",
        b"PAR1PAR1",
        b"PAR1" + b"\xff" * 20 + b"PAR1",
        b"HepMC::Version 3.02.05\n",
        b"HepMC::Asciiv3-START_EVENT_LISTING\nE 0 1 1\nHepMC::Asciiv3-END_EVENT_LISTING\n",
        b"<LesHouchesEvents version='3.0'>\n</LesHouchesEvents>\n",
    ],
    ids=lambda raw: str(raw[:20]),
)
def test_a_foreign_file_is_refused_with_its_name(tmp_path, read, raw):
    (tmp_path / "other").write_bytes(raw)
    with pytest.raises(DataFileError, match="other is (no|a damaged or truncated) (Parquet file of hadrons|HepMC)"):
        read(tmp_path / "other")


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_folder_is_no_file_and_a_missing_file_is_not_a_damaged_one(tmp_path, read):
    with pytest.raises(IsADirectoryError):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")


LISTS = pa.array([[1.0], [2.0, 3.0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"e": None}, "wanted px, py, pz, one of e, E, energy, and pid; got px, py, pz, pid"),
        ({"px": pa.array([1.0, 2.0])}, "wanted a list of numbers for each event, got px of type double"),
        ({"px": pa.array([[1.0], None])}, "px has missing values"),
        ({"px": pa.array([[1.0], [2.0, None]])}, "px has missing values"),
        ({"py": pa.array([[1.0, 2.0], [3.0]])}, "py and px have different numbers of hadrons in the same event"),
        ({"px": pa.array([["a"], ["b", "c"]])}, "events.parquet is no Parquet file of hadrons: px must hold numbers"),
        ({"pid": LISTS}, "pid must hold whole numbers, got float64"),
        ({"pid": pa.array([[2**40], [1, 2]])}, "PDG code 1099511627776 does not fit"),
        ({"px": pa.array([[[1.0]], [[2.0], [3.0]]])}, "px"),
        ({"px": pa.array([[{"x": 1.0}], [{"x": 1.0}] * 2])}, "px must hold numbers, got object"),
    ],
)
def test_a_table_of_something_else_says_what_was_wanted(tmp_path, change, message):
    columns = dict.fromkeys(("px", "py", "pz", "e"), LISTS) | {"pid": pa.array([[211], [111, -211]])} | change
    table = pa.table({name: column for name, column in columns.items() if column is not None})
    pq.write_table(table, tmp_path / "events.parquet")
    with pytest.raises(DataFileError, match=message):
        Hadrons.from_parquet(tmp_path / "events.parquet")


# --- Extras ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("awkward", lambda path: made([1]).to_awkward()),
        ("awkward", lambda path: Hadrons.from_awkward(None)),
        ("vector", lambda path: made([1]).to_awkward()),
        ("pyarrow", lambda path: made([1]).to_parquet(path)),
        ("pyarrow", lambda path: Hadrons.from_parquet(path)),
        ("pyhepmc", lambda path: made([1]).to_hepmc(path, 90.0)),
    ],
)
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, package, call):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"{package} is missing; .* extra `hep`: pip install 'hadtutor\[hep\]'"):
        call(tmp_path / "events")


def test_the_package_and_this_module_load_none_of_them():
    code = "import json, sys, hadtutor, hadtutor.events.formats; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert not {"awkward", "pyarrow", "vector", "pyhepmc"} & set(json.loads(result.stdout))


# --- Hostile columns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"offsets": np.array([0.0, 2.0])},
            "offsets must hold whole numbers, got float64",
        ),
        ({"offsets": [0, "2"]}, "offsets must hold numbers, got <U"),
        ({"offsets": np.array([False, True])}, "got bool"),
        ({"px": np.ones((2, 1))}, r"px must have one dimension, got shape \(2, 1\)"),
        ({"py": [True, False]}, "py must hold real numbers, got bool"),
        ({"pz": np.ones(2, complex)}, "pz must hold numbers, got complex128"),
        ({"e": np.array(["a", "b"])}, "e must hold numbers, got <U1"),
        ({"pid": np.ma.array([211, 111], mask=[0, 1])}, "pid must hold whole numbers, got float64 with missing values"),
        ({"pid": [211, None]}, "pid must hold whole numbers, got float64 with missing values"),
        ({"pid": np.ones(2)}, "pid must hold whole numbers, got float64"),
    ],
)
def test_hadrons_refuse_columns_of_another_kind(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        replace(made([2]), **change)


def test_hadrons_are_made_of_whatever_holds_columns():
    wanted = Hadrons(np.array([0, 1, 3]), *np.arange(12.0).reshape(4, 3), np.array([211, 111, 22]))
    lists = [column.tolist() for column in vars(wanted).values()]
    frame = pandas.DataFrame(dict(zip(ROWS, lists[1:])))
    for columns in (lists, [lists[0], *(frame[name] for name in ROWS)], [np.uint8(lists[0]), *lists[1:]]):
        assert_same_columns(Hadrons(*columns), wanted)
    masked = replace(wanted, px=np.ma.array(wanted.px, mask=[0, 1, 0]), py=pandas.array([0.0, 1.0, None]))
    assert np.isnan(masked.px).tolist() == [False, True, False]
    assert np.isnan(masked.py).tolist() == [False, False, True]
    assert len(Hadrons([0], [], [], [], [], [])) == 0


def test_a_progress_bar_is_shown_only_where_asked_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(interop.hepmc, "track", lambda items, unit, progress: asked.append(progress) or items)
    bar = interop.hepmc.Progress
    monkeypatch.setattr(
        interop.hepmc, "Progress", lambda n, unit, progress: asked.append(progress) or bar(n, unit, progress)
    )
    for progress in (True, False):
        made([1, 1]).to_hepmc(tmp_path / "events", 90.0, progress=progress)
        Hadrons.from_hepmc(tmp_path / "events", progress=progress)
    assert asked == [True, True, False, False]


def test_a_particle_that_lost_its_status_is_no_particle(tmp_path):
    """HepMC's reader would take 0 for it, and the hadron would be gone."""
    path = tmp_path / "events.hepmc"
    made([3, 2]).to_hepmc(path, 90.0)
    lines = path.read_text().splitlines(keepends=True)
    last = max(k for k, line in enumerate(lines) if line.startswith("P "))
    lines[last] = lines[last].rstrip().removesuffix("1") + "\n"
    path.write_text("".join(lines))
    with pytest.raises(DataFileError, match="has no whole particle"):
        Hadrons.from_hepmc(path)
