"""What is measured on single hadrons, and the axes they are measured about."""

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column, plain
from .._support.kernels import kernel
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from .exact_thrust import momentum_tensor, thrust_and_axis
from .rows import gather, hadrons_of, momenta, over_events


def thrust_axes(events: Sample | Hadrons, threads: int = 1) -> np.ndarray:
    """Thrust axis of every event, unit vectors of shape (N, 3), whose signs have no meaning; NaN without momentum.

    Arguments `events` and `threads` and errors are those of `compute`.
    """
    hadrons = hadrons_of(events)
    axes = np.empty((len(hadrons), 3))
    over_events(_fill_axes, (axes, *momenta(hadrons), hadrons.offsets), hadrons, threads)
    return axes


def rapidity(events: Sample | Hadrons, axes: ArrayLike | None = None) -> np.ndarray:
    r"""Rapidity of every hadron along an axis of its event, :math:`\frac12 \ln((E + p\cdot n)/(E - p\cdot n))`.

    Shape (rows,); infinite for a massless hadron along the axis. The `axes` are directions of any length, shape (3,),
    or (N, 3) one per event of `events`; by default the thrust axes. Other shapes, or no direction, are a ValueError.
    """
    hadrons = hadrons_of(events)
    axes = thrust_axes(hadrons) if axes is None else plain(axes, "axes").astype(float)
    if axes.shape not in ((3,), (len(hadrons), 3)):
        raise ValueError(f"axes must have shape (3,) or ({len(hadrons)}, 3), got {axes.shape}")
    length = np.linalg.norm(axes, axis=-1, keepdims=True)
    bad = length[(length == 0) | (length == np.inf)]  # NaN: the thrust axis of an event without momentum
    if len(bad) > 0:
        raise ValueError(f"axes must have a direction, got one of length {bad[0]:g}")
    n = np.broadcast_to(axes / length, (len(hadrons), 3))[hadrons.event]
    along = sum(p * n[:, k] for k, p in enumerate(momenta(hadrons)))
    with np.errstate(divide="ignore"):
        return np.arctanh(np.clip(along / hadrons.e, -1.0, 1.0))


def count(events: Sample | Hadrons, *codes: int) -> np.ndarray:
    """Number of particles of the PDG `codes`, of either sign, in every event of `events`: whole numbers, shape (N,)."""
    hadrons = hadrons_of(events)
    chosen = np.isin(abs(hadrons.pid), abs(column(codes, "codes", np.int64)))
    return np.diff(np.concatenate([[0], np.cumsum(chosen)])[hadrons.offsets])


def momentum_fraction(events: Sample | Hadrons, energy: float | None = None) -> np.ndarray:
    r"""Momentum fraction :math:`x_p = 2|p|/\sqrt{s}` of every hadron, shape (rows,).

    Arguments `events` and `energy` and errors are those of `compute`.
    """
    hadrons, energy = hadrons_and_energy(events, energy)
    return 2.0 * np.sqrt(sum(p * p for p in momenta(hadrons))) / energy


@kernel
def _fill_axes(axes, px, py, pz, offsets, first, last, p, room, stack):
    for event in range(first, last):
        q = gather(px, py, pz, offsets[event], offsets[event + 1], p)
        thrust_and_axis(q, momentum_tensor(q, True), room, stack, axes[event])
