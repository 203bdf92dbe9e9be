import json
from dataclasses import fields, replace

import numpy as np
import pytest
from checks import assert_same_columns, assert_same_sample

from hadtutor import (
    ClusterParams,
    Clusters,
    DataFileError,
    Hadrons,
    Histories,
    LundParams,
    Sample,
    cluster,
    datasets,
    files,
    hadronize_clusters,
    hadronize_strings,
)
from hadtutor.events import ChainStatus, Fate


@pytest.fixture(scope="module")
def sample():
    """200 events, some with rejected chains."""
    made = hadronize_strings(200, LundParams(a=0.3), 45.6, rng=np.random.default_rng(5), quark="d")
    assert made.histories.n_chains > 220
    return made


def rows_of(ragged, offsets, i):
    """Columns of one event or chain, cut out by hand."""
    names = [f.name for f in fields(ragged) if f.metadata and getattr(ragged, f.name) is not None]
    return {name: getattr(ragged, name)[offsets[i] : offsets[i + 1]] for name in names}


def assert_event(part, k, whole, i):
    """Event k of `part` is event i of `whole`: hadrons, chains and breaks."""
    for name, column in rows_of(part.hadrons, part.hadrons.offsets, k).items():
        np.testing.assert_array_equal(column, rows_of(whole.hadrons, whole.hadrons.offsets, i)[name])
    ours, theirs = part.histories, whole.histories
    chains = np.flatnonzero(ours.event_of_chain == k)
    wanted = np.flatnonzero(theirs.event_of_chain == i)
    assert len(chains) == len(wanted) > 0
    for name in ("status", "final_px", "final_py", "final_pid", "final_pid_other", "final_from_positive"):
        np.testing.assert_array_equal(getattr(ours, name)[chains], getattr(theirs, name)[wanted])
    for name in ("final_lambda", "final_reversed"):
        np.testing.assert_array_equal(getattr(ours, name)[chains], getattr(theirs, name)[wanted])
    for chain, want in zip(chains, wanted, strict=True):
        for name, column in rows_of(ours, ours.chain_offsets, chain).items():
            np.testing.assert_array_equal(column, rows_of(theirs, theirs.chain_offsets, want)[name])


# --- Slicing ---------------------------------------------------------------------------------------

MASK = np.arange(200) % 7 == 3


@pytest.mark.parametrize(
    "key",
    [
        0,
        199,
        -1,
        -200,
        np.int64(17),
        slice(10, 20),
        slice(None, None, -1),
        slice(190, 500),
        slice(5, 5),
        [3, 3, 1],
        [-1, 0],
        [],
        np.array([150, 2], dtype=np.uint8),
        MASK,
        MASK.tolist(),
        np.zeros(200, bool),
    ],
    ids=lambda key: str(key)[:20],
)
def test_picked_events_keep_their_hadrons_chains_and_breaks(sample, key):
    index = key if isinstance(key, slice) else np.array(key, dtype=None if np.size(key) else int)
    chosen = np.atleast_1d(np.arange(200)[index])
    part = sample[key]
    assert len(part) == len(part.hadrons) == len(chosen)
    assert len(part.histories.event_offsets) - 1 == len(chosen)
    assert (part.params, part.energy, part.quark) == (sample.params, sample.energy, sample.quark)
    for k, i in enumerate(chosen):
        assert_event(part, k, sample, i)
    assert_same_columns(part.hadrons, sample.hadrons[key])
    assert_same_columns(part.histories, sample.histories[key])


@pytest.mark.parametrize(
    "key", [200, -201, [0, 200], [-201], 1.5, [0.5], "3", np.ones(199, bool), np.ones(201, bool), None]
)
def test_events_that_do_not_exist_are_an_index_error(sample, key):
    for ragged in (sample, sample.hadrons, sample.histories):
        with pytest.raises(IndexError):
            ragged[key]


def test_an_index_error_says_how_many_events_there_are(sample):
    with pytest.raises(IndexError, match="event 200 of a sample of 200"):
        sample[200]
    with pytest.raises(IndexError, match=r"a mask for 200 events must have shape \(200,\), got \(5,\)"):
        sample[np.ones(5, bool)]


