"""Are flows of first emissions and of decays as good as they should be, and is MAGIC honest?

    python tools/validate_flows.py emissions chains decays magic autoencoder [--seeds 1 2 3]

Training times are of the processor, on one thread. Ends with 1 if a bar is missed.
"""

import argparse
import sys
import time

import numpy as np
import torch
from scipy.stats import chi2

import hadtutor as ht
from hadtutor import flows, gan
from hadtutor.lund import log_density

P = ht.LundParams()
LUND = lambda z, mt2: np.exp(log_density(z, mt2, P))
Z_BINS = np.linspace(0.05, 0.9, 18)
SETTINGS = {
    "spline": (flows.SplineFlow, {"hidden": (32,)}, {"batch_size": 4096, "lr": 1e-2}),
    "matching": (flows.MatchingFlow, {}, {"batch_size": 4096, "lr": 1e-2, "average": 0.999}),
}
STRINGS = 1_000_000  # 16 million breaks: of fewer those with small z and large mT² are not known to a per cent
EPOCHS = {"spline": 1, "matching": 2}
passed = True


def bar(good, text):
    global passed
    passed &= bool(good)
    print(f"{text}{'' if good else '   MISSED'}", flush=True)


def timed(job, *arguments, **options):
    start = time.process_time()
    return job(*arguments, **options), time.process_time() - start


def learned(kind, seed, x, condition, epochs=None):
    make, sizes, options = SETTINGS[kind]
    flow = make(x, condition, kinds="share", rng=seed, **sizes)
    _, seconds = timed(flow.fit, x, condition, epochs=epochs or EPOCHS[kind], rng=seed, **options)
    return flow, seconds


