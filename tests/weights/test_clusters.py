"""Weights of cluster events: they close on direct runs, and have gradients."""

import functools

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import ClusterParams, observables
from hadtutor.cluster.densities import both_fit
from hadtutor.metrics import n_eff, pull
from hadtutor.weights import event_weights
from hadtutor.weights.tensor import ClusterWeights

BASE = ClusterParams(cl_soft=0.15, cl_smr_charm=0.5, cl_smr_bottom=0.4)
TARGETS = (
    BASE.replace(pwt_s=0.42, pwt_diquark=0.28, vector_wt=0.85, dec_wt=0.7),
    BASE.replace(cl_max=4.0, cl_pow=2.1, p_split=1.1, cl_smr=0.6, cl_soft=0.17),
    BASE.replace(
        cl_max_charm=3.2, cl_max_bottom=2.8, p_split_bottom=0.65, cl_smr_charm=0.7, cl_smr_bottom=0.3, pwt_s=0.33
    ),
)
SPECIES = {
    "pi": (211,), "K": (321,), "rho": (213,), "K*": (323,), "phi": (333,), "p": (2212,), "Lambda": (3122,),
    "Delta": (2224, 1114), "Sigma*": (3114, 3224), "Xi": (3312,), "D": (411, 421), "D*": (413, 423), "B*": (513, 523),
}  # fmt: skip


@functools.cache
def generated(params=BASE, half=0, seed=3, **options):
    showers = ht.datasets.load("pythia-showers-91")[half * 8000 : (half + 1) * 8000]
    return ht.hadronize_clusters(showers, params, rng=seed, **options)


def light_showers(n=400, energy=2.0):
    """A u and an anti-u, back to back, and nothing else."""
    ends = np.tile([0.5 * energy, -0.5 * energy], n)
    zero, pid = np.zeros(2 * n), np.tile([2, -2], n)
    return ht.Showers(2 * np.arange(n + 1), zero, zero, ends, abs(ends), pid, 1 * (pid > 0), 1 * (pid < 0), energy)


def measured(sample):
    c = sample.histories
    columns = {name: observables.count(sample, *codes) for name, codes in SPECIES.items()}
    columns |= {name: observables.compute(sample, names=[name])[name] for name in ("T", "n_f", "lnx_mean", "lnx_var")}
    of_event = lambda x: np.bincount(c.event, x, len(c)).astype(float)
    columns |= {"fissions": of_event(c.fate == 1), "singles": of_event(c.fate == 3)}
    return columns | {"masses": of_event(c.mass * (c.fate > 1)), "squares": of_event(c.mass**2 * (c.fate > 1))}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_weighted_events_are_those_of_a_direct_run(target):
    base, direct = generated(), generated(target, 1, 4)
    weights = event_weights(base, target)
    w = np.exp(weights.log_w)
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w))
    assert n_eff(weights.log_w) > 3000
    x, y = measured(base), measured(direct)
    pulls = {name: pull(x[name], y[name], weights.log_w) for name in x}
    assert max(map(abs, pulls.values())) < 4, pulls
    unweighted = [pull(x[name], y[name], np.zeros(len(base))) for name in x]
    assert max(map(abs, unweighted)) > 5, "the target is too near for this to say anything"


def test_a_soft_threshold_can_become_a_sharp_one():
    base, target = generated(), BASE.replace(cl_soft=0.0)
    weights = event_weights(base, target)
    w = np.exp(weights.log_w)
    assert 0.05 < np.mean(w == 0) < 0.95
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w))


def test_the_base_itself_has_weights_of_one():
    np.testing.assert_array_equal(event_weights(generated(), BASE).log_w, 0.0)
    sharp = generated(ClusterParams())
    np.testing.assert_array_equal(event_weights(sharp, ClusterParams()).log_w, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mass_s": 0.44}, "differs in mass_s, which moves all momenta"),
        ({"gluon_mass": 1.0, "mass_c": 1.6}, "differs in gluon_mass, mass_c"),
        ({"cl_max": 3.6}, "threshold of fission in the sample is sharp"),
        ({"cl_soft": 0.1}, "make the sample with a soft one, such as cl_soft=0.15"),
        ({"cl_smr_charm": 0.2}, "cl_smr_charm changes from 0 to 0.2"),
        ({"cl_smr": 0.0}, "cl_smr changes from 0.78 to 0"),
    ],
)
def test_targets_without_support_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        event_weights(generated(ClusterParams()), ClusterParams(**change))


