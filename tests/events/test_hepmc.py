"""HepMC files of other generators, and weights that leave and come back."""

import bz2
import gzip
import lzma
import warnings

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyhepmc
import pytest
from checks import assert_same_columns

from hadtutor import DataFileError, Hadrons, LundParams, hadronize_strings
from hadtutor.weights import event_weights


@pytest.fixture(scope="module")
def sample():
    return hadronize_strings(50, rng=1)


@pytest.fixture(scope="module")
def weights(sample):
    return event_weights(sample, LundParams(a=0.6))


def listing(*events, version=3):
    name = {3: "Asciiv3", 2: "IO_GenEvent"}[version]
    return f"\nHepMC::Version 3\nHepMC::{name}-START_EVENT_LISTING\n{''.join(events)}HepMC::{name}-END_EVENT_LISTING\n"


# --- Events of others ------------------------------------------------------------------------------

GUN = (
    'E 0 -1 -1.0 -1.0 -1.0 0 -1 1 0 0 0 1 1.0\nN 1 "0"\nU GEV MM\nV -1 0 0 0 0 0 0 2 0\n'
    "P 1 22 0 0 1 1 0 1 0 0 0 0\nP 2 22 0 0 -1 1 0 1 0 0 0 0\n"
)


def test_an_event_of_hepmc2_without_incoming_particles_is_read(tmp_path):
    """HepMC's own reader ends the process there."""
    (tmp_path / "x").write_text(listing(GUN, GUN.replace("GEV", "MEV"), version=2))
    hadrons = Hadrons.from_hepmc(tmp_path / "x")
    assert hadrons.multiplicity.tolist() == [2, 2]
    assert hadrons.pz.tolist() == [1.0, -1.0, 0.001, -0.001]


@pytest.mark.parametrize("lost", ["E 0", "V -1", "P 1", "P 2"])
def test_a_line_missing_in_hepmc2_is_found(tmp_path, lost):
    kept = [line for line in listing(GUN, version=2).splitlines(True) if not line.startswith(lost)]
    (tmp_path / "x").write_text("".join(kept))
    with pytest.raises(DataFileError, match="x is a damaged or truncated HepMC file"):
        Hadrons.from_hepmc(tmp_path / "x")


