import dataclasses
import itertools
import math
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hadtutor import training
from hadtutor.files import DataFileError
from hadtutor.nets import MLP, Cloud, DeepSets, torch_seed
from hadtutor.training import Clouds, Log, Table, TrainingError, classifier_loss, evaluate, losses, train

EVENTS, BATCH, EPOCHS = 50, 16, 5
STEPS = math.ceil(EVENTS / BATCH)
"""Steps in an epoch, the last of two events."""


# --- Two trainings: a classifier, and two players ---------------------------------------------------


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
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "seed": 2, "lr": 0.01, "progress": False}
    if kind == "players":
        loss = PLAYERS if loss is None else loss
        settings |= {"lr": {"discriminator": 0.02, "generator": 0.01}, "lr_end": 0.001, "average": 0.99}
        settings |= {"betas": (0.5, 0.99), "validate": spread}
    else:
        loss = classifier_loss if loss is None else loss
        settings |= {"validate": table(device, 30, seed=5)}
    settings |= changes
    return model, train(model, settings.pop("data", table(device)), loss, **settings)


def stopping(function, call, error=KeyboardInterrupt):
    """The function, but its call number `call`, from 0, raises."""
    calls = itertools.count()

    def stopped(*args):
        if next(calls) == call:
            raise error
        return function(*args)

    return stopped


def killed(function, call):
    """The function, but its call number `call` ends the process at once."""
    calls = itertools.count()

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


@pytest.fixture(scope="module")
def whole(device):
    """Kind to an uninterrupted training."""
    return {kind: fit(kind, device) for kind in KINDS}


# --- Data ------------------------------------------------------------------------------------------


def clouds():
    """Events of 2, 0, 3, 1 and 0 particles."""
    x = torch.arange(12.0).reshape(6, 2)
    return Clouds(x, [0, 2, 2, 5, 6, 6], torch.arange(5), torch.arange(10).reshape(5, 2), weight=10 * x[:, 0])


def test_a_batch_of_a_table_has_the_rows_asked_for():
    data = Table(torch.arange(4.0), [10, 11, 12, 13], np.arange(8).reshape(4, 2))
    assert len(data) == 4
    x, y, z = data[torch.tensor([3, 0, 3])]
    assert x.tolist() == [3.0, 0.0, 3.0]
    assert y.tolist() == [13, 10, 13]
    assert z.tolist() == [[6, 7], [0, 1], [6, 7]]


@pytest.mark.parametrize(
    "index", [[0], [1], [4, 1], [0, 1, 2, 3, 4], [3, 2, 0, 4, 1], [2, 2, 0, 2], [1, 1, 3, 4, 0, 0], []], ids=str
)
def test_a_batch_of_clouds_has_the_particles_of_the_events_asked_for(index):
    """In their order, repeated where an event is, and none for empty events; compared with slices of each event."""
    data = clouds()
    cloud, number, pair = data[torch.tensor(index, dtype=torch.int64)]
    rows = [list(range(int(data.offsets[i]), int(data.offsets[i + 1]))) for i in index]
    assert isinstance(cloud, Cloud)
    assert cloud.n_sets == len(index)
    assert cloud.index.tolist() == [k for k, r in enumerate(rows) for _ in r]
    assert cloud.x.tolist() == data.x[sum(rows, [])].tolist()
    assert cloud.weight.tolist() == data.weight[sum(rows, [])].tolist()
    assert number.tolist() == index
    assert pair.tolist() == [[2 * i, 2 * i + 1] for i in index]


def test_clouds_need_neither_weights_nor_columns():
    (cloud,) = Clouds(torch.ones(3, 1), np.array([0, 1, 3]))[torch.tensor([1])]
    assert cloud.weight is None
    assert cloud.index.tolist() == [0, 0]
    assert len(clouds()) == 5


def test_tables_need_columns_of_one_length():
    with pytest.raises(ValueError, match=r"columns of one length, got \[\]"):
        Table()
    with pytest.raises(ValueError, match=r"columns of one length, got \[3, 2\]"):
        Table(torch.zeros(3), torch.zeros(2))


@pytest.mark.parametrize("offsets", [[], [0, 2], [0, 4], [1, 3], [0, 3, 1, 3], [0, -1, 3]], ids=str)
def test_offsets_run_from_0_to_the_number_of_rows(offsets):
    with pytest.raises(ValueError, match="offsets must run from 0 to the number of rows, 3"):
        Clouds(torch.zeros(3, 1), offsets)


def test_columns_of_clouds_have_one_entry_per_event():
    with pytest.raises(ValueError, match=r"one entry for each of 2 events, got \[2, 3\]"):
        Clouds(torch.zeros(3, 1), [0, 1, 3], torch.zeros(2), torch.zeros(3))


