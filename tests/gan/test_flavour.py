import numpy as np
import pytest
import torch
from gans import ALPHA, dtypes, hadronized, showers
from scipy import stats

import hadtutor as ht
from hadtutor import gan
from hadtutor.cluster.tensor import PairOdds
from hadtutor.nets import torch_seed
from hadtutor.training import Paired, train


def test_pair_odds_are_those_of_the_cluster_model():
    """Drawn by the kernel against the probabilities, in expected numbers of each species."""
    start = ht.ClusterParams()
    sample = hadronized()
    events = gan.EventClusters(sample)
    generator = gan.FlavourGenerator(start)
    species = generator.odds.species
    shares = gan.fractions(generator, events)
    assert shares.sum() == pytest.approx(1.0)
    counts = np.bincount(np.searchsorted(species, sample.hadrons.pid), minlength=len(species))
    expected = shares * counts.sum()
    rich = expected >= 25
    chi2 = ((counts - expected)[rich] ** 2 / expected[rich]).sum()
    # Both hadrons of a pair come from one choice, so the variance of a sum is not exactly Poisson's: singles have none
    # and pairs of the same species twice as much. The bar is far above either.
    assert chi2 < stats.chi2.isf(ALPHA, rich.sum()) * 1.3
    assert abs(counts - expected)[~rich].max() < 40


@dtypes
def test_networks_for_events_keep_the_precision_of_their_input(dtype):
    start = ht.ClusterParams()
    sample = hadronized()
    batch = gan.EventClusters(sample, dtype)[torch.arange(50)], None
    generator = gan.FlavourGenerator(start)
    n_species = len(generator.odds.species)
    discriminator = gan.FlavourDiscriminator(gan.clouds(sample).x, n_species)
    flavours = gan.FlavourGAN(generator, discriminator, 91.2).to(dtype)
    with torch_seed(1):
        events = gan.EventGAN(
            gan.DecayGenerator(gan.decays(sample).condition),
            gan.EventDiscriminator(gan.clouds(sample).x),
            91.2,
        ).to(dtype)
    for network in (flavours, events):
        x, event, n = network.fake(batch)
        logit = network.discriminator(x, event, n)
        assert x.dtype == logit.dtype == dtype
        assert torch.isfinite(logit).all()
        assert len(logit) == 50


def test_drawn_hadrons_are_of_the_pair_and_have_its_masses():
    sample = hadronized()
    c = gan.EventClusters(sample)[torch.arange(300)]
    generator = gan.FlavourGenerator(ht.ClusterParams())
    with torch_seed(2):
        species, masses = generator.sample(c.flavour, c.mass)
    assert torch.equal(species.sum(2), torch.ones(2, len(c.mass)))
    codes = generator.odds.species[species.argmax(2).numpy()]
    expected = np.vectorize(lambda pid: ht.particles.PARTICLES[pid].mass)(codes)
    assert masses.detach().numpy() == pytest.approx(expected, rel=1e-5)
    assert (masses.sum(0) < c.mass + 1e-5).all(), "what does not fit is never drawn"
    # The charge of a pair is that of its cluster, between -1 and 1: thirds of quarks, d and b -1, u and c 2.
    charge = torch.tensor([-1, 2, -1, 2, -1])
    of_clusters = (charge[c.flavour // 5] - charge[c.flavour % 5]).numpy() // 3
    assert np.array_equal(ht.particles.charge_of(codes).sum(0), of_clusters)
    (slope,) = torch.autograd.grad((species[0] @ torch.arange(float(species.shape[2]))).sum(), generator.net[-1].bias)
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) > 0, "a choice with a slope"


def test_flavour_gan_conserves_momentum_and_moves_towards_the_data():
    start = ht.ClusterParams()
    data = ht.hadronize_clusters(showers(), start._replace(vector_wt=0.2), rng=np.random.default_rng(3))
    events = gan.EventClusters(hadronized())
    with torch_seed(1):
        generator = gan.FlavourGenerator(start)
        species = generator.odds.species
        hadrons = gan.flavour_clouds(data, species)
        network = gan.FlavourGAN(generator, gan.FlavourDiscriminator(hadrons.x[:, :3], len(species)), 91.2)
    x, event, n = network.fake((events[torch.arange(100)], None))
    assert n == 100
    assert torch.equal(x[:, 3:].sum(1), torch.ones(len(x)))
    truth = np.bincount(np.searchsorted(species, data.hadrons.pid), minlength=len(species)) / len(data.hadrons.pid)
    vectors = abs(species) % 10 == 3
    before = gan.fractions(generator, events)[vectors].sum()
    train(
        network, Paired(events, hadrons), gan.adversarial(0.1), epochs=8, batch_size=64, rng=1,
        lr={"discriminator": 2e-3, "generator": 2e-3}, betas=(0.0, 0.9), progress=False,
    )  # fmt: skip
    after = gan.fractions(generator, events)[vectors].sum()
    assert abs(after - truth[vectors].sum()) < 0.35 * abs(before - truth[vectors].sum())


def test_clouds_name_a_species_that_clusters_do_not_make():
    h = hadronized().hadrons[:2]
    photon = ht.Hadrons(h.offsets, h.px, h.py, h.pz, h.e, np.where(np.arange(len(h.pid)) == 1, 22, h.pid))
    with pytest.raises(ValueError, match="species 22, which clusters do not decay to"):
        gan.flavour_clouds(photon, PairOdds(ht.ClusterParams()).species, 91.2)
