"""One training loop for every network of the book.

`train` takes a network, data and a loss. Adversarial networks have two losses, one for each player; they are given by
the names of the parts of the network that they train, and take turns.

Every epoch has random numbers of its own, made from the seed and its number. So a training that was interrupted and
goes on from its checkpoint ends where it would have ended anyway, to the last bit on the same machine.
"""

import copy
import hashlib
import io
import json
import math
import os
import pathlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ._progress import Progress
from .files import DataFileError
from .nets import Cloud, torch_seed

__all__ = ["Clouds", "Log", "Paired", "Table", "TrainingError", "classifier_loss", "evaluate", "train"]

MAGIC = b"hadtutor checkpoint 1\n"


class TrainingError(RuntimeError):
    """A loss is not finite, so that the training cannot go on."""


# --- Data ------------------------------------------------------------------------------------------


class Table:
    """Events with one row each; a batch is a tuple of the columns.

    Parameters
    ----------
    *columns : Tensor, shape (N, ...)

    Raises
    ------
    ValueError
        If there is no column, or they differ in length.

    Examples
    --------
    >>> data = Table(torch.arange(4.0), torch.tensor([0, 1, 0, 1]))
    >>> data[torch.tensor([2])]
    (tensor([2.]), tensor([0]))
    """

    def __init__(self, *columns):
        self.columns = tuple(torch.as_tensor(c) for c in columns)
        if not columns or len({len(c) for c in self.columns}) > 1:
            raise ValueError(f"a table wants columns of one length, got {[len(c) for c in self.columns]}")

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, index):
        return tuple(c[index] for c in self.columns)


class Clouds:
    """Events with any number of particles; a batch is a `Cloud`, followed by the columns of its events.

    Parameters
    ----------
    x : Tensor, shape (rows, F)
        Features of all particles.
    offsets : Tensor or ndarray of int64, shape (N + 1,)
        Event i owns the rows ``offsets[i]:offsets[i + 1]``.
    *columns : Tensor, shape (N, ...)
        What else belongs to each event, such as its class.
    weight : Tensor, shape (rows,), optional
        Weights of the particles, for the pooling ``"weighted"``.

    Raises
    ------
    ValueError
        If the offsets do not run from 0 to the number of rows, a column has not one entry for each event, or `weight`
        not one for each row.

    Examples
    --------
    >>> data = Clouds(torch.arange(6.0).reshape(3, 2), [0, 1, 3], torch.tensor([0.0, 1.0]))
    >>> cloud, label = data[torch.tensor([1, 1])]
    >>> cloud.index.tolist(), label.tolist()
    ([0, 0, 1, 1], [1.0, 1.0])
    """

    def __init__(self, x, offsets, *columns, weight=None):
        self.x = torch.as_tensor(x)
        self.offsets = torch.as_tensor(offsets).to(self.x.device)
        self.columns = tuple(torch.as_tensor(c) for c in columns)
        self.weight = None if weight is None else torch.as_tensor(weight)
        ends = self.offsets.tolist()
        if not ends or ends[0] != 0 or ends[-1] != len(self.x) or sorted(ends) != ends:
            raise ValueError(f"offsets must run from 0 to the number of rows, {len(self.x)}, and never decrease")
        if self.weight is not None and len(self.weight) != len(self.x):
            raise ValueError(f"weight wants one entry for each of {len(self.x)} rows, got {len(self.weight)}")
        if any(len(c) != len(self) for c in self.columns):
            raise ValueError(f"columns want one entry for each of {len(self)} events, got {[len(c) for c in columns]}")

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        rows, of = _rows_of(self.offsets, index)
        weight = None if self.weight is None else self.weight[rows]
        return Cloud(self.x[rows], of, len(index), weight), *(c[index] for c in self.columns)


def _rows_of(offsets, index):
    """Rows of the events `index`, and for each row its place in `index`."""
    starts = offsets[index]
    counts = offsets[index + 1] - starts
    of = torch.repeat_interleave(torch.arange(len(index), device=starts.device), counts)
    return torch.arange(len(of), device=starts.device) + (starts - counts.cumsum(0) + counts)[of], of


class Paired:
    """Two data sets side by side, such as simulated and real events; a batch is a pair of their batches.

    Parameters
    ----------
    one, other : Table, Clouds, or the like
        As long as the longer; the shorter is gone through again from its beginning.

    Raises
    ------
    ValueError
        If one of them is empty.

    Examples
    --------
    >>> data = Paired(Table(torch.arange(3)), Table(torch.arange(5)))
    >>> data[torch.tensor([4])]
    ((tensor([1]),), (tensor([4]),))
    """

    def __init__(self, one, other):
        self.one, self.other = one, other
        if len(one) == 0 or len(other) == 0:
            raise ValueError(f"both data sets want events, got {len(one)} and {len(other)}")

    def __len__(self):
        return max(len(self.one), len(self.other))

    def __getitem__(self, index):
        return self.one[index % len(self.one)], self.other[index % len(self.other)]


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


# --- The loop --------------------------------------------------------------------------------------


