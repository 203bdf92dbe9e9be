"""Weights of cluster events: which targets have one, and the ratio of densities of all that was drawn."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from ..cluster.densities import OF_DECAYS, WEIGHTED, draws_of, log_density
from ..cluster.heavy import laws_in
from ..events.clusters import Clusters
from ..events.sample import Sample
from ..params import ClusterParams

MASSES = tuple(name for name in ClusterParams._fields if name not in WEIGHTED)
OF_FISSION = tuple(name for name in WEIGHTED if name.startswith(("cl_max", "cl_pow", "cl_soft")))
USUAL = "pwt_s", "pwt_diquark", "vector_wt"
"""What a fit varies if nothing is said: weights that every sample has drawn with."""
OF_MASSES = ("pwt_s", *(name for name in WEIGHTED if name.startswith("p_split")))
"""Parameters in the density of flavour and masses of the parts of a cluster that breaks."""
OF_SMEARING = tuple(name for name in WEIGHTED if name.startswith("cl_smr"))


def values_of(params: ClusterParams) -> dict[str, float]:
    """All parameters that have a density, by name."""
    return {name: getattr(params, name) for name in WEIGHTED}


def check_cluster_target(sample: Sample, target: Any) -> None:
    """Refuse a target that has what a `sample` of clusters can never have, with what to do."""
    base = sample.params
    if not isinstance(base, ClusterParams) or not isinstance(sample.histories, (Clusters, type(None))):
        raise TypeError("target is ClusterParams, but the sample is one of strings; give LundParams")
    if not isinstance(target, ClusterParams):
        raise TypeError(f"target must be ClusterParams, got {type(target).__name__}; write ClusterParams(pwt_s=0.3)")
    if len(sample) == 0:
        raise ValueError("weights need at least one event, got none")
    if base.mass_s < base.mass_ud:
        raise ValueError(f"weights want s quarks no lighter than u and d, got {base.mass_s:g} and {base.mass_ud:g} GeV")
    changed = [name for name in ClusterParams._fields if getattr(base, name) != getattr(target, name)]
    among = lambda names: [name for name in changed if name in names]
    if masses := among(MASSES):
        raise ValueError(
            f"the target differs in {', '.join(masses)}, which moves all momenta; no weight can change that, generate "
            "a sample with it"
        )
    if base.cl_soft == 0.0 and (sharp := among(OF_FISSION)):
        raise ValueError(
            f"the target differs in {', '.join(sharp)}, but the threshold of fission in the sample is sharp: on its "
            "other side there is no cluster to be weighted; make the sample with a soft one, such as cl_soft=0.15"
        )
    other_directions, other_parts = laws_in(sample.law)
    if other_parts and (fixed := among(OF_MASSES)):
        raise ValueError(
            f"this sample was made with decays by {sample.law}, whose masses know nothing of {', '.join(fixed)}"
        )
    for name in among(OF_SMEARING):
        if other_directions:
            raise ValueError(f"directions of this sample were drawn by {sample.law}, which knows nothing of {name}")
        if 0.0 in (getattr(base, name), getattr(target, name)):
            raise ValueError(
                f"{name} changes from {getattr(base, name):g} to {getattr(target, name):g}: without smearing all "
                "angles are zero, and with it none is; generate a sample with the other"
            )
    for name in among(OF_DECAYS):
        if getattr(base, name) == 0.0:
            raise ValueError(
                f"the target is outside the support: the sample has none of what {name} gives a weight, since it is "
                "0 there; generate a sample with some"
            )


def refuse_fixed(sample: Sample, names: Iterable[str]) -> None:
    """Refuse `names` of parameters that nothing in a `sample` was drawn with, for the reasons of a target."""
    base = cast(ClusterParams, sample.params)
    for name in names:
        value = getattr(base, name)
        check_cluster_target(sample, base.replace(**{name: 0.9 * value if value else 0.1}))


class ClusterRows:
    """The draws of a sample of clusters, ready to be weighted many times; used like `EventRows`.

    Their density is no scalar product with functions of the parameters. So the vector is ln of the density itself, one
    number for each event, and nothing is left to multiply it with.

    Parameters
    ----------
    sample : Sample
        N events as `hadronize_clusters` makes them, before decays, with histories.
    names : sequence of str
        Which parameters will differ from those of the sample.

    Raises
    ------
    TypeError, ValueError
        As `event_weights`; also if a name is unknown, or of something that was not drawn, such as a sharp threshold.
    """

    def __init__(self, sample: Sample, names: Iterable[str] = ()) -> None:
        self.sample, self.base, self.names = sample, cast(ClusterParams, sample.params), tuple(names)
        if unknown := set(self.names) - set(WEIGHTED):
            raise ValueError(f"names must be of {', '.join(WEIGHTED)}, got {', '.join(sorted(unknown))}")
        check_cluster_target(sample, self.base)
        refuse_fixed(sample, self.names)
        self.draws = draws_of(sample)
        self.at_base = self.vector(self.base)

    def vector(self, params: ClusterParams) -> np.ndarray:
        """ln of the density of each event at `params`, (N,), but for a number; ValueError where there is none."""
        check_cluster_target(self.sample, params)
        with np.errstate(divide="ignore", over="ignore"):  # a sharp threshold makes events impossible
            return log_density(self.draws, values_of(params))

    def log_w(self, params: ClusterParams) -> np.ndarray:
        """Log weights of the events at `params`, (N,); see `event_weights`."""
        return self.vector(params) - self.at_base

    def log_w_and_slopes(self, params: ClusterParams, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log weights, (N,), and their derivatives, (N, P), which are the `change` of `vector`."""
        return self.log_w(params), change
