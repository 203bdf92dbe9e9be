"""Laws and statistical bars that several test modules share.

Statistical tests have a fixed seed and one of two bars: a pull below 4, or p above `ALPHA`. A table of n tests
that are judged together shares one `ALPHA`: each must have p > ALPHA / n (Bonferroni).
"""

import itertools

import numpy as np
from hypothesis import strategies as st
from scipy import interpolate, stats

from hadtutor import Hadrons, LundParams, particles, strings
from hadtutor.metrics import chi2_test, histogram_per_event, pull

ALPHA = 1e-3

# Real Pythia 8.317 (pythia8mc 8.317.2), u-ubar string of 90 GeV, pions only, stopMass 1.0, enhancedFraction 0,
# 200 000 events per point: mean and its error.
PYTHIA = {
    "base": {
        "T": (0.98687842, 1.238e-05),
        "C": (0.06164728, 5.029e-05),
        "D": (0.00257969, 4.53e-06),
        "B_W": (0.02072272, 1.038e-05),
        "B_T": (0.03556953, 1.716e-05),
        "n_f": (15.709565, 0.00741829),
        "n_ch": (10.30046, 0.00649605),
        "lnx_mean": (2.80211883, 0.000607),
        "lnx_var": (1.7300852, 0.00108698),
        "lnx_m3": (-0.00084973, 0.00223768),
        "lnx_ch_mean": (2.7868681, 0.00087376),
        "lnx_ch_var": (1.65224015, 0.00139816),
        "lnx_ch_m3": (0.01107737, 0.00264632),
    },
    "a030": {
        "T": (0.98923178, 1.142e-05),
        "C": (0.05062019, 4.688e-05),
        "D": (0.00171472, 3.47e-06),
        "B_W": (0.01798969, 1.009e-05),
        "B_T": (0.03041763, 1.666e-05),
        "n_f": (13.51896, 0.00703612),
        "n_ch": (8.84961, 0.00608727),
        "lnx_mean": (2.68528604, 0.00067636),
        "lnx_var": (1.86882052, 0.00125479),
        "lnx_m3": (0.07441842, 0.00267734),
        "lnx_ch_mean": (2.66535789, 0.00099003),
        "lnx_ch_var": (1.76122735, 0.00162172),
        "lnx_ch_m3": (0.0695121, 0.00311389),
    },
    "b058": {
        "T": (0.98405118, 1.451e-05),
        "C": (0.07449479, 5.936e-05),
        "D": (0.00392785, 6.62e-06),
        "B_W": (0.02360188, 1.203e-05),
        "B_T": (0.04055853, 2.005e-05),
        "n_f": (17.79922, 0.00858242),
        "n_ch": (11.69499, 0.0072345),
        "lnx_mean": (2.92454546, 0.00059788),
        "lnx_var": (1.66863728, 0.00099136),
        "lnx_m3": (-0.14403429, 0.00210103),
        "lnx_ch_mean": (2.91232088, 0.00082651),
        "lnx_ch_var": (1.60673238, 0.00127951),
        "lnx_ch_m3": (-0.12125465, 0.00246914),
    },
}
LN_ACCEPTANCE = {"base": -0.1522, "a030": -0.2005}
"""Logarithm of accepted over all chains in the same runs."""

P_COLUMNS = ("px", "py", "pz", "e")

HEAVY = LundParams(sigma_pt=1.0, stop_mass=4.0)
"""One transverse mass in sixteen lies outside the table of f(z) and uses the plain sampler."""
SETTINGS = [
    {"energy": 20.0, "quark": "u"},
    {"energy": 45.6, "quark": "d"},
    {"energy": 91.2, "quark": "u"},
    {"energy": 200.0, "quark": "d"},
    {"energy": 1e6, "quark": "u"},
    {"energy": 2.5, "quark": "u"},
    {"energy": 90.0, "quark": "u", "params": HEAVY},
    {"energy": 90.0, "quark": "d", "params": LundParams(a=0.0, b=5.0, enhanced_fraction=0.5)},
    {"energy": 90.0, "quark": "u", "params": LundParams(a=2.0, b=0.2, stop_mass=0.0, stop_smear=0.5)},
]
"""Of strings for which every law holds."""


# --- Statistics ------------------------------------------------------------------------------------


