import itertools

import numpy as np
import pytest
import torch
from torch import nn
from trainings import (
    EVENTS,
    make,
    table,
)

from hadtutor.nets import MLP, DeepSets, torch_seed
from hadtutor.training import Clouds, Table, classifier_loss, evaluate, train


def clouds():
    """Events of 2, 0, 3, 1 and 0 particles."""
    x = torch.arange(12.0).reshape(6, 2)
    return Clouds(x, [0, 2, 2, 5, 6, 6], torch.arange(5), torch.arange(10).reshape(5, 2), weight=10 * x[:, 0])


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
    with pytest.raises(ValueError, match=r"logit wants one number for each of 3 events, shape \(3,\), got \(3, 2\)"):
        classifier_loss(nn.Identity(), (torch.zeros(3, 2), torch.zeros(3)))


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("batch_size", [1, 7, EVENTS, 1000])
def test_outputs_in_pieces_are_those_of_all_events(device, batch_size, mode):
    """Without dropout and without gradients; afterwards the network is in the mode it was in."""
    model, data = make("single", device), table(device)
    wanted = model.eval()(data.columns[0])
    out = evaluate(model.train(mode), data, batch_size=batch_size)
    torch.testing.assert_close(out, wanted.detach(), rtol=1e-6, atol=1e-6)
    assert out.shape == (EVENTS, 1)
    assert not out.requires_grad
    assert all(module.training is mode for module in model.modules())


def test_outputs_of_clouds_follow_their_events():
    with torch_seed(1):
        net = DeepSets(2, phi=(4,), rho=(4,), pooling="weighted")
    data = clouds()
    torch.testing.assert_close(evaluate(net, data, batch_size=2), net(data[torch.arange(5)][0]).detach())


def test_columns_of_one_number_are_those_of_none():
    """Weights, labels and logits of shape (N, 1) are not broadcast to N x N numbers, which trains as if unweighted."""
    rng = np.random.default_rng(1)
    logit = torch.tensor(rng.normal(size=20))
    label, weight = torch.arange(20) % 2, torch.tensor(rng.random(20))
    wanted = classifier_loss(nn.Identity(), (logit, label, weight))
    for shapes in itertools.product([(20,), (20, 1)], repeat=3):
        batch = [column.reshape(shape) for column, shape in zip((logit, label, weight), shapes)]
        assert torch.equal(classifier_loss(nn.Identity(), tuple(batch)), wanted)


@pytest.mark.parametrize("which", ["logit", "label", "weight"])
@pytest.mark.parametrize("shape", [(1, 4), (2, 2), (4, 2), (1,), (3,), (5,), ()], ids=str)
def test_columns_of_other_shapes_are_refused(which, shape):
    batch = dict.fromkeys(("logit", "label", "weight"), torch.ones(4)) | {which: torch.ones(shape)}
    with pytest.raises(ValueError, match="wants one number for each of"):
        classifier_loss(nn.Identity(), tuple(batch.values()))


@pytest.mark.parametrize("n", [1, 4])
def test_batches_have_two_or_three_parts(n):
    with pytest.raises(ValueError, match=rf"a batch must be \(inputs, label\) .*, got {n} parts"):
        classifier_loss(nn.Identity(), (torch.zeros(3),) * n)


def test_weights_in_a_column_teach_the_weighted_ratio():
    """Same law in both classes, class 1 weighted with 1 + 0.9x: odds at -0.8, 0 and 0.8 are 0.28, 1 and 1.72."""
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.uniform(-1, 1, (20_000, 1)), dtype=torch.float32)
    label = torch.arange(len(x)) % 2
    weight = torch.where(label == 1, 1 + 0.9 * x[:, 0], 1.0)[:, None]
    with torch_seed(1):
        net = MLP(1, 16, 1, activation=nn.Tanh)
    train(net, Table(x, label, weight), classifier_loss, epochs=6, batch_size=256, lr=0.02, lr_end=0.0, progress=False)
    odds = torch.exp(evaluate(net, Table(torch.tensor([[-0.8], [0.0], [0.8]]))))[:, 0]
    assert odds.tolist() == pytest.approx([0.28, 1.0, 1.72], abs=0.15)
