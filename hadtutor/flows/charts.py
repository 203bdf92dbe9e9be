"""Charts: what is bounded, as a number without bounds."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

EDGE = {torch.float32: 6e-8, torch.float64: 1e-15}
"""How near a bound a number may come, of the width between the bounds: nearer, single precision has no numbers."""


class Chart(NamedTuple):
    """A number x with bounds, a number y without, and ln dy/dx."""

    low: float
    high: float
    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]
    log_slope: Callable[[Tensor], Tensor]  # of y
    scaled: bool  # whether y is brought to mean 0 and standard deviation 1 of the data


def _log_normal(y):
    return -0.5 * y**2 - 0.5 * math.log(2.0 * math.pi)


CHARTS = {
    "real": Chart(-math.inf, math.inf, lambda x: x, lambda y: y, torch.zeros_like, True),
    "share": Chart(
        0.0, 1.0, torch.logit, torch.sigmoid,
        lambda y: torch.nn.functional.softplus(y) + torch.nn.functional.softplus(-y), True,
    ),
    "cosine": Chart(
        -1.0, 1.0, lambda x: torch.special.ndtri(0.5 * (1.0 + x)), lambda y: 2.0 * torch.special.ndtr(y) - 1.0,
        lambda y: -math.log(2.0) - _log_normal(y), False,
    ),
}  # fmt: skip
"""A real number; a share between 0 and 1, by its logit; a cosine, by what makes a uniform one standard normal."""


def inside(chart: Chart, x: Tensor) -> Tensor:
    """`x` of a `chart` no nearer to its bounds than single (or double) precision resolves."""
    if math.isinf(chart.low):
        return x
    edge = (chart.high - chart.low) * EDGE.get(x.dtype, EDGE[torch.float32])
    return x.clamp(chart.low + edge, chart.high - edge)
