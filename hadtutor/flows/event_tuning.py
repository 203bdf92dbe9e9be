r"""MAGIC: a flow of single breaks, tuned to whole events by weights, without new events.

A change of f changes the probability of every event whose breaks are known, so it is a weight
:cite:p:`bierlich2024towards`,

.. math:: \ln w = \sum_\mathrm{breaks} \left[\ln f_\theta(z \mid m_T^2) - \ln f_\mathrm{base}(z \mid m_T^2)\right].

What is made small is how far the weighted observables are from those of data.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from .._support.bars import track
from .._support.checks import as_generator, number, takes_rng, whole
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..lund.function import log_density
from ..metrics.weighted import n_eff
from ..observables.columns import NAMES, compute
from ..params import LundParams
from .changed import ChangedLaw, corners
from .density import Flow
from .law import FlowLaw, breaks, log_density_on

N_Z, N_MT2, WIDEST = 129, 25, 10.0  # nodes in logit z, between minus and plus so much, and in ln mT²
PLACES = 400  # quantiles at which cumulative distributions are compared
CLIP = 6.0  # of a start: a prior function that is larger belongs to breaks that never were


@dataclass(frozen=True, eq=False)
class MagicResult:
    """What `magic` has found.

    `law` is the tuned f; `log_w` are the weights of the simulated events, shape (N,), of the mean over members if there
    are several; `loss`, shape (members, steps): the mean over observables of their Wasserstein distance from data, in
    standard deviations of these; `flows` are the tuned flows, one for each member.
    """

    law: ChangedLaw
    log_w: np.ndarray
    loss: np.ndarray
    flows: list[Flow]

    @property
    def n_eff(self) -> float:
        """Effective number of simulated events."""
        return n_eff(self.log_w)


@takes_rng
def magic(
    flow: Flow, sim: Sample, data: Sample | Hadrons | Mapping[str, Any], *, observables: str | Iterable[str] = NAMES,
    starts: Sequence[LundParams | None] = (None,), bootstrap: bool = False, steps: int = 120, lr: float = 3e-3,
    smooth: float = 1e-2, rng: np.random.Generator | int = 1, threads: int = 1, progress: bool = True,
) -> MagicResult:  # fmt: skip
    """Tune a flow of breaks to events, by weights of the simulation that it was learned from.

    Parameters
    ----------
    flow : Flow
        Learned from the `breaks` of `sim`; it stays as it is.
    sim : Sample
        N events of strings with their histories.
    data : Sample, Hadrons, or mapping of str to array_like
        Events as measured, or their observables; histories are not looked at.
    observables : str or sequence of str
        Which ones are compared, see `hadtutor.observables`.
    starts : sequence of LundParams or None
        One member for each: where it starts, and where it stays in what the observables cannot see. None is the flow
        itself; parameters multiply it with the ratio of their f to that of `sim`.
    bootstrap : bool
        Whether each member sees other events: each counts as often as a Poisson number of mean 1 says.
    steps, lr : int, float
        Steps of Adam, and their size, which falls to 0.
    smooth : float
        Weight of the squared curvature of the change in logit z, beside the distances.
    rng : numpy.random.Generator or int
        Of the bootstrap.
    threads : int
        For observables.
    progress : bool

    Raises
    ------
    TypeError, ValueError
        If `sim` has no histories of strings, an observable is unknown or not finite, or an argument is out of range.
    """
    generator, steps = as_generator(rng), whole(steps, "steps")
    lr, smooth = number(lr, "lr", 0.0, above=True), number(smooth, "smooth", 0.0)
    base = FlowLaw(flow)
    chains = _Chains(sim, flow)
    names = [observables] if isinstance(observables, str) else list(observables)
    simulated, measured = (_columns(x, names, sim.energy, threads) for x in (sim, data))
    columns = [_Compared(x, y) for x, y in zip(simulated, measured, strict=True)]
    changes, losses, flows = [], [], []
    for start in track(list(starts), "member", progress):
        w_sim, w_data = (
            torch.as_tensor(generator.poisson(1.0, len(x[0])) if bootstrap else np.ones(len(x[0])))
            for x in (simulated, measured)
        )  # fmt: skip
        offset = torch.as_tensor(chains.towards(start, sim.params))
        tuned, change, loss = _descend(flow, chains, columns, offset, w_sim, w_data, steps, lr, smooth)
        changes.append(change)
        losses.append(loss)
        flows.append(tuned)
    log_w = [chains.matrix @ change.ravel() for change in changes]
    log_w = [x - np.log(np.mean(np.exp(x))) for x in log_w]
    mean = np.log(np.mean(np.exp(log_w), axis=0))
    law = ChangedLaw(base, chains.logit_z, chains.log_mt2, np.stack(changes))
    return MagicResult(law, mean, np.array(losses), flows)


def _descend(flow, chains, columns, offset, w_sim, w_data, steps, lr, smooth):
    """The tuned flow, its change on the nodes, and the loss at each step."""
    tuned = copy.deepcopy(flow).eval()
    optimiser = torch.optim.Adam(tuned.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    goals = [column.cumulative_of_data(w_data) for column in columns]
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        change = chains.change(tuned, offset)
        w = w_sim * torch.softmax(_Product.apply(chains.matrix, change.reshape(-1)), 0)
        distances = [column.distance(w / w.sum(), goal) for column, goal in zip(columns, goals, strict=True)]
        loss = torch.stack(distances).mean()
        curvature = (change - offset).diff(n=2, dim=0) / (chains.logit_z[1] - chains.logit_z[0]) ** 2
        (loss + smooth * (chains.share[1:-1] * curvature**2).sum()).backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        return tuned, chains.change(tuned, offset).numpy(), losses


class _Chains:
    """Accepted chains as one sparse matrix, events × nodes: ln w is its product with ln f/f_base on the nodes."""

    def __init__(self, sim: Sample, flow: Flow) -> None:
        z, log_mt2 = (column[:, 0].astype(float) for column in breaks(sim))
        keep = np.repeat(sim.histories.accepted, np.diff(sim.histories.chain_offsets))
        event = np.repeat(sim.histories.event_of_chain, np.diff(sim.histories.chain_offsets))[keep]
        self.logit_z = np.linspace(-WIDEST, WIDEST, N_Z)
        self.log_mt2 = np.linspace(float(flow.low), float(flow.high), N_MT2)
        y = np.log(z[keep]) - np.log1p(-z[keep])
        nodes, shares = corners(y, log_mt2[keep], self.logit_z, self.log_mt2)
        rows = np.broadcast_to(event, nodes.shape).ravel()
        self.matrix = csr_matrix((shares.ravel(), (rows, nodes.ravel())), (len(sim), N_Z * N_MT2))
        seen = np.asarray(self.matrix.sum(axis=0)).reshape(N_Z, N_MT2)
        self.share = torch.as_tensor(seen / seen.sum())
        with torch.no_grad():
            self.base = log_density_on(flow, self.logit_z, self.log_mt2).double()

    def towards(self, start: LundParams | None, params: Any) -> np.ndarray:
        """ln of what the f of `start` is over that of the simulation, on the nodes."""
        if start is None:
            return np.zeros((N_Z, N_MT2))
        z, mt2 = 1.0 / (1.0 + np.exp(-self.logit_z))[:, None], np.exp(self.log_mt2)
        return np.clip(log_density(z, mt2, start) - log_density(z, mt2, params), -CLIP, CLIP)

    def change(self, tuned: Flow, offset: Tensor) -> Tensor:
        """ln f/f_base on the nodes, f being the `tuned` flow times exp(offset), normalised at every mT²."""
        log_f = log_density_on(tuned, self.logit_z, self.log_mt2).double() + offset
        return log_f - torch.logsumexp(log_f, 0) + torch.logsumexp(self.base, 0) - self.base


class _Product(torch.autograd.Function):
    """A sparse matrix of SciPy times a vector."""

    @staticmethod
    def forward(ctx, matrix, x):
        ctx.matrix = matrix
        return torch.as_tensor(matrix @ x.detach().numpy())

    @staticmethod
    def backward(ctx, slope):
        return None, torch.as_tensor(ctx.matrix.T @ slope.numpy())


class _Compared:
    """One observable of simulation and data: where their cumulative distributions are compared."""

    def __init__(self, simulated: np.ndarray, measured: np.ndarray) -> None:
        places = np.unique(np.concatenate([simulated, measured]))
        if len(places) > PLACES:  # whole numbers have all of theirs
            both = np.concatenate([simulated, measured])
            places = np.unique(np.quantile(both, np.linspace(0, 1, PLACES + 1)))
        self.rows, self.rows_of_data = (torch.as_tensor(np.searchsorted(places, x)) for x in (simulated, measured))
        self.gaps = torch.as_tensor(np.diff(places) / measured.std())
        self.n = len(places)

    def _cumulative(self, rows, w):
        return torch.zeros(self.n, dtype=w.dtype).index_add(0, rows, w).cumsum(0)[:-1]

    def cumulative_of_data(self, w: Tensor) -> Tensor:
        return self._cumulative(self.rows_of_data, w / w.sum())

    def distance(self, w: Tensor, goal: Tensor) -> Tensor:
        """Wasserstein distance, in standard deviations of the data."""
        return (abs(self._cumulative(self.rows, w) - goal) * self.gaps).sum()


def _columns(events, names, energy, threads):
    """Values of the observables, one array for each."""
    found = events
    if isinstance(events, (Sample, Hadrons)):
        found = compute(events, energy=None if isinstance(events, Sample) else energy, threads=threads)
    if missing := [name for name in names if name not in found] or (["at least one"] if not names else []):
        raise ValueError(f"observables are {', '.join(NAMES)}; there is no {', '.join(map(str, missing))}")
    columns = [np.asarray(found[name], float) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.ndim != 1 or len(column) < 2 or not np.isfinite(column).all():
            raise ValueError(f"{name} must hold one finite number for each of at least two events")
    return columns