@pytest.mark.parametrize("n", [2, 4])
def test_particles_of_clouds_have_one_weight_each(n):
    with pytest.raises(ValueError, match="weight"):
        Clouds(torch.zeros(3, 1), [0, 1, 3], weight=torch.zeros(n))


# --- Losses and outputs ----------------------------------------------------------------------------


def test_the_loss_of_a_classifier_is_cross_entropy():
    """-log p of the class, of logits z: log(1 + exp(-z)) and log(1 + exp(z)); also for outputs of shape (batch, 1)."""
    z, label = torch.tensor([0.3, -2.0, 1.5, 40.0]).double(), torch.tensor([1, 0, 0, 1])
    wanted = np.mean([np.log1p(np.exp(-s * v)) for v, s in zip(z.tolist(), [1, -1, -1, 1])])
    for shape in ((4,), (4, 1)):
        assert float(classifier_loss(nn.Identity(), (z.reshape(shape), label))) == pytest.approx(wanted, rel=1e-12)
        assert float(classifier_loss(nn.Identity(), (z.reshape(shape), label.bool()))) == pytest.approx(wanted)


def test_weighted_loss_is_that_of_duplicated_events():
    """An event of weight 3 counts like three events, in the loss and in its gradients."""
    x, label = table()[torch.arange(6)]
    copies = torch.tensor([1, 3, 2, 0, 1, 2])
    model = make("single").eval()
    losses = [
        classifier_loss(model, (x, label, copies * (6 / copies.sum()))),
        classifier_loss(model, (x.repeat_interleave(copies, dim=0), label.repeat_interleave(copies))),
    ]
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-5)
    for a, b in zip(*(torch.autograd.grad(value, list(model.parameters())) for value in losses)):
        torch.testing.assert_close(a, b)


def test_labels_and_outputs_must_match():
    with pytest.raises(RuntimeError):
        classifier_loss(nn.Identity(), (torch.zeros(3, 2), torch.zeros(3)))


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("batch_size", [1, 7, EVENTS, 1000])
def test_outputs_in_pieces_are_those_of_all_events(device, batch_size, mode):
    """Without dropout and without gradients; afterwards the network is in the mode it was in."""
    model, data = make("single", device), table(device)
    wanted = model.eval()(data.columns[0])
    out = evaluate(model.train(mode), data, batch_size)
    torch.testing.assert_close(out, wanted.detach(), rtol=1e-6, atol=1e-6)
    assert out.shape == (EVENTS, 1)
    assert not out.requires_grad
    assert all(module.training is mode for module in model.modules())


def test_outputs_of_clouds_follow_their_events():
    with torch_seed(1):
        net = DeepSets(2, phi=(4,), rho=(4,), pooling="weighted")
    data = clouds()
    torch.testing.assert_close(evaluate(net, data, 2), net(data[torch.arange(5)][0]).detach())


# --- What is learned -------------------------------------------------------------------------------


def test_a_classifier_learns_the_likelihood_ratio_of_two_gaussians(device):
    """Of means -1/2 and 1/2 and width 1 it is x: rms error over the inner 95 % below 0.1, 20 000 events per class."""
    rng = np.random.default_rng(3)
    label = np.arange(40_000) % 2
    x = torch.tensor(rng.normal(label - 0.5, 1.0)[:, None], dtype=torch.float32, device=device)
    with torch_seed(1):
        net = MLP(1, 16, 1, activation=nn.Tanh).to(device)
    data = Table(x, torch.tensor(label, device=device))
    log = train(net, data, classifier_loss, epochs=5, batch_size=256, seed=1, lr=0.02, lr_end=0.0, progress=False)
    bulk = torch.linspace(-2.2, 2.2, 101, device=device)[:, None]
    error = evaluate(net, Table(bulk)) - bulk
    assert float(error.square().mean().sqrt()) < 0.1
    assert log.loss["loss"][-1] < log.loss["loss"][0] < math.log(2)


def test_a_classifier_of_weighted_events_learns_the_weighted_ratio():
    """Same x in both classes, class 1 with weights ∝ exp(x), whose mean is 1: again the ratio is x - 1/2, to 0.15."""
    rng = np.random.default_rng(3)
    x = torch.tensor(rng.normal(size=(20_000, 1)), dtype=torch.float32)
    label = torch.arange(len(x)) % 2
    weight = torch.where(label == 1, torch.exp(x[:, 0] - 0.5), 1.0)
    with torch_seed(1):
        net = MLP(1, 16, 1, activation=nn.Tanh)
    train(net, Table(x, label, weight), classifier_loss, epochs=6, batch_size=256, seed=1, lr=0.02, lr_end=0.0)
    bulk = torch.linspace(-1.5, 2.0, 101)[:, None]
    assert float((evaluate(net, Table(bulk)) - (bulk - 0.5)).square().mean().sqrt()) < 0.15


