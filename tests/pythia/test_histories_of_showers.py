"""Histories of real showers, of all flavours: they change no event, and every part of them stays together."""

import checks
import numpy as np
import pytest
from checks import assert_same_columns, assert_same_sample

from hadtutor import LundParams, Sample, Showers, datasets, lund, particles, pythia, strings
from hadtutor.events.histories import FLAVOURS
from hadtutor.lund.all_flavours import kind_of_break
from hadtutor.lund.function import log_share_above
from hadtutor.pythia import hadronization
from hadtutor.weights import event_weights

BASE = LundParams(enhanced_fraction=0.05)


def hadronized(showers, seed=41, **options):
    return pythia.hadronize(showers, BASE, seed=seed, progress=False, **({"decays": False} | options))


@pytest.fixture(scope="module")
def sample(showers_with_histories):
    return showers_with_histories


@pytest.fixture(scope="module")
def showers():
    return datasets.load("pythia-showers-91")[:3000]


def gluons_in_a_loop():
    """An event with a quark and an antiquark, and one with two gluons besides, tied to each other."""
    px, pz = [0.0, 0.0, 0.0, 0.0, 10.0, -10.0], [45.6, -45.6, 35.6, -35.6, 0.0, 0.0]
    col, acol = [101, 0, 101, 0, 102, 103], [0, 101, 0, 101, 103, 102]
    return Showers([0, 2, 6], px, np.zeros(6), pz, np.hypot(px, pz), [2, -2, 1, -1, 21, 21], col, acol, 91.2)


# --- Events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decays", [True, False])
def test_recording_changes_no_event(showers, decays):
    with_them, bare = (hadronized(showers[:300], histories=h, decays=decays) for h in (True, False))
    assert_same_columns(with_them.hadrons, bare)
    assert_same_columns(with_them.partons, showers[:300])
    assert with_them.params == BASE


def test_events_do_not_depend_on_how_many_there_are(sample, showers):
    """In whole chunks and in parts of one."""
    for n in (1, hadronization.CHUNK + 1):
        assert_same_sample(hadronized(showers[:n], histories=True), sample[:n])


def test_events_do_not_depend_on_the_number_of_processes(sample, showers):
    n = 2 * hadronization.CHUNK + 10
    assert_same_sample(hadronized(showers[:n], histories=True, processes=2), sample[:n])


def test_another_seed_gives_other_histories(sample, showers):
    other = hadronized(showers[:100], seed=42, histories=True)
    assert not np.array_equal(other.histories.z[:100], sample.histories.z[:100])


def test_every_string_that_breaks_has_one_accepted_chain(sample, showers):
    """Those without are light; the breaks of a chain, and its last pair, are hadrons of its event."""
    h, numbered = sample.histories, strings.colours.numbered_strings(showers)
    done = h.only_accepted()
    assert np.all((np.diff(done.strings) > 0) | (np.diff(done.event_of_chain) > 0))
    first = np.searchsorted(numbered.event, np.arange(len(showers)))
    broken = np.isin(np.arange(len(numbered.event)), first[done.event_of_chain] + done.strings)
    assert 0.9 < broken.mean() < 1.0
    p = np.add.reduceat(showers.p4[numbered.rows], numbered.offsets[:-1])
    mass = np.sqrt(np.maximum(0.0, p[:, 3] ** 2 - np.sum(p[:, :3] ** 2, axis=1)))
    assert mass[~broken].max() < 2 * 4.8 + 1.0, "two bottom quarks, and a GeV"
    event = np.append(done.event_of_chain[done.chain_of_break], np.tile(done.event_of_chain, 2))
    codes = np.concatenate([done.pid, done.final_pid, done.final_pid_other])
    whole = np.bincount(done.event_of_chain, minlength=len(sample)) == np.bincount(numbered.event)
    made, kept = whole[event], whole[sample.hadrons.event]
    in_order = (
        np.lexsort((codes[made], event[made])),
        np.lexsort((sample.hadrons.pid[kept], sample.hadrons.event[kept])),
    )
    np.testing.assert_array_equal(codes[made][in_order[0]], sample.hadrons.pid[kept][in_order[1]])


