"""A new simulation where the data are: weights of few effective events have no honest errors."""

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np

from .. import pythia
from .._support.bars import track
from ..events.histories import Histories
from ..events.sample import Sample
from ..metrics.weighted import n_eff
from ..params import LundParams
from ..strings import hadronize_like
from ..weights.breaks import last_draws_known, log_w_of_chains
from .break_weights import BreakWeights
from .chains import Chains
from .checks import HomerError, check_simulation, check_size
from .factors import reference_values
from .inputs import Inputs
from .lund_fit import lund_point
from .nodes import KIND
from .posterior import Measurement, measure

MOST = 8  # simulations, one after the other
WORTH_A_STEP = 0.3  # of the events are left where the next simulation is made
NEAR = 0.97  # of the events are left at the best Lund point: no need to go there
GOOD = 0.8  # of the events are left with all weights: errors are those of the data
POOR = 0.5  # of them: errors were found to be too small

Generator = Callable[[LundParams, np.random.Generator], Sample]


class Base(NamedTuple):
    """A simulation, ready to be compared with the data."""

    sim: Sample
    chains: Chains
    inputs: Inputs


def generator_of(rebase: bool | Generator, sim: Sample, threads: int) -> Generator:
    """What makes a simulation like `sim` for other parameters; `rebase` if that is one, whose answer is checked."""
    if not (isinstance(rebase, bool) or callable(rebase)):
        raise TypeError(f"rebase must be True, False or a function of parameters and rng, got {rebase!r}")

    def make(params: LundParams, rng: np.random.Generator) -> Sample:
        if not callable(rebase):
            if cast(Histories, sim.histories).all_flavours:
                if sim.partons is None:
                    raise HomerError("the simulation does not know its partons: give rebase a function")
                seed = int(rng.integers(1, 900_000_000))
                return pythia.hadronize(
                    sim.partons, params, seed=seed, histories=True, processes=threads, progress=False
                )
            return hadronize_like(sim, len(sim), params, rng=rng, threads=threads)
        new = rebase(params, rng)
        check_simulation(new)
        check_size("the new simulation", new)
        if (new.params, new.energy, new.quark) != (params, sim.energy, sim.quark):
            raise HomerError(
                f"rebase was asked for {params} at {sim.energy:g} GeV with a {sim.quark} quark, and made {new!r}"
            )
        return new

    return make


def within_reach(chains: Chains, measurement: Measurement) -> tuple[LundParams, float, bool]:
    """The best Lund point of a `measurement`, or as far towards it as events of `chains` reach.

    With n_eff/N there, and whether it is so near that it needs no simulation of its own. HomerError if there is no way.
    """
    base, best = chains.basis.params, lund_point(measurement, chains.basis)
    old, new = np.array(base), np.array(best)
    for step in 0.7 ** np.arange(20):
        point = LundParams(*(old + step * (new - old)).tolist())
        case = chains.factors.case._replace(target=point)
        of_chains = log_w_of_chains(case)
        log_w = chains.of_events(of_chains - chains.log_acceptance_ratio(of_chains, last_draws_known(case)))
        if np.isfinite(log_w).all() and (share := n_eff(log_w) / len(log_w)) > WORTH_A_STEP:
            return point, float(share), bool(step == 1.0 and share > NEAR)
    raise HomerError(f"no simulation leads from {base} towards {best}, which the data ask for; do they fit strings?")


def to_lund_point(
    base_at: Callable[[LundParams, int], Base], params: LundParams, progress: bool
) -> tuple[Base, list[tuple[LundParams, float]]]:
    """Simulate anew until the best Lund point of the data is at hand; with parameters and n_eff/N of every base.

    `base_at` makes the simulation with `params` and a number, 0 for the one that is there already.
    """
    bases: list = []
    for number in track(range(MOST), "simulation", progress):
        base = base_at(params, number)
        nothing = BreakWeights(base.chains.basis, np.zeros(base.chains.basis.size))
        measurement = measure(base.chains, nothing, np.zeros(len(base.sim)), *base.inputs.moments())
        point, share, near = within_reach(base.chains, measurement)
        bases.append((params, share))
        if near:
            break
        params = point
    return base, bases


def moved(breaks: BreakWeights, chains: Chains) -> BreakWeights:
    """Weights for the simulation of `chains` that give the same f and factors as `breaks`, without errors."""
    basis = chains.basis
    z, mt2 = basis.z_and_mt2()
    more = np.meshgrid(*(axis.nodes for axis in basis.axes), indexing="ij")[2:]
    conditions = {name: values.ravel() for name, values in zip(basis.conditions, more, strict=True)}
    old, new = (b.log_reference(z, mt2, conditions.get(KIND, 0)) for b in (breaks.basis, basis))
    table = breaks(z, mt2, **conditions)[0] + old - new
    change = breaks.basis.factor_values(breaks.theta) - reference_values(basis.factors, basis.params)
    return BreakWeights(basis, np.append(basis.project(np.clip(table, -20.0, 20.0)), change))
