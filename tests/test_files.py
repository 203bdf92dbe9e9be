"""Our files: whole or not at all, the shapes that went in, and words that tell damage from something else."""

import bz2
import gzip
import lzma
import os
import threading

import numpy as np
import pytest

from hadtutor import DataFileError, Hadrons, Sample, files, hadronize_strings

ARRAYS = {
    "flat": np.arange(5),
    "table": np.arange(6.0).reshape(2, 3),
    "across": np.arange(6.0).reshape(2, 3).T,
    "number": np.array(3, np.int16),
    "empty": np.zeros((3, 0), np.float32),
    "flags": np.array([[[True], [False]]]),
    "foreign": np.arange(3, dtype=">i4"),
}


@pytest.fixture(scope="module")
def sample():
    return hadronize_strings(5, rng=1)


def writers(sample):
    """All of the family, by the ending of their files."""
    return {
        "npz": sample.save,
        "hepmc": lambda path: sample.to_hepmc(path, progress=False),
        "hepmc.gz": lambda path: sample.to_hepmc(path, progress=False),
        "parquet": sample.to_parquet,
        "arrays": lambda path: files.write_arrays(path, ARRAYS, {}),
    }


READERS = {
    "npz": Sample.load,
    "hepmc": Hadrons.from_hepmc,
    "hepmc.gz": Hadrons.from_hepmc,
    "parquet": Hadrons.from_parquet,
    "arrays": files.read_arrays,
}
everything = pytest.mark.parametrize("kind", READERS)


@pytest.mark.parametrize("shapes", [True, False])
def test_arrays_come_back_with_their_shape_and_dtype(tmp_path, monkeypatch, shapes):
    files.write_arrays(tmp_path / "x", ARRAYS, {"kind": "test", "n": 3})
    if not shapes:  # as the first version wrote its files
        loads = files.json.loads
        monkeypatch.setattr(files.json, "loads", lambda text: {k: v for k, v in loads(text).items() if k != "shapes"})
    back, header = files.read_arrays(tmp_path / "x")
    assert (header["kind"], header["n"]) == ("test", 3)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(back[name], array if shapes else array.ravel(), strict=True)


@everything
def test_a_tilde_is_the_home_folder_and_nothing_else_is_left_there(sample, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("HOME", str(tmp_path))
    writers(sample)[kind](f"~/x.{kind}")
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{kind}"]
    READERS[kind](f"~/x.{kind}")


@everything
def test_a_link_stays_and_what_it_points_to_is_replaced(sample, tmp_path, kind):
    (tmp_path / "target").mkdir()
    target, link = tmp_path / "target" / f"x.{kind}", tmp_path / f"link.{kind}"
    link.symlink_to(target)
    for _ in range(2):
        writers(sample)[kind](link)
        assert link.is_symlink()
        READERS[kind](target)
        READERS[kind](link)
    assert len(list(tmp_path.rglob("*"))) == 3


@everything
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_written_to_and_read_from(sample, tmp_path, kind):
    pipe = tmp_path / f"x.{kind}"
    os.mkfifo(pipe)
    writer = threading.Thread(target=writers(sample)[kind], args=(pipe,), daemon=True)
    writer.start()
    found = READERS[kind](pipe)
    writer.join(20)
    assert pipe.is_fifo()
    writers(sample)[kind](tmp_path / f"y.{kind}")
    again = READERS[kind](tmp_path / f"y.{kind}")
    if kind == "arrays":
        np.testing.assert_equal(found, again)
    else:
        hadrons = (found, again) if isinstance(found, Hadrons) else (found.hadrons, again.hadrons)
        np.testing.assert_equal(*(vars(h) for h in hadrons))


@everything
@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices")
def test_a_device_stays_a_device(sample, kind):
    writers(sample)[kind]("/dev/null")
    assert not os.path.isfile("/dev/null")


@everything
def test_folders_and_missing_folders_are_said_to_be_that(sample, tmp_path, kind):
    with pytest.raises(IsADirectoryError):
        writers(sample)[kind](tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        writers(sample)[kind](tmp_path / "nowhere" / "x")
    with pytest.raises(IsADirectoryError):
        READERS[kind](tmp_path)
    with pytest.raises(FileNotFoundError):
        READERS[kind](tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_what_is_no_fault_of_the_file_passes(tmp_path):
    for kind in (MemoryError, ImportError, PermissionError, IsADirectoryError, FileNotFoundError, DataFileError):
        with pytest.raises(kind), files.reading(tmp_path, "thing"):
            raise kind("as it is")
    message = "is a damaged or truncated thing .no bits left.; get or make it again"
    with pytest.raises(DataFileError, match=message), files.reading(tmp_path, "thing"):
        raise ValueError("no bits left")
    with pytest.raises(DataFileError, match="is no thing: other bits"), files.reading(tmp_path, "thing", whole=True):
        raise ValueError("other bits")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_is_packed_is_known_by_its_bytes(tmp_path, pack):
    (tmp_path / "x.txt").write_bytes(pack(b"one\ntwo\n"))
    with files.opened(tmp_path / "x.txt") as (file, raw):
        assert file.peek(3)[:3] == b"one"
        assert list(file) == [b"one\n", b"two\n"]
        assert raw.tell() == (tmp_path / "x.txt").stat().st_size


@pytest.mark.parametrize(
    ("head", "looks"),
    [
        (b"", "; it is empty$"),
        (b"pT [GeV]\n0.3\n", "is no thing$"),
        (b"PAR1\x15", "but a Parquet file"),
        (b"PK\x03\x04", "but a zip file"),
        (b"\n<LesHouchesEvents version='3.0'>", "but an LHE file; Showers.from_lhe"),
        (b"\nHepMC::Version 3\nHepMC::Asciiv3-START_EVENT_LISTING", "but a HepMC file; Hadrons.from_hepmc"),
        (b"E 0 5\n1 4 11 0 0\n", "but a HEPEVT file, which is not read here"),
        (b"\x89HDF\r\n", "but an HDF5 file"),
        (b"root\x00", "but a ROOT file"),
    ],
)
def test_a_foreign_file_is_named_as_what_it_is(head, looks):
    with pytest.raises(DataFileError, match=f"x.y is no thing.*{looks}" if "no thing" not in looks else looks):
        raise files.foreign("x.y", "thing", head)
