"""Sphinx extension: pages load nothing from another host and carry no state that only a kernel could use.

Jupyter Book always brings Thebe along, whose script puts a CDN address on every page and an error in the
console; notebooks bring the state of their widgets, which a page cannot use without the widget manager. Both
are taken out. When the build is done every page is read, and whatever it would fetch from elsewhere is a
warning. Figures are drawn at double density, and shown at half their size in pixels.
"""

import os
import struct
from html.parser import HTMLParser
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

FETCHING_TAGS = {"audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"}
FETCHING_LINKS = {"stylesheet", "preload", "modulepreload", "prefetch", "icon", "manifest"}


class Fetches(HTMLParser):
    """Collects the addresses on other hosts that a page loads by itself (links to click on do not count)."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        address = None
        if tag in FETCHING_TAGS:
            address = attributes.get("src")
        elif tag == "link" and FETCHING_LINKS & set((attributes.get("rel") or "").split()):
            address = attributes.get("href")
        elif tag == "object":
            address = attributes.get("data")
        if address and address.startswith(("http:", "https:", "//")):
            self.found.append(address)


def halve(app, doctree):
    """Show the PNG that a cell drew at half its pixels: chapters draw at double density."""
    for image in doctree.findall(nodes.image):
        path = Path(app.outdir).parent / image["uri"] if not os.path.isabs(image["uri"]) else Path(image["uri"])
        if "jupyter_execute" in image["uri"] and path.suffix == ".png" and path.exists() and "width" not in image:
            width = struct.unpack(">I", path.read_bytes()[16:20])[0]
            image["width"] = f"{width // 2}px"


def remove_thebe(app, config):
    """Disconnect sphinx_thebe; connected after every extension is set up."""
    for event, listeners in app.events.listeners.items():
        app.events.listeners[event] = [
            listener for listener in listeners if not listener.handler.__module__.startswith("sphinx_thebe")
        ]


def trim_page(app, pagename, templatename, context, doctree):
    """Leave out Thebe's style sheet and the state of widgets."""
    context["css_files"] = [
        file for file in context["css_files"] if "sphinx-thebe" not in str(getattr(file, "filename", file))
    ]
    context["script_files"] = [
        file
        for file in context["script_files"]
        if "widget-state" not in getattr(file, "attributes", {}).get("type", "")
    ]


def check_pages(app, exception):
    """Warn about each address that a built page would load from another host."""
    if exception or app.builder.format != "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        fetches = Fetches()
        fetches.feed(page.read_text(encoding="utf-8"))
        for address in fetches.found:
            logger.warning("%s loads %s from another host", page.relative_to(app.outdir), address)


def setup(app):
    """Connect the three steps, and keep progress bars out of the pages: kernels inherit the environment."""
    os.environ.setdefault("HADTUTOR_PROGRESS", "0")
    app.connect("config-inited", remove_thebe)
    app.connect("html-page-context", trim_page, priority=900)
    app.connect("build-finished", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
