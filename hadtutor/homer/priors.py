"""How far functions may depart from the model before any data, and over which lengths."""

import itertools

import numpy as np

# Of f, from Lund's and their mixtures, over lengths in logit z and in ln mT². Before the data it does not with the
# probability SIMPLE, and all departures are as likely as each other. Found by simulation: over truths with a from 0.3
# to 1.2, b from 0.6 to 1.4, σ within 7 %, a third of them mixtures, at 20 to 200 GeV and with 10⁵ events, the band
# holds f as often as it should.
NO_DEPARTURE = 0.001
DEPARTURES = 0.01, 0.03, 0.1, 0.3, 1.0
STRETCHES = 0.5, 1.0, 2.0
SIMPLE = 0.9


def departures(n_lengths: int) -> tuple[list[tuple[float, tuple[float, ...]]], np.ndarray]:
    """Sizes of a departure, each with factors on its lengths, and what they are worth before any data."""
    lengths = list(itertools.product(STRETCHES, repeat=n_lengths))
    some = list(itertools.product(DEPARTURES, lengths))
    before = np.full(1 + len(some), (1.0 - SIMPLE) / len(some))
    before[0] = SIMPLE
    return [(NO_DEPARTURE, (1.0,) * n_lengths), *some], before


def smooth(x: np.ndarray, functions: np.ndarray, length: float, centred: bool) -> np.ndarray:
    """Covariance (K, K) of coefficients whose functions, (nodes, K), are to be smooth over a `length` in `x`, (nodes,).

    Their sum has the variance one at each node; if `centred`, that is what is left on average without its mean.
    """
    kernel = np.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    if centred:
        kernel += kernel.mean() - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None]
        kernel /= np.trace(kernel) / len(kernel)
    back = np.linalg.pinv(functions)
    return back @ kernel @ back.T
