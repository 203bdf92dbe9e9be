import math

import pytest
import torch
from gans import ALPHA, dtypes, pions, small_gan
from scipy import stats
from torch import nn

from hadtutor import gan
from hadtutor.kinematics.tensor import (
    angles,
)
from hadtutor.nets import torch_seed
from hadtutor.training import Table, train


@dtypes
@pytest.mark.parametrize("symmetric", [False, True])
def test_generators_give_unit_vectors(dtype, symmetric):
    truth = gan.decays(pions())
    generator = small_gan(truth, symmetric=symmetric).generator.to(dtype)
    direction = generator.sample(truth.condition.to(dtype))
    assert direction.dtype == dtype
    torch.testing.assert_close(direction.norm(dim=1), torch.ones(len(direction), dtype=dtype))


def test_symmetric_generators_have_uniform_azimuths_whatever_their_weights():
    truth = gan.decays(pions())
    generator = small_gan(truth).generator
    with torch.no_grad(), torch_seed(3):
        generator.net[-1].bias += torch.tensor([5.0, 0.0, 0.0])  # all weight towards +x
        phi = angles(generator.sample(truth.condition))[:, 0].double()
    assert stats.kstest(phi, stats.uniform(-1, 2).cdf).pvalue > ALPHA


def test_the_unconditional_discriminator_does_not_see_the_cluster_and_the_other_does():
    truth = gan.decays(pions())
    seen = gan.with_pseudorapidity(truth.direction)
    for conditional in (False, True):
        network = small_gan(truth, conditional=conditional).discriminator
        changed = not torch.equal(network(seen, truth.condition), network(seen, truth.condition.flip(0)))
        assert changed == conditional


def test_generator_wants_noise_for_a_direction():
    with pytest.raises(ValueError, match="n_noise must be at least 3"):
        gan.DecayGenerator(torch.zeros(4, 3), n_noise=2)


class Toy(nn.Module):
    """A discriminator 3x, true x of 2, made x of 1."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(3.0))
        self.place = nn.Parameter(torch.tensor(1.0))

    def discriminator(self, x):
        return self.slope * x[:, 0]

    def real(self, batch):
        return (torch.full((5, 1), 2.0),)

    def fake(self, batch):
        return (self.place * torch.ones(5, 1),)


def test_losses_are_those_of_the_papers():
    toy, logistic = Toy(), lambda d: 1 / (1 + math.exp(-d))
    plain = -math.log(logistic(6)) - math.log(1 - logistic(3))
    assert gan.adversarial()["discriminator"](toy, ()).item() == pytest.approx(plain, rel=1e-6)
    # R1: γ/2 · slope², and here the slope is 3.
    assert gan.adversarial(penalty=0.5)["discriminator"](toy, ()).item() == pytest.approx(plain + 0.25 * 9, rel=1e-6)
    assert gan.adversarial()["generator"](toy, ()).item() == pytest.approx(-math.log(logistic(3)), rel=1e-6)
    minimax = gan.adversarial(saturating=True)["generator"](toy, ())
    assert minimax.item() == pytest.approx(math.log(1 - logistic(3)), rel=1e-6)


def test_the_penalty_has_the_gradient_of_the_penalty():
    toy = Toy()
    losses = [gan.adversarial(penalty)["discriminator"](toy, ()) for penalty in (0.0, 0.5)]
    without, with_it = (torch.autograd.grad(loss, toy.slope)[0] for loss in losses)
    assert float(with_it - without) == pytest.approx(0.5 * 3, rel=1e-5)


def test_both_generator_losses_push_the_same_way_but_only_one_hard_where_it_matters():
    toy = Toy()
    toy.place.data.fill_(-3.0)  # the discriminator is sure: d = -9
    slopes = [
        float(torch.autograd.grad(gan.adversarial(saturating=s)["generator"](toy, ()), toy.place)[0])
        for s in (True, False)
    ]
    assert all(slope < 0 for slope in slopes), "towards the data"
    assert slopes[1] / slopes[0] > 1000, "minimax has no slope where the discriminator is sure"


@pytest.mark.parametrize("penalty", [-1.0, math.nan, math.inf])
def test_penalties_that_make_no_sense(penalty):
    with pytest.raises(ValueError, match="penalty must be >= 0"):
        gan.adversarial(penalty)


def test_a_gan_learns_decays_along_the_flight_and_a_seed_says_all():
    source = torch.Generator().manual_seed(1)
    condition = torch.rand(8192, 3, generator=source)
    # Decays along the flight with a probability that depends on the cluster: cosθ between -1 and 1 for a condition of
    # 0, only forward for one of 1.
    cosine = 1 - (2 - condition[:, 0]) * torch.rand(8192, generator=source)
    phi = 2 * math.pi * torch.rand(8192, generator=source)
    sine = (1 - cosine**2).sqrt()
    truth = gan.Decays(condition, torch.stack([sine * phi.cos(), sine * phi.sin(), cosine], 1))
    ends = []
    for _ in range(2):
        with torch_seed(7):
            network = gan.DecayGAN(gan.DecayGenerator(condition), gan.DecayDiscriminator(condition))
        before = gan.AngleScore(truth)(network)
        train(
            network, Table(*truth), gan.adversarial(1.0), epochs=8, batch_size=128, rng=7, lr=1e-3, lr_end=1e-4,
            betas=(0.0, 0.9), average=0.99, progress=False,
        )  # fmt: skip
        ends.append(torch.cat([w.flatten() for w in network.parameters()]).detach())
    assert torch.equal(*ends)
    assert gan.AngleScore(truth)(network) < before / 4
    with torch.no_grad(), torch_seed(8):
        made = network.generator.sample(condition)[:, 2]
    for low in (0.0, 0.5):  # and it knows which clusters
        of = (condition[:, 0] >= low) & (condition[:, 0] < low + 0.5)
        assert float(made[of].mean()) == pytest.approx(float(cosine[of].mean()), abs=0.06)
