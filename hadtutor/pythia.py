"""Real Pythia 8 in our types: the same pion string, with its break histories. Needs the extra ``pythia``.

Histories are recorded with Pythia's `UserHooks`; the events are the same with and without them.
"""

import numbers
from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from .histories import ACCEPTED, NO_FINAL_TWO, Hadrons, Histories, Sample
from .params import LundParams
from .particles import QUARKS
from .strings import check_string, last_pair_lambda, replay, string_order

__all__ = ["hadronize_strings", "pion_string"]

# Only u and d, only pions, nothing decays.
PIONS_ONLY = (
    "Print:quiet = on",
    "ProcessLevel:all = off",
    "HadronLevel:Decay = off",
    "StringFlav:probQQtoQ = 0",
    "StringFlav:probStoUD = 0",
    "StringFlav:mesonUDvector = 0",
    "StringFlav:etaSup = 0",
    "StringFlav:etaPrimeSup = 0",
    "StringFlav:popcornRate = 0",
)


def _pythia8mc():
    try:
        import pythia8mc
    except ImportError as error:
        raise ImportError("real Pythia needs the extra `pythia`: pip install 'hadtutor[pythia]'") from error
    return pythia8mc


def pion_string(params, seed, hook=None):
    """A Pythia object set up for pion strings with our parameters.

    Parameters
    ----------
    params : LundParams
    seed : int
        1 to 900 000 000.
    hook : pythia8mc.UserHooks, optional

    Returns
    -------
    pythia8mc.Pythia
        Initialised; its settings are those of `PIONS_ONLY` and `params`.

    Raises
    ------
    ValueError
        If the seed or a parameter is out of Pythia's range.
    RuntimeError
        If Pythia cannot be initialised.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 1 <= seed <= 900_000_000:
        raise ValueError(f"seed must be a whole number from 1 to 900000000, got {seed!r}")
    pythia = _pythia8mc().Pythia("", False)
    values = {
        "StringZ:aLund": params.a,
        "StringZ:bLund": params.b,
        "StringPT:sigma": params.sigma_pt,
        "StringPT:enhancedFraction": params.enhanced_fraction,
        "StringPT:enhancedWidth": params.enhanced_width,
        "StringFragmentation:stopMass": params.stop_mass,
        "StringFragmentation:stopNewFlav": params.stop_new_flavour,
        "StringFragmentation:stopSmear": params.stop_smear,
    }
    for setting in (*PIONS_ONLY, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(setting):
            raise RuntimeError(f"Pythia refuses {setting!r}")
    for name, value in values.items():
        # Pythia refuses a value outside its range or moves it to the nearest limit.
        if not pythia.readString(f"{name} = {value!r}") or pythia.parm(name) != value:
            raise ValueError(f"real Pythia does not take {name} = {value:g}, which is outside its range")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise RuntimeError("Pythia could not be initialised with these parameters")
    return pythia


def _recorder():
    """A UserHooks object that keeps the breaks of every chain."""
    pythia8mc = _pythia8mc()

    class Recorder(pythia8mc.UserHooks):
        def __init__(self):
            super().__init__()
            self.breaks, self.chain_starts, self.finals = [], [], {}

        def canVetoFragmentation(self):
            return True

        def setStringEnds(self, pos, neg, partons):
            self.chain_starts.append(len(self.breaks))

        def doVetoFragmentation(self, *args):
            if len(args) == 2:
                end = args[1]
                # The axes of Pythia's string lie the other way round: its x is our y.
                self.breaks.append((end.zHad, end.mT2Had, end.pyNew, end.pxNew, args[0].id(), end.fromPos))
            else:
                first, second, end, _ = args
                self.finals[len(self.chain_starts) - 1] = (
                    end.pyNew, end.pxNew, first.id(), second.id(), end.fromPos,
                )  # fmt: skip
            return False

    return Recorder()


def hadronize_strings(n_events, params=None, energy=90.0, seed=1, quark="u", histories=True, progress=True):
    """Hadronize strings with real Pythia 8; the counterpart of `hadtutor.hadronize_strings`.

    Parameters
    ----------
    n_events : int
    params : LundParams, optional
    energy : float
        Mass of the string [GeV].
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    quark : {"u", "d"}
        Flavour at the +z end.
    histories : bool
        Whether to record breaks, which takes five times as long.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Sample
        Its histories, where recorded, have what Pythia shows: breaks of all chains, the final pair of
        accepted ones only, and status 2 for any rejected chain.

    Raises
    ------
    ImportError
        If `pythia8mc` is not installed.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, for us or for Pythia.
    RuntimeError
        If Pythia gives up on an event.
    """
    params, energy = check_string(n_events, LundParams() if params is None else params, energy, quark)
    hook = _recorder() if histories else None
    pythia = pion_string(params, seed, hook)
    event, flavour, half = pythia.event, QUARKS[quark], 0.5 * energy
    rows, offsets, first_chain = [], [0], []
    for number in tqdm(range(n_events), unit="event", unit_scale=True, delay=3, leave=False, disable=not progress):
        event.reset()
        event.append(flavour, 23, 101, 0, 0.0, 0.0, half, half, 0.0)
        event.append(-flavour, 23, 0, 101, 0.0, 0.0, -half, half, 0.0)
        first_chain.append(len(hook.chain_starts) if histories else 0)
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on a string of {energy:g} GeV; raise the energy")
        # Copied at once: Pythia's particles live only until the next event.
        rows.extend((p.px(), p.py(), p.pz(), p.e(), p.id()) for p in event if p.isFinal())
        offsets.append(len(rows))
    table = np.array(rows)
    hadrons = Hadrons(np.array(offsets), *np.ascontiguousarray(table[:, :4].T), table[:, 4].astype(np.int32))
    if not histories:
        return Sample(hadrons, None, params, energy, quark)
    recorded = _histories(hook, np.array(first_chain))
    # Pythia lists hadrons along the string, we list them in the order of making.
    order = string_order(recorded)
    columns = {name: np.empty_like(getattr(hadrons, name)) for name in ("px", "py", "pz", "e", "pid")}
    for name, column in columns.items():
        column[order] = getattr(hadrons, name)
    hadrons = replace(hadrons, **columns)
    return Sample(hadrons, _with_last_pair(recorded, hadrons, energy), params, energy, quark)


def _histories(hook, first_chain):
    breaks = np.array(hook.breaks, dtype=float).reshape(-1, 6)  # none at all where strings are too light
    n_chains = len(hook.chain_starts)
    status = np.full(n_chains, NO_FINAL_TWO, np.int8)
    finals = np.full((5, n_chains), np.nan)
    finals[2:] = 0
    for chain, values in hook.finals.items():
        status[chain] = ACCEPTED
        finals[:, chain] = values
    return Histories(
        np.append(hook.chain_starts, len(breaks)),
        *breaks[:, :4].T.astype(np.float32).copy(),
        breaks[:, 4].astype(np.int32),
        breaks[:, 5].astype(bool),
        np.searchsorted(first_chain, np.arange(n_chains), side="right") - 1,
        status,
        *finals[:2].astype(np.float32),
        *finals[2:4].astype(np.int32),
        finals[4].astype(bool),
        np.full(n_chains, np.nan, np.float32),
        np.zeros(n_chains, bool),
    )


def _with_last_pair(histories, hadrons, energy):
    """Add what Pythia does not show of the last pair: λ, and whether it came out reversed."""
    last = hadrons.offsets[1:] - 1
    lam = histories.final_lambda.copy()
    chains = np.flatnonzero(histories.accepted)
    lam[chains] = last_pair_lambda(hadrons)
    straight = replay(histories, energy)
    swapped = replay(replace(histories, final_reversed=np.ones(histories.n_chains, bool)), energy)
    reverse = histories.final_reversed.copy()
    reverse[chains] = abs(swapped.pz[last] - hadrons.pz[last]) < abs(straight.pz[last] - hadrons.pz[last])
    return replace(histories, final_lambda=lam, final_reversed=reverse)
