import os
import re
import subprocess
import sys

import checks
import numpy as np
import pytest
from checks import ALPHA, assert_near, assert_same_sample, assert_uniform, p_of_histograms
from scipy import stats

from hadtutor import LundParams, Sample, hadronize_strings, lund, observables, strings
from hadtutor.events import ChainStatus
from hadtutor.kinematics import rapidity
from hadtutor.metrics import chi2_test, histogram_per_event, pull
from hadtutor.particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION
from hadtutor.strings import HadronizationError

IMPOSSIBLE = {"params": LundParams(sigma_pt=5.0), "energy": 0.5}
"""Two pions with this transverse momentum weigh 20 times the string."""


def events(n_events, params=None, seed=1, **settings):
    return hadronize_strings(n_events, params, rng=np.random.default_rng(seed), **settings)


def drawn_pt(histories, name):
    """All transverse momenta drawn: one per break, one per last pair, those of rejected chains too.

    A chain stops, or not, before it looks at what was drawn last; so nothing selects among them.
    """
    final = getattr(histories, f"final_{name}")
    return np.concatenate([getattr(histories, name), final[np.isfinite(final)]]).astype(float)


def test_columns_have_the_promised_types(base):
    assert {getattr(base.hadrons, name).dtype for name in ("px", "py", "pz", "e")} == {np.dtype(np.float64)}
    assert {getattr(base.histories, name).dtype for name in ("z", "mt2", "px", "py")} == {np.dtype(np.float32)}
    assert base.hadrons.pid.dtype == base.histories.pid.dtype == np.int32
    assert base.hadrons.offsets.dtype == base.histories.chain_offsets.dtype == np.int64
    assert base.histories.from_positive.dtype == base.histories.accepted.dtype == bool


@pytest.mark.parametrize("energy", [float(np.nextafter(2 * MASS_CHARGED_PION, 1)), 0.2792, 0.5, 1.0])
def test_a_string_just_above_two_pions_becomes_two_pions(energy):
    """Nearly no transverse momentum, so that the last two hadrons have nearly nothing to share."""
    sample = events(5000, LundParams(sigma_pt=1e-9), energy=energy)
    assert np.all(sample.hadrons.multiplicity == 2)
    assert np.isfinite(sample.hadrons.pz).all()
    checks.assert_four_momentum(sample)
    checks.assert_on_mass_shell(sample)


# --- What is drawn at a break ----------------------------------------------------------------------


def test_a_third_of_the_breaks_makes_neutral_pions(samples):
    for sample in samples.values():
        assert_near(sample.histories.pid == 111, 1 / 3)


@pytest.mark.parametrize("u_fraction", [0.0, 0.2, 0.7, 1.0])
def test_neutral_pions_come_with_the_odds_of_the_flavours(u_fraction):
    """Counted by a plain rejection: draw a flavour; an equal one makes a neutral pion or is drawn again."""
    h = events(3000, LundParams(u_fraction=u_fraction)).histories
    for flavour, share in ((2, u_fraction), (1, 1.0 - u_fraction)):
        at_end = strings.from_history.flavour_before(h, flavour_at_ends=2) == flavour
        rng = np.random.default_rng(5)
        same, eta = rng.random((2, 100_000)) < np.array([[share], [0.5]])
        if at_end.any():
            difference = (h.pid[at_end] == 111).mean() - same[~(same & eta)].mean()
            assert abs(difference) < 4 * (0.25 / at_end.sum() + 0.25 / 50_000) ** 0.5


def test_neutral_pions_do_not_depend_on_the_side_or_on_the_break_before(base):
    h = base.histories
    neutral = h.pid == 111
    table = np.histogram2d(neutral[1:], 2 * neutral[:-1] + h.from_positive[1:], bins=(2, 4))[0]
    assert stats.chi2_contingency(table).pvalue > ALPHA


def test_charged_pions_from_either_side_follow_the_flavour_at_the_end():
    """The first hadron of the +z end of a u string is pi+ or pi0, of the -z end (ubar) pi- or pi0."""
    for quark, sign in (("u", 1), ("d", -1)):
        h = events(2000, quark=quark).histories
        starts = h.chain_offsets[:-1]
        first = np.where(h.from_positive[starts], h.pid[starts], -h.pid[starts])
        assert set(np.unique(first[abs(first) != 111]).tolist()) == {sign * 211}


