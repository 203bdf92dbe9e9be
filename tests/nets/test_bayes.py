"""Networks with a distribution of weights: what they say is what Gaussians say."""

import numpy as np
import pytest
import torch

from hadtutor.metrics import pull
from hadtutor.nets import BayesMLP, torch_seed
from hadtutor.training import Table, classifier_loss, train


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kl_is_that_of_gaussians(dtype):
    net = BayesMLP(3, 8, 1).to(dtype)
    expected = 0.0
    for layer in (net[0], net[2]):
        q = torch.distributions.Normal(layer.weight, layer.log_sigma.exp())
        expected += torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()
    assert torch.isclose(net.kl(), expected.to(dtype))
    assert net(torch.zeros(4, 3, dtype=dtype)).dtype == dtype


def test_local_noise_has_the_variance_of_drawn_weights():
    with torch_seed(1):
        net = BayesMLP(4, 1).train()
        net[0].log_sigma.data.fill_(-1.0)
        x = torch.randn(1, 4)
        local = torch.cat([net(x) for _ in range(4000)]).flatten()
    drawn = torch.cat([net.draw(rng=seed)(x) for seed in range(2000)]).flatten()
    assert abs(pull(local.detach().numpy(), drawn.detach().numpy())) < 4
    ratio = (local.var() / drawn.var()).item()
    assert abs(ratio - 1) < 4 * np.sqrt(2 / 4000 + 2 / 2000), "the two ways to draw differ in their scatter"


def test_more_events_leave_less_doubt():
    widths = []
    for n in (200, 20_000):
        with torch_seed(1):
            net, x = BayesMLP(1, 16, 1), torch.randn(n, 1)
            label = (torch.rand(n) < torch.sigmoid(x[:, 0])).float()
        loss = lambda model, batch, n=n: classifier_loss(model, batch) + model.kl() / n
        train(net, Table(x, label), loss, epochs=4000 // (n // 100), batch_size=100, rng=1, lr=0.01, progress=False)
        grid = torch.linspace(-1, 1, 9)[:, None]
        widths.append(torch.cat([net.draw(rng=s)(grid) for s in range(50)], dim=1).std(dim=1).mean().item())
    assert widths[1] < 0.5 * widths[0]
