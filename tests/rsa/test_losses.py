"""Losses against plain sums over bins, against their distributions, and with columns that cannot be."""

import numpy as np
import pytest
import torch
from fits import ALPHA, normal
from scipy import stats

from hadtutor.metrics import wasserstein
from hadtutor.rsa import Chi2, PseudoChi2, Wasserstein


def test_pseudo_chi2_is_the_sum_over_bins(rng):
    x, y, edges = normal(rng, 500), normal(rng, 800, 0.3), {"x": [-1, 0, 0.5, 2], "n": [-0.5, 4.5, 8.5]}
    w = rng.uniform(0.5, 2, 500)
    w /= w.sum()
    expected = 0.0
    for name, e in edges.items():
        for low, high in zip(e[:-1], e[1:], strict=True):
            in_x, in_y = ((v[name] >= low) & (v[name] < high) for v in (x, y))
            share_x, share_y = w[in_x].sum(), in_y.mean()
            variance = np.sum((w * (in_x - share_x)) ** 2) + np.sum((in_y - share_y) ** 2) / 800**2
            expected += (share_x - share_y) ** 2 / variance
    loss = PseudoChi2(x, y, edges)(torch.tensor(w).log() + 3.0, torch.zeros(800, dtype=torch.float64))
    assert float(loss) == pytest.approx(expected)


def test_chi2_of_equal_samples_follows_its_distribution(rng):
    """With correlated observables; the pseudo-χ² of the same samples is too broad."""
    p_values, pseudo = [], []
    for _ in range(200):
        x, y = normal(rng, 2000), normal(rng, 3000)
        for columns in (x, y):
            columns["again"] = columns["x"] + 0.05 * rng.normal(size=len(columns["x"]))
        zeros = [torch.zeros(n, dtype=torch.float64) for n in (2000, 3000)]
        loss = Chi2(x, y, zeros[0], n_bins=8)
        p_values.append(stats.chi2.sf(float(loss(*zeros)), loss.ndf))
        loss = PseudoChi2(x, y, n_bins=8)
        pseudo.append((float(loss(*zeros)) - loss.ndf) / (2 * loss.ndf) ** 0.5)
    assert stats.kstest(p_values, "uniform").pvalue > ALPHA
    assert abs(np.mean(pseudo)) < 4 * np.std(pseudo) / 200**0.5, "its mean is the number of bins"
    # The variance of 200 values of a true χ² with 20 degrees of freedom has an error of 0.11: p < 1e-3.
    assert np.var(pseudo) > 1.35, "as if there were fewer bins, which tell the same"


def test_wasserstein_is_that_of_scipy(rng):
    x, y = normal(rng, 500), normal(rng, 800, 0.3)
    log_w = rng.normal(size=500)
    expected = sum(wasserstein(x[n], y[n], log_w) / y[n].std() for n in x)
    x["x"][3] = np.nan  # left out
    without = sum(wasserstein(x[n], y[n], log_w) / y[n].std() for n in x)
    loss = Wasserstein(x, y)(torch.tensor(log_w), torch.zeros(800, dtype=torch.float64))
    assert float(loss) == pytest.approx(without)
    assert without != expected


def test_events_without_a_value_count_in_no_bin(rng):
    x, y = normal(rng, 500), normal(rng, 800)
    x["x"][:100] = np.nan
    zeros = [torch.zeros(n, dtype=torch.float64) for n in (500, 800)]
    assert np.isfinite(float(PseudoChi2(x, y)(*zeros)))
    assert np.isfinite(float(Chi2(x, y, zeros[0])(*zeros)))


@pytest.mark.parametrize("empty", ["first", "last"])
def test_empty_bins_give_no_nan(rng, empty):
    """Bins from the range of the data have empty ends in one sample or the other: 0/0 in a naive loss."""
    x, y = {"x": rng.uniform(0, 1, 500)}, {"x": rng.uniform(0, 1, 500)}
    edges = {"x": [-1.0, 0.0, 0.5, 1.0] if empty == "first" else [0.0, 0.5, 1.0, 2.0]}
    log_w = torch.zeros(500, dtype=torch.float64, requires_grad=True)
    for loss in (PseudoChi2(x, y, edges), Chi2(x, y, log_w.detach(), edges)):
        (gradient,) = torch.autograd.grad(loss(log_w, torch.zeros(500, dtype=torch.float64)), log_w)
        assert bool(torch.isfinite(gradient).all())


def test_a_target_outside_the_support_is_announced(rng):
    x, y = {"x": rng.uniform(0, 1, 500)}, {"x": rng.uniform(0, 2, 500)}
    with pytest.warns(RuntimeWarning, match=r"\d+\.\d% of the target has x beyond all events of the base"):
        PseudoChi2(x, y)
    with pytest.warns(RuntimeWarning) as caught:
        PseudoChi2(x, y, {"x": [0, 0.5, 1, 2]})
    assert any("bins where the base has none" in str(w.message) for w in caught)
    with pytest.warns(RuntimeWarning, match="outside its support"):
        Wasserstein(x, y)


def test_wrong_columns_are_named(rng):
    x = normal(rng, 100)
    with pytest.raises(ValueError, match="the same observables"):
        PseudoChi2(x, {"x": x["x"]})
    with pytest.raises(ValueError, match="no value at all"):
        PseudoChi2({"x": np.full(9, np.nan)}, {"x": np.zeros(9)})
    with pytest.raises(ValueError, match="infinite value in event 2"):
        Wasserstein({"x": np.array([0.0, 1, np.inf])}, {"x": np.zeros(9)})
    with pytest.raises(ValueError, match="no spread"):
        Wasserstein({"x": np.arange(9.0)}, {"x": np.ones(9)})