def test_a_network_of_sets_learns_the_likelihood_ratio_of_multiplicities():
    """Poisson of means 2 and 3, the particles all alike: n log(3/2) - 1, to an rms of 0.1 for n from 0 to 5."""
    rng = np.random.default_rng(3)
    label = np.arange(16_000) % 2
    n = rng.poisson(2.0 + label)
    data = Clouds(torch.ones(int(n.sum()), 1), np.concatenate([[0], np.cumsum(n)]), torch.tensor(label))
    with torch_seed(1):
        net = DeepSets(1, phi=(4,), rho=(16,))
    train(net, data, classifier_loss, epochs=5, batch_size=256, seed=1, lr=0.02, lr_end=0.0, progress=False)
    few = torch.arange(6)
    logit = net(Cloud(torch.ones(15, 1), torch.repeat_interleave(few, few), 6)).detach()
    assert float((logit - (few * math.log(1.5) - 1)).square().mean().sqrt()) < 0.1


def test_a_generator_learns_from_its_adversary():
    """Its mean starts near 0 and comes to that of the data, 3, within 0.5."""
    with torch_seed(1):
        model = Adversaries()
    data = Table(torch.tensor(np.random.default_rng(1).normal(3.0, 1.0, (2000, 1)), dtype=torch.float32))
    train(model, data, PLAYERS, epochs=40, batch_size=100, seed=1, lr=0.005, betas=(0.5, 0.9), average=0.99)
    with torch_seed(2):
        assert abs(float(model.fake(4000).mean().detach()) - 3.0) < 0.5


# --- Random numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_decides_everything(device, whole, kind):
    torch.manual_seed(99)
    assert_same_training(fit(kind, device), whole[kind])
    assert_other_weights(fit(kind, device, seed=3)[0], whole[kind][0])


@pytest.mark.parametrize("kind", KINDS)
def test_training_leaves_the_random_numbers_of_torch_alone(kind):
    torch.manual_seed(1)
    wanted = torch.rand(5)
    torch.manual_seed(1)
    fit(kind)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, validate=stopping(lambda model: 1.0, 1))
    assert torch.equal(torch.rand(5), wanted)


