"""A sample checks what it is given; what is stored, joined and changed alike for all kinds of events."""

import pickle

import numpy as np
import pytest
from checks import assert_same_columns

from hadtutor import (
    ClusterParams,
    Clusters,
    DataFileError,
    Hadrons,
    Histories,
    LundMixture,
    LundParams,
    Sample,
    Showers,
    cluster,
    datasets,
    files,
    hadronize_clusters,
    hadronize_strings,
    particles,
)
from hadtutor.events import ChainStatus, Fate


@pytest.fixture(scope="module")
def strings():
    return hadronize_strings(30, rng=1)


@pytest.fixture(scope="module")
def clusters():
    return hadronize_clusters(datasets.load("pythia-showers-91")[:30], rng=np.random.default_rng(1))


def kinds(strings, clusters):
    showers = datasets.load("pythia-showers-91")[:30]
    constituents = cluster.split_gluons(showers, rng=np.random.default_rng(1))
    return [strings.hadrons, strings.histories, clusters.histories, showers, constituents]


# --- What belongs together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"energy": -4.0}, ValueError, "energy must be > 0 GeV, got -4.0"),
        ({"energy": "90"}, TypeError, "energy must be a number"),
        ({"energy": True}, TypeError, "energy must be a number"),
        ({"hadrons": 1}, TypeError, "hadrons must be Hadrons, got int"),
        ({"params": None}, TypeError, "params must be LundParams or ClusterParams, got NoneType"),
        ({"params": ClusterParams()}, TypeError, "ClusterParams go with Clusters or None, got Histories"),
        ({"params": ClusterParams(), "histories": None}, ValueError, "quark must be none for ClusterParams, got 'u'"),
        ({"quark": "s"}, ValueError, "quark must be d or u for LundParams, got 's'"),
        ({"histories": 2}, TypeError, "LundParams go with Histories or None, got int"),
    ],
)
def test_what_does_not_belong_together_is_refused(strings, change, error, message):
    with pytest.raises(error, match=message):
        strings.replace(**change)


def test_histories_and_hadrons_are_of_the_same_events(strings, clusters):
    for sample in (strings, clusters):
        with pytest.raises(ValueError, match="the hadrons are of 29 events, the histories of 30"):
            sample.replace(hadrons=sample.hadrons[1:])


def test_the_quark_of_a_string_is_u_and_clusters_have_none(strings, clusters):
    assert Sample(strings.hadrons, None, LundParams(), 90).quark == "u"
    by_hand = Sample(clusters.hadrons, clusters.histories, ClusterParams(), 91.2)
    assert by_hand.quark is None
    assert isinstance(Sample(strings.hadrons, None, LundParams(), 90).energy, float)


def test_a_sample_is_changed_in_one_place(strings):
    bare = strings.replace(histories=None)
    assert bare.histories is None
    assert bare.hadrons is strings.hadrons
    assert strings.histories is not None


# --- Files -----------------------------------------------------------------------------------------


def test_every_kind_comes_back_from_its_file_and_from_no_other(strings, clusters, tmp_path):
    things = [
        *kinds(strings, clusters),
        strings,
        clusters,
        strings.replace(params=LundMixture((LundParams(),), (1.0,))),
    ]
    for k, thing in enumerate(things):
        thing.save(tmp_path / f"{k}")
        again = type(thing).load(tmp_path / f"{k}")
        if isinstance(thing, Sample):
            assert (again.params, again.energy, again.quark) == (thing.params, thing.energy, thing.quark)
            assert_same_columns(again.hadrons, thing.hadrons)
            assert_same_columns(again.histories, thing.histories)
        else:
            assert_same_columns(again, thing)
        for other in {type(x) for x in things} - {type(thing)}:
            with pytest.raises(DataFileError, match=f"{k} holds no {other.__name__}, but {type(thing).__name__}"):
                other.load(tmp_path / f"{k}")


def test_files_from_before_they_said_their_kind_are_read(strings, clusters, tmp_path, monkeypatch):
    loads = files.json.loads
    old = lambda text: {k: v for k, v in loads(text).items() if k not in ("kind", "shapes")}
    things = [strings, clusters, *kinds(strings, clusters)[3:]]
    for k, thing in enumerate(things):
        thing.save(tmp_path / f"{k}")
    monkeypatch.setattr(files.json, "loads", old)
    for k, thing in enumerate(things):
        again = type(thing).load(tmp_path / f"{k}")
        pairs = [(again.hadrons, thing.hadrons), (again.histories, thing.histories)] if k < 2 else [(again, thing)]
        for pair in pairs:
            assert_same_columns(*pair)
    with pytest.raises(DataFileError, match="3 holds no Showers: it has columns of something else: perturbative"):
        Showers.load(tmp_path / "3")
    with pytest.raises(DataFileError, match="0 holds no Showers"):
        Showers.load(tmp_path / "0")


