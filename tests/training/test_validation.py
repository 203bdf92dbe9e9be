import re

import pytest
import torch
from trainings import (
    EPOCHS,
    EVENTS,
    assert_other_weights,
    assert_same_training,
    assert_same_weights,
    fit,
    scripted,
    table,
    weights_of,
)

from hadtutor.nets import MLP, torch_seed
from hadtutor.training import Log, Table, classifier_loss, train


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
        log = train(model, data, classifier_loss, epochs=EPOCHS, rng=1, progress=False, **options)
        assert log.best_epoch == EPOCHS - 1
        ends.append(torch.cat([w.flatten() for w in model.parameters()]).detach())
    assert torch.equal(*ends), "watching changes nothing"
    assert log.validation == [1.0] * EPOCHS
    with pytest.raises(ValueError, match="keep_best=True"):
        train(model, data, classifier_loss, epochs=1, rng=1, patience=1, keep_best=False)


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


def test_patience_without_validation_is_refused():
    """There is nothing that could improve: it would never stop."""
    with pytest.raises(ValueError, match="patience waits for a better epoch: it goes with `validate`"):
        fit("single", validate=None, patience=1)


def test_validation_wants_events_or_a_function():
    with pytest.raises(ValueError, match="the data to validate with have no events"):
        fit("single", validate=table(n=0))
    with pytest.raises(TypeError, match="validate must be a function of the model, a Table or Clouds, got 0.5"):
        fit("single", validate=0.5)


def test_something_can_be_done_after_each_epoch_without_a_validation():
    """It sees the average, in evaluation, before the validation does, and changes nothing by itself."""
    seen = []

    def look(model):
        assert not model.training
        seen.append(weights_of(model))

    model, log = fit("single", on_epoch=look, validate=None)
    assert len(seen) == EPOCHS
    assert log.validation == []
    assert_same_weights(seen[-1], model)
    assert_same_training(fit("players", on_epoch=look), fit("players"))


def test_a_log_says_what_happened():
    _, log = fit("single", validate=scripted([3, 2, 1.25, 4, 5]))
    assert re.fullmatch(r"Log\(5 epochs, best 1\.25 in epoch 2, \d+ s\)", repr(log))
    assert 0 < log.seconds < 60
    assert repr(Log()) == "Log(0 epochs, 0 s)"
