import math

import mpmath
import numpy as np
import pytest
from checks import ALPHA, assert_near, z_cdf
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import integrate, stats

from hadtutor import LundMixture, LundParams, lund
from hadtutor.lund.function import draw_z
from hadtutor.particles import MASS_NEUTRAL_PION

A_VALUES = (0.0, 1e-6, 0.3, 0.68, 2.0, 20.0)
C_VALUES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 200.0)
# (a, b mT²) at mT² = 0.5 GeV²: no (1 - z) factor, next to none, Monash, steep; light hadrons to b mT² = 200.
SAMPLED = [(a, c) for a in (0.0, 1e-6, 0.68, 2.0) for c in (0.005, 0.1, 1.0, 20.0, 200.0)]
MT2 = 0.5

fractions = st.floats(1e-6, 1 - 1e-6)
masses2 = st.floats(0.02, 5.0)
parameters = st.tuples(st.floats(0, 20), st.floats(0.05, 20)).map(lambda ab: LundParams(*ab))


def params_at(a, c):
    return LundParams(a=a, b=c / MT2)


# --- The function ----------------------------------------------------------------------------------


@given(fractions, masses2, parameters)
def test_log_f_is_the_logarithm_of_the_formula(z, mt2, p):
    with mpmath.workdps(30):
        want = mpmath.log((1 - mpmath.mpf(z)) ** p.a / z * mpmath.exp(-mpmath.mpf(p.b) * mt2 / z))
    assert float(lund.log_f(z, mt2, p)) == pytest.approx(float(want), rel=1e-13, abs=1e-13)


def test_log_f_broadcasts_z_against_mt2():
    z, mt2 = np.array([[0.2], [0.5], [0.9]]), np.array([0.1, 0.4])
    table = lund.log_f(z, mt2, LundParams())
    assert table.shape == (3, 2)
    assert table[1, 1] == lund.log_f(0.5, 0.4, LundParams())


@pytest.mark.parametrize("mt2", [0.02, 0.5, 20.0])
def test_f_vanishes_at_both_ends(mt2):
    assert np.array_equal(lund.log_f([0.0, 1.0], mt2, LundParams()), [-np.inf, -np.inf])
    assert lund.log_f(0.0, mt2, LundParams(a=0.0)) == -np.inf


def test_f_without_the_power_of_one_minus_z_ends_at_exp_of_minus_c():
    assert lund.log_f(1.0, 0.5, LundParams(a=0.0, b=2.0)) == -1.0


@pytest.mark.parametrize("z", [-0.1, 1.1, math.nan, [0.5, 2.0]])
def test_z_outside_the_unit_interval_is_refused(z):
    with pytest.raises(ValueError, match="z must be between 0 and 1, got"):
        lund.log_f(z, 0.1, LundParams())


OF_MT2 = {
    "z_peak": lund.z_peak,
    "log_normalisation": lund.log_normalisation,
    "log_f": lambda mt2, params: lund.log_f(0.5, mt2, params),
    "sample_z": lambda mt2, params: lund.sample_z(mt2, params, rng=1),
}


@pytest.mark.parametrize("name", OF_MT2)
@pytest.mark.parametrize("mt2", [0.0, -0.1, math.nan, math.inf, [0.1, -0.1], np.ma.array([0.1, 0.2], mask=[0, 1])])
def test_a_transverse_mass_must_be_positive_and_finite(name, mt2):
    with pytest.raises(ValueError, match=r"mt2 must be positive and finite \(GeV\^2\), got"):
        OF_MT2[name](mt2, LundParams())


@pytest.mark.parametrize("name", OF_MT2)
def test_functions_refuse_what_is_no_set_of_parameters(name):
    with pytest.raises(TypeError, match="params must be LundParams, got tuple; write LundParams"):
        OF_MT2[name](0.1, (0.68, 0.98))


@pytest.mark.parametrize("name", ["z_peak", "log_normalisation", "log_f"])
def test_what_a_mixture_does_not_have_is_refused_by_name(name):
    mixture = LundMixture((LundParams(), LundParams(a=0.3)), (0.5, 0.5))
    with pytest.raises(TypeError, match=f"{name} takes LundParams: of a mixture only log_density"):
        OF_MT2[name](0.1, mixture)


