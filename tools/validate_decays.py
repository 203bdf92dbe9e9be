"""Does HOMER find the laws by which clusters decay, with honest errors? Beside the event GAN of the book, if wanted.

    python tools/validate_decays.py [--events 7500] [--repeats 10] [--seed 0] [--truth secret|random] [--gan]
    python tools/validate_decays.py --parts [--events 40000] [--repeats 10]

Each repeat deals the packaged showers out anew, or, where more than 7500 + 7500 events are wanted, showers of Pythia:
some to a simulation, some to data whose clusters decay by another law, some to two test samples. The secret is that of
the chapter on GANs fitted to events: 1 + 3 cos²θ about the flight, and a smearing of 1.5 in place of .78; random laws
are of three kinds. Printed are how many times nearer the learned laws are to the truth than those of the model, by
Wasserstein distance of |cosθ| about the flight (all, without and with a perturbative constituent: the same decays with
different weights, so that nothing is sampled), fresh trees on test samples, and pulls of ln w at ten angles.

With ``--parts`` the law of the masses of what heavy clusters break into is another one in the data, of six kinds with
random numbers, and is learned from identified hadrons before decays, next to that of the angles, which is the model's.
"""

import argparse
import copy
import time
import warnings

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator

import hadtutor as ht
from hadtutor import gan, homer, observables, pythia, training
from hadtutor.cluster.angles import axes_of, decay_angles
from hadtutor.homer.decays import smeared
from hadtutor.kinematics.tensor import helicity_axes, rotate
from hadtutor.metrics import classifier_test
from hadtutor.nets import torch_seed

BASE = ht.ClusterParams(cl_smr_charm=0.78, cl_smr_bottom=0.78)  # delta functions have no weights
PIONS = {"pions_only": True, "progress": False}
ANGLES = np.linspace(0.05, 0.95, 10)


class Truth:
    """Densities of |cosθ| without and with a perturbative constituent, by their logarithms relative to the model."""

    def __init__(self, without, smearing):
        grid = np.linspace(0.0, 1.0, 2001)
        norm = np.trapezoid(np.exp(without(grid)), grid)
        self.without, self.smearing = lambda c: without(c) - np.log(norm), smearing
        density = np.exp(self.without(grid))
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        self.size = lambda u: np.interp(u, cumulative / cumulative[-1], grid)

    def log_w(self, cosine, perturbative):
        with_one = np.log(smeared(abs(cosine), self.smearing) / smeared(abs(cosine), BASE.cl_smr))
        return np.where(perturbative, with_one, self.without(abs(cosine)))

    def __call__(self, clusters, rng):
        """A law of decays for `hadronize_clusters`."""
        axis, kind = axes_of(clusters)
        n = len(kind)
        along_flight = self.size(rng.uniform(size=n)) * rng.choice([-1.0, 1.0], n)
        along_quark = 1.0 + self.smearing * np.log1p(rng.uniform(size=n) * np.expm1(-2.0 / self.smearing))
        cosine, phi = np.where(kind > 0, along_quark.clip(-1.0, 1.0), along_flight), rng.uniform(-np.pi, np.pi, n)
        sine = np.sqrt(1.0 - cosine**2)
        about_z = torch.as_tensor(np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], 1))
        return rotate(about_z, helicity_axes(torch.as_tensor(np.ascontiguousarray(axis.T)))).numpy()


def truth_of(which, rng):
    """The secret of the book; or 1 + α cos², a power of a sine or smooth curves through random points."""
    if which == "secret":
        return Truth(lambda c: np.log1p(3.0 * c**2), 1.5)
    smearing = float(np.exp(rng.uniform(np.log(0.4), np.log(2.5))))
    kind = rng.integers(3)
    if kind == 0:
        alpha = rng.uniform(-0.7, 5.0)
        return Truth(lambda c: np.log1p(alpha * c**2), smearing)
    if kind == 1:
        power = rng.uniform(-0.5, 1.0)
        return Truth(lambda c: power * np.log(1.05 - c**2), smearing)
    values = rng.normal(0.0, 0.4, 4)
    return Truth(lambda c: PchipInterpolator(np.linspace(0.0, 1.0, 4), values)(c**2), smearing)


def distance(x, w_a, w_b):
    """Wasserstein distance of x with two kinds of weights."""
    order = np.argsort(x)
    apart = np.cumsum(w_a[order] / w_a.sum() - w_b[order] / w_b.sum())
    return np.sum(abs(apart[:-1]) * np.diff(x[order]))


