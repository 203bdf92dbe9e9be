import functools
import math

import numpy as np
import onnx
import pytest
import torch
from scipy import stats
from torch import nn

import hadtutor as ht
from hadtutor import gan, nets
from hadtutor.cluster.tensor import PairOdds
from hadtutor.files import DataFileError
from hadtutor.kinematics import decays
from hadtutor.kinematics.tensor import (
    angles,
    directions,
    from_rest_frame,
    helicity_axes,
    p_star,
    rotate,
    to_rest_frame,
    two_body,
)
from hadtutor.nets import torch_seed
from hadtutor.training import Paired, Table, train

ALPHA = 1e-3
PRECISION = {torch.float32: 1e-5, torch.float64: 1e-12}
dtypes = pytest.mark.parametrize("dtype", PRECISION, ids=["float32", "float64"])


@functools.cache
def showers():
    return ht.datasets.load("pythia-showers-91")[:1500]


@functools.cache
def pions(seed=1):
    return ht.hadronize_clusters(showers(), rng=np.random.default_rng(seed), pions_only=True)


def random_directions(n, dtype=torch.float64, seed=1):
    return nn.functional.normalize(torch.randn(n, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed)))


def bodies(n, dtype=torch.float64, seed=2):
    """Momenta and masses of decaying bodies, with masses of two parts that fit."""
    source = torch.Generator().manual_seed(seed)
    k = 20 * torch.randn(n, 3, dtype=torch.float64, generator=source)
    mass = 0.5 + 5 * torch.rand(n, dtype=torch.float64, generator=source)
    shares = torch.rand(2, n, dtype=torch.float64, generator=source) / 2
    p = torch.cat([k, (k.square().sum(1) + mass**2).sqrt().unsqueeze(1)], 1)
    return p.to(dtype), mass.to(dtype), *(shares * mass).to(dtype)


# --- Frames ----------------------------------------------------------------------------------------


@dtypes
def test_axes_of_the_helicity_frame_are_right_handed_and_along_the_momentum(dtype):
    momentum = torch.cat([7 * random_directions(500, dtype), torch.zeros(1, 3, dtype=dtype)])
    momentum[:4] = torch.tensor([[0, 0, 3], [0, 0, -3], [1e-9, 0, -3], [2, 0, 0]], dtype=dtype)
    axes = helicity_axes(momentum)
    unit = torch.eye(3, dtype=dtype).expand(len(axes), 3, 3)
    torch.testing.assert_close(axes @ axes.transpose(1, 2), unit, atol=PRECISION[dtype], rtol=0)
    ones = torch.ones(len(axes), dtype=dtype)
    torch.testing.assert_close(torch.linalg.det(axes), ones, atol=PRECISION[dtype], rtol=0)
    torch.testing.assert_close(axes[:-1, 2], nn.functional.normalize(momentum[:-1]))
    assert axes[-1].tolist() == np.eye(3).tolist(), "a body at rest has the axes of the lab"


@dtypes
def test_angles_are_exact_in_all_quadrants_and_undone_by_directions(dtype):
    given = random_directions(2000, dtype)
    scaled = angles(given)
    assert float(scaled.abs().max()) <= 1.0
    torch.testing.assert_close(directions(scaled), given, atol=PRECISION[dtype], rtol=0)
    quadrants = torch.tensor([[1.0, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]], dtype=dtype)
    assert angles(quadrants)[:, 0].tolist() == pytest.approx([0.25, 0.75, -0.75, -0.25])
    # arccos would lose half of the digits here.
    near_pole = torch.tensor([[1e-4, 0.0, 1.0]], dtype=dtype)
    assert float(angles(near_pole)[0, 1] + 1) == pytest.approx(2e-4 / math.pi, rel=1e-3)


