"""What simulation and data must be like, and what is said if they are not."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from .._support.checks import column
from ..events.hadrons import Hadrons
from ..events.histories import Histories
from ..events.sample import Sample
from ..observables import compute
from ..params import LundParams
from ..strings.from_history import flavours_at_ends
from ..weights.allowed import count_events

FEWEST = 1000  # events, below which networks learn nothing


class HomerError(ValueError):
    """Simulation and data are not such that weights can turn one into the other."""


def check_simulation(sim: Any) -> tuple[Histories, LundParams]:
    """Histories and parameters of a simulation; refuse what has no breaks to weight."""
    if not isinstance(sim, Sample) or not isinstance(sim.params, LundParams):
        raise TypeError(
            f"the simulation must be a Sample of string events made with LundParams, got {type(sim).__name__}; "
            "hadronize_strings makes one"
        )
    if sim.law is not None:
        raise HomerError(f"z of the simulation was drawn by {sim.law}, not by its params; give one made without law")
    histories = sim.histories
    if not isinstance(histories, Histories):
        raise HomerError("the simulation has no histories, so nothing to trace weights back to: keep its breaks")
    if not np.all(np.isfinite(histories.z) & np.isfinite(histories.mt2) & (histories.mt2 > 0)):
        raise HomerError("the histories of the simulation hold numbers that are not finite, or a mass of zero")
    if histories.closed.any():
        raise HomerError("the simulation has closed loops of gluons, cut open by breaks that are not weighted here")
    if len(histories.z) == 0 or np.ptp(histories.z) == 0:
        raise HomerError(
            f"the simulation has {len(histories.z)} breaks in {len(sim)} events, too few to weight; take more events, "
            "or a larger energy"
        )
    try:
        count_events(sim, histories)
    except ValueError as error:
        raise HomerError(f"the simulation: {error}") from None
    return histories, sim.params


def quark_of(sim: Sample) -> int | np.ndarray | None:
    """Flavours at the ends of strings of u and d quarks, see `flavours_at_ends`; those of all flavours record them."""
    return None if cast(Histories, sim.histories).all_flavours else flavours_at_ends(sim)


def check_size(name: str, events: Any) -> None:
    """Refuse samples that are too small."""
    if (n := len(events)) < FEWEST:
        raise HomerError(f"too few events: {name} has {n}, at least {FEWEST} are wanted; 10⁵ are good")


def check_columns(columns: Mapping[str, np.ndarray], which: str) -> None:
    """Refuse columns of different lengths, and observables that are no numbers."""
    n = len(next(iter(columns.values())))
    for name, values in columns.items():
        if values.shape != (n,):
            raise HomerError(f"the observables of the {which} differ in shape: {name} has {values.shape}")
        bad = ~np.isfinite(values)
        # Moments of ln x are not defined for an event without charged hadrons.
        allowed = 1e-2 * n if name.startswith("lnx") and not np.isinf(values).any() else 0
        if bad.sum() > allowed:
            raise HomerError(
                f"{name} of the {which} is NaN or infinite in {bad.sum()} events, first in event {np.argmax(bad)}; "
                "leave these events or this observable out"
            )


def several(names: str | Iterable[str], what: str) -> tuple[str, ...]:
    """Names as a tuple: a word by itself is one name."""
    names = (names,) if isinstance(names, str) else tuple(names)
    if len(set(names)) < len(names):
        raise ValueError(f"each of the {what} is given once, got {', '.join(names)}")
    return names


def observed(data: Any, energy: float, threads: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Observables of data in whatever form they come."""
    if isinstance(data, Sample):
        if data.energy != energy:
            raise HomerError(f"simulation and data differ in energy, {energy:g} and {data.energy:g} GeV")
        data = data.hadrons
    if isinstance(data, Hadrons):
        return compute(data, energy, threads=threads, names=names)
    known = data if isinstance(data, Mapping) else getattr(data, "columns", getattr(data, "fields", None))
    if known is None or not hasattr(data, "__getitem__"):
        raise TypeError(f"data must be a Sample, Hadrons, observables by name or Histograms, got {type(data).__name__}")
    missing = [name for name in names if name not in known]
    if missing:
        raise HomerError(f"the data have no {', '.join(missing)}; give them, or fewer names as `observables`")
    return {name: column(data[name], name) for name in names}


def seed_of(*numbers: int) -> int:
    """One seed for each use, from that of the fit, the iteration, and a one for step two, a two for simulations."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1
