import sys

import checks
import numpy as np
import pytest
from checks import assert_same_columns, assert_same_sample

from hadtutor import ClusterParams, Hadrons, LundParams, datasets, hadronize_strings, observables, pythia, strings
from hadtutor.metrics import chi2_test, histogram_per_event, pull
from hadtutor.particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, charge_of

BROAD = LundParams(0.5, 1.2, 0.25, enhanced_fraction=0.2, enhanced_width=3.0)
PION_MASS2 = 1e-6
"""Pythia's table has 0.13498 and 0.13957 GeV, ours has more digits of the PDG [GeV²]."""

CRAMPED = LundParams(0.0, 0.58, stop_mass=0.5, stop_smear=0.5)
SETTINGS = {
    "u string": {"params": LundParams()},
    "d string": {"params": BROAD, "energy": 40.0, "quark": "d"},
    "light string": {"params": CRAMPED, "energy": 3.0},  # in one chain of fifty a hadron finds no room
}


@pytest.fixture(scope="module", params=SETTINGS)
def settings(request):
    return SETTINGS[request.param]


@pytest.fixture(scope="module")
def sample(settings):
    """1500 events of real Pythia with their histories."""
    return pythia.hadronize_strings(1500, seed=11, **settings)


# --- Events and histories --------------------------------------------------------------------------


def test_events_keep_the_laws(sample):
    """Momentum to Pythia's own rounding of it."""
    checks.assert_four_momentum(sample, 1e-8)
    checks.assert_neutral(sample)
    checks.assert_charges_alternate(sample)
    checks.assert_hadrons_come_from_breaks(sample)


def test_pythias_pions_have_our_masses(sample):
    h = sample.hadrons
    mass2 = h.e**2 - h.px**2 - h.py**2 - h.pz**2
    ours = np.where(h.pid == 111, MASS_NEUTRAL_PION, MASS_CHARGED_PION) ** 2
    np.testing.assert_allclose(mass2, ours, atol=PION_MASS2)


def test_histories_hold_what_pythia_shows(sample):
    h = sample.histories
    assert np.array_equal(h.accepted, np.append(h.event_of_chain[1:] != h.event_of_chain[:-1], True))
    assert np.array_equal(np.unique(h.event_of_chain), np.arange(len(sample)))
    assert {0, 2} <= set(h.status.tolist()) <= {0, 1, 2}
    for column in (h.final_px, h.final_py, h.final_pid != 0):
        assert np.array_equal(np.isfinite(column) & (column != 0), h.status != 1)
    assert np.array_equal(np.isfinite(h.final_lambda), h.accepted)
    assert np.all(h.final_pid_other[h.accepted] != 0)
    assert np.all((h.z > 0) & (h.z < 1))


def test_recorded_histories_replay_to_pythias_own_hadrons(sample):
    """To 1e-3 of each momentum: breaks are recorded in single precision, the last pair takes what is left."""
    again = strings.replay(sample.histories, sample.energy)
    assert np.array_equal(again.pid, sample.hadrons.pid)
    assert np.array_equal(again.offsets, sample.hadrons.offsets)
    for name in checks.P_COLUMNS:
        np.testing.assert_allclose(getattr(again, name), getattr(sample.hadrons, name), rtol=1e-3, atol=1e-4)


def test_recorded_transverse_masses_follow_from_flavours_and_momenta(sample):
    h = sample.histories
    mt2 = strings.break_mt2(h.chain_offsets, h.px, h.py, h.from_positive, h.pid)
    np.testing.assert_allclose(mt2, h.mt2, rtol=1e-5, atol=PION_MASS2)


def test_pythia_draws_z_from_f(sample):
    """Kolmogorov-Smirnov p > 1e-3 over all breaks."""
    h = sample.histories
    checks.assert_uniform(checks.z_cdf(h.z, h.mt2, sample.params))


def test_the_last_pair_is_reversed_with_the_probability_of_its_lambda(sample):
    """Whether a pair is reversed is told from its momenta: pull below 4."""
    h = sample.histories.only_accepted()
    probability = 1 / (1 + np.exp(np.minimum(50.0, sample.params.b * h.final_lambda.astype(float))))
    checks.assert_near(h.final_reversed - probability, 0.0)


