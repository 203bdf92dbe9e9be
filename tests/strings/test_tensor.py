import checks
import numpy as np
import pytest
import torch
from checks import ALPHA, assert_same_sample

from hadtutor import LundParams, observables, strings
from hadtutor.metrics import chi2_test, histogram_per_event, pull
from hadtutor.strings import HadronizationError
from hadtutor.strings import tensor as strings_torch

TYPES = {"float64": torch.float64, "float32": torch.float32}
CONSERVATION = {"float64": 1e-9, "float32": 1e-5}  # fraction of the energy of the string


@pytest.fixture(scope="module", params=TYPES)
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def events(device, dtype):
    """Function that makes events of the type under test on the device under test."""

    def make(n_events, params=None, seed=1, **settings):
        return strings_torch.hadronize_strings(
            n_events, params, rng=seed, device=device, dtype=TYPES[dtype], **settings
        )

    return make


@pytest.fixture(scope="module")
def sample(events):
    """50 000 events at the Monash point."""
    return events(50_000)


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
        assert getattr(getattr(sample.histories, name), "dtype", None) == getattr(column, "dtype", None), name
    assert sample.hadrons.pid.dtype == np.int32
    assert {getattr(sample.hadrons, name).dtype for name in ("px", "py", "pz", "e")} == {np.dtype(dtype)}


# --- Against the numba kernel and real Pythia ------------------------------------------------------


@pytest.mark.parametrize("point", ["a030", "b058"])
def test_distributions_agree_at_other_parameters(events, samples, columns, point):
    made = events(25_000, samples[point].params)
    checks.assert_same_distributions(observables.compute(made.hadrons, made.energy), columns[point])


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
    rng = np.random.default_rng(1)
    first, second = (strings_torch.hadronize_strings(1000, rng=rng, device=device) for _ in range(2))
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
        ({"energy": np.nan}, ValueError, "energy must be > 0.279141 and finite GeV, the mass of two pions, got nan"),
        ({"energy": 0.2}, ValueError, "energy must be > 0.279141 GeV, the mass of two pions, got 0.2"),
        ({"quark": "s"}, ValueError, "quark must be one of"),
        ({"params": {"a": 1.0}}, TypeError, "params must be LundParams, got dict"),
        ({"rng": None}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got None"),
        ({"rng": torch.Generator()}, TypeError, "rng must be a whole number >= 0 or a NumPy Generator, got <torch"),
        ({"seed": 1}, TypeError, "hadronize_strings takes rng, .* in place of seed: write rng=1"),
        ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32 or torch.float64, got torch.float16"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_wrong_arguments_are_refused_by_name(device, settings, error, message):
    with pytest.raises(error, match=message):
        strings_torch.hadronize_strings(**({"n_events": 10, "rng": 1, "device": device} | settings))


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
