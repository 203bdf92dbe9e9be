import torch
from gans import PRECISION, dtypes

import hadtutor as ht
from hadtutor.cluster.tensor import PairOdds


def test_pair_odds_add_up_and_leave_no_room_for_what_does_not_fit():
    odds = PairOdds(ht.ClusterParams())
    flavour = torch.arange(25).repeat_interleave(4)
    lightest = torch.stack([odds.sum2[odds.pair[row][odds.fits[row]]].min().sqrt() for row in range(25)])
    mass = lightest[flavour] + torch.tensor([0.01, 0.5, 2.0, 8.0]).repeat(25)
    log_p, pair = odds(flavour, mass)
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(len(mass)), atol=1e-5, rtol=0)
    fits = odds.sum2[pair] < mass.square().unsqueeze(1)
    assert float(log_p.exp()[~fits].sum()) == 0.0


def test_without_diquarks_there_are_mesons_only():
    """At the lower end of the range of pwt_diquark; the logarithm of nothing is no error."""
    odds = PairOdds(ht.ClusterParams(pwt_diquark=0.0))
    log_p, _ = odds(torch.arange(25), torch.full((25,), 12.5))
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(25), atol=1e-5, rtol=0)
    assert float(log_p.exp()[odds.baryons].sum()) == 0.0


@dtypes
def test_odds_have_the_precision_of_the_module(dtype):
    log_p, _ = PairOdds(ht.ClusterParams()).to(dtype)(torch.arange(25), torch.full((25,), 12.5, dtype=dtype))
    assert log_p.dtype == dtype
    assert float(abs(log_p.logsumexp(1)).max()) < 10 * PRECISION[dtype]
