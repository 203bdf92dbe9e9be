"""Figures of the book: one style, data with ratio panels, the space-time picture of a string, drawn into given axes."""

from .ratio import ratio_axes, ratio_below, ratio_plot
from .string import draw_breaking_string
from .style import COLOURS, use_style

__all__ = ["COLOURS", "draw_breaking_string", "ratio_axes", "ratio_below", "ratio_plot", "use_style"]
