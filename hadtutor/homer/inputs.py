"""Step one: a classifier between simulation and data, whose odds are weights of events."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from .._support.checks import log_weights
from ..events.hadrons import Hadrons
from ..metrics.classifier import auc, boosted_trees
from ..nets.bayes import BayesMLP
from ..nets.features import hadron_features
from ..nets.layers import MLP, Standardise, torch_seed
from ..nets.sets import DeepSets, ScaledCloud
from ..observables.columns import NAMES
from ..training.batches import Clouds, Table
from ..training.loop import train
from ..training.losses import classifier_loss, evaluate

METHODS = ("mlp", "trees", "deepsets")
N_DRAWS = 20  # networks drawn from a Bayesian one


class HomerError(ValueError):
    """Simulation and data are not such that weights can turn one into the other."""


class ClassWeights(NamedTuple):
    """What step one has found.

    Attributes
    ----------
    log_ratio : ndarray, shape (N,)
        ln of data over (weighted) simulation for each event of the simulation, averaged over the draws as a ratio.
    sigma : ndarray, shape (N,)
        Standard deviation of the logarithm over the draws; zero with one network.
    draws : ndarray, shape (J, N)
        The same logarithm by each network of an ensemble, or drawn from a Bayesian one.
    score_data : ndarray, shape (M,)
        The logarithm for the events of the data.
    auc : float
        Area under the ROC curve between (weighted) simulation and data; 0.5 if they can not be told apart.
    auc_error : float
        Of the finite number of events, and of the scatter of the draws, added in quadrature.
    classifiers : list
        For each draw the two classifiers, of which number k judges the events of parity k.
    """

    log_ratio: np.ndarray
    sigma: np.ndarray
    draws: np.ndarray
    score_data: np.ndarray
    auc: float
    auc_error: float
    classifiers: list


def step_one(
    sim, data, log_w=None, method="mlp", *, energy=None, bayesian=False, ensemble=1, epochs=None, seed, device=None,
    progress=True,
):  # fmt: skip
    """Train classifiers between simulation and data, and turn their odds into weights.

    Parameters
    ----------
    sim, data : ndarray, shape (N, F), (M, F), or Hadrons
        Features of the events; for ``"deepsets"`` their hadrons.
    log_w : array_like, shape (N,), optional
        Log weights that the simulation has already.
    method : {"mlp", "trees", "deepsets"}
        A network, or boosted trees, on the features; Deep Sets on the particle cloud.
    energy : float, optional
        Mass of the string [GeV]; ``"deepsets"`` needs it.
    bayesian : bool
        Whether the weights of the network have a distribution (``"mlp"`` only).
    ensemble : int
        Number of networks to train, each on a bootstrap of the events if more than one.
    epochs : int, optional
        Passes through the data. By default 6; 20 for a Bayesian network, which learns slowly; 4 for Deep Sets; and less
        if there are more than 10⁵ events.
    seed : int
    device : torch.device or str, optional
        Where the networks are; by default the CPU.
    progress : bool
        Whether to show a progress bar when the work takes more than a few seconds.

    Returns
    -------
    ClassWeights

    Raises
    ------
    ValueError
        If an argument is not known, or there are fewer than 100 events of either.
    TypeError
        If hadrons are wanted and something else is given, or the other way round.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if bayesian and method != "mlp":
        raise ValueError(f"only the network on features can be Bayesian, got method={method!r}; take ensemble=5")
    if ensemble < 1:
        raise ValueError(f"ensemble must be at least one network, got {ensemble!r}")
    if len(sim) < 100 or len(data) < 100:
        raise ValueError(f"a classifier needs at least 100 events of each, got {len(sim)} and {len(data)}")
    for events in (sim, data):
        if isinstance(events, Hadrons) != (method == "deepsets"):
            wanted = "Hadrons" if method == "deepsets" else "features of shape (N, F)"
            raise TypeError(f"{method} wants {wanted}, got {type(events).__name__}")
    w = np.exp(log_weights(log_w, len(sim)) - (0.0 if log_w is None else np.max(log_w)))
    n_draws = N_DRAWS * ensemble if bayesian else ensemble
    draws, scores = np.empty((n_draws, len(sim))), np.empty((n_draws, len(data)))
    classifiers = [[None, None] for _ in range(n_draws)]
    if epochs is None:
        few = {"mlp": 20 if bayesian else 6, "deepsets": 4, "trees": 1}[method]
        epochs = max(3, round(few * min(1.0, (1e5 / max(len(sim), len(data))) ** 0.5)))
    for fold in range(2):
        # Classifier `fold` judges events of that parity, so it learns from the others.
        learn, judge = ([events[first::2] for events in (sim, data)] for first in (1 - fold, fold))
        for k in range(ensemble):
            rng = np.random.default_rng([seed, fold, k])
            weights = [w[1 - fold :: 2], np.ones(len(learn[1]))]
            if ensemble > 1:
                weights = [v * rng.poisson(1.0, len(v)) for v in weights]
            weights = np.concatenate([v * (0.5 * sum(map(len, learn)) / v.sum()) for v in weights])
            number = int(rng.integers(2**31))
            if method == "trees":
                trained = [_train_trees(learn, weights, number)]
            else:
                trained = _train_network(learn, weights, method, energy, bayesian, epochs, number, device, progress)
            for j, classifier in enumerate(trained):
                place = k * len(trained) + j
                classifiers[place][fold] = classifier
                draws[place, fold::2], scores[place, fold::2] = (classifier(e) for e in judge)
    areas = [auc(y, x, None, log_w) for x, y in zip(draws, scores, strict=True)]
    area = float(np.mean([a.auc for a in areas]))
    error = np.sqrt(np.mean([a.error**2 for a in areas]) + np.var([a.auc for a in areas]))
    log_ratio = logsumexp(draws, axis=0) - np.log(n_draws)
    score = logsumexp(scores, axis=0) - np.log(n_draws)
    return ClassWeights(log_ratio, draws.std(axis=0), draws, score, area, float(error), classifiers)