# --- The maximum -----------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [*A_VALUES, 1 - 1e-9, 1.0, 1 + 1e-9])
@pytest.mark.parametrize("c", [*C_VALUES, 1 - 1e-9, 1 + 1e-9])
def test_no_z_is_likelier_than_the_peak(a, c):
    p = params_at(a, c)
    peak = lund.z_peak(MT2, p)
    assert 0 < peak <= 1
    if peak == 1:  # only without (1 - z)^a, or where 1 - z is below rounding
        assert a == 0 or a < 1e-15 * c
    near = np.clip(peak * (1 + np.array([-0.1, -1e-3, -1e-4, 1e-4, 1e-3, 0.1])), 0, 1)
    everywhere = np.concatenate([near, np.linspace(1e-3, 1, 1001), np.geomspace(1e-9, 1, 1001), 1 - near])
    top = float(lund.log_f(peak, MT2, p))
    assert np.all(lund.log_f(everywhere[everywhere > 0], MT2, p) <= top + 1e-12 * max(1.0, abs(top)))


@given(masses2, parameters)
def test_the_peak_solves_its_quadratic_equation(mt2, p):
    z, c = lund.z_peak(mt2, p), p.b * mt2
    assert abs((1 - p.a) * z**2 - (1 + c) * z + c) <= 1e-13 * (1 + c + p.a)


@pytest.mark.parametrize("a", [0.0, 1e-17, 1e-6, 0.68])
def test_the_peak_lies_between_zero_and_one(a):
    peak = lund.z_peak(np.geomspace(1e-3, 1e3, 10_001), LundParams(a=a, b=1.0))
    assert np.all((peak > 0) & (peak <= 1))


def test_without_the_power_of_one_minus_z_the_peak_is_at_c_up_to_one():
    assert lund.z_peak([0.25, 1.0, 4.0], LundParams(a=0.0, b=1.0)) == pytest.approx([0.25, 1.0, 1.0], abs=1e-15)


# --- The normalisation -----------------------------------------------------------------------------


@pytest.mark.parametrize("a", A_VALUES)
@pytest.mark.parametrize("c", C_VALUES)
def test_the_normalisation_is_tricomis_function(a, c):
    """N = exp(-c) Gamma(a + 1) U(a + 1, 1, c), to 1e-10 of itself."""
    with mpmath.workdps(30):
        want = mpmath.log(mpmath.gamma(a + 1) * mpmath.hyperu(a + 1, 1, mpmath.mpf(c))) - c
    assert abs(float(lund.log_normalisation(MT2, params_at(a, c))) - float(want)) < 1e-10


@pytest.mark.parametrize("a", A_VALUES)
@pytest.mark.parametrize("c", C_VALUES)
def test_f_over_its_normalisation_has_area_one(a, c):
    p = params_at(a, c)
    log_n, peak = float(lund.log_normalisation(MT2, p)), float(lund.z_peak(MT2, p))
    # In ln z, where f is smooth from c/40 on; below it has died.
    low, middle = math.log(min(c / 60, 0.01)), math.log(min(peak, 0.999))
    points = sorted({low, middle, middle / 2, 0.0})

    def density(x):
        return math.exp(float(lund.log_f(math.exp(x), MT2, p)) - log_n + x)

    pieces = zip(points[:-1], points[1:], strict=True)
    area = sum(integrate.quad(density, *piece, epsabs=1e-12, epsrel=1e-12, limit=400)[0] for piece in pieces)
    assert area == pytest.approx(1.0, abs=1e-9)


def test_the_normalisation_of_many_masses_is_that_of_each():
    mt2 = np.geomspace(0.02, 100.0, 7).reshape(7, 1)
    each = [[float(lund.log_normalisation(m, LundParams()))] for m in mt2.ravel()]
    np.testing.assert_allclose(lund.log_normalisation(mt2, LundParams()), each, rtol=0, atol=1e-12)


def test_the_derivative_by_b_is_minus_the_mean_of_mt2_over_z(rng):
    """d ln N / db = -<mT²/z>: pull below 4 with 20 000 draws."""
    p, h = LundParams(), 1e-4
    above, below = (float(lund.log_normalisation(MT2, p._replace(b=p.b + step))) for step in (h, -h))
    z = judge_draws(rng, MT2, p, np.empty(20_000))
    assert_near(MT2 / z, (below - above) / (2 * h))


# --- Left-right symmetry ---------------------------------------------------------------------------