@pytest.mark.parametrize("name", ["px", "py"])
def test_break_pt_is_gaussian_with_half_of_sigma_squared(samples, name):
    """Kolmogorov-Smirnov p > 1e-3 over all draws; the variance to a pull below 4."""
    for sample in samples.values():
        x = drawn_pt(sample.histories, name) / (sample.params.sigma_pt * np.sqrt(0.5))
        assert stats.kstest(x, "norm").pvalue > ALPHA
        assert_near(x, 0.0)
        assert_near(x**2, 1.0)
        final = getattr(sample.histories, f"final_{name}")
        assert_near((final[np.isfinite(final)] / (sample.params.sigma_pt * np.sqrt(0.5))) ** 2, 1.0)


def test_px_and_py_of_a_break_are_independent(base):
    px, py = (drawn_pt(base.histories, name) / 0.335 for name in ("px", "py"))
    assert_near(px * py, 0.0)
    assert_near((px**2 - 0.5) * (py**2 - 0.5), 0.0)


def test_the_last_pair_is_accepted_rather_with_little_transverse_momentum(base):
    """Draws of accepted pairs alone are NOT the Gaussian: their variance is smaller by more than 4 errors."""
    accepted = base.histories.accepted
    x, y = (base.histories.final_px[which].astype(float) ** 2 for which in (accepted, ~accepted))
    assert pull(x, y) < -4


def test_z_given_the_transverse_mass_follows_f(samples):
    """The probability of a smaller z, from integrals of f, is uniform over all breaks: p > 1e-3."""
    for sample in samples.values():
        h = sample.histories
        assert_uniform(checks.z_cdf(h.z, h.mt2, sample.params))


def test_z_does_not_remember_the_break_before(base):
    """The uniform numbers behind z of consecutive breaks have no correlation: pull below 4."""
    h = base[:50_000].histories
    u = checks.z_cdf(h.z, h.mt2, base.params) - 0.5
    same_chain = h.chain_of_break[1:] == h.chain_of_break[:-1]
    assert_near((u[1:] * u[:-1])[same_chain], 0.0)


def test_recorded_transverse_masses_follow_from_flavours_and_momenta(base):
    h = base.histories
    mt2 = strings.break_mt2(h.chain_offsets, h.px, h.py, h.from_positive, h.pid)
    np.testing.assert_allclose(mt2, h.mt2, rtol=2e-6)


def test_a_chain_fails_exactly_where_a_hadron_finds_no_room():
    """A hadron takes z of its own direction and needs mT² / (z own) < what its end has left of the opposite one."""
    energy = 3.0
    h = events(5000, LundParams(0.0, 0.58, stop_mass=0.5, stop_smear=0.5), energy=energy).histories
    failures = 0
    for c in range(h.n_chains):
        own, opposite = [energy, energy], [energy, energy]
        rows = range(h.chain_offsets[c], h.chain_offsets[c + 1])
        for j in rows:
            side, z, mt2 = int(not h.from_positive[j]), float(h.z[j]), float(h.mt2[j])
            needed = mt2 / (z * own[side])
            fits = needed < opposite[side]
            assert fits == (h.status[c] != 1 or j < rows[-1])
            failures += not fits
            own[side] *= 1 - z
            opposite[side] -= needed
    assert failures == np.sum(h.status == ChainStatus.NO_ROOM) > 50


def test_breaks_deep_in_a_long_string_have_the_stationary_distribution():
    """Gamma = (1 - z)(Gamma_old + mT²/z) tends to Gamma^a exp(-b Gamma): Kolmogorov-Smirnov p > 1e-3.

    The twelfth break from each end of strings of 1e8 GeV, where no chain has come to its stop yet.
    """
    params = LundParams()
    h = events(5000, params, energy=1e8).histories
    for positive in (True, False):
        gammas = []
        for start, stop in zip(h.chain_offsets[:-1], h.chain_offsets[1:], strict=True):
            rows = start + np.flatnonzero(h.from_positive[start:stop] == positive)[:12]
            assert len(rows) == 12
            gamma = 0.0
            for z, mt2 in zip(h.z[rows].tolist(), h.mt2[rows].tolist(), strict=True):
                gamma = (1 - z) * (gamma + mt2 / z)
            gammas.append(gamma)
        assert stats.kstest(gammas, stats.gamma(params.a + 1, scale=1 / params.b).cdf).pvalue > ALPHA


# --- The last two hadrons --------------------------------------------------------------------------


def test_nine_percent_of_the_last_pairs_are_reversed(base):
    """Real Pythia 8.317: 9.0 %, quoted to 0.1 %; our error is 0.06 %."""
    assert abs(base.histories.only_accepted().final_reversed.mean() - 0.090) < 0.0005 + 4 * 0.00065


