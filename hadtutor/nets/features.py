"""What a network sees of a hadron, and events as clouds of such features."""

import numpy as np
import torch
from torch import Tensor

from ..events.hadrons import Hadrons
from ..events.sample import Sample, hadrons_and_energy

PION_MASS = 0.13957  # GeV
SOFT = 0.01  # GeV, below which a transverse momentum is as good as none


def hadron_features(events: Sample | Hadrons, energy: float | None = None) -> Tensor:
    """What a network sees of each hadron: ln p, ln pT, the logarithm of the energy it leaves, and its charge.

    Parameters
    ----------
    events : Sample or Hadrons
    energy : float, optional
        Mass of the string [GeV]; a sample knows it.

    Returns
    -------
    Tensor of float32, shape (rows, 4)
        The third is the logarithm of the light-cone fraction that the others have together, of the direction in which
        the hadron flies; the fourth is 1 for a charged pion and 0 for a neutral one.
    """
    hadrons, energy = hadrons_and_energy(events, energy)
    px, py, pz, e = (getattr(hadrons, name).astype(float) for name in ("px", "py", "pz", "e"))
    left = np.maximum(1.0 - (e + abs(pz)) / energy, 1e-9)
    pt2 = np.maximum(px**2 + py**2, 1e-12)
    columns = [0.5 * np.log(pt2 + pz**2), 0.5 * np.log(pt2), np.log(left), hadrons.pid != 111]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)


def directions(hadrons: Hadrons) -> Tensor:
    """Unit vectors of the momenta of `hadrons`, float32, shape (rows, 3); one at rest has none, and zeros."""
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1).astype(float)
    size = np.linalg.norm(p, axis=1, keepdims=True)
    return torch.tensor(p / np.where(size > 0, size, 1.0), dtype=torch.float32)


def axis_features(p: Tensor, event: Tensor, n_events: int, energy: float) -> Tensor:
    r"""What the discriminator sees of each hadron, shape (rows, 3); the same however the event is turned.

    It is :math:`\ln x_p`, the absolute rapidity of a pion with this momentum, and :math:`\ln p_T`, along the axis of
    the event: the eigenvector of largest eigenvalue of :math:`\sum_i \vec p_i \vec p_i^{\,T} / |\vec p_i|`, which
    neither a soft particle nor a collinear splitting moves. Gradients do not flow through the axis.

    Parameters
    ----------
    p : Tensor, shape (rows, 4)
        px, py, pz, E [GeV].
    event : Tensor of int64, shape (rows,)
    n_events : int
    energy : float
        Centre-of-mass energy [GeV].
    """
    k = p[:, :3]
    size = k.norm(dim=1).clamp(min=1e-6)
    with torch.no_grad():
        outer = (k.unsqueeze(2) * k.unsqueeze(1) / size[:, None, None]).reshape(-1, 9)
        tensor = outer.new_zeros((n_events, 9)).index_add(0, event, outer).reshape(-1, 3, 3)
        axis = torch.linalg.eigh(tensor.double())[1][:, :, 2].to(k)
    along = (k * axis[event]).sum(1)
    pt2 = (size.square() - along.square()).clamp(min=0) + SOFT**2
    rapidity = torch.asinh(along.abs() / (pt2 + PION_MASS**2).sqrt())
    return torch.stack([torch.log(2.0 * size / energy), rapidity, 0.5 * torch.log(pt2)], 1)
