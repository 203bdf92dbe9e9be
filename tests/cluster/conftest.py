"""Showers and what becomes of them, made once."""

import pytest
from cluster_laws import MODES, NAMES, generator

from hadtutor import cluster, datasets, hadronize_clusters


@pytest.fixture(scope="session")
def packaged():
    return {name: datasets.load(name) for name in NAMES}


@pytest.fixture(scope="session")
def hadronized(packaged):
    """All packaged showers, in both modes."""
    return {
        (name, pions_only): hadronize_clusters(packaged[name], rng=generator(seed), pions_only=pions_only)
        for seed, (name, pions_only) in enumerate(MODES, start=31)
    }


@pytest.fixture(scope="session", params=MODES, ids=lambda mode: f"{mode[0][-3:].strip('-')}{' pions' * mode[1]}")
def mode(request):
    return request.param


@pytest.fixture(scope="session")
def stages(packaged):
    """5000 showers after each step: showers, constituents, clusters, broken clusters, decayed clusters, hadrons."""
    showers, rng = packaged[NAMES[0]][:5000], generator(7)
    constituents = cluster.split_gluons(showers, rng=rng)
    formed = cluster.form_clusters(constituents)
    broken = cluster.fission(formed, rng=rng)
    hadrons, final = cluster.decay_clusters(broken, rng=rng)
    return showers, constituents, formed, broken, final, hadrons
