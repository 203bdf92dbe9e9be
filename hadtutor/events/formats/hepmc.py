"""Hadrons in HepMC files."""

import bz2
import functools
import gzip
import io
import lzma
import os
import pathlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from ..._support.bars import Progress, track
from ..._support.cautions import warn
from ..._support.optional import need
from ...files import DataFileError, foreign, opened, reading, replacing
from .columns import COLUMNS, DEFAULT, MOMENTA, Read, int32, logs

# HepMC status codes, and PDG codes of what stands before the hadrons: e- along +z, e+ along -z, and their Z.
FINAL, DECAYED, DOCUMENTATION, BEAM = 1, 2, 3, 4
ELECTRON, POSITRON, Z_BOSON = 11, -11, 23
LISTINGS = {b"HepMC::Asciiv3": 3, b"HepMC::IO_GenEvent": 2}
PACK: dict[str, Any] = {".gz": functools.partial(gzip.open, compresslevel=6), ".bz2": bz2.open, ".xz": lzma.open}


def to_hepmc(
    path: str | os.PathLike, offsets: np.ndarray, columns: Mapping[str, np.ndarray], energy: float,
    log_w: Mapping[str, np.ndarray], progress: bool = True,
) -> None:  # fmt: skip
    """Write hadrons, whose columns have their masses too, to a HepMC3 file; see `Hadrons.to_hepmc`."""
    pyhepmc, n_events = need("pyhepmc", "hep", "a HepMC file"), len(offsets) - 1
    particles = _hepevt(offsets, columns, energy)
    with np.errstate(over="ignore"):
        weights = np.exp([*log_w.values()] or [np.zeros(n_events)]).T
    if np.isinf(weights).any():
        raise ValueError(f"event {np.argmax(np.isinf(weights).any(axis=1))} has a log weight too large for a weight")
    starts = offsets + 3 * np.arange(n_events + 1)
    longest = 3 + int(np.diff(offsets).max(initial=0))
    parents = np.array([(-1, -1), (-1, -1), (0, 1)] + [(2, 2)] * (longest - 3), dtype=np.int32)
    run = pyhepmc.GenRunInfo()
    run.weight_names = list(log_w) or [DEFAULT]
    event = pyhepmc.GenEvent(run, pyhepmc.Units.GEV, pyhepmc.Units.MM)
    block = io.BytesIO()
    with replacing(path) as part, PACK.get(pathlib.Path(path).suffix.lower(), open)(part, "wb") as file:
        # In memory first: pyhepmc's stream swallows the errors of the file under it, such as a full disk.
        with pyhepmc.io.pyiostream(block) as stream, pyhepmc.io.WriterAscii(stream, run) as writer:
            writer.precision = 16  # after the first digit: 17 in all, which a float64 survives
            for i in track(range(n_events), "event", progress):
                one = [c[starts[i] : starts[i + 1]] for c in particles]
                event.from_hepevt(i, *one, parents=parents[: len(one[0])], fortran=False)
                event.weights = weights[i].tolist()
                writer.write_event(event)
                _move(block, file)
        _move(block, file)


def _hepevt(offsets, columns, energy):
    """px, py, pz, e, m, pid, status of all particles: beams and Z before the hadrons of each event."""
    numbers = [columns[name].astype(float) for name in (*MOMENTA, "mass")]
    bad = np.flatnonzero(~np.all(np.isfinite(numbers), axis=0))
    if len(bad):
        event = np.searchsorted(offsets, bad[0], side="right") - 1
        raise ValueError(f"event {event} has a hadron whose momentum or energy is not finite")
    half = 0.5 * energy
    first_three = [(0.0, 0.0, 0.0)] * 2 + [(half, -half, 0.0), (half, half, energy), (0.0, 0.0, energy)]
    first_three += [(ELECTRON, POSITRON, Z_BOSON), (BEAM, BEAM, DECAYED)]
    hadrons = [*numbers, int32(columns["pid"]), np.full(len(numbers[0]), FINAL, np.int32)]
    where = np.repeat(offsets[:-1], 3)
    return [np.insert(c, where, np.tile(three, len(offsets) - 1)) for c, three in zip(hadrons, first_three)]


def _move(block, file):
    """Move what has been written from memory to the file."""
    file.write(block.getvalue())
    block.seek(0)
    block.truncate()


def from_hepmc(path: str | os.PathLike, weights: bool = False, progress: bool = True) -> Read:
    """Read the final particles of a HepMC file; see `Hadrons.from_hepmc`."""
    with reading(path, "HepMC file") as place, opened(place) as (file, raw):
        if b"HepMC::" not in (head := file.peek(1000)):
            raise foreign(path, "HepMC3 or HepMC2 file", head)
        listing = _Listing(weights)
        size = os.fstat(raw.fileno()).st_size
        with Progress(size, "B", progress) as bar:
            listing.read(file, lambda: bar.update(raw.tell() - bar.done) if size else None)
        if not listing.complete:
            raise ValueError("it does not end with END_EVENT_LISTING")
        p = np.frombuffer(listing.momenta).reshape(-1, 4) * np.repeat(listing.units, listing.sizes)[:, None]
        if not np.isfinite(p).all():
            raise ValueError("a momentum is not finite")
    if listing.others and not listing.pid:
        codes = ", ".join(f"{code} ({n} times)" for code, n in sorted(listing.others.items()))
        warn(f"{path} has no particle of status 1, so its events are empty; there is status {codes}", UserWarning)
    columns = dict(zip(COLUMNS, [*p.T.copy(), np.array(listing.pid, np.int32)]))
    return np.cumsum([0, *listing.sizes]), columns, listing.log_weights(path) if weights else {}


