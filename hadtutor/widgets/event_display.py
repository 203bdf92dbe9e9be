"""A picture of one event that can be turned: lines in space, without kernel or network."""

import hashlib
import html
import json
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .._support.checks import column, plain
from ..events.hadrons import Hadrons
from ..events.sample import Sample
from ..particles import charge_of, name_of
from ..plotting.style import COLOURS

_TURN = Path(__file__).with_name("event_display.js").read_text(encoding="utf-8").rstrip()
PHOTON = 22
_REACH = 160  # length of the longest momentum in a drawing of 480 by 400; event_display.js has it too
# Colour, dashes, and the tip of the line in units of its width: each kind is told without its colour too.
_KINDS = {
    "particle": ("blue", "none", '<circle r="1.6"/>'),
    "charged": ("blue", "none", '<circle r="1.6"/>'),
    "neutral": ("red", "6 3", '<path d="M-1.5-1.5h3v3h-3z"/>'),
    "photon": ("green", "1.5 2.5", '<path d="M-1.6-1.8L2.2 0L-1.6 1.8z"/>'),
}


def _main_direction(tensor):
    direction = np.linalg.eigh(tensor)[1][:, -1]
    return direction * np.sign(direction[np.argmax(np.abs(direction))])


def _default_view(p, axis):
    """Onto the plane that holds most of the momentum, a little from the side, with the axis to the right."""
    size = np.linalg.norm(p, axis=1)
    # The small isotropic part gives a plane to events that lie on one line.
    tensor = p.T @ (p / np.where(size > 0, size, 1.0)[:, None]) + 1e-9 * size.sum() * np.eye(3)
    right = _main_direction(tensor) if axis is None else axis
    across = np.eye(3) - np.outer(right, right)
    up = _main_direction(across @ tensor @ across)
    # Turned by these angles [rad], by which what is in front moves to the right and down.
    (x, y, z), to_right, to_top = (right, up, np.cross(right, up)), 0.4, -0.35
    x, z = np.cos(to_right) * x + np.sin(to_right) * z, np.cos(to_right) * z - np.sin(to_right) * x
    y, z = np.cos(to_top) * y + np.sin(to_top) * z, np.cos(to_top) * z - np.sin(to_top) * y
    return np.array([x, y, z])


def _numbers(v):
    """Coordinates as text, without -0.00."""
    return [f"{x:.2f}" for x in np.round(v, 2) + 0.0]


