r"""Generative adversarial networks for the decays of clusters :cite:p:`goodfellow2014generative,ghosh2022towards`.

A decay in two hadrons is one direction in the rest frame of the cluster. A generator G turns random numbers, and what
is known of the cluster, into such directions; a discriminator D tells them from true ones; each learns from the other.
Here every decay is seen. Where only hadrons are seen, see `hadtutor.event_gan`; for which hadrons, `flavour_gan`.

Directions are those of the *leading* hadron, the one with the perturbative constituent (of two such, or none, the one
with the quark), in the helicity frame of the cluster, see `hadtutor.decay_frames`.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from .decay_frames import angles, helicity_axes, rotate, to_rest_frame
from .gan_onnx import export_onnx, run_onnx
from .histories import PAIR, WAITING, Clusters
from .nets import MLP, Standardise
from .two_sample import wasserstein

__all__ = [
    "AngleScore",
    "DecayDiscriminator",
    "DecayGAN",
    "DecayGenerator",
    "Decays",
    "adversarial",
    "angle_distance",
    "as_decay",
    "conditions",
    "decays",
    "export_onnx",
    "leading",
    "load_onnx",
    "momenta",
    "pair_rows",
    "sampling_floor",
]


# --- Decays as networks see them -------------------------------------------------------------------


class Decays(NamedTuple):
    """Decays of clusters in two hadrons, see `decays`.

    Attributes
    ----------
    condition : Tensor of float32, shape (rows, 3)
        What is known of each cluster, see `conditions`.
    direction : Tensor of float32, shape (rows, 3)
        Unit vector along the leading hadron in the helicity frame.
    """

    condition: Tensor
    direction: Tensor

    @property
    def perturbative(self):
        """Whether each cluster has a perturbative constituent, bool of shape (rows,)."""
        return self.condition[:, 2] > 0.5

    def where(self, keep):
        """Some of the decays.

        Parameters
        ----------
        keep : Tensor of bool or int64, or slice
            A mask, row numbers, or a slice.

        Returns
        -------
        Decays
        """
        return Decays(self.condition[keep], self.direction[keep])


def conditions(clusters):
    """What the networks know of a cluster: ln of its mass [GeV], its rapidity, whether a constituent is perturbative.

    Parameters
    ----------
    clusters : Clusters

    Returns
    -------
    Tensor of float32, shape (rows, 3)
        Nothing in it depends on how the event is turned.
    """
    size = np.sqrt(clusters.px**2 + clusters.py**2 + clusters.pz**2)
    perturbative = clusters.quark_perturbative | clusters.antiquark_perturbative
    columns = [np.log(clusters.mass), np.arcsinh(size / clusters.mass), perturbative]
    return torch.as_tensor(np.stack(columns, 1), dtype=torch.float32)


def leading(clusters):
    """Which hadron leads: +1 that with the quark, -1 that with the antiquark.

    Parameters
    ----------
    clusters : Clusters

    Returns
    -------
    Tensor of float64, shape (rows,)
    """
    of_antiquark = clusters.antiquark_perturbative & ~clusters.quark_perturbative
    return torch.as_tensor(np.where(of_antiquark, -1.0, 1.0))


def momenta(columns):
    """Four-momenta of hadrons or clusters.

    Parameters
    ----------
    columns : Hadrons or Clusters

    Returns
    -------
    Tensor of float64, shape (rows, 4)
        px, py, pz, E [GeV].
    """
    return torch.as_tensor(np.stack([columns.px, columns.py, columns.pz, columns.e], 1), dtype=torch.float64)


def pair_rows(sample):
    """Where the decays in two hadrons are.

    Parameters
    ----------
    sample : Sample
        Of clusters.

    Returns
    -------
    clusters : ndarray of int64, shape (pairs,)
        Rows of the clusters.
    hadrons : ndarray of int64, shape (pairs,)
        Row of the hadron with the quark; the one with the antiquark follows.

    Raises
    ------
    TypeError
        If the sample has no clusters.
    """
    clusters = getattr(sample, "histories", None)
    if not isinstance(clusters, Clusters):
        raise TypeError(f"a sample with clusters is wanted, see hadronize_clusters; got {sample!r}")
    first = np.cumsum(clusters.n_hadrons) - clusters.n_hadrons
    rows = np.flatnonzero(clusters.fate == PAIR)
    return rows, first[rows]


def decays(sample):
    """All decays in two hadrons of a sample.

    Parameters
    ----------
    sample : Sample
        Of clusters, see `hadtutor.hadronize_clusters`.

    Returns
    -------
    Decays
        In the order of the clusters.

    Raises
    ------
    TypeError
        If the sample has no clusters.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:200]
    >>> truth = decays(ht.hadronize_clusters(showers, rng=np.random.default_rng(1), pions_only=True))
    >>> tuple(truth.direction.shape), bool(truth.direction[truth.perturbative][:, 2].mean() > 0.3)
    ((2105, 3), True)
    """
    rows, first = pair_rows(sample)
    clusters = sample.histories
    p, mass = momenta(clusters)[rows], torch.as_tensor(clusters.mass[rows], dtype=torch.float64)
    k = to_rest_frame(p, mass, momenta(sample.hadrons)[first])[:, :3]
    direction = normalize((helicity_axes(p[:, :3]) @ k.unsqueeze(2)).squeeze(2))
    return Decays(conditions(clusters)[rows], (direction * leading(clusters)[rows, None]).float())


# --- Distances -------------------------------------------------------------------------------------


def angle_distance(one, other):
    """Mean of two Wasserstein distances, of azimuth and polar angle, both scaled to ±1.

    Parameters
    ----------
    one, other : Tensor, shape (rows, 3)
        Directions; as many or not.

    Returns
    -------
    float
        Two samples of the same law are at a distance too: see `sampling_floor`.

    Examples
    --------
    >>> up, down = torch.tensor([[0.0, 0.0, 1.0]] * 2), torch.tensor([[0.0, 0.0, -1.0]] * 2)
    >>> angle_distance(up, up), angle_distance(up, down)
    (0.0, 1.0)
    """
    a, b = (angles(d.detach().double()).cpu().numpy() for d in (one, other))
    return 0.5 * sum(float(wasserstein(a[:, k], b[:, k])) for k in (0, 1))


def sampling_floor(direction, n=None, repeats=10, seed=1):
    r"""What `angle_distance` is between two samples of n true directions each.

    Measured on random disjoint parts. Where there are fewer than 2n directions, the parts are halves, and their
    distance is scaled with :math:`1/\sqrt{n}`, as it falls.

    Parameters
    ----------
    direction : Tensor, shape (rows, 3)
    n : int, optional
        By default as many as there are.
    repeats : int
        The result is the mean over so many divisions.
    seed : int

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there are fewer than four directions.

    Examples
    --------
    >>> directions = normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)))
    >>> bool(0.005 < sampling_floor(directions, 1000) < 0.04)
    True
    """
    n = len(direction) if n is None else n
    part = min(n, len(direction) // 2)
    if part < 2:
        raise ValueError(f"sampling_floor needs at least four directions, got {len(direction)} and n = {n}")
    source = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(repeats):
        order = torch.randperm(len(direction), generator=source).to(direction.device)
        total += angle_distance(direction[order[:part]], direction[order[part : 2 * part]])
    return total / repeats * math.sqrt(part / n)


class AngleScore:
    """Validation for `hadtutor.training.train`: the `angle_distance` between generated and true decays.

    Parameters
    ----------
    truth : Decays
        The generator decays the same clusters, every time with the same random numbers.
    seed : int

    Attributes
    ----------
    floor : float
        The `sampling_floor` for so many decays; below it no generator is better than another.
    """

    def __init__(self, truth, seed=1):
        self.truth, self.seed = truth, seed
        self.floor = sampling_floor(truth.direction)

    def __call__(self, gan):
        """Distance of a GAN from the truth.

        Parameters
        ----------
        gan : torch.nn.Module
            With a `generator`.

        Returns
        -------
        float
        """
        source = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(len(self.truth.condition), gan.generator.n_noise, generator=source)
        condition = self.truth.condition
        with torch.no_grad():
            return angle_distance(gan.generator(condition, noise.to(condition)), self.truth.direction)


# --- Networks --------------------------------------------------------------------------------------


class DecayGenerator(nn.Module):
    """Directions of decays, from what is known of the clusters and noise.

    The network moves an isotropic direction: untrained it is close to phase space.

    Parameters
    ----------
    condition : Tensor, shape (rows, F)
        Conditions of a sample, to standardise with.
    hidden : tuple of int
        Hidden neurons.
    n_noise : int
        Random numbers that the network sees, at least 3; two more choose the azimuth if `symmetric`.
    symmetric : bool
        Whether all azimuths about the flight direction are equally probable, whatever the network has learned: as a
        cluster without spin and with unknown constituents must decay. If not, the network has to learn it.

    Raises
    ------
    ValueError
        If `n_noise` is below 3.

    Examples
    --------
    >>> condition = torch.tensor([[0.5, 1.0, 0.0], [0.9, 2.0, 1.0]])
    >>> DecayGenerator(condition).sample(condition).shape
    torch.Size([2, 3])
    """

    def __init__(self, condition, hidden=(64, 64), n_noise=6, symmetric=True):
        super().__init__()
        if n_noise < 3:
            raise ValueError(f"n_noise must be at least 3, for a direction, got {n_noise}")
        self.symmetric = symmetric
        self.n_noise = n_noise + 2 * symmetric
        self.scale = Standardise(condition)
        self.net = MLP(condition.shape[1] + n_noise, *hidden, 3)

    def forward(self, condition, noise):
        """Directions for given noise.

        Parameters
        ----------
        condition : Tensor, shape (rows, F)
        noise : Tensor, shape (rows, `n_noise` of the generator)
            Standard normal numbers.

        Returns
        -------
        Tensor, shape (rows, 3)
            Unit vectors.
        """
        if self.symmetric:
            turn, noise = normalize(noise[:, :2]), noise[:, 2:]
        direction = normalize(noise[:, :3] + self.net(torch.cat([self.scale(condition), noise], 1)))
        if not self.symmetric:
            return direction
        cosine, sine = turn.unbind(1)
        x, y, z = direction.unbind(1)
        return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], 1)

    def sample(self, condition):
        """Directions with noise from torch's global generator.

        Parameters
        ----------
        condition : Tensor, shape (rows, F)

        Returns
        -------
        Tensor, shape (rows, 3)
        """
        return self(
            condition, torch.randn(len(condition), self.n_noise, dtype=condition.dtype, device=condition.device)
        )


class DecayDiscriminator(nn.Module):
    """Logit that a decay is true.

    Parameters
    ----------
    condition : Tensor, shape (rows, F)
        Conditions of a sample, to standardise with.
    hidden : tuple of int
        Hidden neurons.
    conditional : bool
        Whether it sees the cluster. If not, as in the first of these studies :cite:p:`ghosh2022towards`, it can only
        judge the mixture of all clusters.
    """

    def __init__(self, condition, hidden=(64, 64), conditional=True):
        super().__init__()
        self.conditional = conditional
        self.scale = Standardise(condition)
        self.net = MLP(3 + (condition.shape[1] if conditional else 0), *hidden, 1)

    def forward(self, direction, condition):
        """Logits.

        Parameters
        ----------
        direction : Tensor, shape (rows, 3)
        condition : Tensor, shape (rows, F)

        Returns
        -------
        Tensor, shape (rows,)
        """
        x = torch.cat([direction, self.scale(condition)], 1) if self.conditional else direction
        return self.net(x).squeeze(1)


class DecayGAN(nn.Module):
    """Both players of the game for single decays; a batch is (condition, direction).

    Parameters
    ----------
    generator : DecayGenerator
    discriminator : DecayDiscriminator

    Examples
    --------
    >>> from hadtutor.training import Table, train
    >>> truth = Decays(torch.zeros(64, 3), torch.tensor([[0.0, 0.0, 1.0]]).expand(64, 3))
    >>> gan = DecayGAN(DecayGenerator(truth.condition), DecayDiscriminator(truth.condition))
    >>> train(gan, Table(*truth), adversarial(penalty=1.0), epochs=2, batch_size=32, seed=1, betas=(0.0, 0.9)).n_epochs
    2
    """

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def real(self, batch):
        """What the discriminator is shown as true.

        Parameters
        ----------
        batch : tuple of Tensor

        Returns
        -------
        direction, condition : Tensor
        """
        condition, direction = batch
        return direction, condition

    def fake(self, batch):
        """What the generator makes for the same clusters.

        Parameters
        ----------
        batch : tuple of Tensor

        Returns
        -------
        direction, condition : Tensor
        """
        condition, _ = batch
        return self.generator.sample(condition), condition


# --- Losses ----------------------------------------------------------------------------------------


def adversarial(penalty=0.0, saturating=False):
    r"""Losses of both players, for `hadtutor.training.train`.

    With logits d, the discriminator minimises :math:`-\ln\sigma(d_{real}) - \ln(1 - \sigma(d_{fake}))`. The generator
    minimises :math:`-\ln\sigma(d_{fake})`, whose slope does not vanish where the discriminator is sure
    :cite:p:`goodfellow2014generative`, or, saturating, the minimax loss :math:`\ln(1 - \sigma(d_{fake}))`.

    Parameters
    ----------
    penalty : float
        γ in :math:`\tfrac{\gamma}{2} \lvert\nabla_x d\rvert^2`, on true x, added to the loss of the discriminator (R1
        :cite:p:`mescheder2018training`). It makes the game converge.
    saturating : bool
        Whether the generator plays minimax.

    Returns
    -------
    dict of str to callable
        For a module with `generator`, `discriminator`, and methods ``real(batch)`` and ``fake(batch)`` that give the
        arguments of the discriminator, the first of which is differentiated by the penalty.

    Raises
    ------
    ValueError
        If the penalty is negative or not finite.
    """
    if not 0.0 <= penalty < math.inf:
        raise ValueError(f"penalty must be finite and >= 0, got {penalty!r}")

    def discriminator(gan, batch):
        with torch.no_grad():
            fake = gan.fake(batch)
        x, *more = gan.real(batch)
        x = x.detach().requires_grad_(penalty > 0)
        logit = gan.discriminator(x, *more)
        loss = softplus(-logit).mean() + softplus(gan.discriminator(*fake)).mean()
        if penalty > 0:
            (slope,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
            loss = loss + 0.5 * penalty * slope.square().sum() / len(logit)
        return loss

    def generator(gan, batch):
        logit = gan.discriminator(*gan.fake(batch))
        return -softplus(logit).mean() if saturating else softplus(-logit).mean()

    return {"discriminator": discriminator, "generator": generator}


# --- In the event generator ------------------------------------------------------------------------


def as_decay(generator):
    """A trained generator as the law of decays of `hadtutor.hadronize_clusters`.

    Parameters
    ----------
    generator : DecayGenerator
        Conditioned on `conditions`.

    Returns
    -------
    callable
        For its argument `decay`. Noise comes from that function's `rng`, so events are reproducible.

    Examples
    --------
    >>> import hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> untrained = DecayGenerator(torch.rand(10, 3))
    >>> sample = ht.hadronize_clusters(showers, rng=np.random.default_rng(1), decay=as_decay(untrained))
    >>> bool(abs(sample.hadrons.e.sum() - 9120) < 1e-6)
    True
    """
    weights = next(generator.parameters())

    def run(condition, noise):
        with torch.inference_mode():
            return generator(condition.to(weights), torch.as_tensor(noise).to(weights)).cpu().double()

    return _decay_by(run, generator.n_noise)


def load_onnx(path, threads=1):
    """A generator written by `export_onnx` as the law of decays of `hadtutor.hadronize_clusters`.

    Runs in onnxruntime, without torch's networks: so a generator of events in any language can run it.

    Parameters
    ----------
    path : str or Path
    threads : int
        Threads of onnxruntime for each call.

    Returns
    -------
    callable
        For its argument `decay`.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    FileNotFoundError
        If there is no such file.
    DataFileError
        If it is damaged, or no generator of decays.
    """
    run, n_noise = run_onnx(path, threads)
    return _decay_by(lambda condition, noise: torch.as_tensor(run(condition.numpy(), noise)).double(), n_noise)


def _decay_by(run, n_noise):
    def decay(clusters, rng):
        # Clusters that broke up or became one hadron have no decay.
        rows = np.flatnonzero(clusters.fate == WAITING)
        direction = np.zeros((len(clusters.mass), 3))
        if len(rows):
            noise = rng.standard_normal((len(rows), n_noise), dtype=np.float32)
            axes = helicity_axes(momenta(clusters)[rows, :3])
            of_leading = run(conditions(clusters)[rows], noise)
            direction[rows] = rotate(of_leading, axes) * leading(clusters)[rows, None]
        return direction

    return decay
