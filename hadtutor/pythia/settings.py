"""How real Pythia is started: its settings, its seed, and what it says when it fails."""

from collections.abc import Iterable
from typing import Any

from .._support.checks import whole
from .._support.optional import need
from ..params import LundParams
from .fragmentation import insert, make_fragmentation

# Only u and d, only pions, nothing decays.
PIONS_ONLY = (
    "ProcessLevel:all = off", "HadronLevel:Decay = off", "StringFlav:probQQtoQ = 0", "StringFlav:probStoUD = 0",
    "StringFlav:mesonUDvector = 0", "StringFlav:etaSup = 0", "StringFlav:etaPrimeSup = 0", "StringFlav:popcornRate = 0",
)  # fmt: skip
# e+ e- -> Z/gamma* -> q qbar of five flavours. Photons are radiated neither before nor after: in a sample of
# partons they would carry momentum away.
QUARK_PAIRS = (
    "Beams:idA = 11", "Beams:idB = -11", "PDF:lepton = off", "WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off",
    "23:onIfAny = 1 2 3 4 5", "TimeShower:QEDshowerByQ = off", "TimeShower:QEDshowerByL = off",
)  # fmt: skip
HADRONS_ONLY = ("ProcessLevel:all = off",)
OF_LUND = {
    "a": "StringZ:aLund", "b": "StringZ:bLund", "sigma_pt": "StringPT:sigma",
    "enhanced_fraction": "StringPT:enhancedFraction", "enhanced_width": "StringPT:enhancedWidth",
    "stop_mass": "StringFragmentation:stopMass", "stop_new_flavour": "StringFragmentation:stopNewFlav",
    "stop_smear": "StringFragmentation:stopSmear",
}  # fmt: skip


OF_ALL_FLAVOURS = {
    "a_extra_diquark": "StringZ:aExtraDiquark", "r_c": "StringZ:rFactC", "r_b": "StringZ:rFactB",
    "prob_s_to_ud": "StringFlav:probStoUD", "prob_qq_to_q": "StringFlav:probQQtoQ",
    "prob_sq_to_qq": "StringFlav:probSQtoQQ", "prob_qq1_to_qq0": "StringFlav:probQQ1toQQ0",
    "meson_ud_vector": "StringFlav:mesonUDvector", "meson_s_vector": "StringFlav:mesonSvector",
    "meson_c_vector": "StringFlav:mesonCvector", "meson_b_vector": "StringFlav:mesonBvector",
    "eta_sup": "StringFlav:etaSup", "eta_prime_sup": "StringFlav:etaPrimeSup",
    "popcorn_rate": "StringFlav:popcornRate", "popcorn_s_pair": "StringFlav:popcornSpair",
    "popcorn_s_meson": "StringFlav:popcornSmeson",
}  # fmt: skip
EXCITED = "L1S0J1", "L1S1J0", "L1S1J1", "L1S1J2"
OTHER_MODELS = (
    "ClosePacking:doClosePacking", "Ropewalk:RopeHadronization", "StringFlav:suppressLeadingB",
    "StringZ:useNonstandardC", "StringZ:useNonstandardB", "StringZ:usePetersonC", "StringZ:usePetersonB",
)  # fmt: skip
FIXED = (
    "StringZ:aExtraSQuark", "StringPT:widthPreStrange", "StringPT:widthPreQQ0", "StringPT:widthPreQQ1",
    "StringFlav:decupletSup", "StringFlav:thetaPS",
    *(f"StringFlav:meson{quark}{kind}" for quark in ("UD", "S", "C", "B") for kind in EXCITED),
)  # fmt: skip
"""What weights know at Pythia's own values alone."""


def pythia8mc() -> Any:
    """The package of real Pythia."""
    return need("pythia8mc", "pythia", "real Pythia")


