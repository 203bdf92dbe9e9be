"""What every flow can do: learn a conditional density, draw from it, and say its logarithm."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._support.checks import as_seed, takes_rng, whole
from ..nets.bayes import BayesMLP
from ..nets.layers import MLP, Standardise, as_tensor, torch_seed
from ..training.batches import Table
from ..training.loop import train
from ..training.state import Log
from .charts import CHARTS, inside

ROWS = 20_000  # at a time, so that memory stays small
ENOUGH = 100_000  # rows for a parabola


class Flow(nn.Module):
    r"""A density p(x | condition): standard normal numbers u, moved by an invertible map that the condition decides.

    .. math:: \ln p(x \mid c) = \ln \varphi(u) + \ln \left|\det \frac{\partial u}{\partial x}\right|

    `SplineFlow` and `MatchingFlow` are its two kinds, with the same methods.

    Parameters
    ----------
    x : array_like or Tensor, shape (rows, D)
        Data, for their scale and precision.
    condition : array_like or Tensor, shape (rows, C)
        What is known of each row, C at least 1.
    kinds : sequence of {"real", "share", "cosine"}
        What each column of x is, a number between -∞ and ∞, 0 and 1, or -1 and 1; a word by itself holds for all.
    bayesian : bool
        Whether the weights of the networks are distributions, see `hadtutor.nets.BayesMLP`; `draw` takes one of them.
    rng : numpy.random.Generator or int
        Of the first weights.

    Raises
    ------
    TypeError, ValueError
        If data are not finite, lie outside of their bounds, or do not fit together.
    """

    low: Tensor
    high: Tensor
    parabola: Tensor
    sizes: dict[str, Any]

    @takes_rng
    def __init__(
        self, x: Any, condition: Any, *, kinds: str | Sequence[str] = "real", bayesian: bool = False,
        rng: np.random.Generator | int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        x, condition = two_dimensional(x, "x"), two_dimensional(condition, "condition")
        if len(x) != len(condition) or len(x) == 0:
            raise ValueError(f"x and condition want one row for each other, got {len(x)} and {len(condition)}")
        self.kinds = (kinds,) * x.shape[1] if isinstance(kinds, str) else tuple(kinds)
        if set(self.kinds) - set(CHARTS) or len(self.kinds) != x.shape[1]:
            raise ValueError(f"kinds want one of {', '.join(CHARTS)} for each of {x.shape[1]} columns, got {kinds!r}")
        if not bool(torch.isfinite(condition).all()):
            raise ValueError("condition must be finite, got NaN or infinity")
        y, _ = self._charted(x)
        self.bayesian = bool(bayesian)
        scaled = torch.tensor([CHARTS[kind].scaled for kind in self.kinds])
        self.scale, self.known = Standardise(y), Standardise(condition.to(x.dtype))
        self.scale.mean[~scaled], self.scale.spread[~scaled] = 0.0, 1.0
        # How the mean moves with the condition: what is taken off here no network has to learn.
        some = slice(None, None, max(1, len(x) // ENOUGH))
        powers = _powers(self.known(condition[some].to(x.dtype))).double()
        square, moved = powers.T @ powers, powers.T @ self.scale(y[some]).double()
        parabola = (torch.linalg.pinv(square, hermitian=True) @ moved).to(x.dtype)
        self.register_buffer("parabola", parabola * scaled.to(parabola))
        self.register_buffer("low", condition.min(0).values.to(x.dtype))
        self.register_buffer("high", condition.max(0).values.to(x.dtype))
        with torch_seed(rng):
            self._build(x.shape[1], condition.shape[1], BayesMLP if bayesian else MLP, x.dtype)

    # --- what the kinds of flows fill in ---

    def _build(self, n: int, n_known: int, network: type[MLP], dtype: torch.dtype) -> None:
        raise NotImplementedError

    def _loss(self, y: Tensor, known: Tensor) -> Tensor:
        """What training makes small, one number per row."""
        raise NotImplementedError

    def _to_normal(self, y: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The normal numbers of scaled data, and ln |det du/dy|."""
        raise NotImplementedError

    def _from_normal(self, u: Tensor, known: Tensor) -> Tensor:
        """Scaled data of normal numbers."""
        raise NotImplementedError

    # --- what users call ---

    @takes_rng
    def fit(
        self, x: Any, condition: Any, *, epochs: int = 10, batch_size: int = 4096, lr: float = 5e-3,
        rng: np.random.Generator | int = 1, **options: Any,
    ) -> Log:  # fmt: skip
        """Learn from data, in place, on whatever device the flow is.

        Parameters
        ----------
        x, condition : array_like or Tensor, shape (rows, D), (rows, C)
        epochs, batch_size, lr, rng
            As of `hadtutor.training.train`; the step size falls to 0.
        options
            Others of `hadtutor.training.train`.
        """
        x, condition = self._checked(x, "x", len(self.kinds)), self._checked(condition, "condition", len(self.low))
        if len(x) != len(condition):
            raise ValueError(f"x and condition want one row for each other, got {len(x)} and {len(condition)}")
        known, n = self.known(condition), len(x)
        y = self.scale(self._charted(x)[0]) - _powers(known) @ self.parabola

        def loss(model, batch):
            total = model._loss(*batch).mean()
            return total + sum(net.kl() for net in model.modules() if isinstance(net, BayesMLP)) / n

        options = {"lr_end": 0.0, "progress": False} | options
        return train(self, Table(y, known), loss, epochs=epochs, batch_size=batch_size, lr=lr, rng=rng,
                     **options)  # fmt: skip

    def log_density(self, x: Any, condition: Any) -> Tensor:
        """Logarithm of p(x | condition), shape (rows,), for `x` (rows, D) and `condition` (rows, C)."""
        x, condition = self._checked(x, "x", len(self.kinds)), self._checked(condition, "condition", len(self.low))
        y, log_slope = self._charted(x)
        known = self.known(condition)
        scaled = self.scale(y) - _powers(known) @ self.parabola
        parts = []
        for some in zip(scaled.split(ROWS), known.split(ROWS), strict=True):
            u, log_det = self._to_normal(*some)
            parts.append((-0.5 * u**2 - 0.5 * math.log(2.0 * math.pi)).sum(1) + log_det)
        return torch.cat(parts) + log_slope - torch.log(self.scale.spread).sum()

    def transport(self, noise: Tensor, condition: Any) -> Tensor:
        """What standard normal numbers, the `noise` of shape (rows, D), become under a `condition` (rows, C)."""
        known = self.known(self._checked(condition, "condition", len(self.low)))
        moved = [self._from_normal(*some) for some in zip(noise.to(self.low).split(ROWS), known.split(ROWS))]
        y = (torch.cat(moved) + _powers(known) @ self.parabola) * self.scale.spread + self.scale.mean
        columns = [CHARTS[kind].inverse(column) for kind, column in zip(self.kinds, y.unbind(1))]
        return torch.stack([inside(CHARTS[kind], x) for kind, x in zip(self.kinds, columns)], 1)

    @takes_rng
    def sample(self, condition: Any, *, rng: np.random.Generator | int) -> Tensor:
        """Draw x, shape (rows, D), one for each row of `condition` (rows, C), with `rng`; the same on every device."""
        condition = self._checked(condition, "condition", len(self.low))
        source = torch.Generator().manual_seed(as_seed(rng))
        noise = torch.randn(len(condition), len(self.kinds), generator=source, dtype=torch.float64)
        with torch.no_grad():
            return self.transport(noise, condition)

    @takes_rng
    def draw(self, *, rng: np.random.Generator | int) -> "Flow":
        """One flow out of a Bayesian one: its networks with weights drawn by `rng`."""
        if not self.bayesian:
            raise ValueError("only a flow made with bayesian=True has a distribution of weights to draw from")
        other, generator = copy.deepcopy(self), np.random.default_rng(as_seed(rng))
        for name, net in list(other.named_modules()):
            if isinstance(net, BayesMLP):
                parent, _, last = name.rpartition(".")
                setattr(other.get_submodule(parent), last, net.draw(rng=generator))
        return other.eval()

    def _checked(self, values, name, n):
        values = two_dimensional(values, name).to(self.low)
        if values.shape[1] != n:
            raise ValueError(f"{name} must have {n} column{'s' * (n > 1)}, got shape {tuple(values.shape)}")
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        return values

    def _charted(self, x):
        """Columns without bounds, and the sum of ln |dy/dx|."""
        ys, total = [], torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for kind, column in zip(self.kinds, x.unbind(1)):
            chart = CHARTS[kind]
            if not bool(((column >= chart.low) & (column <= chart.high) & torch.isfinite(column)).all()):
                raise ValueError(f"x of kind {kind} must be finite and lie between {chart.low:g} and {chart.high:g}")
            y = chart.forward(inside(chart, column))
            ys.append(y)
            total = total + chart.log_slope(y)
        return torch.stack(ys, 1), total


