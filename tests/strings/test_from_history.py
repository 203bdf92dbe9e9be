from dataclasses import replace

import checks
import numpy as np
import pytest
from checks import SETTINGS

from hadtutor import hadronize_strings, strings
from hadtutor.kinematics import rapidity


def events(n_events, params=None, seed=1, **settings):
    return hadronize_strings(n_events, params, rng=seed, **settings)


@pytest.mark.parametrize("quark", ["u", "d"])
def test_what_waits_at_an_end_is_what_the_last_break_there_left(quark):
    """Break by break in plain Python: the opposite momentum, and the other flavour after a charged pion."""
    h = events(200, quark=quark).histories
    flavour = {"u": 2, "d": 1}[quark]
    waiting = strings.waiting_at_ends(h.chain_offsets, h.px, h.py, h.from_positive, h.pid, flavour)
    for start, stop in zip(h.chain_offsets[:-1], h.chain_offsets[1:], strict=True):
        ends = {True: (0.0, 0.0, flavour), False: (0.0, 0.0, flavour)}
        for j in range(start, stop):
            end = bool(h.from_positive[j])
            assert (waiting.px[j], waiting.py[j], waiting.flavour[j]) == ends[end]
            ends[end] = (-h.px[j], -h.py[j], ends[end][2] if h.pid[j] == 111 else 3 - ends[end][2])
    assert np.array_equal(strings.flavour_before(h, flavour), waiting.flavour)


@pytest.mark.parametrize("settings", SETTINGS[:4], ids=str)
def test_a_replayed_history_gives_its_hadrons(settings):
    """To the single precision of the breaks; only the last pair, which takes what is left, may double up errors."""
    sample = events(2000, **settings)
    again = strings.replay(sample.histories, sample.energy)
    assert np.array_equal(again.offsets, sample.hadrons.offsets)
    assert np.array_equal(again.pid, sample.hadrons.pid)
    last = np.zeros(len(again.px), bool)
    last[again.offsets[1:, None] - [1, 2]] = True
    for name in ("px", "py", "pz", "e"):
        x, y = getattr(again, name), getattr(sample.hadrons, name)
        np.testing.assert_allclose(x[~last], y[~last], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(x[last], y[last], rtol=1e-3, atol=1e-3)
    replayed = replace(sample, hadrons=again)
    checks.assert_four_momentum(replayed)
    checks.assert_on_mass_shell(replayed)


def test_a_history_does_not_fit_a_string_of_lower_mass():
    sample = events(100)
    with pytest.raises(ValueError, match=r"event \d+ does not fit a string of 9 GeV; give the energy"):
        strings.replay(sample.histories, 9.0)


def test_events_without_an_accepted_chain_cannot_be_replayed(base):
    rejected = base.histories._take_chains(*(np.flatnonzero(~base.histories.accepted)[:5],) * 2)
    with pytest.raises(ValueError, match="exactly one accepted chain"):
        strings.replay(rejected, 90.0)


def test_hadrons_in_string_order_go_from_the_positive_end_to_the_negative(base):
    order = strings.string_order(base.histories)
    y = rapidity(base.hadrons.e, base.hadrons.pz)[order]
    event = base.hadrons.event
    place = np.arange(len(y)) - base.hadrons.offsets[event]
    sixteen = base.hadrons.multiplicity[event] == 16
    mean = np.bincount(place[sixteen], weights=y[sixteen]) / np.bincount(place[sixteen])
    assert len(mean) == 16
    assert np.all(np.diff(mean) < 0)
    assert mean[0] > 3
    assert mean[-1] < -3


def test_string_order_within_a_side_is_the_order_of_breaking(base):
    """Ranks rise along hadrons of the +z end and fall along those of the -z end, + before -."""
    sample = base[:1000]
    order, offsets = strings.string_order(sample.histories), sample.hadrons.offsets
    accepted = sample.histories.only_accepted()
    for i in range(len(sample)):
        breaks = slice(accepted.chain_offsets[i], accepted.chain_offsets[i + 1])
        positive = accepted.from_positive[breaks]
        first = accepted.final_from_positive[i]
        positive = np.append(positive, [first, not first])
        rank = np.arange(len(positive))
        want = np.concatenate([rank[positive], rank[~positive][::-1]])
        assert np.array_equal(order[offsets[i] : offsets[i + 1]] - offsets[i], want)


def test_transverse_momentum_up_to_a_break_is_that_of_its_quark(base):
    """What the hadrons before a break carry is what the break gave: momentum balances locally."""
    sample = base[:200]
    h = sample.histories.only_accepted()
    for positive in (True, False):
        for i in range(len(sample)):
            rows = np.arange(h.chain_offsets[i], h.chain_offsets[i + 1])
            own = np.flatnonzero(h.from_positive[rows] == positive)
            carried = np.cumsum(sample.hadrons.px[sample.hadrons.offsets[i] + own])
            np.testing.assert_allclose(carried, h.px[rows[own]], atol=1e-5)
