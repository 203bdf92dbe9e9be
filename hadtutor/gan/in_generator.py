"""A trained network inside the cluster model."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..events.clusters import WAITING
from ..kinematics.tensor import helicity_axes, rotate
from .directions import conditions, leading, momenta
from .onnx import run_onnx


def as_decay(generator: Any) -> Callable:
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
    >>> import numpy as np, torch, hadtutor as ht
    >>> showers = ht.datasets.load("pythia-showers-91")[:100]
    >>> untrained = ht.gan.DecayGenerator(torch.rand(10, 3))
    >>> sample = ht.hadronize_clusters(showers, rng=np.random.default_rng(1), decay=as_decay(untrained))
    >>> bool(abs(sample.hadrons.e.sum() - 9120) < 1e-6)
    True
    """
    weights = next(generator.parameters(), torch.zeros((), dtype=torch.float32))

    def run(condition, noise):
        with torch.inference_mode():
            return generator(condition.to(weights), torch.as_tensor(noise).to(weights)).cpu().double()

    return _decay_by(run, int(generator.n_noise))


def load_onnx(path: str | os.PathLike, *, threads: int = 1) -> Callable:
    """A generator written by `export_onnx` as the law of decays of `hadtutor.hadronize_clusters`.

    Runs in onnxruntime, without torch's networks: so a generator of events in any language can run it.

    Parameters
    ----------
    path, threads
        As for `run_onnx`, with the same errors.

    Returns
    -------
    callable
        For its argument `decay`.
    """
    run, n_noise = run_onnx(path, threads=threads)
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
