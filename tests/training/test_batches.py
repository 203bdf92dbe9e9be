import math

import numpy as np
import pytest
import torch
from torch import nn

from hadtutor.nets import MLP, Cloud, DeepSets, ScaledCloud, Standardise, torch_seed
from hadtutor.training import Clouds, Paired, Table, classifier_loss, evaluate, train


def clouds():
    """Events of 2, 0, 3, 1 and 0 particles."""
    x = torch.arange(12.0).reshape(6, 2)
    return Clouds(x, [0, 2, 2, 5, 6, 6], torch.arange(5), torch.arange(10).reshape(5, 2), weight=10 * x[:, 0])


def test_a_batch_of_a_table_has_the_rows_asked_for():
    data = Table(torch.arange(4.0), [10, 11, 12, 13], np.arange(8).reshape(4, 2))
    assert len(data) == 4
    x, y, z = data[torch.tensor([3, 0, 3])]
    assert x.tolist() == [3.0, 0.0, 3.0]
    assert y.tolist() == [13, 10, 13]
    assert z.tolist() == [[6, 7], [0, 1], [6, 7]]


@pytest.mark.parametrize(
    "index", [[0], [1], [4, 1], [0, 1, 2, 3, 4], [3, 2, 0, 4, 1], [2, 2, 0, 2], [1, 1, 3, 4, 0, 0], []], ids=str
)
def test_a_batch_of_clouds_has_the_particles_of_the_events_asked_for(index):
    """In their order, repeated where an event is, and none for empty events; compared with slices of each event."""
    data = clouds()
    cloud, number, pair = data[torch.tensor(index, dtype=torch.int64)]
    rows = [list(range(int(data.offsets[i]), int(data.offsets[i + 1]))) for i in index]
    assert isinstance(cloud, Cloud)
    assert cloud.n_sets == len(index)
    assert cloud.index.tolist() == [k for k, r in enumerate(rows) for _ in r]
    assert cloud.x.tolist() == data.x[sum(rows, [])].tolist()
    assert cloud.weight.tolist() == data.weight[sum(rows, [])].tolist()
    assert number.tolist() == index
    assert pair.tolist() == [[2 * i, 2 * i + 1] for i in index]


def test_clouds_need_neither_weights_nor_columns():
    (cloud,) = Clouds(torch.ones(3, 1), np.array([0, 1, 3]))[torch.tensor([1])]
    assert cloud.weight is None
    assert cloud.index.tolist() == [0, 0]
    assert len(clouds()) == 5


def test_tables_need_columns_of_one_length():
    with pytest.raises(ValueError, match=r"columns of one length, got \[\]"):
        Table()
    with pytest.raises(ValueError, match=r"columns of one length, got \[3, 2\]"):
        Table(torch.zeros(3), torch.zeros(2))


@pytest.mark.parametrize("offsets", [[], [0, 2], [0, 4], [1, 3], [0, 3, 1, 3], [0, -1, 3]], ids=str)
def test_offsets_run_from_0_to_the_number_of_rows(offsets):
    with pytest.raises(ValueError, match="offsets must run from 0 to the number of rows, 3"):
        Clouds(torch.zeros(3, 1), offsets)


def test_columns_of_clouds_have_one_entry_per_event():
    with pytest.raises(ValueError, match=r"one entry for each of 2 events, got \[2, 3\]"):
        Clouds(torch.zeros(3, 1), [0, 1, 3], torch.zeros(2), torch.zeros(3))


@pytest.mark.parametrize("n", [2, 4])
def test_particles_of_clouds_have_one_weight_each(n):
    with pytest.raises(ValueError, match="weight"):
        Clouds(torch.zeros(3, 1), [0, 1, 3], weight=torch.zeros(n))


def test_paired_data_want_events():
    with pytest.raises(ValueError, match="both data sets want events, got 2 and 0"):
        Paired(Table(torch.zeros(2)), Table(torch.zeros(0)))


def test_columns_may_be_of_any_kind():
    """Data frames are one column; what is masked or missing is NaN, and so never an event of that value."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"T": [0.9, 0.8, None], "n": [10, 12, 14]})
    masked = np.ma.array([1.0, 999.0, 3.0], mask=[False, True, False])
    x, y, z = Table(frame, masked, frame["n"])[torch.arange(3)]
    assert torch.equal(x.isnan(), torch.tensor([[False, False], [False, False], [True, False]]))
    assert y.isnan().tolist() == [False, True, False]
    assert z.tolist() == [10, 12, 14]
    cloud, number = Clouds(frame, pd.Series([0, 1, 3]), [5, 6], weight=frame["n"])[torch.arange(2)]
    assert cloud.index.tolist() == [0, 1, 1]
    assert (cloud.weight.tolist(), number.tolist()) == ([10, 12, 14], [5, 6])


def test_columns_have_events():
    with pytest.raises(ValueError, match="columns want one entry for each event, got a single number"):
        Table(3.0)
    with pytest.raises(ValueError, match=r"x must have the shape \(rows, F\), got \(3,\)"):
        Clouds(torch.zeros(3), [0, 1, 3])
    with pytest.raises(TypeError, match="column 0 must hold numbers"):
        Table(["a", "b"])
    with pytest.raises(ValueError, match="offsets"):
        Clouds(torch.zeros(3, 1), [0, 1.5, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_networks_take_columns_of_any_precision(dtype):
    """Columns of hadrons are float64, networks are float32: the output has the precision of the weights."""
    x = torch.arange(12).reshape(6, 2).to(dtype)
    with torch_seed(1):
        row, sets = nn.Sequential(Standardise(x), MLP(2, 4, 1)), nn.Sequential(ScaledCloud(x), DeepSets(2))
    label = torch.tensor([0, 1])
    for net, data in ((row, Table(x, label.repeat(3))), (sets, Clouds(x, [0, 2, 6], label))):
        log = train(net, data, classifier_loss, epochs=1, progress=False)
        assert math.isfinite(log.loss["loss"][0])
        assert evaluate(net, data).dtype == torch.float32


def test_events_without_particles_and_no_events_are_batches_too():
    empty = Clouds(torch.zeros(0, 2), [0, 0, 0])
    assert evaluate(DeepSets(2), empty).shape == (2,)
    assert evaluate(DeepSets(2), Clouds(torch.zeros(0, 2), [0])).shape == (0,)
    assert evaluate(MLP(2, 1), Table(torch.zeros(0, 2))).shape == (0, 1)