class _Listing:
    """What the lines of a listing say, and whether they are all there.

    HepMC's own readers stop without a word where a file is cut, take for zero what they cannot read, and end the whole
    process at events of HepMC2 without incoming particles. Here an event's first line says how many particles (HepMC2:
    vertices, which say how many particles) must follow, and each particle of HepMC3 names a parent that was there.
    """

    def __init__(self, weighted: bool) -> None:
        self.weighted, self.version, self.complete = weighted, 0, False
        self.due: int | None = None  # particles of the event that is open
        self.momenta, self.pid = array("d"), array("i")  # of final particles
        self.sizes: list[int] = []
        self.units: list[float] = []
        self.weights: list[list[float]] = []
        self.names: list[list[str]] = []  # of the weights, for each event
        self.run_names: list[str] = []
        self.others: Counter[int] = Counter()  # statuses that mean neither final nor decayed, documentation, beam

    def read(self, file: BinaryIO, tick: Callable[[], None]) -> None:
        """Take all lines; `tick` is called at each event."""
        last = b""
        for number, line in enumerate(file, start=1):
            kind = line[:2]
            try:
                if kind == b"P ":
                    self.particle(line)
                elif kind == b"V ":
                    self.vertex(line.split())
                elif kind == b"E ":
                    self.open_event(line.split())
                    tick()
                elif kind == b"U ":
                    if not line.startswith((b"U GEV ", b"U MEV ")):
                        raise ValueError("no finite numbers or an unknown unit")
                    self.units[-1] = 1e-3 if line.startswith(b"U MEV ") else 1.0
                elif kind in (b"W ", b"N ") and self.weighted:
                    self.weight(kind, line[2:].strip())
                elif line.rstrip().endswith(b"_EVENT_LISTING"):
                    self.edge(line.strip())
            except (ValueError, IndexError, OverflowError) as error:
                text = line.decode(errors="replace").strip()
                raise ValueError(f"line {number} has {error}: {text}") from error
            last = line.strip() or last
        self.complete = self.complete and last.endswith(b"-END_EVENT_LISTING")

    def edge(self, line: bytes) -> None:
        """A listing begins or ends."""
        name, _, edge = line.rpartition(b"-")
        if name not in LISTINGS:
            raise ValueError("a listing that is neither Asciiv3 nor IO_GenEvent")
        self.close_event()
        self.version, self.complete = LISTINGS[name], edge.startswith(b"END")

    def open_event(self, words: list[bytes]) -> None:
        """A new event says what belongs to it: particles, or vertices and weights in HepMC2."""
        self.close_event()
        if not self.version or self.complete:
            raise ValueError("an event outside of a listing")
        self.parents, self.n_particles, self.n_vertices = {0}, 0, 0
        self.due, self.due_vertices = (int(words[3]), 0) if self.version == 3 else (0, int(words[8]))
        at = 12 + int(words[11]) if self.version == 2 else 0
        self.sizes.append(0)
        self.units.append(1.0)
        self.names.append(self.run_names)
        self.weights.append([float(w) for w in words[at + 1 : at + 1 + int(words[at])]] if at and self.weighted else [])

    def close_event(self) -> None:
        """See that all is there that the event promised."""
        if self.due is not None and (self.n_particles, self.n_vertices) != (self.due, self.due_vertices):
            raise ValueError(f"an event before it with {self.n_particles} particles in place of {self.due}")
        self.due = None

    def vertex(self, words: list[bytes]) -> None:
        """In HepMC2 with the numbers of incoming particles without a vertex of their own, and of outgoing ones."""
        if self.due is None:
            raise ValueError("a vertex outside of an event")
        if self.version == 3:
            self.parents.add(int(words[1]))
        else:
            self.n_vertices += 1
            self.due += int(words[7]) + int(words[8])

    def particle(self, line: bytes) -> None:
        """Its status says whether it is a hadron."""
        words = line.split()
        if line.translate(None, b"P 0123456789+-.eE\r\n"):
            raise ValueError("no finite numbers or an unknown unit")
        if self.due is None or len(words) != (10 if self.version == 3 else 13 + 2 * int(words[12])):
            raise ValueError("no whole particle, or one outside of an event")
        self.n_particles += 1
        if self.version == 3:
            if int(words.pop(2)) not in self.parents:
                raise ValueError("a particle whose parent is missing")
            self.parents.add(int(words[1]))
        status = int(words[8])
        if status == FINAL:
            self.momenta.extend(map(float, words[3:7]))
            self.pid.append(int(words[2]))
            self.sizes[-1] += 1
        elif status not in (DECAYED, DOCUMENTATION, BEAM):
            self.others[status] += 1

    def weight(self, kind: bytes, line: bytes) -> None:
        """Weights of an event, or names of weights."""
        text = line.decode(errors="replace")
        if self.version == 2:
            self.names[-1] = re.findall(r'"([^"]*)"', text)
        elif self.due is None:
            self.run_names = [name.replace(2 * "\\", "\\") for name in text.split("\\|")]
        elif kind == b"W ":
            self.weights[-1] = [float(word) for word in text.split()]

    def log_weights(self, path: str | os.PathLike) -> dict[str, np.ndarray]:
        """Logs of the weights by name; weights without names are numbered where there are several."""
        names = next(iter(self.names), [])
        n = len(next(iter(self.weights), []))
        known = names or ([DEFAULT] if n < 2 else [str(k) for k in range(n)])
        weights = [found or [1.0] * len(known) for found in self.weights]
        alike = all(other == names for other in self.names) and all(len(found) == len(known) for found in weights)
        if not alike or len(set(known)) < len(known):
            wrong = f"events with different weights, or not as many as names ({', '.join(known)})"
            raise DataFileError(f"{path} has {wrong}; read it without weights")
        return {name: logs([found[k] for found in weights], name, path) for k, name in enumerate(known)}
