"""Draw the figure of the README: book/assets/readme.svg."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np

import hadtutor as ht
from hadtutor import plotting

OUT = pathlib.Path(__file__).resolve().parents[1] / "book" / "assets" / "readme.svg"


def main():
    plotting.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), facecolor="white")
    event = ht.hadronize_strings(1, energy=10.0, rng=np.random.default_rng(7))
    order = ht.strings.string_order(event.histories)
    h = event.hadrons
    plotting.draw_breaking_string(left, h.e[order], h.pz[order], h.pid[order]).legend(loc="lower right")
    edges = np.arange(2.5, 32.5)
    for a, style in ((0.68, "-"), (0.30, "--")):
        sample = ht.hadronize_strings(200_000, ht.LundParams(a=a), rng=np.random.default_rng(1))
        counts = np.histogram(sample.hadrons.multiplicity, edges)[0]
        right.stairs(counts / len(sample), edges, ls=style, lw=1.8, label=f"a = {a:.2f}")
    right.set(xlabel="number of hadrons, 90 GeV", ylabel="probability")
    right.legend()
    figure.savefig(OUT, metadata={"Date": None})
    print(f"wrote {OUT.name}")


if __name__ == "__main__":
    main()
