"""The fit: minimise, make a new base where the weights get too uneven, and go on."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .. import cluster, strings
from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import as_generator, number, takes_rng, whole
from ..events.sample import Sample
from ..params import ClusterParams, LundParams
from ..weights.allowed import as_samples
from ..weights.tensor import weights_for
from .columns import check_same_strings
from .losses import named
from .objective import FIVE, FitError, Objective, log_n_eff
from .result import FitResult, Step

CLOSE = 0.8  # part of the base that must count at the minimum, else fluctuations of its weights bend the fit


@takes_rng
def fit(
    sim: Sample | Sequence[Sample], data: Sample | Mapping[str, ArrayLike], *,
    names: str | Sequence[str] | None = None,
    observables: str | Callable | Sequence[str | Callable] = FIVE, loss: str = "chi2",
    start: LundParams | ClusterParams | None = None, edges: Mapping[str, ArrayLike] | None = None,
    n_bins: int | None = None, device: torch.device | str = "cpu", rng: np.random.Generator | int | None = None,
    floor: float = 0.3, max_bases: int = 30, threads: int = 1, progress: bool = True,
) -> FitResult:  # fmt: skip
    """Fit parameters of strings or clusters to a target by weighting a base sample.

    Parameters
    ----------
    sim : Sample or sequence of Sample
        The base, with histories.
    data, names, observables, loss, edges, n_bins, device
        As for `Objective`; `data` is the target.
    start : LundParams or ClusterParams, optional
        Where to start; by default the parameters of the (first) sample.
    rng : numpy.random.Generator or int, optional
        For new bases. Without it a fit that needs one to go on ends with an error.
    floor : float
        Between 0 and 1. A base is used where its effective number of events is at least this part of it; from the
        border of that region a new one is generated at the point reached, with as many events. One more is generated at
        the minimum if the base is not worth 80 % of its events there: uneven weights pull a fit to their base.
    max_bases, threads : int
        New bases at most, and threads to generate them with.
    progress : bool

    Raises
    ------
    TypeError, ValueError, FitError
        As `Objective`; `FitError` if a new base is needed and there is no `rng`, more than `max_bases` are, or a loss
        is not finite. A base worth less than 80 % of its events at the minimum is a `RuntimeWarning` where there is no
        `rng`.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(5000, ht.LundParams(a=0.7), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(5000, ht.LundParams(a=0.6), rng=np.random.default_rng(2))
    >>> result = fit(base, target, names=("a",))
    >>> bool(abs(result.values[0] - 0.6) < 4 * result.errors[0])
    True
    """
    if not 0.0 < number(floor, "floor") < 1.0:
        raise ValueError(f"floor must be between 0 and 1, got {floor!r}")
    max_bases = whole(max_bases, "max_bases", 0)
    samples, rng = as_samples(sim, "sim"), None if rng is None else as_generator(rng)
    check_same_strings(samples, data)
    first: Any = samples[0].params if start is None else start
    options: dict[str, Any] = {
        "names": names, "observables": observables, "loss": loss, "edges": edges, "n_bins": n_bins, "device": device
    }  # fmt: skip
    if named(loss).of_base:
        with torch.no_grad():
            log_w = weights_for(samples[0])(samples, first)()
        if float(torch.exp(log_n_eff(log_w))) < floor * len(log_w):
            samples = _new_base(samples, first, floor, rng, threads)
    objective, said = _quietly(Objective, samples, data, start=first, **options)
    values, log, refined, bases = objective.values_of(first), [], 0, 0
    with Progress(max_bases, "base", progress) as bar:
        while True:
            before = values
            values, value = objective.minimise(values, floor)
            n_eff = objective.n_eff(values)
            log.append(Step(objective.weights.base, values, value, n_eff))
            worth, params = n_eff / objective.sizes[0], objective.params_of(values)
            at_border = worth < 1.05 * floor
            if not at_border and objective.loss.at_start and refined < 3 and not _is_near(objective, before, values):
                refined += 1  # once more, with the covariance of the point reached
            elif at_border or (worth < CLOSE and rng is not None):
                bases += 1
                if bases > max_bases:
                    raise FitError(f"no minimum with {max_bases} new bases; the last is {samples[0]!r}")
                samples = _new_base(samples, params, floor, rng, threads)
                bar.update(1)
            else:
                break
            objective, said = _quietly(Objective, samples, data, start=params, **options)
    if worth < CLOSE:
        said.append(
            f"at the minimum the base is worth {worth:.2f} of its events: the values lean towards it more than their "
            "errors may say; pass rng, so that a new one is generated there"
        )
    for message in said:
        warn(message)
    hessian, sandwich = objective.covariances(values)
    if not objective.loss.smooth:
        said.append(f"{loss} has no second derivatives to take errors from; take those of bootstrap")
    is_chi2 = objective.loss.calibrated and objective.loss.binned
    return FitResult(
        objective.names, values, sandwich, chi2=value if is_chi2 else np.nan, ndf=objective.ndf, n_eff=n_eff,
        message="; ".join(said), params=params, loss=value, covariance_hessian=hessian, log=log, objective=objective,
    )  # fmt: skip


def _quietly(make, *arguments, **options):
    """What is made, and its warnings: that a base has no overlap with the target counts for the last one only."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make(*arguments, **options)
    return made, [str(warning.message) for warning in caught]


def _new_base(samples, params, floor, rng, threads):
    """As many events of the same strings at other parameters."""
    if rng is None:
        base = samples[0].params._asdict()
        moved = ", ".join(f"{name}={value:.3g}" for name, value in params._asdict().items() if value != base[name])
        raise FitError(
            f"at {moved} the base is worth less than {floor:g} of its events; pass rng, so that a new one can be "
            "generated there, or a sample nearer by"
        )
    if isinstance(params, ClusterParams):
        return [cluster.hadronize_like(s, len(s), params, rng=rng, threads=threads) for s in samples]
    return [strings.hadronize_like(samples[0], sum(map(len, samples)), params, rng=rng, threads=threads)]


def _is_near(objective, before, after):
    """Whether a step is below a tenth of the error: the covariance of the start then is good enough."""
    step = after - before
    return 0.5 * step @ objective.hessian(after) @ step < 0.01
