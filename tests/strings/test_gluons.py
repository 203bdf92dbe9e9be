"""Strings with gluons: the geometry, the laws, what must change nothing, and real Pythia."""

import checks
import numpy as np
import pytest
from checks import ALPHA
from scipy import stats

from hadtutor import LundParams, Sample, Showers, datasets, hadronize_partons, metrics, observables, strings, weights
from hadtutor.particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION
from hadtutor.strings.regions import dot, join, light_cone, plus, transverse_axes


def string_of(momenta, energy=90.0, n_events=1):
    """Massless partons with these momenta, from u to u-bar, in their rest frame and scaled to `energy`, many times."""
    p = np.array(momenta, float)
    p = np.column_stack([p, np.linalg.norm(p, axis=1)])
    total = p.sum(axis=0)
    p = boosted(p, -total[:3] / total[3])
    p *= energy / p[:, 3].sum()
    return showers_of(p, n_events)


def showers_of(p, n_events):
    n = len(p)
    tags = 101 + np.arange(n)
    columns = *p.T, [2, *[21] * (n - 2), -2], [*tags[:-1], 0], [0, *tags[:-1]]
    energy = np.sqrt(p[:, 3].sum() ** 2 - np.sum(p[:, :3].sum(axis=0) ** 2))
    return Showers(n * np.arange(n_events + 1), *(np.tile(c, n_events) for c in columns), energy)


def boosted(p, velocity):
    gamma = 1.0 / np.sqrt(1.0 - velocity @ velocity)
    along = p[:, :3] @ velocity
    space = p[:, :3] + np.outer(gamma**2 / (gamma + 1.0) * along + gamma * p[:, 3], velocity)
    return np.column_stack([space, gamma * (p[:, 3] + along)])


KINKS = {
    "wide": [[0, 0, 38], [10, 0, 2], [-12, 1, -36]],
    "narrow": [[0, 0, 40], [1.0, 0.4, 1.5], [-0.5, 0, -42]],
    "soft": [[0, 0, 40], [1.0, 0.5, 6], [-1.2, 0.3, 1.5], [0.4, -1.0, -2], [0.3, 0.6, -7], [0, 0, -38]],
    "four": [[5, 3, 60], [20, -3, 15], [-12, 14, 3], [-9, -20, -10], [4, 8, -28], [-8, -2, -55]],
    "collinear": [[0, 0, 30], [0.6, 0.1, 14], [0, 0, -45]],
}


@pytest.fixture(scope="module")
def showers():
    return datasets.load("pythia-showers-91")[:2000]


@pytest.fixture(scope="module")
def sample(showers):
    return hadronize_partons(showers, flavours="to u d", rng=1, progress=False)


def test_regions_are_lightlike_and_their_axes_orthonormal(rng):
    for _ in range(200):
        p = rng.normal(size=(2, 3)) * 10
        p1, p2 = (tuple(map(float, [*v, np.sqrt(v @ v + m * m)])) for v, m in zip(p, rng.uniform(0, 2, 2)))
        one, other, w2 = light_cone(p1, p2)
        both = plus(p1, 1.0, p2)
        assert np.allclose(plus(one, 1.0, other), both)
        assert abs(dot(one, one)) + abs(dot(other, other)) < 1e-10 * both[3] ** 2
        assert np.isclose(w2, dot(both, both))
        x, y, fine = transverse_axes(one, other)
        assert fine
        products = [[dot(u, v) for v in (one, other, x, y)] for u in (x, y)]
        assert np.allclose(products, [[0, 0, -1, 0], [0, 0, 0, -1]], atol=1e-8)


def test_a_straight_string_is_that_of_the_old_kernel_break_by_break():
    """With the same random numbers; its axes are Pythia's, which lie the other way round."""
    kinked = hadronize_partons(showers_of(np.array([[0, 0, 45.0, 45.0], [0, 0, -45.0, 45.0]]), 512), rng=3)
    straight = strings.hadronize_strings(512, rng=3)
    assert np.array_equal(kinked.hadrons.pid, straight.hadrons.pid)
    for name, other in (("px", "py"), ("py", "px"), ("pz", "pz"), ("e", "e")):
        np.testing.assert_allclose(getattr(kinked.hadrons, name), getattr(straight.hadrons, other), rtol=0, atol=1e-9)
    for name in ("z", "mt2", "px", "status", "final_reversed", "final_from_positive"):
        np.testing.assert_array_equal(getattr(kinked.histories, name), getattr(straight.histories, name))