def worst(law, mt2):
    """Largest deviation from Lund's f in bins of z, in quarters of mT²."""
    found, z = [], (Z_BINS[:-1, None] + np.diff(Z_BINS)[:, None] * (np.arange(5) + 0.5) / 5).ravel()
    for part in np.array_split(np.sort(mt2), 4):
        some = part[:: max(1, len(part) // 1000), None]
        made, true = (f(z, some).mean(0).reshape(-1, 5).sum(1) for f in (law.density, LUND))
        found.append(abs(made / true - 1).max())
    return np.array(found)


def emissions(seeds):
    sample = ht.hadronize_strings(STRINGS, P, energy=100.0, rng=1, progress=False)
    x, condition = flows.breaks(sample)
    print(f"f(z | mT²) from {len(x)} breaks")
    exact = flows.lund_emission(LUND, P.sigma_pt)
    true = flows.emit_chains(100_000, exact, energy=100.0, cut=5.0, rng=1)
    for kind, limit in (("spline", 0.015), ("matching", 0.025)):
        for seed in seeds:
            flow, seconds = learned(kind, seed, x, condition)
            law = flows.FlowLaw(flow)
            off = worst(law, sample.histories.mt2)
            n = flows.emit_chains(100_000, flows.lund_emission(law, P.sigma_pt), energy=100.0, cut=5.0, rng=seed + 10)
            error = np.hypot(n.std(), true.std()) / np.sqrt(len(n))
            pull, pull_rms = (n.mean() - true.mean()) / error, (n.std() - true.std()) / (error / np.sqrt(2))
            good = off.max() <= limit and seconds <= 60 and abs(pull) < 3 and abs(pull_rms) < 3
            bar(good, f"{kind} seed {seed}: off by {np.round(100 * off, 2)} %, {seconds:.0f} s, ⟨N⟩ {n.mean():.3f} rms "
                      f"{n.std():.3f}, pulls {pull:.1f} and {pull_rms:.1f}")  # fmt: skip


def chains(seeds):
    sample = ht.hadronize_strings(STRINGS, P, energy=100.0, rng=1, progress=False)
    flow, _ = learned("spline", seeds[0], *flows.breaks(sample))
    for width, name in ((1.0, "σ"), (np.sqrt(2.0), "σ√2")):
        exact, made = (flows.lund_emission(law, width * P.sigma_pt) for law in (LUND, flows.FlowLaw(flow)))
        for energy in (10.0, 22.25, 50.0, 100.0, 300.0, 1000.0):
            emissions = exact, made, scaled(exact, energy)
            n, m, with_scale = (
                flows.emit_chains(50_000, e, energy=energy, cut=5.0, rng=k) for k, e in enumerate(emissions)
            )
            pull = (m.mean() - n.mean()) / np.hypot(n.std(), m.std()) * np.sqrt(len(n))
            text = (
                f"{name} {energy:6.1f} GeV: exact {n.mean():.3f} ± {n.std():.3f}, flow {m.mean():.3f} ± {m.std():.3f}"
            )
            bar(abs(pull) < 4, f"{text}, pull {pull:.1f}; p_z scaled {with_scale.mean():.3f}")


def scaled(emission, energy):
    """What is emitted at the `energy`, with p_z in proportion to the mass."""

    def emit(mass, rng):
        p_z, p_t = emission(np.full(len(mass), energy), rng)
        return p_z * mass / energy, p_t

    return emit


def decays(seeds):
    showers = ht.pythia.shower(66_000, seed=101)
    make = lambda part, seed: gan.decays(ht.hadronize_clusters(part, rng=seed, pions_only=True, progress=False))
    truth = make(showers[:40_000], 1)
    # Different showers for each, as for two experiments: clusters of one shower resemble each other.
    tests = [make(showers[start : start + 5200], start) for start in range(40_000, 66_000, 5200)]
    tests = [test.where(test.perturbative).where(slice(0, 14_000)) for test in tests]
    floor = np.mean([gan.angle_distance(a.direction, b.direction) for k, a in enumerate(tests) for b in tests[:k]])
    for name, kind, sizes, options in (
        ("spline", flows.SplineFlow, {"hidden": (32,)}, {"epochs": 20, "batch_size": 4096, "lr": 1e-2}),
        (
            "matching",
            flows.MatchingFlow,
            {"hidden": (32, 32), "steps": 3},
            {"epochs": 30, "batch_size": 4096, "lr": 1e-2},
        ),
    ):
        for seed in seeds:
            flow = flows.DecayFlow(truth, kind, rng=seed, **sizes)
            _, seconds = timed(flow.fit, truth, rng=seed, average=0.998, **options)
            made, sampling = timed(draw_all, flow, tests, seed)
            w1 = np.mean([gan.angle_distance(m, t.direction) for m, t in zip(made, tests)]) / floor
            ps = [p_of_cosine(tests[0], flow, repeat, seed) for repeat in (1, 20)]
            rate = sum(map(len, made)) / sampling
            good = w1 <= 1.2 and min(ps) > 1e-3 and seconds <= 60 and rate > 2e5
            bar(good, f"{name} seed {seed}: W1 {w1:.2f} floors, p of cosθ {ps[0]:.3f}, with 20 times as many "
                      f"{ps[1]:.3f}; {seconds:.0f} s, {rate / 1e6:.2f} million decays/s")  # fmt: skip


def draw_all(flow, tests, seed):
    return [flow.sample(test.condition, rng=seed + k) for k, test in enumerate(tests)]


def p_of_cosine(test, flow, repeat, seed):
    """p-value of χ² in 40 bins between test decays and `repeat` times as many generated ones."""
    edges = np.linspace(-1, 1, 41)
    made = flow.sample(test.condition.repeat(repeat, 1), rng=100 + seed)
    seen, drawn = (np.histogram(d[:, 2].numpy(), edges)[0] for d in (test.direction, made))
    pooled = (seen + drawn) / (1 + repeat)
    return chi2.sf(((seen - drawn / repeat) ** 2 / (pooled * (1 + 1 / repeat))).sum(), 39)


def autoencoder(seeds):
    """Chain lengths as published, 9.064 ± .028 and 9.148 ± .025 of the autoencoder; momenta have twice the variance."""
    rng, exact = np.random.default_rng(1), flows.lund_emission(LUND, np.sqrt(2.0) * P.sigma_pt)
    p_z, p_t = exact(np.full(1_000_000, 50.0), rng)

    def independent(mass, rng):
        return rng.choice(p_z, len(mass)) * mass / 50.0, rng.choice(p_t, len(mass))

    lengths = {}
    for name, emission in (("exact", exact), ("scaled", scaled(exact, 50.0)), ("independent", independent)):
        n = flows.emit_chains(100_000, emission, energy=50.0, cut=5.0, rng=2)
        lengths[name] = n.mean()
        print(f"{name}: {n.mean():.3f} ± {n.std() / np.sqrt(len(n)):.3f}, rms {n.std():.3f}", flush=True)
    vectors, condition = [flows.sorted_vectors(p) for p in (p_z, p_t)], np.full((10_000, 1), 50.0)
    for n_latent in (2, 20):
        found = []
        for seed in seeds:
            models = [flows.SlicedAutoencoder(v, condition, n_latent=n_latent, rng=seed) for v in vectors]
            for model, v in zip(models, vectors):
                model.fit(v, condition, epochs=50, rng=seed)
            emission = flows.autoencoder_emission(*models, 50.0, n=1_000_000, rng=seed)
            found.append(flows.emit_chains(100_000, emission, energy=50.0, cut=5.0, rng=seed).mean())
        bias = np.array(found) - lengths["scaled"]
        text = f"autoencoder with {n_latent} latent numbers: {np.round(found, 3)}, bias {bias.mean():+.3f}, "
        text += "published +.084 ± .038"
        bar(n_latent > 2 or abs(bias).max() < 0.16, text)


Z, MT2 = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), np.array([0.04, 0.1, 0.25])[:, None]
PRIOR = lambda rng, n: [P._replace(a=a, b=b) for a, b in zip(rng.uniform(0.3, 1.3, n), rng.uniform(0.7, 1.3, n))]


def magic(seeds, n=30_000, members=8):
    q = P._replace(a=1.0)
    sim = ht.hadronize_strings(n, P, rng=1, progress=False)
    flow, _ = learned("spline", 1, *flows.breaks(sim), epochs=20)
    true, n_f = np.exp(log_density(Z, MT2, q)), sim.hadrons.multiplicity
    inside = {"bootstrap alone": [], "with starts": []}
    for k in range(8):
        data = ht.hadronize_strings(n, q, rng=100 + k, progress=False)
        if k == 0:
            for names in ("n_f", ht.observables.NAMES):
                result, seconds = timed(flows.magic, flow, sim, data, observables=names, steps=120, progress=False)
                w = np.exp(result.log_w)
                off = abs(result.law.density(Z, MT2) / true - 1)
                mean, goal = np.average(n_f, weights=w), data.hadrons.multiplicity.mean()
                error = data.hadrons.multiplicity.std() * np.sqrt(1 / n + 1 / result.n_eff)
                text = f"{names if names == 'n_f' else 'thirteen'}: ⟨n⟩ {mean:.3f} against {goal:.3f} ± {error:.3f}, f "
                text += f"off by {100 * off.max():.0f} % at most, {100 * np.sqrt(np.mean(off**2)):.1f} % rms, "
                bar(abs(mean - goal) < 4 * error, text + f"n_eff/N {result.n_eff / n:.2f}, {seconds:.1f} s")
            fit, seconds = timed(ht.homer.fit, sim, data, progress=False, rng=1)
            off = abs(fit.breaks.f(Z[None], MT2)[0] / true - 1)
            print(f"homer.fit: f off by {100 * off.max():.1f} % at most, {100 * np.sqrt(np.mean(off**2)):.1f} % rms, "
                  f"{seconds:.0f} s", flush=True)  # fmt: skip
        for name, starts in zip(inside, ([None] * members, PRIOR(np.random.default_rng(k), members))):
            result = flows.magic(
                flow, sim, data, starts=starts, bootstrap=True, steps=100, smooth=1e-3, rng=k, progress=False
            )
            pull = (result.law.density(Z, MT2) - true) / result.law.sigma(Z, MT2)
            inside[name].append((np.mean(abs(pull) < 1), np.sqrt(np.mean(pull**2))))
    for name, found in inside.items():
        share, width = np.mean(found, axis=0)
        text = f"{name}: {share:.2f} of f within one standard deviation, rms pull {width:.2f}, eight data sets"
        bar(name != "with starts" or 0.55 < share < 0.98, text)


if __name__ == "__main__":
    checks = {"emissions": emissions, "chains": chains, "decays": decays, "autoencoder": autoencoder, "magic": magic}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=checks, nargs="*", default=list(checks))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for what in arguments.what:
        checks[what](arguments.seeds)
    sys.exit(0 if passed else 1)
