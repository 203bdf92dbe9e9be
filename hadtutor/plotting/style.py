"""Colours, names and the one style of all figures."""

import matplotlib.pyplot as plt

LATEX_NAMES = {111: r"$\pi^0$", 211: r"$\pi^+$", -211: r"$\pi^-$"}
# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = {
    "blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00", "purple": "#CC79A7",
    "sky": "#56B4E9", "black": "#222222",
}  # fmt: skip
_STYLE = {
    "figure.figsize": (6.4, 4.0), "figure.dpi": 110, "figure.constrained_layout.use": True, "savefig.dpi": 110,
    "axes.prop_cycle": plt.cycler(color=[COLOURS[c] for c in ("blue", "red", "green", "orange", "purple", "sky")]),
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "legend.frameon": False, "lines.linewidth": 1.8, "font.size": 11,
}  # fmt: skip


def use_style() -> None:
    """Apply the book's style sheet to all figures that follow, at double density where a notebook shows them."""
    plt.style.use(_STYLE)
    if "inline" in plt.get_backend():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
