"""Ctrl-C, and work that would not end."""

import itertools
import signal
import subprocess
import sys
import time

import pytest

from hadtutor import HadronizationError, LundParams, hadronize_strings

INTERRUPTED = """
import os, signal, sys, threading, time
import hadtutor as ht
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born deaf to it
params = ht.LundParams(sigma_pt={sigma_pt})
ht.hadronize_strings(100, rng=1, threads=2)
print("begun", flush=True)
try:
    while True:  # in the region where all strings fail at once there is nothing to interrupt
        try:
            ht.hadronize_strings(8_000_000, params, {energy}, rng=1, threads={threads}, progress=False)
        except ht.HadronizationError:
            pass
except KeyboardInterrupt as error:
    kept = error  # as IPython does: its traceback holds all frames
print("stopped", flush=True)
used = time.process_time()
time.sleep(0.5)
assert time.process_time() - used < 0.2, "something still works"
assert threading.active_count() == 1, threading.enumerate()
print("idle", flush=True)
os._exit(0)  # to take the compiler apart would be the longest part
"""


@pytest.mark.parametrize(("sigma_pt", "energy"), [(0.335, 90.0), (10.0, 1e6)])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_interrupt_ends_the_work_within_two_seconds(threads, sigma_pt, energy):
    """Some 100 s of work; the threads are gone, and use no more time, though the exception is kept."""
    code = INTERRUPTED.format(threads=threads, sigma_pt=sigma_pt, energy=energy)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            time.sleep(1.0)
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            assert process.stdout.readline() == "stopped\n"
            took = time.monotonic() - start
            assert process.stdout.readline() == "idle\n"
            assert process.wait(timeout=2.0) == 0
        finally:
            process.kill()
    assert took < 2.0


CORNERS = list(itertools.product((0.0, 20.0), (1e-3, 1.0, 1e3), (1e-3, 10.0), (0.0, 100.0), (0.3, 90.0, 1e6)))


@pytest.mark.parametrize(("a", "b", "sigma_pt", "stop_mass", "energy"), CORNERS)
def test_generation_returns_wherever_parameters_are_allowed(a, b, sigma_pt, stop_mass, energy):
    """With hadrons or with an error. No single string, and so no call of the kernel, takes long."""
    params = LundParams(a, b, sigma_pt, stop_mass, enhanced_fraction=0.5, enhanced_width=10.0)
    try:
        sample = hadronize_strings(20, params, energy, rng=1)
    except HadronizationError as error:
        said = str(error)
    else:
        assert abs(sample.hadrons.e.sum() / (20 * energy) - 1.0) < 1e-9
        return
    assert ("raise b" in said) == (b < 0.9)
    assert said.endswith("or lower stop_mass or sigma_pt")
