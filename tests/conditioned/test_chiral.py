import numpy as np
import pytest
from scipy import stats

from hadtutor.conditioned import ChiralString, chiral_chains, harmonic

CUTS = {0.9: 0.51, 1.2: 0.78, 1.7: 0.94, 3.0: 0.995}
STRING = ChiralString(mass_cut=1.0)


@pytest.mark.parametrize("cut", CUTS)
def test_h_is_published_and_how_often_bare_chains_are_accepted(cut):
    string = ChiralString(mass_cut=cut)
    h = harmonic(string)(10.0)
    assert h == pytest.approx(CUTS[cut], abs=0.005)
    accepted = chiral_chains(40_000, 10.0, string, rng=1).accepted
    assert stats.binomtest(int(accepted.sum()), len(accepted), float(h)).pvalue > 1e-3


def test_h_is_harmonic():
    """h of what a break leaves, drawn, is on average h of what was there."""
    h = harmonic(STRING)
    for mass in (1.05, 1.5, 3.0, 20.0):
        after = h(chiral_chains(40_000, mass, STRING, rng=2).masses[:, 1])
        assert abs(after.mean() - h(mass)) < 4 * after.std() / 200


def test_no_conditioned_chain_is_rejected_and_their_law_is_that_of_accepted_ones():
    bare = chiral_chains(60_000, 5.0, STRING, rng=3)
    conditioned = chiral_chains(30_000, 5.0, STRING, rng=4, h=harmonic(STRING))
    assert conditioned.accepted.all()
    n, m = bare.n_breaks[bare.accepted], conditioned.n_breaks
    counts = [np.bincount(np.minimum(x, 10), minlength=11)[1:] for x in (n, m)]
    assert stats.chi2_contingency(counts).pvalue > 1e-3
    for step in (1, 3):
        of = [c.masses[c.accepted, step] for c in (bare, conditioned)]
        assert stats.ks_2samp(*(x[np.isfinite(x)] for x in of)).pvalue > 1e-3


def test_the_hybrid_has_the_law_of_the_condition_where_h_is_flat():
    h = harmonic(STRING)
    hybrid = chiral_chains(30_000, 20.0, STRING, rng=5, h=h.flat_above(4.0))
    full = chiral_chains(30_000, 20.0, STRING, rng=6, h=h)
    assert hybrid.accepted.all()
    counts = [np.bincount(np.minimum(c.n_breaks, 18), minlength=19)[3:] for c in (hybrid, full)]
    assert stats.chi2_contingency(counts).pvalue > 1e-3


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="mass_final must be below mass_cut"):
        harmonic(ChiralString(mass_cut=0.5))
    with pytest.raises(ValueError, match="b must be > 0"):
        harmonic(ChiralString(b=float("nan")))
    with pytest.raises(TypeError, match="ChiralString"):
        harmonic((0.68, 0.98))
    with pytest.raises(ValueError, match="of this string"):
        chiral_chains(10, 5.0, STRING, rng=1, h=harmonic(ChiralString(mass_cut=1.2)))
    dead = harmonic(STRING)
    object.__setattr__(dead, "values", 0.0 * dead.values)
    with pytest.raises(RuntimeError, match="in vain"):
        chiral_chains(10, 50.0, STRING, rng=1, h=dead)
