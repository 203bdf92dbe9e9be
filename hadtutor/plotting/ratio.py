"""Two samples in one panel, their ratio in the panel below."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .._support.checks import column
from .style import COLOURS

Labelled = tuple[str, ArrayLike, ArrayLike]
_PANELS: dict[str, Any] = {"height_ratios": [3, 1], "hspace": 0.04}


def ratio_axes(figsize: tuple[float, float] = (6.4, 4.8)) -> tuple[Figure, Axes, Axes]:
    """A figure of `figsize` inches with a panel for spectra and one below for their ratios: figure, top, bottom."""
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=figsize, gridspec_kw=_PANELS)
    return figure, top, bottom


def ratio_below(ax: Axes) -> Axes:
    """Cut a panel for ratios off the lower end of `ax`, which stands in a grid as of ``plt.subplots`` (ValueError)."""
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError("ax stands in no grid of panels that could be divided; make it with plt.subplots()")
    panels = spec.subgridspec(2, 1, **_PANELS)
    ax.set_subplotspec(panels[0])
    ax.tick_params(labelbottom=False)
    return ax.figure.add_subplot(panels[1], sharex=ax)


def ratio_plot(
    top: Axes, bottom: Axes, edges: ArrayLike, reference: Labelled, models: Sequence[Labelled], xlabel: str,
    ylabel: str = "events per unit", log: bool = False,
) -> tuple[Axes, Axes]:  # fmt: skip
    """Draw a reference as points with errors, models as steps, and the ratios to the reference below.

    Parameters
    ----------
    top, bottom : matplotlib.axes.Axes
        From `ratio_axes`; they are returned.
    edges : array_like, shape (B + 1,)
    reference, models : tuple (label, values, errors), and a sequence of these
        Densities and their standard errors, shape (B,); NaN where there is none.
    xlabel, ylabel, log : str, str, bool
        With units; and whether the spectrum has a logarithmic scale.
    """
    edges = column(edges, "edges")
    label, values, errors = _checked(reference, len(edges) - 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    top.errorbar(centres, values, errors, fmt="o", ms=3.5, color=COLOURS["black"], label=label, zorder=3)
    filled = values > 0
    safe = np.where(filled, values, 1.0)
    relative = np.where(filled, errors / safe, np.nan)
    low, high = (np.append(r, r[-1]) for r in (1 - relative, 1 + relative))
    bottom.fill_between(edges, low, high, step="post", color="#cccccc", lw=0)
    for k, (model_label, model, model_errors) in enumerate(_checked(model, len(edges) - 1) for model in models):
        colour, line = f"C{k}", ("-", "--", "-.", ":")[k % 4]
        top.stairs(model, edges, label=model_label, lw=1.8, color=colour, ls=line)
        ratio = np.where(filled, model / safe, np.nan)
        bottom.stairs(ratio, edges, baseline=None, lw=1.4, color=colour, ls=line)
        bottom.errorbar(centres, ratio, np.where(filled, model_errors / safe, np.nan), fmt="none", color=colour, lw=1.0)
    bottom.axhline(1.0, color=COLOURS["black"], lw=0.8)
    bottom.set(xlabel=xlabel, ylabel="ratio", ylim=(0.8, 1.2), xlim=(edges[0], edges[-1]))
    top.set_ylabel(ylabel)
    if log:
        top.set_yscale("log")
    top.legend()
    return top, bottom


def _checked(labelled: Labelled, n_bins: int) -> tuple[str, np.ndarray, np.ndarray]:
    label, values, errors = labelled
    values, errors = column(values, f"values of {label!r}"), column(errors, f"errors of {label!r}")
    if len(values) != n_bins or len(errors) != n_bins:
        raise ValueError(f"{n_bins + 1} edges have {n_bins} bins, got {len(values)} values and {len(errors)} errors")
    return label, values, errors
