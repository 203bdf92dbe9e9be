"""How real Pythia is started: its settings, its seed, and what it says when it fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._support.checks import whole
from .._support.optional import need
from ..params import LundParams

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


def pythia8mc() -> Any:
    """The package of real Pythia."""
    return need("pythia8mc", "pythia", "real Pythia")


def start(
    settings: str | Iterable[str], *, seed: int, params: LundParams | None = None, hook: Any = None
) -> Any:  # pythia8mc.Pythia
    """A Pythia object, set up and initialised.

    Parameters
    ----------
    settings : str or sequence of str
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
    ImportError
        If `pythia8mc` is not installed.
    TypeError, ValueError
        If an argument is of the wrong kind, the seed or a parameter is out of Pythia's range, or Pythia does not know
        a setting.
    RuntimeError
        If Pythia cannot be initialised.
    """
    seed = whole(seed, "seed", 1, 900_000_000)
    settings, of_string = listed(settings), _string_settings(params)
    pythia = pythia8mc().Pythia("", False)
    for setting in ("Print:quiet = on", *settings, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia refuses the setting {setting!r}")
    for name, value in of_string:
        # Pythia refuses a value outside its range or moves it to the nearest limit.
        if not pythia.readString(f"{name} = {value!r}") or pythia.parm(name) != value:
            raise ValueError(f"real Pythia does not take {name} = {value:g}, which is outside its range")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise RuntimeError("Pythia could not be initialised with these settings")
    return pythia


def listed(settings: str | Iterable[str]) -> tuple[str, ...]:
    """Settings as a tuple of lines."""
    settings = (settings,) if isinstance(settings, str) else tuple(settings)
    for setting in settings:
        if not isinstance(setting, str):
            raise TypeError(f'settings are lines such as "111:mayDecay = off", got {setting!r}')
    return settings


def _string_settings(params):
    if params is None:
        return []
    if not isinstance(params, LundParams):
        raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
    if params.u_fraction != 0.5:
        raise ValueError(f"real Pythia makes as many u as d quarks: u_fraction must be 0.5, got {params.u_fraction:g}")
    p = params
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


def finish(pythia, particles):
    """Whether Pythia finishes an event. It may fail by chance, but not ten times in a row if there is a way."""
    for _ in range(10):
        pythia.event.reset()
        for particle in particles:
            pythia.event.append(*particle)
        if pythia.next():
            return True
    return False
