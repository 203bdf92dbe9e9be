import numpy as np
import pytest
import torch
from torch import nn

from hadtutor import hadronize_strings
from hadtutor.nets import MLP, BayesMLP, Cloud, DeepSets, Standardise, from_padded, hadron_features, torch_seed

TYPES = {"float64": torch.float64, "float32": torch.float32}
POOLINGS = ("sum", "mean", "weighted")
FILLINGS = [float("nan"), float("inf"), 0.0, 1e30]
TOLERANCE = 1e-6
"""Of outputs that differ in the order of sums only, relative to outputs of about 1."""
N, K, F = 7, 5, 3


@pytest.fixture(params=TYPES)
def dtype(request):
    return TYPES[request.param]


def net_of(pooling, device="cpu", dtype=torch.float64, **settings):
    with torch_seed(3):
        return DeepSets(F, phi=(16, 8), rho=(12,), pooling=pooling, activation=nn.Tanh, **settings).to(device, dtype)


def rectangle(device="cpu", dtype=torch.float64, seed=5):
    """Sets of 0 to K particles with random holes; the third one is empty, the last is full."""
    rng = np.random.default_rng(seed)
    mask = rng.random((N, K)) < 0.6
    mask[2], mask[-1] = False, True
    x, weight = rng.normal(size=(N, K, F)), rng.random((N, K))
    to = {"device": device, "dtype": dtype}
    return torch.tensor(x, **to), torch.tensor(mask, device=device), torch.tensor(weight, **to)


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=TOLERANCE, atol=TOLERANCE)


# --- Random numbers --------------------------------------------------------------------------------


def test_a_seed_decides_the_first_weights():
    with torch_seed(7):
        first = MLP(3, 4, 1)
    with torch_seed(7):
        again = MLP(3, 4, 1)
    with torch_seed(8):
        other = MLP(3, 4, 1)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters()):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_random_numbers_go_on_as_if_no_seed_had_been_set():
    """Also after an error inside, and after seeds inside seeds."""
    torch.manual_seed(1)
    wanted = torch.rand(5)
    torch.manual_seed(1)
    with torch_seed(7):
        torch.rand(3)
        with torch_seed(8):
            torch.rand(2)
    with pytest.raises(KeyError), torch_seed(9):
        {}[torch.rand(2)]
    assert torch.equal(torch.rand(5), wanted)


def test_seeds_inside_seeds_do_not_disturb_the_outer_one():
    with torch_seed(7):
        wanted = torch.rand(4)
    with torch_seed(7):
        first = torch.rand(2)
        with torch_seed(8):
            torch.rand(1)
        assert torch.equal(torch.cat([first, torch.rand(2)]), wanted)


# --- Layers ----------------------------------------------------------------------------------------


def test_layers_have_the_sizes_asked_for(device, dtype):
    net = MLP(3, 16, 8, 2, activation=nn.Tanh).to(device, dtype)
    assert [(m.in_features, m.out_features) for m in net if isinstance(m, nn.Linear)] == [(3, 16), (16, 8), (8, 2)]
    out = net(torch.ones(4, 5, 3, device=device, dtype=dtype))
    assert out.shape == (4, 5, 2)
    assert (out.dtype, out.device.type) == (dtype, torch.device(device).type)


def test_activations_stand_between_layers_and_not_at_the_end():
    kinds = [type(m) for m in MLP(3, 4, 4, 1, activation=nn.Tanh)]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert [type(m) for m in MLP(3, 1)] == [nn.Linear]
    assert type(MLP(1, 2, 1)[1]) is nn.ReLU


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1, 2)], ids=str)
def test_a_network_needs_inputs_and_outputs(sizes):
    with pytest.raises(ValueError, match=r"numbers of inputs, hidden neurons and outputs, got \("):
        MLP(*sizes)


def test_standardised_features_have_mean_0_and_spread_1(device, dtype):
    """Of very different sizes. Mean and spread to the rounding of 1000 numbers."""
    rng = np.random.default_rng(1)
    x = rng.normal([0.0, 300.0, -0.002, 1e5], [1.0, 2.0, 1e-4, 1e4], size=(1000, 4))
    x = torch.tensor(x, device=device, dtype=dtype)
    y = Standardise(x).to(device)(x)
    assert (y.dtype, y.device) == (x.dtype, x.device)
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-10}[dtype]
    assert float(y.mean(dim=0).abs().max()) < tolerance
    assert float((y.std(dim=0, correction=0) - 1).abs().max()) < tolerance


