"""Make data/pythia-weights.csv: what Pythia's own weights of fragmentation are worth (extra ``pythia``).

The ten points in a, b and σ that arXiv:2308.13459 tabulates, for two kinds of events, e+e- to Z to hadrons and the
book's pion string, with the over-sampling `VariationFrag:zHead` from 10 down to 1, the default of Pythia 8.317. Each
row says what the weights lead to, and what Pythia makes when it is run at the target.

The sum of squares of such weights is ruled by the largest, so n_eff/N falls as a sample grows. Z events with the high
roof are therefore run in parts, each with a seed of its own; their rows also have an error of n_eff/N, from 20 pieces
drawn again, its median in parts of 50 000 and of 5000 events, and what it is without the event of largest weight.
"""

import hashlib
import itertools
import pathlib

import numpy as np

from hadtutor import LundParams, pythia

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
SEED = 20240641
Z_EVENTS = ("Beams:idA = 11", "Beams:idB = -11", "Beams:eCM = 91.188", "PDF:lepton = off",
            "WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 1 2 3 4 5")  # fmt: skip
STOP = "StringFragmentation:stopMass = 1.0"  # as in the paper; 0.8 GeV since Pythia 8.316
PYTHIA_NAMES = {"a": "aLund", "b": "bLund", "sigma": "ptSigma"}
STRING_NAMES = {"a": "StringZ:aLund", "b": "StringZ:bLund", "sigma": "StringPT:sigma"}
DEFAULTS = {"a": 0.68, "b": 0.98, "sigma": 0.335}
POINTS = (  # what the base changes; targets with the published n_eff/N, 10^6 events
    ({}, (({"a": 0.30}, 5.8e-2), ({"a": 0.55}, 0.82), ({"a": 0.76}, 0.94),
          ({"b": 0.58}, 2.3e-3), ({"b": 0.80}, 0.34), ({"b": 1.07}, 0.88))),
    ({"sigma": 0.350}, (({"sigma": 0.283}, 1.4e-2), ({"sigma": 0.360}, 0.91))),
    ({"b": 0.58}, (({"a": 0.30, "b": 0.80}, 5.7e-3), ({"a": 0.76, "b": 0.98}, 2.1e-2))),
)  # fmt: skip
PART, N_Z = 50_000, 1_000_000
RUNS = (  # events, zHead, how many for each of the three bases
    ("pions", 10, (300_000, 100_000, 100_000)), ("pions", 5, (100_000,) * 3), ("pions", 2, (100_000,) * 3),
    ("pions", 1, (100_000,) * 3), ("Z", 10, (N_Z,) * 3), ("Z", 1, (20_000,) * 3),
)  # fmt: skip
N_TRUTH, TRUTH_SEED = {"pions": 50_000, "Z": 10_000}, {"pions": 100, "Z": 110}


def run(kind, base, n_events, seed, settings=(), n_weights=0):
    """Multiplicity of each event and its weights."""
    base = [f"{STRING_NAMES[name]} = {value}" for name, value in (DEFAULTS | base).items()]
    if kind == "Z":
        settings = (*Z_EVENTS, STOP, *base, *settings)
    else:
        settings = (*pythia.settings.PIONS_ONLY, STOP, "StringPT:enhancedFraction = 0", *base, *settings)
    generator = pythia.settings.start(settings, seed=seed)
    event, info = generator.event, generator.infoPython()
    n, w = np.empty(n_events), np.empty((n_weights, n_events))
    for i in range(n_events):
        if kind == "pions":
            event.reset()
            event.append(2, 23, 101, 0, 0.0, 0.0, 45.0, 45.0, 0.0)
            event.append(-2, 23, 0, 101, 0.0, 0.0, -45.0, 45.0, 0.0)
        if not generator.next():
            raise RuntimeError("Pythia gave up on an event")
        n[i] = event.nFinal()
        for k in range(n_weights):
            w[k, i] = info.getGroupWeight(k)
    return n, w, generator.parm("Pythia:versionNumber")


