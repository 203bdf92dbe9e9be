"""The string of `hadtutor.strings` for torch: many strings abreast, one break per step, on any device.

The physics and the distributions are those of the numba kernel, the random numbers are not. All
strings of a batch take one break at a time; those that are done leave, those that failed start again.
"""

from __future__ import annotations

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
    n_events: int,
    params: LundParams | None = None,
    energy: float = 90.0,
    *,
    rng: np.random.Generator | int,
    quark: str = "u",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool = True,
) -> Sample:
    """Hadronize quark-antiquark strings with torch; the counterpart of `hadtutor.hadronize_strings`.

    Parameters
    ----------
    n_events : int
        Number of events, at least 1.
    params : LundParams, optional
        Default: the Monash tune.
    energy : float
        Mass of the string [GeV].
    rng : numpy.random.Generator or int
        Source of randomness: it seeds a generator of torch on the device.
    quark : {"u", "d"}
        Flavour at the +z end.
    device : torch.device or str
        Where to work.
    dtype : torch.dtype
        ``torch.float64`` or ``torch.float32``; the second conserves momentum to 1e-5.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Sample
        NumPy arrays on the CPU; momenta of the given precision.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.
    HadronizationError
        If a string fails `hadtutor.strings.chain.MAX_TRIES` times.

    Examples
    --------
    >>> sample = hadronize_strings(100, rng=1)
    >>> len(sample)
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

    def finish(self, s, status, side, q=None, pid=None, lam=None, reverse=None, p=None):
        """Write down how the chains of the strings `s` ended."""
        n, device = len(s), s.device
        nan = torch.full((n,), math.nan, **self.draw.like)
        q = torch.stack([nan, nan], 1) if q is None else q
        pid = torch.zeros((n, 2), dtype=torch.long, device=device) if pid is None else pid
        reverse = torch.zeros(n, dtype=torch.bool, device=device) if reverse is None else reverse
        p = torch.zeros((n, 2, 4), **self.draw.like) if p is None else p
        self.chains.append((s, self.tries[s], torch.full((n,), status, device=device), q[:, 0], q[:, 1], pid[:, 0],
                            pid[:, 1], side == 0, nan if lam is None else lam, reverse, p))  # fmt: skip

    def collect(self) -> tuple[Hadrons, Histories]:
        """Put what was written down step by step in the order of events, chains and breaks."""

        def joined(parts):
            return [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]

        event, tried, status, px, py, pid, pid_other, positive, lam, reverse, pair = joined(self.chains)
        chain = np.lexsort((tried, event))
        b_event, b_tried, z, mt2, qx, qy, b_pid, b_positive, *p = joined(self.breaks)
        row = np.lexsort((b_tried, b_event))  # stable: steps stay in order inside a chain
        first_chain = np.searchsorted(event[chain], np.arange(self.n))
        chain_of_break = (first_chain[b_event] + b_tried)[row]
        n_breaks = np.bincount(chain_of_break, minlength=len(event))
        px, py, lam = (column[chain].astype(np.float32) for column in (px, py, lam))
        histories = Histories(
            chain_offsets=np.concatenate([[0], np.cumsum(n_breaks)]),
            z=np.minimum(z[row].astype(np.float32), LARGEST_Z32),
            mt2=mt2[row].astype(np.float32),
            px=qx[row].astype(np.float32),
            py=qy[row].astype(np.float32),
            pid=b_pid[row].astype(np.int32),
            from_positive=b_positive[row],
            event_of_chain=event[chain],
            status=status[chain].astype(np.int8),
            final_px=px,
            final_py=py,
            final_pid=pid[chain].astype(np.int32),
            final_pid_other=pid_other[chain].astype(np.int32),
            final_from_positive=positive[chain],
            final_lambda=lam,
            final_reversed=reverse[chain],
        )
        # Hadrons: the breaks of the accepted chains, and after each chain its last pair.
        accepted = histories.accepted
        offsets = np.concatenate([[0], np.cumsum(n_breaks[accepted] + 2)])
        columns = [np.empty(offsets[-1], z.dtype) for _ in range(4)]
        pids = np.empty(offsets[-1], np.int32)
        last = offsets[1:, None] - [2, 1]
        is_break = np.ones(offsets[-1], bool)
        is_break[last] = False
        kept = accepted[chain_of_break]
        for i, column in enumerate(columns):
            column[is_break] = p[i][row][kept]
            column[last] = pair[chain][accepted][:, :, i]
        pids[is_break] = histories.pid[kept]
        pids[last] = np.stack([histories.final_pid, histories.final_pid_other], 1)[accepted]
        return Hadrons(*[offsets, *columns, pids]), histories
