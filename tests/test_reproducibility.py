"""The same seeds give the same numbers, today as when ``reproducibility.json`` was written: one small run of each part.

``python tests/test_reproducibility.py`` says which results are equal to the last bit; ``--write`` renews the file. The
test itself allows for other machines and versions: rounding may differ, and fits and networks make more of it.
"""

import argparse
import functools
import hashlib
import json
import pathlib

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import LundMixture, LundParams

STORED = pathlib.Path(__file__).with_suffix(".json").with_stem("reproducibility")
EXACT, FITTED = 1e-6, 1e-3
A030 = LundParams(a=0.3)
RUNS = {}  # name to function, tolerance, and packages needed


def run(tolerance=EXACT, needs=(), name=None):
    def register(function):
        RUNS[name or function.__name__] = function, tolerance, needs
        return function

    return register


@functools.cache
def sample(params=None, seed=1, n=500, energy=90.0, **options):
    return ht.hadronize_strings(n, params, energy, rng=seed, progress=False, **options)


@functools.cache
def cluster_sample(seed=1, pions_only=True):
    showers = ht.datasets.load("pythia-showers-91")[:300]
    return ht.hadronize_clusters(showers, rng=seed, pions_only=pions_only, progress=False)


@functools.cache
def columns(params=None, seed=1, n=500):
    return ht.observables.compute(sample(params, seed, n))


def of_hadrons(events):
    h = events.hadrons
    return h.offsets, h.px, h.py, h.pz, h.e, h.pid


def histories_of(events):
    h = events.histories
    return of_hadrons(events), h.chain_offsets, h.z, h.mt2, h.px, h.py, h.pid, h.status


def clusters_of(events):
    c = events.histories
    return of_hadrons(events), c.offsets, c.mass, c.quark, c.parent, c.fate


def quick(make, *arguments, **options):
    return make(*arguments, progress=False, **options)


Z, MT2 = np.linspace(0.05, 0.95, 19)[None], np.array([[0.02], [0.1], [1.0]])
NAMES = ht.observables.NAMES + ht.observables.MORE
for _name, _needs, _function in (
    ("strings", [], lambda: histories_of(sample())),
    ("strings_d", [], lambda: histories_of(sample(LundParams(a=0.3, enhanced_fraction=0.2), 2, 300, 12.0, quark="d"))),
    ("strings_of_a_mixture", [], lambda: histories_of(sample(LundMixture((LundParams(), A030), (0.5, 0.5))))),
    ("strings_of_a_law", [], lambda: histories_of(sample(n=100, law=lambda z, mt2: z * (1.0 - z)))),
    ("strings_in_torch", ["torch"], lambda: histories_of(quick(ht.strings.tensor.hadronize_strings, 300, rng=1))),
    ("strings_of_pythia", ["pythia8mc"], lambda: histories_of(quick(ht.pythia.hadronize_strings, 100, seed=1))),
    ("showers_of_pythia", ["pythia8mc"], lambda: list(vars(quick(ht.pythia.shower, 50, seed=1)).values())),
    ("clusters", [], lambda: clusters_of(cluster_sample(pions_only=False))),
    ("clusters_pions", [], lambda: clusters_of(cluster_sample())),
    ("lund_function", [], lambda: ht.lund.log_density(Z, MT2, LundParams())),
    ("lund_draws", [], lambda: [ht.lund.sample_z(m, LundParams(), rng=1) for m in MT2[:, 0]]),
    ("observables", [], lambda: ht.observables.compute(sample(), names=NAMES)),
    ("observables_clusters", [], lambda: ht.observables.compute(cluster_sample(pions_only=False), names=NAMES)),
    ("datasets", [], lambda: histories_of(ht.datasets.load("pythia-pions-base")[:500])),
    ("lep", [], lambda: [(f.edges, f.values, f.errors) for f in map(ht.datasets.lep, ("thrust", "nch", "xp"))]),
    ("event_weights", [], lambda: ht.weights.event_weights(sample(n=2000), LundParams(a=0.6, sigma_pt=0.34)).log_w),
):
    run(needs=_needs, name=_name)(_function)


@run()
def event_weights_of_trials():
    trials = ht.weights.record_trials(sample(n=2000), rng=2)
    return trials.z, ht.weights.event_weights(sample(n=2000), LundParams(a=0.65), trials=trials).log_w


@run(needs=["torch"])
def gradient_of_weights():
    weights = ht.weights.tensor.LundWeights(sample(n=2000), LundParams(a=0.65, b=1.0))
    log_w = weights()
    (log_w.exp() * log_w).mean().backward()
    return log_w, weights.a.grad, weights.b.grad, weights.sigma_pt.grad


@run()
def metrics():
    pairs = [(columns()[n], columns(LundParams(a=0.5), 2)[n]) for n in ("T", "n_f", "lnx_var")]
    m, edges, log_w = ht.metrics, np.linspace(0.9, 1.0, 9), 0.1 * np.arange(500) / 500
    counts = [m.histogram_per_event(x, edges) for x in pairs[0]]
    return (
        [(m.pull(x, y, log_w), m.ks_test(x, y), m.wasserstein(x, y)) for x, y in pairs], m.chi2_test(*counts),
        m.energy_test(*pairs[0], rng=1, n_resamples=49), m.density_per_event(counts[0], edges, log_w), m.n_eff(log_w),
        m.compare(cluster_sample(pions_only=False), "nch", energy=91.2).chi2,
    )  # fmt: skip