@pytest.mark.filterwarnings("ignore:.*weighted events are worth")
@pytest.mark.parametrize("name", ["pwt_s", "pwt_diquark", "vector_wt", "dec_wt"])
def test_what_the_sample_never_makes_has_no_weight(name):
    without = BASE.replace(**{name: 0.0})
    showers = ht.datasets.load("pythia-showers-91")[:300]
    sample = ht.hadronize_clusters(showers, without, rng=1)
    with pytest.raises(ValueError, match=f"none of what {name} gives a weight"):
        event_weights(sample, BASE)
    # The other way round events with it get a weight of zero.
    sample = ht.hadronize_clusters(showers, BASE, rng=1)
    if name == "vector_wt":  # every event has some
        with pytest.raises(ValueError, match="the target has none of these 300 events"):
            event_weights(sample, without)
    else:
        assert 0.05 < np.mean(event_weights(sample, without).log_w == -np.inf) < 1.0


def test_models_are_not_mixed_up():
    strings = ht.hadronize_strings(10, rng=1)
    with pytest.raises(TypeError, match="the sample is one of strings; give LundParams"):
        event_weights(strings, BASE)
    with pytest.raises(TypeError, match="histories of string breaks are wanted, got Clusters"):
        event_weights(generated(), ht.LundParams())
    with pytest.raises(TypeError, match="are for strings"):
        event_weights(generated(), BASE, all_chains=True)
    with pytest.raises(TypeError, match="of clusters give the whole sample"):
        event_weights(generated().histories, BASE, base=ht.LundParams())
    for wrong in (generated(), ht.hadronize_strings(10, rng=1)):
        with pytest.raises(TypeError, match="must be ClusterParams|the sample is one of strings"):
            ClusterWeights(wrong, ht.LundParams())
    with pytest.raises(ValueError, match="event .: its hadrons are not those of its clusters"):
        event_weights(generated().replace(hadrons=generated(seed=9).hadrons), BASE)
    light = BASE.replace(mass_s=0.3)
    with pytest.raises(ValueError, match="weights want s quarks no lighter than u and d, got 0.3 and 0.325 GeV"):
        event_weights(generated().replace(params=light), light)
    with pytest.raises(ValueError, match="has no histories of clusters"):
        event_weights(generated().replace(histories=None), BASE)
    old = generated().histories.replace(formed_mass=None)
    with pytest.raises(ValueError, match="the file is of an earlier version"):
        event_weights(generated().replace(histories=old), BASE)


def test_another_law_of_directions_has_no_smearing():
    def isotropic(clusters, rng):
        return rng.normal(size=(len(clusters.mass), 3))

    sample = generated(decay=isotropic)
    assert sample.law == "isotropic"
    assert repr(sample).endswith("decays by isotropic)")
    with pytest.raises(ValueError, match="drawn by isotropic, which knows nothing of cl_smr"):
        event_weights(sample, BASE.replace(cl_smr=0.7))
    w = np.exp(event_weights(sample, BASE.replace(pwt_s=0.42)).log_w)
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w))


def test_another_law_of_masses_of_parts():
    """It goes with other directions or not; weights know which of both is not the model's."""

    def rising(u):
        return 1.0 + 2.0 * u

    sample = generated(parts=rising)
    assert repr(sample).endswith("decays by the model and masses of parts by rising)")
    with pytest.raises(ValueError, match="by rising, whose masses know nothing of p_split_charm, pwt_s"):
        event_weights(sample, BASE.replace(pwt_s=0.42, p_split_charm=0.8))
    w = np.exp(event_weights(sample, BASE.replace(vector_wt=0.9, cl_smr=0.7)).log_w)
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w))


def test_pions_alone_do_not_know_of_strange_decays():
    sample = generated(pions_only=True)
    target = BASE.replace(vector_wt=0.5, pwt_diquark=0.6, dec_wt=0.9)
    np.testing.assert_allclose(event_weights(sample, target).log_w, 0.0, atol=1e-12)
    assert np.exp(event_weights(sample, BASE.replace(cl_max=3.7)).log_w).std() > 0.05


# --- With gradients --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-3)])
def test_weights_in_torch_are_those_of_numpy(target, dtype, tolerance):
    log_w = ClusterWeights(generated(), target, dtype=dtype)()
    assert log_w.dtype == dtype
    np.testing.assert_allclose(log_w.detach().numpy(), event_weights(generated(), target).log_w, rtol=0, atol=tolerance)


