"""Fragmentation functions of ours inside real Pythia: z follows them, all else stays Pythia's."""

import subprocess
import sys
import threading

import checks
import numpy as np
import pytest
from checks import assert_same_columns, assert_same_sample

from hadtutor import LundMixture, LundParams, Showers, datasets, lund, observables, pythia
from hadtutor.lund.function import log_share_above

HARD = LundParams(a=0.30)
MIXTURE = LundMixture((LundParams(), HARD), (0.5, 0.5))
AS_PYTHIA = {"enhanced_fraction": 0.01, "stop_mass": 0.8}


def law_of(params):
    return lambda z, mt2: np.exp(lund.log_density(z, mt2, params))


def assert_z_follow(histories, params):
    checks.assert_uniform(np.exp(log_share_above(histories.z.astype(float), histories.mt2.astype(float), params)))


# --- Strings of pions ------------------------------------------------------------------------------


def test_lunds_own_function_as_a_law_changes_nothing():
    """20 000 events each: pulls of 13 observables below 4, p > 1e-3 / 13."""
    as_law = pythia.hadronize_strings(20_000, seed=31, law=law_of(LundParams()), histories=False)
    built_in = pythia.hadronize_strings(20_000, seed=32, histories=False)
    checks.assert_same_distributions(*(observables.compute(s.hadrons, s.energy) for s in (as_law, built_in)), bins=20)
    assert (as_law.law, built_in.law) == ("<lambda>", None)


@pytest.mark.parametrize("law", [LundParams(), HARD, MIXTURE], ids=["own", "harder", "mixture"])
def test_breaks_follow_the_law(law):
    """Kolmogorov and Smirnov's p > 1e-3 over the z of some 50 000 breaks; the hook sees those of the law."""
    made = pythia.hadronize_strings(3000, seed=33, law=law_of(law))
    assert_z_follow(made.histories, law)
    checks.assert_four_momentum(made, 1e-8)
    checks.assert_hadrons_come_from_breaks(made)


def test_breaks_of_strings_with_gluons_follow_the_law():
    made = pythia.hadronize_partons(Showers.one_gluon(1500), seed=34, law=law_of(MIXTURE))
    assert_z_follow(made.histories, MIXTURE)
    assert made.law == "<lambda>"


def test_recording_changes_no_event():
    made, bare = (pythia.hadronize_strings(300, seed=35, law=law_of(HARD), histories=h) for h in (True, False))
    order = np.lexsort((made.hadrons.pz, made.hadrons.event)), np.lexsort((bare.hadrons.pz, bare.hadrons.event))
    np.testing.assert_array_equal(made.hadrons.p4[order[0]], bare.hadrons.p4[order[1]])


def test_events_are_those_of_the_seed():
    first, again, other = (pythia.hadronize_strings(100, seed=s, law=law_of(HARD)) for s in (5, 5, 6))
    assert_same_sample(first, again)
    assert not np.array_equal(first.hadrons.multiplicity, other.hadrons.multiplicity)


# --- All flavours ----------------------------------------------------------------------------------

FLAVOURS = {
    "light": (2, -1, 0.3), "strange": (-3, 2, 0.6), "new diquark": (2, 2101, 1.3), "old diquark": (2103, -1, 1.5),
    "diquarks": (3101, -2103, 1.2), "charm": (4, -1, 4.5), "charmed baryon": (-4, -2101, 6.0), "bottom": (5, 3, 30.0),
    "bottom baryon": (5, 2103, 33.0),
}  # fmt: skip
"""Waiting flavour, new one, mT² [GeV²]."""


def share_below(z, old, new, mt2, a):
    """Cumulative of Pythia's law for these flavours, by the trapezoidal rule in logit z."""
    old_diquark, new_diquark, b = abs(old) > 1000, abs(new) > 1000, LundParams().b
    c = 1.0 - 0.97 * old_diquark + 0.97 * new_diquark + {4: 1.32 * b * 1.5**2, 5: 0.855 * b * 4.8**2}.get(abs(old), 0.0)
    y = np.linspace(-12.0, 30.0, 40_001)
    log_f = -(a + 0.97 * old_diquark + 1.0) * np.logaddexp(0.0, y) + (c - 1.0) * np.logaddexp(0.0, -y)
    log_f -= b * mt2 * (1.0 + np.exp(-y))
    f = np.exp(log_f - log_f.max())
    area = np.append(0.0, np.cumsum(0.5 * (f[1:] + f[:-1])))
    return np.interp(np.log(z / (1.0 - z)), y, area / area[-1])


