"""The trials of accept-reject, recorded: weights as published."""

import math
from typing import NamedTuple

import numpy as np

from .._support.checks import as_generator, number, takes_rng
from ..events.histories import Histories
from ..events.sample import Sample
from ..lund.function import LARGEST_Z32
from ..lund.recorded import log_f_recorded, log_top
from ..params import LundParams
from .allowed import case_of

SMALLEST_Z = np.float32(2.0**-32)  # of what is recorded


class Trials(NamedTuple):
    """Trials of z that were rejected on the way to each break: break j has ``offsets[j]:offsets[j + 1]``.

    `z` is between 0 and 1; `over_sampling` the height of the flat overestimate above the maximum of f (Pythia's
    ``zHead``), `base` the parameters of the generator whose trials they are.
    """

    offsets: np.ndarray  # int64, shape (breaks + 1,)
    z: np.ndarray  # float32, shape (trials,)
    over_sampling: float
    base: LundParams


@takes_rng
def record_trials(
    sample: Sample | Histories, *, rng: np.random.Generator | int, base: LundParams | None = None,
    over_sampling: float = 2.0,
) -> Trials:  # fmt: skip
    r"""Draw every z by accept–reject under a flat overestimate, and keep what was rejected.

    A trial z is accepted with probability :math:`f(z) / (h \max f)`, h being `over_sampling`; the trials before the
    accepted one say nothing about it. So the accepted z of the histories, however they were drawn, take the place of
    those accepted here: trials and breaks then have the law of a generator that had drawn them together.

    Parameters
    ----------
    sample : Sample or Histories
        String events; bare histories want `base`.
    rng : numpy.random.Generator or int
    base : LundParams, optional
        With which histories were made; a sample knows it.
    over_sampling : float
        At least 1. At 1 a trial near the maximum is hardly ever rejected, with a weight that has no bound if the target
        has its maximum elsewhere: weights of accept–reject then have an infinite variance.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind; if there are no histories, or those of all flavours, or they hold numbers
        that are not finite; if `over_sampling` is below 1 or not finite.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=1)
    >>> len(record_trials(sample, rng=2).offsets) == len(sample.histories.z) + 1
    True
    """
    histories, base, *_ = case_of(sample, base=base)
    if histories.all_flavours:
        raise ValueError("trials are recorded of pion strings alone; those of all flavours have marginal weights")
    rng, over_sampling = as_generator(rng), number(over_sampling, "over_sampling", 1.0)
    mt2 = histories.mt2.astype(float)
    top = log_top(mt2, base) + math.log(over_sampling)
    waiting = np.arange(len(mt2))
    rejected = [(waiting[:0], histories.z[:0])]
    while len(waiting):
        z = np.clip(rng.random(len(waiting)).astype(np.float32), SMALLEST_Z, LARGEST_Z32)
        failed = rng.random(len(waiting)) >= np.exp(log_f_recorded(z.astype(float), mt2[waiting], base) - top[waiting])
        waiting = waiting[failed]
        rejected.append((waiting, z[failed]))
    of_break, z = (np.concatenate(column) for column in zip(*rejected, strict=True))
    offsets = np.append(0, np.cumsum(np.bincount(of_break, minlength=len(mt2))))
    return Trials(offsets, z[np.argsort(of_break, kind="stable")], over_sampling, base)


def check_trials(trials: Trials, histories: Histories, base: LundParams) -> None:
    """Refuse what are no trials, or those of other breaks or parameters."""
    if not isinstance(trials, Trials):
        raise TypeError(f"trials must be those of record_trials, got {type(trials).__name__}")
    if len(trials.offsets) != len(histories.z) + 1:
        raise ValueError(
            f"the trials belong to {len(trials.offsets) - 1} breaks, the histories have {len(histories.z)}; "
            "record them for these histories"
        )
    if trials.base != base:
        raise ValueError(f"the trials were recorded at {trials.base}, the breaks made at {base}; record them there")


def log_w_of_trials(histories: Histories, base: LundParams, target: LundParams, trials: Trials) -> np.ndarray:
    """Logarithm of the factor of the rejected trials of each break."""
    check_trials(trials, histories, base)
    of_break = np.repeat(np.arange(len(histories.z)), np.diff(trials.offsets))
    mt2, z = histories.mt2.astype(float), trials.z.astype(float)
    log_w = np.zeros(len(z))
    for params, sign in ((target, 1.0), (base, -1.0)):
        g = np.exp(log_f_recorded(z, mt2[of_break], params) - log_top(mt2, params)[of_break])
        # At its maximum g equals h = 1; the base rejects there never, but z is rounded.
        log_w += sign * np.log(np.maximum(trials.over_sampling - g, 1e-12))
    return np.bincount(of_break, log_w, minlength=len(mt2))
