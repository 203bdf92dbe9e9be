"""The fit: minimise, make a new base where the weights get too uneven, and go on."""

import warnings

import numpy as np
import torch

from .. import strings
from .._support.bars import Progress
from .._support.checks import as_generator
from ..events.sample import Sample
from ..weights.tensor import LundWeights
from .objective import FIVE, FitError, Objective, _log_n_eff
from .result import FitResult, Step

CLOSE = 0.8  # part of the base that must count at the minimum, else fluctuations of its weights bend the fit


def fit(
    sample,
    target,
    observables=FIVE,
    loss="chi2",
    init=None,
    names=("a", "b"),
    *,
    rng=None,
    floor=0.3,
    max_bases=30,
    edges=None,
    n_bins=None,
    threads=1,
    device="cpu",
    progress=True,
):
    """Fit string parameters to a target by weighting a base sample.

    Parameters
    ----------
    sample : Sample or sequence of Sample
        The base, with histories.
    target, observables, loss, names, edges, n_bins, device
        As for `Objective`.
    init : LundParams, optional
        Where to start; by default the parameters of the (first) sample.
    rng : numpy.random.Generator, optional
        For new bases. Without it a fit that needs one to go on ends with an error.
    floor : float
        Between 0 and 1. A base is used where its effective number of events is at least this part of it; from the
        border of that region a new one is generated at the point reached, with as many events. One more is generated
        at the minimum if the base is not worth 80 % of its events there: uneven weights pull a fit to their base.
    max_bases : int
        New bases at most.
    threads : int
        To generate them with.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    FitResult

    Warns
    -----
    RuntimeWarning
        If the base is worth less than 80 % of its events at the minimum, and there is no `rng`.

    Raises
    ------
    TypeError, ValueError
        As `Objective`.
    FitError
        If a new base is needed and there is no `rng`, more than `max_bases` are, or a loss is not finite.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(5000, ht.LundParams(a=0.7), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(5000, ht.LundParams(a=0.6), rng=np.random.default_rng(2))
    >>> result = fit(base, target, names=("a",))
    >>> bool(abs(result.values[0] - 0.6) < 4 * result.errors[0])
    True
    """
    samples = [sample] if isinstance(sample, Sample) else list(sample)
    if not 0.0 < floor < 1.0:
        raise ValueError(f"floor must be between 0 and 1, got {floor!r}")
    if rng is not None:
        rng = as_generator(rng)
    caught = []
    options = {"edges": edges, "n_bins": n_bins, "device": device}

    def prepared(samples, start):
        # A base without overlap with the target is what new bases are for: only the last one's warnings count.
        nonlocal caught
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return Objective(samples, target, observables, loss, names, start, **options)

    def new_base(params):
        if rng is None:
            raise FitError(
                f"at a={params.a:.3g}, b={params.b:.3g}, sigma_pt={params.sigma_pt:.3g} the base is worth less than "
                f"{floor:g} of its events; pass rng, so that a new one can be generated there, or a sample nearer by"
            )
        first, size = samples[0], sum(len(s) for s in samples)
        return [strings.hadronize_strings(size, params, first.energy, rng, first.quark, threads, progress=False)]

    log = []
    with Progress(max_bases, "base", progress) as bar:
        start = samples[0].params if init is None else init
        if loss != "nll" and _too_far(LundWeights(samples, start), floor):
            samples = new_base(start)
        objective = prepared(samples, start)
        values = objective.values_of(start)
        refined = bases = 0
        while True:
            before = values
            values, value = objective.minimise(values, floor)
            n_eff = objective.n_eff(values)
            log.append(Step(objective.weights.base, values, value, n_eff))
            worth = n_eff / objective.sizes[0]
            at_border = worth < 1.05 * floor
            if not at_border and loss == "chi2" and refined < 3 and not _is_near(objective, before, values):
                refined += 1  # once more, with the covariance of the point reached
            elif at_border or (worth < CLOSE and rng is not None):
                bases += 1
                if bases > max_bases:
                    raise FitError(f"no minimum with {max_bases} new bases; the last is {samples[0]!r}")
                samples = new_base(objective.params_of(values))
                bar.update(1)
            else:
                break
            objective = prepared(samples, objective.params_of(values))
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=2)
    if worth < CLOSE:
        warnings.warn(
            f"at the minimum the base is worth {worth:.2f} of its events: the values lean towards it more than their "
            "errors may say; pass rng, so that a new one is generated there",
            RuntimeWarning,
            stacklevel=2,
        )
    if loss == "wasserstein":
        hessian = sandwich = np.full((len(values), len(values)), np.nan)
    else:
        hessian, sandwich = objective.covariances(values)
    params = objective.params_of(values)
    return FitResult(
        objective.names, values, params, value, objective.ndf, sandwich, hessian, n_eff, log, objective
    )  # fmt: skip


def _too_far(weights, floor):
    with torch.no_grad():
        log_w = weights()
    return float(torch.exp(_log_n_eff(log_w))) < floor * len(log_w)


def _is_near(objective, before, after):
    """Whether a step is below a tenth of the error: the covariance of the start then is good enough."""
    step = after - before
    return 0.5 * step @ objective.hessian(after) @ step < 0.01