def start(
    settings: str | Iterable[str], *, seed: int, params: LundParams | None = None, hook: Any = None, law: Any = None,
    law_for: str = "light",
) -> Any:  # fmt: skip
    """A Pythia object of `pythia8mc`, set up and initialised.

    Parameters
    ----------
    settings : str or sequence of str
        Pythia's own settings, such as ``"StringFlav:probStoUD = 0.3"``.
    seed : int
        1 to 900 000 000.
    params : LundParams, optional
        Parameters of the string; by default Pythia's, the Monash 2013 tune.
    hook : pythia8mc.UserHooks, optional
    law : callable, or anything with a method ``density``, optional
        Another fragmentation function f(z, mT²), a formula or one that was learned, see `hadtutor.lund.tabulate`, up to
        40 GeV²; what is not z goes by `params`. z is drawn with numbers of its own, which `seed` decides too.
    law_for : {"light", "all"}
        Where it holds: for hadrons between u, d and s quarks, others have Pythia's own law at `params`; or for all
        flavours, up to 85 GeV². In front of c and b quarks and for diquarks Pythia :cite:p:`bierlich2022pythia` has
        other powers of z and 1 - z than for light quarks; there f is multiplied by the ratio of these two functions
        of Pythia at the same mT².

    Raises
    ------
    ImportError, TypeError, ValueError, RuntimeError
        If `pythia8mc` is not installed, an argument is of the wrong kind, the seed or a parameter is out of Pythia's
        range, Pythia does not know a setting, or cannot be initialised; if `law` is no fragmentation function.
    """
    seed = whole(seed, "seed", 1, 900_000_000)
    settings = listed(settings)
    if params is not None:
        if not isinstance(params, LundParams):
            raise TypeError(f"params must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
        if params.u_fraction != 0.5:
            raise ValueError(
                f"real Pythia makes as many u as d quarks: u_fraction must be 0.5, got {params.u_fraction:g}"
            )
    # A class of ours has room for what must live as long as its Pythia.
    pythia = type("Pythia", (pythia8mc().Pythia,), {})("", False)
    for setting in ("Print:quiet = on", *settings, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia refuses the setting {setting!r}")
    of_flavours = {own: name for own, name in OF_ALL_FLAVOURS.items() if not any(name in line for line in settings)}
    for own_name, name in (OF_LUND | of_flavours).items() if params is not None else ():
        value = getattr(params, own_name)
        # Pythia refuses a value outside its range or moves it to the nearest limit.
        if not pythia.readString(f"{name} = {value!r}") or pythia.parm(name) != value:
            raise ValueError(f"real Pythia does not take {name} = {value:g}, which is outside its range")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if law is not None:
        pt_width = pythia.parm("StringPT:sigma") * max(1.0, pythia.parm("StringPT:enhancedWidth"))
        pythia.fragmentation = make_fragmentation(pythia8mc(), law, law_for, pt_width, seed)
    if not pythia.init() or (law is not None and not insert(pythia, pythia.fragmentation)):
        raise RuntimeError("Pythia could not be initialised with these settings")
    return pythia


def params_of(pythia: Any) -> LundParams:
    """Parameters of the string as a Pythia object has them."""
    return LundParams(**{own_name: pythia.parm(name) for own_name, name in (OF_LUND | OF_ALL_FLAVOURS).items()})


def refuse_other_models(pythia: Any) -> None:
    """ValueError if strings break by laws other than those that weights of histories know."""
    settings = pythia.settings
    on = [name for name in OTHER_MODELS if settings.flag(name)]
    on += [f"{name} = {x:g}" for name in FIXED if (x := settings.parm(name)) != settings.parmDefault(name)]
    if model := settings.mode("Fragmentation:model"):
        on.append(f"Fragmentation:model = {model}")  # thermal, or suppressed by mT²
    if not pythia.flag("StringZ:useOldAExtra"):
        on.append("StringZ:useOldAExtra = off")
    if on:
        raise ValueError(f"histories know Lund's model alone, not {', '.join(on)}; leave that, or histories, out")


def listed(settings: str | Iterable[str]) -> tuple[str, ...]:
    """Settings as a tuple of lines."""
    settings = (settings,) if isinstance(settings, str) else tuple(settings)
    for setting in settings:
        if not isinstance(setting, str):
            raise TypeError(f'settings are lines such as "111:mayDecay = off", got {setting!r}')
    return settings