def run_in_parts(kind, base, n_events, seed, settings, n_weights):
    """As `run`, in parts of `PART` events with the seeds that follow."""
    parts = [run(kind, base, PART, seed + i, settings, n_weights) for i in range(n_events // PART)]
    n, w, versions = zip(*parts, strict=True)
    return np.concatenate(n), np.concatenate(w, axis=1), versions[0]


def share(w):
    """n_eff/N of weights."""
    return w.sum() ** 2 / (w @ w) / len(w)


def share_error(w, n_pieces=20, n_draws=2000):
    """Standard deviation of n_eff/N when pieces of the sample are drawn again."""
    sums, squares = np.transpose([(piece.sum(), piece @ piece) for piece in np.array_split(w, n_pieces)])
    drawn = np.random.default_rng(SEED).integers(n_pieces, size=(n_draws, n_pieces))
    return np.std(sums[drawn].sum(axis=1) ** 2 / squares[drawn].sum(axis=1) / len(w))


def share_of(w, size):
    """Median n_eff/N of samples of this size."""
    return np.median([share(part) for part in w.reshape(-1, size)])


def rows():
    yield ("events,zhead,n_events,base_a,base_b,base_sigma,a,b,sigma,published,mean_w,mean_w_error,share,share_low,"
           "share_high,share_error,share_50000,share_5000,share_without,n,n_error,n_generated,n_generated_error,"
           "version")  # fmt: skip
    truth = {}
    for kind, head, numbers in RUNS:
        for k, ((changes, targets), n_events) in enumerate(zip(POINTS, numbers, strict=True)):
            names = [
                " ".join([f"point{i}", *(f"frag:{PYTHIA_NAMES[name]}={value}" for name, value in target.items())])
                for i, (target, _) in enumerate(targets)
            ]
            settings = (f"VariationFrag:zHead = {head}", f"VariationFrag:list = {{{', '.join(names)}}}")
            in_parts = kind == "Z" and head == 10
            arguments = kind, changes, n_events, SEED + (1000 + 100 * k if in_parts else k), settings, len(targets)
            n, weights, version = run_in_parts(*arguments) if in_parts else run(*arguments)
            base = DEFAULTS | changes
            for (target, published), w in zip(targets, weights, strict=True):
                target = base | target
                key = kind, *target.values()
                if key not in truth:
                    seed = SEED + TRUTH_SEED[kind] + sum(known[0] == kind for known in truth)
                    generated = run(kind, target, N_TRUTH[kind], seed)[0]
                    truth[key] = generated.mean(), generated.std() / len(generated) ** 0.5
                mean = w @ n / w.sum()
                error = np.sqrt(np.sum((w * (n - mean)) ** 2)) / w.sum()
                parts = [share(part) for part in np.array_split(w, 10)]
                size = (np.nan,) * 4
                if in_parts:
                    rest = share(np.delete(w, w.argmax()))
                    size = share_error(w), share_of(w, PART), share_of(w, PART // 10), rest
                found = (w.mean(), w.std() / len(w) ** 0.5, share(w), min(parts), max(parts), *size, mean, error,
                         *truth[key])  # fmt: skip
                settings = (*base.values(), *target.values(), published)
                yield ",".join([kind, f"{head}", f"{n_events}", *(f"{x:g}" for x in settings),
                                *(f"{x:.5g}" for x in found), f"{version:.3f}"])  # fmt: skip


def main():
    assert LundParams()[:3] == tuple(DEFAULTS.values())
    file = DATA / "pythia-weights.csv"
    head = "# Weights of fragmentation by real Pythia 8.317; tools/make_weight_data.py"
    with file.open("w", encoding="utf-8") as out:
        for line in itertools.chain([head], rows()):
            out.write(line + "\n")
            out.flush()
    print(file.name, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