def test_recording_changes_no_event(sample, settings):
    """Without histories the hadrons come in Pythia's order, along the string."""
    bare = pythia.hadronize_strings(1500, seed=11, histories=False, **settings)
    assert bare.histories is None
    order = strings.string_order(sample.histories)
    for name in (*checks.P_COLUMNS, "pid"):
        np.testing.assert_array_equal(getattr(bare.hadrons, name), getattr(sample.hadrons, name)[order])
    np.testing.assert_array_equal(bare.hadrons.offsets, sample.hadrons.offsets)


def test_the_sample_knows_its_settings(sample, settings):
    assert sample.params == settings["params"]
    assert (sample.energy, sample.quark) == (settings.get("energy", 90.0), settings.get("quark", "u"))


def test_our_events_are_those_of_pythia(settings):
    """At parameters, energy and quark of its own: pulls of 13 observables below 4, p > 1e-3 / 13."""
    ours = hadronize_strings(30_000, rng=np.random.default_rng(3), **settings)
    theirs = pythia.hadronize_strings(10_000, seed=12, histories=False, **settings)
    columns = [observables.compute(s.hadrons, s.energy) for s in (ours, theirs)]
    checks.assert_same_distributions(*columns, bins=20)


def test_our_acceptance_is_that_of_pythia(sample, settings):
    """Chains per event: pull below 4."""
    ours = hadronize_strings(30_000, rng=np.random.default_rng(4), **settings)
    assert abs(pull(*(np.diff(s.histories.event_offsets) for s in (ours, sample)))) < 4


def test_pythias_stopping_mass_grows_with_the_tries_of_an_event():
    params = LundParams(sigma_pt=1.0, stop_smear=0.0)
    samples = [pythia.hadronize_strings(1500, params, energy, seed=7) for energy in (2.36, 2.41, 2.47)]
    checks.assert_stopping_mass_grows(samples)


def test_a_string_too_light_to_break_gives_two_pions_and_a_history_without_breaks():
    """1.8 GeV is below the smallest stopping mass, 0.8 x 2.3 GeV."""
    made = pythia.hadronize_strings(200, energy=1.8)
    assert np.all(made.hadrons.multiplicity == 2)
    assert len(made.histories.z) == 0
    assert made.histories.accepted.sum() == 200
    checks.assert_four_momentum(made, 1e-8)
    ours = hadronize_strings(5000, energy=1.8, rng=np.random.default_rng(1))
    assert abs(pull(abs(ours.hadrons.pz), abs(made.hadrons.pz))) < 4


# --- Seeds -----------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_events_again():
    assert_same_sample(pythia.hadronize_strings(50, seed=5), pythia.hadronize_strings(50, seed=5, progress=False))


def test_another_seed_gives_other_events():
    first, second = (pythia.hadronize_strings(300, seed=seed, histories=False) for seed in (5, 6))
    assert not np.array_equal(first.hadrons.offsets, second.hadrons.offsets)
    assert abs(pull(first.hadrons.multiplicity, second.hadrons.multiplicity)) < 4


def test_two_generators_at_once_do_not_disturb_each_other():
    """Recorded and unrecorded runs in one process share nothing."""
    alone = pythia.hadronize_strings(50, seed=5)
    pythia.pion_string(LundParams(), seed=9)
    assert_same_columns(pythia.hadronize_strings(50, seed=5).hadrons, alone.hadrons)


@pytest.mark.parametrize("seed", [0, -1, 900_000_001, 1.5, True, "1", None])
def test_a_seed_pythia_cannot_take_is_refused(seed):
    error, wanted = (ValueError, "between 1 and 9e[+]08") if type(seed) is int else (TypeError, "a whole number")
    with pytest.raises(error, match=f"seed must be {wanted}, got {seed!r}"):
        pythia.hadronize_strings(10, seed=seed)


# --- Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("StringZ:aLund", {"a": 2.5}),
        ("StringZ:bLund", {"b": 0.1}),
        ("StringZ:bLund", {"b": 2.5}),
        ("StringPT:sigma", {"sigma_pt": 1.5}),
        ("StringPT:enhancedWidth", {"enhanced_width": 0.5}),
        ("StringFragmentation:stopMass", {"stop_mass": 3.0}),
        ("StringFragmentation:stopNewFlav", {"stop_new_flavour": 3.0}),
        ("real Pythia makes as many u as d quarks", {"u_fraction": 0.6}),
    ],
    ids=str,
)
def test_parameters_outside_pythias_range_are_refused_not_clipped(setting, change):
    """As documented a ValueError, like every other wrong argument."""
    with pytest.raises(ValueError, match=setting):
        pythia.hadronize_strings(10, LundParams(**change))


