"""Closed loops of gluons: the laws, real Pythia, replay and weights."""

import math

import checks
import numpy as np
import pytest
from checks import ALPHA
from scipy import integrate, stats

from hadtutor import (
    Histories,
    LundMixture,
    LundParams,
    Sample,
    Showers,
    hadronize_partons,
    lund,
    metrics,
    observables,
    strings,
    weights,
)
from hadtutor.events.histories import CUT_FLAVOUR, CUT_PIECE, CUT_W2, CUT_Z
from hadtutor.homer.checks import HomerError, check_simulation
from hadtutor.particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION
from hadtutor.strings.regions import dot, join

RINGS = {
    "two": [[0, 0, 45.6], [0, 0, -45.6]],
    "mercedes": [[30.4, 0, 0], [-15.2, 26.327, 0], [-15.2, -26.327, 0]],
    "uneven": [[3, 1, 40], [12, -7, 3], [-2, 9, -25], [-9, -2, -4]],
}


def massless(momenta):
    p = np.array(momenta, float)
    return np.column_stack([p, np.linalg.norm(p, axis=1)])


def loops_of(momenta, n_events, beside=()):
    """The gluons of one closed loop, many times, beside a quark and an antiquark if these are given."""
    p, n = massless([*momenta, *beside]), len(momenta)
    tags, ends = 101 + np.arange(n), len(beside) > 0
    pid, col, acol = [21] * n + [2, -2] * ends, [*tags] + [201, 0] * ends, [*np.roll(tags, 1)] + [0, 201] * ends
    columns = (np.tile(column, n_events) for column in (*p.T, pid, col, acol))
    energy = math.sqrt(p[:, 3].sum() ** 2 - np.sum(p[:, :3].sum(axis=0) ** 2))
    return Showers(len(p) * np.arange(n_events + 1), *columns, energy)


def looks(hadrons, energy):
    of_events = lambda x: np.add.reduceat(x, hadrons.offsets[:-1])
    seen = observables.compute(hadrons, energy, names=("n_f", "n_ch", "T", "C", "D", "B_W", "B_T", "lnx_mean"))
    seen |= {f"{name}²": of_events(getattr(hadrons, name) ** 2) for name in ("px", "py", "pz")}
    seen |= {f"|{name}|": of_events(abs(getattr(hadrons, name))) for name in ("px", "py", "pz")}
    reduce_e = lambda function: function.reduceat(hadrons.e, hadrons.offsets[:-1])
    return seen | {"largest E": reduce_e(np.maximum), "least E": reduce_e(np.minimum)}


def pulls(one, other, energy):
    there = looks(other, energy)
    return {name: metrics.pull(values, there[name]) for name, values in looks(one, energy).items()}


@pytest.fixture(scope="module")
def sample():
    """Loops beside an open string, so that histories have both."""
    return hadronize_partons(loops_of(RINGS["uneven"], 4000, [[10, 20, 5], [-15, -10, 5]]), rng=1, progress=False)


@pytest.mark.parametrize("name", RINGS)
def test_momentum_masses_and_charge_are_exact(name):
    made = hadronize_partons(loops_of(RINGS[name], 500), rng=2, progress=False)
    hadrons = made.hadrons
    assert abs(np.add.reduceat(hadrons.p4, hadrons.offsets[:-1]) - massless(RINGS[name]).sum(axis=0)).max() < 1e-9
    mass = np.where(hadrons.pid == 111, MASS_NEUTRAL_PION, MASS_CHARGED_PION)
    assert abs(hadrons.e**2 - hadrons.px**2 - hadrons.py**2 - hadrons.pz**2 - mass**2).max() < 1e-9
    assert np.all(hadrons.e > 0)
    assert not np.add.reduceat(np.sign(hadrons.pid) * (hadrons.pid != 111), hadrons.offsets[:-1]).any()
    assert made.histories.closed.all()