def assert_near(x, mean, error=0.0):
    """The mean of independent numbers x is `mean` +- `error`: pull below 4."""
    x = np.asarray(x, dtype=float)
    distance = (x.mean() - mean) / np.hypot(x.std(ddof=1) / np.sqrt(len(x)), error)
    assert abs(distance) < 4, f"mean {x.mean():.6g}, expected {mean:.6g} +- {error:.2g}: pull {distance:.2f}"


def assert_uniform(u, alpha=ALPHA):
    """Independent numbers u are uniform between 0 and 1: Kolmogorov and Smirnov's p > alpha."""
    p_value = stats.kstest(u, "uniform").pvalue
    assert p_value > alpha, f"p = {p_value:.2g} from {len(u)} numbers"


def assert_means_of_pythia(columns, point):
    """Every observable has real Pythia's mean: pulls below 4."""
    for name, (mean, error) in PYTHIA[point].items():
        x = columns[name]
        assert_near(x[np.isfinite(x)], mean, error)


def assert_same_distributions(columns_x, columns_y, bins=40):
    """Every observable has equal means (pull < 4) and equal histograms (p > ALPHA / number) in two samples."""
    for name, y in columns_y.items():
        x = columns_x[name]
        assert abs(pull(x, y)) < 4, f"{name}: pull of the means {pull(x, y):.2f}"
        p_value = p_of_histograms(x, y, bins)
        assert p_value > ALPHA / len(columns_y), f"{name}: the histograms differ, p = {p_value:.2g}"


def p_of_histograms(x, y, bins=40):
    """p-value of the chi-square of two histograms in bins of equal content, poor bins left out."""
    finite = y[np.isfinite(y)]
    if np.all(finite == np.round(finite)):
        edges = np.arange(finite.min() - 0.5, finite.max() + 1.0)
    else:
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1)))
    counts = [histogram_per_event(v, edges) for v in (x, y)]
    rich = np.all([c.sum(axis=0) >= 25 for c in counts], axis=0)
    return chi2_test(*(c[:, rich] for c in counts))[2]


def z_cdf(z, mt2, params):
    """Probability that f(z | mT²) gives less than z, from integrals on a grid; 1e-5 exact.

    With 1/z = 1 + e^t the density is (1 + e^-t)^-(a+1) exp(-c e^t) in t, up to factors without t.
    """
    c = params.b * np.asarray(mt2, dtype=float)
    log_c = np.linspace(np.log(c.min()), np.log(c.max()) + 1e-9, 300 if c.min() < c.max() else 2)
    t = np.linspace(-42.0, np.log(42.0) - log_c[0], 8000)
    log_density = -(params.a + 1) * np.log1p(np.exp(-t)) - np.exp(log_c[:, None] + t)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    above = np.cumsum((density[:, :0:-1] + density[:, -2::-1]), axis=1)[:, ::-1]
    above = np.pad(above / above[:, :1], ((0, 0), (0, 1)))
    z = np.asarray(z, dtype=float)
    here = np.log1p(-z) - np.log(z)
    table = interpolate.RegularGridInterpolator((log_c, t), above, bounds_error=False, fill_value=None)
    return np.clip(table((np.log(c), here)), 0.0, 1.0)


def error_of_ln_acceptance(ln_acceptance, n_events):
    return np.sqrt((1.0 - np.exp(ln_acceptance)) / n_events)


def assert_acceptance_of_pythia(sample, point):
    """Logarithm of the acceptance as in real Pythia: pull below 4, an error of 0.0008 to 0.001 on either side."""
    ours = np.log(sample.histories.accepted.mean())
    theirs = LN_ACCEPTANCE[point]
    distance = (ours - theirs) / np.hypot(
        error_of_ln_acceptance(ours, len(sample)), error_of_ln_acceptance(theirs, 200_000)
    )
    assert abs(distance) < 4, f"ln(acceptance) {ours:.5f}, real Pythia {theirs}: pull {distance:.2f}"


# --- Laws of a string ------------------------------------------------------------------------------


def event_sums(hadrons, values):
    return np.bincount(hadrons.event, weights=values, minlength=len(hadrons))


def assert_four_momentum(sample, tolerance=1e-9):
    """Every event has the momentum of the string at rest, to a fraction `tolerance` of its energy."""
    for name, total in zip(P_COLUMNS, (0.0, 0.0, 0.0, sample.energy), strict=True):
        sums = event_sums(sample.hadrons, getattr(sample.hadrons, name))
        np.testing.assert_allclose(sums, total, rtol=0, atol=tolerance * sample.energy, err_msg=name)


