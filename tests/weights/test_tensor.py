import dataclasses
import functools
import math

import numpy as np
import pytest
import torch

import hadtutor as ht
from hadtutor import LundParams, lund, weights
from hadtutor.metrics import n_eff
from hadtutor.weights import event_weights, record_trials
from hadtutor.weights.tensor import LundWeights

BASE = LundParams(a=0.72, b=0.88)
TARGETS = [BASE._replace(a=0.6), BASE._replace(b=1.0), BASE._replace(sigma_pt=0.32), LundParams(0.68, 0.98, 0.34)]


@functools.cache
def generated(params=BASE, seed=1, n=4000):
    return ht.hadronize_strings(n, params, rng=np.random.default_rng(seed))


@functools.cache
def recorded(over_sampling=1.0):
    return record_trials(generated(), rng=2, over_sampling=over_sampling)


def tensors(params, dtype=torch.float64, grad=False):
    return [torch.tensor(x, dtype=dtype, requires_grad=grad) for x in params[:3]]


# --- The same weights as those of numpy -------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 3e-5)])
def test_marginal_weights_are_those_of_numpy(target, dtype, tolerance):
    module = LundWeights(generated(), target, dtype=dtype)
    log_w = module()
    assert log_w.dtype == dtype
    assert module.params() == pytest.approx(target, rel=1e-6)
    expected = weights.event_weights(generated(), target).log_w
    assert abs(log_w.detach().numpy() - expected).max() < tolerance


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("over_sampling", [1.0, 2.0])
def test_accept_reject_weights_are_those_of_numpy(target, over_sampling):
    trials = recorded(over_sampling)
    log_w = LundWeights(generated(), target, trials=trials)().detach().numpy()
    expected = event_weights(generated(), target, trials=trials).log_w
    assert abs(log_w - expected).max() < 1e-9
    single = LundWeights(generated(), target, trials=trials, dtype=torch.float32)().detach().numpy()
    assert np.quantile(abs(single - expected), 0.999) < 1e-2


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_enhanced_breaks_are_weighted_too(share):
    base = BASE._replace(enhanced_fraction=share)
    target = base._replace(sigma_pt=0.32, a=0.7)
    expected = weights.event_weights(generated(base), target).log_w
    assert abs(LundWeights(generated(base), target)().detach().numpy() - expected).max() < 1e-10


def test_histories_of_real_pythia_are_weighted_too():
    sample = ht.datasets.load("pythia-pions-base")[:3000]
    target = sample.params._replace(a=0.6, b=1.0)
    expected = weights.event_weights(sample, target).log_w
    assert abs(LundWeights(sample, target)().detach().numpy() - expected).max() < 1e-10


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.3), (0.3, 0.98), (2.0, 3.0), (5.0, 0.5)])
def test_series_for_the_normalisation_is_that_of_the_integral(a, b):
    module = LundWeights(generated())
    mt2 = np.geomspace(*np.exp(module.log_mt2_range), 400)
    x = (2 * np.log(mt2) - sum(module.log_mt2_range)) / (module.log_mt2_range[1] - module.log_mt2_range[0])
    series = module._columns(*tensors((a, b, 0.3)))[4:].numpy()
    direct = lund.log_normalisation(mt2, LundParams(a, b))
    assert abs(-np.polynomial.chebyshev.chebval(x, series) - direct).max() < 1e-10


# --- Derivatives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["marginal", "accept-reject"])
def test_gradients_are_those_of_finite_differences(method):
    trials = recorded() if method == "accept-reject" else None
    module = LundWeights(generated(), trials=trials)
    values = tensors((0.66, 0.95, 0.33), grad=True)
    direction = torch.linspace(-1, 1, 4000, dtype=torch.float64)

    def scalar(*values):
        return (module.at(*values).exp() * direction).mean()

    gradient = torch.autograd.grad(scalar(*values), values)
    for k, exact in enumerate(gradient):
        ends = []
        for sign in (1, -1):
            moved = [v.detach().clone() for v in values]
            moved[k] += sign * 1e-5
            ends.append(float(scalar(*moved)))
        assert float(exact) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-9)