def _train_trees(learn, weights, seed):
    trees = boosted_trees()(early_stopping=True, random_state=seed)
    labels = np.repeat([0, 1], [len(e) for e in learn])
    trees.fit(np.concatenate(learn), labels, sample_weight=weights)
    return _Trees(trees)


@dataclass
class _Trees:
    trees: object

    def __call__(self, x):
        return self.trees.decision_function(x)


@dataclass
class _Network:
    """A network as a function from events to logits."""

    net: torch.nn.Module
    energy: float | None
    device: object

    def __call__(self, events):
        return (
            evaluate(self.net, _as_data(events, self.energy, self.device)).double().cpu().numpy().reshape(len(events))
        )


def _as_data(events, energy, device, *columns):
    columns = [torch.as_tensor(c, dtype=torch.float32).to(device) for c in columns]
    if isinstance(events, Hadrons):
        return Clouds(hadron_features(events, energy).to(device), events.offsets, *columns)
    return Table(torch.as_tensor(events, dtype=torch.float32).to(device), *columns)


def _train_network(learn, weights, method, energy, bayesian, epochs, seed, device, progress):
    n = sum(len(e) for e in learn)
    labels = np.repeat([0.0, 1.0], [len(e) for e in learn])
    device = torch.device("cpu" if device is None else device)
    if method == "deepsets":
        if energy is None:
            raise ValueError("Deep Sets want the energy of the events [GeV]: step_one(..., energy=90.0)")
        x = torch.cat([hadron_features(e, energy) for e in learn]).to(device)
        offsets = np.concatenate([learn[0].offsets, learn[0].offsets[-1] + learn[1].offsets[1:]])
        columns = [torch.as_tensor(c, dtype=torch.float32).to(device) for c in (labels, weights)]
        data = Clouds(x, offsets, *columns)
        with torch_seed(seed):
            body = DeepSets(x.shape[1], phi=(32, 32), rho=(32,), activation=torch.nn.SiLU)
        net = torch.nn.Sequential(ScaledCloud(x), body)
    else:
        data = _as_data(np.concatenate(learn), energy, device, labels, weights)
        x = data.columns[0]
        with torch_seed(seed):
            sizes = (32, 32) if bayesian else (64, 64)
            body = (BayesMLP if bayesian else MLP)(x.shape[1], *sizes, 1, activation=torch.nn.SiLU)
        net = torch.nn.Sequential(Standardise(x), body)
    loss = classifier_loss
    if bayesian:
        loss = lambda model, batch: classifier_loss(model, batch) + model[1].kl() / n
    batch = int(np.clip(n // 100, 64, 512 if method == "deepsets" else 8192))
    train(
        net.to(device), data, loss, epochs=epochs, batch_size=batch, seed=seed, lr=3e-3, lr_end=1e-4, progress=progress
    )
    nets = [net]
    if bayesian:
        nets = [torch.nn.Sequential(net[0], net[1].draw(seed + j)) for j in range(N_DRAWS)]
    return [_Network(net, energy, device) for net in nets]


@dataclass(frozen=True, eq=False)
class Histograms:
    """Measured distributions of single observables: all that many experiments publish.

    Attributes
    ----------
    edges : dict of str to ndarray, shape (B_k + 1,)
        Bin edges of each observable; what lies outside counts in the first and the last bin.
    shares : ndarray, shape (B,)
        Fraction of the events in each bin, all histograms one after the other.
    covariance : ndarray, shape (B, B)
        Of the shares.
    """

    edges: dict
    shares: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, columns, n_bins=20, names=NAMES):
        """Histograms of events, with bins that hold about equally many.

        Parameters
        ----------
        columns : dict of str to ndarray, shape (M,)
            Such as `hadtutor.observables.compute` returns.
        n_bins : int
            At most so many bins for each.
        names : sequence of str

        Returns
        -------
        Histograms
            With the full covariance, also between observables.
        """
        edges = {}
        for name in names:
            inner = np.unique(np.nanquantile(columns[name], np.linspace(0, 1, n_bins + 1)[1:-1]))
            edges[name] = np.concatenate([[-np.inf], inner, [np.inf]])
        places = _places(columns, edges)
        n = places.shape[1]
        shares = _shares(places, np.full(n, 1.0 / n), edges)
        pairs = [
            [np.histogram2d(a, b, bins=[np.arange(len(e) + 0.0), np.arange(len(f) + 0.0)])[0] / n
             for b, f in zip(_local(places, edges), edges.values(), strict=True)]
            for a, e in zip(_local(places, edges), edges.values(), strict=True)
        ]  # fmt: skip
        return cls(edges, shares, (np.block(pairs) - np.outer(shares, shares)) / (n - 1))

    def __post_init__(self):
        n = sum(len(e) - 1 for e in self.edges.values())
        if np.shape(self.shares) != (n,) or np.shape(self.covariance) != (n, n):
            raise ValueError(
                f"{n} bins want shares and covariance of shapes ({n},) and ({n}, {n}), "
                f"got {np.shape(self.shares)} and {np.shape(self.covariance)}"
            )
        if not (np.all(np.isfinite(self.shares)) and np.all(np.isfinite(self.covariance))):
            raise ValueError("shares and their covariance must be finite; leave bins without a measurement out")


def _places(columns, edges):
    """Bin of each event in each histogram, numbered through all histograms; shape (histograms, N)."""
    places, first = [], 0
    for name, e in edges.items():
        k = np.searchsorted(e, columns[name], side="right") - 1
        places.append(first + np.clip(k, 0, len(e) - 2))
        first += len(e) - 1
    return np.array(places)


def _local(places, edges):
    firsts = np.cumsum([0] + [len(e) - 1 for e in edges.values()])[:-1]
    return places - firsts[:, None]


def _shares(places, w, edges):
    n = sum(len(e) - 1 for e in edges.values())
    return sum(np.bincount(k, w, minlength=n) for k in places)


def step_one_histograms(columns, histograms, log_w=None):
    r"""Weights for which the simulation has the measured histograms, and which are otherwise as equal as can be.

    :math:`\ln w = \sum_k \theta_k(\mathrm{bin}_k(x))`, a function of each observable by itself: it maximises the
    likelihood of the histograms less the Kullback–Leibler divergence of the weighted to the unweighted simulation.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (N,)
        Observables of the simulation.
    histograms : Histograms
    log_w : array_like, shape (N,), optional
        Log weights that the simulation has already.

    Returns
    -------
    log_ratio : ndarray, shape (N,)
    chi2 : float
        Of the histograms and the simulation as it came, with the errors of both.
    ndf : int

    Raises
    ------
    HomerError
        If a bin that has data is empty in the simulation: no weight can fill it.
    """
    places = _places(columns, histograms.edges)
    log_w = log_weights(log_w, places.shape[1])
    w = np.exp(log_w - logsumexp(log_w))
    now = _shares(places, w, histograms.edges)
    errors = np.sqrt(np.diag(histograms.covariance))
    empty = (now == 0) & (histograms.shares > 3.0 * errors)
    if empty.any():
        name = np.repeat(list(histograms.edges), [len(e) - 1 for e in histograms.edges.values()])[np.argmax(empty)]
        raise HomerError(
            f"data outside the support of the simulation: a bin of {name} has data and no simulated event; "
            "simulate more events, or with parameters nearer to the data"
        )
    covariance = histograms.covariance + _covariance(places, w, now)
    difference = histograms.shares - now
    inverse = np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
    chi2, ndf = float(difference @ inverse @ difference), int(np.linalg.matrix_rank(covariance, 1e-8, hermitian=True))
    scale = 1.0 / np.sqrt(np.maximum(histograms.shares, 1e-4))

    def objective(x):
        theta = x * scale
        log_r = theta[places].sum(axis=0)
        log_norm = logsumexp(log_r, b=w)
        new = _shares(places, w * np.exp(log_r - log_norm), histograms.edges)
        slack = histograms.covariance @ theta
        value = log_norm - theta @ histograms.shares + 0.5 * theta @ slack
        return value, scale * (new - histograms.shares + slack)

    best = minimize(objective, np.zeros(len(scale)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    log_r = (best.x * scale)[places].sum(axis=0)
    return log_r - logsumexp(log_r, b=w), chi2, ndf


def _covariance(places, w, shares):
    """Of the shares of weighted events, also between histograms."""
    n = len(shares)
    total = np.zeros((n, n))
    for a in places:
        for b in places:
            total += np.bincount(a * n + b, w**2, minlength=n * n).reshape(n, n)
    # Σ w² (n - p)(n - p)ᵀ, with Σ w² n from the diagonal of each histogram.
    first = sum(np.bincount(a, w**2, minlength=n) for a in places)
    return total - np.outer(first, shares) - np.outer(shares, first) + np.sum(w**2) * np.outer(shares, shares)
