"""Weights of all flavours as rows, against `event_weights`, which does without tables."""

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import datasets, hadronize_strings, pythia
from hadtutor.weights import event_weights
from hadtutor.weights.rows import FITTED, EventRows

pytest.importorskip("pythia8mc")
BASE = ht.LundParams(stop_mass=0.8, enhanced_fraction=0.01)  # as Pythia has them
POINTS = {
    "a": BASE._replace(a=0.45),
    "b": BASE._replace(b=0.80),
    "sigma": BASE._replace(sigma_pt=0.30),
    "all of z": BASE._replace(a=0.80, b=1.20, a_extra_diquark=0.6, r_c=1.0, r_b=0.7),
    "flavours": BASE._replace(prob_s_to_ud=0.25, meson_ud_vector=0.6, popcorn_rate=0.6),
    "everything": BASE._replace(a=0.6, b=1.1, sigma_pt=0.31, r_b=0.9, prob_qq_to_q=0.09, eta_prime_sup=0.15),
}


@pytest.fixture(scope="module")
def sample():
    return pythia.hadronize(datasets.load("pythia-showers-91")[:1000], BASE, histories=True, progress=False)


@pytest.fixture(scope="module")
def rows(sample):
    return {all_chains: EventRows(sample, all_chains=all_chains) for all_chains in (False, True)}


@pytest.mark.parametrize("all_chains", [False, True])
@pytest.mark.parametrize("target", POINTS.values(), ids=POINTS)
def test_rows_give_the_weights_of_events(sample, rows, target, all_chains):
    wanted = event_weights(sample, target, all_chains=all_chains).log_w
    # The interpolations in b and σ are good to 10⁻³ in ln w where they end; these points lie well inside.
    assert abs(rows[all_chains].log_w(target) - wanted).max() < 1e-3
    assert np.std(rows[all_chains].log_w(target) - wanted) < 1e-4


@pytest.mark.parametrize("all_chains", [False, True])
def test_weights_are_one_at_the_base(rows, all_chains):
    assert abs(rows[all_chains].log_w(BASE)).max() < 1e-6


@pytest.mark.parametrize("all_chains", [False, True])
def test_slopes_are_differences(rows, all_chains):
    these, at, h = rows[all_chains], POINTS["everything"], 1e-3
    names = "a", "b", "sigma_pt", "r_b", "prob_qq_to_q"
    up, down = ([at._replace(**{n: getattr(at, n) + sign * h}) for n in names] for sign in (1, -1))
    change = np.stack([(these.vector(p) - these.vector(q)) / (2 * h) for p, q in zip(up, down, strict=True)], axis=1)
    log_w, slopes = these.log_w_and_slopes(at, change)
    assert abs(log_w - these.log_w(at)).max() == 0.0
    for k, (p, q) in enumerate(zip(up, down, strict=True)):
        difference = (these.log_w(p) - these.log_w(q)) / (2 * h)
        scale = np.sqrt(np.mean(slopes[:, k] ** 2))
        assert np.sqrt(np.mean((difference - slopes[:, k]) ** 2)) < 0.01 * scale, names[k]  # of single precision


def test_fewer_names_give_the_same_weights_with_fewer_columns(sample, rows):
    few = EventRows(sample, ("sigma_pt",))
    assert few.accepted.shape[1] < rows[False].accepted.shape[1]
    assert abs(few.log_w(POINTS["sigma"]) - rows[False].log_w(POINTS["sigma"])).max() < 1e-4


def test_what_rows_do_not_know_is_said(sample, rows):
    with pytest.raises(ValueError, match="b = 3 is too far from 0.98 of the sample: it reaches from 0.49 to 1.96"):
        rows[False].log_w(BASE._replace(b=3.0))
    with pytest.raises(ValueError, match="sigma_pt = 0.6 is too far"):
        rows[False].log_w(BASE._replace(sigma_pt=0.6))
    with pytest.raises(ValueError, match=f"names must be of {FITTED[0]}, .*, got energy"):
        EventRows(sample, ("energy",))
    with pytest.raises(ValueError, match="at least one parameter"):
        EventRows(sample, ())
    with pytest.raises(ValueError, match="u and d quarks and pions"):
        EventRows(hadronize_strings(10, rng=1))
