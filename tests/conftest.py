"""What the tests share: one sample of strings per process, real Pythia's numbers, and the torch device."""

import numpy as np
import pytest
from hypothesis import settings

from hadtutor import LundParams, datasets, hadronize_strings, observables, pythia

pytest.register_assert_rewrite("checks", "cluster_laws")

# The same examples in every run: a property that fails for one of them fails for a reason.
settings.register_profile("hadtutor", derandomize=True, database=None, deadline=None)
settings.load_profile("hadtutor")

POINTS = {
    "base": LundParams(0.68, 0.98, 0.335),
    "a030": LundParams(0.30, 0.98, 0.335),
    "b058": LundParams(0.68, 0.58, 0.335),
}
"""Where real Pythia was run, for the packaged samples and for the numbers in `checks.PYTHIA`."""


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="torch device to test on, such as cuda or mps")


@pytest.fixture(scope="session")
def device(request):
    return request.config.getoption("--device")


@pytest.fixture
def rng():
    return np.random.default_rng(20240611)


@pytest.fixture(scope="session")
def samples():
    """Name of a point to our sample there: 200 000 events at the Monash point, 100 000 at the others."""
    return {
        name: hadronize_strings(200_000 if name == "base" else 100_000, params, rng=np.random.default_rng(seed))
        for seed, (name, params) in enumerate(POINTS.items(), start=101)
    }


@pytest.fixture(scope="session")
def base(samples):
    return samples["base"]


@pytest.fixture(scope="session")
def columns(samples):
    """Name of a point to the observables of our sample there."""
    return {name: observables.compute(sample.hadrons, sample.energy) for name, sample in samples.items()}


@pytest.fixture(scope="session")
def pythia_samples():
    """Name of a point to the packaged sample of real Pythia."""
    return {name: datasets.load(f"pythia-pions-{name}") for name in POINTS}


@pytest.fixture(scope="session")
def pythia_columns(pythia_samples):
    return {name: observables.compute(sample.hadrons, sample.energy) for name, sample in pythia_samples.items()}


@pytest.fixture(scope="session")
def showers_with_histories():
    """3000 showers with the breaks of their strings, of all flavours, 5 % of them with broad transverse momenta."""
    showers = datasets.load("pythia-showers-91")[:3000]
    params = LundParams(enhanced_fraction=0.05)
    return pythia.hadronize(showers, params, seed=41, decays=False, histories=True, progress=False)
