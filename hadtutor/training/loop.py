"""The loop over epochs and batches."""

import json
import math
import pathlib
import time
from collections.abc import Mapping

import torch

from .._support.bars import Progress
from ..nets.layers import torch_seed
from .batches import Clouds, Table, _of
from .losses import _mean_loss
from .state import _Run, _seed_of


def train(
    model,
    data,
    loss,
    *,
    epochs,
    batch_size=512,
    seed,
    lr=1e-3,
    lr_end=None,
    betas=(0.9, 0.999),
    validate=None,
    keep_best=True,
    patience=None,
    average=None,
    checkpoint=None,
    progress=True,
):
    """Train a network with Adam, in place.

    Parameters
    ----------
    model : torch.nn.Module
        On whatever device it is. It ends up with the weights of the best epoch, and does so too if the training is
        interrupted or fails.
    data : Table, Clouds, or anything with ``len`` that gives a batch for a tensor of event numbers
        On the same device.
    loss : callable, or mapping of str to callable
        ``loss(model, batch)`` gives a number to be made small. A mapping names parts of the model, ``{"discriminator":
        loss_d, "generator": loss_g}``: for every batch each of them in turn takes a step down its own loss.
    epochs : int
        Passes through the data.
    batch_size : int
        Events per step; the last batch of an epoch may be smaller.
    seed : int
        Everything random in here, the order of events, noise, and dropout, follows from it and the epoch.
    lr, lr_end : float or mapping of str to float
        Step size of Adam at the start, and at the end of a cosine; by default it stays the same.
    betas : tuple of float
        Adam's memory of gradient and squared gradient.
    validate : callable, or Table or Clouds, optional
        ``validate(model)`` gives a number after each epoch, the smaller the better; for data it is the loss on them.
        Without it the last epoch counts as best.
    keep_best : bool
        Whether the model ends up with the weights of the best epoch. If not, the validation is only watched, and the
        last epoch counts.
    patience : int, optional
        Stop if the validation has not improved for so many epochs.
    average : float, optional
        Keep an exponential moving average of the weights, of which a step keeps this share, such as 0.999; validation
        and result are those of the average. Adversarial networks circle about their goal: the average is closer.
    checkpoint : str or Path, optional
        File to write after each epoch, and to go on from if it exists.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Log

    Raises
    ------
    TrainingError
        If a loss, its gradient or the validation is not finite; the message names player, epoch and step.
    DataFileError
        If the checkpoint is damaged, or belongs to another training.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from hadtutor.nets import MLP, torch_seed
    >>> from hadtutor.training import classifier_loss
    >>> x = torch.linspace(-1, 1, 256).reshape(-1, 1)
    >>> with torch_seed(1):
    ...     net = MLP(1, 16, 1)
    >>> log = train(net, Table(x, (x[:, 0] > 0).float()), classifier_loss, epochs=20, batch_size=32, seed=1, lr=0.01)
    >>> log.loss["loss"][-1] < 0.2
    True
    """
    players = dict(loss) if isinstance(loss, Mapping) else {"loss": loss}
    if len(data) == 0 or epochs < 1 or batch_size < 1:
        raise ValueError(f"training wants data, epochs and a batch size, got {len(data)}, {epochs} and {batch_size}")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least one epoch, got {patience!r}")
    if patience is not None and not keep_best:
        raise ValueError("patience waits for a better epoch: it goes with keep_best=True")
    if average is not None and not 0 <= average < 1:
        raise ValueError(f"average must be >= 0 and < 1, got {average!r}")
    if isinstance(validate, (Table, Clouds)):
        if isinstance(loss, Mapping):
            raise ValueError("players have a loss each: give `validate` as a function of the model")
        held_out, validate = validate, lambda net: _mean_loss(net, loss, held_out, batch_size)
    betas = tuple(float(beta) for beta in betas)
    parts = {name: model.get_submodule(name) if isinstance(loss, Mapping) else model for name in players}
    optimisers = {
        name: torch.optim.Adam(part.parameters(), lr=float(_of(lr, name)), betas=betas) for name, part in parts.items()
    }
    run = _Run(model, parts, optimisers, average, keep_best)
    settings = {
        "events": len(data), "epochs": epochs, "batch_size": batch_size, "seed": seed, "lr": lr, "lr_end": lr_end,
        "betas": list(betas), "average": average, "keep_best": keep_best,
        "players": list(players), "dtypes": sorted({str(tensor.dtype) for tensor in model.state_dict().values()}),
        "shapes": {name: list(tensor.shape) for name, tensor in model.state_dict().items()},
    }  # fmt: skip
    settings = json.loads(json.dumps(settings, default=float))  # NumPy's numbers become Python's
    if checkpoint is not None and pathlib.Path(checkpoint).exists():
        run.restore(checkpoint, settings)
    log = run.log
    n_steps = math.ceil(len(data) / batch_size)
    device = next(model.parameters()).device
    start = time.monotonic() - log.seconds
    finished = log.stopped_early
    try:
        with Progress(epochs * n_steps, "step", progress) as bar:
            bar.update(log.n_epochs * n_steps)
            for epoch in range(log.n_epochs, epochs):
                if finished:
                    break
                with torch_seed(_seed_of(seed, epoch)):
                    order = torch.randperm(len(data)).to(device)
                    sums = dict.fromkeys(players, 0.0)
                    model.train()
                    for step, index in enumerate(order.split(batch_size)):
                        done = (epoch + step / n_steps) / epochs
                        for name, objective in players.items():
                            first, last = _of(lr, name), _of(lr_end if lr_end is not None else lr, name)
                            rate = last + 0.5 * (first - last) * (1 + math.cos(math.pi * done))
                            sums[name] += run.step(name, objective, data[index], rate, epoch, step)
                        run.follow()
                        bar.update()
                    log_value = run.validated(validate, epoch)
                for name, total in sums.items():
                    log.loss.setdefault(name, []).append(total / n_steps)
                run.note(log_value, epoch)
                finished = patience is not None and validate is not None and epoch - log.best_epoch >= patience
                log.stopped_early = finished
                log.seconds = time.monotonic() - start
                if checkpoint is not None:
                    run.save(checkpoint, settings)
    finally:
        run.release()
        if run.best is not None:
            model.load_state_dict(run.best)
        model.eval()
    return log
