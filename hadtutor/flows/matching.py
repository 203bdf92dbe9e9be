"""Flow matching: a velocity field that carries standard normal numbers to the data in unit time."""

from typing import Any

import torch
from torch import Tensor, nn

from .._support.checks import whole
from .density import Flow


class MatchingFlow(Flow):
    r"""A flow along a velocity field :cite:p:`lipman2023flow`, trained without an integral.

    On the straight way from a normal number u to data y the velocity is y - u. Its mean over all ways through the point
    :math:`(1-t)\,u + t\,y` at time t is a field v(t, y | c) that carries all of the normal density to that of the data;
    so v is fitted to y - u by least squares. Data are drawn by integrating dy/dt = v by the rule of
    Runge and Kutta, and :math:`\ln p = \ln \varphi(u) - \int_0^1 \nabla \cdot v\, dt` along the way back.

    Parameters
    ----------
    x, condition, options
        As of `Flow`, which has the other options.
    hidden : tuple of int
        Hidden neurons of the velocity field.
    steps : int
        Of the integration, each with four velocities.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> condition = rng.normal(size=(20_000, 1))
    >>> x = condition + 0.5 * rng.normal(size=(20_000, 1))
    >>> flow = MatchingFlow(x, condition, rng=1)
    >>> log = flow.fit(x, condition, epochs=20, batch_size=512, lr=2e-3, rng=1)
    >>> bool(abs(flow.sample(np.full((10_000, 1), 1.0), rng=1).mean() - 1.0) < 0.1)
    True
    """

    def __init__(
        self, x: Any, condition: Any, *, hidden: tuple[int, ...] = (64, 64, 64), steps: int = 6, **options: Any
    ) -> None:
        self.sizes = {"hidden": tuple(hidden), "steps": whole(steps, "steps")}
        super().__init__(x, condition, **options)

    def _build(self, n, n_known, network, dtype):
        self.velocity = network(1 + n + n_known, *self.sizes["hidden"], n, activation=nn.SiLU, dtype=dtype)

    def _v(self, t: float, y: Tensor, known: Tensor) -> Tensor:
        return self.velocity(torch.cat([torch.full_like(y[:, :1], t), y, known], 1))

    def _loss(self, y, known):
        u, t = torch.randn_like(y), torch.rand_like(y[:, :1])
        v = self.velocity(torch.cat([t, (1.0 - t) * u + t * y, known], 1))
        return ((v - (y - u)) ** 2).sum(1)

    def _from_normal(self, u, known):
        return self._carried((u,), lambda t, y: (self._v(t, y, known),), 0.0, 1.0)[0]

    def _to_normal(self, y, known):
        start = y, torch.zeros_like(y[:, 0])
        u, total = self._carried(start, lambda t, x, _: self._with_divergence(t, x, known), 1.0, 0.0)
        return u, total

    def _carried(self, state, slopes, start, end):
        """A tuple of tensors, carried from time `start` to `end` by the fourth-order rule of Runge and Kutta."""
        h, t = (end - start) / self.sizes["steps"], start

        def after(share, k):
            return tuple(x + share * h * v for x, v in zip(state, k))

        for _ in range(self.sizes["steps"]):
            one = slopes(t, *state)
            two = slopes(t + 0.5 * h, *after(0.5, one))
            three = slopes(t + 0.5 * h, *after(0.5, two))
            four = slopes(t + h, *after(1.0, three))
            mean = tuple((a + 2.0 * b + 2.0 * c + d) / 6.0 for a, b, c, d in zip(one, two, three, four))
            state, t = after(1.0, mean), t + h
        return state

    def _with_divergence(self, t, y, known):
        """v, and the sum of its derivatives along each number: the trace of its Jacobian, exactly."""
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            y = y if y.requires_grad else y.detach().requires_grad_()
            v, divergence = self._v(t, y, known), torch.zeros_like(y[:, 0])
            for k in range(y.shape[1]):
                (slope,) = torch.autograd.grad(v[:, k].sum(), y, create_graph=wanted, retain_graph=True)
                divergence = divergence + slope[:, k]
        return (v, divergence) if wanted else (v.detach(), divergence.detach())
