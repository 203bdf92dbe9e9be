"""The state of a training: its log, its checkpoints, the best weights so far."""

import copy
import hashlib
import io
import math
import os
import pathlib
from dataclasses import dataclass, field

import numpy as np
import torch

from ..files import DataFileError

MAGIC = b"hadtutor checkpoint 1\n"


class TrainingError(RuntimeError):
    """A loss is not finite, so that the training cannot go on."""


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


def _seed_of(seed, epoch):
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


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