def test_lambda_is_that_of_the_hadrons(base):
    lam = lund.last_pair_lambda(base.hadrons)
    np.testing.assert_allclose(base.histories.only_accepted().final_lambda, lam, rtol=1e-3, atol=1e-4)


def test_the_stopping_mass_grows_with_the_tries_of_an_event():
    """Events that fail for good say so by an error; they are left out."""
    samples = []
    for seed in range(1500):
        try:
            energy = (2.36, 2.41, 2.47)[seed % 3]
            samples.append(events(1, LundParams(sigma_pt=1.2, stop_smear=0.0), seed, energy=energy))
        except HadronizationError:
            continue
    assert len(samples) > 1400
    checks.assert_stopping_mass_grows(samples)


# --- Symmetries ------------------------------------------------------------------------------------


def rapidity_counts(sample, pid, sign=1):
    h = sample.hadrons
    chosen = h.pid == pid
    y = sign * rapidity(h.e[chosen], h.pz[chosen])
    return histogram_per_event(y, np.linspace(-6, 6, 41), h.event[chosen], len(h))


@pytest.mark.parametrize(("pid", "antiparticle"), [(211, -211), (111, 111)])
def test_the_string_is_left_right_symmetric(base, pid, antiparticle):
    """pi+ at y in one half of the events as pi- at -y in the other, pi0 as pi0: p > 1e-3."""
    first, second = base[:100_000], base[100_000:]
    assert chi2_test(rapidity_counts(first, pid), rapidity_counts(second, antiparticle, -1))[2] > ALPHA


def test_mirror_image_without_charge_conjugation_is_told_apart(base):
    """The test above has teeth: pi+ at y and pi+ at -y differ, for the u quark flies to +z."""
    first, second = base[:100_000], base[100_000:]
    assert chi2_test(rapidity_counts(first, 211), rapidity_counts(second, 211, -1))[2] < 1e-10


def test_a_d_string_is_a_u_string_with_opposite_charges(base):
    """Pulls below 4, p > 1e-3."""
    d_string = events(50_000, seed=2, quark="d")
    assert abs(pull(d_string.hadrons.multiplicity, base.hadrons.multiplicity)) < 4
    assert chi2_test(rapidity_counts(d_string, -211), rapidity_counts(base, 211))[2] > ALPHA


def test_directions_around_the_string_are_equally_likely(base):
    """Azimuth of the first hadron of each event is uniform: p > 1e-3."""
    first = base.hadrons.offsets[:-1]
    assert_uniform(np.arctan2(base.hadrons.py[first], base.hadrons.px[first]) / (2 * np.pi) + 0.5)


# --- Against real Pythia ---------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["base", "a030", "b058"])
def test_means_are_those_of_real_pythia(columns, point):
    checks.assert_means_of_pythia(columns[point], point)


@pytest.mark.parametrize("point", ["base", "a030", "b058"])
def test_distributions_are_those_of_real_pythia(columns, pythia_columns, point):
    """13 observables: pulls below 4, p > 1e-3 / 13."""
    checks.assert_same_distributions(columns[point], pythia_columns[point])


@pytest.mark.parametrize("point", ["base", "a030"])
def test_acceptance_is_that_of_real_pythia(samples, point):
    checks.assert_acceptance_of_pythia(samples[point], point)


def test_acceptance_with_enhanced_breaks_is_that_of_real_pythia():
    """ln(acceptance) = -0.1589 in real Pythia with enhancedFraction 0.01, 200 000 events: pull below 4."""
    sample = events(100_000, LundParams(enhanced_fraction=0.01))
    ours = np.log(sample.histories.accepted.mean())
    errors = [checks.error_of_ln_acceptance(-0.1589, n) for n in (100_000, 200_000)]
    assert abs(ours + 0.1589) < 4 * np.hypot(*errors)


def test_breaks_of_all_chains_are_those_of_real_pythia(base, pythia_samples):
    """z and mT² of every break, accepted or not, and the number of breaks per chain: p > 1e-3 / 3."""
    theirs = pythia_samples["base"]
    for name in ("z", "mt2"):
        edges = np.quantile(getattr(base.histories, name), np.linspace(0.001, 0.999, 41))
        counts = [
            histogram_per_event(getattr(h, name), edges, h.event_of_chain[h.chain_of_break], n)
            for h, n in ((base.histories, len(base)), (theirs.histories, len(theirs)))
        ]
        assert chi2_test(*counts)[2] > ALPHA / 3
    lengths = [np.diff(s.histories.chain_offsets).astype(float) for s in (base, theirs)]
    assert p_of_histograms(*lengths) > ALPHA / 3


