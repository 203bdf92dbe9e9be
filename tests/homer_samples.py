"""Samples, fits and the true function that the tests of HOMER share."""

import functools

import numpy as np

import hadtutor as ht
from hadtutor import LundMixture, LundParams, homer, lund, observables

BASE, TARGET = LundParams(), LundParams(a=0.40)
MIXTURE = LundMixture((BASE, BASE._replace(a=0.30)), (0.5, 0.5))
Z, MT2 = np.linspace(0.1, 0.9, 9)[None], np.array([0.03, 0.1, 0.3])[:, None]


@functools.cache
def generated(params=BASE, seed=1, n=20_000, energy=90.0):
    return ht.hadronize_strings(n, params, energy, rng=seed, progress=False)


@functools.cache
def prepared(conditions=()):
    return homer.prepare(generated(), conditions)


@functools.cache
def columns(params=BASE, seed=1):
    sample = generated(params, seed)
    return observables.compute(sample.hadrons, sample.energy)


def matrix(params=BASE, seed=1):
    return np.nan_to_num(np.stack(list(columns(params, seed).values()), axis=1))


@functools.cache
def fitted(target=TARGET):
    return homer.fit(generated(), generated(target, 2), iterations=3, progress=False)


def true_f(params, z=Z, mt2=MT2):
    return np.exp(lund.log_density(z, mt2, params))


def small(data=None, **options):
    """A quick fit; `data` in place of those with a = 0.40."""
    settings = {"iterations": 2, "epochs": 2, "stop_early": False, "progress": False}
    data = generated(TARGET, 2)[:2000] if data is None else data
    return homer.fit(generated()[:2000], data, **(settings | options))


def interrupt(monkeypatch, module, name):
    """Let the second call of a function of `module` be interrupted; returns the list that its calls are counted in."""
    calls, real = [], getattr(module, name)

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, interrupted)
    return calls