class EventDisplay:
    """The momenta of one event as lines in space, turned by mouse, touch or arrow keys.

    The length of a line grows as √p, so that soft particles stay visible; two circles give the scale. Near lines are
    stronger than far ones. Neither kernel nor network is needed: without JavaScript, and on paper, it stands still.

    Parameters
    ----------
    p : array_like, shape (n, 3), or Sample or Hadrons
        Momenta [GeV], or one event such as ``sample[7]``, with its PDG codes.
    pid : array_like of int, shape (n,), optional
        PDG codes, to tell charged particles, photons and other neutral ones apart.
    axis, axis_label : array_like, shape (3,), optional, and str
        A direction to show as a dashed line, such as the thrust axis, and its name.
    plane : bool
        Whether to show the plane across `axis`, as a disc.
    view : array_like, shape (3, 3), optional
        Rotation whose rows point to the right, up, and to the reader, such as the ``view`` of another display. Default:
        onto the plane that holds most of the momentum, `axis` to the right.
    alt : str
        What the event shows, for those who do not see it. Default: the numbers of particles.

    ValueError: there are several events or no momentum, a shape is wrong, a number is not finite, a PDG code is
    unknown, `axis` has no direction, `plane` is wanted without `axis`, or `view` is not a rotation.

    Examples
    --------
    >>> event = EventDisplay([[0, 1, 30], [12, 0, -15], [-12, -1, -15]], pid=[211, -211, 111])
    >>> event.alt
    'One event, momenta as lines from one point: 2 charged, 1 neutral.'
    """

    def __init__(
        self, p: ArrayLike | Sample | Hadrons, pid: ArrayLike | None = None, axis: ArrayLike | None = None,
        axis_label: str = "axis", plane: bool = False, view: ArrayLike | None = None, alt: str = "",
    ) -> None:  # fmt: skip
        if isinstance(p, (Sample, Hadrons)):
            if len(p) != 1:
                raise ValueError(f"a display shows one event, got {len(p)}: take one, as in EventDisplay(sample[0])")
            event = p.hadrons if isinstance(p, Sample) else p
            p, pid = np.stack([event.px, event.py, event.pz], axis=1), event.pid if pid is None else pid
        self.p = plain(p, "p").astype(float, copy=False)
        if self.p.ndim != 2 or self.p.shape[1] != 3 or not np.all(abs(self.p) < 1e100):
            raise ValueError(f"p must be finite momenta [GeV] of shape (n, 3), got {p!r}")
        self.size = np.linalg.norm(self.p, axis=1)
        if not self.size.any():
            raise ValueError(f"nothing to draw: none of {len(self.p)} particles has momentum")
        self.pid = None if pid is None else column(pid, "pid", np.int64)
        if self.pid is not None and self.pid.shape != self.size.shape:
            raise ValueError(f"pid must hold one code for each of {len(self.p)} particles, got {pid!r}")
        if plane and axis is None:
            raise ValueError("plane=True shows the plane across `axis`, got no axis")
        direction = np.ones(3) if axis is None else plain(axis, "axis").astype(float)
        if direction.shape != (3,) or not np.isfinite(direction).all() or not direction.any():
            raise ValueError(f"axis must be a direction of shape (3,), got {axis!r}")
        self.axis = None if axis is None else direction / np.linalg.norm(direction)
        self.view = _default_view(self.p, self.axis) if view is None else plain(view, "view").astype(float)
        square = self.view.shape == (3, 3) and np.allclose(self.view @ self.view.T, np.eye(3), atol=1e-6)
        if not square or np.linalg.det(self.view) < 0:
            raise ValueError(f"view must be a rotation of shape (3, 3), got {view!r}")
        self.axis_label, self.plane, self.kinds = axis_label, plane, self._kinds()
        counts = ", ".join(f"{self.kinds.count(kind)} {kind}" for kind in _KINDS if kind in self.kinds)
        self.alt = alt or f"One event, momenta as lines from one point: {counts}."

    def __repr__(self) -> str:
        return f"EventDisplay({len(self.p)} particles)"

    def _kinds(self):
        if self.pid is None:
            return ["particle"] * len(self.p)
        return np.select([self.pid == PHOTON, charge_of(self.pid) != 0], ["photon", "charged"], "neutral").tolist()

    def _length(self, momentum):
        return _REACH * np.sqrt(momentum / self.size.max())

    def _place(self, v):
        """Attribute `data-v`, and where this point of space is seen: x and y down the picture, depth."""
        x, y, depth = self.view @ v
        return f'data-v="{" ".join(_numbers(v))}"', *_numbers([x, -y]), depth

    def _line(self, v, kind, title=""):
        place, x, y, depth = self._place(v)
        near = 0.5 + 0.5 * depth / _REACH
        shade = f'stroke-width="{0.9 + 2 * near:.2f}" opacity="{0.5 + 0.5 * near:.2f}"'
        inside = f"<title>{html.escape(title)}</title>" if title else ""
        return f'<line class="{kind}" {place} x2="{x}" y2="{y}" {shade}>{inside}</line>'

    def _name(self, v, text, shift):
        place, x, y, _ = self._place(v)
        return f'<text {place} x="{x}" y="{y}" dy="{shift}" text-anchor="middle">{html.escape(text)}</text>'

    def _disc(self, radius):
        v = radius * self.axis
        place, x, y, depth = self._place(v)
        angle = np.degrees(np.arctan2(float(y), float(x)))
        return f'<ellipse {place} rx="{abs(depth):.2f}" ry="{radius:.2f}" transform="rotate({angle:.2f})"/>'

    def _event(self, scale):
        """Lines and disc from back to front, then the name of the axis."""
        ends = self.p * (self._length(self.size) / np.where(self.size > 0, self.size, 1.0))[:, None]
        names = self.kinds if self.pid is None else name_of(self.pid).tolist()
        rays = [(v, kind, f"{name}, {size:.3g} GeV") for v, kind, name, size in zip(ends, self.kinds, names, self.size)]
        label = ""
        if self.axis is not None:
            rays += [(1.05 * _REACH * self.axis, "axis", ""), (-1.05 * _REACH * self.axis, "axis", "")]
            label = self._name(1.1 * _REACH * self.axis, self.axis_label, "-.6em")
        # All lines start in the middle of the disc: each is wholly behind it or wholly before it.
        normal = self.axis * np.sign(self.view[2] @ self.axis) if self.plane else np.zeros(3)
        layers = [(1000 * np.sign(v @ normal) + self.view[2] @ v, self._line(v, *rest)) for v, *rest in rays]
        if self.plane:
            layers.append((0.0, self._disc(self._length(scale))))
        return '<g class="event">\n' + "\n".join(text for _, text in sorted(layers)) + f"\n</g>{label}"

    def _surroundings(self, scale):
        """Circles of two momenta, the directions x, y, z, and the legend."""
        parts = []
        for momentum in (scale, 0.1 * scale):
            radius, corner = self._length(momentum), 0.707 * self._length(momentum)
            parts.append(f'<circle class="scale" r="{radius:.2f}"/>')
            parts.append(f'<text x="{corner + 3:.0f}" y="{corner + 12:.0f}">{momentum:g} GeV</text>')
        parts.append('<g transform="translate(-195 155)">')
        for direction, letter in zip(np.eye(3), "xyz"):
            parts += [self._line(24 * direction, "frame"), self._name(34 * direction, letter, ".35em")]
        parts.append('</g><text x="232" y="190" text-anchor="end">length ∝ √p</text>')
        for row, kind in enumerate(k for k in _KINDS if k in self.kinds and k != "particle"):
            y = 20 * row - 182
            parts.append(f'<line class="{kind}" x1="-232" x2="-200" y1="{y}" y2="{y}" stroke-width="2"/>')
            parts.append(f'<text x="-190" y="{y + 5}">{kind}</text>')
        return "\n".join(parts)

    def to_html(self) -> str:
        """HTML with the picture and what turns it, without kernel or network."""
        # The largest of 1, 2, 5 times a power of ten that some particle reaches; 0.5 for a logarithm rounded up.
        power = 10.0 ** np.floor(np.log10(self.size.max()))
        scale = power * max(m for m in (0.5, 1, 2, 5) if m * power <= self.size.max())
        alt = html.escape(self.alt, quote=True)
        drawing = f"{self._surroundings(scale)}\n{self._event(scale)}"
        key = "event-" + hashlib.sha256((drawing + alt).encode()).hexdigest()[:10]
        tips, styles, marker = "", "", 'viewBox="-3 -3 6 6" markerWidth="6" markerHeight="6" orient="auto"'
        for kind in (k for k in _KINDS if k in self.kinds):
            colour, dashes, tip = _KINDS[kind]
            tips += f'<marker id="{key}-{kind}" {marker}>{tip}</marker>'
            # Some of the colour of the text: darker on a light page, lighter on a dark one.
            ink = f"color-mix(in srgb, {COLOURS[colour]} 75%, currentColor)"
            styles += f"#{key}-{kind} {{ fill: {ink}; }}\n#{key} .{kind} {{ stroke: {ink}; "
            styles += f"stroke-dasharray: {dashes}; marker-end: url(#{key}-{kind}); }}\n"
        return f"""<div id="{key}" class="event-display" data-lm-suppress-shortcuts="true">
<style>
#{key} svg {{ display: block; width: 100%; max-width: 36rem; height: auto; user-select: none; }}
#{key} svg:focus-visible {{ outline: 2px solid currentColor; outline-offset: -2px; }}
#{key} text {{ fill: currentColor; font-size: 14px; }}
#{key} .scale {{ fill: none; stroke: currentColor; opacity: 0.4; }}
#{key} ellipse {{ fill: currentColor; fill-opacity: 0.1; stroke: currentColor; stroke-opacity: 0.4; }}
#{key} :is(.axis, .frame) {{ stroke: currentColor; }}
#{key} .axis {{ stroke-dasharray: 10 5; stroke-opacity: 0.7; }}
#{key} .controls {{ font-size: 0.85em; }}
#{key} button {{ font: inherit; color: inherit; background: none; border: 1px solid; border-radius: 0.3em; }}
#{key} button[aria-pressed="true"] {{ background: rgb(128 128 128 / 40%); }}
{styles}@media print {{ #{key} .controls {{ display: none; }} }}
</style>
<svg viewBox="-240 -200 480 400" role="img" aria-label="{alt}"><defs>{tips}</defs>
{drawing}
</svg>
<div class="controls" hidden>Drag to turn, or use the arrow keys.
<button type="button" aria-pressed="false">spin</button> <button type="button">reset</button></div>
<script>{_TURN}("{key}", {json.dumps(np.round(self.view, 6).tolist())});</script></div>"""

    _repr_html_ = to_html
