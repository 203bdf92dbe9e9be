"""Speed and memory of one loss and its gradient, with marginal weights and with recorded trials.

    python -m pytest benchmarks/test_rsa.py --benchmark-only

The peer is the same in plain operations of torch on flat arrays, one row per break and per trial, as a reader would
write it from the formula of accept–reject. Pseudo-χ² of five observables, gradient in a, b and σ; pion strings of
100 GeV.
"""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import rsa
from hadtutor.rsa import PseudoChi2
from hadtutor.weights.tensor import LundWeights

BASE, TARGET = ht.LundParams(a=0.72, b=0.88), ht.LundParams(a=0.68, b=0.98)
SIZES = (10_000, 100_000, 1_000_000)
SECONDS = {}


def accept_reject_by_the_formula(sample, trials):
    """Log weights as a function of a, b and σ: everything is computed anew for every row."""
    h, base = sample.histories, sample.params
    of_break = torch.tensor(np.repeat(np.arange(len(h.z)), np.diff(trials.offsets)))
    event = torch.tensor(h.event_of_chain[h.chain_of_break])
    z, mt2, px, py = (torch.tensor(getattr(h, name).astype(float)) for name in ("z", "mt2", "px", "py"))
    trial_z, last = torch.tensor(trials.z.astype(float)), np.isfinite(h.final_px)
    last_pt2 = torch.tensor((h.final_px**2 + h.final_py**2)[last].astype(float))
    last_event = torch.tensor(h.event_of_chain[last])

    def log_f(z, mt2, a, b):
        return a * torch.log1p(-z) - torch.log(z) - b * mt2 / z

    def g(z, mt2, a, b):
        c = b * mt2
        peak = 2 * c / (1 + c + torch.sqrt((1 - c) ** 2 + 4 * a * c))
        return torch.exp(log_f(z, mt2, a, b) - log_f(peak.clamp(max=1 - 2**-24), mt2, a, b))

    def log_pt(pt2, sigma):
        return -pt2 / sigma**2 - 2 * torch.log(sigma)

    def log_w(a, b, sigma):
        a0, b0, sigma0 = (torch.tensor(x, dtype=torch.float64) for x in base[:3])
        w = torch.log(g(z, mt2, a, b)) - torch.log(g(z, mt2, a0, b0))
        w = w + log_pt(px**2 + py**2, sigma) - log_pt(px**2 + py**2, sigma0)
        at_target, at_base = (g(trial_z, mt2[of_break], *x) for x in ((a, b), (a0, b0)))
        rejected = torch.log((trials.over_sampling - at_target).clamp(min=1e-12) / (trials.over_sampling - at_base))
        total = torch.zeros(len(sample), dtype=torch.float64)
        total = total.index_add(0, event, w).index_add(0, event[of_break], rejected)
        return total.index_add(0, last_event, log_pt(last_pt2, sigma) - log_pt(last_pt2, sigma0))

    return log_w


def evaluation(method, n_events):
    """A function that computes loss and gradient once."""
    rng = np.random.default_rng(1)
    sample, target = (ht.hadronize_strings(n_events, p, 100.0, rng=rng, progress=False) for p in (BASE, TARGET))
    columns = [ht.observables.compute(s.hadrons, 100.0, names=rsa.FIVE) for s in (sample, target)]
    loss = PseudoChi2(*columns)
    zeros = torch.zeros(n_events, dtype=torch.float64)
    if method == "marginal":
        log_w = LundWeights(sample).at
    else:
        trials = ht.weights.record_trials(sample, rng=rng, over_sampling=1.0)
        by_rows = method == "trials"
        log_w = LundWeights(sample, trials=trials).at if by_rows else accept_reject_by_the_formula(sample, trials)

    def run():
        values = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in TARGET[:3]]
        return torch.autograd.grad(loss(log_w(*values), zeros), values)

    return run


# The formula at a million events would take more memory than a laptop has.
CASES = [(m, n) for m in ("marginal", "trials", "formula") for n in SIZES if (m, n) != ("formula", SIZES[-1])]


@pytest.mark.parametrize(("method", "n_events"), CASES)
def test_loss_and_gradient(benchmark, method, n_events):
    run = evaluation(method, n_events)
    benchmark.pedantic(run, rounds=5, iterations=1, warmup_rounds=1)
    SECONDS[method, n_events] = benchmark.stats.stats.min


def memory(method, n_events):
    """Memory in GiB at the peak of one evaluation, and before it, in a process of its own."""
    code = f"import test_rsa; test_rsa.print_memory({method!r}, {n_events})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="benchmarks")
    return [float(x) for x in out.stdout.split()]


def print_memory(method, n_events):
    """What `memory` reads; Linux only."""
    run = evaluation(method, n_events)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    before = resident()
    run()
    print(resident("VmHWM"), before)


def resident(name="VmRSS"):
    """Memory held now, or its peak, in GiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 2**20 for line in file if line.startswith(name))


def test_table(benchmark, capsys):
    """Print what was measured; not a benchmark of its own."""
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        print()
        for (method, n_events), seconds in SECONDS.items():
            peer = SECONDS.get(("formula", n_events), math.nan)
            peak, before = memory(method, n_events)
            print(
                f"{method:10s}{n_events:9d} events {1e3 * seconds:9.1f} ms, {peer / seconds:6.1f} x the formula; "
                f"peak {peak:.2f} GiB, held before {before:.2f}"
            )
