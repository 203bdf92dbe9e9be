r"""The weights of `hadtutor.weights` for torch, differentiable in a, b and σ :cite:p:`heller2024rejection`.

The logarithm of the density of a chain is a scalar product: of numbers that the parameters do not know,

.. math:: \sum \ln(1-z), \quad \sum m_T^2/z, \quad \sum T_k(\ln m_T^2), \quad \sum p_T^2, \ldots,

with functions of the parameters alone. The :math:`T_k` are Chebyshev polynomials: ln N(a, b mT²) is a short series in
them. So a chain is a row of some thirty numbers, summed over its breaks once, and all weights of a sample are the
product of a matrix with a vector.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..events.sample import Sample
from ..lund import tensor as laws
from ..lund.function import LARGEST_Z32
from ..lund.recorded import log_f_recorded, log_left, log_top
from ..params import ClusterParams, LundParams
from .allowed import as_samples, case_of, count_events, refuse_change
from .breaks import last_draws_known
from .cluster_tensor import ClusterWeights
from .trials import Trials, check_trials

LEARNABLE = ("a", "b", "sigma_pt")
STEPS = {"a": 0.1, "b": 0.1, "sigma_pt": 0.02}
EVERYWHERE = {"a": (0.0, 20.0), "b": (1e-3, 1e3), "sigma_pt": (1e-3, 1e3)}

DEGREE = 28
"""Of the series for ln N in ln mT²; its error is below 10⁻¹¹ where mT² varies by up to a factor 10⁴."""


def weights_for(sample: Sample) -> Any:
    """The class whose instances are weights of events like those of a `sample`: `LundWeights` or `ClusterWeights`."""
    return ClusterWeights if isinstance(sample.params, ClusterParams) else LundWeights


class LundWeights(nn.Module):
    """Weights of string events with learnable parameters.

    Several samples, made with different parameters, are used as one: each event was drawn from the mixture of them, and
    its weight is the density at the target over that of the mixture :cite:p:`veach1995optimally`.

    Parameters
    ----------
    samples : Sample or sequence of Sample
        String events with their histories, rejected chains too.
    params : LundParams, optional
        Where the parameters start; by default those of the first sample.
    trials : Trials, optional
        Of one sample, from `hadtutor.weights.record_trials`: the weights are then those of accept–reject, which have
        first derivatives only.
    dtype : torch.dtype
        ``torch.float64`` or ``torch.float32``.
    device : torch.device or str
        Where to hold the rows.

    Attributes
    ----------
    a, b, sigma_pt : Parameter
        Learnable; ``requires_grad_(False)`` fixes one.
    base : LundParams
        Of the first sample.
    steps, limits, everywhere : dict of str
        Typical steps of the parameters, the ranges in which weights have a finite variance, and those of the model.
    usual : tuple of str
        What a fit varies if nothing is said.

    Raises
    ------
    TypeError, ValueError
        As `event_weights`; also if samples differ in more than a, b and σ, have closed loops of gluons, or the trials
        are not those of one sample.

    Examples
    --------
    >>> import hadtutor as ht
    >>> weights = LundWeights(ht.hadronize_strings(1000, rng=1), ht.LundParams(a=0.6))
    >>> log_w = weights()
    >>> log_w.logsumexp(0).backward()
    >>> log_w.shape, weights.a.grad is not None
    (torch.Size([1000]), True)
    """

    steps, everywhere, usual = STEPS, EVERYWHERE, ("a", "b")
    rows: Tensor
    signed_lambda: Tensor
    is_accepted: Tensor
    accepted: Tensor
    event_of_chain: Tensor
    chain_offsets: Tensor
    log_mixture: Tensor
    log_mixture_of_events: Tensor
    pt2: Tensor
    n_pt2: Tensor

    def __init__(
        self, samples: Sample | Sequence[Sample], params: LundParams | None = None, *, trials: Trials | None = None,
        dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        super().__init__()
        samples = as_samples(samples)
        cases = _cases(samples, trials)
        first = cases[0].base
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
        start = first if params is None else params
        if not isinstance(start, LundParams):
            raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
        refuse_change(first, start, LEARNABLE)
        like: dict[str, Any] = {"dtype": dtype, "device": device}
        self.a, self.b, self.sigma_pt = (nn.Parameter(x) for x in _numbers(start, like))
        self.base = first
        lowest = max(0.0, 0.5 * (first.a - 1.0) + 0.01)
        self.limits = {"a": (lowest, 20.0), "b": (0.51 * first.b, 1e3), "sigma_pt": (1e-3, 1.4 * first.sigma_pt)}
        histories = [case.histories for case in cases]

        def joined(column):
            return np.concatenate([column(h) for h in histories])

        n_chains = [h.n_chains for h in histories]
        self.complete = all(last_draws_known(case) for case in cases)
        mt2 = joined(lambda h: h.mt2.astype(float))
        self.log_mt2_range = tuple(np.log([mt2.min(initial=1.0), mt2.max(initial=1.0) * 1.0001]).tolist())
        self.register_buffer("rows", torch.as_tensor(np.concatenate([self._rows(h) for h in histories])).to(**like))
        lam = joined(lambda h: np.where(h.final_reversed, h.final_lambda, -h.final_lambda).astype(float))
        self.register_buffer("signed_lambda", torch.tensor(np.nan_to_num(lam), **like))
        self.register_buffer("is_accepted", torch.tensor(joined(lambda h: h.accepted), device=device))
        self.register_buffer("accepted", torch.nonzero(self.is_accepted)[:, 0])
        before = np.cumsum([0] + [len(s) for s in samples])
        event = np.concatenate([h.event_of_chain + n for h, n in zip(histories, before[:-1], strict=True)])
        offsets = np.searchsorted(event, np.arange(before[-1] + 1))
        self.register_buffer("chain_offsets", torch.tensor(offsets, device=device))
        self.register_buffer("event_of_chain", torch.tensor(event, device=device))
        self.enhanced = first.enhanced_fraction > 0.0
        if self.enhanced:
            # No short row holds the density of a mixture of two Gaussians: it is evaluated break by break.
            columns = [_all_pt2(h) for h in histories]
            pt2, lengths = (np.concatenate(column) for column in zip(*columns, strict=True))
            self.register_buffer("pt2", torch.tensor(pt2, **like))
            self.register_buffer("n_pt2", torch.tensor(lengths, device=device))
        self.trials = None if trials is None else _TrialRows(histories[0], first, trials, like)
        # Chains come from the mixture of the samples, with the shares of their numbers.
        with torch.no_grad():
            log_p = [self._log_density(*_numbers(s.params, like)) for s in samples]
            shares = [math.log(n / len(event)) for n in n_chains]
            parts = [p + share for p, share in zip(log_p, shares, strict=True)]
            self.register_buffer("log_mixture", torch.logsumexp(torch.stack(parts), 0))
            # An event comes from one of them with all of its strings, each given that its chain was accepted there.
            every, n_strings = self._some_chains(None), [int(h.accepted.sum()) for h in histories]
            odds = [math.log(c / s / (len(event) / sum(n_strings))) for c, s in zip(n_chains, n_strings, strict=True)]
            parts = [
                every.of_events((p + more)[every.accepted]) + math.log(len(s) / before[-1])
                for p, more, s in zip(log_p, odds, samples, strict=True)
            ]
            self.register_buffer("log_mixture_of_events", torch.logsumexp(torch.stack(parts), 0))

    def _rows(self, histories):
        """Rows of numbers that the parameters do not know, one per chain; `_columns` is what they are multiplied by."""
        z, mt2 = histories.z.astype(float), histories.mt2.astype(float)
        low, high = self.log_mt2_range

        def summed(x, chain=histories.chain_of_break):
            return np.bincount(chain, x, minlength=histories.n_chains)

        pt2, lengths = _all_pt2(histories)
        chain_of_draw = np.repeat(np.arange(histories.n_chains), lengths)
        columns = [summed(log_left(z)), summed(mt2 / z), lengths.astype(float), summed(pt2, chain_of_draw)]
        x = (2.0 * np.log(mt2) - low - high) / (high - low)
        previous, this = np.ones_like(x), x
        for _ in range(DEGREE + 1):
            columns.append(summed(previous))
            previous, this = this, 2.0 * x * this - previous  # T_{k+1} = 2 x T_k - T_{k-1}
        return np.stack(columns, axis=1)

    def _columns(self, a, b, sigma_pt):
        """What the rows are multiplied by, in float64: a, -b, the density of pT, and the series for -ln N(a, b mT²)."""
        a, b, sigma_pt = (x.double() for x in (a, b, sigma_pt))
        low, high = self.log_mt2_range
        order = torch.arange(DEGREE + 1, dtype=torch.float64, device=a.device)
        angle = math.pi * (order + 0.5) / (DEGREE + 1)
        mt2 = torch.exp(0.5 * (low + high) + 0.5 * (high - low) * torch.cos(angle))
        log_n = laws.log_normalisation(mt2, a, b)
        series = torch.cos(order[:, None] * angle) @ log_n * (2.0 / (DEGREE + 1))
        series = torch.cat([0.5 * series[:1], series[1:]])
        if self.trials is not None:
            series = torch.zeros_like(series)
        of_pt = torch.stack([-torch.log(math.pi * sigma_pt**2), -1.0 / sigma_pt**2])
        if self.enhanced:
            of_pt = torch.zeros_like(of_pt)
        return torch.cat([torch.stack([a, -b]), of_pt, -series])

    def _log_density(self, a, b, sigma_pt, chains=slice(None)):
        """ln p of chains, apart from what no parameter changes; small numbers, that of the first sample taken off."""
        with torch.no_grad():
            a0, b0, sigma0 = _numbers(self.base, {"dtype": a.dtype, "device": a.device})
            at_base = self._columns(a0, b0, sigma0)
        rows = self.rows[chains]
        log_p = rows @ (self._columns(a, b, sigma_pt) - at_base).to(rows.dtype)
        lam = self.signed_lambda[chains]
        log_p = log_p - laws.log_order_probability(lam, b0) + laws.log_order_probability(lam, b)
        if self.enhanced:
            target, base = (laws.pt_log_density(self.pt2, width, self.base) for width in (sigma_pt, sigma0))
            log_p = log_p + torch.segment_reduce(target - base, "sum", lengths=self.n_pt2)[chains]
        return log_p

    def _some_chains(self, events):
        if events is None:
            return _Chains(slice(None), self.event_of_chain, self.accepted, len(self.chain_offsets) - 1)
        lengths = torch.diff(self.chain_offsets)[events]
        event = torch.repeat_interleave(torch.arange(len(events), device=lengths.device), lengths)
        rank = torch.arange(len(event), device=lengths.device) - (torch.cumsum(lengths, 0) - lengths)[event]
        chains = self.chain_offsets[events][event] + rank
        return _Chains(chains, event, torch.nonzero(self.is_accepted[chains])[:, 0], len(events))

    def at(
        self, a: Tensor | float, b: Tensor | float, sigma_pt: Tensor | float, events: Tensor | None = None,
        log_u: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Logarithm of the weights at given parameters, shape (N,); `forward` takes those of the module.

        Their mean weight is 1 up to statistics. In a batch the acceptance of chains is that of the batch.

        Parameters
        ----------
        a, b, sigma_pt : Tensor or float
            Gradients flow to tensors of any precision, on any device.
        events : Tensor of int64, optional
            Numbers of the events of a batch; a ValueError with accept–reject weights, whose trials lie in one piece.
        log_u : Tensor, shape (N,), optional
            Logarithm of how often each event counts, as in a bootstrap. It is not part of the result, but the
            acceptance of chains depends on it.
        """
        a, b, sigma_pt = (torch.as_tensor(x, dtype=self.rows.dtype, device=self.rows.device) for x in (a, b, sigma_pt))
        if self.trials is not None:
            if events is not None:
                raise ValueError("batches need marginal weights; those of accept-reject take all events")
            log_w = self._log_density(a, b, sigma_pt) + self.trials.sums(a, b)
            return torch.segment_reduce(log_w, "sum", lengths=torch.diff(self.chain_offsets))
        chains = self._some_chains(events)
        kept, mixture = chains.accepted, self.log_mixture[chains.numbers]
        log_p, log_u = self._log_density(a, b, sigma_pt, chains.numbers), None if log_u is None else log_u[chains.event]
        of_strings = log_p[kept]
        # ln of (Σ_all w / C) / (Σ_acc w / S), the ratio of acceptances; see `hadtutor.weights.event_weights`.
        ratio = -_log_mean(of_strings - mixture[kept], None if log_u is None else log_u[kept])
        if self.complete:
            ratio = ratio + _log_mean(log_p - mixture, log_u)
        mixture = self.log_mixture_of_events if events is None else self.log_mixture_of_events[events]
        return chains.of_events(of_strings + ratio) - mixture

    def refuse_fixed(self, names: Iterable[str]) -> None:
        """Nothing: a, b and σ are drawn with in every sample. For clusters it refuses some of the `names`."""

    def forward(self, events: Tensor | None = None) -> Tensor:
        """Logarithm of the weights at the parameters of the module; `events` as in `at`."""
        return self.at(self.a, self.b, self.sigma_pt, events)

    def params(self) -> LundParams:
        """The present parameters."""
        return self.base._replace(**{name: getattr(self, name).item() for name in LEARNABLE})


