"""Events of real Pythia step by step: the shower, its hadronization, decays."""

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._support.bars import track
from .._support.checks import energy_gev, whole
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import Showers
from ..params import LundParams
from ..particles import QUARKS
from .settings import HADRONS_ONLY, QUARK_PAIRS, listed, pythia8mc, start
from .strings import FinalParticles
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


def hadronize(
    showers: Showers, params: LundParams | None = None, *, seed: int = 1, decays: bool = True, law: Any = None,
    law_for: str = "light", settings: str | Iterable[str] = (), progress: bool = True,
) -> Hadrons:  # fmt: skip
    """Hadronize showered partons with real Pythia: strings with gluons, all flavours, baryons, decays.

    What comes out is stable, so with decays photons and leptons too. `seed`, `settings` and `progress` as in `shower`.

    Parameters
    ----------
    showers : Showers
        N events.
    params : LundParams, optional
        Parameters of the string; by default Pythia's own, the Monash 2013 tune.
    decays : bool
        Whether unstable hadrons decay, as they do by the time a detector sees them: all but those that fly a metre
        or more on average (π±, K±, K_L, n, μ).
    law, law_for
        Another fragmentation function, and of which flavours it is that, as in `start`.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `start`; if `showers` are none, or Pythia gives up on an event.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> hadronize(showers, ht.LundParams(a=0.3))
    Hadrons(100 events, 4107 hadrons)
    """
    if not isinstance(showers, Showers):
        raise TypeError(f"hadronize takes Showers, got {type(showers).__name__}")
    settings = (*HADRONS_ONLY, f"HadronLevel:Decay = {'on' if decays else 'off'}", *listed(settings))
    pythia = start(settings, seed=seed, params=params, law=law, law_for=law_for)
    columns = (showers.pid, np.full(len(showers.pid), 23), showers.col, showers.acol)
    *momenta, mass, _ = _momenta_and_masses(showers)
    return _complete(pythia, showers.offsets, (*columns, *momenta, mass), progress)


def decay(
    hadrons: Hadrons | Sample, *, seed: int = 1, settings: str | Iterable[str] = (), progress: bool = True
) -> Hadrons:
    """Let real Pythia decay the unstable hadrons of a model.

    In each event comes first what was stable, then what the decays made. A hadron so fast that its mass is lost in the
    rounding of E² - p² is put on its mass shell first; otherwise four-momentum is conserved. `seed` and `progress` as
    in `shower`, and `settings`, such as ``"111:mayDecay = off"`` to keep neutral pions.

    Parameters
    ----------
    hadrons : Hadrons or Sample
        N events, with codes that Pythia knows.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `start`; if `hadrons` are none, for a code that is no hadron, lepton or photon, a momentum that is not finite
        and a hadron too light to decay; if Pythia gives up on an event.

    Examples
    --------
    >>> import hadtutor as ht
    >>> after = decay(ht.hadronize_strings(10, rng=1))
    >>> bool((after.pid == 111).any()), bool((after.pid == 22).any())
    (False, True)
    """
    hadrons = hadrons.hadrons if isinstance(hadrons, Sample) else hadrons
    if not isinstance(hadrons, Hadrons):
        raise TypeError(f"decay takes Hadrons or a Sample, got {type(hadrons).__name__}")
    pythia = start((*HADRONS_ONLY, *listed(settings)), seed=seed)
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
    # Pythia would keep without a word what is too light for its decays. (mMin is 0 for what has no width.)
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
    particles._refuse(~np.all(np.isfinite(momenta), axis=0), "a momentum that is not finite")
    px, py, pz, e = momenta
    mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0.0))
    exact = np.result_type(particles.px, particles.e, np.float32)
    return *momenta, mass, 8 * np.finfo(exact).eps * e**2


def _complete(pythia, offsets, columns, progress):
    """What Pythia makes of the particles of each event, given as code, status, colours, momentum and mass."""
    final = FinalParticles()
    for number in track(range(len(offsets) - 1), "event", progress):
        rows = slice(offsets[number], offsets[number + 1])
        particles = list(zip(*(column[rows].tolist() for column in columns), strict=True))
        for _ in range(10):  # Pythia may fail by chance, but not ten times in a row if there is a way
            pythia.event.reset()
            for particle in particles:
                pythia.event.append(*particle)
            if not particles or pythia.next():
                break
        else:
            raise RuntimeError(f"event {number}: Pythia gave up on these {len(particles)} particles")
        final.take(pythia.event)
    return final.hadrons()
