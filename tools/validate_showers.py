"""Compare packaged showers, hadronized afterwards, with a direct run of real Pythia 8, and with LEP (extra ``pythia``).

    python tools/validate_showers.py --events 100000
    python tools/validate_showers.py --energy 200 --point 0.4 1.1 0.28 --seed 777

For each observable: both means, the pull, and the p-value of Kolmogorov and Smirnov; at 91.2 GeV and Pythia's own
parameters also chi-square against LEP. Ends with 1 if a pull exceeds 4 or the mean charged multiplicities differ by
more than 0.1 beyond four of their errors.
"""

import argparse
import sys

import numpy as np
from tqdm.auto import tqdm

from hadtutor import Hadrons, LundParams, datasets, metrics, observables, pythia

NAMES = observables.NAMES + observables.MORE
LEP = ("thrust", "C", "BT", "BW", "nch")


def direct(n_events, energy, params, seed):
    """From the beams to the last decay in one run."""
    generator = pythia.start((*pythia.settings.QUARK_PAIRS, f"Beams:eCM = {energy}"), seed=seed, params=params)
    rows, offsets = [], [0]
    for _ in tqdm(range(n_events), unit="event", leave=False):
        while not generator.next():
            pass
        rows.append(np.array([(p.px(), p.py(), p.pz(), p.e(), p.id()) for p in generator.event if p.isFinal()]))
        offsets.append(offsets[-1] + len(rows[-1]))
    table = np.concatenate(rows)
    return Hadrons(np.array(offsets), *table[:, :4].T.copy(), table[:, 4].astype(np.int32))


def chi2_to_lep(hadrons, name):
    figure = datasets.lep(name)
    return metrics.chi2_to_data(*metrics.like_lep(hadrons, figure), figure.values, figure.errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=20_000, help="of the direct run")
    parser.add_argument("--energy", type=float, default=91.2, choices=(91.2, 200.0))
    parser.add_argument("--point", type=float, nargs=3, metavar=("a", "b", "sigma"), help="by default Pythia's own")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    params = LundParams(*options.point) if options.point else None
    showers = datasets.load(f"pythia-showers-{options.energy:.0f}")
    ours = pythia.hadronize(showers, params, seed=options.seed)
    theirs = direct(options.events, options.energy, params, options.seed + 1)
    x, y = (observables.compute(h, options.energy, threads=2, names=NAMES) for h in (ours, theirs))
    print(f"{len(ours)} packaged showers and {len(theirs)} direct events of {options.energy:g} GeV")
    missed = False
    for name in NAMES:
        distance = metrics.pull(x[name], y[name])
        p_value = metrics.ks_test(x[name], y[name]).p_value
        missed |= abs(distance) > 4
        print(
            f"{name:12s}{np.nanmean(x[name]):12.5f}{np.nanmean(y[name]):12.5f}  pull {distance:5.2f}  p {p_value:.3f}"
        )
    gap = x["n_ch"].mean() - y["n_ch"].mean()
    error = np.hypot(*(c["n_ch"].std() / np.sqrt(len(c["n_ch"])) for c in (x, y)))
    missed |= abs(gap) > 0.1 + 4 * error
    print(f"mean charged multiplicity: {gap:+.3f} +- {error:.3f}")
    if params is None and options.energy == 91.2:
        for name in LEP:
            chi2, ndf, _ = chi2_to_lep(ours, name)
            print(f"LEP, {name:7s} chi2 {chi2:6.1f} for {ndf} bins")
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