def test_flavours_follow_each_other_along_a_string(sample):
    """What was made waits at the same end as its antiparticle, first the quark of the parton; charges add up."""
    h = sample.histories
    charge = particles.charge_of(h.pid)
    of_ends = (quark_charge(h.old) + quark_charge(h.new)).round(6)
    np.testing.assert_allclose(charge, of_ends, atol=1e-6)
    for positive in (True, False):
        rows = np.flatnonzero(h.from_positive == positive)
        chain = h.chain_of_break[rows]
        follows = np.diff(chain) == 0
        np.testing.assert_array_equal(h.old[rows][1:][follows], -h.new[rows][:-1][follows])
        np.testing.assert_array_equal(h.old_popcorn[rows][1:][follows], h.new_popcorn[rows][:-1][follows])
        begins = np.append(True, ~follows)
        assert set(abs(h.old[rows][begins]).tolist()) == {1, 2, 3, 4, 5}
        assert not h.old_popcorn[rows][begins].any()
    done = h.only_accepted()
    of_pair = quark_charge(done.final_old) + quark_charge(done.final_new)
    np.testing.assert_allclose(particles.charge_of(done.final_pid), of_pair, atol=1e-6)
    of_other = quark_charge(done.final_other) - quark_charge(done.final_new)
    np.testing.assert_allclose(particles.charge_of(done.final_pid_other), of_other, atol=1e-6)


