"""The fit: Gauss and Newton's steps on the χ², and a new sample where few weighted events are left."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import brentq

from .. import pythia
from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import number, whole
from ..datasets.measurements import LepFigure
from ..events.sample import Sample
from ..lund.all_flavours import mean_z
from ..metrics.figures import Figures
from ..metrics.weighted import n_eff
from ..params import LundParams
from ..weights.rows import FITTED, EventRows
from .result import Base, Tune

CLOSE = 0.8  # part of the events that must count at the minimum, else a new sample is made there
STEP = 1e-4  # of numerical derivatives of functions of the parameters alone
STEPS, HALVINGS = 50, 6  # of a search, and of one step of it
NOISY = 0.25  # part of the curvature that is noise, from which on a minimum may depend on its sample
SMOOTH = 8  # numbers that a figure is seen through
ENOUGH = 1e-3  # that the χ² is about to fall, where a search ends
LIMITS = {
    "a": (0.0, 2.0), "b": (0.2, 2.0), "sigma_pt": (0.01, 1.0), "mean_z": (0.01, 0.99), "popcorn_rate": (1e-3, 2.0),
    **dict.fromkeys(("a_extra_diquark", "r_c", "r_b"), (0.0, 2.0)),
    **dict.fromkeys([name for name in FITTED if name.endswith("_vector")], (1e-3, 3.0)),
}  # fmt: skip
"""What real Pythia takes; other parameters of flavours are probabilities."""

Rebase = Callable[[LundParams, int], Sample]


class TuneError(RuntimeError):
    """No minimum was found; the message says why, and what to try."""


def fit(
    sample: Sample, figures: str | LepFigure | Iterable[str | LepFigure],
    names: str | Iterable[str] = ("a", "b", "sigma_pt"), *, theory_error: float = 0.0, start: LundParams | None = None,
    rebase: bool | Rebase = False, all_chains: bool = False, floor: float = 0.4, max_bases: int = 8, seed: int = 1,
    processes: int = 1, progress: bool = True,
) -> Tune:  # fmt: skip
    r"""Fit parameters of the string to published figures, by weights of real Pythia's events.

    Parameters
    ----------
    sample : Sample
        Events with their histories and after decays, as `hadtutor.pythia.hadronize` makes them of showers.
    figures : sequence of str or LepFigure
        Names as of `hadtutor.datasets.lep_names`, or figures with values of one's own.
    names : sequence of str
        Which parameters are free, of ``a``, ``b``, ``sigma_pt``, ``a_extra_diquark``, ``r_c``, ``r_b``, and those of
        flavours; ``mean_z`` in place of ``b`` is ⟨z⟩ of light hadrons at :math:`m_\rho^2 + 2\sigma^2`, which hangs less
        together with a. The others stay as in the sample.
    theory_error : float
        What a simulation is allowed to be wrong, as a part of each value.
    start : LundParams, optional
        Where to begin; by default with the sample.
    rebase : bool or callable
        Whether to let real Pythia make new events of the same showers where less than four fifths of the events are
        left; or a function of parameters and a seed that returns such a sample.
    all_chains : bool
        Whether rejected chains have weights of their own, see `hadtutor.weights.event_weights`.
    floor : float
        A fit stops where less than this part of the events is left, and goes on from there if it may `rebase`.
    max_bases, seed, processes : int
        New samples at most, the seed of the first, and how many copies of Pythia make them.
    progress : bool

    Raises
    ------
    TypeError, ValueError, TuneError
        As `Figures` and `EventRows`; if a name is unknown; if the sample does not reach the minimum.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:1000]
    >>> sample = ht.pythia.hadronize(showers, histories=True)
    >>> tune = fit(sample, ["nch", "xp"], names="sigma_pt", progress=False)
    >>> tune.names, bool(0.2 < tune.params.sigma_pt < 0.5)
    (('sigma_pt',), True)
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    _check_names(names)
    floor, max_bases, seed = number(floor, "floor", 0.0, 1.0), whole(max_bases, "max_bases", 0), whole(seed, "seed")
    if not isinstance(sample, Sample):
        raise TypeError(f"sample must be a Sample with histories, got {type(sample).__name__}; see pythia.hadronize")
    make = _generator_of(rebase, sample, processes, progress)
    bases: list[Base] = []
    with Progress(max_bases, "sample", progress) as bar:

        def begin(sample: Sample) -> Objective:
            return Objective(sample, figures, names, theory_error, all_chains, floor)

        def begin_anew(at: np.ndarray) -> Objective:
            if make is None or len(bases) > max_bases:
                raise TuneError(f"no minimum with {max_bases} new samples; the last was made at {objective.base}")
            made = begin(make(objective.params_of(at), seed + len(bases) - 1))
            bar.update()
            return made

        objective = begin(sample)
        at = objective.values_of(objective.base if start is None else start)
        if objective.share(at) < floor:
            if make is None:
                raise TuneError(
                    f"the sample does not reach {start}; begin nearer to {objective.base}, or let fit rebase"
                )
            bases.append(Base(objective.base, objective.share(at)))
            objective = begin_anew(at)
            at = objective.values_of(objective.base)
        while True:
            found = objective.minimise(at)
            share = objective.share(found.values)
            bases.append(Base(objective.base, share))
            if make is None or (share > CLOSE and not found.beyond):
                break
            objective = begin_anew(found.values)
            at = objective.values_of(objective.base)
    if found.beyond:
        raise TuneError(
            f"at {objective.describe(found.values)} the sample is worth {share:.2f} of its events, and the minimum "
            "lies beyond; pass rebase=True, or a sample nearer by"
        )
    return _tune_of(objective, found, bases)


