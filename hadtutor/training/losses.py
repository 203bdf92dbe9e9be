"""The loss of a classifier with weighted events, and networks applied in batches."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits


def classifier_loss(model, batch):
    """Mean binary cross-entropy of logits; a batch is (inputs, label) or (inputs, label, weight).

    Its minimum over all functions is the logarithm of the likelihood ratio, if both classes weigh the same.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits of shape (batch,) or (batch, 1).
    batch : tuple
        Inputs, labels 0 or 1 of shape (batch,), and if the events are weighted weights of shape (batch,).

    Returns
    -------
    Tensor
        With weights Σ w·loss / batch, so weights should be 1 on average.
    """
    x, label, *weight = batch
    logit = model(x).reshape(len(label))
    loss = binary_cross_entropy_with_logits(logit, label.to(logit.dtype), reduction="none")
    return (loss * weight[0]).mean() if weight else loss.mean()


def evaluate(model, data, batch_size=8192):
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
    was_training = model.training
    model.eval()
    with torch.no_grad():
        out = [model(data[index][0]) for index in torch.arange(len(data)).split(batch_size)]
    model.train(was_training)
    return torch.cat(out)


def _mean_loss(model, loss, data, batch_size):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for index in torch.arange(len(data)).split(max(batch_size, 4096)):
            total += len(index) * float(loss(model, data[index]))
    return total / len(data)