def test_standardising_is_the_same_map_for_all_data():
    """It remembers the data it was made of: y = (x - 2)/2 of 0 and 4, in any shape."""
    layer = Standardise(torch.tensor([[0.0], [4.0]]))
    assert layer(torch.tensor([[[10.0], [2.0]]])).tolist() == [[[4.0], [0.0]]]


@pytest.mark.parametrize("value", [0.0, 0.1, -1e5, 1e-20])
def test_a_constant_feature_is_only_shifted(dtype, value):
    x = torch.full((1000, 1), value, dtype=dtype)
    layer = Standardise(x)
    assert float(layer(x).abs().max()) <= 2 * abs(value) * torch.finfo(dtype).eps
    torch.testing.assert_close(layer(x + 2), torch.full_like(x, 2.0), rtol=0, atol=max(abs(value), 2) * 1e-6)


def test_a_single_row_is_only_shifted():
    assert Standardise(torch.tensor([[3.0, 4.0]]))(torch.tensor([[5.0, 4.0]])).tolist() == [[2.0, 0.0]]


def test_whole_numbers_are_standardised_too():
    """0 and 1 have mean and spread 1/2, which are not whole."""
    x = torch.tensor([[0], [1], [0], [1]])
    assert Standardise(x)(x).flatten().tolist() == [-1.0, 1.0, -1.0, 1.0]


@pytest.mark.parametrize(
    "x",
    [torch.zeros(0, 3), torch.zeros(3), torch.tensor([[1.0], [float("nan")]]), torch.tensor([[float("inf")], [1.0]])],
    ids=["empty", "1d", "nan", "inf"],
)
def test_standardising_needs_finite_rows(x):
    with pytest.raises(ValueError, match=r"finite features of shape \(rows, F\), got shape \("):
        Standardise(x)


def test_mean_and_spread_are_saved_with_a_network_and_are_not_trained():
    rng = np.random.default_rng(2)
    x, other = (torch.tensor(rng.normal(m, 2.0, size=(50, 2)), dtype=torch.float32) for m in (1.0, 7.0))
    net, copy = nn.Sequential(Standardise(x), MLP(2, 1)), nn.Sequential(Standardise(other), MLP(2, 1))
    assert set(Standardise(x).state_dict()) == {"mean", "spread"}
    assert list(Standardise(x).parameters()) == []
    copy.load_state_dict(net.state_dict())
    assert torch.equal(copy(x), net(x))


# --- Sets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
def test_output_is_blind_to_order(device, dtype, pooling):
    """Of particles within their sets, and of rows of all sets among each other."""
    x, mask, weight = rectangle(device, dtype)
    net = net_of(pooling, device, dtype)
    cloud = from_padded(x, mask, weight)
    wanted = net(cloud)
    rng = np.random.default_rng(6)
    for _ in range(5):
        rows = torch.tensor(rng.permutation(len(cloud.x)), device=device)
        shuffled = Cloud(cloud.x[rows], cloud.index[rows], cloud.n_sets, cloud.weight[rows])
        assert bool((shuffled.index.diff() < 0).any())
        assert_same(net(shuffled), wanted)
        columns = torch.tensor(rng.permutation(K), device=device)
        assert_same(net(from_padded(x[:, columns], mask[:, columns], weight[:, columns])), wanted)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_outputs_follow_the_order_of_sets(device, dtype, pooling):
    x, mask, weight = rectangle(device, dtype)
    net = net_of(pooling, device, dtype)
    order = torch.tensor(np.random.default_rng(6).permutation(N), device=device)
    assert_same(net(from_padded(x[order], mask[order], weight[order])), net(from_padded(x, mask, weight))[order])