def test_it_does_not_matter_with_which_gluon_a_loop_begins():
    first, second = (
        hadronize_partons(loops_of(np.roll(RINGS["uneven"], k, axis=0), 10_000), rng=k, progress=False) for k in (0, 2)
    )
    found = pulls(first.hadrons, second.hadrons, first.energy)
    assert max(map(abs, found.values())) < 4, found
    # Piece k of the one is piece k + 2 of the other.
    pieces = [s.histories.openings[s.histories.accepted, CUT_PIECE].astype(int) for s in (first, second)]
    counts = [np.bincount(pieces[0], minlength=4), np.roll(np.bincount(pieces[1], minlength=4), -2)]
    assert stats.chi2_contingency(counts).pvalue > ALPHA


def test_loops_are_cut_where_the_law_says():
    """The piece by its mass squared, the flavour by u_fraction, z from f(z) above what has room, in every first try."""
    params = LundParams(u_fraction=0.3)
    partons = loops_of([[0, 0, 1.4], [0.9, 0.6, -0.2], [-0.9, -0.6, -1.2]], 20_000)
    h = hadronize_partons(partons, params, rng=3, progress=False).histories
    first = h.openings[h.event_offsets[:-1]].astype(float)  # the later ones of an event share its piece
    p = partons.p4[:3]
    products = np.array([dot(p[k], p[(k + 1) % 3]) for k in range(3)])
    pieces = np.bincount(first[:, CUT_PIECE].astype(int), minlength=3)
    assert stats.chisquare(pieces, len(first) * products / products.sum()).pvalue > ALPHA
    np.testing.assert_allclose(first[:, CUT_W2], products[first[:, CUT_PIECE].astype(int)] / 2.0, rtol=1e-6)
    checks.assert_near(first[:, CUT_FLAVOUR] == 2, 0.3)
    m2, least = 0.1 * first[:, CUT_W2], 0.1
    assert first[:, CUT_Z].min() >= least
    below, u = checks.z_cdf(np.full(len(m2), least), m2, params), checks.z_cdf(first[:, CUT_Z], m2, params)
    assert below.max() > 0.01, "else the test would not see whether z had to have room"
    checks.assert_uniform((u - below) / (1.0 - below))


@pytest.mark.parametrize("z_min", [0.01, 0.1, 0.5])
def test_the_share_of_z_above_a_limit(z_min):
    params = LundParams(a=0.4, b=0.7)
    f = lambda z: np.exp(lund.log_f(z, 0.6, params))
    parts = [integrate.quad(f, low, high, epsrel=1e-11)[0] for low, high in ((0.0, z_min), (z_min, 1.0))]
    share = parts[1] / sum(parts)
    assert np.isclose(lund.function.log_share_above(z_min, 0.6, params), np.log(share), rtol=0, atol=1e-9)
    both = LundMixture((params, params), (0.4, 0.6))
    assert np.isclose(lund.function.log_share_above(z_min, 0.6, both), np.log(share), rtol=0, atol=1e-9)


def test_neighbours_are_joined_around_a_loop():
    """The last gluon and the first, which are neighbours in a loop alone."""
    p = massless([[0.2, 0, 20], [10, 0, -10], [-10, 0, -10], [0.1, 0.1, 10]])
    assert join(p.copy(), np.full(4, 0.5), 4, 0.3) == 4
    ring = p.copy()
    assert join(ring, np.full(4, 0.5), 4, 0.3, True) == 3
    np.testing.assert_allclose(ring[:3], [p[0] + p[3], p[1], p[2]])
    assert join(p[:2].copy(), np.full(2, 0.5), 2, np.inf, True) == 2, "two remain"


@pytest.mark.parametrize("name", RINGS)
def test_means_and_acceptance_are_those_of_real_pythia(name):
    pythia8mc = pytest.importorskip("pythia8mc")
    from hadtutor import pythia

    partons, params = loops_of(RINGS[name], 6000), LundParams(enhanced_fraction=0.01)
    ours = hadronize_partons(partons, params, rng=4, progress=False)
    theirs = pythia.hadronize_partons(partons, params, seed=5, progress=False, histories=False)
    found = pulls(ours.hadrons, theirs.hadrons, ours.energy)
    assert max(map(abs, found.values())) < 4, found
    assert pythia8mc


