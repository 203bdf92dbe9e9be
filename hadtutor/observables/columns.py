"""All observables of many events at once: name → one number per event."""

import numpy as np
from numba import njit

from ..particles import charge_of
from .exact_thrust import linear_tensor, thrust_and_axis
from .hadrons import _count_and_moments
from .rows import _check_energy, _gather, _momenta, _over_events
from .shapes import _broadening, _c_and_d, _major_and_minor, _sphericity

NAMES = (
    "T",
    "C",
    "D",
    "B_W",
    "B_T",
    "n_f",
    "n_ch",
    "lnx_mean",
    "lnx_var",
    "lnx_m3",
    "lnx_ch_mean",
    "lnx_ch_var",
    "lnx_ch_m3",
)
"""The thirteen, in the order of the columns."""
MORE = ("S", "A", "T_major", "T_minor")
"""Names that `compute` knows besides."""
LABELS = {name: f"${name}$" for name in NAMES + MORE if len(name) <= 3} | {
    "n_ch": r"$n_\mathrm{ch}$",
    "lnx_mean": r"mean $|\ln x|$",
    "lnx_var": r"variance $|\ln x|$",
    "lnx_m3": r"third moment $|\ln x|$",
    "lnx_ch_mean": r"mean $|\ln x|$, charged",
    "lnx_ch_var": r"variance $|\ln x|$, charged",
    "lnx_ch_m3": r"third moment $|\ln x|$, charged",
    "T_major": r"$T_\mathrm{major}$",
    "T_minor": r"$T_\mathrm{minor}$",
}
"""Name to the label of an axis."""


def compute(hadrons, energy, threads=1, names=NAMES, charged_only=False):
    """Observables of every event.

    Parameters
    ----------
    hadrons : Hadrons
        N events.
    energy : float
        Centre-of-mass energy √s [GeV].
    threads : int
        Threads to work on; the result is the same for any number.
    names : sequence of str
        Which ones, of `NAMES` and `MORE`.
    charged_only : bool
        Whether to look at charged hadrons alone: then n_f = n_ch.

    Returns
    -------
    dict of str to ndarray, shape (N,)
        One column per name, in the order of `names`; the module's text says what they are, and where they are NaN.

    Raises
    ------
    ValueError
        If the energy is not positive, a name is unknown, `threads` is less than 1, or a momentum is not finite
        or above 1e100 GeV.
    TypeError
        If the energy is no number.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> columns = compute(sample.hadrons, sample.energy)
    >>> columns["T"].shape, bool(columns["T"].min() > 0.5)
    ((100,), True)
    """
    _check_energy(energy)
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in NAMES + MORE]
    if unknown:
        raise ValueError(f"unknown observable {unknown[0]!r}; known: {', '.join(NAMES + MORE)}")
    charged = charge_of(hadrons.pid) != 0
    if charged_only:
        hadrons = hadrons.where(charged)
        charged = np.ones(len(hadrons.pid), bool)
    more = any(name in MORE for name in names)
    table = np.empty((len(NAMES) + len(MORE), len(hadrons)))
    columns = *_momenta(hadrons), charged, hadrons.offsets, float(energy), more
    _over_events(lambda *share: _fill(*columns, *share, table), hadrons, threads)
    return {name: table[(NAMES + MORE).index(name)] for name in names}


@njit(nogil=True)
def _fill(px, py, pz, charged, offsets, energy, more, first, last, p, room, stack, table):
    axis = np.empty(3)
    for event in range(first, last):
        start, stop = offsets[event], offsets[event + 1]
        q = _gather(px, py, pz, start, stop, p)
        tensor = linear_tensor(q)
        table[0, event] = thrust_and_axis(q, tensor, room, stack, axis)
        table[1, event], table[2, event] = _c_and_d(tensor)
        table[3, event], table[4, event] = _broadening(q, axis)
        table[5, event] = stop - start
        table[6, event] = _count_and_moments(q, charged[start:stop], energy, table[7:13, event])
        if more:
            table[13, event], table[14, event] = _sphericity(q)
            table[15, event], table[16, event] = _major_and_minor(q, axis, room, stack)
