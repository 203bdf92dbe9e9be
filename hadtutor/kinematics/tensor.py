"""Two-body decays for torch: frames, angles and boosts, differentiable and on any device.

Momenta are tensors of shape (rows, 4): px, py, pz, E [GeV].
"""

import math

import torch
from torch import Tensor


def helicity_axes(momentum: Tensor) -> Tensor:
    """Unit vectors x, y, z of the helicity frame, shape (rows, 3, 3): z along the `momentum`, shape (rows, 3).

    What is learned of a decay in this frame does not depend on where in the lab the body flies. One at rest has its
    axes along those of the lab.

    Examples
    --------
    >>> helicity_axes(torch.tensor([[0.0, 0.0, 5.0]]))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    size = momentum.norm(dim=1, keepdim=True)
    up = torch.zeros_like(momentum)
    up[:, 2] = 1.0
    x, y, z = torch.where(size > 0, momentum / size.clamp(min=torch.finfo(size.dtype).tiny), up).unbind(1)
    # Two unit vectors across the axis, without a special case near the poles.
    sign = torch.copysign(torch.ones_like(z), z)
    a = -1.0 / (sign + z)
    b = x * y * a
    across = torch.stack([1.0 + sign * x * x * a, sign * b, -sign * x], 1), torch.stack([b, sign + y * y * a, -y], 1)
    return torch.stack([*across, torch.stack([x, y, z], 1)], 1)


def rotate(direction: Tensor, axes: Tensor) -> Tensor:
    """Bring `direction`, shape (rows, 3), from frames with `axes`, see `helicity_axes`, to the lab."""
    return (direction.unsqueeze(1) @ axes).squeeze(1)


def angles(direction: Tensor) -> Tensor:
    r"""Azimuth and polar angle, both scaled to ±1: :math:`\phi/\pi` and :math:`2\theta/\pi - 1`, shape (rows, 2).

    `direction` has the shape (rows, 3). Exact in all quadrants and near the poles: arc tangents of two numbers.

    Examples
    --------
    >>> angles(torch.tensor([[-1.0, 0.0, 0.0], [0.0, 0.0, -2.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    x, y, z = direction.unbind(1)
    phi, theta = torch.atan2(y, x), torch.atan2(torch.hypot(x, y), z)
    return torch.stack([phi / math.pi, 2.0 * theta / math.pi - 1.0], 1)


def directions(scaled: Tensor) -> Tensor:
    """Unit vectors, shape (rows, 3), of `scaled` angles, shape (rows, 2): the inverse of `angles`."""
    phi, theta = math.pi * scaled[:, 0], 0.5 * math.pi * (scaled[:, 1] + 1.0)
    return torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], 1)


def p_star(mass: Tensor, m1: Tensor, m2: Tensor) -> Tensor:
    r"""Momentum of both parts of a body at rest that decays in two [GeV], 0 below threshold.

    It is :math:`\sqrt{(M^2 - (m_1 + m_2)^2)(M^2 - (m_1 - m_2)^2)} / 2M`, with the masses of the body,
    `mass`, and of its parts, `m1` and `m2` [GeV], broadcast.

    Examples
    --------
    >>> float(p_star(torch.tensor(5.0), torch.tensor(3.0), torch.tensor(0.0)))
    1.6
    """
    # As products: no difference of squares that loses digits near threshold.
    square = (mass - m1 - m2) * (mass + m1 + m2) * (mass - m1 + m2) * (mass + m1 - m2)
    above = square > 0
    # The root has no finite slope at zero.
    return torch.where(above, torch.where(above, square, 1.0).sqrt(), 0.0) / (2.0 * mass)


def from_rest_frame(p: Tensor, mass: Tensor, k: Tensor) -> Tensor:
    """Momenta `k`, shape (rows, 4), seen at rest with a body of `mass` > 0 [GeV], where that has the momentum `p`.

    Examples
    --------
    >>> p, at_rest = torch.tensor([[0.0, 0.0, 3.0, 5.0]]), torch.tensor([[0.0, 0.0, 0.0, 4.0]])
    >>> from_rest_frame(p, torch.tensor([4.0]), at_rest).tolist()
    [[0.0, 0.0, 3.0, 5.0]]
    """
    energy = (p * k).sum(1) / mass
    along = (k[:, 3] + energy) / (p[:, 3] + mass)
    return torch.cat([k[:, :3] + along.unsqueeze(1) * p[:, :3], energy.unsqueeze(1)], 1)


def to_rest_frame(p: Tensor, mass: Tensor, k: Tensor) -> Tensor:
    """The inverse of `from_rest_frame`, with its `p`, `mass` and `k`."""
    return from_rest_frame(p * p.new_tensor([-1.0, -1.0, -1.0, 1.0]), mass, k)


def two_body(p: Tensor, mass: Tensor, direction: Tensor, m1: Tensor, m2: Tensor) -> tuple[Tensor, Tensor]:
    """Let bodies decay in two, the first part flying along `direction` in the rest frame.

    Parameters
    ----------
    p : Tensor, shape (rows, 4)
    mass, m1, m2 : Tensor, shape (rows,)
        Of the body and of its parts [GeV], `mass` at least `m1` + `m2`.
    direction : Tensor, shape (rows, 3)
        Unit vectors; gradients flow through them.

    Returns
    -------
    first, second : Tensor, shape (rows, 4)
        The second is what the first leaves, so their sum is `p`.
    """
    k = p_star(mass, m1, m2)
    at_rest = torch.cat([k.unsqueeze(1) * direction, torch.hypot(k, m1).unsqueeze(1)], 1)
    first = from_rest_frame(p, mass, at_rest)
    return first, p - first
