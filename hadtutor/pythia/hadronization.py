"""Hadronization of showers by real Pythia, with the breaks of all strings."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .._support.bars import Progress
from .._support.checks import whole
from .._support.processes import in_processes
from ..events.hadrons import Hadrons
from ..events.histories import Histories
from ..events.ragged import rows_of
from ..events.sample import Sample
from ..events.showers import Showers
from ..lund.tabulated import law_name
from ..params import LundParams
from ..strings.colours import numbered_strings
from ..strings.gluons import KINKED
from ..strings.regions import kinked
from .emission import shower
from .final import complete, momenta_and_masses
from .recorder import Rows, make_recorder, recorded, with_last_pair
from .settings import HADRONS_ONLY, listed, params_of, pythia8mc, refuse_other_models, start

CHUNK = 250  # showers at a time: each chunk begins with a seed of its own


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
        Whether to record the breaks of all strings, which takes two thirds longer; the events are the same. Strings too
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
        of gluons, which Pythia cuts open without showing where, the last event has only strings too light to break, or
        settings change the model beyond its parameters.

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
    if histories and (closed := numbered_strings(showers)).closed.any():
        raise ValueError(
            f"event {closed.event[np.argmax(closed.closed)]} has a closed loop of gluons, and Pythia does not show how "
            "it is cut open; leave its histories out, histories=False"
        )
    firsts = range(0, max(len(showers), 1), CHUNK)
    jobs = [(_seed_of(seed, k), first, showers[first : first + CHUNK]) for k, first in enumerate(firsts)]
    momenta_and_masses(showers)  # what is not finite is refused before the work
    arguments, made, all_histories, event_of_chain = (settings, params, histories, law, law_for), [], [], []
    with (
        in_processes(Hadronizer, arguments, jobs, processes) as results,
        Progress(len(showers), "event", progress) as bar,
    ):
        for part, (_, first, some) in zip(results, jobs, strict=True):
            made.append(part)
            if part.rows is not None:  # here, where the replay is compiled once
                all_histories.append(_histories(part.rows, some))
                event_of_chain.append(all_histories[-1].event_of_chain + first)  # the last events may have no chain
            bar.update(len(part.hadrons))
    hadrons = Hadrons.concatenate([part.hadrons for part in made])
    if not histories:
        return hadrons
    name = None if law is None else law_name(law)
    record = Histories.concatenate(all_histories).replace(event_of_chain=np.concatenate(event_of_chain))
    if len(record) < len(showers):
        raise ValueError(
            f"event {len(showers) - 1}, the last one, has no string that is heavy enough to break, and histories end "
            "with one that has: put it elsewhere, or leave it out"
        )
    return Sample(hadrons, record, made[0].params, showers.energy, law=name, partons=showers)


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


def _histories(rows, showers):
    """Histories with the order of the last pairs, where what was made replays between the partons of the showers."""
    strings = numbered_strings(showers)
    record = recorded(rows, strings.of_partons(), showers.offsets)
    done = record.histories.only_accepted()
    first = np.searchsorted(strings.event, np.arange(len(showers)))
    partons, offsets = rows_of(strings.offsets, first[done.event_of_chain] + done.strings)
    flavours = np.full((len(offsets) - 1, 2), 2)  # those of ends play no part
    return with_last_pair(record, KINKED, kinked(showers.p4[strings.rows[partons]], offsets, flavours))


def _seed_of(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) % 900_000_000 + 1


class Part(NamedTuple):
    """What Pythia made of some showers."""

    hadrons: Hadrons
    rows: Rows | None  # of the recorder
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

    def __call__(self, job: tuple[int, int, Showers]) -> Part:
        """A chunk: its seed, the number of its first event, its showers."""
        seed, first, showers = job
        self.pythia.rndm.init(seed)
        if hasattr(self.pythia, "fragmentation"):
            self.pythia.fragmentation.begin(seed)
        *momenta, mass, _ = momenta_and_masses(showers)
        columns = showers.pid, np.full(len(showers.pid), 23), showers.col, showers.acol, *momenta, mass
        hadrons, first_chain = complete(self.pythia, showers.offsets, columns, self.hook, first)
        if self.hook is None:
            return Part(hadrons, None, None)
        return Part(hadrons, self.hook.take(first_chain), self.params)
