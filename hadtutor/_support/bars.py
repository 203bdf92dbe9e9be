"""Progress bars for work that lasts: nothing is opened before the work has lasted `DELAY` seconds.

tqdm itself opens its widgets in a notebook at once; many quick calls would flood the front end, and output be lost.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tqdm.auto import tqdm

DELAY = 3.0  # seconds
# Off where a book is built: tools/selfcontained.py says so to the kernels that run its chapters.
_shown = os.environ.get("HADTUTOR_PROGRESS", "1") != "0"


def progress(show: bool) -> None:
    """Show progress bars or not, from now on and everywhere.

    If `show` is False all bars are silent, whatever the argument `progress` of a function says. It is so from the start
    where the environment variable ``HADTUTOR_PROGRESS`` is 0, and where a Jupyter Book is built.
    """
    global _shown
    if not isinstance(show, bool):
        raise TypeError(f"show must be True or False, got {show!r}")
    _shown = show


class Progress:
    """A bar over `total` pieces of work, shown once the work has lasted; use it in a ``with`` statement."""

    def __init__(self, total: int, unit: str, progress: bool = True, done: int = 0) -> None:
        self.total, self.unit, self.progress = total, unit, progress
        self.done, self.bar, self.start = done, None, time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, n: int = 1) -> None:
        """`n` more pieces are done."""
        self.done += n
        if self.bar is not None:
            self.bar.update(n)
        elif self.progress and _shown and self.done < self.total and time.monotonic() - self.start > DELAY:
            self.bar = tqdm(total=self.total, initial=self.done, unit=self.unit, unit_scale=True, leave=False)


def track(items: Sequence, unit: str, progress: bool = True) -> Iterator[Any]:
    """Go through a sequence with a bar."""
    with Progress(len(items), unit, progress) as bar:
        for item in items:
            yield item
            bar.update()
