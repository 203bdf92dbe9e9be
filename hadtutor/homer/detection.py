"""A simulation as its detector sees it: histories stay what they are, hadrons become what is seen of them."""

from typing import Protocol

import numpy as np

from ..events.hadrons import Hadrons
from ..events.sample import Sample
from .checks import HomerError, check_size

LOST = 0.5  # of the events may be lost


class Detection(Protocol):
    """What turns hadrons into what is seen of them, event by event."""

    def __call__(self, hadrons: Hadrons, *, rng: np.random.Generator) -> Hadrons: ...


def seen_of(sim: Sample, detector: Detection | None, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """The events of a simulation that the detector has seen, as they are, and as they are seen."""
    if detector is None:
        return sim, sim
    if not callable(detector):
        raise TypeError(f"detector must be a function of hadrons and rng, got {type(detector).__name__}")
    hadrons = detector(sim.hadrons, rng=rng)
    if not isinstance(hadrons, Hadrons) or len(hadrons) != len(sim):
        raise HomerError(
            f"the detector must give Hadrons of {len(sim)} events, those that are lost without one, got {hadrons!r}"
        )
    kept = hadrons.multiplicity > 0
    if kept.mean() < LOST:
        raise HomerError(
            f"the detector loses {100 * (1 - kept.mean()):.0f} % of the simulated events: what is left says little "
            "of them"
        )
    check_size("what the detector sees of sim", hadrons[kept])
    if kept.all():
        return sim, sim.replace(hadrons=hadrons)
    sim = sim[kept]
    return sim, sim.replace(hadrons=hadrons[kept])