def test_lines_of_documentation_belong_to_an_event_like_all_others(tmp_path):
    event = GUN.replace("0 2 0\n", "0 3 0\n") + "P 3 23 0 0 0 2 2 3 0 0 0 0\n"
    (tmp_path / "x").write_text(listing(event, version=2))
    assert Hadrons.from_hepmc(tmp_path / "x").pid.tolist() == [22, 22]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_may_have_any_name(sample, tmp_path, pack):
    sample.to_hepmc(tmp_path / "x")
    (tmp_path / "y.txt").write_bytes(pack((tmp_path / "x").read_bytes()))
    assert_same_columns(Hadrons.from_hepmc(tmp_path / "y.txt"), sample.hadrons)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("E 0 2\n1 11 0 0 0 0\n", "x is no HepMC3 or HepMC2 file, but a HEPEVT file, which is not read here"),
        ("<LesHouchesEvents version='3.0'>\n", "but an LHE file; Showers.from_lhe reads its partons"),
        ("HepMC::IO_Ascii-START_EVENT_LISTING\n", "a listing that is neither Asciiv3 nor IO_GenEvent"),
        (listing("E 0 0 1\nP 1 5 22 0 0 1 1 0 1\n"), "a particle whose parent is missing"),
        (listing("E 0 0 1\nP 1 0 22 0 0 1e999 1 0 1\n"), "a momentum is not finite"),
        (listing("E 0 0 1\nP 1 0 5000000000 0 0 1 1 0 1\n"), "line 5 has signed integer is greater than maximum"),
        (listing() + listing("E 0 0 1\n"), "an event before it with 0 particles in place of 1"),
        (listing() + "P 1 0 22 0 0 1 1 0 1\n", "one outside of an event"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    (tmp_path / "x").write_text(text)
    with pytest.raises(DataFileError, match=message):
        Hadrons.from_hepmc(tmp_path / "x")


def test_no_particle_of_status_1_is_worth_a_warning(sample, tmp_path):
    for status, warned in ((83, True), (0, True), (2, False), (1, False)):
        (tmp_path / "x").write_text(listing(f"E 0 0 1\nP 1 0 211 0 0 1 1 0 {status}\n"))
        if warned:
            with pytest.warns(UserWarning, match=rf"no particle of status 1.* there is status {status} \(1 times\)"):
                assert Hadrons.from_hepmc(tmp_path / "x").multiplicity.tolist() == [0]
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                Hadrons.from_hepmc(tmp_path / "x")


# --- Weights ---------------------------------------------------------------------------------------


def test_pyhepmc_sees_the_weights_and_their_names(sample, weights, tmp_path):
    sample.to_hepmc(tmp_path / "x", log_w={"a=0.6": weights, "base": np.zeros(50)})
    with pyhepmc.open(tmp_path / "x") as file:
        events = list(file)
    assert all(event.weight_names == ["a=0.6", "base"] for event in events)
    np.testing.assert_allclose([event.weights[0] for event in events], np.exp(weights.log_w), rtol=1e-15)
    assert [event.weight() for event in events] == [event.weights[0] for event in events]


WAYS = {
    "hepmc": (lambda x, path, w: x.to_hepmc(path, log_w=w), lambda path: Hadrons.from_hepmc(path, weights=True)),
    "parquet": (lambda x, path, w: x.to_parquet(path, log_w=w), lambda path: Hadrons.from_parquet(path, weights=True)),
    "awkward": (
        lambda x, path, w: ak.to_parquet(x.to_awkward(log_w=w), path),
        lambda path: Hadrons.from_awkward(ak.from_parquet(path), weights=True),
    ),
    "awkward's parquet": (
        lambda x, path, w: ak.to_parquet(x.to_awkward(log_w=w), path),
        lambda path: Hadrons.from_parquet(path, weights=True),
    ),
}
ways = pytest.mark.parametrize(("write", "read"), WAYS.values(), ids=WAYS)


@ways
def test_weights_leave_and_come_back(sample, weights, tmp_path, write, read):
    nothing = np.where(np.arange(50) == 7, -np.inf, weights.log_w)
    for log_w, wanted in (
        (weights, {"Default": weights.log_w}),
        (weights.log_w.tolist(), {"Default": weights.log_w}),
        ({"one": weights, "two": nothing}, {"one": weights.log_w, "two": nothing}),
        ({"alone": nothing}, {"alone": nothing}),
    ):
        write(sample, tmp_path / "x", log_w)
        hadrons, found = read(tmp_path / "x")
        assert_same_columns(hadrons, sample.hadrons)
        assert list(found) == list(wanted)
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=3e-16)


@ways
def test_without_weights_there_are_none(sample, tmp_path, write, read):
    write(sample, tmp_path / "x", None)
    found = read(tmp_path / "x")[1]
    assert all(np.array_equal(values, np.zeros(50)) for values in found.values())
    assert set(found) <= {"Default"}


@ways
@pytest.mark.parametrize(
    ("log_w", "message"),
    [
        (np.zeros(49), r"log_w must hold one log weight per event, shape \(50,\), got shape \(49,\)"),
        (np.full(50, np.nan), "a negative weight has no logarithm"),
        ({"x": np.full(50, np.inf)}, r"log_w\['x'\] must be finite"),
        ({"two words": np.zeros(50)}, "names of weights are words without blanks and backslashes, got 'two words'"),
        ({"": np.zeros(50)}, "names of weights are words"),
        ({3: np.zeros(50)}, "names of weights are words"),
    ],
)
def test_wrong_weights_are_refused_and_nothing_is_written(sample, tmp_path, write, read, log_w, message):
    with pytest.raises(ValueError, match=message):
        write(sample, tmp_path / "x", log_w)
    assert not list(tmp_path.iterdir())


