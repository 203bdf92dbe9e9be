"""The same events for any number of threads and chunks, and what is refused."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from checks import P_COLUMNS, assert_same_columns, assert_same_sample
from cluster_laws import (
    FISSION,
    LOOP,
    MODES,
    NAMES,
    PAIR,
    SINGLE,
    WAITING,
    four,
    generator,
    momenta,
    pair,
    single_clusters,
    star,
)

from hadtutor import ClusterParams, Sample, cluster, hadronize_clusters


def test_the_number_of_threads_changes_nothing(packaged):
    showers = packaged[NAMES[0]][:5000]
    wanted = hadronize_clusters(showers, rng=generator(4))
    for threads in (1, 2, 3, np.int64(7)):
        assert_same_sample(hadronize_clusters(showers, rng=generator(4), threads=threads), wanted)


def test_two_calls_in_a_row_give_two_samples(packaged):
    showers, rng = packaged[NAMES[0]][:100], generator(4)
    first, second = (hadronize_clusters(showers, rng=rng) for _ in range(2))
    assert not np.array_equal(first.hadrons.e, second.hadrons.e)
    assert_same_sample(first, hadronize_clusters(showers, rng=generator(4)))


@pytest.mark.parametrize(("step", "stage"), [("split_gluons", 0), ("fission", 2), ("decay_clusters", 3)])
def test_each_step_advances_the_generator(stages, step, stage):
    """Else the next one would draw the same numbers again."""
    rng, states = generator(4), [generator(4).bit_generator.state]
    for _ in range(2):
        getattr(cluster, step)(stages[stage][:100], rng=rng)
        assert rng.bit_generator.state not in states
        states.append(rng.bit_generator.state)


def test_other_seeds_give_other_samples(packaged):
    showers = packaged[NAMES[0]][:100]
    x, y = (hadronize_clusters(showers, rng=generator(seed)) for seed in (4, 5))
    assert not np.array_equal(x.hadrons.e, y.hadrons.e)


def test_events_of_a_chunk_do_not_depend_on_what_follows(packaged):
    showers = packaged[NAMES[0]][:3000]
    whole = hadronize_clusters(showers, rng=generator(4))
    for n in (cluster.generate.CHUNK, 2 * cluster.generate.CHUNK):
        assert_same_sample(hadronize_clusters(showers[:n], rng=generator(4)), whole[:n])


def test_chunks_have_generators_of_their_own():
    """The same shower everywhere: no two chunks repeat each other."""
    sample = hadronize_clusters(star(*[LOOP] * (3 * cluster.generate.CHUNK)), rng=generator())
    first = sample.hadrons.e[sample.hadrons.offsets[:-1]]
    assert len(np.unique(first)) == len(first)


def test_no_room_for_the_parts_of_clusters_is_no_bias(monkeypatch):
    """So many parts that memory is made larger, more than once, with the same numbers again."""
    params, clusters = ClusterParams(cl_max=0.5), single_clusters(300, 200.0, 2, -1)
    wanted = cluster.fission(clusters, params, rng=generator(2))
    assert len(wanted.px) > 8 * 300 + 128
    make = cluster.rows.make_rows
    monkeypatch.setattr(cluster.heavy, "make_rows", lambda n: make(50 * n))
    assert_same_columns(cluster.fission(clusters, params, rng=generator(2)), wanted)


WITHOUT_JIT = """
import sys
import numpy as np
from hadtutor import ClusterParams, Showers, cluster, hadronize_clusters
assert not hasattr(cluster.decay._decay, "py_func"), "compiled after all"
showers = Showers.load(f"{sys.argv[1]}/showers.npz")
for k, settings in enumerate(CASES):
    hadronize_clusters(showers, ClusterParams(**settings), rng=k).save(f"{sys.argv[1]}/{k}.npz")
