"""Bars open only when work lasts: a bar in a notebook costs widgets, and a loop of quick calls would open thousands."""

import os
import subprocess
import sys

import pytest

import hadtutor as ht
from hadtutor._support import bars
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
    monkeypatch.setattr(bars.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(bars, "tqdm", Bar)
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
    monkeypatch.setattr(bars, "DELAY", -1.0)
    assert list(track(range(5), "event")) == list(range(5))
    assert "event" in capsys.readouterr().err


# --- The switch for all of them --------------------------------------------------------------------


@pytest.fixture
def switch(monkeypatch):
    """`ht.progress`, turned back afterwards."""
    monkeypatch.setattr(bars, "_shown", True)
    return ht.progress


def test_one_switch_silences_all_bars_and_brings_them_back(clock, switch):
    def work():
        for _ in track(range(10), "event", progress=True):
            clock.now += DELAY
        return len(clock.bars)

    switch(False)
    assert work() == 0
    switch(True)
    assert work() == 1


def test_a_bar_that_is_not_wanted_stays_away_whatever_the_switch_says(clock, switch):
    switch(True)
    for _ in track(range(10), "event", progress=False):
        clock.now += DELAY
    assert clock.bars == []


@pytest.mark.parametrize("show", [0, 1, None, "no", "False"])
def test_the_switch_is_on_or_off(switch, show):
    with pytest.raises(TypeError, match="show must be True or False, got"):
        switch(show)


@pytest.mark.parametrize(("value", "shown"), [("0", False), ("1", True), (None, True)])
def test_the_environment_sets_the_switch(value, shown):
    """HADTUTOR_PROGRESS=0, for builds and batch jobs; a bar that lasts writes to stderr."""
    code = (
        "from hadtutor._support import bars\n"
        "bars.DELAY = -1.0\n"
        "list(bars.track(range(5), 'event'))\n"
        "bars.progress(not bars._shown)\n"
        "print(bars._shown)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "HADTUTOR_PROGRESS"}
    environment |= {} if value is None else {"HADTUTOR_PROGRESS": value}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ("event" in run.stderr) == shown
    assert run.stdout == f"{not shown}\n"
