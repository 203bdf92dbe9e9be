import pytest
import torch
from gans import ALPHA, random_directions
from scipy import stats
from torch import nn

from hadtutor import gan
from hadtutor.kinematics.tensor import (
    directions,
)


def test_angle_distance_of_a_shift_is_the_shift():
    scaled = torch.stack([torch.linspace(-0.5, 0.5, 101), torch.linspace(-0.4, 0.4, 101)], 1).double()
    shifted = scaled + torch.tensor([0.1, 0.05])
    assert gan.angle_distance(directions(scaled), directions(shifted)) == pytest.approx(0.075)


def test_sampling_floor_falls_with_the_root_of_n_and_scales_where_data_are_few():
    many = random_directions(64_000)
    large, small = gan.sampling_floor(many, 4000, repeats=40), gan.sampling_floor(many, 1000, repeats=40)
    assert small / large == pytest.approx(2.0, rel=0.2)
    scaled = gan.sampling_floor(many[:4000], 4000, repeats=40)
    assert scaled == pytest.approx(large, rel=0.25), "measured on halves of 2000 and scaled"
    with pytest.raises(ValueError, match="at least four directions, got 3"):
        gan.sampling_floor(many[:3])


class Isotropic(nn.Module):
    n_noise = 3

    def forward(self, condition, noise):
        return nn.functional.normalize(noise)


def test_score_of_the_truth_is_near_its_floor_and_the_same_every_time():
    truth = gan.Decays(torch.zeros(4000, 3), random_directions(4000, torch.float32))
    score, network = gan.AngleScore(truth), nn.Module()
    network.generator = Isotropic()
    assert score(network) == score(network)
    assert score(network) < 2.5 * score.floor


def test_chi2_of_the_same_law_has_uniform_p_and_sees_a_corner_that_the_distance_misses():
    """Twenty times as many made as true; p > 1e-3."""
    p_values = []
    for seed in range(100):
        made, true = (random_directions(n, seed=2 * seed + k) for k, n in enumerate((20_000, 1000)))
        p_values.append(gan.polar_chi2(made, true, bins=10).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > ALPHA
    hole = made[made[:, 2] < 0.98]  # a bin of 40 is empty, one per cent of all
    assert gan.polar_chi2(hole, random_directions(14_000, seed=999)).p_value < ALPHA
    assert gan.angle_distance(hole, made) < 0.01


def test_chi2_wants_directions():
    with pytest.raises(ValueError, match="must have entries"):
        gan.polar_chi2(random_directions(100), random_directions(0))