@pytest.mark.parametrize("gluon", [[0, 0, 1e-9], [0, 0, 10.0], [0.01, 0.0, 3.0]], ids=["soft", "collinear", "nearly"])
def test_soft_and_collinear_gluons_are_joined_and_change_nothing(gluon):
    quark = np.array([0.0, 0.0, 40.0])
    p = np.array([quark - gluon, gluon, -quark])
    p = np.column_stack([p, np.linalg.norm(p, axis=1)])
    share = np.array([1.0, 0.5, 1.0])
    assert join(p.copy(), share, 3, 0.3) == 2
    whole = np.array([p[0] + p[1], p[2]])
    assert_same = lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-9)
    made = [hadronize_partons(showers_of(q, 100), rng=2).hadrons for q in (p, whole)]
    assert_same(*(hadrons.p4 for hadrons in made))


def test_joining_stops_where_neighbours_are_far():
    p = np.array([[0, 0, 40, 40], [10, 0, 0, 10], [0, 0, -40, 40.0]])
    assert join(p, np.array([1.0, 0.5, 1.0]), 3, 0.3) == 3


@pytest.mark.parametrize("name", KINKS)
def test_momentum_and_masses_are_exact(name):
    partons = string_of(KINKS[name], n_events=500)
    hadrons = hadronize_partons(partons, rng=4).hadrons
    left = np.add.reduceat(hadrons.p4, hadrons.offsets[:-1]) - np.add.reduceat(partons.p4, partons.offsets[:-1])
    assert abs(left).max() < 1e-9
    mass = np.where(hadrons.pid == 111, MASS_NEUTRAL_PION, MASS_CHARGED_PION)
    assert abs(hadrons.e**2 - hadrons.px**2 - hadrons.py**2 - hadrons.pz**2 - mass**2).max() < 1e-9
    assert np.all(hadrons.e > 0)


def test_whole_showers_keep_momentum_and_charge(showers, sample):
    of_events = lambda x, events: np.add.reduceat(x, events.offsets[:-1])
    assert abs(of_events(sample.hadrons.p4, sample.hadrons) - of_events(showers.p4, showers)).max() < 1e-9
    assert not of_events(np.sign(sample.hadrons.pid) * (sample.hadrons.pid != 111), sample.hadrons).any()
    chains = sample.histories
    assert np.array_equal(np.unique(chains.event_of_chain), np.arange(len(showers)))
    pairs = np.stack([chains.event_of_chain, chains.strings])[:, chains.accepted]
    assert pairs.shape[1] == len(np.unique(pairs, axis=1).T), "a string is accepted once"
    assert chains.strings.max() > 0


@pytest.mark.parametrize("turn", ["rotated", "boosted"])
def test_the_law_does_not_depend_on_the_frame(turn, rng):
    partons = string_of(KINKS["wide"], n_events=8000)
    p = partons.p4[:3]
    if turn == "rotated":
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        q, back = np.column_stack([p[:, :3] @ rotation.T, p[:, 3]]), lambda v: v @ rotation
    else:
        velocity = np.array([0.3, -0.2, 0.4])
        q, back = boosted(p, velocity), None
    here, there = (hadronize_partons(showers_of(v, 8000), rng=seed).hadrons for v, seed in ((p, 5), (q, 6)))
    momenta = there.p4 if back is not None else boosted(there.p4, -velocity)
    if back is not None:
        momenta[:, :3] = back(momenta[:, :3])
    there = there.replace(**dict(zip(("px", "py", "pz", "e"), momenta.T, strict=True)))
    for name, values in looks(here).items():
        assert stats.ks_2samp(values, looks(there)[name]).pvalue > ALPHA / 7, name


def looks(hadrons):
    seen = observables.compute(hadrons, 90.0, names=("n_f", "T", "C", "B_W", "lnx_mean"))
    mean = lambda x: np.add.reduceat(x, hadrons.offsets[:-1]) / hadrons.multiplicity
    return seen | {"|px|": mean(abs(hadrons.px)), "py²": mean(hadrons.py**2)}


@pytest.mark.parametrize(
    ("x", "n", "log_acceptance"), [((0.86, 0.28, 0.86), 23.126, -0.1121), ((0.95, 0.35, 0.70), 22.664, -0.1156)]
)
def test_means_are_those_of_pythia_8_317(x, n, log_acceptance):
    """From 1.2·10⁵ and 4·10⁴ events, with Pythia's share of broader transverse momenta."""
    params = LundParams(enhanced_fraction=0.01, enhanced_width=2.0)
    made = hadronize_partons(Showers.one_gluon(20_000, x), params, rng=7)
    counts = made.hadrons.multiplicity
    assert abs(counts.mean() - n) < 4 * counts.std() * np.hypot(20_000**-0.5, 40_000**-0.5)
    accepted = made.histories.accepted
    error = np.hypot(accepted.std() / accepted.mean() / len(accepted) ** 0.5, 0.0017)
    assert abs(np.log(accepted.mean()) - log_acceptance) < 4 * error


