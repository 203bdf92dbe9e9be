"""The score: an observable that a network has learned; used by `hadtutor.rsa`."""

import numpy as np

from .._support.checks import as_seed, takes_rng
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..training.crossfit import CrossFit
from ..weights.allowed import as_samples
from .columns import check_same_strings


class Score:
    """What a Deep Sets classifier, trained once to tell base from target, makes of an event: an observable to fit.

    Two networks are trained, each on one half of both samples, and each judges the events of the other half. So the
    score of base and target has the same law if their events have. Which half an event is in follows from its hadrons
    alone: use the instance like any function of `Hadrons`, on samples, parts of them, or new events. As an observable
    it is called ``"score"``; its attribute `classifiers` is the `CrossFit`.

    Parameters
    ----------
    sim, data : Sample
        Base and target, of one energy and quark.
    epochs : int
        Passes through the data.
    rng : numpy.random.Generator or int
        For weights and order of the events.
    progress : bool

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(500, ht.LundParams(a=0.9), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(500, ht.LundParams(a=0.5), rng=np.random.default_rng(2))
    >>> Score(base, target, epochs=1)(target.hadrons).shape
    (500,)
    """

    @takes_rng
    def __init__(
        self, sim: Sample, data: Sample, *, epochs: int = 8, rng: np.random.Generator | int = 1, progress: bool = True
    ) -> None:
        samples = as_samples([sim, data])
        check_same_strings(samples, data)
        self.__name__, seed = "score", as_seed(rng)
        x, y = (sample.hadrons for sample in samples)
        self.classifiers = CrossFit(
            x, y, kind="deepsets", fold_x=fold_of(x), fold_y=fold_of(y), energy=sim.energy, epochs=epochs,
            batch_size=512, hidden=(64, 64), average=0.99, rng=seed, seeds=(seed, seed + 1), progress=progress,
        )  # fmt: skip

    def __call__(self, hadrons: Hadrons) -> np.ndarray:
        """Logit of each event of `hadrons`, shape (N,): large where the target has more events than the base."""
        return self.classifiers.log_ratio(hadrons, fold_of(hadrons))


def fold_of(hadrons: Hadrons) -> np.ndarray:
    """0 or 1 for each event, by chance, and always the same for the same hadrons, in any order and precision."""
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1).astype(np.float32) + np.float32(0)  # no -0
    odd = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    total = np.zeros(len(hadrons), np.uint64)
    np.add.at(total, hadrons.event, _mixed((p.view(np.uint32) * odd).sum(axis=1, dtype=np.uint64)))
    return (_mixed(total) >> np.uint64(63)).astype(np.int64)


def _mixed(bits):
    """The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of it depends on all."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