def test_pythia_runs_at_our_parameters_and_with_pions_only():
    generator = pythia.pion_string(LundParams(0.5, 1.2, 0.25, 0.9, 1.5, 0.1, 0.2, 3.0), seed=1)
    assert generator.parm("StringZ:aLund") == 0.5
    assert generator.parm("StringZ:bLund") == 1.2
    assert generator.parm("StringPT:sigma") == 0.25
    assert generator.parm("StringFragmentation:stopMass") == 0.9
    assert generator.parm("StringFragmentation:stopNewFlav") == 1.5
    assert generator.parm("StringFragmentation:stopSmear") == 0.1
    assert generator.parm("StringPT:enhancedFraction") == 0.2
    assert generator.parm("StringPT:enhancedWidth") == 3.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_events": 0}, ValueError, "n_events must be at least 1"),
        ({"n_events": 1.5}, TypeError, "n_events must be a whole number"),
        ({"energy": "90"}, TypeError, "energy must be a number"),
        ({"energy": 0.2}, ValueError, "energy must be > 0.279141 GeV"),
        ({"quark": "s"}, ValueError, "quark must be one of"),
        ({"params": {"a": 1.0}}, TypeError, "params must be LundParams"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        pythia.hadronize_strings(**({"n_events": 10} | arguments))


def test_without_pythia8mc_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    for histories in (True, False):
        with pytest.raises(ImportError, match=r"needs the extra `pythia`: pip install 'hadtutor\[pythia\]'"):
            pythia.hadronize_strings(10, histories=histories)


def test_errors_in_arguments_come_before_the_missing_extra(monkeypatch):
    """Who typed the wrong number should not install Pythia first to learn it."""
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(ValueError, match="n_events must be at least 1"):
        pythia.hadronize_strings(0)


# --- Showers, their hadrons, decays ----------------------------------------------------------------

N_SHOWERS = 5000
LONG_LIVED = {11, 12, 13, 14, 16, 22, 130, 211, 321, 2112, 2212}
"""What is left when everything that flies less than a metre has decayed: codes without sign."""


@pytest.fixture(scope="module")
def showers():
    return datasets.load("pythia-showers-91")[:N_SHOWERS]


@pytest.fixture(scope="module")
def decayed(showers):
    return pythia.hadronize(showers, seed=21)


@pytest.fixture(scope="module")
def undecayed(showers):
    return pythia.hadronize(showers, seed=22, decays=False)


@pytest.fixture(scope="module")
def direct():
    """The same events from one run of Pythia, from the beams to the last decay."""
    generator = pythia.start((*pythia.settings.QUARK_PAIRS, "Beams:eCM = 91.2"), seed=23)
    rows, offsets = [], [0]
    for _ in range(N_SHOWERS):
        assert generator.next()
        rows += [(p.px(), p.py(), p.pz(), p.e(), p.id()) for p in generator.event if p.isFinal()]
        offsets.append(len(rows))
    table = np.array(rows)
    return Hadrons(np.array(offsets), *table[:, :4].T.copy(), table[:, 4].astype(np.int32))


def sums(hadrons, values):
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons))


def assert_closed(hadrons, energy=91.2, tolerance=1e-8):
    """Four-momentum of the beams and no charge, in every event."""
    for name, total in (("px", 0.0), ("py", 0.0), ("pz", 0.0), ("e", energy)):
        np.testing.assert_allclose(sums(hadrons, getattr(hadrons, name)), total, rtol=0, atol=tolerance, err_msg=name)
    assert not sums(hadrons, charge_of(hadrons.pid)).any()


def assert_agree(first, second):
    """Means of thirteen observables and their histograms, p > ALPHA together."""
    checks.assert_same_distributions(*(observables.compute(h, 91.2) for h in (first, second)))


def test_hadrons_of_showers_keep_four_momentum_and_charge(decayed, undecayed):
    assert_closed(decayed)
    assert_closed(undecayed)


def test_only_long_lived_particles_are_left_after_decays(decayed, undecayed):
    assert set(abs(decayed.pid).tolist()) == LONG_LIVED
    assert {111, 113, 311, 3122} < set(undecayed.pid.tolist())  # pi0, rho0, K0, Lambda
    assert 22 not in set(undecayed.pid.tolist())


