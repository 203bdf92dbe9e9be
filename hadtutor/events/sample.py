"""Events as flat arrays: how they came about, and with what was seen, the `Hadrons` (`Sample`).

Strings have `Histories`, with all their breaks, clusters have `Clusters`, with their parents.

Ragged data is flat with offsets: event i owns the rows ``offsets[i]:offsets[i + 1]``, a chain owns
its breaks the same way. Nothing is padded; `to_padded` makes a rectangle with an explicit mask where
a network wants one.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from .._support.checks import energy_gev
from ..files import DataFileError, read_arrays, write_arrays
from ..params import ClusterParams, LundMixture, LundParams
from .clusters import Clusters
from .hadrons import Hadrons
from .histories import Histories
from .ragged import as_index


@dataclass(frozen=True, eq=False)
class Sample:
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
        Flavour at the +z end of a string, ``"u"`` or ``"d"``; the other end carries its antiquark. None for clusters.
    """

    hadrons: Hadrons
    histories: Histories | Clusters | None
    params: LundParams | LundMixture | ClusterParams
    energy: float
    quark: str | None = "u"

    def __len__(self):
        return len(self.hadrons)

    def __repr__(self):
        p = self.params
        if isinstance(p, ClusterParams):
            return (
                f"Sample({len(self)} events of clusters, {self.energy:g} GeV, "
                f"cl_max={p.cl_max:g}, cl_pow={p.cl_pow:g}, p_split={p.p_split:g})"
            )
        if isinstance(p, LundMixture):
            mixed = " + ".join(f"{share:g} × (a={c.a:g}, b={c.b:g})" for c, share in zip(*p, strict=True))
            return f"Sample({len(self)} events of a {self.quark} string, {self.energy:g} GeV, {mixed})"
        return (
            f"Sample({len(self)} events of a {self.quark} string, {self.energy:g} GeV, "
            f"a={p.a:g}, b={p.b:g}, sigma_pt={p.sigma_pt:g})"
        )

    def __getitem__(self, key):
        index = as_index(key, len(self))
        histories = None if self.histories is None else self.histories[index]
        return replace(self, hadrons=self.hadrons[index], histories=histories)

    @classmethod
    def concatenate(cls, samples):
        """Join samples made with the same settings, in order.

        Parameters
        ----------
        samples : sequence of Sample

        Returns
        -------
        Sample

        Raises
        ------
        ValueError
            If there is none, or the settings differ.
        """
        samples = list(samples)
        if not samples:
            raise ValueError("concatenate needs at least one sample")
        first = samples[0]
        for other in samples[1:]:
            for name in ("params", "energy", "quark"):
                if getattr(other, name) != getattr(first, name):
                    raise ValueError(
                        f"samples differ in {name}: {getattr(first, name)} and {getattr(other, name)}; "
                        "keep them apart, or weight one to the other"
                    )
        has_histories = {s.histories is not None for s in samples}
        if len(has_histories) > 1:
            raise ValueError("some samples have histories and some do not; drop them with replace(histories=None)")
        hadrons = _join([s.hadrons for s in samples], {"offsets": "px"})
        histories = None
        if has_histories == {True}:
            histories = _join_histories(samples)
        return replace(first, hadrons=hadrons, histories=histories)

    def save(self, path):
        """Write the sample to one compressed file (NumPy's npz with a header).

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is complete.
        """
        arrays = {f"hadrons.{k}": v for k, v in self.hadrons._columns().items()}
        if self.histories is not None:
            arrays |= {f"histories.{k}": v for k, v in self.histories._columns().items()}
        write_arrays(path, arrays, {"params": self.params._asdict(), "energy": self.energy, "quark": self.quark})

    @classmethod
    def load(cls, path):
        """Read a sample written by `save`.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Sample

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DataFileError
            If it is damaged, truncated, of another kind, or from a newer hadtutor.
        """
        arrays, header = read_arrays(path)
        try:
            hadrons = Hadrons(*(arrays[f"hadrons.{f.name}"] for f in fields(Hadrons)))
            histories = None
            of_clusters = header["quark"] is None
            kind = Clusters if of_clusters else Histories
            if any(name.startswith("histories.") for name in arrays):
                histories = kind(*(arrays[f"histories.{f.name}"] for f in fields(kind)))
            if "components" in header["params"]:
                params = LundMixture(
                    tuple(LundParams(*values) for values in header["params"]["components"]),
                    tuple(header["params"]["fractions"]),
                ).validate()
            else:
                params = (ClusterParams if of_clusters else LundParams)(**header["params"]).validate()
            return cls(hadrons, histories, params, float(header["energy"]), header["quark"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataFileError(f"{path} is not a sample of events: {error}") from error


def _join_histories(samples):
    if isinstance(samples[0].histories, Clusters):
        return _join([s.histories for s in samples], {"offsets": "px"})
    histories = _join([s.histories for s in samples], {"chain_offsets": "z"})
    starts = np.repeat(np.cumsum([0] + [len(s) for s in samples[:-1]]), [s.histories.n_chains for s in samples])
    return replace(histories, event_of_chain=histories.event_of_chain + starts)


def _join(parts, offsets_of):
    columns = {}
    for name in parts[0]._columns():
        arrays = [getattr(p, name) for p in parts]
        if name in offsets_of:
            starts = np.cumsum([0] + [len(getattr(p, offsets_of[name])) for p in parts[:-1]])
            arrays = [arrays[0][:1]] + [a[1:] + s for a, s in zip(arrays, starts, strict=True)]
        columns[name] = np.concatenate(arrays)
    return type(parts[0])(**columns)


def hadrons_and_energy(events, energy=None):
    """What is measured, from a `Sample` alone, or from `Hadrons` and their energy.

    Parameters
    ----------
    events : Sample or Hadrons
    energy : float, optional
        Centre-of-mass energy [GeV]. A sample has its own, and another one is refused.

    Returns
    -------
    hadrons : Hadrons
    energy : float

    Raises
    ------
    TypeError
        If `events` is something else, or hadrons come without an energy.
    ValueError
        If the energy is not positive and finite, or not that of the sample.
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