def gains(many, log_w_learned, log_w_true):
    """How many times nearer: all, without, with; `many` decays of the model."""
    x, kind = abs(gan.decays(many).direction[:, 2].numpy().astype(float)), decay_angles(many).kind
    truth, learned, model = np.exp(log_w_true), np.exp(log_w_learned), np.ones(len(x))
    some = (slice(None), kind == 0, kind > 0)
    return np.array([distance(x[k], model[k], truth[k]) / distance(x[k], learned[k], truth[k]) for k in some])


def trees(one, other):
    columns = [np.column_stack(list(observables.compute(s.hadrons, s.energy).values())) for s in (one, other)]
    return classifier_test(*columns, rng=np.random.default_rng(5)).auc


def event_gan(sim, data):
    """A law of decays by the event GAN, with the settings of the book."""
    known = gan.decays(sim).where(slice(0, 40_000))
    with torch_seed(1):
        first = gan.DecayGAN(gan.DecayGenerator(known.condition), gan.DecayDiscriminator(known.condition))
    options = {"betas": (0.0, 0.9), "rng": 1, "progress": False}
    before = options | {"epochs": 4, "lr": 5e-4, "lr_end": 5e-5, "average": 0.9995}
    training.train(first, training.Table(*known), gan.adversarial(penalty=1.0), **before)
    hadrons, generator = gan.clouds(data), copy.deepcopy(first.generator)
    with torch_seed(1):
        network = gan.EventGAN(generator, gan.EventDiscriminator(hadrons.x), sim.energy)
    options |= {
        "lr": {"discriminator": 1e-3, "generator": 5e-4}, "lr_end": {"discriminator": 5e-5, "generator": 2.5e-5},
        "average": 0.999, "batch_size": 128, "keep_best": False, "epochs": 8,
    }  # fmt: skip
    training.train(network, training.Paired(gan.EventClusters(sim), hadrons), gan.adversarial(0.1), **options)
    return gan.as_decay(generator)


def gains_of_gan(law, truth, showers, rng):
    """The same gains for a law that can only be drawn from: each against samples of the truth, and their noise."""
    draw = lambda decay: [ht.hadronize_clusters(showers, BASE, rng=rng, decay=decay, **PIONS) for _ in range(4)]
    x = {}
    for name, decay in {"truth": truth, "again": truth, "model": None, "learned": law}.items():
        d = gan.decays(ht.Sample.concatenate(draw(decay)))
        x[name] = abs(d.direction[:, 2].numpy()), d.perturbative.numpy()
    apart = {}
    for name, (c, flag) in x.items():
        of_truth, true_flag = x["truth"]
        pairs = [(c, of_truth), (c[~flag], of_truth[~true_flag]), (c[flag], of_truth[true_flag])]
        apart[name] = np.array([float(ht.metrics.wasserstein(*pair)) for pair in pairs])
    return apart["model"] / apart["learned"], apart["model"] / apart["again"]


def law_of_parts(number, rng):
    """Laws that rise, fall, have a maximum or a minimum, or are a smooth curve through random points."""
    size = rng.uniform(0.5, 2.0)
    curve = PchipInterpolator(np.linspace(0.0, 1.0, 5), rng.normal(0.0, 0.4, 5))
    return (
        lambda u: 1.0 + size * u,
        lambda u: np.exp(-size * u),
        lambda u: 1.0 + size * np.exp(-(((u - 0.5) / 0.25) ** 2)),
        lambda u: 1.0 / (1.0 + size * np.exp(-(((u - 0.5) / 0.25) ** 2))),
        lambda u: (u + 0.05) ** (0.3 * size),
        lambda u: np.exp(curve(u)),
    )[number % 6]