def test_light_loops_are_those_of_real_pythia():
    """Two hadrons fly against the open string, which moves at nearly the speed of light."""
    pytest.importorskip("pythia8mc")
    from hadtutor import pythia

    n, speed = 8000, math.sqrt(1.0 - 1.0 / 30.0**2)
    rest = massless([[0.1, 0.1, 0.5], [0.2, -0.2, -0.3], [-0.3, 0.1, -0.2]])
    flying = rest[:, :3].copy()
    flying[:, 2] = 30.0 * (rest[:, 2] - speed * rest[:, 3])
    partons = loops_of(flying, n, [[4, 0, 100], [-4, 0, 100]])
    mass = math.sqrt(dot(rest.sum(axis=0), rest.sum(axis=0)))
    assert 1.0 < mass < 1.65, "two masses of 0.325 GeV for quarks, as in Pythia, make it light"
    ours = hadronize_partons(partons, rng=6, progress=False)
    theirs = pythia.hadronize_partons(partons, seed=7, progress=False, histories=False)
    assert not ours.histories.closed.any(), "what does not break has no chain"
    pairs = [s.hadrons.p4[s.hadrons.pz < 0].reshape(n, 2, 4)[:, 0] for s in (ours, theirs)]
    for k in range(3):
        assert stats.ks_2samp(*(p[:, k] for p in pairs)).pvalue > ALPHA / 4, k
    neutral = [np.bincount(s.hadrons.event, (s.hadrons.pz < 0) & (s.hadrons.pid == 111)) / 2 for s in (ours, theirs)]
    assert stats.fisher_exact([[x.sum(), n - x.sum()] for x in neutral]).pvalue > ALPHA / 4


@pytest.mark.parametrize("reset", [True, False])
def test_replayed_histories_give_the_hadrons(reset):
    made = hadronize_partons(loops_of(RINGS["uneven"], 300, [[9, 1, 5], [-9, -1, 5]]), rng=8, reset=reset)
    again = strings.replay(made.histories, made.energy, made.partons, reset=reset)
    assert np.array_equal(again.pid, made.hadrons.pid)
    assert abs(again.p4 - made.hadrons.p4).max() < 1e-3, "to single precision of the breaks"
    with pytest.raises(ValueError, match="does not fit.*give the energy, partons and reset"):
        strings.replay(made.histories, made.energy, made.partons, reset=not reset)
    ends = made.histories.only_accepted().openings[::2]
    assert not ends.any(), "a string with ends is not cut"


def test_replay_wants_to_know_where_loops_were_cut(sample):
    without = sample.histories.replace(openings=None)
    with pytest.raises(ValueError, match="event 0: partons and histories differ in what is a closed loop"):
        strings.replay(without, sample.energy, sample.partons)


def test_files_slices_and_joins_keep_openings(sample, tmp_path):
    sample.save(tmp_path / "sample.npz")
    read = Sample.load(tmp_path / "sample.npz")
    assert np.array_equal(read.histories.openings, sample.histories.openings)
    sample[:5].histories.save(tmp_path / "histories.npz")
    assert np.array_equal(Histories.load(tmp_path / "histories.npz").openings, sample[:5].histories.openings)
    joined = Sample.concatenate([sample[:7], sample[7:]])
    assert np.array_equal(joined.histories.openings, sample.histories.openings)
    alone = hadronize_partons(Showers.one_gluon(10), rng=9)
    assert alone.histories.openings is None, "without loops there is nothing to keep"
    mixed = Histories.concatenate([alone.histories, sample.histories])
    assert np.array_equal(mixed.closed[-sample.histories.n_chains :], sample.histories.closed)
    assert not mixed.closed[: alone.histories.n_chains].any()
    with pytest.raises(ValueError, match="openings must have shape"):
        sample.histories.replace(openings=sample.histories.openings[:, 1:])


def test_the_number_of_threads_changes_nothing(sample):
    again = hadronize_partons(sample.partons, rng=1, threads=2, progress=False)
    checks.assert_same_sample(again, sample)
    assert np.array_equal(again.histories.openings, sample.histories.openings)


