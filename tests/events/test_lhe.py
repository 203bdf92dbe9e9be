"""Showers from Les Houches event files (hep-ph/0609017) through pylhe."""

import bz2
import gzip
import subprocess
import sys

import numpy as np
import pytest
from checks import assert_same_columns

from hadtutor import DataFileError, Showers, datasets, hadronize_clusters


def lhe(*events, beams=(11, -11), energies=(45.6, 45.6)):
    """An LHE file of events, which are lists of particles (pid, status, colour, anticolour, px, py, pz, e)."""
    text = '<LesHouchesEvents version="3.0">\n<init>\n'
    text += f"{beams[0]} {beams[1]} {energies[0]!r} {energies[1]!r} 0 0 0 0 3 1\n1.0 0.1 1.0 1\n</init>\n"
    for event in events:
        weight, event = event if isinstance(event, tuple) else ("1.0", event)
        text += f"<event>\n{len(event)} 1 {weight} 91.2 0.0078 0.118\n"
        text += "".join(f"{p[0]} {p[1]} 0 0 {p[2]} {p[3]} {p[4]!r} {p[5]!r} {p[6]!r} {p[7]!r} 0 0 9\n" for p in event)
        text += "</event>\n"
    return text + "</LesHouchesEvents>\n"


PAIR = [(2, 1, 501, 0, 0.0, 0.0, 45.6, 45.6), (-2, 1, 0, 501, 0.0, 0.0, -45.6, 45.6)]
BEAMS = [
    (11, -1, 0, 0, 0.0, 0.0, 45.6, 45.6),
    (-11, -1, 0, 0, 0.0, 0.0, -45.6, 45.6),
    (23, 2, 0, 0, 0.0, 0.0, 0.0, 91.2),
]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_packaged_showers_written_as_lhe_come_back(tmp_path, pack):
    showers = datasets.load("pythia-showers-91")[:20]
    events = []
    for one in showers:
        columns = zip(*(getattr(one, name).tolist() for name in ("pid", "col", "acol", "px", "py", "pz", "e")))
        events.append(BEAMS + [(pid, 1, col, acol, *p) for pid, col, acol, *p in columns])
    (tmp_path / "x").write_bytes(pack(lhe(*events).encode()))
    back = Showers.from_lhe(tmp_path / "x")
    assert_same_columns(back.replace(col=back.col.astype(np.int32), acol=back.acol.astype(np.int32)), showers)
    assert len(hadronize_clusters(back, rng=np.random.default_rng(1))) == 20


def test_weights_come_with_their_names(tmp_path):
    rwgt = ("0.5", PAIR)
    text = lhe(rwgt, ("0.0", PAIR)).replace("</event>", "<rwgt><wgt id='up'> 2.0 </wgt></rwgt>\n</event>")
    (tmp_path / "x").write_text(text)
    showers, log_w = Showers.from_lhe(tmp_path / "x", weights=True)
    assert len(showers) == 2
    assert {name: values.tolist() for name, values in log_w.items()} == {
        "Default": [np.log(0.5), -np.inf],
        "up": [np.log(2.0)] * 2,
    }
    (tmp_path / "x").write_text(lhe(PAIR, ("-1.0", PAIR)))
    assert len(Showers.from_lhe(tmp_path / "x")) == 2
    with pytest.raises(DataFileError, match="event 1 has the weight Default = -1; weights are logs here"):
        Showers.from_lhe(tmp_path / "x", weights=True)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([(22, 1, 0, 0, 0.0, 0.0, 1.0, 1.0)], "event 1 has gamma among its final particles.* switch off photons"),
        ([(11, 1, 0, 0, 0.0, 0.0, 1.0, 1.0)], "event 1 has e- among its final particles"),
        (
            [(6, 1, 9, 0, 0.0, 0.0, 1.0, 200.0)],
            "a particle of code 6 among its final particles.* let the generator decay",
        ),
        ([(1, 1, 9, 0, 0.0, 0.0, 1.0, 1.0)], "all colours of an event tied to each other: event 1: each colour tag"),
        ([(21, 1, 9, -9, 0.0, 0.0, 1.0, 1.0)], "event 1 has a negative colour tag"),
    ],
)
def test_events_that_are_no_whole_showers_are_refused_with_what_to_do(tmp_path, extra, message):
    (tmp_path / "x").write_text(lhe(PAIR, PAIR + extra))
    with pytest.raises(DataFileError, match=message):
        Showers.from_lhe(tmp_path / "x")


def test_beams_of_hadrons_do_not_say_the_energy(tmp_path):
    (tmp_path / "x").write_text(lhe(PAIR, beams=(2212, 2212), energies=(6500.0, 6500.0)))
    with pytest.raises(ValueError, match="has no beams of leptons"):
        Showers.from_lhe(tmp_path / "x")
    assert Showers.from_lhe(tmp_path / "x", 91.2).energy == 91.2
    (tmp_path / "x").write_text(lhe(PAIR, energies=(90.0, 40.0)))
    assert Showers.from_lhe(tmp_path / "x").energy == 120.0


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.99])
def test_a_file_that_is_cut_is_refused(tmp_path, cut):
    text = lhe(*[PAIR] * 3)
    (tmp_path / "x").write_text(text[: int(cut * len(text))])
    with pytest.raises(DataFileError, match="x is a damaged or truncated LHE file"):
        Showers.from_lhe(tmp_path / "x")


def test_particles_that_are_missing_are_noticed(tmp_path):
    lines = lhe(PAIR, PAIR).splitlines(True)
    del lines[-4]
    (tmp_path / "x").write_text("".join(lines))
    with pytest.raises(DataFileError, match="event 1 has 1 of 2 particles"):
        Showers.from_lhe(tmp_path / "x")


def test_other_files_are_named(tmp_path):
    datasets.load("pythia-showers-91")[:2].save(tmp_path / "x.npz")
    with pytest.raises(DataFileError, match="x.npz is no LHE file, but a zip file such as NumPy's and our own; load"):
        Showers.from_lhe(tmp_path / "x.npz")
    (tmp_path / "x").write_text(lhe())
    assert len(Showers.from_lhe(tmp_path / "x")) == 0
    with pytest.raises(FileNotFoundError):
        Showers.from_lhe(tmp_path / "nothing")


def test_without_pylhe_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylhe", None)
    with pytest.raises(ImportError, match="pylhe is missing; an LHE file needs the extra `hep`"):
        Showers.from_lhe(tmp_path / "x")


def test_the_package_does_not_load_pylhe_by_itself():
    code = "import sys, hadtutor.events; assert 'pylhe' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
