"""Make the packaged parton showers of real Pythia 8: data/pythia-showers-*.npz (extra ``pythia``).

A file holds the partons in their order along the strings, so that colours need not be stored: a string runs from a
quark to the next antiquark. Momenta are whole numbers of hadtutor.datasets.packed.PT_UNIT and
add up to zero in each event; energies follow from the masses of the flavours, and hadtutor.datasets.load closes the
energy of the event.
"""

import hashlib
import pathlib

import numpy as np

from hadtutor import pythia
from hadtutor.datasets.packed import PT_UNIT
from hadtutor.files import write_arrays

SAMPLES = {
    "pythia-showers-91": (91.2, 20_000, 20240621, {}),
    "pythia-showers-200": (200.0, 10_000, 20240622, {}),
    "pythia-showers-qvgq": (90.0, 10_000, 20240623, {"quark": "u", "emissions": 1}),
    "pythia-showers-qngq": (90.0, 10_000, 20240624, {"quark": "u", "gluon_splitting": False}),
}
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"


def whole_numbers(p, event):
    """Momenta in units of PT_UNIT, rounded; what is left over goes to the fastest parton of the event."""
    rounded = np.round(p / PT_UNIT).astype(np.int64)
    fastest = np.lexsort((-np.linalg.norm(p, axis=1), event))[np.append(True, np.diff(event) > 0)]
    for i in range(3):
        rounded[fastest, i] -= np.bincount(event, weights=rounded[:, i]).astype(np.int64)
    return rounded.astype(np.int32)


def main():
    for name, (energy, n_events, seed, options) in SAMPLES.items():
        showers = pythia.shower(n_events, energy, seed=seed, **options)
        rows, string_offsets = showers.colour_order()
        event = showers.event[rows]
        assert np.all(showers.pid[rows[string_offsets[1:] - 1]] < 0), "a closed loop of gluons"
        p = whole_numbers(np.stack([showers.px, showers.py, showers.pz], axis=1)[rows], event)
        arrays = {"multiplicity": showers.multiplicity.astype(np.int16), "pid": showers.pid[rows].astype(np.int8)}
        arrays |= dict(zip(("px", "py", "pz"), p.T, strict=True))
        header = {"kind": "packed showers", "energy": energy, "seed": seed, "generator": "Pythia 8.317"}
        path = DATA / f"{name}.npz"
        write_arrays(path, arrays, header)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f'{name}: "{digest}", {path.stat().st_size}, {len(rows) / n_events:.2f} partons')


if __name__ == "__main__":
    main()
