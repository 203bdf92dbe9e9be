"""Make the packaged samples of real Pythia 8 pion strings: data/pythia-pions-*.npz (extra ``pythia``).

A file holds only what Pythia drew at random: flavours, transverse momenta and z of every break of every
chain. hadtutor.datasets.load works out transverse masses and hadrons from them. z is rounded to BITS
significant bits (by 1.2e-4 of itself at most), transverse momenta to whole numbers of hadtutor.datasets.packed.PT_UNIT.
"""

import dataclasses
import hashlib
import pathlib

import numpy as np

from hadtutor import LundParams, pythia, strings
from hadtutor.datasets.packed import PT_UNIT
from hadtutor.files import write_arrays

N_EVENTS = 50_000
ENERGY = 90.0
BITS = 13
POINTS = {
    "pythia-pions-base": (LundParams(0.68, 0.98, 0.335), 20240611),
    "pythia-pions-a030": (LundParams(0.30, 0.98, 0.335), 20240612),
    "pythia-pions-b058": (LundParams(0.68, 0.58, 0.335), 20240613),
}
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"


def rounded(x):
    """Round float32 to BITS significant bits; never up to 1, which z must not reach."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    y = np.ldexp(np.round(mantissa * 2.0**BITS) / 2.0**BITS, exponent).astype(np.float32)
    return np.where((x < 1) & (y >= 1), np.float32(1 - 2.0**-BITS), y)


def round_histories(histories):
    """Round what Pythia drew."""
    pt = {name: np.round(getattr(histories, name) / PT_UNIT) for name in ("px", "py", "final_px", "final_py")}
    pt = {name: (values * PT_UNIT).astype(np.float32) for name, values in pt.items()}
    return dataclasses.replace(histories, z=rounded(histories.z), **pt)


def events_that_fit(histories, energy, n_events):
    """The first `n_events` events whose last two hadrons still find room after rounding (all but 1 in 10^5)."""
    keep = []
    for start in range(0, len(histories.event_offsets) - 1, 100):
        block = range(start, min(start + 100, len(histories.event_offsets) - 1))
        keep += block if fits(histories[block.start : block.stop], energy) else (
            i for i in block if fits(histories[i], energy)
        )  # fmt: skip
    return histories[np.array(keep[:n_events])]


def fits(histories, energy):
    try:
        strings.replay(histories, energy)
    except ValueError:
        return False
    return True


def main():
    for name, (params, seed) in POINTS.items():
        sample = pythia.hadronize_strings(N_EVENTS + 100, params, ENERGY, seed=seed)
        histories = events_that_fit(round_histories(sample.histories), ENERGY, N_EVENTS)
        arrays = {f.name: getattr(histories, f.name) for f in dataclasses.fields(histories)}
        for column in ("mt2", "final_lambda"):  # follow from the others
            del arrays[column]
        for column in ("px", "py"):  # NaN keeps the final pair, few numbers, in float32
            arrays[column] = np.round(arrays[column] / PT_UNIT).astype(np.int16)
        for column in ("pid", "final_pid", "final_pid_other"):
            arrays[column] = arrays[column].astype(np.int16)
        # Offsets and events grow by small steps: the steps compress, the sums do not.
        arrays["chain_offsets"] = np.diff(arrays["chain_offsets"]).astype(np.int16)
        arrays["event_of_chain"] = np.diff(arrays["event_of_chain"], prepend=0).astype(np.int8)
        header = {"params": params._asdict(), "energy": ENERGY, "quark": "u", "seed": seed, "generator": "Pythia 8.317"}
        path = DATA / f"{name}.npz"
        write_arrays(path, arrays, header)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f'{name}: "{digest}", {path.stat().st_size}, n_f = {sample.hadrons.multiplicity.mean():.3f}')


if __name__ == "__main__":
    main()