def test_packaged_showers_give_what_a_direct_run_gives(decayed, direct):
    """5000 events each: what rounding the partons and stopping in between could have changed, it has not."""
    assert_agree(decayed, direct)


def test_decays_after_the_fact_are_those_of_a_run_with_decays(decayed, undecayed):
    after = pythia.decay(undecayed, seed=24)
    assert_closed(after, tolerance=1e-7)
    assert set(abs(after.pid).tolist()) == LONG_LIVED
    assert_agree(after, decayed)
    codes = np.unique(decayed.pid)
    edges = np.append(codes - 0.5, codes[-1] + 0.5)
    counts = [histogram_per_event(h.pid, edges, h.event, len(h)) for h in (after, decayed)]
    assert chi2_test(*counts).p_value > checks.ALPHA


def test_neutral_pions_of_our_strings_become_photons():
    """98.8 % to two photons, the others to a photon and e+ e-: charged pions stay as they are."""
    made = hadronize_strings(1000, rng=np.random.default_rng(3)).hadrons
    after = pythia.decay(made, seed=4)
    assert_closed(after, 90.0, 1e-7)
    n_pi0 = np.sum(made.pid == 111)
    n_dalitz = np.sum(after.pid == 11)
    assert np.sum(after.pid == 22) == 2 * n_pi0 - n_dalitz
    assert abs(n_dalitz - 0.0117 * n_pi0) < 4 * np.sqrt(0.0117 * n_pi0)
    charged = [h.where(abs(h.pid) == 211) for h in (made, after)]
    for name in ("offsets", "px", "py", "pz", "e", "pid"):
        np.testing.assert_array_equal(getattr(charged[1], name), getattr(charged[0], name))


def test_string_parameters_reach_the_strings_of_showers(showers, decayed):
    """Pythia's own tune is LundParams with 1 % of broad breaks; a smaller a makes fewer, harder hadrons."""
    monash = pythia.hadronize(showers, LundParams(enhanced_fraction=0.01, stop_mass=0.8), seed=25)
    harder = pythia.hadronize(showers, LundParams(a=0.3), seed=26)
    assert abs(pull(monash.multiplicity, decayed.multiplicity)) < 4
    assert pull(harder.multiplicity, decayed.multiplicity) < -5


def test_settings_of_pythia_are_passed_on(showers, undecayed):
    """Without strangeness from strings only primary kaons are left; neutral pions can be told to stay."""
    few = showers[:300]
    plain = pythia.hadronize(few, settings=("StringFlav:probStoUD = 0", "StringFlav:probQQtoQ = 0"), decays=False)
    kaons, before = (np.mean(np.isin(abs(h.pid), (311, 321, 313, 323))) for h in (plain, undecayed))
    assert kaons < 0.5 * before
    stays = pythia.decay(undecayed[:300], settings="111:mayDecay = off")
    assert 111 in stays.pid
    weaker = pythia.shower(2000, settings="TimeShower:alphaSvalue = 0.1", seed=3)
    assert pull(weaker.multiplicity, showers.multiplicity) < -5


def test_a_shower_is_that_of_its_seed():
    first, again, other = (pythia.shower(20, seed=seed) for seed in (5, 5, 6))
    assert_same_columns(first, again)
    assert not np.array_equal(first.pid, other.pid)


def test_the_same_seed_hadronizes_alike_and_every_time_anew(showers):
    first, again, other = (pythia.hadronize(showers[:50], seed=seed) for seed in (5, 5, 6))
    assert_same_columns(first, again)
    assert not np.array_equal(first.multiplicity, other.multiplicity)


def test_events_without_hadrons_stay_in_their_place():
    made = hadronize_strings(3, rng=np.random.default_rng(3)).hadrons
    gap = made.where(made.event != 1)
    after = pythia.decay(gap)
    assert (after.multiplicity > 0).tolist() == [True, False, True]
    assert len(pythia.decay(made[:0])) == 0


