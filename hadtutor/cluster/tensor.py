"""The odds of the hadrons that a cluster decays to, as a function of parameters with gradients (torch)."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..params import ClusterParams
from .pairs import pair_table

NEVER = -1e9  # logit of a pair that does not fit


class PairOdds(nn.Module):
    """Probabilities of the cluster model with `params` for all pairs of hadrons that a cluster can decay to.

    The attribute `species` holds the PDG codes of all hadrons there are, sorted, shape (S,).
    """

    pair: Tensor
    fits: Tensor
    baryons: Tensor

    def __init__(self, params: ClusterParams) -> None:
        super().__init__()
        table = pair_table(params)
        self.species = np.unique(np.concatenate([table.pid.ravel(), table.lightest_pid]))
        self.quark_odds = 1.0 / (1.0 + params.pwt_diquark)
        of_mesons, of_baryons = np.diff(table.meson_offsets), np.diff(table.baryon_offsets)
        widest = int((of_mesons + of_baryons).max())
        pair = np.zeros((len(of_mesons), widest), np.int64)
        fits, baryons = np.zeros(pair.shape, bool), np.zeros(pair.shape, bool)
        for row, (n, m) in enumerate(zip(of_mesons, of_baryons, strict=True)):
            pair[row, :n] = table.meson_offsets[row] + np.arange(n)
            pair[row, n : n + m] = table.baryon_offsets[row] + np.arange(m)
            fits[row, : n + m], baryons[row, n : n + m] = True, True
        number = np.searchsorted(self.species, table.pid)
        for name, values in {"pair": pair, "fits": fits, "baryons": baryons, "number": number}.items():
            self.register_buffer(name, torch.as_tensor(values))
        real = {"sum2": table.sum2, "difference2": table.difference2, "mass": table.mass}
        for name, values in {"log_weight": np.log(table.weight), **real}.items():
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))

    def forward(self, flavour: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the probability of each pair, about -10⁹ if it does not fit, and its number in the `PairTable`.

        Both have the shape (rows, K); `flavour`, ``5 * (quark - 1) + |antiquark| - 1``, and `mass` [GeV] are those of
        the clusters, shape (rows,). See `hadtutor.cluster.decay_clusters`.
        """
        pair, baryons = self.pair[flavour], self.baryons[flavour]
        mass2 = mass.square().unsqueeze(1)
        square = (mass2 - self.sum2[pair]) * (mass2 - self.difference2[pair])
        fits = self.fits[flavour] & (self.sum2[pair] < mass2)
        log_p = self.log_weight[pair] + 0.5 * square.clamp(min=1e-12).log()
        log_p = log_p.masked_fill(~fits, NEVER)
        two = (fits & baryons).any(1, keepdim=True)
        # Without diquarks there are no pairs of baryons.
        of_baryons = math.log1p(-self.quark_odds) if self.quark_odds < 1.0 else NEVER
        none = log_p.new_zeros(())
        share = torch.where(baryons, none + of_baryons, torch.where(two, none + math.log(self.quark_odds), none))
        sums = (log_p.masked_fill(other, NEVER).logsumexp(1, keepdim=True) for other in (~baryons, baryons))
        total = torch.where(baryons, *sums)
        return torch.where(fits, log_p - total + share, NEVER), pair
