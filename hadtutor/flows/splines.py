"""Neural splines: each number is moved by a monotonic spline that a network draws from what is known."""

from typing import Any

import torch
from torch import Tensor, nn

from .._support.checks import whole
from .._support.optional import need
from .density import Flow

BOUND = 5.0  # beyond, u = y


class SplineFlow(Flow):
    r"""A flow of monotonic rational-quadratic splines :cite:p:`durkan2019neural`, one for each column of x.

    The spline of a column depends on the condition and on the columns before, so that the Jacobian is triangular and
    the density a product of conditional ones. Needs the extra ``ml``.

    Parameters
    ----------
    x, condition, options
        As of `Flow`, which has the other options.
    bins : int
        Pieces of each spline, at least 2.
    hidden : tuple of int
        Hidden neurons of each network.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> condition = rng.normal(size=(20_000, 1))
    >>> x = condition + 0.5 * rng.normal(size=(20_000, 1))
    >>> flow = SplineFlow(x, condition, rng=1)
    >>> log = flow.fit(x, condition, epochs=20, batch_size=512, rng=1)
    >>> bool(abs(flow.sample(np.full((10_000, 1), 1.0), rng=1).mean() - 1.0) < 0.05)
    True
    """

    def __init__(
        self, x: Any, condition: Any, *, bins: int = 8, hidden: tuple[int, ...] = (32, 32), **options: Any
    ) -> None:
        self.sizes = {"bins": whole(bins, "bins", 2), "hidden": tuple(hidden)}
        super().__init__(x, condition, **options)

    def _build(self, n, n_known, network, dtype):
        bins = self.sizes["bins"]
        sizes = [(n_known + k, *self.sizes["hidden"], 3 * bins - 1) for k in range(n)]
        self.nets = nn.ModuleList(network(*size, activation=nn.SiLU, dtype=dtype) for size in sizes)
        for net in self.nets:  # at first u = y
            nn.init.zeros_(net[-1].weight)
            nn.init.zeros_(net[-1].bias)

    def _spline(self, k: int, known: Tensor) -> Any:
        spline = need("zuko.transforms", "ml", "SplineFlow").MonotonicRQSTransform
        bins = self.sizes["bins"]
        return spline(*self.nets[k](known).split([bins, bins, bins - 1], -1), bound=BOUND)

    def _to_normal(self, y, known):
        us, total = [], 0.0
        for k in range(len(self.nets)):
            u, log_slope = self._spline(k, torch.cat([known, y[:, :k]], 1)).call_and_ladj(y[:, k])
            us.append(u)
            total = total + log_slope
        return torch.stack(us, 1), total

    def _loss(self, y, known):
        u, log_det = self._to_normal(y, known)
        return 0.5 * (u**2).sum(1) - log_det

    def _from_normal(self, u, known):
        y = u[:, :0]
        for k in range(len(self.nets)):
            moved = self._spline(k, torch.cat([known, y], 1)).inv(u[:, k])
            y = torch.cat([y, moved.unsqueeze(1)], 1)
        return y
