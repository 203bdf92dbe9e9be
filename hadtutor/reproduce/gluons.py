"""HOMER for strings with gluons, and for events of several strings; smearing, and step one from the particle cloud."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from .. import datasets, homer, pythia, weights
from ..events.sample import Sample
from ..events.showers import Showers
from ..strings import hadronize_partons
from .closure import BASE, ENERGY, TARGETS, Quarters, learn, matrix
from .homer import tables

TABLES = ("qgq", "qvgq", "qngq", "showers")
SMEARING: dict[str, dict[str, Any]] = {
    "smeared as published, width 0.05": {"width": 0.05}, "smeared, width 0.5": {"width": 0.5},
    "smeared, width 1": {"width": 1.0}, "10 neighbours": {"neighbours": 10}, "100 neighbours": {"neighbours": 100},
}  # fmt: skip


def partons_of(name: str, n_events: int, progress: bool) -> Showers:
    """Partons of one of the sets in `TABLES`."""
    if name == "qgq":
        return Showers.one_gluon(n_events, energy=ENERGY)
    if name == "showers":
        return cast(Showers, datasets.load("pythia-showers-91"))
    emissions, seed = 1 if name == "qvgq" else None, 1 + TABLES.index(name)
    options: dict[str, Any] = {"quark": "u", "emissions": emissions, "gluon_splitting": False, "progress": progress}
    return pythia.shower(n_events, ENERGY, seed=seed, **options)


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""

    def learn_with(name):
        partons = partons_of(name, n_events, options["progress"])
        return learn("a030", n_events, **options, checkpoint=checkpoint, hadronize=partial(strings_between, partons))

    found: dict[str, Callable] = {name: partial(learn_with, name) for name in TABLES}
    return found | {"smearing": lambda: side_by_side(max(2000, n_events // 10), **options)}


def side_by_side(n_events: int, *, threads: int, rng: int, progress: bool) -> list[dict[str, Any]]:
    """One passage with one gluon: as it is, smeared, from the particle cloud; and iterations without all that."""
    target, own = TARGETS["a030"], np.random.default_rng([rng, 2000])
    partons, options = Showers.one_gluon(n_events, energy=ENERGY), {"threads": threads, "progress": progress}
    sim, data = (hadronize_partons(partons, p, rng=own, **options) for p in (BASE, target))
    x, y = (matrix(sample.hadrons, threads) for sample in (sim, data))
    chains, exact, quarters = homer.prepare(sim), weights.event_weights(sim, target).log_w, Quarters.of(sim)
    before, rows = np.zeros(n_events), []

    def row(what, breaks, auc=None):
        off = np.log(quarters.over_truth(breaks, target))
        log_w = homer.step_three(chains, breaks)[0]
        rows.append({
            "what": what, "auc": auc, "f_bias": quarters.biases(list(np.exp(off))), "f_spread": float(np.std(off)),
            "spread_of_log_w": float(np.std(log_w - exact)),
        })  # fmt: skip

    def one_passage(what, log_w, auc=None):
        row(what, homer.step_two(chains, log_w, rounds=5), auc)

    first = homer.step_one(x, y, before, rng=rng, progress=progress)
    one_passage("one passage", first.log_ratio, first.auc)
    for what, how in SMEARING.items():
        one_passage(what, homer.smear(first.log_ratio, x, **how))
    for method, what in (("trees", "trees"), ("deepsets", "Deep Sets"), ("graph", "graph network")):
        seen = (sim.hadrons, data.hadrons) if method != "trees" else (x, y)
        look = homer.step_one(*seen, before, method=method, energy=ENERGY, rng=rng, progress=progress)
        one_passage(f"one passage, {what}", look.log_ratio, look.auc)
    fit = homer.fit(sim, data.hadrons, iterations=6, stop_early=False, factors=(), posterior=False, rng=rng, **options)
    for number in (2, 3, 6):
        row(f"{number} iterations", fit.of_iteration(number - 1))
    return rows


def strings_between(partons: Showers, n_events: int, params: Any, **options: Any) -> Sample:
    """Simulation, data and new events have the same partons, taken again and again where there are fewer."""
    return hadronize_partons(partons[np.arange(n_events) % len(partons)], params, flavours="to u d", **options)


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces."""
    return {"smearing": done["smearing"]} | tables(done, TABLES)
