"""The loss of a classifier with weighted events, and networks applied in batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from .._support.checks import whole
from .batches import Data


def classifier_loss(model: nn.Module, batch: tuple) -> Tensor:
    """Mean binary cross-entropy of logits; a batch is (inputs, label) or (inputs, label, weight).

    Its minimum over all functions is the logarithm of the likelihood ratio, if both classes weigh the same.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits of shape (batch,) or (batch, 1).
    batch : tuple
        Inputs, labels 0 or 1, and if the events are weighted weights, these two of shape (batch,) or (batch, 1).

    Returns
    -------
    Tensor
        With weights Σ w·loss / batch, so weights should be 1 on average.

    Raises
    ------
    ValueError
        If the batch has other parts, or logits, labels and weights are not one number for each event.
    """
    if len(batch) not in (2, 3):
        raise ValueError(f"a batch must be (inputs, label) or (inputs, label, weight), got {len(batch)} parts")
    n = (*batch[1].shape, 0)[0]
    label, *weight = (_one_each(column, n, name) for column, name in zip(batch[1:], ("label", "weight")))
    logit = _one_each(model(batch[0]), n, "logit")
    loss = binary_cross_entropy_with_logits(logit, label.to(logit.dtype), reduction="none")
    return (loss * weight[0]).mean() if weight else loss.mean()


def _one_each(column: Tensor, n: int, name: str) -> Tensor:
    """Shape (n,): what has another shape would be broadcast against the other columns, to n x n numbers."""
    if column.shape not in ((n,), (n, 1)):
        raise ValueError(f"{name} wants one number for each of {n} events, shape ({n},), got {tuple(column.shape)}")
    return column.reshape(n)


def evaluate(model: nn.Module, data: Data, *, batch_size: int = 8192) -> Tensor:
    """Output of a network for all events, in pieces and without gradients.

    Parameters
    ----------
    model : torch.nn.Module
    data : Table or Clouds
        The network sees the first entry of each batch.
    batch_size : int

    Returns
    -------
    Tensor, shape (N, ...)
    """
    pieces = torch.arange(len(data)).split(whole(batch_size, "batch_size"))
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return torch.cat([model(data[index][0]) for index in pieces])
    finally:
        model.train(was_training)