@dataclass
class Log:
    """What happened during a training.

    Attributes
    ----------
    loss : dict of str to list of float
        Mean loss of each player in each epoch; a single player is called ``"loss"``.
    validation : list of float
        One value for each epoch, smaller is better; empty if there is no validation.
    best_epoch : int
        The epoch that the network was restored to, the first being 0; the last one without validation or `keep_best`.
    seconds : float
        Time spent, over all sessions of an interrupted training.
    stopped_early : bool
        Whether it ended because the validation had not improved for so long.
    """

    loss: dict = field(default_factory=dict)
    validation: list = field(default_factory=list)
    best_epoch: int = -1
    seconds: float = 0.0
    stopped_early: bool = False

    @property
    def n_epochs(self):
        """Number of epochs that were completed."""
        return max((len(values) for values in self.loss.values()), default=0)

    @property
    def best(self):
        """Value of the validation at the best epoch; NaN if there is none."""
        return self.validation[self.best_epoch] if self.validation else math.nan

    def __repr__(self):
        end = f", best {self.best:.5g} in epoch {self.best_epoch}" if self.validation else ""
        return f"Log({self.n_epochs} epochs{end}, {self.seconds:.0f} s)"


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


def _of(value, name):
    return value[name] if isinstance(value, Mapping) else value


def _seed_of(seed, epoch):
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _mean_loss(model, loss, data, batch_size):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for index in torch.arange(len(data)).split(max(batch_size, 4096)):
            total += len(index) * float(loss(model, data[index]))
    return total / len(data)


class _Run:
    """The state of one training: all that a checkpoint holds."""

    def __init__(self, model, parts, optimisers, average, keep_best):
        self.model, self.parts, self.optimisers = model, parts, optimisers
        self.average, self.keep_best = average, keep_best
        # Weights that a user has frozen stay so.
        self.trainable = {name: [w for w in part.parameters() if w.requires_grad] for name, part in parts.items()}
        self.averaged = copy.deepcopy(model) if average is not None else model
        self.n_steps, self.best, self.log = 0, None, Log()

    def step(self, name, objective, batch, rate, epoch, step):
        """One step of one player; returns its loss."""
        optimiser = self.optimisers[name]
        optimiser.param_groups[0]["lr"] = float(rate)
        # The others stand still: no gradients for them.
        for other, weights in self.trainable.items():
            for w in weights:
                w.requires_grad_(other == name)
        optimiser.zero_grad(set_to_none=True)
        value = objective(self.model, batch)
        if not bool(torch.isfinite(value)):
            raise TrainingError(
                f"{name} is {float(value.detach())} in epoch {epoch}, step {step}; look for NaN in the data, or lower "
                f"the step size lr = {rate:.3g}"
            )
        value.backward()
        # A finite loss may have a gradient that is not: the root of zero.
        if not all(bool(torch.isfinite(w.grad).all()) for w in self.trainable[name] if w.grad is not None):
            raise TrainingError(
                f"the gradient of {name} is not finite in epoch {epoch}, step {step}; look for roots and logarithms of "
                "zero in the loss"
            )
        optimiser.step()
        return float(value.detach())

    def release(self):
        """All weights can be trained again."""
        for weights in self.trainable.values():
            for w in weights:
                w.requires_grad_(True)

    def follow(self):
        """Let the average follow the weights; at first it is their plain mean."""
        if self.average is None:
            return
        self.n_steps += 1
        keep = min(self.average, 1 - 1 / self.n_steps)
        with torch.no_grad():
            now = self.model.state_dict()
            for name, mean in self.averaged.state_dict().items():
                if mean.is_floating_point():
                    mean.lerp_(now[name], 1 - keep)
                else:
                    mean.copy_(now[name])

    def validated(self, validate, epoch):
        if validate is None:
            return None
        self.averaged.eval()
        value = float(validate(self.averaged))
        if not math.isfinite(value):
            raise TrainingError(f"validation is {value} in epoch {epoch}; look for NaN in its data")
        return value

    def note(self, value, epoch):
        """Keep the weights if they are the best so far."""
        better = value is None or not self.keep_best or value < min(self.log.validation, default=math.inf)
        if value is not None:
            self.log.validation.append(value)
        if better:
            self.log.best_epoch = epoch
            self.best = copy.deepcopy(self.averaged.state_dict())

    def save(self, path, settings):
        path = pathlib.Path(path)
        state = {
            "settings": settings, "log": vars(self.log), "model": self.model.state_dict(), "best": self.best,
            "averaged": self.averaged.state_dict(), "n_steps": self.n_steps,
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getvalue()
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def restore(self, path, settings):
        raw = pathlib.Path(path).read_bytes()
        payload = raw[len(MAGIC) + 65 :]
        if raw != MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload:
            raise DataFileError(f"{path} is not a checkpoint, or damaged; delete it to start again from the beginning")
        # Always to the CPU first: load_state_dict brings each tensor to the device of its place.
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        differ = [name for name in settings if state["settings"].get(name) != settings[name]]
        if differ:
            was = ", ".join(f"{name} = {state['settings'].get(name)} (now {settings[name]})" for name in differ)
            raise DataFileError(f"{path} belongs to another training, with {was}; give another file, or delete it")
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.best, self.n_steps, self.log = state["best"], state["n_steps"], Log(**state["log"])
