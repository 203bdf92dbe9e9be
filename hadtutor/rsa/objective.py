"""The loss as a function of the parameters, with exact derivatives."""

import numpy as np
import torch
from scipy import optimize

from ..events.sample import Sample
from ..weights.tensor import LundWeights
from .columns import _columns, _join
from .losses import Chi2, PseudoChi2, Wasserstein

FIVE = ("n_f", "T", "C", "lnx_mean", "lnx_var")
"""Observables that are fitted by default: the number of hadrons, two shapes, and two moments of ln x."""
LOSSES = ("chi2", "pseudo-chi2", "wasserstein", "nll")
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
        See `hadtutor.rsa`. ``"nll"`` is the negative logarithm of the likelihood of the histories of the target,
        which only a simulated target has: it uses neither base nor observables, and its error is the Cramér–Rao
        bound of everything that happened in the events.
    names : sequence of str
        Parameters to be varied: of ``"a"``, ``"b"``, ``"sigma_pt"``. The others are those of `start`.
    start : LundParams, optional
        Where the covariance of ``"chi2"`` is taken; by default the parameters of the first sample.
    edges, n_bins
        Of the histograms, see `hadtutor.rsa.default_edges`.
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
