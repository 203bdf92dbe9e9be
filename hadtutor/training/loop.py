"""The loop over epochs and batches."""

import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from .._support.bars import Progress
from .._support.checks import as_seed, number, takes_rng, whole
from ..nets.layers import torch_seed
from . import checkpoint as files
from .batches import Clouds, Data, Table
from .losses import as_validation
from .state import Log, Run, rates_of


@takes_rng
def train(
    model: nn.Module, data: Data, loss: Callable | Mapping[str, Callable], *, epochs: int, batch_size: int = 512,
    rng: np.random.Generator | int = 1, lr: float | Mapping[str, float] = 1e-3,
    lr_end: float | Mapping[str, float] | None = None, betas: tuple[float, float] = (0.9, 0.999),
    validate: Callable[[nn.Module], float] | Table | Clouds | None = None, keep_best: bool = True,
    patience: int | None = None, average: float | None = None, on_epoch: Callable[[nn.Module], object] | None = None,
    checkpoint: str | os.PathLike | None = None, progress: bool = True,
) -> Log:  # fmt: skip
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
    rng : numpy.random.Generator or int
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
        Stop if the validation has not improved for so many epochs; it needs one.
    average : float, optional
        Keep an exponential moving average of the weights, of which a step keeps this share, such as 0.999; validation
        and result are those of the average. Adversarial networks circle about their goal: the average is closer.
    on_epoch : callable, optional
        ``on_epoch(model)`` is called after each epoch, before the validation, with the model in evaluation.
    checkpoint : str or Path, optional
        File to write after each epoch, and to go on from if it exists. It belongs to these data, this network, loss and
        validation, and these settings. A function is known by its code and the data in its closure, a loss by the
        numbers there, too.
    progress : bool

    Raises
    ------
    TrainingError, DataFileError, ValueError
        If a loss, its gradient or the validation is not finite (the message names player, epoch and step); if the
        checkpoint is damaged, or belongs to another training; if an argument is out of range, or does not fit another.

    Examples
    --------
    >>> from hadtutor.nets import MLP, torch_seed
    >>> from hadtutor.training import classifier_loss
    >>> x = torch.linspace(-1, 1, 256).reshape(-1, 1)
    >>> with torch_seed(1):
    ...     net = MLP(1, 16, 1)
    >>> log = train(net, Table(x, (x[:, 0] > 0).float()), classifier_loss, epochs=20, batch_size=32, rng=1, lr=0.01)
    >>> log.loss["loss"][-1] < 0.2
    True
    """
    seed, epochs, batch_size = as_seed(rng), whole(epochs, "epochs"), whole(batch_size, "batch_size")
    players = dict(loss) if isinstance(loss, Mapping) else {"loss": loss}
    _check(data, players, validate, keep_best, patience, average)
    judge = as_validation(validate, loss, batch_size)
    rates, betas = rates_of(players, lr, lr_end), (float(betas[0]), float(betas[1]))
    parts = {name: model.get_submodule(name) if isinstance(loss, Mapping) else model for name in players}
    run, settings = Run(model, parts, rates, betas, average), {}
    if checkpoint is not None:
        settings = {
            "events": len(data), "epochs": epochs, "batch_size": batch_size, "rng": seed, "lr": lr, "lr_end": lr_end,
            "betas": betas, "average": average, "keep_best": keep_best, "patience": patience,
            "players": list(players), "loss": files.fingerprint(loss), "data": files.of_data(data),
            "validate": files.fingerprint(validate, files.DATA),  # judges keep books, and their numbers change
        }  # fmt: skip
        settings = json.loads(json.dumps(settings | files.of_network(model), default=float))  # NumPy's numbers, too
        if pathlib.Path(checkpoint).expanduser().exists():
            files.restore(checkpoint, run, settings)
    log, n_steps, device = run.log, math.ceil(len(data) / batch_size), next(model.parameters()).device
    start = time.monotonic() - log.seconds
    try:
        with Progress(epochs * n_steps, "step", progress, done=log.n_epochs * n_steps) as bar:
            for epoch in range(log.n_epochs, 0 if log.stopped_early else epochs):
                with torch_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]) >> 1):
                    order = torch.randperm(len(data)).to(device)
                    sums = dict.fromkeys(players, 0.0)
                    model.train()
                    for step, index in enumerate(order.split(batch_size)):
                        done, where = (epoch + step / n_steps) / epochs, f"epoch {epoch}, step {step}"
                        for name, objective in players.items():
                            sums[name] += run.step(name, objective, data[index], done, where)
                        run.follow()
                        bar.update()
                    value = run.judged(judge, on_epoch, epoch)
                run.note({name: total / n_steps for name, total in sums.items()}, value, epoch, keep_best)
                log.stopped_early = patience is not None and epoch - log.best_epoch >= patience
                log.seconds = time.monotonic() - start
                if checkpoint is not None:
                    files.save(checkpoint, run, settings)
                if log.stopped_early:
                    break
    finally:
        run.close()
    return log


def _check(data, players, validate, keep_best, patience, average):
    if len(data) == 0 or not players:
        raise ValueError(f"training wants events and a loss, got {len(data)} events and {len(players)} losses")
    if patience is not None:
        whole(patience, "patience")
        if validate is None or not keep_best:
            raise ValueError("patience waits for a better epoch: it goes with `validate` and keep_best=True")
    if average is not None and not 0 <= number(average, "average", 0.0) < 1:
        raise ValueError(f"average must be >= 0 and < 1, got {average!r}")
