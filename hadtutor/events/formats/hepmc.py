"""Hadrons in HepMC files."""

import bz2
import functools
import gzip
import io
import lzma
import pathlib

import numpy as np

from ..._support.bars import track
from ..hadrons import Hadrons
from .columns import COLUMNS, MOMENTA, _int32, _need, _reading, _replacing

# HepMC status codes, and PDG codes of what stands before the hadrons: e- along +z, e+ along -z, and their Z.
FINAL, DECAYED, BEAM = 1, 2, 4
ELECTRON, POSITRON, Z_BOSON = 11, -11, 23
HEPMC3 = b"HepMC::Asciiv3-START_EVENT_LISTING"
READERS = {
    HEPMC3: "ReaderAscii",
    b"HepMC::IO_GenEvent-START_EVENT_LISTING": "ReaderAsciiHepMC2",
}
COMPRESSED = {".gz": functools.partial(gzip.open, compresslevel=6), ".bz2": bz2.open, ".xz": lzma.open}


def to_hepmc(hadrons, path, energy, progress=True):
    """Write hadrons to a HepMC3 file as events of e+ e-; see `Hadrons.to_hepmc`.

    Parameters
    ----------
    hadrons : Hadrons
    path : str or Path
    energy : float
    progress : bool
    """
    pyhepmc = _need("pyhepmc")
    columns = _hepevt(hadrons, energy)
    starts = hadrons.offsets + 3 * np.arange(len(hadrons) + 1)
    longest = 3 + int(hadrons.multiplicity.max(initial=0))
    parents = np.array([(-1, -1), (-1, -1), (0, 1)] + [(2, 2)] * (longest - 3), dtype=np.int32)
    run = pyhepmc.GenRunInfo()
    run.weight_names = ["Default"]
    event = pyhepmc.GenEvent(run, pyhepmc.Units.GEV, pyhepmc.Units.MM)
    block = io.BytesIO()
    with _replacing(path) as part, _open(part, "wb") as file:
        # In memory first: pyhepmc's stream swallows the errors of the file under it, such as a full disk.
        with pyhepmc.io.pyiostream(block) as stream, pyhepmc.io.WriterAscii(stream, run) as writer:
            writer.precision = 16  # after the first digit: 17 in all, which a float64 survives
            for i in track(range(len(hadrons)), "event", progress):
                one = [c[starts[i] : starts[i + 1]] for c in columns]
                event.from_hepevt(i, *one, parents=parents[: len(one[0])], fortran=False)
                event.weights = [1.0]
                writer.write_event(event)
                _move(block, file)
        _move(block, file)


def _hepevt(hadrons, energy):
    """px, py, pz, e, m, pid, status of all particles: beams and Z before the hadrons of each event."""
    energy = float(energy)
    if not 0 < energy < np.inf:
        raise ValueError(f"energy must be > 0 GeV and finite, got {energy}")
    momenta = [np.asarray(getattr(hadrons, name), dtype=float) for name in MOMENTA]
    bad = np.flatnonzero(~np.all(np.isfinite(momenta), axis=0))
    if len(bad):
        raise ValueError(f"event {hadrons.event[bad[0]]} has a hadron whose momentum or energy is not finite")
    px, py, pz, e = momenta
    p = np.hypot(np.hypot(px, py), pz)
    mass = np.sqrt(np.maximum(0.0, e - p)) * np.sqrt(np.maximum(0.0, e + p))
    half = 0.5 * energy
    first_three = [(0.0, 0.0, 0.0)] * 2 + [(half, -half, 0.0), (half, half, energy), (0.0, 0.0, energy)]
    first_three += [(ELECTRON, POSITRON, Z_BOSON), (BEAM, BEAM, DECAYED)]
    columns = [*momenta, mass, _int32(hadrons.pid), np.full(len(e), FINAL, np.int32)]
    where = np.repeat(hadrons.offsets[:-1], 3)
    return [np.insert(c, where, np.tile(three, len(hadrons))) for c, three in zip(columns, first_three, strict=True)]


def from_hepmc(path, progress=True):
    """Read the final particles of a HepMC file; see `Hadrons.from_hepmc`.

    Parameters
    ----------
    path : str or Path
    progress : bool

    Returns
    -------
    Hadrons
    """
    pyhepmc = _need("pyhepmc")
    with _reading(path, "HepMC"):
        reader_name, n_events, n_particles = _survey(path)
        event, found = pyhepmc.GenEvent(), [[] for _ in COLUMNS]
        with _open(path, "rb") as file, pyhepmc.io.pyiostream(file) as stream:
            reader = getattr(pyhepmc.io, reader_name)(stream)
            for i in track(range(n_events), "event", progress):
                if not reader.read_event(event):
                    raise ValueError(f"event {i} of {n_events} cannot be read")
                event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
                particles = event.numpy.particles
                n_particles -= len(particles.status)
                final = particles.status == FINAL
                for column, name in zip(found, COLUMNS, strict=True):
                    column.append(getattr(particles, name)[final])
        if n_particles:
            raise ValueError(f"{n_particles} particles belong to no event")
    offsets = np.cumsum([0] + [len(pid) for pid in found[-1]])
    types = [float] * len(MOMENTA) + [np.int32]
    return Hadrons(offsets, *(np.concatenate([np.zeros(0, t), *c]) for c, t in zip(found, types, strict=True)))


def _survey(path):
    """Name of the reader, number of events and of particles.

    HepMC's readers stop without a word where a file is cut, and skip or take for zero what they cannot read.
    """
    n_events, n_particles, first, last = 0, 0, b"", b""
    with _open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            kind = line[:2]
            if kind == b"P ":
                n_particles += 1
            elif kind == b"E ":
                n_events += 1
            elif not first and b"START_EVENT_LISTING" in line:
                first = line.strip()
            odd = kind == b"P " and line.translate(None, b"P 0123456789+-.eE\r\n")
            if kind == b"P " and first == HEPMC3 and len(line.split()) != 10:
                raise ValueError(f"line {number} is not a whole particle: {line.decode(errors='replace').strip()}")
            if odd or (kind == b"U " and not line.startswith((b"U GEV ", b"U MEV "))):
                text = line.decode(errors="replace").strip()
                raise ValueError(f"line {number} has no finite numbers or an unknown unit: {text}")
            last = line.strip() or last
    if first not in READERS:
        raise ValueError("it has no header of HepMC3 or HepMC2")
    if last != first.replace(b"START", b"END"):
        raise ValueError("it does not end with END_EVENT_LISTING")
    return READERS[first], n_events, n_particles


def _open(path, mode):
    return COMPRESSED.get(pathlib.Path(path).suffix.lower(), open)(path, mode)


def _move(block, file):
    """Move what has been written from memory to the file."""
    file.write(block.getvalue())
    block.seek(0)
    block.truncate()
