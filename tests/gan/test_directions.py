import numpy as np
import pytest
import torch
from gans import pions

import hadtutor as ht
from hadtutor import gan
from hadtutor.kinematics.tensor import (
    helicity_axes,
    rotate,
    two_body,
)


def test_decays_give_back_the_hadrons_of_the_sample():
    sample = pions()
    truth, (rows, first) = gan.decays(sample), gan.pair_rows(sample)
    c = sample.histories
    p, mass = gan.momenta(c)[rows], torch.as_tensor(c.mass[rows])
    of_quark = rotate(truth.direction.double(), helicity_axes(p[:, :3])) * gan.leading(c)[rows, None]
    hadrons = gan.momenta(sample.hadrons)
    m1, m2 = (
        (k[:, 3] ** 2 - k[:, :3].square().sum(1)).clamp(min=0).sqrt() for k in (hadrons[first], hadrons[first + 1])
    )
    one, two = two_body(p, mass, of_quark, m1, m2)
    torch.testing.assert_close(one, hadrons[first], atol=1e-4, rtol=0)
    torch.testing.assert_close(two, hadrons[first + 1], atol=1e-4, rtol=0)


def test_conditions_do_not_depend_on_how_the_event_is_turned():
    c = pions().histories
    turned = c.replace(px=-c.py, py=c.px)
    assert torch.equal(gan.conditions(turned), gan.conditions(c))


def test_leading_hadron_is_that_of_the_perturbative_quark():
    c = pions().histories
    sign = gan.leading(c).numpy()
    assert (sign[c.quark_perturbative] == 1).all()
    assert (sign[~c.quark_perturbative & c.antiquark_perturbative] == -1).all()
    truth = gan.decays(pions())
    cosine = truth.direction[truth.perturbative][:, 2]
    assert float(cosine.mean() / cosine.std() * len(cosine) ** 0.5) > 20, "it flies on with the cluster"


def test_decays_want_clusters():
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(ht.hadronize_strings(3, rng=np.random.default_rng(1)))
    with pytest.raises(TypeError, match="sample with clusters"):
        gan.decays(None)
