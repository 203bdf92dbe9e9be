"""Networks on graphs: blind to order and rotations, and right about who is near."""

import numpy as np
import pytest
import torch

from hadtutor import hadronize_strings
from hadtutor.nets import Cloud, GraphNet, directions, torch_seed
from hadtutor.nets.graph import nearest

SIZES = [5, 0, 1, 12, 2, 30, 0]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Of outputs that differ in the order of sums only."""


@pytest.fixture(params=[torch.float64, torch.float32], ids=str)
def dtype(request):
    return request.param


def cloud_of(sizes=SIZES, dtype=torch.float64, seed=1):
    """Particles with two features and a direction."""
    rng = np.random.default_rng(seed)
    index = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x, p = rng.normal(size=(len(index), 2)), rng.normal(size=(len(index), 3))
    x = np.concatenate([x, p / np.linalg.norm(p, axis=1, keepdims=True)], axis=1)
    return Cloud(torch.tensor(x, dtype=dtype), index, len(sizes))


def net_of(dtype=torch.float64, **options):
    with torch_seed(3):
        return GraphNet(2, width=16, dtype=dtype, **options)


def same(a, b):
    torch.testing.assert_close(a, b, rtol=TOLERANCE[a.dtype], atol=TOLERANCE[a.dtype])


def turned(cloud, seed=5):
    """All directions turned, and reflected."""
    turn = torch.linalg.qr(torch.tensor(np.random.default_rng(seed).normal(size=(3, 3)), dtype=cloud.x.dtype))[0]
    return cloud._replace(x=torch.cat([cloud.x[:, :2], cloud.x[:, 2:] @ turn], dim=1))


def test_nearest_neighbours_are_those_of_a_search_pair_by_pair():
    cloud = cloud_of()
    near, known = nearest(cloud.x[:, 2:], cloud.index, cloud.n_sets, 4)
    for row in range(len(cloud.x)):
        others = [j for j in range(len(cloud.x)) if j != row and cloud.index[j] == cloud.index[row]]
        others.sort(key=lambda j, row=row: -float(cloud.x[j, 2:] @ cloud.x[row, 2:]))
        assert near[row][known[row]].tolist() == others[:4]


@pytest.mark.parametrize("n", [1, 4, 100])
def test_the_order_of_particles_does_not_matter(dtype, n):
    """Not within a set, and rows of different sets may be mixed."""
    cloud, net = cloud_of(dtype=dtype), net_of(dtype, neighbours=n)
    order = torch.tensor(np.random.default_rng(4).permutation(len(cloud.x)))
    wanted = net(cloud)
    assert (wanted.shape, wanted.dtype) == ((len(SIZES),), dtype)
    same(net(cloud._replace(x=cloud.x[order], index=cloud.index[order])), wanted)


def test_the_result_of_a_set_does_not_depend_on_the_others(dtype):
    """Short sets are not confused by what fills them up to the longest."""
    cloud, net = cloud_of(dtype=dtype), net_of(dtype)
    wanted = net(cloud)
    for i in range(len(SIZES)):
        own = cloud.index == i
        same(net(Cloud(cloud.x[own], cloud.index[own] - i, 1))[0], wanted[i])
    assert net(Cloud(cloud.x[:0], cloud.index[:0], 0)).shape == (0,)


def test_a_set_may_be_turned(dtype):
    cloud, net = cloud_of(dtype=dtype), net_of(dtype)
    same(net(turned(cloud)), net(cloud))


def test_angles_are_seen():
    """One direction changed changes its set, and no other; with a single particle there is no angle."""
    cloud, net = cloud_of(), net_of()
    for row in range(len(cloud.x)):
        x = cloud.x.clone()
        x[row, 2:] *= -1
        changed = (net(cloud._replace(x=x)) - net(cloud)).abs() > 1e-9
        wanted = torch.arange(len(SIZES)) == cloud.index[row]
        assert torch.equal(changed, wanted & (torch.tensor(SIZES) > 1))


def test_particles_of_one_direction_and_at_rest_are_no_trouble(dtype):
    cloud, net = cloud_of(dtype=dtype), net_of(dtype)
    for direction in ((0.0, 0.0, 1.0), (0.0, 0.0, 0.0)):
        x = cloud.x.clone()
        x[:, 2:] = torch.tensor(direction)
        x.requires_grad_()
        out = net(cloud._replace(x=x))
        out.sum().backward()
        assert torch.isfinite(out).all()
        assert torch.isfinite(x.grad).all()


def test_gradients_are_finite_differences():
    """With respect to features, directions and parameters."""
    cloud, net = cloud_of([3, 1, 4]), net_of(neighbours=2)
    names = [name for name, _ in net.named_parameters()]

    def output(x, *parameters):
        return torch.func.functional_call(net, dict(zip(names, parameters)), (cloud._replace(x=x),))

    inputs = [t.detach().clone().requires_grad_() for t in (cloud.x, *net.parameters())]
    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


def test_weights_are_the_same_numbers_in_every_precision():
    single, double = net_of(torch.float32), net_of(torch.float64)
    assert all(torch.equal(a.double(), b) for a, b in zip(single.parameters(), double.parameters()))
    assert net_of(n_out=3)(cloud_of()).shape == (len(SIZES), 3)


def test_directions_are_unit_vectors_of_momenta():
    hadrons = hadronize_strings(20, rng=1).hadrons
    found = directions(hadrons).double().numpy()
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1)
    assert np.allclose(found * np.linalg.norm(p, axis=1, keepdims=True), p, rtol=0, atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, rtol=0, atol=1e-6)
