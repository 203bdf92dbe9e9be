"""A simulation with both its sides, and data: checked, and without what was lost or has no truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from .._support.checks import column, log_weights
from ..events.hadrons import Hadrons
from ..metrics.weighted import same_features

FEWEST = 100  # events, below which a classifier learns nothing


class UnfoldingError(ValueError):
    """Simulation and data are not such that weights can turn what is seen of one into the other."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What an unfolding works with.

    Attributes
    ----------
    truth, reco : ndarray or Hadrons, N events
        Of the simulation. Where an event is not `real`, or not `seen`, the row means nothing.
    data : ndarray or Hadrons, M events
    log_w, log_w_data : ndarray, shape (N,), (M,)
        Log weights that they come with; those of the seen events of the simulation add up to 1.
    seen, real : ndarray of bool, shape (N,)
    """

    truth: Any
    reco: Any
    data: Any
    log_w: np.ndarray
    log_w_data: np.ndarray
    seen: np.ndarray
    real: np.ndarray


def checked(
    truth: Any, reco: Any, data: Any, log_w_sim: Any, log_w_data: Any, seen: Any, real: Any
) -> Inputs:  # fmt: skip
    """Whatever users hand in as `Inputs`; the arguments are those of `omnifold`."""
    truth, reco, data = (getattr(events, "hadrons", events) for events in (truth, reco, data))
    if isinstance(reco, Hadrons) != isinstance(data, Hadrons):
        got = f"{type(reco).__name__} and {type(data).__name__}"
        raise TypeError(f"what is seen of simulation and data must be of one kind, both Hadrons or columns, got {got}")
    if not isinstance(truth, Hadrons):
        truth, _ = same_features(truth, truth)
    if not isinstance(reco, Hadrons):
        reco, data = same_features(reco, data)
    if len(truth) != len(reco):
        raise ValueError(
            f"truth and what is seen are two sides of the same events, got {len(truth)} and {len(reco)}; keep a row "
            "for events that were lost, and say with `seen` which"
        )
    of_hadrons = reco.multiplicity > 0 if isinstance(reco, Hadrons) else np.ones(len(reco), bool)
    seen = of_hadrons if seen is None else of_hadrons & _mask(seen, "seen", len(reco))
    real = np.ones(len(truth), bool) if real is None else _mask(real, "real", len(truth))
    if (n := np.sum(seen & real)) < FEWEST:
        raise UnfoldingError(
            f"{n} of {len(truth)} simulated events have a truth and were seen, at least {FEWEST} are wanted: has the "
            "detector lost them all, or are the masks the other way round?"
        )
    if len(data) < FEWEST:
        raise UnfoldingError(f"too few events: data have {len(data)}, at least {FEWEST} are wanted")
    if isinstance(data, Hadrons) and (empty := data.multiplicity == 0).any():
        raise UnfoldingError(
            f"{empty.sum()} events of the data have no hadron, first event {np.argmax(empty)}: what was lost is not "
            "among data; take data[data.multiplicity > 0]"
        )
    _finite(truth, real, "truth", "real")
    _finite(reco, seen, "sim_reco", "seen")
    _finite(data, np.ones(len(data), bool), "data_reco", "")
    log_w, log_w_data = (
        log_weights(log_w_sim, len(truth), "log_w_sim"),
        log_weights(log_w_data, len(data), "log_w_data"),
    )
    for w, name in ((log_w[seen & real], "log_w_sim"), (log_w_data, "log_w_data")):
        if w.max() == -np.inf:
            raise UnfoldingError(f"{name} leaves no event a weight above zero")
    return Inputs(truth, reco, data, log_w - logsumexp(log_w[seen]), log_w_data, seen, real)


def _mask(values, name, n):
    mask = column(values, name, bool)
    if len(mask) != n:
        raise ValueError(f"{name} must hold one bool for each of {n} simulated events, got {len(mask)}")
    return mask


def _finite(events, rows, name, mask):
    """Refuse what is no number, where it is looked at."""
    if isinstance(events, Hadrons):
        bad = np.zeros(len(events), bool)
        bad[events.event[~np.isfinite(events.p4).all(axis=1)]] = True
    else:
        bad = ~np.isfinite(events).all(axis=1)
    if (bad := bad & rows).any():
        hint = f"; if it has none, say so with `{mask}`" if mask else "; leave such events out"
        raise UnfoldingError(f"{name} is NaN or infinite in {bad.sum()} events, first in event {np.argmax(bad)}{hint}")
