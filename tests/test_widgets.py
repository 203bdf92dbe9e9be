"""The slider shows the same figures with a kernel and without one."""

import base64
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from hadtutor import LundParams, strings
from hadtutor.widgets import FigureSlider, show_source

VALUES = [0.5, 1.0, 1.5]


def draw(a):
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, a])
    ax.set_ylim(0, 2)
    return figure


@pytest.fixture
def slider():
    return FigureSlider(draw, VALUES, 'a "quoted" <label>', start=1, alt="a line up to {value}")


def frames_of(page):
    encoded = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)
    return [base64.b64decode(frame).decode() for frame in encoded]


def test_the_page_holds_a_different_frame_for_every_stop(slider):
    shown, *frames = frames_of(slider.to_html())
    assert len(set(frames)) == len(VALUES)
    assert shown == frames[1]


def test_the_page_fetches_nothing(slider):
    assert not re.search(r'(src|href)="(https?:)?//', slider.to_html())


def test_labels_are_escaped_and_read_aloud(slider):
    page = slider.to_html()
    assert "<label>" not in page
    assert "&quot;quoted&quot; &lt;label&gt;" in page
    assert 'alt="a line up to 1"' in page
    assert 'aria-valuetext="1"' in page


def test_the_same_figures_make_the_same_page(slider):
    assert slider.to_html() == slider.to_html()


def test_moving_the_live_slider_draws_the_figure_of_that_value(slider):
    picture, control = slider.to_widget().children
    before = picture.value
    control.value = 1.5
    assert picture.value != before
    control.value = 1.0
    assert picture.value == before


def test_one_object_offers_both(slider):
    bundle = slider._repr_mimebundle_()
    assert {"text/html", "application/vnd.jupyter.widget-view+json", "text/plain"} <= set(bundle)


def test_no_figure_stays_open(slider):
    before = plt.get_fignums()
    slider.to_html()
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("values", "start", "wanted"), [([1.0], 0, "at least two values, got 1"), (VALUES, 3, "0 to 2, got 3")]
)
def test_wrong_stops_are_refused(values, start, wanted):
    with pytest.raises(ValueError, match=wanted):
        FigureSlider(draw, values, "a", start=start)


@pytest.mark.parametrize("thing", [strings.fragment_chain, strings.break_pt, LundParams])
def test_shown_source_is_the_packages_own(thing):
    name = getattr(thing, "__name__", None) or thing.py_func.__name__
    text = show_source(thing).data
    assert text.startswith("```python\n")
    assert f"{name}(" in text