@pytest.mark.parametrize("name", KINKS)
def test_distributions_are_those_of_real_pythia(name):
    pythia = pytest.importorskip("pythia8mc") and __import__("hadtutor").pythia
    energy = 200.0 if name == "four" else 90.0
    partons, params = string_of(KINKS[name], energy, 10_000), LundParams(a=0.5, b=0.8, sigma_pt=0.3)
    ours = hadronize_partons(partons, params, rng=8).hadrons
    theirs = pythia.hadronize_partons(partons, params, seed=9, progress=False).hadrons
    seen = [observables.compute(hadrons, energy) | looks(hadrons) for hadrons in (ours, theirs)]
    p_values = {}
    for observable in seen[0]:
        x, y = (v[observable][np.isfinite(v[observable])] for v in seen)
        p_values[observable] = stats.ks_2samp(x, y).pvalue
    assert min(p_values.values()) > ALPHA / len(p_values), p_values


def test_whole_showers_are_those_of_real_pythia(showers):
    pythia = pytest.importorskip("pythia8mc") and __import__("hadtutor").pythia
    light = showers.replace(pid=np.where(showers.pid == 21, 21, np.sign(showers.pid) * 2).astype(np.int32))
    ours = hadronize_partons(light, rng=10).hadrons
    theirs = pythia.hadronize_partons(light, seed=11, progress=False).hadrons
    for name, values in observables.compute(ours, 91.2).items():
        apart = values - observables.compute(theirs, 91.2)[name]  # event by event from the same partons
        apart = apart[np.isfinite(apart)]
        assert abs(apart.mean()) < 4 * apart.std() / len(apart) ** 0.5, name


def test_light_strings_are_those_of_real_pythia():
    pythia = pytest.importorskip("pythia8mc") and __import__("hadtutor").pythia
    quarks, gluon = np.array([[0, 0, 0.7, 0.7], [0.2, 0.1, -0.5, 0.0]]), np.array([-0.2, -0.1, -0.2, 0.3])
    quarks[:, 3] = np.linalg.norm(quarks[:, :3], axis=1)
    gluon[3] = np.linalg.norm(gluon[:3])
    light = np.array([quarks[0], gluon, quarks[1]])
    heavy = np.array([[30.0, 20, 10, 0], [-30, -20, -10, 0]])
    heavy[:, 3] = np.linalg.norm(heavy[:, :3], axis=1)
    n = 5000
    p = np.concatenate([heavy, light])
    columns = *p.T, [2, -2, 2, 21, -2], [101, 0, 102, 103, 0], [0, 101, 0, 102, 103]
    partons = Showers(5 * np.arange(n + 1), *(np.tile(c, n) for c in columns), 80.0)
    ours = hadronize_partons(partons, rng=12)
    assert np.all(ours.histories.strings == 0), "what does not break has no chain"
    theirs = pythia.hadronize_partons(partons, seed=13, progress=False)
    # Slow hadrons are nearly all of the light string.
    slow = [s.hadrons.p4[s.hadrons.e < 1.0] for s in (ours, theirs)]
    for k in range(3):  # all have the same energy but for rounding
        assert stats.ks_2samp(*(p[:, k] for p in slow)).pvalue > ALPHA / 3
    counts = [np.bincount(s.hadrons.event, (s.hadrons.e < 1.0) & (s.hadrons.pid == 111), n) for s in (ours, theirs)]
    assert stats.ks_2samp(*counts).pvalue > ALPHA


def test_replayed_histories_give_the_hadrons(showers, sample):
    whole = [k for k in range(len(showers)) if not strings.colours.colour_strings(showers[k], "to u d").light.any()]
    some = sample[np.array(whole[:500])]
    again = strings.replay(some.histories, some.energy, some.partons)
    assert np.array_equal(again.pid, some.hadrons.pid)
    assert abs(again.p4 - some.hadrons.p4).max() < 1e-3
    with pytest.raises(ValueError, match="too light to break"):
        strings.replay(sample.histories, sample.energy, sample.partons)


