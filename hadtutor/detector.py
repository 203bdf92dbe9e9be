"""A small detector: what it sees of hadrons, vectorised, and as random as measuring is.

It is honest in four ways, and simple in all others: tracks of small transverse momentum or near the beam are missed,
momenta are measured with an error, some tracks belong to no hadron, and neutral hadrons are not seen. What it does is
the response that unfolding takes away again, see `hadtutor.unfolding`.
"""

from dataclasses import dataclass, fields

import numpy as np

from ._support.checks import Rng, as_generator, number, takes_rng, whole
from .events.hadrons import Hadrons
from .events.sample import Sample
from .particles import charge_of, mass_of

__all__ = ["Detector", "turn"]

_RANGES: dict[str, tuple] = {
    "efficiency": (0.0, 1.0),
    "turn_on": (0.0, 100.0, " GeV"),
    "cos_max": (0.0, 1.0, "", True),
    "resolution": (0.0, 1.0),
    "slope": (0.0, 1.0, " GeV^-1"),
    "fakes": (0.0, 1000.0),
}


@dataclass(frozen=True)
class Detector:
    r"""A tracking detector around a beam along z, called with hadrons and `rng`.

    A track of transverse momentum :math:`p_T` at the polar angle :math:`\theta` is found with the probability

    .. math:: \varepsilon = \varepsilon_0\, \bigl(1 - e^{-(p_T/p_0)^2}\bigr)
        \quad\text{if } |\cos\theta| < c_\mathrm{max}, \text{ else } 0 .

    Its momentum is multiplied with :math:`e^{\sigma g - \sigma^2/2}`, where g is a normal random number and
    :math:`\sigma = \sigma_0 \oplus \sigma_1 p_T`: right in the mean, and never negative. Angles and masses are exact.

    Attributes
    ----------
    efficiency : float
        :math:`\varepsilon_0`, [0, 1].
    turn_on : float
        :math:`p_0` [GeV], [0, 100]; with 0 the efficiency is the same for all momenta.
    cos_max : float
        :math:`c_\mathrm{max}`, (0, 1].
    resolution, slope : float
        :math:`\sigma_0`, [0, 1], and :math:`\sigma_1` [1/GeV], [0, 1].
    fakes : float
        Mean number of tracks in an event that belong to no hadron: pions, in all directions, whose momenta fall
        exponentially with a mean of 0.5 GeV.
    charged_only : bool
        Whether neutral hadrons are not seen; else they are seen as charged ones are.
    least_tracks : int
        An event with fewer loses everything: it is not recorded.

    TypeError, ValueError: one of these is of the wrong kind or out of range.

    Examples
    --------
    >>> import hadtutor as ht
    >>> true = ht.hadronize_strings(1000, rng=1).hadrons
    >>> seen = Detector(efficiency=0.9, charged_only=False)(true, rng=1)
    >>> len(seen), round(len(seen.px) / len(true.px), 2)
    (1000, 0.9)
    """

    efficiency: float = 0.9
    turn_on: float = 0.0
    cos_max: float = 1.0
    resolution: float = 0.03
    slope: float = 0.0
    fakes: float = 0.0
    charged_only: bool = True
    least_tracks: int = 1

    def __post_init__(self) -> None:
        for name, limits in _RANGES.items():
            self.__dict__[name] = number(getattr(self, name), name, *limits)
        self.__dict__["least_tracks"] = whole(self.least_tracks, "least_tracks", 0)
        if not isinstance(self.charged_only, (bool, np.bool_)):
            raise TypeError(f"charged_only must be True or False, got {self.charged_only!r}")

    def replace(self, **changes: object) -> "Detector":
        """The same detector with `changes`, attributes by name."""
        return Detector(**({f.name: getattr(self, f.name) for f in fields(self)} | changes))  # type: ignore[arg-type]

    @takes_rng
    def __call__(self, events: Sample | Hadrons, *, rng: Rng) -> Hadrons:
        """What is seen of `events`: as many events, of which those that lose everything have no hadron.

        Momenta must be finite, else a ValueError that names the event; `rng` is a Generator or a whole number.
        """
        hadrons, rng = _hadrons(events), as_generator(rng)
        p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1).astype(float)
        if (bad := ~np.isfinite(p).all(axis=1)).any():
            raise ValueError(f"event {hadrons.event[np.argmax(bad)]} has a momentum that is not finite")
        seen = rng.random(len(p)) < self._efficiency(p)
        if self.charged_only:
            seen &= charge_of(hadrons.pid) != 0
        tracks = hadrons.where(seen)
        event, pid, p = tracks.event, tracks.pid, self._measured(p[seen], rng)
        if self.fakes > 0:
            n = rng.poisson(self.fakes, len(hadrons))
            event = np.append(event, np.repeat(np.arange(len(hadrons)), n))
            pid = np.append(pid, rng.choice([211, -211], n.sum()))
            p = np.concatenate([p, rng.exponential(0.5, (n.sum(), 1)) * _directions(n.sum(), rng)])
        recorded = (np.bincount(event, minlength=len(hadrons)) >= self.least_tracks)[event]
        rows = np.argsort(event, kind="stable")
        rows = rows[recorded[rows]]
        counts = np.bincount(event[rows], minlength=len(hadrons))
        e = np.sqrt(np.sum(p[rows] ** 2, axis=1) + mass_of(pid[rows]) ** 2)
        px, py, pz = p[rows].T
        return Hadrons(np.append(0, np.cumsum(counts)), px, py, pz, e, pid[rows])

    def _efficiency(self, p):
        pt2, size2 = np.sum(p[:, :2] ** 2, axis=1), np.sum(p**2, axis=1)
        found = np.full(len(p), self.efficiency)
        if self.turn_on > 0:
            found *= -np.expm1(-pt2 / self.turn_on**2)
        return np.where(p[:, 2] ** 2 <= self.cos_max**2 * size2, found, 0.0)

    def _measured(self, p, rng):
        sigma = np.hypot(self.resolution, self.slope * np.hypot(p[:, 0], p[:, 1]))
        return p * np.exp(sigma * rng.standard_normal(len(p)) - 0.5 * sigma**2)[:, None]


