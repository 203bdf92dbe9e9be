"""Bars open only when work lasts: a bar in a notebook costs widgets, and a loop of quick calls would open thousands."""

import pytest

from hadtutor._support import bars as _progress
from hadtutor._support.bars import DELAY, track


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told, and the bars that were opened, each with its updates."""

    class Clock:
        now, bars = 0.0, []

    class Bar(list):
        def __init__(self, total, initial, **options):
            super().__init__([initial])
            self.total, self.closed = total, False
            clock.bars.append(self)

        update = list.append

        def close(self):
            self.closed = True

    clock = Clock()
    clock.bars = []
    monkeypatch.setattr(_progress.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(_progress, "tqdm", Bar)
    return clock


def test_quick_work_opens_no_bar(clock):
    assert list(track(range(1000), "event")) == list(range(1000))
    assert clock.bars == []


def test_work_that_lasts_opens_one_bar_and_counts_every_piece(clock):
    for _ in track(range(10), "event"):
        clock.now += 0.3 * DELAY
    (bar,) = clock.bars
    assert bar.total == 10
    assert sum(bar) == 10  # what was done before it opened, and one by one after
    assert bar[0] == 4
    assert bar.closed


def test_no_bar_where_none_is_wanted(clock):
    for _ in track(range(10), "event", progress=False):
        clock.now += DELAY
    assert clock.bars == []


def test_a_bar_is_closed_when_the_work_fails(clock):
    def work():
        for _ in track(range(3), "event"):
            clock.now += 2 * DELAY
            if clock.bars:
                raise KeyError("of the work")

    with pytest.raises(KeyError, match="of the work"):
        work()
    (bar,) = clock.bars
    assert list(bar) == [1]
    assert bar.closed


def test_a_real_bar_writes_where_tqdm_writes(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "DELAY", -1.0)
    assert list(track(range(5), "event")) == list(range(5))
    assert "event" in capsys.readouterr().err