def test_events_can_be_iterated_one_by_one(sample):
    assert [len(event.hadrons.px) for event in sample[:5]] == sample.hadrons.multiplicity[:5].tolist()


def test_a_sample_without_histories_can_be_cut(sample):
    part = replace(sample, histories=None)[[5, 2]]
    assert part.histories is None
    assert_same_columns(part.hadrons, sample.hadrons[[5, 2]])


def test_parts_do_not_share_memory_with_the_whole(sample):
    part = sample[:10]
    assert not np.shares_memory(part.hadrons.px, sample.hadrons.px)
    assert not np.shares_memory(part.histories.z, sample.histories.z)


# --- Properties ------------------------------------------------------------------------------------


def test_multiplicity_and_event_numbers_follow_the_offsets():
    hadrons = Hadrons(np.array([0, 2, 2, 3]), *np.zeros((4, 3)), np.array([111, 211, -211]))
    assert len(hadrons) == 3
    assert hadrons.multiplicity.tolist() == [2, 0, 1]
    assert hadrons.event.tolist() == [0, 0, 2]
    assert repr(hadrons) == "Hadrons(3 events, 3 hadrons)"


def test_chains_belong_to_events_and_breaks_to_chains(sample):
    h = sample.histories
    assert h.event_offsets[0] == 0
    assert h.event_offsets[-1] == h.n_chains == len(h.status)
    assert np.array_equal(np.repeat(np.arange(200), np.diff(h.event_offsets)), h.event_of_chain)
    assert np.array_equal(np.bincount(h.chain_of_break, minlength=h.n_chains), np.diff(h.chain_offsets))
    assert np.all(np.diff(h.chain_of_break) >= 0)


def test_only_accepted_keeps_one_chain_per_event_and_its_number(sample):
    accepted = sample.histories.only_accepted()
    assert accepted.accepted.all()
    assert np.array_equal(accepted.event_of_chain, np.arange(200))
    lengths = np.diff(sample.histories.chain_offsets)[sample.histories.accepted]
    assert np.array_equal(np.diff(accepted.chain_offsets), lengths)


def test_the_text_of_a_sample_says_what_it_is(sample):
    assert repr(sample) == "Sample(200 events of a d string, 45.6 GeV, a=0.3, b=0.98, sigma_pt=0.335)"
    h = sample.histories
    assert repr(h) == f"Histories({len(h.z)} breaks in {h.n_chains} chains, 200 accepted)"


def test_samples_cannot_be_changed_in_place(sample):
    for thing, name in ((sample, "energy"), (sample.hadrons, "px"), (sample.histories, "z")):
        with pytest.raises(AttributeError):
            setattr(thing, name, None)


# --- Padding ---------------------------------------------------------------------------------------


def test_the_mask_says_which_places_hold_a_hadron(sample):
    x, mask = sample.hadrons.to_padded(("px", "e", "pid"))
    assert x.shape == (200, sample.hadrons.multiplicity.max(), 3)
    assert mask.shape == x.shape[:2]
    assert mask.dtype == bool
    assert np.array_equal(mask.sum(axis=1), sample.hadrons.multiplicity)
    assert np.all(mask[:, :-1] >= mask[:, 1:])  # hadrons first, padding behind
    for k, name in enumerate(("px", "e", "pid")):
        assert np.array_equal(x[mask][:, k], getattr(sample.hadrons, name))


def test_padded_breaks_have_one_line_per_chain(sample):
    x, mask = sample.histories.to_padded()
    assert x.shape == (sample.histories.n_chains, np.diff(sample.histories.chain_offsets).max(), 4)
    assert x.dtype == np.float32
    for k, name in enumerate(("z", "mt2", "px", "py")):
        assert np.array_equal(x[mask][:, k], getattr(sample.histories, name))


def test_a_value_of_zero_is_not_padding():
    hadrons = Hadrons(np.array([0, 1, 3]), *np.zeros((4, 3)), np.zeros(3, np.int32))
    x, mask = hadrons.to_padded()
    assert mask.tolist() == [[True, False], [True, True]]
    assert not x.any()


def test_no_events_make_an_empty_rectangle(sample):
    x, mask = sample[:0].hadrons.to_padded()
    assert x.shape == (0, 0, 4)
    assert mask.shape == (0, 0)


