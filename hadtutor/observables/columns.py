"""All observables of many events at once: name → one number per event."""

from collections.abc import Sequence

import numpy as np

from .._support.kernels import kernel
from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy
from ..particles import charge_of
from .exact_thrust import momentum_tensor, thrust_and_axis
from .rows import gather, momenta, over_events
from .shapes import broadening, c_and_d, count_and_moments, major_and_minor, sphericity

NAMES = (
    "T", "C", "D", "B_W", "B_T", "n_f", "n_ch", "lnx_mean", "lnx_var", "lnx_m3", "lnx_ch_mean", "lnx_ch_var",
    "lnx_ch_m3",
)  # fmt: skip
"""The thirteen, in the order of the columns."""
MORE = ("S", "A", "T_major", "T_minor")
"""Names that `compute` knows besides."""
LABELS = {name: f"${name}$" for name in NAMES + MORE if len(name) <= 3} | {
    "n_ch": r"$n_\mathrm{ch}$", "lnx_mean": r"mean $|\ln x|$", "lnx_var": r"variance $|\ln x|$",
    "lnx_m3": r"third moment $|\ln x|$", "lnx_ch_mean": r"mean $|\ln x|$, charged",
    "lnx_ch_var": r"variance $|\ln x|$, charged", "lnx_ch_m3": r"third moment $|\ln x|$, charged",
    "T_major": r"$T_\mathrm{major}$", "T_minor": r"$T_\mathrm{minor}$",
}  # fmt: skip
"""Name to the label of an axis."""


def compute(
    events: Sample | Hadrons, energy: float | None = None, *, threads: int = 1, names: str | Sequence[str] = NAMES,
    charged_only: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Observables of every event, name to a column of shape (N,), in the order of `names`.

    Parameters
    ----------
    events : Sample or Hadrons
        N events.
    energy, threads : float, int
        Centre-of-mass energy √s [GeV], which a sample knows; threads to work on, the result is the same for any number.
    names : str or sequence of str
        Which ones, of `NAMES` and `MORE`; the module's text says what they are, and where they are NaN.
    charged_only : bool
        Whether to look at charged hadrons alone: then n_f = n_ch.

    TypeError, ValueError: the energy is missing, not positive, or not that of the sample; a name is unknown; `threads`
    is no number or less than 1; or a momentum is not finite or above 1e100 GeV.

    Examples
    --------
    >>> import hadtutor as ht
    >>> columns = compute(ht.hadronize_strings(100, rng=1))
    >>> columns["T"].shape, bool(columns["T"].min() > 0.5)
    ((100,), True)
    """
    hadrons, energy = hadrons_and_energy(events, energy)
    names = [names] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if name not in NAMES + MORE]:
        raise ValueError(f"unknown observable {unknown[0]!r}; known: {', '.join(NAMES + MORE)}")
    charged = charge_of(hadrons.pid) != 0
    if charged_only:
        hadrons = hadrons.where(charged)
        charged = np.ones(len(hadrons.pid), bool)
    more = any(name in MORE for name in names)
    table = np.empty((len(NAMES) + len(MORE), len(hadrons)))
    over_events(_fill, (table, *momenta(hadrons), charged, hadrons.offsets, energy, more), hadrons, threads)
    return {name: table[(NAMES + MORE).index(name)] for name in names}


@kernel
def _fill(table, px, py, pz, charged, offsets, energy, more, first, last, p, room, stack):
    axis = np.empty(3)
    for event in range(first, last):
        start, stop = offsets[event], offsets[event + 1]
        q = gather(px, py, pz, start, stop, p)
        tensor = momentum_tensor(q, True)
        table[0, event] = thrust_and_axis(q, tensor, room, stack, axis)
        table[1, event], table[2, event] = c_and_d(tensor)
        table[3, event], table[4, event] = broadening(q, axis)
        table[5, event] = stop - start
        table[6, event] = count_and_moments(q, charged[start:stop], energy, table[7:13, event])
        if more:
            table[13, event], table[14, event] = sphericity(q)
            table[15, event], table[16, event] = major_and_minor(q, axis, room, stack)
