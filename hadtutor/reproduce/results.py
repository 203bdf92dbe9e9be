"""Stored results: their numbers, their figure, their table."""

import json
import pathlib
from typing import Any

import numpy as np

from .._support.resources import data_folder
from ..files import DataFileError, replacing
from . import gan, lep
from .closure import TITLES

EXPERIMENTS = ("homer", "ihomer", "gluons", "lep", "gan")


def stored(name: str) -> dict[str, Any]:
    """Numbers of the experiment `name`, one of `EXPERIMENTS`, as they were stored by the last run of `reproduce`.

    ``"provenance"`` has command, date, versions, machine, time and memory, ``"numbers"`` the results. FileNotFoundError
    if it has not been run, DataFileError if the file is damaged.
    """
    file = _find(name, "json")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataFileError(f"{file.name} is damaged: {error}; run the experiment again") from error


def figure(name: str) -> str:
    """Path of the figure that belongs to the numbers of `stored` with the same `name`."""
    return str(_find(name, "png"))


def summary(result: dict[str, Any]) -> str:
    """The main numbers of a `result` of `reproduce` or `stored`, as a table in plain text with their provenance."""
    made, numbers = result["provenance"], result["numbers"]
    head = f"{'':30s}{'AUC of new events':>19s}{'worst χ²/ndf':>15s}{'p':>10s}{'n_eff/N':>9s}   |f/truth - 1| up to [%]"
    lines = [
        f"{made['command']}, {made['date']}, hadtutor {made['versions']['hadtutor']}",
        f"{made['n_events']} events of each; {made['machine']}; {made['seconds']:.0f} s, {made['peak_memory_gb']} GB",
    ]
    if "tunes" in numbers:
        lines += ["", *lep.table(numbers)]
    if "pert0" in numbers:
        lines += ["", *gan.table(numbers)]
    for table in [key for key in numbers if key.startswith("table")]:
        lines += ["", f"{TITLES[table.removeprefix('table')]}:", head]
        for row in [*numbers[table], numbers["exact" + table.removeprefix("table")]]:
            area = f"{row['auc']:.4f} ± {row['auc_error']:.4f}" if "auc" in row else ""
            biases = " ".join(f"{100 * bias:5.1f}" for bias in row.get("f_bias", []))
            lines.append(
                f"{row['what']:30s}{area:>19s}{row['worst_chi2_per_ndf']:15.2f}{row['least_p_value']:10.1e}"
                f"{row['n_eff']:9.3f}   {biases}"
            )
    if "smearing" in numbers:
        head = f"{'one gluon, a tenth of the events:':36s}{'AUC':>8s}{'spread of ln f/truth':>22s}"
        lines += ["", head + "   |f/truth - 1| up to [%]"]
        for row in numbers["smearing"]:
            area = "" if row["auc"] is None else f"{row['auc']:.4f}"
            biases = " ".join(f"{100 * bias:5.1f}" for bias in row["f_bias"])
            lines.append(f"{row['what']:36s}{area:>8s}{row['f_spread']:22.4f}   {biases}")
    return "\n".join(lines)


def draw(numbers: dict[str, Any], path: pathlib.Path) -> None:
    """Learned over true f for each stage, in four bins of mT², one row for each target."""
    if "tunes" in numbers:
        return lep.draw(numbers, path)
    if "pert0" in numbers:
        return gan.draw_figure(numbers, path)
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
                styles = (":", "--", "-.", "-") if len(curves["ratio"]) > 2 else (":", "-")
                for (what, ratios), style in zip(curves["ratio"].items(), styles, strict=True):
                    (line,) = ax.plot(curves["z"], ratios[k], style, label=what)
                best, sigma = np.array(ratios[k]), np.array(curves["sigma"][k])
                band = {"color": line.get_color(), "alpha": 0.3, "lw": 0}
                ax.fill_between(curves["z"], best * (1 - sigma), best * (1 + sigma), **band)
                ax.axhline(1.0, color="0.5", lw=0.8)
                ax.set(ylim=(0.88, 1.07), title=rf"$m_T^2$ = {low:.2f} to {high:.2f} GeV²")
            row[0].set_ylabel(f"learned / true f(z)\n{TITLES[key.removeprefix('curves')]}")
            row[0].legend(loc="lower left", fontsize="small")
        for ax in axes[-1]:
            ax.set_xlabel("z")
        with replacing(path) as part:
            figure.savefig(part, dpi=80)
        plt.close(figure)


def _find(name: str, ending: str) -> pathlib.Path:
    check_name(name)
    file = data_folder() / "results" / f"{name}.{ending}"
    if file.is_file():
        return file
    raise FileNotFoundError(f"no result of {name!r} is stored; run `python -m hadtutor reproduce {name}`")


def check_name(name: str) -> None:
    """Refuse what is no experiment."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
