"""Weights of breaks as a function, with errors: f(z|mT²)."""

import numpy as np

from .. import lund
from .chains import _sum_over_chains


class BreakWeights:
    """Weights of breaks as a function, and the fragmentation function they stand for.

    Parameters
    ----------
    basis : BreakBasis
    theta : ndarray, shape (K,)
        Coefficients of ln w.
    covariance : ndarray, shape (K, K), optional
        Of the coefficients.
    sigma_table : ndarray, shape (nodes,), optional
        Standard deviation of ln w at the nodes, where there is no covariance; by default NaN.

    Attributes
    ----------
    table : ndarray, shape (nodes,)
        Normalised ln w at the nodes.
    """

    def __init__(self, basis, theta, covariance=None, sigma_table=None):
        self.basis, self.theta, self.covariance = basis, theta, covariance
        self.table = basis.normalise(basis.matrix @ theta)
        self._sigma = sigma_table

    @property
    def sigma_table(self):
        """Standard deviation of ln w at the nodes; NaN without a covariance."""
        if self._sigma is None:
            if self.covariance is None:
                self._sigma = np.full(len(self.table), np.nan)
            else:
                rows = self.basis.derivative(self.table)
                self._sigma = np.sqrt(
                    np.maximum(0.0, np.einsum("nk,kl,nl->n", rows, self.covariance, rows, optimize=True))
                )
        return self._sigma

    def _look_up(self, z, mt2, conditions, *tables):
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
        axes = self.basis.axes
        place = np.stack([axis.place(v.ravel()) for axis, v in zip(axes, values, strict=True)])
        offsets = np.arange(place.shape[1] + 1)
        found = []
        for table in tables:
            total = np.zeros(place.shape[1])
            _sum_over_chains(place, self.basis.shape, offsets, table, total)
            found.append(total.reshape(values[0].shape)[()])
        return found

    def __call__(self, z, mt2, **conditions):
        r"""Logarithm of break weights and its standard deviation.

        Parameters
        ----------
        z : array_like
            Between 0 and 1.
        mt2 : array_like
            Transverse mass squared [GeV²], broadcast against `z`.
        **conditions : array_like
            One for each condition of the basis.

        Returns
        -------
        log_w, sigma : ndarray
            In the shape of `z` and `mt2` together. Outside the nodes the value at the border.

        Raises
        ------
        ValueError
            If an argument is out of range, or a condition is missing or not one of the basis.
        """
        return tuple(self._look_up(z, mt2, conditions, self.table, self.sigma_table))

    def f(self, z, mt2, **conditions):
        r"""Fragmentation function :math:`f(z|m_T^2) = w\,f_\mathrm{ref}` and its standard deviation.

        Parameters
        ----------
        z, mt2, **conditions : array_like
            As for the weights.

        Returns
        -------
        f, sigma : ndarray
            f integrates to 1 over z.
        """
        log_w, sigma = self(z, mt2, **conditions)
        f = np.exp(log_w + lund.log_density(z, mt2, self.basis.params))
        return f, f * sigma
