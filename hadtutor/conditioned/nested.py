r"""Exact weights of conditioned events: how far the h that was used is from one that is harmonic.

Breaks are proposed and taken with probability h of what they lead to, so that their law is K h(S')/Z(S), with
:math:`Z(S) = \int K(S \to S')\,h(S')\,\mathrm{d}S'`. If h is right, Z = h. If not, an event has the weight
:math:`\prod_i Z(S_i)/h(S_i)` over the states in which it was broken, and an unbiased estimate of each Z is enough: that
is the mean of h over new proposals.
"""

import numpy as np

from .._support.checks import Rng, as_generator, takes_rng, whole
from .._support.kernels import kernel
from .._support.parallel import in_threads, spawn
from ..events.sample import Sample
from ..particles import QUARKS
from ..strings.chain import CONSTITUENT_MASS
from ..strings.generate import CHUNK
from ..strings.laws import LUND
from ..strings.straight import ROWS_OF_ENDS, STRAIGHT
from .acceptance import Acceptance
from .generate import CONDITIONED_LAW, ahead, checked, value_of
from .states import columns_of, straight, take_recorded
from .steps import GOES_ON, break_string

NEAR, FEW = 9.0, 2  # GeV, and proposals where more than that is left: h hardly varies


@kernel
def _fill(rng, string, flavour, offsets, x, charged, from_positive, table, params, proposals, log_w):
    ends, before, flavours = np.zeros((ROWS_OF_ENDS, 2)), np.zeros((ROWS_OF_ENDS, 2)), np.zeros(2, np.int64)
    none, hadron_p = np.zeros((1, 6), np.float32), np.empty((4, 2))
    w_min = params.stop_mass + CONSTITUENT_MASS * (2.0 + params.stop_new_flavour)
    for c in range(len(log_w)):
        STRAIGHT.start(string, 0, 0, none, 0, ends, flavours)
        flavours[:] = flavour
        log_w[c] = 0.0
        for j in range(offsets[c], offsets[c + 1] + 1):
            h = value_of(GOES_ON, ends, string.energy, table)
            before[:] = ends
            n = proposals if STRAIGHT.left(string, ends)[1] < NEAR * NEAR else min(proposals, FEW)
            mean = 0.0
            for _ in range(n):
                step = break_string(rng, STRAIGHT, string, LUND, table.lund, params, w_min, ends, flavours, hadron_p, 0)
                mean += value_of(step[0], ends, string.energy, table) / n
                ends[:] = before
            log_w[c] += np.log(mean) - np.log(h)
            if j < offsets[c + 1]:
                take_recorded(string, j, x, charged, from_positive, ends, hadron_p)
                if charged[j]:
                    side = 0 if from_positive[j] else 1
                    flavours[side] = 3 - flavours[side]


@takes_rng
def log_weights(
    sample: Sample, acceptance: Acceptance, *, rng: Rng, proposals: int = 64, threads: int = 1
) -> np.ndarray:
    """Logarithm of the weight of each event that `hadronize` made; exact for any h and any number of proposals.

    The mean weight, times h of a string before any break, is the fraction of chains that would be accepted without a
    condition.

    Parameters
    ----------
    sample : Sample
        Made by `hadronize`.
    acceptance : Acceptance
        With which it was made.
    rng : numpy.random.Generator or int
        Not that of the events: the proposals must be others.
    proposals : int
        For each break: the more, the less do weights scatter. Time grows with it, some 5 microseconds per event each.
    threads : int

    Returns
    -------
    log_w : ndarray, shape (N,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the sample was made in another way.
    """
    if straight(sample).law != CONDITIONED_LAW:
        raise ValueError(f"these weights are for what conditioned.hadronize made, got {sample!r}")
    if checked(acceptance).params != sample.params:
        raise ValueError(f"the sample was made with {sample.params}, h is of {acceptance.params}")
    whole(proposals, "proposals")
    accepted = sample.histories.only_accepted()
    string, offsets, *columns = columns_of(sample.replace(histories=accepted))
    starts = np.arange(0, len(sample), CHUNK)
    rngs, log_w = spawn(as_generator(rng), len(starts)), np.empty(len(sample))

    def job(k):
        part = slice(starts[k], starts[k] + CHUNK)
        ends = offsets[starts[k] : starts[k] + CHUNK + 1]
        args = (ends, *columns, ahead(acceptance), sample.params, proposals, log_w[part])
        _fill(rngs[k], string, QUARKS[sample.quark], *args)

    with in_threads(job, len(starts), whole(threads, "threads")) as done:
        list(done)
    return log_w
