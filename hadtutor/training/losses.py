"""The loss of a classifier, networks applied in batches, and what a training is judged by after each epoch."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from .._support.checks import whole
from .batches import Clouds, Data, Table


def classifier_loss(model: nn.Module, batch: tuple) -> Tensor:
    """Mean binary cross-entropy of logits; a batch is (inputs, label) or (inputs, label, weight).

    Its minimum over all functions is the logarithm of the likelihood ratio, if both classes weigh the same. With
    weights it is Σ w·loss / batch, so they should be 1 on average.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits of shape (batch,) or (batch, 1).
    batch : tuple
        Inputs, labels 0 or 1, and weights if there are any, of shape (batch,) or (batch, 1); else a ValueError.
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
    """Output of `model` for all events of `data`, shape (N, ...), in pieces of `batch_size` and without gradients.

    It sees the first entry of each batch.
    """
    pieces = torch.arange(len(data)).split(whole(batch_size, "batch_size"))
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return torch.cat([model(data[index][0]) for index in pieces])
    finally:
        model.train(was_training)


def as_validation(validate: Any, loss: Any, batch_size: int) -> Callable[[nn.Module], float] | None:
    """The argument `validate` of `train` as a function of the network: for data it is the loss on them."""
    if not isinstance(validate, (Table, Clouds)):
        if validate is not None and not callable(validate):
            raise TypeError(f"validate must be a function of the model, a Table or Clouds, got {validate!r}")
        return validate
    if isinstance(loss, Mapping):
        raise ValueError("players have a loss each: give `validate` as a function of the model")
    if len(validate) == 0:
        raise ValueError("the data to validate with have no events")
    return lambda model: mean_loss(model, loss, validate, batch_size)


def mean_loss(model: nn.Module, loss: Callable, data: Data, batch_size: int) -> float:
    """Mean of a loss over all events, in evaluation and without gradients."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for index in torch.arange(len(data)).split(max(batch_size, 4096)):
            total += len(index) * float(loss(model, data[index]))
    return total / len(data)
