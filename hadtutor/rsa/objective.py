"""The loss as a function of the parameters, with exact derivatives."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import optimize
from torch import Tensor

from ..events.sample import Sample
from ..params import ClusterParams, LundParams
from ..weights.allowed import as_samples
from ..weights.tensor import weights_for
from .columns import by_name, check_same_strings, columns_of
from .losses import named

FIVE = ("n_f", "T", "C", "lnx_mean", "lnx_var")
"""Observables that are fitted by default: the number of hadrons, two shapes, and two moments of ln x."""


class FitError(RuntimeError):
    """A fit cannot go on."""


def log_n_eff(log_w: Tensor) -> Tensor:
    """Logarithm of the effective number of events."""
    return 2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0)


class Objective:
    """The loss as a function of the parameters, with its derivatives.

    Parameters
    ----------
    sim : Sample or sequence of Sample
        The base, N events. Several samples of different parameters count as one mixture.
    data : Sample, or mapping of str to array_like of shape (M,)
        The target: events, or columns of observables named as in `observables`, such as a data frame. What is missing
        there counts in no bin.
    names : sequence of str, optional
        Parameters to be varied, of ``"a"``, ``"b"``, ``"sigma_pt"``, or for clusters of all but masses; the others are
        those of `start`. By default a and b, and of clusters the weights of strange quarks, diquarks and vector mesons.
    observables : str, callable, or sequence of them
        Names of `hadtutor.observables`, or functions of `Hadrons` that give an array of shape (N,), such as `Score`.
    loss : {"chi2", "pseudo-chi2", "wasserstein", "nll"}
        `Chi2`, `PseudoChi2`, `Wasserstein`, or the negative logarithm of the likelihood of the histories of the target,
        which only a simulated target has: it uses neither base nor observables.
    start : LundParams or ClusterParams, optional
        Where the covariance of ``"chi2"`` is taken; by default the parameters of the first sample (for ``"nll"`` of the
        target). What is never varied must be as there.
    edges : mapping of str to array_like, optional
        Of the histograms of some or all observables; `hadtutor.rsa.default_edges` with `n_bins` for the others.
    n_bins : int, optional
    device : torch.device or str

    Attributes
    ----------
    weights : LundWeights or ClusterWeights
        Of the base; of the target for ``"nll"``.
    loss : Loss
        A function of the log weights of base and target, and what a fit must know of it.
    columns_x, columns_y : dict of str to ndarray
        Observables of base and target.
    sizes : tuple of int
        Numbers of events whose weights are varied, and of the target.
    ndf : int or None
        Degrees of freedom, for losses with bins.
    limits : dict of str to tuple of float
        Range of each parameter where the weights have a finite variance.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, unknown, or does not fit the others; as those weights and the losses.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(2000, ht.LundParams(a=0.7), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(2000, ht.LundParams(a=0.6), rng=np.random.default_rng(2))
    >>> loss, gradient = Objective(base, target, names="a").value_and_gradient([0.7])
    >>> bool(gradient[0] > 0)  # downhill to smaller a
    True
    """

    def __init__(
        self, sim: Sample | Sequence[Sample], data: Sample | Mapping[str, ArrayLike], *,
        names: str | Sequence[str] | None = None, observables: str | Callable | Sequence[str | Callable] = FIVE,
        loss: str = "chi2", start: LundParams | ClusterParams | None = None,
        edges: Mapping[str, ArrayLike] | None = None, n_bins: int | None = None, device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        samples, kind = as_samples(sim, "sim"), named(loss)
        make_weights = weights_for(samples[0])
        names = make_weights.usual if names is None else names
        self.names = (names,) if isinstance(names, str) else tuple(names)
        known = make_weights.steps
        if not self.names or not set(self.names) <= set(known) or len(set(self.names)) < len(self.names):
            raise ValueError(f"names must be of {', '.join(known)}, each at most once, got {self.names}")
        if not kind.binned and not (edges is None and n_bins is None):
            raise ValueError(f"{loss} has no bins; leave edges and n_bins out")
        check_same_strings(samples, data)
        weighed, wanted = kind.weighed(samples, data), by_name(observables) if kind.of_base else {}
        self.device = device
        of_each, self.columns_y = [columns_of(s, wanted) for s in weighed], columns_of(data, wanted)
        self.columns_x = {name: np.concatenate([c[name] for c in of_each]) for name in of_each[0]}
        n_target = len(data) if isinstance(data, Sample) else len(next(iter(self.columns_y.values())))
        self.sizes = (sum(map(len, weighed)), n_target)
        self.weights = make_weights(weighed, start, device=device)
        self.weights.refuse_fixed(self.names)
        self.start = self.weights.base if start is None else start
        log_w = self.log_w(self.values_of(self.start)).detach()
        self.loss = kind.between(self.columns_x, self.columns_y, log_w, edges, n_bins)
        self.ndf = None if self.loss.ndf is None else self.loss.ndf - len(self.names)
        self.limits = self.weights.limits if self.loss.of_base else self.weights.everywhere

    def values_of(self, params: LundParams | ClusterParams) -> np.ndarray:
        """The P parameters that are varied, from all in `params`."""
        return np.array([getattr(params, name) for name in self.names])

    def params_of(self, values: ArrayLike) -> LundParams | ClusterParams:
        """All parameters, from the `values` of those that are varied, shape (P,)."""
        return self.start._replace(**dict(zip(self.names, map(float, np.asarray(values)), strict=True)))

    def log_w(self, values: Tensor | ArrayLike, log_u: Tensor | None = None) -> Tensor:
        """Log weights of the N events whose weights are varied, at `values`, shape (P,); for `log_u` see a call."""
        values = torch.as_tensor(values, dtype=torch.float64, device=self.device)
        rest = {n: values.new_tensor(getattr(self.start, n)) for n in self.weights.steps}
        return self.weights.at(**(rest | dict(zip(self.names, values.unbind(), strict=True))), log_u=log_u)

    def __call__(self, values: Tensor | ArrayLike, log_u: Tensor | None = None, log_v: Tensor | None = None) -> Tensor:
        """The loss at `values`, Tensor or array_like of shape (P,), to which gradients flow.

        `log_u` and `log_v`, shape (N,) and (M,), are logarithms of how often each event of base and target counts, as
        in a bootstrap; by default zeros, once.
        """
        return self.loss.counted(lambda counts: self.log_w(values, counts), log_u, log_v)

    def value_and_gradient(
        self, values: ArrayLike, log_u: Tensor | None = None, log_v: Tensor | None = None
    ) -> tuple[float, np.ndarray]:
        """The loss and its gradient, shape (P,), as numbers; `values`, `log_u` and `log_v` are those of a call."""
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device, requires_grad=True)
        loss = self(values, log_u, log_v)
        (gradient,) = torch.autograd.grad(loss, values)
        return float(loss.detach()), gradient.cpu().numpy()

    def hessian(self, values: ArrayLike) -> np.ndarray:
        """Second derivatives of the loss at `values`, shape (P, P)."""
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device)
        return torch.autograd.functional.hessian(self, values).cpu().numpy()

    def n_eff(self, values: ArrayLike) -> float:
        """Effective number of base events at `values`; infinite for the likelihood, which has no base."""
        if not self.loss.of_base:
            return np.inf
        with torch.no_grad():
            return float(torch.exp(log_n_eff(self.log_w(values))))

    def covariances(self, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        r"""Covariance of the `values` at the minimum, shape (P, P): from the second derivatives alone, and as sandwich.

        The first is :math:`2 H^{-1}` (:math:`H^{-1}` for the likelihood), right if the loss is a true χ². The sandwich
        :math:`H^{-1} J H^{-1}` holds for any smooth loss: J is the covariance of the gradient, the sum over the events
        of both samples of :math:`\partial g/\partial u_i\, (\partial g/\partial u_i)^T` for counts :math:`u_i`
        (infinitesimal jackknife; Jaeckel, Bell Laboratories 1972). Both are NaN for a loss without second derivatives.
        """
        if not self.loss.smooth:
            unknown = np.full((len(self.names),) * 2, np.nan)
            return unknown, unknown
        values = torch.tensor(np.asarray(values, dtype=float), device=self.device, requires_grad=True)
        counts = [torch.zeros(n, dtype=torch.float64, device=self.device, requires_grad=True) for n in self.sizes]
        (gradient,) = torch.autograd.grad(self(values, *counts), values, create_graph=True)
        meat = np.zeros((len(values), len(values)))
        of_events = [torch.autograd.grad(g, counts, retain_graph=True, allow_unused=True) for g in gradient]
        for per_event in zip(*of_events, strict=True):
            if per_event[0] is not None:
                j = torch.stack(per_event)
                meat += (j @ j.T).cpu().numpy()
        bread = np.linalg.pinv(self.hessian(values.detach()), hermitian=True)
        return 2.0 * self.loss.unit * bread, bread @ meat @ bread

    def minimise(
        self, values: ArrayLike, floor: float = 0.0, log_u: Tensor | None = None, log_v: Tensor | None = None,
        fixed: Sequence[str] = (),
    ) -> tuple[np.ndarray, float]:  # fmt: skip
        """From `values`, shape (P,), down to a minimum of the loss where the base is trusted: values and loss there.

        `floor` is the least effective number of base events, over their number; `log_u` and `log_v` are those of a
        call; the parameters named in `fixed` stay. A FitError if the loss is not finite.
        """
        start = np.array(values, dtype=float)
        free = np.array([name not in fixed for name in self.names])
        scale = np.array([self.weights.steps[name] for name in self.names])
        first, _ = self.value_and_gradient(start, log_u, log_v)
        if not np.isfinite(first):
            raise FitError(f"the loss is {first} at {self.params_of(start)}")
        if not free.any():
            return start, first
        size, tolerance = self.loss.precision(first)

        def full(x):
            values = start.copy()
            values[free] += scale[free] * x
            return values

        def loss(x):
            value, gradient = self.value_and_gradient(full(x), log_u, log_v)
            return value / size, (gradient * scale)[free] / size

        def of_n_eff(x):
            values = torch.tensor(full(x), device=self.device, requires_grad=True)
            log_n = log_n_eff(self.log_w(values))
            (gradient,) = torch.autograd.grad(log_n, values)
            return float(log_n.detach()) - least, (gradient.cpu().numpy() * scale)[free]

        least = np.log(max(floor, 1e-12) * self.sizes[0])
        room = {"type": "ineq", "fun": lambda x: of_n_eff(x)[0], "jac": lambda x: of_n_eff(x)[1]}
        limits = np.array([self.limits[name] for name in self.names])
        result = optimize.minimize(
            loss, np.zeros(free.sum()), jac=True, method="SLSQP",
            bounds=((limits - start[:, None]) / scale[:, None])[free],
            constraints=room if self.loss.of_base else (), options={"ftol": tolerance, "maxiter": 100},
        )  # fmt: skip
        if not np.isfinite(result.fun):
            raise FitError(f"the loss is {result.fun} at {self.params_of(full(result.x))}")
        return full(result.x), float(result.fun * size)
