"""What a training is judged by after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from .batches import Clouds, Data, Table


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