# --- Checks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 2], r"offsets must run from 0 to the number of hadrons \(3\)"),
        ([1, 3], "offsets must run from 0"),
        ([0, 4], "offsets must run from 0"),
        ([], "offsets must run from 0"),
        ([[0, 3]], "offsets must have one dimension"),
        ([0, 2, 1, 3], "offsets must not decrease"),
    ],
)
def test_offsets_must_fit_the_rows(offsets, message):
    with pytest.raises(ValueError, match=message):
        Hadrons(np.array(offsets, dtype=int), *np.ones((4, 3)), np.ones(3, np.int32))


def test_columns_must_have_equal_lengths(sample):
    with pytest.raises(ValueError, match="pid has 2 rows, the offsets want 3"):
        Hadrons(np.array([0, 3]), *np.ones((4, 3)), np.ones(2, np.int32))
    with pytest.raises(ValueError, match="from_positive has 0 rows, the offsets want"):
        replace(sample.histories, from_positive=np.zeros(0, bool))
    with pytest.raises(ValueError, match=f"status has 1 entries for {sample.histories.n_chains} chains"):
        replace(sample.histories, status=np.zeros(1, np.int8))
    with pytest.raises(ValueError, match="number of breaks"):
        replace(sample.histories, chain_offsets=sample.histories.chain_offsets + 1)


# --- Concatenation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[200], [0, 200], [1, 199, 200], [70, 70, 200]])
def test_a_sample_cut_and_joined_is_the_same_sample(sample, cuts):
    starts = [0, *cuts[:-1]]
    parts = [sample[start:stop] for start, stop in zip(starts, cuts, strict=True)]
    assert_same_sample(Sample.concatenate(parts), sample)


def test_concatenate_takes_any_iterable_and_samples_without_histories(sample):
    bare = replace(sample, histories=None)
    joined = Sample.concatenate(bare[k : k + 100] for k in (0, 100))
    assert_same_sample(joined, bare)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": LundParams()}, "the parts differ in params: .*keep them apart, or weight one to the other"),
        ({"energy": 90.0}, "the parts differ in energy: 45.6 and 90.0"),
        ({"quark": "u"}, "the parts differ in quark: d and u"),
        ({"histories": None}, "some samples have histories and some do not; drop them"),
    ],
)
def test_samples_of_different_kind_cannot_be_joined(sample, change, message):
    with pytest.raises(ValueError, match=message):
        Sample.concatenate([sample, replace(sample, **change)])


def test_nothing_cannot_be_joined():
    with pytest.raises(ValueError, match="at least one Sample"):
        Sample.concatenate([])


# --- Files -----------------------------------------------------------------------------------------


@pytest.fixture
def file(sample, tmp_path):
    path = tmp_path / "events.npz"
    sample[:3].save(path)
    return path


@pytest.mark.parametrize("change", ["histories", "no histories", "no events", "single precision", "odd parameters"])
def test_a_sample_comes_back_from_its_file_bit_by_bit(sample, tmp_path, change):
    if change == "no histories":
        sample = replace(sample, histories=None)
    elif change == "no events":
        sample = sample[:0]
    elif change == "single precision":
        hadrons = sample.hadrons
        single = {name: getattr(hadrons, name).astype(np.float32) for name in ("px", "py", "pz", "e")}
        sample = replace(sample, hadrons=replace(hadrons, **single))
    elif change == "odd parameters":
        sample = replace(sample, params=LundParams(*np.nextafter([1, 1, 1, 1, 1, 0.1, 1, 1], 0)), energy=1 / 3)
    sample.save(tmp_path / "events.npz")
    assert_same_sample(Sample.load(tmp_path / "events.npz"), sample)


