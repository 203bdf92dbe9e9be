"""The weights of cluster events for torch, differentiable in all parameters but masses."""

import math
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..cluster.densities import WEIGHTED, Draws, draws_of, log_density
from ..cluster.pairs import only_pions
from ..events.sample import Sample
from ..params import ClusterParams
from .allowed import as_samples
from .clusters import MASSES, OF_SMEARING, USUAL, check_cluster_target, refuse_fixed, values_of

NOT_ZERO = (*OF_SMEARING, "cl_soft")  # what is drawn or not
FAR = 4.0  # factor on each parameter of the base, either way, at most


class ClusterWeights(nn.Module):
    """Weights of cluster events with learnable parameters, as `LundWeights` are for strings.

    Several samples, made with different parameters, are used as one: each event was drawn from the mixture of them.

    Parameters
    ----------
    samples : Sample or sequence of Sample
        Cluster events with their histories.
    params : ClusterParams, optional
        Where the parameters start; by default those of the first sample.
    dtype : torch.dtype
        ``torch.float64`` or ``torch.float32``.
    device : torch.device or str
        Where to hold what was drawn.

    Attributes
    ----------
    values : ParameterDict
        Learnable, one number for each name of `steps`.
    base : ClusterParams
        Of the first sample.
    steps, limits, everywhere : dict of str
        Typical steps of the parameters, and the ranges in which they may vary.
    usual : tuple of str
        What a fit varies if nothing is said.

    Raises
    ------
    TypeError, ValueError
        As `event_weights`; also if samples differ in masses, or in what is not smeared.

    Examples
    --------
    >>> import hadtutor as ht
    >>> params = ht.ClusterParams(cl_soft=0.15)
    >>> sample = ht.hadronize_clusters(ht.datasets.load("pythia-showers-91")[:500], params, rng=1)
    >>> weights = ClusterWeights(sample, params.replace(pwt_s=0.4))
    >>> weights().logsumexp(0).backward()
    >>> weights.values["pwt_s"].grad is not None
    True
    """

    steps = dict.fromkeys(WEIGHTED, 0.1) | {"cl_soft": 0.02, "p_split": 0.05, "pwt_s": 0.02}
    usual = USUAL
    log_mixture: Tensor
    counts: Tensor

    def __init__(
        self, samples: Sample | Sequence[Sample], params: ClusterParams | None = None, *,
        dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        super().__init__()
        samples = as_samples(samples)
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
        self.base = cast(ClusterParams, samples[0].params)
        target = self.base if params is None else params
        for sample in samples:
            check_cluster_target(sample, target)
            if _fixed(sample) != _fixed(samples[0]):
                raise ValueError(
                    "samples differ in masses, in what is not smeared or soft, or in the law or the kinds of decays"
                )
        if self.base.cl_soft > 0.0 and target.cl_soft == 0.0:
            raise ValueError("a sharp threshold has no gradients: cl_soft must be above 0; event_weights can go there")
        self.samples, start = samples, values_of(target)
        self.values = nn.ParameterDict({n: nn.Parameter(torch.tensor(x, dtype=dtype)) for n, x in start.items()})
        of_base = values_of(self.base)
        self.limits = {n: (x / FAR, x * FAR if "p_split" not in n else min(x * FAR, 3.0)) for n, x in of_base.items()}
        self.everywhere = self.limits
        all_draws = [draws_of(sample) for sample in samples]
        self.lengths = [len(sample) for sample in samples]
        for name, columns in zip(Draws._fields, zip(*all_draws, strict=True), strict=True):
            if name == "event" or name.endswith("_event"):
                starts = np.cumsum([0, *self.lengths[:-1]])
                columns = tuple(column + first for column, first in zip(columns, starts, strict=True))
            whole = np.concatenate(columns, axis=0 if name.endswith("_sums") else -1)
            column = torch.as_tensor(whole)
            self.register_buffer(name, column.to(dtype) if column.is_floating_point() else column)
        self.to(device)
        like = self.counts
        with torch.no_grad():
            parts = [
                self._log_density({n: like.new_tensor(x) for n, x in values_of(cast(ClusterParams, s.params)).items()})
                + math.log(len(s) / sum(self.lengths))
                for s in samples
            ]
            self.register_buffer("log_mixture", torch.logsumexp(torch.stack(parts), 0))

    def _log_density(self, values):
        return log_density(Draws(*(getattr(self, name) for name in Draws._fields)), values, torch)

    def at(self, *, log_u: Tensor | None = None, **values: Tensor | float) -> Tensor:
        """Logarithm of the weights, shape (N,), at `values` of the parameters by name; those of the module for others.

        Gradients flow to tensors. The acceptance of clusters is 1 however often events count, so `log_u` has no effect;
        it is there because those of strings know it.
        """
        like = self.log_mixture
        for name in (n for n in values if getattr(self.base, n) == 0.0):
            if float(values[name]) != 0.0:
                refuse_fixed(self.samples[0], [name])
        new = {name: torch.as_tensor(x, dtype=like.dtype, device=like.device) for name, x in values.items()}
        return self._log_density({**self.values, **new}) - like

    def refuse_fixed(self, names: Iterable[str]) -> None:
        """Refuse `names` of parameters that nothing here was drawn with, such as a sharp threshold: ValueError."""
        for sample in self.samples:
            refuse_fixed(sample, names)

    def forward(self) -> Tensor:
        """Logarithm of the weights at the parameters of the module, shape (N,)."""
        return self.at()

    def params(self) -> ClusterParams:
        """The present parameters."""
        return self.base._replace(**{name: value.item() for name, value in self.values.items()})


def _fixed(sample):
    p = sample.params
    pions = only_pions(sample.histories, sample.hadrons)
    return sample.law, pions, *(getattr(p, name) for name in MASSES), *(getattr(p, name) > 0.0 for name in NOT_ZERO)
