"""The χ² of figures as a function of parameters, and the search for its minimum by weights of one sample."""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from ..events.sample import Sample
from ..metrics.weighted import n_eff
from .models import Params, SomeFigures, model_of

STEP = 1e-4  # of numerical derivatives of functions of the parameters alone
STEPS, HALVINGS = 50, 6  # of a search, and of one step of it
SMOOTH = 8  # numbers that a figure is seen through
ENOUGH = 1e-3  # that the χ² is about to fall, where a search ends


class TuneError(RuntimeError):
    """No minimum was found; the message says why, and what to try."""


class Prior(NamedTuple):
    """What is known of the values before: the logarithm of each is Gaussian."""

    centre: np.ndarray  # (P,)
    width: float


def _normalised(log_w):
    w = np.exp(log_w - log_w.max())
    return w / w.sum()


class Minimum(NamedTuple):
    """Where a search ended."""

    values: np.ndarray
    covariance: np.ndarray
    inverse: np.ndarray  # of half the second derivatives of the χ²: the covariance for events without number
    chi2: float
    beyond: bool  # whether it goes on where too few events are left to say where


class Objective:
    r"""χ² of figures as a function of parameters, for one sample; arguments as of `fit`, `seed` that of decays.

    What simulation and data are off, :math:`r = \sum_i w_i x_i` with x what event i has beyond the data, has the
    covariance V of both, which are independent. That of the simulation is taken where the first search begins, and
    stays: if it went along, the χ² would fall where few events count.

    Slopes of the figures are means over events, too, and hold noise. In hundreds of bins it adds up to a curvature
    that is not there, and minima lie too near to where the sample was made. Two things help. Figures are seen through
    `SMOOTH` numbers each, as t = T r whose covariance is one: changes with the parameters are smooth, noise is not. And
    of the square

    .. math:: t^T t = \sum_{ij} w_i w_j\, (T x_i)^T (T x_j)

    the terms i = j are left out, which makes χ², gradient and curvature such as they are on average without noise (a U
    statistic). With H the curvature so found and J the plain one, the covariance of the minimum is
    :math:`H^{-1} J H^{-1}`. A prior is in both; without noise, data do not curve downward, so H is never below the
    prior's own.
    """

    def __init__(
        self, sample: Sample, figures: SomeFigures, names: tuple[str, ...], theory_error: float, all_chains: bool,
        floor: float, prior: Prior | None = None, seed: int = 1, progress: bool = False,
    ) -> None:  # fmt: skip
        self.sample, self.names, self.floor, self.prior = sample, names, floor, prior
        self.model = model_of(sample.params)
        self.rows = self.model.rows(sample, names, all_chains)
        self.base = self.rows.base
        self.figures, self.hadrons = self.model.measured(sample, figures, theory_error, seed, progress)
        if len(self.figures.data) < len(names):
            raise ValueError(f"{len(self.figures.data)} bins do not fix {len(names)} parameters; pass more figures")
        self.limits = np.array([self.model.limits[name] for name in names]).T
        self.seen: Any = None

    def values_of(self, params: Params) -> np.ndarray:
        """Values of what is free, (P,), at `params`."""
        return np.array([self.model.value(params, name) for name in self.names])

    def params_of(self, values: np.ndarray) -> Params:
        """All parameters for `values`, (P,), of what is free."""
        return self.model.moved(self.base, dict(zip(self.names, np.asarray(values, float).tolist(), strict=True)))

    def describe(self, values: np.ndarray) -> str:
        """`values`, (P,), with their names."""
        return ", ".join(f"{name} = {value:.4g}" for name, value in zip(self.names, values, strict=True))

    def log_w(self, values: np.ndarray) -> np.ndarray:
        """Log weights of the events, (N,), at `values`, (P,)."""
        return self.rows.log_w(self.params_of(values))

    def share(self, values: np.ndarray) -> float:
        """Part of the events that count at `values`, (P,); 0 where the model or the sample does not reach.

        That is n_eff/N, and times the mean weight if that is below 1, as it is where the sample lacks what the target
        has: the weights that are there may be even.
        """
        return self._reached(values)[1]

    def _reached(self, values):
        try:
            log_w = self.log_w(values)
        except ValueError:
            return None, 0.0
        if not np.isfinite(log_w).all():
            return log_w, 0.0
        return log_w, n_eff(log_w) / len(log_w) * min(1.0, float(np.exp(log_w).mean()))

    def _off_prior(self, values):
        """Pulls of the prior, (P,), and their derivatives by the values, (P,)."""
        if self.prior is None:
            return np.zeros(len(values)), np.zeros(len(values))
        return np.log(values / self.prior.centre) / self.prior.width, 1.0 / (values * self.prior.width)

    def chi2(self, values: np.ndarray) -> float:
        """χ² at `values`, (P,), with that of the prior, but for a constant; infinite where too few events are left."""
        log_w, share = self._reached(values)
        if share < self.floor:
            return np.inf
        off = self.seen @ (self.figures.of(log_w).values - self.figures.data)
        pulls, _ = self._off_prior(values)
        return float(off @ off + pulls @ pulls - _normalised(log_w) ** 2 @ self.single)

    def linearise(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, (B,), and log weights, (N,), at `values`, (P,), each with its derivatives, (B, P) and (N, P)."""
        change = np.empty((len(self.rows.at_base), len(values)))
        for k, (value, low, high) in enumerate(zip(values, *self.limits, strict=True)):
            h = STEP * max(abs(value), 0.1)
            up, down = np.array(values, float), np.array(values, float)
            up[k], down[k] = min(value + h, high), max(value - h, low)
            vectors = [self.rows.vector(self.params_of(v)) for v in (up, down)]
            change[:, k] = (vectors[0] - vectors[1]) / (up[k] - down[k])
        log_w, slopes = self.rows.log_w_and_slopes(self.params_of(values), change)
        found = self.figures.of(log_w, slopes)
        return found.values - self.figures.data, found.slopes, log_w, slopes

    def _weigh(self, log_w):
        root = np.linalg.cholesky(self.figures.total_covariance(log_w))
        smooth = np.linalg.qr(solve_triangular(root, self.figures.smooth(SMOOTH), lower=True))[0]
        self.seen = solve_triangular(root, smooth, lower=True, trans="T").T
        self.single = self.figures.squares(log_w, self.seen)

    def parabola(self, values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """χ², half its gradient, (P,), and the curvatures H and J, (P, P), at `values`, (P,)."""
        off, change, log_w, slopes = self.linearise(values)
        if self.seen is None:
            self._weigh(log_w)
        off, change, w = self.seen @ off, self.seen @ change, _normalised(log_w)
        single, slopes = w**2 * self.single, slopes - w @ slopes
        plain = change.T @ change
        curvature = plain - (single[:, None] * slopes).T @ slopes
        pulls, steep = self._off_prior(values)
        if self.prior is not None:
            # Without noise data do not take away what was known before: nothing curves less than the prior.
            size, axes = np.linalg.eigh(curvature / np.outer(steep, steep))
            curvature = np.outer(steep, steep) * (axes * (1.0 + np.maximum(size, 0.0)) @ axes.T)
            plain = plain + np.diag(steep**2)
        downhill = change.T @ off + steep * pulls - single @ slopes
        return float(off @ off + pulls @ pulls - single.sum()), downhill, curvature, plain

    def minimise(self, values: np.ndarray, free: np.ndarray | None = None) -> Minimum:
        """Search from `values`, (P,), on; only in those that are `free`, (P,), if given.

        Steps are those of Gauss and Newton, halved until the χ² falls and enough events are left.
        """
        values = np.array(values, float)
        free = np.ones(len(values), bool) if free is None else free
        inverse, plain, beyond = np.zeros((len(values),) * 2), np.zeros((len(values),) * 2), False
        for number_of_step in range(STEPS):
            chi2, downhill, curvature, plain_here = self.parabola(values)
            # Noise in slopes grows with the spread of weights.
            if not np.all(np.linalg.eigvalsh(curvature[np.ix_(free, free)]) > 0.0):
                if number_of_step == 0:
                    raise TuneError(
                        f"at {self.describe(values)} these {len(self.sample)} events do not say how the figures change "
                        f"with {', '.join(self.names)}; take more events, more figures, or fewer parameters"
                    )
                beyond = True
                break
            inverse, plain = np.linalg.inv(curvature), plain_here
            step = self._step(values, curvature, downhill, free)
            gain = float(step @ curvature @ step)
            if gain < ENOUGH:
                values, chi2 = values + step, chi2 - gain
                break
            for scale in 0.5 ** np.arange(HALVINGS):
                tried = np.clip(values + scale * step, *self.limits)
                lower = self.chi2(tried)
                if lower < chi2:
                    break
            else:
                beyond = bool(np.isinf(lower))
                break
            values = tried
        return Minimum(np.clip(values, *self.limits), inverse @ plain @ inverse, inverse, chi2, beyond)

    def _step(self, values, curvature, downhill, free):
        """To the minimum of a parabola in what is free and not held by a limit."""
        low, high = self.limits
        while True:
            step = np.zeros(len(values))
            if free.any():
                step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], downhill[free])
            held = (values <= low) & (step < 0.0) | (values >= high) & (step > 0.0)
            if not held.any():
                return step
            free = free & ~held