def test_gradients_and_second_derivatives_are_those_of_differences():
    weights, target = ClusterWeights(generated()[:1000]), TARGETS[0]
    names = list(weights.steps)

    def value(x):
        return weights.at(**dict(zip(names, x.unbind(), strict=True))).logsumexp(0)

    x = torch.tensor([getattr(target, name) for name in names], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(value(x), x)
    hessian = torch.autograd.functional.hessian(value, x.detach())
    for k, name in enumerate(names):
        step = torch.zeros(len(names), dtype=torch.float64)
        step[k] = 1e-5
        up, down = ((x.detach() + s).requires_grad_() for s in (step, -step))
        slope = (value(up) - value(down)).item() / 2e-5
        assert gradient[k].item() == pytest.approx(slope, rel=1e-6, abs=1e-7), name
        of_up, of_down = (torch.autograd.grad(value(at), at)[0][k].item() for at in (up, down))
        assert hessian[k, k].item() == pytest.approx((of_up - of_down) / 2e-5, rel=1e-5, abs=1e-6), name


def test_several_samples_count_as_their_mixture():
    one, two = generated(), generated(TARGETS[0], 1, 5)
    weights = ClusterWeights([one, two], BASE)
    w = weights().exp().detach().numpy()
    assert w.shape == (16_000,)
    assert abs(w.mean() - 1.0) < 4 * w.std() / np.sqrt(len(w))
    log_p = [event_weights(one, target).log_w for target in (BASE, TARGETS[0])]
    np.testing.assert_allclose(np.log(w[:8000]), -np.log(0.5 + 0.5 * np.exp(log_p[1] - log_p[0])), atol=1e-10)
    with pytest.raises(ValueError, match="mass_s, which moves all momenta"):
        ClusterWeights([one, generated(BASE.replace(mass_s=0.46))], BASE)


def test_what_nothing_was_drawn_with_cannot_be_varied():
    sharp = ClusterWeights(generated(ClusterParams())[:300])
    for name, message in (("cl_max", "threshold of fission"), ("cl_smr_charm", "changes from 0 to 0.1")):
        with pytest.raises(ValueError, match=message):
            sharp.refuse_fixed([name])
    with pytest.raises(ValueError, match="cl_smr_bottom changes from 0"):
        sharp.at(cl_smr_bottom=0.3)
    with pytest.raises(ValueError, match="a sharp threshold has no gradients"):
        ClusterWeights(generated()[:300], BASE.replace(cl_soft=0.0))
    with pytest.raises(ValueError, match="samples differ in masses, .* or the kinds of decays"):
        ClusterWeights([generated()[:300], generated(pions_only=True)[:300]])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_weight_of_zero_is_zero_in_any_precision(dtype):
    without = ht.hadronize_clusters(ht.datasets.load("pythia-showers-91")[:300], BASE.replace(dec_wt=0.0), rng=1)
    assert torch.all(ClusterWeights(without, dtype=dtype)() == 0.0)
    with pytest.warns(RuntimeWarning, match="weighted events are worth"):
        log_w = event_weights(generated()[:300], BASE.replace(pwt_s=0.0)).log_w
    assert np.isinf(log_w).any()
    assert log_w.max() > -100.0


def test_what_is_made_on_the_way_is_on_the_device_of_the_draws():
    """The meta device has shapes alone, and refuses what lies elsewhere."""
    t, power = (torch.ones(n, device="meta", dtype=torch.float64) for n in ((5,), ()))
    assert both_fit(t, power, power, torch).device.type == "meta"


def test_a_few_events_of_pions_do_not_make_a_sample_of_pions():
    whole = ht.hadronize_clusters(light_showers(), BASE, rng=1)
    pions = np.flatnonzero(
        np.bincount(whole.hadrons.event, ~np.isin(abs(whole.hadrons.pid), (111, 211)), len(whole)) == 0
    )
    assert len(pions) > 5
    target = BASE.replace(vector_wt=0.5)
    some, all_events = event_weights(whole[pions], target), event_weights(whole, target)
    np.testing.assert_allclose(some.log_w, all_events.log_w[pions], atol=1e-12)


def test_weights_know_their_parameters():
    weights = ClusterWeights(generated()[:50], TARGETS[1])
    assert weights.params() == TARGETS[1]
    with pytest.raises(ValueError, match="dtype must be torch.float32 or torch.float64"):
        ClusterWeights(generated()[:50], dtype=torch.float16)
