"""Figures show the numbers they are given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hadtutor import kinematics, plotting, strings


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_breaks_are_drawn_where_kinematics_puts_them(base):
    event = base[7]
    order = strings.string_order(event.histories)
    e, pz = event.hadrons.e[order], event.hadrons.pz[order]
    ax = plotting.draw_breaking_string(plt.subplots()[1], e, pz, event.hadrons.pid[order], tension=0.9)
    t, z = kinematics.break_points(e, pz, 0.9)
    dots = [line.get_xydata() for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == len(t)]
    assert len(dots) == 1
    np.testing.assert_allclose(dots[0], np.stack([z, t], axis=1))
    assert {text.get_text() for text in ax.texts} <= set(plotting.style.LATEX_NAMES.values())
    assert len(ax.texts) == len(e)


def test_a_hadron_flies_off_with_its_own_velocity(base):
    event = base[11]
    order = strings.string_order(event.histories)
    e, pz = event.hadrons.e[order], event.hadrons.pz[order]
    ax = plotting.draw_breaking_string(plt.subplots()[1], e, pz)
    red = plotting.COLOURS["red"]
    tracks = [line.get_xydata() for line in ax.lines if line.get_color() == red and len(line.get_xdata()) == 2]
    velocity = [(end[0] - start[0]) / (end[1] - start[1]) for start, end in tracks]
    np.testing.assert_allclose(velocity, pz / e, rtol=1e-9)


def test_the_ratio_of_equal_spectra_is_one_and_empty_bins_have_none():
    edges, values = np.arange(5.0), np.array([4.0, 0.0, 2.0, 1.0])
    _, top, bottom = plotting.ratio_axes()
    plotting.ratio_plot(top, bottom, edges, ("data", values, 0.1 * values), [("model", values, 0.1 * values)], "x")
    (step,) = [p for p in bottom.patches if hasattr(p, "get_data")]
    np.testing.assert_array_equal(step.get_data().values, [1.0, np.nan, 1.0, 1.0])
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["model", "data"]
    assert bottom.get_xlabel() == "x"


def test_models_are_told_apart_by_more_than_colour():
    edges, values = np.arange(4.0), np.ones(3)
    _, top, bottom = plotting.ratio_axes()
    models = [(str(k), values, 0.1 * values) for k in range(4)]
    plotting.ratio_plot(top, bottom, edges, ("data", values, 0.1 * values), models, "x", log=True)
    styles = {p.get_linestyle() for p in top.patches}
    assert len(styles) == 4
    assert top.get_yscale() == "log"


def test_axes_make_room_for_ratios_below():
    figure, (left, right) = plt.subplots(1, 2)
    before = right.get_position()
    bottom = plotting.ratio_below(right)
    assert len(figure.axes) == 3
    assert bottom.get_shared_x_axes().joined(bottom, right)
    assert right.get_position().y0 > bottom.get_position().y1 > bottom.get_position().y0 >= before.y0 - 1e-9
    assert right.get_position().x0 == bottom.get_position().x0 > left.get_position().x1
    with pytest.raises(ValueError, match="ax stands in no grid of panels"):
        plotting.ratio_below(figure.add_axes((0.1, 0.1, 0.2, 0.2)))


def test_what_is_masked_or_not_measured_is_not_drawn():
    """Neither the number under the mask, nor a ratio to it."""
    edges, hidden = np.arange(4.0), np.ma.array([1.0, 1000.0, 2.0], mask=[False, True, False])
    _, top, bottom = plotting.ratio_axes()
    plotting.ratio_plot(top, bottom, edges, ("data", hidden, 0.1 * hidden), [("model", np.ones(3), np.ones(3))], "x")
    assert top.get_ylim()[1] < 10
    (step,) = [p for p in bottom.patches if hasattr(p, "get_data")]
    np.testing.assert_array_equal(step.get_data().values, [1.0, np.nan, 0.5])


@pytest.mark.parametrize("values", [np.ones(4), np.ones((3, 1)), "abc", [None, "x", 1.0]])
def test_spectra_that_do_not_fit_their_bins_are_refused(values):
    _, top, bottom = plotting.ratio_axes()
    good = ("data", np.ones(3), np.ones(3))
    for reference, models in ((("data", values, np.ones(3)), []), (good, [("model", values, np.ones(3))])):
        with pytest.raises((ValueError, TypeError), match="4 edges have 3 bins, got 4|values of '(data|model)' must h"):
            plotting.ratio_plot(top, bottom, np.arange(4.0), reference, models, "x")


@pytest.mark.parametrize(
    ("e", "pz", "options", "message"),
    [
        ([], [], {}, "one number for each hadron of the event, got"),
        ([1.0, 2.0], [0.5], {}, r"one number for each hadron of the event, got \[2, 1\]"),
        ([1.0], [0.5], {"pid": [211, 211]}, r"got \[1, 1, 2\]"),
        ([[1.0]], [[0.5]], {}, "e must have one dimension"),
        ([1.0], [0.5], {"tension": 0.0}, "tension must be > 0 GeV/fm, got 0.0"),
        ([1.0], [0.5], {"tension": True}, "tension must be a number, got True"),
    ],
)
def test_a_string_that_cannot_be_drawn_is_refused(e, pz, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plotting.draw_breaking_string(plt.subplots()[1], e, pz, **options)