@given(fractions, st.floats(1e-3, 20.0), masses2, parameters)
def test_a_hadron_is_as_likely_cut_off_from_the_left_as_from_the_right(z_plus, gamma_1, mt2, p):
    """H(G1) f(z+) dG1 dz+ = H(G2) f(z-) dG2 dz-, with H(G) = G^a exp(-b G): the law that fixes f.

    The hadron sits between two breaks. From the left, z+ is cut off behind the break G1 and leaves G2;
    from the right, z- is cut off behind G2 and leaves G1.
    """

    def log_h(gamma):
        return p.a * math.log(gamma) - p.b * gamma

    gamma_2 = (1 - z_plus) * (gamma_1 + mt2 / z_plus)
    z_minus = mt2 / (mt2 + z_plus * gamma_1)
    assert (1 - z_minus) * (gamma_2 + mt2 / z_minus) == pytest.approx(gamma_1, rel=1e-6)
    # G1 = (1/z- - 1) mT²/z+ at fixed z+ and the mirror image give dG1 dz+ / (dG2 dz-) = z+/z-.
    left = log_h(gamma_1) + float(lund.log_f(z_plus, mt2, p)) + math.log(z_plus)
    right = log_h(gamma_2) + float(lund.log_f(z_minus, mt2, p)) + math.log(z_minus)
    assert left == pytest.approx(right, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("mt2", [0.02, 0.3, 3.0])
def test_breaks_keep_their_distribution_from_one_to_the_next(rng, mt2):
    """If G has density H, so has (1 - z)(G + mT²/z): Kolmogorov-Smirnov p > 1e-3 with 20 000 draws."""
    p = LundParams()
    gamma = rng.gamma(p.a + 1, 1 / p.b, 20_000)
    z = judge_draws(rng, mt2, p, np.empty(len(gamma)))
    after = (1 - z) * (gamma + mt2 / z)
    assert stats.kstest(after, stats.gamma(p.a + 1, scale=1 / p.b).cdf).pvalue > ALPHA


# --- The two samplers ------------------------------------------------------------------------------


@njit
def judge_draws(rng, mt2, params, z):
    for i in range(z.size):
        z[i] = draw_z(rng, mt2, params)
    return z


@njit
def table_draws(rng, mt2, params, table, z):
    """As the string kernel does it; NaN where the mass is outside the table."""
    row = lund.staircase.table_row(mt2, table)
    for i in range(z.size):
        z[i] = 0.0 if row >= 0 else math.nan
        while z[i] == 0.0:
            z[i] = lund.staircase.try_z(rng.random(), rng.random(), mt2, params, table.cells[row], table.log_top[row])
    return z


def test_z_is_drawn_for_every_mass_and_repeats_with_its_seed():
    mt2 = np.geomspace(0.02, 2.0, 6).reshape(2, 3)
    z = lund.sample_z(mt2, LundParams(), rng=3)
    assert z.shape == (2, 3)
    assert np.all((z > 0) & (z < 1))
    assert np.array_equal(z, lund.sample_z(mt2, LundParams(), rng=np.random.default_rng(3)))
    assert isinstance(float(lund.sample_z(0.1, LundParams(), rng=1)), float)
    with pytest.raises(TypeError, match="in place of seed: write rng=1"):
        lund.sample_z(0.1, LundParams(), seed=1)


def test_z_of_a_mixture_is_that_of_its_components(rng):
    """A z of either function at its odds: the mean, with a pull below 4."""
    one, other = LundParams(a=0.1), LundParams(a=5.0)
    z = lund.sample_z(np.full(20_000, 0.2), LundMixture((one, other), (0.25, 0.75)), rng=rng)
    means = [lund.sample_z(np.full(20_000, 0.2), p, rng=rng) for p in (one, other)]
    expected = 0.25 * means[0].mean() + 0.75 * means[1].mean()
    assert_near(z, expected, np.hypot(0.25 * means[0].std(), 0.75 * means[1].std()) / np.sqrt(20_000))


@pytest.mark.parametrize("a", [0.0, 0.68, 5.0, 20.0])
@pytest.mark.parametrize("c", [301.0, 1e4, 1e8])
def test_z_of_the_heaviest_hadrons_is_drawn_and_follows_f(rng, a, c):
    """Where f is as narrow as a/(b mT²), of all that parameters allow: p > 1e-3 / 12 in t = (1/z - 1) b mT².

    There f dz is t^a exp(-t) dt (1 + t / c)^-(a + 1), a gamma distribution but for the last factor.
    """
    t = (1.0 / lund.sample_z(np.full(20_000, c), LundParams(a=a, b=1.0), rng=rng) - 1.0) * c
    x = np.linspace(0.0, 120.0, 200_001)
    density = x**a * np.exp(-x) * (1.0 + x / c) ** -(a + 1.0)
    cdf = integrate.cumulative_trapezoid(density, x, initial=0.0)
    t = t + c * 2.0**-53 * (rng.random(len(t)) - 0.5)  # z is rounded
    assert stats.kstest(np.interp(t, x, cdf / cdf[-1]), "uniform").pvalue > ALPHA / 12


@pytest.mark.parametrize("sampler", ["judge", "table"])
def test_drawn_z_follow_the_integrated_density(rng, sampler):
    """Kolmogorov-Smirnov p > 1e-3 / 20 for each of 20 points, 20 000 draws each."""
    p_values = {}
    for a, c in SAMPLED:
        p = params_at(a, c)
        if sampler == "judge":
            z = judge_draws(rng, MT2, p, np.empty(20_000))
        else:
            z = table_draws(rng, MT2, p, lund.z_table(p, MASS_NEUTRAL_PION**2), np.empty(20_000))
        assert np.all((z > 0) & (z < 1))
        p_values[a, c] = stats.kstest(z_cdf(z, MT2, p), "uniform").pvalue
    assert min(p_values.values()) > ALPHA / len(SAMPLED), p_values
    assert stats.combine_pvalues(list(p_values.values())).pvalue > ALPHA


def test_the_two_samplers_agree_all_over_the_table(rng):
    """Equal means of z at 64 masses, one per bin of mT², in one pull below 4."""
    p = LundParams()
    table = lund.z_table(p, MASS_NEUTRAL_PION**2)
    pulls = []
    for mt2 in MASS_NEUTRAL_PION**2 * 2.0 ** ((np.arange(64) + rng.random(64)) / 8):
        x, y = judge_draws(rng, mt2, p, np.empty(2000)), table_draws(rng, mt2, p, table, np.empty(2000))
        pulls.append((x.mean() - y.mean()) / np.hypot(x.std(), y.std()) * np.sqrt(2000))
    assert len(pulls) == 64
    assert np.isfinite(pulls).all()
    assert abs(np.sum(pulls)) / 8 < 4
    assert stats.chi2.sf(np.sum(np.square(pulls)), 64) > ALPHA


@pytest.mark.parametrize("a", A_VALUES)
@pytest.mark.parametrize("b", [0.002, 0.98, 50.0])
def test_the_staircase_lies_above_f_and_the_sure_part_below(a, b):
    """For every cell, at 50 places in it and 5 masses of its bin: exact accept-reject needs both bounds."""
    p = LundParams(a=a, b=b)
    table = lund.z_table(p, MASS_NEUTRAL_PION**2)
    edges, sure = table.cells[:, :, 0], table.cells[:, :-1, 1]
    # The cells cover (0, 1), except where f is 1e-250 of its maximum or less.
    mt2 = table.mt2_min * np.exp(np.arange(len(edges)) / table.rows_per_e)
    for edge, end in ((edges[:, 0], 0.0), (edges[:, -1], 1.0)):
        peak = np.minimum(lund.z_peak(mt2, p), 1.0)
        depth = lund.log_f(peak, mt2, p) - lund.log_f(np.clip(edge, 1e-12, 1 - 1e-15), mt2, p)
        assert np.all((edge == end) | (depth > 575))
    assert np.all(np.diff(edges) >= 0)
    assert np.all((sure >= 0) & (sure <= 1))
    width = np.diff(edges)[:, :, None]
    z = edges[:, :-1, None] + width * np.linspace(0, 1, 50)
    inside = (z > 0) & (z < 1)
    for step in np.linspace(0, 1, 5):
        mt2 = table.mt2_min * np.exp((np.arange(len(edges)) + step) / table.rows_per_e)[:, None, None]
        log_shape = lund.log_f(np.where(inside, z, 0.5), mt2, p) + p.b * mt2
        probability = np.where(inside, width * np.exp(log_shape - table.log_top[:, None, None]), 0.0)
        assert probability.max() <= 1.0
        assert np.all(probability[inside] >= (sure[:, :, None] * (1 - 1e-12) * inside)[inside])


@pytest.mark.parametrize("a", [0.0, 0.3, 0.68, 2.0])
def test_the_staircase_is_never_smaller_than_f_and_tight(a):
    """Area of f over that of the staircase: at most 1, and above 3/4, for all masses of the table."""
    p = LundParams(a=a)
    table = lund.z_table(p, MASS_NEUTRAL_PION**2)
    octave = (np.arange(64) + 0.5) / 8
    mt2 = table.mt2_min * 2.0**octave
    efficiency = np.exp(lund.log_normalisation(mt2, p) + p.b * mt2 - table.log_top) / lund.staircase.N_CELLS
    assert np.all(efficiency <= 1)
    assert np.all(efficiency > 0.75)


def test_a_mass_outside_the_table_has_no_row():
    table = lund.z_table(LundParams(), MASS_NEUTRAL_PION**2)
    low, high = MASS_NEUTRAL_PION**2, MASS_NEUTRAL_PION**2 * 2.0**lund.staircase.N_OCTAVES
    assert lund.staircase.table_row(low, table) == 0
    assert lund.staircase.table_row(low * (1 - 1e-12), table) == -1
    last = lund.staircase.N_OCTAVES * lund.staircase.ROWS_PER_OCTAVE - 1
    assert lund.staircase.table_row(high * (1 - 1e-12), table) == last
    assert lund.staircase.table_row(high * (1 + 1e-12), table) == -1
    assert lund.staircase.table_row(1e9, table) == -1
