"""The slider shows the same figures with a kernel and without one; an event turns without one."""

import base64
import json
import re
import shutil
import subprocess

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hadtutor import LundParams, lund, strings
from hadtutor.widgets import EventDisplay, FigureSlider, show_source

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
    ("values", "start", "wanted"), [([1.0], 0, "at least two values, got 1"), (VALUES, 3, "between 0 and 2, got 3")]
)
def test_wrong_stops_are_refused(values, start, wanted):
    with pytest.raises(ValueError, match=wanted):
        FigureSlider(draw, values, "a", start=start)


@pytest.mark.parametrize("values", ["12", ["1", "2"], [[1.0], [2.0]], 3.0, [True, False]])
def test_stops_are_numbers(values):
    with pytest.raises((TypeError, ValueError), match="values must h"):
        FigureSlider(draw, values, "a")


@pytest.mark.parametrize("start", [1.0, True, "1"])
def test_a_start_is_the_number_of_a_stop(start):
    with pytest.raises(TypeError, match="start, .*, must be a whole number, got"):
        FigureSlider(draw, VALUES, "a", start=start)


def test_what_draws_no_figure_is_refused():
    with pytest.raises(TypeError, match=r"draw\(0.5\) must return a matplotlib figure, got None"):
        FigureSlider(lambda a: None, VALUES, "a").to_html()