@dtypes
def test_isotropic_directions_have_uniform_azimuth_and_cosine(dtype):
    phi, theta = angles(random_directions(20_000, dtype, seed=5)).double().unbind(1)
    assert stats.kstest(phi, stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2
    assert stats.kstest(torch.cos(math.pi * (theta + 1) / 2), stats.uniform(-1, 2).cdf).pvalue > ALPHA / 2


def test_p_star_is_the_momentum_of_the_cluster_model_and_has_finite_slopes():
    _, mass, m1, m2 = bodies(200)
    expected = [decays.p_star(float(m), float(a), float(b)) for m, a, b in zip(mass, m1, m2, strict=True)]
    assert p_star(mass, m1, m2).numpy() == pytest.approx(expected, rel=1e-12)
    below = torch.tensor([1.0, 1.0], requires_grad=True)
    at = p_star(below, torch.tensor([0.5, 0.7]), torch.tensor([0.5, 0.7]))
    assert at.tolist() == [0.0, 0.0], "no momentum at and below threshold"
    (slope,) = torch.autograd.grad(at.sum(), below)
    assert torch.isfinite(slope).all(), "the root has an infinite slope at threshold; it must not reach the network"


@dtypes
def test_boosts_keep_masses_and_undo_each_other(dtype):
    p, mass, m1, _ = bodies(300, dtype)
    k = torch.cat([random_directions(300, dtype), torch.hypot(torch.ones_like(m1), m1).unsqueeze(1)], 1)
    moved = from_rest_frame(p, mass, k)
    scale = float(p[:, 3].max())
    torch.testing.assert_close(to_rest_frame(p, mass, moved), k, atol=scale**2 * PRECISION[dtype], rtol=0)
    at_rest = torch.cat([torch.zeros(300, 3, dtype=dtype), mass.unsqueeze(1)], 1)
    torch.testing.assert_close(from_rest_frame(p, mass, at_rest), p, rtol=PRECISION[dtype] * 10, atol=1e-5)


@dtypes
def test_two_body_conserves_momentum_and_puts_both_parts_on_their_masses(dtype):
    p, mass, m1, m2 = bodies(500, dtype)
    one, two = two_body(p, mass, random_directions(500, dtype), m1, m2)
    torch.testing.assert_close(one + two, p)
    for part, m in ((one, m1), (two, m2)):
        square = (part[:, 3].double() ** 2 - part[:, :3].double().square().sum(1)) - m.double() ** 2
        # In units of what rounding leaves of the square of the energy.
        assert float((square.abs() / p[:, 3].double() ** 2).max()) < 20 * torch.finfo(dtype).eps


def test_two_body_is_differentiable_in_the_direction_and_the_masses():
    p, mass, m1, m2 = bodies(4)
    direction = random_directions(4).requires_grad_()
    inputs = (direction, m1.requires_grad_(), m2.requires_grad_())
    assert torch.autograd.gradcheck(lambda d, a, b: two_body(p, mass, d, a, b), inputs)


# --- Decays of samples -----------------------------------------------------------------------------


def test_decays_give_back_the_hadrons_of_the_sample():
    sample = pions()
    truth, (rows, first) = gan.decays(sample), gan.pair_rows(sample)
    c = sample.histories
    p, mass = gan.momenta(c)[rows], torch.as_tensor(c.mass[rows])
    of_quark = rotate(truth.direction.double(), helicity_axes(p[:, :3])) * gan.leading(c)[rows, None]
    hadrons = gan.momenta(sample.hadrons)
    m1, m2 = (
        (k[:, 3] ** 2 - k[:, :3].square().sum(1)).clamp(min=0).sqrt() for k in (hadrons[first], hadrons[first + 1])
    )
    one, two = two_body(p, mass, of_quark, m1, m2)
    torch.testing.assert_close(one, hadrons[first], atol=1e-4, rtol=0)
    torch.testing.assert_close(two, hadrons[first + 1], atol=1e-4, rtol=0)


def test_conditions_do_not_depend_on_how_the_event_is_turned():
    c = pions().histories
    turned = ht.Clusters(**{**c._columns(), "px": -c.py, "py": c.px})
    assert torch.equal(gan.conditions(turned), gan.conditions(c))


def test_leading_hadron_is_that_of_the_perturbative_quark():
    c = pions().histories
    sign = gan.leading(c).numpy()
    assert (sign[c.quark_perturbative] == 1).all()
    assert (sign[~c.quark_perturbative & c.antiquark_perturbative] == -1).all()
    truth = gan.decays(pions())
    cosine = truth.direction[truth.perturbative][:, 2]
    assert float(cosine.mean() / cosine.std() * len(cosine) ** 0.5) > 20, "it flies on with the cluster"


def test_decays_want_clusters():
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(ht.hadronize_strings(3, rng=np.random.default_rng(1)))
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(None)


# --- Distances -------------------------------------------------------------------------------------


def test_angle_distance_of_a_shift_is_the_shift():
    scaled = torch.stack([torch.linspace(-0.5, 0.5, 101), torch.linspace(-0.4, 0.4, 101)], 1).double()
    shifted = scaled + torch.tensor([0.1, 0.05])
    assert gan.angle_distance(directions(scaled), directions(shifted)) == pytest.approx(0.075)


def test_sampling_floor_falls_with_the_root_of_n_and_scales_where_data_are_few():
    many = random_directions(64_000)
    large, small = gan.sampling_floor(many, 4000, repeats=40), gan.sampling_floor(many, 1000, repeats=40)
    assert small / large == pytest.approx(2.0, rel=0.2)
    scaled = gan.sampling_floor(many[:4000], 4000, repeats=40)
    assert scaled == pytest.approx(large, rel=0.25), "measured on halves of 2000 and scaled"
    with pytest.raises(ValueError, match="at least four directions, got 3"):
        gan.sampling_floor(many[:3])


class Isotropic(nn.Module):
    n_noise = 3

    def forward(self, condition, noise):
        return nn.functional.normalize(noise)


def test_score_of_the_truth_is_near_its_floor_and_the_same_every_time():
    truth = gan.Decays(torch.zeros(4000, 3), random_directions(4000, torch.float32))
    score, network = gan.AngleScore(truth), nn.Module()
    network.generator = Isotropic()
    assert score(network) == score(network)
    assert score(network) < 2.5 * score.floor


# --- Networks and losses ---------------------------------------------------------------------------


def small_gan(truth, seed=1, symmetric=True, conditional=True):
    with torch_seed(seed):
        return gan.DecayGAN(
            gan.DecayGenerator(truth.condition, hidden=(16,), symmetric=symmetric),
            gan.DecayDiscriminator(truth.condition, hidden=(16,), conditional=conditional),
        )


@dtypes
@pytest.mark.parametrize("symmetric", [False, True])
def test_generators_give_unit_vectors(dtype, symmetric):
    truth = gan.decays(pions())
    generator = small_gan(truth, symmetric=symmetric).generator.to(dtype)
    direction = generator.sample(truth.condition.to(dtype))
    assert direction.dtype == dtype
    torch.testing.assert_close(direction.norm(dim=1), torch.ones(len(direction), dtype=dtype))


def test_symmetric_generators_have_uniform_azimuths_whatever_their_weights():
    truth = gan.decays(pions())
    generator = small_gan(truth).generator
    with torch.no_grad(), torch_seed(3):
        generator.net[-1].bias += torch.tensor([5.0, 0.0, 0.0])  # all weight towards +x
        phi = angles(generator.sample(truth.condition))[:, 0].double()
    assert stats.kstest(phi, stats.uniform(-1, 2).cdf).pvalue > ALPHA


def test_the_unconditional_discriminator_does_not_see_the_cluster_and_the_other_does():
    truth = gan.decays(pions())
    for conditional in (False, True):
        network = small_gan(truth, conditional=conditional).discriminator
        changed = not torch.equal(
            network(truth.direction, truth.condition), network(truth.direction, truth.condition.flip(0))
        )
        assert changed == conditional


def test_generator_wants_noise_for_a_direction():
    with pytest.raises(ValueError, match="n_noise must be at least 3"):
        gan.DecayGenerator(torch.zeros(4, 3), n_noise=2)


class Toy(nn.Module):
    """A discriminator 3x, true x of 2, made x of 1."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(3.0))
        self.place = nn.Parameter(torch.tensor(1.0))

    def discriminator(self, x):
        return self.slope * x[:, 0]

    def real(self, batch):
        return (torch.full((5, 1), 2.0),)

    def fake(self, batch):
        return (self.place * torch.ones(5, 1),)


def test_losses_are_those_of_the_papers():
    toy, logistic = Toy(), lambda d: 1 / (1 + math.exp(-d))
    plain = -math.log(logistic(6)) - math.log(1 - logistic(3))
    assert gan.adversarial()["discriminator"](toy, ()).item() == pytest.approx(plain, rel=1e-6)
    # R1: γ/2 · slope², and here the slope is 3.
    assert gan.adversarial(penalty=0.5)["discriminator"](toy, ()).item() == pytest.approx(plain + 0.25 * 9, rel=1e-6)
    assert gan.adversarial()["generator"](toy, ()).item() == pytest.approx(-math.log(logistic(3)), rel=1e-6)
    minimax = gan.adversarial(saturating=True)["generator"](toy, ())
    assert minimax.item() == pytest.approx(math.log(1 - logistic(3)), rel=1e-6)


def test_the_penalty_has_the_gradient_of_the_penalty():
    toy = Toy()
    losses = [gan.adversarial(penalty)["discriminator"](toy, ()) for penalty in (0.0, 0.5)]
    without, with_it = (torch.autograd.grad(loss, toy.slope)[0] for loss in losses)
    assert float(with_it - without) == pytest.approx(0.5 * 3, rel=1e-5)


def test_both_generator_losses_push_the_same_way_but_only_one_hard_where_it_matters():
    toy = Toy()
    toy.place.data.fill_(-3.0)  # the discriminator is sure: d = -9
    slopes = [
        float(torch.autograd.grad(gan.adversarial(saturating=s)["generator"](toy, ()), toy.place)[0])
        for s in (True, False)
    ]
    assert all(slope < 0 for slope in slopes), "towards the data"
    assert slopes[1] / slopes[0] > 1000, "minimax has no slope where the discriminator is sure"


@pytest.mark.parametrize("penalty", [-1.0, math.nan, math.inf])
def test_penalties_that_make_no_sense(penalty):
    with pytest.raises(ValueError, match="penalty must be finite"):
        gan.adversarial(penalty)


def test_a_gan_learns_decays_along_the_flight_and_a_seed_says_all():
    source = torch.Generator().manual_seed(1)
    condition = torch.rand(8192, 3, generator=source)
    # Decays along the flight with a probability that depends on the cluster: cosθ between -1 and 1 for a condition of
    # 0, only forward for one of 1.
    cosine = 1 - (2 - condition[:, 0]) * torch.rand(8192, generator=source)
    phi = 2 * math.pi * torch.rand(8192, generator=source)
    sine = (1 - cosine**2).sqrt()
    truth = gan.Decays(condition, torch.stack([sine * phi.cos(), sine * phi.sin(), cosine], 1))
    ends = []
    for _ in range(2):
        with torch_seed(7):
            network = gan.DecayGAN(gan.DecayGenerator(condition), gan.DecayDiscriminator(condition))
        before = gan.AngleScore(truth)(network)
        train(
            network, Table(*truth), gan.adversarial(1.0), epochs=8, batch_size=128, seed=7, lr=1e-3, lr_end=1e-4,
            betas=(0.0, 0.9), average=0.99, progress=False,
        )  # fmt: skip
        ends.append(torch.cat([w.flatten() for w in network.parameters()]).detach())
    assert torch.equal(*ends)
    assert gan.AngleScore(truth)(network) < before / 4
    with torch.no_grad(), torch_seed(8):
        made = network.generator.sample(condition)[:, 2]
    for low in (0.0, 0.5):  # and it knows which clusters
        of = (condition[:, 0] >= low) & (condition[:, 0] < low + 0.5)
        assert float(made[of].mean()) == pytest.approx(float(cosine[of].mean()), abs=0.06)


# --- ONNX, and the place in the event generator ----------------------------------------------------


@pytest.mark.parametrize("symmetric", [False, True])
def test_onnx_agrees_with_torch(tmp_path, symmetric):
    truth = gan.decays(pions())
    generator = small_gan(truth, symmetric=symmetric).generator
    gan.export_onnx(generator, tmp_path / "decay.onnx")
    assert [f.name for f in tmp_path.iterdir()] == ["decay.onnx"], "no pieces left behind"
    run, n_noise = gan.run_onnx(tmp_path / "decay.onnx")
    assert n_noise == generator.n_noise
    noise = np.random.default_rng(3).standard_normal((len(truth.condition), n_noise), dtype=np.float32)
    with torch.no_grad():
        expected = generator(truth.condition, torch.as_tensor(noise)).numpy()
    assert abs(run(truth.condition.numpy(), noise) - expected).max() < 1e-5
    assert run(truth.condition.numpy()[:0], noise[:0]).shape == (0, 3)


def test_events_through_onnx_are_those_through_torch_and_conserve_momentum(tmp_path):
    generator = small_gan(gan.decays(pions())).generator
    gan.export_onnx(generator, tmp_path / "decay.onnx")
    samples = [
        ht.hadronize_clusters(showers(), rng=np.random.default_rng(5), pions_only=True, threads=threads, decay=decay)
        for decay, threads in (
            (gan.as_decay(generator), 1),
            (gan.load_onnx(tmp_path / "decay.onnx"), 1),
            (gan.load_onnx(tmp_path / "decay.onnx"), 2),
        )
    ]
    columns = [np.stack([s.hadrons.px, s.hadrons.py, s.hadrons.pz, s.hadrons.e]) for s in samples]
    assert abs(columns[0] - columns[1]).max() < 1e-3
    assert np.array_equal(columns[1], columns[2]), "the number of threads changes nothing"
    for sample, column in zip(samples, columns, strict=True):
        total = np.stack([np.bincount(sample.hadrons.event, weights=x, minlength=len(sample)) for x in column], 1)
        full = sample.hadrons.multiplicity > 0
        assert abs(total[full] - [0, 0, 0, sample.energy]).max() < 1e-6 * sample.energy


def test_decays_through_the_event_chain_are_those_of_the_generator():
    """The frames of training and generation are the same: what comes out has the law of the network."""
    truth = gan.decays(pions())
    generator = small_gan(truth).generator
    with torch.no_grad():
        generator.net[-1].bias += torch.tensor([0.0, 0.0, 1.5])
    sample = ht.hadronize_clusters(
        showers(), rng=np.random.default_rng(5), pions_only=True, decay=gan.as_decay(generator)
    )
    there = gan.decays(sample)
    with torch.no_grad(), torch_seed(2):
        direct = generator.sample(there.condition)
    for got, expected in zip(angles(there.direction).T, angles(direct).T, strict=True):
        assert stats.ks_2samp(got, expected).pvalue > ALPHA / 2


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "other"])
def test_onnx_files_that_are_none(tmp_path, damage):
    path = tmp_path / "decay.onnx"
    gan.export_onnx(small_gan(gan.decays(pions())).generator, path)
    if damage == "missing":
        path.unlink()
        with pytest.raises(FileNotFoundError):
            gan.load_onnx(path)
        return
    if damage == "other":
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    else:
        raw = path.read_bytes()
        path.write_bytes({"empty": b"", "truncated": raw[: len(raw) // 2], "text": b"decays"}[damage])
    with pytest.raises(DataFileError, match=r"decay\.onnx is (not an ONNX file|an ONNX file, but no generator)"):
        gan.load_onnx(path)


def test_export_knows_its_layers():
    generator = small_gan(gan.decays(pions())).generator
    generator.net[1] = nn.Tanh()
    with pytest.raises(TypeError, match="knows linear layers and ReLU, got Tanh"):
        gan.export_onnx(generator, "never.onnx")


# --- Events ----------------------------------------------------------------------------------------


@dtypes
def test_hadrons_of_events_are_those_that_were_simulated(dtype):
    sample = pions()
    events = gan.EventClusters(sample, dtype)
    index = torch.tensor([7, 3, 1200])
    batch = events[index]
    truth = gan.decays(sample)
    rows = np.concatenate([np.flatnonzero(sample.histories.event[gan.pair_rows(sample)[0]] == i) for i in index])
    p, event = gan.hadrons_of(batch, truth.direction[rows].to(dtype))
    for k, i in enumerate(index.tolist()):
        h = sample.hadrons[[i]]
        expected = np.sort(np.stack([h.px, h.py, h.pz, h.e]), axis=1)
        assert np.sort(p[event == k].double().numpy().T, axis=1) == pytest.approx(expected, abs=2e-4)
        if dtype == torch.float64:
            total = p[event == k].sum(0).tolist()
            assert total == pytest.approx([0, 0, 0, sample.energy], abs=1e-6)
    of_simulation = two_body(batch.p, batch.mass, batch.direction, batch.m1, batch.m2)[0]
    torch.testing.assert_close(of_simulation, p[: len(batch.p)], atol=1e-3 if dtype == torch.float32 else 1e-4, rtol=0)


def test_features_do_not_change_when_the_event_is_turned():
    h = pions().hadrons[:200]
    p, event = gan.momenta(h), torch.as_tensor(h.event)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    turned = torch.cat([p[:, :3] @ turn.T, p[:, 3:]], 1)
    x, y = (nets.axis_features(q, event, len(h), 91.2) for q in (p, turned))
    torch.testing.assert_close(x, y, atol=1e-6, rtol=0)
    assert torch.isfinite(nets.axis_features(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), 1, 91.2)).all()


def test_gradients_of_the_event_gan_reach_the_generator_through_the_boosts():
    """The slope of the discriminator's logit with respect to a weight, against a finite difference."""
    sample = pions()[:20]
    clusters, hadrons = gan.EventClusters(sample, torch.float64), gan.clouds(sample.hadrons, 91.2)
    with torch_seed(1):
        generator = gan.DecayGenerator(gan.decays(sample).condition, hidden=(8,)).double()
        network = gan.EventGAN(generator, gan.EventDiscriminator(hadrons.x).double(), 91.2)
    batch = clusters[torch.arange(20)], None
    bias = generator.net[-1].bias

    def logit():
        with torch_seed(4):
            # The axis takes no gradient: it is kept where it was.
            x, event, n = network.fake(batch)
        return network.discriminator(x, event, n).sum()

    (slope,) = torch.autograd.grad(logit(), bias)
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) > 0


