import checks
import numpy as np
import pytest
import torch
from checks import ALPHA, assert_same_sample
from scipy import stats

from hadtutor import LundParams, lund, observables, strings
from hadtutor.lund import tensor as lund_torch
from hadtutor.metrics import chi2_test, histogram_per_event, pull
from hadtutor.strings import HadronizationError
from hadtutor.strings import tensor as strings_torch

TYPES = {"float64": torch.float64, "float32": torch.float32}
CONSERVATION = {"float64": 1e-9, "float32": 1e-5}  # fraction of the energy of the string
HEAVY = LundParams(sigma_pt=1.0, stop_mass=4.0)
"""One transverse mass in sixteen lies outside the table of f(z)."""
SETTINGS = [
    {"energy": 20.0, "quark": "d"},
    {"energy": 90.0, "quark": "u"},
    {"energy": 200.0, "quark": "u", "params": LundParams(a=0.0, b=5.0, enhanced_fraction=0.5)},
    {"energy": 90.0, "quark": "d", "params": HEAVY},
    {"energy": 2.5, "quark": "u"},
]


@pytest.fixture(scope="module", params=TYPES)
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def events(device, dtype):
    """Function that makes events of the type under test on the device under test."""

    def make(n_events, params=None, seed=1, **settings):
        generator = torch.Generator(device).manual_seed(seed)
        return strings_torch.hadronize_strings(n_events, params, generator=generator, dtype=TYPES[dtype], **settings)

    return make


@pytest.fixture(scope="module")
def sample(events):
    """50 000 events at the Monash point."""
    return events(50_000)


# --- Conservation laws -----------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_string_keeps_the_laws(events, dtype, settings):
    made = events(2000, **settings)
    checks.assert_four_momentum(made, CONSERVATION[dtype])
    checks.assert_neutral(made)
    checks.assert_on_mass_shell(made)
    checks.assert_charges_alternate(made)
    checks.assert_hadrons_come_from_breaks(made)
    checks.assert_histories_are_complete(made)
    assert (made.energy, made.quark) == (settings["energy"], settings["quark"])


def test_laws_hold_for_every_event_of_a_large_sample(sample, dtype):
    checks.assert_four_momentum(sample, CONSERVATION[dtype])
    checks.assert_neutral(sample)
    checks.assert_on_mass_shell(sample)
    checks.assert_charges_alternate(sample)
    checks.assert_hadrons_come_from_breaks(sample)
    checks.assert_histories_are_complete(sample)


def test_batches_are_joined_in_order_and_differ(events, dtype, monkeypatch):
    monkeypatch.setattr(strings_torch, "BATCH", 300)
    made = events(1000)
    assert len(made) == 1000
    checks.assert_four_momentum(made, CONSERVATION[dtype])
    checks.assert_hadrons_come_from_breaks(made)
    checks.assert_histories_are_complete(made)
    assert_same_sample(made[:300], events(300))
    assert not np.array_equal(made.hadrons.multiplicity[:300], made.hadrons.multiplicity[300:600])


def test_columns_have_the_types_of_the_numba_kernel_and_the_asked_precision(sample, base, dtype):
    for name, column in vars(base.histories).items():
        assert getattr(sample.histories, name).dtype == column.dtype, name
    assert sample.hadrons.pid.dtype == np.int32
    assert {getattr(sample.hadrons, name).dtype for name in ("px", "py", "pz", "e")} == {np.dtype(dtype)}


# --- What is drawn ---------------------------------------------------------------------------------


def test_z_given_the_transverse_mass_follows_f(sample):
    """Kolmogorov-Smirnov p > 1e-3 over all breaks of all chains."""
    checks.assert_uniform(checks.z_cdf(sample.histories.z, sample.histories.mt2, sample.params))


@pytest.mark.parametrize("params", [HEAVY, LundParams(a=0.0), LundParams(a=0.1, b=20.0)], ids=["heavy", "a=0", "b=20"])
def test_z_follows_f_far_from_the_tune(events, params):
    """Kolmogorov-Smirnov p > 1e-3."""
    h = events(10_000, params).histories
    checks.assert_uniform(checks.z_cdf(h.z, h.mt2, params))


@pytest.mark.parametrize("name", ["px", "py"])
def test_break_pt_is_gaussian_with_half_of_sigma_squared(sample, name):
    """Kolmogorov-Smirnov p > 1e-3 over all draws, those of rejected chains and of last pairs too."""
    final = getattr(sample.histories, f"final_{name}")
    x = np.concatenate([getattr(sample.histories, name), final[np.isfinite(final)]]) / (0.335 * np.sqrt(0.5))
    assert stats.kstest(x, "norm").pvalue > ALPHA
    checks.assert_near(x**2, 1.0)


def test_enhanced_breaks_are_a_mixture_of_two_gaussians(events):
    """A fraction 0.3 is 2.5 times broader, in px and py of the same break: p > 1e-3, pull below 4."""
    params = LundParams(enhanced_fraction=0.3, enhanced_width=2.5)
    h = events(10_000, params).histories
    px, py = (getattr(h, name).astype(float) / (params.sigma_pt * np.sqrt(0.5)) for name in ("px", "py"))
    assert stats.kstest(px, lambda x: 0.7 * stats.norm.cdf(x) + 0.3 * stats.norm.cdf(x / 2.5)).pvalue > ALPHA
    checks.assert_near(px**2 * py**2, 0.7 + 0.3 * 2.5**4)


