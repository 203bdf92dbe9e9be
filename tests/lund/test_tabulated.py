"""Any fragmentation function: what the table draws is what it was made from."""

import numpy as np
import pytest
from checks import ALPHA, assert_near
from scipy import stats

from hadtutor import LundMixture, LundParams, Sample, hadronize_strings, lund, observables
from hadtutor.metrics import pull

TWO = LundMixture((LundParams(), LundParams(a=0.30)), (0.5, 0.5))

# name: f(z, mT²), and its distribution function where it does not depend on mT²
LAWS = {
    "flat": (lambda z, mt2: np.ones(np.broadcast(z, mt2).shape), lambda z: z),
    "a line": (lambda z, mt2: z, lambda z: z**2),
    "narrow": (lambda z, mt2: np.exp(-0.5 * ((z - 0.4) / 0.005) ** 2), stats.norm(0.4, 0.005).cdf),
    "a part": (lambda z, mt2: (z > 0.25) & (z < 0.6) & (mt2 > 0), stats.uniform(0.25, 0.35).cdf),
    "two parts": (
        lambda z, mt2: ((z > 0.1) & (z < 0.2)) * 3.0 + ((z > 0.8) & (z < 0.9)),
        lambda z: 0.75 * np.clip(10 * (z - 0.1), 0, 1) + 0.25 * np.clip(10 * (z - 0.8), 0, 1),
    ),
    "a pole": (lambda z, mt2: 0.5 / np.sqrt(1.0 - z), lambda z: 1.0 - np.sqrt(1.0 - z)),
    "another pole": (lambda z, mt2: 0.7 * z**-0.3, lambda z: z**0.7),
}


def events(n, law, seed=1, **settings):
    return hadronize_strings(n, law=law, rng=seed, progress=False, **settings)


@pytest.mark.parametrize("name", LAWS)
def test_z_follows_the_law(name):
    """Kolmogorov-Smirnov p > 1e-3 / 7 over some 300 000 breaks."""
    law, cdf = LAWS[name]
    z = events(20_000, law).histories.z.astype(float)
    assert stats.kstest(z, cdf).pvalue > ALPHA / len(LAWS)
    if name == "a part":
        assert 0.25 <= z.min() < z.max() <= 0.6


def test_lunds_own_function_as_a_law_gives_the_events_of_the_direct_generator(base, columns):
    """z in 20 bins of equal content for each of 24 bins of mT², 2e5 events each, observables and acceptance.

    p > 1e-3 / 24 for the first, pulls below 4 for the others.
    """
    params = LundParams()
    sample = events(200_000, lambda z, mt2: np.exp(lund.log_f(z, mt2, params)))
    x, y = sample.histories, base.histories
    edges = np.quantile(y.mt2, np.linspace(0, 1, 25))
    for k in range(24):
        z_x, z_y = (h.z[(h.mt2 >= edges[k]) & (h.mt2 < edges[k + 1])] for h in (x, y))
        bins = np.quantile(z_y, np.linspace(0, 1, 21)[1:-1])
        table = [np.bincount(np.searchsorted(bins, z), minlength=20) for z in (z_x, z_y)]
        assert stats.chi2_contingency(table).pvalue > ALPHA / 24, f"bin {k} of mT2"
    found = observables.compute(sample.hadrons, sample.energy)
    for name, column in columns["base"].items():
        assert abs(pull(found[name], column)) < 4, name
    shares = [h.accepted.mean() for h in (x, y)]
    error = np.sqrt(sum(s * (1 - s) / h.n_chains for s, h in zip(shares, (x, y), strict=True)))
    assert abs(shares[0] - shares[1]) < 4 * error


