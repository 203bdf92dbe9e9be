"""What the tests of trainings share."""

import pytest
from trainings import KINDS, fit


@pytest.fixture(scope="module")
def whole(device):
    """Kind to an uninterrupted training."""
    return {kind: fit(kind, device) for kind in KINDS}
