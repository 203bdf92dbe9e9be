"""Events as flat arrays: how they came about, and with what was seen, the `Hadrons` (`Sample`).

Event i owns the rows ``offsets[i]:offsets[i + 1]``, a chain its breaks the same way. Nothing is padded.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.checks import energy_gev
from ..params import ClusterParams, LundMixture, LundParams, params_from
from ..particles import QUARKS
from .clusters import Clusters
from .hadrons import Hadrons
from .histories import Histories
from .ragged import Saved, as_index
from .showers import Showers

PARTS = "hadrons", "histories", "partons"  # what has events of its own


@dataclass(frozen=True, eq=False)
class Sample(Saved):
    """Events with their histories, and the settings that made them.

    Attributes
    ----------
    hadrons : Hadrons
        N events.
    histories : Histories, Clusters or None
        The breaks of their strings or their clusters; None where they were not recorded.
    params : LundParams, LundMixture or ClusterParams
        Parameters of the model.
    energy : float
        Mass of the string, or centre-of-mass energy of the showers [GeV].
    quark : str or None
        Flavour at the +z end of a string, ``"u"`` (default), ``"d"``; the other has its antiquark. None for clusters.
    partons : Showers or None
        The partons that the strings were spanned between, if these are no straight ones along z, or of clusters.
    law : str or None
        Name of the fragmentation function from which z was drawn in place of that of `params`, or of what gave decays
        of clusters their directions; None where it was not.

    TypeError, ValueError: these are of another kind, out of range, or do not belong together, such as histories of
    strings with parameters of clusters, or of another number of events.
    """

    hadrons: Hadrons
    histories: Histories | Clusters | None
    params: LundParams | LundMixture | ClusterParams
    energy: float
    quark: str | None = None
    law: str | None = None
    partons: Showers | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.hadrons, Hadrons):
            raise TypeError(f"hadrons must be Hadrons, got {type(self.hadrons).__name__}")
        if not isinstance(self.params, (LundParams, LundMixture, ClusterParams)):
            raise TypeError(f"params must be LundParams or ClusterParams, got {type(self.params).__name__}")
        of_clusters, model = isinstance(self.params, ClusterParams), type(self.params).__name__
        wanted = Clusters if of_clusters else Histories
        if not isinstance(self.histories, (wanted, type(None))):
            raise TypeError(f"{model} go with {wanted.__name__} or None, got {type(self.histories).__name__}")
        if self.histories is not None and len(self.histories) != len(self):
            raise ValueError(f"the hadrons are of {len(self)} events, the histories of {len(self.histories)}")
        if self.partons is not None and len(self.partons) != len(self):
            raise ValueError(f"the hadrons are of {len(self)} events, the partons of {len(self.partons)}")
        fixed = of_clusters or self.partons is not None
        quark = self.quark if fixed or self.quark else "u"
        if quark not in ({None} if fixed else QUARKS):
            known = "none" if fixed else " or ".join(sorted(QUARKS))
            what = "strings of partons" if self.partons is not None else model
            raise ValueError(f"quark must be {known} for {what}, got {quark!r}")
        self.__dict__.update(energy=energy_gev(self.energy), quark=quark)

    def __len__(self) -> int:
        return len(self.hadrons)

    def __repr__(self) -> str:
        p, what = self.params, f"a {self.quark} string" if self.partons is None else "strings of partons"
        if isinstance(p, ClusterParams):
            what, shape = "clusters", f"cl_max={p.cl_max:g}, cl_pow={p.cl_pow:g}, p_split={p.p_split:g}"
        elif isinstance(p, LundMixture):
            shape = " + ".join(f"{share:g} × (a={c.a:g}, b={c.b:g})" for c, share in zip(*p, strict=True))
        else:
            shape = f"a={p.a:g}, b={p.b:g}, sigma_pt={p.sigma_pt:g}"
        by = "" if self.law is None else f", {'decays' if isinstance(p, ClusterParams) else 'z'} by {self.law}"
        return f"Sample({len(self)} events of {what}, {self.energy:g} GeV, {shape}{by})"

    def __getitem__(self, key: int | slice | Sequence | np.ndarray) -> "Sample":
        index = as_index(key, len(self))
        parts = {name: part[index] for name in PARTS if (part := getattr(self, name)) is not None}
        return self._changed(**parts)

    def _settings(self):
        return {"params": self.params, "energy": self.energy, "quark": self.quark, "law": self.law}

    def _packed(self):
        parts = {name: part for name in PARTS if (part := getattr(self, name)) is not None}
        arrays = {f"{of}.{name}": array for of, part in parts.items() for name, array in part._packed()[0].items()}
        return arrays, self._settings() | {"params": self.params._asdict()}

    @classmethod
    def _unpacked(cls, arrays, header):
        part = lambda of: {k.removeprefix(of): v for k, v in arrays.items() if k.startswith(of)}
        params, energy, of_law = params_from(header["params"]), header["energy"], (header["quark"], header.get("law"))
        kind: Any = Clusters if isinstance(params, ClusterParams) else Histories
        histories = kind(**values) if (values := part("histories.")) else None
        partons = Showers(**values, energy=energy) if (values := part("partons.")) else None
        if header["quark"] is None and partons is None and kind is Histories:
            raise ValueError("strings without the flavour of their ends")
        return cls(Hadrons(**part("hadrons.")), histories, params, energy, *of_law, partons)

    @classmethod
    def _joined(cls, parts):
        joined = {}
        for name in PARTS:
            of_parts = [part for p in parts if (part := getattr(p, name)) is not None]
            if 0 < len(of_parts) < len(parts):
                raise ValueError(f"some samples have {name} and some do not; drop them with replace({name}=None)")
            if of_parts:
                joined[name] = type(of_parts[0]).concatenate(of_parts)
        return parts[0]._changed(**joined)

    def to_hepmc(self, path: str | os.PathLike, *, log_w: Any = None, progress: bool = True) -> None:
        """`Hadrons.to_hepmc` (`path`, `log_w`, `progress`) with the energy of the sample."""
        self.hadrons.to_hepmc(path, self.energy, log_w=log_w, progress=progress)

    def to_parquet(self, path: str | os.PathLike, *, log_w: Any = None) -> None:
        """`Hadrons.to_parquet` (`path`, `log_w`) of the hadrons."""
        self.hadrons.to_parquet(path, log_w=log_w)

    def to_awkward(self, *, log_w: Any = None) -> Any:
        """`Hadrons.to_awkward` (`log_w`) of the hadrons."""
        return self.hadrons.to_awkward(log_w=log_w)


def hadrons_and_energy(events: Sample | Hadrons, energy: float | None = None) -> tuple[Hadrons, float]:
    """What is measured, from a `Sample` alone, or from `Hadrons` and their centre-of-mass energy [GeV].

    TypeError, ValueError: `events` is something else, hadrons come without `energy`, or it is not positive and finite,
    or not that of the sample.
    """
    if isinstance(events, Sample):
        if energy is not None and energy_gev(energy) != events.energy:
            raise ValueError(f"the sample has an energy of {events.energy:g} GeV, got {energy:g} GeV; leave it out")
        return events.hadrons, events.energy
    if not isinstance(events, Hadrons):
        raise TypeError(f"events must be a Sample or Hadrons, got {type(events).__name__}")
    if energy is None:
        raise TypeError("Hadrons do not know their energy: give it in GeV, energy=91.2, or give the whole Sample")
    return events, energy_gev(energy)
