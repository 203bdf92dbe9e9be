"""Progress bars for work that lasts.

A bar of tqdm opens its widgets in a notebook at once, even if it is told to wait before it shows itself. A loop of many
quick calls would then flood the front end with messages, so that other output is lost. Here nothing is opened before
the work has lasted `DELAY` seconds.
"""

import time

from tqdm.auto import tqdm

DELAY = 3.0  # seconds


class Progress:
    """A bar over `total` pieces of work, shown once the work has lasted; use it in a ``with`` statement."""

    def __init__(self, total, unit, progress=True):
        self.total, self.unit, self.progress = total, unit, progress
        self.done, self.bar, self.start = 0, None, time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def update(self, n=1):
        """`n` more pieces are done."""
        self.done += n
        if self.bar is not None:
            self.bar.update(n)
        elif self.progress and time.monotonic() - self.start > DELAY:
            self.bar = tqdm(total=self.total, initial=self.done, unit=self.unit, unit_scale=True, leave=False)


def track(items, unit, progress=True):
    """Go through a sequence with a bar."""
    with Progress(len(items), unit, progress) as bar:
        for item in items:
            yield item
            bar.update()
