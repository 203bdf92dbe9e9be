"""Real Pythia 8 :cite:p:`bierlich2022pythia` in our types. Needs the extra ``pythia``.

- `hadronize_strings`: the pion strings of `hadtutor.hadronize_strings`, with their break histories. These are recorded
  with Pythia's `UserHooks`; the events are the same with and without them.
- `shower`, `hadronize`, `decay`: e⁺e⁻ → Z/γ* → q q̄ events in their three steps, so that a step can be replaced by a
  model of ours: real showers for our hadronization, real decays for the hadrons it makes.
"""

import numbers
from array import array
from dataclasses import replace

import numpy as np

from ._progress import track
from ._pythia_histories import histories_of, recorder, with_last_pair
from .hadrons import Hadrons
from .histories import Sample
from .params import LundParams
from .particles import QUARKS
from .showers import Showers
from .strings import check_string, string_order

__all__ = ["decay", "hadronize", "hadronize_strings", "pion_string", "shower", "start"]

# Only u and d, only pions, nothing decays.
PIONS_ONLY = (
    "ProcessLevel:all = off",
    "HadronLevel:Decay = off",
    "StringFlav:probQQtoQ = 0",
    "StringFlav:probStoUD = 0",
    "StringFlav:mesonUDvector = 0",
    "StringFlav:etaSup = 0",
    "StringFlav:etaPrimeSup = 0",
    "StringFlav:popcornRate = 0",
)

# e+ e- -> Z/gamma* -> q qbar of five flavours. Photons are radiated neither before nor after: in a sample of
# partons they would carry momentum away.
QUARK_PAIRS = (
    "Beams:idA = 11",
    "Beams:idB = -11",
    "PDF:lepton = off",
    "WeakSingleBoson:ffbar2gmZ = on",
    "23:onMode = off",
    "23:onIfAny = 1 2 3 4 5",
    "TimeShower:QEDshowerByQ = off",
    "TimeShower:QEDshowerByL = off",
)

HADRONS_ONLY = ("ProcessLevel:all = off",)


def _pythia8mc():
    try:
        import pythia8mc
    except ImportError as error:
        raise ImportError("real Pythia needs the extra `pythia`: pip install 'hadtutor[pythia]'") from error
    return pythia8mc


def start(settings, seed, params=None, hook=None):
    """A Pythia object, set up and initialised.

    Parameters
    ----------
    settings : sequence of str
        Pythia's own settings, such as ``"StringFlav:probStoUD = 0.3"``.
    seed : int
        1 to 900 000 000.
    params : LundParams, optional
        Parameters of the string; by default Pythia's, the Monash 2013 tune.
    hook : pythia8mc.UserHooks, optional

    Returns
    -------
    pythia8mc.Pythia

    Raises
    ------
    ValueError
        If the seed or a parameter is out of Pythia's range, or Pythia does not know a setting.
    RuntimeError
        If Pythia cannot be initialised.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 1 <= seed <= 900_000_000:
        raise ValueError(f"seed must be a whole number from 1 to 900000000, got {seed!r}")
    pythia = _pythia8mc().Pythia("", False)
    for setting in ("Print:quiet = on", *settings, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia refuses the setting {setting!r}")
    for name, value in _string_settings(params):
        # Pythia refuses a value outside its range or moves it to the nearest limit.
        if not pythia.readString(f"{name} = {value!r}") or pythia.parm(name) != value:
            raise ValueError(f"real Pythia does not take {name} = {value:g}, which is outside its range")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise RuntimeError("Pythia could not be initialised with these settings")
    return pythia


def _listed(settings):
    return (settings,) if isinstance(settings, str) else settings


def _string_settings(params):
    if params is None:
        return []
    p = params.validate()
    if p.u_fraction != 0.5:
        raise ValueError(f"real Pythia makes as many u as d quarks: u_fraction must be 0.5, got {p.u_fraction:g}")
    return [
        ("StringZ:aLund", p.a),
        ("StringZ:bLund", p.b),
        ("StringPT:sigma", p.sigma_pt),
        ("StringPT:enhancedFraction", p.enhanced_fraction),
        ("StringPT:enhancedWidth", p.enhanced_width),
        ("StringFragmentation:stopMass", p.stop_mass),
        ("StringFragmentation:stopNewFlav", p.stop_new_flavour),
        ("StringFragmentation:stopSmear", p.stop_smear),
    ]


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
    ValueError, RuntimeError
        As `start`.
    """
    return start(PIONS_ONLY, seed, params, hook)


