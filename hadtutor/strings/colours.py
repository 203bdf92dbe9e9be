"""From partons to strings: who is tied to whom, and which strings are too light to break."""

from typing import NamedTuple

import numpy as np

from ..events.showers import GLUON, Showers
from ..particles import MASS_CHARGED_PION
from .chain import CONSTITUENT_MASS
from .regions import Kinked, kinked

LIGHT = np.array([0, 1, 2, 1, 2, 1])  # by PDG code: d-like quarks become d, u-like ones u
MOST_MASS = 5.0  # GeV, of quarks, for heavy ones may count as u and d; gluons have none
LEAST_EXCESS = 1.0  # GeV above the masses of its ends: lighter strings do not break, as in Pythia


class Numbered(NamedTuple):
    """S strings of showers by their rows there, along each."""

    rows: np.ndarray  # (P,)
    offsets: np.ndarray  # (S + 1,)
    event: np.ndarray  # (S,)
    number: np.ndarray  # (S,) in its event
    closed: np.ndarray  # (S,) whether it is a loop of gluons

    def of_partons(self) -> np.ndarray:
        """Number of the string of each parton, (P,), in the order of the showers."""
        number = np.empty(len(self.rows), np.int32)
        number[self.rows] = np.repeat(self.number, np.diff(self.offsets))
        return number


class ColourStrings(NamedTuple):
    """S strings of showers, event by event, from the quark over gluons to the antiquark, or closed loops of gluons."""

    partons: np.ndarray  # (P, 4) GeV
    offsets: np.ndarray  # (S + 1,)
    flavours: np.ndarray  # (S, 2) of both ends, 2 for u and 1 for d; 0 for a closed loop
    event: np.ndarray  # (S,)
    number: np.ndarray  # (S,) in its event
    light: np.ndarray  # (S,) whether it makes two hadrons at once


def numbered_strings(showers: Showers) -> Numbered:
    """The strings of `showers`, of any flavour and mass."""
    rows, offsets = showers.colour_order()
    first = rows[offsets[:-1]]
    event = showers.event[first]
    number = np.arange(len(event)) - np.searchsorted(event, event)
    return Numbered(rows, offsets, event, number.astype(np.int32), showers.pid[first] == GLUON)


def colour_strings(showers: Showers, flavours: str | None = None) -> ColourStrings:
    """The strings that the partons of `showers` span; `flavours` as for `hadronize_partons`, which tells of errors."""
    if flavours not in (None, "to u d"):
        raise ValueError(f'flavours must be "to u d" or None, got {flavours!r}')
    rows, offsets, event, number, closed = numbered_strings(showers)
    codes = np.stack([showers.pid[rows[offsets[:-1]]], -showers.pid[rows[offsets[1:] - 1]]], axis=1)
    wrong = closed & (np.diff(offsets) == 1)
    if wrong.any():
        raise ValueError(f"event {event[np.argmax(wrong)]} has a gluon whose colours are tied to each other")
    codes[closed] = 0
    wrong = np.any(codes > 2, axis=1)
    if flavours is None and wrong.any():
        pid = codes[np.argmax(wrong)].max()
        raise ValueError(
            f"event {event[np.argmax(wrong)]} has a quark of code {pid}; pions come from u and d alone: write "
            'flavours="to u d" to let heavier quarks count as these'
        )
    partons = showers.p4[rows]
    _refuse_masses(partons, showers.pid[rows], showers.event[rows])
    total = np.add.reduceat(partons, offsets[:-1])
    mass = np.sqrt(np.maximum(0.0, total[:, 3] ** 2 - np.sum(total[:, :3] ** 2, axis=1)))
    light = mass - 2.0 * CONSTITUENT_MASS <= LEAST_EXCESS  # of loops, too, which are cut between two quarks
    wrong = mass <= 2.0 * MASS_CHARGED_PION
    if wrong.any():
        raise ValueError(
            f"event {event[np.argmax(wrong)]} has a string of {mass[np.argmax(wrong)]:.3g} GeV, which is too light for "
            "two pions; leave the event out"
        )
    only_light = np.bincount(event, ~light, len(showers)) == 0
    if only_light.any():
        raise ValueError(f"event {np.argmax(only_light)} has no string of more than {LEAST_EXCESS:g} GeV, so no breaks")
    return ColourStrings(partons, offsets, LIGHT[codes], event, number, light)


def _refuse_masses(p, pid, event):
    """Of quarks larger than that of any flavour, of gluons any; what is rounding is none."""
    mass2, rounding = p[:, 3] ** 2 - np.sum(p[:, :3] ** 2, axis=1), 1e-5 * p[:, 3] ** 2
    most = np.where(pid == GLUON, 0.0, MOST_MASS)
    of_partons = {"space-like": (mass2 < -rounding) | (p[:, 3] < 0.0), "massive": mass2 > most**2 + rounding}
    for what, wrong in of_partons.items():
        if wrong.any():
            k = np.argmax(wrong)
            raise ValueError(
                f"event {event[k]} has a {what} parton: code {pid[k]}, E = {p[k, 3]:.4g} GeV and E² - p² = "
                f"{mass2[k]:.3g} GeV²; at most {most[k]:.2f} GeV of mass are wanted: put it on its mass shell"
            )


def strings_to_replay(partons: Showers, reset: bool) -> tuple[Kinked, np.ndarray, np.ndarray]:
    """All strings for the kernel, with event and number of each, (S,); ValueError if one is too light to break."""
    strings = colour_strings(partons, "to u d")
    if strings.light.any():
        event = strings.event[np.argmax(strings.light)]
        raise ValueError(f"event {event} has a string too light to break, of which a history knows nothing")
    return kinked(strings.partons, strings.offsets, strings.flavours, reset), strings.event, strings.number