@pytest.mark.parametrize("name", ["events.npz", "events", "ereignisse äöü.dat"])
def test_the_file_has_the_name_that_was_asked_for(sample, tmp_path, name):
    sample[:3].save(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(Sample.load(str(tmp_path / name))) == 3


def test_a_failing_save_leaves_the_old_file_and_no_other(sample, file, monkeypatch):
    old = file.read_bytes()

    def disk_full(stream, **arrays):
        stream.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(files.np, "savez_compressed", disk_full)
    with pytest.raises(OSError, match="No space left"):
        sample.save(file)
    assert file.read_bytes() == old
    assert list(file.parent.iterdir()) == [file]


def test_saving_replaces_the_old_file(sample, file):
    sample[:7].save(file)
    assert_same_sample(Sample.load(file), sample[:7])
    assert list(file.parent.iterdir()) == [file]


def test_a_missing_file_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sample.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_says_so(file, part):
    raw = file.read_bytes()
    file.write_bytes(raw[: int(part * len(raw))])
    with pytest.raises(
        DataFileError,
        match="events.npz is (no hadtutor file; it is empty|a damaged or truncated hadtutor file .*again)",
    ):
        Sample.load(file)


def test_no_flipped_bit_gives_other_events_or_another_kind_of_error(sample, file):
    """One bit of every 11th byte, and of every byte of the directory at the end, which zip does not protect.

    A few bits carry nothing, such as time stamps: the file then reads as it was.
    """
    raw, wanted = file.read_bytes(), sample[:3]
    directory = raw.index(b"PK\x01\x02")
    refused = 0
    for place in [*range(0, directory, 11), *range(directory, len(raw))]:
        damaged = bytearray(raw)
        damaged[place] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        try:
            assert_same_sample(Sample.load(file), wanted)
        except DataFileError as error:
            refused += 1
            assert "events.npz" in str(error)  # noqa: PT017
    assert refused > 100


@pytest.mark.parametrize(("flag", "offset"), [("encrypted", 8), ("compressed in an unknown way", 10)])
def test_a_damaged_directory_entry_is_a_damaged_file(file, flag, offset):
    """Offsets of flags and method in an entry of a zip directory (PKWARE's APPNOTE 4.3.12)."""
    raw = bytearray(file.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + offset] ^= 1
    file.write_bytes(raw)
    with pytest.raises(DataFileError, match="events.npz is a damaged"):
        Sample.load(file)


def foreign(path, kind):
    """Write a file that is no sample of events."""
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("pT [GeV]\n0.3\n")
    elif kind == "npz of someone else":
        np.savez(path, px=np.ones(3))
    elif kind == "npz with a header of someone else":
        np.savez(path, header=np.array(json.dumps({"format": "other"})))
    elif kind == "npz with a header that is no dictionary":
        np.savez(path, header=np.array("[1, 2]"))
    elif kind == "npz with a header that is no JSON":
        np.savez(path, header=np.array("once upon a time"))
    elif kind == "npz with a header that is too short":
        np.savez(path, header=np.array(json.dumps({"format": "hadtutor", "version": 1, "dtypes": {}})))
    elif kind == "pickle":
        np.savez(path, header=np.array({"format": "hadtutor"}, dtype=object))
    elif kind == "npy":
        with open(path, "wb") as stream:
            np.save(stream, np.ones(3))
    elif kind == "other arrays of ours":
        files.write_arrays(path, {"x": np.ones(3)}, {"params": {}, "energy": 1.0, "quark": "u"})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "other.npz is no hadtutor file; it is empty"),
        ("text", "other.npz is no hadtutor file$"),
        ("npz of someone else", "other.npz is no hadtutor file$"),
        ("npz with a header of someone else", "other.npz is no hadtutor file$"),
        ("npz with a header that is no dictionary", "other.npz is no hadtutor file$"),
        ("npz with a header that is no JSON", "other.npz is a damaged or truncated hadtutor file"),
        ("npz with a header that is too short", "other.npz is a damaged or truncated hadtutor file"),
        ("pickle", "other.npz is a damaged or truncated hadtutor file"),
        ("npy", "other.npz is no hadtutor file, but an array of NumPy"),
        ("other arrays of ours", "other.npz holds no Sample: "),
    ],
)
def test_a_foreign_file_is_refused_with_its_name(tmp_path, kind, message):
    path = tmp_path / "other.npz"
    foreign(path, kind)
    with pytest.raises(DataFileError, match=message):
        Sample.load(path)


def test_a_file_from_the_future_asks_for_a_newer_hadtutor(sample, tmp_path, monkeypatch):
    version = files.FORMAT_VERSION
    monkeypatch.setattr(files, "FORMAT_VERSION", version + 1)
    sample[:3].save(tmp_path / "new.npz")
    monkeypatch.undo()
    message = f"format version {version + 1}, this hadtutor reads up to {version}; install a newer"
    with pytest.raises(DataFileError, match=message):
        Sample.load(tmp_path / "new.npz")


