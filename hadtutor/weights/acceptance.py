"""Strings in classes that accept chains equally often: each has a ratio of acceptances of its own."""

import numpy as np

from ..events.histories import Histories
from ..events.sample import Sample
from ..events.showers import PARTON_MASSES
from ..strings.colours import numbered_strings

# What counts is whether there are gluons, and how much mass is left beside that of the ends, where that is little.
GLUONS = np.array([1, 2, 4, 7])  # a string has so many, or more
EXCESS = np.array([1.5, 2.2, 3.5, 6.0, 12.0])  # GeV
FEWEST = 100  # accepted chains, below which a class has the ratio of all


def string_classes(sample: Sample) -> np.ndarray:
    """Class of the string of each chain of a `sample` with histories of all flavours and its partons: (C,).

    Where strings are alike, or it is not known what they are, all are of class 0.
    """
    histories = sample.histories
    if not isinstance(histories, Histories):
        raise TypeError(f"histories of string breaks are wanted, got {type(histories).__name__}")
    if not histories.all_flavours or sample.partons is None:
        return np.zeros(histories.n_chains, np.int64)
    partons, strings = sample.partons, numbered_strings(sample.partons)
    total = np.add.reduceat(partons.p4[strings.rows].astype(float), strings.offsets[:-1])
    mass = np.sqrt(np.maximum(0.0, total[:, 3] ** 2 - np.sum(total[:, :3] ** 2, axis=1)))
    of_ends = np.array([PARTON_MASSES.get(k, 0.0) for k in range(6)])
    for ends in (strings.offsets[:-1], strings.offsets[1:] - 1):
        code = abs(partons.pid[strings.rows[ends]])
        mass = mass - of_ends[np.where(code < 6, code, 0)]
    gluons = np.diff(strings.offsets) - 2
    kind = np.searchsorted(GLUONS, gluons, side="right") * (len(EXCESS) + 1) + np.searchsorted(EXCESS, mass)
    first = np.searchsorted(strings.event, np.arange(len(sample)))
    return kind[first[histories.event_of_chain] + histories.strings]


def well_filled(classes: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Classes by their numbers from 0 on, (C,), where those with few accepted chains are one."""
    n = np.bincount(classes[accepted], minlength=int(classes.max(initial=0)) + 1)
    merged = np.where(n[classes] < FEWEST, -1, classes)
    return np.unique(merged, return_inverse=True)[1].ravel()


def log_ratios(log_w: np.ndarray, classes: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """ln(α'/α) of the class of each chain, (C,): of chains with weights `log_w`, (C,), over those without."""
    w = np.exp(log_w - log_w.max())
    sums = [np.bincount(classes, x) for x in (w * accepted, w, accepted.astype(float))]
    return (np.log(sums[0] / sums[1]) - np.log(sums[2] / np.bincount(classes)))[classes]