def test_a_mixture_as_a_law_gives_the_events_of_the_mixture():
    direct = hadronize_strings(40_000, TWO, rng=2, progress=False)
    sample = events(40_000, lambda z, mt2: np.exp(lund.log_density(z, mt2, TWO)), 3)
    assert stats.ks_2samp(sample.histories.z, direct.histories.z).pvalue > ALPHA
    x, y = (observables.compute(s.hadrons, s.energy) for s in (sample, direct))
    for name in observables.NAMES:
        assert abs(pull(x[name], y[name])) < 4, name


def test_a_law_depends_on_the_transverse_mass_as_it_says():
    """z = 1/(1 + mT²) and a little more: linear interpolation in ln mT² moves its mean by less than 1e-4."""
    sample = events(5000, lambda z, mt2: np.exp(-0.5 * ((z - 1.0 / (1.0 + mt2)) / 0.02) ** 2))
    h = sample.histories
    inside = h.mt2 > 0.1  # where 1 is five standard deviations away
    assert_near(h.z[inside] - 1.0 / (1.0 + h.mt2[inside]), 0.0, 1e-4)


def test_what_is_not_z_goes_by_the_parameters():
    params = LundParams(sigma_pt=0.5, u_fraction=0.7, stop_mass=0.5)
    sample = events(20_000, LAWS["flat"][0], params=params)
    h = sample.histories
    assert_near(h.px**2, 0.125)
    assert sample.params == params
    assert not np.isclose((h.pid == 111).mean(), 1 / 3, atol=0.01)


class Learned:
    """What has a density, as a result of HOMER has one."""

    def density(self, z, mt2):
        return z * (1.0 - z) + 0.0 * mt2


def test_anything_with_a_density_is_a_law_and_threads_change_nothing():
    sample = events(9000, Learned())
    again = events(9000, Learned().density, threads=2)
    assert np.array_equal(sample.hadrons.px, again.hadrons.px)
    assert (sample.law, again.law) == ("Learned", "density")


def test_a_sample_remembers_its_law(tmp_path):
    sample = events(100, Learned())
    sample.save(tmp_path / "sample.npz")
    again = Sample.load(tmp_path / "sample.npz")
    assert again.law == sample[:10].law == Sample.concatenate([sample, sample]).law == "Learned"
    assert repr(again).endswith("sigma_pt=0.335, z by Learned)")
    plain = hadronize_strings(100, rng=1)
    assert plain.law is None
    with pytest.raises(ValueError, match="the parts differ in law: None and Learned"):
        Sample.concatenate([plain, sample])


@pytest.mark.parametrize(
    ("law", "error", "message"),
    [
        (3, TypeError, r"law must be a function f\(z, mt2\), or have a method density\(z, mt2\), got int"),
        (LundParams(), TypeError, "got LundParams; Lund's own goes in as params"),
        (lambda z, mt2: -z, ValueError, "law must be finite and not negative, got -.* at z = .*, mT2 = 0.01822"),
        (lambda z, mt2: z + np.where(mt2 > 1, np.nan, 0), ValueError, "got nan at z = .*, mT2 = 1.0"),
        (lambda z, mt2: z / (mt2 < 1), ValueError, "law must be finite and not negative, got inf"),
        (lambda z, mt2: z * (mt2 < 1), ValueError, "law is zero for all z at mT2 = 1.0"),
        (lambda z, mt2: 1.0 / z, ValueError, "cannot be normalised at mT2 = .*: towards z = 0 it grows like 1/z"),
        (lambda z, mt2: 1.0 / (1.0 - z), ValueError, r"towards z = 1 it grows like 1/\(1 - z\) or faster"),
        (lambda z, mt2: np.ones(7), ValueError, r"one number for each z and mT2: shape \(\d+, \d+\) is wanted"),
        (lambda z, mt2: 1j * z, TypeError, "law must give real numbers, got complex128"),
        (lambda z, mt2: (z + 0 * mt2, z + 0 * mt2), ValueError, "one number for each z and mT2"),
    ],
)
def test_what_is_no_law_is_refused_in_words(law, error, message):
    with np.errstate(divide="ignore"), pytest.raises(error, match=message):
        events(10, law)