def test_every_epoch_sees_all_events_once_and_in_another_order():
    seen = []

    def loss(model, batch):
        seen.append(batch[0].tolist())
        return model(torch.ones(1, 1)).sum() ** 2

    fit("single", loss=loss, data=Table(torch.arange(EVENTS)), validate=None)
    assert [len(batch) for batch in seen] == EPOCHS * [16, 16, 16, 2]
    epochs = [sum(seen[k : k + STEPS], []) for k in range(0, len(seen), STEPS)]
    assert all(sorted(epoch) == list(range(EVENTS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [*epochs, range(EVENTS)]}) == EPOCHS + 1


def test_dropout_is_active_in_training_and_not_in_validation():
    modes = []

    def loss(model, batch):
        modes.append(model.training)
        return classifier_loss(model, batch)

    model, _ = fit("single", loss=loss)
    assert modes == EPOCHS * ([True] * STEPS + [False])
    assert not model.training


# --- Steps -----------------------------------------------------------------------------------------


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
    log = train(model, data, {n: loss_of(n) for n in players}, epochs=epochs, batch_size=1, seed=1, **settings)
    return seen, model, log


def test_step_size_stays_where_it_is():
    seen, _, _ = descend(20, lr=0.25)
    np.testing.assert_allclose(-np.diff(seen["a"]), 0.25, rtol=1e-6)


@pytest.mark.parametrize("epochs", [1, 4])
def test_step_size_follows_a_cosine_to_its_end(epochs):
    """Over all epochs: from 0.2 to 0.02, halfway in the middle, and at the end within (π/2N)² of the difference."""
    n = 200
    seen, model, _ = descend(n, epochs=epochs, lr=0.2, lr_end=0.02)
    rates = -np.diff([*seen["a"], float(model.value("a").detach())])
    assert rates[0] == pytest.approx(0.2, rel=1e-6)
    assert rates[n // 2] == pytest.approx(0.11, rel=1e-6)
    assert abs(rates[-1] - 0.02) < 0.18 * (np.pi / 2 / n) ** 2 * 1.01
    assert bool((np.diff(rates) < 0).all())


def test_players_have_step_sizes_of_their_own():
    n = 200
    settings = {"lr": {"a": 0.2, "b": 0.1}, "lr_end": {"a": 0.01, "b": 0.3}}
    seen, model, _ = descend(n, players=("a", "b"), **settings)
    for name in "ab":
        rates = -np.diff([*seen[name], float(model.value(name).detach())])
        assert rates[0] == pytest.approx(settings["lr"][name], rel=1e-6)
        assert rates[-1] == pytest.approx(settings["lr_end"][name], abs=1e-4)


def test_the_memory_of_adam_is_passed_on():
    """Without any memory a step is lr times the sign of the gradient: |w| shrinks by 0.25 each step, then jumps over 0.

    With memory of 0.9 the first steps after the turn go on.
    """

    def turns(betas):
        model = Line()
        nn.init.constant_(model.a.weight, 1.1)
        seen = []

        def loss(model, batch):
            seen.append(float(model.value("a").detach()))
            return model.value("a").abs()

        train(model, Table(torch.zeros(12)), {"a": loss}, epochs=1, batch_size=1, seed=1, lr=0.25, betas=betas)
        return seen

    np.testing.assert_allclose(np.abs(np.diff(turns((0.0, 0.0)))), 0.25, rtol=1e-6)
    assert min(turns((0.0, 0.0))) == pytest.approx(-0.15, abs=1e-6)
    assert min(turns((0.9, 0.9))) < -0.3


def test_the_logged_loss_is_the_mean_over_the_steps():
    seen, _, log = descend(12, players=("a", "b"), epochs=3, lr=0.1)
    for name in "ab":
        np.testing.assert_allclose(log.loss[name], np.reshape(seen[name], (3, 4)).mean(axis=1), rtol=1e-12)
    assert log.validation == []
    assert (log.n_epochs, log.best_epoch) == (3, 2)
    assert math.isnan(log.best)


def test_players_change_their_own_part_only():
    """From one loss to the next, exactly the part whose loss was taken last has moved; what has no loss never moves."""
    states = []

    def record(name, loss):
        def recorded(model, batch):
            states.append((name, {part: weights_of(getattr(model, part)) for part in ("discriminator", "generator")}))
            return loss(model, batch)

        return recorded

    fit("players", loss={name: record(name, loss) for name, loss in PLAYERS.items()})
    assert [name for name, _ in states] == EPOCHS * STEPS * ["discriminator", "generator"]
    for (mover, before), (other, after) in itertools.pairwise(states):
        assert_other_weights(before[mover], after[mover])
        assert_same_weights(before[other], after[other])
    one = make("players")
    start = weights_of(one.discriminator)
    fit("players", model=one, loss={"generator": loss_g})
    assert_same_weights(one.discriminator, start)


def test_frozen_weights_stay_where_they_are():
    model = make("single")
    model[0][0].requires_grad_(False)
    start = weights_of(model[0])
    fit("single", model=model)
    assert torch.equal(model[0][0].weight, start["0.weight"])
    assert not torch.equal(model[0][2].weight, start["2.weight"])
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_all_weights_can_be_trained_after_an_interruption(error):
    model = make("players")
    with pytest.raises(error):
        fit("players", model=model, loss={"discriminator": stopping(loss_d, 2, error), "generator": loss_g})
    assert all(p.requires_grad for p in model.parameters())


# --- Averages --------------------------------------------------------------------------------------


def test_an_average_that_keeps_nothing_is_none(device):
    for kind in KINDS:
        assert_same_training(fit(kind, device, average=0.0), fit(kind, device, average=None))


def test_an_average_is_at_first_the_plain_mean():
    seen, model, _ = descend(50, lr=0.1, average=0.99)
    end = seen["a"][0] - 0.1 * np.arange(1, 51)
    assert float(model.value("a").detach()) == pytest.approx(end.mean(), rel=1e-6)


def test_an_average_lags_behind_by_its_memory():
    """At constant speed by a/(1 - a) = 4 steps, once 0.8^200 has been forgotten; the steps do not see the average."""
    seen, model, _ = descend(200, lr=0.1, average=0.8)
    np.testing.assert_allclose(-np.diff(seen["a"]), 0.1, rtol=1e-6)
    assert float(model.value("a").detach()) == pytest.approx(seen["a"][-1] - 0.1 + 4 * 0.1, rel=1e-6)


def test_validation_is_that_of_the_average():
    """And the result is the average that was best."""
    values = []

    def validate(model):
        values.append(float(model.value("a").detach()))
        return values[-1]

    _, model, log = descend(20, epochs=5, lr=0.1, average=0.8, validate=validate)
    plain = descend(20, epochs=5, lr=0.1)[1]
    assert log.validation == values
    assert float(model.value("a").detach()) == values[-1] == log.best
    assert values[-1] > float(plain.value("a").detach()) + 0.2


# --- The best epoch --------------------------------------------------------------------------------


def scripted(values, states=None):
    """A validation that gives these values, and notes the weights it saw."""
    values = iter(values)

    def validate(model):
        if states is not None:
            states.append(weights_of(model))
        return next(values)

    return validate


@pytest.mark.parametrize("average", [None, 0.5])
@pytest.mark.parametrize("best", range(EPOCHS))
def test_weights_are_those_of_the_best_epoch(best, average):
    states = []
    values = [1.0 + abs(epoch - best) for epoch in range(EPOCHS)]
    model, log = fit("single", validate=scripted(values, states), average=average)
    assert (log.best_epoch, log.best, log.stopped_early) == (best, 1.0, False)
    assert_same_weights(model, states[best])
    assert_other_weights(states[best], states[best - 1])
    assert not model.training


def test_validation_on_data_is_the_loss_on_them(device, whole):
    """The mean over all events, whatever the batches; the last of its values that count is that of the result."""
    model, log = whole["single"]
    held_out = table(device, 30, seed=5)
    assert float(classifier_loss(model, held_out[torch.arange(30)]).detach()) == pytest.approx(log.best, rel=1e-6)
    big = table(device, 5000, seed=6)
    trained, log = fit("single", device, validate=big, epochs=1)
    wanted = float(classifier_loss(trained, big[torch.arange(5000)]).detach())
    assert log.validation == [pytest.approx(wanted, rel=1e-5)]


def test_a_validation_that_is_only_watched_does_not_choose_the_epoch():
    ends = []
    for options in ({}, {"validate": lambda model: float(len(ends)), "keep_best": False}):
        with torch_seed(1):
            model = MLP(2, 4, 1)
        data = Table(torch.randn(EVENTS, 2, generator=torch.Generator().manual_seed(3)), torch.arange(EVENTS) % 2)
        log = train(model, data, classifier_loss, epochs=EPOCHS, seed=1, progress=False, **options)
        assert log.best_epoch == EPOCHS - 1
        ends.append(torch.cat([w.flatten() for w in model.parameters()]).detach())
    assert torch.equal(*ends), "watching changes nothing"
    assert log.validation == [1.0] * EPOCHS
    with pytest.raises(ValueError, match="keep_best=True"):
        train(model, data, classifier_loss, epochs=1, seed=1, patience=1, keep_best=False)


@pytest.mark.parametrize(
    ("values", "patience", "n_epochs", "best"),
    [
        ([5, 3, 4, 2, 3, 4, 1, 0], 2, 6, 3),
        ([5, 3, 4, 2, 3, 4, 1, 0], 1, 3, 1),
        ([5, 3, 4, 2, 3, 4, 1, 0], 3, 8, 7),
        ([1, 2, 2, 2, 2, 2, 2, 2], 4, 5, 0),
        ([1, 1, 1, 1, 1, 1, 1, 1], 3, 4, 0),
        ([1, 2, 3], 2, 3, 0),
    ],
    ids=str,
)
def test_training_stops_when_the_validation_has_not_improved_for_so_many_epochs(values, patience, n_epochs, best):
    """An equal value is no improvement. At the end of the epochs as well."""
    states = []
    model, log = fit("single", validate=scripted(values, states), patience=patience, epochs=len(values))
    assert (log.n_epochs, len(log.validation), log.best_epoch) == (n_epochs, n_epochs, best)
    if n_epochs < len(values):
        assert log.stopped_early
    assert_same_weights(model, states[best])


def test_without_validation_patience_does_not_matter():
    _, log = fit("single", validate=None, patience=1)
    assert (log.n_epochs, log.best_epoch, log.stopped_early) == (EPOCHS, EPOCHS - 1, False)


def test_a_log_says_what_happened():
    _, log = fit("single", validate=scripted([3, 2, 1.25, 4, 5]))
    assert re.fullmatch(r"Log\(5 epochs, best 1\.25 in epoch 2, \d+ s\)", repr(log))
    assert 0 < log.seconds < 60
    assert repr(Log()) == "Log(0 epochs, 0 s)"


# --- Interruptions ---------------------------------------------------------------------------------

STOPS = {"first epoch": 1, "first step": 2 * STEPS, "middle": 2 * STEPS + 2, "last step": EPOCHS * STEPS - 1}


@pytest.mark.parametrize("place", STOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_goes_on_from_its_checkpoint_to_the_same_end(device, whole, tmp_path, kind, place):
    """To the last bit, whatever the weights are when it goes on; also in the middle of the step of two players."""
    path = tmp_path / "run.ckpt"
    last = list(PLAYERS)[-1]
    loss = PLAYERS | {last: stopping(loss_g, STOPS[place])} if kind == "players" else None
    validate = spread if kind == "players" else None
    if kind == "single":
        calls = itertools.count()

        def loss(model, batch):
            if model.training and next(calls) == STOPS[place]:
                raise KeyboardInterrupt
            return classifier_loss(model, batch)

        validate = table(device, 30, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, device, loss=loss, validate=validate, checkpoint=path)
    assert path.exists() == (place != "first epoch")
    model = make(kind, device, seed=1 if place == "first epoch" else 77)
    assert_same_training(fit(kind, device, model=model, checkpoint=str(path)), whole[kind])
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_interrupted_after_each_epoch_comes_to_the_same_end(whole, tmp_path, kind):
    held_out = table("cpu", 30, seed=5)
    judge = spread if kind == "players" else lambda net: losses._mean_loss(net, classifier_loss, held_out, BATCH)
    for _ in range(EPOCHS - 1):
        with pytest.raises(ZeroDivisionError):
            fit(kind, validate=stopping(judge, 1, ZeroDivisionError), checkpoint=tmp_path / "run")
    done = fit(kind, validate=judge, checkpoint=tmp_path / "run")
    if whole[kind][1].loss and next(whole[kind][0].parameters()).device.type == "cpu":
        assert_same_training(done, whole[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_whose_process_was_killed_comes_to_the_same_end(tmp_path, kind):
    """Both processes on the CPU, and the first without a chance to clean up."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_training as t\n"
        "held = t.table('cpu', 30, 5)\n"
        "judge = t.spread if sys.argv[2] == 'players' else (\n"
        "    lambda net: t.training.losses._mean_loss(net, t.classifier_loss, held, t.BATCH))\n"
        "t.fit(sys.argv[2], validate=t.killed(judge, 3), checkpoint=sys.argv[3])\n"
    )
    path = tmp_path / "run"
    here = str(pathlib.Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here, kind, str(path)], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert_same_training(fit(kind, model=make(kind, seed=77), checkpoint=path), fit(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_training_returns_at_once(device, whole, tmp_path, kind):
    """Neither loss nor validation is asked again."""
    first = fit(kind, device, checkpoint=tmp_path / "run")
    assert_same_training(first, whole[kind])

    def never(*args):
        raise AssertionError

    loss = dict.fromkeys(PLAYERS, never) if kind == "players" else never
    validate = never if kind == "players" else table(device, 30, seed=5)
    model, log = fit(
        kind, device, model=make(kind, device, 77).train(), loss=loss, validate=validate, checkpoint=tmp_path / "run"
    )
    assert_same_training((model, log), first)
    assert log.seconds == pytest.approx(first[1].seconds)
    assert not model.training


@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_patience_survives_an_interruption(tmp_path, stop):
    """Without one it stops after epoch 5 and returns to epoch 3."""
    values, states = [5, 3, 4, 2, 3, 4, 1, 0], []
    settings = {"patience": 2, "epochs": len(values)}
    whole = fit("single", validate=scripted(values, states), **settings)
    with pytest.raises(KeyboardInterrupt):
        fit("single", validate=stopping(scripted(values), stop), checkpoint=tmp_path / "run", **settings)
    rest = scripted(values[stop:])
    done = fit("single", model=make("single", seed=77), validate=rest, checkpoint=tmp_path / "run", **settings)
    assert_same_training(done, whole)
    assert_same_weights(done[0], states[3])
    again = fit("single", model=make("single", seed=77), validate=rest, checkpoint=tmp_path / "run", **settings)
    assert_same_training(again, whole)


def test_time_is_counted_over_all_sessions(tmp_path, monkeypatch):
    """On a clock that ticks once per look, time only goes on while a training runs."""
    clock = itertools.count()
    monkeypatch.setattr(training.loop.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(KeyboardInterrupt):
        fit("single", validate=stopping(scripted([1] * EPOCHS), 2), checkpoint=tmp_path / "run")
    before = torch.load(__import__("io").BytesIO((tmp_path / "run").read_bytes()[len(training.state.MAGIC) + 65 :]))
    for _ in range(100_000):
        next(clock)
    _, log = fit("single", validate=scripted([1] * EPOCHS), checkpoint=tmp_path / "run")
    assert before["log"]["seconds"] < log.seconds < 100_000


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_network_has_the_best_weights_so_far(kind):
    states, model = [], make(kind)
    values = scripted([3, 1, 2, 0], states)
    with pytest.raises(KeyboardInterrupt):
        fit(kind, model=model, validate=stopping(values, 3))
    assert_same_weights(model, states[1])
    assert not model.training


# --- Checkpoints -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A checkpoint, and the arguments it belongs to."""
    path = tmp_path_factory.mktemp("checkpoint") / "run"
    fit("players", checkpoint=path)
    return path.read_bytes()


def assert_damaged(path, raw):
    path.write_bytes(raw)
    with pytest.raises(DataFileError, match=f"^{re.escape(str(path))} is not a checkpoint, or damaged; delete it"):
        fit("players", checkpoint=path)
    assert path.read_bytes() == raw


def positions(n):
    """Every byte of the header, and 150 of the rest."""
    return sorted({*range(len(training.state.MAGIC) + 80), *range(0, n, n // 150), n - 1})


def test_a_single_changed_byte_is_noticed(file, tmp_path):
    for k, bit in zip(positions(len(file)), itertools.cycle(range(8))):
        assert_damaged(tmp_path / "run", file[:k] + bytes([file[k] ^ (1 << bit)]) + file[k + 1 :])


def test_missing_and_additional_bytes_are_noticed(file, tmp_path):
    header = len(training.state.MAGIC)
    for n in (0, 1, header - 1, header, header + 10, header + 64, header + 65, header + 66, len(file) // 2):
        assert_damaged(tmp_path / "run", file[:n])
    assert_damaged(tmp_path / "run", file[:-1])
    assert_damaged(tmp_path / "run", file + b"\0")
    assert_damaged(tmp_path / "run", file[:100] + file[101:])


@pytest.mark.parametrize("raw", [b"hello\n", b"\x00" * 5000, b"hadtutor checkpoint 2\n" + b"a" * 200], ids=len)
def test_other_files_are_not_taken_for_checkpoints(tmp_path, raw):
    assert_damaged(tmp_path / "run", raw)


def test_files_of_torch_alone_are_not_taken_for_checkpoints(tmp_path):
    torch.save({"model": make("players").state_dict()}, tmp_path / "net.pt")
    assert_damaged(tmp_path / "run", (tmp_path / "net.pt").read_bytes())


def wide():
    with torch_seed(1):
        return nn.Sequential(MLP(1, 9, 1), nn.Dropout(0.1))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 3}, r"seed = 2 \(now 3\)"),
        ({"lr": 0.02}, r"lr = 0.01 \(now 0.02\)"),
        ({"lr_end": 0.001}, r"lr_end = None \(now 0.001\)"),
        ({"betas": (0.5, 0.999)}, r"betas = \[0.9, 0.999\] \(now \[0.5, 0.999\]\)"),
        ({"average": 0.9}, r"average = None \(now 0.9\)"),
        ({"batch_size": 8}, r"batch_size = 16 \(now 8\)"),
        ({"epochs": 6}, r"epochs = 5 \(now 6\)"),
        ({"data": table(n=48)}, r"events = 50 \(now 48\)"),
        ({"model": wide()}, r"shapes = .*8.*\(now .*9.*\)"),
        ({"seed": 3, "epochs": 6}, r"epochs = 5 \(now 6\), seed = 2 \(now 3\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_a_checkpoint_of_another_training_is_refused_and_says_what_differs(tmp_path, changes, says):
    path = tmp_path / "run"
    fit("single", checkpoint=path)
    raw = path.read_bytes()
    model = changes.pop("model", None) or make("single", seed=77)
    start = weights_of(model)
    with pytest.raises(DataFileError, match=f"^{re.escape(str(path))} belongs to another training, with {says}; "):
        fit("single", model=model, checkpoint=path, **changes)
    assert path.read_bytes() == raw
    assert_same_weights(model, start)


@pytest.mark.parametrize(
    "players", [{"generator": loss_g}, {"discriminator": loss_d}], ids=["generator", "discriminator"]
)
def test_a_checkpoint_of_other_players_is_refused(tmp_path, players):
    settings = {"lr": 0.01, "checkpoint": tmp_path / "run"}
    fit("players", **settings)
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("players", loss=players, **settings)


def test_a_checkpoint_of_fewer_players_is_refused(tmp_path):
    settings = {"lr": 0.01, "checkpoint": tmp_path / "run"}
    fit("players", loss={"generator": loss_g}, **settings)
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("players", **settings)


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    fit("single", checkpoint=tmp_path / "run")
    x, label = table()[torch.arange(EVENTS)]
    held_out = table(n=30, seed=5).columns
    changes = {"data": Table(x.double(), label), "validate": Table(held_out[0].double(), held_out[1])}
    with pytest.raises(DataFileError, match="belongs to another training"):
        fit("single", model=make("single").double(), checkpoint=tmp_path / "run", **changes)


def test_settings_may_be_numbers_of_numpy(tmp_path):
    """The same training as with Python's numbers, whose checkpoint can be read."""
    settings = {"seed": np.int64(2), "lr": np.float64(0.01), "betas": tuple(np.array([0.9, 0.999]))}
    first = fit("single", checkpoint=tmp_path / "run", **settings)
    assert_same_training(fit("single", checkpoint=tmp_path / "run", **settings), first)
    assert_same_training(fit("single", checkpoint=tmp_path / "run"), first)


def test_a_checkpoint_survives_an_interruption_while_the_next_is_written(tmp_path, monkeypatch, whole):
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(training.state.os, "replace", stopping(os.replace, 2))
        with pytest.raises(KeyboardInterrupt):
            fit("single", checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_training(fit("single", model=make("single", seed=77), checkpoint=path), fit("single"))


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run"
    write = pathlib.Path.write_bytes

    def half(self, raw):
        write(self, raw[: len(raw) // 2])
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        calls = itertools.count()
        patch.setattr(pathlib.Path, "write_bytes", lambda self, raw: (write, write, half)[next(calls)](self, raw))
        with pytest.raises(OSError, match="no space left"):
            fit("single", checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert_same_training(fit("single", model=make("single", seed=77), checkpoint=path), fit("single"))


def test_a_checkpoint_is_there_after_every_epoch(tmp_path):
    path, there = tmp_path / "run", []

    def validate(model):
        there.append([p.name for p in tmp_path.iterdir()])
        return 1.0

    fit("single", validate=validate, checkpoint=path)
    assert there == [[], *[["run"]] * (EPOCHS - 1)]


# --- Errors ----------------------------------------------------------------------------------------


def broken(loss, call, value):
    calls = itertools.count()
    return lambda model, batch: loss(model, batch) * (value if next(calls) == call else 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", PLAYERS)
def test_a_loss_that_is_not_finite_names_player_epoch_and_step(name, value):
    """And the network keeps the best weights of the epochs before."""
    states, model = [], make("players")
    loss = PLAYERS | {name: broken(PLAYERS[name], 2 * STEPS + 1, value)}
    with pytest.raises(TrainingError, match=f"^{name} is {value} in epoch 2, step 1; look for NaN"):
        fit("players", model=model, loss=loss, validate=scripted([1, 2], states))
    assert_same_weights(model, states[0])
    assert all(p.requires_grad for p in model.parameters())
    assert not model.training


def test_nan_in_the_data_is_an_error_at_the_first_batch_that_has_it():
    data = table()
    data.columns[0][17] = math.nan
    with pytest.raises(TrainingError, match=r"^loss is nan in epoch 0, step \d"):
        fit("single", data=data)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_validation_that_is_not_finite_names_the_epoch(value, tmp_path):
    states, model = [], make("single")
    with pytest.raises(TrainingError, match=f"^validation is {value} in epoch 2"):
        fit("single", model=model, validate=scripted([1, 2, value], states), checkpoint=tmp_path / "run")
    assert_same_weights(model, states[0])


@pytest.mark.parametrize("call", [2 * STEPS + 1, 2 * STEPS - 1, EPOCHS * STEPS - 1], ids=["middle", "end", "last"])
def test_a_gradient_that_is_not_finite_never_becomes_the_result(call):
    """The loss may be finite where its gradient is not: √0. Also in the last step of an epoch, and of the training."""
    calls, model = itertools.count(), make("single")

    def loss(model, batch):
        value = classifier_loss(model, batch)
        return value + (model[0][0].weight * 0).abs().sqrt().sum() if next(calls) == call else value

    with pytest.raises(TrainingError, match="in epoch"):
        fit("single", model=model, loss=loss, validate=None)
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_arguments_out_of_range_are_refused():
    for changes in ({"epochs": 0}, {"batch_size": 0}, {"data": table(n=0)}, {"epochs": -1}):
        with pytest.raises(ValueError, match="training wants data, epochs and a batch size, got"):
            fit("single", **changes)
    for average in (1.0, -0.1, 2, math.nan):
        with pytest.raises(ValueError, match="average must be >= 0 and < 1, got"):
            fit("single", average=average)
    with pytest.raises(ValueError, match="players have a loss each: give `validate` as a function"):
        fit("players", validate=table())
    with pytest.raises(ValueError, match="Invalid learning rate"):
        fit("single", lr=-0.1)
    with pytest.raises(AttributeError, match="critic"):
        fit("players", loss={"critic": loss_d}, lr=0.01)
    with pytest.raises(KeyError, match="generator"):
        fit("players", lr={"discriminator": 0.1})


@pytest.mark.parametrize("patience", [0, -1])
def test_patience_is_at_least_one_epoch(patience):
    with pytest.raises(ValueError, match="patience"):
        fit("single", patience=patience)


def test_wrong_arguments_leave_the_network_alone():
    model = make("single")
    start = weights_of(model)
    with pytest.raises(ValueError, match="average"):
        fit("single", model=model, average=1.0)
    assert_same_weights(model, start)
    assert model.training