def test_the_comparison_with_real_pythia_can_fail(samples, pythia_columns):
    """Events at a = 0.30 are not taken for events at a = 0.68, even if only 5000 are looked at."""
    wrong = observables.compute(samples["a030"][:5000].hadrons, 90.0)
    with pytest.raises(AssertionError, match="pull"):
        checks.assert_same_distributions(wrong, pythia_columns["base"])


# --- Randomness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_nothing(threads):
    assert_same_sample(events(20_000, threads=threads), events(20_000))


def test_the_progress_bar_changes_nothing():
    assert_same_sample(events(5000, progress=False), events(5000, progress=True))


def test_a_longer_run_begins_with_the_events_of_a_shorter_one():
    assert_same_sample(events(9000)[:5000], events(5000))


def test_two_calls_with_one_generator_give_different_events(rng):
    first, second = (hadronize_strings(1000, rng=rng) for _ in range(2))
    assert not np.array_equal(first.hadrons.offsets, second.hadrons.offsets)
    assert abs(pull(first.hadrons.multiplicity, second.hadrons.multiplicity)) < 4


def test_chunks_are_independent():
    """No chunk repeats another: generators are spawned, not copied."""
    sample = events(3 * strings.generate.CHUNK)
    chunks = [sample[k * strings.generate.CHUNK : (k + 1) * strings.generate.CHUNK] for k in range(3)]
    means = {chunk.hadrons.e.max() for chunk in chunks}
    assert len(means) == 3


@pytest.mark.parametrize("bits", [np.random.PCG64DXSM, np.random.Philox, np.random.SFC64, np.random.MT19937])
def test_every_kind_of_numpy_generator_will_do(bits):
    sample = hadronize_strings(2000, rng=np.random.Generator(bits(1)))
    assert_near(sample.hadrons.multiplicity, *checks.PYTHIA["base"]["n_f"])


@pytest.mark.parametrize("threads", [1, 2])
def test_buffers_that_run_full_change_nothing(monkeypatch, threads):
    wanted, real, rows = events(9000, threads=threads), strings.generate._make_buffers, []

    def small_at_first(n):
        rows.append(n if len(rows) >= threads else 100)
        return real(rows[-1])

    monkeypatch.setattr(strings.generate, "_make_buffers", small_at_first)
    assert_same_sample(events(9000, threads=threads), wanted)
    assert rows[:threads] == [100] * threads
    assert len(rows) > threads + 5


WITHOUT_JIT = """
import sys
import numpy as np
from hadtutor import LundParams, hadronize_strings, strings
assert not hasattr(strings.chain.fragment_events, "py_func"), "compiled after all"
for k, (n, params, energy, quark) in enumerate({cases}):
    sample = hadronize_strings(n, LundParams(*params), energy, rng=np.random.default_rng(k), quark=quark)
    sample.save(f"{{sys.argv[1]}}/{{k}}.npz")
"""
CASES = [
    (40, (0.68, 0.98, 0.335), 90.0, "u"),
    (40, (0.0, 0.58, 0.335, 0.5, 1.0, 0.5), 3.0, "d"),
    (20, (2.0, 0.5, 0.8, 4.0, 2.0, 0.0, 0.1, 2.5), 91.2, "d"),
    (100, (0.68, 0.98, 0.1), 0.4, "u"),
]


def test_plain_python_makes_the_same_events_draw_by_draw(tmp_path):
    """With NUMBA_DISABLE_JIT=1, rejected chains and masses outside the table of f(z) among them."""
    code = WITHOUT_JIT.format(cases=CASES)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code, tmp_path], env=environment, check=True, timeout=120)
    compiled = [
        hadronize_strings(n, LundParams(*params), energy, rng=np.random.default_rng(k), quark=quark)
        for k, (n, params, energy, quark) in enumerate(CASES)
    ]
    assert {int(status) for sample in compiled for status in sample.histories.status} == {0, 1, 2}
    assert compiled[2].histories.mt2.max() > MASS_NEUTRAL_PION**2 * 2.0**lund.staircase.N_OCTAVES
    for k, sample in enumerate(compiled):
        assert_same_sample(sample, Sample.load(tmp_path / f"{k}.npz"))


