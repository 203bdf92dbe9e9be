"""Break histories of real Pythia strings, of all flavours, recorded with Pythia's `UserHooks`."""

from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from ..events.histories import ACCEPTED, FLAVOURS, NO_FINAL_TWO, NO_ROOM, Histories
from ..events.ragged import rows_of
from ..strings.chain import MAX_TRIES
from ..strings.from_history import hadrons_of_chains
from ..strings.straight import Geometry

SINGLE = "z", "mt2", "px", "py", "final_px", "final_py", "final_lambda"
# Each look at a Pythia object costs a quarter of a microsecond: there are no more than these.
OF_END = "zHad", "mT2Had", "pxHad", "pyHad", "pxOld", "pyOld", "idHad"
BREAK = "z", "mt2", "hadron_px", "hadron_py", "old_px", "old_py", "pid", "positive", "new", "popcorn"
CHAIN = (
    "first_break", "parton", "old_pos", "old_neg", "mt2_pos", "mt2_neg", "new_pos", "new_neg", "popcorn_pos",
    "popcorn_neg", "px_pos", "py_pos", "px_neg", "py_neg", "pid_pos", "pid_neg",
)  # fmt: skip
PAIR = (
    "chain", "px", "py", "mass_pos", "mass_neg", "pid_pos", "pid_neg", "new_pos", "new_neg", "popcorn_pos",
    "popcorn_neg", "p_x", "p_y", "p_z",
)  # fmt: skip
ENDS = "pos", "neg"
look = attrgetter(*OF_END)
packed_break, packed_chain, packed_pair = (Struct(f"{len(columns)}d") for columns in (BREAK, CHAIN, PAIR))
NEARLY = 1e-3  # GeV: a replayed hadron is at least so near the real one


def first_parton(event: Any, number: int) -> int:
    """Where in `event` a parton of its string was given: those that Pythia joined or copied name their mothers."""
    while mother := event[number].mother1():
        number = mother
    return number


def flavour_and_popcorn(new: Any) -> tuple[int, int]:
    """Code of a new flavour of Pythia's, and of the popcorn quark in it, which only a diquark has."""
    code = new.id
    return code, 0 if -1000 < code < 1000 else new.nPop * new.idPop


