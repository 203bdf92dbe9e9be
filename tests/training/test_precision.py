"""torch.set_default_dtype is the user's: what the package builds works under any, and has the precision of its data."""

import numpy as np
import pytest
import torch
from gans import pions, showers
from torch import nn

import hadtutor as ht
from hadtutor import gan
from hadtutor.nets import BayesMLP, DeepSets, ScaledCloud, Standardise, hadron_features, torch_seed
from hadtutor.training import Clouds, Paired, Table, classifier_loss, evaluate, train


@pytest.fixture(params=[torch.float32, torch.float64, torch.float16], ids=str)
def default(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def trained(net, data, loss=classifier_loss):
    train(net, data, loss, epochs=1, batch_size=16, betas=(0.0, 0.9), average=0.9, progress=False)
    return net


def strings():
    return ht.hadronize_strings(60, rng=1)


def decay_gan():
    truth = gan.decays(pions()[:30])
    net = gan.DecayGAN(
        gan.DecayGenerator(truth.condition, hidden=(8,)), gan.DecayDiscriminator(truth.condition, hidden=(8,))
    )
    trained(net, Table(*truth), gan.adversarial(1.0))
    return gan.AngleScore(truth)(net), net.generator.sample(truth.condition)


def event_gan():
    sample = pions()[:30]
    data = gan.clouds(sample)
    judge = gan.EventDiscriminator(data.x, phi=(8,), rho=(8,))
    net = gan.EventGAN(gan.DecayGenerator(gan.decays(sample).condition, hidden=(8,)), judge, 91.2)
    events = gan.EventClusters(sample)
    return judge(*trained(net, Paired(events, data), gan.adversarial(0.1)).fake((events[torch.arange(9)], None)))


def flavour_gan():
    sample = ht.hadronize_clusters(showers()[:30], rng=np.random.default_rng(1))
    generator = gan.FlavourGenerator(ht.ClusterParams(), hidden=(8,))
    species = generator.odds.species
    data = gan.flavour_clouds(sample, species)
    judge = gan.FlavourDiscriminator(data.x[:, :3], len(species), phi=(8,), rho=(8,))
    net, events = gan.FlavourGAN(generator, judge, 91.2), gan.EventClusters(sample)
    trained(net, Paired(events, data), gan.adversarial(0.1))
    return gan.fractions(generator, events), judge(*net.fake((events[torch.arange(9)], None)))


def as_decay():
    net = gan.DecayGenerator(gan.decays(pions()).condition, hidden=(8,))
    decay, rng = gan.as_decay(net), np.random.default_rng(1)
    return ht.hadronize_clusters(showers()[:9], rng=rng, pions_only=True, decay=decay).hadrons.px


def distances():
    truth = gan.decays(pions()[:30])
    return gan.sampling_floor(truth.direction), truth.direction, truth.condition


def deep_sets():
    x = hadron_features(strings())
    net = nn.Sequential(ScaledCloud(x), DeepSets(4, phi=(8,), rho=(8,), dtype=x.dtype))
    data = Clouds(x, strings().hadrons.offsets, torch.arange(60) % 2)
    return evaluate(trained(net, data), data)


def bayes():
    x = torch.as_tensor(np.random.default_rng(1).normal(size=(60, 2)), dtype=torch.float32)
    net = nn.Sequential(Standardise(x), BayesMLP(2, 8, 1, dtype=x.dtype))
    trained(net, Table(x, torch.arange(60) % 2))
    return net(x), net[1].draw(rng=1)(x)


MAKERS = (decay_gan, event_gan, flavour_gan, as_decay, distances, deep_sets, bayes)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_default_precision_of_torch_changes_nothing(default, make):
    """To the last bit: not even the first weights of the networks."""

    def made():
        with torch_seed(3):
            found = make()
        return [
            x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
            for x in (found if isinstance(found, tuple) else (found,))
        ]

    here = made()
    torch.set_default_dtype(torch.float32)
    for got, wanted in zip(here, made(), strict=True):
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_networks_of_the_package_have_the_precision_of_their_data(default, dtype):
    condition = torch.rand(9, 3, dtype=dtype)
    sample = pions()[:9]
    data = gan.clouds(sample, dtype=dtype)
    for net in (
        gan.DecayGenerator(condition), gan.DecayDiscriminator(condition), gan.EventDiscriminator(data.x),
    ):  # fmt: skip
        assert {x.dtype for x in net.state_dict().values()} == {dtype}


def test_a_network_of_torchs_own_default_takes_any_data(default):
    """Its weights have the precision the user chose, and what goes in is brought to it."""
    x = hadron_features(strings())
    net = nn.Sequential(ScaledCloud(x), DeepSets(4, phi=(8,), rho=(8,)))
    out = evaluate(net, Clouds(x, strings().hadrons.offsets))
    assert out.dtype == default
    assert bool(torch.isfinite(out).all())
