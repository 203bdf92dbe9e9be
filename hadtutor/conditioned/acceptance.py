"""h(state): how often a chain that has come so far will be accepted, learned from chains of both kinds."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from .._support.checks import Rng, as_generator, as_seed, number, plain, takes_rng, whole
from .._support.kernels import kernel
from ..events.sample import Sample
from ..nets.layers import MLP, Standardise, torch_seed
from ..params import LundParams
from ..training import Table, classifier_loss, train
from .states import N_FEATURES, States, states_of, straight


@kernel(forceinline=True)
def probability(x, layers, one, two):
    """h for the features `x`; `one` and `two` are room for the hidden layers."""
    w_1, b_1, w_2, b_2, w_3, b_3 = layers
    n_1, n_2 = len(b_1), len(b_2)
    # Inputs outside, so that the compiler can work on many neurons at once.
    for k in range(n_1):
        one[k] = b_1[k]
    for i in range(w_1.shape[0]):
        for k in range(n_1):
            one[k] += x[i] * w_1[i, k]
    for k in range(n_2):
        two[k] = b_2[k]
    for i in range(n_1):
        if one[i] > 0.0:
            for k in range(n_2):
                two[k] += one[i] * w_2[i, k]
    logit = b_3[0]
    for i in range(n_2):
        logit += max(two[i], 0.0) * w_3[i, 0]
    return 1.0 / (1.0 + np.exp(-logit))


@kernel
def _fill(features, layers, h):
    one, two = np.empty_like(layers[1]), np.empty_like(layers[3])
    for i in range(len(features)):
        h[i] = probability(features[i], layers, one, two)


@dataclass(frozen=True, eq=False)
class Acceptance:
    """A small network for h, made by `learn_acceptance`; call it with `States` or their features.

    Attributes
    ----------
    params : LundParams
        Of the strings that it learned from.
    layers : tuple of ndarray
        Weights, of shape (inputs, outputs), and biases of its three layers, for compiled loops.
    """

    params: LundParams
    layers: tuple[np.ndarray, ...]

    def __call__(self, states: States | np.ndarray) -> np.ndarray:
        """h of `states`, or of their features, shape (S, 6): shape (S,)."""
        x = states.features if isinstance(states, States) else plain(states, "states")
        if x.ndim != 2 or x.shape[1] != N_FEATURES or not np.isfinite(x).all():
            raise ValueError(f"states must have finite features of shape (S, {N_FEATURES}), got shape {x.shape}")
        h = np.empty(len(x))
        _fill(x.astype(np.float32), self.layers, h)
        return h


@takes_rng
def learn_acceptance(
    sample: Sample, *, rng: Rng, epochs: int = 8, hidden: int = 32, lr: float = 4e-3, progress: bool = True
) -> Acceptance:
    """Learn h from the states of accepted and rejected chains: a classifier whose output is used as a probability.

    Parameters
    ----------
    sample : Sample
        Straight strings of `hadtutor.hadronize_strings`, with rejected chains. h depends on the mass that is left and
        not on that of the whole string, so that one energy serves for others; a higher one knows more.
    rng : numpy.random.Generator or int
    epochs : int
        Passes through the states.
    hidden : int
        Neurons in each of two layers.
    lr : float
        Step size at the start; it falls to a hundredth.
    progress : bool

    Raises
    ------
    TypeError, ValueError
        If the sample is not one of straight strings with histories, or has no rejected chains to learn from.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(2000, rng=1)
    >>> h = learn_acceptance(sample, rng=2, epochs=1, progress=False)
    >>> states = states_of(sample)
    >>> h(states).shape == states.chain.shape
    True
    """
    hidden, generator = whole(hidden, "hidden"), as_generator(rng)
    if straight(sample).law is not None or sample.histories.accepted.all():
        why = f"z was drawn by {sample.law}" if sample.law is not None else "all chains are accepted"
        raise ValueError(f"h is learned from accepted and rejected chains, but {why}; take hadronize_strings")
    number(lr, "lr", 0.0, above=True)
    states = states_of(sample)
    x, label = torch.from_numpy(states.features), torch.from_numpy(states.accepted.astype(np.float32))
    scale = Standardise(x)
    with torch_seed(generator):
        mlp = MLP(N_FEATURES, hidden, hidden, 1, dtype=torch.float32)
    model = nn.Sequential(scale, mlp)
    train(
        model, Table(x, label), classifier_loss, epochs=epochs, batch_size=1024, lr=lr, lr_end=0.01 * lr,
        rng=as_seed(generator), progress=progress,
    )  # fmt: skip
    return Acceptance(cast(LundParams, sample.params), _layers(scale, [m for m in mlp if isinstance(m, nn.Linear)]))


def _layers(scale, linear):
    """Weights as (inputs, outputs), biases; the first layer takes features as they are."""
    arrays = []
    for layer in linear:
        arrays += [np.ascontiguousarray(layer.weight.detach().double().numpy().T), layer.bias.detach().double().numpy()]
    mean, spread = (t.double().numpy() for t in (scale.mean, scale.spread))
    arrays[0] = arrays[0] / spread[:, None]
    arrays[1] = arrays[1] - mean @ arrays[0]
    return tuple(np.ascontiguousarray(a.astype(np.float32)) for a in arrays)
