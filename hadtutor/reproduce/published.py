"""The networks of iHOMER as published :cite:p:`butter2025iterative`, for the events of our own fit.

Step one is a Bayesian network 13–32–32–1, step two the regression of mean and variance with targets drawn from it, and
there are five iterations. Both are trained until the loss is flat, which takes less epochs of more events.
"""

import time
from typing import Any

import numpy as np

from .. import homer
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..homer.checks import check_simulation
from .closure import BOOTSTRAPS, Fitted, Z, matrix, values

ITERATIONS = 5
EPOCHS = {"classifier": 60, "regression": 20}  # of 10⁵ events


def as_published(
    sim: Sample, data: Hadrons, *, threads: int, rng: int, progress: bool, fits: bool, **others: Any
) -> Fitted:
    """All iterations, whether or not their classifier would have stopped; then one more look of it."""
    start = time.monotonic()
    x, y = (matrix(hadrons, threads) for hadrons in (sim.hadrons, data))
    chains, features = homer.prepare(sim), homer.break_features(check_simulation(sim)[0])
    more = max(1.0, len(sim) / 1e5)
    classifier = round(EPOCHS["classifier"] / np.sqrt(more))
    regression = max(3, round(EPOCHS["regression"] / more**0.7))
    log_w, looks, learned, seconds = np.zeros(len(sim)), [], [], []
    for number in range(ITERATIONS + 1):
        look = homer.step_one(x, y, log_w, bayesian=True, epochs=classifier, rng=rng + number, progress=progress)
        looks.append((look.auc, look.auc_error))
        if number < ITERATIONS:
            wanted = log_w + look.draws
            breaks, sigma = homer.regress(
                chains, features, wanted, epochs=regression, rng=rng + number, progress=progress
            )
            log_w, _ = homer.step_three(chains, breaks)
            learned.append(breaks)
            seconds.append(time.monotonic() - start)
    stages = {"as published, 1 iteration": learned[0], "as published, last iteration": breaks}

    def sigma_of_f(mt2):
        """As if breaks of one z went wrong together."""
        of_quarters = [breaks.f(Z, m[:, None]) for m in mt2]
        return np.array([error.mean(axis=0) / f.mean(axis=0) for f, error in of_quarters])

    found = {}
    if fits:  # of the function with the errors that the network claims at the nodes
        reached = chains.basis.reference > 0
        jacobian = chains.basis.matrix[reached] / breaks.sigma_table[reached, None]
        measured = homer.Measurement(jacobian @ breaks.theta, jacobian)
        result = homer.HomerResult(breaks, log_w, sigma, [], "", np.empty((0, chains.basis.size)), measured)
        found["mixture"] = values(homer.fit_mixture(result, bootstraps=BOOTSTRAPS, rng=rng, progress=progress))
    aucs, errors = zip(*looks, strict=True)
    return Fitted(
        stages, dict(zip(stages, (seconds[0], seconds[-1]), strict=True)), sim, log_w, sigma, sigma_of_f, found,
        list(aucs), list(errors),
    )  # fmt: skip
