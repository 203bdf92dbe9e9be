"""Flows in generators: laws of z, of decays, and chains of first emissions."""

import functools

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import flows, gan
from hadtutor.lund import log_density

P = ht.LundParams()


def lund(z, mt2):
    return np.exp(log_density(z, mt2, P))


@functools.cache
def strings():
    return ht.hadronize_strings(5000, P, energy=50.0, rng=1, progress=False)


@functools.cache
def learned():
    x, condition = flows.breaks(strings())
    flow = flows.SplineFlow(x, condition, kinds="share", hidden=(16,))
    flow.fit(x, condition, epochs=8, batch_size=1024, lr=1e-2)
    return flow


def test_the_learned_law_is_lunds_where_there_are_breaks():
    z, mt2 = np.array([0.2, 0.4, 0.6]), np.array([[0.05], [0.2]])
    assert np.allclose(flows.FlowLaw(learned()).density(z, mt2) / lund(z, mt2), 1.0, atol=0.1)


def test_a_law_is_normalised_and_stands_still_beyond_its_data():
    law = flows.FlowLaw(learned())
    y = np.linspace(-14, 14, 4001)
    z = 1 / (1 + np.exp(-y))
    total = (law.density(z, np.array([[0.05], [0.5]])) * z * (1 - z)).sum(axis=1) * (y[1] - y[0])
    assert np.allclose(total, 1.0, atol=3e-3)
    assert np.allclose(law.density(0.4, 1e3), law.density(0.4, np.exp(law.log_mt2[-1])))


def test_strings_by_a_learned_law_conserve_energy_and_have_the_right_multiplicity():
    made = ht.hadronize_strings(5000, P, energy=50.0, law=flows.FlowLaw(learned()), rng=2, progress=False)
    assert made.law == "FlowLaw"
    assert np.allclose(np.add.reduceat(made.hadrons.e, made.hadrons.offsets[:-1]), 50.0)
    n, m = made.hadrons.multiplicity, strings().hadrons.multiplicity
    assert abs(n.mean() - m.mean()) < 4 * np.hypot(n.std(), m.std()) / np.sqrt(5000) + 0.1  # what 10⁵ breaks leave


def test_the_scatter_of_laws_wants_two():
    law = flows.FlowLaw([learned(), learned()])
    assert np.all(law.sigma([0.2, 0.5], 0.1) == 0)
    with pytest.raises(ValueError, match="scatter"):
        flows.FlowLaw(learned()).sigma(0.5, 0.1)


def test_what_is_no_law_is_refused():
    with pytest.raises(TypeError, match="flow or several"):
        flows.FlowLaw("lund")
    with pytest.raises(ValueError, match="one column"):
        flows.FlowLaw(flows.SplineFlow([[0.5]], [[1.0, 2.0]], kinds="share"))
    with pytest.raises(ValueError, match="0 < z < 1"):
        flows.FlowLaw(learned()).density(1.5, 0.1)
    with pytest.raises(TypeError, match="histories"):
        flows.breaks(ht.Hadrons([0, 1], [0.0], [0.0], [1.0], [1.0], [211]))


# --- Chains ----------------------------------------------------------------------------------------


def test_a_chain_grows_by_the_logarithm_of_energy_and_knows_only_a_ratio():
    emission = flows.lund_emission(lund, P.sigma_pt)
    n = {
        (E, cut): flows.emit_chains(10_000, emission, energy=E, cut=cut, rng=k)
        for k, (E, cut) in enumerate([(50.0, 5.0), (100.0, 5.0), (200.0, 5.0), (200.0, 10.0)])
    }
    mean = {key: x.mean() for key, x in n.items()}
    error = 4 * np.sqrt(sum(x.var() for x in n.values()) / 10_000)
    first, second = mean[100.0, 5.0] - mean[50.0, 5.0], mean[200.0, 5.0] - mean[100.0, 5.0]
    assert abs(first - second) < error
    assert abs(mean[200.0, 10.0] - mean[100.0, 5.0]) < error
    assert abs(mean[100.0, 5.0] - 14.09) < error