# A page with two outputs of one slider: each brings its own script, and both scripts see both.
TWO_SLIDERS = """
const scripts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const node = (more) => ({ on: [], attributes: {}, ...more,
  getAttribute(name) { return this.attributes[name]; }, setAttribute(name, value) { this.attributes[name] = value; },
  addEventListener(name, act) { this.on.push(act); } });
const slider = () => {
  const parts = { img: node({ src: "first" }), input: node({ value: "1" }), output: node({}) };
  return node({ parts: parts, querySelector: (what) => parts[what] });
};
const roots = [slider(), slider()];
globalThis.document = { querySelectorAll: () => roots, getElementById: () => roots[0] };
for (const script of scripts) (0, eval)(script);
for (const [k, value] of [[1, "2"], [0, "0"]]) {
  const input = roots[k].parts.input;
  input.value = value;
  for (const act of input.on) act();
}
console.log(JSON.stringify(roots.map((r) => [r.parts.img.src, r.parts.output.textContent, r.parts.input.on.length])));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the script of the page with node")
def test_a_slider_shown_twice_on_a_page_moves_twice(slider):
    """Each by itself: the second to the last stop, then the first to the first."""
    page = slider.to_html()
    script = re.search(r"<script>(.*)</script>", page, re.S).group(1)
    run = subprocess.run(
        ["node", "-e", TWO_SLIDERS], input=json.dumps([script, script]), capture_output=True, text=True, timeout=60
    )
    assert not run.stderr
    frames = re.findall(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", script)
    assert json.loads(run.stdout) == [[frames[0], "0.5", 1], [frames[2], "1.5", 1]]


@pytest.mark.parametrize("thing", [strings.chain.fragment_chain, lund.transverse.break_pt, LundParams])
def test_shown_source_is_the_packages_own(thing):
    name = getattr(thing, "__name__", None) or thing.py_func.__name__
    text = show_source(thing).data
    assert text.startswith("```python\n")
    assert f"{name}(" in text


# --- EventDisplay: one event in three dimensions ----------------------------------------------------

RNG = np.random.default_rng(5)
MOMENTA = RNG.normal(size=(23, 3)) * RNG.exponential(4.0, (23, 1))  # GeV
PIDS = RNG.choice([211, -211, 111, 22], 23)
AXIS = np.array([0.62, -0.33, 0.71])
AXIS /= np.linalg.norm(AXIS)


def display(**options):
    return EventDisplay(MOMENTA, **({"pid": PIDS, "axis": AXIS, "plane": True} | options))


def lines_of(page, kinds="charged|neutral|photon|particle"):
    """Kind, place in space and end in the picture of each line that has a place, in the order drawn."""
    pattern = rf'<line class="({kinds})" data-v="(\S+ \S+ \S+)" x2="(\S+)" y2="(\S+)"'
    return [(k, np.array(v.split(), float), float(x), float(y)) for k, v, x, y in re.findall(pattern, page)]


def marks_of(page):
    """Attributes of the lines and the disc of the event, in the order drawn."""
    event = re.search(r'<g class="event">(.*?)</g>', page, re.S).group(1)
    marks = re.findall(r"<(line|ellipse) ([^>]*)>", event)
    return [dict(re.findall(r'(\S+)="([^"]*)"', rest)) | {"tagName": tag} for tag, rest in marks]


def seen(view):
    """Ends of the lines of MOMENTA in the picture, computed here: length 160 sqrt(p / largest p), y downwards."""
    size = np.linalg.norm(MOMENTA, axis=1)
    ends = 160.0 * np.sqrt(size / size.max())[:, None] * MOMENTA / size[:, None]
    return ends @ np.asarray(view)[:2].T * [1, -1]


def in_order(points):
    return points[np.lexsort(np.round(points, 1).T)]


def test_lines_end_where_the_momenta_are_seen():
    event = display()
    drawn = np.array([(x, y) for _, _, x, y in lines_of(event.to_html())])
    distance = np.linalg.norm(drawn[:, None] - seen(event.view)[None], axis=2)
    assert sorted(distance.argmin(axis=1)) == list(range(23))
    assert distance.min(axis=1).max() < 0.01


def test_each_line_has_the_kind_of_its_particle():
    event = display()
    wanted = {22: "photon", 111: "neutral", 211: "charged", -211: "charged"}
    for kind, _, x, y in lines_of(event.to_html()):
        particle = np.linalg.norm(seen(event.view) - [x, y], axis=1).argmin()
        assert kind == wanted[PIDS[particle]]
    charged, neutral, photon = (sum(wanted[c] == kind for c in PIDS) for kind in ("charged", "neutral", "photon"))
    assert event.alt.endswith(f": {charged} charged, {neutral} neutral, {photon} photon.")


def test_what_is_behind_is_drawn_first():
    event = display(plane=False)
    depths = [event.view[2] @ v for _, v, _, _ in lines_of(event.to_html(), "charged|neutral|photon|axis")]
    assert len(depths) == 25
    assert np.all(np.diff(depths) > -0.02)


def test_the_disc_hides_what_lies_on_its_far_side():
    event = display()
    far, near = event.to_html().split("<ellipse")
    normal = AXIS * np.sign(event.view[2] @ AXIS)
    assert lines_of(far)
    assert lines_of(near)
    assert all(v @ normal < 0 for _, v, _, _ in lines_of(far))
    assert all(v @ normal > 0 for _, v, _, _ in lines_of(near))


def test_the_disc_is_a_circle_across_the_axis():
    """Points of that circle, projected here, lie on the ellipse drawn."""
    event = display()
    disc = next(mark for mark in marks_of(event.to_html()) if mark["tagName"] == "ellipse")
    rx, ry, angle = float(disc["rx"]), float(disc["ry"]), float(disc["transform"][7:-1])
    across = np.linalg.svd(AXIS[None])[2][1:]
    turns = np.linspace(0, 6, 9)[:, None]
    x, y = (ry * (np.cos(turns) * across[0] + np.sin(turns) * across[1]) @ event.view[:2].T * [1, -1]).T
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    np.testing.assert_allclose(((c * x + s * y) / rx) ** 2 + ((c * y - s * x) / ry) ** 2, 1.0, atol=2e-3)


@pytest.mark.parametrize("axis", [None, AXIS])
def test_the_default_view_is_a_rotation_that_runs_the_main_direction_to_the_right(axis):
    long = MOMENTA @ (np.eye(3) + 9.0 * np.outer(AXIS, AXIS))
    view = EventDisplay(long, axis=axis).view
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1.0)
    assert (view @ AXIS)[0] > 0.9


def test_flat_and_straight_events_have_a_view_too():
    flat = MOMENTA * [1, 1, 0]
    assert abs(EventDisplay(flat).view[2, 2]) > 0.8  # looking down on the plane
    straight = EventDisplay([[0, 0, 5.0], [0, 0, -5.0], [0, 0, 0]])
    np.testing.assert_allclose(straight.view @ straight.view.T, np.eye(3), atol=1e-12)
    assert "nan" not in straight.to_html()


def test_a_second_event_can_be_seen_from_the_same_side():
    first = display()
    second = EventDisplay(MOMENTA[::-1], view=first.view)
    drawn = np.array([(x, y) for _, _, x, y in lines_of(second.to_html())])
    np.testing.assert_allclose(in_order(drawn), in_order(seen(first.view)), atol=0.06)


@pytest.mark.parametrize(
    ("largest", "circles"),
    [(27.0, ["20", "2"]), (1.0, ["1", "0.1"]), (0.7, ["0.5", "0.05"]), (np.nextafter(1000, 0), ["500", "50"])],
)
def test_circles_give_the_scale_of_momentum(largest, circles):
    page = EventDisplay([[0, 0, largest]]).to_html()
    assert re.findall(r">(\S+) GeV</text>", page) == circles
    radii = [float(r) for r in re.findall(r'class="scale" r="(\S+)"', page)]
    np.testing.assert_allclose(radii, [160 * (float(c) / largest) ** 0.5 for c in circles], atol=0.01)


def test_the_display_fetches_nothing():
    assert not re.search(r"//[a-z]|@import|\bsrc=|\bhref=", display().to_html().replace("// ", ""))


def test_the_same_event_makes_the_same_page_and_another_event_other_names():
    pages = [display().to_html(), display().to_html(), display(axis_label="thrust").to_html()]
    assert pages[0] == pages[1] == display()._repr_html_()
    names = [re.findall(r'\bid="(\S+)"', page) for page in pages]
    assert len(names[0]) == 4  # the display and the tips of three kinds of line
    assert not set(names[0]) & set(names[2])
    for name, page in zip(names, pages):
        assert len(set(name)) == len(name)
        assert set(re.findall(r"url\(#(\S+)\)", page)) == set(name[1:])
        assert f'("{name[0]}", [[' in page


def test_texts_of_the_display_are_escaped():
    page = display(alt='a "jet" <b>', axis_label="<i>n</i>").to_html()
    assert 'aria-label="a &quot;jet&quot; &lt;b&gt;"' in page
    assert "&lt;i&gt;n&lt;/i&gt;</text>" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_sixty_particles_stay_below_forty_kilobytes():
    p = np.concatenate([MOMENTA] * 3)[:60]
    page = EventDisplay(p, np.resize(PIDS, 60), axis=AXIS, plane=True).to_html()
    assert len(lines_of(page)) == 60
    assert len(page.encode()) < 40_000


def test_an_event_of_a_sample_is_shown_with_its_codes(base):
    event, hadrons = base[7], base[7].hadrons
    p = np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1)
    wanted = EventDisplay(p, hadrons.pid, axis=(0, 0, 1)).to_html()
    assert EventDisplay(event, axis=(0, 0, 1)).to_html() == wanted
    assert EventDisplay(hadrons, axis=(0, 0, 1)).to_html() == wanted


def test_a_display_shows_one_event(base):
    for events in (base[:2], base[:0], base.hadrons[:2]):
        with pytest.raises(ValueError, match=rf"shows one event, got {len(events)}: .*EventDisplay\(sample\[0\]\)"):
            EventDisplay(events)


def test_a_masked_momentum_is_not_drawn_where_the_mask_hides_it():
    with pytest.raises(ValueError, match="p must be finite momenta"):
        EventDisplay(np.ma.array(MOMENTA, mask=MOMENTA > 5))
    with pytest.raises(ValueError, match="pid must hold whole numbers"):
        EventDisplay(MOMENTA, PIDS.astype(float))


def test_the_display_says_how_many_particles():
    assert repr(display()) == "EventDisplay(23 particles)"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"p": [1.0, 2.0, 3.0]}, r"shape \(n, 3\)"),
        ({"p": [[1.0, np.nan, 3.0]]}, "finite"),
        ({"p": np.zeros((0, 3))}, "none of 0 particles has momentum"),
        ({"p": np.zeros((2, 3))}, "none of 2 particles has momentum"),
        ({"pid": [211]}, "one code for each of 2 particles"),
        ({"pid": [211, 12345678]}, "12345678"),
        ({"axis": [0.0, 0.0, 0.0]}, "axis must be a direction"),
        ({"axis": [0.0, 1.0]}, "axis must be a direction"),
        ({"plane": True}, "got no axis"),
        ({"view": np.diag([1.0, 1.0, -1.0])}, "must be a rotation"),
        ({"view": 2 * np.eye(3)}, "must be a rotation"),
        ({"view": np.eye(2)}, "must be a rotation"),
    ],
)
def test_what_cannot_be_shown_is_refused(options, wanted):
    with pytest.raises(ValueError, match=wanted):
        EventDisplay(**({"p": [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]} | options))


# A page of stand-ins for the marks of the picture: just enough for the script to run outside a browser.
PAGE_STUB = """
const [marks, keys] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const node = (attributes) => ({ ...attributes, style: {}, on: {},
  getAttribute(name) { return this[name]; }, setAttribute(name, value) { this[name] = value; },
  addEventListener(name, act) { this.on[name] = act; } });