@run(FITTED, ["torch"])
def rsa_fit():
    fit = ht.rsa.fit(sample(LundParams(a=0.72), 1, 2000), sample(None, 2, 2000), progress=False)
    return fit.values, fit.covariance, fit.loss


@run(FITTED, ["torch"])
def homer_fit():
    found = quick(ht.homer.fit, sample(n=2000), sample(LundParams(a=0.4), 2, 2000), iterations=1, epochs=2)
    return found.f(np.linspace(0.1, 0.9, 9), 0.1), found.log_w.std(), found.auc


@run(FITTED, ["torch"])
def homer_of_histograms():
    data = ht.homer.Histograms.of(columns(LundParams(a=0.4), 2, 2000), 8)
    log_ratio, chi2, ndf = ht.homer.step_one_histograms(columns(n=2000), data)
    return log_ratio.std(), chi2, ndf


@run(FITTED, ["torch"])
def homer_on_graphs():
    pair = sample().hadrons, sample(A030, 2).hadrons
    found = quick(ht.homer.step_one, *pair, method="graph", energy=90.0, epochs=2, rng=1)
    return found.log_ratio.std(), found.auc


@run(needs=["torch"])
def smeared_weights():
    log_w, x = ht.weights.event_weights(sample(), A030).log_w, np.stack(list(columns().values()), axis=1)
    return ht.homer.smear(log_w, x, width=1.0), ht.homer.smear(log_w, x, neighbours=10)


@run()
def detected():
    seen = ht.detector.Detector(turn_on=0.1, slope=0.01, fakes=0.5)(ht.detector.turn(sample(), rng=1), rng=2)
    return of_hadrons(sample().replace(hadrons=seen))


@run(FITTED, ["torch"])
def unfolded():
    sides = [{name: side[name] for name in ("n_ch", "T")} for side in (columns(), columns(seed=3), columns(A030, 2))]
    found = ht.unfolding.omnifold(*sides, iterations=1, epochs=2, rng=1, progress=False)
    binned = ht.unfolding.iterative_bayes(*(side["n_ch"] for side in sides), range(0, 41, 5), iterations=2)
    return found.log_w, found.log_pull, binned.log_w


@run(FITTED, ["torch"])
def trained_network():
    import torch

    x = torch.linspace(-1.0, 1.0, 600).reshape(200, 3)
    with ht.nets.torch_seed(1):
        net = ht.nets.MLP(3, 16, 1)
    data = ht.training.Table(x, (x[:, 0] > 0.1).float())
    log = ht.training.train(net, data, ht.training.classifier_loss, epochs=2, batch_size=50, rng=1, progress=False)
    return log.loss, list(net.state_dict().values())


@run(FITTED, ["torch"])
def gan_steps():
    truth = ht.gan.decays(cluster_sample())
    with ht.nets.torch_seed(1):
        parts = (part(truth.condition, hidden=(8,)) for part in (ht.gan.DecayGenerator, ht.gan.DecayDiscriminator))
        net = ht.gan.DecayGAN(*parts)
    data, loss = ht.training.Table(*truth), ht.gan.adversarial(0.1)
    log = ht.training.train(net, data, loss, epochs=1, batch_size=len(truth.condition), rng=1, progress=False)
    return log.loss, list(net.state_dict().values()), ht.gan.angle_distance(truth.direction[::2], truth.direction[1::2])


def arrays(found):
    """All numbers of a nested result, in order."""
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, (list, tuple)):
        return [array for part in found for array in arrays(part)]
    return [np.asarray(found.detach().cpu() if hasattr(found, "detach") else found)]


def digest(name):
    """Sums of values and of squares, and the hash of the bits."""
    found = arrays(RUNS[name][0]())
    bits = b"".join(f"{a.dtype}{a.shape}".encode() + a.tobytes() for a in found)
    numbers = [np.nan_to_num(a.astype(float)) for a in found]
    sums = [[float(n.sum()), float(np.square(n).sum())] for n in numbers]
    return {"sha256": hashlib.sha256(bits).hexdigest(), "sums": sums}


# The samples are so small that weights say they have few effective events, which is right and not what is asked here.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_those_stored(name):
    _, tolerance, needs = RUNS[name]
    for package in needs:
        pytest.importorskip(package)
    sums, stored = (np.array(d["sums"]) for d in (digest(name), json.loads(STORED.read_text())[name]))
    assert sums.shape == stored.shape
    # A sum may cancel: the root of the sum of squares is what its error is measured by.
    np.testing.assert_array_less(abs(sums - stored)[:, 0], tolerance * np.sqrt(stored[:, 1]) + 1e-12)
    np.testing.assert_allclose(sums[:, 1], stored[:, 1], rtol=2 * tolerance)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Which results are those stored, to the last bit?")
    parser.add_argument("--write", action="store_true", help="store what is found now")
    options, found = parser.parse_args(), {name: digest(name) for name in RUNS}
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    for name in RUNS:
        same = stored.get(name, {}).get("sha256") == found[name]["sha256"]
        print(f"{name:26s}{'equal' if same else 'other numbers' if name in stored else 'not stored'}")  # noqa: T201
    if options.write:
        STORED.write_text(json.dumps(found, indent=1) + "\n")