def test_sides_and_flavours_come_with_their_odds(sample):
    checks.assert_near(sample.histories.pid == 111, 1 / 3)
    checks.assert_near(sample.histories.from_positive, 0.5)


def test_the_last_pair_is_reversed_with_the_probability_of_its_lambda(sample):
    h = sample.histories.only_accepted()
    probability = 1 / (1 + np.exp(np.minimum(50.0, sample.params.b * h.final_lambda.astype(float))))
    checks.assert_near(h.final_reversed - probability, 0.0)


def test_a_replayed_history_gives_its_hadrons(sample, dtype):
    """To single precision, after a z close to 1 of the little that is left; the last pair doubles up errors."""
    again = strings.replay(sample.histories, sample.energy)
    assert np.array_equal(again.pid, sample.hadrons.pid)
    last = np.zeros(len(again.px), bool)
    last[again.offsets[1:, None] - [1, 2]] = True
    for name in checks.P_COLUMNS:
        x, y = getattr(again, name), getattr(sample.hadrons, name)
        np.testing.assert_allclose(x[~last], y[~last], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(x[last], y[last], rtol=1e-2, atol=1e-2)


# --- Against the numba kernel and real Pythia ------------------------------------------------------


def test_distributions_are_those_of_the_numba_kernel(sample, columns):
    """13 observables: pulls below 4, p > 1e-3 / 13."""
    made = observables.compute(sample.hadrons, sample.energy)
    checks.assert_same_distributions(made, columns["base"])
    checks.assert_means_of_pythia(made, "base")


@pytest.mark.parametrize("point", ["a030", "b058"])
def test_distributions_agree_at_other_parameters(events, samples, columns, point):
    made = events(25_000, samples[point].params)
    checks.assert_same_distributions(observables.compute(made.hadrons, made.energy), columns[point])


def test_acceptance_is_that_of_real_pythia(sample):
    checks.assert_acceptance_of_pythia(sample, "base")


def test_tries_and_breaks_per_chain_are_those_of_the_numba_kernel(sample, base):
    """Number of chains per event and of breaks per chain: p > 1e-3 / 2."""
    for pick in (lambda h: np.diff(h.event_offsets), lambda h: np.diff(h.chain_offsets)):
        x, y = (pick(s.histories).astype(float) for s in (sample, base))
        assert checks.p_of_histograms(x, y) > ALPHA / 2


def test_the_string_is_left_right_symmetric(sample):
    """pi+ at y in one half of the events as pi- at -y in the other: p > 1e-3."""
    counts = []
    for half, pid, sign in ((sample[:25_000], 211, 1), (sample[25_000:], -211, -1)):
        h = half.hadrons
        chosen = h.pid == pid
        eta = sign * np.arcsinh(h.pz[chosen] / np.hypot(h.px[chosen], h.py[chosen]))
        counts.append(histogram_per_event(eta, np.linspace(-6, 6, 31), h.event[chosen], len(h)))
    assert chi2_test(*counts)[2] > ALPHA


# --- Randomness ------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_events_again(events):
    assert_same_sample(events(1000, seed=7), events(1000, seed=7, progress=False))


def test_two_calls_with_one_generator_give_different_events(device):
    generator = torch.Generator(device).manual_seed(1)
    first, second = (strings_torch.hadronize_strings(1000, generator=generator) for _ in range(2))
    assert not np.array_equal(first.hadrons.offsets, second.hadrons.offsets)
    assert abs(pull(first.hadrons.multiplicity, second.hadrons.multiplicity)) < 4


def test_the_global_state_of_torch_is_neither_used_nor_changed(events):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = events(500)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(6)
    assert_same_sample(events(500), first)


# --- Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_events": 0}, ValueError, "n_events must be at least 1, got 0"),
        ({"n_events": 10**15}, ValueError, "n_events must be at most 100000000 .*make them in batches"),
        ({"n_events": 1.5}, TypeError, "n_events must be a whole number, got 1.5"),
        ({"energy": np.nan}, ValueError, "energy must be a finite number of GeV, got nan"),
        ({"energy": 0.2}, ValueError, "energy must exceed 0.2791 GeV"),
        ({"quark": "s"}, ValueError, "quark must be one of"),
        ({"params": {"a": 1.0}}, TypeError, "params must be LundParams, got dict"),
        ({"params": LundParams(sigma_pt=-0.3)}, ValueError, "sigma_pt must be > 0 GeV, got -0.3"),
        ({"generator": None}, TypeError, "generator must be a torch.Generator, got NoneType; make one with"),
        ({"generator": 1}, TypeError, "generator must be a torch.Generator, got int"),
        ({"generator": np.random.default_rng(1)}, TypeError, "generator must be a torch.Generator, got Generator"),
        ({"device": "meta"}, ValueError, "the generator lives on .*, the work on meta: make it there"),
        ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32 or torch.float64, got torch.float16"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_wrong_arguments_are_refused_by_name(device, settings, error, message):
    generator = torch.Generator(device).manual_seed(1)
    with pytest.raises(error, match=message):
        strings_torch.hadronize_strings(**({"n_events": 10, "generator": generator} | settings))


def test_a_string_that_cannot_become_hadrons_is_an_error_with_its_event(events):
    with pytest.raises(HadronizationError, match=r"^event \d+: no accepted chain in \d+ tries at energy 0.5 GeV"):
        events(10, LundParams(sigma_pt=5.0), energy=0.5)


def test_the_last_of_the_allowed_tries_counts(events):
    """Where a chain is accepted rarely, events with nearly `MAX_TRIES` chains exist and none with more."""
    params, longest = LundParams(sigma_pt=0.2), 0
    for seed in range(40):
        try:
            longest = max(longest, np.diff(events(300, params, seed, energy=0.33).histories.event_offsets).max())
        except HadronizationError:
            continue
    assert 20 < longest <= strings.chain.MAX_TRIES


def test_the_stopping_mass_grows_with_the_tries_of_an_event(events):
    samples = []
    for seed in range(24):
        try:
            energy = (2.36, 2.41, 2.47)[seed % 3]
            samples.append(events(100, LundParams(sigma_pt=1.1, stop_smear=0.0), seed, energy=energy))
        except HadronizationError:
            continue
    assert len(samples) > 12
    checks.assert_stopping_mass_grows(samples)


# --- f(z) for torch --------------------------------------------------------------------------------


def as_tensor(values, device):
    return torch.tensor(values, dtype=torch.float64, device=device)


@pytest.mark.parametrize("a", [0.0, 1e-6, 0.3, 0.68, 2.0])
@pytest.mark.parametrize("b", [0.02, 0.98, 30.0])
def test_the_torch_forms_are_those_of_lund(device, a, b):
    """To 1e-12 in double precision."""
    params = LundParams(a=a, b=b)
    z, mt2 = np.linspace(0.01, 0.99, 25)[:, None], np.geomspace(0.02, 5.0, 20)
    got = lund_torch.log_f(as_tensor(z, device), as_tensor(mt2, device), a, b).cpu().numpy()
    np.testing.assert_allclose(got, lund.log_f(z, mt2, params), rtol=1e-12, atol=1e-12)
    got = lund_torch.log_normalisation(as_tensor(mt2, device), a, b).cpu().numpy()
    np.testing.assert_allclose(got, lund.log_normalisation(mt2, params), rtol=1e-12, atol=1e-12)


def test_the_torch_normalisation_keeps_shapes_and_precision(device):
    mt2 = torch.full((2, 3), 0.5, dtype=torch.float32, device=device)
    got = lund_torch.log_normalisation(mt2, 0.68, 0.98)
    assert got.shape == (2, 3)
    assert got.dtype == torch.float32
    want = float(lund.log_normalisation(0.5, LundParams()))
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-5)