@pytest.mark.parametrize("filling", FILLINGS, ids=str)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_output_and_gradients_are_blind_to_padding(device, dtype, pooling, filling):
    """Its contents, and its amount. Gradients with respect to padding are 0."""
    x, mask, weight = rectangle(device, dtype)
    net = net_of(pooling, device, dtype)
    wanted = net(from_padded(x, mask, weight))
    assert bool(torch.isfinite(wanted).all())
    filled = x.masked_fill(~mask.unsqueeze(-1), filling).requires_grad_()
    weights = weight.masked_fill(~mask, filling).requires_grad_()
    out = net(from_padded(filled, mask, weights))
    assert_same(out, wanted)
    out.sum().backward()
    assert bool((filled.grad[~mask] == 0).all())
    for tensor in (filled, *net.parameters()):
        assert bool(torch.isfinite(tensor.grad).all())
    assert bool((filled.grad[mask] != 0).any())
    wide = torch.cat([torch.full_like(x, filling), x], dim=1)
    more_mask = torch.cat([torch.zeros_like(mask), mask], dim=1)
    assert_same(net(from_padded(wide, more_mask, torch.cat([weights, weight], dim=1))), wanted)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_output_is_f_of_the_pooled_phi(device, dtype, pooling):
    """Set by set, from the two networks and the definitions of the three poolings."""
    x, mask, weight = rectangle(device, dtype)
    net = net_of(pooling, device, dtype)
    out = net(from_padded(x, mask, weight))
    assert out.shape == (N,)
    assert (out.dtype, out.device.type) == (dtype, torch.device(device).type)
    for i in range(N):
        latent = net.phi(x[i][mask[i]])
        if pooling == "weighted":
            latent = latent * weight[i][mask[i]][:, None]
        total = latent.sum(dim=0) / (max(int(mask[i].sum()), 1) if pooling == "mean" else 1)
        assert_same(out[i], net.rho(total)[0])


def test_a_rectangle_becomes_rows_with_the_number_of_their_set():
    x, mask, weight = rectangle()
    cloud = from_padded(x, mask, weight)
    pairs = [(i, k) for i in range(N) for k in range(K) if mask[i, k]]
    assert cloud.n_sets == N
    assert cloud.index.tolist() == [i for i, _ in pairs]
    assert torch.equal(cloud.x, torch.stack([x[i, k] for i, k in pairs]))
    assert torch.equal(cloud.weight, torch.stack([weight[i, k] for i, k in pairs]))
    assert from_padded(x, mask).weight is None


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_empty_set_is_f_of_zero(device, dtype, pooling):
    """In front, between others, at the end, and alone."""
    net = net_of(pooling, device, dtype)
    zero = net.rho(torch.zeros(1, 8, device=device, dtype=dtype))[0, 0]
    x = torch.ones(3, F, device=device, dtype=dtype)
    out = net(Cloud(x, torch.tensor([1, 3, 3], device=device), 6, x[:, 0]))
    for i in (0, 2, 4, 5):
        assert_same(out[i], zero)
    none = Cloud(x[:0], torch.zeros(0, dtype=torch.int64, device=device), 2, x[:0, 0])
    assert_same(net(none), zero.expand(2))
    assert net(none._replace(n_sets=0)).shape == (0,)


def test_a_sum_sees_that_a_set_is_doubled_and_a_mean_does_not(device, dtype):
    x, mask, _ = rectangle(device, dtype)
    twice = torch.cat([x, x], dim=1), torch.cat([mask, mask], dim=1)
    some = mask.any(dim=1)
    mean, total = net_of("mean", device, dtype), net_of("sum", device, dtype)
    assert_same(mean(from_padded(*twice)), mean(from_padded(x, mask)))
    assert bool(((total(from_padded(*twice)) - total(from_padded(x, mask))).abs() > 1e-3)[some].all())


def test_a_sum_over_disjoint_parts_is_the_sum_of_the_parts():
    x, mask, _ = rectangle()
    net, left = net_of("sum"), torch.arange(K) < 2
    parts = [net.pooled(from_padded(x, mask & side)) for side in (left, ~left)]
    assert_same(parts[0] + parts[1], net.pooled(from_padded(x, mask)))