def test_event_gan_brings_generated_events_closer_to_the_data():
    """From isotropic decays to decays along the flight, seen by no one but in the hadrons."""

    def along(clusters, rng):
        sign = rng.choice([-1.0, 1.0], len(clusters.px))[:, None]
        smear = 0.3 * rng.standard_normal((len(clusters.px), 3))
        p = np.stack([clusters.px, clusters.py, clusters.pz], 1)
        return sign * p / np.linalg.norm(p, axis=1, keepdims=True).clip(1e-9) + smear

    start = pions()
    data = ht.hadronize_clusters(showers(), rng=np.random.default_rng(9), pions_only=True, decay=along)
    hadrons = gan.clouds(data.hadrons, 91.2)
    with torch_seed(1):
        network = gan.EventGAN(gan.DecayGenerator(gan.decays(start).condition), gan.EventDiscriminator(hadrons.x), 91.2)
    truth = gan.decays(data)

    def cosine():
        with torch.no_grad(), torch_seed(5):
            return float(network.generator.sample(truth.condition)[:, 2].abs().mean())

    goal = float(truth.direction[:, 2].abs().mean())
    before = cosine()
    train(
        network, Paired(gan.EventClusters(start), hadrons), gan.adversarial(0.1), epochs=10, batch_size=64,
        seed=1, lr={"discriminator": 2e-3, "generator": 1e-3}, betas=(0.0, 0.9), progress=False,
    )  # fmt: skip
    assert abs(cosine() - goal) < 0.3 * abs(before - goal)