def test_second_derivatives_exist():
    module = LundWeights(generated())

    def total(values):
        return torch.logsumexp(2 * module.at(*values.unbind()), 0)

    hessian = torch.autograd.functional.hessian(total, torch.tensor([0.66, 0.95, 0.33], dtype=torch.float64))
    assert bool(torch.isfinite(hessian).all())
    assert abs(hessian - hessian.T).max() < 1e-6 * abs(hessian).max()


def test_the_mean_score_of_all_chains_is_zero():
    """ΣX ∂column: the derivative of ln p has mean 0 over events drawn with p."""
    module = LundWeights(generated(n=20_000))
    values = tensors(BASE, grad=True)
    log_p = module._log_density(*values)
    mean = torch.autograd.grad(log_p.mean(), values, retain_graph=True)
    square = torch.autograd.functional.jacobian(lambda *v: module._log_density(*v), tuple(tensors(BASE)))
    for m, s in zip(mean, square, strict=True):
        assert abs(float(m)) < 4 * float(s.std()) / math.sqrt(len(log_p))


def test_parameters_learn_and_can_be_fixed():
    module = LundWeights(generated())
    module.sigma_pt.requires_grad_(False)
    module().logsumexp(0).backward()
    assert module.a.grad is not None
    assert module.b.grad is not None
    assert module.sigma_pt.grad is None


# --- Batches and mixtures ----------------------------------------------------------------------------


def test_a_batch_has_the_weights_of_its_events_up_to_a_factor():
    module = LundWeights(generated(), TARGETS[-1])
    index = torch.tensor([7, 3, 3999, 0, 12, 13])
    difference = module(index) - module()[index]
    assert float(difference.detach().std()) < 1e-12
    with pytest.raises(ValueError, match="batches need marginal weights"):
        LundWeights(generated(), trials=recorded())(index)


def test_a_batch_of_all_events_is_the_sample():
    module = LundWeights(generated(), TARGETS[-1])
    assert torch.allclose(module(torch.arange(4000)), module(), atol=1e-12)


def test_counts_of_events_act_like_their_repetition():
    sample = generated()
    counts = np.random.default_rng(3).poisson(1.0, 4000)
    repeated = np.repeat(np.arange(4000), counts)
    module, target = LundWeights(sample), tensors(TARGETS[-1])
    log_w = module.at(*target, log_u=torch.tensor(counts.astype(float)).log())
    again = LundWeights(sample[repeated]).at(*target)
    assert torch.allclose(log_w[repeated], again, atol=1e-10)


def test_two_samples_are_one_mixture():
    target = LundParams(a=0.7, b=0.93)
    samples = [generated(LundParams(a=0.76, b=0.98), 5), generated(LundParams(a=0.64, b=0.88), 6)]
    both = LundWeights(samples, target)().detach().numpy()
    w = np.exp(both)
    assert abs(w.mean() - 1) < 4 * w.std() / math.sqrt(len(w))
    alone = [LundWeights(s, target)().detach().numpy() for s in samples]
    assert n_eff(both) > 0.98 * sum(n_eff(log_w) for log_w in alone)
    n = np.concatenate([s.hadrons.multiplicity for s in samples])
    assert abs(ht.metrics.pull(n, generated(target, 7, 8000).hadrons.multiplicity, both)) < 4
    with pytest.raises(ValueError, match="trials go with one sample"):
        LundWeights(samples, trials=recorded())


def test_a_sample_twice_is_the_sample():
    one, two = (LundWeights(s, TARGETS[-1])().detach() for s in (generated(), [generated(), generated()]))
    assert torch.allclose(torch.cat([one, one]), two, atol=1e-12)


def test_a_mixture_tames_weights_far_from_one_of_its_samples():
    """The weight cannot exceed the number of samples over the share of that which fits."""
    near, far = LundParams(a=0.68), LundParams(a=2.0)
    log_w = LundWeights([generated(near, 8), generated(far, 9)], near)().detach()
    assert float(log_w.max()) < math.log(2) + 0.1


# --- What cannot be ----------------------------------------------------------------------------------