@pytest.mark.parametrize("key", ["params", "energy", "quark"])
def test_a_file_without_its_settings_is_no_sample(sample, tmp_path, key):
    arrays = {f"hadrons.{k}": v for k, v in vars(sample.hadrons).items()}
    header = {"params": LundParams()._asdict(), "energy": 90.0, "quark": "u"}
    del header[key]
    files.write_arrays(tmp_path / "events.npz", arrays, header)
    with pytest.raises(DataFileError, match=f"events.npz holds no Sample: .*{key}"):
        Sample.load(tmp_path / "events.npz")


def test_contents_that_do_not_fit_their_checksum_are_refused(file):
    """Valid as a zip file: only our own checksum can tell."""
    with np.load(file) as npz:
        arrays = dict(npz)
    arrays["hadrons.px"] = arrays["hadrons.px"] ^ 1
    with open(file, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    with pytest.raises(DataFileError, match="its checksum does not match its contents.*; get or make it again"):
        Sample.load(file)


def test_parameters_out_of_range_in_a_file_are_refused(sample, tmp_path):
    part = sample[:3]
    part.__dict__["params"] = tuple.__new__(LundParams, (LundParams()._asdict() | {"b": -1.0}).values())
    part.save(tmp_path / "events.npz")
    with pytest.raises(DataFileError, match="b must be"):
        Sample.load(tmp_path / "events.npz")


def test_a_damaged_file_is_a_value_error():
    assert issubclass(DataFileError, ValueError)


def test_histories_can_be_made_by_hand():
    """Two chains of one event: the first found no room at its only break, the second has two breaks."""
    h = Histories(
        chain_offsets=np.array([0, 1, 3]),
        z=np.array([0.9, 0.2, 0.3], np.float32),
        mt2=np.array([4.0, 0.1, 0.2], np.float32),
        px=np.zeros(3, np.float32),
        py=np.zeros(3, np.float32),
        pid=np.array([111, 211, 111], np.int32),
        from_positive=np.array([True, True, False]),
        event_of_chain=np.array([0, 0]),
        status=np.array([ChainStatus.NO_ROOM, ChainStatus.ACCEPTED], np.int8),
        final_px=np.array([np.nan, 0.0], np.float32),
        final_py=np.array([np.nan, 0.0], np.float32),
        final_pid=np.array([0, -211], np.int32),
        final_pid_other=np.array([0, 111], np.int32),
        final_from_positive=np.array([True, True]),
        final_lambda=np.array([np.nan, 1.0], np.float32),
        final_reversed=np.array([False, False]),
    )
    assert h.n_chains == 2
    assert h.accepted.tolist() == [False, True]
    assert h.chain_of_break.tolist() == [0, 1, 1]
    assert h.event_offsets.tolist() == [0, 2]
    assert h.only_accepted().z.tolist() == h.z[1:].tolist()


# --- Samples of clusters ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_clusters():
    """200 events, with clusters of every fate but one: none waits."""
    showers = datasets.load("pythia-showers-91")[:200]
    made = hadronize_clusters(showers, ClusterParams(cl_max=3.0), rng=5)
    assert set(made.histories.fate) == {Fate.FISSION, Fate.PAIR, Fate.SINGLE}
    return made


def two_clusters(**columns):
    """Two events of one waiting cluster each."""
    two = dict.fromkeys(("px", "py", "pz", "axis_x", "axis_y"), np.zeros(2))
    two |= dict.fromkeys(("e", "mass"), np.full(2, 2.0)) | {"axis_z": np.ones(2)}
    two |= {"quark": np.array([2, 4]), "antiquark": np.array([-1, -5])}
    two |= dict.fromkeys(("quark_perturbative", "antiquark_perturbative"), np.ones(2, bool))
    two |= {"parent": np.full(2, -1), "fate": np.zeros(2, int), "offsets": np.array([0, 1, 2])}
    return Clusters(**(two | columns))


@pytest.mark.parametrize(
    "key", [0, -1, slice(10, 20), slice(None, None, -1), slice(5, 5), [3, 3, 1], [], MASK], ids=str
)
def test_picked_events_keep_their_hadrons_and_clusters(of_clusters, key):
    """Parents are numbered within an event, so they stay what they were."""
    chosen = np.atleast_1d(np.arange(200)[key if len(np.shape(key)) == 0 or len(key) else slice(0, 0)])
    part = of_clusters[key]
    assert len(part) == len(part.histories) == len(chosen)
    assert (part.params, part.energy, part.quark) == (of_clusters.params, 91.2, None)
    for ours, theirs in ((part.hadrons, of_clusters.hadrons), (part.histories, of_clusters.histories)):
        for k, i in enumerate(chosen):
            for name, column in rows_of(ours, ours.offsets, k).items():
                np.testing.assert_array_equal(column, rows_of(theirs, theirs.offsets, i)[name])


def test_picked_events_have_the_hadrons_of_their_clusters(of_clusters):
    part = of_clusters[[150, 3, 77]]
    clusters, hadrons = part.histories, part.hadrons
    owner = np.repeat(np.arange(len(clusters.px)), clusters.n_hadrons)
    energy = np.bincount(owner, weights=hadrons.e, minlength=len(clusters.px))
    final = clusters.fate > Fate.FISSION
    np.testing.assert_allclose(energy[final], clusters.e[final], rtol=1e-12)
    parts = np.flatnonzero(clusters.parent >= 0)
    parents = clusters.offsets[clusters.event[parts]] + clusters.parent[parts]
    assert np.array_equal(np.unique(parents), np.flatnonzero(clusters.fate == Fate.FISSION))
    np.testing.assert_allclose(
        np.bincount(parents, clusters.pz[parts])[np.unique(parents)], clusters.pz[clusters.fate == Fate.FISSION]
    )


@pytest.mark.parametrize("cuts", [[200], [0, 200], [1, 199, 200], [70, 70, 200]])
def test_a_sample_of_clusters_cut_and_joined_is_the_same_sample(of_clusters, cuts):
    starts = [0, *cuts[:-1]]
    parts = [of_clusters[start:stop] for start, stop in zip(starts, cuts, strict=True)]
    assert_same_sample(Sample.concatenate(parts), of_clusters)


def test_samples_of_clusters_and_of_strings_cannot_be_joined(of_clusters, sample):
    with pytest.raises(ValueError, match="the parts differ in params: ClusterParams.* and LundParams"):
        Sample.concatenate([of_clusters, sample])
    with pytest.raises(ValueError, match="the parts differ in energy"):
        Sample.concatenate([of_clusters, replace(of_clusters, energy=200.0)])


@pytest.mark.parametrize("change", ["histories", "no histories", "no events", "unfinished"])
def test_a_sample_of_clusters_comes_back_from_its_file_bit_by_bit(of_clusters, tmp_path, change):
    if change == "no histories":
        of_clusters = replace(of_clusters, histories=None)
    elif change == "no events":
        of_clusters = of_clusters[:0]
    elif change == "unfinished":
        nothing = Hadrons(np.zeros(3, int), *np.zeros((4, 0)), np.zeros(0, np.int32))
        of_clusters = replace(of_clusters[:2], hadrons=nothing, histories=two_clusters())
    of_clusters.save(tmp_path / "events.npz")
    again = Sample.load(tmp_path / "events.npz")
    assert_same_sample(again, of_clusters)
    assert type(again.histories) is type(of_clusters.histories)


@pytest.mark.parametrize("key", ["quark", "params"])
def test_a_file_with_histories_of_the_other_model_is_refused(of_clusters, sample, tmp_path, key):
    """A string with clusters, and the other way round."""
    for one, other in ((of_clusters[:3], sample), (sample[:3], of_clusters)):
        one.__dict__[key] = getattr(other, key)
        one.save(tmp_path / "events.npz")
        with pytest.raises(DataFileError, match="events.npz holds no Sample: "):
            Sample.load(tmp_path / "events.npz")


def test_files_of_other_kinds_are_no_samples(of_clusters, tmp_path):
    datasets.load("pythia-showers-91")[:3].save(tmp_path / "showers.npz")
    with pytest.raises(DataFileError, match="showers.npz holds no Sample, but Showers"):
        Sample.load(tmp_path / "showers.npz")
    part = of_clusters[:3]
    part.__dict__["params"] = tuple.__new__(ClusterParams, (ClusterParams()._asdict() | {"cl_max": -1.0}).values())
    part.save(tmp_path / "wrong.npz")
    with pytest.raises(DataFileError, match="wrong.npz holds no Sample: cl_max must be > 0"):
        Sample.load(tmp_path / "wrong.npz")
    of_clusters[:3].save(tmp_path / "half.npz")
    raw = (tmp_path / "half.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataFileError, match="half.npz is a damaged or truncated"):
        Sample.load(tmp_path / "half.npz")


def test_the_text_of_a_sample_of_clusters_says_what_it_is(of_clusters):
    assert repr(of_clusters) == "Sample(200 events of clusters, 91.2 GeV, cl_max=3, cl_pow=1.85, p_split=0.914)"
    clusters = of_clusters.histories
    n, primary = len(clusters.px), np.sum(clusters.parent < 0)
    assert repr(clusters) == f"Clusters(200 events, {n} clusters, {primary} primary)"


def test_clusters_say_what_became_of_them(of_clusters):
    clusters = of_clusters.histories
    assert np.array_equal(clusters.primary, clusters.parent == -1)
    assert np.array_equal(
        clusters.n_hadrons, np.select([clusters.fate == Fate.PAIR, clusters.fate == Fate.SINGLE], [2, 1], 0)
    )
    sums = np.bincount(clusters.event, weights=clusters.n_hadrons)
    assert np.array_equal(sums, of_clusters.hadrons.multiplicity)
    assert clusters.unfinished.tolist() == []


def test_unfinished_events_have_waiting_clusters_or_none():
    clusters = two_clusters(offsets=np.array([0, 0, 1, 2]), fate=np.array([0, 2]))
    assert clusters.unfinished.tolist() == [0, 1]
    assert clusters[[2, 1]].unfinished.tolist() == [1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"quark": np.array([2, 6])}, "event 1 has a cluster whose quark is not one of 1 to 5"),
        ({"quark": np.array([-2, 1])}, "event 0 has a cluster whose quark is not one of 1 to 5"),
        ({"antiquark": np.array([-2, 0])}, "event 1 has a cluster whose antiquark is not one of -1 to -5"),
        ({"antiquark": np.array([-1, -6])}, "event 1 has a cluster whose antiquark is not one of -1 to -5"),
        ({"quark": np.array([2.0, 4.0])}, "quark must hold whole numbers, got float64"),
        ({"fate": np.zeros(2)}, "fate must hold whole numbers, got float64"),
        ({"quark_perturbative": np.zeros(2, int)}, "quark_perturbative must hold bools, got int64"),
        ({"mass": np.array([np.nan, 1])}, "event 0 has a cluster that is not finite"),
        ({"mass": np.ones(3)}, "mass has 3 rows, the offsets want 2"),
        ({"axis_x": [[0.0], [0.0]]}, "axis_x must have one dimension"),
        ({"offsets": np.array([0, 3])}, r"offsets must run from 0 to the number of clusters \(2\)"),
    ],
)
def test_clusters_by_hand_are_checked(columns, message):
    with pytest.raises(ValueError, match=message):
        two_clusters(**columns)


def test_clusters_by_hand_decay():
    hadrons, clusters = cluster.decay_clusters(
        two_clusters(**dict.fromkeys(("e", "mass"), np.array([2.0, 8.0]))), rng=np.random.default_rng(1)
    )
    assert clusters.n_hadrons.tolist() == [2, 2]
    assert hadrons.multiplicity.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("mass", np.nan, "is not finite"),
        ("e", np.inf, "is not finite"),
        ("fate", 7, "fate is not one of 0 to 3"),
        ("fate", -1, "fate is not one of 0 to 3"),
        ("parent", 1000, "parent is not in the event"),
        ("parent", -2, "parent is not in the event"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_with_its_event(of_clusters, column, value, what):
    clusters = of_clusters.histories
    changed = getattr(clusters, column).copy()
    changed[clusters.offsets[3]] = value
    with pytest.raises(ValueError, match=f"event 3 has a cluster .*{what}"):
        replace(clusters, **{column: changed})