# --- Flavour ---------------------------------------------------------------------------------------


@functools.cache
def hadronized(seed=1):
    return ht.hadronize_clusters(showers(), rng=np.random.default_rng(seed))


def test_pair_odds_are_those_of_the_cluster_model():
    """Drawn by the kernel against the probabilities, in expected numbers of each species."""
    start = ht.ClusterParams()
    sample = hadronized()
    events = gan.EventClusters(sample)
    generator = gan.FlavourGenerator(start)
    species = generator.odds.species
    shares = gan.fractions(generator, events)
    assert shares.sum() == pytest.approx(1.0)
    counts = np.bincount(np.searchsorted(species, sample.hadrons.pid), minlength=len(species))
    expected = shares * counts.sum()
    rich = expected >= 25
    chi2 = ((counts - expected)[rich] ** 2 / expected[rich]).sum()
    # Both hadrons of a pair come from one choice, so the variance of a sum is not exactly Poisson's: singles have none
    # and pairs of the same species twice as much. The bar is far above either.
    assert chi2 < stats.chi2.isf(ALPHA, rich.sum()) * 1.3
    assert abs(counts - expected)[~rich].max() < 40


def test_pair_odds_add_up_and_leave_no_room_for_what_does_not_fit():
    odds = PairOdds(ht.ClusterParams())
    flavour = torch.arange(25).repeat_interleave(4)
    lightest = torch.stack([odds.sum2[odds.pair[row][odds.fits[row]]].min().sqrt() for row in range(25)])
    mass = lightest[flavour] + torch.tensor([0.01, 0.5, 2.0, 8.0]).repeat(25)
    log_p, pair = odds(flavour, mass)
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(len(mass)), atol=1e-5, rtol=0)
    fits = odds.sum2[pair] < mass.square().unsqueeze(1)
    assert float(log_p.exp()[~fits].sum()) == 0.0