def test_weighted_pooling_is_infrared_safe(device, dtype):
    """A particle of weight 0 changes nothing, wherever it goes; one of small weight changes little."""
    x, mask, weight = rectangle(device, dtype)
    net = net_of("weighted", device, dtype)
    cloud = from_padded(x, mask, weight)
    wanted = net(cloud)
    extra = torch.tensor(np.random.default_rng(8).normal(size=(N, F)), device=device, dtype=dtype)
    changes = []
    for soft in (0.0, 1e-3, 1.0):
        softer = Cloud(
            torch.cat([cloud.x, extra]),
            torch.cat([cloud.index, torch.arange(N, device=device)]),
            N,
            torch.cat([cloud.weight, cloud.weight.new_full((N,), soft)]),
        )
        changes.append(float((net(softer) - wanted).abs().max().detach()))
    assert changes[0] < TOLERANCE
    assert 1e-7 < changes[1] < 1e-2 * max(changes[2], 0.1)


def test_weighted_pooling_is_collinear_safe(device, dtype):
    """Each particle split into two of the same direction, which share its weight in any proportion."""
    x, mask, weight = rectangle(device, dtype)
    share = torch.tensor(np.random.default_rng(9).random((N, K)), device=device, dtype=dtype)
    twice = torch.cat([x, x], dim=1), torch.cat([mask, mask], dim=1)
    split = torch.cat([weight * share, weight * (1 - share)], dim=1)
    net = net_of("weighted", device, dtype)
    assert_same(net(from_padded(*twice, split)), net(from_padded(x, mask, weight)))
    counting = net_of("sum", device, dtype)
    assert not torch.allclose(counting(from_padded(*twice)), counting(from_padded(x, mask)))


def test_numbers_of_the_set_are_seen_beside_its_particles(device, dtype):
    x, mask, weight = rectangle(device, dtype)
    net = net_of("sum", device, dtype, n_more=2, n_out=4)
    more = torch.tensor(np.random.default_rng(10).normal(size=(N, 2)), device=device, dtype=dtype)
    out = net(from_padded(x, mask), more)
    assert out.shape == (N, 4)
    assert_same(out, net.rho(torch.cat([net.pooled(from_padded(x, mask)), more], dim=1)))
    changed = (net(from_padded(x, mask), more + torch.eye(N, 2, device=device, dtype=dtype)) - out).abs().amax(dim=1)
    assert bool((changed[:2] > 1e-4).all())
    assert bool((changed[2:] == 0).all())


def test_one_output_per_set_has_no_axis_of_its_own():
    cloud = from_padded(*rectangle())
    assert net_of("sum")(cloud).shape == (N,)
    assert net_of("sum", n_out=2)(cloud).shape == (N, 2)
    one = from_padded(*(t[:1] for t in rectangle()))
    assert net_of("sum")(one).shape == (1,)
    assert net_of("sum", n_out=2)(one).shape == (1, 2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_are_finite_differences(pooling):
    """With respect to features, weights, numbers of the set, and all parameters; the second derivatives too."""
    x, mask, weight = rectangle()
    net = net_of(pooling, n_more=1)
    more = torch.linspace(-1, 1, N, dtype=torch.float64).reshape(N, 1)
    names = [name for name, _ in net.named_parameters()]

    def output(x, weight, more, *parameters):
        arguments = (from_padded(x, mask, weight), more)
        return torch.func.functional_call(net, dict(zip(names, parameters)), arguments)

    inputs = [t.detach().clone().requires_grad_() for t in (x, weight, more, *net.parameters())]
    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)
    assert torch.autograd.gradcheck(output, inputs[:3] + [p.detach() for p in inputs[3:]])
    assert torch.autograd.gradgradcheck(output, inputs[:3] + [p.detach() for p in inputs[3:]], fast_mode=True)


def test_weights_are_asked_for_where_they_are_needed():
    x, mask, weight = rectangle()
    with pytest.raises(ValueError, match="'weighted' needs a cloud with weights"):
        net_of("weighted")(from_padded(x, mask))
    assert_same(net_of("sum")(from_padded(x, mask, weight)), net_of("sum")(from_padded(x, mask)))


def test_only_three_poolings_are_known():
    with pytest.raises(ValueError, match="must be 'sum', 'mean' or 'weighted', got 'max'"):
        DeepSets(2, pooling="max")


