"""The laws of a decay in two, for numba and for torch, agree and conserve."""

import numpy as np
import torch

from hadtutor.kinematics import decays, tensor


def test_both_faces_of_a_decay_agree_and_their_parts_add_up(rng):
    n = 200
    p, m1, m2 = rng.normal(size=(n, 3)), rng.uniform(0, 1, n), rng.uniform(0, 1, n)
    mass = m1 + m2 + rng.exponential(size=n)
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    body = np.column_stack([p, np.sqrt(mass**2 + (p**2).sum(1))])
    out = np.empty((4, 2 * n))
    for i in range(n):
        decays.two_body(*body[i], mass[i], *direction[i], m1[i], m2[i], out, 2 * i, 2 * i + 1)
    np.testing.assert_allclose(out[:, ::2] + out[:, 1::2], body.T, rtol=1e-14, atol=1e-14)
    parts = tensor.two_body(*map(torch.as_tensor, (body, mass, direction, m1, m2)))
    for found, wanted in zip((out[:, ::2].T, out[:, 1::2].T), parts, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)
    mass2 = out[3] ** 2 - (out[:3] ** 2).sum(0)
    np.testing.assert_allclose(mass2, np.column_stack([m1, m2]).ravel() ** 2, atol=1e-10)
