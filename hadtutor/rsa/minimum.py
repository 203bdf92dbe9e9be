"""The way down: from some values of the parameters to a minimum of the loss, where the base can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import optimize

SCALE = {"a": 0.1, "b": 0.1, "sigma_pt": 0.02}  # typical steps of the minimiser


class FitError(RuntimeError):
    """A fit cannot go on."""


def log_n_eff(log_w: torch.Tensor) -> torch.Tensor:
    """Logarithm of the effective number of events."""
    return 2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0)


def minimise(
    objective: Any, values: ArrayLike, floor: float = 0.0, log_u: torch.Tensor | None = None,
    log_v: torch.Tensor | None = None, fixed: Sequence[str] = (),
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Go down from some values to a minimum of the loss, where the base can be trusted.

    Parameters
    ----------
    objective : Objective
    values : array_like, shape (P,)
        Where to begin.
    floor : float
        Least effective number of base events, over their number.
    log_u, log_v : Tensor, optional
        Logarithms of how often events count, as in a call of the objective.
    fixed : sequence of str
        Parameters that stay.

    Returns
    -------
    values : ndarray, shape (P,)
    loss : float

    Raises
    ------
    FitError
        If the loss is not finite.
    """
    start = np.array(values, dtype=float)
    free = np.array([name not in fixed for name in objective.names])
    scale = np.array([SCALE[name] for name in objective.names])
    first, _ = objective.value_and_gradient(start, log_u, log_v)
    if not np.isfinite(first):
        raise FitError(f"the loss is {first} at {objective.params_of(start)}")
    if not free.any():
        return start, first
    size, tolerance = objective.loss.precision(first)

    def full(x):
        values = start.copy()
        values[free] += scale[free] * x
        return values

    def loss(x):
        value, gradient = objective.value_and_gradient(full(x), log_u, log_v)
        return value / size, (gradient * scale)[free] / size

    def of_n_eff(x):
        values = torch.tensor(full(x), device=objective.device, requires_grad=True)
        log_n = log_n_eff(objective.log_w(values))
        (gradient,) = torch.autograd.grad(log_n, values)
        return float(log_n.detach()), gradient.cpu().numpy()

    least = np.log(max(floor, 1e-12) * objective.sizes[0])
    room = {"type": "ineq", "fun": lambda x: of_n_eff(x)[0] - least, "jac": lambda x: (of_n_eff(x)[1] * scale)[free]}
    limits = np.array([objective.limits[name] for name in objective.names])
    result = optimize.minimize(
        loss, np.zeros(free.sum()), jac=True, method="SLSQP",
        bounds=((limits - start[:, None]) / scale[:, None])[free],
        constraints=room if objective.loss.of_base else (), options={"ftol": tolerance, "maxiter": 100},
    )  # fmt: skip
    if not np.isfinite(result.fun):
        raise FitError(f"the loss is {result.fun} at {objective.params_of(full(result.x))}")
    return full(result.x), float(result.fun * size)
