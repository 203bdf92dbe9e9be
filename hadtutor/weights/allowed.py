"""What can be reweighted to what, and when weights are too uneven to be used."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import numpy as np

from .._support.cautions import warn
from ..events.histories import Histories
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from ..params import LundMixture, LundParams
from ..strings.from_history import flavours_at_ends

FIXED = ("stop_mass", "stop_new_flavour", "stop_smear")
FREE = tuple(name for name in LundParams._fields if name not in FIXED)
FEW = 100  # effective events, below which a weighted sample says next to nothing


class Case(NamedTuple):
    """What is reweighted, checked by `case_of`."""

    histories: Histories
    base: LundParams
    target: LundParams | LundMixture
    quark: int | np.ndarray | None  # at the ends, see `flavours_at_ends`; None where histories came alone


def as_samples(events: Any, name: str = "samples") -> list[Sample]:
    """One sample or several, as a list."""
    samples = list(events) if isinstance(events, Iterable) and not isinstance(events, Sample) else [events]
    for sample in samples:
        if not isinstance(sample, Sample):
            raise TypeError(f"{name} must be a Sample or several, got {type(sample).__name__}")
    if not samples:
        raise ValueError(f"{name} must hold at least one sample, got none")
    return samples


def first_component(params: LundParams | LundMixture) -> LundParams:
    """Of a mixture the first component, else the parameters themselves."""
    return params.components[0] if isinstance(params, LundMixture) else params


def refuse_change(base: LundParams, other: LundParams, free: tuple[str, ...] = FREE) -> None:
    """Refuse parameters that differ from those of a sample in more than the names in `free`."""
    differ = [name for name in LundParams._fields if name not in free and getattr(base, name) != getattr(other, name)]
    if differ and free == FREE:
        raise ValueError(
            f"the target differs in {', '.join(differ)}, which decides when a string ends; no weight can change that, "
            "generate a sample with it"
        )
    if differ:
        raise ValueError(f"only {', '.join(free[:-1])} and {free[-1]} may differ here, not {', '.join(differ)}")


def case_of(
    sample: Sample | Histories, target: LundParams | LundMixture | None = None, base: LundParams | None = None
) -> Case:
    """Histories, base and target, or an error that names what cannot be reweighted; no target is the base itself."""
    histories: Any = sample
    quark: int | np.ndarray | None = None
    if isinstance(sample, Sample):
        if base is not None:
            raise TypeError("a sample knows its parameters: give base with bare histories alone")
        if sample.law is not None:
            raise ValueError(
                f"z of this sample was drawn by {sample.law}, whose density is not that of its params; weights need a "
                "sample made without law"
            )
        histories, base = sample.histories, cast(LundParams, sample.params)
        if histories is None:
            raise ValueError(
                "the sample has no histories; make it with hadronize_strings, which records them, or of showers with "
                "pythia.hadronize(..., histories=True)"
            )
        pions = isinstance(histories, Histories) and not histories.all_flavours
        quark = flavours_at_ends(sample) if pions else None
    if not isinstance(histories, Histories):
        raise TypeError(
            f"histories of string breaks are wanted, got {type(histories).__name__}; of clusters give the whole "
            "sample, not its histories alone, and ClusterParams as target"
        )
    if base is None:
        raise TypeError("bare histories want base, the LundParams they were made with; a sample knows them")
    target = base if target is None else target
    for name, params, kinds in (("base", base, LundParams), ("target", target, (LundParams, LundMixture))):
        if not isinstance(params, kinds):
            raise TypeError(f"{name} must be LundParams, got {type(params).__name__}; write LundParams(a=0.3)")
    bad = ~(np.isfinite(histories.z + histories.mt2 + histories.px + histories.py) & (histories.mt2 > 0))
    if bad.any():
        event = histories.event_of_chain[histories.chain_of_break[np.argmax(bad)]]
        raise ValueError(f"the history of event {event} holds numbers that are not finite, or a mass of zero")
    one = first_component(target)
    refuse_change(base, one)
    if histories.all_flavours and one.u_fraction != base.u_fraction:
        raise ValueError(
            f"real Pythia makes as many u as d quarks: u_fraction must stay {base.u_fraction:g}, got {one.u_fraction:g}"
        )
    if base.u_fraction in (0.0, 1.0) and one.u_fraction != base.u_fraction:
        missing = "u" if base.u_fraction == 0.0 else "d"
        raise ValueError(
            f"the target is outside the support: it makes {missing} quarks, of which the sample has none "
            f"(u_fraction={base.u_fraction:g}); generate a sample with both"
        )
    return Case(histories, base, target, quark)


def count_events(sample: Sample | Histories, histories: Histories) -> int:
    """Number of events, at least one, each with one accepted chain for each of its strings."""
    events, strings = histories.event_of_chain[histories.accepted], histories.strings[histories.accepted]
    n_events = len(sample) if isinstance(sample, Sample) else len(histories.event_offsets) - 1
    if n_events == 0:
        raise ValueError("weights need at least one event, got none")
    same = np.diff(events) == 0
    if histories.all_flavours and np.all(np.diff(strings)[same] > 0):
        return n_events  # real Pythia's strings that do not break leave no chain
    if not (np.array_equal(np.unique(events), np.arange(n_events)) and np.all(np.diff(strings)[same] > 0)):
        raise ValueError(
            f"{n_events} events want histories with one accepted chain for each string, got {len(events)} accepted "
            "chains; they do not match"
        )
    return n_events


def warn_if_uneven(log_w: np.ndarray, base: LundParams, target: LundParams | LundMixture) -> None:
    """Warn of an infinite variance, which any component of a mixture can bring, and of few effective events."""
    a, b = (min(getattr(c, name) for c in getattr(target, "components", (target,))) for name in ("a", "b"))
    width = _widest(first_component(target))
    # ∫ f'²/f is finite only if the target falls off fast enough where the base does.
    limits = {
        "a": (a > 0.5 * (base.a - 1.0), f"a > {0.5 * (base.a - 1.0):.3g}"),
        "b": (b > 0.5 * base.b, f"b > {0.5 * base.b:.3g}"),
        "sigma_pt": (width < math.sqrt(2.0) * _widest(base), f"a width < {math.sqrt(2) * _widest(base):.3g}"),
    }
    beyond = [f"{name} (the sample allows {limit})" for name, (fine, limit) in limits.items() if not fine]
    if beyond:
        warn(
            f"the weights have an infinite variance because of {', '.join(beyond)}: no number of events will do; "
            "go there in steps, or generate a sample nearer by"
        )
    else:
        warn_if_few(log_w)


def warn_if_few(log_w: np.ndarray) -> None:
    """Warn of few effective events."""
    effective = n_eff(log_w)
    if effective < min(FEW, 0.5 * len(log_w)):
        warn(f"{len(log_w)} weighted events are worth {effective:.0f}: generate more, or a sample nearer to the target")


def _widest(params):
    broad = params.enhanced_width if params.enhanced_fraction > 0 else 1.0
    return params.sigma_pt * max(broad, 1.0 if params.enhanced_fraction < 1 else 0.0)
