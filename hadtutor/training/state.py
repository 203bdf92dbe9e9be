"""The state of a training: its log, its optimisers, the average and the best of its weights so far."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from .._support.checks import number


class TrainingError(RuntimeError):
    """A loss is not finite, so that the training cannot go on."""


@dataclass
class Log:
    """What happened during a training.

    Mean `loss` of each player in each epoch, a single one being called ``"loss"``; `validation`, one value for each
    epoch, smaller is better, or none; `best_epoch`, the first being 0, that the network was restored to, the last one
    without validation or `keep_best`; `seconds`, over all sessions of an interrupted training; `stopped_early`, whether
    it ended because the validation had not improved for so long.
    """

    loss: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = -1
    seconds: float = 0.0
    stopped_early: bool = False

    @property
    def n_epochs(self) -> int:
        """Number of epochs that were completed."""
        return max((len(values) for values in self.loss.values()), default=0)

    @property
    def best(self) -> float:
        """Value of the validation at the best epoch; NaN if there is none."""
        return self.validation[self.best_epoch] if self.validation else math.nan

    def __repr__(self) -> str:
        end = f", best {self.best:.5g} in epoch {self.best_epoch}" if self.validation else ""
        return f"Log({self.n_epochs} epochs{end}, {self.seconds:.0f} s)"


def rates_of(players: Mapping, lr: float | Mapping, lr_end: float | Mapping | None) -> dict[str, tuple[float, float]]:
    """Step sizes of the players at the beginning and at the end."""
    ends = []
    for name, value in (("lr", lr), ("lr_end", lr if lr_end is None else lr_end)):
        of = value if isinstance(value, Mapping) else dict.fromkeys(players, value)
        if missing := [player for player in players if player not in of]:
            raise ValueError(f"{name} wants a number for each player, got none for {', '.join(missing)}")
        ends.append([number(of[player], name, 0.0) for player in players])
    return dict(zip(players, zip(*ends, strict=True), strict=True))


class Run:
    """The state of one training: all that a checkpoint holds."""

    def __init__(
        self, model: nn.Module, parts: dict[str, nn.Module], rates: Mapping, betas: tuple, average: float | None
    ) -> None:
        self.model, self.rates, self.average = model, rates, average
        self.optimisers = {
            name: torch.optim.Adam(part.parameters(), lr=rates[name][0], betas=betas) for name, part in parts.items()
        }
        # Weights that a user has frozen stay so.
        self.trainable = {name: [w for w in part.parameters() if w.requires_grad] for name, part in parts.items()}
        self.averaged = copy.deepcopy(model) if average is not None else model
        self.n_steps, self.log = 0, Log()
        self.best: dict | None = None

    def step(self, name: str, objective: Callable, batch: object, done: float, where: str) -> float:
        """One step of one player, along a cosine when the share `done` of all is done; returns its loss."""
        optimiser, (first, last) = self.optimisers[name], self.rates[name]
        rate = last + 0.5 * (first - last) * (1 + math.cos(math.pi * done))
        optimiser.param_groups[0]["lr"] = rate
        # The others stand still: no gradients for them.
        for other, weights in self.trainable.items():
            for w in weights:
                w.requires_grad_(other == name)
        optimiser.zero_grad(set_to_none=True)
        value = objective(self.model, batch)
        if not bool(torch.isfinite(value)):
            raise TrainingError(
                f"{name} is {float(value.detach())} in {where}; look for NaN in the data, or lower the step size "
                f"lr = {rate:.3g}"
            )
        value.backward()
        # A finite loss may have a gradient that is not: the root of zero.
        if not all(bool(torch.isfinite(w.grad).all()) for w in self.trainable[name] if w.grad is not None):
            raise TrainingError(
                f"the gradient of {name} is not finite in {where}; look for roots and logarithms of zero in the loss"
            )
        optimiser.step()
        return float(value.detach())

    def follow(self) -> None:
        """Let the average follow the weights; at first it is their plain mean."""
        if self.average is None:
            return
        self.n_steps += 1
        keep = min(self.average, 1 - 1 / self.n_steps)
        with torch.no_grad():
            now = self.model.state_dict()
            for name, mean in self.averaged.state_dict().items():
                mean.copy_(mean.lerp(now[name], 1 - keep) if mean.is_floating_point() else now[name])

    def judged(self, validate: Callable | None, on_epoch: Callable | None, epoch: int) -> float | None:
        """Value of the validation after an epoch."""
        self.averaged.eval()
        if on_epoch is not None:
            on_epoch(self.averaged)
        if validate is None:
            return None
        value = float(validate(self.averaged))
        if not math.isfinite(value):
            raise TrainingError(f"validation is {value} in epoch {epoch}; look for NaN in its data")
        return value

    def note(self, losses: dict[str, float], value: float | None, epoch: int, keep_best: bool) -> None:
        """Write an epoch to the log, and keep the weights if they are the best so far."""
        for name, loss in losses.items():
            self.log.loss.setdefault(name, []).append(loss)
        if value is None or not keep_best or value < min(self.log.validation, default=math.inf):
            self.log.best_epoch, self.best = epoch, copy.deepcopy(self.averaged.state_dict())
        if value is not None:
            self.log.validation.append(value)

    def close(self) -> None:
        """Give the model its best weights; all of them can be trained again."""
        for weights in self.trainable.values():
            for w in weights:
                w.requires_grad_(True)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()