class _Chains(NamedTuple):
    """Chains of some events, with their event among these, and which of the chains are accepted."""

    numbers: slice | Tensor
    event: Tensor
    accepted: Tensor
    n_events: int

    def of_events(self, of_strings):
        """Numbers of accepted chains summed over each event."""
        if len(of_strings) == self.n_events:  # one string each, in their order
            return of_strings
        return of_strings.new_zeros(self.n_events).index_add(0, self.event[self.accepted], of_strings)


def _log_mean(log_w, log_u):
    if log_u is None:
        return torch.logsumexp(log_w, 0) - math.log(len(log_w))
    return torch.logsumexp(log_w + log_u, 0) - torch.logsumexp(log_u, 0)


def _numbers(params, like):
    return [torch.tensor(getattr(params, name), **like) for name in LEARNABLE]


def _cases(samples, trials):
    cases = [case_of(sample) for sample in samples]
    for sample, case in zip(samples, cases, strict=True):
        refuse_change(cases[0].base, case.base, LEARNABLE)
        count_events(sample, case.histories)
        if case.histories.all_flavours:
            raise ValueError("breaks of all flavours have weights by event_weights alone; give strings of pions here")
        if case.histories.closed.any():
            raise ValueError("closed loops of gluons are cut open by breaks not weighted here; event_weights does that")
    if trials is not None:
        if len(samples) > 1:
            raise ValueError(f"trials go with one sample, got {len(samples)}; marginal weights take several")
        check_trials(trials, cases[0].histories, cases[0].base)
    return cases


