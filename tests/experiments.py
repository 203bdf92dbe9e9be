"""Samples that the tests of metrics share: correlated hadrons, weighted events, and the p-values of all tests."""

import numpy as np
from scipy import stats

from hadtutor import Hadrons
from hadtutor.metrics import auc, chi2_test, energy_test, histogram_per_event, ks_test, pull, wasserstein_test

EXPERIMENTS = 200
PULLS = 1000
EDGES = np.linspace(-2.5, 2.5, 9)


def experiment(rng, n_events, shift=0.0):
    """Events with 1 to 9 hadrons whose values share a shift of their event: correlated, as in a jet."""
    counts = rng.integers(1, 10, n_events)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values = np.repeat(rng.normal(shift, 1.0, n_events), counts) + rng.normal(0, 0.5, offsets[-1])
    hadrons = Hadrons(offsets, *np.zeros((4, offsets[-1])), np.full(offsets[-1], 111, np.int32))
    return values, hadrons


def reweighted_experiment(rng, n_events):
    """Like `experiment`, but drawn with a mean of 0.5 and an excess of large events, and reweighted.

    The weight of an event depends on what all its hadrons share and on how many there are.
    """
    counts = np.maximum(rng.integers(1, 10, n_events), rng.integers(1, 10, n_events))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    mean = rng.normal(0.5, 1.0, n_events)
    values = np.repeat(mean, counts) + rng.normal(0, 0.5, offsets[-1])
    hadrons = Hadrons(offsets, *np.zeros((4, offsets[-1])), np.full(offsets[-1], 111, np.int32))
    return values, hadrons, 0.125 - 0.5 * mean - np.log((2 * counts - 1) / 9)


def hadron_counts(values, hadrons):
    return histogram_per_event(values, EDGES, hadrons.event, len(hadrons))


RESAMPLES = 199


INNER_EDGES = np.linspace(-1.6, 1.6, 7)


def p_of_pull(x, y, log_w_x, log_w_y, rng):
    return stats.norm.cdf(pull(x, y, log_w_x, log_w_y))


def p_of_chi2(x, y, log_w_x, log_w_y, rng):
    return chi2_test(histogram_per_event(x, INNER_EDGES), histogram_per_event(y, INNER_EDGES), log_w_x, log_w_y).p_value


def p_of_auc(x, y, log_w_x, log_w_y, rng):
    area, error = auc(x, y, log_w_x, log_w_y)
    return stats.norm.cdf((area - 0.5) / error)


def p_of(test):
    return lambda x, y, log_w_x, log_w_y, rng: test(x, y, log_w_x, log_w_y, rng=rng, n_resamples=RESAMPLES).p_value


P_VALUES = {
    "pull": p_of_pull,
    "chi2": p_of_chi2,
    "auc": p_of_auc,
    "ks": p_of(ks_test),
    "wasserstein": p_of(wasserstein_test),
    "energy": p_of(energy_test),
}


def unweighted(rng, n, m):
    return rng.normal(size=n), rng.normal(size=m), None, None


def reweighted(rng, n, mean, sigma):
    """Normal events of another mean and width, reweighted to the standard ones."""
    x = rng.normal(mean, sigma, n)
    return x, stats.norm.logpdf(x) - stats.norm.logpdf(x, mean, sigma)


def reweighted_x(rng, n, m):
    """n_eff is two thirds of n."""
    x, log_w_x = reweighted(rng, n, -0.6, 1.2)
    return x, rng.normal(size=m), log_w_x, None


def reweighted_both(rng, n, m):
    x, log_w_x = reweighted(rng, n, -0.5, 1.2)
    y, log_w_y = reweighted(rng, m, 0.4, 1.3)
    return x, y, log_w_x, log_w_y


def rare_tail(rng, n, m):
    """The upper 30 % of x simulated ten times too rarely: large weights, all on one side."""
    rare = rng.random(n) < 0.043
    u = np.where(rare, 0.7 + 0.3 * rng.random(n), 0.7 * rng.random(n))
    return stats.norm.ppf(u), rng.normal(size=m), np.where(rare, np.log(0.3 / 0.043), np.log(0.7 / 0.957)), None


SAMPLES = {f.__name__: f for f in (unweighted, reweighted_x, reweighted_both, rare_tail)}


def features(rng, n, shift=0.0):
    """Three correlated features, the first with mean `shift`."""
    x = rng.normal(size=(n, 3))
    x[:, 1] += 0.8 * x[:, 0]
    x[:, 0] += shift
    return x


def reweighted_features(rng, n):
    """Drawn with means 0.5, 0.4 and 0, reweighted to 0; the weights depend on both of the shifted features."""
    x = rng.normal(size=(n, 3)) + [0.5, 0.0, 0.0]
    x[:, 1] += 0.8 * x[:, 0]
    return x, 0.125 - 0.5 * x[:, 0]


def weighted_samples(rng):
    """With ties within and between the samples."""
    x, y = rng.normal(size=60).round(1), rng.normal(0.3, 1.2, 80).round(1)
    return x, y, rng.normal(size=60), rng.normal(size=80)
