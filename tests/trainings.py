"""Two trainings, of a classifier and of two players, and ways to interrupt them."""

import dataclasses
import functools
import itertools
import math
import os

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hadtutor.nets import MLP, torch_seed
from hadtutor.training import Table, classifier_loss, train
from hadtutor.training.losses import mean_loss

EVENTS, BATCH, EPOCHS = 50, 16, 5
STEPS = math.ceil(EVENTS / BATCH)
"""Steps in an epoch, the last of two events."""


class Adversaries(nn.Module):
    def __init__(self):
        super().__init__()
        self.discriminator = nn.Sequential(MLP(1, 6, 1), nn.Dropout(0.0))
        self.generator = MLP(2, 6, 1)

    def fake(self, n):
        return self.generator(torch.randn(n, 2, device=next(self.parameters()).device))


def is_real(model, x, target):
    logit = model.discriminator(x)
    return binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))


def loss_d(model, batch):
    return is_real(model, batch[0], 1.0) + is_real(model, model.fake(len(batch[0])), 0.0)


def loss_g(model, batch):
    return is_real(model, model.fake(len(batch[0])), 1.0)


PLAYERS = {"discriminator": loss_d, "generator": loss_g}


def spread(model):
    return float((model.fake(64).std() - 2.0).abs().detach())


def table(device="cpu", n=EVENTS, seed=4):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    x = rng.normal(label, 1.0)[:, None]
    return Table(torch.tensor(x, dtype=torch.float32, device=device), torch.tensor(label, device=device))


def make(kind, device="cpu", seed=1):
    with torch_seed(seed):
        net = Adversaries() if kind == "players" else nn.Sequential(MLP(1, 8, 1), nn.Dropout(0.1))
    return net.to(device)


def fit(kind, device="cpu", model=None, loss=None, **changes):
    """Train one of the two; returns the network and its log."""
    model = make(kind, device) if model is None else model
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "rng": 2, "lr": 0.01, "progress": False}
    if kind == "players":
        loss = PLAYERS if loss is None else loss
        settings |= {"lr": {"discriminator": 0.02, "generator": 0.01}, "lr_end": 0.001, "average": 0.99}
        settings |= {"betas": (0.5, 0.99), "validate": spread}
    else:
        loss = classifier_loss if loss is None else loss
        settings |= {"validate": table(device, 30, seed=5)}
    settings |= changes
    return model, train(model, settings.pop("data", table(device)), loss, **settings)


def held_out_loss(model):
    return mean_loss(model, classifier_loss, table("cpu", 30, seed=5), BATCH)


def stopping(function, call, error=KeyboardInterrupt):
    """The function, but its call number `call`, from 0, raises."""
    calls = itertools.count()

    @functools.wraps(function)
    def stopped(*args):
        if next(calls) == call:
            raise error
        return function(*args)

    return stopped


def killed(function, call):
    """The function, but its call number `call` ends the process at once."""
    calls = itertools.count()

    @functools.wraps(function)
    def last(*args):
        if next(calls) == call:
            os._exit(9)
        return function(*args)

    return last


def weights_of(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def assert_same_weights(a, b):
    a, b = (s if isinstance(s, dict) else s.state_dict() for s in (a, b))
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def assert_other_weights(a, b):
    a, b = (s if isinstance(s, dict) else s.state_dict() for s in (a, b))
    assert not all(torch.equal(a[name], b[name]) for name in a)


def assert_same_training(a, b):
    """To the last bit, apart from the time spent."""
    assert_same_weights(a[0], b[0])
    assert dataclasses.replace(a[1], seconds=0.0) == dataclasses.replace(b[1], seconds=0.0)


KINDS = ("single", "players")


class Line(nn.Module):
    """One number, whose loss is itself: each step of Adam lowers it by the step size."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 1, bias=False).double()
        self.b = nn.Linear(1, 1, bias=False).double()

    def value(self, name):
        return getattr(self, name).weight.sum()


def descend(steps, players=("a",), epochs=1, **settings):
    """The values at each step, one list for each player, and the model at the end."""
    with torch_seed(1):
        model = Line()
    seen = {name: [] for name in players}

    def loss_of(name):
        def loss(model, batch):
            value = model.value(name)
            seen[name].append(float(value.detach()))
            return value

        return loss

    data = Table(torch.zeros(steps // epochs))
    log = train(model, data, {n: loss_of(n) for n in players}, epochs=epochs, batch_size=1, rng=1, **settings)
    return seen, model, log


def scripted(values, states=None):
    """A validation that gives these values, and notes the weights it saw."""
    values = iter(values)

    def validate(model):
        if states is not None:
            states.append(weights_of(model))
        return next(values)

    return validate
