"""Packed samples of strings, showers and whole events, unpacked."""

import numpy as np

from ..events.hadrons import Hadrons
from ..events.histories import FLAVOURS, Histories
from ..events.sample import Sample
from ..events.showers import PARTON_MASSES, Showers
from ..files import read_arrays
from ..lund.last_pair import last_pair_lambda
from ..params import LundParams
from ..particles import mass_of
from ..strings.from_history import break_mt2, replay
from .registry import DATASETS, intact, path

PT_UNIT = 2.0**-12
"""Unit of transverse momenta of breaks, and of momenta of partons, in the packaged files [GeV]: 0.24 MeV."""
HADRON_UNIT = 2.0**-10
"""Unit of the momenta of hadrons there [GeV]: 1 MeV."""


def load(name: str) -> Sample | Showers:
    """Load packaged strings or events of LEP, with their histories, or showers in the order of their colours.

    All momenta have been rounded, by half an MeV at most.

    A `name` of `DATASETS` that is unknown or holds no events is a ValueError, a damaged file a `DataFileError`.

    Examples
    --------
    >>> load("pythia-pions-base")
    Sample(50000 events of a u string, 90 GeV, a=0.68, b=0.98, sigma_pt=0.335)
    >>> load("pythia-showers-91")
    Showers(20000 events, 223543 partons, 91.2 GeV)
    >>> load("pythia-lep")
    Sample(10000 events of strings of partons, 91.2 GeV, a=0.75, b=1.1, sigma_pt=0.307)
    """
    path(name)
    kind = DATASETS[name].kind
    if kind == "table":
        raise ValueError(f"{name!r} is not a sample of events but a table; read it with datasets.table({name!r})")
    return {"strings": _strings, "showers": _showers, "events": _events}[kind](*read_arrays(intact(name)))


def _summed(arrays):
    """Columns of histories with sums in place of steps, and momenta in GeV."""
    arrays["chain_offsets"] = np.concatenate([[0], np.cumsum(arrays["chain_offsets"], dtype=np.int64)])
    arrays["event_of_chain"] = np.cumsum(arrays["event_of_chain"], dtype=np.int64)
    arrays |= {n: arrays[n].astype(np.int32) for n in ("pid", "final_pid", "final_pid_other")}
    arrays |= {n: arrays[n] * np.float32(PT_UNIT) for n in ("px", "py")}


def _strings(arrays, header):
    _summed(arrays)
    mt2 = break_mt2(*(arrays[n] for n in ("chain_offsets", "px", "py", "from_positive", "pid")))
    arrays["mt2"] = mt2.astype(np.float32)
    arrays["final_lambda"] = np.full(len(arrays["status"]), np.nan, np.float32)
    histories = Histories(**arrays)
    hadrons = replay(histories, header["energy"])
    arrays["final_lambda"][histories.accepted] = last_pair_lambda(hadrons)
    return Sample(hadrons, histories, LundParams(**header["params"]), header["energy"], header["quark"])


def _events(arrays, header):
    pid = np.array(header["codes"], np.int32)[arrays.pop("code")]
    offsets = np.concatenate([[0], np.cumsum(arrays.pop("multiplicity"), dtype=np.int64)])
    p = [arrays.pop(f"hadron_{name}") * HADRON_UNIT for name in ("px", "py", "pz")]
    e = np.sqrt(sum(component**2 for component in p) + mass_of(pid) ** 2)
    _summed(arrays)
    small = {"strings": np.int32, **dict.fromkeys(FLAVOURS, np.int16)}
    histories = Histories(**arrays | {name: arrays[name].astype(dtype) for name, dtype in small.items()})
    showers = load(header["showers"])[: len(offsets) - 1]
    hadrons, params = Hadrons(offsets, *p, e, pid), LundParams(**header["params"])
    return Sample(hadrons, histories, params, header["energy"], partons=showers)


def _showers(arrays, header):
    pid, energy = arrays["pid"].astype(np.int32), header["energy"]
    offsets = np.concatenate([[0], np.cumsum(arrays["multiplicity"], dtype=np.int64)])
    p2 = sum((arrays[n] * PT_UNIT) ** 2 for n in ("px", "py", "pz"))
    mass = np.zeros(128)
    mass[list(PARTON_MASSES)] = list(PARTON_MASSES.values())
    m2 = mass[abs(pid)] ** 2
    # Rounded momenta add up to zero, energies nearly to √s: one factor per event (1 within 1e-4), by Newton's method.
    factor, event = np.ones(len(offsets) - 1), np.repeat(np.arange(len(offsets) - 1), arrays["multiplicity"])
    for _ in range(3):
        e = np.sqrt(factor[event] ** 2 * p2 + m2)
        excess, slope = (np.bincount(event, weights=w) for w in (e, factor[event] * p2 / e))
        factor -= (excess - energy) / slope
    e = np.sqrt(factor[event] ** 2 * p2 + m2)
    p = (arrays[n] * PT_UNIT * factor[event] for n in ("px", "py", "pz"))
    # Partons lie along the strings: each but the antiquark at the end is followed by its colour partner.
    tags = np.arange(len(pid)) - offsets[event] + 101
    col = np.where(pid > 0, tags, 0).astype(np.int32)
    acol = np.where((pid < 0) | (pid == 21), tags - 1, 0).astype(np.int32)
    return Showers(offsets, *p, e, pid, col, acol, energy)