@takes_rng
def turn(events: Sample | Hadrons, *, rng: Rng) -> Hadrons:
    """Turn each event at random, as strings of a model that lie along z do not in nature.

    Parameters
    ----------
    events : Sample or Hadrons
    rng : numpy.random.Generator or int

    Examples
    --------
    >>> import hadtutor as ht
    >>> true = ht.hadronize_strings(1000, rng=1)
    >>> T = [ht.observables.compute(h, 90.0)["T"] for h in (true.hadrons, turn(true, rng=1))]
    >>> bool(np.allclose(*T))
    True
    """
    hadrons, rng = _hadrons(events), as_generator(rng)
    axis, phi = _directions(len(hadrons), rng), rng.uniform(0.0, 2.0 * np.pi, len(hadrons))
    # Two reflections are a turn: the first holds z and lies at a random angle, the second takes z to the axis.
    k = hadrons.event
    x, y, z = (getattr(hadrons, name).astype(float) for name in ("px", "py", "pz"))
    c, s = np.cos(phi)[k], np.sin(phi)[k]
    p = np.stack([c * x + s * y, s * x - c * y, z], axis=1)
    mirror = axis - [0.0, 0.0, 1.0]
    mirror /= np.maximum(np.linalg.norm(mirror, axis=1, keepdims=True), 1e-300)
    p -= 2.0 * np.sum(p * mirror[k], axis=1, keepdims=True) * mirror[k]
    px, py, pz = p.T
    return Hadrons(hadrons.offsets, px, py, pz, hadrons.e, hadrons.pid)


def _hadrons(events):
    hadrons = getattr(events, "hadrons", events)
    if not isinstance(hadrons, Hadrons):
        raise TypeError(f"events must be a Sample or Hadrons, got {type(events).__name__}")
    return hadrons


def _directions(n, rng):
    """Unit vectors in all directions, shape (n, 3)."""
    cos, phi = rng.uniform(-1.0, 1.0, n), rng.uniform(0.0, 2.0 * np.pi, n)
    sin = np.sqrt(1.0 - cos**2)
    return np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)