@dtypes
def test_networks_for_events_keep_the_precision_of_their_input(dtype):
    start = ht.ClusterParams()
    sample = hadronized()
    batch = gan.EventClusters(sample, dtype)[torch.arange(50)], None
    generator = gan.FlavourGenerator(start)
    n_species = len(generator.odds.species)
    discriminator = gan.FlavourDiscriminator(gan.clouds(sample.hadrons, 91.2).x, n_species)
    flavours = gan.FlavourGAN(generator, discriminator, 91.2).to(dtype)
    with torch_seed(1):
        events = gan.EventGAN(
            gan.DecayGenerator(gan.decays(sample).condition),
            gan.EventDiscriminator(gan.clouds(sample.hadrons, 91.2).x),
            91.2,
        ).to(dtype)
    for network in (flavours, events):
        x, event, n = network.fake(batch)
        logit = network.discriminator(x, event, n)
        assert x.dtype == logit.dtype == dtype
        assert torch.isfinite(logit).all()
        assert len(logit) == 50


def test_drawn_hadrons_are_of_the_pair_and_have_its_masses():
    sample = hadronized()
    c = gan.EventClusters(sample)[torch.arange(300)]
    generator = gan.FlavourGenerator(ht.ClusterParams())
    with torch_seed(2):
        species, masses = generator.sample(c.flavour, c.mass)
    assert torch.equal(species.sum(2), torch.ones(2, len(c.mass)))
    codes = generator.odds.species[species.argmax(2).numpy()]
    expected = np.vectorize(lambda pid: ht.particles.PARTICLES[pid].mass)(codes)
    assert masses.detach().numpy() == pytest.approx(expected, rel=1e-5)
    assert (masses.sum(0) < c.mass + 1e-5).all(), "what does not fit is never drawn"
    assert np.all([ht.particles.PARTICLES[a].name is not None for a in codes.ravel()])
    (slope,) = torch.autograd.grad((species[0] @ torch.arange(float(species.shape[2]))).sum(), generator.net[-1].bias)
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) > 0, "a choice with a slope"


