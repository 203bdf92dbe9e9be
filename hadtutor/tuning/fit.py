"""The fit: Gauss and Newton's steps on the χ², and a new sample where few weighted events are left."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq

from .. import pythia
from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import number, whole
from ..datasets.measurements import LepFigure
from ..events.sample import Sample
from ..lund.all_flavours import mean_z
from ..metrics.weighted import n_eff
from ..params import LundParams
from ..weights.rows import FITTED, EventRows
from .figures import Figures
from .result import Base, Tune

CLOSE = 0.8  # part of the events that must count at the minimum, else a new sample is made there
STEP = 1e-4  # of numerical derivatives of functions of the parameters alone
LIMITS = {"a": (0.0, 3.0), "b": (0.05, 5.0), "sigma_pt": (0.05, 1.0)}

Rebase = Callable[[LundParams, int], Sample]


class TuneError(RuntimeError):
    """No minimum was found; the message says why, and what to try."""


def fit(
    sample: Sample, figures: str | LepFigure | Iterable[str | LepFigure],
    names: str | Iterable[str] = ("a", "b", "sigma_pt"), *, theory_error: float = 0.0, start: LundParams | None = None,
    rebase: bool | Rebase = False, all_chains: bool = False, floor: float = 0.1, max_bases: int = 8, seed: int = 1,
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
    objective = Objective(sample, figures, names, theory_error, all_chains, floor)
    at = objective.values_of(objective.base if start is None else start)
    if not objective.reaches(at) and make is None:
        raise TuneError(f"the sample does not reach {start}; begin nearer to {objective.base}, or let fit rebase")
    bases: list[Base] = []
    with Progress(max_bases, "sample", progress) as bar:
        while True:
            if objective.reaches(at):
                found = objective.minimise(at)
                at, share = found.values, found.share
                stuck = found.at_border
            else:
                share, stuck = 0.0, True
            bases.append(Base(objective.base, share))
            if make is None or (share > CLOSE and not stuck):
                break
            if len(bases) > max_bases:
                raise TuneError(f"no minimum with {max_bases} new samples; the last was made at {objective.base}")
            new = make(objective.params_of(at), seed + len(bases) - 1)
            objective = Objective(new, figures, names, theory_error, all_chains, floor)
            at = objective.values_of(objective.base)
            bar.update()
    message = ""
    if stuck:
        raise TuneError(
            f"at {objective.describe(at)} the sample is worth {share:.2f} of its events, and the minimum lies beyond; "
            "pass rebase=True, or a sample nearer by"
        )
    if share < CLOSE:
        message = f"the sample is worth {share:.2f} of its events at the minimum; pass rebase=True for a new one there"
        warn(message)
    log_w = objective.log_w(at)
    return Tune(
        names, at, found.covariance, chi2=found.chi2, ndf=len(objective.figures.data) - len(names), n_eff=n_eff(log_w),
        message=message, params=objective.params_of(at), chi2_of=objective.figures.chi2(log_w), bases=bases,
        sample=objective.sample, log_w=log_w, objective=objective,
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
    chi2: float
    share: float
    at_border: bool


class Objective:
    """χ² of figures as a function of parameters, for one sample; arguments as of `fit`.

    The covariance of the simulation is that at the parameters where a search begins.
    """

    def __init__(
        self, sample: Sample, figures: Any, names: tuple[str, ...], theory_error: float, all_chains: bool, floor: float
    ) -> None:
        self.sample, self.names, self.floor = sample, names, floor
        depends_on_b = "mean_z" in names
        self.rows = EventRows(sample, [n for n in names if n != "mean_z"] + ["b"] * depends_on_b, all_chains)
        self.base = self.rows.base
        self.figures = Figures(sample, figures, theory_error)
        self.factor: Any = None

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
        try:
            log_w = self.log_w(values)
        except ValueError:
            return 0.0
        return n_eff(log_w) / len(log_w) if np.isfinite(log_w).all() else 0.0

    def reaches(self, values: np.ndarray) -> bool:
        """Whether enough of the events count at `values`, (P,)."""
        return self.share(values) >= self.floor

    def linearise(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, (B,), their derivatives, (B, P), and log weights, (N,), at `values`, (P,)."""
        change = np.empty((len(self.rows.at_base), len(values)))
        for k, value in enumerate(values):
            h = STEP * max(abs(value), 0.1)
            up, down = np.array(values, float), np.array(values, float)
            up[k], down[k] = value + h, max(value - h, 0.0)
            vectors = [self.rows.vector(self.params_of(v)) for v in (up, down)]
            change[:, k] = (vectors[0] - vectors[1]) / (up[k] - down[k])
        log_w, slopes = self.rows.log_w_and_slopes(self.params_of(values), change)
        found = self.figures.of(log_w, slopes)
        return found.values - self.figures.data, found.slopes, log_w

    def _weigh(self, log_w):
        self.factor = cho_factor(self.figures.covariance(log_w) + np.diag(self.figures.errors**2))

    def chi2(self, values: np.ndarray) -> float:
        """χ² at `values`, (P,), with the covariance of the last search."""
        off = self.figures.of(self.log_w(values)).values - self.figures.data
        return float(off @ cho_solve(self.factor, off))

    def gradient(self, values: np.ndarray) -> np.ndarray:
        """Of the χ², (P,), at `values`, (P,)."""
        off, slopes, _ = self.linearise(values)
        return 2.0 * slopes.T @ cho_solve(self.factor, off)

    def minimise(self, values: np.ndarray, free: np.ndarray | None = None) -> Minimum:
        """Search from `values`, (P,), on; only in those that are `free`, (P,), if given.

        Steps are those of Gauss and Newton, halved until the χ² falls and enough events are left.
        """
        values = np.array(values, float)
        free = np.ones(len(values), bool) if free is None else free
        off, slopes, log_w = self.linearise(values)
        if self.factor is None:
            self._weigh(log_w)
        chi2, at_border = float(off @ cho_solve(self.factor, off)), False
        for _ in range(50):
            curvature = slopes.T @ cho_solve(self.factor, slopes)
            step = np.zeros(len(values))
            downhill = slopes[:, free].T @ cho_solve(self.factor, off)
            step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], downhill) if free.any() else 0.0
            expected = float(step @ curvature @ step)
            if expected < 1e-3:
                at_border = False
                break
            for scale in 0.5 ** np.arange(12):
                tried = values + scale * step
                if at_border := not self.reaches(tried):
                    continue
                lower = self.chi2(tried)
                if lower < chi2:
                    break
            else:
                break
            values, chi2 = tried, lower
            off, slopes, log_w = self.linearise(values)
        covariance = np.linalg.inv(slopes.T @ cho_solve(self.factor, slopes))
        return Minimum(values, covariance, chi2, n_eff(log_w) / len(log_w), at_border)
