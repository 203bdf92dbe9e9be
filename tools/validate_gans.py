"""Train the networks for cluster decays, each from several seeds, and measure what they are worth (extra ``pythia``).

    python tools/validate_gans.py decays
    python tools/validate_gans.py events
    python tools/validate_gans.py flavour

Showers are made afresh by Pythia; training and test share none. Ends with 1 if a bar is missed.
"""

import argparse
import sys
import time

import numpy as np
import torch

import hadtutor as ht
from hadtutor import cluster, gan
from hadtutor.kinematics.tensor import helicity_axes, rotate
from hadtutor.metrics import classifier_test
from hadtutor.nets import torch_seed
from hadtutor.training import Paired, Table, train

N_TEST = 10_000  # for distances
N_CHI2, TIMES = 14_000, 20  # true decays for the χ², and how many times as many are made
BETAS = (0.0, 0.9)


def hadronize(showers, seed, **options):
    return ht.hadronize_clusters(showers, rng=np.random.default_rng(seed), threads=2, progress=False, **options)


def of_class(decays, perturbative, n=None):
    return decays.where(torch.nonzero(decays.perturbative == perturbative)[:n, 0])


def isotropic(n, seed):
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)))


# --- Single decays ---------------------------------------------------------------------------------


def train_decays(truth, seed, validate=None, epochs=12, symmetric=True):
    with torch_seed(seed):
        network = gan.DecayGAN(
            gan.DecayGenerator(truth.condition, symmetric=symmetric), gan.DecayDiscriminator(truth.condition)
        )
    log = train(
        network, Table(*truth), gan.adversarial(penalty=1.0), epochs=epochs, batch_size=512, rng=seed,
        lr=1e-3, lr_end=1e-5, betas=BETAS, average=0.9995, validate=validate, keep_best=False, progress=False,
    )  # fmt: skip
    return network, log


def validate_decays(seeds):
    showers = ht.pythia.shower(87_000, seed=101)
    truth = gan.decays(hadronize(showers[:40_000], 1, pions_only=True))
    held_out = of_class(gan.decays(hadronize(showers[40_000:55_000], 3, pions_only=True)), True)
    # Different showers for each, as for two experiments: clusters of one shower resemble each other.
    parts = [showers[start : start + 4000] for start in range(55_000, 87_000, 4000)]
    tests = [gan.decays(hadronize(part, seed, pions_only=True)) for seed, part in enumerate(parts, 11)]
    of_chi2 = [of_class(test, True) for test in tests[:2]]
    of_chi2 = gan.Decays(*(torch.cat(columns)[:N_CHI2] for columns in zip(*of_chi2, strict=True)))
    tests = [of_class(test, True, N_TEST) for test in tests]
    floors = [gan.angle_distance(a.direction, b.direction) for k, a in enumerate(tests) for b in tests[:k]]
    floor = np.mean(floors)
    baseline = np.mean([gan.angle_distance(isotropic(N_TEST, k), test.direction) for k, test in enumerate(tests)])
    print(f"floor {floor:.4f} (single {np.std(floors):.4f}), isotropic {baseline:.4f} = {baseline / floor:.1f} floors")
    passed = {True: 0, False: 0}
    for symmetric in (True, False):
        for seed in seeds:
            start = time.process_time()  # whatever else the machine is doing
            network, _ = train_decays(truth, seed, gan.AngleScore(held_out), symmetric=symmetric)
            seconds = time.process_time() - start
            with torch_seed(seed), torch.no_grad():
                made = [network.generator.sample(test.condition) for test in tests]
                many = torch.cat([network.generator.sample(of_chi2.condition) for _ in range(TIMES)])
            scores = [gan.angle_distance(one, test.direction) for one, test in zip(made, tests, strict=True)]
            ratio = np.mean(scores) / floor
            chi2 = gan.polar_chi2(many, of_chi2.direction)
            good = ratio <= 1.5 and chi2.p_value > 1e-3 and seconds <= 120
            passed[symmetric] += good
            print(
                f"symmetric {symmetric!s:5} seed {seed}: W1 {np.mean(scores):.4f} = {ratio:.2f} floors "
                f"(first sample alone {scores[0]:.4f}), χ² of θ {chi2.chi2:.0f}/{chi2.ndf} (p = {chi2.p_value:.2g}), "
                f"{seconds:.0f} s {'' if good else 'MISSED'}",
                flush=True,
            )
    print(f"passed: {passed}")
    return passed[True] == len(seeds) and baseline >= 5 * floor


