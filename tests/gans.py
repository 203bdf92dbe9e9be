"""Samples and small networks for the tests of GANs and of frames."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

import hadtutor as ht
from hadtutor import gan
from hadtutor.nets import torch_seed

ALPHA = 1e-3
PRECISION = {torch.float32: 1e-5, torch.float64: 1e-12}
dtypes = pytest.mark.parametrize("dtype", PRECISION, ids=["float32", "float64"])


@functools.cache
def showers():
    return ht.datasets.load("pythia-showers-91")[:1500]


@functools.cache
def pions(seed=1):
    return ht.hadronize_clusters(showers(), rng=np.random.default_rng(seed), pions_only=True)


def random_directions(n, dtype=torch.float64, seed=1):
    return nn.functional.normalize(torch.randn(n, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed)))


def bodies(n, dtype=torch.float64, seed=2):
    """Momenta and masses of decaying bodies, with masses of two parts that fit."""
    source = torch.Generator().manual_seed(seed)
    k = 20 * torch.randn(n, 3, dtype=torch.float64, generator=source)
    mass = 0.5 + 5 * torch.rand(n, dtype=torch.float64, generator=source)
    shares = torch.rand(2, n, dtype=torch.float64, generator=source) / 2
    p = torch.cat([k, (k.square().sum(1) + mass**2).sqrt().unsqueeze(1)], 1)
    return p.to(dtype), mass.to(dtype), *(shares * mass).to(dtype)


def small_gan(truth, seed=1, symmetric=True, conditional=True):
    with torch_seed(seed):
        return gan.DecayGAN(
            gan.DecayGenerator(truth.condition, hidden=(16,), symmetric=symmetric),
            gan.DecayDiscriminator(truth.condition, hidden=(16,), conditional=conditional),
        )


@functools.cache
def hadronized(seed=1):
    return ht.hadronize_clusters(showers(), rng=np.random.default_rng(seed))
