"""Strings between partons in real Pythia: what it does to them, break by break, and showers with fewer emissions."""

import checks
import numpy as np
import pytest
from checks import assert_same_columns

from hadtutor import LundParams, Showers, datasets, observables, pythia, strings, weights
from hadtutor.metrics import pull
from hadtutor.particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION
from hadtutor.pythia import recorder
from hadtutor.pythia.recorder import of_last_try

UNSTEADY = LundParams(sigma_pt=1.0, stop_mass=0.6, enhanced_fraction=0.2, enhanced_width=3.0)
"""With transverse momenta as wide as that a string may find no chain in 31 tries."""


def of_u_alone(showers):
    return showers.replace(pid=np.where(showers.pid == 21, 21, np.sign(showers.pid) * 2).astype(np.int32))


def two_strings(masses, n_events):
    """Straight strings of these masses [GeV] along z and y, the second boosted along x."""
    first, second = 0.5 * np.array(masses)
    pairs = [[0, 0, first, first], [0, 0, -first, first]], [[0, second, 0, second], [0, -second, 0, second]]
    p = np.concatenate(pairs)
    p[2:, 0], p[2:, 3] = 0.75 * second, 1.25 * second
    columns = *p.T, [2, -2, 2, -2], [101, 0, 102, 0], [0, 101, 0, 102]
    return Showers(4 * np.arange(n_events + 1), *(np.tile(c, n_events) for c in columns), p[:, 3].sum())


@pytest.fixture(scope="module")
def showers():
    """Of several strings, a third of them; those too light to break are left out."""
    some = of_u_alone(datasets.load("pythia-showers-91")[:1000])
    found = strings.colours.colour_strings(some)
    return some[np.bincount(found.event, found.light, len(some)) == 0]


@pytest.fixture(scope="module", params=["showers", "one gluon"])
def partons(request, showers):
    return showers if request.param == "showers" else Showers.one_gluon(1000)


@pytest.fixture(scope="module")
def sample(partons):
    """With our masses of pions, of which Pythia's table has fewer digits."""
    masses = f"111:m0 = {MASS_NEUTRAL_PION!r}", f"211:m0 = {MASS_CHARGED_PION!r}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pythia.strings, "PIONS_ONLY", (*pythia.settings.PIONS_ONLY, *masses))
        return pythia.hadronize_partons(partons, seed=11, progress=False)


def momenta_of_chains(sample):
    """Summed momenta of the hadrons of accepted chains, (chains, 4), where all strings of the events break."""
    counts = np.diff(sample.histories.only_accepted().chain_offsets) + 2
    return np.add.reduceat(sample.hadrons.p4, np.cumsum(counts) - counts)


def test_recorded_histories_replay_to_pythias_own_hadrons(sample):
    """To 1e-4 GeV, but for one hadron in a thousand: single precision may take a break across a kink, or not."""
    again = strings.replay(sample.histories, sample.energy, sample.partons)
    assert np.array_equal(again.pid, sample.hadrons.pid)
    assert np.array_equal(again.offsets, sample.hadrons.offsets)
    off = abs(again.p4 - sample.hadrons.p4).max(axis=1)
    assert np.mean(off > 1e-4) < 1e-3, f"largest deviation {off.max():.2g} GeV"


def test_chains_belong_to_the_string_whose_momentum_they_have(sample):
    """Pythia begins with the lightest string, histories have them in the order of the event."""
    rows, offsets = sample.partons.colour_order()
    of_strings = np.add.reduceat(sample.partons.p4[rows], offsets[:-1])
    np.testing.assert_allclose(momenta_of_chains(sample), of_strings, rtol=0, atol=1e-7)
    chains = sample.histories.only_accepted()
    assert np.all((chains.strings > 0) == np.append(False, np.diff(chains.event_of_chain) == 0))