def test_gradients_in_a_and_b_are_those_of_finite_differences(device):
    a, b = (as_tensor(x, device).requires_grad_() for x in (0.68, 0.98))
    z, mt2 = as_tensor([0.1, 0.5, 0.9], device), as_tensor([0.03, 0.2, 2.0], device)
    assert torch.autograd.gradcheck(lambda a, b: lund_torch.log_f(z, mt2, a, b), (a, b))
    assert torch.autograd.gradcheck(lambda a, b: lund_torch.log_normalisation(mt2, a, b), (a, b))


def test_second_derivatives_of_the_normalisation_exist(device):
    """ln N is convex in b: its second derivative is the variance of mT²/z."""
    b = as_tensor(0.98, device).requires_grad_()
    mt2 = as_tensor([0.03, 0.2, 2.0], device)
    assert torch.autograd.gradgradcheck(lambda b: lund_torch.log_normalisation(mt2, 0.68, b), (b,))
    log_n = lund_torch.log_normalisation(mt2, 0.68, b).sum()
    (slope,) = torch.autograd.grad(log_n, b, create_graph=True)
    assert torch.autograd.grad(slope, b)[0] > 0


@pytest.mark.parametrize("which", ["a", "b"])
def test_the_mean_score_is_zero_and_its_variance_is_the_information(device, base, which):
    """The slope of the sum of ln(f/N) over breaks drawn at (a, b) is zero within its own error: pull below 4.

    That error follows from the curvature, Fisher's information.
    """
    h, here = base.histories, {"a": as_tensor(0.68, device), "b": as_tensor(0.98, device)}
    x = here[which].requires_grad_()
    z, mt2 = (as_tensor(column[:4000].astype(float), device) for column in (h.z, h.mt2))
    log_likelihood = (lund_torch.log_f(z, mt2, **here) - lund_torch.log_normalisation(mt2, **here)).sum()
    (score,) = torch.autograd.grad(log_likelihood, x, create_graph=True)
    (curvature,) = torch.autograd.grad(score, x)
    assert curvature < 0
    assert abs(float(score.detach())) < 4 * np.sqrt(-float(curvature))
