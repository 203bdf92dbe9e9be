"""Classifiers between two samples, of which none judges an event that it learned from."""

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from torch.nn import Sequential

from .._support.checks import as_seed, column, log_weights, takes_rng, whole
from .._support.optional import need
from ..events.hadrons import Hadrons
from ..nets.bayes import BayesMLP
from ..nets.features import directions, hadron_features
from ..nets.graph import GraphNet
from ..nets.layers import MLP, Standardise, torch_seed
from ..nets.sets import DeepSets, ScaledCloud
from .batches import Clouds, Table
from .loop import train
from .losses import classifier_loss, evaluate

KINDS = ("mlp", "trees", "deepsets", "graph")
OF_CLOUDS = ("deepsets", "graph")
N_DRAWS = 20  # networks drawn from a Bayesian one
FEWEST = 100  # events of each sample


class CrossFit:
    r"""The ratio of the densities of two samples, from classifiers that never judge what they learned from.

    The events of both samples are dealt into folds, by default by their number, even and odd. Classifier k judges the
    events of fold k and has learned from all others. Both classes weigh the same, so that its logit is :math:`\ln
    p_y/p_x`.

    Parameters
    ----------
    x, y : ndarray, shape (N, F), (M, F), or Hadrons
        Features of the events; for ``"deepsets"`` and ``"graph"`` their hadrons.
    log_w_x, log_w_y : array_like, shape (N,), (M,), optional
        Log weights.
    kind : {"mlp", "trees", "deepsets", "graph"}
        A network, or boosted trees, on the features; Deep Sets on the particle cloud, or a graph of nearest neighbours
        in it, which takes six times as long.
    fold_x, fold_y : array_like of int, shape (N,), (M,), optional
        The fold of each event, numbered from 0, where their own numbers will not do.
    energy : float, optional
        Mass of the strings [GeV], which networks on clouds need.
    bayesian : bool
        Whether the network has a distribution of weights, from which 20 are drawn (``"mlp"`` only).
    ensemble : int
        Number of classifiers for each fold, each trained on a bootstrap of the events if more than one.
    epochs : int, optional
        Passes through the data. By default 6; 20 for a Bayesian network, which learns slowly; 4 on clouds; and less if
        there are more than 10⁵ events.
    batch_size : int, optional
        By default a hundredth of the events, 64 to 8192, or to 512 on clouds.
    hidden : tuple of int, optional
        Hidden neurons; of Deep Sets those of Φ, the last number is that of F; of a graph one number, its width;
        of trees one number, their leaves.
    average : float, optional
        Share that a step keeps of a moving average of the weights, see `train`.
    rng : numpy.random.Generator or int
    seeds : sequence of int, optional
        One for each fold, in place of those that follow from `rng`.
    device : torch.device or str, optional
        Where the networks are; by default the CPU.
    progress : bool

    Attributes
    ----------
    classifiers : list of list
        For each draw (one, or one for each member of an ensemble or drawn network) the classifiers of the folds, as
        functions from events to logits.

    Raises
    ------
    TypeError, ValueError
        If hadrons are wanted and something else is given, or the other way round; if an argument is not known, or there
        are fewer than 100 events of either.

    Examples
    --------
    >>> x, y = np.random.default_rng(1).normal([[0.0]] * 4000 + [[0.5]] * 4000).reshape(2, -1, 1)
    >>> odds = CrossFit(x, y, rng=1, progress=False)
    >>> bool(np.corrcoef(odds.log_ratio(x), 0.5 * x[:, 0])[0, 1] > 0.98)
    True
    """

    @takes_rng
    def __init__(
        self, x: np.ndarray | Hadrons, y: np.ndarray | Hadrons, log_w_x: ArrayLike | None = None,
        log_w_y: ArrayLike | None = None, *, kind: str = "mlp", fold_x: ArrayLike | None = None,
        fold_y: ArrayLike | None = None, energy: float | None = None, bayesian: bool = False, ensemble: int = 1,
        epochs: int | None = None, batch_size: int | None = None, hidden: tuple[int, ...] | None = None,
        average: float | None = None, rng: np.random.Generator | int, seeds: Any = None,
        device: torch.device | str | None = None, progress: bool = True,
    ) -> None:  # fmt: skip
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if bayesian and kind != "mlp":
            raise ValueError(f"only the network on features can be Bayesian, got {kind!r}; take ensemble=5")
        ensemble = whole(ensemble, "ensemble")
        if min(len(x), len(y)) < FEWEST:
            raise ValueError(f"a classifier needs at least {FEWEST} events of each, got {len(x)} and {len(y)}")
        for events in (x, y):
            if isinstance(events, Hadrons) != (kind in OF_CLOUDS):
                wanted = "Hadrons" if kind in OF_CLOUDS else "features of shape (N, F)"
                raise TypeError(f"{kind} wants {wanted}, got {type(events).__name__}")
        if kind in OF_CLOUDS and energy is None:
            raise ValueError(f"{kind} wants the energy of the events [GeV], such as energy=90.0")
        if epochs is None:
            few = {"mlp": 20 if bayesian else 6, "deepsets": 4, "graph": 4, "trees": 1}[kind]
            epochs = max(3, round(few * min(1.0, (1e5 / max(len(x), len(y))) ** 0.5)))
        self.kind, self.energy, self.bayesian, self.hidden = kind, energy, bayesian, hidden
        self.device = torch.device("cpu" if device is None else device)
        self._loop = {"epochs": epochs, "batch_size": batch_size, "average": average, "progress": progress}
        samples, folds = (x, y), (_folds(fold_x, len(x)), _folds(fold_y, len(y)))
        weights = [_relative(log_w_x, len(x)), _relative(log_w_y, len(y))]
        self.n_folds = 1 + max(int(fold.max()) for fold in folds)
        seed = as_seed(rng)
        trained: list[list] = []
        for k in range(self.n_folds):
            chosen = [np.flatnonzero(fold != k) for fold in folds]
            learn = [events[rows] for events, rows in zip(samples, chosen, strict=True)]
            trained.append([])
            for member in range(ensemble):
                own = np.random.default_rng([seed, k, member])
                w = [v[rows] for v, rows in zip(weights, chosen, strict=True)]
                if ensemble > 1:
                    w = [v * own.poisson(1.0, len(v)) for v in w]
                if not all(v.sum() > 0 for v in w):
                    raise ValueError(f"fold {k} leaves a classifier nothing to learn from: give each sample two folds")
                w = np.concatenate([v * (0.5 * sum(map(len, learn)) / v.sum()) for v in w])
                own_seed = int(own.integers(2**31)) if seeds is None else seeds[k]
                trained[-1] += self._trained(learn, w, own_seed)
        self.classifiers = [list(of_folds) for of_folds in zip(*trained, strict=True)]

    def _trained(self, learn, weights, seed):
        """What `weights` teach: one classifier, or all that are drawn from a Bayesian network."""
        labels = np.repeat([0, 1], [len(events) for events in learn])
        if self.kind == "trees":
            trees = need("sklearn.ensemble", "ml", "a classifier of trees").HistGradientBoostingClassifier
            trees = trees(early_stopping=True, random_state=seed, max_leaf_nodes=(self.hidden or (31,))[0])
            return [trees.fit(np.concatenate(learn), labels, sample_weight=weights).decision_function]
        clouds, n = self.kind in OF_CLOUDS, len(labels)
        data = _as_data(learn, self.kind, self.energy, self.device, labels, weights)
        x = data.x if clouds else data.columns[0]
        with torch_seed(seed):
            if self.kind == "graph":
                features = x[:, :-3]  # what follows are directions, which stay
                net = Sequential(ScaledCloud(features), GraphNet(features.shape[1], width=(self.hidden or (32,))[0]))
            elif clouds:
                phi = self.hidden or (32, 32)
                net = Sequential(ScaledCloud(x), DeepSets(x.shape[1], phi=phi, rho=phi[-1:], activation=torch.nn.SiLU))
            else:
                sizes = self.hidden or ((32, 32) if self.bayesian else (64, 64))
                layers = BayesMLP if self.bayesian else MLP
                net = Sequential(Standardise(x), layers(x.shape[1], *sizes, 1, activation=torch.nn.SiLU))
        loss = classifier_loss
        if self.bayesian:
            loss = lambda model, batch: classifier_loss(model, batch) + model[1].kl() / n
        size = self._loop["batch_size"] or int(np.clip(n // 100, 64, 512 if clouds else 8192))
        train(net.to(x), data, loss, rng=seed, lr=3e-3, lr_end=1e-4, **(self._loop | {"batch_size": size}))
        nets = [Sequential(net[0], net[1].draw(rng=seed + j)) for j in range(N_DRAWS)] if self.bayesian else [net]
        return [functools.partial(_logits, net, self.kind, self.energy, self.device) for net in nets]

    def draws(self, events: np.ndarray | Hadrons, fold: ArrayLike | None = None) -> np.ndarray:
        """Logits of each draw for one of the two samples, every event judged by classifiers that do not know it.

        All its `events`, in their order, and `fold` as when they were learned; shape (J, N).
        """
        fold = _folds(fold, len(events))
        logits = np.empty((len(self.classifiers), len(events)))
        if fold.max(initial=0) >= self.n_folds:
            raise ValueError(f"there are {self.n_folds} folds, got an event of fold {fold.max()}")
        for k in np.unique(fold):
            rows = np.flatnonzero(fold == k)
            part = events[rows]
            for j, of_folds in enumerate(self.classifiers):
                logits[j, rows] = of_folds[k](part)
        return logits

    def log_ratio(self, events: np.ndarray | Hadrons, fold: ArrayLike | None = None) -> np.ndarray:
        """ln of y over x, averaged over the draws as a ratio; `events` and `fold` as of `draws`."""
        return mean_ratio(self.draws(events, fold))

    def log_ratio_of_new(self, events: np.ndarray | Hadrons) -> np.ndarray:
        """ln of y over x, shape (n,), for `events` of neither sample, averaged over all classifiers as a ratio."""
        if len(events) == 0:
            return np.empty(0)
        return mean_ratio(np.stack([classifier(events) for of_folds in self.classifiers for classifier in of_folds]))


def mean_ratio(log_ratios: np.ndarray) -> np.ndarray:
    """Logarithm of the mean ratio over the first axis."""
    return logsumexp(log_ratios, axis=0) - np.log(len(log_ratios))


def _folds(fold, n):
    fold = np.arange(n) % 2 if fold is None else column(fold, "fold", np.int64)
    if len(fold) != n or np.any(fold < 0):
        raise ValueError(f"fold must hold a number from 0 for each of {n} events, got shape {fold.shape}")
    return fold


def _relative(log_w, n):
    """Weights, the largest of them 1."""
    log_w = log_weights(log_w, n)
    return np.exp(log_w - log_w.max())


def _logits(net, kind, energy, device, events):
    """A network as a function from events to logits."""
    size = 1024 if kind == "graph" else 8192  # pairs take memory
    data = _as_data([events], kind, energy, device)
    return evaluate(net, data, batch_size=size).double().cpu().numpy().reshape(len(events))


def _as_data(parts, kind, energy, device, *columns):
    """Samples one after the other as what a network of this kind sees."""
    columns = [torch.as_tensor(c, dtype=torch.float32).to(device) for c in columns]
    if kind in OF_CLOUDS:
        x = torch.cat([hadron_features(events, energy) for events in parts])
        if kind == "graph":
            x = torch.cat([x, torch.cat([directions(events) for events in parts])], dim=1)
        counts = np.concatenate([np.diff(events.offsets) for events in parts])
        return Clouds(x.to(device), np.append(0, np.cumsum(counts)), *columns)
    return Table(torch.as_tensor(np.concatenate(parts), dtype=torch.float32).to(device), *columns)