def test_last_pairs_are_reversed_with_the_probability_of_their_lambda(sample):
    h = sample.histories.only_accepted()
    probability = 1 / (1 + np.exp(np.minimum(50.0, sample.params.b * h.final_lambda.astype(float))))
    checks.assert_near(h.final_reversed - probability, 0.0)


def test_pythia_draws_z_from_f_on_kinked_strings_too(sample):
    h = sample.histories
    checks.assert_uniform(checks.z_cdf(h.z, h.mt2, sample.params))


def test_recording_changes_no_event():
    partons = Showers.one_gluon(300)
    recorded, bare = (pythia.hadronize_partons(partons, seed=5, histories=on, progress=False) for on in (True, False))
    assert bare.histories is None
    order = strings.string_order(recorded.histories)
    for name in (*checks.P_COLUMNS, "pid"):
        np.testing.assert_array_equal(getattr(bare.hadrons, name), getattr(recorded.hadrons, name)[order])


def test_hadrons_of_light_strings_come_last_and_have_no_chain():
    partons = two_strings((1.5, 30.0), 300)
    made = pythia.hadronize_partons(partons, seed=6, progress=False)
    assert np.all(made.histories.strings == 1), "the first string is too light to break"
    first = made.hadrons.offsets[:-1]
    n_heavy = np.diff(made.histories.only_accepted().chain_offsets) + 2
    assert np.array_equal(made.hadrons.multiplicity, n_heavy + 2)
    both = np.add.reduceat(made.hadrons.p4, np.stack([first, first + n_heavy], axis=1).ravel()).reshape(-1, 2, 4)
    p = partons.p4[:4]
    np.testing.assert_allclose(both, np.tile([p[2] + p[3], p[0] + p[1]], (300, 1, 1)), rtol=0, atol=1e-8)


@pytest.mark.parametrize("masses", [(3.0, 40.0), (40.0, 3.0)], ids=str)
def test_only_the_chains_of_pythias_last_try_are_kept(masses, monkeypatch):
    """After 31 chains of a string it begins with the event anew: some do, of 300 such."""
    kept = []
    monkeypatch.setattr(recorder, "of_last_try", lambda *chains: kept.append(of_last_try(*chains)) or kept[0])
    partons = two_strings(masses, 300)
    made = pythia.hadronize_partons(partons, UNSTEADY, seed=7, progress=False)
    assert not kept[0].all(), "no event was begun anew"
    h = made.histories
    of_string = 2 * h.event_of_chain + h.strings
    assert np.array_equal(np.bincount(of_string, h.accepted), np.ones(600))
    assert np.bincount(of_string).max() <= 31
    assert np.array_equal(h.accepted, np.append(np.diff(of_string) != 0, True)), "the last of each string"
    again = strings.replay(h, made.energy, partons)
    assert abs(again.p4 - made.hadrons.p4).max() < 1e-2


@pytest.mark.parametrize(
    ("chains", "kept"),
    [
        ("aaAbB", "aaAbB"),
        ("aAbbaaAB", "aaAB"),  # b was given up
        ("AbBaAB", "aAB"),  # all were done, and something else went wrong
        ("AA", "A"),
        ("a" * 31 + "aA", "aA"),  # no string is tried more often
        ("A" + "b" * 31 + "aAbB", "aAbB"),
    ],
)
def test_what_begins_a_new_try(chains, kept):
    """Letters are strings, which Pythia takes in the same order each time, and capitals their accepted chains."""
    for before in ("", "A", "aAbbaAB"):  # of another event
        letters = np.array(list(before + chains))
        event, string = np.repeat([0, 1], [len(before), len(chains)]), np.char.lower(letters) == "b"
        last = of_last_try(event, string.astype(int), np.char.isupper(letters))
        assert "".join(letters[(event == 1) & last]) == kept


