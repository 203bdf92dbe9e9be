import numpy as np
import pytest
import torch
from gans import dtypes, pions, showers

import hadtutor as ht
from hadtutor import gan, nets
from hadtutor.kinematics.tensor import (
    two_body,
)
from hadtutor.nets import torch_seed
from hadtutor.training import Paired, train


@dtypes
def test_hadrons_of_events_are_those_that_were_simulated(dtype):
    sample = pions()
    events = gan.EventClusters(sample, dtype)
    index = torch.tensor([7, 3, 1200])
    batch = events[index]
    truth = gan.decays(sample)
    of_pair = sample.histories.event[gan.pair_rows(sample)[0]]
    rows = np.concatenate([np.flatnonzero(of_pair == i) for i in index.tolist()])
    p, event = gan.hadrons_of(batch, truth.direction[rows].to(dtype))
    for k, i in enumerate(index.tolist()):
        h = sample.hadrons[[i]]
        expected = np.sort(np.stack([h.px, h.py, h.pz, h.e]), axis=1)
        assert np.sort(p[event == k].double().numpy().T, axis=1) == pytest.approx(expected, abs=2e-4)
        if dtype == torch.float64:
            total = p[event == k].sum(0).tolist()
            assert total == pytest.approx([0, 0, 0, sample.energy], abs=1e-6)
    of_simulation = two_body(batch.p, batch.mass, batch.direction, batch.m1, batch.m2)[0]
    torch.testing.assert_close(of_simulation, p[: len(batch.p)], atol=1e-3 if dtype == torch.float32 else 1e-4, rtol=0)


def test_features_do_not_change_when_the_event_is_turned():
    h = pions().hadrons[:200]
    p, event = gan.momenta(h), torch.as_tensor(h.event)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    turned = torch.cat([p[:, :3] @ turn.T, p[:, 3:]], 1)
    x, y = (nets.axis_features(q, event, len(h), 91.2) for q in (p, turned))
    torch.testing.assert_close(x, y, atol=1e-6, rtol=0)
    assert torch.isfinite(nets.axis_features(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), 1, 91.2)).all()


def test_gradients_of_the_event_gan_reach_the_generator_through_the_boosts():
    """The slope of the discriminator's logit with respect to a weight, against a finite difference."""
    sample = pions()[:20]
    clusters, hadrons = gan.EventClusters(sample, torch.float64), gan.clouds(sample)
    with torch_seed(1):
        generator = gan.DecayGenerator(gan.decays(sample).condition, hidden=(8,)).double()
        network = gan.EventGAN(generator, gan.EventDiscriminator(hadrons.x).double(), 91.2)
    batch = clusters[torch.arange(20)], None
    bias = generator.net[-1].bias

    def logit():
        with torch_seed(4):
            # The axis takes no gradient: it is kept where it was.
            x, event, n = network.fake(batch)
        return network.discriminator(x, event, n).sum()

    (slope,) = torch.autograd.grad(logit(), bias)
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) > 0


def test_event_gan_brings_generated_events_closer_to_the_data():
    """From isotropic decays to decays along the flight, seen by no one but in the hadrons."""

    def along(clusters, rng):
        sign = rng.choice([-1.0, 1.0], len(clusters.px))[:, None]
        smear = 0.3 * rng.standard_normal((len(clusters.px), 3))
        p = np.stack([clusters.px, clusters.py, clusters.pz], 1)
        return sign * p / np.linalg.norm(p, axis=1, keepdims=True).clip(1e-9) + smear

    start = pions()
    data = ht.hadronize_clusters(showers(), rng=np.random.default_rng(9), pions_only=True, decay=along)
    hadrons = gan.clouds(data)
    with torch_seed(1):
        network = gan.EventGAN(gan.DecayGenerator(gan.decays(start).condition), gan.EventDiscriminator(hadrons.x), 91.2)
    truth = gan.decays(data)

    def cosine():
        with torch.no_grad(), torch_seed(5):
            return float(network.generator.sample(truth.condition)[:, 2].abs().mean())

    goal = float(truth.direction[:, 2].abs().mean())
    before = cosine()
    train(
        network, Paired(gan.EventClusters(start), hadrons), gan.adversarial(0.1), epochs=10, batch_size=64,
        rng=1, lr={"discriminator": 2e-3, "generator": 1e-3}, betas=(0.0, 0.9), progress=False,
    )  # fmt: skip
    assert abs(cosine() - goal) < 0.3 * abs(before - goal)