def make_recorder(pythia8mc: Any) -> Any:
    """A UserHooks object that keeps the breaks of every chain; it wants to know the ``event`` of its Pythia."""

    class Recorder(pythia8mc.UserHooks):
        def __init__(self):
            super().__init__()
            # Rows of plain numbers: tuples would take six times the memory, an array three times as long to extend.
            self.breaks, self.chains, self.pairs = bytearray(), bytearray(), bytearray()
            self.event, self.failed, self.pos = None, False, None

        @property
        def n_chains(self):
            return len(self.chains) // packed_chain.size

        def take(self, first_chain):
            """All that was seen, and nothing is left; `first_chain` is the number of the first one of each event."""
            names = {"breaks": BREAK, "chains": CHAIN, "pairs": PAIR}
            rows = [np.frombuffer(getattr(self, of)).reshape(-1, len(columns)) for of, columns in names.items()]
            for of in names:
                setattr(self, of, bytearray())
            return Rows(*rows, np.asarray(first_chain, np.int64))

        def canVetoFragmentation(self):
            return True

        def setStringEnds(self, pos, neg, partons):
            if pos is not self.pos:  # ends are the same for all strings of a Pythia, and looking at them is dear
                self.pos, self.new_pos, self.new_neg = pos, pos.flavNew, neg.flavNew
            new_pos, new_neg = self.new_pos, self.new_neg
            # What was drawn for the last pair of a chain that failed still lies in the ends.
            left = (0.0,) * 6
            if self.failed:
                left = pos.pxNew, pos.pyNew, neg.pxNew, neg.pyNew, pos.idHad, neg.idHad
            flavours, popcorn = zip(flavour_and_popcorn(new_pos), flavour_and_popcorn(new_neg), strict=True)
            now = pos.flavOld.id, neg.flavOld.id, pos.mT2Had, neg.mT2Had, *flavours, *popcorn
            parton = first_parton(self.event, partons[0])
            self.chains += packed_chain.pack(len(self.breaks) // packed_break.size, parton, *now, *left)
            new_pos.id = new_neg.id = 0  # nothing is drawn yet
            self.failed = True

        def doVetoFragmentation(self, hadron, *others):
            if len(others) == 1:
                (end,) = others
                positive = end is self.pos
                new = self.new_pos if positive else self.new_neg
                self.breaks += packed_break.pack(*look(end), positive, *flavour_and_popcorn(new))
            else:
                _, pos, neg = others
                new = flavour_and_popcorn(self.new_pos), flavour_and_popcorn(self.new_neg)
                flavours, popcorn = zip(*new, strict=True)
                codes = pos.idHad, neg.idHad, *flavours, *popcorn
                chain, momentum = self.n_chains - 1, (hadron.px(), hadron.py(), hadron.pz())
                self.pairs += packed_pair.pack(chain, pos.pxNew, pos.pyNew, pos.mHad, neg.mHad, *codes, *momentum)
                self.failed = False
            return False

    return Recorder()


class Rows(NamedTuple):
    """What a recorder has seen, as arrays, with columns of these names."""

    breaks: np.ndarray  # (breaks, BREAK)
    chains: np.ndarray  # (C, CHAIN)
    pairs: np.ndarray  # (S, PAIR)
    first_chain: np.ndarray  # (N,) number of the first chain of each event


class Recorded(NamedTuple):
    """Histories in double precision, and what they do not hold: masses, and where the last pair went."""

    histories: Histories  # of all flavours
    mass2: np.ndarray  # (breaks,) of the hadrons [GeV²]
    pair_mass2: np.ndarray  # (2, C) of the last two, as `final_pid` has them
    momentum: np.ndarray  # (3, C) of that of the last two which is nearer to the quark [GeV]


def recorded(rows: Rows, strings: np.ndarray, offsets: np.ndarray) -> Recorded:
    """What a recorder has seen, in double precision and without what Pythia does not show of the last pair.

    `strings` are numbers of the string of each parton in its event; the partons of event i are those from
    ``offsets[i]`` on.
    """
    breaks, chains, pairs = (
        dict(zip(names, columns.T, strict=True)) for names, columns in zip((BREAK, CHAIN, PAIR), rows[:3], strict=True)
    )
    n_chains = len(chains["parton"])
    event = np.searchsorted(rows.first_chain, np.arange(n_chains), side="right") - 1
    string = strings[offsets[event] + chains["parton"].astype(int) - 1]  # Pythia counts from 1
    starts = np.append(chains["first_break"], len(breaks["z"])).astype(np.int64)
    pair = pairs["chain"].astype(int)
    positive, accepted = breaks["positive"] == 1, np.zeros(n_chains, bool)
    accepted[pair] = True
    # By then pxNew refers to the region where the string broke; what was drawn is the hadron's less the old.
    drawn_px, drawn_py = (breaks[f"hadron_{p}"] - breaks[f"old_{p}"] for p in ("px", "py"))
    mass2 = breaks["mt2"] - breaks["hadron_px"] ** 2 - breaks["hadron_py"] ** 2
    old, old_popcorn, ends = _along_the_chains(chains, breaks, starts, positive)

    def at_ends(name, of=chains):
        return np.stack([of[f"{name}_{end}"] for end in ENDS])

    # A chain that failed is told by what the ends hold when the next one begins.
    after = {name: np.append(column[1:], 0.0) for name, column in chains.items()}
    new, popcorn, codes, px, py, mt2 = (at_ends(n, after) for n in ("new", "popcorn", "pid", "px", "py", "mt2"))
    changed = mt2 != ends["mt2"]
    changed[:, pair] = True
    for column, name in ((new, "new"), (popcorn, "popcorn"), (codes, "pid")):
        column[:, pair] = at_ends(name, pairs)
    for column, name in ((px, "px"), (py, "py")):
        column[:, pair] = pairs[name], -pairs[name]
    side, every = _side_of_last(changed, new, ends["old"]), np.arange(n_chains)
    drawn = accepted | changed.any(axis=0)
    status = np.where(accepted, ACCEPTED, np.where(drawn, NO_FINAL_TWO, NO_ROOM)).astype(np.int8)
    both = (px[0] == -px[1]) & (py[0] == -py[1])  # hadrons of the pair were made
    kept = np.flatnonzero(of_last_try(event, string, accepted))
    kept = kept[np.lexsort((string[kept], event[kept]))]
    some, chain_offsets = rows_of(starts, kept)

    def last(columns, dtype, where=drawn, of=side, empty=0):
        return np.where(where, columns[of, every], empty)[kept].astype(dtype)

    def small(values):
        return values[some].astype(np.int16)

    waiting, fresh = last(ends["old"], np.int16), last(new, np.int16)
    histories = Histories(
        chain_offsets, breaks["z"][some], breaks["mt2"][some], drawn_px[some], drawn_py[some],
        breaks["pid"][some].astype(np.int32), positive[some], event[kept], status[kept],
        last(px, float, empty=np.nan), last(py, float, empty=np.nan),
        last(codes, np.int32), last(codes, np.int32, drawn & both, 1 - side), side[kept] == 0,
        np.full(len(kept), np.nan), np.zeros(len(kept), bool), string[kept].astype(np.int32),
        old=small(old), new=small(breaks["new"]), old_popcorn=small(old_popcorn), new_popcorn=small(breaks["popcorn"]),
        final_old=waiting, final_new=np.where(_is_triplet(fresh) == _is_triplet(waiting), -fresh, fresh),
        final_other=last(ends["old"], np.int16, of=1 - side),
        final_old_popcorn=last(ends["popcorn"], np.int16), final_new_popcorn=last(popcorn, np.int16),
    )  # fmt: skip
    masses, momentum = np.zeros((2, n_chains)), np.zeros((3, n_chains))
    masses[:, pair], momentum[:, pair] = at_ends("mass", pairs), [pairs[f"p_{c}"] for c in "xyz"]
    pair_masses = np.stack([masses[side, every], masses[1 - side, every]])
    return Recorded(histories, mass2[some], pair_masses[:, kept] ** 2, momentum[:, kept])


def of_pions(record: Recorded) -> Recorded:
    """The same without flavours, which the codes of pions tell."""
    return record._replace(histories=record.histories.replace(**dict.fromkeys(FLAVOURS)))


def _along_the_chains(chains, breaks, starts, positive):
    """What waits before each break, a flavour and its popcorn; the same at the ends of chains, with the last mT²."""
    chain = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    n_chains, old, old_popcorn = len(starts) - 1, np.empty(len(chain)), np.empty(len(chain))
    ends = {"old": np.empty((2, n_chains)), "popcorn": np.zeros((2, n_chains)), "mt2": np.empty((2, n_chains))}
    for side, (end, here) in enumerate(zip(ENDS, (positive, ~positive), strict=True)):
        rows = np.flatnonzero(here)
        begins = np.diff(chain[rows], prepend=-1) != 0
        old[rows] = np.where(begins, chains[f"old_{end}"][chain[rows]], -np.roll(breaks["new"][rows], 1))
        old_popcorn[rows] = np.where(begins, 0, np.roll(breaks["popcorn"][rows], 1))
        last = rows[np.append(begins[1:], True)[: len(rows)]]
        ends["old"][side], ends["mt2"][side] = chains[f"old_{end}"], chains[f"mt2_{end}"]
        ends["old"][side, chain[last]], ends["mt2"][side, chain[last]] = -breaks["new"][last], breaks["mt2"][last]
        ends["popcorn"][side, chain[last]] = breaks["popcorn"][last]
    return old, old_popcorn, ends


def _side_of_last(changed, new, waiting):
    """From which end the flavour of the last pair was drawn, 0 or 1.

    It is turned into its antiparticle there when the other hadron is made, and does not go with what waits any more.
    If the other hadron was not made, only one end changed.
    """
    turned = (new != 0) & (_is_triplet(new) == _is_triplet(waiting))
    says = np.where(turned[0] == turned[1], changed, turned)
    return np.where(says[0], 0, 1)


def _is_triplet(code):
    """Whether quarks and diquarks are colour triplets: quarks and antidiquarks."""
    return (code > 0) == (abs(code) < 10)


def of_last_try(event: np.ndarray, string: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Whether each chain, (C,), is of the last time that Pythia began with the strings of its event.

    When one of them finds no chain it begins anew with all of them, in the same order. So it did between two chains if
    the second is of a string that came before that of the first or is done already, or if the first string is given up.
    """
    n_chains = len(event)
    _, index, place = np.unique(np.stack([event, string]), axis=1, return_index=True, return_inverse=True)
    since = index[place.ravel()]  # first chain of its string
    same_event, same_string = (np.append(False, np.diff(x) == 0) for x in (event, since))
    before = np.append(False, accepted[:-1])
    run = np.arange(n_chains)
    run -= np.maximum.accumulate(np.where(same_string & ~before, 0, run))  # how often it has failed in a row
    again = same_event & np.where(
        same_string, before | (run > 0) & (run % MAX_TRIES == 0), ~before | (since < np.roll(since, 1))
    )
    tries = np.cumsum(again)
    return tries == tries[np.searchsorted(event, event, side="right") - 1]


def with_last_pair(record: Recorded, geometry: Geometry, string: Any) -> Histories:
    """Add what Pythia does not show of the last pair: λ, and whether it came out reversed; in single precision.

    The accepted chains are of those strings of `string`, one each. Where what they make is not what Pythia made, as of
    strings that gave momentum to another, nothing is known.
    """
    histories, accepted = record.histories, record.histories.accepted
    of_breaks = accepted[histories.chain_of_break]
    masses2 = record.mass2[of_breaks], record.pair_mass2[:, accepted]
    swapped = histories.replace(final_reversed=np.ones(histories.n_chains, bool))
    (ours, lam), (reverse, _) = (hadrons_of_chains(h, geometry, string, masses2) for h in (histories, swapped))
    done = histories.only_accepted()
    last = np.cumsum(np.diff(done.chain_offsets) + 2) - np.where(done.final_from_positive, 2, 1)
    wanted = record.momentum[:, accepted]
    off, off_swapped = (np.sqrt(np.sum((p[:3, last] - wanted) ** 2, axis=0)) for p in (ours, reverse))
    near = np.minimum(off, off_swapped) < NEARLY * (1.0 + np.sqrt(np.sum(wanted**2, axis=0)))
    single = {name: getattr(histories, name).astype(np.float32) for name in SINGLE}
    single["final_lambda"][accepted] = np.where(near, np.maximum(0.0, lam), np.nan)
    final_reversed = histories.final_reversed.copy()
    final_reversed[accepted] = off_swapped < off
    return histories.replace(**single, final_reversed=final_reversed)
