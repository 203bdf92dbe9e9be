"""Weights of breaks as a function, with errors: f(z|mT²)."""

import numpy as np
from numpy.typing import ArrayLike

from .basis import BreakBasis
from .chains import sum_over_chains
from .nodes import KIND


class BreakWeights:
    """Weights of breaks as a function, and the fragmentation function they stand for.

    Parameters
    ----------
    basis : BreakBasis
    theta : ndarray, shape (K + F,)
        Coefficients of ln w, and the changes of the factors of the basis, if it has any.
    covariance : ndarray, shape (K + F, K + F), optional
        Of the coefficients.
    sigma_table : ndarray, shape (nodes,), optional
        Standard deviation of ln w at the nodes, where there is no covariance; by default NaN.

    Attributes
    ----------
    table : ndarray, shape (nodes,)
        Normalised ln w at the nodes.
    """

    def __init__(
        self, basis: BreakBasis, theta: np.ndarray, covariance: np.ndarray | None = None,
        sigma_table: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.basis, self.theta, self.covariance = basis, theta, covariance
        self.table = basis.table_of(theta)
        self._sigma = np.full(len(self.table), np.nan) if covariance is None and sigma_table is None else sigma_table

    @property
    def sigma_table(self) -> np.ndarray:
        """Standard deviation of ln w at the nodes; NaN without a covariance."""
        if self._sigma is None:
            rows = self.basis.derivative(self.table)
            covariance = np.asarray(self.covariance)[: rows.shape[1], : rows.shape[1]]
            variance = np.einsum("nk,kl,nl->n", rows, covariance, rows, optimize=True)
            self._sigma = np.sqrt(np.maximum(0.0, variance))
        return self._sigma

    def _look_up(self, z, mt2, conditions, *tables):
        if KIND in self.basis.conditions:
            conditions = {KIND: 0} | conditions
        missing = set(self.basis.conditions) ^ set(conditions)
        if missing:
            raise ValueError(
                f"these weights depend on z, mt2 and ({', '.join(self.basis.conditions)}); "
                f"give just these, missing or too many: {', '.join(sorted(missing))}"
            )
        z, mt2 = np.asarray(z, dtype=float), np.asarray(mt2, dtype=float)
        if not (np.all((z > 0) & (z < 1)) and np.all((mt2 > 0) & np.isfinite(mt2))):
            raise ValueError("z must lie between 0 and 1, and mt2 be positive and finite (GeV²)")
        more = [np.asarray(conditions[name], dtype=float) for name in self.basis.conditions]
        values = np.broadcast_arrays(np.log(z) - np.log1p(-z), np.log(mt2), *more)
        place = self.basis.place([v.ravel() for v in values])
        found = np.zeros((len(tables), place.shape[1]))
        for table, total in zip(tables, found, strict=True):
            sum_over_chains(place, self.basis.shape, np.arange(place.shape[1] + 1), table, total)
        return [total.reshape(values[0].shape)[()] for total in found]

    def __call__(self, z: ArrayLike, mt2: ArrayLike, **conditions: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of break weights and its standard deviation; outside the nodes the value at the border.

        Parameters
        ----------
        z, mt2 : array_like
            Between 0 and 1, and transverse mass squared [GeV²]; broadcast against each other, as is the result.
        **conditions : array_like
            One for each condition of the basis, else ValueError.
        """
        log_w, sigma = self._look_up(z, mt2, conditions, self.table, self.sigma_table)
        return log_w, sigma

    def f(self, z: ArrayLike, mt2: ArrayLike, **conditions: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        r"""Fragmentation function :math:`f(z|m_T^2) = w\,f_\mathrm{ref}` and its standard deviation.

        It integrates to 1 over `z`; that, `mt2` and `conditions` are as for the weights. Of strings of all flavours it
        is that of light ones, if `kind` is not given.
        """
        log_w, sigma = self(z, mt2, **conditions)
        f = np.exp(log_w + self.basis.log_reference(z, mt2, conditions.get(KIND, 0)))
        return f, f * sigma

    def density(self, z: ArrayLike, mt2: ArrayLike, **conditions: ArrayLike) -> np.ndarray:
        """The f of `z`, `mt2`, `conditions` alone, as `hadronize_strings` takes a law: zero where z is 0 or 1."""
        z = np.asarray(z, dtype=float)
        inside = (z != 0) & (z != 1)
        safe = np.where(inside, z, 0.5)
        (log_w,) = self._look_up(safe, mt2, conditions, self.table)
        log_f = log_w + self.basis.log_reference(safe, mt2, conditions.get(KIND, 0))
        return np.where(inside, np.exp(log_f), 0.0)[()]
