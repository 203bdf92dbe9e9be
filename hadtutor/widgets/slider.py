"""A slider over figures that works with a kernel and on a static page."""

import base64
import hashlib
import html
import io
import json
from collections.abc import Callable
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .._support.checks import column, whole


class FigureSlider:
    """A slider under a figure that is drawn anew for each value.

    With a kernel it is an ipywidgets slider that calls `draw`; in a static page an HTML slider over frames drawn
    beforehand, which needs neither kernel nor network. Both come in one object: the front end picks what it can show.

    Parameters
    ----------
    draw : callable
        ``draw(value)`` returns a matplotlib figure (else TypeError, when it is shown).
    values, start : array_like, int
        The stops of the slider, at least two, and the number of the one that is shown first (else ValueError).
    label, alt : str
        What the slider changes, with its unit; what the figure shows, for those who do not see it, with ``{value}``.

    Examples
    --------
    >>> FigureSlider(lambda a: plt.figure(), [0.5, 1.0], "a")
    FigureSlider('a', 2 stops)
    """

    def __init__(
        self, draw: Callable[[float], Figure], values: ArrayLike, label: str, start: int = 0, alt: str = ""
    ) -> None:
        self.values = column(values, "values").tolist()
        if len(self.values) < 2:
            raise ValueError(f"a slider needs at least two values, got {len(self.values)}")
        self.start = whole(start, "start, the number of a stop,", 0, len(self.values) - 1)
        self.draw, self.label, self.alt = draw, label, alt

    def __repr__(self) -> str:
        return f"FigureSlider({self.label!r}, {len(self.values)} stops)"

    def _svg(self, value):
        figure = self.draw(value)
        if not isinstance(figure, Figure):
            raise TypeError(f"draw({value:g}) must return a matplotlib figure, got {figure!r}")
        buffer = io.StringIO()
        # No date, fixed names, text as text: the same figure is the same file everywhere, and a smaller one.
        with plt.rc_context({"svg.hashsalt": "hadtutor", "svg.fonttype": "none", "font.family": "sans-serif"}):
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(figure)
        text = buffer.getvalue()
        return text[text.index("<svg") :]

    def to_html(self) -> str:
        """HTML with all frames inside: moves by mouse, touch and keyboard, without kernel or network."""
        frames = ["data:image/svg+xml;base64," + base64.b64encode(self._svg(v).encode()).decode() for v in self.values]
        key = "slider-" + hashlib.sha256("".join(frames).encode()).hexdigest()[:10]
        alts = [self.alt.format(value=f"{v:g}") for v in self.values]
        texts = [f"{v:g}" for v in self.values]
        label = html.escape(self.label, quote=True)
        return f"""<div id="{key}" class="figure-slider">
<img src="{frames[self.start]}" alt="{html.escape(alts[self.start], quote=True)}" style="width:100%;max-width:40rem">
<label style="display:flex;gap:.7em;align-items:center;max-width:40rem"><span>{label}</span>
<input type="range" min="0" max="{len(frames) - 1}" step="1" value="{self.start}" style="flex:1;min-width:6rem"
 aria-label="{label}" aria-valuetext="{texts[self.start]}"><output style="min-width:3.5em">{texts[self.start]}</output>
</label>
<script>(function () {{
const frames = {json.dumps(frames)}, texts = {json.dumps(texts)}, alts = {json.dumps(alts)};
for (const root of document.querySelectorAll("#{key}")) {{
  if (root.getAttribute("data-live")) continue; // the same slider may be shown twice on a page
  root.setAttribute("data-live", "yes");
  const image = root.querySelector("img"), range = root.querySelector("input"), out = root.querySelector("output");
  range.addEventListener("input", function () {{
    const i = Number(range.value);
    image.src = frames[i]; image.alt = alts[i]; out.textContent = texts[i];
    range.setAttribute("aria-valuetext", texts[i]);
  }});
}}
}})();</script></div>"""

    def to_widget(self) -> ipywidgets.VBox:
        """The live slider, which needs a kernel."""
        slider = ipywidgets.SelectionSlider(
            options=[(f"{v:g}", v) for v in self.values], index=self.start, description=self.label,
            style={"description_width": "initial"}, layout={"width": "90%"},
        )  # fmt: skip
        picture = ipywidgets.HTML(self._svg(self.values[self.start]))

        def redraw(change):
            picture.value = self._svg(change["new"])

        slider.observe(redraw, names="value")
        return ipywidgets.VBox([picture, slider])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Live view first where a kernel answers, self-contained HTML for everything else."""
        bundle = {"text/plain": repr(self), "text/html": self.to_html()}
        return self.to_widget()._repr_mimebundle_() | bundle
