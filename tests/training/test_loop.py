import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from trainings import (
    EPOCHS,
    EVENTS,
    KINDS,
    PLAYERS,
    STEPS,
    Adversaries,
    Line,
    assert_other_weights,
    assert_same_training,
    assert_same_weights,
    descend,
    fit,
    loss_d,
    loss_g,
    make,
    scripted,
    stopping,
    table,
    weights_of,
)

from hadtutor.nets import MLP, Cloud, DeepSets, torch_seed
from hadtutor.training import Clouds, Table, TrainingError, classifier_loss, evaluate, train

# --- What is learned -------------------------------------------------------------------------------


def test_a_classifier_learns_the_likelihood_ratio_of_two_gaussians(device):
    """Of means -1/2 and 1/2 and width 1 it is x: rms error over the inner 95 % below 0.1, 20 000 events per class."""
    rng = np.random.default_rng(3)
    label = np.arange(40_000) % 2
    x = torch.tensor(rng.normal(label - 0.5, 1.0)[:, None], dtype=torch.float32, device=device)
    with torch_seed(1):
        net = MLP(1, 16, 1, activation=nn.Tanh).to(device)
    data = Table(x, torch.tensor(label, device=device))
    log = train(net, data, classifier_loss, epochs=5, batch_size=256, rng=1, lr=0.02, lr_end=0.0, progress=False)
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
    train(net, Table(x, label, weight), classifier_loss, epochs=6, batch_size=256, rng=1, lr=0.02, lr_end=0.0)
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
    train(net, data, classifier_loss, epochs=5, batch_size=256, rng=1, lr=0.02, lr_end=0.0, progress=False)
    few = torch.arange(6)
    logit = net(Cloud(torch.ones(15, 1), torch.repeat_interleave(few, few), 6)).detach()
    assert float((logit - (few * math.log(1.5) - 1)).square().mean().sqrt()) < 0.1


def test_a_generator_learns_from_its_adversary():
    """Its mean starts near 0 and comes to that of the data, 3, within 0.5."""
    with torch_seed(1):
        model = Adversaries()
    data = Table(torch.tensor(np.random.default_rng(1).normal(3.0, 1.0, (2000, 1)), dtype=torch.float32))
    train(model, data, PLAYERS, epochs=40, batch_size=100, rng=1, lr=0.005, betas=(0.5, 0.9), average=0.99)
    with torch_seed(2):
        assert abs(float(model.fake(4000).mean().detach()) - 3.0) < 0.5


# --- Random numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_decides_everything(device, whole, kind):
    torch.manual_seed(99)
    assert_same_training(fit(kind, device), whole[kind])
    assert_other_weights(fit(kind, device, rng=3)[0], whole[kind][0])


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

        train(model, Table(torch.zeros(12)), {"a": loss}, epochs=1, batch_size=1, rng=1, lr=0.25, betas=betas)
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
    for name in ("epochs", "batch_size", "patience"):
        for value in (0, -1):
            with pytest.raises(ValueError, match=f"{name} must be at least 1, got {value}"):
                fit("single", **{name: value})
        for value in (True, 2.5, "3"):
            with pytest.raises(TypeError, match=f"{name} must be a whole number, got"):
                fit("single", **{name: value})
    with pytest.raises(ValueError, match="training wants events and a loss, got 0 events"):
        fit("single", data=table(n=0))
    with pytest.raises(TypeError, match=r"train takes rng, .* write rng=3"):
        fit("single", seed=3)
    for rng in (None, True, 1.5, -1):
        with pytest.raises(TypeError, match="rng must be a whole number >= 0 or a NumPy Generator"):
            fit("single", rng=rng)
    for average in (1.0, -0.1, 2, math.nan):
        with pytest.raises(ValueError, match="average must be >= 0"):
            fit("single", average=average)
    with pytest.raises(ValueError, match="players have a loss each: give `validate` as a function"):
        fit("players", validate=table())
    with pytest.raises(ValueError, match="lr must be >= 0, got -0.1"):
        fit("single", lr=-0.1)
    with pytest.raises(AttributeError, match="critic"):
        fit("players", loss={"critic": loss_d}, lr=0.01)
    with pytest.raises(ValueError, match="lr wants a number for each player, got none for generator"):
        fit("players", lr={"discriminator": 0.1})


def test_wrong_arguments_leave_the_network_alone():
    model = make("single")
    start = weights_of(model)
    with pytest.raises(ValueError, match="average"):
        fit("single", model=model, average=1.0)
    assert_same_weights(model, start)
    assert model.training


def test_a_generator_is_a_seed_drawn_from_it():
    numbers = np.random.default_rng(5), int(np.random.default_rng(5).integers(2**63))
    assert_same_training(*(fit("single", rng=rng) for rng in numbers))


@pytest.mark.parametrize("n", [1, 2])
def test_a_single_event_can_be_learned_from(n):
    model, log = fit("single", data=table(n=n), validate=None)
    assert log.n_epochs == EPOCHS
    assert evaluate(model, table(n=0)).shape == (0, 1)
