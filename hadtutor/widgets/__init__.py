"""What chapters show: sliders over figures, events in three dimensions, source code on demand, tables, checks."""

from .event_display import EventDisplay
from .lesson import Table, check
from .slider import FigureSlider
from .source import show_source

__all__ = ["EventDisplay", "FigureSlider", "Table", "check", "show_source"]
