"""The sliced-Wasserstein autoencoder: a network that learns samples, sorted, in place of a density."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import as_generator, as_seed, plain, takes_rng, whole
from ..nets.layers import MLP, Standardise, torch_seed
from ..training.batches import Table
from ..training.loop import train
from ..training.state import Log
from .chain import Emission
from .density import two_dimensional

SLICES = 50  # directions in which latent numbers are compared, drawn anew for each batch


def sorted_vectors(x: Any, size: int = 100) -> np.ndarray:
    """Numbers in vectors of `size`, each sorted, shape (vectors, size); the rest of `x`, shape (N,), is left out.

    Sorted, a vector is a rough quantile function: one number of it says where the law is, all of them what it is.
    """
    x, size = plain(x, "x"), whole(size, "size", 2)
    if x.ndim != 1 or len(x) < size or not np.isfinite(x).all():
        raise ValueError(f"x must hold at least {size} finite numbers, one after the other, got shape {x.shape}")
    return np.sort(x[: len(x) // size * size].reshape(-1, size), axis=1)


class SlicedAutoencoder(nn.Module):
    r"""An autoencoder of sorted vectors with normal latent numbers :cite:p:`ilten2023modeling,kolouri2019sliced`.

    An encoder squeezes a vector into few latent numbers, a decoder restores it. Besides the error of that, training
    makes small how far latent numbers are from normal ones: sorted along random directions, both must agree. Then the
    decoder of normal numbers gives new vectors. Latent numbers and conditions are compared together, so that those of
    each condition are normal.

    Parameters
    ----------
    vectors : array_like or Tensor, shape (rows, size)
        See `sorted_vectors`.
    condition : array_like or Tensor, shape (rows, C)
        What is known of each vector, such as the energy of the string.
    n_latent : int
        Number of latent numbers.
    hidden : tuple of int
        Hidden neurons of the encoder; the decoder has them in reversed order.
    rng : numpy.random.Generator or int
        Of the first weights.

    Examples
    --------
    >>> x = np.random.default_rng(1).exponential(size=100_000)
    >>> vectors, condition = sorted_vectors(x), np.ones((1000, 1))
    >>> model = SlicedAutoencoder(vectors, condition)
    >>> log = model.fit(vectors, condition, epochs=20)
    >>> bool(abs(model.sample(np.ones((10_000, 1)), rng=1).mean() - 1.0) < 0.2)
    True
    """

    @takes_rng
    def __init__(
        self, vectors: Any, condition: Any, *, n_latent: int = 2, hidden: tuple[int, ...] = (64, 64),
        rng: np.random.Generator | int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        vectors, condition = two_dimensional(vectors, "vectors"), two_dimensional(condition, "condition")
        self.n_latent, size, n_known = whole(n_latent, "n_latent"), vectors.shape[1], condition.shape[1]
        self.scale, self.known = Standardise(vectors.float()), Standardise(condition.float())
        with torch_seed(rng):
            self.encoder = MLP(size + n_known, *hidden, self.n_latent)
            self.decoder = MLP(self.n_latent + n_known, *reversed(hidden), size)

    @takes_rng
    def fit(
        self, vectors: Any, condition: Any, *, epochs: int = 50, batch_size: int = 500, lr: float = 2e-3,
        strength: float = 1.0, rng: np.random.Generator | int = 1, **options: Any,
    ) -> Log:  # fmt: skip
        """Learn from data, in place.

        Parameters
        ----------
        vectors, condition : array_like or Tensor, shape (rows, size), (rows, C)
        epochs, batch_size, lr, rng
            As of `hadtutor.training.train`; the step size falls to 0.
        strength : float
            Of the sliced distance, beside the mean squared error.
        options
            Others of `hadtutor.training.train`.
        """
        data = Table(self.scale(two_dimensional(vectors, "vectors").float()), self._scaled(condition))

        def loss(model, batch):
            x, known = batch
            latent = model.encoder(torch.cat([x, known], 1))
            restored = model.decoder(torch.cat([latent, known], 1))
            wanted = torch.cat([torch.randn_like(latent), known[torch.randperm(len(known), device=known.device)]], 1)
            return ((restored - x) ** 2).mean() + strength * sliced_distance(torch.cat([latent, known], 1), wanted)

        options = {"lr_end": 0.0, "progress": False} | options
        return train(self, data, loss, epochs=epochs, batch_size=batch_size, lr=lr, rng=rng, **options)

    def latent(self, vectors: Any, condition: Any) -> Tensor:
        """Latent numbers of `vectors` under a `condition`, shape (rows, n_latent)."""
        with torch.no_grad():
            x = self.scale(two_dimensional(vectors, "vectors").float())
            return self.encoder(torch.cat([x, self._scaled(condition)], 1))

    @takes_rng
    def sample(self, condition: Any, *, rng: np.random.Generator | int) -> Tensor:
        """One number for each row of `condition`, shape (rows,): a random one of a new vector, by `rng`."""
        source, known = torch.Generator().manual_seed(as_seed(rng)), self._scaled(condition)
        with torch.no_grad():
            latent = torch.randn(len(known), self.n_latent, generator=source, dtype=known.dtype)
            place = torch.randint(self.scale.mean.numel(), (len(known), 1), generator=source).to(known.device)
            new = self.decoder(torch.cat([latent.to(known), known], 1)) * self.scale.spread + self.scale.mean
            return new.gather(1, place)[:, 0]

    def _scaled(self, condition):
        return self.known(two_dimensional(condition, "condition").to(self.known.mean))


def sliced_distance(one: Tensor, other: Tensor, n: int = SLICES) -> Tensor:
    """Mean squared Wasserstein distance along `n` random directions of `one` and `other`, both of shape (rows, D)."""
    directions = nn.functional.normalize(torch.randn(one.shape[1], n, dtype=one.dtype, device=one.device), dim=0)
    apart = (one @ directions).sort(0).values - (other @ directions).sort(0).values
    return (apart**2).mean()


@takes_rng
def autoencoder_emission(
    p_z: SlicedAutoencoder, p_t: SlicedAutoencoder, energy: float, *, rng: np.random.Generator | int, n: int = 100_000
) -> Emission:
    r"""Emissions as published: p_z and p_T by networks of their own, :math:`p_z' = p_z M / E` for a string of mass M.

    Parameters
    ----------
    p_z, p_t : SlicedAutoencoder
        Of the longitudinal and of the transverse momentum [GeV], conditioned on the energy of the string.
    energy : float
        E, of the strings that they have learned from [GeV].
    rng : numpy.random.Generator or int
    n : int
        So many emissions of each are made at once, and chains draw from them.
    """
    generator = as_generator(rng)
    pools = [model.sample(np.full((n, 1), energy), rng=generator).double().numpy() for model in (p_z, p_t)]

    def emit(mass, source):
        along, across = (source.choice(pool, len(mass)) for pool in pools)
        return along * mass / energy, abs(across)

    return emit
