"""The string of `hadtutor.strings` for torch: many strings abreast, one break per step, on any device.

The physics and the distributions are those of the numba kernel, the random numbers are not. All strings of a batch take
one break at a time; those that are done leave, those that failed start again.
"""

import math

import numpy as np
import torch

from .._support.bars import Progress
from .._support.checks import takes_rng
from ..events.hadrons import Hadrons
from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM, Histories
from ..events.sample import Sample
from ..lund.function import LARGEST_Z32
from ..lund.staircase import z_table
from ..lund.tensor import Draws, pair_lambda, reverse_probability, share_between_two
from ..params import LundParams
from ..particles import MASS_NEUTRAL_PION, QUARKS
from .chain import CONSTITUENT_MASS, MAX_TRIES, TRIES_BEFORE_RAISING
from .generate import check_string, no_hadrons

BATCH = 65_536  # strings abreast; the curve is in benchmarks/README.md


@takes_rng
def hadronize_strings(
    n_events: int, params: LundParams | None = None, energy: float = 90.0, *, rng: np.random.Generator | int,
    quark: str = "u", device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64, progress: bool = True,
) -> Sample:  # fmt: skip
    """Hadronize quark-antiquark strings with torch; the counterpart of `hadtutor.hadronize_strings`.

    `n_events`, `params`, `energy`, `quark`, `progress` and errors are as there; the sample is NumPy arrays on the CPU.

    Parameters
    ----------
    rng : numpy.random.Generator or int
        Source of randomness: it seeds a generator of torch on the device.
    device : torch.device or str
        Where to work.
    dtype : torch.dtype
        ``torch.float64`` or ``torch.float32``, of momenta too; the second conserves them to 1e-5.

    Examples
    --------
    >>> len(hadronize_strings(100, rng=1))
    100
    """
    params, energy = check_string(n_events, params, energy, quark)
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    draw = Draws(params, z_table(params, MASS_NEUTRAL_PION**2), rng=rng, device=device, dtype=dtype)
    parts = []
    with torch.no_grad(), Progress(n_events, "event", progress) as bar:
        for start in range(0, n_events, BATCH):
            size = min(BATCH, n_events - start)
            parts.append(Sample(*_Strings(size, energy, QUARKS[quark], draw).run(start), params, energy, quark))
            bar.update(size)
    return Sample.concatenate(parts)


