"""The first of these GANs as it was published: angles in the axes of the lab, from the momentum of the cluster."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import whole
from ..kinematics.tensor import angles, helicity_axes, rotate
from ..nets.layers import MLP
from .directions import decays, leading, momenta, pair_rows
from .networks import Players


class LabDecays(NamedTuple):
    """Decays of clusters in two hadrons as :cite:t:`ghosh2022towards` showed them to networks, see `lab_decays`.

    `condition`, float32 of shape (rows, 6): four-momentum of the cluster and masses of the leading hadron and of the
    other [GeV]. `angles`, float32 of shape (rows, 2): azimuth and polar angle of the leading hadron in the rest frame
    of the cluster, about the axes of the lab, scaled to ±1 as by `hadtutor.kinematics.tensor.angles`. `pid`, int64 of
    shape (rows,): its species; `perturbative`, bool of shape (rows,): whether the cluster has such a constituent.
    """

    condition: Tensor
    angles: Tensor
    pid: Tensor
    perturbative: Tensor

    def where(self, keep: Any) -> "LabDecays":
        """Some of the decays: `keep` is a mask, row numbers, or a slice."""
        return LabDecays(*(column[keep] for column in self))


def lab_decays(sample: Any) -> LabDecays:
    """All decays in two hadrons of a `sample` of clusters, in the order of the clusters; else a TypeError.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:200]
    >>> truth = lab_decays(ht.hadronize_clusters(showers, rng=1, pions_only=True))
    >>> tuple(truth.condition.shape), bool(truth.angles[truth.perturbative].mean(0).abs().max() < 0.1)
    ((2105, 6), True)
    """
    rows, first = pair_rows(sample)
    known, p = decays(sample), momenta(sample.histories)[rows]
    direction = rotate(known.direction.double(), helicity_axes(p[:, :3]))
    leads = np.where(leading(sample.histories)[rows] > 0, first, first + 1)
    hadrons = momenta(sample.hadrons)
    mass = (hadrons[:, 3] ** 2 - hadrons[:, :3].square().sum(1)).clamp(min=0).sqrt()
    condition = torch.cat([p, mass[leads, None], mass[2 * first + 1 - leads, None]], 1)
    pid = torch.as_tensor(sample.hadrons.pid[leads].astype(np.int64))
    return LabDecays(condition.float(), angles(direction).float(), pid, known.perturbative)


class AngleGenerator(nn.Module):
    """Two angles, scaled to ±1 by a tanh, of momenta of clusters and noise; with batch normalisation and LeakyReLU.

    Parameters
    ----------
    condition : Tensor, shape (rows, F)
        Conditions of a sample: each column is divided by the largest in it.
    hidden : tuple of int
        Hidden neurons; as published, twice 256.
    n_noise : int
        Random numbers, 10 as published.

    Examples
    --------
    >>> condition = torch.tensor([[1.0, 2.0, -20.0, 21.0], [0.5, -1.0, 3.0, 4.0]])
    >>> AngleGenerator(condition).sample(condition).shape
    torch.Size([2, 2])
    """

    largest: Tensor

    def __init__(self, condition: Tensor, *, hidden: tuple[int, ...] = (256, 256), n_noise: int = 10) -> None:
        super().__init__()
        self.n_noise = whole(n_noise, "n_noise")
        largest = condition.abs().amax(0)
        self.register_buffer("largest", torch.where(largest > 0, largest, 1.0))
        layers: list[nn.Module] = []
        for n_in, n_out in zip((condition.shape[1] + n_noise, *hidden), hidden):
            layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(hidden[-1], 2), nn.Tanh())

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Angles, shape (rows, 2), of `condition`, shape (rows, F), and normal `noise`, shape (rows, n_noise)."""
        return self.net(torch.cat([condition / self.largest, noise], 1))

    def sample(self, condition: Tensor) -> Tensor:
        """Angles for `condition` with noise from torch's global generator."""
        return self(condition, torch.randn(len(condition), self.n_noise, device=condition.device))


class AngleGAN(Players):
    """Both players of the published game; a batch begins with condition and angles.

    The discriminator, two layers as wide as the generator's, sees nothing of the cluster.

    Parameters
    ----------
    generator : AngleGenerator
    hidden : tuple of int
        Hidden neurons of the discriminator.

    Examples
    --------
    >>> from hadtutor.gan import adversarial
    >>> from hadtutor.training import Table, train
    >>> condition, angles = torch.rand(64, 4), torch.rand(64, 2)
    >>> gan = AngleGAN(AngleGenerator(condition))
    >>> train(gan, Table(condition, angles), adversarial(), epochs=2, batch_size=32, lr=1e-4).n_epochs
    2
    """

    def __init__(self, generator: nn.Module, *, hidden: tuple[int, ...] = (256, 256)) -> None:
        super().__init__(generator, MLP(2, *hidden, 1, activation=nn.LeakyReLU, dtype=torch.float32))

    def real(self, batch: tuple) -> tuple[Tensor]:
        return (batch[1],)

    def fake(self, batch: tuple) -> tuple[Tensor]:
        return (self.generator.sample(batch[0]),)