const event = node({ children: [],
  appendChild(child) { this.children = this.children.filter((c) => c !== child).concat(child); } });
for (const mark of marks) event.appendChild(node({ ...mark, parentNode: event }));
const svg = node({ querySelector: () => event, querySelectorAll: () => event.children });
const buttons = [node({ "aria-pressed": "false" }), node({})];
const controls = node({ querySelectorAll: () => buttons });
const root = node({ isConnected: true, querySelector: (what) => (what === "svg" ? svg : controls) });
globalThis.document = { querySelectorAll: () => [root] };
globalThis.matchMedia = () => ({ matches: false });
SCRIPT;
for (const key of keys) key === "reset" ? buttons[1].on.click() : svg.on.keydown({ key: key, preventDefault() {} });
console.log(JSON.stringify(event.children.map((n) => [n.tagName, +n.x2, +n.y2, +n.rx, n.transform])));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the script of the page with node")
@pytest.mark.parametrize(
    ("keys", "turned"),
    [
        (["ArrowRight", "reset"], (0.0, 0.0)),
        (["ArrowUp"] * 72, (0.0, 0.0)),
        (["ArrowRight"] * 4, (np.pi / 9, 0.0)),
        (["ArrowLeft"], (-np.pi / 36, 0.0)),
        (["ArrowUp"] * 2, (0.0, np.pi / 18)),
        (["ArrowDown"] * 3, (0.0, -np.pi / 12)),
    ],
)
def test_turning_on_the_page_draws_what_python_draws_from_there(keys, turned):
    """The script turns the picture by 5 degrees per key; Python, asked for the turned view, draws the same."""
    start = display()
    a, b = turned
    about_upright = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_level = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    wanted = marks_of(display(view=about_level @ about_upright @ start.view).to_html())
    page = start.to_html()
    script = re.search(r"<script>(.*);</script>", page, re.S).group(1)
    marks = [{"tagName": m["tagName"], "data-v": m["data-v"]} for m in marks_of(page)]
    run = subprocess.run(
        ["node", "-e", PAGE_STUB.replace("SCRIPT", script)],
        input=json.dumps([marks, keys]), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not run.stderr
    found = json.loads(run.stdout)
    assert [tag for tag, *_ in found] == [mark["tagName"] for mark in wanted]
    for (tag, x, y, rx, transform), mark in zip(found, wanted):
        if tag == "line":
            assert (x, y) == pytest.approx((float(mark["x2"]), float(mark["y2"])), abs=0.02)
        else:
            assert rx == pytest.approx(float(mark["rx"]), abs=0.02)
            assert float(transform[7:-1]) == pytest.approx(float(mark["transform"][7:-1]), abs=0.02)
