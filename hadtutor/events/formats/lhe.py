"""Partons in LHE files."""

import math
import os
import warnings

import numpy as np

from ..._support.optional import need
from ...files import DataFileError, foreign, opened
from ...particles import PARTICLES
from .columns import DEFAULT, MOMENTA, Read, logs

FINAL = 1
LEPTONS = (11, 13)  # whose beams carry all of √s


def from_lhe(path: str | os.PathLike, weights: bool = False) -> tuple[Read, float | None]:
    """Final partons, and √s of the beams if these are leptons; see `Showers.from_lhe`."""
    pylhe, kind = need("pylhe", "hep", "an LHE file"), "LHE file"
    momenta: list[tuple[float, ...]] = []
    codes: list[tuple[int, ...]] = []
    sizes, found = [0], []
    with opened(path) as (file, _), warnings.catch_warnings():
        if b"<LesHouchesEvents" not in (head := file.peek(1000)):
            raise foreign(path, kind, head)
        warnings.simplefilter("error", RuntimeWarning)  # where a file is cut, pylhe warns and stops
        listing = pylhe.LHEFile.frombuffer(file)
        for number, event in enumerate(listing.events):
            if len(event.particles) != event.eventinfo.nparticles:
                raise ValueError(f"event {number} has {len(event.particles)} of {event.eventinfo.nparticles} particles")
            final = [p for p in event.particles if p.status == FINAL]
            for p in final:
                if not (1 <= abs(p.id) <= 5 or p.id == 21):
                    name = PARTICLES[p.id].name if p.id in PARTICLES else f"a particle of code {p.id}"
                    wanted = "among its final particles, and showers hold gluons and quarks up to b alone; "
                    advice = "let the generator decay it, switch off photons from quarks and beams, or leave it out"
                    raise DataFileError(f"{path}: event {number} has {name} {wanted}{advice}")
            momenta.extend((p.px, p.py, p.pz, p.e) for p in final)
            codes.extend((p.id, p.color1, p.color2) for p in final)
            sizes.append(len(final))
            found.append({DEFAULT: event.eventinfo.weight} | event.weights if weights else {})
        beams = listing.init.initInfo
    leptons = abs(beams.beamA) in LEPTONS and abs(beams.beamB) in LEPTONS
    energy = 2.0 * math.sqrt(beams.energyA * beams.energyB) if leptons else None
    names = found[0] if found else {}
    if any(event.keys() != names.keys() for event in found):
        raise DataFileError(f"{path} has events with different weights; read it without them")
    log_w = {name: logs([event[name] for event in found], name, path) for name in names}
    p, code = np.array(momenta, float).reshape(-1, 4).T.copy(), np.array(codes, np.int64).reshape(-1, 3).T.copy()
    columns = dict(zip((*MOMENTA, "pid", "col", "acol"), (*p, code[0].astype(np.int32), *code[1:])))
    return (np.cumsum(sizes), columns, log_w), energy
