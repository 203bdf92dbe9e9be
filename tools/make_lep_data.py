"""Make the packaged events of real Pythia 8 with break histories: data/pythia-lep.npz (extra ``pythia``).

Parameters of the string are near those that fit eight figures of LEP, so that fits need no weights far from one. The
partons are the first of the packaged showers, so they are not stored again. Momenta of hadrons are
whole numbers of hadtutor.datasets.packed.HADRON_UNIT, transverse momenta of breaks of PT_UNIT there; energies follow
from masses. Transverse masses squared have BITS significant bits, and z all of float32, because ln(1 - z) wants them
where z is near 1.
"""

import dataclasses
import hashlib
import pathlib

import numpy as np

from hadtutor import LundParams, datasets, pythia
from hadtutor.datasets.packed import HADRON_UNIT, PT_UNIT
from hadtutor.files import write_arrays

SHOWERS = "pythia-showers-91"
N_EVENTS = 10_000
NEAR = LundParams(a=0.75, b=1.10, sigma_pt=0.307, stop_mass=0.8, enhanced_fraction=0.01)  # the last two as in Monash
SEED = 20240651
BITS = 12
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
SMALL = {
    "event_of_chain", "status", "strings", "old_popcorn", "new_popcorn", "final_old_popcorn", "final_new_popcorn",
}  # fmt: skip


def rounded(x):
    """Float32 with BITS significant bits."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.round(mantissa * 2.0**BITS), exponent - BITS).astype(np.float32)


def whole(p, unit, dtype):
    """Momenta in these units."""
    numbers = np.round(p / unit)
    assert np.all(abs(numbers) <= np.iinfo(dtype).max), "a momentum is too large for its type"
    return numbers.astype(dtype)


def of_histories(h):
    """Columns of histories, small; those that are None are left out."""
    arrays = {f.name: a for f in dataclasses.fields(h) if (a := getattr(h, f.name)) is not None}
    for name in ("px", "py"):
        arrays[name] = whole(arrays[name], PT_UNIT, np.int16)
    for name in ("final_px", "final_py"):  # NaN, where none was drawn, keeps them in float32
        arrays[name] = (np.round(arrays[name] / PT_UNIT) * PT_UNIT).astype(np.float32)
    for name in ("mt2", "final_lambda"):
        arrays[name] = rounded(arrays[name])
    # Offsets and events grow by small steps: the steps compress, the sums do not.
    arrays["chain_offsets"] = np.diff(arrays["chain_offsets"])
    arrays["event_of_chain"] = np.diff(arrays["event_of_chain"], prepend=0)
    for name, values in arrays.items():
        if values.dtype.kind == "i":
            small = np.int8 if name in SMALL else np.int16
            assert np.array_equal(values, values.astype(small)), f"{name} does not fit"
            arrays[name] = values.astype(small)
    return arrays


def main():
    showers = datasets.load(SHOWERS)[:N_EVENTS]
    sample = pythia.hadronize(showers, NEAR, seed=SEED, histories=True, progress=False)
    hadrons = sample.hadrons
    codes, code = np.unique(hadrons.pid, return_inverse=True)
    arrays = {"multiplicity": hadrons.multiplicity.astype(np.int16), "code": code.astype(np.int8)}
    arrays |= {f"hadron_{name}": whole(getattr(hadrons, name), HADRON_UNIT, np.int32) for name in ("px", "py", "pz")}
    arrays |= of_histories(sample.histories)
    header = {
        "kind": "packed events", "params": sample.params._asdict(), "energy": sample.energy, "seed": SEED,
        "showers": SHOWERS, "codes": codes.tolist(), "generator": "Pythia 8.317",
    }  # fmt: skip
    path = DATA / "pythia-lep.npz"
    write_arrays(path, arrays, header)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f'pythia-lep: "{digest}", {path.stat().st_size}, {hadrons.multiplicity.mean():.2f} particles, {codes}')


if __name__ == "__main__":
    main()