"""
CASES = [{}, {"cl_max": 1.0, "cl_smr": 0.0, "pwt_diquark": 2.0}, {"gluon_mass": 0.7, "cl_smr_charm": 0.5, "p_split": 3}]


def assert_same_draws(x, y):
    """Every choice is the same; numbers are, but for rare roundings of powers of which compilers make their own."""
    for name, column in vars(x).items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(column, getattr(y, name), rtol=1e-10, atol=1e-10, err_msg=name)
        else:
            np.testing.assert_array_equal(column, getattr(y, name), err_msg=name, strict=True)


def test_plain_python_makes_the_same_events_draw_by_draw(packaged, tmp_path):
    """With NUMBA_DISABLE_JIT=1, light clusters among them."""
    showers = packaged[NAMES[0]][:60]
    showers.save(tmp_path / "showers.npz")
    code = WITHOUT_JIT.replace("CASES", str(CASES))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code, tmp_path], env=environment, check=True, timeout=120)
    fates = set()
    for k, case in enumerate(CASES):
        sample = hadronize_clusters(showers, ClusterParams(**case), rng=generator(k))
        fates |= set(sample.histories.fate)
        plain = Sample.load(tmp_path / f"{k}.npz")
        assert (plain.params, plain.energy, plain.quark) == (sample.params, sample.energy, sample.quark)
        assert_same_draws(sample.hadrons, plain.hadrons)
        assert_same_draws(sample.histories, plain.histories)
    assert fates == {FISSION, PAIR, SINGLE}


def changed(showers, event, **columns):
    """The same showers with other numbers for the first parton of one event."""
    row = showers.offsets[event]
    new = {name: getattr(showers, name).copy() for name in columns}
    for name, value in columns.items():
        new[name][row] = value(new[name][row])
    return replace(showers, **new)


BY_SHOWERS = [cluster.split_gluons, hadronize_clusters]


@pytest.mark.parametrize("function", BY_SHOWERS)
class TestShowersThatAreRefused:
    @pytest.fixture
    def some(self, packaged):
        return packaged[NAMES[0]][:20]

    def test_momentum_is_missing(self, function, some):
        message = r"event 7: its partons add up to \(px, py, pz, E\) = \(0.001, .*\) GeV, not to 91.2 GeV at rest.*miss"
        with pytest.raises(ValueError, match=message):
            function(changed(some, 7, px=lambda x: x + 0.001), rng=generator())

    def test_energy_is_missing(self, function, some):
        with pytest.raises(ValueError, match=r"event 3: .*92.2\) GeV, not to 91.2 GeV"):
            function(changed(some, 3, e=lambda x: x + 1.0), rng=generator())

    def test_an_event_is_not_at_rest(self, function, some):
        p = momenta(four(some).boostX(0.1)).T.copy()
        p[:, : some.offsets[4]] = momenta(four(some))[: some.offsets[4]].T
        with pytest.raises(ValueError, match="event 4: .*not boosted to its rest frame"):
            function(replace(some, **dict(zip(P_COLUMNS, p, strict=True))), rng=generator())

    def test_an_energy_is_negative(self, function, some):
        e = some.e.copy()
        first = some.offsets[5]
        e[first], e[first + 1] = -e[first], e[first + 1] + 2 * e[first]
        with pytest.raises(ValueError, match="event 5 has a parton of negative energy"):
            function(replace(some, e=e), rng=generator())

    def test_an_event_has_no_partons(self, function):
        with pytest.raises(ValueError, match=r"event 1: its partons add up to .* = \(0, 0, 0, 0\) GeV, not to 91.2"):
            function(star(pair(2), [], pair(2)), rng=generator())

    def test_they_are_no_showers(self, function, some, hadronized):
        for wrong in (None, 3, [some], vars(some), hadronized[MODES[0]]):
            message = f"{function.__name__} takes Showers, got {type(wrong).__name__}"
            with pytest.raises(TypeError, match=message):
                function(wrong, rng=generator())

    def test_their_gluons_have_split_already(self, function, some):
        """Which quarks come from gluons would be forgotten."""
        with pytest.raises(TypeError, match=f"{function.__name__} takes Showers, got Constituents"):
            function(cluster.split_gluons(some, rng=generator()), rng=generator())

    def test_momenta_off_by_a_rounding_are_accepted(self, function, some):
        function(changed(some, 7, px=lambda x: x + 1e-6), rng=generator())
        single = {name: getattr(some, name).astype(np.float32) for name in P_COLUMNS}
        function(replace(some, **single), rng=generator())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_momenta_that_are_not_finite_are_refused_when_the_shower_is_made(packaged, bad):
    with pytest.raises(ValueError, match="event 7 has a momentum that is not finite"):
        changed(packaged[NAMES[0]][:20], 7, e=lambda _: bad)


def test_colours_without_a_partner_are_refused_when_the_shower_is_made():
    with pytest.raises(ValueError, match="event 1: each colour tag must stand once"):
        star(pair(2), [(2, 1, 0), (-2, 0, 2)])


def test_steps_take_what_the_step_before_gives(stages):
    showers, constituents, formed, *_ = stages
    for function, wanted, wrong in (
        (cluster.fission, "Clusters", constituents),
        (cluster.fission, "Clusters", None),
        (cluster.decay_clusters, "Clusters", constituents),
        (cluster.decay_clusters, "Clusters", [formed]),
    ):
        message = f"{function.__name__} takes {wanted}, got {type(wrong).__name__}"
        with pytest.raises(TypeError, match=message):
            function(wrong, rng=generator())
    with pytest.raises(TypeError, match="form_clusters takes Constituents, got Showers"):
        cluster.form_clusters(showers)


def test_clusters_decay_once(stages):
    final = stages[4]
    with pytest.raises(ValueError, match="event 0 has clusters that have decayed already"):
        cluster.decay_clusters(final, rng=generator())
    waiting = replace(final, fate=np.where(final.event < 3, WAITING, final.fate))
    with pytest.raises(ValueError, match="event 3 has clusters that have decayed already"):
        cluster.decay_clusters(waiting, rng=generator())


def test_clusters_that_broke_or_decayed_do_not_break_again(stages):
    for clusters in stages[3:5]:
        assert_same_columns(cluster.fission(clusters, rng=generator()), clusters)


STEPS = {
    "split_gluons": 0,
    "fission": 2,
    "decay_clusters": 3,
    "hadronize_clusters": 0,
}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rng": None}, TypeError, r"rng must be a whole number >= 0 or a NumPy Generator, got None.*write rng=1"),
        ({"rng": -1}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got -1"),
        ({"rng": True}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got True"),
        ({"rng": np.random.RandomState(1)}, TypeError, "rng must be .* of type RandomState"),
        ({"seed": 1}, TypeError, "takes rng, a number or a NumPy Generator, in place of seed: write rng=1"),
        ({"params": {"cl_max": 3.0}}, TypeError, "params must be ClusterParams, got dict; write ClusterParams"),
        ({"params": (0.95, 0.325)}, TypeError, "params must be ClusterParams, got tuple"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0][:40],
)
@pytest.mark.parametrize("step", STEPS)
def test_wrong_arguments_are_refused_by_name(stages, step, settings, error, message):
    with pytest.raises(error, match=message):
        getattr(cluster, step)(stages[STEPS[step]][:3], **({"rng": generator()} | settings))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", None])
def test_threads_are_a_whole_number(packaged, threads):
    error = ValueError if type(threads) is int else TypeError
    with pytest.raises(error, match=f"threads must be (a whole number|at least 1), got {threads!r}"):
        hadronize_clusters(packaged[NAMES[0]][:3], rng=generator(), threads=threads)


@pytest.mark.parametrize("step", STEPS)
def test_a_whole_number_seeds_a_generator(stages, step):
    given = stages[STEPS[step]][:20]
    x, y = (getattr(cluster, step)(given, rng=rng) for rng in (7, generator(7)))
    for one, two in ((x, y),) if not isinstance(x, tuple) else zip(x, y, strict=True):
        assert_same_sample(one, two) if isinstance(one, Sample) else assert_same_columns(one, two)


def test_a_generator_that_cannot_spawn_is_refused_with_a_way_out(packaged):
    rng = np.random.Generator(np.random.RandomState(1)._bit_generator)
    with pytest.raises(TypeError, match=r"rng cannot spawn .*use np.random.default_rng"):
        hadronize_clusters(packaged[NAMES[0]][:3], rng=rng)


def test_no_showers_give_no_hadrons(packaged):
    nothing = packaged[NAMES[0]][:0]
    clusters = cluster.fission(cluster.form_clusters(cluster.split_gluons(nothing, rng=generator())), rng=generator())
    hadrons, clusters = cluster.decay_clusters(clusters, rng=generator())
    assert (len(hadrons), len(clusters)) == (0, 0)
    sample = hadronize_clusters(nothing, rng=generator())
    assert len(sample) == len(sample.histories) == 0
    assert sample.energy == 91.2


def test_a_sample_says_with_what_it_was_made(packaged):
    params = ClusterParams(cl_max=3)
    sample = hadronize_clusters(packaged[NAMES[1]][:10], params, rng=generator())
    assert sample.params == params
    assert type(sample.params.cl_max) is float
    assert (sample.energy, sample.quark) == (200.0, None)
    assert type(sample.energy) is float


def test_nothing_is_warned_about_or_printed_when_all_is_well(packaged, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hadronize_clusters(packaged[NAMES[0]][:10], rng=generator(), progress=False)
    assert capfd.readouterr() == ("", "")


def test_pions_only_is_a_yes_or_no():
    for value in ("no", 1, None):
        with pytest.raises(TypeError, match=f"pions_only must be True or False, got {value!r}"):
            cluster.decay_clusters(single_clusters(2, 1.0, 2, -2), rng=generator(), pions_only=value)
