"""Kernels on disk: found again by the next process, not by that of other sources, and not needed."""

import os
import subprocess
import sys

import pytest

from hadtutor._support import kernels

RUN = """
import hadtutor as ht
ht.hadronize_strings(5, rng=1, progress=False)
import gc
from numba.core.dispatcher import Dispatcher
ours = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.py_func.__module__.startswith("hadtutor")]
print(*(sum(sum(getattr(d.stats, k).values()) for d in ours) for k in ("cache_hits", "cache_misses")))
"""


def found_and_missed(folder, **environment):
    """How many kernels of a new process were on disk, and how many had to be compiled."""
    told = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, check=True,
        env=os.environ | {"XDG_CACHE_HOME": str(folder)} | environment,
    )  # fmt: skip
    return tuple(map(int, told.stdout.split()))


def test_the_next_process_compiles_nothing(tmp_path):
    """Kernels that take kernels as arguments are found, too."""
    found, missed = found_and_missed(tmp_path)
    assert found == 0
    assert missed > 5
    found, missed = found_and_missed(tmp_path)
    assert found > 0
    assert missed == 0, "a kernel has another name in another process"


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path):
    file = tmp_path / "no folder"
    file.touch()
    assert found_and_missed(file)[0] == 0


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A folder of sources, and one for kernels, that are asked for anew."""
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(kernels, "PACKAGE", tmp_path / "package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels, "cache_folder", kernels.cache_folder.__wrapped__)
    return tmp_path / "package"


def test_other_sources_have_another_folder(sources):
    (sources / "one.py").write_text("a = 1")
    first = kernels.cache_folder()
    assert kernels.cache_folder() == first
    (sources / "one.py").write_text("a = 2")
    assert kernels.cache_folder() != first
    assert first.exists()


def test_what_was_not_used_for_long_goes(sources, monkeypatch):
    first = kernels.cache_folder()
    (sources / "one.py").write_text("a = 1")
    monkeypatch.setattr(kernels, "OLD", -1.0)
    second = kernels.cache_folder()
    assert not first.exists()
    assert second != first
