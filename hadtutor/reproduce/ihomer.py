"""iHOMER: HOMER with errors, parametric fits, a mixture in b, the networks as published, and the coverage of errors."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import homer, lund, weights
from ..strings import hadronize_strings
from .closure import BASE, ENERGY, TARGETS, learn
from .homer import tables
from .published import as_published

TABLES = ("mixture", "mixture_b")


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""
    found: dict[str, Callable] = {}
    for name in TABLES:
        found[name] = lambda name=name: learn(name, n_events, **options, checkpoint=checkpoint)
    found["published"] = lambda: learn("mixture", n_events, **options, checkpoint=checkpoint, method=as_published)
    return found | {"coverage": lambda: coverage(max(2000, n_events // 10), experiments, **options)}


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces."""
    fits = {name: done["mixture"][name] for name in ("naive", "mixture")}
    fits["mixture_published"] = done["published"]["mixture"]
    return {"coverage": done["coverage"]} | tables(done, (*TABLES, "published")) | fits


def coverage(n_events: int, experiments: int, *, threads: int, rng: int, progress: bool) -> dict[str, Any]:
    """Repeat the experiment with fewer events, and see how often the truth lies within the errors."""
    z, mt2 = np.meshgrid([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.03, 0.1, 0.15, 0.3])
    target = TARGETS["mixture"]
    truth = np.exp(lund.log_density(z, mt2, target))
    bands, events = [], []
    for number in range(experiments):
        own = np.random.default_rng([rng, 1000 + number])
        options: dict[str, Any] = {"threads": threads, "progress": False}
        sim, data = (hadronize_strings(n_events, p, ENERGY, rng=own, **options) for p in (BASE, target))
        result = homer.fit(sim, data.hadrons, rng=number, **options)
        f, sigma = result.f(z, mt2)
        bands.append(homer.coverage(f, sigma, truth))
        events.append(homer.coverage(result.log_w, result.sigma, weights.event_weights(sim, target).log_w))
        if progress:
            tqdm.write(f"  pseudo-experiment {number + 1} of {experiments}", file=sys.stderr)
    fraction, mean, width = np.array(bands).T
    event_fraction, event_mean, event_width = np.array(events).T
    return {
        "fraction": float(fraction.mean()), "fraction_error": float(fraction.std() / np.sqrt(experiments)),
        "mean": float(mean.mean()), "width": float(np.sqrt(np.mean(width**2 + mean**2))),
        "event_fraction": float(event_fraction.mean()), "event_mean": float(event_mean.mean()),
        "event_width": float(event_width.mean()), "event_widths": np.round(event_width, 3).tolist(),
        "fractions": np.round(fraction, 3).tolist(), "experiments": experiments, "events": n_events,
    }  # fmt: skip