def quark_charge(code):
    """Of quarks and of diquarks, in units of e."""
    size = abs(code).astype(int)
    of_quark = np.array([0, -1, 2, -1, 2, -1]) / 3
    return np.sign(code) * np.where(size < 10, of_quark[size % 10], of_quark[size // 1000] + of_quark[size // 100 % 10])


# --- Together --------------------------------------------------------------------------------------


def test_all_columns_are_kept_in_files_and_in_parts(sample, tmp_path):
    some = sample[:200]
    some.save(tmp_path / "some.npz")
    assert_same_sample(Sample.load(tmp_path / "some.npz"), some)
    assert_same_sample(Sample.concatenate([sample[:80], sample[80:81], sample[81:200]]), some)
    h, one = sample.histories, sample[np.array([150, 3])].histories
    assert one.all_flavours
    chains = np.flatnonzero(h.event_of_chain == 150)
    rows = slice(h.chain_offsets[chains[0]], h.chain_offsets[chains[-1] + 1])
    for name in FLAVOURS:
        where = chains if name.startswith("final") else rows
        np.testing.assert_array_equal(getattr(one, name)[: len(getattr(h, name)[where])], getattr(h, name)[where])


def test_histories_of_pions_do_not_go_with_those_of_all_flavours(sample):
    pions = sample.histories.replace(**dict.fromkeys(FLAVOURS))
    with pytest.raises(ValueError, match="histories of pions and of all flavours do not go together"):
        type(sample.histories).concatenate([sample.histories, pions])


def test_histories_of_all_flavours_do_not_replay(sample):
    with pytest.raises(ValueError, match="do not hold the masses of resonances: take the hadrons as they are"):
        strings.replay(sample.histories, sample.energy, sample.partons)


def test_no_showers_have_no_histories(showers):
    none = hadronized(showers[:0], histories=True)
    assert (len(none), len(none.histories), none.histories.all_flavours) == (0, 0, True)


def test_showers_of_another_energy_have_histories_too():
    showers = datasets.load("pythia-showers-200")[:100]
    made = hadronized(showers, histories=True)
    assert made.energy == 200.0
    assert_same_columns(made.hadrons, hadronized(showers))
    assert np.isfinite(event_weights(made, BASE.replace(a=0.6)).log_w).all()


# --- A law of one's own ----------------------------------------------------------------------------


def test_breaks_of_light_flavours_follow_a_law(showers):
    """Kolmogorov and Smirnov's p > 1e-3 between light quarks; the sample knows whose law it is, and has no weights."""
    hard = LundParams(a=0.3)

    def harder(z, mt2):
        return np.exp(lund.log_density(z, mt2, hard))

    made = hadronized(showers[:1000], histories=True, law=harder)
    h = made.histories
    light = (kind_of_break(h.old, h.new) == 0) & (h.z < 1)
    z, mt2 = h.z[light].astype(float), h.mt2[light].astype(float)
    checks.assert_uniform(np.exp(log_share_above(z, mt2, hard)))
    assert made.law == "harder"
    with pytest.raises(ValueError, match="z of this sample was drawn by harder"):
        event_weights(made, BASE)
    assert_same_columns(made.hadrons, hadronized(showers[:1000], law=harder))


# --- Errors ----------------------------------------------------------------------------------------


def test_closed_loops_of_gluons_have_no_histories():
    showers = gluons_in_a_loop()
    with pytest.raises(ValueError, match=r"event 1 has a closed loop of gluons.*histories=False"):
        hadronized(showers, histories=True)
    assert len(hadronized(showers)) == 2
    assert len(hadronized(showers[:1], histories=True)) == 1


@pytest.mark.parametrize(
    "setting",
    [
        "Fragmentation:model = 1", "ClosePacking:doClosePacking = on", "Ropewalk:RopeHadronization = on",
        "StringFlav:suppressLeadingB = on", "StringFlav:decupletSup = 0.5", "StringFlav:thetaPS = -10",
        "StringFlav:mesonUDL1S1J2 = 0.1", "StringPT:widthPreStrange = 1.2", "StringZ:aExtraSQuark = 0.1",
        "StringZ:usePetersonC = on", "StringZ:useNonstandardB = on", "StringZ:useOldAExtra = off",
    ],
)  # fmt: skip
def test_histories_know_one_model(showers, setting):
    name = setting.split(" = ")[0]
    with pytest.raises(ValueError, match=f"histories know Lund's model alone, not {name}"):
        hadronized(showers[:2], histories=True, settings=setting)
    assert len(hadronized(showers[:2], settings=setting)) == 2


def test_what_pythia_never_makes_is_said_of_histories_alone(showers):
    """Weights to where there are strange quarks would be infinite."""
    none = {"settings": "StringFlav:probStoUD = 0"}
    with pytest.raises(ValueError, match="prob_s_to_ud must be > 0 and <= 1, got 0"):
        hadronized(showers[:2], histories=True, **none)
    assert len(hadronized(showers[:2], **none)) == 2


def test_the_sample_has_the_parameters_that_pythia_has(showers):
    made = pythia.hadronize(showers[:2], histories=True, settings="StringFlav:probStoUD = 0.3", progress=False)
    pythias_own = LundParams(enhanced_fraction=0.01, stop_mass=0.8)
    assert made.params == pythias_own.replace(prob_s_to_ud=0.3)


@pytest.mark.parametrize("change", [{"a": 2.5}, {"b": 0.1}, {"sigma_pt": 1.5}, {"u_fraction": 0.6}], ids=str)
def test_parameters_outside_pythias_range_are_refused(showers, change):
    with pytest.raises(ValueError, match=r"real Pythia (does not take String|makes as many u as d)"):
        pythia.hadronize(showers[:2], BASE.replace(**change), histories=True)


def test_only_showers_are_hadronized(sample):
    for wrong in (None, sample, sample.hadrons):
        with pytest.raises(TypeError, match=f"hadronize takes Showers, got {type(wrong).__name__}"):
            pythia.hadronize(wrong, histories=True)


def test_an_event_without_a_chain_may_end_a_chunk(showers, monkeypatch):
    """A string too light to break has no history; events after it keep theirs, and the last one may not be so."""
    light = Showers(
        np.array([0, 2]), *np.array([[0.0, 0.0], [0.0, 0.0], [0.6, -0.6], [0.6, 0.6]]), np.array([2, -2]),
        np.array([101, 0]), np.array([0, 101]), showers.energy,
    )  # fmt: skip
    monkeypatch.setattr(hadronization, "CHUNK", 2)
    mixed = Showers.concatenate([showers[:1], light, showers[1:3]])
    sample = pythia.hadronize(mixed, histories=True, progress=False)
    assert np.bincount(sample.histories.event_of_chain, minlength=4).astype(bool).tolist() == [True, False, True, True]
    with pytest.raises(ValueError, match="event 1, the last one, has no string"):
        pythia.hadronize(mixed[:2], histories=True, progress=False)


def test_a_second_try_of_an_event_belongs_to_that_event(showers, monkeypatch):
    """Pythia may give up on the first event of a chunk once; chains of that try are not taken for another event's."""
    made = hadronization.start

    class Unlucky:
        def __init__(self, real):
            self.real, self.failed = real, False

        def __getattr__(self, name):
            return getattr(self.real, name)

        def next(self):
            done = self.real.next()
            if not self.failed:
                self.failed = True
                return False
            return done

    monkeypatch.setattr(hadronization, "start", lambda *args, **options: Unlucky(made(*args, **options)))
    sample = pythia.hadronize(showers[:3], histories=True, progress=False)
    assert np.unique(sample.histories.event_of_chain[sample.histories.accepted]).tolist() == [0, 1, 2]
    strings = np.bincount(sample.histories.event_of_chain, sample.histories.accepted, 3)
    expected = pythia.hadronize(showers[:3], histories=True, progress=False, seed=2).histories
    assert strings.tolist() == np.bincount(expected.event_of_chain, expected.accepted, 3).tolist()