def _powers(known):
    return torch.cat([torch.ones_like(known[:, :1]), known, known**2], 1)


@takes_rng
def bootstrapped(
    flow: Flow, x: Any, condition: Any, n: int, *, rng: np.random.Generator | int, **options: Any
) -> list[Flow]:
    """Flows like one, each from first weights and data of its own: their scatter is the error of what they learned.

    Parameters
    ----------
    flow : Flow
        What they are like; it stays as it is.
    x, condition : array_like or Tensor
        Data; each flow sees as many rows drawn with repetition.
    n : int
        Number of flows.
    rng : numpy.random.Generator or int
    options
        As of `Flow.fit`.
    """
    generator, flows = np.random.default_rng(as_seed(rng)), []
    x, condition = two_dimensional(x, "x").to(flow.low), two_dimensional(condition, "condition").to(flow.low)
    for _ in range(whole(n, "n")):
        rows = torch.as_tensor(generator.integers(len(x), size=len(x)), device=x.device)
        other = type(flow)(x, condition, kinds=flow.kinds, bayesian=flow.bayesian, rng=generator, **flow.sizes)
        other.to(flow.low).fit(x[rows], condition[rows], rng=generator, **options)
        flows.append(other)
    return flows


def two_dimensional(values: Any, name: str) -> Tensor:
    """A table of real numbers, the `values` called `name`, one row each; a single column need not say so."""
    values = as_tensor(values, name)
    if values.ndim == 1:
        values = values.unsqueeze(1)
    if values.ndim != 2:
        raise ValueError(f"{name} must have the shape (rows, columns), got {tuple(values.shape)}")
    return values if values.is_floating_point() else values.to(torch.float32)