def test_wrong_arguments_are_named():
    sample = generated()
    for argument, error, message in (
        ([], ValueError, "at least one sample"),
        ([sample, 3], TypeError, "samples must be a Sample or several, got int"),
        (dataclasses.replace(sample, histories=None), ValueError, "no histories"),
        ([sample, generated(BASE._replace(stop_mass=0.9))], ValueError, "only a, b and sigma_pt may differ.*stop_mass"),
    ):
        with pytest.raises(error, match=message):
            LundWeights(argument)
    for settings, error, message in (
        ({"params": (0.3,)}, TypeError, "params must be LundParams, got tuple"),
        ({"params": BASE._replace(u_fraction=0.4)}, ValueError, "not u_fraction"),
        ({"trials": 3}, TypeError, "trials must be those of record_trials"),
        (
            {"trials": recorded()._replace(offsets=np.zeros(3, int))},
            ValueError,
            "the trials belong to 2 breaks, the histories",
        ),
        ({"dtype": torch.float16}, ValueError, "dtype must be"),
    ):
        with pytest.raises(error, match=message):
            LundWeights(sample, **settings)
    z = sample.histories.z.copy()
    z[0] = np.nan
    broken = dataclasses.replace(sample, histories=dataclasses.replace(sample.histories, z=z))
    with pytest.raises(ValueError, match="the history of event 0 holds numbers that are not finite"):
        LundWeights(broken)


@pytest.mark.parametrize("name", weights.allowed.FIXED)
def test_what_decides_when_a_string_ends_is_no_start(name):
    with pytest.raises(ValueError, match=f"only a, b and sigma_pt may differ here, not {name}"):
        LundWeights(generated(n=100), BASE._replace(**{name: 0.4}))


def test_a_sample_of_another_law_or_without_events_is_refused():
    with pytest.raises(ValueError, match="drawn by my_law"):
        LundWeights(dataclasses.replace(generated(n=100), law="my_law"))
    with pytest.raises(ValueError, match="at least one event"):
        LundWeights(generated(n=100)[:0])


def test_strings_without_breaks_have_the_weights_of_their_last_pairs():
    sample = ht.hadronize_strings(200, energy=1.8, rng=1)
    assert len(sample.histories.z) == 0
    target = sample.params._replace(b=1.1, sigma_pt=0.34)
    expected = event_weights(sample, target).log_w
    np.testing.assert_allclose(LundWeights(sample, target)().detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_of_any_precision_are_taken_and_keep_their_gradients(dtype):
    module = LundWeights(generated(n=500), dtype=dtype)
    a = torch.tensor(0.6, requires_grad=True)
    log_w = module.at(a, 0.98, np.float64(0.335))
    assert log_w.dtype == dtype
    log_w[0].backward()
    assert a.grad.dtype == torch.float32
    assert torch.isfinite(a.grad)


# --- Events of several strings ----------------------------------------------------------------------


@functools.cache
def several(params=BASE, seed=1):
    showers = ht.datasets.load("pythia-showers-91")[:4000]
    return ht.hadronize_partons(showers, params, flavours="to u d", rng=seed, progress=False)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_events_of_several_strings_have_the_weights_of_numpy(target):
    weights_of, expected = LundWeights(several()), event_weights(several(), target).log_w
    np.testing.assert_allclose(weights_of.at(*target[:3]).detach(), expected, rtol=0, atol=1e-10)
    order = torch.randperm(len(expected), generator=torch.Generator().manual_seed(1))
    of_batch = weights_of.at(*target[:3], events=order).detach()
    np.testing.assert_allclose(of_batch, expected[order], rtol=0, atol=1e-10)


def test_events_of_several_strings_come_from_one_sample_with_all_of_them():
    """Means of the mixture at the parameters of one sample are those of that sample."""
    other = BASE._replace(a=0.95, b=0.80)
    samples = [several(), several(other, 2)]
    log_w = LundWeights(samples).at(*other[:3]).detach().numpy()
    w, n = np.exp(log_w), np.concatenate([s.hadrons.multiplicity for s in samples])
    assert abs(w.mean() - 1.0) < 4 * w.std() / len(w) ** 0.5
    fresh = several(other, 3).hadrons.multiplicity
    assert abs(ht.metrics.pull(n, fresh, log_w)) < 4