# --- Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_events": 0}, ValueError, "n_events must be at least 1, got 0"),
        ({"n_events": -1}, ValueError, "n_events must be at least 1, got -1"),
        ({"n_events": 10**15}, ValueError, "n_events must be at most 100000000 .*make them in batches"),
        ({"n_events": 1.5}, TypeError, "n_events must be a whole number, got 1.5 of type float"),
        ({"n_events": True}, TypeError, "n_events must be a whole number, got True of type bool"),
        ({"n_events": "3"}, TypeError, "n_events must be a whole number, got '3' of type str"),
        ({"energy": np.nan}, ValueError, "energy must be > 0.279141 and finite GeV, the mass of two pions, got nan"),
        ({"energy": np.inf}, ValueError, "energy must be > 0.279141 and finite GeV, the mass of two pions, got inf"),
        ({"energy": "90"}, TypeError, "energy must be a number, got '90' of type str"),
        ({"energy": True}, TypeError, "energy must be a number, got True of type bool"),
        ({"energy": None}, TypeError, "energy must be a number, got None of type NoneType"),
        ({"energy": 0.2}, ValueError, "energy must be > 0.279141 GeV, the mass of two pions, got 0.2"),
        ({"energy": -90.0}, ValueError, "energy must be > 0.279141 GeV, the mass of two pions, got -90.0"),
        ({"quark": "s"}, ValueError, r"quark must be one of \['d', 'u'\], got 's'"),
        ({"quark": None}, ValueError, r"quark must be one of \['d', 'u'\], got None"),
        ({"rng": None}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got None"),
        ({"rng": True}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got True of type bool"),
        ({"rng": np.random.RandomState(1)}, TypeError, "rng must be .* of type RandomState"),
        ({"seed": 1}, TypeError, "hadronize_strings takes rng, .* in place of seed: write rng=1"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"threads": 1.5}, TypeError, "threads must be a whole number, got 1.5 of type float"),
        ({"threads": True}, TypeError, "threads must be a whole number, got True of type bool"),
        ({"params": {"a": 0.68}}, TypeError, "params must be LundParams, got dict; write LundParams"),
        ({"params": (0.68, 0.98)}, TypeError, "params must be LundParams, got tuple"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_wrong_arguments_are_refused_by_name(settings, error, message):
    with pytest.raises(error, match=message):
        hadronize_strings(**({"n_events": 10, "rng": np.random.default_rng(1)} | settings))


def test_a_generator_that_cannot_spawn_is_refused_with_a_way_out():
    rng = np.random.Generator(np.random.RandomState(1)._bit_generator)
    with pytest.raises(TypeError, match=r"rng cannot spawn .*use np.random.default_rng"):
        hadronize_strings(10, rng=rng)


def test_numbers_of_numpy_are_numbers():
    sample = hadronize_strings(np.int64(10), energy=np.float32(90), rng=np.random.default_rng(1))
    assert_same_sample(sample, events(10, energy=90))
    assert type(sample.energy) is float


def test_a_string_that_cannot_become_hadrons_is_an_error_with_its_event():
    with pytest.raises(HadronizationError, match=r"^event 0: no accepted chain in \d+ tries at energy 0.5 GeV .*raise"):
        events(10, **IMPOSSIBLE)


def test_the_event_in_the_error_is_the_one_that_failed():
    """Nearly always possible, so that the first failure lies behind the first chunk."""
    settings = {"params": LundParams(sigma_pt=0.2), "energy": 0.36, "seed": 3}
    with pytest.raises(HadronizationError) as caught:
        events(200_000, **settings)
    event = int(re.match(r"event (\d+):", str(caught.value))[1])
    assert event > strings.generate.CHUNK
    assert len(events(event, **settings)) == event
    with pytest.raises(HadronizationError, match=f"event {event}:"):
        events(event + 1, **settings)


def test_the_first_call_of_a_process_may_use_threads():
    """Two threads that made numba compile the same at once failed: a process in which nothing is compiled yet."""
    code = (
        "import numpy as np\n"
        "import hadtutor as ht\n"
        "sample = ht.hadronize_strings(20_000, rng=np.random.default_rng(1), threads=2, progress=False)\n"
        "ht.observables.compute(sample.hadrons, 90.0, threads=2)\n"
        "showers = ht.datasets.load('pythia-showers-91')[:3000]\n"
        "ht.hadronize_clusters(showers, rng=np.random.default_rng(1), threads=2, progress=False)\n"
        "print('done')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "done", result.stderr


def test_threads_that_fail_do_not_hang():
    """In a process of its own, which can be stopped; ten chunks, all of which fail."""
    code = (
        "import numpy as np\n"
        "from hadtutor import LundParams, hadronize_strings\n"
        "from hadtutor.strings import HadronizationError\n"
        "try:\n"
        "    hadronize_strings(40_000, LundParams(sigma_pt=5.0), 0.5, rng=1, threads=2)\n"
        "except HadronizationError:\n"
        "    print('gave up')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "gave up\n"