@pytest.mark.parametrize("law_for", ["light", "all"])
@pytest.mark.parametrize("flavours", FLAVOURS)
def test_each_class_of_flavours_has_the_law_that_is_asked_for(flavours, law_for):
    """Kolmogorov and Smirnov's p > 1e-3 / 18 over 5000 numbers: a of the law, or Pythia's own."""
    old, new, mt2 = FLAVOURS[flavours]
    generator = pythia.start("ProcessLevel:all = off", seed=36, law=law_of(HARD), law_for=law_for)
    z = np.array([generator.fragmentation.selector.zFrag(old, new, mt2) for _ in range(5000)])
    a = HARD.a if law_for == "all" or flavours in ("light", "strange") else LundParams().a
    checks.assert_uniform(share_below(z, old, new, mt2, a), checks.ALPHA / (2 * len(FLAVOURS)))


def test_a_law_for_all_flavours_makes_the_events_that_pythia_makes_with_it():
    """10 000 showers of all flavours, with decays: pulls of 13 observables below 4, p > 1e-3 / 13."""
    showers = datasets.load("pythia-showers-91")[:10_000]
    base = LundParams(**AS_PYTHIA)
    as_law = pythia.hadronize(showers, base, seed=37, law=law_of(HARD), law_for="all")
    built_in = pythia.hadronize(showers, base.replace(a=HARD.a), seed=38)
    checks.assert_same_distributions(*(observables.compute(h, 91.2) for h in (as_law, built_in)), bins=20)
    assert set(abs(as_law.pid).tolist()) == set(abs(built_in.pid).tolist())


def test_pythias_tune_as_a_law_for_light_flavours_changes_nothing():
    showers = datasets.load("pythia-showers-91")[:3000]
    as_law, built_in = (pythia.hadronize(showers, seed=s, law=w) for s, w in ((39, law_of(LundParams())), (40, None)))
    checks.assert_same_distributions(*(observables.compute(h, 91.2) for h in (as_law, built_in)), bins=20)


def test_events_of_showers_are_those_of_the_seed():
    showers = datasets.load("pythia-showers-91")[:50]
    first, again = (pythia.hadronize(showers, seed=5, law=law_of(HARD), law_for="all") for _ in range(2))
    assert_same_columns(first, again)


# --- Errors, and what lives how long ---------------------------------------------------------------


class Broken:
    def density(self, z, mt2):
        raise RuntimeError("the network is gone")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"law": Broken()}, RuntimeError, "the network is gone"),
        ({"law": lambda z, mt2: np.nan * z * mt2}, ValueError, "law must be finite and not negative, got nan at z"),
        ({"law": lambda z, mt2: 0.0 * z}, ValueError, "law is zero for all z"),
        ({"law": HARD}, TypeError, "law must be a function f"),
        ({"law": law_of(HARD), "law_for": "charm"}, ValueError, r"law_for must be one of \['light', 'all'\], got 'ch"),
    ],
)
def test_what_is_wrong_with_a_law_is_said_before_a_run(monkeypatch, arguments, error, message):
    import pythia8mc

    monkeypatch.setattr(pythia8mc.Pythia, "init", lambda self: pytest.fail("Pythia was initialised"))
    with pytest.raises(error, match=message):
        pythia.start("ProcessLevel:all = off", seed=1, **arguments)


def test_a_law_that_has_no_norm_for_heavy_quarks_is_refused_when_one_comes():
    """With z^-20 for bottom only what falls like exp(-1/z) can be normalised; the next run is not disturbed."""
    showers = datasets.load("pythia-showers-91")[:50]
    with pytest.raises(ValueError, match=r'towards z = 0 it grows .*, with the factor of .*; try law_for="light"'):
        pythia.hadronize(showers, law=lambda z, mt2: 1.0 - z, law_for="all")
    assert len(pythia.hadronize(showers, law=lambda z, mt2: 1.0 - z)) == 50


def test_generators_live_side_by_side_in_threads():
    """Two of one law, one of another, one without: each makes the events that it makes alone."""
    work = [(law_of(HARD), 7), (law_of(MIXTURE), 7), (None, 7), (law_of(HARD), 7)]

    def make(k):
        law, seed = work[k]
        made[k] = pythia.hadronize_strings(200, seed=seed, law=law, progress=True).hadrons

    made = {}
    threads = [threading.Thread(target=make, args=(k,)) for k in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(made)
    for k in range(len(work)):
        make(k)
        assert_same_columns(made[k], together[k])
    assert_same_columns(made[0], made[3])


def test_a_process_ends_well_with_generators_alive_or_after_an_error():
    code = """
import gc
from hadtutor import LundParams, datasets, pythia

law = {"law": lambda z, mt2: 1.0 - z, "law_for": "all"}
alive = [pythia.start("ProcessLevel:all = off", seed=seed, **law) for seed in (1, 2, 3)]
del alive[1]
gc.collect()
string = [(5, 23, 101, 0, 0, 0, 45, 45.25, 4.8), (-5, 23, 0, 101, 0, 0, -45, 45.25, 4.8)]
for generator in alive:
    generator.event.reset()
    for parton in string:
        generator.event.append(*parton)
    try:
        generator.next()
    except ValueError:
        print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["refused"] * 2, "")
