"""Decays of clusters by a flow of cosθ, where GANs learn directions."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import takes_rng
from ..gan.directions import Decays
from ..training.state import Log
from .density import Flow
from .splines import SplineFlow


class DecayFlow(nn.Module):
    r"""A flow of the polar angle of decays about the flight of the cluster; all azimuths are equally probable.

    It is a generator as `hadtutor.gan.DecayGenerator`, so that `hadtutor.gan.as_decay` makes of it a law for
    `hadronize_clusters`. Untrained it is isotropic.

    Parameters
    ----------
    truth : Decays
        See `hadtutor.gan.decays`.
    kind : type of Flow
        `SplineFlow` or `MatchingFlow`.
    rng : numpy.random.Generator or int
    options
        Of the `kind`.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:200]
    >>> truth = ht.gan.decays(ht.hadronize_clusters(showers, rng=1, pions_only=True))
    >>> flow = DecayFlow(truth)
    >>> log = flow.fit(truth, epochs=5, batch_size=256)
    >>> made = ht.hadronize_clusters(showers, rng=2, pions_only=True, decay=ht.gan.as_decay(flow))
    >>> bool(ht.gan.angle_distance(ht.gan.decays(made).direction, truth.direction) < 0.05)
    True
    """

    n_noise = 3

    @takes_rng
    def __init__(
        self, truth: Decays, kind: type[Flow] = SplineFlow, *, rng: np.random.Generator | int = 1, **options: Any
    ) -> None:
        super().__init__()
        self.flow = kind(truth.direction[:, 2:], truth.condition, kinds="cosine", rng=rng, **options)

    def fit(self, truth: Decays, **options: Any) -> Log:
        """Learn from decays, the `truth`; `options` as of `Flow.fit`."""
        return self.flow.fit(truth.direction[:, 2:], truth.condition, **options)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Unit vectors, shape (rows, 3), of `condition`, shape (rows, F), and normal `noise`, shape (rows, 3)."""
        cosine = self.flow.transport(noise[:, :1], condition)
        across = nn.functional.normalize(noise[:, 1:].to(cosine)) * torch.sqrt(1.0 - cosine**2)
        return torch.cat([across, cosine], 1)

    @takes_rng
    def sample(self, condition: Tensor, *, rng: np.random.Generator | int) -> Tensor:
        """Directions for `condition` with `rng`."""
        source = np.random.default_rng(rng)
        noise = torch.as_tensor(source.standard_normal((len(condition), self.n_noise), dtype=np.float32))
        with torch.no_grad():
            return self(condition, noise.to(condition))

    def log_density(self, truth: Decays) -> Tensor:
        r"""Logarithm of the density of directions per solid angle [1/sr], at the decays of `truth`, shape (rows,)."""
        return self.flow.log_density(truth.direction[:, 2:], truth.condition) - np.log(2.0 * np.pi)