def _all_pt2(histories):
    """pT² of every draw, chain by chain, that for the last pair included where it is known; and how many each has."""
    last = histories.final_px.astype(float) ** 2 + histories.final_py.astype(float) ** 2
    known = np.isfinite(last)
    of_breaks = histories.px.astype(float) ** 2 + histories.py.astype(float) ** 2
    ends = histories.chain_offsets[1:][known]
    return np.insert(of_breaks, ends, last[known]), np.diff(histories.chain_offsets) + known


class _TrialRows(nn.Module):
    """What accept–reject adds to chains: maxima of f in place of normalisations, and rejected trials."""

    def __init__(self, histories, base, trials, like):
        super().__init__()
        self.over_sampling = trials.over_sampling
        mt2, z = histories.mt2.astype(float), trials.z.astype(float)
        of_break = np.repeat(np.arange(len(mt2)), np.diff(trials.offsets))
        top = log_top(mt2, base)
        g = np.exp(log_f_recorded(z, mt2[of_break], base) - top[of_break])
        columns = {"mt2": mt2, "log_top": top, "log_z": np.log(z), "log_left": np.log(1.0 - z)}
        columns |= {"mt2_over_z": mt2[of_break] / z, "log_rejected": np.log(np.maximum(self.over_sampling - g, 1e-12))}
        for name, column in columns.items():
            self.register_buffer(name, torch.tensor(column, **like))
        lengths = {"breaks": histories.chain_offsets, "trials": trials.offsets[histories.chain_offsets]}
        for name, offsets in lengths.items():
            self.register_buffer(name, torch.tensor(np.diff(offsets), device=like["device"]))
        self.register_buffer("of_break", torch.tensor(of_break, device=like["device"]))

    def sums(self, a, b):
        top = laws.log_f(laws.z_peak(self.mt2, a, b).clamp(max=float(LARGEST_Z32)), self.mt2, a, b)
        g = torch.exp(a * self.log_left - self.log_z - b * self.mt2_over_z - top[self.of_break])
        rejected = torch.log((self.over_sampling - g).clamp(min=1e-12)) - self.log_rejected
        of_breaks = torch.segment_reduce(self.log_top - top, "sum", lengths=self.breaks)
        return of_breaks + torch.segment_reduce(rejected, "sum", lengths=self.trials)
