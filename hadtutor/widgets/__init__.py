"""What moves: sliders over figures, events in three dimensions, source code on demand."""

from .event_display import EventDisplay
from .slider import FigureSlider
from .source import show_source

__all__ = ["EventDisplay", "FigureSlider", "show_source"]
