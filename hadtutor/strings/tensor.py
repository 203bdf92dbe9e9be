"""The string of `hadtutor.strings` for torch: many strings abreast, one break per step, on any device.

The physics and the distributions are those of the numba kernel, the random numbers are not. All
strings of a batch take one break at a time; those that are done leave, those that failed start again.
"""

import math

import numpy as np
import torch

from .._support.bars import Progress
from ..events.hadrons import Hadrons
from ..events.histories import ACCEPTED, NO_FINAL_TWO, NO_ROOM, Histories
from ..events.sample import Sample
from ..lund.flavour import neutral_probability
from ..lund.staircase import z_table
from ..lund.tensor import log_f
from ..params import LundParams
from ..particles import MASS_CHARGED_PION, MASS_NEUTRAL_PION, QUARKS
from .chain import CONSTITUENT_MASS, MAX_TRIES, TRIES_BEFORE_RAISING
from .generate import HadronizationError, check_string

BATCH = 65_536  # strings abreast; the curve is in benchmarks/README.md


def hadronize_strings(
    n_events, params=None, energy=90.0, generator=None, quark="u", device=None, dtype=torch.float64, progress=True
):
    """Hadronize quark-antiquark strings with torch; the counterpart of `hadtutor.hadronize_strings`.

    Parameters
    ----------
    n_events : int
        Number of events, at least 1.
    params : LundParams, optional
        Default: the Monash tune.
    energy : float
        Mass of the string [GeV].
    generator : torch.Generator
        Source of randomness, on the device to work on.
    quark : {"u", "d"}
        Flavour at the +z end.
    device : torch.device or str, optional
        Default: the device of the generator.
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
    >>> sample = hadronize_strings(100, generator=torch.Generator().manual_seed(1))
    >>> len(sample)
    100
    """
    params, energy = check_string(n_events, LundParams() if params is None else params, energy, quark)
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator must be a torch.Generator, got {type(generator).__name__}; "
            "make one with torch.Generator(device).manual_seed(seed)"
        )
    device = generator.device if device is None else torch.device(device)
    if device.type != generator.device.type:
        raise ValueError(f"the generator lives on {generator.device}, the work on {device}: make it there")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    sizes = [BATCH] * (n_events // BATCH) + ([n_events % BATCH] if n_events % BATCH else [])
    parts = []
    with (
        torch.no_grad(),
        Progress(n_events, "event", progress) as bar,
    ):
        for number, size in enumerate(sizes):
            batch = _Strings(size, params, energy, QUARKS[quark], generator, dtype)
            parts.append(Sample(*batch.run(number * BATCH), params, energy, quark))
            bar.update(size)
    return Sample.concatenate(parts)


class _Strings:
    """A batch of strings being hadronized. Index 0 of the last axis is the end that moves along +z."""

    def __init__(self, n, params, energy, flavour, generator, dtype):
        device = generator.device
        self.n, self.params, self.energy, self.flavour = n, params, energy, flavour
        self.generator = generator
        self.like = {"dtype": dtype, "device": device}
        table = z_table(params, MASS_NEUTRAL_PION**2)
        self.edges = torch.as_tensor(table.cells[:, :, 0], **self.like)
        self.log_top = torch.as_tensor(table.log_top, **self.like)
        self.mt2_min, self.rows_per_e = table.mt2_min, table.rows_per_e
        self.own = torch.full((n, 2), energy, **self.like)  # see hadtutor.strings.chain.Ends
        self.opposite = self.own.clone()
        self.pt = torch.zeros((n, 2, 2), **self.like)  # (string, end, x or y)
        self.end = torch.full((n, 2), flavour, device=device)
        self.tries = torch.zeros(n, dtype=torch.long, device=device)
        self.breaks, self.chains = [], []  # per step: rows of drawn breaks, of finished chains

    def rand(self, n):
        return torch.rand(n, generator=self.generator, **self.like)

    def run(self, first_event):
        """Step until every string is hadrons; returns (Hadrons, Histories)."""
        alive = torch.arange(self.n, device=self.own.device)
        while len(alive):
            alive = self.step(alive)
            given_up = torch.nonzero(self.tries >= MAX_TRIES)
            if len(given_up):
                raise HadronizationError(
                    f"event {first_event + int(given_up[0])}: no accepted chain in {MAX_TRIES} tries at energy "
                    f"{self.energy:g} GeV with {self.params}; raise the energy, or lower stop_mass, sigma_pt or b"
                )
        return self.collect()

    def step(self, s):
        """One break of the strings `s`; returns those that are not done."""
        params, n = self.params, len(s)
        side = (self.rand(n) < 0.5).long()
        old = self.end[s, side]
        odds = torch.tensor([neutral_probability(flavour, params.u_fraction) for flavour in (1, 2)], **self.like)
        neutral = self.rand(n) < odds[old - 1]
        new = torch.where(neutral, old, 3 - old)
        pid = torch.where(neutral, 111, 211 * (2 * old - 3) * (1 - 2 * side))
        q = torch.randn((n, 2), generator=self.generator, **self.like) * (params.sigma_pt * math.sqrt(0.5))
        if params.enhanced_fraction > 0.0:
            q = torch.where(self.rand(n)[:, None] < params.enhanced_fraction, q * params.enhanced_width, q)
        pt = self.pt[s, side] + q
        mt2 = self.mass2(pid) + (pt**2).sum(1)

        plus = self.own[s, 0] + self.opposite[s, 1] - self.energy
        minus = self.own[s, 1] + self.opposite[s, 0] - self.energy
        mass2 = plus * minus - (self.pt[s].sum(1) ** 2).sum(1)
        stop_mass = params.stop_mass * 1.05 ** (self.tries[s] - TRIES_BEFORE_RAISING + 1).clamp(min=0)
        w_min = stop_mass + CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
        w_min = w_min * (1.0 + params.stop_smear * (2.0 * self.rand(n) - 1.0))
        stops = (plus + minus < 0.0) | (mass2 < w_min**2)

        # Strings that break: draw z, let the hadron go.
        k = torch.nonzero(~stops)[:, 0]
        sk, side_k = s[k], side[k]
        z = self.sample_z(mt2[k])
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

    def mass2(self, pid):
        masses = torch.tensor([MASS_NEUTRAL_PION**2, MASS_CHARGED_PION**2], **self.like)
        return masses[(pid != 111).long()]

    def sample_z(self, mt2):
        """Draw z from the staircase of `hadtutor.lund.z_table`, or under the maximum of f outside it."""
        params = self.params
        z = torch.empty_like(mt2)
        row = torch.floor(self.rows_per_e * torch.log(mt2 / self.mt2_min)).long()
        c = params.b * mt2
        largest_z = 1.0 - torch.finfo(mt2.dtype).eps
        peak = (2.0 * c / (1.0 + c + torch.sqrt((1.0 - c) ** 2 + 4.0 * params.a * c))).clamp(max=largest_z)
        log_peak = log_f(peak, mt2, params.a, params.b)
        todo = torch.arange(len(mt2), device=mt2.device)
        while len(todo):
            r, inside = row[todo].clamp(max=len(self.log_top) - 1), row[todo] < len(self.log_top)
            place = self.rand(len(todo)) * (self.edges.shape[1] - 1)
            k = place.long().clamp(max=self.edges.shape[1] - 2)  # a float32 product may round up to the end
            low = self.edges[r, k]
            width = self.edges[r, k + 1] - low
            tried = torch.where(inside, low + (place - k) * width, self.rand(len(todo)))
            tried = tried.clamp(torch.finfo(mt2.dtype).tiny, largest_z)
            log_ratio = log_f(tried, mt2[todo], params.a, params.b) - torch.where(
                inside, self.log_top[r] - torch.log(width) - c[todo], log_peak[todo]
            )
            accepted = self.rand(len(todo)) < torch.exp(log_ratio)
            z[todo[accepted]] = tried[accepted]
            todo = todo[~accepted]
        return z

    def last_pair(self, s, side, new, pid, q, pt_1, mt2_1, plus, minus):
        """Make the last two hadrons of the strings `s`; returns which succeeded."""
        other = 1 - side
        end = self.end[s, other]
        neutral = new == end
        quark = torch.where(side == 0, new, end)
        pid_2 = torch.where(neutral, 111, torch.where(quark == 2, 211, -211))
        pt_2 = self.pt[s, other] - q
        mt2_2 = self.mass2(pid_2) + (pt_2**2).sum(1)
        own, opposite = torch.where(side == 0, plus, minus), torch.where(side == 0, minus, plus)
        wt2 = own * opposite
        fits = (own > 0) & (opposite > 0) & (wt2 - (pt_1 + pt_2).square().sum(1) >= 0)
        fits &= torch.sqrt(wt2.clamp(min=0)) >= torch.sqrt(mt2_1) + torch.sqrt(mt2_2)
        fits &= ~neutral | (self.rand(len(s)) < 1.0 - 0.5**10)
        lam = torch.sqrt(((wt2 - mt2_1 - mt2_2) ** 2 - 4.0 * mt2_1 * mt2_2).clamp(min=0))
        reverse = self.rand(len(s)) < 1.0 / (1.0 + torch.exp((self.params.b * lam).clamp(max=50.0)))
        half = 0.5 * (1.0 + (mt2_1 - mt2_2) / wt2)
        shift = torch.where(reverse, -0.5, 0.5) * lam / wt2
        own_1, opposite_1 = (half + shift) * own, (half - shift) * opposite
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
        nan = torch.full((n,), math.nan, **self.like)
        q = torch.stack([nan, nan], 1) if q is None else q
        pid = torch.zeros((n, 2), dtype=torch.long, device=device) if pid is None else pid
        reverse = torch.zeros(n, dtype=torch.bool, device=device) if reverse is None else reverse
        p = torch.zeros((n, 2, 4), **self.like) if p is None else p
        self.chains.append((s, self.tries[s], torch.full((n,), status, device=device), q[:, 0], q[:, 1], pid[:, 0],
                            pid[:, 1], side == 0, nan if lam is None else lam, reverse, p))  # fmt: skip

    def collect(self):
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
        largest_z = np.nextafter(np.float32(1), np.float32(0))
        single = [column[row].astype(np.float32) for column in (z, mt2, qx, qy)]
        single[0] = np.minimum(single[0], largest_z)
        histories = Histories(
            np.concatenate([[0], np.cumsum(n_breaks)]),
            *single,
            b_pid[row].astype(np.int32),
            b_positive[row],
            event[chain],
            status[chain].astype(np.int8),
            *(column[chain].astype(np.float32) for column in (px, py)),
            *(column[chain].astype(np.int32) for column in (pid, pid_other)),
            positive[chain],
            lam[chain].astype(np.float32),
            reverse[chain],
        )
        # Hadrons: the breaks of the accepted chains, and after each chain its last pair.
        accepted = histories.accepted
        offsets = np.concatenate([[0], np.cumsum(n_breaks[accepted] + 2)])
        columns = {name: np.empty(offsets[-1], z.dtype) for name in ("px", "py", "pz", "e")}
        pids = np.empty(offsets[-1], np.int32)
        last = offsets[1:, None] - [2, 1]
        is_break = np.ones(offsets[-1], bool)
        is_break[last] = False
        kept = accepted[chain_of_break]
        for i, column in enumerate(columns.values()):
            column[is_break] = p[i][row][kept]
            column[last] = pair[chain][accepted][:, :, i]
        pids[is_break] = histories.pid[kept]
        pids[last] = np.stack([histories.final_pid, histories.final_pid_other], 1)[accepted]
        return Hadrons(offsets, *columns.values(), pids), histories