# --- Events ----------------------------------------------------------------------------------------


def other_decay(alpha, smearing):
    """Another law of decays: 1 + α cos²θ about the flight, and a perturbative hadron smeared so much."""

    def about(axis, cosine, rng):
        phi, sine = rng.uniform(-np.pi, np.pi, len(axis)), np.sqrt(1 - cosine**2)
        at = np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], 1)
        return rotate(torch.as_tensor(at), helicity_axes(torch.as_tensor(axis))).numpy()

    def decay(clusters, rng):
        n = len(clusters.mass)
        grid = np.linspace(-1, 1, 2001)
        cumulative = grid + alpha * grid**3 / 3
        u = rng.uniform(cumulative[0], cumulative[-1], n)
        momentum = np.stack([clusters.px, clusters.py, clusters.pz], 1)
        anisotropic = about(momentum, np.interp(u, cumulative, grid), rng)
        axis = np.stack([clusters.axis_x, clusters.axis_y, clusters.axis_z], 1)
        cosine = 1 + smearing * np.log1p(rng.uniform(size=n) * np.expm1(-2 / smearing))
        smeared = about(axis, cosine.clip(-1, 1), rng)
        perturbative = clusters.quark_perturbative | clusters.antiquark_perturbative
        return np.where(perturbative[:, None], smeared, anisotropic)

    return decay


def unordered(direction):
    """Both hadrons: which of two pions leads is not to be seen in an event."""
    return torch.cat([direction, -direction])


def distances(one, other):
    """Angle distance of unordered pairs: all clusters, those without, those with a perturbative constituent."""
    keeps = [lambda d: slice(None), lambda d: ~d.perturbative, lambda d: d.perturbative]
    return np.array(
        [
            gan.angle_distance(unordered(one.where(keep(one)).direction), unordered(other.where(keep(other)).direction))
            for keep in keeps
        ]
    )


def validate_events(seeds, alpha=3.0, smearing=1.5):
    law = other_decay(alpha, smearing)
    showers = ht.pythia.shower(80_000, seed=102)
    start = hadronize(showers[:15_000], 1, pions_only=True)
    data = hadronize(showers[15_000:30_000], 2, pions_only=True, decay=law)
    test_showers, test_data = showers[30_000:55_000], hadronize(showers[55_000:], 4, pions_only=True, decay=law)
    energy = data.energy

    def observed(sample):
        return np.column_stack(list(ht.observables.compute(sample.hadrons, energy, threads=2).values()))

    seen, truth = observed(test_data), gan.decays(test_data)

    def judged(sample):
        auc = classifier_test(observed(sample), seen, rng=np.random.default_rng(5))
        return auc, distances(gan.decays(sample), truth)

    auc, before = judged(hadronize(test_showers, 3, pions_only=True))
    print(f"start: AUC {auc.auc:.4f} ± {auc.error:.4f}, W1 {before.round(4)} (all, without, with perturbative)")
    control, floor = judged(hadronize(test_showers, 6, pions_only=True, decay=law))
    print(f"data against itself: AUC {control.auc:.4f} ± {control.error:.4f}, W1 {floor.round(4)}")
    hadrons = gan.clouds(data)
    batches = Paired(gan.EventClusters(start), hadrons)
    pre, _ = train_decays(gan.decays(start), 1, epochs=4)
    begin = {name: x.clone() for name, x in pre.generator.state_dict().items()}
    n_passed = 0
    for seed in seeds:
        generator = gan.DecayGenerator(gan.decays(start).condition)
        generator.load_state_dict(begin)
        with torch_seed(seed):
            network = gan.EventGAN(generator, gan.EventDiscriminator(hadrons.x), energy)
        log = train(
            network, batches, gan.adversarial(penalty=0.1), epochs=20, batch_size=64, rng=seed,
            lr={"discriminator": 5e-4, "generator": 2.5e-4}, lr_end={"discriminator": 2.5e-5, "generator": 1.25e-5},
            betas=BETAS, average=0.9995, progress=False,
        )  # fmt: skip
        fitted = hadronize(test_showers, 10 + seed, pions_only=True, decay=gan.as_decay(network.generator))
        after_auc, after = judged(fitted)
        gain = before / after
        good = auc.auc >= 0.60 and after_auc.auc <= 0.52 and gain[0] >= 5
        n_passed += good
        print(
            f"seed {seed}: AUC {after_auc.auc:.4f} ± {after_auc.error:.4f}, W1 {after.round(4)}, "
            f"better by {gain.round(1)}, {log.seconds:.0f} s {'' if good else 'MISSED'}",
            flush=True,
        )
    print(f"passed: {n_passed} of {len(seeds)}")
    return n_passed >= 0.8 * len(seeds)


