import checks
import numpy as np
import pytest

import hadtutor as ht
from hadtutor import observables
from hadtutor.conditioned import (
    Acceptance,
    after_breaks,
    fit_lund,
    generate,
    hadronize,
    learn_acceptance,
    log_weights,
    states_of,
)
from hadtutor.metrics import chi2_test, histogram_per_event, n_eff


def constant(h):
    """A network that gives h for every state."""
    layers = [np.zeros(shape, np.float32) for shape in ((6, 1), 1, (1, 1), 1, (1, 1), 1)]
    layers[-1][:] = np.log(h / (1 - h))
    return Acceptance(ht.LundParams(), tuple(layers))


def test_steps_that_are_taken_as_they_come_make_the_strings_of_the_generator(monkeypatch):
    ahead = generate.ahead
    monkeypatch.setattr(generate, "ahead", lambda acceptance: ahead(acceptance, looks=False))
    sample = hadronize(3000, constant(0.5), 20.0, rng=7, quark="d")
    checks.assert_same_sample(sample.replace(law=None), ht.hadronize_strings(3000, energy=20.0, rng=7, quark="d"))


def test_states_begin_with_the_string_and_lose_mass(plain):
    states = states_of(plain[:1000])
    first = states.n_breaks == 0
    np.testing.assert_allclose(states.features[first], [[np.log(90.0), 0, 0, 0, 0, 0]] * first.sum(), atol=1e-5)
    same = states.chain[1:] == states.chain[:-1]
    assert np.all(np.diff(states.mass)[same] < 0)
    assert np.all(states.features[:, 1] >= states.features[:, 2])


def test_h_is_calibrated_on_other_chains(acceptance):
    other = states_of(ht.hadronize_strings(20_000, rng=11, progress=False))
    h = acceptance(other)
    for low, high in ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 9.0)):
        inside = np.flatnonzero((other.mass >= low) & (other.mass < high))
        first = inside[np.unique(other.chain[inside], return_index=True)[1]]  # independent: one of each chain
        off = other.accepted[first] - h[first]
        assert abs(off.mean()) < 4 * off.std() / len(off) ** 0.5 + 0.015, "beyond sampling and a small network"


def test_h_serves_other_energies(acceptance):
    sample = hadronize(2000, acceptance, 20.0, rng=5, progress=False)
    assert sample.histories.accepted.mean() > 0.998
    assert n_eff(log_weights(sample, acceptance, rng=6, proposals=32)) / len(sample) > 0.97


def test_events_are_events(made):
    sample, _ = made
    checks.assert_four_momentum(sample)
    checks.assert_neutral(sample)
    checks.assert_on_mass_shell(sample)
    checks.assert_charges_alternate(sample)
    checks.assert_hadrons_come_from_breaks(sample)


def test_hardly_a_chain_is_thrown_away(made):
    assert (~made[0].histories.accepted).sum() <= 2e-3 * len(made[0])


def test_events_do_not_depend_on_threads(acceptance):
    one, two = (hadronize(5000, acceptance, rng=8, threads=n, progress=False) for n in (1, 2))
    checks.assert_same_sample(one, two)
    weights = [log_weights(one, acceptance, rng=9, proposals=2, threads=n) for n in (1, 2)]
    np.testing.assert_array_equal(*weights)


def test_the_mean_weight_is_the_acceptance(made, acceptance, plain):
    sample, log_w = made
    start = acceptance(np.array([[np.log(90.0), 0, 0, 0, 0, 0]]))[0]
    w, accepted = start * np.exp(log_w), plain.histories.accepted
    error = np.hypot(w.std() / len(w) ** 0.5, accepted.std() / len(accepted) ** 0.5)
    assert abs(w.mean() - accepted.mean()) < 4 * error
    assert n_eff(log_w) / len(sample) > 0.97


@pytest.mark.parametrize("wrong", [False, True])
def test_weighted_events_are_those_without_a_condition(wrong, made, plain):
    """Whatever h is: a constant one is as wrong as can be, and the weights repair it."""
    sample, log_w = made
    if wrong:
        sample = hadronize(10_000, constant(0.7), rng=12, progress=False)
        log_w = log_weights(sample, constant(0.7), rng=13, proposals=32)
    x, y = (observables.compute(s) for s in (sample, plain))
    w = np.exp(log_w - log_w.max())
    for name in x:
        known = y[name][np.isfinite(y[name])]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, 21)))
        ours = histogram_per_event(np.nan_to_num(x[name], nan=np.inf), edges) * (w / w.mean())[:, None]
        assert chi2_test(ours, histogram_per_event(known, edges))[2] > 1e-3 / len(x), name


def test_conditioned_events_are_no_base_for_weights(made, acceptance, plain):
    with pytest.raises(ValueError, match="f given acceptance"):
        ht.weights.event_weights(made[0], ht.LundParams(a=0.6))
    with pytest.raises(ValueError, match="conditioned.hadronize"):
        log_weights(plain, acceptance, rng=1)
    with pytest.raises(ValueError, match="f given acceptance"):
        learn_acceptance(made[0], rng=1)


def test_accepted_breaks_give_a_and_b_with_h_and_not_without(plain, acceptance):
    sample = plain[:20_000]
    fit, without = fit_lund(sample, acceptance), fit_lund(sample)
    pulls = (fit.values - [0.68, 0.98]) / fit.errors
    assert fit.message == ""
    assert np.all(abs(pulls) < 4)
    assert np.all((without.values - [0.68, 0.98]) / without.errors > 5)


def test_errors_of_the_fit_are_how_far_parts_scatter(plain, acceptance):
    fits = [fit_lund(plain[k : k + 500], acceptance) for k in range(0, 30_000, 1500)]
    pulls = [(fit.values - [0.68, 0.98]) / fit.errors for fit in fits]
    assert np.all(abs(np.std(pulls, axis=0) - 1.0) < 4 / np.sqrt(2 * len(fits)))


def test_h_after_a_break_with_the_z_it_had_is_that_of_the_next_state(plain, acceptance):
    sample = plain[:200]
    accepted = sample.replace(histories=sample.histories.only_accepted())
    states = states_of(accepted)
    for row in (0, 5, 50):
        z = accepted.histories.z[row]
        after = row + 1 + accepted.histories.chain_of_break[row]
        assert after_breaks(sample, acceptance, [z], [row])[0, 0] == pytest.approx(acceptance(states)[after], rel=1e-4)


def test_what_is_wrong_is_said(plain, acceptance):
    with pytest.raises(TypeError, match="learn_acceptance"):
        hadronize(10, None, rng=1)
    with pytest.raises(TypeError, match="Sample"):
        states_of(plain.histories)
    with pytest.raises(ValueError, match="histories"):
        states_of(plain.replace(histories=None))
    with pytest.raises(ValueError, match="bools"):
        fit_lund(plain, breaks=[True])
    with pytest.raises(ValueError, match="two parameters"):
        fit_lund(plain, breaks=np.zeros(len(plain.histories.only_accepted().z), bool))
    with pytest.raises(ValueError, match="between 0 and 1"):
        after_breaks(plain, acceptance, [0.0])
    with pytest.raises(ValueError, match="shape"):
        acceptance(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="rejected chains, but all"):
        learn_acceptance(plain.replace(histories=plain.histories.only_accepted()), rng=1)
    with pytest.raises(ValueError, match="energy must be > 0.279"):
        hadronize(10, acceptance, 0.2, rng=1)
