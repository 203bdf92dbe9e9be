"""Events of real Pythia step by step: the shower, its hadronization, decays."""

from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .._support.bars import Progress, track
from .._support.checks import energy_gev, whole
from .._support.processes import in_processes
from ..events.hadrons import Hadrons
from ..events.ragged import rows_of
from ..events.sample import Sample
from ..events.showers import Showers
from ..lund.tabulated import law_name
from ..params import LundParams
from ..particles import QUARKS
from ..strings.colours import numbered_strings
from ..strings.gluons import KINKED
from ..strings.regions import kinked
from .recorder import Rows, joined, make_recorder, recorded, with_last_pair
from .settings import HADRONS_ONLY, QUARK_PAIRS, listed, params_of, pythia8mc, refuse_other_models, start
from .strings import FinalParticles
from .veto import make_veto

CHUNK = 250  # showers at a time: each chunk begins with a seed of its own


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
    showers: Showers, params: LundParams | None = None, *, seed: int = 1, decays: bool = True, histories: bool = False,
    law: Any = None, law_for: str = "light", settings: str | Iterable[str] = (), processes: int = 1,
    progress: bool = True,
) -> Any:  # fmt: skip
    """Hadronize showered partons with real Pythia: strings with gluons, all flavours, baryons, decays.

    What comes out is stable, so with decays photons and leptons too. `settings` and `progress` as in `shower`.

    Parameters
    ----------
    showers : Showers
        N events.
    params : LundParams, optional
        Parameters of the string; by default Pythia's own, the Monash 2013 tune.
    seed : int
        1 to 900 000 000. Events do not depend on how many there are, nor on the number of processes.
    decays : bool
        Whether unstable hadrons decay, as they do by the time a detector sees them: all but those that fly a metre
        or more on average (π±, K±, K_L, n, μ).
    histories : bool
        Whether to record the breaks of all strings, which takes a third longer; the events are the same. Strings too
        light to break have none.
    law, law_for
        Another fragmentation function, and of which flavours it is that, as in `start`.
    processes : int
        How many copies of Pythia work at the same time.

    Returns
    -------
    Hadrons or Sample
        With histories a `Sample`, whose partons are the showers.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `start`; if `showers` are none, or Pythia gives up on an event; with histories, if an event has a closed loop
        of gluons, which Pythia cuts open without showing where, or settings change the model beyond its parameters.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> hadronize(showers, ht.LundParams(a=0.3))
    Hadrons(100 events, 4141 hadrons)
    >>> hadronize(showers, ht.LundParams(a=0.3), histories=True).histories.all_flavours
    True
    """
    if not isinstance(showers, Showers):
        raise TypeError(f"hadronize takes Showers, got {type(showers).__name__}")
    seed, processes = whole(seed, "seed", 1, 900_000_000), whole(processes, "processes")
    settings = (*HADRONS_ONLY, f"HadronLevel:Decay = {'on' if decays else 'off'}", *listed(settings))
    columns = showers.pid, np.full(len(showers.pid), 23), showers.col, showers.acol
    *momenta, mass, _ = _momenta_and_masses(showers)
    columns = *columns, *momenta, mass
    strings = numbered_strings(showers) if histories else None
    if strings is not None and strings.closed.any():
        raise ValueError(
            f"event {strings.event[np.argmax(strings.closed)]} has a closed loop of gluons, and Pythia does not show "
            "how it is cut open; leave its histories out, histories=False"
        )
    jobs = []
    for k, first in enumerate(range(0, len(showers), CHUNK)):
        offsets = showers.offsets[first : first + CHUNK + 1]
        rows = slice(offsets[0], offsets[-1])
        jobs.append((_seed_of(seed, k), first, offsets - offsets[0], [column[rows] for column in columns]))
    arguments, made = (settings, params, histories, law, law_for), []
    with (
        in_processes(Hadronizer, arguments, jobs, processes) as results,
        Progress(len(showers), "event", progress) as bar,
    ):
        for part in results:
            made.append(part)
            bar.update(len(part.hadrons))
    if not made:
        made = [Hadronizer(*arguments)((seed, 0, np.zeros(1, int), [c[:0] for c in columns]))]
    hadrons = Hadrons.concatenate([part.hadrons for part in made])
    if strings is None:
        return hadrons
    record = recorded(joined([part.record for part in made]), strings.of_partons(), showers.offsets)
    name = None if law is None else law_name(law)
    histories_of_all = _of_strings(record, strings, showers)
    return Sample(hadrons, histories_of_all, made[0].params, showers.energy, law=name, partons=showers)


