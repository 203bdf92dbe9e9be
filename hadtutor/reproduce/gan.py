"""GANs for cluster decays as published, all species of hadrons, the network inside the generator at LEP, and limits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import gan, pythia
from ..cluster import hadronize_clusters
from ..events.sample import Sample
from ..kinematics.tensor import angles, directions
from ..metrics import chi2_of_counts, chi2_test, classifier_test, compare, histogram_per_event
from ..nets import torch_seed
from ..observables import compute
from ..params import CLUSTER_LEP, ClusterParams
from ..strings import hadronize_partons
from ..training import Paired, Table, train

EPOCHS = {"published": 1000, "species": 100, "decays": 12, "start": 4, "events": 12}
N_JUDGED = 10_000  # decays by which a generator is judged after each epoch, as published
TIMES = 5  # as many decays are made for a χ² as there are true ones
FIGURES = ("thrust", "nch", "xp", "xi_charged")
SPECIES = {
    "pions": (111, 211, -211), "kaons": (130, 310, 311, -311, 321, -321), "nucleons": (2112, -2112, 2212, -2212),
    "Λ": (3122, -3122),
}  # fmt: skip
VARIATIONS = {
    "cl_smr": ClusterParams(cl_smr=5.0, cl_smr_charm=5.0, cl_smr_bottom=5.0),
    "cl_max": ClusterParams(cl_max=2.5),
    "strings": None,
}
EDGES = {
    "distance": np.linspace(0, 1.5, 26), "share": np.linspace(0, 1, 21), "azimuth": np.linspace(-1, 1, 21),
    "polar": np.linspace(-1, 1, 21),
}  # fmt: skip


def parts(n_events: int, experiments: int, options: dict[str, Any], checkpoint: Any) -> dict[str, Callable]:
    """What is to be done, piece by piece."""
    run = Gans(n_events, **options)
    found: dict[str, Callable] = {}
    for name, perturbative in (("pert0", False), ("pert1", True)):
        found[name] = lambda perturbative=perturbative: run.published(perturbative)
    found |= {"species_published": run.species_published, "species_masses": run.species_masses, "lep": run.lep}
    return found | {name: (lambda name=name: run.events(name)) for name in VARIATIONS}


class Gans:
    """Showers that all pieces share; training, test and data have their own."""

    def __init__(self, n_events: int, *, threads: int, rng: int, progress: bool) -> None:
        self.n_events, self.threads, self.seed = n_events, threads, rng % 900_000_000 + 1
        self.options: dict[str, Any] = {"rng": rng % 2**31, "progress": progress}

    def showers(self, which: int, n: int = 0):
        """Showers of a use of its own."""
        return pythia.shower(n or self.n_events, seed=self.seed + which, progress=False)

    def hadronize(self, which: int, params: ClusterParams | None, n: int = 0, **options: Any) -> Sample:
        """Clusters from the showers `which`."""
        options = {"rng": self.seed + which, "threads": self.threads, "progress": False, **options}
        return hadronize_clusters(self.showers(which, n), params, **options)

    def published(self, perturbative: bool) -> dict[str, Any]:
        """The published networks for pions: losses and distance after each epoch, and what the best epoch is worth."""
        samples = [gan.lab_decays(self.hadronize(which, None, pions_only=True)) for which in (1, 2, 3)]
        known, judged, test = (decays.where(decays.perturbative == perturbative) for decays in samples)
        known, judged, test = (
            known.where(slice(self.n_events // 4)),
            judged.where(slice(N_JUDGED)),
            test.where(slice(N_JUDGED)),
        )
        condition = known.condition[:, :4]  # all pions are nearly alike
        network, log = self._play(condition, known.angles, judged, EPOCHS["published"])
        made = draw(network.generator, test.condition[:, :4])
        with torch_seed(self.seed):
            unknowing = angles(torch.randn(len(made), 3))
        return {
            "floor": gan.sampling_floor(directions(test.angles.double()), repeats=20),
            "isotropic": distance(unknowing, test.angles), "best": distance(made, test.angles),
            "best_epoch": log.best_epoch + 1, "n_train": len(condition), "n_test": len(made), "seconds": log.seconds,
            "distance": np.round(log.validation, 5).tolist(),
            "loss": {player: np.round(loss, 4).tolist() for player, loss in log.loss.items()},
            "forward": {"made": forward(made, test), "true": forward(test.angles, test)},
        } | histograms(made, test.angles)  # fmt: skip

    def _play(self, condition, angles, judged, epochs):
        """Train the published networks; the best epoch by distance counts, as published."""
        with torch_seed(self.seed):
            network = gan.AngleGAN(gan.AngleGenerator(condition))

        def score(network):
            return distance(draw(network.generator, judged.condition[:, : condition.shape[1]]), judged.angles)

        data = Table(condition, angles)
        return network, train(network, data, gan.adversarial(), epochs=epochs, lr=1e-4, validate=score, **self.options)

    def species_published(self) -> dict[str, Any]:
        """The published networks for all hadrons, shown the masses of the pair too; distances by species."""
        known, judged, test = (gan.lab_decays(self.hadronize(which, None)) for which in (11, 12, 13))
        known, judged = known.where(slice(self.n_events)), judged.where(slice(N_JUDGED))
        network, log = self._play(known.condition, known.angles, judged, EPOCHS["species"])
        made, true = (directions(a.double()) for a in (draw(network.generator, test.condition), test.angles))
        kinds = {name: torch.isin(test.pid, torch.tensor(codes)) for name, codes in SPECIES.items()}
        return {
            "seconds": log.seconds, "best_epoch": log.best_epoch + 1, "n_train": len(known.angles),
            "by": {name: agreement(made[of], true[of]) for name, of in kinds.items()},
        }  # fmt: skip

    def species_masses(self) -> dict[str, Any]:
        """Our network for all decays at `CLUSTER_LEP`, shown the masses of the pair too, by species."""
        known, test = (self.hadronize(which, CLUSTER_LEP) for which in (21, 22))
        of_known, of_test = ((gan.decays(sample), gan.lab_decays(sample)) for sample in (known, test))
        with_masses = [
            gan.Decays(torch.cat([d.condition, lab.condition[:, 4:]], 1), d.direction) for d, lab in (of_known, of_test)
        ]
        network, log = self._train(with_masses[0])
        return {"seconds": log.seconds, "by": self._by_species(network, with_masses[1], of_test[1].pid)}

    def lep(self) -> dict[str, Any]:
        """The same without the masses: by species, and in the generator, against LEP after decays."""
        network, log = self._train(gan.decays(self.hadronize(21, CLUSTER_LEP)))
        sample = self.hadronize(22, CLUSTER_LEP)
        species = self._by_species(network, gan.decays(sample), gan.lab_decays(sample).pid)
        laws: dict[str, Any] = {
            "cluster model": None,
            "network": gan.as_decay(network.generator),
            "isotropic": isotropic,
        }
        found: dict[str, Any] = {"seconds": log.seconds, "species": species, "n_events": self.n_events}
        for law, decay in laws.items():
            events = pythia.decay(self.hadronize(23, CLUSTER_LEP, decay=decay), seed=self.seed, progress=False)
            for figure in FIGURES:
                shown = compare(events, figure)
                rows = found.setdefault(
                    figure,
                    {
                        "edges": _list(shown.figure.edges),
                        "data": _list(shown.figure.values),
                        "error": _list(shown.figure.errors),
                    },
                )
                rows[law] = {"values": _list(shown.values), "chi2": shown.chi2, "ndf": shown.ndf}
        return found

    def _train(self, known):
        with torch_seed(self.seed):
            network = gan.DecayGAN(gan.DecayGenerator(known.condition), gan.DecayDiscriminator(known.condition))
        log = train(
            network, Table(*known), gan.adversarial(1.0), epochs=EPOCHS["decays"], lr=1e-3, lr_end=1e-5,
            betas=(0.0, 0.9), average=0.9995, **self.options,
        )  # fmt: skip
        return network, log

    def _by_species(self, network, true, pid):
        """Distance, floor and χ² of the polar angle for leading hadrons of each kind, with perturbative quark."""
        species = {}
        for name, codes in SPECIES.items():
            of = true.where(true.perturbative & torch.isin(pid, torch.tensor(codes)))
            with torch.no_grad(), torch_seed(self.seed):
                made = torch.cat([network.generator.sample(of.condition) for _ in range(TIMES)])
            species[name] = agreement(made, of.direction)
        return species

    def events(self, name: str) -> dict[str, Any]:
        """An event GAN that starts from the cluster model, fitted to another: what hadrons show before and after."""
        n, half = self.n_events, self.n_events // 2
        start = self.hadronize(31, None, n, pions_only=True)
        data, seen = self._data(name, 32, n), self._data(name, 33, half)
        known, hadrons = gan.decays(start), gan.clouds(data)
        with torch_seed(self.seed):
            first = gan.DecayGAN(gan.DecayGenerator(known.condition), gan.DecayDiscriminator(known.condition))
        train(
            first, Table(*known.where(slice(40_000))), gan.adversarial(1.0), epochs=EPOCHS["start"], lr=1e-3,
            lr_end=1e-5, betas=(0.0, 0.9), average=0.9995, **self.options,
        )  # fmt: skip
        with torch_seed(self.seed):
            network = gan.EventGAN(first.generator, gan.EventDiscriminator(hadrons.x), start.energy)
        log = train(
            network, Paired(gan.EventClusters(start), hadrons), gan.adversarial(0.1), epochs=EPOCHS["events"],
            batch_size=128, lr={"discriminator": 1e-3, "generator": 5e-4}, betas=(0.0, 0.9), average=0.999,
            lr_end={"discriminator": 5e-5, "generator": 2.5e-5}, **self.options,
        )  # fmt: skip
        decay = gan.as_decay(network.generator)
        samples = {
            "start": self.hadronize(34, None, half, pions_only=True),
            "fitted": self.hadronize(34, None, half, pions_only=True, decay=decay),
            "again": self._data(name, 35, half),
        }  # fmt: skip
        found: dict[str, Any] = {"seconds": log.seconds, "data": {}, "n_hadrons": {"data": _mean_n(seen)}}
        counts = pair_counts(seen)
        found["data"]["pairs"] = {key: np.round(c.mean(0), 5).tolist() for key, c in counts.items()}
        truth = None if name == "strings" else gan.decays(seen)
        for label, sample in samples.items():
            area = classifier_test(*(compute(s.hadrons, s.energy) for s in (sample, seen)), rng=self.seed)
            now = pair_counts(sample)
            tests = {key: chi2_test(now[key], counts[key]) for key in EDGES}
            found["n_hadrons"][label] = _mean_n(sample)
            found[label] = {
                "auc": area.auc, "error": area.error, "chi2": {k: [t.chi2, t.ndf] for k, t in tests.items()},
                "pairs": {key: np.round(c.mean(0), 5).tolist() for key, c in now.items()},
            }  # fmt: skip
            if truth is not None:
                a, b = (torch.cat([d.direction, -d.direction]) for d in (gan.decays(sample), truth))
                found[label]["angles"] = gan.angle_distance(a, b)
        return found

    def _data(self, name, which, n):
        if name == "strings":
            showers = self.showers(which, n)
            return hadronize_partons(
                showers, rng=self.seed + which, flavours="to u d", threads=self.threads, progress=False
            )
        return self.hadronize(which, VARIATIONS[name], n, pions_only=True)


def distance(one: Tensor, other: Tensor) -> float:
    """Mean W1 of two samples of two scaled angles."""
    return gan.angle_distance(directions(one.double()), directions(other.double()))


def draw(generator: Any, condition: Tensor) -> Tensor:
    """One pair of angles for each condition; the same random numbers every time."""
    generator.eval()
    with torch.no_grad(), torch_seed(2):
        return generator.sample(condition)


def forward(scaled: Tensor, decays: gan.LabDecays) -> float:
    """Mean cosine of the angle between hadrons and the flight of their clusters."""
    p = decays.condition[:, :3]
    return float((directions(scaled) * p / p.norm(dim=1, keepdim=True)).sum(1).mean())


def histograms(made: Tensor, true: Tensor) -> dict[str, Any]:
    """Shares of both angles in 40 bins, and the χ² of each."""
    found: dict[str, Any] = {}
    edges = np.linspace(-1, 1, 41)
    for k, name in enumerate(("azimuth", "polar")):
        counts = [np.histogram(sample[:, k].numpy(), edges)[0] for sample in (made, true)]
        found[name] = {
            label: (c / c.sum()).round(5).tolist() for label, c in zip(("made", "true"), counts, strict=True)
        }
        filled = sum(counts) >= 25
        found[name]["chi2"] = chi2_of_counts(*(c[filled] for c in counts)).chi2
        found[name]["bins"] = int(filled.sum())
    return found


def agreement(made: Tensor, true: Tensor) -> dict[str, Any]:
    """Distance, floor and χ² of the polar angle of directions; the first of `made` for the distance."""
    chi2 = gan.polar_chi2(made, true)
    return {
        "decays": len(true), "distance": gan.angle_distance(made[: len(true)], true),
        "floor": gan.sampling_floor(true), "chi2": chi2.chi2, "p": chi2.p_value,
    }  # fmt: skip


def isotropic(clusters, rng):
    """A law of decays that knows nothing."""
    return rng.standard_normal((len(clusters.mass), 3))


def pair_counts(sample: Any) -> dict[str, np.ndarray]:
    """Counts per event of what `hadtutor.gan.neighbours` finds, in bins of `EDGES`."""
    found = gan.neighbours(sample)
    n = len(sample.hadrons)
    return {key: histogram_per_event(getattr(found, key), edges, found.event, n) for key, edges in EDGES.items()}


def _mean_n(sample):
    return float(np.mean(sample.hadrons.multiplicity))


def _list(values):
    return None if values is None else np.round(np.asarray(values, float), 6).tolist()


def numbers(done: dict[str, Any]) -> dict[str, Any]:
    """What is stored of the pieces: all of it."""
    return done


def table(numbers: dict[str, Any]) -> list[str]:
    """The main `numbers`, as lines of plain text."""
    lines = [f"{'published networks, pions':30s}{'W1':>8s}{'floor':>8s}{'isotropic':>11s}{'epoch':>7s}  forward  truth"]
    for key, what in (("pert0", "no perturbative quark"), ("pert1", "with one")):
        one = numbers[key]
        made, true = one["forward"]["made"], one["forward"]["true"]
        lines.append(
            f"{what:30s}{one['best']:8.4f}{one['floor']:8.4f}{one['isotropic']:11.4f}{one['best_epoch']:7d}"
            f"{made:9.3f}{true:7.3f}"
        )
    for title, by in (
        ("published networks, all hadrons", numbers["species_published"]["by"]),
        ("ours, all hadrons, with perturbative quark", numbers["lep"]["species"]),
        ("the same, shown the masses of the pair", numbers["species_masses"]["by"]),
    ):
        lines += ["", f"{title + ':':44s}{'decays':>8s}{'W1':>8s}{'floor':>8s}{'χ²/39':>8s}{'p':>9s}"]
        lines += [
            f"{name:44s}{row['decays']:8d}{row['distance']:8.4f}{row['floor']:8.4f}{row['chi2'] / 39:8.2f}"
            f"{row['p']:9.1e}"
            for name, row in by.items()
        ]
    laws = ("cluster model", "network", "isotropic")
    lines += ["", f"{'χ² per bin to LEP':20s}" + "".join(f"{law:>15s}" for law in laws)]
    for figure in FIGURES:
        rows = numbers["lep"][figure]
        lines.append(f"{figure:20s}" + "".join(f"{rows[law]['chi2'] / rows[law]['ndf']:15.2f}" for law in laws))
    lines += [
        "",
        f"{'event GAN fitted to':20s}{'AUC before':>12s}{'after':>9s}{'error':>8s}{'control':>9s}   hadrons",
    ]
    for name in VARIATIONS:
        one, n = numbers[name], numbers[name]["n_hadrons"]
        lines.append(
            f"{name:20s}{one['start']['auc']:12.4f}{one['fitted']['auc']:9.4f}{one['fitted']['error']:8.4f}"
            f"{one['again']['auc']:9.4f}   {n['data']:.2f}, {n['fitted']:.2f}"
        )
    return lines


def draw_figure(numbers: dict[str, Any], path: Any) -> None:
    """Losses and distance of the published networks after each epoch."""
    import matplotlib.pyplot as plt

    from .. import plotting
    from ..files import replacing

    with plt.rc_context():
        plotting.use_style()
        figure, axes = plt.subplots(2, 2, figsize=(11, 6), sharex=True, sharey="row")
        for column, key in zip(axes.T, ("pert0", "pert1"), strict=True):
            one = numbers[key]
            for (player, loss), style in zip(one["loss"].items(), ("-", "--"), strict=True):
                column[0].plot(loss, style, lw=0.8, label=player)
            column[1].plot(one["distance"], lw=0.8)
            for name, style in (("floor", ":"), ("isotropic", "--")):
                column[1].axhline(one[name], color="k", ls=style, lw=1, label=name)
            column[0].set_title("with perturbative quark" if key == "pert1" else "no perturbative quark")
            column[1].set(xlabel="epoch", yscale="log")
        axes[0, 0].set_ylabel("loss")
        axes[1, 0].set_ylabel("mean $W_1$ of both angles")
        for ax in axes[:, 0]:
            ax.legend()
        with replacing(path) as part:
            figure.savefig(part, dpi=80)
        plt.close(figure)
