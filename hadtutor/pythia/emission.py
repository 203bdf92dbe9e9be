"""Parton showers of real Pythia."""

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._support.bars import track
from .._support.checks import energy_gev, whole
from ..events.showers import Showers
from ..particles import QUARKS
from .settings import QUARK_PAIRS, listed, pythia8mc, start
from .veto import make_veto


def shower(
    n_events: int, energy: float = 91.2, *, seed: int = 1, quark: str | None = None, emissions: int | None = None,
    gluon_splitting: bool = True, settings: str | Iterable[str] = (), progress: bool = True,
) -> Showers:  # fmt: skip
    """Parton showers of e⁺e⁻ → Z/γ* → q q̄ events, without photons, in Pythia's order.

    Parameters
    ----------
    n_events : int
    energy : float
        Centre-of-mass energy √s [GeV].
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    quark : {"u", "d"}, optional
        Flavour of the pair that the Z decays to; by default any of the five.
    emissions : int, optional
        How many emissions are kept in each event, from the hardest on; by default all.
    gluon_splitting : bool
        Whether gluons split into quarks too, and with that strings into several.
    settings : str or sequence of str
        More of Pythia's settings, such as ``"TimeShower:alphaSvalue = 0.12"``; they overrule `QUARK_PAIRS`.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `start`; if `n_events`, `energy`, `quark` or `emissions` is out of range, settings bring something into an
        event that is no parton, or Pythia gives up on an event.

    Notes
    -----
    HOMER was tried on four sets of pion strings of 90 GeV :cite:p:`assi2025characterizing`: the straight ones of
    `hadronize_strings`, and those that `hadronize_partons` makes of

    - one gluon, always the same: ``Showers.one_gluon(n, (0.85, 0.30, 0.85), 90.0)``;
    - one gluon, of the shower: ``shower(n, 90.0, quark="u", emissions=1)``;
    - all gluons of the shower: ``shower(n, 90.0, quark="u", gluon_splitting=False)``.

    Examples
    --------
    >>> shower(10, seed=3)
    Showers(10 events, 120 partons, 91.2 GeV)
    >>> shower(10, 90.0, quark="u", emissions=1, seed=3)
    Showers(10 events, 30 partons, 90 GeV)
    """
    n_events, energy = whole(n_events, "n_events"), energy_gev(energy)
    if quark not in (None, *QUARKS):
        raise ValueError(f"quark must be one of {sorted(QUARKS)}, or None for any, got {quark!r}")
    if emissions is not None:
        emissions = whole(emissions, "emissions", 0)
    pairs = () if quark is None else ("23:onMode = off", f"23:onIfAny = {QUARKS[quark]}")
    settings = (*QUARK_PAIRS, *pairs, "HadronLevel:all = off", *listed(settings), f"Beams:eCM = {energy!r}")
    veto: Any = None if emissions is None and gluon_splitting else make_veto(pythia8mc(), emissions, gluon_splitting)
    try:
        pythia = start(settings, seed=seed, hook=veto)
    except RuntimeError as error:
        raise RuntimeError(f"{error}; is {energy:g} GeV enough for a pair of quarks?") from error
    numbers, offsets = array("d"), [0]
    for number in track(range(n_events), "event", progress):
        if veto is not None:
            veto.kept = 0
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on it")
        for p in pythia.event:
            if p.isFinal():
                numbers.extend((p.px(), p.py(), p.pz(), p.e(), p.id(), p.col(), p.acol()))
        offsets.append(len(numbers) // 7)
    table = np.frombuffer(numbers).reshape(-1, 7)
    columns = *np.ascontiguousarray(table[:, :4].T), *np.ascontiguousarray(table[:, 4:].T.astype(np.int32)), energy
    return Showers(np.array(offsets), *columns)
