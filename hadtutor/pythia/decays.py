"""Decays of hadrons by real Pythia."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..events.hadrons import Hadrons
from ..events.sample import Sample
from .final import FinalParticles, complete, momenta_and_masses
from .settings import HADRONS_ONLY, listed, start


def decay(
    hadrons: Hadrons | Sample, *, seed: int = 1, settings: str | Iterable[str] = (), every: bool = False,
    progress: bool = True,
) -> Any:  # fmt: skip
    """Let real Pythia decay the unstable hadrons of a model.

    In each event comes first what was stable, then what the decays made. A hadron so fast that its mass is lost in the
    rounding of E² - p² is put on its mass shell first; otherwise four-momentum is conserved. `seed` and `progress` as
    in `shower`, and `settings`, such as ``"111:mayDecay = off"`` to keep neutral pions.

    Parameters
    ----------
    hadrons : Hadrons or Sample
        N events, with codes that Pythia knows.
    every : bool
        Whether to list all hadrons as well, those that decayed too, from which rates of ρ⁰ or Λ are counted.

    Returns
    -------
    Hadrons, or a pair of them
        What is stable; with `every` also all hadrons that ever were in the same events.

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
    *momenta, mass, rounding = momenta_and_masses(hadrons)
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
    all_hadrons = FinalParticles(every=True) if every else None
    final, _ = complete(pythia, hadrons.offsets, columns, progress=progress, every=all_hadrons)
    return final if all_hadrons is None else (final, all_hadrons.hadrons())