def test_weights_too_large_for_hepmc_are_refused(sample, tmp_path):
    with pytest.raises(ValueError, match="event 3 has a log weight too large"):
        sample.to_hepmc(tmp_path / "x", log_w=np.where(np.arange(50) == 3, 800.0, 0.0))


def with_weights(names, *lines):
    events = "".join(f"E {i} 0 1\n{line}P 1 0 211 0 0 1 1 0 1\n" for i, line in enumerate(lines))
    return listing(names, events)


def test_weights_of_others_have_the_names_that_their_file_gives_them(tmp_path):
    path = tmp_path / "x"
    path.write_text(with_weights("W Default\\|my name\\|a\\\\b\n", "W 1 2 3\n", "W 4 5 0\n"))
    assert len(Hadrons.from_hepmc(path)) == 2
    found = Hadrons.from_hepmc(path, weights=True)[1]
    assert list(found) == ["Default", "my name", "a\\b"]
    np.testing.assert_allclose(found["my name"], np.log([2, 5]))
    assert found["a\\b"][1] == -np.inf
    path.write_text(with_weights("", "W 1 2\n", "W 4 5\n"))
    assert list(Hadrons.from_hepmc(path, weights=True)[1]) == ["0", "1"]
    path.write_text(listing(GUN.replace('1 1.0\nN 1 "0"', '2 1.0 0.5\nN 2 "0" "scale up"'), version=2))
    assert Hadrons.from_hepmc(path, weights=True)[1]["scale up"] == np.log(0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_weights("W x\n", "W 1\n", "W -0.5\n"), "event 1 has the weight x = -0.5; weights are logs here"),
        (with_weights("W x\n", "W nan\n"), "event 0 has the weight x = nan"),
        (with_weights("W x\\|y\n", "W 1\n"), r"not as many as names \(x, y\); read it without weights"),
        (with_weights("W x\\|x\n", "W 1 2\n"), "not as many as names"),
        (with_weights("W x\n", "W 1\n", "W 1 2\n"), "events with different weights"),
    ],
)
def test_weights_that_are_no_logs_are_refused_only_where_they_are_asked_for(tmp_path, text, message):
    (tmp_path / "x").write_text(text)
    assert Hadrons.from_hepmc(tmp_path / "x").pid[0] == 211
    with pytest.raises(DataFileError, match=message):
        Hadrons.from_hepmc(tmp_path / "x", weights=True)


# --- Parquet of others -----------------------------------------------------------------------------


def test_lists_of_any_kind_are_read(tmp_path):
    wanted = Hadrons([0, 2, 4], *np.arange(16.0).reshape(4, 4), [211, 111, 22, -211])
    columns = {}
    for name, kind in (("px", pa.list_), ("py", pa.large_list), ("pz", lambda t: pa.list_(t, 2)), ("e", pa.list_)):
        columns[name] = pa.array(getattr(wanted, name).reshape(2, 2).tolist(), kind(pa.float64()))
    columns["pid"] = pa.array(wanted.pid.reshape(2, 2).tolist(), pa.list_(pa.int32(), 2))
    pq.write_table(pa.table(columns), tmp_path / "x", row_group_size=1)
    assert_same_columns(
        Hadrons.from_parquet(tmp_path / "x"), Hadrons(*vars(wanted).values()).replace(pid=wanted.pid.astype(np.int32))
    )


def test_hadrons_as_awkward_writes_them_are_read(sample, tmp_path):
    ak.to_parquet(sample.to_awkward(), tmp_path / "x")
    assert_same_columns(Hadrons.from_parquet(tmp_path / "x"), sample.hadrons)


def test_memory_that_is_short_is_not_the_file_s_fault(sample, tmp_path, monkeypatch):
    sample.to_parquet(tmp_path / "x")

    def too_much(*args, **options):
        raise MemoryError

    monkeypatch.setattr(pq.ParquetFile, "read", too_much)
    with pytest.raises(MemoryError):
        Hadrons.from_parquet(tmp_path / "x")
