"""Figures of the book: one style, data with ratio panels, the space-time picture of a string.

Plot functions take axes, return them, and compute nothing but what they draw.
"""

import matplotlib.pyplot as plt
import numpy as np

from .kinematics import break_points, light_cone

__all__ = ["COLOURS", "draw_breaking_string", "ratio_axes", "ratio_plot", "use_style"]

LATEX_NAMES = {111: r"$\pi^0$", 211: r"$\pi^+$", -211: r"$\pi^-$"}

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#222222",
}

_STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 110,
    "font.size": 11,
    "axes.prop_cycle": plt.cycler(color=[COLOURS[c] for c in ("blue", "red", "green", "orange", "purple", "sky")]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def use_style():
    """Apply the book's style sheet to all figures that follow."""
    plt.rcParams.update(_STYLE)


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


def draw_breaking_string(ax, e, pz, pid=None, tension=1.0):
    """Space-time picture of one event: string, breaks, and the hadrons that move off.

    Each hadron is shown as it is born: its two quarks start at neighbouring breaks and first meet where
    their light-cone paths cross; from there the hadron goes on in a straight line.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    e, pz : array_like, shape (n,)
        Energies and momenta along z [GeV], in order along the string from the +z end.
    pid : array_like of int, shape (n,), optional
        PDG codes, for the names of the hadrons.
    tension : float
        String tension κ [GeV/fm].

    Returns
    -------
    ax : matplotlib.axes.Axes
    """
    e, pz = np.asarray(e, dtype=float), np.asarray(pz, dtype=float)
    t, z = break_points(e, pz, tension)
    plus, minus = light_cone(e, pz)
    # Light-cone coordinates of the breaks, with the turning points of the two ends added.
    x_plus = np.concatenate([[plus.sum() / tension], t + z, [0.0]])
    x_minus = np.concatenate([[0.0], t - z, [minus.sum() / tension]])

    def point(xp, xm):
        return 0.5 * (xp - xm), 0.5 * (xp + xm)  # z, t

    outline = [(0.0, 0.0), (x_plus[0], x_minus[0])]
    for k in range(len(e)):
        outline += [(x_plus[k], x_minus[k + 1]), (x_plus[k + 1], x_minus[k + 1])]
    ax.fill(*zip(*(point(*p) for p in outline), strict=True), color=COLOURS["orange"], alpha=0.3, lw=0, label="string")
    far = 1.25 * max(0.5 * (x_plus[:-1] + x_minus[1:]))
    for k in range(len(e)):
        # The right quark of the hadron comes from break k on x-, the left one from break k + 1 on x+.
        meet = point(x_plus[k], x_minus[k + 1])
        for corner in ((x_plus[k], x_minus[k]), (x_plus[k + 1], x_minus[k + 1])):
            ax.plot(*zip(point(*corner), meet, strict=True), color=COLOURS["blue"], lw=0.9)
        end = (meet[0] + (far - meet[1]) * pz[k] / e[k], far)
        if far > meet[1]:
            ax.plot(*zip(meet, end, strict=True), color=COLOURS["red"], lw=1.1)
            if pid is not None:
                # Neighbours in rapidity end close together: three heights keep their names apart.
                shift = (0, 2 + 11 * (k % 3))
                ax.annotate(
                    LATEX_NAMES.get(int(pid[k]), str(pid[k])),
                    end,
                    shift,
                    textcoords="offset points",
                    ha="center",
                    fontsize=9,
                    color=COLOURS["red"],
                )
    for corner in ((x_plus[0], x_minus[0]), (x_plus[-1], x_minus[-1])):
        ax.plot(*zip((0.0, 0.0), point(*corner), strict=True), color=COLOURS["blue"], lw=0.9)
    ax.plot([], [], color=COLOURS["blue"], lw=0.9, label="quarks")
    ax.plot([], [], color=COLOURS["red"], lw=1.1, label="hadrons")
    ax.plot(z, t, "o", ms=4, color=COLOURS["black"], label="breaks", zorder=3)
    ax.set(xlabel="$z$ [fm]", ylabel="$t$ [fm]", ylim=(0, 1.15 * far))
    ax.grid(False)
    return ax
