"""The published networks, and decays as they see them."""

import numpy as np
import pytest
import torch
from gans import ALPHA, hadronized, pions
from scipy import stats

from hadtutor import gan
from hadtutor.kinematics.tensor import directions, to_rest_frame
from hadtutor.nets import torch_seed
from hadtutor.training import Table, train


@pytest.mark.parametrize("make", [pions, hadronized], ids=["pions", "all hadrons"])
def test_angles_and_masses_give_back_the_leading_hadron(make):
    sample = make()
    found, (rows, first) = gan.lab_decays(sample), gan.pair_rows(sample)
    p, mass = found.condition[:, :4].double(), torch.as_tensor(sample.histories.mass[rows])
    leads = first + (gan.leading(sample.histories)[rows].numpy() < 0)
    assert np.array_equal(found.pid, sample.hadrons.pid[leads])
    hadron = torch.as_tensor(sample.hadrons.p4[leads], dtype=torch.float64)
    k = to_rest_frame(gan.momenta(sample.histories)[rows], mass, hadron)
    along = (k[:, :3] * directions(found.angles.double())).sum(1)
    assert float((along / k[:, :3].norm(dim=1) - 1).abs().max()) < 1e-5
    m1, m2 = found.condition[:, 4:].double().T
    nearly = torch.hypot(k[:, :3].norm(dim=1), m1) + torch.hypot(k[:, :3].norm(dim=1), m2)
    assert float((nearly / mass - 1).abs().max()) < 1e-4, "the energies of both add up to the mass"
    assert torch.equal(found.perturbative, gan.decays(sample).perturbative)
    torch.testing.assert_close(p[:, 3], torch.as_tensor(sample.histories.p4[rows, 3]), rtol=1e-6, atol=1e-6)


def test_in_the_lab_decays_without_perturbative_quark_are_isotropic():
    """p > 1e-3 for each angle."""
    found = gan.lab_decays(pions())
    phi, theta = found.where(~found.perturbative).angles[:4000].T.double().numpy()
    assert stats.kstest(phi, stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2
    assert stats.kstest(np.cos(np.pi * (theta + 1) / 2), stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2


def test_a_published_network_gives_scaled_angles_and_a_seed_says_all():
    """Whether it learns is seen in the stored run of a thousand epochs."""
    truth = gan.lab_decays(pions()).where(slice(2048))
    condition, ends = truth.condition[:, :4], []
    for _ in range(2):
        with torch_seed(1):
            network = gan.AngleGAN(gan.AngleGenerator(condition, hidden=(32, 32)), hidden=(32, 32))
        train(network, Table(condition, truth.angles), gan.adversarial(), epochs=2, lr=1e-4, rng=1, progress=False)
        with torch.no_grad(), torch_seed(2):
            ends.append(network.generator.sample(condition))
    assert torch.equal(*ends)
    assert ends[0].shape == (2048, 2)
    assert float(ends[0].abs().max()) <= 1


def test_its_discriminator_does_not_see_the_cluster():
    condition, angles = torch.rand(8, 4), torch.rand(8, 2)
    network = gan.AngleGAN(gan.AngleGenerator(condition))
    assert [x.shape for x in network.real((condition, angles))] == [(8, 2)]
    assert torch.equal(network.real((condition, angles))[0], network.real((condition.flip(0), angles))[0])


def test_a_column_of_zeros_is_not_divided_by_zero():
    condition = torch.zeros(4, 3)
    assert bool(torch.isfinite(gan.AngleGenerator(condition).sample(condition)).all())


@pytest.mark.parametrize("n_noise", [0, -1, 2.5, None])
def test_noise_must_be_a_number_of_numbers(n_noise):
    with pytest.raises((ValueError, TypeError), match="n_noise"):
        gan.AngleGenerator(torch.zeros(4, 3), n_noise=n_noise)


def test_decays_are_those_of_clusters():
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.lab_decays("clusters")
