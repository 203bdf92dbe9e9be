"""What strings and clusters differ in: their parameters, the weights, and where events and decays come from."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq

from .. import cluster, pythia
from ..cluster.densities import WEIGHTED
from ..datasets.measurements import LepFigure
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..events.showers import Showers
from ..lund.all_flavours import mean_z
from ..metrics.figures import Figures, as_figures
from ..metrics.lep import lep_settings
from ..params import ClusterParams, LundParams
from ..weights.clusters import USUAL, ClusterRows
from ..weights.rows import FITTED, EventRows

Params = LundParams | ClusterParams
SMEARED = {"cl_smr_charm": 0.78, "cl_smr_bottom": 0.78, "cl_soft": 0.15}  # usual values of what is published as zero
SomeFigures = str | LepFigure | Iterable[str | LepFigure]


class StringModel:
    """Strings of real Pythia, whose samples hold the hadrons after decays."""

    params = LundParams
    usual: tuple[str, ...] = ("a", "b", "sigma_pt")
    known: tuple[str, ...] = (*FITTED, "mean_z")
    limits: Mapping[str, tuple[float, float]] = {
        **dict.fromkeys(known, (1e-3, 1.0)),  # probabilities
        "a": (0.0, 2.0), "b": (0.2, 2.0), "sigma_pt": (0.01, 1.0), "mean_z": (0.01, 0.99), "popcorn_rate": (1e-3, 2.0),
        **dict.fromkeys(("a_extra_diquark", "r_c", "r_b"), (0.0, 2.0)),
        **dict.fromkeys([name for name in FITTED if name.endswith("_vector")], (1e-3, 3.0)),
    }  # fmt: skip
    """What real Pythia takes."""

    def rows(self, sample: Sample, names: tuple[str, ...], all_chains: bool) -> EventRows:
        """The sample, ready to be weighted where parameters of these names differ."""
        depends_on_b = "mean_z" in names
        return EventRows(sample, [n for n in names if n != "mean_z"] + ["b"] * depends_on_b, all_chains)

    def value(self, params: LundParams, name: str) -> float:
        """Of the parameter `name`."""
        return mean_z(params) if name == "mean_z" else getattr(params, name)

    def moved(self, base: LundParams, new: dict[str, float]) -> LundParams:
        """`base` with `new` values by name; ValueError where no b has the wanted ``mean_z``."""
        wanted = new.pop("mean_z", None)
        params = base.replace(**new)
        if wanted is None:
            return params
        low, high = self.limits["b"]
        off = lambda b: mean_z(params.replace(b=b)) - wanted
        if off(low) > 0.0 or off(high) < 0.0:
            raise ValueError(f"no b between {low:g} and {high:g} has a mean z of {wanted:.3g} at a = {params.a:.3g}")
        return params.replace(b=float(brentq(off, low, high)))

    def measured(
        self, sample: Sample, figures: SomeFigures, theory_error: float, seed: int, progress: bool
    ) -> tuple[Figures, Hadrons]:
        """The figures of a sample, and its hadrons after decays."""
        return Figures(sample, figures, theory_error), sample.hadrons

    def like(self, sample: Sample, params: LundParams, seed: int, processes: int, progress: bool) -> Sample:
        """As many events of the same showers at `params`."""
        options: dict[str, Any] = {"seed": seed, "histories": True, "processes": processes, "progress": progress}
        return pythia.hadronize(cast(Showers, sample.partons), params, **options)

    def fresh(
        self, showers: Showers, params: LundParams, figures: SomeFigures, theory_error: float, seed: int,
        processes: int, progress: bool,
    ) -> Figures:  # fmt: skip
        """The figures of new events."""
        hadrons = pythia.hadronize(showers, params, seed=seed, processes=processes, progress=progress)
        return Figures(hadrons, figures, theory_error, energy=showers.energy)


class ClusterModel:
    """Clusters, whose samples hold the hadrons before decays, since weights need these; Pythia's decays come after."""

    params = ClusterParams
    usual: tuple[str, ...] = USUAL
    known: tuple[str, ...] = WEIGHTED
    limits: Mapping[str, tuple[float, float]] = {
        name: (0.1 * x, min(10.0 * x, 3.0 if name.startswith("p_split") else np.inf))
        for name, x in (ClusterParams()._asdict() | SMEARED).items() if name in WEIGHTED
    }  # fmt: skip
    """A factor ten either way from what is published, and what the model takes of ``p_split``."""

    def rows(self, sample: Sample, names: tuple[str, ...], all_chains: bool) -> ClusterRows:
        """The sample, ready to be weighted where parameters of these names differ."""
        if all_chains:
            raise ValueError("all_chains is for strings: clusters draw nothing in vain")
        return ClusterRows(sample, names)

    def value(self, params: ClusterParams, name: str) -> float:
        """Of the parameter `name`."""
        return getattr(params, name)

    def moved(self, base: ClusterParams, new: dict[str, float]) -> ClusterParams:
        """`base` with `new` values by name."""
        return base.replace(**new)

    def measured(
        self, sample: Sample, figures: SomeFigures, theory_error: float, seed: int, progress: bool
    ) -> tuple[Figures, Hadrons]:
        """The figures of a sample, and its hadrons after decays."""
        figures = as_figures(figures)
        counted = any(lep_settings(figure) for figure in figures)  # hadrons that decay
        found = pythia.decay(sample, seed=seed, every=counted, progress=progress)
        hadrons, every = found if counted else (found, None)
        return Figures(hadrons, figures, theory_error, energy=sample.energy, every=every), hadrons

    def like(self, sample: Sample, params: ClusterParams, seed: int, processes: int, progress: bool) -> Sample:
        """As many events of the same showers at `params`."""
        return cluster.hadronize_like(sample, len(sample), params, rng=seed, threads=processes)

    def fresh(
        self, showers: Showers, params: ClusterParams, figures: SomeFigures, theory_error: float, seed: int,
        processes: int, progress: bool,
    ) -> Figures:  # fmt: skip
        """The figures of new events."""
        sample = cluster.hadronize_clusters(showers, params, rng=seed, threads=processes, progress=progress)
        return self.measured(sample, figures, theory_error, seed, progress)[0]


def model_of(params: Any) -> Any:
    """`ClusterModel` or `StringModel`, by the kind of the parameters."""
    return ClusterModel() if isinstance(params, ClusterParams) else StringModel()
