"""HOMER where data are published figures, and strings have all flavours."""

import warnings

import numpy as np
import pytest

import hadtutor as ht
from hadtutor import homer, lund
from hadtutor.homer import BreakWeights, HomerError, Published
from hadtutor.lund.all_flavours import KINDS, kind_of_break, log_density_of_kinds
from hadtutor.weights import chain_log_weights

FEW = ("thrust", "nch", "xp")


@pytest.fixture(scope="module")
def chains(showers_with_histories):
    return homer.prepare(showers_with_histories, factors=("order", "sigma_pt"))


@pytest.fixture(scope="module")
def seen(showers_with_histories):
    """The same as a detector sees it: decays after the fact change no weights."""
    return showers_with_histories.replace(hadrons=ht.pythia.decay(showers_with_histories, progress=False))


@pytest.fixture(scope="module")
def result(seen):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 3000 events are few, and it says so
        return homer.fit(seen, Published(FEW, theory_error=0.05), progress=False)


def test_f_of_every_kind_integrates_to_one(chains):
    rng = np.random.default_rng(1)
    breaks = BreakWeights(chains.basis, np.append(0.3 * rng.standard_normal(chains.basis.size - 2), [0.0, 0.0]))
    y = np.linspace(-16.0, 12.0, 6001)
    z = 1.0 / (1.0 + np.exp(-y))
    nodes = np.exp(chains.basis.axes[1].nodes)  # between them the normalisation is interpolated
    for kind, mt2 in ((0, nodes[10]), (1, nodes[20]), (2, nodes[25]), (4, nodes[34]), (6, nodes[45])):
        f = breaks.f(z, mt2, kind=kind)[0]
        assert np.trapezoid(f * z * (1 - z), y) == pytest.approx(1.0, abs=5e-3), KINDS[kind]


def test_a_power_of_one_minus_z_is_a_change_of_a_for_every_kind(showers_with_histories, chains):
    basis, sample = chains.basis, showers_with_histories
    z, _ = basis.z_and_mt2()
    theta = np.append(basis.project(-0.1 * np.log1p(-z)), np.zeros(2))
    exact = chain_log_weights(sample, sample.params.replace(a=sample.params.a - 0.1))
    learned = chains.log_weights(basis.table_of(theta))
    assert np.std(learned - exact) < 0.1 * np.std(exact)
    assert abs(np.mean(learned - exact)) < 0.02 * np.std(exact)


def test_another_b_is_another_power_of_z_for_heavy_quarks(showers_with_histories, chains):
    """All of the chain moves, heavy breaks by more than light ones: a weight that is the same for all would not do."""
    basis, sample = chains.basis, showers_with_histories
    target = sample.params.replace(b=sample.params.b + 0.05)
    theta = np.append(basis.project(basis.lund_table(target)), np.zeros(2))
    breaks, h = BreakWeights(basis, theta), sample.histories
    z, mt2, kind = h.z.astype(float), h.mt2.astype(float), kind_of_break(h.old, h.new)
    exact = log_density_of_kinds(z, mt2, kind, target) - log_density_of_kinds(z, mt2, kind, sample.params)
    learned = breaks(z, mt2, kind=kind)[0]
    for name, some in (("light", kind == 0), ("charm", kind == 4), ("bottom", kind == 6)):
        assert np.std((learned - exact)[some]) < 0.15 * np.std(exact[some]), name
    zero = np.zeros_like(kind)
    universal = log_density_of_kinds(z, mt2, zero, target) - log_density_of_kinds(z, mt2, zero, sample.params)
    assert np.std((universal - exact)[kind == 6]) > np.std(exact[kind == 6]), "a universal weight is worse than none"


def test_without_a_change_f_is_that_of_the_simulation(showers_with_histories, chains):
    breaks, h = BreakWeights(chains.basis, np.zeros(chains.basis.size)), showers_with_histories.histories
    z, mt2 = h.z[:500].astype(float), h.mt2[:500].astype(float)
    kind = kind_of_break(h.old, h.new)[:500]
    f = breaks.f(z, mt2, kind=kind)[0]
    np.testing.assert_allclose(np.log(f), log_density_of_kinds(z, mt2, kind, showers_with_histories.params), atol=2e-3)
    np.testing.assert_allclose(breaks.f(0.5, 0.3)[0], np.exp(lund.log_density(0.5, 0.3, showers_with_histories.params)))


def test_figures_lead_to_a_function_with_errors(result, seen):
    f, sigma = result.f(np.linspace(0.1, 0.9, 9), 0.3)
    assert np.all(f > 0)
    assert np.all((sigma > 0) & (sigma < f))
    assert len(result.log_w) == len(seen)
    assert "posterior" in str(result)
    assert result.iterations == []


def test_a_result_survives_its_file(result, tmp_path):
    result.save(tmp_path / "lep.npz")
    again = homer.HomerResult.load(tmp_path / "lep.npz")
    assert np.array_equal(again.f(0.4, 0.2), result.f(0.4, 0.2))
    assert again.breaks.basis.conditions == ("kind",)


def test_weights_of_the_result_are_those_of_step_three(result, seen):
    np.testing.assert_allclose(result.log_weights(seen), result.log_w, atol=1e-6)


def test_what_cannot_be_is_refused(seen, showers_with_histories):
    sample = seen
    with pytest.raises(HomerError, match="numbers per event, got xb_aleph"):
        Published(["thrust", "xb_aleph"])
    with pytest.raises(ValueError, match="got none"):
        Published([])
    with pytest.raises(ValueError, match="each once"):
        Published(["thrust", "thrust"])
    with pytest.raises(TypeError, match="a figure is a name"):
        Published([3])
    with pytest.raises(ValueError, match="unknown LEP figure"):
        Published(["trust"])
    with pytest.raises(ValueError, match="theory_error"):
        Published(FEW, theory_error=-0.1)
    with pytest.raises(ValueError, match="posterior alone"):
        homer.fit(sample, Published(FEW), posterior=False, progress=False)
    with pytest.raises(ValueError, match="method does nothing"):
        homer.fit(sample, Published(FEW), method="trees", progress=False)
    with pytest.raises(ValueError, match="string_pt"):
        homer.fit(sample, Published(FEW), conditions="string_pt", progress=False)
    with pytest.raises(ValueError, match="LEP measured thrust_206"):
        homer.fit(sample, Published(["thrust_206"]), progress=False)
    with pytest.raises(ValueError, match="decay before"):
        homer.fit(showers_with_histories, Published(FEW), progress=False)