@pytest.mark.parametrize(
    "target", [{"a": 0.60}, {"b": 0.90}, {"sigma_pt": 0.325}, {"u_fraction": 0.53}, "mixture"], ids=str
)
def test_weights_close(sample, target):
    if target == "mixture":
        params = LundMixture((LundParams(a=0.6), LundParams(a=0.75, b=1.0)), (0.5, 0.5))
    else:
        params = LundParams(**target)
    direct = hadronize_partons(sample.partons, params, rng=10, progress=False).hadrons
    there = looks(direct, sample.energy)
    for all_chains in (False, True) if "u_fraction" not in target else (False,):
        w = np.exp(weights.event_weights(sample, params, all_chains=all_chains).log_w)
        checks.assert_near(w, 1.0)
        for name, x in looks(sample.hadrons, sample.energy).items():
            y, mean = there[name], np.average(x, weights=w)
            error = np.hypot(np.sqrt(np.sum((w * (x - mean)) ** 2)) / w.sum(), y.std() / len(y) ** 0.5)
            assert abs(mean - y.mean()) < 4 * error, name


@pytest.mark.parametrize("target", [{"a": 0.3, "b": 1.3}, {"sigma_pt": 0.38}, {"u_fraction": 0.7}], ids=str)
def test_the_break_that_cuts_a_loop_has_its_weight(target):
    """In the first chain of each event, which is not selected by anything; small loops have few other breaks."""
    params = LundParams(**target)
    partons = loops_of([[0, 0, 1.3], [0, 0.2, -1.3]], 20_000)
    made, direct = (hadronize_partons(partons, p, rng=k, progress=False) for k, p in ((11, LundParams()), (12, params)))
    first = [s.histories.event_offsets[:-1] for s in (made, direct)]
    w = np.exp(weights.chain_log_weights(made, params))[first[0]]
    checks.assert_near(w, 1.0)
    _, flavour, px, py, z, _ = made.histories.openings[first[0]].astype(float).T
    _, its_flavour, its_px, its_py, its_z, _ = direct.histories.openings[first[1]].astype(float).T
    for x, y in ((z, its_z), (z**2, its_z**2), (px**2 + py**2, its_px**2 + its_py**2), (flavour, its_flavour)):
        checks.assert_near(w * (x - y.mean()), 0.0, y.std() / len(y) ** 0.5)


def test_methods_that_do_not_weight_openings_say_so():
    made = hadronize_partons(loops_of(RINGS["two"], 1000), rng=12, progress=False)
    with pytest.raises(ValueError, match="closed loops of gluons"):
        weights.tensor.LundWeights(made)
    with pytest.raises(HomerError, match="closed loops of gluons"):
        check_simulation(made)
    with pytest.raises(ValueError, match="bare histories of closed loops"):
        weights.event_weights(made.histories, LundParams(u_fraction=0.6), base=made.params)


def test_any_law_can_cut_loops():
    """Lund's own as a formula makes the same hadrons, on average."""
    partons, params = loops_of(RINGS["two"], 4000), LundParams()
    law = lambda z, mt2: (1.0 - z) ** params.a / z * np.exp(-params.b * mt2 * (1.0 / z - 1.0))
    by_formula, by_params = hadronize_partons(partons, rng=13, law=law), hadronize_partons(partons, rng=14)
    found = pulls(by_formula.hadrons, by_params.hadrons, by_params.energy)
    assert max(map(abs, found.values())) < 4, found
    with pytest.raises(ValueError, match="made without law"):
        weights.event_weights(by_formula, LundParams(a=0.6))


def test_bad_loops_are_refused():
    light = loops_of([[0, 0, 0.8], [0, 0, -0.8]], 2)
    with pytest.raises(ValueError, match="event 0 has no string of more than 1 GeV"):
        hadronize_partons(light, rng=1)
    heavy_and_tiny = loops_of([[0, 0, 0.1], [0, 0, -0.1]], 2, [[0, 0, 40], [0, 0, -40]])
    with pytest.raises(ValueError, match="event 0 has a string of 0.2 GeV, which is too light for two pions"):
        hadronize_partons(heavy_and_tiny, rng=1)
    whole = heavy_and_tiny.replace(pid=np.tile([21, 21, 2, -2], 2))
    broken = whole.col.copy()
    broken[0] = 999
    with pytest.raises(ValueError, match="event 0: each colour tag must stand once"):
        whole.replace(col=broken)
    tied = whole.replace(col=np.tile([101, 102, 201, 0], 2), acol=np.tile([101, 102, 0, 201], 2))
    with pytest.raises(ValueError, match="event 0 has a gluon whose colours are tied to each other"):
        hadronize_partons(tied, rng=1)