def test_wrong_arguments_for_showers_are_refused_by_name(showers):
    with pytest.raises(ValueError, match="n_events must be at least 1"):
        pythia.shower(0)
    with pytest.raises(TypeError, match="n_events must be a whole number"):
        pythia.shower(1.5)
    with pytest.raises(ValueError, match="Pythia refuses the setting 'StringFlav:probStoU = 0'"):
        pythia.hadronize(showers[:1], settings=("StringFlav:probStoU = 0",))
    with pytest.raises(TypeError, match="params must be LundParams, got ClusterParams"):
        pythia.hadronize(showers[:1], ClusterParams())
    with pytest.raises(TypeError, match="settings are lines such as .*, got 3"):
        pythia.hadronize(showers[:1], settings=("HadronLevel:Decay = off", 3))
    for energy in (0, -91.2, np.nan):
        with pytest.raises(ValueError, match="energy must be > 0.* GeV, got"):
            pythia.shower(1, energy)
    for energy in ("91.2", None, True):
        with pytest.raises(TypeError, match="energy must be a number, got"):
            pythia.shower(1, energy)
    with pytest.raises(RuntimeError, match="is 1 GeV enough for a pair of quarks"):
        pythia.shower(1, 1.0)


def test_foreign_kinds_are_named(showers):
    made = hadronize_strings(5, rng=3)
    for wrong in (None, made.histories, showers):
        with pytest.raises(TypeError, match=f"decay takes Hadrons or a Sample, got {type(wrong).__name__}"):
            pythia.decay(wrong)
    for wrong in (None, made, made.hadrons):
        with pytest.raises(TypeError, match=f"hadronize takes Showers, got {type(wrong).__name__}"):
            pythia.hadronize(wrong)
    assert_same_columns(pythia.decay(made, seed=4), pythia.decay(made.hadrons, seed=4))


def test_no_showers_give_no_hadrons(showers):
    assert len(pythia.hadronize(showers[:0])) == 0


def test_an_interrupt_reaches_who_pressed_the_key(monkeypatch):
    """Also out of the hook that Pythia calls; the next run is not disturbed."""
    from hadtutor.pythia import strings as module

    make = module.make_recorder

    def interrupting(package):
        hook = make(package)

        class Interrupting(type(hook)):
            def setStringEnds(self, *ends):
                raise KeyboardInterrupt

        return Interrupting()

    monkeypatch.setattr(module, "make_recorder", interrupting)
    with pytest.raises(KeyboardInterrupt):
        pythia.hadronize_strings(10)
    monkeypatch.undo()
    assert len(pythia.hadronize_strings(10)) == 10


@pytest.mark.parametrize("code", [123456, 21, 2, -5, 1103, 90, 23])
def test_only_hadrons_leptons_and_photons_decay(code):
    made = hadronize_strings(2, rng=np.random.default_rng(3)).hadrons
    made.pid[made.offsets[1]] = code
    with pytest.raises(ValueError, match=f"event 1 has the code {code}, which is no hadron, lepton or photon"):
        pythia.decay(made)


def test_momenta_to_decay_are_finite_and_masses_possible():
    made = hadronize_strings(3, rng=np.random.default_rng(3)).hadrons
    k = made.offsets[1]
    made.e[k] = np.nan
    with pytest.raises(ValueError, match="event 1 has a momentum that is not finite"):
        pythia.decay(made)
    made.pid[k], made.e[k] = 511, np.sqrt(made.px[k] ** 2 + made.py[k] ** 2 + made.pz[k] ** 2 + 0.02)
    with pytest.raises(ValueError, match="event 1 has a hadron with the code 511 and a mass of 0.141 GeV, not 5.28"):
        pythia.decay(made)


@pytest.mark.parametrize("energy", [90.0, 1e4, 1e5])
def test_single_precision_hadrons_decay_too(energy):
    """E² - p² of a fast pion is nothing but rounding then; no neutral pion may stay for that."""
    made = hadronize_strings(100, energy=energy, rng=np.random.default_rng(3)).hadrons
    single = Hadrons(made.offsets, *(getattr(made, n).astype(np.float32) for n in ("px", "py", "pz", "e")), made.pid)
    after = pythia.decay(single)
    assert not np.any(after.pid == 111)
    for name in ("px", "py", "pz", "e"):
        before = sums(single, getattr(single, name).astype(float))
        np.testing.assert_allclose(sums(after, getattr(after, name)), before, rtol=0, atol=1e-6 * energy)


def test_numpy_energies_are_numbers_too_and_the_label_is_what_was_run():
    made = [pythia.shower(3, energy, settings="Beams:eCM = 50") for energy in np.array([91.2, 200.0])]
    for energy, showers in zip((91.2, 200.0), made, strict=True):
        assert showers.energy == energy
        np.testing.assert_allclose(np.bincount(showers.event, showers.e), energy, rtol=1e-9)