class _FinalParticles:
    """Collects the final particles of one event after the other."""

    def __init__(self):
        self.numbers, self.offsets = array("d"), [0]  # a list of tuples would take six times the memory

    def take(self, event):
        # Copied at once: Pythia's particles live only until the next event.
        for p in event:
            if p.isFinal():
                self.numbers.extend((p.px(), p.py(), p.pz(), p.e(), p.id()))
        self.offsets.append(len(self.numbers) // 5)

    def hadrons(self):
        table = np.frombuffer(self.numbers).reshape(-1, 5)
        return Hadrons(np.array(self.offsets), *np.ascontiguousarray(table[:, :4].T), table[:, 4].astype(np.int32))


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
    hook = recorder(_pythia8mc()) if histories else None
    pythia = pion_string(params, seed, hook)
    event, flavour, half = pythia.event, QUARKS[quark], 0.5 * energy
    final, first_chain = _FinalParticles(), []
    for number in track(range(n_events), "event", progress):
        event.reset()
        event.append(flavour, 23, 101, 0, 0.0, 0.0, half, half, 0.0)
        event.append(-flavour, 23, 0, 101, 0.0, 0.0, -half, half, 0.0)
        first_chain.append(len(hook.chain_starts) if histories else 0)
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on a string of {energy:g} GeV; raise the energy")
        final.take(event)
    hadrons = final.hadrons()
    if not histories:
        return Sample(hadrons, None, params, energy, quark)
    recorded = histories_of(hook, np.array(first_chain))
    # Pythia lists hadrons along the string, we list them in the order of making.
    order = string_order(recorded)
    columns = {name: np.empty_like(getattr(hadrons, name)) for name in ("px", "py", "pz", "e", "pid")}
    for name, column in columns.items():
        column[order] = getattr(hadrons, name)
    hadrons = replace(hadrons, **columns)
    return Sample(hadrons, with_last_pair(recorded, hadrons, energy), params, energy, quark)


def shower(n_events, energy=91.2, seed=1, settings=(), progress=True):
    """Parton showers of e⁺e⁻ → Z/γ* → q q̄ events, without photons.

    Parameters
    ----------
    n_events : int
    energy : float
        Centre-of-mass energy √s [GeV].
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    settings : str or sequence of str
        More of Pythia's settings, such as ``"TimeShower:alphaSvalue = 0.12"``; they overrule `QUARK_PAIRS`.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Showers
        In Pythia's order.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If `n_events` is no number of events; as `start`; if Pythia gives up on an event; ValueError also if settings
        bring something into an event that is no parton.

    Examples
    --------
    >>> shower(10, seed=3)
    Showers(10 events, 120 partons, 91.2 GeV)
    """
    if isinstance(n_events, bool) or not isinstance(n_events, numbers.Integral):
        raise TypeError(f"n_events must be a whole number, got {n_events!r}")
    if n_events < 1:
        raise ValueError(f"n_events must be at least 1, got {n_events}")
    if not isinstance(energy, numbers.Real) or not (np.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite (GeV), got {energy!r}")
    energy = float(energy)
    settings = (*QUARK_PAIRS, "HadronLevel:all = off", *_listed(settings), f"Beams:eCM = {energy!r}")
    try:
        pythia = start(settings, seed)
    except RuntimeError as error:
        raise RuntimeError(f"{error}; is {energy:g} GeV enough for a pair of quarks?") from error
    rows, offsets = [], [0]
    for number in track(range(n_events), "event", progress):
        if not pythia.next():
            raise RuntimeError(f"event {number}: Pythia gave up on it")
        rows.extend((p.px(), p.py(), p.pz(), p.e(), p.id(), p.col(), p.acol()) for p in pythia.event if p.isFinal())
        offsets.append(len(rows))
    table = np.array(rows)
    columns = *np.ascontiguousarray(table[:, :4].T), *np.ascontiguousarray(table[:, 4:].T.astype(np.int32))
    return Showers(np.array(offsets), *columns, energy)


def hadronize(showers, params=None, seed=1, decays=True, settings=(), progress=True):
    """Hadronize showered partons with real Pythia: strings with gluons, all flavours, baryons, decays.

    Parameters
    ----------
    showers : Showers
        N events.
    params : LundParams, optional
        Parameters of the string; by default Pythia's own, the Monash 2013 tune.
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    decays : bool
        Whether unstable hadrons decay, as they do by the time a detector sees them: all but those that fly a metre
        or more on average (π±, K±, K_L, n, μ).
    settings : str or sequence of str
        More of Pythia's settings, such as ``"StringFlav:probStoUD = 0.3"``.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Hadrons
        Everything stable, so with decays photons and leptons too.

    Raises
    ------
    ValueError, RuntimeError
        As `start`; RuntimeError also if Pythia gives up on an event.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> hadronize(showers, ht.LundParams(a=0.3))
    Hadrons(100 events, 4107 hadrons)
    """
    switch = "on" if decays else "off"
    pythia = start((*HADRONS_ONLY, f"HadronLevel:Decay = {switch}", *_listed(settings)), seed, params)
    columns = (showers.pid, np.full(len(showers.pid), 23), showers.col, showers.acol)
    *momenta, mass, _ = _momenta_and_masses(showers)
    return _complete(pythia, showers.offsets, (*columns, *momenta, mass), progress)


def decay(hadrons, seed=1, settings=(), progress=True):
    """Let real Pythia decay the unstable hadrons of a model.

    Parameters
    ----------
    hadrons : Hadrons
        N events, with codes that Pythia knows.
    seed : int
        Pythia's own seed, 1 to 900 000 000.
    settings : str or sequence of str
        More of Pythia's settings, such as ``"111:mayDecay = off"`` to keep neutral pions.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    Hadrons
        In each event first what was stable, then what the decays made. A hadron so fast that its mass is lost in
        the rounding of E² - p² is put on its mass shell first; otherwise four-momentum is conserved.

    Raises
    ------
    ValueError, RuntimeError
        As `start`; ValueError also for a code that is no hadron, lepton or photon, a momentum that is not finite, and
        a hadron too light to decay; RuntimeError if Pythia gives up on an event.

    Examples
    --------
    >>> import numpy as np, hadtutor as ht
    >>> sample = ht.hadronize_strings(10, rng=np.random.default_rng(1))
    >>> after = decay(sample.hadrons)
    >>> bool((after.pid == 111).any()), bool((after.pid == 22).any())
    (False, True)
    """
    pythia = start((*HADRONS_ONLY, *_listed(settings)), seed)
    data = pythia.particleData
    codes, place = np.unique(hadrons.pid, return_inverse=True)
    for code in codes.tolist():
        if not (data.isHadron(code) or data.isLepton(code) or code == 22):
            event = hadrons.event[np.argmax(hadrons.pid == code)]
            raise ValueError(f"event {event} has the code {code}, which is no hadron, lepton or photon to Pythia")
    *momenta, mass, rounding = _momenta_and_masses(hadrons)
    nominal = np.array([data.m0(code) for code in codes.tolist()])[place]
    # E² - p² of a fast hadron may be nothing but rounding: then the mass is that of its kind, and E follows.
    lost = abs(mass**2 - nominal**2) < rounding
    mass = np.where(lost, nominal, mass)
    momenta[3] = np.where(lost, np.sqrt(sum(p**2 for p in momenta[:3]) + mass**2), momenta[3])
    # Pythia would keep without a word what is too light for its decays.
    # (mMin is 0 for what has no width.)
    least = [0.5 * (data.mMin(code) or data.m0(code)) * data.mayDecay(code) for code in codes.tolist()]
    light = mass < np.array(least)[place]
    if light.any():
        k = np.argmax(light)
        raise ValueError(
            f"event {hadrons.event[k]} has a hadron with the code {hadrons.pid[k]} and a mass of {mass[k]:.3g} GeV, "
            f"not {nominal[k]:.3g}: it cannot decay"
        )
    none = np.zeros(len(hadrons.pid), int)
    return _complete(pythia, hadrons.offsets, (hadrons.pid, none + 1, none, none, *momenta, mass), progress)


def _momenta_and_masses(particles):
    """Momenta, energy, mass from E² - p² in float64, and how far off that square may be by rounding of the columns."""
    momenta = [getattr(particles, name).astype(float) for name in ("px", "py", "pz", "e")]
    bad = ~np.all(np.isfinite(momenta), axis=0)
    if bad.any():
        raise ValueError(f"event {particles.event[np.argmax(bad)]} has a momentum that is not finite")
    px, py, pz, e = momenta
    mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0.0))
    exact = np.result_type(particles.px, particles.e, np.float32)
    return *momenta, mass, 8 * np.finfo(exact).eps * e**2


def _complete(pythia, offsets, columns, progress):
    """What Pythia makes of the particles of each event, given as code, status, colours, momentum and mass."""
    final = _FinalParticles()
    for number in track(range(len(offsets) - 1), "event", progress):
        rows = slice(offsets[number], offsets[number + 1])
        particles = list(zip(*(column[rows].tolist() for column in columns), strict=True))
        pythia.event.reset()
        if particles and not _finish(pythia, particles):
            raise RuntimeError(f"event {number}: Pythia gave up on these {len(particles)} particles")
        final.take(pythia.event)
    return final.hadrons()


def _finish(pythia, particles):
    """Whether Pythia finishes an event. It may fail by chance, but not ten times in a row if there is a way."""
    for _ in range(10):
        pythia.event.reset()
        for particle in particles:
            pythia.event.append(*particle)
        if pythia.next():
            return True
    return False
