r"""RSA: fits of string parameters by gradients that flow through the weights of events :cite:p:`heller2024rejection`.

The events of a base sample stay as they are, and so do their observables; only their weights know the parameters
(`hadtutor.weights_torch`). A loss compares weighted base and target (`hadtutor.rsa_losses`); its gradient and its
second derivatives are exact. Where the weights get too uneven, a new base is generated at the point reached.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize, stats

from . import observables as _observables
from . import strings
from ._parallel import check_rng
from ._progress import Progress, track
from .histories import Sample
from .params import LundParams
from .rsa_losses import Chi2, PseudoChi2, Wasserstein
from .rsa_score import Score
from .weights_torch import LundWeights

__all__ = ["FIVE", "FitError", "FitResult", "Objective", "Score", "Step", "fit"]

FIVE = ("n_f", "T", "C", "lnx_mean", "lnx_var")
"""Observables that are fitted by default: the number of hadrons, two shapes, and two moments of ln x."""

LOSSES = ("chi2", "pseudo-chi2", "wasserstein", "nll")
CLOSE = 0.8  # part of the base that must count at the minimum, else fluctuations of its weights bend the fit
SCALE = {"a": 0.1, "b": 0.1, "sigma_pt": 0.02}  # typical steps of the minimiser


class FitError(RuntimeError):
    """A fit cannot go on."""


class Objective:
    """The loss as a function of the parameters, with its derivatives.

    Parameters
    ----------
    samples : Sample or sequence of Sample
        The base, N events. Several samples of different parameters count as one mixture.
    target : Sample, or mapping of str to array_like of shape (M,)
        The data: events, or columns of observables named as in `observables`.
    observables : sequence of str or callable
        Names of `hadtutor.observables`, or functions of `Hadrons` that give an array of shape (N,), such as `Score`.
    loss : {"chi2", "pseudo-chi2", "wasserstein", "nll"}
        See `hadtutor.rsa_losses`. ``"nll"`` is the negative logarithm of the likelihood of the histories of the target,
        which only a simulated target has: it uses neither base nor observables, and its error is the Cramér–Rao
        bound of everything that happened in the events.
    names : sequence of str
        Parameters to be varied: of ``"a"``, ``"b"``, ``"sigma_pt"``. The others are those of `start`.
    start : LundParams, optional
        Where the covariance of ``"chi2"`` is taken; by default the parameters of the first sample.
    edges, n_bins
        Of the histograms, see `hadtutor.rsa_losses.default_edges`.
    device : torch.device or str

    Attributes
    ----------
    names : tuple of str
    start : LundParams
    weights : LundWeights
        Of the base; of the target for ``"nll"``.
    loss : callable
        Loss of log weights of base and target.
    columns_x, columns_y : dict of str to ndarray
        Observables of base and target.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, unknown, or does not fit the others; as `LundWeights` and the losses.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(2000, ht.LundParams(a=0.7), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(2000, ht.LundParams(a=0.6), rng=np.random.default_rng(2))
    >>> objective = Objective(base, target, names=("a",))
    >>> loss, gradient = objective.value_and_gradient([0.7])
    >>> bool(gradient[0] > 0)  # downhill to smaller a
    True
    """

    def __init__(
        self,
        samples,
        target,
        observables=FIVE,
        loss="chi2",
        names=("a", "b"),
        start=None,
        edges=None,
        n_bins=None,
        device="cpu",
    ):
        samples = [samples] if isinstance(samples, Sample) else list(samples)
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        self.names = (names,) if isinstance(names, str) else tuple(names)
        if not self.names or not set(self.names) <= set(SCALE) or len(set(self.names)) < len(self.names):
            raise ValueError(f"names must be of {', '.join(SCALE)}, each at most once, got {self.names}")
        self.device, self.kind = device, loss
        if loss == "nll":
            if not isinstance(target, Sample) or target.histories is None:
                raise ValueError("the likelihood needs the histories of the target; data have none, take another loss")
            self.weights = LundWeights(target, device=device)
            self.columns_x = self.columns_y = {}
            self.loss = None
            self.ndf = None
            self.sizes = (len(target), len(target))
        else:
            self.weights = LundWeights(samples, device=device)
            if isinstance(observables, str) or callable(observables):
                observables = (observables,)
            self.columns_x = _join([_columns(s, observables) for s in samples])
            self.columns_y = _columns(target, observables)
            self.sizes = tuple(len(next(iter(c.values()))) for c in (self.columns_x, self.columns_y))
        self.start = (self.weights.base if start is None else start).validate()
        if loss == "chi2":
            log_w = self.log_w(self.values_of(self.start))
            self.loss = Chi2(self.columns_x, self.columns_y, log_w, edges, n_bins)
        elif loss == "pseudo-chi2":
            self.loss = PseudoChi2(self.columns_x, self.columns_y, edges, n_bins, device=device)
        elif loss == "wasserstein":
            self.loss = Wasserstein(self.columns_x, self.columns_y, device=device)
        self.ndf = None if loss in ("nll", "wasserstein") else self.loss.ndf - len(self.names)

    def values_of(self, params):
        """The parameters that are varied, as an array.

        Parameters
        ----------
        params : LundParams

        Returns
        -------
        ndarray, shape (P,)
        """
        return np.array([getattr(params, name) for name in self.names])

    def params_of(self, values):
        """All parameters, from those that are varied.

        Parameters
        ----------
        values : array_like, shape (P,)

        Returns
        -------
        LundParams
        """
        return self.start._replace(**dict(zip(self.names, map(float, values), strict=True)))

    def log_w(self, values, log_u=None):
        """Log weights of the events whose weights are varied.

        Parameters
        ----------
        values : Tensor or array_like, shape (P,)
        log_u : Tensor, shape (N,), optional
            Logarithm of how often each event counts.

        Returns
        -------
        Tensor, shape (N,)
        """
        values = torch.as_tensor(values, dtype=torch.float64, device=self.device)
        rest = {n: torch.tensor(getattr(self.start, n), dtype=torch.float64, device=self.device) for n in SCALE}
        return self.weights.at(**(rest | dict(zip(self.names, values.unbind(), strict=True))), log_u=log_u)

    def __call__(self, values, log_u=None, log_v=None):
        """The loss.

        Parameters
        ----------
        values : Tensor or array_like, shape (P,)
            Gradients flow to it.
        log_u, log_v : Tensor, shape (N,) and (M,), optional
            Logarithms of how often each event of base and target counts, as in a bootstrap; by default zeros, once.

        Returns
        -------
        Tensor
        """
        if self.loss is None:
            log_w = self.log_w(values, log_v)
            return -(log_w.sum() if log_v is None else log_v.exp() @ log_w)
        log_w = self.log_w(values, log_u)
        log_v = log_w.new_zeros(self.sizes[1]) if log_v is None else log_v
        return self.loss(log_w if log_u is None else log_w + log_u, log_v)

    def value_and_gradient(self, values, log_u=None, log_v=None):
        """The loss and its gradient as numbers.

        Parameters
        ----------
        values : array_like, shape (P,)
        log_u, log_v : Tensor, optional
            As in a call.

        Returns
        -------
        loss : float
        gradient : ndarray, shape (P,)
        """
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device, requires_grad=True)
        loss = self(values, log_u, log_v)
        (gradient,) = torch.autograd.grad(loss, values)
        return float(loss.detach()), gradient.cpu().numpy()

    def hessian(self, values):
        """Second derivatives of the loss.

        Parameters
        ----------
        values : array_like, shape (P,)

        Returns
        -------
        ndarray, shape (P, P)
        """
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device)
        return torch.autograd.functional.hessian(self, values).cpu().numpy()

    def n_eff(self, values):
        """Effective number of base events; infinite for the likelihood, which has no base.

        Parameters
        ----------
        values : array_like, shape (P,)

        Returns
        -------
        float
        """
        if self.loss is None:
            return np.inf
        with torch.no_grad():
            return float(torch.exp(_log_n_eff(self.log_w(values))))

    def covariances(self, values):
        r"""Covariance of the values at the minimum: from the second derivatives alone, and as sandwich.

        Parameters
        ----------
        values : array_like, shape (P,)

        Returns
        -------
        hessian : ndarray, shape (P, P)
            :math:`2 H^{-1}` (:math:`H^{-1}` for the likelihood): right if the loss is a true χ².
        sandwich : ndarray, shape (P, P)
            :math:`H^{-1} J H^{-1}`, with J the covariance of the gradient, the sum over the events of both samples of
            :math:`\partial g/\partial u_i\, (\partial g/\partial u_i)^T` for counts :math:`u_i` (infinitesimal
            jackknife; Jaeckel, Bell Laboratories 1972). It holds for any smooth loss.
        """
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device, requires_grad=True)
        log_u, log_v = (torch.zeros(n, dtype=torch.float64, device=self.device, requires_grad=True) for n in self.sizes)
        (gradient,) = torch.autograd.grad(self(values, log_u, log_v), values, create_graph=True)
        meat = np.zeros((len(values), len(values)))
        counts = (log_v,) if self.loss is None else (log_u, log_v)
        of_events = [torch.autograd.grad(g, counts, retain_graph=True) for g in gradient]
        for per_event in zip(*of_events, strict=True):
            j = torch.stack(per_event)
            meat += (j @ j.T).cpu().numpy()
        bread = np.linalg.pinv(self.hessian(values.detach()), hermitian=True)
        return (1.0 if self.loss is None else 2.0) * bread, bread @ meat @ bread

    def minimise(self, values, floor=0.0, log_u=None, log_v=None, fixed=()):
        """Go down from some values to a minimum of the loss, where the base can be trusted.

        Parameters
        ----------
        values : array_like, shape (P,)
        floor : float
            Least effective number of base events, over their number.
        log_u, log_v : Tensor, optional
            As in a call.
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
        values = np.array(values, dtype=float)
        free = np.array([name not in fixed for name in self.names])
        scale = np.array([SCALE[name] for name in self.names])
        first, _ = self.value_and_gradient(values, log_u, log_v)
        if not np.isfinite(first):
            raise FitError(f"the loss is {first} at {self.params_of(values)}")
        size = max(1.0, abs(first)) if self.kind != "wasserstein" else first
        start = values.copy()

        def full(x):
            values = start.copy()
            values[free] += scale[free] * x
            return values

        def loss(x):
            value, gradient = self.value_and_gradient(full(x), log_u, log_v)
            return value / size, (gradient * scale)[free] / size

        def room(x):
            return self._log_n_eff(full(x))[0] - np.log(max(floor, 1e-12) * self.sizes[0])

        def room_gradient(x):
            return (self._log_n_eff(full(x))[1] * scale)[free]

        constraints = {"type": "ineq", "fun": room, "jac": room_gradient} if self.loss is not None else ()
        limits = np.array([self._limits(name) for name in self.names])
        bounds = ((limits - start[:, None]) / scale[:, None])[free]
        tolerance = 1e-9 if self.kind == "wasserstein" else 1e-5 / size
        result = optimize.minimize(
            loss, np.zeros(free.sum()), jac=True, method="SLSQP", bounds=bounds, constraints=constraints,
            options={"ftol": tolerance, "maxiter": 100},
        )  # fmt: skip
        if not np.isfinite(result.fun):
            raise FitError(f"the loss is {result.fun} at {self.params_of(full(result.x))}")
        return full(result.x), float(result.fun * size)

    def _log_n_eff(self, values):
        values = torch.tensor(values, device=self.device, requires_grad=True)
        log_n = _log_n_eff(self.log_w(values))
        (gradient,) = torch.autograd.grad(log_n, values)
        return float(log_n.detach()), gradient.cpu().numpy()

    def _limits(self, name):
        """Range in which the weights have a finite variance, see `hadtutor.weights`."""
        base = getattr(self.weights.base, name)
        if self.loss is None:
            return {"a": (0.0, 20.0), "b": (1e-3, 1e3), "sigma_pt": (1e-3, 1e3)}[name]
        low = {"a": max(0.0, 0.5 * (base - 1.0) + 0.01), "b": 0.51 * base, "sigma_pt": 1e-3}[name]
        return low, {"a": 20.0, "b": 1e3, "sigma_pt": 1.4 * base}[name]


def _log_n_eff(log_w):
    return 2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0)