def test_a_network_of_sets_needs_neurons():
    with pytest.raises(ValueError, match="MLP wants"):
        DeepSets(2, phi=())
    assert DeepSets(2, rho=())(Cloud(torch.ones(1, 2), torch.tensor([0]), 1)).shape == (1,)


@pytest.mark.parametrize("kind", [torch.int64, torch.float32, torch.uint8], ids=str)
def test_a_mask_holds_bools(kind):
    x, mask, _ = rectangle()
    with pytest.raises(TypeError, match=f"mask must hold bools, true where there is a particle, got {kind}"):
        from_padded(x, mask.to(kind))


def test_shapes_that_do_not_fit_are_named():
    x, mask, weight = rectangle()
    with pytest.raises(ValueError, match=r"got \(7, 5\) and \(7, 5\)"):
        from_padded(x[..., 0], mask)
    with pytest.raises(ValueError, match=r"got \(7, 5, 3\) and \(7, 4\)"):
        from_padded(x, mask[:, :4])
    with pytest.raises(ValueError, match=r"got \(7, 5, 3\) and \(7, 5\) and \(7, 5, 1\)"):
        from_padded(x, mask, weight[..., None])
    net, cloud = net_of("sum", n_more=1), from_padded(x, mask)
    for more in (None, torch.zeros(N - 1, 1).double(), torch.zeros(N, 2).double()):
        with pytest.raises(RuntimeError):
            net(cloud, more)


def test_a_rectangle_may_be_of_numpy():
    """Such as `to_padded` makes of hadrons."""
    x, mask, weight = rectangle()
    for given in ((x.numpy(), mask.numpy(), weight.numpy()), (x, mask.numpy(), weight), (x.numpy(), mask, weight)):
        for found, wanted in zip(from_padded(*given), from_padded(x, mask, weight)):
            assert found == wanted if isinstance(found, int) else torch.equal(found, wanted)
    hadrons = hadronize_strings(20, rng=1).hadrons
    cloud = from_padded(*hadrons.to_padded())
    assert torch.equal(cloud.x, torch.tensor(np.stack([hadrons.px, hadrons.py, hadrons.pz, hadrons.e], 1)))
    assert np.array_equal(cloud.index, hadrons.event)
    with pytest.raises(TypeError, match="mask must hold bools, .* got torch.float64"):
        from_padded(x.numpy(), mask.numpy().astype(float))


def test_what_a_network_sees_of_a_sample_is_what_it_sees_of_its_hadrons():
    sample = hadronize_strings(20, rng=1)
    x = hadron_features(sample)
    assert (x.dtype, x.shape) == (torch.float32, (len(sample.hadrons.pid), 4))
    assert torch.equal(x, hadron_features(sample.hadrons, sample.energy))
    assert x[:, 3].tolist() == (sample.hadrons.pid != 111).tolist()
    with pytest.raises(TypeError, match="Hadrons do not know their energy"):
        hadron_features(sample.hadrons)
    with pytest.raises(ValueError, match="the sample has an energy of"):
        hadron_features(sample, 2 * sample.energy)


@pytest.mark.parametrize("make", [lambda **to: MLP(3, 8, 1, **to), lambda **to: BayesMLP(3, 8, 1, **to)])
def test_weights_are_the_same_numbers_in_every_precision(make):
    nets = []
    for dtype in (torch.float32, torch.float64):
        with torch_seed(1):
            nets.append(make(dtype=dtype))
        assert {w.dtype for w in nets[-1].parameters()} == {dtype}
        assert nets[-1](torch.ones(2, 3)).dtype == dtype
    for a, b in zip(*(net.parameters() for net in nets)):
        assert torch.equal(a.double(), b)


def test_a_network_drawn_from_a_bayesian_one_is_decided_by_rng():
    net = BayesMLP(3, 8, 1)
    x = torch.ones(2, 3)
    assert torch.equal(net.draw(rng=1)(x), net.draw(rng=np.int64(1))(x))
    assert not torch.equal(net.draw(rng=1)(x), net.draw(rng=2)(x))
    with pytest.raises(TypeError, match="draw takes rng, .* write rng=1"):
        net.draw(seed=1)
    with pytest.raises(ValueError, match="BayesMLP wants the numbers of inputs"):
        BayesMLP(3)
