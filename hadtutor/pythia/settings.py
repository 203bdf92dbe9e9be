"""How real Pythia is started: its settings, its seed, and what it says when it fails."""

import numbers

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


def _finish(pythia, particles):
    """Whether Pythia finishes an event. It may fail by chance, but not ten times in a row if there is a way."""
    for _ in range(10):
        pythia.event.reset()
        for particle in particles:
            pythia.event.append(*particle)
        if pythia.next():
            return True
    return False