def _columns(sample, observables):
    """Observables of a sample, or of data that have them already, by name."""
    if isinstance(sample, Mapping):
        columns = {}
        for observable in observables:
            if observable not in sample:
                raise ValueError(f"the target has no column {observable!r}; it has {', '.join(map(str, sample))}")
            columns[observable] = np.asarray(sample[observable], dtype=float)
        if len({len(c) for c in columns.values()}) > 1:
            raise ValueError(f"columns of the target differ in length: { {n: len(c) for n, c in columns.items()} }")
        return columns
    if not isinstance(sample, Sample):
        raise TypeError(f"a target must be a Sample or a mapping of names to columns, got {type(sample).__name__}")
    names = tuple(o for o in observables if isinstance(o, str))
    columns = dict(_observables.compute(sample.hadrons, sample.energy, names=names)) if names else {}
    for observable in observables:
        if not isinstance(observable, str):
            columns[getattr(observable, "__name__", type(observable).__name__)] = np.asarray(observable(sample.hadrons))
    return columns


def _join(columns):
    return {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}


class Step(NamedTuple):
    """One descent of a fit: parameters of its base, values reached, the loss and the effective events there."""

    base: LundParams
    values: np.ndarray
    loss: float
    n_eff: float


@dataclass
class FitResult:
    """Best values of the parameters, with errors.

    Attributes
    ----------
    names : tuple of str
        The P parameters that were fitted.
    values : ndarray, shape (P,)
    params : LundParams
        All parameters at the minimum.
    loss : float
        At the minimum.
    ndf : int or None
        Degrees of freedom, for losses with bins.
    covariance : ndarray, shape (P, P)
        Sandwich: statistical errors of target and base, for any smooth loss. NaN for ``"wasserstein"``, whose second
        derivatives autodiff cannot see; take `bootstrap`.
    covariance_hessian : ndarray, shape (P, P)
        From the second derivatives alone; right if the loss is a true χ² or a likelihood.
    n_eff : float
        Effective number of base events at the minimum.
    log : list of Step
        One entry for each descent; a new base is in the next.
    objective : Objective
        The loss with the last base.
    """

    names: tuple
    values: np.ndarray
    params: LundParams
    loss: float
    ndf: int | None
    covariance: np.ndarray
    covariance_hessian: np.ndarray
    n_eff: float
    log: list = field(repr=False)
    objective: Objective = field(repr=False)

    @property
    def errors(self):
        """Standard deviations, shape (P,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_value(self):
        """Of the χ² at the minimum; NaN for other losses."""
        return float(stats.chi2.sf(self.loss, self.ndf)) if self.objective.kind == "chi2" else np.nan

    def __str__(self):
        parts = [f"{n} = {v:.4f} ± {e:.4f}" for n, v, e in zip(self.names, self.values, self.errors, strict=True)]
        ndf = "" if self.ndf is None else f" for {self.ndf} degrees of freedom"
        return f"{', '.join(parts)}; {self.objective.kind} {self.loss:.4g}{ndf}; n_eff {self.n_eff:.0f}"

    def bootstrap(self, rng, n_resamples=100, progress=True):
        """Fit again and again, each event counted as often as a Poisson number of mean 1 says.

        Parameters
        ----------
        rng : numpy.random.Generator
        n_resamples : int
            At least 2.
        progress : bool
            Whether to show a progress bar when the work takes more than a few seconds.

        Returns
        -------
        ndarray, shape (n_resamples, P)
            Their scatter is the statistical error of target and base.
        """
        check_rng(rng)
        if n_resamples < 2:
            raise ValueError(f"a scatter needs at least two resamples, got {n_resamples}")
        values = np.empty((n_resamples, len(self.names)))
        for k in track(range(n_resamples), "fit", progress):
            counts = [rng.poisson(1.0, n).astype(float) for n in self.objective.sizes]
            log_u, log_v = (torch.tensor(c, device=self.objective.device).log() for c in counts)
            values[k], _ = self.objective.minimise(self.values, log_u=log_u, log_v=log_v)
        return values

    def profile(self, name, values):
        """The loss with one parameter fixed, the others at their best.

        Parameters
        ----------
        name : str
            One of `names`.
        values : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
        """
        place = self._place(name)
        losses = []
        for value in values:
            start = self.values.copy()
            # Along the valley: the others follow as far as they are correlated.
            start += self.covariance_hessian[:, place] / self.covariance_hessian[place, place] * (value - start[place])
            start[place] = value
            losses.append(self.objective.minimise(start, fixed=(name,))[1])
        return np.array(losses)

    def contour(self, x, y, cl=0.68, n_points=60):
        """Outline of the region of two parameters with a given confidence level, the others at their best (Minuit).

        Parameters
        ----------
        x, y : str
            Two of `names`.
        cl : float
            Joint confidence level of both, between 0 and 1.
        n_points : int

        Returns
        -------
        ndarray, shape (n_points, 2)

        Raises
        ------
        ImportError
            If iminuit is not installed (extra ``hep``).
        ValueError
            If a name is not one of the fit, or the loss is neither ``"chi2"`` nor ``"nll"``: others are not calibrated.
        """
        for name in (x, y):
            self._place(name)
        if self.objective.kind not in ("chi2", "nll"):
            raise ValueError(f"differences of {self.objective.kind} are no confidence levels; take chi2, or bootstrap")
        try:
            from iminuit import Minuit
        except ImportError as error:
            raise ImportError("contours need the extra `hep`: pip install 'hadtutor[hep]'") from error
        objective = self.objective
        minuit = Minuit(
            lambda values: objective.value_and_gradient(values)[0],
            self.values,
            grad=lambda values: objective.value_and_gradient(values)[1],
            name=self.names,
        )
        minuit.errordef = Minuit.LIKELIHOOD if objective.kind == "nll" else Minuit.LEAST_SQUARES
        minuit.errors = self.errors
        for name in self.names:
            minuit.limits[name] = objective._limits(name)
        minuit.migrad()
        points = minuit.mncontour(x, y, cl=cl, size=n_points)
        return np.asarray(points)[:n_points]

    def _place(self, name):
        if name not in self.names:
            raise ValueError(f"the fit has {', '.join(self.names)}, not {name!r}")
        return self.names.index(name)


def fit(
    sample,
    target,
    observables=FIVE,
    loss="chi2",
    init=None,
    names=("a", "b"),
    *,
    rng=None,
    floor=0.3,
    max_bases=30,
    edges=None,
    n_bins=None,
    threads=1,
    device="cpu",
    progress=True,
):
    """Fit string parameters to a target by weighting a base sample.

    Parameters
    ----------
    sample : Sample or sequence of Sample
        The base, with histories.
    target, observables, loss, names, edges, n_bins, device
        As for `Objective`.
    init : LundParams, optional
        Where to start; by default the parameters of the (first) sample.
    rng : numpy.random.Generator, optional
        For new bases. Without it a fit that needs one to go on ends with an error.
    floor : float
        Between 0 and 1. A base is used where its effective number of events is at least this part of it; from the
        border of that region a new one is generated at the point reached, with as many events. One more is generated
        at the minimum if the base is not worth 80 % of its events there: uneven weights pull a fit to their base.
    max_bases : int
        New bases at most.
    threads : int
        To generate them with.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    FitResult

    Warns
    -----
    RuntimeWarning
        If the base is worth less than 80 % of its events at the minimum, and there is no `rng`.

    Raises
    ------
    TypeError, ValueError
        As `Objective`.
    FitError
        If a new base is needed and there is no `rng`, more than `max_bases` are, or a loss is not finite.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(5000, ht.LundParams(a=0.7), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(5000, ht.LundParams(a=0.6), rng=np.random.default_rng(2))
    >>> result = fit(base, target, names=("a",))
    >>> bool(abs(result.values[0] - 0.6) < 4 * result.errors[0])
    True
    """
    samples = [sample] if isinstance(sample, Sample) else list(sample)
    if not 0.0 < floor < 1.0:
        raise ValueError(f"floor must be between 0 and 1, got {floor!r}")
    if rng is not None:
        check_rng(rng)
    caught = []
    options = {"edges": edges, "n_bins": n_bins, "device": device}

    def prepared(samples, start):
        # A base without overlap with the target is what new bases are for: only the last one's warnings count.
        nonlocal caught
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return Objective(samples, target, observables, loss, names, start, **options)

    def new_base(params):
        if rng is None:
            raise FitError(
                f"at a={params.a:.3g}, b={params.b:.3g}, sigma_pt={params.sigma_pt:.3g} the base is worth less than "
                f"{floor:g} of its events; pass rng, so that a new one can be generated there, or a sample nearer by"
            )
        first, size = samples[0], sum(len(s) for s in samples)
        return [strings.hadronize_strings(size, params, first.energy, rng, first.quark, threads, progress=False)]

    log = []
    with Progress(max_bases, "base", progress) as bar:
        start = samples[0].params if init is None else init
        if loss != "nll" and _too_far(LundWeights(samples, start), floor):
            samples = new_base(start)
        objective = prepared(samples, start)
        values = objective.values_of(start)
        refined = bases = 0
        while True:
            before = values
            values, value = objective.minimise(values, floor)
            n_eff = objective.n_eff(values)
            log.append(Step(objective.weights.base, values, value, n_eff))
            worth = n_eff / objective.sizes[0]
            at_border = worth < 1.05 * floor
            if not at_border and loss == "chi2" and refined < 3 and not _is_near(objective, before, values):
                refined += 1  # once more, with the covariance of the point reached
            elif at_border or (worth < CLOSE and rng is not None):
                bases += 1
                if bases > max_bases:
                    raise FitError(f"no minimum with {max_bases} new bases; the last is {samples[0]!r}")
                samples = new_base(objective.params_of(values))
                bar.update(1)
            else:
                break
            objective = prepared(samples, objective.params_of(values))
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=2)
    if worth < CLOSE:
        warnings.warn(
            f"at the minimum the base is worth {worth:.2f} of its events: the values lean towards it more than their "
            "errors may say; pass rng, so that a new one is generated there",
            RuntimeWarning,
            stacklevel=2,
        )
    if loss == "wasserstein":
        hessian = sandwich = np.full((len(values), len(values)), np.nan)
    else:
        hessian, sandwich = objective.covariances(values)
    params = objective.params_of(values)
    return FitResult(
        objective.names, values, params, value, objective.ndf, sandwich, hessian, n_eff, log, objective
    )  # fmt: skip


def _too_far(weights, floor):
    with torch.no_grad():
        log_w = weights()
    return float(torch.exp(_log_n_eff(log_w))) < floor * len(log_w)


def _is_near(objective, before, after):
    """Whether a step is below a tenth of the error: the covariance of the start then is good enough."""
    step = after - before
    return 0.5 * step @ objective.hessian(after) @ step < 0.01