class _Strings:
    """A batch of strings being hadronized. Index 0 of the last axis is the end that moves along +z."""

    def __init__(self, n: int, energy: float, flavour: int, draw: Draws) -> None:
        device = draw.generator.device
        self.n, self.params, self.energy, self.flavour, self.draw = n, draw.params, energy, flavour, draw
        self.own = torch.full((n, 2), energy, **draw.like)  # see hadtutor.strings.straight
        self.opposite = self.own.clone()
        self.pt = torch.zeros((n, 2, 2), **draw.like)  # (string, end, x or y)
        self.end = torch.full((n, 2), flavour, device=device)
        self.tries = torch.zeros(n, dtype=torch.long, device=device)
        self.breaks: list[tuple] = []  # per step: rows of drawn breaks
        self.chains: list[tuple] = []  # and of finished chains

    def run(self, first_event: int) -> tuple[Hadrons, Histories]:
        """Step until every string is hadrons."""
        alive = torch.arange(self.n, device=self.own.device)
        while len(alive):
            alive = self.step(alive)
            given_up = torch.nonzero(self.tries >= MAX_TRIES)
            if len(given_up):
                raise no_hadrons(first_event + int(given_up[0]), self.energy, self.params)
        return self.collect()

    def step(self, s):
        """One break of the strings `s`; returns those that are not done."""
        params, draw, n = self.params, self.draw, len(s)
        side = (draw.uniform(n) < 0.5).long()
        new, pid = draw.flavour(self.end[s, side], side)
        q = draw.pt(n)
        pt = self.pt[s, side] + q
        mt2 = draw.mass2(pid) + (pt**2).sum(1)

        plus = self.own[s, 0] + self.opposite[s, 1] - self.energy
        minus = self.own[s, 1] + self.opposite[s, 0] - self.energy
        mass2 = plus * minus - (self.pt[s].sum(1) ** 2).sum(1)
        stop_mass = params.stop_mass * 1.05 ** (self.tries[s] - TRIES_BEFORE_RAISING + 1).clamp(min=0)
        w_min = stop_mass + CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
        w_min = w_min * (1.0 + params.stop_smear * (2.0 * draw.uniform(n) - 1.0))
        stops = (plus + minus < 0.0) | (mass2 < w_min**2)

        # Strings that break: draw z, let the hadron go.
        k = torch.nonzero(~stops)[:, 0]
        sk, side_k = s[k], side[k]
        z = draw.z(mt2[k])
        own = z * self.own[sk, side_k]
        opposite = mt2[k] / own
        room = opposite < self.opposite[sk, side_k]
        sign = 1.0 - 2.0 * side_k
        self.breaks.append(
            (sk, self.tries[sk], z, mt2[k], q[k, 0], q[k, 1], pid[k], side_k == 0)
            + (pt[k, 0], pt[k, 1], 0.5 * sign * (own - opposite), 0.5 * (own + opposite))
        )
        self.own[sk, side_k] -= own
        self.opposite[sk, side_k] -= opposite
        self.pt[sk, side_k] = -q[k]
        self.end[sk, side_k] = new[k]

        # Strings that stop: two hadrons share the rest.
        k2 = torch.nonzero(stops)[:, 0]
        done = self.last_pair(s[k2], side[k2], new[k2], pid[k2], q[k2], pt[k2], mt2[k2], plus[k2], minus[k2])
        self.finish(sk[~room], NO_ROOM, side_k[~room])

        failed = torch.cat([sk[~room], s[k2][~done]])
        self.tries[failed] += 1
        self.own[failed] = self.energy
        self.opposite[failed] = self.energy
        self.pt[failed] = 0.0
        self.end[failed] = self.flavour
        return torch.cat([sk[room], failed])

    def last_pair(self, s, side, new, pid, q, pt_1, mt2_1, plus, minus):
        """Make the last two hadrons of the strings `s`; returns which succeeded."""
        other = 1 - side
        end = self.end[s, other]
        neutral = new == end
        quark = torch.where(side == 0, new, end)
        pid_2 = torch.where(neutral, 111, torch.where(quark == 2, 211, -211))
        pt_2 = self.pt[s, other] - q
        mt2_2 = self.draw.mass2(pid_2) + (pt_2**2).sum(1)
        own, opposite = torch.where(side == 0, plus, minus), torch.where(side == 0, minus, plus)
        wt2 = own * opposite
        fits = (own > 0) & (opposite > 0) & (wt2 - (pt_1 + pt_2).square().sum(1) >= 0)
        fits &= torch.sqrt(wt2.clamp(min=0)) >= torch.sqrt(mt2_1) + torch.sqrt(mt2_2)
        fits &= ~neutral | (self.draw.uniform(len(s)) < 1.0 - 0.5**10)
        lam = pair_lambda(wt2, mt2_1, mt2_2)
        reverse = self.draw.uniform(len(s)) < reverse_probability(lam, self.params.b)
        own_1, opposite_1 = share_between_two(own, opposite, mt2_1, mt2_2, reverse, lam)
        own_2, opposite_2 = own - own_1, opposite - opposite_1
        sign = 0.5 - side.to(own.dtype)
        p = [torch.cat([pt, x[:, None], y[:, None]], 1) for pt, x, y in (
            (pt_1, sign * (own_1 - opposite_1), 0.5 * (own_1 + opposite_1)),
            (pt_2, sign * (own_2 - opposite_2), 0.5 * (own_2 + opposite_2)),
        )]  # fmt: skip
        self.finish(s[~fits], NO_FINAL_TWO, side[~fits], q=q[~fits])
        self.finish(
            s[fits], ACCEPTED, side[fits], q=q[fits], pid=torch.stack([pid, pid_2], 1)[fits], lam=lam[fits],
            reverse=reverse[fits], p=torch.stack(p, 1)[fits],
        )  # fmt: skip
        return fits

    def finish(self, s, status, side, q=math.nan, pid=0, lam=math.nan, reverse=False, p=0.0):
        """Write down how the chains of the strings `s` ended."""
        n, like = len(s), self.draw.like
        q, p = torch.as_tensor(q, **like).expand(n, 2), torch.as_tensor(p, **like).expand(n, 2, 4)
        status, pid, reverse = (torch.as_tensor(x, device=s.device) for x in (status, pid, reverse))
        of_pair = *q.unbind(1), *pid.expand(n, 2).unbind(1), side == 0, torch.as_tensor(lam, **like).expand(n)
        self.chains.append((s, self.tries[s], status.expand(n), *of_pair, reverse.expand(n), p))

    def collect(self) -> tuple[Hadrons, Histories]:
        """Put what was written down step by step in the order of events, chains and breaks."""

        def joined(parts):
            columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
            order = np.lexsort((columns[1], columns[0]))  # by event and try; stable: steps stay in order inside a chain
            return [column[order] for column in columns]

        event, _, status, px, py, pid, pid_other, positive, lam, reverse, pair = joined(self.chains)
        b_event, b_tried, z, mt2, qx, qy, b_pid, b_positive, *p = joined(self.breaks)
        chain_of_break = np.searchsorted(event, np.arange(self.n))[b_event] + b_tried
        n_breaks = np.bincount(chain_of_break, minlength=len(event))
        z, mt2, qx, qy, px, py, lam = (column.astype(np.float32) for column in (z, mt2, qx, qy, px, py, lam))
        b_pid, pid, pid_other = (column.astype(np.int32) for column in (b_pid, pid, pid_other))
        of_breaks = np.minimum(z, LARGEST_Z32), mt2, qx, qy, b_pid, b_positive
        of_chains = event, status.astype(np.int8), px, py, pid, pid_other, positive, lam, reverse
        histories = Histories(np.concatenate([[0], np.cumsum(n_breaks)]), *of_breaks, *of_chains)
        # Hadrons: the breaks of the accepted chains, and after each chain its last pair.
        accepted = histories.accepted
        offsets = np.concatenate([[0], np.cumsum(n_breaks[accepted] + 2)])
        last = offsets[1:, None] - [2, 1]
        is_break = np.ones(offsets[-1], bool)
        is_break[last] = False
        columns, of_last_two = [], (*np.moveaxis(pair, 2, 0), np.stack([pid, pid_other], 1))
        for of_break, of_last in zip((*p, b_pid), of_last_two, strict=True):
            columns.append(np.empty(offsets[-1], of_break.dtype))
            columns[-1][is_break] = of_break[accepted[chain_of_break]]
            columns[-1][last] = of_last[accepted]
        return Hadrons(*[offsets, *columns]), histories
