"""What a string draws besides z, and the order of its last pair: each has a weight of its own, with one number.

Data that differ in it would bend f, if f alone could change.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..events.histories import Histories
from ..lund.last_pair import log_order_probability
from ..params import LundParams
from ..weights.allowed import Case
from ..weights.breaks import last_draws_known, log_w_of_chains
from .checks import several


class Factor(NamedTuple):
    """A number that data may have otherwise than the simulation: standard deviation of the change before any data."""

    prior: float
    step: float  # of differences in place of derivatives
    low: float
    high: float


FACTORS = {
    "order": Factor(0.01, 1e-3, 1e-3, 1e3),  # b of 1/(1 + exp(bλ)) [GeV⁻²]; changes with that of f, up to this
    "sigma_pt": Factor(0.07, 1e-4, 1e-2, 10.0),  # GeV
    "enhanced_fraction": Factor(0.02, 1e-4, 0.0, 1.0),
    "u_fraction": Factor(0.10, 1e-3, 1e-3, 1.0 - 1e-3),
}


def checked_factors(factors: str | Iterable[str]) -> tuple[str, ...]:
    """Factors as a tuple, each of them known; a word by itself is one factor."""
    factors = several(factors, "factors")
    if set(factors) - set(FACTORS):
        raise ValueError(f"factors are some of {', '.join(FACTORS)}, got {', '.join(map(str, factors))}")
    return factors


def reference_values(factors: tuple[str, ...], params: LundParams) -> np.ndarray:
    """Values of the `factors` in a simulation made with `params`, (F,)."""
    return np.array([params.b if name == "order" else getattr(params, name) for name in factors])


class Factors:
    """Log weights of chains for other values of what is not z.

    Parameters
    ----------
    histories : Histories
        N events with their C chains.
    params : LundParams
        With which they were made.
    names : tuple of str
        Of `FACTORS`.
    quark : int or None
        As in `hadtutor.weights.allowed.Case`.
    """

    def __init__(
        self, histories: Histories, params: LundParams, names: tuple[str, ...], quark: int | np.ndarray | None
    ) -> None:
        self.names, self.reference = names, reference_values(names, params)
        self.case = Case(histories, params, params, quark)
        self.ordered = np.flatnonzero(np.isfinite(histories.final_lambda))
        lam = histories.final_lambda[self.ordered].astype(float)
        self.signed_lambda = np.where(histories.final_reversed[self.ordered], lam, -lam)

    def within(self, change: np.ndarray) -> np.ndarray:
        """The change, (F,), that is nearest to `change` and leads to where the model has a meaning."""
        limits = np.array([FACTORS[name][2:] for name in self.names]).reshape(-1, 2)
        return np.clip(self.reference + change, *limits.T) - self.reference

    def _target(self, change):
        new = dict(zip(self.names, (self.reference + self.within(change)).tolist(), strict=True))
        b = new.pop("order", self.case.base.b)
        return self.case._replace(target=self.case.base._replace(**new)), b

    def log_weights(self, change: np.ndarray) -> np.ndarray:
        """Log weight of each chain, (C,), where the factors are changed by `change`, (F,)."""
        case, b = self._target(change)
        log_w = np.zeros(case.histories.n_chains) if case.target == case.base else log_w_of_chains(case)
        if b != case.base.b:
            log_w[self.ordered] += log_order_probability(self.signed_lambda, b)
            log_w[self.ordered] -= log_order_probability(self.signed_lambda, case.base.b)
        return log_w

    def rows(self, change: np.ndarray) -> np.ndarray:
        """Derivatives of the log weights with respect to the changes, (C, F), where these are `change`, (F,)."""
        rows = np.empty((self.case.histories.n_chains, len(self.names)))
        for k, name in enumerate(self.names):
            up, down = np.array(change, float), np.array(change, float)
            up[k], down[k] = up[k] + FACTORS[name].step, down[k] - FACTORS[name].step
            apart = (self.within(up) - self.within(down))[k]
            rows[:, k] = (self.log_weights(up) - self.log_weights(down)) / apart
        return rows

    def complete(self, change: np.ndarray) -> bool:
        """Whether rejected chains hold all draws that have another weight after `change`, (F,)."""
        return last_draws_known(self._target(change)[0])
