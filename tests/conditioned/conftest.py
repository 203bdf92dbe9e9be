import numpy as np
import pytest

import hadtutor as ht
from hadtutor.conditioned import hadronize, learn_acceptance, log_weights


@pytest.fixture(scope="package")
def plain():
    return ht.hadronize_strings(40_000, rng=np.random.default_rng(1), progress=False)


@pytest.fixture(scope="package")
def acceptance(plain):
    return learn_acceptance(plain, rng=2, epochs=12, progress=False)


@pytest.fixture(scope="package")
def made(acceptance):
    """Conditioned events and their weights."""
    sample = hadronize(10_000, acceptance, rng=3, progress=False)
    return sample, log_weights(sample, acceptance, rng=4, proposals=32)