def events(
    n_events: int, params: LundParams | None = None, energy: float = 91.2, *, seed: int = 1, decays: bool = True,
    histories: bool = False, law: Any = None, law_for: str = "light", settings: str | Iterable[str] = (),
    processes: int = 1, progress: bool = True,
) -> Any:  # fmt: skip
    """Whole events of real Pythia, e⁺e⁻ → hadrons: `shower` and `hadronize` in one go.

    Parameters
    ----------
    n_events, energy
        As of `shower`.
    params, seed, decays, histories, law, law_for, settings, processes, progress
        As of `hadronize`; seed and settings are those of the shower, too.

    Returns
    -------
    Hadrons or Sample
        With histories a `Sample`, whose partons are those of the shower.

    Examples
    --------
    >>> events(10)
    Hadrons(10 events, 447 hadrons)
    """
    showers = shower(n_events, energy, seed=seed, settings=settings, progress=progress)
    return hadronize(
        showers, params, seed=seed, decays=decays, histories=histories, law=law, law_for=law_for, settings=settings,
        processes=processes, progress=progress,
    )  # fmt: skip


def _of_strings(record, strings, showers):
    """Histories with the order of the last pairs, where what was made replays between the partons of the showers."""
    done = record.histories.only_accepted()
    first = np.searchsorted(strings.event, np.arange(len(showers)))
    rows, offsets = rows_of(strings.offsets, first[done.event_of_chain] + done.strings)
    flavours = np.full((len(offsets) - 1, 2), 2)  # those of ends play no part
    return with_last_pair(record, KINKED, kinked(showers.p4[strings.rows[rows]], offsets, flavours))


def _seed_of(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) % 900_000_000 + 1


class Part(NamedTuple):
    """What Pythia made of some showers."""

    hadrons: Hadrons
    record: Rows | None
    params: LundParams | None  # those with histories


class Hadronizer:
    """Real Pythia, ready to hadronize one chunk of showers after the other; arguments as of `hadronize`."""

    def __init__(
        self, settings: tuple[str, ...], params: LundParams | None, histories: bool, law: Any, law_for: str
    ) -> None:
        self.hook: Any = make_recorder(pythia8mc()) if histories else None
        self.pythia = start(settings, seed=1, params=params, hook=self.hook, law=law, law_for=law_for)
        self.params: LundParams | None = None  # without histories Pythia may have others, such as no strange quarks
        if histories:
            self.hook.event = self.pythia.event
            refuse_other_models(self.pythia)
            self.params = params_of(self.pythia)

    def __call__(self, job: tuple) -> Part:
        """A chunk: its seed, the number of its first event, offsets and columns of its partons."""
        seed, first, offsets, columns = job
        self.pythia.rndm.init(seed)
        if hasattr(self.pythia, "fragmentation"):
            self.pythia.fragmentation.begin(seed)
        hadrons, first_chain = _complete(self.pythia, offsets, columns, self.hook, first)
        record = None if self.hook is None else self.hook.take(first_chain)
        return Part(hadrons, record, self.params)


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
    columns = hadrons.pid, none + 1, none, none, *momenta, mass
    return _complete(pythia, hadrons.offsets, columns, progress=progress)[0]


def _momenta_and_masses(particles):
    """Momenta, energy, mass from E² - p² in float64, and how far off that square may be by rounding of the columns."""
    momenta = [getattr(particles, name).astype(float) for name in ("px", "py", "pz", "e")]
    particles._refuse(~np.all(np.isfinite(momenta), axis=0), "a momentum that is not finite")
    px, py, pz, e = momenta
    mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0.0))
    exact = np.result_type(particles.px, particles.e, np.float32)
    return *momenta, mass, 8 * np.finfo(exact).eps * e**2


def _complete(pythia, offsets, columns, hook=None, first=0, progress=False):
    """What Pythia makes of the particles of each event, given as code, status, colours, momentum and mass.

    With the number of the first chain that a `hook` saw of each; `first` is the number of the first event.
    """
    final, first_chain = FinalParticles(), []
    for number in track(range(len(offsets) - 1), "event", progress):
        rows = slice(offsets[number], offsets[number + 1])
        particles = list(zip(*(column[rows].tolist() for column in columns), strict=True))
        for _ in range(10):  # Pythia may fail by chance, but not ten times in a row if there is a way
            pythia.event.reset()
            for particle in particles:
                pythia.event.append(*particle)
            chain = 0 if hook is None else hook.n_chains
            if not particles or pythia.next():
                break
        else:
            raise RuntimeError(f"event {first + number}: Pythia gave up on these {len(particles)} particles")
        first_chain.append(chain)
        final.take(pythia.event)
    return final.hadrons(), np.array(first_chain, np.int64)
