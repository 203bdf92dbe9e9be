"""Values of parameters with their errors: what every fit answers with."""

import html
import os
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from scipy.special import gammaincc

from .files import DataFileError, read_arrays, write_arrays
from .params import params_from

__all__ = ["Estimate"]


@dataclass(eq=False)
class Estimate:
    """Best values of parameters, their covariance, and whether they can be trusted.

    Attributes
    ----------
    names, values, covariance : tuple of str, ndarray of shape (P,), ndarray of shape (P, P)
        Of the P parameters that were fitted; other shapes are a ValueError.
    chi2, ndf : float, int or None
        At the minimum, NaN if what was made small is no χ², and degrees of freedom.
    n_eff : float
        Effective number of simulated events at the minimum; NaN where nothing was weighted.
    message : str
        Empty if all went well, else what went wrong and what to try.

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
        self.chi2, self.n_eff = float(self.chi2), float(self.n_eff)
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

    def directions(self) -> list[tuple[float, dict[str, float]]]:
        r"""Independent combinations of the parameters, the least known first: what the data cannot tell apart.

        Each is the standard deviation of :math:`\sum_i c_i \ln |p_i|`, about its relative error, and the c of all
        parameters, a unit vector; they are the axes of the ellipsoid of the covariance of logarithms. A ValueError if a
        value is zero, which has no logarithm, or the covariance is not finite.

        Examples
        --------
        >>> fit = Estimate(("a", "b"), np.ones(2), np.array([[0.05, 0.04], [0.04, 0.05]]))
        >>> error, weights = fit.directions()[0]  # along the valley a and b grow together
        >>> round(error, 2), {name: round(c, 2) for name, c in weights.items()}
        (0.3, {'a': 0.71, 'b': 0.71})
        """
        if not self.names:
            return []
        if not np.isfinite(self.covariance).all() or (self.values == 0.0).any():
            raise ValueError(
                f"directions want a finite covariance and values that are not zero, got errors {self.errors} of "
                f"{dict(zip(self.names, self.values.tolist(), strict=True))}"
            )
        variance, axes = np.linalg.eigh(self.covariance / np.outer(self.values, self.values))
        axes = axes * np.sign(axes[np.argmax(abs(axes), axis=0), np.arange(len(axes))])
        return [
            (float(np.sqrt(max(variance[k], 0.0))), dict(zip(self.names, axes[:, k].tolist(), strict=True)))
            for k in range(len(variance))[::-1]
        ]

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
        """Write to a file at `path`: all arrays, numbers, words and `params` of the fit, but no log and no events."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: value for name, value in known.items() if isinstance(value, np.ndarray)}
        header: dict[str, Any] = {"kind": "estimate", "names": list(self.names), "ndf": self.ndf}
        header |= {"message": self.message} | {
            name: float(value) for name, value in known.items() if isinstance(value, float)
        }
        header |= {"params": known["params"]._asdict()} if "params" in known else {}
        write_arrays(path, arrays, header)

    @staticmethod
    def load(path: str | os.PathLike) -> "Estimate":
        """Read what `save` wrote to `path`: an `Estimate`, with what else the fit knew as its attributes.

        A `DataFileError` says if it is no file of an estimate.
        """
        arrays, header = read_arrays(path)
        if header.get("kind") != "estimate":
            raise DataFileError(f"{path} is no estimate, but {header.get('kind', 'something else')}")
        estimate = Estimate(**{f.name: (arrays | header)[f.name] for f in fields(Estimate)})
        numbers = {name: value for name, value in header.items() if isinstance(value, float)}
        params = {"params": params_from(header["params"])} if "params" in header else {}
        vars(estimate).update(arrays | numbers | params)
        return estimate
