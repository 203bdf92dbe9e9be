"""Values of parameters with their errors: what every fit answers with."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaincc

from .files import DataFileError, read_arrays, write_arrays

__all__ = ["Estimate"]


@dataclass(eq=False)
class Estimate:
    """Best values of parameters, their covariance, and whether they can be trusted.

    Attributes
    ----------
    names, values, covariance : tuple of str, ndarray of shape (P,), ndarray of shape (P, P)
        Of the P parameters that were fitted.
    chi2 : float
        At the minimum; NaN if what was made small is no χ².
    ndf : int or None
        Degrees of freedom.
    n_eff : float
        Effective number of simulated events at the minimum; NaN where nothing was weighted.
    message : str
        Empty if all went well, else what went wrong and what to try.

    Raises
    ------
    ValueError
        If there is not one value for each name, or the covariance has another shape.

    Examples
    --------
    >>> fit = Estimate(("a", "b"), np.array([0.68, 0.98]), np.diag([1e-4, 4e-4]), chi2=12.0, ndf=10)
    >>> print(fit)
    a = 0.6800 ± 0.0100, b = 0.9800 ± 0.0200; χ² 12 for 10 degrees of freedom, p = 0.285
    """

    names: tuple[str, ...]
    values: np.ndarray
    covariance: np.ndarray
    chi2: float = field(default=np.nan, kw_only=True)
    ndf: int | None = field(default=None, kw_only=True)
    n_eff: float = field(default=np.nan, kw_only=True)
    message: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        self.names, n = tuple(self.names), len(self.names)
        self.values, self.covariance = np.asarray(self.values), np.asarray(self.covariance)
        got = self.values.shape, self.covariance.shape
        if got != ((n,), (n, n)):
            wanted = f"values and a covariance of shapes ({n},) and ({n}, {n})"
            raise ValueError(f"{n} names want {wanted}, got {got[0]} and {got[1]}")

    @property
    def errors(self) -> np.ndarray:
        """Standard deviations, shape (P,); NaN where the covariance has no root."""
        variance = np.diag(self.covariance)
        return np.sqrt(np.where(variance >= 0, variance, np.nan))

    @property
    def p_value(self) -> float:
        """Probability of a larger χ² if the model is right; NaN if there is no χ²."""
        return float(gammaincc(self.ndf / 2, self.chi2 / 2)) if self.ndf and np.isfinite(self.chi2) else np.nan

    def _quality(self) -> list[str]:
        """What is said after the values."""
        said = []
        if np.isfinite(self.chi2):
            said.append(f"χ² {self.chi2:.4g} for {self.ndf} degrees of freedom, p = {self.p_value:.3g}")
        if np.isfinite(self.n_eff):
            said.append(f"n_eff {self.n_eff:.0f}")
        return said + [self.message] * bool(self.message)

    def __str__(self) -> str:
        parts = [f"{n} = {v:.4f} ± {e:.4f}" for n, v, e in zip(self.names, self.values, self.errors, strict=True)]
        return "; ".join([", ".join(parts or ["no parameters"]), *self._quality()])

    def _repr_html_(self) -> str:
        rows = zip(self.names, self.values, self.errors, strict=True)
        cells = "".join(f"<tr><th>{html.escape(n)}</th><td>{v:.4f}</td><td>{e:.4f}</td></tr>" for n, v, e in rows)
        head = "<tr><th>parameter</th><th>value</th><th>error</th></tr>"
        return f"<table><caption>{html.escape('; '.join(self._quality()))}</caption>{head}{cells}</table>"

    def save(self, path: str | os.PathLike) -> None:
        """Write values, covariance and quality to a file; what else a fit knows stays behind.

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        """
        header = {"kind": "estimate", "names": list(self.names), "ndf": self.ndf, "message": self.message}
        numbers = {"chi2": float(self.chi2), "n_eff": float(self.n_eff)}
        write_arrays(path, {"values": np.asarray(self.values), "covariance": self.covariance}, header | numbers)

    @staticmethod
    def load(path: str | os.PathLike) -> Estimate:
        """Read what `save` wrote, an `Estimate`.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        DataFileError
            If it is no file of an estimate.
        """
        arrays, header = read_arrays(path)
        if header.get("kind") != "estimate":
            raise DataFileError(f"{path} is no estimate, but {header.get('kind', 'something else')}")
        rest = {name: header[name] for name in ("chi2", "ndf", "n_eff", "message")}
        return Estimate(header["names"], arrays["values"], arrays["covariance"], **rest)
