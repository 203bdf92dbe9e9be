"""The figure of an experiment."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from ..files import replacing
from .closure import TITLES


def draw(numbers: dict[str, Any], path: pathlib.Path) -> None:
    """Learned over true f for each stage, in four bins of mT², one row for each target."""
    import matplotlib.pyplot as plt

    from .. import plotting

    with plt.rc_context():
        plotting.use_style()
        keys = [key for key in numbers if key.startswith("curves")]
        size = (11, 3.0 * len(keys))
        figure, axes = plt.subplots(len(keys), 4, figsize=size, sharex=True, sharey=True, squeeze=False)
        for row, key in zip(axes, keys, strict=True):
            curves = numbers[key]
            for k, ax in enumerate(row):
                low, high = curves["mt2_edges"][k : k + 2]
                for (what, ratios), style in zip(curves["ratio"].items(), (":", "--", "-"), strict=True):
                    ax.plot(curves["z"], ratios[k], style, label=what)
                best, sigma = np.array(curves["ratio"]["with posterior"][k]), np.array(curves["sigma"][k])
                ax.fill_between(curves["z"], best * (1 - sigma), best * (1 + sigma), color="C2", alpha=0.3, lw=0)
                ax.axhline(1.0, color="0.5", lw=0.8)
                ax.set(ylim=(0.88, 1.07), title=rf"$m_T^2$ = {low:.2f} to {high:.2f} GeV²")
            row[0].set_ylabel(f"learned / true f(z)\n{TITLES[key.removeprefix('curves')]}")
        for ax in axes[-1]:
            ax.set_xlabel("z")
        axes[0, 0].legend(loc="lower left", fontsize="small")
        with replacing(path) as part:
            figure.savefig(part, dpi=80)
        plt.close(figure)
