"""The learned observable."""

import functools

import numpy as np
import pytest
from fits import ALPHA, NEAR, generated
from scipy import stats

import hadtutor as ht
from hadtutor import LundParams, rsa
from hadtutor.rsa.score import fold_of


@functools.cache
def score(n=6000):
    return rsa.Score(generated(LundParams(a=0.9), 1, n), generated(LundParams(a=0.5), 2, n), epochs=3, progress=False)


def test_the_score_separates_what_it_was_trained_for():
    fresh = [score()(generated(p, seed, 6000).hadrons) for p, seed in ((LundParams(a=0.9), 8), (LundParams(a=0.5), 9))]
    assert ht.metrics.auc(*fresh[::-1]).auc > 0.55
    trained = score()(generated(LundParams(a=0.9), 1, 6000).hadrons)
    assert stats.ks_2samp(trained, fresh[0]).pvalue > ALPHA, "no event is judged by the network that has seen it"


def test_the_score_is_an_observable_to_fit():
    result = rsa.fit(
        generated(LundParams(a=0.9), 1, 6000), generated(LundParams(a=0.5), 2, 6000), observables=score(), names=("a",),
        rng=np.random.default_rng(3), floor=0.1, progress=False,
    )  # fmt: skip
    assert abs(result.values[0] - 0.5) < 4 * result.errors[0]
    assert list(result.objective.columns_x) == ["score"]


def test_a_score_of_two_energies_is_refused():
    with pytest.raises(ValueError, match="differ in energy, 100 and 90 GeV"):
        rsa.Score(generated(NEAR, 1, 4000), ht.hadronize_strings(100, rng=np.random.default_rng(1), progress=False))


def test_the_score_of_an_event_does_not_depend_on_its_neighbours():
    """Nor on its number: a cut before it must not let networks judge what they have learned."""
    hadrons = generated(LundParams(a=0.9), 1, 6000).hadrons
    found = score()(hadrons)
    assert score()(hadrons[1:]) == pytest.approx(found[1:], abs=1e-4)
    order = np.random.default_rng(1).permutation(6000)[:500]
    assert score()(hadrons[order]) == pytest.approx(found[order], abs=1e-4)
    assert score()(hadrons[7:8]) == pytest.approx(found[7:8], abs=1e-4)
    assert score()(hadrons[:0]).shape == (0,)


def test_halves_are_a_matter_of_the_hadrons_alone():
    hadrons = generated(NEAR, 1, 6000).hadrons
    fold = fold_of(hadrons)
    assert abs(fold.mean() - 0.5) < 4 * 0.5 / 6000**0.5
    assert abs(np.corrcoef(fold[:-1], fold[1:])[0, 1]) < 4 / 6000**0.5
    assert abs(np.corrcoef(fold, hadrons.multiplicity)[0, 1]) < 4 / 6000**0.5
    single = ht.Hadrons(
        hadrons.offsets, *(getattr(hadrons, c).astype(np.float32) for c in ("px", "py", "pz", "e")), hadrons.pid
    )
    backwards = np.argsort(hadrons.event * 1000 - np.arange(len(hadrons.px)), kind="stable")
    columns = (getattr(hadrons, name)[backwards] for name in ("px", "py", "pz", "e", "pid"))
    assert np.array_equal(fold_of(single), fold)
    assert np.array_equal(fold_of(ht.Hadrons(hadrons.offsets, *columns)), fold)
