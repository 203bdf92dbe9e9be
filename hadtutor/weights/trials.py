"""The trials of accept-reject, recorded: weights as published."""

import math
from typing import NamedTuple

import numpy as np

from .. import lund
from .._support.checks import as_generator
from .allowed import _checked

SMALLEST_Z, LARGEST_Z = np.float32(2.0**-32), np.float32(1.0 - 2.0**-24)  # of what is recorded


class Trials(NamedTuple):
    """Trials of z that were rejected on the way to each break.

    Attributes
    ----------
    offsets : ndarray of int64, shape (breaks + 1,)
        Break j has the trials ``offsets[j]:offsets[j + 1]``.
    z : ndarray of float32, shape (trials,)
        Strictly between 0 and 1.
    over_sampling : float
        Height of the flat overestimate above the maximum of f (Pythia's ``zHead``).
    """

    offsets: np.ndarray
    z: np.ndarray
    over_sampling: float


def record_trials(histories, params, rng, over_sampling=2.0):
    r"""Draw every z by accept–reject under a flat overestimate, and keep what was rejected.

    A trial z is accepted with probability :math:`f(z) / (h \max f)`, h being `over_sampling`; the trials before the
    accepted one say nothing about it. So the accepted z of the histories, however they were drawn, take the place of
    those accepted here: trials and breaks then have the law of a generator that had drawn them together. The same
    histories can have trials of several overestimates, and those of real Pythia can have some too.

    Parameters
    ----------
    histories : Histories
    params : LundParams
        With which the breaks were made.
    rng : numpy.random.Generator
    over_sampling : float
        At least 1. At 1 a trial near the maximum is hardly ever rejected, with a weight that has no bound if the target
        has its maximum elsewhere: weights of accept–reject then have an infinite variance.

    Returns
    -------
    Trials

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `over_sampling` is below 1 or not finite.

    Examples
    --------
    >>> import hadtutor as ht
    >>> sample = ht.hadronize_strings(100, rng=np.random.default_rng(1))
    >>> trials = record_trials(sample.histories, sample.params, np.random.default_rng(2))
    >>> len(trials.offsets) == len(sample.histories.z) + 1
    True
    """
    params, _ = _checked(histories, params, params)
    rng = as_generator(rng)
    over_sampling = float(over_sampling)
    if not (math.isfinite(over_sampling) and over_sampling >= 1.0):
        raise ValueError(f"over_sampling must be at least 1, else f is above its overestimate, got {over_sampling:g}")
    mt2 = histories.mt2.astype(float)
    log_top = _log_top(mt2, params) + math.log(over_sampling)
    waiting = np.arange(len(mt2))
    rejected = [(waiting[:0], histories.z[:0])]
    while len(waiting):
        z = np.clip(rng.random(len(waiting)).astype(np.float32), SMALLEST_Z, LARGEST_Z)
        failed = rng.random(len(waiting)) >= np.exp(_log_f(z.astype(float), mt2[waiting], params) - log_top[waiting])
        waiting = waiting[failed]
        rejected.append((waiting, z[failed]))
    of_break, z = (np.concatenate(column) for column in zip(*rejected, strict=True))
    offsets = np.append(0, np.cumsum(np.bincount(of_break, minlength=len(mt2))))
    return Trials(offsets, z[np.argsort(of_break, kind="stable")], over_sampling)


def _log_f(z, mt2, params):
    """`lund.log_f` without the part that no parameter changes, finite at the z = 1 that rounding can reach."""
    return params.a * np.log(np.maximum(1.0 - z, 1.0 - float(LARGEST_Z))) - np.log(z) - params.b * mt2 / z


def _log_top(mt2, params):
    """Logarithm of the maximum of f."""
    return _log_f(np.minimum(lund.z_peak(mt2, params), float(LARGEST_Z)), mt2, params)


def _of_trials(histories, base, target, trials):
    """Logarithm of the factor of the rejected trials of each break."""
    if not isinstance(trials, Trials):
        raise TypeError(f"trials must be those of record_trials, got {type(trials).__name__}")
    if len(trials.offsets) != len(histories.z) + 1:
        raise ValueError(
            f"the trials belong to {len(trials.offsets) - 1} breaks, the histories have {len(histories.z)}; "
            "record them for these histories"
        )
    of_break = np.repeat(np.arange(len(histories.z)), np.diff(trials.offsets))
    mt2, z = histories.mt2.astype(float), trials.z.astype(float)
    log_w = np.zeros(len(z))
    for params, sign in ((target, 1.0), (base, -1.0)):
        g = np.exp(_log_f(z, mt2[of_break], params) - _log_top(mt2, params)[of_break])
        # At its maximum g equals h = 1; the base rejects there never, but z is rounded.
        log_w += sign * np.log(np.maximum(trials.over_sampling - g, 1e-12))
    return np.bincount(of_break, log_w, minlength=len(mt2))
