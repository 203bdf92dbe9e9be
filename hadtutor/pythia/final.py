"""What Pythia makes of particles that it is given."""

from array import array

import numpy as np

from .._support.bars import track
from ..events.hadrons import Hadrons
from .settings import pythia8mc


class FinalParticles:
    """Collects the final particles of one event after the other; or `every` hadron, those that decayed too."""

    def __init__(self, every=False):
        particle = pythia8mc().Particle
        self.counts = particle.isHadron if every else particle.isFinal
        self.look = particle.px, particle.py, particle.pz, particle.e, particle.id
        self.columns, self.offsets = [array("d") for _ in self.look], [0]  # lists would take six times the memory

    def take(self, event):
        # Copied at once: Pythia's particles live only until the next event.
        taken = list(filter(self.counts, event))
        for column, look in zip(self.columns, self.look, strict=True):
            column.extend(map(look, taken))
        self.offsets.append(self.offsets[-1] + len(taken))

    def hadrons(self):
        *momenta, pid = (np.array(column) for column in self.columns)
        return Hadrons(np.array(self.offsets), *momenta, pid.astype(np.int32))


def momenta_and_masses(particles):
    """Momenta, energy, mass from E² - p² in float64, and how far off that square may be by rounding of the columns."""
    momenta = [getattr(particles, name).astype(float) for name in ("px", "py", "pz", "e")]
    particles._refuse(~np.all(np.isfinite(momenta), axis=0), "a momentum that is not finite")
    px, py, pz, e = momenta
    mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0.0))
    exact = np.result_type(particles.px, particles.e, np.float32)
    return *momenta, mass, 8 * np.finfo(exact).eps * e**2


def complete(pythia, offsets, columns, hook=None, first=0, progress=False, every=None):
    """What Pythia makes of the particles of each event, given as code, status, colours, momentum and mass.

    With the number of the first chain that a `hook` saw of each; `first` is the number of the first event. `every` are
    `FinalParticles` that look on.
    """
    final, first_chain, append = FinalParticles(), [], pythia.event.append
    for number in track(range(len(offsets) - 1), "event", progress):
        rows = slice(offsets[number], offsets[number + 1])
        particles = list(zip(*(column[rows].tolist() for column in columns), strict=True))
        first_chain.append(0 if hook is None else hook.n_chains)
        for _ in range(10):  # Pythia may fail by chance, but not ten times in a row if there is a way
            pythia.event.reset()
            for particle in particles:
                append(*particle)
            if not particles or pythia.next():
                break
        else:
            raise RuntimeError(f"event {first + number}: Pythia gave up on these {len(particles)} particles")
        final.take(pythia.event)
        if every is not None:
            every.take(pythia.event)
    return final.hadrons(), np.array(first_chain, np.int64)