def test_flavour_gan_conserves_momentum_and_moves_towards_the_data():
    start = ht.ClusterParams()
    data = ht.hadronize_clusters(showers(), start._replace(vector_wt=0.2), rng=np.random.default_rng(3))
    events = gan.EventClusters(hadronized())
    with torch_seed(1):
        generator = gan.FlavourGenerator(start)
        species = generator.odds.species
        hadrons = gan.flavour_clouds(data.hadrons, 91.2, species)
        network = gan.FlavourGAN(generator, gan.FlavourDiscriminator(hadrons.x[:, :3], len(species)), 91.2)
    x, event, n = network.fake((events[torch.arange(100)], None))
    assert n == 100
    assert torch.equal(x[:, 3:].sum(1), torch.ones(len(x)))
    truth = np.bincount(np.searchsorted(species, data.hadrons.pid), minlength=len(species)) / len(data.hadrons.pid)
    vectors = abs(species) % 10 == 3
    before = gan.fractions(generator, events)[vectors].sum()
    train(
        network, Paired(events, hadrons), gan.adversarial(0.1), epochs=8, batch_size=64, seed=1,
        lr={"discriminator": 2e-3, "generator": 2e-3}, betas=(0.0, 0.9), progress=False,
    )  # fmt: skip
    after = gan.fractions(generator, events)[vectors].sum()
    assert abs(after - truth[vectors].sum()) < 0.35 * abs(before - truth[vectors].sum())


def test_clouds_name_a_species_that_clusters_do_not_make():
    h = hadronized().hadrons[:2]
    photon = ht.Hadrons(h.offsets, h.px, h.py, h.pz, h.e, np.where(np.arange(len(h.pid)) == 1, 22, h.pid))
    with pytest.raises(ValueError, match="species 22, which clusters do not decay to"):
        gan.flavour_clouds(photon, 91.2, PairOdds(ht.ClusterParams()).species)


def test_paired_data_want_events():
    with pytest.raises(ValueError, match="both data sets want events, got 2 and 0"):
        Paired(Table(torch.zeros(2)), Table(torch.zeros(0)))