def test_every_step_of_a_chain_conserves_four_momentum():
    """The mass of what is left, against four-momenta."""
    seen = []

    def emission(mass, rng):
        seen.append(mass.copy())
        return np.full(len(mass), 3.0), np.full(len(mass), 0.5)

    flows.emit_chains(1, emission, energy=20.0, cut=5.0, rng=1)
    m = ht.particles.MASS_CHARGED_PION
    e = np.sqrt(3.0**2 + 0.5**2 + m**2)
    for before, after in zip(seen, seen[1:]):
        assert after**2 == pytest.approx((before - e) ** 2 - 3.0**2 - 0.5**2)


@pytest.mark.parametrize(("energy", "cut"), [(4.0, 5.0), (np.nan, 5.0), (50.0, 0.1)])
def test_a_chain_wants_room(energy, cut):
    with pytest.raises(ValueError):
        flows.emit_chains(10, flows.lund_emission(lund, 0.3), energy=energy, cut=cut, rng=1)


# --- The autoencoder -------------------------------------------------------------------------------


def test_vectors_are_sorted_and_keep_their_numbers():
    x = np.random.default_rng(1).normal(size=1050)
    vectors = flows.sorted_vectors(x)
    assert vectors.shape == (10, 100)
    assert np.all(np.diff(vectors) >= 0)
    assert np.array_equal(np.sort(vectors.ravel()), np.sort(x[:1000]))
    with pytest.raises(ValueError, match="at least 100"):
        flows.sorted_vectors(x[:50])


def test_the_sliced_distance_of_a_sample_to_itself_is_zero():
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(1))
    assert float(flows.sliced_distance(x, x[torch.randperm(100)])) == pytest.approx(0.0, abs=1e-12)
    assert float(flows.sliced_distance(x, x + 1.0)) > 0.1


def test_an_autoencoder_tells_conditions_apart():
    rng = np.random.default_rng(1)
    vectors = np.concatenate([flows.sorted_vectors(s * rng.exponential(size=40_000)) for s in (1.0, 3.0)])
    condition = np.repeat([[1.0], [3.0]], 400, axis=0)
    model = flows.SlicedAutoencoder(vectors, condition)
    model.fit(vectors, condition, epochs=30, batch_size=100)
    assert model.latent(vectors, condition).shape == (800, 2)
    low, high = (model.sample(np.full((5000, 1), s), rng=1).mean() for s in (1.0, 3.0))
    assert abs(low - 1.0) < 0.2
    assert abs(high - 3.0) < 0.5


# --- Decays ----------------------------------------------------------------------------------------


@functools.cache
def truth():
    return gan.decays(ht.hadronize_clusters(ht.datasets.load("pythia-showers-91")[:1500], rng=1, pions_only=True))


@pytest.mark.parametrize("kind", [flows.SplineFlow, flows.MatchingFlow])
def test_decays_by_a_flow_go_where_the_cluster_sends_them(kind):
    flow = flows.DecayFlow(truth(), kind, rng=1)
    flow.fit(truth(), epochs=8, batch_size=512, lr=1e-2)
    made = flow.sample(truth().condition, rng=2)
    assert torch.allclose(made.norm(dim=1), torch.ones(len(made)), atol=1e-5)
    for perturbative in (True, False):
        keep = truth().perturbative == perturbative
        one, other = made[keep, 2].double(), truth().direction[keep, 2].double()
        assert abs(one.mean() - other.mean()) < 5 * (one.std() + other.std()) / len(one) ** 0.5
    isotropic = -np.log(4 * np.pi)
    with torch.no_grad():
        assert float(flow.log_density(truth()).double().mean()) > isotropic + 0.02


def test_a_flow_decays_clusters_in_the_generator():
    flow = flows.DecayFlow(truth(), rng=1)
    showers = ht.datasets.load("pythia-showers-91")[:100]
    one, other = (
        ht.hadronize_clusters(showers, rng=3, pions_only=True, decay=gan.as_decay(flow), threads=t) for t in (1, 2)
    )
    assert np.array_equal(one.hadrons.px, other.hadrons.px)
    assert abs(one.hadrons.e.sum() - 100 * one.energy) < 1e-6


def test_real_pythia_fragments_by_a_learned_law():
    pytest.importorskip("pythia8mc")
    showers = ht.datasets.load("pythia-showers-91")[:400]
    own, made = (
        ht.pythia.hadronize(showers, P, seed=k, law=law).multiplicity
        for k, law in enumerate((None, flows.FlowLaw(learned())), 1)
    )
    assert abs(own.mean() - made.mean()) < 4 * np.hypot(own.std(), made.std()) / np.sqrt(400)