# --- Flavour ---------------------------------------------------------------------------------------


def validate_flavour(seeds):
    start = ht.ClusterParams()
    target = start._replace(pwt_s=0.45, pwt_diquark=0.35, vector_wt=0.6, dec_wt=0.5)
    showers = ht.pythia.shower(170_000, seed=103)

    def make(showers, seed, params):
        """Clusters of the start, decays of `params`: the same clusters, other hadrons."""
        rng = np.random.default_rng(seed)
        clusters = cluster.form_clusters(cluster.split_gluons(showers, start, rng=rng))
        hadrons, clusters = cluster.decay_clusters(cluster.fission(clusters, start, rng=rng), params, rng=rng)
        return ht.Sample(hadrons, clusters, params, showers.energy, quark=None)

    simulated, data = make(showers[:30_000], 1, start), make(showers[30_000:130_000], 2, target)
    test = gan.EventClusters(make(showers[130_000:], 3, start))
    # What the target expects of these clusters, without the noise of drawing it.
    truth = gan.FlavourGenerator(target)
    species, shares = truth.odds.species, gan.fractions(truth, test)
    common = shares > 0.01
    hadrons = gan.flavour_clouds(data, species)
    batches = Paired(gan.EventClusters(simulated), hadrons)

    def worst(generator):
        off = abs(gan.fractions(generator, test) / np.where(common, shares, 1.0) - 1)[common]
        return off.max(), np.sqrt(np.mean(off**2))

    print(f"{common.sum()} species above 1 %; start off by at most {worst(gan.FlavourGenerator(start))[0]:.3f}")
    n_passed = 0
    for seed in seeds:
        with torch_seed(seed):
            network = gan.FlavourGAN(
                gan.FlavourGenerator(start),
                gan.FlavourDiscriminator(hadrons.x[:, :3], len(species)),
                data.energy,
            )
        log = train(
            network, batches, gan.adversarial(penalty=0.1), epochs=4, batch_size=256, rng=seed,
            lr={"discriminator": 1e-3, "generator": 5e-4}, lr_end={"discriminator": 5e-5, "generator": 1e-5},
            betas=BETAS, average=0.999, progress=False,
        )  # fmt: skip
        largest, typical = worst(network.generator)
        good = largest <= 0.03
        n_passed += good
        print(
            f"seed {seed}: off by at most {largest:.4f}, rms {typical:.4f}, {log.seconds:.0f} s "
            f"{'' if good else 'MISSED'}",
            flush=True,
        )
    print(f"passed: {n_passed} of {len(seeds)}")
    return n_passed == len(seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks = {"decays": validate_decays, "events": validate_events, "flavour": validate_flavour}
    parser.add_argument("what", choices=checks)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    sys.exit(0 if checks[arguments.what](arguments.seeds) else 1)