def _normalised(log_w):
    w = np.exp(log_w - log_w.max())
    return w / w.sum()


def _tune_of(objective, found, bases):
    log_w = objective.log_w(found.values)
    said = [
        f"{name} is at its limit, where its error means little"
        for name, value, low, high in zip(objective.names, found.values, *objective.limits, strict=True)
        if value in (low, high)
    ]
    if bases[-1].share < CLOSE:
        few = f"the sample is worth {bases[-1].share:.2f} of its events at the minimum"
        said.append(f"{few}; rebase=True makes a new one there")
        warn(said[-1])
    noise = 1.0 - 1.0 / np.linalg.eigvals(np.linalg.solve(found.inverse, found.covariance)).real.max()
    if noise > NOISY:
        said.append(f"noise of {len(objective.sample)} events is {noise:.0%} of what slopes show: take more of them")
    return Tune(
        objective.names, found.values, found.covariance, chi2=objective.figures.total_chi2(log_w),
        ndf=len(objective.figures.data) - len(objective.names), n_eff=n_eff(log_w), message="; ".join(said),
        params=objective.params_of(found.values), chi2_of=objective.figures.chi2(log_w), bases=bases,
        sample=objective.sample, log_w=log_w, objective=objective, minimum=found,
    )  # fmt: skip


def _check_names(names):
    known = {*FITTED, "mean_z"}
    if not names or set(names) - known or len(set(names)) < len(names):
        raise ValueError(f"names must be of {', '.join(sorted(known))}, each once, got {', '.join(map(str, names))}")
    if {"b", "mean_z"} <= set(names):
        raise ValueError("b and mean_z are the same freedom: leave one out")


def _generator_of(rebase, sample, processes, progress):
    """What makes events of the same showers at other parameters, or None."""
    if callable(rebase):
        return rebase
    if not isinstance(rebase, bool):
        raise TypeError(f"rebase must be True, False or a function of parameters and a seed, got {rebase!r}")
    if not rebase:
        return None
    if sample.partons is None:
        raise ValueError("the sample does not know its partons: give rebase a function that makes new events")

    def make(params, seed):
        options = {"seed": seed, "histories": True, "processes": processes, "progress": progress}
        return pythia.hadronize(sample.partons, params, **options)

    return make


class Minimum(NamedTuple):
    """Where a search ended."""

    values: np.ndarray
    covariance: np.ndarray
    inverse: np.ndarray  # of half the second derivatives of the χ²: the covariance for events without number
    chi2: float
    beyond: bool  # whether it goes on where too few events are left to say where


class Objective:
    r"""χ² of figures as a function of parameters, for one sample; arguments as of `fit`.

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
    :math:`H^{-1} J H^{-1}`.
    """

    def __init__(
        self, sample: Sample, figures: Any, names: tuple[str, ...], theory_error: float, all_chains: bool, floor: float
    ) -> None:
        self.sample, self.names, self.floor = sample, names, floor
        depends_on_b = "mean_z" in names
        self.rows = EventRows(sample, [n for n in names if n != "mean_z"] + ["b"] * depends_on_b, all_chains)
        self.base = self.rows.base
        self.figures = Figures(sample, figures, theory_error)
        if len(self.figures.data) < len(names):
            raise ValueError(f"{len(self.figures.data)} bins do not fix {len(names)} parameters; pass more figures")
        self.limits = np.array([LIMITS.get(name, (1e-3, 1.0)) for name in names]).T
        self.seen: Any = None

    def values_of(self, params: LundParams) -> np.ndarray:
        """Values of what is free, (P,), at `params`."""
        return np.array([mean_z(params) if name == "mean_z" else getattr(params, name) for name in self.names])

    def params_of(self, values: np.ndarray) -> LundParams:
        """All parameters for `values`, (P,), of what is free."""
        new = dict(zip(self.names, np.asarray(values, float).tolist(), strict=True))
        wanted = new.pop("mean_z", None)
        params = self.base.replace(**new)
        if wanted is None:
            return params
        low, high = LIMITS["b"]
        off = lambda b: mean_z(params.replace(b=b)) - wanted
        if off(low) > 0.0 or off(high) < 0.0:
            raise ValueError(f"no b between {low:g} and {high:g} has a mean z of {wanted:.3g} at a = {params.a:.3g}")
        return params.replace(b=float(brentq(off, low, high)))

    def describe(self, values: np.ndarray) -> str:
        """`values`, (P,), with their names."""
        return ", ".join(f"{name} = {value:.4g}" for name, value in zip(self.names, values, strict=True))

    def log_w(self, values: np.ndarray) -> np.ndarray:
        """Log weights of the events, (N,), at `values`, (P,)."""
        return self.rows.log_w(self.params_of(values))

    def share(self, values: np.ndarray) -> float:
        """n_eff/N at `values`, (P,); 0 where the model or the sample does not reach."""
        return self._reached(values)[1]

    def _reached(self, values):
        try:
            log_w = self.log_w(values)
        except ValueError:
            return None, 0.0
        return log_w, n_eff(log_w) / len(log_w) if np.isfinite(log_w).all() else 0.0

    def chi2(self, values: np.ndarray) -> float:
        """χ² at `values`, (P,), but for a constant; infinite where too few events are left."""
        log_w, share = self._reached(values)
        if share < self.floor:
            return np.inf
        off = self.seen @ (self.figures.of(log_w).values - self.figures.data)
        return float(off @ off - _normalised(log_w) ** 2 @ self.single)

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
        return float(off @ off - single.sum()), change.T @ off - single @ slopes, curvature, plain

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
