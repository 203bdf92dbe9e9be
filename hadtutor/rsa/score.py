"""The score: an observable that a network has learned; used by `hadtutor.rsa`."""

import numpy as np
import torch

from ..nets.features import hadron_features
from ..nets.layers import torch_seed
from ..nets.sets import DeepSets, ScaledCloud
from ..training.batches import Clouds
from ..training.loop import train
from ..training.losses import classifier_loss, evaluate


class Score:
    """What a Deep Sets classifier, trained once to tell base from target, makes of an event: an observable to fit.

    Two networks are trained, each on every second event of both samples, and each judges the events that the other
    was trained on. So the score of base and target has the same law if their events have. Use the instance like any
    function of `Hadrons`, on whole samples in their order.

    Parameters
    ----------
    base, target : Sample
        Of one energy.
    epochs : int
        Passes through the data.
    seed : int
        For weights and order of the events.
    progress : bool
        Whether to show a progress bar.

    Attributes
    ----------
    __name__ : str
        ``"score"``, its name as an observable.

    Examples
    --------
    >>> import hadtutor as ht
    >>> base = ht.hadronize_strings(500, ht.LundParams(a=0.9), rng=np.random.default_rng(1))
    >>> target = ht.hadronize_strings(500, ht.LundParams(a=0.5), rng=np.random.default_rng(2))
    >>> score = Score(base, target, epochs=1)
    >>> score(target.hadrons).shape
    (500,)
    """

    __name__ = "score"

    def __init__(self, base, target, epochs=8, seed=1, progress=True):
        if base.energy != target.energy:
            raise ValueError(f"base and target differ in energy, {base.energy:g} and {target.energy:g} GeV")
        self.energy = base.energy
        self.nets = []
        for fold in range(2):
            # Network `fold` judges events of that parity, so it learns from the others.
            parts = [s.hadrons[1 - fold :: 2] for s in (base, target)]
            x = torch.cat([hadron_features(p, self.energy) for p in parts])
            offsets = np.concatenate([parts[0].offsets, parts[0].offsets[-1] + parts[1].offsets[1:]])
            label = torch.cat([torch.zeros(len(parts[0])), torch.ones(len(parts[1]))])
            # Both classes weigh the same, so that the minimum is the ratio of densities.
            weight = torch.cat([torch.full((len(p),), 0.5 * len(label) / len(p)) for p in parts])
            with torch_seed(seed + fold):
                net = torch.nn.Sequential(ScaledCloud(x), DeepSets(x.shape[1], activation=torch.nn.SiLU))
            train(
                net, Clouds(x, offsets, label, weight), classifier_loss, epochs=epochs, batch_size=512,
                seed=seed + fold, lr=3e-3, lr_end=1e-4, average=0.99, progress=progress,
            )  # fmt: skip
            self.nets.append(net)

    def __call__(self, hadrons):
        """Logit of each event: large where the target has more events than the base.

        Parameters
        ----------
        hadrons : Hadrons
            N events, in the order of the sample they come from.

        Returns
        -------
        ndarray, shape (N,)
        """
        score = np.empty(len(hadrons))
        for fold, net in enumerate(self.nets):
            part = hadrons[fold::2]
            if len(part):
                score[fold::2] = evaluate(net, Clouds(hadron_features(part, self.energy), part.offsets)).numpy()
        return score