def assert_neutral(sample):
    charges = event_sums(sample.hadrons, particles.charge_of(sample.hadrons.pid))
    assert not charges.any(), f"event {np.flatnonzero(charges)[0]} has charge {charges[charges != 0][0]}"


def assert_on_mass_shell(sample):
    """E² - p² = m² for every hadron and E >= m, to eight roundings of its energy times that of the string."""
    hadrons = sample.hadrons
    mass = np.where(hadrons.pid == 111, particles.MASS_NEUTRAL_PION, particles.MASS_CHARGED_PION)
    px, py, pz, e = (getattr(hadrons, name).astype(float) for name in P_COLUMNS)
    tolerance = 8 * np.finfo(hadrons.e.dtype).eps * e * sample.energy
    assert np.all(abs(e**2 - px**2 - py**2 - pz**2 - mass**2) <= tolerance)
    assert np.all(e**2 >= mass**2 - tolerance)
    assert np.all(e > 0)


def assert_charges_alternate(sample):
    """Along the string each break makes a q-qbar pair: after a pi+ of a u quark only a pi- can follow.

    Between charged pions any number of neutral ones; the first charged pion holds the quark of the +z end.
    """
    order = strings.string_order(sample.histories)
    assert np.array_equal(np.sort(order), np.arange(len(order)))
    assert np.array_equal(sample.hadrons.event[order], sample.hadrons.event)
    charge = particles.charge_of(sample.hadrons.pid)[order]
    running = np.cumsum(charge)  # each event has charge 0, so the sum starts at 0 in all of them
    charged = charge != 0
    wanted = (1, 0) if sample.quark == "u" else (0, -1)
    assert np.array_equal(running[charged], np.where(charge > 0, *wanted)[charged])


def assert_hadrons_come_from_breaks(sample, pt_tolerance=1e-5):
    """Hadron k of an event comes from break k of its accepted chain; the last two from the last draw."""
    accepted, hadrons = sample.histories.only_accepted(), sample.hadrons
    assert np.array_equal(accepted.event_of_chain, np.arange(len(sample)))
    assert np.array_equal(hadrons.multiplicity, np.diff(accepted.chain_offsets) + 2)
    last = np.zeros(len(hadrons.px), bool)
    last[hadrons.offsets[1:, None] - [1, 2]] = True
    assert np.array_equal(hadrons.pid[~last], accepted.pid)
    mt2 = hadrons.e.astype(float) ** 2 - hadrons.pz.astype(float) ** 2
    tolerance = 8 * np.finfo(hadrons.e.dtype).eps * hadrons.e[~last] * sample.energy
    assert np.all(abs(mt2[~last] - accepted.mt2) <= 1e-6 * accepted.mt2 + tolerance)
    assert np.array_equal(hadrons.pid[hadrons.offsets[1:] - 2], accepted.final_pid)
    assert np.array_equal(hadrons.pid[hadrons.offsets[1:] - 1], accepted.final_pid_other)
    # The last pair takes what is left, so the drawn pT is in the sum of the first one and what waits at its end.
    first = hadrons.offsets[1:] - 2
    side = (np.arange(len(first)), np.where(accepted.final_from_positive, 0, 1))
    for name in ("px", "py"):
        waiting = np.zeros((accepted.n_chains, 2))
        for column, positive in ((0, True), (1, False)):
            rows = np.flatnonzero(accepted.from_positive == positive)
            waiting[accepted.chain_of_break[rows], column] = -getattr(accepted, name)[rows]  # the last one stays
        want = waiting[side] + getattr(accepted, f"final_{name}")
        np.testing.assert_allclose(getattr(hadrons, name)[first], want, rtol=0, atol=pt_tolerance)


