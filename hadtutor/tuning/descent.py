"""The fit: Gauss and Newton's steps on the χ², and a new sample where few weighted events are left."""

from collections.abc import Callable, Iterable

import numpy as np

from .._support.bars import Progress
from .._support.cautions import warn
from .._support.checks import number, whole
from ..events.sample import Sample
from ..metrics.figures import as_figures
from ..metrics.weighted import n_eff
from .models import Params, SomeFigures, model_of
from .objective import Objective, Prior, TuneError
from .result import Base, Tune

CLOSE = 0.8  # part of the events that must count at the minimum, else a new sample is made there
NOISY = 0.25  # part of the curvature that is noise, from which on a minimum may depend on its sample

Rebase = Callable[[Params, int], Sample]


def fit(
    sample: Sample, figures: SomeFigures, names: str | Iterable[str] | None = None, *, theory_error: float = 0.0,
    prior: float | None = None, start: Params | None = None, rebase: bool | Rebase = False, all_chains: bool = False,
    floor: float = 0.4, max_bases: int = 8, seed: int = 1, processes: int = 1, progress: bool = True,
) -> Tune:  # fmt: skip
    r"""Fit parameters of strings or clusters to published figures, by weights of events.

    Parameters
    ----------
    sample : Sample
        Events with their histories: of strings after decays, as `hadtutor.pythia.hadronize` makes them of showers; of
        clusters before, as `hadtutor.hadronize_clusters` does. Weights need what clusters decayed to, and Pythia's
        decays of that, which `fit` has made for the figures, do not change them.
    figures : sequence of str or LepFigure
        Names as of `hadtutor.datasets.lep_names`, or figures with values of one's own. With clusters they may count
        hadrons that decay, such as ρ⁰, beside others.
    names : sequence of str, optional
        Which parameters are free; the others stay as in the sample. Of strings ``a``, ``b``, ``sigma_pt``, which are
        free by default, ``a_extra_diquark``, ``r_c``, ``r_b``, and those of flavours; ``mean_z`` in place of ``b`` is
        ⟨z⟩ of light hadrons at :math:`m_\rho^2 + 2\sigma^2`, which hangs less together with a. Of clusters all but
        masses: by default ``pwt_s``, ``pwt_diquark``, ``vector_wt``; ``cl_max`` and ``cl_pow`` if ``cl_soft`` of the
        sample is above zero, and smearing of a kind if there is some.
    theory_error : float
        What a simulation is allowed to be wrong, as a part of each value.
    prior : float, optional
        Width of a Gaussian about the values of the sample, in the logarithm of each: .5 keeps what the figures do not
        fix from running away. By default nothing is known before. It is no part of `Tune.chi2`.
    start : LundParams or ClusterParams, optional
        Where to begin; by default with the sample.
    rebase : bool or callable
        Whether to make new events of the same showers, by real Pythia or by `hadtutor.cluster.hadronize_like`, where
        less than four fifths of the events are left; or a function of parameters and a seed that returns such a sample.
    all_chains : bool
        Whether rejected chains of strings have weights of their own, see `hadtutor.weights.event_weights`.
    floor : float
        A fit stops where less than this part of the events is left, and goes on from there if it may `rebase`.
    max_bases, seed, processes : int
        New samples at most, the seed of the first, and how many copies of Pythia make them, or threads clusters.
    progress : bool

    Raises
    ------
    TypeError, ValueError, TuneError
        As `Figures`, and `EventRows` or `ClusterRows`; if a name is unknown, or `start` is of another model; if a value
        is zero that should have a prior; if the sample does not reach the minimum.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:1000]
    >>> sample = ht.pythia.hadronize(showers, histories=True)
    >>> tune = fit(sample, ["nch", "xp"], names="sigma_pt", progress=False)
    >>> tune.names, bool(0.2 < tune.params.sigma_pt < 0.5)
    (('sigma_pt',), True)
    >>> sample = ht.hadronize_clusters(showers, rng=1)
    >>> tune = fit(sample, "mean_p", names="pwt_diquark", rebase=True, progress=False)
    >>> bool(tune.params.pwt_diquark > 0.5)  # the published value, for other showers, gives too few protons here
    True
    """
    if not isinstance(sample, Sample):
        raise TypeError(f"sample must be a Sample with histories, got {type(sample).__name__}; see pythia.hadronize")
    model, figures = model_of(sample.params), as_figures(figures)
    names = model.usual if names is None else (names,) if isinstance(names, str) else tuple(names)
    _check_names(names, model.known)
    if not isinstance(start, (model.params, type(None))):
        raise TypeError(f"start must be {model.params.__name__} for this sample, got {type(start).__name__}")
    floor, max_bases, seed = number(floor, "floor", 0.0, 1.0), whole(max_bases, "max_bases", 0), whole(seed, "seed")
    before = None if prior is None else _prior_of(number(prior, "prior", 0.0, above=True), sample, names)
    make = _generator_of(rebase, sample, processes, progress)
    bases: list[Base] = []
    with Progress(max_bases, "sample", progress) as bar:

        def begin(sample: Sample, seed: int) -> Objective:
            return Objective(sample, figures, names, theory_error, all_chains, floor, before, seed, progress)

        def begin_anew(at: np.ndarray) -> Objective:
            if make is None or len(bases) > max_bases:
                chi2 = objective.figures.total_chi2(np.zeros(len(objective.sample)))
                raise TuneError(
                    f"no minimum with {max_bases} new samples; the last, at "
                    f"{objective.describe(objective.values_of(objective.base))}, has a χ² of {chi2:.4g} for "
                    f"{len(objective.figures.data)} bins: where that is large the model does not fit, and values move "
                    "from sample to sample; take fewer parameters or figures, more events, a prior, or more max_bases"
                )
            its_seed = seed + len(bases) - 1
            made = begin(make(objective.params_of(at), its_seed), its_seed)
            bar.update()
            return made

        objective = begin(sample, seed)
        at = objective.values_of(objective.base if start is None else start)
        if objective.share(at) < floor:
            if make is None:
                raise TuneError(
                    f"the sample does not reach {start}; begin nearer to {objective.base}, or let fit rebase"
                )
            bases.append(Base(objective.base, objective.share(at)))
            objective = begin_anew(at)
            at = objective.values_of(objective.base)
        while True:
            found = objective.minimise(at)
            share = objective.share(found.values)
            bases.append(Base(objective.base, share))
            if make is None or (share > CLOSE and not found.beyond):
                break
            objective = begin_anew(found.values)
            at = objective.values_of(objective.base)
    if found.beyond:
        raise TuneError(
            f"at {objective.describe(found.values)} the sample is worth {share:.2f} of its events, and the minimum "
            "lies beyond; pass rebase=True, or a sample nearer by"
        )
    return _tune_of(objective, found, bases)