# --- Joining and picking ---------------------------------------------------------------------------


def test_what_is_cut_and_joined_is_the_same(strings, clusters):
    for thing in kinds(strings, clusters):
        for cuts in ([0, 30], [0, 1, 1, 30], [0, 10, 29, 30]):
            joined = type(thing).concatenate(thing[a:b] for a, b in zip(cuts[:-1], cuts[1:]))
            assert_same_columns(joined, thing)


def test_only_the_same_kind_is_joined(strings, clusters):
    showers = datasets.load("pythia-showers-91")[:3]
    with pytest.raises(TypeError, match="concatenate joins Showers alone, got Constituents too"):
        Showers.concatenate([showers, cluster.split_gluons(showers, rng=np.random.default_rng(1))])
    with pytest.raises(TypeError, match="concatenate joins Hadrons alone, got Sample too"):
        Hadrons.concatenate([strings.hadrons, strings])
    with pytest.raises(ValueError, match="the parts differ in energy: 91.2 and 90.0"):
        Showers.concatenate([showers, showers.replace(energy=90.0)])
    with pytest.raises(ValueError, match="concatenate needs at least one Clusters"):
        Clusters.concatenate([])


def test_events_one_by_one_are_all_events_and_offsets_are_worked_out_once(strings):
    assert strings.histories.event_offsets is strings.histories.event_offsets
    assert sum(len(event.histories.z) for event in strings) == len(strings.histories.z)
    assert_same_columns(Hadrons.concatenate(event.hadrons for event in strings), strings.hadrons)
    assert_same_columns(Histories.concatenate(event.histories for event in strings), strings.histories)


def test_a_sample_survives_pickling(strings):
    _ = strings.histories.event_offsets
    again = pickle.loads(pickle.dumps(strings))
    assert_same_columns(again.histories, strings.histories)


# --- Momenta ---------------------------------------------------------------------------------------


def test_hadrons_know_their_momenta_masses_and_charges(clusters):
    hadrons = clusters.hadrons
    np.testing.assert_array_equal(hadrons.p4, np.stack([hadrons.px, hadrons.py, hadrons.pz, hadrons.e], 1))
    events = hadrons.to_awkward()
    flat = lambda column: np.asarray(column.layout.content.data)
    np.testing.assert_allclose(hadrons.pt, flat(events.pt), rtol=1e-14)
    np.testing.assert_allclose(hadrons.rapidity, flat(events.rapidity), rtol=1e-9)
    np.testing.assert_allclose(hadrons.mass, particles.mass_of(hadrons.pid), rtol=0, atol=1e-6)
    assert np.all(np.bincount(hadrons.event, weights=hadrons.charge) == 0)
    showers = datasets.load("pythia-showers-91")[:3]
    np.testing.assert_allclose(showers.p4.sum(0), [0, 0, 0, 3 * 91.2], atol=1e-9)


def test_masses_and_rapidities_at_the_edge():
    edge = Hadrons([0, 4], [0.0, 0, 3, np.nan], [0.0, 0, 4, 0], [2.0, -2, 0, 0], [2.0, 2, 1, 1], [22, 22, 22, 22])
    np.testing.assert_array_equal(edge.mass, [0.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(edge.rapidity, [np.inf, -np.inf, 0.0, 0.0])
    single = edge.replace(**{name: getattr(edge, name).astype(np.float32) for name in ("px", "py", "pz", "e")})
    assert (single.p4.dtype, single.mass.dtype) == (np.float32, np.float64)


# --- Codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [Fate, ChainStatus])
def test_codes_are_whole_numbers_with_words(codes):
    assert [*map(int, codes)] == list(range(len(codes)))
    assert all(isinstance(code.words, str) and code.words for code in codes)
    assert np.array([1, 2])[0] == codes(1)


def test_codes_say_what_became_of_chains_and_clusters(strings, clusters):
    assert np.array_equal(strings.histories.status == ChainStatus.ACCEPTED, strings.histories.accepted)
    assert np.all(clusters.histories.n_hadrons[clusters.histories.fate == Fate.PAIR] == 2)
    assert Fate(int(clusters.histories.fate[0])).words


def test_chains_of_an_event_lie_together(strings):
    with pytest.raises(ValueError, match="event_of_chain must not decrease"):
        strings.histories.replace(event_of_chain=strings.histories.event_of_chain[::-1].copy())
    assert isinstance(strings.histories, Histories)
