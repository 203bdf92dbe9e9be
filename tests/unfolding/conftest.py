"""Gaussians and a detector that adds noise, for which every iteration of an unfolding is known exactly."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def gaussians():
    """Prior N(0, 1) and truth N(0.2, 0.8²), seen with a noise of 0.5: true and seen simulation, seen data."""
    rng = np.random.default_rng(3)
    sim, data = rng.normal(0.0, 1.0, 60_000), rng.normal(0.2, 0.8, 60_000)
    return sim, sim + rng.normal(0.0, 0.5, len(sim)), data + rng.normal(0.0, 0.5, len(data))