def _tune_of(objective, found, bases):
    log_w = objective.log_w(found.values)
    said = [
        f"{name} is at its limit, where its error means little"
        for name, value, low, high in zip(objective.names, found.values, *objective.limits, strict=True)
        if value in (low, high)
    ]
    if bases[-1].share < CLOSE:
        few = f"the sample is worth {bases[-1].share:.2f} of its events at the minimum"
        said.append(f"{few}; rebase=True makes a new one there")
        warn(said[-1])
    noise = 1.0 - 1.0 / np.linalg.eigvals(np.linalg.solve(found.inverse, found.covariance)).real.max()
    if noise > NOISY:
        said.append(f"noise of {len(objective.sample)} events is {noise:.0%} of what slopes show: take more of them")
    return Tune(
        objective.names, found.values, found.covariance, chi2=objective.figures.total_chi2(log_w),
        ndf=len(objective.figures.data) - len(objective.names), n_eff=n_eff(log_w), message="; ".join(said),
        params=objective.params_of(found.values), chi2_of=objective.figures.chi2(log_w), bases=bases,
        sample=objective.sample, hadrons=objective.hadrons, log_w=log_w, objective=objective, minimum=found,
    )  # fmt: skip


def _check_names(names, known):
    if not names or set(names) - set(known) or len(set(names)) < len(names):
        raise ValueError(f"names must be of {', '.join(sorted(known))}, each once, got {', '.join(map(str, names))}")
    if {"b", "mean_z"} <= set(names):
        raise ValueError("b and mean_z are the same freedom: leave one out")


def _prior_of(width, sample, names):
    centre = np.array([model_of(sample.params).value(sample.params, name) for name in names])
    if (centre <= 0.0).any():
        raise ValueError(f"{names[np.argmin(centre)]} is 0 in the sample, which has no logarithm for a prior")
    return Prior(centre, width)


def _generator_of(rebase, sample, processes, progress):
    """What makes events of the same showers at other parameters, or None."""
    if callable(rebase):
        return rebase
    if not isinstance(rebase, bool):
        raise TypeError(f"rebase must be True, False or a function of parameters and a seed, got {rebase!r}")
    if not rebase:
        return None
    if sample.partons is None:
        raise ValueError("the sample does not know its partons: give rebase a function that makes new events")
    return lambda params, seed: model_of(params).like(sample, params, seed, processes, progress)
