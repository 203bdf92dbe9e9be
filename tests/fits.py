"""Samples and fits that several tests of RSA share; they are made once."""

import functools

import numpy as np

import hadtutor as ht
from hadtutor import LundParams, rsa

ALPHA = 1e-3
TRUTH, NEAR, OTHER, FAR = (LundParams(a=a, b=b) for a, b in ((0.68, 0.98), (0.72, 0.88), (0.64, 1.08), (1.2, 0.5)))
ENERGY = 100.0
SMOOTH = ("chi2", "pseudo-chi2", "nll")


@functools.cache
def generated(params, seed, n=20_000):
    return ht.hadronize_strings(n, params, ENERGY, rng=np.random.default_rng(seed), progress=False)


@functools.cache
def fitted(loss="chi2", base=NEAR, names=("a", "b")):
    return rsa.fit(generated(base, 1), generated(TRUTH, 2), loss=loss, names=names, progress=False)


def normal(rng, n, shift=0.0):
    return {"x": rng.normal(shift, 1, n), "n": rng.poisson(5 + shift, n).astype(float)}
