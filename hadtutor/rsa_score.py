"""The score: an observable that a network has learned; used by `hadtutor.rsa`."""

import numpy as np
import torch

from .nets import DeepSets, Standardise, torch_seed
from .training import Clouds, classifier_loss, evaluate, train

__all__ = ["ScaledCloud", "Score", "hadron_features"]


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


def hadron_features(hadrons, energy):
    """What a network sees of each hadron: ln p, ln pT, the logarithm of the energy it leaves, and its charge.

    Parameters
    ----------
    hadrons : Hadrons
    energy : float
        Mass of the string [GeV].

    Returns
    -------
    Tensor of float32, shape (rows, 4)
        The third is the logarithm of the light-cone fraction that the others have together, of the direction in which
        the hadron flies; the fourth is 1 for a charged pion and 0 for a neutral one.
    """
    px, py, pz, e = (getattr(hadrons, name).astype(float) for name in ("px", "py", "pz", "e"))
    left = np.maximum(1.0 - (e + abs(pz)) / energy, 1e-9)
    pt2 = np.maximum(px**2 + py**2, 1e-12)
    columns = [0.5 * np.log(pt2 + pz**2), 0.5 * np.log(pt2), np.log(left), hadrons.pid != 111]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)


class ScaledCloud(torch.nn.Module):
    """Standardise the particles of a cloud, see `hadtutor.nets.Standardise`.

    Parameters
    ----------
    x : Tensor, shape (rows, F)
        Features to take mean and standard deviation of.
    """

    def __init__(self, x):
        super().__init__()
        self.scale = Standardise(x)

    def forward(self, cloud):
        """Standardise.

        Parameters
        ----------
        cloud : Cloud

        Returns
        -------
        Cloud
        """
        return cloud._replace(x=self.scale(cloud.x))