# --- Weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [{"a": 0.60}, {"sigma_pt": 0.325}], ids=str)
def test_weighted_events_of_pythia_are_its_events_at_the_target(partons, target):
    """Counts, shapes and acceptance: pulls below 4. The mean weight is 1 by construction for single strings alone."""
    params = LundParams(**target)
    base, direct = (pythia.hadronize_partons(partons, p, seed=s, progress=False) for p, s in ((None, 8), (params, 9)))
    found = weights.event_weights(base, params)
    w = np.exp(found.log_w)
    assert abs(w.mean() - 1.0) < 4 * w.std() / len(w) ** 0.5 + 1e-6
    accepted = direct.histories.accepted
    error = np.hypot(found.acceptance_error, accepted.std() / len(accepted) ** 0.5)
    assert abs(found.acceptance_target - accepted.mean()) < 4 * error
    values, wanted = (observables.compute(s.hadrons, s.energy) for s in (base, direct))
    for name in ("n_f", "n_ch", "T", "C", "lnx_mean"):
        # Event by event from the same partons: their spread drops out.
        apart = w * values[name] / w.mean() - wanted[name] - (w / w.mean() - 1.0) * np.average(values[name], weights=w)
        assert abs(apart.mean()) < 4 * apart.std() / len(w) ** 0.5, name


# --- Showers with fewer emissions ------------------------------------------------------------------


def test_a_shower_of_one_flavour_has_it_at_the_ends():
    for quark, code in (("u", 2), ("d", 1)):
        showers = pythia.shower(300, 90.0, quark=quark, emissions=0, seed=3)
        assert np.array_equal(np.sort(showers.pid.reshape(-1, 2)), np.tile([-code, code], (300, 1)))


def test_without_gluon_splitting_all_gluons_lie_between_the_first_pair():
    showers = pythia.shower(1000, 90.0, quark="u", gluon_splitting=False, seed=4)
    assert np.array_equal(np.bincount(showers.event, showers.pid == 2), np.ones(1000))
    assert np.array_equal(np.bincount(showers.event, showers.pid == -2), np.ones(1000))
    assert set(showers.pid.tolist()) == {-2, 2, 21}
    assert len(showers.colour_order()[1]) == 1001, "one string each"
    full = pythia.shower(1000, 90.0, quark="u", seed=5)
    assert pull(np.bincount(showers.event, showers.pid == 21), np.bincount(full.event, full.pid == 21)) > 4


@pytest.mark.parametrize("emissions", [0, 1, 2])
def test_no_more_emissions_than_wanted_are_kept(emissions):
    """Nearly all events have that many: the shower goes on until they are soft."""
    showers = pythia.shower(1000, 90.0, quark="u", emissions=emissions, gluon_splitting=False, seed=6)
    counts = np.bincount(showers.event, showers.pid == 21, 1000)
    assert counts.max() == emissions
    assert np.mean(counts == emissions) > 0.95


def test_wrong_arguments_of_vetoes_are_refused():
    with pytest.raises(ValueError, match="quark must be one of .*'d', 'u'.*, got 's'"):
        pythia.shower(1, quark="s")
    with pytest.raises(ValueError, match="emissions must be at least 0, got -1"):
        pythia.shower(1, emissions=-1)
    with pytest.raises(TypeError, match="emissions must be a whole number"):
        pythia.shower(1, emissions=1.5)


def test_a_shower_with_vetoes_is_that_of_its_seed():
    first, again, other = (pythia.shower(20, quark="u", gluon_splitting=False, seed=seed) for seed in (5, 5, 6))
    assert_same_columns(first, again)
    assert not np.array_equal(first.multiplicity, other.multiplicity)


def test_wrong_partons_are_refused():
    one = Showers.one_gluon(3)
    with pytest.raises(TypeError, match="hadronize_partons takes Showers, got ndarray"):
        pythia.hadronize_partons(one.p4)
    strange = one.replace(pid=np.where(one.pid == 21, 21, one.pid * 3 // 2).astype(np.int32))
    with pytest.raises(ValueError, match="event 0 has a quark of code 3"):
        pythia.hadronize_partons(strange)
