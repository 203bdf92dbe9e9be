"""Stored results: their numbers, their figure, their table."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from .._support.resources import data_folder
from ..files import DataFileError
from .closure import TITLES

EXPERIMENTS = ("homer", "ihomer")


def stored(name: str) -> dict[str, Any]:
    """Numbers of an experiment as they were stored by the last run of `reproduce`.

    Parameters
    ----------
    name : {"homer", "ihomer"}

    Returns
    -------
    dict
        ``"provenance"``: command, date, versions, machine, time and memory; ``"numbers"``: the results.

    Raises
    ------
    ValueError, FileNotFoundError, DataFileError
        If the experiment is not known, it has not been run, or the file is damaged.
    """
    file = _find(name, "json")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataFileError(f"{file.name} is damaged: {error}; run the experiment again") from error


def figure(name: str) -> str:
    """Path of the figure that belongs to the numbers of `stored`, with the same errors.

    Parameters
    ----------
    name : {"homer", "ihomer"}
    """
    return str(_find(name, "png"))


def summary(result: dict[str, Any]) -> str:
    """The main numbers of an experiment as a table in plain text, with their provenance.

    Parameters
    ----------
    result : dict
        What `reproduce` or `stored` returns.
    """
    made, numbers = result["provenance"], result["numbers"]
    head = f"{'':24s}{'AUC of new events':>19s}{'worst χ²/ndf':>15s}{'p':>10s}{'n_eff/N':>9s}   |f/truth - 1| up to [%]"
    lines = [
        f"{made['command']}, {made['date']}, hadtutor {made['versions']['hadtutor']}",
        f"{made['n_events']} events of each; {made['machine']}; {made['seconds']:.0f} s, {made['peak_memory_gb']} GB",
    ]
    for table in [key for key in numbers if key.startswith("table")]:
        lines += ["", f"{TITLES[table.removeprefix('table')]}:", head]
        for row in [*numbers[table], numbers["exact" + table.removeprefix("table")]]:
            area = f"{row['auc']:.4f} ± {row['auc_error']:.4f}" if "auc" in row else ""
            biases = " ".join(f"{100 * bias:5.1f}" for bias in row.get("f_bias", []))
            lines.append(
                f"{row['what']:24s}{area:>19s}{row['worst_chi2_per_ndf']:15.2f}{row['least_p_value']:10.1e}"
                f"{row['n_eff']:9.3f}   {biases}"
            )
    return "\n".join(lines)


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
