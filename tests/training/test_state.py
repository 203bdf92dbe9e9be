import numpy as np
import pytest
from trainings import (
    KINDS,
    assert_same_training,
    descend,
    fit,
)


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