@pytest.mark.parametrize("target", [{"a": 0.60}, {"b": 0.90}, {"sigma_pt": 0.325}, {"u_fraction": 0.53}], ids=str)
def test_weights_of_events_of_several_strings_close(showers, sample, target):
    params = sample.params.replace(**target)
    direct = hadronize_partons(showers, params, flavours="to u d", rng=14, progress=False).hadrons
    for all_chains in (False, True) if "u_fraction" not in target else (False,):
        w = np.exp(weights.event_weights(sample, params, all_chains=all_chains).log_w)
        assert abs(w.mean() - 1.0) < 4 * w.std() / len(w) ** 0.5
        for of in (lambda h: h.multiplicity, lambda h: np.bincount(h.event, h.pid == 111), lambda h: looks(h)["T"]):
            x, y = of(sample.hadrons), of(direct)
            mean = np.average(x, weights=w)
            error = np.hypot(np.sqrt(np.sum((w * (x - mean)) ** 2)) / w.sum(), y.std() / len(y) ** 0.5)
            assert abs(mean - y.mean()) < 4 * error


def test_the_number_of_threads_changes_nothing_and_files_keep_all(showers, sample, tmp_path):
    again = hadronize_partons(showers, flavours="to u d", rng=1, threads=2, progress=False)
    checks.assert_same_sample(again, sample)
    sample.save(tmp_path / "sample.npz")
    read = Sample.load(tmp_path / "sample.npz")
    checks.assert_same_sample(read, sample)
    assert np.array_equal(read.partons.col, showers.col)
    joined = Sample.concatenate([sample[:3], sample[3:]])
    assert np.array_equal(joined.histories.strings, sample.histories.strings)
    assert "strings of partons" in repr(joined)


def test_the_reset_rule_is_seen():
    """Kicks that are lost at kinks leave fewer hadrons: it is Pythia's rule, and measurable with soft gluons."""
    soft = [[0, 0, 30], [1.2, 0.4, 1.0], [-0.5, 1.2, 0.5], [-1.0, -0.7, -0.5], [0.5, -1.1, -1.0], [0, 0, -30]]
    partons = string_of(soft, n_events=60_000)
    with_rule, without = (hadronize_partons(partons, rng=15, reset=on, progress=False).hadrons for on in (True, False))
    assert metrics.pull(with_rule.multiplicity, without.multiplicity) < -3


def test_bad_showers_are_refused():
    one = Showers.one_gluon(3)
    with pytest.raises(TypeError, match="must be Showers"):
        hadronize_partons(one.p4, rng=1)
    with pytest.raises(ValueError, match="no events"):
        hadronize_partons(one[:0], rng=1)
    strange = one.replace(pid=np.where(abs(one.pid) == 2, one.pid * 3 // 2, one.pid).astype(np.int32))
    with pytest.raises(ValueError, match='event 0 has a quark of code 3.*"to u d"'):
        hadronize_partons(strange, rng=1)
    with pytest.raises(ValueError, match="flavours must be"):
        hadronize_partons(strange, flavours="all", rng=1)
    tiny = Showers([0, 2], [0.0, 0], [0.0, 0], [0.5, -0.5], [0.5, 0.5], [2, -2], [101, 0], [0, 101], 1.0)
    with pytest.raises(ValueError, match="event 0 has no string of more than 1 GeV"):
        hadronize_partons(tiny, rng=1)
    for e, what in ((20.0, "massive"), (10.0, "space-like")):
        gluon = np.arange(9) == 4  # 13.5 GeV
        with pytest.raises(ValueError, match=f"event 1 has a {what} parton: code 21"):
            hadronize_partons(one.replace(e=np.where(gluon, e, one.e)), rng=1)
    heavy = np.arange(9) == 6
    with pytest.raises(ValueError, match="event 2 has a massive parton: code 2,"):
        hadronize_partons(one.replace(e=np.where(heavy, 40.0, one.e)), rng=1)
    lighter = Showers(
        [0, 4], [0, 0, 0, 0.0], [0, 0, 0.05, -0.05], [5, -5, 0, 0.0], [5, 5, 0.05, 0.05], [2, -2, 1, -1],
        [101, 0, 102, 0], [0, 101, 0, 102], 10.1,
    )  # fmt: skip
    with pytest.raises(ValueError, match="event 0 has a string of 0.1 GeV.*two pions"):
        hadronize_partons(lighter, rng=1)
    with pytest.raises(ValueError, match="add up to 2"):
        Showers.one_gluon(3, (0.5, 0.5, 0.5))