def check_parts(options):
    n, u, fine = options.events, np.linspace(0.05, 0.95, 10), np.linspace(0.0, 1.0, 2001)
    found, pulls = [], []
    for seed in range(options.seed, options.seed + options.repeats):
        rng = np.random.default_rng(seed)
        law, showers = law_of_parts(seed, rng), pythia.shower(2 * n, seed=3000 + seed, progress=False)
        sim = ht.hadronize_clusters(showers[:n], BASE, rng=rng, progress=False)
        data = ht.hadronize_clusters(showers[n:], BASE, rng=rng, parts=law, progress=False)
        start = time.perf_counter()
        result = homer.fit(sim, data.hadrons, factors="parts", rng=seed, progress=False)
        taken = time.perf_counter() - start
        log_w, sigma = result.parts(u)
        pulls.append((log_w - np.log(law(u) / np.trapezoid(law(fine), fine))) / sigma)
        ones = np.ones_like(fine)
        before, after = (distance(fine, w, law(fine)) for w in (ones, np.exp(result.parts(fine)[0])))
        found.append(before / after)
        print(
            f"{seed}: nearer by {found[-1]:.1f}, rms pull {np.sqrt(np.mean(pulls[-1] ** 2)):.2f}, "
            f"σ {sigma.mean():.2f}, p {result.p_value:.2g}, {len(result.bases)} simulations, {taken:.0f} s",
            flush=True,
        )
    width, inside = np.sqrt(np.mean(np.square(pulls))), np.mean(abs(np.array(pulls)) < 1)
    print(f"median {np.median(found):.1f}; width of pulls {width:.2f}, inside {inside:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=7500, help="simulated, and of data")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truth", choices=("secret", "random"), default="secret")
    parser.add_argument("--gan", action="store_true", help="fit the event GAN beside it")
    parser.add_argument("--parts", action="store_true", help="masses of parts in place of angles")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    if options.parts:
        return check_parts(options)
    packaged, n = ht.datasets.load("pythia-showers-91"), options.events
    many = ht.hadronize_clusters(packaged, BASE, rng=99, **PIONS)
    angles = decay_angles(many)
    found, pulls, areas = [], [], []
    for seed in range(options.seed, options.seed + options.repeats):
        rng = np.random.default_rng(seed)
        size = 2 * n + 4000
        showers = packaged if size <= len(packaged) else pythia.shower(size, seed=1000 + seed, progress=False)
        order = rng.permutation(len(showers))
        parts = [showers[k] for k in np.split(order, np.cumsum([n, n, 2000, 2000]))[:4]]
        truth = truth_of(options.truth, rng)
        sim = ht.hadronize_clusters(parts[0], BASE, rng=rng, **PIONS)
        data = ht.hadronize_clusters(parts[1], BASE, rng=rng, decay=truth, **PIONS)
        start = time.perf_counter()
        result = homer.fit(sim, data.hadrons, rng=seed, progress=False)
        taken = time.perf_counter() - start
        kind = angles.kind > 0
        found.append(gains(many, result(angles.cosine, kind)[0], truth.log_w(angles.cosine, kind)))
        pull = []
        for flag in (False, True):
            log_w, sigma = result(ANGLES, flag)
            pull.append((log_w - truth.log_w(ANGLES, flag)) / sigma)
        pulls.append(pull)
        learned = ht.hadronize_clusters(parts[2], BASE, rng=rng, decay=result.decay, **PIONS)
        areas.append(trees(learned, ht.hadronize_clusters(parts[3], BASE, rng=rng, decay=truth, **PIONS)))
        line = lambda numbers: " ".join(f"{x:5.1f}" for x in numbers)
        print(
            f"{seed}: nearer by {line(found[-1])} (all, without, with), trees {areas[-1]:.3f}, "
            f"rms pull {' '.join(f'{x:.2f}' for x in np.sqrt(np.mean(np.square(pull), axis=1)))}, p "
            f"{result.p_value:.2g}, {len(result.bases)} simulations, {taken:.1f} s",
            flush=True,
        )
        if options.gan:
            start = time.perf_counter()
            law = event_gan(sim, data)
            taken = time.perf_counter() - start
            of_gan, floor = gains_of_gan(law, truth, parts[2], rng)
            ours, _ = gains_of_gan(result.decay, truth, parts[2], rng)
            print(f"   by samples: GAN {line(of_gan)} in {taken:.0f} s, HOMER {line(ours)}, truth again {line(floor)}")
    found, pulls = np.array(found), np.array(pulls)
    middle = " ".join(f"{x:.1f}" for x in np.median(found, axis=0))
    print(f"median {middle}; without ≥ 9 in {np.sum(found[:, 1] >= 9)}, with ≥ 8 in {np.sum(found[:, 2] >= 8)}")
    width, inside = np.sqrt(np.mean(pulls**2, axis=(0, 2))), np.mean(abs(pulls) < 1, axis=(0, 2))
    print(
        f"without, with: width of pulls {width.round(2)}, inside {inside.round(2)}, mean {pulls.mean((0, 2)).round(2)}"
    )
    print(f"trees {np.mean(areas):.4f} on average, {np.sum(abs(np.array(areas) - 0.5) < 0.013)} within .013")


if __name__ == "__main__":
    main()