def assert_histories_are_complete(sample):
    """Chains of each event in order, all but the last rejected; NaN and 0 exactly where nothing was drawn."""
    h = sample.histories
    ends_event = np.append(h.event_of_chain[1:] != h.event_of_chain[:-1], True)
    assert np.array_equal(h.accepted, ends_event)
    assert np.array_equal(np.unique(h.event_of_chain), np.arange(len(sample)))
    assert np.all(np.diff(h.event_of_chain) >= 0)
    assert np.array_equal(np.isfinite(h.final_px), h.status != 1)
    assert np.array_equal(np.isfinite(h.final_py), h.status != 1)
    assert np.array_equal(np.isfinite(h.final_lambda), h.accepted)
    assert np.array_equal(h.final_pid != 0, h.accepted)
    assert np.array_equal(h.final_pid_other != 0, h.accepted)
    assert not np.any(h.final_reversed & ~h.accepted)
    assert np.all((h.z > 0) & (h.z < 1))
    assert np.all(np.isfinite(h.mt2))
    assert np.all(h.mt2 > 0)


def assert_stopping_mass_grows(samples, least=20):
    """The first break happens if W > W_min, so chains without one show how W_min grows from try to try.

    As in Pythia's StringFragmentation::fragment, with `iTry` from 0 and NTRYJOIN - NSTOPMASS = 15: from its 17th try
    on an event has stopMass 5 % larger each time; quark masses, here 4 x 0.325 GeV, stay. Without smearing.
    At least `least` chains must be the 17th or a later try.
    """
    seen = 0
    for sample in samples:
        h, p = sample.histories, sample.params
        assert (p.stop_mass, p.stop_new_flavour, p.stop_smear) == (1.0, 2.0, 0.0)
        tried = np.arange(h.n_chains) - h.event_offsets[h.event_of_chain] + 1
        w_min = 1.3 + 1.05 ** np.maximum(0, tried - 16)
        wrong = (np.diff(h.chain_offsets) == 0) != (w_min > sample.energy)
        assert not wrong.any(), f"try {tried[wrong].min()} at {sample.energy} GeV"
        seen += np.sum(tried >= 17)
    assert seen >= least


def assert_same_sample(x, y):
    """Two samples are equal in every number."""
    assert (x.params, x.energy, x.quark, x.law) == (y.params, y.energy, y.quark, y.law)
    assert_same_columns(x.hadrons, y.hadrons)
    if x.histories is None or y.histories is None:
        assert x.histories is y.histories
    else:
        assert_same_columns(x.histories, y.histories)


def assert_same_columns(x, y):
    for name, column in vars(x).items():
        np.testing.assert_array_equal(column, getattr(y, name), err_msg=name, strict=True)


# --- Events by hand --------------------------------------------------------------------------------


def as_hadrons(events, pid=211):
    """Hadrons from lists of momenta, massless, all with the same code."""
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in events])])
    p = np.concatenate([np.reshape(p, (-1, 3)) for p in events]).astype(float)
    return Hadrons(offsets, *p.T.copy(), np.linalg.norm(p, axis=1), np.full(len(p), pid, np.int32))


def momenta(hadrons):
    return np.stack([hadrons.px, hadrons.py, hadrons.pz], axis=1)


def thrust_by_signs(p):
    """Largest |sum of +-p| / sum of |p|, over every choice of signs."""
    p = np.asarray(p, dtype=float)
    signs = np.array(list(itertools.product((1, -1), repeat=len(p))))
    sums = signs @ p
    return np.linalg.norm(sums, axis=1).max() / np.linalg.norm(p, axis=1).sum()


small = st.integers(-3, 3).map(float)
real = st.floats(-50.0, 50.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-3 else 0.0)


@st.composite
def any_event(draw):
    """1 to 10 momenta: in general position, planar, collinear, on a grid, with parallel and opposite copies."""
    n = draw(st.integers(1, 10))
    kind = draw(st.sampled_from(["general", "planar", "collinear", "grid", "copies"]))
    if kind == "collinear":
        direction = np.array(draw(st.tuples(real, real, real)))
        p = np.outer(draw(st.lists(real, min_size=n, max_size=n)), direction)
    else:
        number = small if kind in ("grid", "copies") else real
        p = np.array(draw(st.lists(st.tuples(number, number, number), min_size=n, max_size=n)))
    if kind == "planar":
        normal = np.array(draw(st.sampled_from([(0, 0, 1), (1, 0, 0), (0.6, 0, 0.8), (0.48, 0.6, 0.64)])))
        p = p - np.outer(p @ normal, normal)
    if kind == "copies":
        p = np.concatenate([p[: (n + 1) // 2], draw(st.sampled_from([1.0, -1.0, 2.0, -0.5])) * p[: n // 2]])
    return p
