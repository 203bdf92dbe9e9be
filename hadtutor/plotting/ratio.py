"""Two samples in one panel, their ratio in the panel below."""

import matplotlib.pyplot as plt
import numpy as np

from .style import COLOURS


def ratio_axes(figsize=(6.4, 4.8)):
    """A figure with a panel for spectra and a smaller one below for their ratios.

    Parameters
    ----------
    figsize : tuple of float
        Width and height in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    top, bottom : matplotlib.axes.Axes
    """
    figure, (top, bottom) = plt.subplots(
        2, 1, sharex=True, figsize=figsize, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.04}
    )
    return figure, top, bottom


def ratio_plot(top, bottom, edges, reference, models, xlabel, ylabel="events per unit", log=False):
    """Draw a reference as points with errors, models as steps, and the ratios to the reference below.

    Parameters
    ----------
    top, bottom : matplotlib.axes.Axes
        From `ratio_axes`.
    edges : ndarray, shape (B + 1,)
        Bin edges.
    reference : tuple (label, values, errors)
        Densities and their standard errors, shape (B,).
    models : sequence of tuple (label, values, errors)
    xlabel, ylabel : str
        Axis labels, with units.
    log : bool
        Whether the spectrum has a logarithmic scale.

    Returns
    -------
    top, bottom : matplotlib.axes.Axes
    """
    label, values, errors = reference
    centres = 0.5 * (edges[1:] + edges[:-1])
    top.errorbar(centres, values, errors, fmt="o", ms=3.5, color=COLOURS["black"], label=label, zorder=3)
    filled = values > 0
    safe = np.where(filled, values, 1.0)
    relative = np.where(filled, errors / safe, np.nan)
    bottom.fill_between(
        edges, *(np.append(r, r[-1]) for r in (1 - relative, 1 + relative)), step="post", color="#cccccc", lw=0
    )
    for k, (model_label, model, model_errors) in enumerate(models):
        style = {"color": f"C{k}", "ls": ("-", "--", "-.", ":")[k % 4]}
        top.stairs(model, edges, label=model_label, lw=1.8, **style)
        ratio = np.where(filled, model / safe, np.nan)
        bottom.stairs(ratio, edges, baseline=None, lw=1.4, **style)
        bottom.errorbar(
            centres, ratio, np.where(filled, model_errors / safe, np.nan), fmt="none", color=f"C{k}", lw=1.0
        )
    bottom.axhline(1.0, color=COLOURS["black"], lw=0.8)
    bottom.set(xlabel=xlabel, ylabel="ratio", ylim=(0.8, 1.2), xlim=(edges[0], edges[-1]))
    top.set_ylabel(ylabel)
    if log:
        top.set_yscale("log")
    top.legend()
    return top, bottom
